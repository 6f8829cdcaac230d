//! What a run asks for where its flow says how many runs of it there may be at once. Who is let in is not decided here: that depends on the others.

use serde_json::Value;

use crate::error::{ErrorKind, StepError};
use crate::flow::WhenFull;
use crate::run::frame::ROOT;
use crate::run::retry::hash;
use crate::run::state::Run;

/// What a run asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// How many runs of the flow may be active at once; none: any number.
    pub limit: Option<u32>,
    /// A digest of the value that only one living run of the flow may have; none: there may be others like it.
    pub key: Option<String>,
    /// What becomes of it if there is no place.
    pub when_full: WhenFull,
}

impl Run {
    /// What it asks for; none if its flow sets no bounds, or if it does a part of the work of another run, which has asked for both.
    ///
    /// # Errors
    /// If the key cannot be evaluated or is no text: such a run cannot be created.
    pub fn turn(&self) -> Result<Option<Turn>, StepError> {
        let Some(concurrency) = &self.plan.flow.concurrency else {
            return Ok(None);
        };
        if self.created.as_ref().is_none_or(|of| of.part.is_some()) {
            return Ok(None);
        }
        let key = match &self.plan.concurrency_key {
            Some(template) => key_of(&template.evaluate(&self.scope_of(ROOT, [].into_iter()))?)?,
            None => None,
        };
        Ok(Some(Turn {
            limit: concurrency.limit,
            key,
            when_full: concurrency.when_full,
        }))
    }
}

/// The digest of a key's value: rows of the store say which runs exclude one another, not what they are about.
fn key_of(value: &Value) -> Result<Option<String>, StepError> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(StepError::new(
                ErrorKind::InvalidInput,
                "`concurrency.key` gives a list or a map: name one of its texts",
            ));
        }
    };
    let digest = hash("actas/concurrency/1", &[text.as_bytes()]);
    Ok(Some(hex::encode(digest)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_told_apart_by_its_text_and_does_not_show_it() {
        let of = |value: Value| key_of(&value).expect("a key");
        assert_eq!(of(Value::Null), None);
        assert_eq!(of(json!(17)), of(json!("17")));
        assert_ne!(of(json!("ACME")), of(json!("acme")));
        let key = of(json!("acme")).expect("some");
        assert_eq!(key.len(), 64);
        assert!(!key.contains("acme"));
        let error = key_of(&json!(["acme"])).expect_err("no text");
        assert_eq!(error.kind, ErrorKind::InvalidInput);
    }
}
