//! What operations on requests, callbacks, the workspace's values and its named secrets write.

use actas_core::Time;
use actas_core::ids::{Name, RequestId, RunId, StepPath, UserId, VarName};

use crate::rows::{NamedSecretRow, RequestRow, VarRow};
use crate::statement::{Statement, json, params};
use crate::write::Ws;

pub(super) fn add_request(workspace: Ws<'_>, r: &RequestRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO requests (workspace_id, id, run_id, flow_id, step, kind, who, not_by, title, detail, state, created_at, until_at, \
         decided_by, decided_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &r.id,
            &r.run,
            &r.flow,
            &r.step,
            r.kind.as_str(),
            json(&r.who),
            &r.not_by,
            &r.title,
            &r.detail,
            r.state.as_str(),
            r.created_at,
            r.until,
            &r.decided_by,
            r.decided_at
        ],
        "the request is there already",
    )]
}

pub(super) fn decide_request(
    workspace: Ws<'_>,
    request: &RequestId,
    by: &UserId,
    now: Time,
) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE requests SET state = 'decided', decided_by = $3, decided_at = $4 \
         WHERE workspace_id = $1 AND id = $2 AND state = 'open' AND until_at > $4",
        params![workspace, request, by, now],
        "the request was answered, is closed, or its time is over",
    )]
}

pub(super) fn close_requests(
    workspace: Ws<'_>,
    run: &RunId,
    step: Option<&StepPath>,
) -> Vec<Statement> {
    vec![Statement::any(
        "UPDATE requests SET state = 'closed' WHERE workspace_id = $1 AND run_id = $2 AND ($3 IS NULL OR step = $3) AND state = 'open'",
        params![workspace, run, step],
    )]
}

pub(super) fn use_callback(workspace: Ws<'_>, run: &RunId, step: &StepPath) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO callbacks_used (workspace_id, run_id, step) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        params![workspace, run, step],
        "the callback was used already",
    )]
}

pub(super) fn put_var(workspace: Ws<'_>, var: &VarRow) -> Vec<Statement> {
    vec![Statement::any(
        "INSERT INTO vars (workspace_id, name, value, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (workspace_id, name) \
         DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
        params![
            workspace,
            &var.name,
            &var.value,
            &var.updated_by,
            var.updated_at
        ],
    )]
}

pub(super) fn delete_var(workspace: Ws<'_>, name: &VarName) -> Vec<Statement> {
    vec![Statement::one(
        "DELETE FROM vars WHERE workspace_id = $1 AND name = $2",
        params![workspace, name],
        "there is no such value",
    )]
}

pub(super) fn put_named_secret(
    workspace: Ws<'_>,
    secret: &NamedSecretRow,
    new: bool,
) -> Vec<Statement> {
    let put = if new {
        Statement::one(
            "INSERT INTO named_secrets (workspace_id, name, created_by, created_at, rotated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING",
            params![
                workspace,
                &secret.name,
                &secret.created_by,
                secret.created_at,
                secret.rotated_at
            ],
            "there is a secret of that name: rotate it, or choose another name",
        )
    } else {
        Statement::one(
            "UPDATE named_secrets SET rotated_at = $3 WHERE workspace_id = $1 AND name = $2",
            params![workspace, &secret.name, secret.rotated_at],
            "there is no such secret",
        )
    };
    vec![put]
}

pub(super) fn delete_named_secret(workspace: Ws<'_>, name: &Name) -> Vec<Statement> {
    vec![
        Statement::one(
            "DELETE FROM named_secrets WHERE workspace_id = $1 AND name = $2",
            params![workspace, name],
            "there is no such secret",
        ),
        Statement::any(
            "DELETE FROM secrets WHERE workspace_id = $1 AND owner = $2",
            params![workspace, NamedSecretRow::owner(name)],
        ),
    ]
}
