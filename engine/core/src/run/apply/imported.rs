//! What happens to a step that was done in the run that this one tries again.

use crate::flow::plan::{HoldKind, Work};
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::state::{Run, StepState};

impl Run {
    pub(super) fn take_imported(&mut self, event: &Event) -> Result<(), String> {
        let Event::StepImported {
            step,
            output,
            acted_as,
            by,
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
        if let Some(by) = by {
            if !self.is_approval(found) {
                return Err("the step is no approval".to_owned());
            }
            self.progress.holds.is_of(found.step, by.clone());
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

    fn is_approval(&self, at: Instance) -> bool {
        matches!(
            self.plan.steps[at.step].work,
            Work::Hold {
                kind: HoldKind::Approve,
                ..
            }
        )
    }
}
