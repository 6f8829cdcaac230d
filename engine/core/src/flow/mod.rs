//! The flow language: [`parse`] reads a file into a [`Draft`] with every fault at once, [`Flow`] is what is published,
//! [`plan::Plan`] is a version made ready to run.

pub mod index;
pub mod model;
pub mod parse;
pub mod plan;

pub use model::*;
pub use parse::{Parsed, parse};
pub use plan::Plan;
