//! The flow language: [`parse`] reads a file into a [`Draft`] with every fault at once, [`Flow`] is what is published,
//! [`plan::Plan`] is a version made ready to run. [`canonical`] is what publishing freezes, [`without_build_time`] what a draft stores.

pub mod build_time;
mod calls;
pub mod canonical;
mod check;
mod decode;
mod graph;
pub mod index;
pub mod inputs;
pub(crate) mod language;
pub mod model;
pub mod parse;
pub mod plan;
mod shape;

pub use build_time::without_build_time;
pub use calls::{Unmanned, unmanned};
pub use canonical::{canonical, digest};
pub use check::{TriggerKind, dynamic_slots_need_on_demand};
pub use inputs::{InputFault, Inputs};
pub use model::*;
pub use parse::{Parsed, parse};
pub use plan::Plan;
pub(crate) use shape::json_schema;

#[cfg(test)]
mod tests;
