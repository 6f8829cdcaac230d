//! What a language's tables of keys mean: checking a tree against them, and the JSON Schema that editors complete from. One table drives
//! both, so they cannot drift.

use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostic, Faults, did_you_mean, nearest};
use crate::yaml::{Data, Entry, Node};

/// A map with known keys.
#[derive(Debug)]
pub(crate) struct Shape {
    /// With its article: `a step`.
    pub what: &'static str,
    /// Its name among the definitions of the schema, if it stands in several places.
    pub def: Option<&'static str>,
    /// Keys of which at least one must be there.
    pub any_of: &'static [&'static str],
    pub keys: &'static [Key],
}

/// One key of a map.
#[derive(Debug)]
pub(crate) struct Key {
    pub name: &'static str,
    /// A sentence for editors.
    pub doc: &'static str,
    pub form: Form,
    pub required: bool,
}

/// What may stand behind a key.
#[derive(Debug)]
pub(crate) enum Form {
    Text,
    /// A name with a form of its own: how it is called and what it must match.
    Name(&'static NameForm),
    Integer(u64, u64),
    Duration,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One text, or a list of them.
    Names(&'static NameForm),
    Words(&'static [&'static str]),
    Texts,
    /// One expression; a boolean literal counts.
    Condition,
    /// One expression of any type; a number or boolean counts.
    Expression,
    Boolean,
    /// Any JSON; its texts may be expressions.
    Any,
    /// A map of any JSON.
    AnyMap,
    /// A JSON Schema with `required: true|false` beside it.
    Input,
    /// A map with known keys; nothing written means all defaults.
    Shape(&'static Shape),
    /// One of these words, or a map with known keys.
    WordOr(&'static [&'static str], &'static Shape),
    /// A number, or a map with known keys.
    IntegerOr(u64, u64, &'static Shape),
    /// A map whose keys are names.
    Map(&'static NameForm, &'static Form),
}

/// A kind of name.
#[derive(Debug)]
pub(crate) struct NameForm {
    pub pattern: &'static str,
    pub check: fn(&str) -> Result<(), String>,
    /// Joins the words of a name.
    pub joint: char,
}

pub(crate) const fn key(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        form,
        required: false,
    }
}

pub(crate) const fn must(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        form,
        required: true,
    }
}

/// Checks a map; `missing` is where a missing key is told.
pub(crate) fn check(shape: &Shape, node: &Node, faults: &mut Faults) {
    let entries: &[Entry] = match &node.data {
        Data::Map(entries) => entries,
        Data::Null if !shape.keys.iter().any(|key| key.required) => return,
        _ => {
            wrong(node, &format!("{}, which is a map", shape.what), faults);
            return;
        }
    };
    // A key that was written with a slip is not missing too.
    let mut meant = Vec::new();
    for entry in entries {
        match shape.keys.iter().find(|key| key.name == entry.key) {
            Some(key) => check_form(&key.form, &entry.value, faults),
            None => {
                let known: Vec<&str> = shape.keys.iter().map(|key| key.name).collect();
                meant.extend(nearest(&entry.key, known.iter().copied()));
                faults.push(
                    Diagnostic::error(
                        "unknown_key",
                        entry.key_span,
                        format!("`{}` is not a key of {}", entry.key, shape.what),
                    )
                    .with_help_if(did_you_mean(&entry.key, known)),
                );
            }
        }
    }
    let there = |name: &&str| meant.contains(name) || entries.iter().any(|e| e.key == **name);
    if !shape.any_of.is_empty() && !shape.any_of.iter().any(there) {
        let first = shape.any_of[0];
        let others: Vec<String> = shape.any_of[1..]
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        faults.push(
            Diagnostic::error(
                "missing_key",
                node.span,
                format!("{} needs `{first}`, or {}", shape.what, others.join(", ")),
            )
            .with_help_if(
                shape
                    .keys
                    .iter()
                    .find(|key| key.name == first)
                    .map(|key| lowercase(key.doc)),
            ),
        );
    }
    let wanted = |key: &&Key| key.required && !meant.contains(&key.name);
    for key in shape.keys.iter().filter(wanted) {
        match entries.iter().find(|entry| entry.key == key.name) {
            Some(entry) if entry.value.data == Data::Null => {
                faults.error(
                    "missing_key",
                    entry.key_span,
                    format!("`{}` is empty", key.name),
                );
            }
            Some(_) => {}
            None => faults.push(
                Diagnostic::error(
                    "missing_key",
                    node.span,
                    format!("{} needs `{}`", shape.what, key.name),
                )
                .with_help(lowercase(key.doc)),
            ),
        }
    }
}

fn lowercase(doc: &str) -> String {
    let mut chars = doc.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

fn wrong(node: &Node, expected: &str, faults: &mut Faults) {
    faults.error(
        "wrong_type",
        node.span,
        format!("expected {expected}, found {}", node.kind()),
    );
}

fn check_form(form: &Form, node: &Node, faults: &mut Faults) {
    if node.data == Data::Null && !matches!(form, Form::Shape(_) | Form::Any) {
        // An empty value means that the key is not there; a required one is told by its map.
        return;
    }
    match form {
        Form::Text => drop(node.text(faults).map(str::to_owned)),
        Form::Integer(low, high) => drop(node.integer(*low, *high, faults)),
        Form::Duration => drop(node.duration(faults)),
        Form::Name(form) => {
            if let Some(text) = node.text(faults) {
                name(form, text, node.span, faults);
            }
        }
        Form::Word(words) => word(words, node, faults),
        Form::Words(words) => each(node, faults, |item, faults| word(words, item, faults)),
        Form::Texts => each(node, faults, |item, faults| {
            drop(item.text(faults).map(str::to_owned));
        }),
        Form::Names(form) => {
            let check = |item: &Node, faults: &mut Faults| {
                if let Some(text) = item.text(faults) {
                    name(form, text, item.span, faults);
                }
            };
            if node.as_text().is_some() {
                check(node, faults);
            } else {
                each(node, faults, check);
            }
        }
        Form::Condition => {
            if !matches!(node.data, Data::Bool(_) | Data::Text(_)) {
                wrong(
                    node,
                    "one expression, such as `inputs.amount > 1000`",
                    faults,
                );
            }
        }
        Form::Expression => {
            if !matches!(node.data, Data::Bool(_) | Data::Number(_) | Data::Text(_)) {
                wrong(node, "one expression, such as `inputs.lines`", faults);
            }
        }
        Form::Boolean => drop(node.boolean(faults)),
        Form::WordOr(words, shape) => match &node.data {
            Data::Text(_) => word(words, node, faults),
            _ => check(shape, node, faults),
        },
        Form::Any => {}
        Form::AnyMap | Form::Input => drop(node.map(faults).map(<[Entry]>::len)),
        Form::Shape(shape) => check(shape, node, faults),
        Form::IntegerOr(low, high, shape) => match &node.data {
            Data::Number(_) => drop(node.integer(*low, *high, faults)),
            _ => check(shape, node, faults),
        },
        Form::Map(form, inner) => {
            for entry in node.map(faults).unwrap_or_default() {
                name(form, &entry.key, entry.key_span, faults);
                if entry.value.data == Data::Null
                    && let Form::Shape(shape) = inner
                {
                    faults.error(
                        "missing_key",
                        entry.key_span,
                        format!("`{}` is empty; it must be {}", entry.key, shape.what),
                    );
                    continue;
                }
                check_form(inner, &entry.value, faults);
            }
        }
    }
}

fn each(node: &Node, faults: &mut Faults, check: impl Fn(&Node, &mut Faults)) {
    for item in node.list(faults).unwrap_or_default() {
        check(item, faults);
    }
}

fn word(words: &'static [&'static str], node: &Node, faults: &mut Faults) {
    let words: Vec<(&'static str, ())> = words.iter().map(|word| (*word, ())).collect();
    node.word(&words, faults);
}

fn name(form: &NameForm, text: &str, span: crate::diagnostic::Span, faults: &mut Faults) {
    if let Err(message) = (form.check)(text) {
        let joint = form.joint;
        let tried: String = text
            .trim()
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || (c == '.' && form.pattern.contains("\\.")) {
                    c
                } else {
                    joint
                }
            })
            .collect();
        let tried = tried.trim_matches(joint).to_owned();
        let help = (form.check)(&tried)
            .is_ok()
            .then(|| format!("for instance `{tried}`"));
        faults.push(Diagnostic::error("bad_name", span, message).with_help_if(help));
    }
}

/// The JSON Schema of a map, the parts that stand in several places in `$defs`.
pub(crate) fn json_schema(shape: &Shape) -> Value {
    let mut defs = Map::new();
    let mut schema = shape_schema(shape, &mut defs);
    if !defs.is_empty() {
        schema["$defs"] = Value::Object(defs);
    }
    schema
}

/// A map, or a reference to where it is defined.
fn named_schema(shape: &Shape, defs: &mut Map<String, Value>) -> Value {
    let Some(name) = shape.def else {
        return shape_schema(shape, defs);
    };
    if !defs.contains_key(name) {
        // First the name, because it may stand inside itself.
        defs.insert(name.to_owned(), Value::Null);
        let schema = shape_schema(shape, defs);
        defs.insert(name.to_owned(), schema);
    }
    json!({"$ref": format!("#/$defs/{name}")})
}

fn shape_schema(shape: &Shape, defs: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in shape.keys {
        let mut schema = form_schema(&key.form, defs);
        schema["description"] = key.doc.into();
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = shape
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !shape.any_of.is_empty() {
        let one = |name: &&str| json!({"required": [name]});
        schema["anyOf"] = shape.any_of.iter().map(one).collect();
    } else if required.is_empty() {
        schema["type"] = json!(["object", "null"]);
    }
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn form_schema(form: &Form, defs: &mut Map<String, Value>) -> Value {
    let named = |form: &NameForm| json!({"type": "string", "pattern": form.pattern});
    match form {
        Form::Text => json!({"type": "string"}),
        Form::Name(form) => named(form),
        Form::Integer(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
        Form::Duration => {
            json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["500ms", "30s", "5m", "2h", "7d"]})
        }
        Form::Word(words) => json!({"enum": words}),
        Form::Words(words) => json!({"type": "array", "items": {"enum": words}}),
        Form::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Form::Names(form) => {
            json!({"anyOf": [named(form), {"type": "array", "items": named(form)}]})
        }
        Form::Condition => json!({"type": ["string", "boolean"]}),
        Form::Expression => json!({"type": ["string", "number", "boolean"]}),
        Form::Boolean => json!({"type": "boolean"}),
        Form::Any => json!({}),
        Form::AnyMap => json!({"type": "object"}),
        Form::Input => json!({"type": "object", "properties": {
            "type": {"enum": ["string", "number", "integer", "boolean", "array", "object", "null"]},
            "title": {"type": "string"}, "description": {"type": "string"}, "default": {},
            "required": {"type": ["boolean", "array"], "description": "False if a run may go without it."}}}),
        Form::Shape(shape) => named_schema(shape, defs),
        Form::WordOr(words, shape) => {
            json!({"anyOf": [{"enum": words}, named_schema(shape, defs)]})
        }
        Form::IntegerOr(low, high, shape) => {
            json!({"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, named_schema(shape, defs)]})
        }
        Form::Map(form, inner) => {
            json!({"type": "object", "propertyNames": {"pattern": form.pattern}, "additionalProperties": form_schema(inner, defs)})
        }
    }
}
