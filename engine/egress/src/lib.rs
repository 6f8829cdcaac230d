//! The only crate that makes outgoing HTTP requests.
//!
//! [`Egress::send`] performs an app's [`actas_core::app::Call`] and [`Egress::exchange`] a request of an OAuth sign-in. Both go through
//! the same guard: an address is resolved, judged and only then connected to, at every redirect again ([`guard`]); time and size are
//! bounded; a credential goes to its own hosts only ([`Credential`]) and what comes back is scrubbed of it. Nothing here knows of runs,
//! of the store or of where a credential comes from.

mod answer;
mod client;
mod config;
mod credential;
mod error;
pub mod guard;
mod mail;
mod prover;
mod redact;
#[cfg(test)]
mod tests;
mod way;

pub use client::Egress;
pub use config::{CallLimits, EgressConfig, HostPort};
pub use credential::{Credential, Scheme};
pub use error::EgressError;
pub use mail::{Letter, Mail, MailConfig, MailError};
pub use prover::{Prover, wants_another_proof};
#[cfg(any(test, feature = "simulated"))]
pub use way::{Carried, Network};
