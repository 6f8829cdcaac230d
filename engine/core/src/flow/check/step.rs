//! One step: what it does, what its expressions name, and whether its keys make sense there.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::{Effect, Manifest, Module};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::expr::{Condition, Template};
use crate::flow::check::layout::{Part, Site};
use crate::flow::check::names::Spot;
use crate::flow::check::{Check, Kind};
use crate::yaml::Node;

impl<'c> Check<'c> {
    pub(super) fn check_step(&mut self, number: usize) {
        let layout = self.layout;
        let site = &layout.sites[number];
        if self.writing() {
            self.check_keys(site);
        }
        let kind = self.kind(number, site);
        self.steps[number].kind = kind;
        if site.part == Part::Inner {
            return;
        }
        if let Some(written) = &site.step.condition {
            let node = site.part_of("if");
            if let Some(condition) = self.condition(node, written, &Spot::of(site, number)) {
                let references = condition.references();
                let guarded = references
                    .guarded
                    .iter()
                    .filter_map(|id| layout.find(site.scope, id))
                    .collect();
                let step = &mut self.steps[number];
                step.asks_of_failure = references.asks_of_failure;
                step.guarded = guarded;
                step.condition = Some(condition);
            }
        }
        self.named_needs(number, site.step);
    }

    fn kind(&mut self, number: usize, site: &Site<'c>) -> Option<Kind> {
        let step = site.step;
        let spot = Spot::of(site, number);
        if site.part != Part::Inner {
            if let Some(written) = &step.for_each {
                let items = self.expression(site.part_of("for_each"), written, &spot)?;
                self.check_list(site.part_of("for_each"), &items, site.scope);
                site.body?;
                return Some(Kind::Each {
                    items,
                    parallel: step.parallel.unwrap_or(1),
                    on_item_error: step.on_item_error.unwrap_or_default(),
                });
            }
            let test = [("while", &step.while_), ("until", &step.until)];
            if let Some((key, written)) = test
                .into_iter()
                .find_map(|(key, written)| Some((key, written.as_ref()?)))
            {
                let body = site.body?;
                let node = site.part_of(key);
                let test = self.condition(node, written, &spot.inside(body))?;
                self.check_first_test(key, node, &test, body);
                step.max_rounds?;
                return Some(Kind::Repeat {
                    test,
                    until: key == "until",
                });
            }
            if let Some(written) = &step.switch {
                let subject = self.expression(site.part_of("switch"), written, &spot)?;
                return Some(Kind::Switch { subject });
            }
        }
        let found = self.module(site);
        let module = found.as_ref().map(|(_, module)| &**module);
        self.steps[number].effect = Some(self.effect(site, module));
        self.steps[number].slot = self.slot_of(number, site, found.as_ref());
        let (with, good) = self.with(site, &spot);
        let (manifest, module) = found?;
        if let Some(hold) = module.hold() {
            self.steps[number].hands = self.check_hold(site, hold);
        }
        good.then_some(Kind::Module {
            manifest,
            module,
            with,
        })
    }

    fn with(&mut self, site: &Site<'c>, spot: &Spot) -> (Template, bool) {
        let empty = Value::Object(Map::new());
        let given = if site.step.with.is_null() {
            &empty
        } else {
            &site.step.with
        };
        let node = site.part_of("with");
        let (template, good) = self.template(node, given);
        let found = template.references_with_places();
        self.references(node, &found, spot);
        (template, good)
    }

    /// One condition, and what it names.
    fn condition(
        &mut self,
        node: Option<&'c Node>,
        written: &str,
        spot: &Spot,
    ) -> Option<Condition> {
        match Condition::compile(written) {
            Ok(condition) => {
                let found = condition.references_with_places();
                self.references(node, &found, spot);
                self.check_condition_type(node, &found, spot.scope);
                Some(condition)
            }
            Err(fault) => {
                self.expression_fault(node, "", &fault);
                None
            }
        }
    }

    /// One expression of any type, and what it names.
    fn expression(
        &mut self,
        node: Option<&'c Node>,
        written: &str,
        spot: &Spot,
    ) -> Option<Template> {
        match Template::expression(written) {
            Ok(template) => {
                let found = template.references_with_places();
                self.references(node, &found, spot);
                Some(template)
            }
            Err(fault) => {
                self.expression_fault(node, "", &fault);
                None
            }
        }
    }

    /// What a block gives, where that was said.
    pub(super) fn outputs(&mut self, scope: usize) -> Option<Vec<(String, Template)>> {
        let layout = self.layout;
        let block = &layout.scopes[scope];
        let written = block.outputs?;
        let node = block.node.and_then(|node| node.get("outputs"));
        let mut outputs = Vec::with_capacity(written.len());
        for (name, value) in written {
            let node = node.and_then(|node| node.get(name));
            let (template, _) = self.template(node, value);
            let found = template.references_with_places();
            self.references(node, &found, &Spot::outputs(scope));
            outputs.push((name.clone(), template));
        }
        Some(outputs)
    }

    /// The text of which only one run may have one value: it is made before there are steps.
    pub(super) fn concurrency_key(&mut self) -> Option<Template> {
        let key = self.flow.concurrency.as_ref()?.key.as_ref()?;
        let node = self.places.node(&["concurrency", "key"]);
        let (template, good) = self.template(node, &Value::String(key.clone()));
        let found = template.references_with_places();
        self.references(node, &found, &Spot::before());
        good.then_some(template)
    }

    fn module(&mut self, site: &Site<'_>) -> Option<(Arc<Manifest>, Arc<Module>)> {
        let name = site.step.uses.as_ref()?;
        if let Some((manifest, module)) = self.apps.module(name) {
            return Some((manifest.clone(), module.clone()));
        }
        let span = site.at("uses");
        let app = name.app();
        let fault = if let Some(manifest) = self.apps.get(app.as_str()) {
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

    pub(super) fn unknown_app(&self, app: &str, span: Span) -> Diagnostic {
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

    /// Whether a step changes anything outside, or some step inside it does.
    pub(super) fn acts(&self, number: usize) -> bool {
        let own = matches!(
            self.steps[number].effect(),
            Effect::Idempotent | Effect::AtMostOnce
        );
        own || self.layout.sites[number].blocks().any(|block| {
            let members = self.layout.scopes[block].members.iter();
            members.into_iter().any(|inner| self.acts(*inner))
        })
    }
}
