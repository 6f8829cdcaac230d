//! Why a request brought no answer. No variant holds a URL's path or query, a header or a body: they may hold secrets.

use actas_core::{ErrorKind, StepError};

/// Why a request brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The guard does not let it out.
    #[error("request to {host} is not allowed: {why}")]
    Refused {
        /// Where it was to go.
        host: String,
        /// Which rule, with the address it resolved to.
        why: String,
        /// True if an answer of the app redirected there: then the app has seen a request.
        redirected: bool,
    },
    /// No whole answer came in time.
    #[error("no whole answer came within {seconds} s")]
    Timeout {
        /// The limit.
        seconds: u64,
        /// False if not even a connection was there.
        sent: bool,
    },
    /// The answer is larger than allowed.
    #[error("answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes after decompression.
        limit: usize,
    },
    /// No connection could be made; nothing was sent.
    #[error("app cannot be reached: {0}")]
    Unreachable(String),
    /// The other side could not prove who it is; nothing was sent.
    #[error("no trusted connection: {0}")]
    Tls(String),
    /// What came is not HTTP, or broke off.
    #[error("answer broke off or is not valid HTTP: {0}")]
    Protocol(String),
    /// It redirected more often than is followed.
    #[error("more than {0} redirects")]
    Redirects(usize),
    /// The request itself cannot be sent; nothing was.
    #[error("request cannot be sent: {0}")]
    Invalid(String),
    /// The HTTP client cannot be made.
    #[error("HTTP client cannot be made: {0}")]
    Client(String),
}

impl EgressError {
    /// Whether the request may have reached the app although no answer is known: what decides about steps that are done at most once.
    pub fn answer_lost(&self) -> bool {
        match self {
            Self::Refused { redirected, .. } => *redirected,
            Self::Timeout { sent, .. } => *sent,
            Self::TooLarge { .. } | Self::Protocol(_) | Self::Redirects(_) => true,
            Self::Unreachable(_) | Self::Tls(_) | Self::Invalid(_) | Self::Client(_) => false,
        }
    }

    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "egress_refused",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "answer_too_large",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls_failed",
            Self::Protocol(_) => "bad_answer",
            Self::Redirects(_) => "too_many_redirects",
            Self::Invalid(_) => "bad_request",
            Self::Client(_) => "no_http_client",
        }
    }

    /// The same as the error of a step.
    pub fn step_error(&self) -> StepError {
        let (kind, help) = match self {
            Self::Refused { .. } => (
                ErrorKind::InvalidInput,
                Some(
                    "only public addresses over https are reached; an operator can allow an exact host:port",
                ),
            ),
            Self::Timeout { .. } => (ErrorKind::Timeout, None),
            Self::TooLarge { .. } => (
                ErrorKind::InvalidInput,
                Some("ask the app for less at once"),
            ),
            Self::Unreachable(_) | Self::Protocol(_) => (ErrorKind::Unavailable, None),
            Self::Tls(_) => (
                ErrorKind::Unavailable,
                Some("the app's certificate is not one this machine trusts"),
            ),
            Self::Redirects(_) | Self::Invalid(_) => (ErrorKind::InvalidInput, None),
            Self::Client(_) => (ErrorKind::Internal, None),
        };
        let error = StepError::new(kind, self.to_string()).with_code(self.code());
        match help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}
