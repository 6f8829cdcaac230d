//! Checkpoints of a log as C2SP has them: a signed note (c2sp.org/signed-note) that holds origin, size and root (c2sp.org/tlog-checkpoint), so
//! that witnesses and tools for transparency logs understand them. Ed25519 (RFC 8032). The key of a log is made elsewhere and only used here.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::audit::Hash;
use crate::ids::WorkspaceId;
use crate::secret::Secret;

/// The kind of key: Ed25519, in the numbers of signed notes.
const KIND: u8 = 1;
/// What a line with a signature begins with.
const SIGNED: &str = "\u{2014} ";

/// Why a checkpoint or a key is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A key that is not one.
    #[error("`{0}` is not a verifier key of the form name+id+key: `actas audit key` prints one")]
    Key(String),
    /// A text that is not a checkpoint.
    #[error("checkpoint cannot be read: {0}")]
    Form(&'static str),
    /// Of another log.
    #[error("checkpoint is of `{found}`, the key of `{wanted}`")]
    Origin {
        /// What it says.
        found: String,
        /// The key's name.
        wanted: String,
    },
    /// Not signed by that key.
    #[error("checkpoint of `{0}` is not signed with this key")]
    Unsigned(String),
}

/// How long a log was, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

impl Checkpoint {
    /// What is signed.
    fn text(&self) -> String {
        let root = STANDARD.encode(self.root);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number = size.parse().ok()?;
        let plain = !origin.is_empty() && u64::to_string(&number) == size;
        // What else there may be is for others; it is signed, but says nothing to us.
        (plain && lines.all(|line| !line.is_empty())).then_some(())?;
        Some(Self {
            origin: origin.to_owned(),
            size: number,
            root: STANDARD.decode(root).ok()?.try_into().ok()?,
        })
    }
}

/// The name of a workspace's log.
pub fn origin(workspace: &WorkspaceId) -> String {
    format!("actas/{workspace}")
}

/// What signatures of a log are checked with: public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    key: [u8; 32],
}

impl LogKey {
    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes of a hash of name and key.
    fn id(&self) -> [u8; 4] {
        let hasher = Sha256::new().chain_update(&self.name);
        let digest: Hash = hasher
            .chain_update([b'\n', KIND])
            .chain_update(self.key)
            .finalize()
            .into();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// Reads a checkpoint that is signed with this key; signatures of others on it are for others.
    ///
    /// # Errors
    /// If it is no checkpoint, of another log, or not signed with this key.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let end = note
            .rfind("\n\n")
            .ok_or(NoteError::Form("it has no signature"))?;
        let (text, signatures) = (&note[..=end], &note[end + 2..]);
        let checkpoint = Checkpoint::parse(text).ok_or(NoteError::Form(
            "it does not hold origin, size and root, a line each",
        ))?;
        if checkpoint.origin != self.name {
            return Err(NoteError::Origin {
                found: checkpoint.origin,
                wanted: self.name.clone(),
            });
        }
        let ours = |line: &str| {
            let (name, code) = line.strip_prefix(SIGNED)?.split_once(' ')?;
            let code = STANDARD.decode(code).ok()?;
            let (id, signature) = code.split_first_chunk::<4>()?;
            (name == self.name && *id == self.id()).then_some(())?;
            let key = UnparsedPublicKey::new(&ED25519, &self.key);
            key.verify(text.as_bytes(), signature).ok()
        };
        if signatures.lines().any(|line| ours(line).is_some()) {
            Ok(checkpoint)
        } else {
            Err(NoteError::Unsigned(checkpoint.origin))
        }
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[KIND], self.key.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl FromStr for LogKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (id, key) = rest.split_once('+')?;
            let key = STANDARD.decode(key).ok()?;
            let bytes = key.strip_prefix(&[KIND])?.try_into().ok()?;
            let key = Self {
                name: name.to_owned(),
                key: bytes,
            };
            let named = !name.is_empty() && !name.contains(char::is_whitespace);
            (named && hex::encode(key.id()) == id).then_some(key)
        };
        read().ok_or_else(|| NoteError::Key(text.to_owned()))
    }
}

/// Signs the checkpoints of one log. Its key is secret.
pub struct LogSigner {
    name: String,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSigner")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl LogSigner {
    /// The signer of a workspace's log; `seed` is the secret key of RFC 8032.
    pub fn new(workspace: &WorkspaceId, seed: &Secret<[u8; 32]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.reveal());
        Self {
            name: origin(workspace),
            pair: pair.expect("any 32 bytes are a secret key of Ed25519"),
        }
    }

    /// The public half.
    pub fn key(&self) -> LogKey {
        LogKey {
            name: self.name.clone(),
            key: self
                .pair
                .public_key()
                .as_ref()
                .try_into()
                .expect("a public key of Ed25519 has 32 bytes"),
        }
    }

    /// A signed checkpoint: a note.
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint {
            origin: self.name.clone(),
            size,
            root,
        }
        .text();
        let signature = self.pair.sign(text.as_bytes());
        let code = STANDARD.encode([self.key().id().as_slice(), signature.as_ref()].concat());
        format!("{text}\n{SIGNED}{} {code}\n", self.name)
    }
}

/// The notes of a file that checkpoints were added to, one behind the other.
pub fn notes(file: &str) -> Vec<String> {
    let (mut notes, mut note, mut signed) = (Vec::new(), String::new(), false);
    for line in file.lines() {
        let signature = line.starts_with(SIGNED);
        if signed && !signature && !note.is_empty() {
            notes.push(std::mem::take(&mut note));
            signed = false;
        }
        if note.is_empty() && line.is_empty() {
            continue;
        }
        note.push_str(line);
        note.push('\n');
        signed |= signature;
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}
