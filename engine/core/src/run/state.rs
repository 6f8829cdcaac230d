//! The state of a run, and what each event does to it.

use std::sync::Arc;

use serde_json::Value;

use crate::error::StepError;
use crate::flow::Plan;
use crate::ids::{SignInId, SlotName, StepPath, UserId};
use crate::run::event::{ActedAs, AskReason, Bound, Created, Ending, Event, LEVEL, SkipReason};
use crate::run::progress::Progress;
use crate::time::Time;

/// An event that the state it meets does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not legal: {why}")]
pub struct IllegalEvent {
    /// The event's name and its subject.
    pub event: String,
    /// The state it met.
    pub why: String,
}

/// A run between two events. Steps and slots are numbered as in the plan.
#[derive(Debug, Clone)]
pub struct Run {
    /// The version it runs.
    pub plan: Arc<Plan>,
    /// How it began; every other event needs it first.
    pub created: Option<Box<Created>>,
    /// Step by step.
    pub steps: Vec<StepState>,
    /// Slot by slot.
    pub slots: Vec<SlotState>,
    /// Where it stands as a whole.
    pub phase: Phase,
    /// Counters and lists derived from the above, kept by [`Run::apply`], so that no decision looks at every step.
    pub(super) progress: Progress,
}

/// Where a run stands as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Going on.
    Open,
    /// Somebody cancelled it; steps under way finish.
    Cancelling {
        /// Who.
        by: UserId,
    },
    /// Ended; absorbing.
    Ended {
        /// How.
        ending: Ending,
        /// What it gave back.
        outputs: Arc<Value>,
        /// Why it failed.
        error: Option<StepError>,
        /// When.
        at: Time,
    },
}

/// Where a step stands; each variant carries exactly what that state has.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// An attempt is under way.
    Running {
        /// From 1.
        attempt: u32,
        /// Since when.
        at: Time,
    },
    /// Tried and to be tried again.
    Retrying {
        /// Attempts so far.
        attempts: u32,
        /// Why the last one failed.
        error: StepError,
        /// When the next one is due.
        due: Time,
        /// When the last one began.
        started_at: Time,
    },
    /// Ended well.
    Succeeded {
        /// Attempts in all.
        attempts: u32,
        /// What it gave; shared with the scopes that expressions look at.
        output: Arc<Value>,
        /// As which account.
        acted_as: Option<ActedAs>,
        /// When the last attempt began.
        started_at: Time,
        /// When it ended.
        at: Time,
    },
    /// Failed for good.
    Failed {
        /// Attempts in all.
        attempts: u32,
        /// Why.
        error: StepError,
        /// As which account.
        acted_as: Option<ActedAs>,
        /// When the last attempt began.
        started_at: Time,
        /// When it ended.
        at: Time,
    },
    /// Will not run.
    Skipped {
        /// Why.
        because: SkipReason,
        /// When.
        at: Time,
    },
}

/// Where a slot stands.
#[derive(Debug, Clone, PartialEq)]
pub enum SlotState {
    /// Not looked up yet, or lost since.
    Unresolved,
    /// It has its connection.
    Bound(Bound),
    /// Its person is asked.
    Asked {
        /// The pending request.
        sign_in: SignInId,
        /// Who.
        person: UserId,
        /// Why; `Declined` after they said no.
        reason: AskReason,
        /// The deadline.
        until: Time,
    },
    /// The deadline passed.
    Expired,
}

impl Run {
    /// A run of a version before its first event.
    pub fn new(plan: Arc<Plan>) -> Self {
        let (steps, slots) = (plan.steps.len(), plan.slots.len());
        let progress = Progress::new(&plan);
        Self {
            plan,
            created: None,
            steps: vec![StepState::Pending; steps],
            slots: vec![SlotState::Unresolved; slots],
            phase: Phase::Open,
            progress,
        }
    }

    /// Takes one event in, or says why it is not legal; then nothing has changed.
    ///
    /// # Errors
    /// See [`IllegalEvent`]: a second result of a step, anything after the end, an unknown step or slot.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        self.take(event).map_err(|why| IllegalEvent {
            event: event.to_string(),
            why,
        })?;
        self.keep_time(event.at());
        Ok(())
    }

    /// Everything that may refuse stands before anything that changes.
    fn take(&mut self, event: &Event) -> Result<(), String> {
        if let Event::RunCreated(created) = event {
            return self.begin(created);
        }
        if self.created.is_none() {
            return Err("the run has not begun".to_owned());
        }
        if let Phase::Ended { ending, .. } = &self.phase {
            return Err(format!("the run has ended ({})", ending.as_str()));
        }
        match event {
            Event::RunCreated(_) => Err("the run has begun before".to_owned()),
            Event::StepStarted { step, attempt, at } => {
                let step = self.number(step)?;
                if matches!(self.phase, Phase::Cancelling { .. }) {
                    return Err("the run is being cancelled".to_owned());
                }
                if matches!(self.steps[step], StepState::Running { .. }) {
                    return Err("an attempt is under way".to_owned());
                }
                if let Some(slot) = self.plan.steps[step].slot
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
                Ok(())
            }
            Event::StepSucceeded {
                step,
                attempt,
                output,
                acted_as,
                started_at,
                at,
            } => {
                let step = self.number(step)?;
                self.attempt_fits(step, *attempt, false)?;
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
                Ok(())
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
                let step = self.number(step)?;
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
                        None => StepState::Failed {
                            attempts: *attempt,
                            error,
                            acted_as: acted_as.clone(),
                            started_at,
                            at: *at,
                        },
                    },
                );
                Ok(())
            }
            Event::StepSkipped { step, because, at } => {
                let step = self.number(step)?;
                if self.steps[step] != StepState::Pending {
                    return Err(self.stands(step));
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
                Ok(())
            }
            Event::SlotBound { slot, bound, .. } => {
                let slot = self.slot_number(slot)?;
                match self.slots[slot] {
                    SlotState::Unresolved | SlotState::Asked { .. } => {
                        self.set_slot(slot, SlotState::Bound(bound.clone()));
                        Ok(())
                    }
                    SlotState::Bound(_) => Err("the slot has its connection".to_owned()),
                    SlotState::Expired => Err("the slot's deadline has passed".to_owned()),
                }
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
                match self.slots[slot] {
                    SlotState::Unresolved | SlotState::Asked { .. } => {
                        self.set_slot(
                            slot,
                            SlotState::Asked {
                                sign_in: sign_in.clone(),
                                person: person.clone(),
                                reason: *reason,
                                until: *until,
                            },
                        );
                        Ok(())
                    }
                    SlotState::Bound(_) => Err("the slot has its connection".to_owned()),
                    SlotState::Expired => Err("the slot's deadline has passed".to_owned()),
                }
            }
            Event::SlotDeclined { slot, .. } => {
                let slot = self.slot_number(slot)?;
                match &mut self.slots[slot] {
                    // Steps wait for it as before: no list changes.
                    SlotState::Asked { reason, .. } => {
                        *reason = AskReason::Declined;
                        Ok(())
                    }
                    _ => Err("nobody is asked".to_owned()),
                }
            }
            Event::SlotLost { slot, step, .. } => {
                let slot = self.slot_number(slot)?;
                let step = self.number(step)?;
                if self.plan.steps[step].slot != Some(slot) {
                    return Err("the step does not use the slot".to_owned());
                }
                match self.steps[step] {
                    StepState::Running { .. } => {}
                    // The start of an attempt that may be repeated is not in the journal.
                    StepState::Pending | StepState::Retrying { .. } => self.needs_settled(step)?,
                    _ => return Err(self.stands(step)),
                }
                self.set_step(step, StepState::Pending);
                // Of several steps that find out, the first frees the slot; it may have been asked for or bound again since.
                if matches!(self.slots[slot], SlotState::Bound(_)) {
                    self.progress.losses[slot] = self.progress.losses[slot].saturating_add(1);
                    self.set_slot(slot, SlotState::Unresolved);
                }
                Ok(())
            }
            Event::SlotExpired { slot, .. } => {
                let slot = self.slot_number(slot)?;
                if !matches!(self.slots[slot], SlotState::Asked { .. }) {
                    return Err("nobody is asked".to_owned());
                }
                self.set_slot(slot, SlotState::Expired);
                Ok(())
            }
            Event::CancelAsked { by, .. } => {
                // Asking twice is asking once: the first who asked counts.
                if self.phase == Phase::Open {
                    self.phase = Phase::Cancelling { by: by.clone() };
                }
                Ok(())
            }
            Event::RunEnded {
                ending,
                outputs,
                error,
                at,
            } => {
                self.end_fits(*ending, error.as_ref())?;
                self.phase = Phase::Ended {
                    ending: *ending,
                    outputs: outputs.clone(),
                    error: error.clone(),
                    at: *at,
                };
                Ok(())
            }
        }
    }

    fn begin(&mut self, created: &Created) -> Result<(), String> {
        if self.created.is_some() {
            return Err("the run has begun before".to_owned());
        }
        if !(1..=LEVEL).contains(&created.level) {
            return Err(format!(
                "its level is {}, and this program knows levels up to {LEVEL}; run it with a newer one",
                created.level
            ));
        }
        self.begin_progress(created);
        self.created = Some(Box::new(created.clone()));
        Ok(())
    }

    fn number(&self, step: &StepPath) -> Result<usize, String> {
        self.plan
            .step(step)
            .ok_or_else(|| "the flow has no such step".to_owned())
    }

    fn slot_number(&self, slot: &SlotName) -> Result<usize, String> {
        self.plan
            .slot(slot)
            .ok_or_else(|| "the flow has no such slot".to_owned())
    }

    fn needs_settled(&self, step: usize) -> Result<(), String> {
        match self.progress.open_needs[step] {
            0 => Ok(()),
            open => Err(format!("{open} of the steps it needs have not ended")),
        }
    }

    /// Whether a start or a result with this number may come now. `gives_up`: a failure for good may also come without another attempt.
    fn attempt_fits(&self, step: usize, attempt: u32, gives_up: bool) -> Result<(), String> {
        let done = match &self.steps[step] {
            StepState::Running {
                attempt: running, ..
            } if *running == attempt => return Ok(()),
            StepState::Running {
                attempt: running, ..
            } => return Err(format!("attempt {running} is under way")),
            StepState::Pending => 0,
            StepState::Retrying { attempts, .. } => *attempts,
            _ => return Err(self.stands(step)),
        };
        if gives_up && attempt == done {
            return Ok(());
        }
        if attempt != done.saturating_add(1) {
            return Err(format!("attempts so far: {done}"));
        }
        self.needs_settled(step)
    }

    fn end_fits(&self, ending: Ending, error: Option<&StepError>) -> Result<(), String> {
        let settled = self.progress.settled == self.steps.len();
        let cancelling = matches!(self.phase, Phase::Cancelling { .. });
        if !self.progress.running.is_empty() {
            return Err("an attempt is under way".to_owned());
        }
        match ending {
            Ending::Succeeded if cancelling => Err("the run is being cancelled".to_owned()),
            Ending::Cancelled if !cancelling => Err("nobody cancelled it".to_owned()),
            Ending::Succeeded | Ending::Cancelled if !settled => {
                Err("not every step has ended".to_owned())
            }
            Ending::Succeeded if self.progress.failed > 0 => Err("a step has failed".to_owned()),
            Ending::Failed if error.is_none() => Err("it does not say why".to_owned()),
            _ => Ok(()),
        }
    }

    fn stands(&self, step: usize) -> String {
        match &self.steps[step] {
            StepState::Pending => "the step has not begun".to_owned(),
            StepState::Running { .. } => "an attempt is under way".to_owned(),
            StepState::Retrying { .. } => "the step is to be tried again".to_owned(),
            StepState::Succeeded { .. } => "the step has succeeded".to_owned(),
            StepState::Failed { .. } => "the step has failed".to_owned(),
            StepState::Skipped { .. } => "the step was skipped".to_owned(),
        }
    }
}
