//! What operations mean that say who somebody is and what a workspace has decided, said a second time.

use crate::model::Tables;
use crate::model::ops::{Done, add, demand};
use crate::op::Op;
use crate::rows::*;

impl Tables {
    pub(super) fn apply_to_known(&mut self, op: &Op) -> Done {
        match op {
            Op::PutPolicies {
                workspace,
                policies,
                expect,
                by,
                at,
            } => {
                let stands = self.policies.get(&(workspace.clone(), ()));
                let stands = stands.map_or(0, |row| row.revision);
                demand(stands == *expect, "of another revision")?;
                let row = PoliciesRow {
                    policies: policies.clone(),
                    revision: expect + 1,
                    updated_by: Some(by.clone()),
                    updated_at: *at,
                };
                self.policies.insert((workspace.clone(), ()), row);
            }
            Op::PutRole { workspace, role } => {
                let key = (workspace.clone(), role.name.clone());
                self.roles.insert(key, role.clone());
            }
            Op::DeleteRole { workspace, name } => {
                let gone = self.roles.remove(&(workspace.clone(), name.clone()));
                demand(gone.is_some(), "no such role")?;
            }
            Op::EndAccess { workspace, user } => {
                self.sessions
                    .retain(|_, row| row.workspace != *workspace || row.user != *user);
                self.tokens
                    .retain(|_, row| row.workspace != *workspace || row.user != *user);
                self.login_links
                    .retain(|_, row| row.workspace != *workspace || row.user != *user);
            }
            Op::EraseUser { workspace, user } => {
                let key = (workspace.clone(), user.clone());
                let row = self.users.get_mut(&key).ok_or("no such user")?;
                demand(row.disabled, "is not switched off")?;
                *row = UserRow {
                    id: row.id.clone(),
                    login: format!("erased.{}", row.id),
                    name: "erased user".to_owned(),
                    email: None,
                    manager: None,
                    password_hash: None,
                    local: false,
                    roles: Vec::new(),
                    disabled: true,
                    created_at: row.created_at,
                };
                self.identities
                    .retain(|(ws, _), row| ws != workspace || row.user != *user);
                self.seen.remove(&key);
            }
            Op::SeeUser {
                workspace,
                user,
                at,
            } => {
                let row = SeenRow {
                    user: user.clone(),
                    at: *at,
                };
                self.seen.insert((workspace.clone(), user.clone()), row);
            }
            Op::AddIdentity {
                workspace,
                identity,
            } => {
                let key = (identity.issuer.clone(), identity.subject.clone());
                add(
                    self.identities.entry((workspace.clone(), key)),
                    identity.clone(),
                )?;
            }
            Op::PutOidc { workspace, oidc } => {
                self.oidc.insert((workspace.clone(), ()), oidc.clone());
            }
            Op::DropOidc { workspace } => {
                self.oidc.remove(&(workspace.clone(), ()));
            }
            Op::AddLoginAttempt(row) => {
                add(
                    self.login_attempts.entry(row.state_hash.clone()),
                    row.clone(),
                )?;
            }
            Op::UseLoginAttempt {
                workspace,
                state_hash,
                browser_hash,
                now,
            } => {
                let fits = self.login_attempts.get(state_hash).is_some_and(|row| {
                    row.workspace == *workspace
                        && row.browser_hash == *browser_hash
                        && row.expires_at > *now
                });
                demand(fits, "not there")?;
                self.login_attempts.remove(state_hash);
                self.login_attempts
                    .retain(|_, row| row.workspace != *workspace || row.expires_at > *now);
            }
            Op::PutHost { workspace, host } => {
                let key = (workspace.clone(), host.name.clone());
                self.hosts.insert(key, host.clone());
            }
            Op::DeleteHost { workspace, name } => {
                let gone = self.hosts.remove(&(workspace.clone(), name.clone()));
                demand(gone.is_some(), "no such host")?;
            }
            Op::UseOnce {
                workspace,
                hash,
                expires_at,
                now,
            } => {
                self.used_once
                    .retain(|(ws, _), row| ws != workspace || row.1 > *now);
                add(
                    self.used_once.entry((workspace.clone(), hash.clone())),
                    (hash.clone(), *expires_at),
                )?;
            }
            _ => return Err("is about something else"),
        }
        Ok(())
    }
}
