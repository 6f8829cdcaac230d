//! What a run is given: defaults filled in, checked, and read from the texts of a command line.

use serde_json::{Map, Value};

use crate::diagnostic::did_you_mean;
use crate::flow::{Flow, Input};
use crate::schema::{self, Schema};

/// One way in which the inputs of a run do not fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InputFault {
    /// The JSON pointer of the part that does not fit, `/amount`; empty for the whole.
    pub path: String,
    /// A lowercase fragment that names the input and does not show its value.
    pub message: String,
}

/// How deep inputs may be nested.
const MAX_DEPTH: usize = 32;
/// The largest integer that JSON carries everywhere without loss.
const MAX_INTEGER: u64 = 1 << 53;

/// The inputs of a flow with their schemas compiled: made once for a version.
#[derive(Debug)]
pub struct Inputs {
    inputs: Vec<(String, Input, Option<Schema>)>,
}

impl Inputs {
    /// Compiles the schemas. One that does not compile was told when the flow was checked, and accepts everything here.
    pub fn of(flow: &Flow) -> Self {
        let compile = |(name, input): (&String, &Input)| {
            (
                name.clone(),
                input.clone(),
                Schema::compile(&input.schema).ok(),
            )
        };
        Self {
            inputs: flow.inputs.iter().map(compile).collect(),
        }
    }

    /// The inputs with defaults filled in, in the order the flow declares them. `null` for the whole means none.
    ///
    /// # Errors
    /// Every input that is missing, unknown, or does not fit.
    pub fn check(&self, given: Value) -> Result<Value, Vec<InputFault>> {
        let mut given = match given {
            Value::Null => Map::new(),
            Value::Object(given) => given,
            _ => {
                return Err(vec![fault(
                    "",
                    "the inputs of a run are a map of name to value",
                )]);
            }
        };
        let mut faults = Vec::new();
        let mut checked = Map::new();
        for (name, input, schema) in &self.inputs {
            let Some(value) = given
                .remove(name)
                .or_else(|| input.schema.get("default").cloned())
            else {
                if input.required {
                    faults.push(fault(
                        &pointer(name),
                        &format!("the input `{name}` is missing{}", titled(input)),
                    ));
                }
                continue;
            };
            if let Err(message) = carries(&value, MAX_DEPTH) {
                faults.push(fault(
                    &pointer(name),
                    &format!("the input `{name}` {message}"),
                ));
            }
            for misfit in schema.iter().flat_map(|schema| schema.misfits(&value)) {
                let path = format!("{}{}", pointer(name), misfit.pointer);
                let inside = misfit.pointer.replace('/', ".");
                faults.push(fault(
                    &path,
                    &format!("the input `{name}{inside}`: {}", misfit.message),
                ));
            }
            checked.insert(name.clone(), value);
        }
        for name in given.keys() {
            let known = self.inputs.iter().map(|(name, ..)| name.as_str());
            let help =
                did_you_mean(name, known).map_or_else(String::new, |help| format!(" ({help})"));
            faults.push(fault(
                &pointer(name),
                &format!("there is no input `{name}`{help}"),
            ));
        }
        if faults.is_empty() {
            Ok(Value::Object(checked))
        } else {
            Err(faults)
        }
    }
}

impl Flow {
    /// The inputs of a run, with defaults; see [`Inputs::check`]. A server keeps [`Inputs`] with the version instead.
    ///
    /// # Errors
    /// Every input that is missing, unknown, or does not fit.
    pub fn check_inputs(&self, given: Value) -> Result<Value, Vec<InputFault>> {
        Inputs::of(self).check(given)
    }

    /// Reads `name=text` pairs: a number, boolean, list or map where the input's schema wants one. What cannot be read so stays a text, and
    /// [`Flow::check_inputs`] says what is wrong with it. Of two pairs with one name the later counts.
    pub fn read_inputs(&self, pairs: &[(String, String)]) -> Value {
        let read = |(name, text): &(String, String)| {
            let types = self
                .inputs
                .get(name)
                .and_then(|input| schema::types(&input.schema));
            (name.clone(), read(text, types.as_deref()))
        };
        Value::Object(pairs.iter().map(read).collect())
    }
}

fn read(text: &str, types: Option<&[&str]>) -> Value {
    let as_text = || Value::String(text.to_owned());
    let Some(types) = types else {
        // Nothing is said: JSON if it is some, as `[1]` or `true`, else a text.
        return serde_json::from_str(text).unwrap_or_else(|_| as_text());
    };
    let fits = |value: &Value| match value {
        Value::Null => types.contains(&"null"),
        Value::Bool(_) => types.contains(&"boolean"),
        Value::Number(_) => types.contains(&"number") || types.contains(&"integer"),
        Value::String(_) => false,
        Value::Array(_) => types.contains(&"array"),
        Value::Object(_) => types.contains(&"object"),
    };
    serde_json::from_str(text)
        .ok()
        .filter(fits)
        .unwrap_or_else(as_text)
}

/// Whether JSON carries a value everywhere without loss, and a journal can be read back with it.
pub(crate) fn carries(value: &Value, depth: usize) -> Result<(), &'static str> {
    match value {
        Value::Number(number) => {
            let large = number
                .as_i64()
                .map(i64::unsigned_abs)
                .or(number.as_u64())
                .is_some_and(|size| size > MAX_INTEGER);
            if large {
                Err("holds an integer beyond ±2^53: give it as a text")
            } else {
                Ok(())
            }
        }
        Value::Array(_) | Value::Object(_) if depth == 0 => Err("is nested too deeply"),
        Value::Array(items) => items.iter().try_for_each(|item| carries(item, depth - 1)),
        Value::Object(fields) => fields
            .values()
            .try_for_each(|item| carries(item, depth - 1)),
        _ => Ok(()),
    }
}

fn fault(path: &str, message: &str) -> InputFault {
    InputFault {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn titled(input: &Input) -> String {
    input
        .schema
        .get("title")
        .and_then(Value::as_str)
        .map_or_else(String::new, |title| format!(" ({title})"))
}
