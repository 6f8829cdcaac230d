//! What happens to steps: attempts, results, skips.

use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::parts::SkipReason;
use crate::run::state::{Phase, Run, SlotState, StepState};

impl Run {
    pub(super) fn take_step(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::StepStarted { step, attempt, at } => {
                let step = self.found(step)?;
                if matches!(self.phase, Phase::Cancelling { .. }) {
                    return Err("the run is being cancelled".to_owned());
                }
                if matches!(
                    self.state(step),
                    StepState::Running { .. } | StepState::Held { .. }
                ) {
                    return Err(self.state(step).stands().to_owned());
                }
                if let Some(slot) = self.plan.steps[step.step].slot
                    && !matches!(self.slots[slot], SlotState::Bound(_))
                {
                    return Err("its slot has no connection".to_owned());
                }
                self.attempt_fits(step, *attempt, false)?;
                self.set_step(
                    step,
                    StepState::Running {
                        attempt: *attempt,
                        at: *at,
                    },
                );
            }
            Event::StepSucceeded {
                step,
                attempt,
                output,
                acted_as,
                started_at,
                at,
            } => {
                let step = self.found(step)?;
                self.attempt_fits(step, *attempt, false)?;
                self.hold_ends_well(step, output, *at)?;
                self.set_step(
                    step,
                    StepState::Succeeded {
                        attempts: *attempt,
                        output: output.clone(),
                        acted_as: acted_as.clone(),
                        started_at: *started_at,
                        at: *at,
                    },
                );
            }
            Event::StepFailed {
                step,
                attempt,
                error,
                retry_at,
                acted_as,
                started_at,
                at,
            } => {
                let step = self.found(step)?;
                self.attempt_fits(step, *attempt, retry_at.is_none())?;
                let (error, started_at) = (error.clone(), *started_at);
                self.set_step(
                    step,
                    match retry_at {
                        Some(due) => StepState::Retrying {
                            attempts: *attempt,
                            error,
                            due: *due,
                            started_at,
                        },
                        None if self.is_in_doubt(step, &error) => StepState::Undecided {
                            attempts: *attempt,
                            error,
                            request: None,
                            until: None,
                            acted_as: acted_as.clone(),
                            started_at,
                            at: *at,
                        },
                        None => StepState::Failed {
                            attempts: *attempt,
                            error,
                            acted_as: acted_as.clone(),
                            started_at,
                            at: *at,
                        },
                    },
                );
            }
            Event::StepSkipped { step, because, at } => {
                let step = self.found(step)?;
                if *self.state(step) != StepState::Pending {
                    return Err(self.state(step).stands().to_owned());
                }
                match because {
                    SkipReason::Condition | SkipReason::Needed => self.needs_settled(step)?,
                    SkipReason::RunEnding if !self.is_ending(*at) => {
                        return Err("the run is not ending".to_owned());
                    }
                    SkipReason::RunEnding => {}
                }
                self.set_step(
                    step,
                    StepState::Skipped {
                        because: *because,
                        at: *at,
                    },
                );
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn needs_settled(&self, at: Instance) -> Result<(), String> {
        match self.open_needs(at) {
            0 => Ok(()),
            open => Err(format!("{open} of the steps it needs have not ended")),
        }
    }

    /// Whether a start or a result with this number may come now. `gives_up`: a failure for good may also come without another attempt.
    pub(in crate::run) fn attempt_fits(
        &self,
        at: Instance,
        attempt: u32,
        gives_up: bool,
    ) -> Result<(), String> {
        let done = match self.state(at) {
            StepState::Running {
                attempt: running, ..
            }
            | StepState::Held {
                attempt: running, ..
            } => {
                return match *running == attempt {
                    true => Ok(()),
                    false => Err(format!("attempt {running} is under way")),
                };
            }
            StepState::Pending => 0,
            StepState::Retrying { attempts, .. } => *attempts,
            other => return Err(other.stands().to_owned()),
        };
        if gives_up && attempt == done {
            return Ok(());
        }
        if attempt != done.saturating_add(1) {
            return Err(format!("attempts so far: {done}"));
        }
        self.needs_settled(at)
    }
}
