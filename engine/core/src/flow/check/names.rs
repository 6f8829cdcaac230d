//! The names that expressions use: inputs, steps and their outputs, what a run knows, what a loop or a handler lends.

use crate::diagnostic::{Diagnostic, Span, did_you_mean, nearest};
use crate::expr::Reference;
use crate::flow::check::layout::Site;
use crate::flow::check::triggers::TriggerKind;
use crate::flow::check::{Check, part};
use crate::flow::language::RUN_FIELDS;
use crate::flow::plan::{HoldKind, Role};
use crate::yaml::Node;

const ROOTS: [&str; 8] = [
    "inputs",
    "steps",
    "run",
    "vars",
    "item",
    "index",
    "error",
    "callbacks",
];

/// Where an expression stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// The block whose names it sees first.
    pub scope: usize,
    /// The step it is part of.
    pub own: Option<usize>,
    /// Whether it is evaluated before anything runs.
    pub before: bool,
}

impl Spot {
    /// What a step says of itself.
    pub fn of(site: &Site<'_>, number: usize) -> Self {
        Self {
            scope: site.scope,
            own: Some(number),
            before: false,
        }
    }

    /// What a step says of a block inside it.
    pub fn inside(self, scope: usize) -> Self {
        Self { scope, ..self }
    }

    /// What a block gives.
    pub fn outputs(scope: usize) -> Self {
        Self {
            scope,
            own: None,
            before: false,
        }
    }

    /// What is made when a run is created.
    pub fn before() -> Self {
        Self {
            scope: 0,
            own: None,
            before: true,
        }
    }
}

impl<'c> Check<'c> {
    /// Checks what an expression names, and takes down the steps among it.
    pub(super) fn references(&mut self, node: Option<&Node>, found: &[Reference], spot: &Spot) {
        for reference in found {
            let span = part(node, &reference.pointer, reference.range.clone());
            let parts: Vec<&str> = reference.path.iter().map(String::as_str).collect();
            match parts.as_slice() {
                [call] if call.ends_with("()") => {}
                ["inputs"] => drop(self.used_inputs.insert("*".to_owned())),
                ["inputs", name, rest @ ..] => self.input(name, rest, reference, span),
                ["steps" | "callbacks" | "item" | "index" | "error", ..] if spot.before => {
                    self.faults.push(
                        Diagnostic::error(
                            "too_early",
                            span,
                            format!(
                                "no step has run yet where `{}` is looked at",
                                parts.join(".")
                            ),
                        )
                        .with_help("there are `inputs`, `vars` and `run`"),
                    );
                }
                ["steps"] => {
                    let help = self.suggest("", self.layout.seen(spot.scope));
                    self.faults.push(
                        Diagnostic::error(
                            "bad_expression",
                            span,
                            "`steps` alone is nothing; name the step: `steps.<id>`",
                        )
                        .with_help_if(help),
                    );
                }
                ["steps", id, rest @ ..] => self.step_output(id, rest, reference, span, spot),
                ["run", ..] => self.run_field(&parts, reference, span),
                ["vars", ..] => {}
                ["callbacks", rest @ ..] => self.callback(rest.first().copied(), span, spot),
                ["item", rest @ ..] => {
                    let seen = self.lent(spot.scope, &[Role::Item]);
                    if self.must_be_lent("item", seen.is_some(), span)
                        && let Some(schema) = self.item_schema(spot.scope)
                        && !reference.guarded
                    {
                        self.field("an item", "item", &schema, rest, span);
                    }
                }
                ["index", ..] => {
                    let seen = self.lent(spot.scope, &[Role::Item, Role::Round]);
                    self.must_be_lent("index", seen.is_some(), span);
                }
                ["error", rest @ ..] => {
                    let seen = self.lent(spot.scope, &[Role::Handler, Role::FlowHandler]);
                    if self.must_be_lent("error", seen.is_some(), span) && !reference.guarded {
                        let schema = super::types::error_schema();
                        self.field("an error", "error", &schema, rest, span);
                    }
                }
                [root, ..] => self.unknown_root(root, spot.scope, span),
                [] => {}
            }
        }
    }

    /// The nearest block around an expression that lends it a name.
    pub(super) fn lent(&self, scope: usize, roles: &[Role]) -> Option<usize> {
        self.layout
            .around(scope)
            .find(|scope| roles.contains(&self.layout.scopes[*scope].role))
    }

    fn must_be_lent(&mut self, name: &str, lent: bool, span: Span) -> bool {
        if !lent {
            let (what, where_) = match name {
                "item" => (
                    "`item` is there only inside a loop",
                    "the `steps` of a `for_each`",
                ),
                "index" => (
                    "`index` is there only inside a loop",
                    "the `steps` of a `for_each`, `while` or `until`",
                ),
                _ => (
                    "`error` is there only where one is handled",
                    "the `steps` of an `on_error`",
                ),
            };
            self.faults.push(
                Diagnostic::error("unknown_name", span, what)
                    .with_help(format!("it can be named in {where_}")),
            );
        }
        lent
    }

    fn input(&mut self, name: &str, rest: &[&str], reference: &Reference, span: Span) {
        self.used_inputs.insert(name.to_owned());
        let flow = self.flow;
        let Some(input) = flow.inputs.get(name) else {
            if self.places.node(&["inputs", name]).is_none() {
                let names = flow.inputs.keys().map(String::as_str);
                let help = self
                    .suggest(name, names)
                    .or_else(|| Some("declare it under `inputs`".to_owned()));
                self.faults.push(
                    Diagnostic::error("unknown_input", span, format!("there is no input `{name}`"))
                        .with_help_if(help),
                );
            }
            return;
        };
        if !reference.guarded {
            let (what, base) = (format!("the input `{name}`"), format!("inputs.{name}"));
            self.field(&what, &base, &input.schema, rest, span);
        }
    }

    fn step_output(
        &mut self,
        id: &str,
        rest: &[&str],
        reference: &Reference,
        span: Span,
        spot: &Spot,
    ) {
        let Some(number) = self.layout.find(spot.scope, id) else {
            self.unknown_step(id, spot.scope, span);
            return;
        };
        self.used_steps.insert(number);
        if self.look(spot, number, span)
            && !reference.guarded
            && let Some(schema) = self.output_schema(number)
        {
            let site = &self.layout.sites[number];
            let what = match &site.step.uses {
                Some(uses) if site.body.is_none() => format!("`{uses}`"),
                _ => format!("`{id}`"),
            };
            self.field(&what, &format!("steps.{id}"), &schema, rest, span);
        }
    }

    pub(super) fn unknown_step(&mut self, id: &str, scope: usize, span: Span) {
        let layout = self.layout;
        if layout.was_written(scope, id) {
            // It stands there, but could not be read: that was told.
            return;
        }
        let message = format!("there is no step `{id}`");
        let inside = layout.sites.iter().find(|site| site.id == id);
        let owner = inside.and_then(|site| {
            let scope = &layout.scopes[site.scope];
            Some((&layout.sites[scope.owner?], scope.role))
        });
        let help = match owner {
            Some((owner, Role::Item)) => Some(format!(
                "it stands inside `{}`, which gives `steps.{}.items`",
                owner.id, owner.id
            )),
            Some((owner, Role::Case | Role::Round)) => Some(format!(
                "it stands inside `{}`, which gives its outputs: `steps.{}.…`",
                owner.id, owner.id
            )),
            Some((owner, _)) => Some(format!("it stands inside `{}`", owner.id)),
            None => self.suggest(id, layout.seen(scope)),
        };
        self.faults
            .push(Diagnostic::error("unknown_step", span, message).with_help_if(help));
    }

    /// The address at which a waiting step is called back. It is known before the step begins: naming it makes no edge.
    fn callback(&mut self, id: Option<&str>, span: Span, spot: &Spot) {
        let layout = self.layout;
        let waits = |number: usize| {
            let uses = layout.sites[number].step.uses.as_ref()?;
            let (_, module) = self.apps.module(uses)?;
            (module.hold() == Some(HoldKind::Callback)).then_some(())
        };
        let found = id.and_then(|id| layout.find(spot.scope, id));
        if found.is_some_and(|number| waits(number).is_some()) {
            return;
        }
        let waiting: Vec<&str> = layout
            .around(spot.scope)
            .flat_map(|scope| layout.scopes[scope].members.iter().copied())
            .filter(|number| waits(*number).is_some())
            .map(|number| layout.sites[number].id.as_ref())
            .collect();
        let message = match (id, found) {
            (None, _) => "`callbacks` alone is nothing; name the step: `callbacks.<id>`".to_owned(),
            (Some(id), Some(_)) => format!("`{id}` does not wait for a call"),
            (Some(id), None) => format!("there is no step `{id}` that waits for a call"),
        };
        let help = did_you_mean(id.unwrap_or_default(), waiting.iter().copied()).or_else(|| {
            Some("a step with `uses: core.wait_for_callback` waits for one".to_owned())
        });
        self.faults
            .push(Diagnostic::error("unknown_callback", span, message).with_help_if(help));
    }

    fn run_field(&mut self, parts: &[&str], reference: &Reference, span: Span) {
        let kind = TriggerKind::of(&self.flow.trigger);
        if parts.get(1) == Some(&"user") && kind != TriggerKind::OnDemand {
            let name = kind.as_str();
            self.faults.push(
                Diagnostic::error(
                    "no_person",
                    span,
                    format!("nobody runs a flow that `{name}` starts, so there is no `run.user`"),
                )
                .with_also(
                    self.places.key(&["trigger", name]),
                    format!("`{name}` is here"),
                )
                .with_help("take it from `inputs` or `vars`, or make the flow on-demand"),
            );
            return;
        }
        let path = parts.join(".");
        let known = RUN_FIELDS.iter().any(|field| {
            *field == path
                || field.starts_with(&format!("{path}."))
                || path.starts_with("run.user.roles")
        });
        if !known && !reference.guarded {
            let help = nearest(&path, RUN_FIELDS.iter().copied()).map_or_else(
                || format!("there are {}", ticked(RUN_FIELDS)),
                |near| format!("did you mean `{near}`?"),
            );
            self.faults.push(
                Diagnostic::error("unknown_name", span, format!("a run has no `{path}`"))
                    .with_help(help),
            );
        }
    }

    fn unknown_root(&mut self, root: &str, scope: usize, span: Span) {
        let help = if self.layout.was_written(scope, root) {
            format!("a step's output is `steps.{root}`")
        } else if self.flow.inputs.contains_key(root) {
            format!("an input is `inputs.{root}`")
        } else {
            did_you_mean(root, ROOTS).unwrap_or_default()
        };
        self.faults.push(
            Diagnostic::error("unknown_name", span, format!("there is no `{root}`"))
                .with_help(help),
        );
    }
}

/// Names in backquotes, joined.
pub(super) fn ticked(names: &[&str]) -> String {
    let ticked: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    ticked.join(", ")
}
