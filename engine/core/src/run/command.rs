//! What the state machine wants done. Commands are values: nothing here performs anything.

use std::sync::Arc;

use serde_json::Value;

use crate::app::HoldKind;
use crate::error::StepError;
use crate::ids::StepPath;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::parts::Ending;
use crate::time::Time;

/// Something for the runner to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Take this event in and record it with the next commit: a skip, a failure found while evaluating, a deadline.
    Record(Event),
    /// Look a slot's connection up; bind it, or ask its person. By number in the plan. Given again until the outcome was applied.
    ResolveSlot(usize),
    /// Perform a step.
    StartStep(StartStep),
    /// Let a step wait: make what it waits for (a request, an address, a child run), and take `StepHeld` in with it.
    Hold(StartHold),
    /// Begin a run for the next items of a long loop, and take `BatchBegan` in with it.
    StartBatch(StartBatch),
    /// Ask a person what became of a step, and take `DecisionAsked` in with the request.
    AskDecision(AskDecision),
    /// Nothing can move before this instant but what comes from outside.
    WaitUntil(Time),
    /// Nothing can move until somebody or something outside does.
    WaitForOutside,
    /// All is settled.
    Finish {
        /// How.
        ending: Ending,
        /// What it gives back.
        outputs: Arc<Value>,
        /// Why it failed.
        error: Option<StepError>,
    },
}

/// A step to perform.
#[derive(Debug, Clone, PartialEq)]
pub struct StartStep {
    /// Which.
    pub at: Instance,
    /// Its name.
    pub path: StepPath,
    /// From 1.
    pub attempt: u32,
    /// Its input, evaluated.
    pub input: Value,
}

/// A step that will wait without memory.
#[derive(Debug, Clone, PartialEq)]
pub struct StartHold {
    /// Which.
    pub at: Instance,
    /// Its name.
    pub path: StepPath,
    /// From 1.
    pub attempt: u32,
    /// What kind of waiting.
    pub kind: HoldKind,
    /// Its input, evaluated.
    pub input: Value,
}

/// Items of a long loop for a run of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct StartBatch {
    /// The loop.
    pub at: Instance,
    /// Its name.
    pub path: StepPath,
    /// The batch's number, from 0.
    pub batch: u64,
    /// The number of its first item.
    pub offset: u64,
    /// The items.
    pub items: Vec<Value>,
    /// What they may look at around the loop: `{"roots": {name: value}, "steps": {id: output}}`.
    pub scope: Arc<Value>,
    /// Those of the run's inputs that they look at.
    pub inputs: Arc<Value>,
}

/// A step of which nobody knows whether it happened.
#[derive(Debug, Clone, PartialEq)]
pub struct AskDecision {
    /// Which.
    pub at: Instance,
    /// Its name.
    pub path: StepPath,
    /// The attempt in doubt.
    pub attempt: u32,
    /// What is known.
    pub error: StepError,
}
