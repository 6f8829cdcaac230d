//! What keeps an audit log provable: signed checkpoints while it grows, taken to where whoever holds the database cannot change them, and old
//! records let go when their time is over. Must not write records of its own but for what it takes out.

mod keeper;
mod sink;
mod tree;

#[cfg(test)]
pub use keeper::cut;
pub use keeper::{checkpoint, keep};
pub use sink::{BadSink, Sink};
pub use tree::{block, tree};

use actas_connections::ConnectionsError;
use actas_store::{CommitError, ReadError};

use crate::problem::Problem;

/// Why a log could not be signed, sent or cut.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The key.
    #[error("key of the audit log: {0}")]
    Key(#[from] ConnectionsError),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Records are missing between the last checkpoint and the end of the log.
    #[error("audit log is not whole behind record {0}: `actas audit verify` says where")]
    NotWhole(u64),
    /// Where checkpoints go knows of more, or of others.
    #[error(
        "audit log is not the one that `{sink}` has checkpoints of (its last one is of {size} records): it was rolled back or replaced; \
         nothing more is signed into it before somebody has looked with `actas audit verify --checkpoint`"
    )]
    OtherHistory {
        /// Where.
        sink: String,
        /// How many records that checkpoint is of.
        size: u64,
    },
    /// It cannot be written there.
    #[error("checkpoint cannot be taken to `{sink}`: {why}")]
    Sink {
        /// Where.
        sink: String,
        /// Why.
        why: String,
    },
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Read(error) => error.into(),
            LogError::Commit(error) => error.into(),
            other => Self::internal(other),
        }
    }
}
