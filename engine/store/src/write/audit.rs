//! What operations on the audit log itself write. Records are linked elsewhere; must not change one.

use actas_core::Time;
use actas_core::audit::{Actor, CUT, Draft, ERASED};
use actas_core::ids::UserId;

use crate::op::{Commit, Op};
use crate::rows::{CheckpointRow, LogAct};
use crate::statement::{Statement, bytes, json, params};
use crate::store::CommitError;
use crate::write::Ws;

/// Held until the commit, so that no record with a value of that person comes in between and stays behind.
const HOLD_CHAIN: &str =
    "UPDATE audit_heads SET seq = seq WHERE workspace_id = $1 AND chain = 0 AND $2 <> ''";

/// What belongs to whom is what the core says of a record; an erasure that took more or less would not verify.
const ERASE: [&str; 4] = [
    "UPDATE audit_personal SET actor = NULL, actor_salt = NULL, ip = NULL, ip_salt = NULL, agent = NULL, agent_salt = NULL \
     WHERE workspace_id = $1 AND chain = 0 AND seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND actor_id = $2)",
    "UPDATE audit_personal SET account = NULL, account_salt = NULL \
     WHERE workspace_id = $1 AND chain = 0 \
     AND seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND actor_id = $2 AND person_id IS NULL)",
    "UPDATE audit_personal SET person = NULL, person_salt = NULL, account = NULL, account_salt = NULL \
     WHERE workspace_id = $1 AND chain = 0 AND seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND person_id = $2)",
    "UPDATE audit_personal SET ip = NULL, ip_salt = NULL, agent = NULL, agent_salt = NULL \
     WHERE workspace_id = $1 AND chain = 0 \
     AND seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND person_id = $2 AND actor_id IS NULL)",
];

pub(super) fn erase_personal(workspace: Ws<'_>, user: &UserId) -> Vec<Statement> {
    std::iter::once(HOLD_CHAIN)
        .chain(ERASE)
        .map(|text| Statement::any(text, params![workspace, user]))
        .collect()
}

/// The name of an act in refusals and in tests.
pub(super) fn name(act: &LogAct) -> &'static str {
    match act {
        LogAct::MakeKey(_) => "make_log_key",
        LogAct::AddCheckpoint(_) => "add_checkpoint",
        LogAct::Sent(_) => "checkpoint_sent",
        LogAct::Cut(_) => "cut_audit",
        LogAct::Drop(_) => "drop_audit",
        LogAct::Review(_) => "review_audit",
    }
}

pub(super) fn on_log(workspace: Ws<'_>, act: &LogAct) -> Vec<Statement> {
    match act {
        LogAct::MakeKey(secret) => vec![Statement::one(
            "INSERT INTO secrets (workspace_id, owner, field, version, kek_id, wrapped, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT DO NOTHING",
            params![
                workspace,
                &secret.owner,
                &secret.field,
                secret.version,
                &secret.kek_id,
                bytes(&secret.wrapped),
                bytes(&secret.sealed)
            ],
            "the log has a key already",
        )],
        LogAct::AddCheckpoint(row) => add_checkpoint(workspace, row),
        LogAct::Sent(upto) => vec![Statement::any(
            "UPDATE audit_checkpoints SET sent = TRUE WHERE workspace_id = $1 AND size <= $2 AND sent = FALSE",
            params![workspace, number(*upto)],
        )],
        LogAct::Cut(row) => vec![Statement::one(
            "INSERT INTO audit_start (workspace_id, seq, hash, edge, note, cut_at) SELECT $1, $2, $3, $4, $5, $6 \
             WHERE EXISTS (SELECT 1 FROM audit_checkpoints WHERE workspace_id = $1 AND size = $2 AND sent = TRUE) \
             ON CONFLICT (workspace_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, edge = excluded.edge, \
             note = excluded.note, cut_at = excluded.cut_at WHERE audit_start.seq < excluded.seq",
            params![
                workspace,
                number(row.start.seq),
                bytes(&row.start.hash),
                json(&row.start.edge),
                &row.note,
                row.cut_at
            ],
            "there is no checkpoint up to there that was sent, or the log begins there already",
        )],
        LogAct::Drop(upto) => [
            "DELETE FROM audit_personal WHERE workspace_id = $1 AND chain = 0 AND seq <= $2 \
             AND seq <= (SELECT seq FROM audit_start WHERE workspace_id = $1)",
            "DELETE FROM audit WHERE workspace_id = $1 AND chain = 0 AND seq <= $2 \
             AND seq <= (SELECT seq FROM audit_start WHERE workspace_id = $1)",
        ]
        .map(|text| Statement::any(text, params![workspace, number(*upto)]))
        .into(),
        LogAct::Review(row) => vec![Statement::one(
            "INSERT INTO audit_reviews (workspace_id, upto, since, by_user, note, reviewed_at) SELECT $1, $2, $3, $4, $5, $6 \
             WHERE COALESCE((SELECT MAX(upto) FROM audit_reviews WHERE workspace_id = $1), 0) = $3 ON CONFLICT DO NOTHING",
            params![
                workspace,
                number(row.upto),
                number(row.since),
                &row.by,
                &row.note,
                row.at
            ],
            "somebody else has reviewed it meanwhile: look again where the last review ended",
        )],
    }
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// When the day of a moment began (UTC): of the checkpoints of a day only the last one stays.
pub(crate) fn day_of(at: Time) -> Time {
    const DAY: i64 = 24 * 3600 * 1_000_000;
    Time(at.micros().div_euclid(DAY).saturating_mul(DAY))
}

fn add_checkpoint(workspace: Ws<'_>, row: &CheckpointRow) -> Vec<Statement> {
    let size = number(row.edge.size());
    vec![
        Statement::one(
            "INSERT INTO audit_checkpoints (workspace_id, size, edge, note, made_at, sent) SELECT $1, $2, $3, $4, $5, $6 \
             WHERE NOT EXISTS (SELECT 1 FROM audit_checkpoints WHERE workspace_id = $1 AND size >= $2) ON CONFLICT DO NOTHING",
            params![
                workspace,
                size,
                json(&row.edge),
                &row.note,
                row.made_at,
                row.sent
            ],
            "there is a checkpoint as large",
        ),
        Statement::any(
            "DELETE FROM audit_checkpoints WHERE workspace_id = $1 AND size < $2 AND made_at >= $3 AND sent = TRUE",
            params![workspace, size, day_of(row.made_at)],
        ),
    ]
}

/// An erasure and the record of it come together or not at all: without the record the chain would no longer verify, without the erasure the
/// record would be a lie that hides a deletion.
pub(crate) fn check(commit: &Commit) -> Result<(), CommitError> {
    check_cut(commit)?;
    let refused = |why: &str| {
        Err(CommitError::Conflict {
            op: "erase_personal",
            why: why.to_owned(),
        })
    };
    let records = |draft: &Draft, op: &Op| {
        matches!(op, Op::ErasePersonal { workspace, user }
            if draft.workspace == *workspace && draft.object.id == user.as_str())
    };
    let said = |draft: &&Draft| {
        draft.action == ERASED && draft.object.kind == "user" && draft.outcome == "ok"
    };
    for draft in commit.audit.iter().filter(said) {
        if !commit.ops.iter().any(|op| records(draft, op)) {
            return refused("a record says that somebody was erased who was not");
        }
    }
    for op in &commit.ops {
        let Op::ErasePersonal { user, .. } = op else {
            continue;
        };
        let Some(draft) = commit.audit.iter().filter(said).find(|d| records(d, op)) else {
            return refused("an erasure needs its record `audit.erased` in the same commit");
        };
        let by = match &draft.actor {
            Actor::User { id, .. } => Some(id),
            Actor::LocalOperator | Actor::Engine | Actor::Trigger | Actor::Anonymous => None,
        };
        // The record of it would name them again.
        if by == Some(user) || draft.person.as_ref().is_some_and(|(id, _)| id == user) {
            return refused("nobody can erase themselves: somebody else has to do it");
        }
    }
    Ok(())
}

/// The same for records that are let go.
fn check_cut(commit: &Commit) -> Result<(), CommitError> {
    let said = |draft: &&Draft| {
        draft.action == CUT && draft.object.kind == "audit" && draft.outcome == "ok"
    };
    let said: Vec<_> = commit.audit.iter().filter(said).collect();
    let cuts = commit.ops.iter().filter_map(|op| match op {
        Op::Log {
            workspace,
            act: LogAct::Cut(row),
        } => Some((workspace, &row.start)),
        _ => None,
    });
    let cuts: Vec<_> = cuts.collect();
    let fit = cuts.iter().zip(&said).all(|((workspace, start), draft)| {
        let hash = hex::encode(start.hash);
        draft.workspace == **workspace
            && draft.object.id == start.seq.to_string()
            && draft.object.version == Some(hash)
    });
    if fit && cuts.len() == said.len() {
        return Ok(());
    }
    Err(CommitError::Conflict {
        op: "cut_audit",
        why: "records are let go with a record `audit.cut` of the last of them in the same commit, and only then".to_owned(),
    })
}
