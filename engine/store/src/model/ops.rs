//! What each operation means, said a second time and in another way than in `write`.

use std::collections::btree_map::Entry;

use actas_core::ids::WorkspaceId;
use actas_core::run::ConnectionKind;

use crate::model::Tables;
use crate::op::Op;
use crate::rows::*;

pub(super) type Done = Result<(), &'static str>;

pub(super) fn add<K: Ord, V>(entry: Entry<'_, K, V>, row: V) -> Done {
    match entry {
        Entry::Vacant(free) => {
            free.insert(row);
            Ok(())
        }
        Entry::Occupied(_) => Err("is there already"),
    }
}

pub(super) fn demand(holds: bool, why: &'static str) -> Done {
    if holds { Ok(()) } else { Err(why) }
}

impl Tables {
    pub(super) fn apply(&mut self, op: &Op) -> Done {
        match op {
            Op::AddWorkspace {
                workspace,
                name,
                at,
            } => {
                let taken = self.workspaces.values().any(|(known, _)| known == name);
                demand(!taken, "name is taken")?;
                add(
                    self.workspaces.entry(workspace.clone()),
                    (name.clone(), *at),
                )
            }
            Op::AddUser { workspace, user } => {
                let taken = |((ws, _), row): (&(WorkspaceId, _), &UserRow)| {
                    ws == workspace && row.login == user.login
                };
                demand(!self.users.iter().any(taken), "login is taken")?;
                add(
                    self.users.entry((workspace.clone(), user.id.clone())),
                    user.clone(),
                )
            }
            Op::ChangeUser { workspace, user } => {
                let row = self
                    .users
                    .get_mut(&(workspace.clone(), user.id.clone()))
                    .ok_or("no such user")?;
                *row = UserRow {
                    login: row.login.clone(),
                    created_at: row.created_at,
                    ..user.clone()
                };
                Ok(())
            }
            Op::SetPassword {
                workspace,
                user,
                password_hash,
            } => {
                let row = self
                    .users
                    .get_mut(&(workspace.clone(), user.clone()))
                    .ok_or("no such user")?;
                demand(!row.disabled, "is switched off")?;
                row.password_hash = Some(password_hash.clone());
                self.sessions
                    .retain(|_, row| row.workspace != *workspace || row.user != *user);
                self.login_links
                    .retain(|_, row| row.workspace != *workspace || row.user != *user);
                Ok(())
            }
            Op::AddSession(row) => add(self.sessions.entry(row.hash.clone()), row.clone()),
            Op::EndSession { hash } => {
                self.sessions.remove(hash);
                Ok(())
            }
            Op::AddLoginLink(row) => add(self.login_links.entry(row.hash.clone()), row.clone()),
            Op::UseLoginLink { hash, now } => {
                let row = self.login_links.get(hash).ok_or("no such link")?;
                demand(row.expires_at > *now, "has ended")?;
                self.login_links.remove(hash);
                Ok(())
            }
            Op::AddToken(row) => add(self.tokens.entry(row.hash.clone()), row.clone()),
            Op::RevokeToken { workspace, hash } => {
                let row = self.tokens.get(hash).ok_or("no such token")?;
                demand(row.workspace == *workspace, "of another workspace")?;
                self.tokens.remove(hash);
                Ok(())
            }
            Op::SetKeyCheck { kek_id, check } => {
                demand(self.key_check.is_none(), "is there already")?;
                self.key_check = Some((kek_id.clone(), check.clone()));
                Ok(())
            }
            Op::Keys(op) => self.keys(op),
            Op::BuryParent { .. }
            | Op::Adopt { .. }
            | Op::DropGrant { .. }
            | Op::RenewSlot { .. }
            | Op::DeleteFlow { .. }
            | Op::DeleteClient { .. }
            | Op::ForgetPerson { .. }
            | Op::AddRevocation { .. }
            | Op::TryRevocation { .. }
            | Op::EndRevocation { .. } => self.apply_to_life(op),
            Op::AddFlow { .. }
            | Op::ChangeFlow { .. }
            | Op::PutDraft { .. }
            | Op::PutBuildValue { .. }
            | Op::DropBuildValues { .. }
            | Op::AddVersion { .. }
            | Op::KeepManifest { .. } => self.apply_to_flows(op),
            Op::AddRun { .. }
            | Op::Append { .. }
            | Op::Release { .. }
            | Op::PutInbox { .. }
            | Op::TellRun { .. }
            | Op::TakeInbox { .. } => self.apply_to_runs(op),
            Op::ErasePersonal { .. } | Op::Log { .. } => self.apply_to_audit(op),
            Op::Enter(_) | Op::Queue { .. } | Op::StepAside { .. } | Op::Leave { .. } => {
                self.apply_to_line(op)
            }
            Op::AddRequest { .. }
            | Op::DecideRequest { .. }
            | Op::CloseRequests { .. }
            | Op::UseCallback { .. }
            | Op::PutVar { .. }
            | Op::DeleteVar { .. }
            | Op::PutNamedSecret { .. }
            | Op::DeleteNamedSecret { .. }
            | Op::PutTrigger(_)
            | Op::DropTrigger { .. }
            | Op::FireTrigger { .. }
            | Op::AddNotice(_)
            | Op::TakeNotice { .. }
            | Op::DropNotice { .. } => self.apply_to_asked(op),
            Op::PutPolicies { .. }
            | Op::PutRole { .. }
            | Op::DeleteRole { .. }
            | Op::EndAccess { .. }
            | Op::EraseUser { .. }
            | Op::SeeUser { .. }
            | Op::AddIdentity { .. }
            | Op::PutOidc { .. }
            | Op::DropOidc { .. }
            | Op::AddLoginAttempt(_)
            | Op::UseLoginAttempt { .. }
            | Op::PutHost { .. }
            | Op::DeleteHost { .. }
            | Op::UseOnce { .. } => self.apply_to_known(op),
            _ => self.apply_to_connections(op),
        }
    }

    fn apply_to_flows(&mut self, op: &Op) -> Done {
        match op {
            Op::AddFlow { workspace, flow } => {
                let taken = |((ws, _), row): (&(WorkspaceId, _), &FlowRow)| {
                    ws == workspace && row.name == flow.name
                };
                demand(!self.flows.iter().any(taken), "name is taken")?;
                add(
                    self.flows.entry((workspace.clone(), flow.id.clone())),
                    flow.clone(),
                )
            }
            Op::ChangeFlow { workspace, flow } => {
                let row = self
                    .flows
                    .get_mut(&(workspace.clone(), flow.id.clone()))
                    .ok_or("no such flow")?;
                row.title = flow.title.clone();
                row.stopped = flow.stopped.clone();
                row.runners = flow.runners.clone();
                Ok(())
            }
            Op::PutDraft { workspace, draft } => {
                let key = (workspace.clone(), draft.flow.clone());
                let stands = self.drafts.get(&key).map_or(0, |row| row.revision);
                demand(
                    draft.revision.max(1) == stands + 1,
                    "another revision stands there",
                )?;
                self.drafts.insert(key, draft.clone());
                Ok(())
            }
            Op::PutBuildValue { workspace, value } => {
                let key = (value.flow.clone(), value.slot.clone(), value.user.clone());
                self.build_values
                    .insert((workspace.clone(), key), value.clone());
                Ok(())
            }
            Op::DropBuildValues {
                workspace,
                flow,
                user,
            } => {
                self.build_values.retain(|(ws, _), row| {
                    !(ws == workspace
                        && row.flow == *flow
                        && user.as_ref().is_none_or(|user| row.user == *user))
                });
                Ok(())
            }
            Op::AddVersion { workspace, version } => {
                let key = (workspace.clone(), version.id.clone());
                demand(!self.versions.contains_key(&key), "is there already")?;
                if version.number > 0 {
                    let flow = self
                        .flows
                        .get_mut(&(workspace.clone(), version.flow.clone()))
                        .ok_or("no such flow")?;
                    demand(
                        flow.last_version + 1 == version.number,
                        "is not the next one",
                    )?;
                    flow.last_version = version.number;
                }
                self.versions.insert(key, version.clone());
                Ok(())
            }
            Op::KeepManifest {
                workspace,
                manifest,
            } => {
                self.manifests
                    .entry((workspace.clone(), manifest.digest.clone()))
                    .or_insert_with(|| manifest.clone());
                Ok(())
            }
            _ => Err("is not about flows"),
        }
    }

    fn apply_to_connections(&mut self, op: &Op) -> Done {
        match op {
            Op::AddClient { workspace, client } => {
                self.client_name_is_free(workspace, client)?;
                add(
                    self.clients.entry((workspace.clone(), client.id.clone())),
                    client.clone(),
                )?;
                self.one_default(workspace, client);
                Ok(())
            }
            Op::ChangeClient { workspace, client } => {
                self.client_name_is_free(workspace, client)?;
                let row = self
                    .clients
                    .get_mut(&(workspace.clone(), client.id.clone()))
                    .ok_or("no such client")?;
                *row = ClientRow {
                    app: row.app.clone(),
                    created_at: row.created_at,
                    ..client.clone()
                };
                self.one_default(workspace, client);
                Ok(())
            }
            Op::AddConnection {
                workspace,
                connection,
            } => {
                self.shared_name_is_free(workspace, connection)?;
                let key = (workspace.clone(), connection.id.clone());
                add(self.connections.entry(key), connection.clone())
            }
            Op::ChangeConnection {
                workspace,
                connection,
                expect,
            } => {
                self.shared_name_is_free(workspace, connection)?;
                let row = self.connection(workspace, &connection.id)?;
                let same = row.kind == connection.kind && row.owner == connection.owner;
                demand(same && row.token_version == *expect, "has changed")?;
                *row = connection.clone();
                Ok(())
            }
            Op::LeaseRefresh {
                workspace,
                connection,
                worker,
                until,
                now,
                expect,
            } => {
                let row = self.connection(workspace, connection)?;
                let held = row.refreshing.as_ref().is_some_and(|(_, end)| end > now);
                demand(!held && row.token_version == *expect, "is being refreshed")?;
                row.refreshing = Some((worker.clone(), *until));
                Ok(())
            }
            Op::ReleaseRefresh {
                workspace,
                connection,
                worker,
            } => {
                if let Ok(row) = self.connection(workspace, connection)
                    && row.refreshing.as_ref().is_some_and(|(by, _)| by == worker)
                {
                    row.refreshing = None;
                }
                Ok(())
            }
            Op::TouchConnection {
                workspace,
                connection,
                at,
            } => {
                if let Ok(row) = self.connection(workspace, connection) {
                    row.last_used_at = row.last_used_at.max(Some(*at));
                }
                Ok(())
            }
            Op::DeleteConnection {
                workspace,
                connection,
            } => {
                self.connection(workspace, connection)?;
                self.connections
                    .remove(&(workspace.clone(), connection.clone()));
                self.drop_secrets(workspace, connection.as_str());
                self.grants
                    .retain(|(ws, _), row| !(ws == workspace && row.connection == *connection));
                Ok(())
            }
            Op::PutSecret { workspace, secret } => {
                let key = (secret.owner.clone(), secret.field.clone());
                let key = (workspace.clone(), key);
                let newer = self
                    .secrets
                    .get(&key)
                    .is_some_and(|row| row.version > secret.version);
                demand(!newer, "a newer one is stored")?;
                self.secrets.insert(key, secret.clone());
                Ok(())
            }
            Op::DropSecrets { workspace, owner } => {
                self.drop_secrets(workspace, owner);
                Ok(())
            }
            Op::PutGrant { workspace, grant } => {
                let key = (grant.user.clone(), grant.flow.clone(), grant.slot.clone());
                self.grants.insert((workspace.clone(), key), grant.clone());
                Ok(())
            }
            Op::AddSignIn { workspace, sign_in } => add(
                self.sign_ins.entry((workspace.clone(), sign_in.id.clone())),
                sign_in.clone(),
            ),
            Op::MoveSignIn {
                workspace,
                sign_in,
                from,
                to,
            } => {
                let row = self
                    .sign_ins
                    .get_mut(&(workspace.clone(), sign_in.clone()))
                    .ok_or("no such sign-in")?;
                demand(from.contains(&row.state), "stands elsewhere")?;
                row.state = *to;
                Ok(())
            }
            Op::CloseSignIns {
                workspace,
                run,
                slot,
            } => {
                for ((ws, _), row) in &mut self.sign_ins {
                    let meant = ws == workspace
                        && row.run.as_ref() == Some(run)
                        && slot.as_ref().is_none_or(|slot| row.slot == *slot);
                    if meant && matches!(row.state, SignInState::Open | SignInState::Declined) {
                        row.state = SignInState::Closed;
                    }
                }
                Ok(())
            }
            Op::AddAttempt { workspace, attempt } => add(
                self.attempts
                    .entry((workspace.clone(), attempt.state_hash.clone())),
                attempt.clone(),
            ),
            Op::UseAttempt {
                workspace,
                state_hash,
                now,
            } => {
                let row = self
                    .attempts
                    .get_mut(&(workspace.clone(), state_hash.clone()))
                    .ok_or("no such attempt")?;
                demand(
                    row.used_at.is_none() && row.expires_at > *now,
                    "was used or has ended",
                )?;
                row.used_at = Some(*now);
                Ok(())
            }
            _ => Err("is not about connections"),
        }
    }

    fn apply_to_runs(&mut self, op: &Op) -> Done {
        match op {
            Op::AddRun {
                run,
                journal,
                idempotency,
            } => {
                let workspace = &run.workspace;
                if let Some(kept) = idempotency {
                    let key = (kept.user.clone(), kept.flow.clone(), kept.key.clone());
                    let key = (workspace.clone(), key);
                    let free = self
                        .idempotency
                        .get(&key)
                        .is_none_or(|old| old.expires_at <= run.created_at);
                    demand(free, "the key made another run")?;
                    self.idempotency.insert(key, kept.clone());
                }
                let mut row = run.clone();
                if row.ended_at.is_some() {
                    (row.owner, row.lease_until) = (None, None);
                }
                add(self.runs.entry((workspace.clone(), run.id.clone())), row)?;
                self.write_journal(workspace, journal)
            }
            Op::Append {
                workspace,
                epoch,
                journal,
                state,
                due_at,
                ended_at,
                release,
            } => {
                let key = (workspace.clone(), journal.run.clone());
                let last = self
                    .journal
                    .keys()
                    .filter(|(ws, (run, _))| ws == workspace && *run == journal.run)
                    .map(|(_, (_, seq))| *seq)
                    .max();
                let run = self.runs.get_mut(&key).ok_or("no such run")?;
                let held = run.ended_at.is_none() && run.owner.is_some() && run.epoch == *epoch;
                demand(held && last == Some(journal.seq - 1), "is fenced off")?;
                run.state.clone_from(state);
                (run.due_at, run.ended_at) = (*due_at, *ended_at);
                if *release || ended_at.is_some() {
                    (run.owner, run.lease_until) = (None, None);
                }
                self.write_journal(workspace, journal)
            }
            Op::Release {
                workspace,
                run,
                epoch,
            } => {
                if let Some(run) = self.runs.get_mut(&(workspace.clone(), run.clone()))
                    && run.epoch == *epoch
                {
                    (run.owner, run.lease_until) = (None, None);
                }
                Ok(())
            }
            Op::PutInbox { workspace, inbox } => {
                let run = self.runs.get(&(workspace.clone(), inbox.run.clone()));
                demand(
                    run.is_some_and(|run| run.ended_at.is_none()),
                    "the run has ended",
                )?;
                let key = (workspace.clone(), inbox.id.clone());
                add(self.inbox.entry(key), inbox.clone())?;
                self.let_out(workspace, inbox);
                Ok(())
            }
            Op::TellRun { workspace, inbox } => {
                let run = self.runs.get(&(workspace.clone(), inbox.run.clone()));
                if run.is_some_and(|run| run.ended_at.is_none()) {
                    let key = (workspace.clone(), inbox.id.clone());
                    self.inbox.entry(key).or_insert_with(|| inbox.clone());
                }
                self.let_out(workspace, inbox);
                Ok(())
            }
            Op::TakeInbox { workspace, inbox } => self
                .inbox
                .remove(&(workspace.clone(), inbox.clone()))
                .map(|_| ())
                .ok_or("was taken already"),
            _ => Err("is not about runs"),
        }
    }

    fn write_journal(&mut self, workspace: &WorkspaceId, journal: &JournalRow) -> Done {
        let key = (workspace.clone(), (journal.run.clone(), journal.seq));
        add(self.journal.entry(key), journal.clone())
    }

    fn connection(
        &mut self,
        workspace: &WorkspaceId,
        id: &actas_core::ids::ConnectionId,
    ) -> Result<&mut ConnectionRow, &'static str> {
        self.connections
            .get_mut(&(workspace.clone(), id.clone()))
            .ok_or("no such connection")
    }

    pub(super) fn drop_secrets(&mut self, workspace: &WorkspaceId, owner: &str) {
        self.secrets
            .retain(|(ws, _), row| !(ws == workspace && row.owner == owner));
    }

    fn client_name_is_free(&self, workspace: &WorkspaceId, client: &ClientRow) -> Done {
        let taken = self.clients.iter().any(|((ws, _), row)| {
            ws == workspace
                && row.app == client.app
                && row.name == client.name
                && row.id != client.id
        });
        demand(!taken, "the name is taken")
    }

    fn one_default(&mut self, workspace: &WorkspaceId, client: &ClientRow) {
        if !client.is_default {
            return;
        }
        for ((ws, _), row) in &mut self.clients {
            if ws == workspace && row.app == client.app && row.id != client.id {
                row.is_default = false;
            }
        }
    }

    fn shared_name_is_free(&self, workspace: &WorkspaceId, connection: &ConnectionRow) -> Done {
        let taken = self.connections.iter().any(|((ws, _), row)| {
            ws == workspace
                && row.kind == ConnectionKind::Shared
                && connection.kind == ConnectionKind::Shared
                && row.name.is_some()
                && row.name == connection.name
                && row.id != connection.id
        });
        demand(!taken, "the name is taken")
    }
}
