//! What every run of a plan looks up: numbers by name, who waits for whom, and whose output enters what. Made once per plan; it decides
//! nothing.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::expr::References;
use crate::flow::Plan;
use crate::flow::plan::{PlanSlot, PlanStep};
use crate::ids::{SlotName, StepPath};

/// The index of a plan.
#[derive(Debug, Default)]
pub struct Index {
    steps: HashMap<StepPath, usize>,
    slots: HashMap<SlotName, usize>,
    /// Step by step: its id, shared with the scopes that expressions look at.
    pub ids: Vec<Arc<str>>,
    /// Step by step: the steps that need it, each once.
    pub dependents: Vec<Vec<usize>>,
    /// Step by step: how many different steps it needs.
    pub needs: Vec<usize>,
    reads: OnceLock<Reads>,
}

/// Whose output enters what, by number.
#[derive(Debug, Default)]
pub struct Reads {
    /// Step by step: the steps its input looks at.
    pub with: Vec<Vec<usize>>,
    /// Step by step: the steps its condition looks at.
    pub condition: Vec<Vec<usize>>,
    /// Output by output: the steps it looks at.
    pub outputs: Vec<Vec<usize>>,
    /// Output by output: of those, the ones without which it has no value (not asked `is defined` of, nor given a default).
    pub outputs_unguarded: Vec<Vec<usize>>,
}

impl Index {
    pub(super) fn of(steps: &[PlanStep], slots: &[PlanSlot]) -> Self {
        let mut index = Self {
            steps: HashMap::with_capacity(steps.len()),
            dependents: vec![Vec::new(); steps.len()],
            ..Self::default()
        };
        for (number, step) in steps.iter().enumerate() {
            index.steps.insert(step.path.clone(), number);
            index.ids.push(step.id.as_str().into());
            let mut needs = step.needs.clone();
            needs.sort_unstable();
            needs.dedup();
            index.needs.push(needs.len());
            for need in needs {
                index.dependents[need].push(number);
            }
        }
        for (number, slot) in slots.iter().enumerate() {
            index.slots.insert(slot.name.clone(), number);
        }
        index
    }

    /// A step's number.
    pub fn step(&self, path: &StepPath) -> Option<usize> {
        self.steps.get(path).copied()
    }

    /// A slot's number.
    pub fn slot(&self, name: &SlotName) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// Whose output enters what in its plan, found when it is first asked for.
    pub fn reads(&self, plan: &Plan) -> &Reads {
        self.reads.get_or_init(|| {
            let mut reads = Reads::default();
            for step in &plan.steps {
                reads.with.push(self.named(&step.with.references(), false));
                let condition = step.condition.as_ref();
                reads
                    .condition
                    .push(condition.map_or_else(Vec::new, |c| self.named(&c.references(), false)));
            }
            for (_, template) in &plan.outputs {
                let references = template.references();
                reads.outputs.push(self.named(&references, false));
                reads.outputs_unguarded.push(self.named(&references, true));
            }
            reads
        })
    }

    /// The steps that references name. One that names no step in particular (`steps` as a whole) may look at all.
    fn named(&self, references: &References, unguarded: bool) -> Vec<usize> {
        let mut found = Vec::new();
        for path in &references.paths {
            let mut parts = path.split('.');
            if parts.next() != Some("steps") {
                continue;
            }
            let Some(id) = parts.next() else {
                if !unguarded {
                    found.extend(0..self.ids.len());
                }
                continue;
            };
            if unguarded && references.guarded.contains(id) {
                continue;
            }
            found.extend(self.steps.get(id).copied());
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
