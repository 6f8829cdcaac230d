//! The one writer of this process: whatever waits goes into one transaction, without a timer. While one flush is under way the next batch
//! gathers. Must not be gone round: every change of the database passes here, but for claims and leases on PostgreSQL.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::{RunId, WorkerId, WorkspaceId};
use tokio::sync::oneshot;

use crate::statement::Value;
use crate::store::CommitError;
use crate::write::Prepared;

/// How many commits go into one transaction at most.
pub(crate) const BATCH: usize = 512;

/// How many may wait; more are told to come again.
pub(crate) const QUEUE: usize = 4096;

/// How often a commit that met a deadlock is tried again.
pub(crate) const TRIES: u32 = 5;

/// What the writer does.
#[derive(Debug)]
pub(crate) enum Work {
    /// A commit.
    Commit(Prepared, oneshot::Sender<Result<(), CommitError>>),
    /// A claim (SQLite).
    Claim(Claim, oneshot::Sender<Result<Vec<Taken>, CommitError>>),
    /// The renewal of a worker's leases, counted from when it is done, of the runs in a JSON array (SQLite).
    Renew(
        WorkerId,
        Duration,
        Value,
        oneshot::Sender<Result<(), CommitError>>,
    ),
    /// A promise of a bucket, by the parameters of its statement but for the time, and how far ahead it is in microseconds (SQLite).
    Take(Vec<Value>, oneshot::Sender<Result<i64, CommitError>>),
}

/// Which runs to take.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub worker: WorkerId,
    pub level: u32,
    pub lease: Duration,
    pub limit: u32,
    /// When it was asked for.
    pub asked: Time,
}

/// A run that was taken.
pub(crate) type Taken = (WorkspaceId, RunId);

/// Why a transaction did not come about.
#[derive(Debug)]
pub(crate) enum Fault {
    /// One of its commits found something else than it expected: the others can still go.
    Refused(CommitError),
    /// At least one of those that were done as one statement did.
    Unclear,
    /// It got in the way of another process: it can be tried again.
    Again(String),
    /// The database is away or full: nothing of it was written.
    Away(String),
    /// The connection was lost while it was being committed.
    Unknown,
}

impl Fault {
    pub(crate) fn into_error(self) -> CommitError {
        match self {
            Self::Refused(error) => error,
            Self::Unclear => CommitError::Unavailable("a batch was refused".to_owned()),
            Self::Again(why) | Self::Away(why) => CommitError::Unavailable(why),
            Self::Unknown => CommitError::Unknown,
        }
    }
}

/// What became of each commit of a batch, in order.
pub(crate) type Outcomes = Vec<Result<(), CommitError>>;

/// What a writer has done since it began.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    commits: AtomicU64,
    batches: AtomicU64,
}

impl Tally {
    /// Counts a batch.
    pub(crate) fn add(&self, outcomes: &Outcomes) {
        let went = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.commits.fetch_add(went as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Written {
        Written {
            commits: self.commits.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
        }
    }
}

/// What the writer of this process made durable since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Commits, as callers asked for them.
    pub commits: u64,
    /// Batches they went in; as a rule a transaction each, and its flush.
    pub batches: u64,
}
