//! A version made ready to run: expressions compiled, steps numbered in a topological order, edges resolved. Compiled once per version and
//! shared by its runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::app::Apps;
use crate::app::{Effect, Manifest, Module};
use crate::diagnostic::Diagnostic;
use crate::expr::{Condition, Template};
use crate::flow::check::{self, CheckedStep, Places};
use crate::flow::graph::Graph;
use crate::flow::index::Index;
use crate::flow::{Flow, Inputs, Slot, SlotKind, Step};
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
    /// What a run must be given, ready to check it.
    pub inputs: Inputs,
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
    /// A flow that would not pass [`crate::flow::parse`] with these apps gives the faults, without places. Schemas of modules are not
    /// looked at again: each input is checked against them when its step runs.
    pub fn compile(flow: &Flow, apps: &Apps) -> Result<Self, Vec<Diagnostic>> {
        let checked = check::check(flow, apps, Places(None));
        if checked.faults.has_errors() {
            return Err(checked.faults.finish());
        }
        let graph = Graph::new(
            checked
                .steps
                .iter()
                .map(|step| step.needs.clone())
                .collect(),
        );
        let order = graph.order();
        let mut number_of = vec![0; order.len()];
        for (number, step) in order.iter().enumerate() {
            number_of[*step] = number;
        }
        let renumber = |steps: &[usize]| {
            let mut steps: Vec<usize> = steps
                .iter()
                .filter_map(|step| number_of.get(*step).copied())
                .collect();
            steps.sort_unstable();
            steps
        };
        let mut parts: Vec<Option<CheckedStep>> = checked.steps.into_iter().map(Some).collect();
        let mut steps = Vec::with_capacity(order.len());
        for place in order {
            let found = flow
                .steps
                .get_index(place)
                .zip(parts.get_mut(place).and_then(Option::take));
            let Some(((id, step), part)) = found else {
                continue;
            };
            let (Some((manifest, module)), Some(with)) = (part.module, part.with) else {
                continue;
            };
            steps.push(PlanStep {
                id: id.clone(),
                path: StepPath::top(id),
                step: step.clone(),
                manifest,
                module,
                needs: renumber(&part.needs),
                condition: part.condition,
                guarded: renumber(&part.guarded),
                asks_of_failure: part.asks_of_failure,
                with,
                effect: part.effect,
                slot: part.slot,
            });
        }
        let slots = slots(flow, apps, &steps);
        Ok(Self::assemble(flow.clone(), steps, checked.outputs, slots))
    }

    /// The steps in waves: each wave needs only earlier ones.
    pub fn waves(&self) -> Vec<Vec<&StepId>> {
        let graph = Graph::new(self.steps.iter().map(|step| step.needs.clone()).collect());
        let mut waves: Vec<Vec<&StepId>> = Vec::new();
        for (step, wave) in self.steps.iter().zip(graph.waves()) {
            while waves.len() <= wave {
                waves.push(Vec::new());
            }
            waves[wave].push(&step.id);
        }
        waves
    }

    /// Puts the compiled parts together and makes their index.
    pub fn assemble(
        flow: Flow,
        steps: Vec<PlanStep>,
        outputs: Vec<(String, Template)>,
        slots: Vec<PlanSlot>,
    ) -> Self {
        let index = Index::of(&steps, &slots);
        let inputs = Inputs::of(&flow);
        Self {
            inputs,
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

/// The slots with the steps that use them.
fn slots(flow: &Flow, apps: &Apps, steps: &[PlanStep]) -> Vec<PlanSlot> {
    // A step stands under an `if` if it has one, or if a step it needs does: skipping hands itself down.
    let mut conditional = vec![false; steps.len()];
    for (number, step) in steps.iter().enumerate() {
        conditional[number] =
            step.condition.is_some() || step.needs.iter().any(|need| conditional[*need]);
    }
    let of_app = |slot: &Slot| apps.get(slot.app.as_str()).cloned();
    let slots = flow
        .connections
        .iter()
        .enumerate()
        .filter_map(|(number, (name, slot))| {
            let used_by: Vec<usize> = (0..steps.len())
                .filter(|step| steps[*step].slot == Some(number))
                .collect();
            let scopes = match &slot.kind {
                SlotKind::Dynamic(dynamic) if !dynamic.scopes.is_empty() => dynamic.scopes.clone(),
                _ => used_by
                    .iter()
                    .flat_map(|step| steps[*step].module.scopes.iter().cloned())
                    .collect(),
            };
            let scopes: BTreeSet<String> = scopes.into_iter().collect();
            Some(PlanSlot {
                name: name.clone(),
                slot: slot.clone(),
                manifest: of_app(slot)?,
                may_be_needed: used_by.iter().all(|step| conditional[*step]),
                used_by,
                scopes: scopes.into_iter().collect(),
            })
        });
    slots.collect()
}
