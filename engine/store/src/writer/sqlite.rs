//! The writer of an embedded store: a thread with the only connection that writes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use actas_core::ids::WorkspaceId;
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension as _};
use tokio::sync::mpsc;

use crate::chain::{self, Heads};
use crate::claim;
use crate::kept::Kept;
use crate::statement::{Expect, Statement, Value};
use crate::store::{CommitError, StoreError};
use crate::system::random;
use crate::wake::Wake;
use crate::write::Prepared;
use crate::write::limits::TAKE_SQLITE;
use crate::writer::{BATCH, Fault, Outcomes, Tally, Work};

/// Who is told what became durable.
pub(crate) struct Told {
    pub wake: Arc<Wake>,
    pub tally: Arc<Tally>,
    pub kept: Arc<Kept>,
}

/// Starts the thread. It ends, and the lock with it, when the last sender is gone.
pub(crate) fn start(
    file: &Path,
    lock: File,
    told: Told,
    queue: mpsc::Receiver<Work>,
) -> Result<JoinHandle<()>, StoreError> {
    let connection = open(file).map_err(|e| StoreError::Open(e.to_string()))?;
    #[cfg(any(test, feature = "model"))]
    let source = crate::system::simulated::current();
    std::thread::Builder::new()
        .name("actas-writer".to_owned())
        .spawn(move || {
            #[cfg(any(test, feature = "model"))]
            crate::system::simulated::go_by(source);
            write(&connection, &told, queue);
            // Leaves no log behind that still holds what was deleted. If it fails, the next start does it.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            // In this order: whoever takes the lock next finds no connection of ours.
            drop(connection);
            drop(lock);
        })
        .map_err(|e| StoreError::Open(e.to_string()))
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    // What is dropped (build-time values, credentials) is gone from the file too, not only from its index.
    connection.pragma_update(None, "secure_delete", "on")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.set_prepared_statement_cache_capacity(256);
    // Nobody else can hold the directory: whoever held these runs is dead.
    connection.execute(claim::FREE_ALL, [])?;
    Ok(connection)
}

fn write(connection: &Connection, told: &Told, mut queue: mpsc::Receiver<Work>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (mut commits, mut others) = (Vec::with_capacity(batch.len()), Vec::new());
        for work in batch.drain(..) {
            match work {
                Work::Commit(prepared, reply) => commits.push((prepared, reply)),
                other => others.push(other),
            }
        }
        let (prepared, replies): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
        if !prepared.is_empty() {
            let outcomes = commit(connection, &prepared);
            told.tally.add(&outcomes);
            // Whatever became of it: reading once more is never wrong.
            if prepared.iter().any(|prepared| prepared.unsettles) {
                told.kept.changed();
            }
            for ((prepared, reply), outcome) in prepared.into_iter().zip(replies).zip(outcomes) {
                if outcome.is_ok() {
                    told.wake.tell(prepared.news);
                }
                // Whoever asked may have gone; the commit stands all the same.
                let _ = reply.send(outcome);
            }
        }
        for work in others {
            other(connection, work);
        }
    }
}

fn other(connection: &Connection, work: Work) {
    match work {
        Work::Commit(..) => {}
        // It waited so long that the leases of living runs have had no chance to be renewed: whoever asked asks again.
        Work::Claim(claim, reply)
            if crate::system::now().since(claim.asked) > claim.lease / 2
                && !claim.lease.is_zero() =>
        {
            let _ = reply.send(Ok(Vec::new()));
        }
        Work::Claim(claim, reply) => {
            let _ = reply.send(claim::take(connection, &claim).map_err(|e| away(&e).into_error()));
        }
        Work::Take(mut params, reply) => {
            params.push(Value::from(crate::system::now()));
            let taken = take(connection, &params).map_err(|e| away(&e).into_error());
            let _ = reply.send(taken);
        }
        Work::Renew(worker, lease, runs, reply) => {
            let until = crate::system::now().after(lease);
            let params = [Value::from(&worker), Value::from(until), runs];
            let done = run(connection, claim::RENEW, &params);
            let _ = reply.send(done.map(|_| ()).map_err(|e| away(&e).into_error()));
        }
    }
}

fn take(connection: &Connection, params: &[Value]) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(TAKE_SQLITE)?;
    bind(&mut statement, TAKE_SQLITE, params)?;
    let mut rows = statement.raw_query();
    let mut ahead = 0;
    while let Some(row) = rows.next()? {
        ahead = row.get(0)?;
    }
    Ok(ahead)
}

/// All in one transaction; if one is refused, once more with each behind a savepoint of its own.
fn commit(connection: &Connection, batch: &[Prepared]) -> Outcomes {
    match together(connection, batch) {
        Ok(()) => vec![Ok(()); batch.len()],
        Err(Fault::Refused(error)) if batch.len() == 1 => vec![Err(error)],
        Err(Fault::Refused(_)) => apart(connection, batch).unwrap_or_else(|fault| {
            let error = fault.into_error();
            vec![Err(error); batch.len()]
        }),
        Err(fault) => {
            let error = fault.into_error();
            vec![Err(error); batch.len()]
        }
    }
}

fn together(connection: &Connection, batch: &[Prepared]) -> Result<(), Fault> {
    transaction(connection, |heads| {
        for prepared in batch {
            perform(connection, prepared, heads)?;
        }
        Ok(())
    })
}

fn apart(connection: &Connection, batch: &[Prepared]) -> Result<Outcomes, Fault> {
    transaction(connection, |heads| {
        let mut outcomes = Outcomes::with_capacity(batch.len());
        for prepared in batch {
            let before = heads.clone();
            simple(connection, "SAVEPOINT one")?;
            let outcome = match perform(connection, prepared, heads) {
                Ok(()) => Ok(()),
                Err(Fault::Refused(error)) => {
                    simple(connection, "ROLLBACK TO one")?;
                    *heads = before;
                    Err(error)
                }
                Err(fault) => return Err(fault),
            };
            simple(connection, "RELEASE one")?;
            outcomes.push(outcome);
        }
        Ok(outcomes)
    })
}

/// Runs `work` between `BEGIN` and `COMMIT`, storing the heads it moved last; undoes everything if it fails.
fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&mut Heads) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if !connection.is_autocommit() {
        // An earlier rollback failed: until one goes through, no transaction can begin.
        simple(connection, "ROLLBACK")?;
    }
    simple(connection, "BEGIN IMMEDIATE")?;
    let mut heads = Heads::new();
    let done = work(&mut heads).and_then(|value| {
        for (workspace, head) in &heads {
            demand(connection, "audit", &chain::move_head(workspace, head))?;
        }
        simple(connection, "COMMIT")?;
        Ok(value)
    });
    if done.is_err() && !connection.is_autocommit() {
        // A rollback that fails is tried again before the next transaction.
        let _ = simple(connection, "ROLLBACK");
    }
    done
}

fn perform(connection: &Connection, prepared: &Prepared, heads: &mut Heads) -> Result<(), Fault> {
    for (op, statements) in &prepared.ops {
        for statement in statements {
            demand(connection, op, statement)?;
        }
    }
    let mut statements = Vec::with_capacity(2 * prepared.audit.len());
    for draft in &prepared.audit {
        if !heads.contains_key(&draft.workspace) {
            heads.insert(
                draft.workspace.clone(),
                read_head(connection, &draft.workspace)?,
            );
        }
        chain::link_next(draft, heads, &mut random::<16>).statements(&mut statements);
    }
    for statement in &statements {
        demand(connection, "audit", statement)?;
    }
    Ok(())
}

fn read_head(connection: &Connection, workspace: &WorkspaceId) -> Result<chain::Head, Fault> {
    demand(connection, "audit", &chain::make_head(workspace))?;
    let row = connection
        .prepare_cached(chain::READ_HEAD)
        .and_then(|mut statement| {
            statement
                .query_row([workspace.as_str()], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })
                .optional()
        })
        .map_err(|e| away(&e))?;
    row.and_then(|(seq, hash)| chain::head(seq, &hash))
        .ok_or_else(|| Fault::Away(format!("the audit head of {workspace} cannot be read")))
}

fn demand(connection: &Connection, op: &'static str, statement: &Statement) -> Result<(), Fault> {
    let rows = run(connection, statement.text, &statement.params).map_err(|error| {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Fault::Refused(CommitError::Conflict {
                op,
                why: error.to_string(),
            }),
            _ => away(&error),
        }
    })?;
    match statement.expect {
        Expect::One(why) if rows != 1 => Err(Fault::Refused(CommitError::Conflict {
            op,
            why: why.to_owned(),
        })),
        Expect::One(_) | Expect::Any => Ok(()),
    }
}

fn run(connection: &Connection, text: &'static str, params: &[Value]) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(text)?;
    bind(&mut statement, text, params)?;
    statement.raw_execute()
}

/// Binds a text's parameters. SQLite takes `$1` for a name and numbers parameters as they first appear, so that their places have to be
/// looked up; once for a text, because SQLite searches a list for each.
pub(crate) fn bind(
    statement: &mut CachedStatement<'_>,
    text: &'static str,
    params: &[Value],
) -> rusqlite::Result<()> {
    thread_local! {
        static KNOWN: RefCell<HashMap<&'static str, Rc<[Option<usize>]>>> = RefCell::default();
    }
    let known = KNOWN.with_borrow(|known| known.get(text).cloned());
    let numbers = known.unwrap_or_else(|| {
        let numbers: Rc<[Option<usize>]> = numbers(statement).into();
        KNOWN.with_borrow_mut(|known| known.insert(text, Rc::clone(&numbers)));
        numbers
    });
    for (place, number) in (1..).zip(numbers.iter()) {
        match number.and_then(|number| params.get(number)) {
            Some(Value::Text(value)) => statement.raw_bind_parameter(place, value)?,
            Some(Value::Int(value)) => statement.raw_bind_parameter(place, value)?,
            Some(Value::Bool(value)) => statement.raw_bind_parameter(place, value)?,
            None => return Err(rusqlite::Error::InvalidParameterCount(params.len(), place)),
        }
    }
    Ok(())
}

/// Place by place, which of the parameters belongs there, from 0.
fn numbers(statement: &CachedStatement<'_>) -> Vec<Option<usize>> {
    let number = |name: &str| name.get(1..)?.parse::<usize>().ok()?.checked_sub(1);
    (1..=statement.parameter_count())
        .map(|place| statement.parameter_name(place).and_then(number))
        .collect()
}

fn simple(connection: &Connection, text: &'static str) -> Result<(), Fault> {
    run(connection, text, &[]).map(|_| ()).map_err(|e| away(&e))
}

fn away(error: &rusqlite::Error) -> Fault {
    Fault::Away(error.to_string())
}
