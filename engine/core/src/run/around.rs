//! What a part of a long loop is told of what lies around the loop: what the steps inside it look at, and not more. The loop itself may have
//! looked at the very list of its items, which each batch would carry along.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::expr::{Condition, References};
use crate::flow::plan::{BlockOutputs, Work};
use crate::run::frame::Instance;
use crate::run::state::Run;

/// What steps look at outside of themselves.
#[derive(Default)]
struct Seen {
    /// Steps, by number.
    steps: BTreeSet<usize>,
    /// Inputs, by name.
    inputs: BTreeSet<String>,
    /// Whether the inputs are looked at as a whole.
    all_inputs: bool,
    /// Steps whose addresses for callbacks are named, by id.
    callbacks: BTreeSet<Arc<str>>,
}

impl Run {
    /// `{roots, steps}` for a part of a loop, and those of the run's inputs that it looks at.
    pub(super) fn around(&self, at: Instance) -> (Value, Value) {
        let Work::Each { body, .. } = &self.plan.steps[at.step].work else {
            return (Value::Null, Value::Null);
        };
        let seen = self.seen_in(*body);
        let mut steps = Map::new();
        for &step in &seen.steps {
            if let Some(found) = self.seen_from(at.frame, step)
                && let Some(output) = self.output(found)
            {
                steps.insert(self.plan.index.ids[step].to_string(), (**output).clone());
            }
        }
        // What this run was told itself, if it is a part: a loop in it is never split again, but its steps are the same.
        for (id, output) in &self.progress.outer_steps {
            steps
                .entry(id.to_string())
                .or_insert_with(|| (**output).clone());
        }
        let mut roots = Map::new();
        for (name, value) in self.scope_of(at.frame, std::iter::empty()).roots {
            if matches!(name, "run" | "error") && !roots.contains_key(name) {
                roots.insert(name.to_owned(), (*value).clone());
            }
        }
        if !seen.callbacks.is_empty() {
            let ids: Vec<Arc<str>> = seen.callbacks.iter().cloned().collect();
            roots.insert("callbacks".to_owned(), self.callback_words(at.frame, &ids));
        }
        let inputs = self.created.as_ref().map(|created| &*created.inputs);
        let inputs = match inputs {
            Some(Value::Object(inputs)) if !seen.all_inputs => {
                let wanted = |(name, _): &(&String, &Value)| seen.inputs.contains(*name);
                let some = inputs.iter().filter(wanted);
                Value::Object(some.map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            other => other.cloned().unwrap_or_default(),
        };
        (json!({"roots": roots, "steps": steps}), inputs)
    }

    /// What the steps of a block, and those inside them, look at outside of it.
    fn seen_in(&self, body: usize) -> Seen {
        let plan = &self.plan;
        let mut seen = Seen::default();
        let inner: BTreeSet<usize> = (0..plan.blocks.len())
            .filter(|block| self.is_within(*block, body))
            .collect();
        for &block in &inner {
            if let BlockOutputs::Named(outputs) = &plan.blocks[block].outputs {
                for (_, output) in outputs {
                    self.look(block, &output.references(), &mut seen);
                }
            }
            for step in plan.blocks[block].steps.clone() {
                let planned = &plan.steps[step];
                let condition = planned.condition.as_ref().map(Condition::references);
                let input = planned.module().map(|work| work.with.references());
                let own = match &planned.work {
                    Work::Module(_) | Work::Hold { .. } => None,
                    Work::Each { items, .. } => Some(items.references()),
                    Work::Switch { subject, .. } => Some(subject.references()),
                    Work::Repeat { test, body, .. } => {
                        self.look(*body, &test.references(), &mut seen);
                        None
                    }
                };
                for references in [condition, input, own].into_iter().flatten() {
                    self.look(block, &references, &mut seen);
                }
                seen.steps.extend(planned.outer.iter().copied());
            }
        }
        seen.steps
            .retain(|step| !inner.contains(&plan.steps[*step].block));
        seen
    }

    fn look(&self, block: usize, references: &References, seen: &mut Seen) {
        for path in &references.paths {
            let mut names = path.split(['.', '[']);
            let (root, name) = (names.next().unwrap_or_default(), names.next());
            match (root, name) {
                ("inputs", Some(name)) => {
                    seen.inputs.insert(name.to_owned());
                }
                ("inputs", None) => seen.all_inputs = true,
                ("steps", Some(id)) => seen.steps.extend(self.plan.find(block, id)),
                ("callbacks", Some(id)) => {
                    seen.callbacks.insert(Arc::from(id));
                }
                _ => {}
            }
        }
    }

    /// Whether a block is another one, or belongs to a step in it.
    fn is_within(&self, block: usize, outer: usize) -> bool {
        let around = |block: &usize| {
            let owner = self.plan.blocks[*block].owner?;
            Some(self.plan.steps[owner].block)
        };
        std::iter::successors(Some(block), around).any(|block| block == outer)
    }
}
