//! What operations on triggers write.

use actas_core::Time;
use actas_core::ids::FlowId;

use crate::rows::TriggerRow;
use crate::statement::{Statement, params};
use crate::write::Ws;

pub(super) fn put_trigger(trigger: &TriggerRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO triggers (workspace_id, flow_id, version_id, kind, hook, spec, next_at, last_at) \
         SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), \
         CAST($7 AS BIGINT), CAST($8 AS BIGINT) \
         WHERE NOT EXISTS (SELECT 1 FROM triggers t WHERE t.hook = $5 AND NOT (t.workspace_id = $1 AND t.flow_id = $2)) \
         ON CONFLICT (workspace_id, flow_id) DO UPDATE SET version_id = excluded.version_id, kind = excluded.kind, hook = excluded.hook, \
         spec = excluded.spec, next_at = excluded.next_at WHERE triggers.last_at IS NOT DISTINCT FROM excluded.last_at",
        params![
            &trigger.workspace,
            &trigger.flow,
            &trigger.version,
            trigger.kind.as_str(),
            &trigger.hook,
            &trigger.spec,
            trigger.next_at,
            trigger.last_at
        ],
        "another trigger has that hook, or this one was fired meanwhile: try again",
    )]
}

pub(super) fn drop_trigger(workspace: Ws<'_>, flow: &FlowId) -> Vec<Statement> {
    vec![Statement::any(
        "DELETE FROM triggers WHERE workspace_id = $1 AND flow_id = $2",
        params![workspace, flow],
    )]
}

pub(super) fn fire_trigger(
    workspace: Ws<'_>,
    flow: &FlowId,
    slot: Time,
    next_at: Option<Time>,
    fired: bool,
) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE triggers SET last_at = CASE WHEN CAST($5 AS BIGINT) = 1 THEN CAST($3 AS BIGINT) ELSE last_at END, next_at = $4 \
         WHERE workspace_id = $1 AND flow_id = $2 AND next_at = $3",
        params![workspace, flow, slot, next_at, i64::from(fired)],
        "that instant was taken already, or the schedule is another by now",
    )]
}
