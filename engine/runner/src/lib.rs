//! The only crate that performs steps: claim, load, decide, perform, record.
//!
//! [`Runner`] is the handle the server uses. One task drives one held run ([`drive::Drive`]); everything that lasts goes through the store's one
//! writer; waiting and paused runs hold no task and no memory.

mod again;
mod callee;
mod changes;
mod claim;
mod drive;
mod notices;
mod perform;
mod plans;
mod reach;
mod record;
mod runner;
mod schedule;
mod trigger;

pub use again::{Again, AgainError};
pub use plans::{LoadError, Version};
pub use reach::called_by;
pub use runner::{CancelError, CreateError, NewRun, Runner, RunnerConfig, Started};
