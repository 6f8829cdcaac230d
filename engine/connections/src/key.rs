//! Getting the key-encryption key, and proving it against the store. Without the right key nothing starts.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use actas_core::Secret;
use actas_store::{Commit, CommitError, Op, Store, system};
use zeroize::Zeroize as _;

use crate::config::KeySource;
use crate::errors::OpenError;
use crate::rotate::PURPOSES;
use crate::vault::Vault;

/// Opens the vault: takes the key from its source and compares it with the store's key-check value, which a new store is given.
pub(crate) async fn open(store: &Store, source: &KeySource) -> Result<Vault, OpenError> {
    let known = store.key_check().await?;
    let vault = Vault::new(take(source, known.is_none()).await?);
    let vault = match &known {
        Some((kek_id, check)) => replaced(vault, source, kek_id, check)?,
        None => vault,
    };
    let vault = first(store, vault, known).await?;
    for purpose in PURPOSES {
        if let Some(sealed) = store.derived_key(purpose).await?
            && vault.load_derived(purpose, &sealed).is_err()
        {
            return Err(OpenError::KeyBad(format!(
                "what the store keeps for `{purpose}` does not open with it"
            )));
        }
    }
    vault.load(&store.all_workspace_keys().await?);
    Ok(vault)
}

/// A rotation that was broken off leaves the new key beside the old one: if it is the one that the store asks for, it takes its place now.
fn replaced(
    vault: Vault,
    source: &KeySource,
    kek_id: &str,
    check: &[u8],
) -> Result<Vault, OpenError> {
    let KeySource::EmbeddedFile(path) = source else {
        return Ok(vault);
    };
    let next = match read(&next_to(path)) {
        Ok(key) => Vault::new(key),
        Err(OpenError::KeyMissing(_)) => return Ok(vault),
        Err(error) if vault.proves(kek_id, check) => {
            tracing::warn!("a new key that never counted is left beside the key: {error}");
            return Ok(vault);
        }
        Err(error) => return Err(error),
    };
    if next.proves(kek_id, check) {
        finish_next(path)?;
        return Ok(next);
    }
    if vault.proves(kek_id, check) {
        // It never counted.
        remove(&next_to(path))?;
    }
    Ok(vault)
}

/// Where the new key of an embedded store lies until the store asks for it.
fn next_to(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(OpenError::KeyBad(format!(
            "{} cannot be removed: {e}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Puts a new key beside the key of an embedded store, on the disk before the store asks for it.
pub(crate) fn write_next(path: &Path, key: &Secret<[u8; 32]>) -> Result<(), OpenError> {
    let next = next_to(path);
    remove(&next)?;
    write(&next, key)
        .map_err(|e| OpenError::KeyBad(format!("{} cannot be made: {e}", next.display())))
}

/// The store asks for the new key: it takes the place of the old one.
pub(crate) fn finish_next(path: &Path) -> Result<(), OpenError> {
    let moved = std::fs::rename(next_to(path), path).and_then(|()| sync_folder(path));
    moved.map_err(|e| OpenError::KeyBad(format!("{} cannot be replaced: {e}", path.display())))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Proves the key, or makes it the store's.
async fn first(
    store: &Store,
    vault: Vault,
    known: Option<(String, Vec<u8>)>,
) -> Result<Vault, OpenError> {
    match known {
        Some((kek_id, check)) => prove(vault, &kek_id, &check),
        None => {
            let first = store
                .commit(Commit {
                    ops: vec![Op::SetKeyCheck {
                        kek_id: vault.kek_id(),
                        check: vault.check_value(),
                    }],
                    audit: Vec::new(),
                })
                .await;
            match first {
                Ok(()) => Ok(vault),
                // Another process was first: then its key counts.
                Err(CommitError::Conflict { .. } | CommitError::Unknown) => {
                    let (kek_id, check) = store.key_check().await?.ok_or_else(|| {
                        OpenError::KeyBad("the store does not keep its key check".to_owned())
                    })?;
                    prove(vault, &kek_id, &check)
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

fn prove(vault: Vault, kek_id: &str, check: &[u8]) -> Result<Vault, OpenError> {
    if vault.proves(kek_id, check) {
        Ok(vault)
    } else {
        Err(OpenError::KeyWrong {
            store: kek_id.to_owned(),
            given: vault.kek_id(),
        })
    }
}

async fn take(source: &KeySource, store_is_new: bool) -> Result<Secret<[u8; 32]>, OpenError> {
    match source {
        KeySource::EmbeddedFile(path) => match read(path) {
            Err(OpenError::KeyMissing(_)) if store_is_new => make(path),
            Err(OpenError::KeyMissing(_)) => Err(OpenError::KeyMissing(format!(
                "{} is gone, and this store holds secrets sealed with it: put the file back from its backup",
                path.display()
            ))),
            other => other,
        },
        KeySource::File(path) => read(path),
        KeySource::Env(name) => match std::env::var(name) {
            Ok(text) => parse(&Secret::new(text)),
            Err(_) => Err(OpenError::KeyMissing(format!(
                "environment variable {name} is not set: give 64 hexadecimal digits"
            ))),
        },
        KeySource::Command(command) => {
            let output = tokio::process::Command::new("sh")
                .arg("-c")
                .arg(command)
                .stdin(std::process::Stdio::null())
                .stderr(std::process::Stdio::inherit())
                .output()
                .await
                .map_err(|e| OpenError::KeyMissing(format!("key command cannot be run: {e}")))?;
            if !output.status.success() {
                return Err(OpenError::KeyMissing(format!(
                    "key command failed ({})",
                    output.status
                )));
            }
            let bytes = Secret::new(output.stdout);
            let text = std::str::from_utf8(bytes.reveal())
                .map_err(|_| OpenError::KeyBad(NOT_A_KEY.to_owned()))?;
            parse(&Secret::new(text.to_owned()))
        }
    }
}

const NOT_A_KEY: &str = "it must be 64 hexadecimal digits, such as `openssl rand -hex 32` prints";

fn parse(text: &Secret<String>) -> Result<Secret<[u8; 32]>, OpenError> {
    let mut key = [0; 32];
    let read = hex::decode_to_slice(text.reveal().trim(), &mut key);
    let secret = Secret::new(key);
    key.zeroize();
    read.map_err(|_| OpenError::KeyBad(NOT_A_KEY.to_owned()))?;
    if secret
        .reveal()
        .iter()
        .all(|byte| *byte == secret.reveal()[0])
    {
        return Err(OpenError::KeyBad("all its bytes are the same".to_owned()));
    }
    Ok(secret)
}

pub(crate) fn read(path: &Path) -> Result<Secret<[u8; 32]>, OpenError> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) => private(path, &found)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenError::KeyMissing(format!("{shown} is not there")));
        }
        Err(e) => return Err(OpenError::KeyBad(format!("{shown} cannot be read: {e}"))),
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| OpenError::KeyBad(format!("{shown} cannot be read: {e}")))?;
    parse(&Secret::new(text))
}

#[cfg(unix)]
fn private(path: &Path, found: &std::fs::Metadata) -> Result<(), OpenError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(OpenError::KeyBad(format!(
        "{shown} may be read by others (mode {mode:o}): chmod 600 {shown}",
        shown = path.display()
    )))
}

#[cfg(not(unix))]
fn private(_: &Path, _: &std::fs::Metadata) -> Result<(), OpenError> {
    Ok(())
}

/// Makes a key where none is: never over another one, and on the disk before anything is sealed with it.
fn make(path: &Path) -> Result<Secret<[u8; 32]>, OpenError> {
    let cannot = |e: std::io::Error| {
        OpenError::KeyMissing(format!("{} cannot be made: {e}", path.display()))
    };
    let key = Secret::new(system::random::<32>());
    match write(path, &key) {
        Ok(()) => Ok(key),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => read(path),
        Err(e) => Err(cannot(e)),
    }
}

/// Writes a key where nothing is, for its owner alone.
fn write(path: &Path, key: &Secret<[u8; 32]>) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text = Secret::new(format!("{}\n", hex::encode(key.reveal())));
    file.write_all(text.reveal().as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at once")]

    use super::*;

    #[test]
    fn a_made_key_is_private_and_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let made = make(&path).unwrap();
        assert_eq!(make(&path).unwrap().reveal(), made.reveal());
        assert_eq!(read(&path).unwrap().reveal(), made.reveal());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(read(&path), Err(OpenError::KeyBad(_))));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for text in [
            "",
            "abc",
            &"0".repeat(64),
            &"g1".repeat(32),
            &"a1".repeat(33),
        ] {
            let error = parse(&Secret::new(text.to_owned()))
                .unwrap_err()
                .to_string();
            assert!(text.len() < 4 || !error.contains(text), "{error}");
        }
        assert!(parse(&Secret::new(format!(" {}\n", "a1b2".repeat(16)))).is_ok());
    }

    #[tokio::test]
    async fn a_store_in_use_without_its_key_file_is_not_given_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let source = KeySource::EmbeddedFile(path.clone());
        assert!(matches!(
            take(&source, false).await,
            Err(OpenError::KeyMissing(_))
        ));
        assert!(!path.exists());
        take(&source, true).await.unwrap();
        assert!(path.exists());
        let given = KeySource::File(folder.path().join("other.key"));
        assert!(matches!(
            take(&given, true).await,
            Err(OpenError::KeyMissing(_))
        ));
    }

    #[tokio::test]
    async fn a_command_may_print_the_key() {
        let key = "0123456789abcdef".repeat(4);
        let source = KeySource::Command(format!("echo {key}"));
        assert_eq!(
            hex::encode(take(&source, false).await.unwrap().reveal()),
            key
        );
        let failing = KeySource::Command("exit 3".to_owned());
        assert!(matches!(
            take(&failing, false).await,
            Err(OpenError::KeyMissing(_))
        ));
    }
}
