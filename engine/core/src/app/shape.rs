//! The shape of a module's input: its JSON Schema, compiled, and the defaults that fill gaps.

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::error::{ErrorKind, StepError};

/// A module's input schema made ready.
#[derive(Debug)]
pub struct Shape {
    check: Validator,
    defaults: Vec<(String, Value)>,
}

/// Faults named in one message; the rest are counted.
const MOST_NAMED: usize = 5;

impl Shape {
    /// Compiles a schema. It may refer to nothing outside itself.
    ///
    /// # Errors
    /// Why it is not a schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let check = jsonschema::draft202012::options()
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(schema)
            .map_err(|e| e.to_string())?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let defaults = properties
            .into_iter()
            .flatten()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        Ok(Self { check, defaults })
    }

    /// The input with its gaps filled, if it fits.
    ///
    /// # Errors
    /// `invalid_input` naming what does not fit, never the value itself.
    pub fn accept(&self, module: &str, input: Value) -> Result<Value, StepError> {
        let mut input = match input {
            Value::Null => Value::Object(Map::new()),
            other => other,
        };
        if let Value::Object(map) = &mut input {
            for (name, default) in &self.defaults {
                if !map.contains_key(name) {
                    map.insert(name.clone(), default.clone());
                }
            }
        }
        if self.check.is_valid(&input) {
            return Ok(input);
        }
        let mut faults = self.check.iter_errors(&input).map(|fault| {
            let place = fault.instance_path().to_string();
            let place = if place.is_empty() {
                "input".to_owned()
            } else {
                format!("input{}", place.replace('/', "."))
            };
            format!("`{place}`: {}", fault.masked())
        });
        let mut named: Vec<_> = faults.by_ref().take(MOST_NAMED).collect();
        let rest = faults.count();
        if rest > 0 {
            named.push(format!("and {rest} more"));
        }
        Err(StepError::new(
            ErrorKind::InvalidInput,
            format!("`{module}` does not take this input: {}", named.join("; ")),
        )
        .with_code("bad_input"))
    }
}
