//! `core`: modules that need no account and do no IO. What they are given was computed by expressions; they only look at it.

mod copies;
mod parse_csv;
mod parse_json;
mod render;
#[cfg(test)]
mod tests;
mod transform;

use std::sync::Arc;

use actas_core::app::{Native, NativeStep};
use actas_core::{ErrorKind, StepError};
use serde_json::{Value, json};

/// The native modules of the app.
pub fn natives() -> crate::NativeList {
    vec![
        ("core/set/1", Arc::new(Plain(set))),
        ("core/check/1", Arc::new(Plain(check))),
        ("core/log/1", Arc::new(Plain(log))),
        ("core/fail/1", Arc::new(Plain(fail))),
        ("core/transform/1", Arc::new(Plain(transform::transform))),
        ("core/parse_json/1", Arc::new(Plain(parse_json::parse_json))),
        ("core/parse_csv/1", Arc::new(Plain(parse_csv::parse_csv))),
        ("core/render/1", Arc::new(Plain(render::render))),
    ]
}

/// A module that is one function of its input.
struct Plain(fn(&Value) -> Result<Value, StepError>);

impl Native for Plain {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        (self.0)(input).map(NativeStep::Output)
    }
}

fn set(input: &Value) -> Result<Value, StepError> {
    Ok(input.clone())
}

fn check(input: &Value) -> Result<Value, StepError> {
    if input["that"] == true {
        Ok(json!({"that": true}))
    } else {
        Err(StepError::new(ErrorKind::Rejected, text(input, "message")).with_code("check_failed"))
    }
}

fn log(input: &Value) -> Result<Value, StepError> {
    Ok(json!({"message": input["message"], "level": input["level"]}))
}

fn fail(input: &Value) -> Result<Value, StepError> {
    let kind = serde_json::from_value(input["kind"].clone()).unwrap_or(ErrorKind::Rejected);
    let mut error = StepError::new(kind, text(input, "message"));
    error.code = input["code"].as_str().map(str::to_owned);
    Err(error)
}

/// What was given cannot be worked on; the message does not show it.
fn invalid(code: &str, message: impl Into<String>) -> StepError {
    StepError::new(ErrorKind::InvalidInput, message).with_code(code)
}

fn text(input: &Value, name: &str) -> String {
    input[name].as_str().unwrap_or_default().to_owned()
}
