//! What operations on the line of a flow write. Each begins with the flow's gate, which makes them come one after the other in all processes,
//! and ends with letting in whoever can go in now: so nobody waits for a place that is free, and nobody has to be woken later.

use actas_core::ids::{FlowId, RunId};

use crate::rows::Admission;
use crate::statement::{Statement, params};
use crate::write::Ws;

/// The first in the line whose key nobody has, as many as there are places. `$1` workspace, `$2` flow.
pub(crate) const ADMIT: &str = "UPDATE admissions SET state = 'active', entered = TRUE, \
     ticket = (SELECT g.last_ticket FROM gates g WHERE g.workspace_id = $1 AND g.flow_id = $2) \
     WHERE workspace_id = $1 AND run_id IN (SELECT q.run_id FROM admissions q \
     WHERE q.workspace_id = $1 AND q.flow_id = $2 AND q.state = 'queued' AND (q.key_value IS NULL OR q.entered OR NOT EXISTS \
     (SELECT 1 FROM admissions k WHERE k.workspace_id = $1 AND k.flow_id = $2 AND k.key_value = q.key_value AND k.run_id <> q.run_id \
     AND (k.entered OR k.ticket < q.ticket))) ORDER BY q.ticket LIMIT COALESCE((SELECT CASE WHEN g.active_limit IS NULL THEN 1000000 \
     WHEN g.active_limit > taken.places THEN g.active_limit - taken.places ELSE 0 END FROM gates g, (SELECT COUNT(*) AS places FROM admissions \
     WHERE workspace_id = $1 AND flow_id = $2 AND state = 'active') taken WHERE g.workspace_id = $1 AND g.flow_id = $2), 0))";

/// Those that were let in are there for the taking.
pub(crate) const WAKE: &str = "UPDATE runs SET state = 'running' WHERE workspace_id = $1 AND state = 'queued' AND id IN \
     (SELECT a.run_id FROM admissions a WHERE a.workspace_id = $1 AND a.flow_id = $2 AND a.state = 'active' AND a.ticket = \
     (SELECT g.last_ticket FROM gates g WHERE g.workspace_id = $1 AND g.flow_id = $2))";

fn let_in(all: &mut Vec<Statement>, workspace: Ws<'_>, flow: &FlowId) {
    all.push(Statement::any(ADMIT, params![workspace, flow]));
    all.push(Statement::any(WAKE, params![workspace, flow]));
}

/// To the end of the line, unless it is in it or has a place.
fn line_up(all: &mut Vec<Statement>, a: &Admission) {
    all.push(Statement::any(
        "INSERT INTO gates (workspace_id, flow_id, active_limit, last_ticket) VALUES ($1, $2, $3, 1) ON CONFLICT (workspace_id, flow_id) \
         DO UPDATE SET active_limit = excluded.active_limit, last_ticket = gates.last_ticket + 1",
        params![&a.workspace, &a.flow, a.limit.map(i64::from)],
    ));
    all.push(Statement::any(
        "INSERT INTO admissions (workspace_id, run_id, flow_id, key_value, state, entered, ticket, since) \
         SELECT g.workspace_id, CAST($3 AS TEXT), g.flow_id, CAST($4 AS TEXT), 'queued', FALSE, g.last_ticket, CAST($5 AS BIGINT) FROM gates g \
         WHERE g.workspace_id = $1 AND g.flow_id = $2 ON CONFLICT (workspace_id, run_id) \
         DO UPDATE SET state = 'queued', ticket = excluded.ticket, since = excluded.since WHERE admissions.state = 'paused'",
        params![&a.workspace, &a.flow, &a.run, &a.key, a.at],
    ));
}

pub(super) fn enter(a: &Admission) -> Vec<Statement> {
    let mut all = Vec::with_capacity(5);
    line_up(&mut all, a);
    let_in(&mut all, &a.workspace, &a.flow);
    all.push(Statement::one(
        "UPDATE admissions SET state = 'active' WHERE workspace_id = $1 AND run_id = $2 AND state = 'active'",
        params![&a.workspace, &a.run],
        "the flow is full",
    ));
    all
}

pub(super) fn queue(a: &Admission, epoch: i64) -> Vec<Statement> {
    let mut all = Vec::with_capacity(5);
    line_up(&mut all, a);
    all.push(Statement::one(
        "UPDATE runs SET state = 'queued', owner = NULL, lease_until = NULL, due_at = NULL \
         WHERE workspace_id = $1 AND id = $2 AND epoch = $3 AND ended_at IS NULL AND (owner IS NOT NULL OR state = 'queued') \
         AND EXISTS (SELECT 1 FROM admissions a WHERE a.workspace_id = $1 AND a.run_id = $2 AND a.state = 'queued')",
        params![&a.workspace, &a.run, epoch],
        "the run has ended, has a place, or is not held under this epoch",
    ));
    let_in(&mut all, &a.workspace, &a.flow);
    all
}

fn next_change(workspace: Ws<'_>, flow: &FlowId) -> Statement {
    Statement::any(
        "UPDATE gates SET last_ticket = last_ticket + 1 WHERE workspace_id = $1 AND flow_id = $2",
        params![workspace, flow],
    )
}

pub(super) fn step_aside(
    workspace: Ws<'_>,
    flow: &FlowId,
    run: &RunId,
    epoch: i64,
) -> Vec<Statement> {
    let mut all = vec![
        next_change(workspace, flow),
        Statement::any(
            "UPDATE admissions SET state = 'paused' WHERE workspace_id = $1 AND run_id = $2 AND state = 'active' AND EXISTS \
             (SELECT 1 FROM runs r WHERE r.workspace_id = $1 AND r.id = $2 AND r.epoch = $3 AND r.owner IS NULL)",
            params![workspace, run, epoch],
        ),
    ];
    let_in(&mut all, workspace, flow);
    all
}

pub(super) fn leave(workspace: Ws<'_>, flow: &FlowId, run: &RunId) -> Vec<Statement> {
    let mut all = vec![
        next_change(workspace, flow),
        Statement::any(
            "DELETE FROM admissions WHERE workspace_id = $1 AND run_id = $2",
            params![workspace, run],
        ),
    ];
    let_in(&mut all, workspace, flow);
    all
}

/// A run that is cancelled in the line before it ever began ends without having had its turn: it leaves the line and is there for the taking.
pub(super) fn let_out(all: &mut Vec<Statement>, workspace: Ws<'_>, run: &RunId) {
    all.push(Statement::any(
        "UPDATE gates SET last_ticket = last_ticket + 1 WHERE workspace_id = $1 \
         AND flow_id IN (SELECT r.flow_id FROM runs r WHERE r.workspace_id = $1 AND r.id = $2 AND r.state = 'queued')",
        params![workspace, run],
    ));
    all.push(Statement::any(
        "DELETE FROM admissions WHERE workspace_id = $1 AND run_id = $2 AND state = 'queued' AND NOT entered",
        params![workspace, run],
    ));
    all.push(Statement::any(
        "UPDATE runs SET state = 'running' WHERE workspace_id = $1 AND id = $2 AND state = 'queued' \
         AND NOT EXISTS (SELECT 1 FROM admissions a WHERE a.workspace_id = $1 AND a.run_id = $2)",
        params![workspace, run],
    ));
}

/// Promises the next call of a bucket; what it answers is how long that is from now. `$3` is how far one call fills it and `$4` how much goes in
/// at once, in microseconds; `$5` is now.
macro_rules! take {
    ($now:literal) => {
        concat!(
            "INSERT INTO rates (workspace_id, bucket, filled_to) VALUES ($1, $2, ",
            $now,
            " + $3) ON CONFLICT (workspace_id, bucket) ",
            "DO UPDATE SET filled_to = CASE WHEN rates.filled_to > ",
            $now,
            " THEN rates.filled_to ELSE ",
            $now,
            " END + $3 ",
            "RETURNING filled_to - $4 - ",
            $now
        )
    };
}

pub(crate) const TAKE_SQLITE: &str = take!("$5");

/// The same by the database's clock.
pub(crate) const TAKE_POSTGRES: &str = take!("CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT)");

/// How far a time that a database gave lies ahead; not at all if it has passed.
pub(crate) fn ahead(micros: i64) -> std::time::Duration {
    std::time::Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
