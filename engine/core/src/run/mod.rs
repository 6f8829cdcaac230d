//! A run: the fold of its journal. [`Run::apply`] alone decides whether an event is legal, [`decide`] alone decides what happens next.

pub mod approval;
pub mod callbacks;
pub mod decide;
pub mod document;
pub mod event;
pub mod hold;
pub mod privacy;
mod progress;
pub mod refused;
mod retry;
mod standing;
pub mod state;
#[cfg(test)]
mod tests;

pub use decide::{Command, StartStep, decide};
pub use document::{RunDocument, Viewer, document};
pub use event::*;
pub use hold::HoldSpec;
pub use privacy::Privacy;
pub use refused::Refused;
pub use state::{IllegalEvent, Phase, Run, SlotState, StepState};
