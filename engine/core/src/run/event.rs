//! What happened in a run, in order: the only truth about it. One journal row holds the events of one commit.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StepError;
use crate::ids::{RequestId, RunId, SignInId, SlotName, StepPath, UserId};
use crate::run::parts::{
    ActedAs, Answer, AskReason, Bound, Created, Decider, Decision, Ending, FailedItem, Hold,
    SkipReason, is_null,
};
use crate::time::Time;

/// The meaning of apply, decide, expressions and filters that this program gives to new runs. Behaviour changes only under a new level.
pub const LEVEL: u32 = 2;

/// The version that this program writes events in. Older ones are upcast when they are read.
pub const EVENT_VERSION: u32 = 1;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunCreated(Box<Created>),
    /// An attempt began. Journaled only before an `at_most_once` effect; otherwise it lives in memory alone.
    StepStarted {
        /// The step.
        step: StepPath,
        /// From 1.
        attempt: u32,
        /// When.
        at: Time,
    },
    /// A step ended well. Recorded at most once.
    StepSucceeded {
        /// The step.
        step: StepPath,
        /// The attempt that did it.
        attempt: u32,
        /// What it gave.
        output: Arc<Value>,
        /// As which account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acted_as: Option<ActedAs>,
        /// When that attempt began.
        started_at: Time,
        /// When it ended.
        at: Time,
    },
    /// An attempt failed: for good, or until `retry_at`.
    StepFailed {
        /// The step.
        step: StepPath,
        /// The attempt.
        attempt: u32,
        /// Why.
        error: StepError,
        /// When it is tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Time>,
        /// As which account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acted_as: Option<ActedAs>,
        /// When that attempt began.
        started_at: Time,
        /// When it ended.
        at: Time,
    },
    /// A step will not run.
    StepSkipped {
        /// The step.
        step: StepPath,
        /// Why.
        because: SkipReason,
        /// When.
        at: Time,
    },
    /// The app of a step may not be called so often: its next attempt is promised for then, and waits without being counted.
    StepPaced {
        /// The step.
        step: StepPath,
        /// Attempts so far.
        attempts: u32,
        /// When the next one may begin.
        until: Time,
        /// When.
        at: Time,
    },
    /// A slot has its connection.
    SlotBound {
        /// The slot.
        slot: SlotName,
        /// The connection.
        bound: Bound,
        /// When.
        at: Time,
    },
    /// A person is asked: the run pauses where it needs the slot.
    SlotAsked {
        /// The slot.
        slot: SlotName,
        /// The pending request.
        sign_in: SignInId,
        /// The slot's person.
        person: UserId,
        /// Why they are asked.
        reason: AskReason,
        /// The pause's deadline.
        until: Time,
        /// When.
        at: Time,
    },
    /// The person said no; they may still change their mind until the deadline.
    SlotDeclined {
        /// The slot.
        slot: SlotName,
        /// When.
        at: Time,
    },
    /// The account died in mid-run: the step that found out is ready again, with its key.
    SlotLost {
        /// The slot.
        slot: SlotName,
        /// The step that found out.
        step: StepPath,
        /// What became of the account.
        reason: AskReason,
        /// When.
        at: Time,
    },
    /// A pause's deadline passed: what needs the slot fails with `sign_in_needed`.
    SlotExpired {
        /// The slot.
        slot: SlotName,
        /// When.
        at: Time,
    },
    /// A loop over a list began: its items are known, and the first of them begin.
    EachBegan {
        /// The loop.
        step: StepPath,
        /// How many items there are.
        items: u64,
        /// When.
        at: Time,
    },
    /// A round of a `while` or `until` began.
    RoundBegan {
        /// The loop.
        step: StepPath,
        /// Its number, from 0.
        round: u64,
        /// When.
        at: Time,
    },
    /// A switch went one way.
    CaseChosen {
        /// The switch.
        step: StepPath,
        /// The case's key; none for its `default`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        case: Option<String>,
        /// When.
        at: Time,
    },
    /// What stands for a failure began: the step's `on_error`, or the flow's.
    HandlerBegan {
        /// The step that failed; none for the flow's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPath>,
        /// Why.
        error: StepError,
        /// When.
        at: Time,
    },
    /// An item, a round, a case, a handler or an undo ended: well, or with an error.
    FrameEnded {
        /// Which: `lines[37]`, `poll[3]`, `route`, `old/on_error`, `create/undo`, `on_error`.
        frame: StepPath,
        /// What it gave, where that is more than what its steps gave.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Arc<Value>>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StepError>,
        /// When.
        at: Time,
    },
    /// A step waits for the clock, somebody or something, and needs no memory meanwhile.
    StepHeld {
        /// The step.
        step: StepPath,
        /// The attempt that waits.
        attempt: u32,
        /// For what.
        hold: Hold,
        /// When.
        at: Time,
    },
    /// Some items of a long loop began in a run of their own.
    BatchBegan {
        /// The loop.
        step: StepPath,
        /// Its number, from 0.
        batch: u64,
        /// The run.
        child: RunId,
        /// When.
        at: Time,
    },
    /// All items of a batch have ended.
    BatchEnded {
        /// The loop.
        step: StepPath,
        /// Its number, from 0.
        batch: u64,
        /// The run.
        child: RunId,
        /// What they gave, in order; null for one that failed.
        items: Arc<Value>,
        /// Those that failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed: Vec<FailedItem>,
        /// When.
        at: Time,
    },
    /// A child run needs a person, or no longer does.
    ChildPaused {
        /// The step that waits for it.
        step: StepPath,
        /// The run.
        child: RunId,
        /// Whether it does.
        paused: bool,
        /// When.
        at: Time,
    },
    /// A person is asked what became of a step of which nobody knows whether it happened.
    DecisionAsked {
        /// The step.
        step: StepPath,
        /// The attempt in doubt.
        attempt: u32,
        /// What is known.
        error: StepError,
        /// The request.
        request: RequestId,
        /// When it is too late.
        until: Time,
        /// When.
        at: Time,
    },
    /// They said what became of it.
    Decided {
        /// The step.
        step: StepPath,
        /// What they said.
        answer: Answer,
        /// Who; none if nobody did in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Decider>,
        /// When.
        at: Time,
    },
    /// What a finished step did begins to be undone.
    UndoBegan {
        /// The step.
        step: StepPath,
        /// When.
        at: Time,
    },
    /// A step succeeded in the run that this one tries again.
    StepImported {
        /// The step.
        step: StepPath,
        /// What it gave.
        output: Arc<Value>,
        /// As which account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acted_as: Option<ActedAs>,
        /// Who decided, if it is an approval.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Decider>,
        /// When.
        at: Time,
    },
    /// Somebody decided an approval that a step waits for.
    ApprovalDecided {
        /// The step.
        step: StepPath,
        /// The request.
        request: RequestId,
        /// What they decided.
        decision: Decision,
        /// When.
        at: Time,
    },
    /// What a step waits for was called from outside, perhaps before it waits.
    CallbackCame {
        /// The step.
        step: StepPath,
        /// What the call brought.
        payload: Arc<Value>,
        /// When.
        at: Time,
    },
    /// Somebody cancelled: nothing new starts, what is under way finishes.
    CancelAsked {
        /// Who; none where a run that acts for nobody ends its children.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// When.
        at: Time,
    },
    /// The end; nothing comes after.
    RunEnded {
        /// How.
        ending: Ending,
        /// What it gives back.
        #[serde(default, skip_serializing_if = "is_null")]
        outputs: Arc<Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StepError>,
        /// When.
        at: Time,
    },
}

/// The event's name and its subject, as messages have it: `step_succeeded create`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::StepStarted { step, .. }
            | Self::StepSucceeded { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepSkipped { step, .. }
            | Self::StepPaced { step, .. }
            | Self::EachBegan { step, .. }
            | Self::RoundBegan { step, .. }
            | Self::CaseChosen { step, .. }
            | Self::StepHeld { step, .. }
            | Self::BatchBegan { step, .. }
            | Self::BatchEnded { step, .. }
            | Self::ChildPaused { step, .. }
            | Self::DecisionAsked { step, .. }
            | Self::Decided { step, .. }
            | Self::UndoBegan { step, .. }
            | Self::StepImported { step, .. }
            | Self::ApprovalDecided { step, .. }
            | Self::CallbackCame { step, .. } => write!(f, " {step}"),
            Self::FrameEnded { frame, .. } => write!(f, " {frame}"),
            Self::HandlerBegan { step, .. } => match step {
                Some(step) => write!(f, " {step}"),
                None => Ok(()),
            },
            Self::SlotBound { slot, .. }
            | Self::SlotAsked { slot, .. }
            | Self::SlotDeclined { slot, .. }
            | Self::SlotLost { slot, .. }
            | Self::SlotExpired { slot, .. } => write!(f, " {slot}"),
            Self::RunCreated(_) | Self::CancelAsked { .. } | Self::RunEnded { .. } => Ok(()),
        }
    }
}

impl Event {
    /// The name the journal, answers and messages use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCreated(_) => "run_created",
            Self::StepStarted { .. } => "step_started",
            Self::StepSucceeded { .. } => "step_succeeded",
            Self::StepFailed { .. } => "step_failed",
            Self::StepSkipped { .. } => "step_skipped",
            Self::StepPaced { .. } => "step_paced",
            Self::SlotBound { .. } => "slot_bound",
            Self::SlotAsked { .. } => "slot_asked",
            Self::SlotDeclined { .. } => "slot_declined",
            Self::SlotLost { .. } => "slot_lost",
            Self::SlotExpired { .. } => "slot_expired",
            Self::EachBegan { .. } => "each_began",
            Self::RoundBegan { .. } => "round_began",
            Self::CaseChosen { .. } => "case_chosen",
            Self::HandlerBegan { .. } => "handler_began",
            Self::FrameEnded { .. } => "frame_ended",
            Self::StepHeld { .. } => "step_held",
            Self::BatchBegan { .. } => "batch_began",
            Self::BatchEnded { .. } => "batch_ended",
            Self::ChildPaused { .. } => "child_paused",
            Self::DecisionAsked { .. } => "decision_asked",
            Self::Decided { .. } => "decided",
            Self::UndoBegan { .. } => "undo_began",
            Self::StepImported { .. } => "step_imported",
            Self::ApprovalDecided { .. } => "approval_decided",
            Self::CallbackCame { .. } => "callback_came",
            Self::CancelAsked { .. } => "cancel_asked",
            Self::RunEnded { .. } => "run_ended",
        }
    }

    /// When it happened.
    pub fn at(&self) -> Time {
        match self {
            Self::RunCreated(created) => created.at,
            Self::StepStarted { at, .. }
            | Self::StepSucceeded { at, .. }
            | Self::StepFailed { at, .. }
            | Self::StepSkipped { at, .. }
            | Self::StepPaced { at, .. }
            | Self::SlotBound { at, .. }
            | Self::SlotAsked { at, .. }
            | Self::SlotDeclined { at, .. }
            | Self::SlotLost { at, .. }
            | Self::SlotExpired { at, .. }
            | Self::EachBegan { at, .. }
            | Self::RoundBegan { at, .. }
            | Self::CaseChosen { at, .. }
            | Self::HandlerBegan { at, .. }
            | Self::FrameEnded { at, .. }
            | Self::StepHeld { at, .. }
            | Self::BatchBegan { at, .. }
            | Self::BatchEnded { at, .. }
            | Self::ChildPaused { at, .. }
            | Self::DecisionAsked { at, .. }
            | Self::Decided { at, .. }
            | Self::UndoBegan { at, .. }
            | Self::StepImported { at, .. }
            | Self::ApprovalDecided { at, .. }
            | Self::CallbackCame { at, .. }
            | Self::CancelAsked { at, .. }
            | Self::RunEnded { at, .. } => *at,
        }
    }
}

/// What stands in a journal row's body: the events of one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalBody {
    /// In order.
    pub events: Vec<Event>,
}

/// Reads a journal row's body as any released version wrote it.
///
/// # Errors
/// If the version is newer than this program, or the body is not one.
pub fn upcast(v: u32, body: &str) -> Result<JournalBody, String> {
    match v {
        1 => serde_json::from_str(body)
            .map_err(|e| format!("journal row of version 1 cannot be read: {e}")),
        newer => Err(format!(
            "journal row of version {newer} is newer than this program; run a newer one"
        )),
    }
}
