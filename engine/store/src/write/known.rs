//! What operations write that say who somebody is and what a workspace has decided: policies, roles, identities, logins elsewhere, hosts.

use crate::op::Op;
use crate::statement::{Statement, json, params};

pub(super) fn statements(op: &Op) -> Vec<Statement> {
    match op {
        Op::PutPolicies {
            workspace,
            policies,
            expect,
            by,
            at,
        } => {
            let (text, why) = match expect {
                0 => (
                    "INSERT INTO policies (workspace_id, document, updated_by, updated_at, revision) VALUES ($1, $2, $3, $4, $5 + 1) \
                     ON CONFLICT DO NOTHING",
                    "the policies were changed meanwhile: read them again",
                ),
                _ => (
                    "UPDATE policies SET document = $2, updated_by = $3, updated_at = $4, revision = revision + 1 \
                     WHERE workspace_id = $1 AND revision = $5",
                    "the policies were changed meanwhile: read them again",
                ),
            };
            vec![Statement::one(
                text,
                params![workspace, json(policies), by, *at, *expect],
                why,
            )]
        }
        Op::PutRole { workspace, role } => vec![Statement::any(
            "INSERT INTO roles (workspace_id, name, privileges, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (workspace_id, name) DO UPDATE \
             SET privileges = excluded.privileges, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
            params![
                workspace,
                &role.name,
                json(&role.privileges),
                &role.updated_by,
                role.updated_at
            ],
        )],
        Op::DeleteRole { workspace, name } => vec![Statement::one(
            "DELETE FROM roles WHERE workspace_id = $1 AND name = $2",
            params![workspace, name],
            "there is no such role",
        )],
        Op::EndAccess { workspace, user } => [
            "DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2",
            "DELETE FROM tokens WHERE workspace_id = $1 AND user_id = $2",
            "DELETE FROM login_links WHERE workspace_id = $1 AND user_id = $2",
        ]
        .map(|text| Statement::any(text, params![workspace, user]))
        .to_vec(),
        Op::EraseUser { workspace, user } => vec![
            Statement::one(
                "UPDATE users SET login = 'erased.' || id, name = 'erased user', email = NULL, manager = NULL, password_hash = NULL, \
                 local = FALSE, roles = '[]' WHERE workspace_id = $1 AND id = $2 AND disabled = TRUE",
                params![workspace, user],
                "there is no such user, or they are not switched off",
            ),
            Statement::any(
                "DELETE FROM identities WHERE workspace_id = $1 AND user_id = $2",
                params![workspace, user],
            ),
            Statement::any(
                "DELETE FROM seen WHERE workspace_id = $1 AND user_id = $2",
                params![workspace, user],
            ),
        ],
        Op::SeeUser {
            workspace,
            user,
            at,
        } => vec![Statement::any(
            "INSERT INTO seen (workspace_id, user_id, seen_at) VALUES ($1, $2, $3) \
             ON CONFLICT (workspace_id, user_id) DO UPDATE SET seen_at = excluded.seen_at",
            params![workspace, user, *at],
        )],
        Op::AddIdentity {
            workspace,
            identity,
        } => vec![Statement::one(
            "INSERT INTO identities (workspace_id, issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING",
            params![
                workspace,
                &identity.issuer,
                &identity.subject,
                &identity.user,
                identity.created_at
            ],
            "somebody is known by that already",
        )],
        Op::PutOidc { workspace, oidc } => vec![Statement::any(
            "INSERT INTO oidc (workspace_id, document, updated_by, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (workspace_id) DO UPDATE \
             SET document = excluded.document, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
            params![
                workspace,
                json(&oidc.oidc),
                &oidc.updated_by,
                oidc.updated_at
            ],
        )],
        Op::DropOidc { workspace } => vec![Statement::any(
            "DELETE FROM oidc WHERE workspace_id = $1",
            params![workspace],
        )],
        Op::AddLoginAttempt(row) => vec![Statement::one(
            "INSERT INTO login_attempts (state_hash, workspace_id, browser_hash, issuer, target, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            params![
                &row.state_hash,
                &row.workspace,
                &row.browser_hash,
                &row.issuer,
                &row.target,
                row.expires_at
            ],
            "the login is there already",
        )],
        Op::UseLoginAttempt {
            workspace,
            state_hash,
            browser_hash,
            now,
        } => vec![
            Statement::one(
                "DELETE FROM login_attempts WHERE workspace_id = $1 AND state_hash = $2 AND browser_hash = $3 AND expires_at > $4",
                params![workspace, state_hash, browser_hash, *now],
                "the login was finished, has ended, or is another browser's: begin again",
            ),
            Statement::any(
                "DELETE FROM login_attempts WHERE workspace_id = $1 AND expires_at <= $2",
                params![workspace, *now],
            ),
        ],
        Op::PutHost { workspace, host } => vec![Statement::any(
            "INSERT INTO hosts (workspace_id, name, document, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (workspace_id, name) DO UPDATE \
             SET document = excluded.document, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
            params![
                workspace,
                &host.name,
                json(&host.host),
                &host.updated_by,
                host.updated_at
            ],
        )],
        Op::DeleteHost { workspace, name } => vec![Statement::one(
            "DELETE FROM hosts WHERE workspace_id = $1 AND name = $2",
            params![workspace, name],
            "there is no such host",
        )],
        Op::UseOnce {
            workspace,
            hash,
            expires_at,
            now,
        } => vec![
            Statement::any(
                "DELETE FROM used_once WHERE workspace_id = $1 AND expires_at <= $2",
                params![workspace, *now],
            ),
            Statement::one(
                "INSERT INTO used_once (workspace_id, hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                params![workspace, hash, *expires_at],
                "it was used before",
            ),
        ],
        // Each operation that is sent here is one of the above.
        _ => Vec::new(),
    }
}
