//! What operations on the audit log mean, said a second time: record by record, as the core says whose a value is.

use actas_core::ids::WorkspaceId;

use crate::model::ops::{Done, add, demand};
use crate::model::{Tables, all};
use crate::op::Op;
use crate::rows::LogAct;
use crate::write::audit::day_of;

impl Tables {
    pub(super) fn apply_to_audit(&mut self, op: &Op) -> Done {
        match op {
            Op::ErasePersonal { workspace, user } => {
                for ((of, _), entry) in &mut self.audit {
                    if of == workspace {
                        let record = &entry.record;
                        entry
                            .personal
                            .retain(|kept| record.whose(kept.field) != Some(user));
                    }
                }
                Ok(())
            }
            Op::Log { workspace, act } => self.apply_to_log(workspace, act),
            _ => Err("is not about the audit log"),
        }
    }

    fn apply_to_log(&mut self, workspace: &WorkspaceId, act: &LogAct) -> Done {
        let here = |size: u64| (workspace.clone(), size);
        match act {
            LogAct::MakeKey(secret) => {
                let key = (secret.owner.clone(), secret.field.clone());
                add(self.secrets.entry((workspace.clone(), key)), secret.clone())
            }
            LogAct::AddCheckpoint(row) => {
                let size = row.edge.size();
                let of = all(&self.audit_checkpoints, workspace, |_| true);
                let larger = of.iter().all(|old| old.edge.size() < size);
                demand(larger, "there is one as large")?;
                for old in of {
                    if old.sent && old.made_at >= day_of(row.made_at) {
                        self.audit_checkpoints.remove(&here(old.edge.size()));
                    }
                }
                self.audit_checkpoints.insert(here(size), row.clone());
                Ok(())
            }
            LogAct::Sent(upto) => {
                for ((of, size), row) in &mut self.audit_checkpoints {
                    row.sent |= of == workspace && size <= upto;
                }
                Ok(())
            }
            LogAct::Cut(row) => {
                let known = self.audit_checkpoints.get(&here(row.start.seq));
                demand(known.is_some_and(|known| known.sent), "no checkpoint")?;
                let before = self.audit_start.get(&(workspace.clone(), ()));
                let later = before.is_none_or(|before| before.start.seq < row.start.seq);
                demand(later, "it begins there already")?;
                self.audit_start
                    .insert((workspace.clone(), ()), row.clone());
                Ok(())
            }
            LogAct::Drop(upto) => {
                let start = self.audit_start.get(&(workspace.clone(), ()));
                let upto = start.map_or(0, |row| row.start.seq).min(*upto);
                self.audit
                    .retain(|(of, seq), _| of != workspace || *seq > upto);
                Ok(())
            }
            LogAct::Review(row) => {
                let reviews = all(&self.audit_reviews, workspace, |_| true);
                let last = reviews.iter().map(|review| review.upto).max();
                demand(last.unwrap_or(0) == row.since, "was reviewed meanwhile")?;
                add(self.audit_reviews.entry(here(row.upto)), row.clone())
            }
        }
    }
}
