//! Taking runs and keeping them. A run can be taken if it has not ended, is of a level this program knows, and either nobody holds it and it has
//! something to do (never released, due, or with a message; not while it is in the line of its flow) or its holder's lease ran out. Whoever takes it raises its epoch.

use rusqlite::Connection;

use crate::statement::{Value, params};
use crate::writer::sqlite::bind;
use crate::writer::{Claim, Taken};

// The runs that can be taken now: a few of each kind by its index, and all of them looked at again where they are locked.
macro_rules! claim {
    ($now:literal, $lock:literal) => {
        concat!(
            "WITH taken AS MATERIALIZED (SELECT r.workspace_id, r.id FROM (",
            "SELECT * FROM (SELECT workspace_id, id FROM runs WHERE owner IS NULL AND state = 'running' ORDER BY id LIMIT $5) ready ",
            "UNION SELECT * FROM (SELECT workspace_id, id FROM runs WHERE owner IS NULL AND ended_at IS NULL AND due_at IS NOT NULL AND state <> 'queued' AND due_at <= ", $now,
            " ORDER BY due_at LIMIT $5) due ",
            "UNION SELECT * FROM (SELECT h.workspace_id, h.id FROM inbox i JOIN runs h ON h.workspace_id = i.workspace_id AND h.id = i.run_id ",
            "WHERE h.owner IS NULL AND h.ended_at IS NULL AND h.state <> 'queued' ORDER BY i.id LIMIT $5) told ",
            "UNION SELECT * FROM (SELECT workspace_id, id FROM runs WHERE owner IS NOT NULL AND lease_until < ", $now,
            " ORDER BY lease_until LIMIT $5) left_behind",
            ") able JOIN runs r ON r.workspace_id = able.workspace_id AND r.id = able.id ",
            "WHERE r.ended_at IS NULL AND r.level <= $3 AND (r.owner IS NULL OR r.lease_until < ", $now, ") ",
            "ORDER BY r.id LIMIT $4 ", $lock, ") ",
            "UPDATE runs SET owner = $1, epoch = runs.epoch + 1, lease_until = ", $now, " + $2 FROM taken ",
            "WHERE runs.workspace_id = taken.workspace_id AND runs.id = taken.id RETURNING runs.workspace_id, runs.id"
        )
    };
}

/// `$1` worker, `$2` lease in µs, `$3` level, `$4` limit, `$5` candidates of each kind, `$6` now.
pub(crate) const CLAIM_SQLITE: &str = claim!("$6", "");

/// The same with the database's clock; runs that another worker is just taking are passed over.
pub(crate) const CLAIM_POSTGRES: &str = claim!(
    "CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT)",
    "FOR UPDATE OF r SKIP LOCKED"
);

/// What time it is on PostgreSQL.
pub(crate) const NOW_POSTGRES: &str =
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// The rows of some runs, their journals and messages. `$1` is a JSON array of pairs of workspace and run.
macro_rules! of_runs {
    ($pairs:literal) => {
        [
            concat!(
                "SELECT ",
                crate::columns::run_columns!(),
                " JOIN (",
                $pairs,
                ") wanted ON workspace_id = in_workspace AND id = run ORDER BY id"
            ),
            concat!(
                "SELECT ",
                crate::columns::journal_columns!(),
                " JOIN (",
                $pairs,
                ") wanted ON j.workspace_id = in_workspace AND j.run_id = run ",
                "ORDER BY j.run_id, j.seq"
            ),
            concat!(
                "SELECT ",
                crate::columns::inbox_columns!(),
                " JOIN (",
                $pairs,
                ") wanted ON workspace_id = in_workspace AND run_id = run ",
                "ORDER BY run_id, id"
            ),
        ]
    };
}

/// How SQLite takes the list apart.
pub(crate) const OF_RUNS_SQLITE: [&str; 3] = of_runs!(
    "SELECT json_extract(value, '$[0]') AS in_workspace, json_extract(value, '$[1]') AS run FROM json_each($1)"
);

/// And how PostgreSQL does.
pub(crate) const OF_RUNS_POSTGRES: [&str; 3] = of_runs!(
    "SELECT value ->> 0 AS in_workspace, value ->> 1 AS run FROM json_array_elements(CAST($1 AS json))"
);

/// The leases of some runs of a worker; `$3` is a JSON array of their ids. Not all that it owns: what it took and drives no longer must run out.
pub(crate) const RENEW: &str =
    "UPDATE runs SET lease_until = $2 WHERE owner = $1 AND id IN (SELECT value FROM json_each($3))";

/// The same by the database's clock; `$2` is the lease in microseconds. It waits for no lock, because the writer locks the same rows in another
/// order: a row that is locked is just being written by us, and its lease is renewed the next time.
pub(crate) const RENEW_POSTGRES: &str = "UPDATE runs SET lease_until = CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT) + $2 \
     WHERE id IN (SELECT id FROM runs WHERE owner = $1 AND id IN (SELECT json_array_elements_text(CAST($3 AS json))) \
     FOR UPDATE SKIP LOCKED)";

/// All leases end: their holder is dead.
pub(crate) const FREE_ALL: &str = "UPDATE runs SET lease_until = 0 WHERE owner IS NOT NULL";

impl Claim {
    /// The parameters that both texts have.
    pub(crate) fn params(&self) -> Vec<Value> {
        params![
            &self.worker,
            i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX / 2),
            self.level,
            self.limit,
            // Some of them may be of a newer level, or just being taken by others.
            i64::from(self.limit) * 4 + 16
        ]
    }
}

/// Claims on SQLite, in the writer.
pub(crate) fn take(connection: &Connection, claim: &Claim) -> rusqlite::Result<Vec<Taken>> {
    let mut params = claim.params();
    params.push(Value::from(crate::system::now()));
    let mut statement = connection.prepare_cached(CLAIM_SQLITE)?;
    bind(&mut statement, CLAIM_SQLITE, &params)?;
    let mut rows = statement.raw_query();
    let mut taken = Vec::new();
    while let Some(row) = rows.next()? {
        let (workspace, run): (String, String) = (row.get(0)?, row.get(1)?);
        if let (Ok(workspace), Ok(run)) = (workspace.parse(), run.parse()) {
            taken.push((workspace, run));
        }
    }
    Ok(taken)
}
