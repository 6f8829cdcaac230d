//! How much a module may copy. Its input was bounded; what it makes of it by repeating parts must be bounded too, before it is made.

use actas_core::StepError;
use serde_json::Value;

use super::invalid;

/// What one step may make, in bytes: more than three times what an output may have.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// What a value counts for beside its texts, and what a map counts for besides.
const VALUE: usize = 16;
const MAP: usize = 64;

/// What may still be copied.
pub struct Copies {
    left: usize,
}

impl Copies {
    pub fn new() -> Self {
        Self { left: MAX_BYTES }
    }

    /// Pays for so many bytes.
    pub fn pay(&mut self, bytes: usize) -> Result<(), StepError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(invalid(
                "too_large",
                format!("the step would make more than {MAX_BYTES} bytes of what it is given"),
            )
            .with_help("keep fewer fields or items, or go through the list in pieces")),
        }
    }

    /// Pays for a map with room for so many fields.
    pub fn pay_for_map(&mut self, fields: usize) -> Result<(), StepError> {
        self.pay(MAP + (fields + 1) * VALUE)
    }

    /// A copy, paid for before it is made.
    pub fn copy(&mut self, value: &Value) -> Result<Value, StepError> {
        self.pay_for(value)?;
        Ok(value.clone())
    }

    fn pay_for(&mut self, value: &Value) -> Result<(), StepError> {
        match value {
            Value::String(text) => self.pay(VALUE + text.len()),
            Value::Array(items) => {
                self.pay(VALUE)?;
                items.iter().try_for_each(|item| self.pay_for(item))
            }
            Value::Object(fields) => {
                self.pay(VALUE + MAP)?;
                fields.iter().try_for_each(|(key, value)| {
                    self.pay(key.len())?;
                    self.pay_for(value)
                })
            }
            _ => self.pay(VALUE),
        }
    }
}
