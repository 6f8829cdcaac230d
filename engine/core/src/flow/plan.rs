//! A version made ready to run: expressions compiled, steps numbered in a topological order, edges resolved. Compiled once per version and
//! shared by its runs.

use std::sync::Arc;

use crate::app::Apps;
use crate::app::{Effect, Manifest, Module};
use crate::diagnostic::Diagnostic;
use crate::expr::{Condition, Template};
use crate::flow::{Flow, Slot, Step};
use crate::ids::{SlotName, StepId, StepPath};

/// A compiled version.
#[derive(Debug)]
pub struct Plan {
    /// The document it was made from.
    pub flow: Flow,
    /// The steps, numbered: a step comes after all it needs.
    pub steps: Vec<PlanStep>,
    /// What a run gives back.
    pub outputs: Vec<(String, Template)>,
    /// Slot by slot: where it is used.
    pub slots: Vec<PlanSlot>,
}

/// A step ready to run.
#[derive(Debug)]
pub struct PlanStep {
    /// Its id.
    pub id: StepId,
    /// Its path in a run.
    pub path: StepPath,
    /// What was written.
    pub step: Step,
    /// The app's manifest and the module in it.
    pub manifest: Arc<Manifest>,
    /// The module's place in the manifest.
    pub module: Arc<Module>,
    /// The steps that must have ended before, by number.
    pub needs: Vec<usize>,
    /// Of those, the ones its condition asks of in a way that survives their being skipped (`is defined`, `always()`, `failure()`).
    pub condition: Option<Condition>,
    /// True if a skipped step among its needs does not skip it.
    pub survives_skips: bool,
    /// The input.
    pub with: Template,
    /// What happens when it is interrupted.
    pub effect: Effect,
    /// The slot it acts through, by number.
    pub slot: Option<usize>,
}

/// A slot and its users.
#[derive(Debug)]
pub struct PlanSlot {
    /// Its name.
    pub name: SlotName,
    /// What was written.
    pub slot: Slot,
    /// The app's manifest.
    pub manifest: Arc<Manifest>,
    /// The steps that use it, by number.
    pub used_by: Vec<usize>,
    /// True if every step that uses it, or that one of them needs, stands under an `if`: it *may be* needed.
    pub may_be_needed: bool,
    /// The scopes: those the flow names, else those its modules need; sorted.
    pub scopes: Vec<String>,
}

impl Plan {
    /// Compiles a checked flow. The apps are those the version was published with.
    ///
    /// # Errors
    /// A flow that would not pass [`crate::flow::parse`] with these apps gives the faults, without places.
    pub fn compile(flow: &Flow, apps: &Apps) -> Result<Self, Vec<Diagnostic>> {
        let _ = (flow, apps);
        todo!("written by the language engineer")
    }

    /// The steps in waves: each wave needs only earlier ones.
    pub fn waves(&self) -> Vec<Vec<&StepId>> {
        todo!("written by the language engineer")
    }

    /// A step's number.
    pub fn step(&self, path: &StepPath) -> Option<usize> {
        self.steps.iter().position(|s| s.path == *path)
    }
}
