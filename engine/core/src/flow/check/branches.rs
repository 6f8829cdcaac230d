//! Branches that are never taken, or always: conditions and choices that no run can change. Warnings.

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Span};
use crate::expr::{Condition, Scope, Template};
use crate::flow::check::layout::Site;
use crate::flow::check::{Check, Kind};

impl Check<'_> {
    pub(super) fn check_branches(&mut self) {
        let layout = self.layout;
        for (number, site) in layout.sites.iter().enumerate() {
            let step = &self.steps[number];
            let mut found = Vec::new();
            if let Some(always) = step.condition.as_ref().and_then(constant) {
                found.push(constant_if(site, always));
            }
            match &step.kind {
                Some(Kind::Repeat { test, until }) => {
                    found.extend(
                        constant(test).and_then(|holds| constant_test(site, holds, *until)),
                    );
                }
                Some(Kind::Switch { subject }) => {
                    let subject = subject.clone();
                    self.check_switch(site, &subject);
                }
                Some(Kind::Each { items, .. }) if is_empty_list(items) => {
                    found.push(Diagnostic::warning(
                        "unreachable",
                        site.at("for_each"),
                        format!(
                            "the list is empty, so what is inside `{}` never runs",
                            site.id
                        ),
                    ));
                }
                _ => {}
            }
            self.faults.extend(found);
        }
        self.warn_of_what_follows_a_failure();
    }

    /// Steps that need one that always fails.
    fn warn_of_what_follows_a_failure(&mut self) {
        let layout = self.layout;
        let fails = |number: &usize| {
            let site = &layout.sites[*number];
            let uses = site
                .step
                .uses
                .as_ref()
                .is_some_and(|uses| uses.as_str() == "core.fail");
            uses && site.step.condition.is_none() && site.step.on_error.is_none()
        };
        for (number, site) in layout.sites.iter().enumerate() {
            let step = &self.steps[number];
            let failing = step.needs.iter().find(|need| fails(need));
            if let Some(failing) = failing.filter(|_| !step.asks_of_failure) {
                let (id, failing) = (&site.id, &layout.sites[*failing]);
                self.faults.push(
                    Diagnostic::warning(
                        "unreachable",
                        site.key,
                        format!(
                            "`{id}` never runs: it needs `{}`, which always fails",
                            failing.id
                        ),
                    )
                    .with_also(failing.key, format!("`{}` is here", failing.id))
                    .with_help("give the failing step an `if`, or this one `if: failure()`"),
                );
            }
        }
    }

    /// A choice whose values are known: by being written out, or because what gives them says which there are.
    fn check_switch(&mut self, site: &Site<'_>, subject: &Template) {
        if site.cases.is_empty() && site.default.is_none() {
            return;
        }
        let Some(values) = self.values_of(site, subject) else {
            return;
        };
        let known: Vec<&str> = values.iter().map(String::as_str).collect();
        let only = match known.as_slice() {
            [one] => format!("it is always `{one}`"),
            some => format!("it is one of {}", super::names::ticked(some)),
        };
        let cases = site.part_of("cases");
        for (name, _) in &site.cases {
            if known.contains(name) {
                continue;
            }
            let key = cases.and_then(|cases| cases.entry(name));
            let span = key.map_or(site.key, |entry| entry.key_span);
            let written = site.cases.iter().map(|(name, _)| *name);
            let left: Vec<&str> = known
                .iter()
                .copied()
                .filter(|value| !written.clone().any(|name| name == *value))
                .collect();
            let help = self.suggest(name, left).unwrap_or_else(|| only.clone());
            self.faults.push(
                Diagnostic::warning(
                    "unreachable",
                    span,
                    format!("the case `{name}` of `{}` is never chosen", site.id),
                )
                .with_help(if help.starts_with("did") {
                    help
                } else {
                    only.clone()
                }),
            );
        }
        let missing: Vec<&str> = known
            .iter()
            .copied()
            .filter(|value| !site.cases.iter().any(|(name, _)| name == value))
            .collect();
        if missing.is_empty() && site.default.is_some() {
            self.faults.push(
                Diagnostic::warning(
                    "unreachable",
                    site.key_of("default"),
                    format!(
                        "the `default` of `{}` is never chosen: every value has a case",
                        site.id
                    ),
                )
                .with_help(only),
            );
        } else if site.default.is_none() && !missing.is_empty() {
            self.faults.push(
                Diagnostic::warning(
                    "missing_case",
                    site.key_of("switch"),
                    format!(
                        "`{}` fails for {}: no case fits",
                        site.id,
                        super::names::ticked(&missing)
                    ),
                )
                .with_help("add a case for each, or `default: {steps: {}}` to do nothing then"),
            );
        }
    }

    /// All the values that a choice can see, as the texts that cases are compared with.
    fn values_of(&mut self, site: &Site<'_>, subject: &Template) -> Option<Vec<String>> {
        let found = subject.references_with_places();
        if found.is_empty() {
            // A bare word reads like a text, but is one only in quotes: that was told as a name.
            let value = subject.evaluate(&Scope::default()).ok()?;
            return Some(vec![as_case(&value)?]);
        }
        let whole = found.iter().find(|one| one.whole && !one.guarded)?;
        let schema = self.schema_of(whole, site.scope)?;
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            return options.iter().map(as_case).collect();
        }
        match crate::schema::types(&schema)?.as_slice() {
            ["boolean"] => Some(vec!["true".to_owned(), "false".to_owned()]),
            types
                if types
                    .iter()
                    .all(|one| matches!(*one, "array" | "object" | "null")) =>
            {
                let span = whole_span(site);
                let words = crate::schema::type_words(types);
                let name = whole.path.join(".");
                self.faults.push(
                    Diagnostic::error(
                        "switch_type",
                        span,
                        format!(
                            "a `switch` compares texts, numbers and booleans; `{name}` is {words}"
                        ),
                    )
                    .with_help("name a field inside it, or its length: `… | length`"),
                );
                None
            }
            _ => None,
        }
    }
}

fn whole_span(site: &Site<'_>) -> Span {
    site.at("switch")
}

/// The text that a value is compared with cases as.
fn as_case(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a condition is in every run.
fn constant(condition: &Condition) -> Option<bool> {
    let references = condition.references();
    let free = references.paths.is_empty() && !references.asks_of_failure;
    free.then(|| condition.evaluate(&Scope::default()).ok())?
}

fn is_empty_list(items: &Template) -> bool {
    let free = items.references_with_places().is_empty();
    let value = free
        .then(|| items.evaluate(&Scope::default()).ok())
        .flatten();
    value.is_some_and(|value| value.as_array().is_some_and(Vec::is_empty))
}

fn constant_if(site: &Site<'_>, always: bool) -> Diagnostic {
    let id = &site.id;
    if always {
        Diagnostic::warning(
            "constant_condition",
            site.at("if"),
            format!("the `if` of `{id}` is always true"),
        )
        .with_help("remove it")
    } else {
        Diagnostic::warning(
            "unreachable",
            site.at("if"),
            format!("the `if` of `{id}` is always false: it never runs"),
        )
        .with_help("remove the step, or the `if`")
    }
}

fn constant_test(site: &Site<'_>, holds: bool, until: bool) -> Option<Diagnostic> {
    let id = &site.id;
    let (key, message) = match (until, holds) {
        (true, true) => (
            "until",
            format!("`until` is always true: `{id}` is not repeated"),
        ),
        (true, false) => (
            "until",
            format!("`until` is never true: `{id}` always fails after `max_rounds`"),
        ),
        (false, true) => (
            "while",
            format!("`while` is always true: `{id}` always fails after `max_rounds`"),
        ),
        (false, false) => (
            "while",
            format!("`while` is never true: what is inside `{id}` never runs"),
        ),
    };
    Some(Diagnostic::warning(
        "constant_condition",
        site.at(key),
        message,
    ))
}
