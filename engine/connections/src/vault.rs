//! Sealing and opening secrets: authenticated encryption with a random data key for each secret, wrapped by the key of its workspace, which the
//! operator's key wraps.
//!
//! What a secret is sealed *for* is part of the seal: workspace, owner, connection, field and version. Opening takes that identity from
//! whoever asks, never from the row, so that a row moved to another place does not open there. There is no mode without a key.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actas_core::ids::WorkspaceId;
use actas_core::{Secret, Time};
use actas_store::{KeyState, SecretRow, WorkspaceKeyRow, system};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The format of what is sealed, and the domain of its associated data.
const FORMAT: &str = "actas/vault/1";
/// The format of what is bound to more than its place, and of what a workspace's key wraps.
const BOUND: &str = "actas/vault/2";
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
        self.joined(FORMAT, None)
    }

    /// The same for what is bound to something beside its place.
    fn bound(&self, to: &[u8]) -> Vec<u8> {
        self.joined(BOUND, Some(to))
    }

    fn joined(&self, format: &str, bound: Option<&[u8]>) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        let mut parts = vec![
            format.as_bytes(),
            self.workspace.as_str().as_bytes(),
            self.owner.as_bytes(),
            self.of.as_bytes(),
            self.field.as_bytes(),
            &version,
        ];
        parts.extend(bound);
        joined(&parts)
    }
}

pub(crate) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The vault: the operator's key, and the keys of workspaces that it wraps. A secret's data key is wrapped by its workspace's key.
pub struct Vault {
    ring: RwLock<Ring>,
}

/// The keys in memory.
struct Ring {
    master: Arc<Master>,
    keys: HashMap<(WorkspaceId, String), Arc<Secret<[u8; 32]>>>,
    active: HashMap<WorkspaceId, String>,
    /// What was derived from the first operator's key and outlives it, by purpose.
    derived: HashMap<String, Arc<Secret<[u8; 32]>>>,
}

/// The operator's key and its id.
pub(crate) struct Master {
    key: Secret<[u8; 32]>,
    kek_id: String,
}

impl Master {
    /// A key's id is a hash of it, so that two programs with one key agree.
    pub(crate) fn new(key: Secret<[u8; 32]>) -> Self {
        let digest = Sha256::digest(joined(&[b"actas/kek-id/1", key.reveal()]));
        Self {
            kek_id: format!("kek_{}", hex::encode(&digest[..8])),
            key,
        }
    }

    pub(crate) fn kek_id(&self) -> &str {
        &self.kek_id
    }

    /// The value that proves the key to a later start.
    pub(crate) fn check_value(&self) -> Vec<u8> {
        seal(self.key.reveal(), CHECK, &self.check_associated())
    }

    fn check_associated(&self) -> Vec<u8> {
        joined(&[FORMAT.as_bytes(), b"key-check", self.kek_id.as_bytes()])
    }

    fn data_key_associated(&self) -> Vec<u8> {
        joined(&[FORMAT.as_bytes(), b"data-key", self.kek_id.as_bytes()])
    }

    /// Wraps a key of a workspace.
    fn wrap(&self, workspace: &WorkspaceId, id: &str, key: &Secret<[u8; 32]>) -> Vec<u8> {
        let associated = self.key_associated(workspace, id);
        seal(self.key.reveal(), key.reveal(), &associated)
    }

    fn unwrap(&self, row: &WorkspaceKeyRow) -> Result<Secret<[u8; 32]>, Broken> {
        if row.wrapped_by != self.kek_id {
            return Err(Broken);
        }
        let associated = self.key_associated(&row.workspace, &row.id);
        key_of(open(self.key.reveal(), &row.wrapped, &associated)?)
    }

    fn key_associated(&self, workspace: &WorkspaceId, id: &str) -> Vec<u8> {
        joined(&[
            BOUND.as_bytes(),
            b"workspace-key",
            self.kek_id.as_bytes(),
            workspace.as_str().as_bytes(),
            id.as_bytes(),
        ])
    }

    /// The key of codes for a purpose, as the first operator's key gives it.
    fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        let code = Code(keyed(self.key.reveal()));
        Secret::new(code.over(&[purpose.as_bytes()]).finish())
    }

    fn derived_associated(&self, purpose: &str) -> Vec<u8> {
        joined(&[
            BOUND.as_bytes(),
            b"derived",
            self.kek_id.as_bytes(),
            purpose.as_bytes(),
        ])
    }
}

/// A key of a workspace that is about to be stored.
pub(crate) struct NewKey {
    pub(crate) row: WorkspaceKeyRow,
    key: Secret<[u8; 32]>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("kek_id", &self.kek_id())
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault under a key.
    pub fn new(key: Secret<[u8; 32]>) -> Self {
        let ring = Ring {
            master: Arc::new(Master::new(key)),
            keys: HashMap::new(),
            active: HashMap::new(),
            derived: HashMap::new(),
        };
        Self {
            ring: RwLock::new(ring),
        }
    }

    /// A holder that panicked left whole values: each is set in one step.
    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_mut(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn master(&self) -> Arc<Master> {
        Arc::clone(&self.ring().master)
    }

    /// The id of the operator's key.
    pub fn kek_id(&self) -> String {
        self.ring().master.kek_id.clone()
    }

    /// The value that proves the key to a later start.
    pub fn check_value(&self) -> Vec<u8> {
        self.master().check_value()
    }

    /// Whether a stored key-check value was made with this key.
    pub fn proves(&self, kek_id: &str, check: &[u8]) -> bool {
        let master = self.master();
        kek_id == master.kek_id
            && open(master.key.reveal(), check, &master.check_associated())
                .is_ok_and(|text| text == CHECK)
    }

    /// Whether a key of a workspace is at hand.
    pub(crate) fn knows(&self, workspace: &WorkspaceId, kek_id: &str) -> bool {
        let ring = self.ring();
        let key = (workspace.clone(), kek_id.to_owned());
        kek_id == ring.master.kek_id || ring.keys.contains_key(&key)
    }

    /// The key that seals in a workspace, if it has one.
    pub(crate) fn active(&self, workspace: &WorkspaceId) -> Option<String> {
        self.ring().active.get(workspace).cloned()
    }

    /// Takes keys of workspaces from the store. One that another operator's key wraps is left as it is known.
    pub(crate) fn load(&self, rows: &[WorkspaceKeyRow]) {
        let master = self.master();
        for row in rows {
            let place = (row.workspace.clone(), row.id.clone());
            let known = self.ring().keys.contains_key(&place);
            let unwrapped = if known {
                None
            } else {
                Some(master.unwrap(row))
            };
            let mut ring = self.ring_mut();
            match unwrapped {
                None => {}
                Some(Ok(key)) => {
                    ring.keys.insert(place, Arc::new(key));
                }
                Some(Err(Broken)) => {
                    tracing::error!(workspace = %row.workspace, key = row.id, wrapped_by = row.wrapped_by, "a workspace's key does not open with the key of this server");
                    continue;
                }
            }
            if row.state == KeyState::Active {
                ring.active.insert(row.workspace.clone(), row.id.clone());
            }
        }
    }

    /// Makes a key for a workspace; it counts once it is stored and loaded.
    pub(crate) fn make(&self, workspace: &WorkspaceId, at: Time) -> NewKey {
        let master = self.master();
        let key = Secret::new(system::random::<32>());
        let id = format!("wk_{}", hex::encode(system::random::<8>()));
        let row = WorkspaceKeyRow {
            wrapped_by: master.kek_id.clone(),
            wrapped: master.wrap(workspace, &id, &key),
            workspace: workspace.clone(),
            id,
            state: KeyState::Active,
            created_at: at,
        };
        NewKey { row, key }
    }

    /// All keys, wrapped by another operator's key.
    pub(crate) fn rewrapped(
        &self,
        rows: Vec<WorkspaceKeyRow>,
        next: &Master,
    ) -> Result<Vec<WorkspaceKeyRow>, Broken> {
        let master = self.master();
        let wrap = |row: WorkspaceKeyRow| {
            let key = master.unwrap(&row)?;
            Ok(WorkspaceKeyRow {
                wrapped_by: next.kek_id.clone(),
                wrapped: next.wrap(&row.workspace, &row.id, &key),
                ..row
            })
        };
        rows.into_iter().map(wrap).collect()
    }

    /// What is derived for some purposes, sealed by another operator's key, so that it stays what it is.
    pub(crate) fn derived_under(&self, next: &Master, purposes: &[&str]) -> Vec<(String, Vec<u8>)> {
        let sealed = |purpose: &&str| {
            let key = self.derived(purpose);
            let associated = next.derived_associated(purpose);
            let sealed = seal(next.key.reveal(), key.reveal(), &associated);
            ((*purpose).to_owned(), sealed)
        };
        purposes.iter().map(sealed).collect()
    }

    /// Takes what an earlier operator's key derived.
    pub(crate) fn load_derived(&self, purpose: &str, sealed: &[u8]) -> Result<(), Broken> {
        let master = self.master();
        let key = open(
            master.key.reveal(),
            sealed,
            &master.derived_associated(purpose),
        )?;
        let key = Arc::new(key_of(key)?);
        self.ring_mut().derived.insert(purpose.to_owned(), key);
        Ok(())
    }

    fn derived(&self, purpose: &str) -> Arc<Secret<[u8; 32]>> {
        let ring = self.ring();
        let known = ring.derived.get(purpose).cloned();
        known.unwrap_or_else(|| Arc::new(ring.master.derive(purpose)))
    }

    /// Goes over to another operator's key; what is derived stays.
    pub(crate) fn take_over(&self, next: Master, purposes: &[&str]) {
        let derived: Vec<_> = purposes
            .iter()
            .map(|purpose| ((*purpose).to_owned(), self.derived(purpose)))
            .collect();
        let mut ring = self.ring_mut();
        ring.derived.extend(derived);
        ring.master = Arc::new(next);
    }

    /// HMAC-SHA256 (RFC 2104) over what is told apart by its parts, under a key of its own for each purpose. That key is made of the first
    /// operator's key, so that all processes agree without asking.
    pub fn code(&self, purpose: &str, parts: &[&[u8]]) -> Code {
        Code(keyed(self.derived(purpose).reveal())).over(parts)
    }

    /// Seals a secret for its place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> SecretRow {
        self.seal_bound(place, &[], plain)
    }

    /// The same, bound to what else must be as it is now when it is opened.
    pub(crate) fn seal_bound(&self, place: &Place<'_>, bound: &[u8], plain: &[u8]) -> SecretRow {
        let (key, id) = self.sealing(place.workspace);
        match key {
            Some(key) => seal_with(&key, &id, place, bound, plain),
            None => {
                // Wrapped by the workspace's key as soon as there is one.
                let master = self.master();
                let data_key = Secret::new(system::random::<32>());
                let associated = master.data_key_associated();
                SecretRow {
                    owner: place.of.to_owned(),
                    field: place.field.to_owned(),
                    version: place.version,
                    wrapped: seal(master.key.reveal(), &payload(&data_key), &associated),
                    kek_id: id,
                    sealed: seal(data_key.reveal(), plain, &place.bound(bound)),
                }
            }
        }
    }

    /// The key that seals in a workspace; none if it has none yet, and then the operator's.
    fn sealing(&self, workspace: &WorkspaceId) -> (Option<Arc<Secret<[u8; 32]>>>, String) {
        let ring = self.ring();
        let active = ring.active.get(workspace).and_then(|id| {
            let key = ring.keys.get(&(workspace.clone(), id.clone()))?;
            Some((Arc::clone(key), id.clone()))
        });
        match active {
            Some((key, id)) => (Some(key), id),
            None => (None, ring.master.kek_id.clone()),
        }
    }

    /// The same under a key that is about to be stored.
    pub(crate) fn seal_under(
        new: &NewKey,
        place: &Place<'_>,
        bound: &[u8],
        plain: &[u8],
    ) -> SecretRow {
        seal_with(&new.key, &new.row.id, place, bound, plain)
    }

    /// The data key of a row, and whether what it seals is bound.
    fn data_key(
        &self,
        workspace: &WorkspaceId,
        row: &SecretRow,
    ) -> Result<(Secret<[u8; 32]>, bool), Broken> {
        let (master, key) = {
            let ring = self.ring();
            let key = (workspace.clone(), row.kek_id.clone());
            (Arc::clone(&ring.master), ring.keys.get(&key).cloned())
        };
        let unwrapped = match key {
            Some(key) => {
                let associated = data_key_associated(workspace, &row.kek_id);
                open(key.reveal(), &row.wrapped, &associated)?
            }
            None if row.kek_id == master.kek_id => {
                let associated = master.data_key_associated();
                open(master.key.reveal(), &row.wrapped, &associated)?
            }
            None => return Err(Broken),
        };
        read_payload(unwrapped)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`Broken`] if it was sealed for another one, under another key, or was altered.
    pub fn open(&self, place: &Place<'_>, row: &SecretRow) -> Result<Secret<Vec<u8>>, Broken> {
        self.open_bound(place, &[], row)
    }

    /// The same for what was bound to something else. What was sealed before secrets were bound opens without.
    pub(crate) fn open_bound(
        &self,
        place: &Place<'_>,
        bound: &[u8],
        row: &SecretRow,
    ) -> Result<Secret<Vec<u8>>, Broken> {
        let (data_key, is_bound) = self.data_key(place.workspace, row)?;
        let associated = if is_bound {
            place.bound(bound)
        } else {
            place.associated()
        };
        open(data_key.reveal(), &row.sealed, &associated).map(Secret::new)
    }

    /// A row whose data key the workspace's active key wraps; none if it does already. What was not bound to anything stays so, unless it is
    /// sealed anew.
    pub(crate) fn rewrap(
        &self,
        workspace: &WorkspaceId,
        row: &SecretRow,
    ) -> Result<Option<SecretRow>, Broken> {
        let (key, id) = self.sealing(workspace);
        let Some(key) = key.filter(|_| id != row.kek_id) else {
            return Ok(None);
        };
        let (data_key, is_bound) = self.data_key(workspace, row)?;
        let plain = if is_bound {
            payload(&data_key)
        } else {
            Zeroizing::new(data_key.reveal().to_vec())
        };
        let wrapped = seal(key.reveal(), &plain, &data_key_associated(workspace, &id));
        Ok(Some(SecretRow {
            kek_id: id,
            wrapped,
            ..row.clone()
        }))
    }

    /// Whether what a row holds is bound to what it was sealed with.
    pub(crate) fn is_bound(
        &self,
        workspace: &WorkspaceId,
        row: &SecretRow,
    ) -> Result<bool, Broken> {
        self.data_key(workspace, row).map(|(_, is_bound)| is_bound)
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
        let [kek_id, wrapped, sealed] = parts_of(bytes)?;
        let row = SecretRow {
            owner: place.of.to_owned(),
            field: place.field.to_owned(),
            version: place.version,
            kek_id: String::from_utf8(kek_id).map_err(|_| Broken)?,
            wrapped,
            sealed,
        };
        self.open(place, &row)
    }

    /// The id of the key that wraps what [`Self::seal_bytes`] made.
    pub(crate) fn key_of_bytes(bytes: &[u8]) -> Option<String> {
        let [kek_id, _, _] = parts_of(bytes).ok()?;
        String::from_utf8(kek_id).ok()
    }
}

fn parts_of(bytes: &[u8]) -> Result<[Vec<u8>; 3], Broken> {
    let mut rest = bytes;
    let mut next = || -> Result<Vec<u8>, Broken> {
        let (length, after) = rest.split_first_chunk::<8>().ok_or(Broken)?;
        let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| Broken)?;
        let (part, after) = after.split_at_checked(length).ok_or(Broken)?;
        rest = after;
        Ok(part.to_vec())
    };
    let parts = [next()?, next()?, next()?];
    if rest.is_empty() {
        Ok(parts)
    } else {
        Err(Broken)
    }
}

fn seal_with(
    key: &Secret<[u8; 32]>,
    id: &str,
    place: &Place<'_>,
    bound: &[u8],
    plain: &[u8],
) -> SecretRow {
    let data_key = Secret::new(system::random::<32>());
    SecretRow {
        owner: place.of.to_owned(),
        field: place.field.to_owned(),
        version: place.version,
        kek_id: id.to_owned(),
        wrapped: seal(
            key.reveal(),
            &payload(&data_key),
            &data_key_associated(place.workspace, id),
        ),
        sealed: seal(data_key.reveal(), plain, &place.bound(bound)),
    }
}

fn data_key_associated(workspace: &WorkspaceId, id: &str) -> Vec<u8> {
    joined(&[
        BOUND.as_bytes(),
        b"data-key",
        workspace.as_str().as_bytes(),
        id.as_bytes(),
    ])
}

/// What wraps a data key holds beside it the format of what it seals, so that nobody can pass a bound secret off as one that is not.
fn payload(data_key: &Secret<[u8; 32]>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    bytes.extend_from_slice(data_key.reveal());
    bytes.push(2);
    bytes
}

fn read_payload(bytes: Vec<u8>) -> Result<(Secret<[u8; 32]>, bool), Broken> {
    let bytes = Zeroizing::new(bytes);
    let (key, is_bound) = match bytes.split_first_chunk::<32>() {
        Some((key, [])) => (key, false),
        Some((key, [2])) => (key, true),
        _ => return Err(Broken),
    };
    Ok((Secret::new(*key), is_bound))
}

fn key_of(bytes: Vec<u8>) -> Result<Secret<[u8; 32]>, Broken> {
    let bytes = Zeroizing::new(bytes);
    <[u8; 32]>::try_from(bytes.as_slice())
        .map(Secret::new)
        .map_err(|_| Broken)
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
mod tests;
