//! What operations on requests, callbacks, values, named secrets and triggers mean, said a second time.

use crate::model::Tables;
use crate::model::ops::{Done, add, demand};
use crate::op::Op;
use crate::rows::*;

impl Tables {
    pub(super) fn apply_to_asked(&mut self, op: &Op) -> Done {
        match op {
            Op::AddRequest { workspace, request } => add(
                self.requests.entry((workspace.clone(), request.id.clone())),
                request.clone(),
            ),
            Op::DecideRequest {
                workspace,
                request,
                by,
                now,
            } => {
                let row = self
                    .requests
                    .get_mut(&(workspace.clone(), request.clone()))
                    .ok_or("no such request")?;
                let open = row.state == RequestState::Open && row.until > *now;
                demand(open, "is not open")?;
                row.state = RequestState::Decided;
                (row.decided_by, row.decided_at) = (Some(by.clone()), Some(*now));
                Ok(())
            }
            Op::CloseRequests {
                workspace,
                run,
                step,
            } => {
                for ((ws, _), row) in &mut self.requests {
                    let meant = ws == workspace
                        && row.run == *run
                        && step.as_ref().is_none_or(|step| row.step == *step);
                    if meant && row.state == RequestState::Open {
                        row.state = RequestState::Closed;
                    }
                }
                Ok(())
            }
            Op::UseCallback {
                workspace,
                run,
                step,
            } => {
                let key = (workspace.clone(), (run.clone(), step.clone()));
                add(self.callbacks_used.entry(key), ())
            }
            Op::PutVar { workspace, var } => {
                let key = (workspace.clone(), var.name.clone());
                self.vars.insert(key, var.clone());
                Ok(())
            }
            Op::DeleteVar { workspace, name } => self
                .vars
                .remove(&(workspace.clone(), name.clone()))
                .map(|_| ())
                .ok_or("no such value"),
            Op::PutNamedSecret {
                workspace,
                secret,
                new,
            } => {
                let entry = self
                    .named_secrets
                    .entry((workspace.clone(), secret.name.clone()));
                if *new {
                    return add(entry, secret.clone());
                }
                match entry {
                    std::collections::btree_map::Entry::Occupied(mut there) => {
                        there.get_mut().rotated_at = secret.rotated_at;
                        Ok(())
                    }
                    std::collections::btree_map::Entry::Vacant(_) => Err("no such secret"),
                }
            }
            Op::DeleteNamedSecret { workspace, name } => {
                self.named_secrets
                    .remove(&(workspace.clone(), name.clone()))
                    .ok_or("no such secret")?;
                self.drop_secrets(workspace, &NamedSecretRow::owner(name));
                Ok(())
            }
            Op::PutTrigger(trigger) => {
                let key = (trigger.workspace.clone(), trigger.flow.clone());
                let taken = self
                    .triggers
                    .iter()
                    .any(|(of, row)| *of != key && row.hook.is_some() && row.hook == trigger.hook);
                demand(!taken, "the hook is taken")?;
                let known = self.triggers.get(&key);
                let same = known.is_none_or(|row| row.last_at == trigger.last_at);
                demand(same, "was fired meanwhile")?;
                self.triggers.insert(key, trigger.clone());
                Ok(())
            }
            Op::DropTrigger { workspace, flow } => {
                self.triggers.remove(&(workspace.clone(), flow.clone()));
                Ok(())
            }
            Op::FireTrigger {
                workspace,
                flow,
                slot,
                next_at,
                fired,
            } => {
                let row = self
                    .triggers
                    .get_mut(&(workspace.clone(), flow.clone()))
                    .ok_or("no such trigger")?;
                demand(row.next_at == Some(*slot), "is not its next instant")?;
                row.next_at = *next_at;
                if *fired {
                    row.last_at = Some(*slot);
                }
                Ok(())
            }
            Op::AddNotice(notice) => add(
                self.notices
                    .entry((notice.workspace.clone(), notice.id.clone())),
                notice.clone(),
            ),
            Op::TakeNotice {
                workspace,
                notice,
                tries,
                due_at,
            } => {
                let row = self
                    .notices
                    .get_mut(&(workspace.clone(), notice.clone()))
                    .ok_or("no such notice")?;
                demand(row.tries == *tries, "was taken on meanwhile")?;
                row.tries += 1;
                row.due_at = *due_at;
                Ok(())
            }
            Op::DropNotice { workspace, notice } => self
                .notices
                .remove(&(workspace.clone(), notice.clone()))
                .map(|_| ())
                .ok_or("no such notice"),
            _ => Err("is not about what is asked"),
        }
    }
}
