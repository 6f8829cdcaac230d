//! What stands beside an audit log.

use actas_core::Time;
use actas_core::audit::export::Start;
use actas_core::audit::tree::Frontier;
use actas_core::ids::UserId;

use crate::rows::SecretRow;

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// The edge of the tree; its size is how many records there were.
    pub edge: Frontier,
    /// The signed note.
    pub note: String,
    /// When.
    pub made_at: Time,
    /// Whether it was taken to where it cannot be changed with the database; also if there is no such place.
    pub sent: bool,
}

/// Where a log begins whose older records were let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditStartRow {
    /// The last one that was let go.
    pub start: Start,
    /// The checkpoint up to which they were.
    pub note: String,
    /// When.
    pub cut_at: Time,
}

/// What a reviewer has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// The last record they have seen.
    pub upto: u64,
    /// The last one that was reviewed before.
    pub since: u64,
    /// Who.
    pub by: UserId,
    /// What they want to be kept with it.
    pub note: String,
    /// When.
    pub at: Time,
}

/// Something that is done to what stands beside an audit log.
#[derive(Debug, Clone)]
pub enum LogAct {
    /// The secret key that the log's checkpoints are signed with; there must be none.
    MakeKey(SecretRow),
    /// A new checkpoint; it must be larger than all others. Of older ones of the same day that were sent it takes the place.
    AddCheckpoint(CheckpointRow),
    /// Checkpoints up to this size were sent.
    Sent(u64),
    /// Older records are let go from now on: there must be a checkpoint up to there that was sent. The record `audit.cut` of it, with number and hash
    /// of the last one, must be in the same commit.
    Cut(AuditStartRow),
    /// Removes records up to this one that were let go.
    Drop(u64),
    /// A review: it must begin where the last one ended.
    Review(ReviewRow),
}
