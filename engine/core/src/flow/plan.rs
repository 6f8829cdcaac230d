//! A version made ready to run: expressions compiled, steps numbered in a topological order, edges resolved. Compiled once per version and
//! shared by its runs.

use std::sync::Arc;

use crate::app::Apps;
use crate::app::{Effect, Manifest, Module};
use crate::diagnostic::Diagnostic;
use crate::expr::{Condition, Template};
use crate::flow::index::Index;
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
    /// What runs look up again and again; made by [`Plan::assemble`].
    pub index: Index,
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
    /// Its `if`.
    pub condition: Option<Condition>,
    /// Of its needs, by number, those whose being skipped does not skip it, because its condition asks `is defined` of them.
    pub guarded: Vec<usize>,
    /// True if its condition uses `always()` or `failure()`: then no skipped need skips it, and it runs also when the run is failing.
    pub asks_of_failure: bool,
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

    /// Puts the compiled parts together and makes their index.
    pub fn assemble(
        flow: Flow,
        steps: Vec<PlanStep>,
        outputs: Vec<(String, Template)>,
        slots: Vec<PlanSlot>,
    ) -> Self {
        let index = Index::of(&steps, &slots);
        Self {
            flow,
            steps,
            outputs,
            slots,
            index,
        }
    }

    /// A step's number.
    pub fn step(&self, path: &StepPath) -> Option<usize> {
        self.index.step(path)
    }

    /// A slot's number.
    pub fn slot(&self, name: &SlotName) -> Option<usize> {
        self.index.slot(name)
    }
}
