//! What operations on the audit log itself write. Records are linked elsewhere; must not change one.

use actas_core::audit::{Actor, Draft, ERASED};
use actas_core::ids::UserId;

use crate::op::{Commit, Op};
use crate::statement::{Statement, params};
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

/// An erasure and the record of it come together or not at all: without the record the chain would no longer verify, without the erasure the
/// record would be a lie that hides a deletion.
pub(crate) fn check(commit: &Commit) -> Result<(), CommitError> {
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
