//! Runs that nobody starts: the clock does, or another system. They act for nobody, so nobody's account is theirs to use.

use actas_core::flow::{Plan, SlotKind};
use actas_core::ids::UserId;

use crate::runner::CreateError;

/// Who stands where a person's id must, in a run that acts for nobody. It is no user's: ids are made of the time.
pub fn nobody() -> UserId {
    UserId::from_bits(0)
}

/// Whether a flow can run for nobody: none of its connections is dynamic. Said when it is written and published; looked at once more here.
pub fn acts_for_nobody(plan: &Plan) -> Result<(), CreateError> {
    let dynamic = plan.slots.iter().find(
        |slot| matches!(&slot.slot.kind, SlotKind::Dynamic(dynamic) if dynamic.switched_off().is_none()),
    );
    match dynamic {
        Some(slot) => Err(CreateError::NobodysSlot(slot.name.clone())),
        None => Ok(()),
    }
}
