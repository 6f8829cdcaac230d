//! The state of a run, and what each event does to it.

use std::sync::Arc;

use serde_json::Value;

use crate::error::StepError;
use crate::flow::Plan;
use crate::ids::{SignInId, StepPath, UserId};
use crate::run::event::{ActedAs, AskReason, Bound, Created, Ending, Event, SkipReason};
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
        Self {
            plan,
            created: None,
            steps: vec![StepState::Pending; steps],
            slots: vec![SlotState::Unresolved; slots],
            phase: Phase::Open,
        }
    }

    /// Takes one event in, or says why it is not legal; then nothing has changed.
    ///
    /// # Errors
    /// See [`IllegalEvent`]: a second result of a step, anything after the end, an unknown step or slot.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        let _ = event;
        todo!("written by the run engineer")
    }

    /// The event that a failed attempt becomes: a retry if the step has one left and the error is transient, `SlotLost` if a dynamic account
    /// has to sign in again, else the step's failure. `reason` says what became of the account when the error is `sign_in_needed`.
    pub fn failed_attempt(
        &self,
        step: &StepPath,
        attempt: u32,
        error: StepError,
        reason: Option<AskReason>,
        acted_as: Option<ActedAs>,
        started_at: Time,
        now: Time,
    ) -> Event {
        let _ = (step, attempt, error, reason, acted_as, started_at, now);
        todo!("written by the run engineer")
    }

    /// The key that every attempt of this step gives to the app: a hash of (first run of the chain, path). 64 hex digits.
    pub fn idempotency_key(&self, step: &StepPath) -> String {
        let _ = step;
        todo!("written by the run engineer")
    }

    /// `queued running waiting paused succeeded failed cancelled`, as answers and the store have it.
    pub fn state_name(&self, now: Time) -> &'static str {
        let _ = now;
        todo!("written by the run engineer")
    }

    /// The next instant at which the clock alone moves it: a retry, a pause's deadline, the run's.
    pub fn next_due(&self) -> Option<Time> {
        todo!("written by the run engineer")
    }
}
