//! What each event does to a run, and whether it is legal. One topic per file; nothing here decides what happens next.

mod doubts;
mod frames;
mod imported;
mod outside;
mod slots;
mod steps;

pub(super) use frames::{STOPPED, is_stop};
pub(super) use outside::{fits, misfit};
pub(super) use steps::Failure;

use crate::error::StepError;
use crate::ids::{SlotName, StepPath};
use crate::run::event::{Event, LEVEL};
use crate::run::frame::Instance;
use crate::run::parts::{Created, Ending};
use crate::run::state::{Phase, Run, SlotState};

/// An event that the state it meets does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not legal: {why}")]
pub struct IllegalEvent {
    /// The event's name and its subject.
    pub event: String,
    /// The state it met.
    pub why: String,
}

impl Run {
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
            Event::StepStarted { .. }
            | Event::StepSucceeded { .. }
            | Event::StepFailed { .. }
            | Event::StepSkipped { .. }
            | Event::StepPaced { .. } => self.take_step(event),
            Event::SlotBound { .. }
            | Event::SlotAsked { .. }
            | Event::SlotDeclined { .. }
            | Event::SlotLost { .. }
            | Event::SlotExpired { .. } => self.take_slot(event),
            Event::EachBegan { .. }
            | Event::RoundBegan { .. }
            | Event::CaseChosen { .. }
            | Event::HandlerBegan { .. }
            | Event::UndoBegan { .. }
            | Event::FrameEnded { .. } => self.take_frame(event),
            Event::StepHeld { .. }
            | Event::CallbackCame { .. }
            | Event::ApprovalDecided { .. }
            | Event::ChildPaused { .. } => self.take_outside(event),
            Event::DecisionAsked { .. } | Event::Decided { .. } => self.take_doubt(event),
            Event::StepImported { .. } => self.take_imported(event),
            Event::BatchBegan { .. } | Event::BatchEnded { .. } => self.take_batch(event),
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
        self.created = Some(Box::new(created.clone()));
        if let Err(why) = self.begin_part() {
            self.created = None;
            return Err(why);
        }
        self.begin_progress(created);
        for handed in &created.bound {
            if let Some(slot) = self.plan.slot(&handed.slot) {
                self.set_slot(slot, SlotState::Bound(handed.bound.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn found(&self, step: &StepPath) -> Result<Instance, String> {
        self.instance(step)
            .ok_or_else(|| "the flow has no such step".to_owned())
    }

    fn slot_number(&self, slot: &SlotName) -> Result<usize, String> {
        self.plan
            .slot(slot)
            .ok_or_else(|| "the flow has no such slot".to_owned())
    }

    fn end_fits(&self, ending: Ending, error: Option<&StepError>) -> Result<(), String> {
        let root = self.root();
        let cancelling = matches!(self.phase, Phase::Cancelling { .. });
        if !self.progress.running.is_empty() {
            return Err("an attempt is under way".to_owned());
        }
        if self.progress.after.is_some() {
            return Err("what comes after its steps is under way".to_owned());
        }
        match ending {
            Ending::Succeeded if cancelling => Err("the run is being cancelled".to_owned()),
            Ending::Cancelled if !cancelling => Err("nobody cancelled it".to_owned()),
            Ending::Succeeded | Ending::Cancelled if !root.is_settled() => {
                Err("not every step has ended".to_owned())
            }
            Ending::Succeeded if root.failed > 0 && !self.is_made_good() => {
                Err("a step has failed".to_owned())
            }
            Ending::Failed if error.is_none() => Err("it does not say why".to_owned()),
            _ => Ok(()),
        }
    }
}
