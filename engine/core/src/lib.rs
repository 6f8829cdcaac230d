//! The pure core: what a flow means and what a run does next.
//!
//! No IO, no clock, no randomness, no async, no SQL: time and ids come in as arguments, decisions go out as values.
//! Start with [`flow`] (the language), [`run`] (event, state, decide), [`app`] (manifests) and [`audit`] (the chain).

pub mod app;
pub mod audit;
pub mod diagnostic;
pub mod error;
pub mod expr;
pub mod flow;
pub mod ids;
pub mod policies;
pub mod run;
pub mod schedule;
pub mod schema;
pub mod secret;
pub mod time;
pub mod webhook;
pub mod yaml;

pub use error::{ErrorKind, StepError};
pub use secret::Secret;
pub use time::Time;
