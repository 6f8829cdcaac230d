//! What an evaluation may spend. Everything is paid for before it is done: instructions, looked-at items and compared bytes in fuel, made
//! values in bytes. There is no clock, so the same data give the same outcome on every machine and at every replay.

use serde_json::Value;

use crate::ErrorKind;
use crate::error::StepError;
use crate::expr::eval::{Machine, Out};
use crate::expr::value::Val;

/// What one evaluation may do: about as many elementary steps.
pub const MAX_FUEL: u64 = 2_000_000;
/// What one evaluation may make, its intermediate values included, in bytes.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// What a value counts for beside its texts, in bytes.
pub(super) const VALUE: usize = 16;
/// What a map counts for besides: it is kept in nodes with room for several fields.
pub(super) const MAP: usize = 64;
/// How deep lists and maps may be nested in a result.
pub const MAX_RESULT_DEPTH: usize = 64;

impl<'a> Machine<'a> {
    /// Pays for work.
    pub fn burn(&mut self, fuel: usize) -> Out<()> {
        match self
            .fuel
            .checked_sub(u64::try_from(fuel).unwrap_or(u64::MAX))
        {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(budget(format!(
                "the expression does more than {MAX_FUEL} steps"
            ))),
        }
    }

    /// Pays for looking at so many bytes.
    pub fn scan(&mut self, bytes: usize) -> Out<()> {
        self.burn(bytes / 64 + 1)
    }

    /// Pays for making so many bytes.
    pub fn make(&mut self, bytes: usize) -> Out<()> {
        self.scan(bytes)?;
        match self
            .bytes
            .checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX))
        {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(budget(format!(
                "the expression makes more than {MAX_BYTES} bytes"
            ))),
        }
    }

    pub fn text(&mut self, text: String) -> Out<Val<'a>> {
        self.make(text.len())?;
        Ok(Val::Own(Value::String(text)))
    }

    /// A value of one's own; a copy of borrowed data is paid for.
    pub fn own(&mut self, val: Val<'a>) -> Out<Value> {
        match self.require(val)? {
            Val::Own(value) => Ok(value),
            Val::Ref(value) => {
                self.pay_for_copy(value)?;
                Ok(value.clone())
            }
            Val::List(items) => {
                self.make(items.len() * VALUE)?;
                items
                    .into_iter()
                    .map(|item| self.own(item))
                    .collect::<Out<Vec<_>>>()
                    .map(Value::Array)
            }
            Val::Missing(..) => Ok(Value::Null),
        }
    }

    /// Pays for making a value like this one.
    pub fn pay_for_copy(&mut self, value: &Value) -> Out<()> {
        let (values, bytes) = weight(value);
        self.burn(values)?;
        self.make(bytes)
    }

    /// The same value once more; free while it is borrowed.
    pub fn copy(&mut self, val: &Val<'a>) -> Out<Val<'a>> {
        Ok(match val {
            Val::Missing(node, within) => Val::Missing(node, *within),
            Val::Ref(value) => Val::Ref(value),
            Val::Own(value) => Val::Own(self.json_copy(value)?),
            Val::List(items) => {
                self.make(items.len() * VALUE)?;
                Val::List(
                    items
                        .iter()
                        .map(|item| self.copy(item))
                        .collect::<Out<_>>()?,
                )
            }
        })
    }

    /// A copy, paid for.
    pub fn json_copy(&mut self, value: &Value) -> Out<Value> {
        self.pay_for_copy(value)?;
        Ok(value.clone())
    }

    /// A value as compact JSON.
    pub fn json(&mut self, value: &Value) -> Out<String> {
        self.pay_for_copy(value)?;
        Ok(value.to_string())
    }
}

fn budget(message: String) -> Box<StepError> {
    Box::new(
        StepError::new(ErrorKind::InvalidInput, message)
            .with_code("expression_budget")
            .with_help("work on less data at once, or let the app do it: a filter in its query, a smaller page"),
    )
}

/// How many values a value is, and how many bytes they count for.
fn weight(value: &Value) -> (usize, usize) {
    let add =
        |(values, bytes), (more_values, more_bytes)| (values + more_values, bytes + more_bytes);
    match value {
        Value::String(text) => (1, VALUE + text.len()),
        Value::Array(items) => items.iter().map(weight).fold((1, VALUE), add),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| add(weight(value), (0, key.len())));
            fields.fold((1, VALUE + MAP), add)
        }
        _ => (1, VALUE),
    }
}

/// Refuses what could not be read back from a journal.
pub(super) fn check_depth(value: &Value) -> Out<()> {
    if nested_deeper_than(value, MAX_RESULT_DEPTH) {
        return Err(budget(format!(
            "the value is nested deeper than {MAX_RESULT_DEPTH}"
        )));
    }
    Ok(())
}

/// Whether lists and maps are nested deeper than this.
pub(super) fn nested_deeper_than(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => {
            left == 0 || items.iter().any(|item| nested_deeper_than(item, left - 1))
        }
        Value::Object(fields) => {
            left == 0
                || fields
                    .values()
                    .any(|item| nested_deeper_than(item, left - 1))
        }
        _ => false,
    }
}
