//! The error of a step or a run, as flows, journals and API answers have it.

use serde::{Deserialize, Serialize};

use crate::ids::StepPath;

/// The code of a step that would act for somebody who was switched off.
pub const PERSON_DISABLED: &str = "person_disabled";

/// What kind of trouble it is; decides what the engine does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The input does not fit, or an expression found nothing.
    InvalidInput,
    /// The app refuses this person; never retried with a stronger account.
    PermissionDenied,
    /// There is no such thing.
    NotFound,
    /// It is there already, or has changed meanwhile.
    Conflict,
    /// Too many requests; transient.
    RateLimited,
    /// The app or the way to it is down; transient.
    Unavailable,
    /// It took too long; transient.
    Timeout,
    /// The account has to sign in (again).
    SignInNeeded,
    /// A check, a person or the flow itself said no.
    Rejected,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Whether trying again may help without anybody doing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Timeout)
    }

    /// The name flows and answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::SignInNeeded => "sign_in_needed",
            Self::Rejected => "rejected",
            Self::Internal => "internal",
        }
    }
}

/// `{kind, code, message, step, help}`: what went wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The kind of trouble.
    pub kind: ErrorKind,
    /// A stable word: the app's own code, or ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// A lowercase sentence that names the thing.
    pub message: String,
    /// The step it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepPath>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// How long the app asks to wait, in milliseconds (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

impl StepError {
    /// An error of a kind with a message and nothing else.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            step: None,
            help: None,
            after_ms: None,
        }
    }

    /// The same with a stable code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, said of a step.
    #[must_use]
    pub fn at(mut self, step: &StepPath) -> Self {
        self.step = Some(step.clone());
        self
    }
}
