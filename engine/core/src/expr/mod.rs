//! Expressions: Jinja expressions over data only, compiled once, bounded by counts. No expression can name a secret, because none is
//! in the data.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::error::StepError;

/// What an expression may look at. Values are shared, never copied per evaluation.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The roots by name: `inputs`, `vars`, `run`, `steps`, …; in manifests `input`, `connection`, `response`.
    pub roots: Vec<(&'static str, Arc<Value>)>,
    /// Outputs of the steps that have ended, by id: what `steps.<id>` finds. A skipped step is undefined.
    pub steps: Vec<(Arc<str>, Arc<Value>)>,
    /// True if some step has failed: what `failure()` answers.
    pub failed: bool,
}

/// A value that may hold expressions: JSON whose texts were compiled.
#[derive(Debug, Clone)]
pub struct Template {
    source: Value,
}

/// One expression that must give a boolean.
#[derive(Debug, Clone)]
pub struct Condition {
    source: String,
}

/// What a compiled expression looks at, for edges and checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Dotted paths as written, as far as they are literal: `steps.find.records`, `inputs.customer`, `run.user.name`.
    pub paths: BTreeSet<String>,
    /// Calls `always()` or `failure()`.
    pub asks_of_failure: bool,
    /// Steps asked `is defined` of, or given a `default`.
    pub guarded: BTreeSet<String>,
}

/// Where in a text an expression is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprFault {
    /// Byte offset in the text.
    pub start: usize,
    /// Byte offset of the end.
    pub end: usize,
    /// A lowercase fragment.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Template {
    /// Compiles a JSON value; a text that is exactly one `{{ … }}` keeps its type, other text makes a string.
    ///
    /// # Errors
    /// Every fault, with the JSON pointer of the text it is in.
    pub fn compile(source: &Value) -> Result<Self, Vec<(String, ExprFault)>> {
        Ok(Self {
            source: source.clone(),
        })
    }

    /// What it looks at.
    pub fn references(&self) -> References {
        todo!("written by the language engineer: {:?}", self.source)
    }

    /// Its value in a scope.
    ///
    /// # Errors
    /// `invalid_input` naming the path that is missing, or the budget that ran out.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, StepError> {
        let _ = scope;
        todo!("written by the language engineer")
    }
}

impl Condition {
    /// Compiles one expression; braces around the whole are optional.
    ///
    /// # Errors
    /// The fault, with its place in the text.
    pub fn compile(source: &str) -> Result<Self, ExprFault> {
        Ok(Self {
            source: source.to_owned(),
        })
    }

    /// What it looks at.
    pub fn references(&self) -> References {
        todo!("written by the language engineer: {}", self.source)
    }

    /// True or false.
    ///
    /// # Errors
    /// `invalid_input` if the value is not a boolean or something named is missing.
    pub fn evaluate(&self, scope: &Scope) -> Result<bool, StepError> {
        let _ = scope;
        todo!("written by the language engineer")
    }
}
