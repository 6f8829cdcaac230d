//! What happens to steps: attempts, results, skips.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{ErrorKind, StepError};
use crate::flow::plan::OnErrorPlan;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::inside::{Inside, case_output, rounds_output};
use crate::run::parts::{ActedAs, SkipReason};
use crate::run::state::{Phase, Run, SlotState, StepState};
use crate::time::Time;

/// A failure for good.
#[derive(Debug, Clone)]
pub(in crate::run) struct Failure {
    /// Attempts in all.
    pub attempts: u32,
    /// Why.
    pub error: StepError,
    /// As which account.
    pub acted_as: Option<ActedAs>,
    /// When the last attempt began.
    pub started_at: Time,
    /// When it ended.
    pub at: Time,
}

impl Run {
    pub(super) fn take_step(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::StepStarted { step, attempt, at } => {
                let step = self.found(step)?;
                let after = self.frames[step.frame].after;
                if matches!(self.phase, Phase::Cancelling { .. }) && !after {
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
                let output = match self.state(step) {
                    StepState::Inside { inside, .. } => Arc::new(given_by(inside)?),
                    _ => output.clone(),
                };
                self.set_step(
                    step,
                    StepState::Succeeded {
                        attempts: *attempt,
                        output,
                        acted_as: acted_as.clone(),
                        started_at: *started_at,
                        at: *at,
                        handled: None,
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
                let state = match retry_at {
                    Some(due) => StepState::Retrying {
                        attempts: *attempt,
                        error,
                        due: *due,
                        promised: false,
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
                    None => self.failed(
                        step,
                        Failure {
                            attempts: *attempt,
                            error,
                            acted_as: acted_as.clone(),
                            started_at,
                            at: *at,
                        },
                    ),
                };
                self.set_step(step, state);
            }
            Event::StepSkipped { step, because, at } => {
                let step = self.found(step)?;
                if !self.has_not_begun(step) {
                    return Err(self.state(step).stands().to_owned());
                }
                match because {
                    SkipReason::Condition | SkipReason::Needed => self.needs_settled(step)?,
                    SkipReason::RunEnding if !self.is_ending(step.frame, *at) => {
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
            Event::StepPaced {
                step,
                attempts,
                until,
                at,
            } => {
                let step = self.found(step)?;
                self.attempt_fits(step, attempts.saturating_add(1), false)?;
                let (error, started_at) = match self.state(step) {
                    StepState::Retrying {
                        error, started_at, ..
                    } => (error.clone(), *started_at),
                    StepState::Pending => (too_often(), *at),
                    other => return Err(other.stands().to_owned()),
                };
                self.set_step(
                    step,
                    StepState::Retrying {
                        attempts: *attempts,
                        error,
                        due: *until,
                        promised: true,
                        started_at,
                    },
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether no attempt of a step has begun yet.
    pub(in crate::run) fn has_not_begun(&self, at: Instance) -> bool {
        matches!(
            self.state(at),
            StepState::Pending | StepState::Retrying { attempts: 0, .. }
        )
    }

    /// Where a step stands that has failed for good.
    pub(in crate::run) fn failed(&self, step: Instance, failure: Failure) -> StepState {
        let Failure {
            attempts,
            error,
            acted_as,
            started_at,
            at,
        } = failure;
        let closes = self.closes(step.frame, at);
        // A part of a loop leaves that to its parent.
        let on_error = match self.part_of(step) {
            Some(_) => OnErrorPlan::Fail,
            None => self.plan.steps[step.step].on_error,
        };
        match on_error {
            OnErrorPlan::Handle(..)
                if !self.is_ending(step.frame, at)
                    && !matches!(self.state(step), StepState::Handling { .. }) =>
            {
                StepState::Handling {
                    attempts,
                    error,
                    acted_as,
                    started_at,
                    at,
                }
            }
            // What the end of the run has broken off is no failure of the step's own.
            on_error => StepState::Failed {
                attempts,
                error,
                acted_as,
                started_at,
                at,
                continued: on_error == OnErrorPlan::Continue && !closes,
            },
        }
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
            // What is inside a step is its only attempt.
            StepState::Inside { .. } if attempt == 1 => {
                return match self.progress.turning.contains(&at) {
                    true => Ok(()),
                    false => Err("what is inside the step goes on".to_owned()),
                };
            }
            // Its handler does not begin any more.
            StepState::Handling { attempts, .. }
                if gives_up && attempt == *attempts && self.progress.turning.contains(&at) =>
            {
                return Ok(());
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

/// What a loop or a switch gives when it has come to its end.
fn given_by(inside: &Inside) -> Result<Value, String> {
    let unfinished = || "what is inside the step has not ended".to_owned();
    match inside {
        Inside::Each(each) if each.next == each.count() && each.living == 0 => Ok(each.output()),
        Inside::Batched(batched) if batched.is_done() => Ok(batched.output()),
        Inside::Repeat(repeat) => match &repeat.last {
            Some((Ok(output), _)) => Ok(rounds_output(Some(output), repeat.rounds)),
            Some((Err(error), _)) => Err(error.message.clone()),
            None => Err(unfinished()),
        },
        Inside::Case(case) => match &case.end {
            Some(Ok(output)) => Ok(case_output(output, case.case.as_ref())),
            Some(Err(error)) => Err(error.message.clone()),
            None => Err(unfinished()),
        },
        Inside::Each(_) | Inside::Batched(_) => Err(unfinished()),
    }
}

/// Why a step waits that has not failed.
fn too_often() -> StepError {
    StepError::new(
        ErrorKind::RateLimited,
        "the app is not called more often than its limits allow",
    )
    .with_code("paced")
}
