//! The state of a run: its frames, its slots, and where it stands as a whole. What events do to it is in [`super::apply`].

use std::sync::Arc;

use serde_json::Value;

use crate::error::StepError;
use crate::flow::Plan;
use crate::ids::{RequestId, SignInId, UserId};
use crate::run::frame::{Frame, Frames};
use crate::run::inside::Inside;
use crate::run::parts::{ActedAs, AskReason, Bound, Created, Ending, Hold, SkipReason};
use crate::run::progress::Progress;
use crate::time::Time;

/// A run between two events. Steps and slots are numbered as in the plan.
#[derive(Debug, Clone)]
pub struct Run {
    /// The version it runs.
    pub plan: Arc<Plan>,
    /// How it began; every other event needs it first.
    pub created: Option<Box<Created>>,
    /// Frame by frame, and in them step by step.
    pub frames: Frames,
    /// Slot by slot.
    pub slots: Vec<SlotState>,
    /// Where it stands as a whole.
    pub phase: Phase,
    /// Whether it waits for its turn in the line of its flow. Its journal says nothing of it: whoever reads its row says so here, to show it.
    pub in_line: bool,
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
        /// Who; none where a run that acts for nobody ends its children.
        by: Option<UserId>,
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
        /// Whether the app's pace allows it then, so that it need not be asked for again.
        promised: bool,
        /// When the last one began.
        started_at: Time,
    },
    /// It waits for the clock, somebody or something, and holds no memory meanwhile.
    Held {
        /// The attempt that waits.
        attempt: u32,
        /// For what.
        hold: Hold,
        /// Since when.
        at: Time,
    },
    /// Nobody knows whether it happened: a person is asked.
    Undecided {
        /// Attempts so far, the one in doubt included.
        attempts: u32,
        /// What is known.
        error: StepError,
        /// The question; none before it was put.
        request: Option<RequestId>,
        /// When it is too late to answer; none before it was put.
        until: Option<Time>,
        /// As which account.
        acted_as: Option<ActedAs>,
        /// When the attempt in doubt began.
        started_at: Time,
        /// Since when it is in doubt.
        at: Time,
    },
    /// A loop or a switch whose items, rounds or case have begun.
    Inside {
        /// Since when.
        at: Time,
        /// What is inside it.
        inside: Box<Inside>,
    },
    /// It failed for good, and its `on_error` has its say.
    Handling {
        /// Attempts in all.
        attempts: u32,
        /// Why it failed.
        error: StepError,
        /// As which account.
        acted_as: Option<ActedAs>,
        /// When the last attempt began.
        started_at: Time,
        /// When it failed.
        at: Time,
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
        /// Why it failed itself, if its output is its handler's.
        handled: Option<StepError>,
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
        /// Whether the rest goes on as if it had been skipped (`on_error: continue`).
        continued: bool,
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
        let slots = plan.slots.len();
        let progress = Progress::new(&plan);
        let root = Frame::new(&plan, 0, plan.blocks[0].steps.clone());
        Self {
            plan,
            created: None,
            frames: Frames::new(root),
            slots: vec![SlotState::Unresolved; slots],
            phase: Phase::Open,
            in_line: false,
            progress,
        }
    }

    /// The meaning it runs under; that of this program before it has begun.
    pub fn level(&self) -> u32 {
        self.created
            .as_ref()
            .map_or(crate::run::LEVEL, |created| created.level)
    }
}

impl StepState {
    /// Where a step stands, in words for whoever met it unexpectedly.
    pub(super) fn stands(&self) -> &'static str {
        match self {
            Self::Pending => "the step has not begun",
            Self::Running { .. } => "an attempt is under way",
            Self::Retrying { .. } => "the step is to be tried again",
            Self::Held { .. } => "the step waits",
            Self::Undecided { .. } => "a person is to say what became of the step",
            Self::Inside { .. } => "what is inside the step has begun",
            Self::Handling { .. } => "the step has failed, and its handler runs",
            Self::Succeeded { .. } => "the step has succeeded",
            Self::Failed { .. } => "the step has failed",
            Self::Skipped { .. } => "the step was skipped",
        }
    }
}
