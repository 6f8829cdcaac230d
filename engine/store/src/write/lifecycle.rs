//! What operations on the life of connections and flows write: deleted parents and flows, people who leave, and what is taken back.

use actas_core::Time;
use actas_core::ids::{ClientId, ConnectionId, FlowId, RevocationId, SlotName, UserId};

use crate::rows::{DeletedParentRow, RevocationRow};
use crate::statement::{Statement, params};
use crate::write::Ws;

pub(super) fn bury_parent(workspace: Ws<'_>, parent: &DeletedParentRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO deleted_parents (workspace_id, id, name, app, client_id, deleted_by, deleted_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &parent.id,
            &parent.name,
            &parent.app,
            &parent.client,
            &parent.deleted_by,
            parent.deleted_at
        ],
        "it was deleted before",
    )]
}

pub(super) fn adopt(
    workspace: Ws<'_>,
    connection: &ConnectionId,
    parent: &ConnectionId,
) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE connections SET parent_id = $3 WHERE workspace_id = $1 AND id = $2 AND kind = 'personal' AND parent_id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM connections old WHERE old.workspace_id = $1 AND old.id = connections.parent_id) \
         AND EXISTS (SELECT 1 FROM connections new WHERE new.workspace_id = $1 AND new.id = $3 AND new.kind = 'shared' \
         AND new.app = connections.app AND new.client_id = connections.client_id)",
        params![workspace, connection, parent],
        "it has a parent, or the new one is of another app or client",
    )]
}

pub(super) fn drop_grant(
    workspace: Ws<'_>,
    user: &UserId,
    flow: &FlowId,
    slot: &SlotName,
) -> Vec<Statement> {
    vec![Statement::one(
        "DELETE FROM grants WHERE workspace_id = $1 AND user_id = $2 AND flow_id = $3 AND slot = $4",
        params![workspace, user, flow, slot],
        "there is no such grant",
    )]
}

pub(super) fn renew_slot(workspace: Ws<'_>, flow: &FlowId, slot: &SlotName) -> Vec<Statement> {
    vec![
        Statement::any(
            "DELETE FROM grants WHERE workspace_id = $1 AND flow_id = $2 AND slot = $3",
            params![workspace, flow, slot],
        ),
        Statement::any(
            "UPDATE connections SET made_for_flow = NULL, made_for_slot = NULL WHERE workspace_id = $1 AND made_for_flow = $2 \
             AND made_for_slot = $3 AND only_run IS NULL",
            params![workspace, flow, slot],
        ),
    ]
}

pub(super) fn delete_flow(
    workspace: Ws<'_>,
    flow: &FlowId,
    by: &UserId,
    at: Time,
) -> Vec<Statement> {
    let of_flow = |text| Statement::any(text, params![workspace, flow]);
    vec![
        Statement::one(
            "INSERT INTO deleted_flows (workspace_id, id, name, title, deleted_by, deleted_at) \
             SELECT workspace_id, id, name, title, CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM flows WHERE workspace_id = $1 AND id = $2 \
             AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.workspace_id = $1 AND r.flow_id = $2 AND r.ended_at IS NULL) \
             ON CONFLICT DO NOTHING",
            params![workspace, flow, by, at],
            "there is no such flow, or runs of it have not ended",
        ),
        of_flow("DELETE FROM flows WHERE workspace_id = $1 AND id = $2"),
        of_flow("DELETE FROM drafts WHERE workspace_id = $1 AND flow_id = $2"),
        of_flow("DELETE FROM build_values WHERE workspace_id = $1 AND flow_id = $2"),
        of_flow("DELETE FROM grants WHERE workspace_id = $1 AND flow_id = $2"),
        of_flow("DELETE FROM triggers WHERE workspace_id = $1 AND flow_id = $2"),
        of_flow("DELETE FROM idempotency WHERE workspace_id = $1 AND flow_id = $2"),
        of_flow(
            "UPDATE connections SET made_for_flow = NULL, made_for_slot = NULL WHERE workspace_id = $1 AND made_for_flow = $2 \
             AND only_run IS NULL",
        ),
    ]
}

pub(super) fn delete_client(workspace: Ws<'_>, client: &ClientId) -> Vec<Statement> {
    vec![
        Statement::one(
            "DELETE FROM clients WHERE workspace_id = $1 AND id = $2 \
             AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.workspace_id = $1 AND c.client_id = $2)",
            params![workspace, client],
            "there is no such client, or connections were made with it",
        ),
        Statement::any(
            "DELETE FROM secrets WHERE workspace_id = $1 AND owner = $2",
            params![workspace, client],
        ),
    ]
}

pub(super) fn forget_person(workspace: Ws<'_>, user: &UserId) -> Vec<Statement> {
    let of_user = |text| Statement::any(text, params![workspace, user]);
    vec![
        of_user("DELETE FROM grants WHERE workspace_id = $1 AND user_id = $2"),
        of_user("DELETE FROM build_values WHERE workspace_id = $1 AND user_id = $2"),
        of_user("DELETE FROM attempts WHERE workspace_id = $1 AND user_id = $2"),
        of_user(
            "UPDATE sign_ins SET state = 'closed' WHERE workspace_id = $1 AND person_id = $2 AND state IN ('open', 'declined')",
        ),
    ]
}

pub(super) fn add_revocation(workspace: Ws<'_>, row: &RevocationRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO revocations (workspace_id, id, connection_id, app, client_id, tries, next_at, until_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &row.id,
            &row.connection,
            &row.app,
            &row.client,
            row.tries,
            row.next_at,
            row.until,
            row.created_at
        ],
        "the revocation is there already",
    )]
}

pub(super) fn try_revocation(
    workspace: Ws<'_>,
    id: &RevocationId,
    tries: u32,
    next_at: Time,
) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE revocations SET tries = tries + 1, next_at = $4 WHERE workspace_id = $1 AND id = $2 AND tries = $3",
        params![workspace, id, tries, next_at],
        "it is done, or somebody else tries it",
    )]
}

pub(super) fn end_revocation(workspace: Ws<'_>, id: &RevocationId) -> Vec<Statement> {
    vec![
        Statement::any(
            "DELETE FROM revocations WHERE workspace_id = $1 AND id = $2",
            params![workspace, id],
        ),
        Statement::any(
            "DELETE FROM secrets WHERE workspace_id = $1 AND owner = $2",
            params![workspace, id],
        ),
    ]
}
