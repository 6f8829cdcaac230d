//! A run: the fold of its journal. [`Run::apply`] alone decides whether an event is legal, [`decide`] alone decides what happens next.

pub mod apply;
pub mod approval;
mod around;
pub mod batched;
pub mod callbacks;
pub mod children;
pub mod command;
pub mod decide;
pub mod decision;
pub mod document;
mod ends;
pub mod event;
pub mod frame;
pub mod hold;
mod holds;
pub mod import;
pub mod inside;
pub mod line;
mod part;
pub mod parts;
pub mod privacy;
mod progress;
pub mod refused;
mod retry;
mod scope;
mod standing;
pub mod state;
#[cfg(test)]
mod tests;

pub use apply::IllegalEvent;
pub use command::{AskDecision, Command, StartBatch, StartHold, StartStep};
pub use decide::decide;
pub use document::{Links, RunDocument, Viewer, document};
pub use event::*;
pub use frame::{Frame, Frames, Instance, ROOT, Undone};
pub use hold::HoldSpec;
pub use line::Turn;
pub use parts::*;
pub use privacy::Privacy;
pub use refused::Refused;
pub use state::{Phase, Run, SlotState, StepState};
