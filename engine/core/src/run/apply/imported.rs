//! What happens to a step that was done in the run that this one tries again.

use crate::flow::plan::{HoldKind, Work};
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::parts::Decider;
use crate::run::state::{Run, StepState};

impl Run {
    pub(super) fn take_imported(&mut self, event: &Event) -> Result<(), String> {
        let Event::StepImported {
            step,
            output,
            acted_as,
            at,
        } = event
        else {
            return Ok(());
        };
        if self.created.as_ref().is_none_or(|c| c.retry_of.is_none()) {
            return Err("the run tries none again".to_owned());
        }
        let found = self.found(step)?;
        if *self.state(found) != StepState::Pending {
            return Err(self.state(found).stands().to_owned());
        }
        self.needs_settled(found)?;
        if let Some(by) = self.decider_in(found, output) {
            self.progress.holds.is_of(found.step, by);
        }
        self.set_step(
            found,
            StepState::Succeeded {
                attempts: 1,
                output: output.clone(),
                acted_as: acted_as.clone(),
                started_at: *at,
                at: *at,
                handled: None,
            },
        );
        Ok(())
    }

    /// Who decided an approval, as its output says.
    fn decider_in(&self, at: Instance, output: &serde_json::Value) -> Option<Decider> {
        let Work::Hold {
            kind: HoldKind::Approve,
            ..
        } = &self.plan.steps[at.step].work
        else {
            return None;
        };
        let by = output.get("by")?;
        let name = by.get("name")?.as_str()?.to_owned();
        Some(Decider {
            id: by.get("id")?.as_str()?.parse().ok()?,
            login: name.clone(),
            name,
        })
    }
}
