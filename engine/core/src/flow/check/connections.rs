//! Slots: each step acts through the right one, and dynamic ones stand only where a person starts the run.

use std::sync::Arc;

use crate::app::{Manifest, Module};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::flow::check::Check;
use crate::flow::shape::not_yet;
use crate::flow::{SlotKind, Step};
use crate::yaml::Node;

/// What starts a flow, also where this version cannot run it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// A person.
    OnDemand,
    /// The clock.
    Schedule,
    /// Another system.
    Webhook,
}

impl TriggerKind {
    /// The key in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on_demand",
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
        }
    }
}

/// A dynamic connection is that of whoever runs the flow: where nobody does, there is none. Names each slot, the trigger and both places.
pub fn dynamic_slots_need_on_demand<'s>(
    trigger: TriggerKind,
    trigger_span: Span,
    dynamic_slots: impl IntoIterator<Item = (&'s str, Span)>,
) -> Vec<Diagnostic> {
    if trigger == TriggerKind::OnDemand {
        return Vec::new();
    }
    let name = trigger.as_str();
    let fault = |(slot, span): (&str, Span)| {
        Diagnostic::error(
            "dynamic_without_person",
            span,
            format!("the connection `{slot}` is dynamic, but the trigger `{name}` has no person whose account it could be"),
        )
        .with_also(trigger_span, format!("`{name}` is here"))
        .with_help("make the flow on-demand, or name a shared connection: `connection: NAME`")
    };
    dynamic_slots.into_iter().map(fault).collect()
}

const TRIGGERS: [TriggerKind; 3] = [
    TriggerKind::OnDemand,
    TriggerKind::Schedule,
    TriggerKind::Webhook,
];

impl Check<'_> {
    pub(super) fn check_triggers(&mut self) {
        let Some(node) = self.places.node(&["trigger"]) else {
            return;
        };
        let found: Vec<(TriggerKind, Span)> = TRIGGERS
            .into_iter()
            .filter_map(|kind| Some((kind, node.entry(kind.as_str())?.key_span)))
            .collect();
        match found.as_slice() {
            [] => {
                if node.as_map().is_some_and(<[_]>::is_empty) {
                    self.faults.push(
                        Diagnostic::error(
                            "missing_key",
                            node.span,
                            "a trigger says what starts the flow",
                        )
                        .with_help("`trigger: {on_demand: {}}` lets people start it"),
                    );
                }
            }
            [one] => self.check_trigger(*one),
            [first, second, ..] => self.faults.push(
                Diagnostic::error("two_triggers", second.1, "a flow has one trigger")
                    .with_also(first.1, "the first is here"),
            ),
        }
        let from = node
            .get("on_demand")
            .and_then(|node| node.get("from"))
            .and_then(Node::as_list)
            .unwrap_or_default();
        for item in from {
            if let Some(word @ ("chat" | "mcp")) = item.as_text() {
                self.faults.push(not_yet(word, item.span));
            }
        }
    }

    fn check_trigger(&mut self, (kind, span): (TriggerKind, Span)) {
        if kind == TriggerKind::OnDemand {
            return;
        }
        self.faults.push(not_yet(kind.as_str(), span));
        let dynamic: Vec<(&str, Span)> = self
            .flow
            .connections
            .iter()
            .filter(|(_, slot)| matches!(slot.kind, SlotKind::Dynamic(_)))
            .map(|(name, _)| {
                (
                    name.as_str(),
                    self.places.key(&["connections", name.as_str()]),
                )
            })
            .collect();
        self.faults
            .extend(dynamic_slots_need_on_demand(kind, span, dynamic));
    }

    /// The slot a step acts through: the one it names, or the only one for its app.
    pub(super) fn slot_of(
        &mut self,
        id: &str,
        step: &Step,
        module: Option<&(Arc<Manifest>, Arc<Module>)>,
    ) -> Option<usize> {
        let uses = step.uses.as_ref()?;
        let app = uses.app();
        if let Some(name) = &step.connection {
            let span = self.places.at(&["steps", id, "connection"]);
            let Some((number, _, slot)) = self.flow.connections.get_full(name.as_str()) else {
                if !self.slot_names.contains(&name.as_str()) {
                    let help = did_you_mean(name.as_str(), self.slot_names.iter().copied())
                        .or_else(|| Some(format!("declare it: `connections: {{{name}: {{app: {app}, dynamic: {{}}}}}}`")));
                    self.faults.push(
                        Diagnostic::error(
                            "unknown_connection",
                            span,
                            format!("there is no connection `{name}`"),
                        )
                        .with_help_if(help),
                    );
                }
                return None;
            };
            if let Some((_, module)) = module {
                if slot.app != app {
                    let fitting = self.fitting(app.as_str());
                    self.faults.push(
                        Diagnostic::error(
                            "wrong_app",
                            span,
                            format!(
                                "`{name}` is a connection to `{}`, but `{id}` uses `{}`",
                                slot.app, uses
                            ),
                        )
                        .with_help_if(
                            fitting
                                .first()
                                .map(|(_, name)| format!("`{name}` is a connection to `{app}`")),
                        ),
                    );
                } else if !module.needs_connection {
                    self.faults.push(
                        Diagnostic::error(
                            "needless_connection",
                            span,
                            format!("`{}` acts through no connection", uses),
                        )
                        .with_help("remove `connection`"),
                    );
                }
            }
            return Some(number);
        }
        if !module.is_some_and(|(_, module)| module.needs_connection) {
            return None;
        }
        let fitting = self.fitting(app.as_str());
        let span = self.places.at(&["steps", id, "uses"]);
        match fitting.as_slice() {
            [(number, _)] => Some(*number),
            [] => {
                let message = format!("`{id}` needs a connection to `{app}`, and there is none");
                let help =
                    format!("declare one: `connections: {{{app}: {{app: {app}, dynamic: {{}}}}}}`");
                self.faults
                    .push(Diagnostic::error("missing_connection", span, message).with_help(help));
                None
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(_, name)| format!("`{name}`"))
                    .collect();
                let message = format!("`{id}` could act through {}", names.join(" or "));
                self.faults.push(
                    Diagnostic::error("ambiguous_connection", span, message)
                        .with_help("say which: `connection: NAME`"),
                );
                None
            }
        }
    }

    fn fitting(&self, app: &str) -> Vec<(usize, String)> {
        let fits = self
            .flow
            .connections
            .iter()
            .enumerate()
            .filter(|(_, (_, slot))| slot.app.as_str() == app);
        fits.map(|(number, (name, _))| (number, name.as_str().to_owned()))
            .collect()
    }

    pub(super) fn check_slots(&mut self) {
        for (number, (name, slot)) in self.flow.connections.iter().enumerate() {
            let name = name.as_str();
            let key = self.places.key(&["connections", name]);
            let node = self.places.node(&["connections", name]);
            if let Some(node) = node {
                match (node.entry("dynamic"), node.entry("connection")) {
                    (Some(dynamic), Some(shared)) => self.faults.push(
                        Diagnostic::error("two_kinds", shared.key_span, format!("`{name}` is dynamic and shared at once"))
                            .with_also(dynamic.key_span, "`dynamic` is here")
                            .with_help("keep one: `dynamic` for the account of whoever runs it, `connection` for a shared one"),
                    ),
                    (None, None) => self.faults.push(
                        Diagnostic::error("missing_key", key, format!("the connection `{name}` does not say whose account it is"))
                            .with_help("`dynamic: {}` for the account of whoever runs the flow, or `connection: NAME` for a shared one"),
                    ),
                    (None, Some(_)) => {
                        if let Some(build_time) = node.entry("build_time") {
                            self.faults.push(
                                Diagnostic::error("needless_build_time", build_time.key_span, format!("`{name}` is shared: it needs no build-time value"))
                                    .with_help("remove `build_time`"),
                            );
                        }
                    }
                    (Some(_), None) => {}
                }
            }
            let app = slot.app.as_str();
            let Some(manifest) = self.apps.get(app).cloned() else {
                let fault = self.unknown_app(app, self.places.at(&["connections", name, "app"]));
                self.faults.push(fault);
                continue;
            };
            if manifest.auth.none {
                self.faults.error(
                    "needless_connection",
                    key,
                    format!("the app `{app}` needs no account"),
                );
            }
            self.check_scopes(number, name, &manifest);
            if self.places.0.is_some()
                && !self.steps.iter().any(|step| step.slot == Some(number))
                && !self.faults_in_steps()
            {
                self.faults.push(
                    Diagnostic::warning(
                        "unused_connection",
                        key,
                        format!("no step acts through `{name}`"),
                    )
                    .with_help("remove it, so that nobody is asked for it"),
                );
            }
        }
    }

    /// Whether some step could not be made out: then nothing is called unused.
    pub(super) fn faults_in_steps(&self) -> bool {
        self.steps.len() < self.step_names.len()
            || self
                .steps
                .iter()
                .any(|step| step.module.is_none() || step.with.is_none())
    }

    fn check_scopes(&mut self, number: usize, name: &str, manifest: &Manifest) {
        let Some((_, slot)) = self.flow.connections.get_index(number) else {
            return;
        };
        let (SlotKind::Dynamic(dynamic), Some(oauth2)) = (&slot.kind, &manifest.auth.oauth2) else {
            return;
        };
        if dynamic.scopes.is_empty() {
            return;
        }
        for (n, scope) in dynamic.scopes.iter().enumerate() {
            if !oauth2.scopes.is_empty() && !oauth2.scopes.contains_key(scope) {
                let node = self
                    .places
                    .node(&["connections", name, "dynamic", "scopes"]);
                let span = node.map_or_else(Span::default, |node| node.at(&format!("/{n}")).span);
                let help = did_you_mean(scope, oauth2.scopes.keys().map(String::as_str));
                self.faults.push(
                    Diagnostic::error(
                        "unknown_scope",
                        span,
                        format!("the app `{}` has no scope `{scope}`", slot.app),
                    )
                    .with_help_if(help),
                );
            }
        }
        let mut lacking = Vec::new();
        for ((id, step), checked) in self.flow.steps.iter().zip(&self.steps) {
            let Some((_, module)) = checked
                .module
                .as_ref()
                .filter(|_| checked.slot == Some(number))
            else {
                continue;
            };
            for scope in module
                .scopes
                .iter()
                .filter(|scope| !dynamic.scopes.contains(scope))
            {
                lacking.push((
                    scope.clone(),
                    id.as_str().to_owned(),
                    step.uses
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                ));
            }
        }
        for (scope, id, uses) in lacking {
            let span = self.places.at(&["connections", name, "dynamic", "scopes"]);
            self.faults.push(
                Diagnostic::error(
                    "missing_scope",
                    span,
                    format!(
                        "`{name}` leaves out the scope `{scope}`, which `{id}` needs (`{uses}`)"
                    ),
                )
                .with_help("add it, or leave `scopes` out to ask for what the steps need"),
            );
        }
    }
}
