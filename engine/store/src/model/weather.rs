//! What can befall a process on its way to the store: it waits, is refused, does not hear what became of a commit, or dies. A simulation says what
//! does; a model without weather answers at once.

use std::fmt;
use std::time::Duration;

use actas_core::ids::{RunId, WorkerId, WorkspaceId};

use crate::op::Commit;
use crate::store::{Claimed, CommitError, ReadError};

/// What a process is about to do.
#[derive(Debug, Clone, Copy)]
pub enum Doing<'a> {
    /// Make this durable.
    Commit(&'a Commit),
    /// Take runs.
    Claim,
    /// Keep its leases.
    Renew,
    /// Be promised a call.
    Take,
    /// Read.
    Read,
}

/// What becomes of it.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is done and answered.
    Fine,
    /// It is refused, nothing was done.
    Refused(CommitError),
    /// Nobody will ever know from the answer: it was done.
    AnswerLost,
    /// Nobody will ever know from the answer: it was not done.
    RequestLost,
    /// The process dies before it is done.
    DiesBefore,
    /// The process dies after it was done, without having heard of it.
    DiesAfter,
}

/// What becomes of it, and how long it takes on both ways.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Until the store sees it.
    pub there: Duration,
    /// What then becomes of it.
    pub fate: Fate,
    /// Until the process hears of it.
    pub back: Duration,
}

/// What was done, in the order in which it was.
#[derive(Debug)]
pub enum Did<'a> {
    /// A commit, and its answer.
    Commit(&'a Commit, &'a Result<(), CommitError>),
    /// A claim, by what it was asked with, and what was taken.
    Claim(&'a WorkerId, u32, Duration, u32, &'a [Claimed]),
    /// A renewal.
    Renew(&'a WorkerId, &'a [RunId], Duration),
    /// A promise: of which bucket, how fast it fills and how much it holds, in microseconds, and how far ahead it is.
    Take(&'a WorkspaceId, &'a str, i64, i64, Duration),
}

/// The weather of one process.
pub trait Weather: fmt::Debug + Send + Sync {
    /// What becomes of what it is about to do. Whoever says that it dies never hears of the process again.
    fn turn(&self, doing: Doing<'_>) -> Turn;

    /// The store does something now: its clock is right from here on.
    fn tick(&self);

    /// The store did something.
    fn did(&self, did: Did<'_>);

    /// News of a commit, for all processes: a run with a message, or some run to take. What this one is told comes with [`crate::Store::deliver`] too.
    fn news(&self, news: Vec<Option<RunId>>);
}

impl Turn {
    /// Waits until the store sees it. None: go on. Some: nothing is to be done, and this is the answer. Never returns to whoever dies.
    pub(crate) async fn go(&self) -> Option<CommitError> {
        pause(self.there).await;
        match &self.fate {
            Fate::Fine | Fate::AnswerLost | Fate::DiesAfter => None,
            Fate::Refused(error) => Some(error.clone()),
            Fate::RequestLost => {
                pause(self.back).await;
                Some(CommitError::Unknown)
            }
            Fate::DiesBefore => std::future::pending().await,
        }
    }

    /// Waits until the process hears of it.
    pub(crate) async fn come(&self) -> Result<(), CommitError> {
        if matches!(self.fate, Fate::DiesAfter) {
            std::future::pending::<()>().await;
        }
        pause(self.back).await;
        match self.fate {
            Fate::AnswerLost => Err(CommitError::Unknown),
            _ => Ok(()),
        }
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// What a read says to that.
pub(crate) fn unread(error: &CommitError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}
