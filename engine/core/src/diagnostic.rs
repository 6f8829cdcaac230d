//! Faults in what people write: where, what, why, and what to do; all at once, never just the first.

use serde::Serialize;

mod render;

pub(crate) use render::{PASTED_SECRET, is_reordering};
pub use render::{render, summary};

/// Whether a fault stops publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must be mended.
    Error,
    /// It may be meant.
    Warning,
}

/// A place in a source text: the line and column a person would count (from 1, in characters).
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

impl Diagnostic {
    /// A fault that must be mended.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            also: None,
            help: None,
        }
    }

    /// A fault that may be meant.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// The same with what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with what to do, if there is something.
    #[must_use]
    pub fn with_help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The same with a second place and what stands there.
    #[must_use]
    pub fn with_also(mut self, span: Span, note: impl Into<String>) -> Self {
        self.also = Some((span, note.into()));
        self
    }

    /// Whether it stops publishing.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Faults as they are found.
#[derive(Debug, Default)]
pub struct Faults(Vec<Diagnostic>);

impl Faults {
    /// Keeps one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Keeps an error.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::error(code, span, message));
    }

    /// Keeps some more.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(more);
    }

    /// Whether an error is among them.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them in the order of the file, each once.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.0
            .sort_by_key(|d| (d.span.line, d.span.column, d.severity));
        self.0.dedup();
        self.0
    }
}

/// The candidate that a person who wrote `name` most likely meant: the nearest by edit distance, if it is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    // Of names of one or two letters any other is near: there only the case may differ.
    let allowed = (name.chars().count() / 3).min(3);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            (
                strsim::osa_distance(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, or the names there are if they are few, or nothing.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(meant) = nearest(name, candidates.clone()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let all: Vec<String> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    match all.as_slice() {
        [] => None,
        [one] => Some(format!("there is only {one}")),
        some if some.len() <= 12 => Some(format!("there are {}", some.join(", "))),
        _ => None,
    }
}
