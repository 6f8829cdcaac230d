//! What a flow must hold beyond its form. The same checks serve a file being written, where every fault has a place, and a stored version
//! being made ready to run, where none has.

mod branches;
mod connections;
mod effects;
mod holds;
mod input;
mod keys;
pub(in crate::flow) mod layout;
mod names;
mod order;
mod pasted;
mod scopes;
mod step;
mod triggers;
mod types;
mod unused;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::app::{Apps, Effect, Manifest, Module};
use crate::diagnostic::{Diagnostic, Faults, Span, did_you_mean};
use crate::expr::{Condition, ExprFault, Template};
use crate::flow::{Flow, OnItemError};
use crate::ids::SlotName;
use crate::yaml::{Entry, Node};
use layout::Layout;

pub use triggers::{TriggerKind, dynamic_slots_need_on_demand};

/// The most steps of one flow, those inside others included.
pub(super) const MAX_STEPS: usize = 10_000;

/// How many names are looked at, for all suggestions of one file.
const MOST_COMPARED: usize = 300_000;

/// Where things stand in the file, if there is one.
#[derive(Debug)]
pub(super) struct Places<'n> {
    pub root: Option<&'n Node>,
    /// The entries of the maps in which there may be very many, by key.
    entries: HashMap<(&'static str, &'n str), &'n Entry>,
}

impl<'n> Places<'n> {
    pub fn of(root: Option<&'n Node>) -> Self {
        let mut entries = HashMap::new();
        for map in ["inputs", "connections"] {
            let written = root.and_then(|root| root.get(map)?.as_map());
            for entry in written.unwrap_or_default() {
                entries.insert((map, entry.key.as_str()), entry);
            }
        }
        Self { root, entries }
    }

    /// The entry at the beginning of a path, if it is one of very many.
    fn entry(&self, path: &[&str]) -> Option<&'n Entry> {
        let [map @ ("inputs" | "connections"), name, ..] = path else {
            return None;
        };
        let map = if *map == "inputs" {
            "inputs"
        } else {
            "connections"
        };
        self.entries.get(&(map, *name)).copied()
    }

    pub fn node(&self, path: &[&str]) -> Option<&'n Node> {
        let (mut node, path) = match self.entry(path) {
            Some(entry) => (&entry.value, path.get(2..).unwrap_or_default()),
            None => (self.root?, path),
        };
        for part in path {
            node = node.get(part)?;
        }
        Some(node)
    }

    /// The place of a value.
    pub fn at(&self, path: &[&str]) -> Span {
        self.node(path).map_or_else(Span::default, |node| node.span)
    }

    /// The place of the last key of a path.
    pub fn key(&self, path: &[&str]) -> Span {
        if path.len() == 2
            && let Some(entry) = self.entry(path)
        {
            return entry.key_span;
        }
        let Some((last, above)) = path.split_last() else {
            return Span::default();
        };
        self.node(above)
            .and_then(|node| node.entry(last))
            .map_or_else(Span::default, |entry| entry.key_span)
    }
}

/// The place of some bytes of a text, or of the text if it is not known which.
pub(super) fn part(node: Option<&Node>, pointer: &str, range: Range<usize>) -> Span {
    node.map_or_else(Span::default, |node| node.at(pointer).part(range))
}

/// What a step does, as far as it could be made out.
#[derive(Debug)]
pub(super) enum Kind {
    Module {
        manifest: Arc<Manifest>,
        module: Arc<Module>,
        with: Template,
    },
    Each {
        items: Template,
        parallel: u32,
        on_item_error: OnItemError,
    },
    Repeat {
        test: Condition,
        until: bool,
    },
    Switch {
        subject: Template,
    },
}

/// A step as far as it could be made out.
#[derive(Debug, Default)]
pub(super) struct CheckedStep {
    pub kind: Option<Kind>,
    pub condition: Option<Condition>,
    /// The steps of its block it needs.
    pub needs: Vec<usize>,
    /// The steps of enclosing blocks it, or a step inside it, looks at.
    pub outer: Vec<usize>,
    /// Steps its condition asks `is defined` of.
    pub guarded: Vec<usize>,
    pub asks_of_failure: bool,
    pub effect: Option<Effect>,
    /// By number in the order of the file.
    pub slot: Option<usize>,
    /// The slots that it hands down to another flow: its slot there, ours by number.
    pub hands: Vec<(SlotName, usize)>,
}

impl CheckedStep {
    pub fn module(&self) -> Option<(&Arc<Manifest>, &Arc<Module>)> {
        match &self.kind {
            Some(Kind::Module {
                manifest, module, ..
            }) => Some((manifest, module)),
            _ => None,
        }
    }

    pub fn effect(&self) -> Effect {
        self.effect.unwrap_or(Effect::Pure)
    }
}

/// What the checks found out.
#[derive(Debug)]
pub(super) struct Checked {
    /// By number in the layout.
    pub steps: Vec<CheckedStep>,
    /// Block by block: what it gives, where that was said.
    pub outputs: Vec<Option<Vec<(String, Template)>>>,
    pub concurrency_key: Option<Template>,
    pub faults: Faults,
}

/// The work on one flow.
pub(super) struct Check<'c> {
    pub flow: &'c Flow,
    pub apps: &'c Apps,
    pub places: Places<'c>,
    pub layout: &'c Layout<'c>,
    pub faults: Faults,
    pub slot_names: Arc<[&'c str]>,
    pub steps: Vec<CheckedStep>,
    /// Names that expressions use: `inputs.amount` as `amount`; `*` for all.
    pub used_inputs: HashSet<String>,
    /// Steps whose output some expression names.
    pub used_steps: HashSet<usize>,
    /// Who needs whom by an expression or `needs` of its own.
    pub own_needs: HashSet<(usize, usize)>,
    /// Needs that steps have because of steps inside them.
    pub lifted: Vec<scopes::Lifted>,
    /// How many names were looked at for one that was probably meant.
    pub compared: usize,
    /// How many steps back a schema is being followed.
    pub following: usize,
    /// Schemas of the outputs of steps, as they are asked for.
    pub schemas: HashMap<usize, Option<Arc<Value>>>,
}

/// Checks a flow. With a file, schemas, order, unused things and pasted secrets are checked too; a stored version passed all that when it
/// was published.
pub(super) fn check<'c>(
    flow: &'c Flow,
    apps: &'c Apps,
    layout: &'c Layout<'c>,
    places: Places<'c>,
) -> Checked {
    let slot_names = match places.root {
        Some(_) => {
            let entries = places.node(&["connections"]).and_then(Node::as_map);
            let keys = entries.unwrap_or_default().iter();
            keys.map(|entry| entry.key.as_str()).collect()
        }
        None => flow.connections.keys().map(SlotName::as_str).collect(),
    };
    let check = Check {
        flow,
        apps,
        places,
        layout,
        faults: Faults::default(),
        slot_names,
        steps: Vec::new(),
        used_inputs: HashSet::new(),
        used_steps: HashSet::new(),
        own_needs: HashSet::new(),
        lifted: Vec::new(),
        compared: 0,
        following: 0,
        schemas: HashMap::new(),
    };
    check.run()
}

impl Check<'_> {
    fn run(mut self) -> Checked {
        let count = self.layout.sites.len();
        if count > MAX_STEPS {
            self.faults.error(
                "too_many_steps",
                self.places.key(&["steps"]),
                format!("the flow has {count} steps; at most {MAX_STEPS}"),
            );
            return Checked {
                steps: Vec::new(),
                outputs: Vec::new(),
                concurrency_key: None,
                faults: self.faults,
            };
        }
        self.check_trigger();
        self.check_ids();
        self.steps
            .resize_with(self.layout.sites.len(), CheckedStep::default);
        for number in 0..self.layout.sites.len() {
            self.check_step(number);
        }
        let outputs = (0..self.layout.scopes.len())
            .map(|scope| self.outputs(scope))
            .collect();
        let concurrency_key = self.concurrency_key();
        self.check_slots();
        self.settle_needs();
        self.check_order();
        if self.places.root.is_some() {
            self.check_inputs();
            self.check_module_inputs();
            self.check_branches();
            self.warn_of_unused();
            self.check_pasted();
        }
        Checked {
            steps: self.steps,
            outputs,
            concurrency_key,
            faults: self.faults,
        }
    }

    /// What was probably meant by a name. Looking for it costs as much as there are names: who misses very many is not helped with all.
    pub(super) fn suggest<'a>(
        &mut self,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        if self.compared > MOST_COMPARED {
            return None;
        }
        let names: Vec<&str> = names.into_iter().collect();
        self.compared += names.len();
        did_you_mean(name, names)
    }

    /// Whether a file is being written: then more is told than what a version must hold.
    pub(super) fn writing(&self) -> bool {
        self.places.root.is_some()
    }

    /// What could be compiled, and whether that is all.
    fn template(&mut self, node: Option<&Node>, value: &Value) -> (Template, bool) {
        let (template, faults) = Template::compile_what_is_good(value);
        for (pointer, fault) in &faults {
            self.expression_fault(node, pointer, fault);
        }
        (template, faults.is_empty())
    }

    fn expression_fault(&mut self, node: Option<&Node>, pointer: &str, fault: &ExprFault) {
        let span = part(node, pointer, fault.start..fault.end);
        self.faults.push(
            Diagnostic::error("bad_expression", span, fault.message.clone())
                .with_help_if(fault.help.clone()),
        );
    }

    /// Whether some step could not be made out: then nothing is called unused.
    pub(super) fn faults_in_steps(&self) -> bool {
        let scopes = self.layout.scopes.iter();
        scopes
            .map(|scope| scope.written.len())
            .zip(self.layout.scopes.iter().map(|scope| scope.by_id.len()))
            .any(|(written, read)| written > read)
            || self.steps.iter().any(|step| step.kind.is_none())
    }
}

/// Schemas compiled once for each module of a flow.
#[derive(Default)]
pub(super) struct Schemas(HashMap<*const Module, Option<crate::schema::Schema>>);

impl Schemas {
    /// The schema of a module's input; none if it does not compile, which is the manifest's fault and told there.
    pub fn of(&mut self, module: &Arc<Module>) -> Option<&crate::schema::Schema> {
        self.0
            .entry(Arc::as_ptr(module))
            .or_insert_with(|| crate::schema::Schema::compile(&module.input_schema).ok())
            .as_ref()
    }
}
