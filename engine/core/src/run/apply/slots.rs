//! What happens to slots: bound, asked for, declined, lost, expired.

use crate::run::event::Event;
use crate::run::parts::AskReason;
use crate::run::state::{Run, SlotState, StepState};

impl Run {
    pub(super) fn take_slot(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::SlotBound { slot, bound, .. } => {
                let slot = self.slot_number(slot)?;
                self.may_be_given(slot)?;
                self.set_slot(slot, SlotState::Bound(bound.clone()));
            }
            Event::SlotAsked {
                slot,
                sign_in,
                person,
                reason,
                until,
                ..
            } => {
                let slot = self.slot_number(slot)?;
                self.may_be_given(slot)?;
                self.set_slot(
                    slot,
                    SlotState::Asked {
                        sign_in: sign_in.clone(),
                        person: person.clone(),
                        reason: *reason,
                        until: *until,
                    },
                );
            }
            Event::SlotDeclined { slot, .. } => {
                let slot = self.slot_number(slot)?;
                match &mut self.slots[slot] {
                    // Steps wait for it as before: no list changes.
                    SlotState::Asked { reason, .. } => *reason = AskReason::Declined,
                    _ => return Err("nobody is asked".to_owned()),
                }
            }
            Event::SlotLost { slot, step, .. } => {
                let slot = self.slot_number(slot)?;
                let step = self.found(step)?;
                if self.plan.steps[step.step].slot != Some(slot) {
                    return Err("the step does not use the slot".to_owned());
                }
                match self.state(step) {
                    StepState::Running { .. } => {}
                    // The start of an attempt that may be repeated is not in the journal.
                    StepState::Pending | StepState::Retrying { .. } => self.needs_settled(step)?,
                    other => return Err(other.stands().to_owned()),
                }
                self.set_step(step, StepState::Pending);
                // Of several steps that find out, the first frees the slot; it may have been asked for or bound again since.
                if matches!(self.slots[slot], SlotState::Bound(_)) {
                    self.progress.losses[slot] = self.progress.losses[slot].saturating_add(1);
                    self.set_slot(slot, SlotState::Unresolved);
                }
            }
            Event::SlotExpired { slot, .. } => {
                let slot = self.slot_number(slot)?;
                if !matches!(self.slots[slot], SlotState::Asked { .. }) {
                    return Err("nobody is asked".to_owned());
                }
                self.set_slot(slot, SlotState::Expired);
            }
            _ => {}
        }
        Ok(())
    }

    fn may_be_given(&self, slot: usize) -> Result<(), String> {
        match self.slots[slot] {
            SlotState::Unresolved | SlotState::Asked { .. } => Ok(()),
            SlotState::Bound(_) => Err("the slot has its connection".to_owned()),
            SlotState::Expired => Err("the slot's deadline has passed".to_owned()),
        }
    }
}
