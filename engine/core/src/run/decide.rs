//! What happens next. Nothing here performs anything.

use std::sync::Arc;

use serde_json::Value;

use crate::error::StepError;
use crate::run::event::{Ending, Event};
use crate::run::state::Run;
use crate::time::Time;

/// Something for the runner to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Take this event in and record it with the next commit: a skip, a failure found while evaluating, a deadline.
    Record(Event),
    /// Look a slot's connection up; bind it, or ask its person. By number in the plan.
    ResolveSlot(usize),
    /// Perform a step.
    StartStep(StartStep),
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
    /// Its number in the plan.
    pub step: usize,
    /// From 1.
    pub attempt: u32,
    /// Its input, evaluated.
    pub input: Value,
}

/// Says what happens next. Commands are independent of one another; after their outcomes were applied it is asked again. Steps that are
/// `Running` are under way and not started again: after a crash they are `Pending`, because their start was not journaled, except for
/// `at_most_once` ones, which fail with code `interrupted`.
pub fn decide(run: &Run, now: Time) -> Vec<Command> {
    let _ = (run, now);
    todo!("written by the run engineer")
}
