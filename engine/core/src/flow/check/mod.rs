//! What a flow must hold beyond its form. The same checks serve a file being written, where every fault has a place, and a stored version
//! being made ready to run, where none has.

mod connections;
mod effects;
mod input;
mod names;
mod order;
mod pasted;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::app::{Apps, Effect, Manifest, Module};
use crate::diagnostic::{Diagnostic, Faults, Span, did_you_mean};
use crate::expr::{Condition, ExprFault, Template};
use crate::flow::language::LATER_MODULES;
use crate::flow::shape::not_yet;
use crate::flow::{Flow, Step};
use crate::yaml::Node;

pub use connections::{TriggerKind, dynamic_slots_need_on_demand};

/// The most steps of one flow.
pub(super) const MAX_STEPS: usize = 1000;

/// Where things stand in the file, if there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'n>(pub Option<&'n Node>);

impl<'n> Places<'n> {
    pub fn node(&self, path: &[&str]) -> Option<&'n Node> {
        let mut node = self.0?;
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
        let Some((last, above)) = path.split_last() else {
            return Span::default();
        };
        self.node(above)
            .and_then(|node| node.entry(last))
            .map_or_else(Span::default, |entry| entry.key_span)
    }
}

/// A step as far as it could be made out.
#[derive(Debug)]
pub(super) struct CheckedStep {
    pub module: Option<(Arc<Manifest>, Arc<Module>)>,
    pub with: Option<Template>,
    pub condition: Option<Condition>,
    /// By number in the order of the file.
    pub needs: Vec<usize>,
    /// Steps its condition asks `is defined` of.
    pub guarded: Vec<usize>,
    pub asks_of_failure: bool,
    pub effect: Effect,
    /// By number in the order of the file.
    pub slot: Option<usize>,
}

/// What the checks found out.
#[derive(Debug)]
pub(super) struct Checked {
    pub steps: Vec<CheckedStep>,
    pub outputs: Vec<(String, Template)>,
    pub faults: Faults,
}

/// The work on one flow.
pub(super) struct Check<'c> {
    pub flow: &'c Flow,
    pub apps: &'c Apps,
    pub places: Places<'c>,
    pub faults: Faults,
    /// The ids of all steps as written, also of those that could not be read.
    pub step_names: Vec<&'c str>,
    pub slot_names: Vec<&'c str>,
    pub steps: Vec<CheckedStep>,
    /// Names that expressions use: `inputs.amount` as `amount`; `*` for all.
    pub used_inputs: Vec<String>,
}

/// Checks a flow. With a file, schemas, order, unused things and pasted secrets are checked too; a stored version passed all that when it
/// was published.
pub(super) fn check(flow: &Flow, apps: &Apps, places: Places<'_>) -> Checked {
    let written = |key: &str| {
        let entries = places
            .node(&[key])
            .and_then(Node::as_map)
            .unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry.key.as_str())
            .collect::<Vec<_>>()
    };
    let (mut step_names, mut slot_names) = (written("steps"), written("connections"));
    if places.0.is_none() {
        step_names = flow.steps.keys().map(crate::ids::StepId::as_str).collect();
        slot_names = flow
            .connections
            .keys()
            .map(crate::ids::SlotName::as_str)
            .collect();
    }
    let check = Check {
        flow,
        apps,
        places,
        faults: Faults::default(),
        step_names,
        slot_names,
        steps: Vec::new(),
        used_inputs: Vec::new(),
    };
    check.run()
}

impl Check<'_> {
    fn run(mut self) -> Checked {
        if self.flow.steps.len() > MAX_STEPS {
            let count = self.flow.steps.len();
            self.faults.error(
                "too_many_steps",
                self.places.key(&["steps"]),
                format!("the flow has {count} steps; at most {MAX_STEPS}"),
            );
            return Checked {
                steps: Vec::new(),
                outputs: Vec::new(),
                faults: self.faults,
            };
        }
        self.check_triggers();
        for (id, step) in &self.flow.steps {
            let checked = self.step(id.as_str(), step);
            self.steps.push(checked);
        }
        let outputs = self.outputs();
        self.check_slots();
        self.check_order();
        if self.places.0.is_some() {
            self.check_inputs();
            self.check_module_inputs();
            self.warn_of_unused();
            self.check_pasted();
        }
        Checked {
            steps: self.steps,
            outputs,
            faults: self.faults,
        }
    }

    fn step(&mut self, id: &str, step: &Step) -> CheckedStep {
        let module = self.module(id, step);
        let mut checked = CheckedStep {
            effect: self.effect(id, step, module.as_ref().map(|(_, module)| &**module)),
            slot: self.slot_of(id, step, module.as_ref()),
            module,
            with: None,
            condition: None,
            needs: Vec::new(),
            guarded: Vec::new(),
            asks_of_failure: false,
        };
        let with = if step.with.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            step.with.clone()
        };
        let (template, good) = self.template(&["steps", id, "with"], &with);
        let found = template.references_with_places();
        checked
            .needs
            .extend(self.references(&["steps", id, "with"], &found, Some(id)));
        checked.with = good.then_some(template);
        if let Some(written) = &step.condition {
            match Condition::compile(written) {
                Ok(condition) => {
                    let found = condition.references_with_places();
                    checked
                        .needs
                        .extend(self.references(&["steps", id, "if"], &found, Some(id)));
                    self.check_condition_type(&["steps", id, "if"], &found);
                    let references = condition.references();
                    checked.asks_of_failure = references.asks_of_failure;
                    checked.guarded = references
                        .guarded
                        .iter()
                        .filter_map(|id| self.flow.steps.get_index_of(id.as_str()))
                        .collect();
                    checked.condition = Some(condition);
                }
                Err(fault) => self.expression_fault(&["steps", id, "if"], "", &fault),
            }
        }
        checked.needs.extend(self.named_needs(id, step));
        checked.needs.sort_unstable();
        checked.needs.dedup();
        checked
    }

    fn outputs(&mut self) -> Vec<(String, Template)> {
        let mut outputs = Vec::new();
        for (name, value) in &self.flow.outputs {
            let (template, _) = self.template(&["outputs", name], value);
            let found = template.references_with_places();
            self.references(&["outputs", name], &found, None);
            outputs.push((name.clone(), template));
        }
        outputs
    }

    /// What could be compiled, and whether that is all.
    fn template(&mut self, path: &[&str], value: &Value) -> (Template, bool) {
        let (template, faults) = Template::compile_what_is_good(value);
        for (pointer, fault) in &faults {
            self.expression_fault(path, pointer, fault);
        }
        (template, faults.is_empty())
    }

    fn expression_fault(&mut self, path: &[&str], pointer: &str, fault: &ExprFault) {
        let span = self.part(path, pointer, fault.start..fault.end);
        self.faults.push(
            Diagnostic::error("bad_expression", span, fault.message.clone())
                .with_help_if(fault.help.clone()),
        );
    }

    /// The place of some bytes of a text.
    pub fn part(&self, path: &[&str], pointer: &str, range: std::ops::Range<usize>) -> Span {
        self.places
            .node(path)
            .map_or_else(Span::default, |node| node.at(pointer).part(range))
    }

    fn module(&mut self, id: &str, step: &Step) -> Option<(Arc<Manifest>, Arc<Module>)> {
        let name = step.uses.as_ref()?;
        if let Some((manifest, module)) = self.apps.module(name) {
            return Some((manifest.clone(), module.clone()));
        }
        let span = self.places.at(&["steps", id, "uses"]);
        let uses = name.as_str();
        let app = name.app();
        let fault = if LATER_MODULES.contains(&uses) {
            not_yet(uses, span)
        } else if let Some(manifest) = self.apps.get(app.as_str()) {
            let names = manifest.modules.keys().map(String::as_str);
            let help = did_you_mean(name.module(), names);
            Diagnostic::error(
                "unknown_module",
                span,
                format!("the app `{app}` has no module `{}`", name.module()),
            )
            .with_help_if(help)
        } else {
            self.unknown_app(app.as_str(), span)
        };
        self.faults.push(fault);
        None
    }

    fn unknown_app(&self, app: &str, span: Span) -> Diagnostic {
        let names: Vec<&str> = self
            .apps
            .iter()
            .map(|manifest| manifest.app.as_str())
            .collect();
        Diagnostic::error("unknown_app", span, format!("there is no app `{app}`")).with_help_if(
            did_you_mean(app, names.iter().copied())
                .or_else(|| Some("`actas apps list` shows the apps there are".to_owned())),
        )
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
