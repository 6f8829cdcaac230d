//! Sealing and opening secrets: authenticated encryption with a random data key for each secret, wrapped by the key-encryption key.
//!
//! What a secret is sealed *for* is part of the seal: workspace, owner, connection, field and version. Opening takes that identity from
//! whoever asks, never from the row, so that a row moved to another place does not open there. There is no mode without a key.

use std::fmt;

use actas_core::Secret;
use actas_core::ids::WorkspaceId;
use actas_store::{SecretRow, system};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// The format of what is sealed, and the domain of its associated data.
const FORMAT: &str = "actas/vault/1";
const NONCE: usize = 24;
/// What the key-check value holds.
const CHECK: &[u8] = b"this store was written with this key";

/// It does not open: another key, another place, or altered bytes. Which of them, nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed value does not open")]
pub struct Broken;

/// What a secret is sealed for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The workspace.
    pub workspace: &'a WorkspaceId,
    /// Whose it is: a person's id, or `workspace`.
    pub owner: &'a str,
    /// The connection, app client or attempt it belongs to.
    pub of: &'a str,
    /// `access_token`, `refresh_token`, `client_secret`, `attempt`.
    pub field: &'a str,
    /// The version of the connection's secrets.
    pub version: i64,
}

impl Place<'_> {
    /// Length-prefixed, so that no two places have the same bytes.
    fn associated(&self) -> Vec<u8> {
        joined(&[
            FORMAT.as_bytes(),
            self.workspace.as_str().as_bytes(),
            self.owner.as_bytes(),
            self.of.as_bytes(),
            self.field.as_bytes(),
            &self.version.to_be_bytes(),
        ])
    }
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The vault: the key-encryption key and its id.
pub struct Vault {
    key: Secret<[u8; 32]>,
    kek_id: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("kek_id", &self.kek_id)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault under a key. The key's id is a hash of it, so that two programs with one key agree.
    pub fn new(key: Secret<[u8; 32]>) -> Self {
        let digest = Sha256::digest(joined(&[b"actas/kek-id/1", key.reveal()]));
        Self {
            kek_id: format!("kek_{}", hex::encode(&digest[..8])),
            key,
        }
    }

    /// The id of the key.
    pub fn kek_id(&self) -> &str {
        &self.kek_id
    }

    /// The value that proves the key to a later start.
    pub fn check_value(&self) -> Vec<u8> {
        seal(self.key.reveal(), CHECK, &self.check_associated())
    }

    /// Whether a stored key-check value was made with this key.
    pub fn proves(&self, kek_id: &str, check: &[u8]) -> bool {
        kek_id == self.kek_id
            && open(self.key.reveal(), check, &self.check_associated())
                .is_ok_and(|text| text == CHECK)
    }

    fn check_associated(&self) -> Vec<u8> {
        joined(&[FORMAT.as_bytes(), b"key-check", self.kek_id.as_bytes()])
    }

    fn key_associated(&self) -> Vec<u8> {
        joined(&[FORMAT.as_bytes(), b"data-key", self.kek_id.as_bytes()])
    }

    /// HMAC-SHA256 (RFC 2104) over what is told apart by its parts, under a key of its own for each purpose. That key is made of the
    /// key-encryption key, so that nothing is stored and all processes agree without asking.
    pub fn code(&self, purpose: &str, parts: &[&[u8]]) -> Code {
        let key = Secret::new(
            Code(keyed(self.key.reveal()))
                .over(&[purpose.as_bytes()])
                .finish(),
        );
        Code(keyed(key.reveal())).over(parts)
    }

    /// Seals a secret for its place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> SecretRow {
        let data_key = Secret::new(system::random::<32>());
        SecretRow {
            owner: place.of.to_owned(),
            field: place.field.to_owned(),
            version: place.version,
            kek_id: self.kek_id.clone(),
            wrapped: seal(self.key.reveal(), data_key.reveal(), &self.key_associated()),
            sealed: seal(data_key.reveal(), plain, &place.associated()),
        }
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`Broken`] if it was sealed for another one, under another key, or was altered.
    pub fn open(&self, place: &Place<'_>, row: &SecretRow) -> Result<Secret<Vec<u8>>, Broken> {
        if row.kek_id != self.kek_id {
            return Err(Broken);
        }
        let mut unwrapped = open(self.key.reveal(), &row.wrapped, &self.key_associated())?;
        let data_key = <[u8; 32]>::try_from(unwrapped.as_slice()).map(Secret::new);
        unwrapped.zeroize();
        let data_key = data_key.map_err(|_| Broken)?;
        open(data_key.reveal(), &row.sealed, &place.associated()).map(Secret::new)
    }

    /// The same for a secret that is text.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_text(&self, place: &Place<'_>, row: &SecretRow) -> Result<Secret<String>, Broken> {
        let bytes = self.open(place, row)?;
        let text = std::str::from_utf8(bytes.reveal()).map_err(|_| Broken)?;
        Ok(Secret::new(text.to_owned()))
    }

    /// Seals into one run of bytes, for a column that holds nothing else.
    pub fn seal_bytes(&self, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        let row = self.seal(place, plain);
        joined(&[row.kek_id.as_bytes(), &row.wrapped, &row.sealed])
    }

    /// Opens what [`Self::seal_bytes`] made.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_bytes(&self, place: &Place<'_>, bytes: &[u8]) -> Result<Secret<Vec<u8>>, Broken> {
        let mut rest = bytes;
        let mut next = || -> Result<Vec<u8>, Broken> {
            let (length, after) = rest.split_first_chunk::<8>().ok_or(Broken)?;
            let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| Broken)?;
            let (part, after) = after.split_at_checked(length).ok_or(Broken)?;
            rest = after;
            Ok(part.to_vec())
        };
        let row = SecretRow {
            owner: place.of.to_owned(),
            field: place.field.to_owned(),
            version: place.version,
            kek_id: String::from_utf8(next()?).map_err(|_| Broken)?,
            wrapped: next()?,
            sealed: next()?,
        };
        if !rest.is_empty() {
            return Err(Broken);
        }
        self.open(place, &row)
    }
}

/// A message authentication code that is about to be made or compared.
pub struct Code(Hmac<Sha256>);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

impl Code {
    fn over(mut self, parts: &[&[u8]]) -> Self {
        self.0.update(&joined(parts));
        self
    }

    /// The code itself.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }

    /// Whether it is this one; takes as long for a wrong one as for the right one.
    pub fn fits(self, given: &[u8]) -> bool {
        self.0.verify_slice(given).is_ok()
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of this code may have any length")
}

/// Nonce and ciphertext. A random nonce of 192 bits never comes twice (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha).
fn seal(key: &[u8; 32], plain: &[u8], associated: &[u8]) -> Vec<u8> {
    let nonce = system::random::<NONCE>();
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload {
        msg: plain,
        aad: associated,
    };
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .expect("only a plaintext of 256 GB cannot be sealed");
    [nonce.as_slice(), &sealed].concat()
}

fn open(key: &[u8; 32], sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, Broken> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Broken)?;
    XChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(
            &XNonce::from(*nonce),
            Payload {
                msg: sealed,
                aad: associated,
            },
        )
        .map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at once")]

    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(Secret::new([byte; 32]))
    }

    #[test]
    fn a_secret_opens_in_its_own_place_alone() {
        let vault = vault(1);
        let workspaces = [WorkspaceId::from_bits(1), WorkspaceId::from_bits(2)];
        let mut places = Vec::new();
        for workspace in &workspaces {
            for owner in ["usr_a", "usr_b"] {
                for of in ["con_a", "con_b"] {
                    for field in ["access_token", "refresh_token"] {
                        for version in [1, 2] {
                            places.push(Place {
                                workspace,
                                owner,
                                of,
                                field,
                                version,
                            });
                        }
                    }
                }
            }
        }
        let rows: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(n, place)| vault.seal(place, format!("secret {n}").as_bytes()))
            .collect();
        for (a, place) in places.iter().enumerate() {
            for (b, row) in rows.iter().enumerate() {
                // Whatever the row says of itself: only the place that is asked for counts.
                let mut row = row.clone();
                (row.owner, row.field, row.version) =
                    (place.of.into(), place.field.into(), place.version);
                let opened = vault.open(place, &row);
                assert_eq!(opened.is_ok(), a == b);
                if let Ok(text) = opened {
                    assert_eq!(text.reveal(), format!("secret {a}").as_bytes());
                }
            }
        }
        // Halves of two rows do not fit either: each has a data key of its own.
        let mut crossed = rows[0].clone();
        crossed.wrapped = rows[1].wrapped.clone();
        assert!(vault.open(&places[0], &crossed).is_err());
    }

    #[test]
    fn any_changed_byte_and_any_cut_breaks_the_seal() {
        let vault = vault(1);
        let workspace = WorkspaceId::from_bits(1);
        let place = Place {
            workspace: &workspace,
            owner: "usr_a",
            of: "con_a",
            field: "access_token",
            version: 1,
        };
        let bytes = vault.seal_bytes(&place, b"the secret");
        assert_eq!(
            vault.open_bytes(&place, &bytes).unwrap().reveal(),
            b"the secret"
        );
        for at in 0..bytes.len() {
            for change in [1_u8, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                assert!(vault.open_bytes(&place, &changed).is_err(), "byte {at}");
            }
            assert!(
                vault.open_bytes(&place, &bytes[..at]).is_err(),
                "cut at {at}"
            );
        }
        assert!(
            vault
                .open_bytes(&place, &[bytes, vec![0]].concat())
                .is_err()
        );
    }

    #[test]
    fn another_key_opens_nothing_and_does_not_pass_the_check() {
        let (one, two) = (vault(1), vault(2));
        let workspace = WorkspaceId::from_bits(1);
        let place = Place {
            workspace: &workspace,
            owner: "usr_a",
            of: "con_a",
            field: "access_token",
            version: 1,
        };
        let mut row = one.seal(&place, b"x");
        assert!(two.open(&place, &row).is_err());
        row.kek_id = two.kek_id().to_owned();
        assert!(two.open(&place, &row).is_err());
        assert!(one.proves(one.kek_id(), &one.check_value()));
        assert!(!two.proves(one.kek_id(), &one.check_value()));
        assert!(!two.proves(two.kek_id(), &one.check_value()));
        let shown = format!("{one:?}");
        assert!(
            shown.contains(one.kek_id()) && !shown.contains("0101"),
            "{shown}"
        );
    }
}
