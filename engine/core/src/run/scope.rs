//! What the expressions of a step or a block can look at: inputs, the item of the nearest loop, the steps of its own block and of those around.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::expr::{Item, Scope};
use crate::flow::plan::Role;
use crate::run::callbacks::placeholder;
use crate::run::frame::{Frame, Instance, ROOT};
use crate::run::parts::Part;
use crate::run::state::Run;

impl Run {
    /// The frame itself and those around it, from the inside out.
    pub(super) fn outwards(&self, frame: u32) -> impl Iterator<Item = (u32, &Frame)> {
        let around = move |number: &u32| {
            let frame = &self.frames[*number];
            match frame.owner {
                Some(owner) => Some(owner.frame),
                // The flow's handler sees the flow's own steps.
                None => (*number != ROOT).then_some(ROOT),
            }
        };
        std::iter::successors(Some(frame), around).map(|number| (number, &self.frames[number]))
    }

    /// Whether this run does a part of a loop for its parent.
    pub(super) fn is_part(&self) -> bool {
        self.created.as_ref().is_some_and(|c| c.part.is_some())
    }

    /// The items of a loop, if this run is there for a part of them.
    pub(super) fn part_of(&self, at: Instance) -> Option<&Part> {
        let part = self.created.as_ref()?.part.as_deref()?;
        (at.frame == ROOT).then_some(part)
    }

    /// The instance of a step of the plan that is seen from a frame.
    pub(super) fn seen_from(&self, frame: u32, step: usize) -> Option<Instance> {
        self.outwards(frame)
            .find(|(_, frame)| frame.steps().contains(&step))
            .map(|(frame, _)| Instance { frame, step })
    }

    /// What the expressions of a step can look at: the steps they name are among its needs.
    pub(super) fn scope(&self, at: Instance) -> Scope {
        let planned = &self.plan.steps[at.step];
        let steps = planned.needs.iter().chain(&planned.outer).copied();
        let mut scope = self.scope_of(at.frame, steps);
        let callbacks = &self.plan.index.callbacks(&self.plan)[at.step];
        if !callbacks.is_empty() {
            let words = Arc::new(self.callback_words(at.frame, callbacks));
            scope.roots.insert(0, ("callbacks", words));
        }
        scope
    }

    /// What the outputs of a frame, and the test after a round, can look at: all its steps, and what its owner can look at.
    pub(super) fn scope_within(&self, frame: u32) -> Scope {
        let living = &self.frames[frame];
        let around = living.owner.map(|owner| {
            let owner = &self.plan.steps[owner.step];
            owner.needs.iter().chain(&owner.outer).copied()
        });
        let steps = living.steps().chain(around.into_iter().flatten());
        self.scope_of(frame, steps)
    }

    /// A scope with the outputs of some steps of the frame and those around it, as far as they succeeded.
    pub(super) fn scope_of(&self, frame: u32, steps: impl Iterator<Item = usize>) -> Scope {
        let mut scope = Scope {
            roots: self.progress.roots.clone(),
            steps: Vec::new(),
            item: None,
            failed: self.has_failed(frame),
        };
        for step in steps {
            if let Some(at) = self.seen_from(frame, step)
                && let Some(output) = self.output(at)
            {
                let id = self.plan.index.ids[step].clone();
                scope.steps.push((id, output.clone()));
            }
        }
        scope
            .steps
            .extend(self.progress.outer_steps.iter().cloned());
        if frame != ROOT {
            self.add_surroundings(frame, &mut scope);
        }
        scope
    }

    /// The item and the number of the nearest loops, and the error of the nearest handler.
    fn add_surroundings(&self, frame: u32, scope: &mut Scope) {
        let mut index = None;
        let mut error = None;
        for (_, frame) in self.outwards(frame) {
            let role = self.plan.blocks[frame.block].role;
            if matches!(role, Role::Item | Role::Round) {
                index.get_or_insert(frame.index);
            }
            if let (None, Some((list, place))) = (&scope.item, &frame.item) {
                let number = index.unwrap_or(frame.index);
                scope.item = Some(Item::new(list.clone(), *place, number));
            }
            if error.is_none() {
                error.clone_from(&frame.error);
            }
        }
        // The nearest comes first: a part of a loop may stand inside another one.
        if let (Some(index), None) = (index, &scope.item) {
            scope.roots.insert(0, ("index", Arc::new(json!(index))));
        }
        if let Some(error) = error {
            scope.roots.insert(0, ("error", error));
        }
    }

    /// The words that stand for the addresses of callbacks, by the ids of their steps.
    pub(super) fn callback_words(&self, frame: u32, ids: &[Arc<str>]) -> Value {
        let mut words = Map::new();
        let Some(created) = &self.created else {
            return Value::Object(words);
        };
        let block = self.frames[frame].block;
        // Of steps around the loop that this run does a part of, its parent knows the words.
        let around = self.progress.roots.iter();
        if let Some((_, Value::Object(around))) = around
            .map(|(name, value)| (*name, &**value))
            .find(|(name, _)| *name == "callbacks")
        {
            words.extend(around.iter().map(|(id, word)| (id.clone(), word.clone())));
        }
        for id in ids {
            if let Some(step) = self.plan.find(block, id)
                && let Some(at) = self.seen_from(frame, step)
            {
                let word = placeholder(&created.run, &created.version, &self.path(at));
                words.insert(id.to_string(), Value::String(word));
            }
        }
        Value::Object(words)
    }
}
