//! The names that expressions use: inputs, steps and their outputs, what a run knows.

use crate::diagnostic::{Diagnostic, Span, did_you_mean, nearest};
use crate::expr::Reference;
use crate::flow::Step;
use crate::flow::check::Check;
use crate::flow::language::{LATER_ROOTS, RUN_FIELDS};
use crate::schema;

const ROOTS: [&str; 3] = ["inputs", "steps", "run"];

impl Check<'_> {
    /// Checks what a template or condition names and gives the steps among it. `own` is the step it belongs to.
    pub(super) fn references(
        &mut self,
        path: &[&str],
        found: &[Reference],
        own: Option<&str>,
    ) -> Vec<usize> {
        let mut needs = Vec::new();
        for reference in found {
            let span = self.part(path, &reference.pointer, reference.range.clone());
            let parts: Vec<&str> = reference.path.iter().map(String::as_str).collect();
            match parts.as_slice() {
                [call] if call.ends_with("()") => {}
                ["inputs"] => self.used_inputs.push("*".to_owned()),
                ["inputs", name, rest @ ..] => self.input(name, rest, reference, span),
                ["steps"] => self.faults.push(
                    Diagnostic::error(
                        "bad_expression",
                        span,
                        "`steps` alone is nothing; name the step: `steps.<id>`",
                    )
                    .with_help_if(did_you_mean("", self.step_names.iter().copied())),
                ),
                ["steps", id, rest @ ..] => {
                    needs.extend(self.step_output(id, rest, reference, span, own));
                }
                ["run", ..] => self.run_field(&parts, reference, span),
                [root, ..] => self.unknown_root(root, span),
                [] => {}
            }
        }
        needs
    }

    fn input(&mut self, name: &str, rest: &[&str], reference: &Reference, span: Span) {
        self.used_inputs.push(name.to_owned());
        let Some(input) = self.flow.inputs.get(name) else {
            if !self.written_inputs().any(|written| written == name) {
                let names: Vec<&str> = self.flow.inputs.keys().map(String::as_str).collect();
                let help = did_you_mean(name, names.iter().copied())
                    .or_else(|| Some("declare it under `inputs`".to_owned()));
                self.faults.push(
                    Diagnostic::error("unknown_input", span, format!("there is no input `{name}`"))
                        .with_help_if(help),
                );
            }
            return;
        };
        let what = format!("the input `{name}`");
        if !reference.guarded {
            self.field(
                &what,
                &format!("inputs.{name}"),
                &input.schema.clone(),
                rest,
                span,
            );
        }
    }

    fn written_inputs(&self) -> impl Iterator<Item = &str> {
        let node = self.places.node(&["inputs"]);
        node.and_then(|node| node.as_map())
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.key.as_str())
    }

    fn step_output(
        &mut self,
        id: &str,
        rest: &[&str],
        reference: &Reference,
        span: Span,
        own: Option<&str>,
    ) -> Option<usize> {
        if own == Some(id) {
            self.faults.error(
                "own_output",
                span,
                format!("`{id}` cannot use its own output"),
            );
            return None;
        }
        let Some(number) = self.flow.steps.get_index_of(id) else {
            self.unknown_step(id, span);
            return None;
        };
        let uses = self.flow.steps.get_index(number)?.1.uses.as_ref()?;
        if let Some((_, module)) = self.apps.module(uses)
            && let Some(schema) = &module.output_schema
            && !reference.guarded
        {
            self.field(
                &format!("`{uses}`"),
                &format!("steps.{id}"),
                &schema.clone(),
                rest,
                span,
            );
        }
        Some(number)
    }

    pub(super) fn unknown_step(&mut self, id: &str, span: Span) {
        if self.step_names.contains(&id) {
            return;
        }
        let help = did_you_mean(id, self.step_names.iter().copied());
        self.faults.push(
            Diagnostic::error("unknown_step", span, format!("there is no step `{id}`"))
                .with_help_if(help),
        );
    }

    /// Follows a path through a schema as far as it tells what there is.
    fn field(
        &mut self,
        what: &str,
        base: &str,
        schema: &serde_json::Value,
        rest: &[&str],
        span: Span,
    ) {
        let mut at = base.to_owned();
        let mut schema = schema;
        for name in rest {
            match schema::types(schema).as_deref() {
                Some(["array"]) => {
                    self.faults.push(
                        Diagnostic::error("unknown_output", span, format!("`{at}` is a list and has no `{name}`"))
                            .with_help(format!("take one item: `{at}[0].{name}`; or of each: `{at} | map(attribute='{name}')`")),
                    );
                    return;
                }
                Some(types) if !types.contains(&"object") => {
                    let types = schema::type_words(types);
                    self.faults.error(
                        "unknown_output",
                        span,
                        format!("`{at}` is {types} and has no `{name}`"),
                    );
                    return;
                }
                _ => {}
            }
            let Some(properties) = schema
                .get("properties")
                .and_then(|properties| properties.as_object())
            else {
                return;
            };
            if let Some(inner) = properties.get(*name) {
                schema = inner;
                at = format!("{at}.{name}");
                continue;
            }
            let open = schema
                .get("additionalProperties")
                .is_some_and(|more| more != &serde_json::Value::Bool(false));
            if !open {
                let names: Vec<&str> = properties.keys().map(String::as_str).collect();
                let message = if at == base {
                    format!("{what} gives no `{name}`")
                } else {
                    format!("`{at}` has no `{name}`")
                };
                self.faults.push(
                    Diagnostic::error("unknown_output", span, message)
                        .with_help_if(did_you_mean(name, names.iter().copied())),
                );
            }
            return;
        }
    }

    fn run_field(&mut self, parts: &[&str], reference: &Reference, span: Span) {
        let path = parts.join(".");
        let known = RUN_FIELDS.iter().any(|field| {
            *field == path
                || field.starts_with(&format!("{path}."))
                || path.starts_with("run.user.roles")
        });
        if !known && !reference.guarded {
            let help = nearest(&path, RUN_FIELDS.iter().copied()).map_or_else(
                || format!("there are {}", RUN_FIELDS.map_ticks()),
                |near| format!("did you mean `{near}`?"),
            );
            self.faults.push(
                Diagnostic::error("unknown_name", span, format!("a run has no `{path}`"))
                    .with_help(help),
            );
        }
    }

    fn unknown_root(&mut self, root: &str, span: Span) {
        if let Some((_, part)) = LATER_ROOTS.iter().find(|(name, _)| *name == root) {
            self.faults.push(Diagnostic::error(
                "not_yet",
                span,
                format!("`{root}` is part of the language with {part}, which this version cannot run yet"),
            ));
            return;
        }
        let help = if self.step_names.contains(&root) {
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

    /// The steps that `needs` names.
    pub(super) fn named_needs(&mut self, id: &str, step: &Step) -> Vec<usize> {
        let mut needs = Vec::new();
        for (n, need) in step.needs.iter().flatten().enumerate() {
            let node = self.places.node(&["steps", id, "needs"]);
            let span = node.map_or_else(Span::default, |node| node.at(&format!("/{n}")).span);
            if need.as_str() == id {
                self.faults
                    .error("cycle", span, format!("`{id}` cannot need itself"));
            } else if let Some(number) = self.flow.steps.get_index_of(need.as_str()) {
                needs.push(number);
            } else {
                self.unknown_step(need.as_str(), span);
            }
        }
        needs
    }

    /// The types that a whole text of one reference has, if schemas tell.
    pub(super) fn known_types(&self, reference: &Reference) -> Option<Vec<String>> {
        if !reference.whole || reference.guarded {
            return None;
        }
        let parts: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        let schema = match parts.as_slice() {
            ["inputs", name, rest @ ..] => {
                schema::part(&self.flow.inputs.get(*name)?.schema, rest)?
            }
            ["steps", id, rest @ ..] => {
                let (_, module) = self.apps.module(self.flow.steps.get(*id)?.uses.as_ref()?)?;
                schema::part(module.output_schema.as_ref()?, rest)?
            }
            _ => return None,
        };
        schema::types(schema).map(|types| types.into_iter().map(str::to_owned).collect())
    }

    /// A condition that is only a name must name a boolean.
    pub(super) fn check_condition_type(&mut self, path: &[&str], found: &[Reference]) {
        for reference in found {
            let Some(types) = self.known_types(reference) else {
                continue;
            };
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            if !types.contains(&"boolean") {
                let span = self.part(path, "", reference.range.clone());
                let name = reference.path.join(".");
                let words = schema::type_words(&types);
                self.faults.push(
                    Diagnostic::error(
                        "condition_type",
                        span,
                        format!("a condition must be true or false; `{name}` is {words}"),
                    )
                    .with_help(format!(
                        "compare it: `{name} == …`, `{name} > 0`, `{name} is not none`"
                    )),
                );
            }
        }
    }
}

/// Names in backquotes, joined.
trait Ticks {
    fn map_ticks(&self) -> String;
}

impl Ticks for [&str] {
    fn map_ticks(&self) -> String {
        self.iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}
