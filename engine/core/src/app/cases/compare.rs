//! What was asked and what came out, against what was recorded and expected.

use serde_json::Value;

use crate::app::cases::read::{Body, Case, Exchange};
use crate::app::interpret::Call;
use crate::diagnostic::{Faults, Span};
use crate::error::StepError;

impl Case<'_> {
    /// Compares output and record.
    pub fn ended(&self, output: &Value, record: &Value, faults: &mut Faults) {
        match self.output {
            Some(expected) => same(
                expected.span,
                "the output",
                output,
                &expected.to_json(),
                faults,
            ),
            None => different(
                self.span,
                format!("an error was expected, and the output is {output}"),
                faults,
            ),
        }
        match self.record {
            Some(expected) => same(
                expected.span,
                "the record",
                record,
                &expected.to_json(),
                faults,
            ),
            None if record.is_null() || self.output.is_none() => {}
            None => different(
                self.span,
                format!("the record {record} was not expected"),
                faults,
            ),
        }
    }

    /// Compares the fields of an error that the case speaks of.
    pub fn failed(&self, error: &StepError, faults: &mut Faults) {
        let found = serde_json::to_value(error).unwrap_or_default();
        let Some(expected) = self.error else {
            different(self.span, format!("it failed: {found}"), faults);
            return;
        };
        for entry in expected.map(faults).unwrap_or_default() {
            let value = found.get(&entry.key).cloned().unwrap_or_default();
            same(
                entry.value.span,
                &format!("the error's `{}`", entry.key),
                &value,
                &entry.value.to_json(),
                faults,
            );
        }
    }
}

impl Exchange<'_> {
    /// Compares a request: method, address, the headers that were recorded, body, and whether the credential goes with it.
    pub fn compare(&self, call: &Call, authenticated: bool, faults: &mut Faults) {
        let found = format!("{} {}", call.method.as_str(), call.url);
        let expected = format!("{} {}", self.method, self.url);
        if found != expected {
            different(
                self.span,
                format!("the request is `{found}`, not `{expected}`"),
                faults,
            );
        }
        if call.authenticated != authenticated {
            let what = if authenticated { "misses" } else { "carries" };
            different(
                self.span,
                format!("the request {what} the credential"),
                faults,
            );
        }
        for (name, expected) in &self.headers {
            let found = call
                .headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| value.as_str());
            if found != Some(*expected) {
                let found = found.map_or("missing".to_owned(), |found| format!("`{found}`"));
                different(
                    self.span,
                    format!("the header `{name}` is {found}, not `{expected}`"),
                    faults,
                );
            }
        }
        let text = call.body.as_deref().map(String::from_utf8_lossy);
        match (&self.body, text) {
            (Body::None, None) => {}
            (Body::None, Some(body)) => {
                different(self.span, format!("the request has a body: {body}"), faults);
            }
            (Body::Json(node) | Body::Text(node), None) => {
                different(node.span, "the request has no body".into(), faults);
            }
            (Body::Json(node), Some(body)) => {
                let body = serde_json::from_str(&body).unwrap_or(Value::String(body.into_owned()));
                same(node.span, "the body", &body, &node.to_json(), faults);
            }
            (Body::Text(node), Some(body)) => {
                same(
                    node.span,
                    "the body",
                    &Value::String(body.into_owned()),
                    &node.to_json(),
                    faults,
                );
            }
        }
    }
}

fn different(span: Span, message: String, faults: &mut Faults) {
    faults.error("case_failed", span, message);
}

fn same(span: Span, what: &str, found: &Value, expected: &Value, faults: &mut Faults) {
    if !equal(found, expected) {
        different(span, format!("{what} is {found}, not {expected}"), faults);
    }
}

/// Equal as JSON: `1` and `1.0` are one number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
