//! Schemas: the flow's own inputs, and what each step gives its module. Literals are checked; an expression is assumed to fit unless its
//! type is known.

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::expr::{Reference, TextKind, text_kind};
use crate::flow::check::layout::Site;
use crate::flow::check::{Check, Kind, Schemas, part};
use crate::schema::{self, Misfit, MisfitKind, Schema};

impl Check<'_> {
    /// Each input is a JSON Schema, and its default fits it.
    pub(super) fn check_inputs(&mut self) {
        for (name, input) in &self.flow.inputs {
            let span = self.places.key(&["inputs", name]);
            if let Some(Value::String(written)) = input.schema.get("type")
                && !TYPES.contains(&written.as_str())
            {
                self.faults.push(
                    Diagnostic::error(
                        "bad_schema",
                        self.places.at(&["inputs", name, "type"]),
                        format!("there is no type `{written}`"),
                    )
                    .with_help_if(did_you_mean(written, TYPES)),
                );
                continue;
            }
            let compiled = match Schema::compile(&input.schema) {
                Ok(compiled) => compiled,
                Err(why) => {
                    self.faults.push(
                        Diagnostic::error(
                            "bad_schema",
                            span,
                            format!("the input `{name}` is not a JSON Schema: {why}"),
                        )
                        .with_help("for instance `{type: string, title: Customer}`"),
                    );
                    continue;
                }
            };
            if let Some(default) = input.schema.get("default") {
                for misfit in compiled.misfits(default) {
                    let node = self.places.node(&["inputs", name, "default"]);
                    let span = node.map_or(span, |node| node.at(&misfit.pointer).span);
                    self.faults.error(
                        "bad_default",
                        span,
                        format!(
                            "the default of `{name}` does not fit its schema: {}",
                            misfit.message
                        ),
                    );
                }
            }
        }
    }

    /// What each step gives its module.
    pub(super) fn check_module_inputs(&mut self) {
        let mut schemas = Schemas::default();
        let layout = self.layout;
        for (number, site) in layout.sites.iter().enumerate() {
            let Some(Kind::Module { module, with, .. }) = &self.steps[number].kind else {
                continue;
            };
            let Some(uses) = &site.step.uses else {
                continue;
            };
            let (module, references) = (module.clone(), with.references_with_places());
            let empty = Value::Object(serde_json::Map::new());
            let given = match &site.step.with {
                Value::Null => &empty,
                given => given,
            };
            let Some(compiled) = schemas.of(&module) else {
                continue;
            };
            for misfit in compiled.misfits(given) {
                if !of_expression(given, &misfit) {
                    let fault = misfits(site, uses.as_str(), &module.input_schema, &misfit);
                    self.faults.extend(fault);
                }
            }
            self.check_known_types(site, uses.as_str(), &module.input_schema, &references);
        }
    }

    /// A value that is one reference has the type its schema says.
    fn check_known_types(
        &mut self,
        site: &Site<'_>,
        uses: &str,
        schema: &Value,
        references: &[Reference],
    ) {
        for reference in references {
            let path: Vec<&str> = reference.pointer.split('/').skip(1).collect();
            let wanted = schema::part(schema, &path).and_then(schema::types);
            let (Some(wanted), Some(given)) = (wanted, self.known_types(reference, site.scope))
            else {
                continue;
            };
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            if !schema::may_fit(&given, &wanted) {
                let span = part(
                    site.part_of("with"),
                    &reference.pointer,
                    reference.range.clone(),
                );
                let (name, field) = (reference.path.join("."), path.join("."));
                self.faults.push(
                    Diagnostic::error(
                        "bad_field",
                        span,
                        format!(
                            "`{field}` of `{uses}` must be {}, but `{name}` is {}",
                            schema::type_words(&wanted),
                            schema::type_words(&given)
                        ),
                    )
                    .with_help_if(
                        conversion(&given, &wanted)
                            .map(|filter| format!("convert it: `{name} | {filter}`")),
                    ),
                );
            }
        }
    }
}

/// What to say of an input that does not fit.
fn misfits(site: &Site<'_>, uses: &str, schema: &Value, misfit: &Misfit) -> Vec<Diagnostic> {
    let with = site.part_of("with");
    let here = with.map(|with| with.at(&misfit.pointer));
    let dotted = misfit.pointer.trim_start_matches('/').replace('/', ".");
    match &misfit.kind {
        MisfitKind::Unknown(names) => {
            let path: Vec<&str> = misfit.pointer.split('/').skip(1).collect();
            let properties = schema::part(schema, &path)
                .and_then(|schema| schema.get("properties"))
                .and_then(Value::as_object);
            let known: Vec<&str> = properties
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            let fault = |name: &String| {
                let span = here
                    .and_then(|node| node.entry(name))
                    .map_or_else(Span::default, |entry| entry.key_span);
                let help = did_you_mean(name, known.iter().copied())
                    .or_else(|| known.is_empty().then(|| "it takes nothing".to_owned()));
                Diagnostic::error("unknown_field", span, format!("`{uses}` takes no `{name}`"))
                    .with_help_if(help)
            };
            names.iter().map(fault).collect()
        }
        MisfitKind::Missing(name) => {
            let span = if dotted.is_empty() {
                site.at("uses")
            } else {
                here.map_or_else(Span::default, |node| node.span)
            };
            let inside = if dotted.is_empty() {
                "`with`".to_owned()
            } else {
                format!("`{dotted}`")
            };
            vec![
                Diagnostic::error(
                    "missing_field",
                    span,
                    format!("`{uses}` needs `{name}` in {inside}"),
                )
                .with_help_if(describe(schema, &dotted, name)),
            ]
        }
        _ => {
            let span = here.map_or_else(Span::default, |node| node.span);
            let what = if dotted.is_empty() {
                "`with`".to_owned()
            } else {
                format!("`{dotted}`")
            };
            vec![Diagnostic::error(
                "bad_field",
                span,
                format!("{what} of `{uses}` {}", misfit.message),
            )]
        }
    }
}

/// The types of JSON Schema.
const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "array", "object", "null",
];

/// The title of a missing field, if its schema has one.
fn describe(schema: &Value, dotted: &str, name: &str) -> Option<String> {
    let mut path: Vec<&str> = dotted.split('.').filter(|part| !part.is_empty()).collect();
    path.push(name);
    let field = schema::part(schema, &path)?;
    let title = field
        .get("title")
        .or_else(|| field.get("description"))
        .and_then(Value::as_str);
    let types = schema::types(field).map(|types| schema::type_words(&types));
    match (title, types) {
        (Some(title), Some(types)) => Some(format!("{title}: {types}")),
        (Some(title), None) => Some(title.to_owned()),
        (None, types) => types,
    }
}

fn conversion(given: &[&str], wanted: &[&str]) -> Option<&'static str> {
    match (given, wanted) {
        (["string"], ["integer"]) => Some("int"),
        (["string"], ["number"]) => Some("float"),
        (_, ["string"]) if !given.contains(&"object") && !given.contains(&"array") => {
            Some("string")
        }
        _ => None,
    }
}

/// Whether a misfit is about a value that only a run will know.
fn of_expression(given: &Value, misfit: &Misfit) -> bool {
    let Some(part) = given.pointer(&misfit.pointer) else {
        return false;
    };
    match (&misfit.kind, part) {
        (
            MisfitKind::Unknown(_) | MisfitKind::Missing(_) | MisfitKind::Size,
            Value::Object(_) | Value::Array(_),
        ) => false,
        (MisfitKind::Type, Value::String(text)) => text_kind(text) == TextKind::Whole,
        (MisfitKind::Type, _) => false,
        (_, part) => holds_expression(part),
    }
}

fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text_kind(text) != TextKind::Literal,
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(fields) => fields.values().any(holds_expression),
        _ => false,
    }
}
