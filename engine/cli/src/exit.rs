//! How a command ends: the promised exit codes, and errors said so that a person knows what to do.

use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The run failed, or there are diagnostics; already said.
    #[error("")]
    Said,
    /// A run failed or a check found something: exit 1.
    #[error("{0}")]
    Fault(String),
    /// The command was used wrongly: exit 2.
    #[error("{0}")]
    Usage(String),
    /// A person is needed: exit 3.
    #[error("{0}")]
    Paused(String),
    /// A privilege is missing: exit 4.
    #[error("{0}")]
    Refused(String),
    /// Store or network: exit 5.
    #[error("{0}")]
    Unavailable(String),
}

impl Failed {
    /// The promised exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Said | Self::Fault(_) => 1,
            Self::Usage(_) => 2,
            Self::Paused(_) => 3,
            Self::Refused(_) => 4,
            Self::Unavailable(_) => 5,
        })
    }
}

/// What commands return.
pub type Done = Result<(), Failed>;
