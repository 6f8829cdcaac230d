//! The writer on PostgreSQL: a task with a connection of its own. What many commits do alike goes as one statement over arrays, because a round
//! trip for each row is what limits it. The heads of the chains are locked last before the commit, in order.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actas_core::audit::Draft;
use actas_core::ids::WorkspaceId;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgListener, PgPool, Postgres};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::chain::{self, Heads};
use crate::statement::{Bulk, Expect, Statement, Value};
use crate::store::{CommitError, StoreError};
use crate::system::random;
use crate::wake::Wake;
use crate::write::{News, Prepared};
use crate::writer::{BATCH, Fault, Outcomes, TRIES, Tally, Work};

/// Where processes tell each other that something may be there.
const CHANNEL: &str = "actas";

/// How long a transaction may take before its connection is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the writer, which ends when the last sender is gone, and the listener, which ends when it is told to.
pub(crate) async fn start(
    options: PgConnectOptions,
    pool: PgPool,
    wake: &Arc<Wake>,
    tally: Arc<Tally>,
    queue: mpsc::Receiver<Work>,
) -> Result<AbortHandle, StoreError> {
    // A plan for each statement, made once: with arrays of any length, of tables that may have been empty then.
    let options = options.statement_cache_capacity(256).options([
        ("synchronous_commit", "on"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ]);
    let connection = PgConnection::connect_with(&options)
        .await
        .map_err(|e| StoreError::Open(e.to_string()))?;
    let tag = hex::encode(random::<8>());
    let writer = Writer {
        options,
        connection: Some(connection),
        tag: tag.clone(),
    };
    tokio::spawn(write(writer, Arc::clone(wake), tally, queue));
    let listener = tokio::spawn(listen(pool, Arc::clone(wake), tag));
    Ok(listener.abort_handle())
}

async fn write(
    mut writer: Writer,
    wake: Arc<Wake>,
    tally: Arc<Tally>,
    mut queue: mpsc::Receiver<Work>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let mut commits = Vec::with_capacity(batch.len());
        for work in batch.drain(..) {
            match work {
                Work::Commit(prepared, reply) => commits.push((prepared, reply)),
                // Claims and leases go round the writer here; whoever asks sees that nobody answers.
                Work::Claim(..) | Work::Renew(..) | Work::Take(..) => {}
            }
        }
        let (prepared, replies): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
        let outcomes = writer.commit(&prepared).await;
        tally.add(&outcomes);
        for ((prepared, reply), outcome) in prepared.into_iter().zip(replies).zip(outcomes) {
            if outcome.is_ok() {
                wake.tell(prepared.news);
            }
            // Whoever asked may have gone; the commit stands all the same.
            let _ = reply.send(outcome);
        }
    }
}

/// Passes on what other processes say. Nothing depends on it.
async fn listen(pool: PgPool, wake: Arc<Wake>, tag: String) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            // `None` is a lost connection: it is made again, but what was said meanwhile is not heard.
            while let Ok(heard) = listener.try_recv().await {
                let Some(heard) = heard else {
                    wake.hint_all();
                    continue;
                };
                let (from, run) = heard.payload().split_once(' ').unwrap_or_default();
                if from != tag {
                    let news = run.parse().map_or(News::Claimable, News::Inbox);
                    wake.tell([news]);
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

struct Writer {
    options: PgConnectOptions,
    /// None after it was lost.
    connection: Option<PgConnection>,
    /// What our own notifications begin with.
    tag: String,
}

impl Writer {
    /// All in one transaction; if one is refused, once more with each behind a savepoint of its own; if they get into the way of another
    /// process, one by one.
    async fn commit(&mut self, batch: &[Prepared]) -> Outcomes {
        let fault = match self.together(batch).await {
            Ok(()) => return vec![Ok(()); batch.len()],
            Err(Fault::Refused(error)) if batch.len() == 1 => return vec![Err(error)],
            Err(Fault::Refused(_) | Fault::Unclear) => match self.apart(batch).await {
                Ok(outcomes) => return outcomes,
                Err(fault) => fault,
            },
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::Again(_)) {
            return vec![Err(fault.into_error()); batch.len()];
        }
        let mut outcomes = Outcomes::with_capacity(batch.len());
        for prepared in batch {
            outcomes.push(self.alone(prepared).await);
        }
        outcomes
    }

    async fn alone(&mut self, prepared: &Prepared) -> Result<(), CommitError> {
        let mut tried = 0;
        loop {
            let done = self.apart(std::slice::from_ref(prepared)).await;
            match done {
                Ok(mut outcomes) => return outcomes.pop().unwrap_or(Ok(())),
                Err(Fault::Again(_)) if tried < TRIES => tried += 1,
                Err(fault) => return Err(fault.into_error()),
            }
            // Whoever it collided with should be done by then.
            tokio::time::sleep(Duration::from_millis(5 << tried)).await;
        }
    }

    async fn together(&mut self, batch: &[Prepared]) -> Result<(), Fault> {
        let tag = self.tag.clone();
        let connection = self.begin().await?;
        let done = within(async {
            perform_all(connection, batch).await?;
            write_audit(connection, batch.iter().flat_map(|p| &p.audit)).await?;
            notify(connection, &tag, batch.iter().flat_map(|p| &p.news)).await
        })
        .await;
        self.end(done).await
    }

    async fn apart(&mut self, batch: &[Prepared]) -> Result<Outcomes, Fault> {
        let tag = self.tag.clone();
        let connection = self.begin().await?;
        let done = within(async {
            let mut outcomes = Outcomes::with_capacity(batch.len());
            for prepared in batch {
                simple(connection, "SAVEPOINT one").await?;
                let outcome = match perform(connection, prepared).await {
                    Ok(()) => Ok(()),
                    Err(Fault::Refused(error)) => {
                        simple(connection, "ROLLBACK TO SAVEPOINT one").await?;
                        Err(error)
                    }
                    Err(fault) => return Err(fault),
                };
                simple(connection, "RELEASE SAVEPOINT one").await?;
                outcomes.push(outcome);
            }
            let went = || {
                batch
                    .iter()
                    .zip(&outcomes)
                    .filter(|(_, outcome)| outcome.is_ok())
                    .map(|(prepared, _)| prepared)
            };
            write_audit(connection, went().flat_map(|p| &p.audit)).await?;
            notify(connection, &tag, went().flat_map(|p| &p.news)).await?;
            Ok(outcomes)
        })
        .await;
        self.end(done).await
    }

    /// Begins a transaction, on a new connection if the old one was lost: so far nothing was asked of it.
    async fn begin(&mut self) -> Result<&mut PgConnection, Fault> {
        if let Some(connection) = &mut self.connection
            && within(simple(connection, "BEGIN")).await.is_err()
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let connection = within(async {
                let mut connection = PgConnection::connect_with(&self.options)
                    .await
                    .map_err(|e| Fault::Away(e.to_string()))?;
                simple(&mut connection, "BEGIN").await?;
                Ok(connection)
            });
            self.connection = Some(connection.await?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| Fault::Away("no connection".to_owned()))
    }

    async fn end<T>(&mut self, done: Result<T, Fault>) -> Result<T, Fault> {
        let Some(connection) = &mut self.connection else {
            return done;
        };
        match done {
            Ok(value) => {
                let committed = sqlx::query("COMMIT").execute(connection);
                let error = match tokio::time::timeout(PATIENCE, committed).await {
                    Ok(Ok(_)) => return Ok(value),
                    // An answer: it did not commit.
                    Ok(Err(error @ sqlx::Error::Database(_))) => fault("commit", error),
                    Ok(Err(_)) | Err(_) => Fault::Unknown,
                };
                self.connection = None;
                Err(error)
            }
            // Whatever state the connection is in: without it the server rolls back by itself.
            Err(fault @ Fault::Away(_)) => {
                self.connection = None;
                Err(fault)
            }
            Err(fault) => {
                if within(simple(connection, "ROLLBACK")).await.is_err() {
                    self.connection = None;
                }
                Err(fault)
            }
        }
    }
}

/// A network that swallows everything must not hold the writer for good.
async fn within<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(Fault::Away(format!("no answer in {PATIENCE:?}"))))
}

/// What many commits do alike in one statement each, everything else after it, one by one. Whoever waits has waited alone, so that any order
/// of the commits is right; a commit whose rows another one changes too is not among the first.
async fn perform_all(connection: &mut PgConnection, batch: &[Prepared]) -> Result<(), Fault> {
    let mut groups = Groups::default();
    let mut rest = Vec::new();
    for prepared in batch {
        if !groups.take(prepared) {
            rest.push(prepared);
        }
    }
    groups.perform(connection).await?;
    // Whoever changes several lines changes them in the same order everywhere, so that processes do not wait for each other.
    rest.sort_by(|a, b| a.line.cmp(&b.line));
    for prepared in rest {
        perform(connection, prepared).await?;
    }
    Ok(())
}

async fn perform(connection: &mut PgConnection, prepared: &Prepared) -> Result<(), Fault> {
    for (op, statements) in &prepared.ops {
        for statement in statements {
            demand(connection, op, statement).await?;
        }
    }
    Ok(())
}

/// Statements of one kind, each with the operation it belongs to.
type Group<'a> = (&'static Bulk, Vec<(&'static str, &'a Statement)>);

/// Statements that are done together, by the order in which that must be.
#[derive(Default)]
struct Groups<'a> {
    by_rank: BTreeMap<u8, Group<'a>>,
    keys: HashSet<(u8, Vec<&'a Value>)>,
}

impl<'a> Groups<'a> {
    /// Takes a commit in, if all it does can be done in bulk and no other one changes the same rows.
    fn take(&mut self, prepared: &'a Prepared) -> bool {
        let statements = || {
            prepared
                .ops
                .iter()
                .flat_map(|(op, statements)| statements.iter().map(|s| (*op, s)))
        };
        let mut keys = HashSet::new();
        for (_, statement) in statements() {
            let Some(bulk) = statement.bulk else {
                return false;
            };
            let key: Vec<&Value> = bulk.key.iter().map(|at| &statement.params[*at]).collect();
            let key = (bulk.rank, key);
            if self.keys.contains(&key) || !keys.insert(key) {
                return false;
            }
        }
        self.keys.extend(keys);
        for (op, statement) in statements() {
            self.add(op, statement);
        }
        true
    }

    fn add(&mut self, op: &'static str, statement: &'a Statement) {
        if let Some(bulk) = statement.bulk {
            let (_, group) = self.by_rank.entry(bulk.rank).or_insert((bulk, Vec::new()));
            group.push((op, statement));
        }
    }

    async fn perform(self, connection: &mut PgConnection) -> Result<(), Fault> {
        for (bulk, group) in self.by_rank.into_values() {
            if let [(op, statement)] = group.as_slice() {
                demand(connection, op, statement).await?;
                continue;
            }
            let columns = group[0].1.params.len();
            let mut query = sqlx::query(bulk.text);
            for column in 0..columns {
                query = bind_column(query, group.iter().map(|(_, s)| &s.params[column]));
            }
            let done =
                query
                    .execute(&mut *connection)
                    .await
                    .map_err(|e| match fault(group[0].0, e) {
                        Fault::Refused(_) => Fault::Unclear,
                        fault => fault,
                    })?;
            if done.rows_affected() != group.len() as u64 {
                return Err(Fault::Unclear);
            }
        }
        Ok(())
    }
}

type Asked = Query<'static, Postgres, PgArguments>;

fn bind_column<'v>(query: Asked, values: impl Iterator<Item = &'v Value> + Clone) -> Asked {
    let first = values.clone().next();
    match first {
        Some(Value::Int(_)) => query.bind(
            values
                .map(|value| match value {
                    Value::Int(value) => *value,
                    Value::Text(_) | Value::Bool(_) => None,
                })
                .collect::<Vec<Option<i64>>>(),
        ),
        Some(Value::Bool(_)) => query.bind(
            values
                .map(|value| *value == Value::Bool(true))
                .collect::<Vec<bool>>(),
        ),
        Some(Value::Text(_)) | None => query.bind(
            values
                .map(|value| match value {
                    Value::Text(value) => value.clone(),
                    Value::Int(_) | Value::Bool(_) => None,
                })
                .collect::<Vec<Option<String>>>(),
        ),
    }
}

async fn write_audit<'d>(
    connection: &mut PgConnection,
    drafts: impl Iterator<Item = &'d Draft>,
) -> Result<(), Fault> {
    let drafts: Vec<&Draft> = drafts.collect();
    if drafts.is_empty() {
        return Ok(());
    }
    let mut heads = Heads::new();
    for draft in &drafts {
        heads.entry(draft.workspace.clone()).or_default();
    }
    let wanted: Vec<String> = heads.keys().map(ToString::to_string).collect();
    let mut found = lock_heads(connection, &wanted).await?;
    if found.len() < wanted.len() {
        for workspace in heads.keys().filter(|ws| !found.contains_key(*ws)) {
            demand(connection, "audit", &chain::make_head(workspace)).await?;
        }
        found = lock_heads(connection, &wanted).await?;
    }
    let mut statements = Vec::with_capacity(2 * drafts.len() + found.len());
    for draft in drafts {
        chain::link_next(draft, &mut found, &mut random::<16>).statements(&mut statements);
    }
    for (workspace, head) in &found {
        statements.push(chain::move_head(workspace, head));
    }
    let mut groups = Groups::default();
    for statement in &statements {
        groups.add("audit", statement);
    }
    groups.perform(connection).await
}

async fn lock_heads(connection: &mut PgConnection, wanted: &[String]) -> Result<Heads, Fault> {
    let rows = sqlx::query(chain::LOCK_HEADS)
        .bind(wanted.to_vec())
        .fetch_all(connection)
        .await
        .map_err(|e| fault("audit", e))?;
    let mut heads = Heads::new();
    for row in rows {
        let read = || -> Option<(WorkspaceId, chain::Head)> {
            let (workspace, seq, hash): (String, i64, String) = (
                row.try_get(0).ok()?,
                row.try_get(1).ok()?,
                row.try_get(2).ok()?,
            );
            Some((workspace.parse().ok()?, chain::head(seq, &hash)?))
        };
        let (workspace, head) =
            read().ok_or_else(|| Fault::Away("an audit head cannot be read".to_owned()))?;
        heads.insert(workspace, head);
    }
    Ok(heads)
}

/// In the transaction itself: other processes hear of it if it commits, and only then.
async fn notify<'n>(
    connection: &mut PgConnection,
    tag: &str,
    news: impl Iterator<Item = &'n News>,
) -> Result<(), Fault> {
    let payloads: Vec<String> = news
        .map(|news| match news {
            News::Inbox(run) => format!("{tag} {run}"),
            News::Claimable => format!("{tag} -"),
        })
        .collect();
    if payloads.is_empty() {
        return Ok(());
    }
    sqlx::query("SELECT pg_notify($1, said) FROM UNNEST($2::text[]) AS said")
        .bind(CHANNEL)
        .bind(payloads)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|e| fault("notify", e))
}

async fn demand(
    connection: &mut PgConnection,
    op: &'static str,
    statement: &Statement,
) -> Result<(), Fault> {
    let mut query = sqlx::query(statement.text);
    for value in &statement.params {
        query = match value {
            Value::Text(value) => query.bind(value.clone()),
            Value::Int(value) => query.bind(*value),
            Value::Bool(value) => query.bind(*value),
        };
    }
    let done = query.execute(connection).await.map_err(|e| fault(op, e))?;
    match statement.expect {
        Expect::One(why) if done.rows_affected() != 1 => {
            Err(Fault::Refused(CommitError::Conflict {
                op,
                why: why.to_owned(),
            }))
        }
        Expect::One(_) | Expect::Any => Ok(()),
    }
}

async fn simple(connection: &mut PgConnection, text: &'static str) -> Result<(), Fault> {
    sqlx::query(text)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|e| fault("transaction", e))
}

/// What an error means for the transaction it met.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is used to convert errors in passing"
)]
fn fault(op: &'static str, error: sqlx::Error) -> Fault {
    let sqlx::Error::Database(told) = &error else {
        return Fault::Away(error.to_string());
    };
    let code = told.code().unwrap_or_default();
    match (code.as_ref(), code.get(..2)) {
        // Serialisation failure, deadlock, lock not available.
        ("40001" | "40P01" | "55P03", _) => Fault::Again(error.to_string()),
        // A broken constraint, a value that does not fit, or more than the database's limits: its neighbours are not to blame.
        (_, Some("22" | "23" | "54")) => Fault::Refused(CommitError::Conflict {
            op,
            why: told.message().to_owned(),
        }),
        _ => Fault::Away(error.to_string()),
    }
}
