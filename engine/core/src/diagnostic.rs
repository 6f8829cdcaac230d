//! Faults in what people write: where, what, why, and what to do; all at once, never just the first.

use serde::Serialize;

/// Whether a fault stops publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must be mended.
    Error,
    /// It may be meant.
    Warning,
}

/// A place in a source text: byte offsets, and the line and column a person would count (from 1, in characters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
pub struct Span {
    /// Line, from 1; 0 if the place is not known.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Length in characters on that line, at least 1.
    pub length: u32,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable word such as `unknown_step`.
    pub code: &'static str,
    /// A lowercase fragment that names the thing.
    pub message: String,
    /// Where it is.
    pub span: Span,
    /// A second place that explains it (the trigger's line, the first of two keys).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<(Span, String)>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}
