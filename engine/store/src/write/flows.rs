//! What operations on flows, drafts, build-time values, versions and manifests write.

use actas_core::ids::{FlowId, UserId};

use crate::rows::{BuildValueRow, DraftRow, FlowRow, ManifestRow, VersionRow};
use crate::statement::{Statement, json, params};
use crate::write::Ws;

pub(super) fn add_flow(workspace: Ws<'_>, flow: &FlowRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO flows (workspace_id, id, name, title, stopped, last_version, runners, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &flow.id,
            &flow.name,
            &flow.title,
            &flow.stopped,
            flow.last_version,
            json(&flow.runners),
            &flow.created_by,
            flow.created_at
        ],
        "the flow's name is taken: choose another",
    )]
}

pub(super) fn change_flow(workspace: Ws<'_>, flow: &FlowRow) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE flows SET title = $3, stopped = $4, runners = $5 WHERE workspace_id = $1 AND id = $2",
        params![
            workspace,
            &flow.id,
            &flow.title,
            &flow.stopped,
            json(&flow.runners)
        ],
        "there is no such flow",
    )]
}

pub(super) fn put_draft(workspace: Ws<'_>, draft: &DraftRow) -> Vec<Statement> {
    const STALE: &str = "the draft was saved meanwhile: load it again";
    let params = params![
        workspace,
        &draft.flow,
        &draft.text,
        draft.revision,
        &draft.updated_by,
        draft.updated_at
    ];
    // A first save that finds a draft, and a later one that finds another revision, change no row.
    vec![if draft.revision <= 1 {
        Statement::one(
            "INSERT INTO drafts (workspace_id, flow_id, text, revision, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
            params,
            STALE,
        )
    } else {
        Statement::one(
            "UPDATE drafts SET text = $3, revision = $4, updated_by = $5, updated_at = $6 \
             WHERE workspace_id = $1 AND flow_id = $2 AND revision = $4 - 1",
            params,
            STALE,
        )
    }]
}

pub(super) fn put_build_value(workspace: Ws<'_>, value: &BuildValueRow) -> Vec<Statement> {
    vec![Statement::any(
        "INSERT INTO build_values (workspace_id, flow_id, slot, user_id, written, connection_id) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (workspace_id, flow_id, slot, user_id) \
         DO UPDATE SET written = excluded.written, connection_id = excluded.connection_id",
        params![
            workspace,
            &value.flow,
            &value.slot,
            &value.user,
            &value.written,
            &value.connection
        ],
    )]
}

pub(super) fn drop_build_values(
    workspace: Ws<'_>,
    flow: &FlowId,
    user: Option<&UserId>,
) -> Vec<Statement> {
    vec![Statement::any(
        "DELETE FROM build_values WHERE workspace_id = $1 AND flow_id = $2 AND ($3 IS NULL OR user_id = $3)",
        params![workspace, flow, user],
    )]
}

pub(super) fn add_version(workspace: Ws<'_>, version: &VersionRow) -> Vec<Statement> {
    let add = Statement::one(
        "INSERT INTO versions (workspace_id, id, flow_id, number, document, digest, bindings, manifests, level, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &version.id,
            &version.flow,
            version.number,
            &version.document,
            &version.digest,
            &version.bindings,
            &version.manifests,
            version.level,
            &version.created_by,
            version.created_at
        ],
        "the version is there already",
    );
    if version.number == 0 {
        return vec![add];
    }
    let raise = Statement::one(
        "UPDATE flows SET last_version = $3 WHERE workspace_id = $1 AND id = $2 AND last_version = $3 - 1",
        params![workspace, &version.flow, version.number],
        "somebody else published meanwhile: look at their version first",
    );
    vec![raise, add]
}

pub(super) fn keep_manifest(workspace: Ws<'_>, manifest: &ManifestRow) -> Vec<Statement> {
    vec![Statement::any(
        "INSERT INTO manifests (workspace_id, digest, app, document) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &manifest.digest,
            &manifest.app,
            &manifest.document
        ],
    )]
}
