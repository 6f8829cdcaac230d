//! The only crate that speaks SQL: what must last, on SQLite and PostgreSQL alike.
//!
//! Reading: [`Store::reader`] opens the typed reads of one workspace ([`read`]). Writing: a [`Commit`] holds typed operations ([`op::Op`]) and
//! audit drafts; [`Store::commit`] hands it to the one writer, which puts whatever is waiting into one transaction. Either all of a commit is
//! durable when it returns, or nothing of it was written. [`system`] is the one place that reads the clock and makes ids.
//!
//! A new operation is a variant of [`op::Op`], one text under `write`, and a name; a new read is a text and a reader of its columns.

mod cells;
mod chain;
mod claim;
mod columns;
mod database;
mod kept;
#[cfg(any(test, feature = "model"))]
pub mod model;
pub mod op;
#[cfg(test)]
mod plans;
pub mod read;
pub mod rows;
mod statement;
pub mod store;
pub mod system;
mod wake;
mod write;
mod writer;

pub use chain::AuditEntry;
pub use op::{Commit, Op};
pub use read::{AuditFilter, Notable, Page, Reader, RunFilter};
pub use rows::*;
pub use store::{Claimed, CommitError, ReadError, Store, StoreConfig, StoreError};
pub use writer::Written;
