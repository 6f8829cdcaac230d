//! What operations on app clients, connections, secrets, grants, sign-ins and attempts write.

use actas_core::Time;
use actas_core::ids::{ConnectionId, RunId, SignInId, SlotName, WorkerId};

use crate::rows::{
    AttemptRow, ClientRow, ConnectionRow, GrantRow, SecretRow, SignInRow, SignInState,
};
use crate::statement::{Statement, Value, bytes, json, params};
use crate::write::Ws;

pub(super) fn add_client(workspace: Ws<'_>, client: &ClientRow) -> Vec<Statement> {
    let add = Statement::one(
        "INSERT INTO clients (workspace_id, id, app, name, oauth_client_id, settings, is_default, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &client.id,
            &client.app,
            &client.name,
            &client.oauth_client_id,
            &client.settings,
            client.is_default,
            client.created_at
        ],
        "the app has a client of that name: choose another",
    );
    with_one_default(workspace, client, add)
}

pub(super) fn change_client(workspace: Ws<'_>, client: &ClientRow) -> Vec<Statement> {
    let change = Statement::one(
        "UPDATE clients SET name = $3, oauth_client_id = $4, settings = $5, is_default = $6 WHERE workspace_id = $1 AND id = $2 \
         AND NOT EXISTS (SELECT 1 FROM clients other WHERE other.workspace_id = $1 AND other.app = $7 AND other.name = $3 AND other.id <> $2)",
        params![
            workspace,
            &client.id,
            &client.name,
            &client.oauth_client_id,
            &client.settings,
            client.is_default,
            &client.app
        ],
        "there is no such client, or another one has the name",
    );
    with_one_default(workspace, client, change)
}

fn with_one_default(workspace: Ws<'_>, client: &ClientRow, write: Statement) -> Vec<Statement> {
    if !client.is_default {
        return vec![write];
    }
    let others = Statement::any(
        "UPDATE clients SET is_default = FALSE WHERE workspace_id = $1 AND app = $2 AND id <> $3",
        params![workspace, &client.app, &client.id],
    );
    vec![write, others]
}

fn all_of(workspace: Ws<'_>, c: &ConnectionRow) -> Vec<Value> {
    params![
        workspace,
        &c.id,
        c.kind.as_str(),
        &c.owner,
        &c.name,
        &c.app,
        &c.client,
        &c.parent,
        c.made_for.as_ref().map(|(flow, _)| flow),
        c.made_for.as_ref().map(|(_, slot)| slot),
        &c.subject,
        &c.account,
        json(&c.scopes),
        &c.facts,
        c.state.as_str(),
        c.token_version,
        c.expires_at,
        c.refreshing.as_ref().map(|(worker, _)| worker),
        c.refreshing.as_ref().map(|(_, until)| *until),
        &c.only_run,
        c.created_at,
        c.last_used_at,
        c.scheme.as_str()
    ]
}

pub(super) fn add_connection(workspace: Ws<'_>, connection: &ConnectionRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO connections (workspace_id, id, kind, owner_id, name, app, client_id, parent_id, made_for_flow, made_for_slot, \
         subject, account, scopes, facts, state, token_version, expires_at, refreshing_by, refreshing_until, only_run, created_at, last_used_at, scheme) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) \
         ON CONFLICT DO NOTHING",
        all_of(workspace, connection),
        "a shared connection has that name: choose another",
    )]
}

pub(super) fn change_connection(
    workspace: Ws<'_>,
    connection: &ConnectionRow,
    expect: i64,
) -> Vec<Statement> {
    let mut params = all_of(workspace, connection);
    params.push(Value::from(expect));
    vec![Statement::one(
        "UPDATE connections SET name = $5, app = $6, client_id = $7, parent_id = $8, made_for_flow = $9, made_for_slot = $10, \
         subject = $11, account = $12, scopes = $13, facts = $14, state = $15, token_version = $16, expires_at = $17, \
         refreshing_by = $18, refreshing_until = $19, only_run = $20, created_at = $21, last_used_at = $22, scheme = $23 \
         WHERE workspace_id = $1 AND id = $2 AND kind = $3 AND owner_id = $4 AND token_version = $24 AND NOT EXISTS (SELECT 1 FROM connections other \
         WHERE other.workspace_id = $1 AND other.kind = 'shared' AND $3 = 'shared' AND other.name = $5 AND other.id <> $2)",
        params,
        "it is not there, its secrets changed meanwhile, or another shared connection has the name",
    )]
}

pub(super) fn lease_refresh(
    workspace: Ws<'_>,
    connection: &ConnectionId,
    worker: &WorkerId,
    until: Time,
    now: Time,
    expect: i64,
) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE connections SET refreshing_by = $3, refreshing_until = $4 WHERE workspace_id = $1 AND id = $2 \
         AND token_version = $6 AND (refreshing_by IS NULL OR refreshing_until <= $5)",
        params![workspace, connection, worker, until, now, expect],
        "it is being refreshed, or was meanwhile: read it again",
    )]
}

pub(super) fn release_refresh(
    workspace: Ws<'_>,
    connection: &ConnectionId,
    worker: &WorkerId,
) -> Vec<Statement> {
    vec![Statement::any(
        "UPDATE connections SET refreshing_by = NULL, refreshing_until = NULL \
         WHERE workspace_id = $1 AND id = $2 AND refreshing_by = $3",
        params![workspace, connection, worker],
    )]
}

pub(super) fn touch_connection(
    workspace: Ws<'_>,
    connection: &ConnectionId,
    at: Time,
) -> Vec<Statement> {
    vec![Statement::any(
        "UPDATE connections SET last_used_at = $3 WHERE workspace_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
        params![workspace, connection, at],
    )]
}

pub(super) fn delete_connection(workspace: Ws<'_>, connection: &ConnectionId) -> Vec<Statement> {
    vec![
        Statement::one(
            "DELETE FROM connections WHERE workspace_id = $1 AND id = $2",
            params![workspace, connection],
            "there is no such connection",
        ),
        Statement::any(
            "DELETE FROM secrets WHERE workspace_id = $1 AND owner = $2",
            params![workspace, connection],
        ),
        Statement::any(
            "DELETE FROM grants WHERE workspace_id = $1 AND connection_id = $2",
            params![workspace, connection],
        ),
    ]
}

pub(super) fn put_secret(workspace: Ws<'_>, secret: &SecretRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO secrets (workspace_id, owner, field, version, kek_id, wrapped, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (workspace_id, owner, field) DO UPDATE SET version = excluded.version, kek_id = excluded.kek_id, \
         wrapped = excluded.wrapped, sealed = excluded.sealed WHERE secrets.version <= excluded.version",
        params![
            workspace,
            &secret.owner,
            &secret.field,
            secret.version,
            &secret.kek_id,
            bytes(&secret.wrapped),
            bytes(&secret.sealed)
        ],
        "a newer version of the secret is stored",
    )]
}

pub(super) fn drop_secrets(workspace: Ws<'_>, owner: &str) -> Vec<Statement> {
    vec![Statement::any(
        "DELETE FROM secrets WHERE workspace_id = $1 AND owner = $2",
        params![workspace, owner],
    )]
}

pub(super) fn put_grant(workspace: Ws<'_>, grant: &GrantRow) -> Vec<Statement> {
    vec![Statement::any(
        "INSERT INTO grants (workspace_id, user_id, flow_id, slot, connection_id, surface, granted_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace_id, user_id, flow_id, slot) \
         DO UPDATE SET connection_id = excluded.connection_id, surface = excluded.surface, granted_at = excluded.granted_at",
        params![
            workspace,
            &grant.user,
            &grant.flow,
            &grant.slot,
            &grant.connection,
            &grant.surface,
            grant.at
        ],
    )]
}

pub(super) fn add_sign_in(workspace: Ws<'_>, s: &SignInRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO sign_ins (workspace_id, id, run_id, flow_id, version_id, slot, person_id, app, client_id, parent_id, \
         reason, connection_id, surface, rule, state, created_at, until_at, back_flow) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &s.id,
            s.run.as_ref().map_or("", |run| run.as_str()),
            &s.flow,
            &s.version,
            &s.slot,
            &s.person,
            &s.app,
            &s.client,
            &s.parent,
            s.reason.as_str(),
            &s.connection,
            &s.surface,
            s.rule.as_str(),
            s.state.as_str(),
            s.created_at,
            s.until,
            s.back.as_ref().map_or("", |flow| flow.as_str())
        ],
        "the sign-in is there already",
    )]
}

pub(super) fn move_sign_in(
    workspace: Ws<'_>,
    sign_in: &SignInId,
    from: &[SignInState],
    to: SignInState,
) -> Vec<Statement> {
    // There are four states, so four places hold any set of them; what is left stays empty.
    let from = |place: usize| from.get(place).map_or("", |state| state.as_str());
    vec![Statement::one(
        "UPDATE sign_ins SET state = $3 WHERE workspace_id = $1 AND id = $2 AND state IN ($4, $5, $6, $7)",
        params![
            workspace,
            sign_in,
            to.as_str(),
            from(0),
            from(1),
            from(2),
            from(3)
        ],
        "the sign-in stands elsewhere by now",
    )]
}

pub(super) fn close_sign_ins(
    workspace: Ws<'_>,
    run: &RunId,
    slot: Option<&SlotName>,
) -> Vec<Statement> {
    vec![Statement::any(
        "UPDATE sign_ins SET state = 'closed' WHERE workspace_id = $1 AND run_id = $2 AND ($3 IS NULL OR slot = $3) \
         AND state IN ('open', 'declined')",
        params![workspace, run, slot],
    )]
}

pub(super) fn add_attempt(workspace: Ws<'_>, attempt: &AttemptRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO attempts (workspace_id, state_hash, sign_in_id, reconnect_id, target, user_id, session_hash, client_id, sealed, \
         created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &attempt.state_hash,
            &attempt.sign_in,
            &attempt.reconnect,
            &attempt.target,
            &attempt.user,
            &attempt.session_hash,
            &attempt.client,
            bytes(&attempt.sealed),
            attempt.created_at,
            attempt.expires_at,
            attempt.used_at
        ],
        "the attempt is there already",
    )]
}

pub(super) fn use_attempt(workspace: Ws<'_>, state_hash: &str, now: Time) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE attempts SET used_at = $3 WHERE workspace_id = $1 AND state_hash = $2 AND used_at IS NULL AND expires_at > $3",
        params![workspace, state_hash, now],
        "the attempt was used or has ended: begin again",
    )]
}
