//! Modules that are code: a closed list of pure step machines. They say what to call; only the runner sends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::app::interpret::{Call, Response};
use crate::error::StepError;

/// What a native module wants next.
#[derive(Debug)]
pub enum NativeStep {
    /// Send this and come back with the answer.
    Call(Call),
    /// It is done.
    Output(Value),
}

/// A module that is code, named `app/module/1` in manifests; changed meaning is `/2`.
pub trait Native: Send + Sync {
    /// The first move.
    ///
    /// # Errors
    /// What the step fails with.
    fn start(&self, input: &Value) -> Result<NativeStep, StepError>;

    /// The next move after an answer. A module without calls never gets here.
    ///
    /// # Errors
    /// What the step fails with.
    fn next(&self, input: &Value, response: &Response) -> Result<NativeStep, StepError> {
        let _ = (input, response);
        Err(StepError::new(
            crate::ErrorKind::Internal,
            "this module makes no calls",
        ))
    }
}

/// The native modules there are, by name.
#[derive(Clone, Default)]
pub struct Natives(BTreeMap<&'static str, Arc<dyn Native>>);

impl Natives {
    /// The set of some modules.
    pub fn new(natives: impl IntoIterator<Item = (&'static str, Arc<dyn Native>)>) -> Self {
        Self(natives.into_iter().collect())
    }

    /// A module by its name, `core/set/1`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Native>> {
        self.0.get(name)
    }
}

impl fmt::Debug for Natives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
