//! What the tests of several crates share: the real things they run against, and ways to see the product from outside.
//!
//! Whatever may be missing on a machine is asked for by a function that answers `None` and says which test was left out;
//! with `ACTAS_REQUIRE=all` it fails instead, so that a continuous build leaves nothing out. Must not use an Actas crate.

pub mod children;
pub mod chromium;
pub mod need;
pub mod node;
#[cfg(feature = "web")]
pub mod oidc;
pub mod pgproxy;
pub mod postgres;
pub mod process;
#[cfg(feature = "web")]
pub mod sandbox;
pub mod smtp;
pub mod strace;

#[cfg(feature = "web")]
pub use actas_scripted_browser::{browser, html};
