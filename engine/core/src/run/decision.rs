//! Decisions: who may say what became of a step of which nobody knows whether it happened, and what an output they report must be like.

use serde_json::Value;

use crate::app::Module;
use crate::flow::SlotKind;
use crate::ids::UserId;
use crate::run::apply::misfit;
use crate::run::frame::Instance;
use crate::run::parts::{Answer, Handed};
use crate::run::refused::Refused;
use crate::run::state::Run;
use crate::schema::Schema;

/// The code of an error that says that nobody knows whether a step happened.
pub const INTERRUPTED: &str = "interrupted";

/// Whether somebody may give this answer. `person`: whose step it is, see [`Run::decides`]; none in a run that acts for nobody.
/// `privileged`: whether they have the privilege `runs.decide`.
///
/// # Errors
/// [`Refused::NotAsked`]; [`Refused::OnlyTheirPerson`] if doing it again would act as somebody else.
pub fn may_answer(
    person: Option<&UserId>,
    answer: &Answer,
    user: &UserId,
    privileged: bool,
) -> Result<(), Refused> {
    if person == Some(user) {
        return Ok(());
    }
    match answer {
        _ if !privileged => Err(Refused::NotAsked),
        Answer::Again if person.is_some() => Err(Refused::OnlyTheirPerson),
        _ => Ok(()),
    }
}

/// Checks what somebody says that a step gave, as far as its module says what it gives.
///
/// # Errors
/// [`Refused::DoesNotFit`].
pub fn check_output(module: &Module, output: &Value) -> Result<(), Refused> {
    let Some(schema) = &module.output_schema else {
        return Ok(());
    };
    let schema = Schema::compile(schema).map_err(Refused::DoesNotFit)?;
    misfit("output", &schema, output)
}

impl Run {
    /// Whose step it is, and who is therefore asked: the person of its dynamic slot, else whoever runs the flow; nobody in a run that acts for
    /// nobody.
    pub fn decides(&self, at: Instance) -> Option<UserId> {
        let dynamic = self.plan.steps[at.step]
            .slot
            .filter(|&slot| matches!(self.plan.slots[slot].slot.kind, SlotKind::Dynamic(_)));
        match dynamic {
            Some(slot) => self.slot_person(slot).map(|(person, _)| person),
            None => self
                .created
                .as_ref()
                .and_then(|created| created.invoker.as_ref())
                .map(|invoker| invoker.id.clone()),
        }
    }

    /// Whose account a slot is: the invoker's, or that of whoever decided the approval that it names; nobody's as long as nobody has, and in a
    /// run that acts for nobody. With their login.
    pub fn slot_person(&self, slot: usize) -> Option<(UserId, String)> {
        let name = &self.plan.slots[slot].name;
        let handed = self.created.as_ref()?.bound.iter();
        let theirs = |handed: &Handed| handed.person.clone().filter(|_| handed.slot == *name);
        if let Some(person) = handed.filter_map(theirs).next() {
            return Some(person);
        }
        match self.plan.slots[slot].of {
            Some(step) => {
                let decider = self.progress.holds.decider(step)?;
                Some((decider.id.clone(), decider.login.clone()))
            }
            None => {
                let invoker = self.created.as_ref()?.invoker.as_ref()?;
                Some((invoker.id.clone(), invoker.login.clone()))
            }
        }
    }

    /// Whether a slot is the account of somebody whom nobody knows yet.
    pub(super) fn is_nobodys(&self, slot: usize) -> bool {
        self.plan.slots[slot].of.is_some() && self.slot_person(slot).is_none()
    }
}
