//! What operations on runs, their journals and their inboxes write.

use actas_core::Time;
use actas_core::ids::{InboxId, RunId, UserId};
use sha2::{Digest as _, Sha256};

use crate::rows::{IdempotencyRow, InboxMessage, InboxRow, JournalRow, RunRow};
use crate::statement::{Bulk, Statement, Value, json, params};
use crate::write::{Ws, limits};

/// A body longer than this stands in `blobs`, its digest in the journal.
const BODY_LIMIT: usize = 16 * 1024;

/// What a digest begins with, and a body never does: it is a JSON object.
pub(crate) const DIGEST: &str = "sha256:";

static ADD_RUNS: Bulk = Bulk {
    rank: 0,
    text: "INSERT INTO runs (workspace_id, id, flow_id, version_id, level, invoker_id, entry, state, created_at, ended_at, due_at, \
           epoch, owner, lease_until, last_seq, parent_id, parent_step, retry_of) \
           SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], \
           $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::bigint[], $16::text[], \
           $17::text[], $18::text[]) \
           ON CONFLICT DO NOTHING",
    key: &[1],
};

static MOVE_RUNS: Bulk = Bulk {
    rank: 1,
    text: "UPDATE runs SET state = new.state, due_at = new.due_at, ended_at = new.ended_at, last_seq = new.seq, \
           owner = CASE WHEN new.release THEN NULL ELSE runs.owner END, \
           lease_until = CASE WHEN new.release THEN NULL ELSE runs.lease_until END \
           FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::boolean[]) \
           AS new (workspace_id, id, epoch, seq, state, due_at, ended_at, release) \
           WHERE runs.workspace_id = new.workspace_id AND runs.id = new.id AND runs.epoch = new.epoch AND runs.last_seq = new.seq - 1 \
           AND runs.ended_at IS NULL AND runs.owner IS NOT NULL",
    key: &[1],
};

static WRITE_JOURNAL: Bulk = Bulk {
    rank: 2,
    text: "INSERT INTO journal (workspace_id, run_id, seq, kind, v, written_at, body) \
           SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[]) \
           ON CONFLICT DO NOTHING",
    key: &[1, 2],
};

pub(super) fn add_run(
    run: &RunRow,
    journal: &JournalRow,
    idempotency: Option<&IdempotencyRow>,
) -> Vec<Statement> {
    let workspace = &run.workspace;
    // A run that ended in its first commit is held by nobody.
    let held = run.ended_at.is_none();
    let mut all = Vec::with_capacity(4);
    if let Some(kept) = idempotency {
        all.push(Statement::any(
            "DELETE FROM idempotency WHERE workspace_id = $1 AND user_id = $2 AND flow_id = $3 AND idempotency_key = $4 AND expires_at <= $5",
            params![workspace, &kept.user, &kept.flow, &kept.key, run.created_at],
        ));
        all.push(Statement::one(
            "INSERT INTO idempotency (workspace_id, user_id, flow_id, idempotency_key, body_digest, run_id, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            params![
                workspace,
                &kept.user,
                &kept.flow,
                &kept.key,
                &kept.body_digest,
                &kept.run,
                kept.expires_at
            ],
            "the idempotency key made another run",
        ));
    }
    all.push(
        Statement::one(
            "INSERT INTO runs (workspace_id, id, flow_id, version_id, level, invoker_id, entry, state, created_at, ended_at, due_at, \
             epoch, owner, lease_until, last_seq, parent_id, parent_step, retry_of) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING",
            params![
                workspace,
                &run.id,
                &run.flow,
                &run.version,
                run.level,
                run.invoker.as_ref().map_or("", UserId::as_str),
                &run.entry,
                &run.state,
                run.created_at,
                run.ended_at,
                run.due_at,
                run.epoch,
                run.owner.as_ref().filter(|_| held),
                run.lease_until.filter(|_| held),
                journal.seq,
                run.parent.as_ref().map(|(parent, _)| parent),
                run.parent.as_ref().map(|(_, step)| step),
                &run.retry_of
            ],
            "the run is there already",
        )
        .in_bulk(&ADD_RUNS),
    );
    write_journal(&mut all, workspace, journal);
    all
}

pub(super) fn append(
    workspace: Ws<'_>,
    epoch: i64,
    journal: &JournalRow,
    state: &str,
    due_at: Option<Time>,
    ended_at: Option<Time>,
    release: bool,
) -> Vec<Statement> {
    let mut all = Vec::with_capacity(2);
    all.push(
        Statement::one(
            "UPDATE runs SET state = $5, due_at = $6, ended_at = $7, last_seq = $4, \
             owner = CASE WHEN $8 THEN NULL ELSE owner END, lease_until = CASE WHEN $8 THEN NULL ELSE lease_until END \
             WHERE workspace_id = $1 AND id = $2 AND epoch = $3 AND last_seq = $4 - 1 AND ended_at IS NULL AND owner IS NOT NULL",
            params![
                workspace,
                &journal.run,
                epoch,
                journal.seq,
                state,
                due_at,
                ended_at,
                release || ended_at.is_some()
            ],
            "the run has ended, is not held under this epoch, or its journal went on without us",
        )
        .in_bulk(&MOVE_RUNS),
    );
    write_journal(&mut all, workspace, journal);
    all
}

fn write_journal(all: &mut Vec<Statement>, workspace: Ws<'_>, journal: &JournalRow) {
    let body = if journal.body.len() > BODY_LIMIT {
        let digest = format!("{DIGEST}{}", hex::encode(Sha256::digest(&journal.body)));
        all.push(Statement::any(
            "INSERT INTO blobs (workspace_id, digest, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            params![workspace, &digest, &journal.body],
        ));
        digest
    } else {
        journal.body.clone()
    };
    all.push(
        Statement::one(
            "INSERT INTO journal (workspace_id, run_id, seq, kind, v, written_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT DO NOTHING",
            params![
                workspace,
                &journal.run,
                journal.seq,
                &journal.kind,
                journal.v,
                journal.at,
                body
            ],
            "the journal has a row with that number",
        )
        .in_bulk(&WRITE_JOURNAL),
    );
}

pub(super) fn release(workspace: Ws<'_>, run: &RunId, epoch: i64) -> Vec<Statement> {
    vec![Statement::any(
        "UPDATE runs SET owner = NULL, lease_until = NULL WHERE workspace_id = $1 AND id = $2 AND epoch = $3",
        params![workspace, run, epoch],
    )]
}

pub(super) fn put_inbox(workspace: Ws<'_>, inbox: &InboxRow) -> Vec<Statement> {
    let put = Statement::one(
        PUT_INBOX,
        message(workspace, inbox),
        "the run has ended or is not there",
    );
    and_let_out(put, workspace, inbox)
}

pub(super) fn tell_run(workspace: Ws<'_>, inbox: &InboxRow) -> Vec<Statement> {
    let put = Statement::any(PUT_INBOX, message(workspace, inbox));
    and_let_out(put, workspace, inbox)
}

fn and_let_out(put: Statement, workspace: Ws<'_>, inbox: &InboxRow) -> Vec<Statement> {
    let mut all = vec![put];
    if matches!(inbox.message, InboxMessage::Cancel { .. }) {
        limits::let_out(&mut all, workspace, &inbox.run);
    }
    all
}

const PUT_INBOX: &str = "INSERT INTO inbox (workspace_id, id, run_id, message, came_at) SELECT workspace_id, $3, id, $4, $5 FROM runs \
     WHERE workspace_id = $1 AND id = $2 AND ended_at IS NULL ON CONFLICT DO NOTHING";

fn message(workspace: Ws<'_>, inbox: &InboxRow) -> Vec<Value> {
    params![
        workspace,
        &inbox.run,
        &inbox.id,
        json(&inbox.message),
        inbox.at
    ]
}

pub(super) fn take_inbox(workspace: Ws<'_>, inbox: &InboxId) -> Vec<Statement> {
    vec![Statement::one(
        "DELETE FROM inbox WHERE workspace_id = $1 AND id = $2",
        params![workspace, inbox],
        "the message was taken already",
    )]
}
