//! The whole language on the real runner, on both databases.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod crash;
mod lines;
mod paces;
mod place;
mod runs;
mod schedules;
mod wide;
