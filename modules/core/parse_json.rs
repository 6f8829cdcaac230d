//! `core.parse_json`: from a text to the value it holds. Braces in it stay braces: what is read is data.

use actas_core::StepError;
use actas_core::schema::Schema;
use serde_json::{Value, json};

use super::{copies::Copies, invalid};

/// How deep lists and maps may be nested.
const MAX_DEPTH: usize = 64;
/// The largest whole number that is carried exactly.
const MAX_INTEGER: u64 = 1 << 53;
/// How many ways of not fitting are told.
const MAX_TOLD: usize = 5;

/// Performs the module.
pub fn parse_json(input: &Value) -> Result<Value, StepError> {
    let text = input["text"].as_str().unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    pay_for(text)?;
    let value: Value = serde_json::from_str(text).map_err(|error| {
        invalid(
            "bad_json",
            format!(
                "the text is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
        )
    })?;
    check(&value, MAX_DEPTH)?;
    if !input["schema"].is_null() {
        let schema = Schema::compile(&input["schema"]).map_err(|fault| {
            invalid("bad_schema", format!("`schema` is no JSON Schema: {fault}"))
        })?;
        let misfits = schema.misfits(&value);
        if !misfits.is_empty() {
            let mut told: Vec<String> = misfits
                .iter()
                .take(MAX_TOLD)
                .map(|misfit| match misfit.pointer.as_str() {
                    "" => misfit.message.clone(),
                    pointer => format!("{pointer} {}", misfit.message),
                })
                .collect();
            if misfits.len() > MAX_TOLD {
                told.push(format!("and {} more", misfits.len() - MAX_TOLD));
            }
            return Err(invalid(
                "schema_misfit",
                format!("the value does not fit its schema: {}", told.join("; ")),
            ));
        }
    }
    Ok(json!({"value": value}))
}

/// Every value beside the first has a comma, a colon or an opening bracket before it.
fn pay_for(text: &str) -> Result<(), StepError> {
    let count = |signs: &[u8]| text.bytes().filter(|byte| signs.contains(byte)).count();
    let mut copies = Copies::new();
    copies.pay(count(b",:[{") * 16)?;
    copies.pay(text.len())?;
    copies.pay(count(b"{") * 64)
}

fn check(value: &Value, left: usize) -> Result<(), StepError> {
    if left == 0 && (value.is_array() || value.is_object()) {
        return Err(invalid(
            "too_deep",
            format!("the value is nested deeper than {MAX_DEPTH}"),
        ));
    }
    match value {
        Value::Number(number) => {
            let size = number
                .as_i64()
                .map(i64::unsigned_abs)
                .or_else(|| number.as_u64());
            if size.is_some_and(|size| size > MAX_INTEGER) {
                return Err(invalid(
                    "inexact_number",
                    "the text holds a whole number beyond ±2^53, which is not carried exactly; it should be a text there",
                ));
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, left - 1)),
        Value::Object(fields) => fields.values().try_for_each(|item| check(item, left - 1)),
        _ => Ok(()),
    }
}
