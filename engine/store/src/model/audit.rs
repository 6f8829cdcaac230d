//! What operations on the audit log mean, said a second time: record by record, as the core says whose a value is.

use crate::model::Tables;
use crate::model::ops::Done;
use crate::op::Op;

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
            _ => Err("is not about the audit log"),
        }
    }
}
