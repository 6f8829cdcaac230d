//! The keys of workspaces as rows, and what is done to them. Opaque here: made, wrapped and read by the vault.

use crate::rows::SecretRow;
use actas_core::Time;
use actas_core::ids::WorkspaceId;
use serde::{Deserialize, Serialize};

/// A key of a workspace, wrapped by the key that the operator keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceKeyRow {
    /// Its id, which secrets name.
    pub id: String,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The id of the key that wraps it.
    pub wrapped_by: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// What it is used for.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Time,
}

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Seals and opens; one in each workspace.
    Active,
    /// Only opens, until nothing is left that it wraps.
    Old,
}

impl KeyState {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Old => "old",
        }
    }
}

/// A value that only a key can have made, with that key's id.
pub type KeyCheck = (String, Vec<u8>);

/// What is done to keys.
#[derive(Debug, Clone)]
pub enum KeyOp {
    /// A workspace's new active key, in place of the one named; none: it has no key yet. Refused unless the operator's key is still the one
    /// that wraps it.
    Add {
        /// The key.
        key: WorkspaceKeyRow,
        /// The one it replaces, which becomes old.
        replaces: Option<String>,
    },
    /// Wraps the data key of a secret anew, if it is still wrapped as it was read.
    Rewrap {
        /// Whose.
        workspace: WorkspaceId,
        /// The data key as it was wrapped.
        from: Vec<u8>,
        /// The same secret as it is wrapped, and sealed, from now on.
        to: SecretRow,
    },
    /// Forgets an old key that wraps nothing.
    Drop {
        /// Whose.
        workspace: WorkspaceId,
        /// Which.
        id: String,
    },
    /// Another operator's key: all workspaces' keys are wrapped by it and the store asks for it, at once or not at all.
    Master {
        /// The check value of the key until now.
        from: KeyCheck,
        /// That of the new one.
        to: KeyCheck,
        /// Every workspace's keys, wrapped by the new one.
        keys: Vec<WorkspaceKeyRow>,
        /// What is derived from the first operator's key and must stay what it is: by purpose, sealed by the new one.
        derived: Vec<(String, Vec<u8>)>,
    },
}
