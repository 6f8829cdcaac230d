//! What steps that only wait are given, as far as it is written out: how long, who, which flow.

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Span};
use crate::expr::{TextKind, text_kind};
use crate::flow::check::Check;
use crate::flow::check::layout::Site;
use crate::flow::plan::{HoldKind, Role};
use crate::ids::{FlowName, SlotName};
use crate::run;
use crate::schema::Schema;

impl Check<'_> {
    /// Gives the slots that it hands down.
    pub(super) fn check_hold(&mut self, site: &Site<'_>, hold: HoldKind) -> Vec<(SlotName, usize)> {
        if self.layout.scopes[site.scope].role == Role::Undo {
            self.faults.push(
                Diagnostic::error(
                    "waiting_undo",
                    site.at("uses"),
                    "an undo is one call and cannot wait",
                )
                .with_help("use a module that takes the step back at once"),
            );
        }
        let with = &site.step.with;
        let literal = |key: &str| with.get(key).filter(|value| is_literal(value));
        match hold {
            HoldKind::Wait => {
                let fault = match (with.get("for"), with.get("until")) {
                    (None, None) => Some("`core.wait` needs `for` or `until`"),
                    (Some(_), Some(_)) => Some("`core.wait` takes either `for` or `until`"),
                    _ => None,
                };
                if let Some(message) = fault {
                    let span = match site.part_of("with") {
                        Some(node) => node.span,
                        None => site.at("uses"),
                    };
                    self.faults
                        .push(Diagnostic::error("bad_field", span, message).with_help(
                            "`with: {for: 1h30m}`, or `with: {until: \"2026-11-20T13:00:00Z\"}`",
                        ));
                }
                self.check_duration(site, "for", literal("for"));
                let until = literal("until").and_then(Value::as_str);
                if until.is_some_and(|until| crate::time::Time::parse(until).is_none()) {
                    self.faults.push(
                        Diagnostic::error(
                            "bad_field",
                            self.field_at(site, "until"),
                            "this is not a time",
                        )
                        .with_help("write it as `2026-11-20T13:00:00Z`"),
                    );
                }
            }
            HoldKind::Callback => {
                self.check_duration(site, "expires", literal("expires"));
                if let Some(payload) = literal("payload")
                    && let Err(why) = Schema::compile(payload)
                {
                    let span = self.field_at(site, "payload");
                    let message = format!("`payload` is not a JSON Schema: {why}");
                    self.faults.push(
                        Diagnostic::error("bad_schema", span, message).with_help(
                            "for instance `{type: object, required: [id], properties: {id: {type: string}}}`",
                        ),
                    );
                }
            }
            HoldKind::Approve => {
                self.check_duration(site, "expires", literal("expires"));
                if let Some(form) = literal("form")
                    && let Err(why) = run::approval::Form::read(form)
                {
                    let span = self.field_at(site, "form");
                    self.faults
                        .push(Diagnostic::error("bad_schema", span, why).with_help(
                            "for instance `form: {discount: {type: number, title: Discount}}`",
                        ));
                }
                let nobody = match with.get("who") {
                    Some(Value::Array(who)) => who.is_empty(),
                    Some(Value::String(who)) => who.trim().is_empty(),
                    Some(Value::Null) => true,
                    _ => false,
                };
                if nobody {
                    let span = self.field_at(site, "who");
                    self.faults.push(
                        Diagnostic::error("bad_field", span, "`who` is empty: nobody could decide")
                            .with_help("a login, `role:NAME`, a list of these, or an expression such as `\"{{ run.user.manager }}\"`"),
                    );
                }
            }
            HoldKind::RunFlow => return self.check_run_flow(site),
        }
        Vec::new()
    }

    fn check_run_flow(&mut self, site: &Site<'_>) -> Vec<(SlotName, usize)> {
        let with = &site.step.with;
        if let Some(Value::String(flow)) = with.get("flow") {
            let span = self.field_at(site, "flow");
            if text_kind(flow) != TextKind::Literal {
                self.faults.push(
                    Diagnostic::error(
                        "flow_not_literal",
                        span,
                        "`flow` is the name of a flow, written out: who may run what is known when this flow is published",
                    )
                    .with_help("choose between flows with a `switch`"),
                );
            } else if let Err(error) = flow.parse::<FlowName>() {
                self.faults.error("bad_name", span, error.to_string());
            }
        }
        let mut handed = Vec::new();
        let Some(Value::Object(connections)) = with.get("connections") else {
            return handed;
        };
        for (theirs, ours) in connections {
            let pointer = format!(
                "/connections/{}",
                theirs.replace('~', "~0").replace('/', "~1")
            );
            let node = site.part_of("with").map(|node| node.at(&pointer));
            let span = node.map_or_else(Span::default, |node| node.span);
            let Some(ours) = ours.as_str() else { continue };
            if text_kind(ours) != TextKind::Literal {
                self.faults.push(
                    Diagnostic::error(
                        "flow_not_literal",
                        span,
                        "a connection that is handed down is named, not computed",
                    )
                    .with_help("write the name of one of this flow's `connections`"),
                );
                continue;
            }
            let Some(slot) = self.flow.connections.get_index_of(ours) else {
                if !self.slot_names.contains(&ours) {
                    let names = Arc::clone(&self.slot_names);
                    let help = self.suggest(ours, names.iter().copied());
                    self.faults.push(
                        Diagnostic::error(
                            "unknown_connection",
                            span,
                            format!("there is no connection `{ours}`"),
                        )
                        .with_help_if(help),
                    );
                }
                continue;
            };
            match theirs.parse::<SlotName>() {
                Ok(theirs) => handed.push((theirs, slot)),
                Err(error) => self.faults.error("bad_name", span, error.to_string()),
            }
        }
        handed
    }

    fn check_duration(&mut self, site: &Site<'_>, key: &str, value: Option<&Value>) {
        let bad = value.is_some_and(|value| run::hold::duration(value).is_none());
        if bad {
            let span = self.field_at(site, key);
            self.faults.push(
                Diagnostic::error("bad_duration", span, format!("`{key}` is not a duration"))
                    .with_help(
                        "such as `90s`, `1h30m`, `7d` or a number of seconds, at most ten years",
                    ),
            );
        }
    }

    fn field_at(&self, site: &Site<'_>, key: &str) -> Span {
        let node = site.part_of("with").and_then(|with| with.get(key));
        node.map_or(site.key, |node| node.span)
    }
}

/// Whether a value holds no expression.
fn is_literal(value: &Value) -> bool {
    match value {
        Value::String(text) => text_kind(text) == TextKind::Literal,
        Value::Array(items) => items.iter().all(is_literal),
        Value::Object(fields) => fields.values().all(is_literal),
        _ => true,
    }
}
