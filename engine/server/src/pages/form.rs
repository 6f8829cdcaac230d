//! Fields that people fill in, made from JSON Schemas: the inputs of a flow, the form of an approval. Whether what was typed fits, others judge.

use serde_json::Value;

/// One input as a form has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What more there is to say of it.
    pub help: Option<String>,
    /// How it is filled in.
    pub kind: Kind,
    /// What it may be, if that is a list.
    pub choices: Vec<String>,
    /// Whether it must be filled in.
    pub required: bool,
    /// What stands in it.
    pub value: String,
}

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line of text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// Yes or no.
    YesNo,
    /// One of a list.
    Choice,
    /// JSON.
    Json,
}

/// The field of an input of a flow, or of an approval's form.
pub fn field(name: &str, schema: &Value, required: bool) -> Field {
    let text = |key: &str| schema[key].as_str().map(str::to_owned);
    let choices: Vec<String> = schema["enum"]
        .as_array()
        .map(|all| all.iter().map(shown).collect())
        .unwrap_or_default();
    let kind = match schema["type"].as_str() {
        _ if !choices.is_empty() => Kind::Choice,
        Some("string") => Kind::Text,
        Some("number") => Kind::Number,
        Some("integer") => Kind::Whole,
        Some("boolean") => Kind::YesNo,
        _ => Kind::Json,
    };
    Field {
        name: name.to_owned(),
        title: text("title").unwrap_or_else(|| name.to_owned()),
        help: text("description"),
        kind,
        choices,
        required,
        value: schema.get("default").map(shown).unwrap_or_default(),
    }
}

/// A value as a form shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What somebody typed, as the value it stands for; nothing typed is nothing given. What cannot be read goes on as text, so that the check of
/// the inputs names it.
pub fn typed(field: &Field, text: &str) -> Option<Value> {
    if text.is_empty() && field.kind != Kind::YesNo {
        return None;
    }
    let parsed = || serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    Some(match field.kind {
        Kind::Text => Value::String(text.to_owned()),
        Kind::Number | Kind::Whole | Kind::Json => parsed(),
        Kind::YesNo => Value::Bool(text == "true"),
        Kind::Choice => match parsed() {
            scalar @ (Value::Number(_) | Value::Bool(_)) => scalar,
            _ => Value::String(text.to_owned()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(schema: Value) -> Field {
        field("x", &schema, true)
    }

    #[test]
    fn what_is_typed_becomes_the_value_that_the_schema_wants() {
        assert_eq!(
            typed(&of(json!({"type": "string"})), "12"),
            Some(json!("12"))
        );
        assert_eq!(
            typed(&of(json!({"type": "number"})), "12.5"),
            Some(json!(12.5))
        );
        assert_eq!(
            typed(&of(json!({"type": "number"})), "many"),
            Some(json!("many"))
        );
        assert_eq!(typed(&of(json!({"type": "string"})), ""), None);
        assert_eq!(
            typed(&of(json!({"type": "boolean"})), ""),
            Some(json!(false))
        );
        assert_eq!(
            typed(&of(json!({"type": "boolean"})), "true"),
            Some(json!(true))
        );
        assert_eq!(typed(&of(json!({"enum": [1, 2]})), "2"), Some(json!(2)));
        assert_eq!(typed(&of(json!({"enum": ["a"]})), "a"), Some(json!("a")));
        assert_eq!(
            typed(&of(json!({"type": "array"})), "[1]"),
            Some(json!([1]))
        );
    }
}
