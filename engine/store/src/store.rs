//! Opening a store, committing to it, and the operations that answer with what they took.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::{RunId, WorkerId, WorkspaceId};

use crate::op::Commit;
use crate::read::Reader;
use crate::rows::{InboxRow, JournalRow, RunRow};

/// Where everything lasts.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `postgres://…` or none: SQLite in `data`.
    pub url: Option<String>,
    /// The data directory; made with mode 0700 if it is not there.
    pub data: PathBuf,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or read.
    #[error("store cannot be opened: {0}")]
    Open(String),
    /// Somebody else has the data directory.
    #[error(
        "data directory {0} is in use by another process: speak to it through its socket, or stop it first"
    )]
    InUse(PathBuf),
    /// It was written by a newer program.
    #[error(
        "store needs a program of schema {needs} or newer, this one knows {knows}: run the newer program"
    )]
    TooNew {
        /// What the store says.
        needs: i64,
        /// What this program knows.
        knows: i64,
    },
}

/// Why nothing of a commit was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// An operation did not find what it expected.
    #[error("{op} refused: {why}")]
    Conflict {
        /// The operation's name.
        op: &'static str,
        /// What stood there instead.
        why: String,
    },
    /// The writer's queue is full: try again later.
    #[error("store is busy: try again later")]
    Busy,
    /// The database is away; nothing was written.
    #[error("store is not available: {0}")]
    Unavailable(String),
    /// The database went away during the commit: it may or may not have been written.
    #[error("store went away during a commit: it may have been written, look before trying again")]
    Unknown,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database is away.
    #[error("store is not available: {0}")]
    Unavailable(String),
    /// What stands there is not what this program writes.
    #[error("stored {what} cannot be read: {why}")]
    Corrupt {
        /// Which row.
        what: String,
        /// Why.
        why: String,
    },
}

/// A run taken over: its journal is what it is.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The run, with its new epoch.
    pub run: RunRow,
    /// Its journal, in order.
    pub journal: Vec<JournalRow>,
    /// What came for it.
    pub inbox: Vec<InboxRow>,
}

/// The store: cheap to clone, shared by all.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<()>,
}

impl Store {
    /// Opens it, brings its schema up to date, starts its writer.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let _ = config;
        todo!("written by the store engineer")
    }

    /// The reads of a workspace.
    pub fn reader(&self, workspace: &WorkspaceId) -> Reader {
        Reader {
            store: self.clone(),
            workspace: workspace.clone(),
        }
    }

    /// Makes a commit durable.
    ///
    /// # Errors
    /// See [`CommitError`]; but for `Unknown`, nothing was written.
    pub async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let _ = commit;
        todo!("written by the store engineer")
    }

    /// Takes runs that nobody holds and that have something to do: unfinished and never released, due, or with inbox rows; also those
    /// whose holder's lease ran out. Each comes with epoch + 1. At most `limit`, only of levels up to `level`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn claim(
        &self,
        worker: &WorkerId,
        level: u32,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>, ReadError> {
        let _ = (worker, level, lease, limit);
        todo!("written by the store engineer")
    }

    /// Renews all leases of a worker in one statement.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn renew(&self, worker: &WorkerId, lease: Duration) -> Result<(), ReadError> {
        let _ = (worker, lease);
        todo!("written by the store engineer")
    }

    /// The inbox of a run that this process holds.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn inbox(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
    ) -> Result<Vec<InboxRow>, ReadError> {
        let _ = (workspace, run);
        todo!("written by the store engineer")
    }

    /// Resolves when another process or another part of this one put something into an inbox or made a run claimable; a hint, never the truth.
    pub async fn hint(&self) {
        std::future::pending::<()>().await;
    }

    /// What time it is where leases are kept: the database's clock on PostgreSQL.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn now(&self) -> Result<Time, ReadError> {
        Ok(crate::system::now())
    }
}
