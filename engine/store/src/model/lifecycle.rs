//! What operations on the life of connections and flows mean, said a second time.

use crate::model::Tables;
use crate::model::ops::{Done, add, demand};
use crate::op::Op;
use crate::rows::*;
use actas_core::run::ConnectionKind;

impl Tables {
    pub(super) fn apply_to_life(&mut self, op: &Op) -> Done {
        match op {
            Op::BuryParent { workspace, parent } => add(
                self.deleted_parents
                    .entry((workspace.clone(), parent.id.clone())),
                parent.clone(),
            ),
            Op::Adopt {
                workspace,
                connection,
                parent,
            } => {
                let new = self
                    .connections
                    .get(&(workspace.clone(), parent.clone()))
                    .filter(|row| row.kind == ConnectionKind::Shared)
                    .ok_or("no such parent")?
                    .clone();
                let row = self
                    .connections
                    .get(&(workspace.clone(), connection.clone()))
                    .ok_or("no such connection")?;
                let old = row.parent.clone().ok_or("has no parent")?;
                let orphan = !self.connections.contains_key(&(workspace.clone(), old));
                let same = row.app == new.app && row.client == new.client;
                let personal = row.kind == ConnectionKind::Personal;
                demand(orphan && same && personal, "does not fit")?;
                if let Some(row) = self
                    .connections
                    .get_mut(&(workspace.clone(), connection.clone()))
                {
                    row.parent = Some(parent.clone());
                }
                Ok(())
            }
            Op::DropGrant {
                workspace,
                user,
                flow,
                slot,
            } => {
                let key = (user.clone(), flow.clone(), slot.clone());
                self.grants
                    .remove(&(workspace.clone(), key))
                    .map(|_| ())
                    .ok_or("no such grant")
            }
            Op::RenewSlot {
                workspace,
                flow,
                slot,
            } => {
                self.grants.retain(|(ws, _), row| {
                    !(ws == workspace && row.flow == *flow && row.slot == *slot)
                });
                for ((ws, _), row) in &mut self.connections {
                    let made = row.made_for.as_ref();
                    if ws == workspace
                        && row.only_run.is_none()
                        && made.is_some_and(|(of, named)| of == flow && named == slot)
                    {
                        row.made_for = None;
                    }
                }
                Ok(())
            }
            Op::DeleteFlow {
                workspace,
                flow,
                by,
                at,
            } => {
                let living = self.runs.iter().any(|((ws, _), run)| {
                    ws == workspace && run.flow == *flow && run.ended_at.is_none()
                });
                demand(!living, "runs of it have not ended")?;
                let key = (workspace.clone(), flow.clone());
                let row = self.flows.get(&key).ok_or("no such flow")?;
                let left = DeletedFlowRow {
                    id: flow.clone(),
                    name: row.name.clone(),
                    title: row.title.clone(),
                    deleted_by: by.clone(),
                    deleted_at: *at,
                };
                add(self.deleted_flows.entry(key.clone()), left)?;
                self.flows.remove(&key);
                self.drafts.remove(&key);
                self.triggers.remove(&key);
                self.build_values
                    .retain(|(ws, _), row| !(ws == workspace && row.flow == *flow));
                self.grants
                    .retain(|(ws, _), row| !(ws == workspace && row.flow == *flow));
                self.idempotency
                    .retain(|(ws, _), row| !(ws == workspace && row.flow == *flow));
                for ((ws, _), row) in &mut self.connections {
                    if ws == workspace
                        && row.only_run.is_none()
                        && row.made_for.as_ref().is_some_and(|(of, _)| of == flow)
                    {
                        row.made_for = None;
                    }
                }
                Ok(())
            }
            Op::DeleteClient { workspace, client } => {
                let used = self
                    .connections
                    .iter()
                    .any(|((ws, _), row)| ws == workspace && row.client == *client);
                demand(!used, "connections were made with it")?;
                self.clients
                    .remove(&(workspace.clone(), client.clone()))
                    .ok_or("no such client")?;
                self.drop_secrets(workspace, client.as_str());
                Ok(())
            }
            Op::ForgetPerson { workspace, user } => {
                self.grants
                    .retain(|(ws, _), row| !(ws == workspace && row.user == *user));
                self.build_values
                    .retain(|(ws, _), row| !(ws == workspace && row.user == *user));
                self.attempts
                    .retain(|(ws, _), row| !(ws == workspace && row.user == *user));
                for ((ws, _), row) in &mut self.sign_ins {
                    if ws == workspace
                        && row.person == *user
                        && matches!(row.state, SignInState::Open | SignInState::Declined)
                    {
                        row.state = SignInState::Closed;
                    }
                }
                Ok(())
            }
            Op::AddRevocation {
                workspace,
                revocation,
            } => add(
                self.revocations
                    .entry((workspace.clone(), revocation.id.clone())),
                revocation.clone(),
            ),
            Op::TryRevocation {
                workspace,
                revocation,
                tries,
                next_at,
            } => {
                let row = self
                    .revocations
                    .get_mut(&(workspace.clone(), revocation.clone()))
                    .ok_or("no such revocation")?;
                demand(row.tries == *tries, "somebody else tries it")?;
                (row.tries, row.next_at) = (tries + 1, *next_at);
                Ok(())
            }
            Op::EndRevocation {
                workspace,
                revocation,
            } => {
                self.revocations
                    .remove(&(workspace.clone(), revocation.clone()));
                self.drop_secrets(workspace, revocation.as_str());
                Ok(())
            }
            _ => Err("is not about the life of connections"),
        }
    }
}
