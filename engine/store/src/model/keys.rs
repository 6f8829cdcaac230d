//! What is done to keys, in memory.

use crate::model::Tables;
use crate::model::ops::{Done, demand};
use crate::rows::{KeyOp, KeyState, SecretRow};

impl Tables {
    pub(super) fn keys(&mut self, op: &KeyOp) -> Done {
        match op {
            KeyOp::Add { key, replaces } => {
                let current = self.key_check.as_ref().map(|(kek_id, _)| kek_id);
                demand(current == Some(&key.wrapped_by), "key was rotated")?;
                if let Some(old) = replaces {
                    let place = (key.workspace.clone(), old.clone());
                    let old = self.workspace_keys.get_mut(&place).ok_or("no such key")?;
                    demand(old.state == KeyState::Active, "is not active")?;
                    old.state = KeyState::Old;
                }
                let active = |row: &&_| {
                    let row: &crate::rows::WorkspaceKeyRow = row;
                    row.workspace == key.workspace && row.state == KeyState::Active
                };
                let second = key.state == KeyState::Active
                    && self.workspace_keys.values().any(|row| active(&row));
                demand(
                    !second && !self.workspace_keys.contains_key(&key.place()),
                    "has a key already",
                )?;
                self.workspace_keys.insert(key.place(), key.clone());
                Ok(())
            }
            KeyOp::Rewrap {
                workspace,
                from,
                to,
            } => {
                let secret = (to.owner.clone(), to.field.clone());
                let place = (workspace.clone(), secret);
                if let Some(row) = self.secrets.get_mut(&place)
                    && row.wrapped == *from
                {
                    *row = SecretRow {
                        version: row.version,
                        ..to.clone()
                    };
                }
                Ok(())
            }
            KeyOp::Drop { workspace, id } => {
                let used = self
                    .secrets
                    .iter()
                    .any(|((ws, _), row)| ws == workspace && row.kek_id == *id);
                let place = (workspace.clone(), id.clone());
                let old = self
                    .workspace_keys
                    .get(&place)
                    .is_some_and(|row| row.state == KeyState::Old);
                if old && !used {
                    self.workspace_keys.remove(&place);
                }
                Ok(())
            }
            KeyOp::Master {
                from,
                to,
                keys,
                derived,
            } => {
                demand(self.key_check.as_ref() == Some(from), "key was rotated")?;
                for key in keys {
                    let row = self
                        .workspace_keys
                        .get_mut(&key.place())
                        .ok_or("no such key")?;
                    row.wrapped_by.clone_from(&key.wrapped_by);
                    row.wrapped.clone_from(&key.wrapped);
                }
                let left = self
                    .workspace_keys
                    .values()
                    .any(|row| row.wrapped_by != to.0)
                    || self.secrets.values().any(|row| row.kek_id == from.0);
                demand(!left, "a key or a secret was added meanwhile")?;
                self.key_check = Some(to.clone());
                self.derived_keys.extend(derived.iter().cloned());
                Ok(())
            }
        }
    }
}
