//! Opening a store, committing to it, and the operations that answer with what they took.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::{RunId, WorkerId, WorkspaceId};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::claim;
use crate::columns::inbox_columns;
use crate::database::{self, Database};
use crate::kept::Kept;
use crate::op::Commit;
use crate::read::Reader;
use crate::rows::{InboxRow, JournalRow, Rate, RunRow};
use crate::statement::{json, params};
use crate::wake::Wake;
use crate::write::{Prepared, limits};
use crate::writer::{self, Claim, QUEUE, Taken, Tally, Work, Written};

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
    /// Where a page should begin is not what an earlier page gave.
    #[error("cursor `{0}` is not one that a list gave: begin again without it")]
    Cursor(String),
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

/// The store: cheap to clone, shared by all. It closes when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub database: Database,
    queue: Option<mpsc::Sender<Work>>,
    /// How far the database's clock was ahead of ours when it was opened, in microseconds.
    skew: i64,
    wake: Arc<Wake>,
    tally: Arc<Tally>,
    /// Present where nobody else can write.
    pub kept: Option<Arc<Kept>>,
    /// The thread that writes an embedded store.
    thread: Option<JoinHandle<()>>,
    /// The task that hears other processes on PostgreSQL.
    listener: Option<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer finishes what it was given; then the data directory is free.
        self.queue = None;
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Store {
    /// Opens it, brings its schema up to date, starts its writer. An embedded store is taken for this process alone, and all its leases end.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let wake = Arc::new(Wake::new());
        let tally = Arc::new(Tally::default());
        let (sender, queue) = mpsc::channel(QUEUE);
        let mut kept = None;
        let (database, thread, listener) = if let Some(url) = &config.url {
            // The server's socket stands there, wherever the rows are.
            database::make_directory(&config.data)?;
            let (pool, options) = database::open_postgres(url).await?;
            let listener =
                writer::postgres::start(options, pool.clone(), &wake, Arc::clone(&tally), queue)
                    .await?;
            (Database::Postgres(pool), None, Some(listener))
        } else {
            let files = database::take_directory(&config.data)?;
            let pool = database::open_sqlite(&files.database).await?;
            let kept = kept.insert(Arc::new(Kept::default()));
            let told = writer::sqlite::Told {
                wake: Arc::clone(&wake),
                tally: Arc::clone(&tally),
                kept: Arc::clone(kept),
            };
            let thread = writer::sqlite::start(&files.database, files.lock, told, queue)?;
            (Database::Sqlite(pool), Some(thread), None)
        };
        let before = crate::system::now();
        let skew = if thread.is_some() {
            0
        } else {
            let now: Option<i64> = database
                .one(claim::NOW_POSTGRES, Vec::new())
                .await
                .map_err(|e| StoreError::Open(e.to_string()))?;
            now.map_or(0, |now| now.saturating_sub(before.micros()))
        };
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                queue: Some(sender),
                skew,
                wake,
                tally,
                kept,
                thread,
                listener,
            }),
        })
    }

    /// The same in memory, for tests: deterministic, with a clock that only its owner moves.
    #[cfg(any(test, feature = "model"))]
    pub fn model(clock: Arc<std::sync::atomic::AtomicI64>) -> Self {
        Self {
            inner: Arc::new(Inner {
                database: Database::Model(crate::model::Model::new(clock)),
                queue: None,
                skew: 0,
                wake: Arc::new(Wake::new()),
                tally: Arc::default(),
                kept: None,
                thread: None,
                listener: None,
            }),
        }
    }

    /// A model as another process has it, with what befalls that one on its way to it. Hints come with [`Store::deliver`] alone.
    ///
    /// # Panics
    /// If it is no model.
    #[cfg(any(test, feature = "model"))]
    pub fn under(&self, weather: Arc<dyn crate::model::weather::Weather>) -> Self {
        let Database::Model(model) = &self.inner.database else {
            panic!("only a model has weather");
        };
        Self {
            inner: Arc::new(Inner {
                database: Database::Model(model.under(weather)),
                queue: None,
                skew: 0,
                wake: Arc::new(Wake::new()),
                tally: Arc::default(),
                kept: None,
                thread: None,
                listener: None,
            }),
        }
    }

    /// Tells whoever waits in this process of a run with a message, or that some run can be taken.
    #[cfg(any(test, feature = "model"))]
    pub fn deliver(&self, news: Option<RunId>) {
        use crate::write::News;
        let news = news.map_or(News::Claimable, News::Inbox);
        self.inner.wake.tell([news]);
    }

    /// The reads of a workspace.
    pub fn reader(&self, workspace: &WorkspaceId) -> Reader {
        Reader {
            store: self.clone(),
            workspace: workspace.clone(),
        }
    }

    /// Makes a commit durable. A future that is dropped leaves it open whether it was.
    ///
    /// # Errors
    /// See [`CommitError`]; but for `Unknown`, nothing was written.
    pub async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        #[cfg(any(test, feature = "model"))]
        if let Database::Model(model) = &self.inner.database {
            let news = model.commit_in_weather(&commit).await?;
            self.inner.wake.tell(news);
            return Ok(());
        }
        let prepared = Prepared::of(commit, self.inner.skew)?;
        self.ask(|reply| Work::Commit(prepared, reply)).await
    }

    /// What this process made durable so far: how many commits a run takes can be counted with it.
    pub fn written(&self) -> Written {
        self.inner.tally.read()
    }

    async fn ask<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, CommitError>>) -> Work,
    ) -> Result<T, CommitError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or_else(gone)?;
        queue.try_send(work(reply)).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => CommitError::Busy,
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        // A writer that ended without an answer may have written all the same.
        answer.await.unwrap_or(Err(CommitError::Unknown))
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
        let claim = Claim {
            worker: worker.clone(),
            level,
            lease,
            limit,
            asked: crate::system::now(),
        };
        let (taken, texts): (Vec<Taken>, _) = match &self.inner.database {
            Database::Sqlite(_) => (
                self.ask(|reply| Work::Claim(claim, reply))
                    .await
                    .map_err(unavailable)?,
                claim::OF_RUNS_SQLITE,
            ),
            Database::Postgres(_) => (
                self.inner
                    .database
                    .all(claim::CLAIM_POSTGRES, claim.params())
                    .await?,
                claim::OF_RUNS_POSTGRES,
            ),
            #[cfg(any(test, feature = "model"))]
            Database::Model(model) => {
                return model.claim_in_weather(worker, level, lease, limit).await;
            }
        };
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let ids = || vec![json(&taken)];
        let database = &self.inner.database;
        let runs: Vec<RunRow> = database.all(texts[0], ids()).await?;
        let journal: Vec<JournalRow> = database.all(texts[1], ids()).await?;
        let inbox: Vec<InboxRow> = database.all(texts[2], ids()).await?;
        let mut claimed: BTreeMap<RunId, Claimed> = runs
            .into_iter()
            .map(|run| {
                let claimed = Claimed {
                    run,
                    journal: Vec::new(),
                    inbox: Vec::new(),
                };
                (claimed.run.id.clone(), claimed)
            })
            .collect();
        for row in journal {
            if let Some(claimed) = claimed.get_mut(&row.run) {
                claimed.journal.push(row);
            }
        }
        for row in inbox {
            if let Some(claimed) = claimed.get_mut(&row.run) {
                claimed.inbox.push(row);
            }
        }
        Ok(claimed.into_values().collect())
    }

    /// Renews the leases that a worker has of these runs, in one statement. What it owns and does not name runs out, so that a run whose task
    /// ended without giving it up is taken again.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn renew(
        &self,
        worker: &WorkerId,
        runs: &[RunId],
        lease: Duration,
    ) -> Result<(), ReadError> {
        match &self.inner.database {
            Database::Sqlite(_) => {
                let ids = json(&runs);
                self.ask(|reply| Work::Renew(worker.clone(), lease, ids, reply))
                    .await
                    .map_err(unavailable)
            }
            Database::Postgres(_) => {
                let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX / 2);
                self.inner
                    .database
                    .rows(claim::RENEW_POSTGRES, params![worker, lease, json(&runs)])
                    .await
                    .map(|_| ())
            }
            #[cfg(any(test, feature = "model"))]
            Database::Model(model) => model.renew_in_weather(worker, runs, lease).await,
        }
    }

    /// Promises one call of a bucket, for all processes in the order in which they ask, and says how far ahead it is: zero for at once. Whoever
    /// was promised one need not ask again for it; a promise that is not kept is lost.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn take(
        &self,
        workspace: &WorkspaceId,
        bucket: &str,
        rate: Rate,
    ) -> Result<Duration, ReadError> {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4);
        let times = rate.times.max(1);
        let fill = micros(rate.per / times);
        let whole = fill.saturating_mul(times.into());
        let params = params![workspace, bucket, fill, whole];
        let ahead: Option<i64> = match &self.inner.database {
            Database::Sqlite(_) => self
                .ask(|reply| Work::Take(params, reply))
                .await
                .map(Some)
                .map_err(unavailable)?,
            Database::Postgres(_) => {
                self.inner
                    .database
                    .one(limits::TAKE_POSTGRES, params)
                    .await?
            }
            #[cfg(any(test, feature = "model"))]
            Database::Model(model) => {
                return model.take_in_weather(workspace, bucket, fill, whole).await;
            }
        };
        Ok(limits::ahead(ahead.unwrap_or(0)))
    }

    /// The inbox of a run that this process holds, oldest first.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn inbox(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
    ) -> Result<Vec<InboxRow>, ReadError> {
        #[cfg(any(test, feature = "model"))]
        if let Database::Model(model) = &self.inner.database {
            model.read().await?;
            let tables = model.tables();
            return Ok(crate::model::all(&tables.inbox, workspace, |row| {
                row.run == *run
            }));
        }
        let text = concat!(
            "SELECT ",
            inbox_columns!(),
            " WHERE workspace_id = $1 AND run_id = $2 ORDER BY id"
        );
        self.inner.database.all(text, params![workspace, run]).await
    }

    /// Resolves when another process or another part of this one put something into an inbox or made a run claimable; a hint, never the truth.
    /// One hint wakes one waiter, and is kept if there is none: it is for the one loop that claims.
    pub async fn hint(&self) {
        self.inner.wake.hinted().await;
    }

    /// The runs that a message came for, as soon as it is durable: how whoever holds a run learns that it should look into its inbox. Messages
    /// that other processes put come too where PostgreSQL passes them on. A hint only: it may come twice, and `RecvError::Lagged` means that
    /// some were missed, so that every held run should look.
    pub fn subscribe(&self) -> broadcast::Receiver<RunId> {
        self.inner.wake.subscribe()
    }

    /// What time it is where leases are kept: the database's clock on PostgreSQL.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn now(&self) -> Result<Time, ReadError> {
        match &self.inner.database {
            Database::Sqlite(_) => Ok(crate::system::now()),
            Database::Postgres(_) => {
                let now: Option<i64> = self
                    .inner
                    .database
                    .one(claim::NOW_POSTGRES, Vec::new())
                    .await?;
                Ok(now.map_or_else(crate::system::now, Time))
            }
            #[cfg(any(test, feature = "model"))]
            Database::Model(model) => {
                model.read().await?;
                Ok(model.now())
            }
        }
    }
}

fn gone() -> CommitError {
    CommitError::Unavailable("its writer has ended".to_owned())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is used to convert errors in passing"
)]
fn unavailable(error: CommitError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}
