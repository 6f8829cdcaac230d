//! JSON Schema: checking values against an input's or a module's schema, and the schema of the flow language for editors. Nothing is ever
//! fetched, and patterns run in linear time.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, PatternOptions, Validator};
use serde_json::{Value, json};

use crate::flow::{json_schema, language};

/// A compiled schema (draft 2020-12).
#[derive(Debug)]
pub struct Schema(Validator);

/// One way in which a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The JSON pointer of the part that does not fit.
    pub pointer: String,
    /// What is wrong.
    pub kind: MisfitKind,
    /// A lowercase fragment that does not show the value.
    pub message: String,
}

/// What is wrong with a part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MisfitKind {
    /// These fields are not among those there are.
    Unknown(Vec<String>),
    /// This field must be there.
    Missing(String),
    /// It has another type.
    Type,
    /// It is too short or too long a list or map.
    Size,
    /// Anything else the schema says.
    Other,
}

impl Schema {
    /// Compiles a schema, which may refer to nothing outside itself.
    ///
    /// # Errors
    /// Why it is not a schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        jsonschema::draft202012::options()
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Whether a value fits.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// Every way in which a value does not fit.
    pub fn misfits(&self, value: &Value) -> Vec<Misfit> {
        if self.0.is_valid(value) {
            return Vec::new();
        }
        let misfit = |error: jsonschema::ValidationError<'_>| {
            let (kind, message) = match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                    let names: Vec<String> =
                        unexpected.iter().map(|name| format!("`{name}`")).collect();
                    (
                        MisfitKind::Unknown(unexpected.clone()),
                        format!("{} is not known here", names.join(", ")),
                    )
                }
                ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    (
                        MisfitKind::Missing(name.to_owned()),
                        format!("`{name}` is missing"),
                    )
                }
                ValidationErrorKind::Type { kind } => {
                    let wanted = wanted(kind);
                    (
                        MisfitKind::Type,
                        format!(
                            "must be {wanted}, not {}",
                            type_word(JsonType::from(error.instance().as_ref()))
                        ),
                    )
                }
                ValidationErrorKind::Enum { options } => {
                    let options: Vec<String> = options
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|option| format!("`{}`", plain(option)))
                        .collect();
                    (
                        MisfitKind::Other,
                        format!("must be one of {}", options.join(", ")),
                    )
                }
                ValidationErrorKind::MinItems { .. }
                | ValidationErrorKind::MaxItems { .. }
                | ValidationErrorKind::MinProperties { .. }
                | ValidationErrorKind::MaxProperties { .. } => {
                    (MisfitKind::Size, error.masked().to_string())
                }
                ValidationErrorKind::Minimum { limit } => {
                    (MisfitKind::Other, format!("must be at least {limit}"))
                }
                ValidationErrorKind::Maximum { limit } => {
                    (MisfitKind::Other, format!("must be at most {limit}"))
                }
                ValidationErrorKind::MinLength { limit: 1 } => {
                    (MisfitKind::Other, "must not be empty".to_owned())
                }
                ValidationErrorKind::Pattern { pattern } => {
                    (MisfitKind::Other, format!("must match `{pattern}`"))
                }
                _ => (MisfitKind::Other, error.masked().to_string()),
            };
            Misfit {
                pointer: error.instance_path().to_string(),
                kind,
                message,
            }
        };
        self.0.iter_errors(value).map(misfit).collect()
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn wanted(kind: &TypeKind) -> String {
    let words: Vec<&str> = match kind {
        TypeKind::Single(one) => vec![type_word(*one)],
        TypeKind::Multiple(some) => some.iter().map(type_word).collect(),
    };
    words.join(" or ")
}

fn type_word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "a map",
        JsonType::String => "a text",
    }
}

/// The part of a schema that a value at a path has to fit, as far as plain `properties` and `items` tell.
pub fn part<'s>(schema: &'s Value, path: &[&str]) -> Option<&'s Value> {
    let mut schema = schema;
    for name in path {
        schema = match schema
            .get("properties")
            .and_then(|properties| properties.get(name))
        {
            Some(found) => found,
            None if name.bytes().all(|b| b.is_ascii_digit()) => schema.get("items")?,
            None => schema
                .get("additionalProperties")
                .filter(|schema| schema.is_object())?,
        };
    }
    Some(schema)
}

/// The types a schema allows, if it says.
pub fn types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some(vec![one]),
        Value::Array(some) => Some(some.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

/// Whether a value of one of these types may fit where one of those is wanted.
pub fn may_fit(given: &[&str], wanted: &[&str]) -> bool {
    given.iter().any(|given| {
        wanted.iter().any(|wanted| {
            given == wanted
                || matches!(
                    (*given, *wanted),
                    ("integer", "number") | ("number", "integer")
                )
        })
    })
}

/// The words for types in messages.
pub fn type_words(types: &[&str]) -> String {
    let word = |name: &&str| match *name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "object" => "a map",
        "string" => "a text",
        _ => "null",
    };
    types.iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// The JSON Schema (draft 2020-12) of a flow file, for editors; made of the same table that files are checked with.
pub fn flow_schema() -> Value {
    let mut schema = json_schema(&language::FLOW);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A flow of Actas");
    // Not referred to, because an expression may stand in any text; here for whoever looks up a filter.
    schema["$defs"]["expression"] = json!({"type": "string", "description": crate::expr::page()});
    schema
}
