//! What operations on workspaces, users, sessions, links and tokens write.

use actas_core::Time;
use actas_core::ids::UserId;

use crate::rows::{LoginLinkRow, SessionRow, TokenRow, UserRow};
use crate::statement::{Statement, json, params};
use crate::write::Ws;

pub(super) fn add_workspace(workspace: Ws<'_>, name: &str, at: Time) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO workspaces (workspace_id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        params![workspace, name, at],
        "the workspace is there already",
    )]
}

pub(super) fn add_user(workspace: Ws<'_>, user: &UserRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO users (workspace_id, id, login, name, email, manager, password_hash, local, roles, disabled, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        params![
            workspace,
            &user.id,
            &user.login,
            &user.name,
            &user.email,
            &user.manager,
            &user.password_hash,
            user.local,
            json(&user.roles),
            user.disabled,
            user.created_at
        ],
        "the login is taken: choose another",
    )]
}

pub(super) fn change_user(workspace: Ws<'_>, user: &UserRow) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE users SET name = $3, email = $4, manager = $5, password_hash = $6, local = $7, roles = $8, disabled = $9 \
         WHERE workspace_id = $1 AND id = $2",
        params![
            workspace,
            &user.id,
            &user.name,
            &user.email,
            &user.manager,
            &user.password_hash,
            user.local,
            json(&user.roles),
            user.disabled
        ],
        "there is no such user",
    )]
}

pub(super) fn set_password(
    workspace: Ws<'_>,
    user: &UserId,
    password_hash: &str,
) -> Vec<Statement> {
    vec![
        Statement::one(
            "UPDATE users SET password_hash = $3 WHERE workspace_id = $1 AND id = $2 AND disabled = FALSE",
            params![workspace, user, password_hash],
            "there is no such user, or they are switched off",
        ),
        Statement::any(
            "DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2",
            params![workspace, user],
        ),
        Statement::any(
            "DELETE FROM login_links WHERE workspace_id = $1 AND user_id = $2",
            params![workspace, user],
        ),
    ]
}

pub(super) fn add_session(session: &SessionRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO sessions (hash, workspace_id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
        params![
            &session.hash,
            &session.workspace,
            &session.user,
            session.created_at,
            session.expires_at
        ],
        "the session is there already",
    )]
}

pub(super) fn end_session(hash: &str) -> Vec<Statement> {
    vec![Statement::any(
        "DELETE FROM sessions WHERE hash = $1",
        params![hash],
    )]
}

pub(super) fn add_login_link(link: &LoginLinkRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO login_links (hash, workspace_id, user_id, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        params![&link.hash, &link.workspace, &link.user, link.expires_at],
        "the link is there already",
    )]
}

pub(super) fn use_login_link(hash: &str, now: Time) -> Vec<Statement> {
    vec![Statement::one(
        "DELETE FROM login_links WHERE hash = $1 AND expires_at > $2",
        params![hash, now],
        "the link was used or has ended: ask for a new one",
    )]
}

pub(super) fn add_token(token: &TokenRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO tokens (hash, workspace_id, user_id, name, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT DO NOTHING",
        params![
            &token.hash,
            &token.workspace,
            &token.user,
            &token.name,
            json(&token.scopes),
            token.created_at,
            token.expires_at
        ],
        "the token is there already",
    )]
}

pub(super) fn revoke_token(workspace: Ws<'_>, hash: &str) -> Vec<Statement> {
    vec![Statement::one(
        "DELETE FROM tokens WHERE workspace_id = $1 AND hash = $2",
        params![workspace, hash],
        "there is no such token",
    )]
}

pub(super) fn set_key_check(kek_id: &str, check: &[u8]) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO store_facts (name, value) VALUES ('key_check', $1) ON CONFLICT DO NOTHING",
        params![format!("{kek_id} {}", hex::encode(check))],
        "the store has a key-check value already",
    )]
}
