//! What every run of a plan looks up: numbers by name, who waits for whom, and whose output enters what. Made once per plan; it decides
//! nothing.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::expr::{Condition, References};
use crate::flow::Plan;
use crate::flow::plan::{Block, BlockOutputs, PlanSlot, PlanStep, Role, Work};
use crate::ids::{SlotName, StepPath};

/// The index of a plan.
#[derive(Debug, Default)]
pub struct Index {
    steps: HashMap<StepPath, usize>,
    /// Block by block: its steps by id.
    blocks: Vec<HashMap<Arc<str>, usize>>,
    slots: HashMap<SlotName, usize>,
    /// Step by step: its id, shared with the scopes that expressions look at.
    pub ids: Vec<Arc<str>>,
    /// Step by step: the steps that need it, each once.
    pub dependents: Vec<Vec<usize>>,
    /// Step by step: how many different steps it needs.
    pub needs: Vec<usize>,
    reads: OnceLock<Reads>,
    callbacks: OnceLock<Vec<Vec<Arc<str>>>>,
    within: OnceLock<Vec<Vec<usize>>>,
    unguarded: OnceLock<Vec<Vec<Vec<usize>>>>,
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
    pub(super) fn of(steps: &[PlanStep], blocks: &[Block], slots: &[PlanSlot]) -> Self {
        let mut index = Self {
            steps: HashMap::with_capacity(steps.len()),
            dependents: vec![Vec::new(); steps.len()],
            blocks: vec![HashMap::new(); blocks.len()],
            ..Self::default()
        };
        for (number, step) in steps.iter().enumerate() {
            // Steps of two cases may have one path; whoever looks by path alone finds the first.
            index.steps.entry(step.path.clone()).or_insert(number);
            let id: Arc<str> = step.id.as_str().into();
            if let Some(block) = index.blocks.get_mut(step.block) {
                block.insert(id.clone(), number);
            }
            index.ids.push(id);
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

    /// The step of a block with this id.
    pub fn in_block(&self, block: usize, id: &str) -> Option<usize> {
        self.blocks.get(block)?.get(id).copied()
    }

    /// The step that an expression of a block means by an id: one of the block, or of those around it.
    pub(super) fn find(&self, plan: &Plan, block: usize, id: &str) -> Option<usize> {
        let mut block = block;
        loop {
            if let Some(found) = self.in_block(block, id) {
                return Some(found);
            }
            block = match plan.blocks.get(block)?.owner {
                Some(owner) => plan.steps.get(owner)?.block,
                None if block != 0 => 0,
                None => return None,
            };
        }
    }

    /// The step at the top that a step stands in, or is; none for what runs only if something fails.
    pub fn at_the_top(&self, plan: &Plan, step: usize) -> Option<usize> {
        let mut step = step;
        loop {
            let block = plan.blocks.get(plan.steps.get(step)?.block)?;
            match block.role {
                Role::Root => return Some(step),
                Role::Item | Role::Round | Role::Case => step = block.owner?,
                Role::Handler | Role::Undo | Role::FlowHandler => return None,
            }
        }
    }

    /// Step by step: the slots that it uses, or that steps inside it use, each once; without what runs only if something fails.
    pub fn slots_within(&self, plan: &Plan) -> &[Vec<usize>] {
        self.within.get_or_init(|| {
            let mut within = vec![Vec::new(); plan.steps.len()];
            for (number, step) in plan.steps.iter().enumerate() {
                for slot in step.slots() {
                    let mut around = Some(number);
                    while let Some(number) = around {
                        if !within[number].contains(&slot) {
                            within[number].push(slot);
                        }
                        let block = &plan.blocks[plan.steps[number].block];
                        around = match block.role {
                            Role::Item | Role::Round | Role::Case => block.owner,
                            Role::Root | Role::Handler | Role::Undo | Role::FlowHandler => None,
                        };
                    }
                }
            }
            within
        })
    }

    /// Step by step: the ids of the steps whose callbacks its expressions name.
    pub fn callbacks(&self, plan: &Plan) -> &[Vec<Arc<str>>] {
        self.callbacks.get_or_init(|| {
            let ids = |step: &PlanStep| {
                let input = match &step.work {
                    Work::Module(module) | Work::Hold { module, .. } => module.with.references(),
                    Work::Each { items, .. } => items.references(),
                    Work::Switch { subject, .. } => subject.references(),
                    Work::Repeat { test, .. } => test.references(),
                };
                let condition = step.condition.as_ref().map(Condition::references);
                let paths = input.paths.into_iter();
                let mut ids: Vec<Arc<str>> = paths
                    .chain(condition.into_iter().flat_map(|c| c.paths))
                    .filter_map(|path| {
                        Some(path.strip_prefix("callbacks.")?.split('.').next()?.into())
                    })
                    .collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            };
            plan.steps.iter().map(ids).collect()
        })
    }

    /// Block by block and output by output: the steps without which it has no value.
    pub fn outputs_unguarded(&self, plan: &Plan) -> &[Vec<Vec<usize>>] {
        self.unguarded.get_or_init(|| {
            let blocks = plan.blocks.iter().enumerate();
            blocks
                .map(|(number, block)| match &block.outputs {
                    BlockOutputs::Named(outputs) => outputs
                        .iter()
                        .map(|(_, output)| self.named(plan, number, &output.references(), true))
                        .collect(),
                    BlockOutputs::ByStep | BlockOutputs::Whole(_) => Vec::new(),
                })
                .collect()
        })
    }

    /// Whose output enters what in its plan, found when it is first asked for.
    pub fn reads(&self, plan: &Plan) -> &Reads {
        self.reads.get_or_init(|| {
            let mut reads = Reads::default();
            for step in &plan.steps {
                let input = match &step.work {
                    Work::Module(module) | Work::Hold { module, .. } => {
                        Some(module.with.references())
                    }
                    Work::Each { items, .. } => Some(items.references()),
                    Work::Switch { subject, .. } => Some(subject.references()),
                    Work::Repeat { test, body, .. } => {
                        // A test looks at what the steps inside gave.
                        let test = self.named(plan, *body, &test.references(), false);
                        reads.with.push(test);
                        let condition = step.condition.as_ref().map(Condition::references);
                        let condition = condition
                            .map_or_else(Vec::new, |c| self.named(plan, step.block, &c, false));
                        reads.condition.push(condition);
                        continue;
                    }
                };
                let named = |references: Option<References>| {
                    references.map_or_else(Vec::new, |r| self.named(plan, step.block, &r, false))
                };
                reads.with.push(named(input));
                let condition = step.condition.as_ref();
                reads
                    .condition
                    .push(named(condition.map(Condition::references)));
            }
            for (_, template) in &plan.outputs {
                let references = template.references();
                reads.outputs.push(self.named(plan, 0, &references, false));
                reads
                    .outputs_unguarded
                    .push(self.named(plan, 0, &references, true));
            }
            reads
        })
    }

    /// The steps that references name from a block. One that names no step in particular (`steps` as a whole) may look at all of the block.
    fn named(
        &self,
        plan: &Plan,
        block: usize,
        references: &References,
        unguarded: bool,
    ) -> Vec<usize> {
        let mut found = Vec::new();
        for path in &references.paths {
            let mut parts = path.split('.');
            if parts.next() != Some("steps") {
                continue;
            }
            let Some(id) = parts.next() else {
                if !unguarded {
                    found.extend(
                        plan.blocks
                            .get(block)
                            .into_iter()
                            .flat_map(|b| b.steps.clone()),
                    );
                }
                continue;
            };
            if unguarded && references.guarded.contains(id) {
                continue;
            }
            found.extend(self.find(plan, block, id));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
