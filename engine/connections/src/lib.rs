//! The only crate that sees a secret in clear: whose credential a step may use, and how a person gives one.
//!
//! The runner asks [`Connections::resolve`] which connection fills a slot, and [`Connections::credential`] for the credential at the point
//! of use. The server shows a sign-in with [`Connections::view`], begins it with [`Connections::begin`] and ends it with
//! [`Connections::callback`]. Secrets lie in the store sealed by the [`vault`]; they leave this crate only inside a
//! [`actas_egress::Credential`], and never in an error, a log line or an audit record.

mod account;
mod ask;
mod bound;
mod callback;
mod callback_address;
mod client_grant;
mod config;
mod connections;
mod discovery;
mod dpop;
mod errors;
mod flights;
mod forget;
mod guard;
pub mod jwt;
mod key;
mod lifecycle;
mod login;
mod named;
mod page;
mod pending;
mod provider;
mod refresh;
mod revoke;
mod rotate;
mod secrets;
mod settle;
mod signing;
mod surface;
#[cfg(test)]
mod tests;
mod token;
mod typed;
mod usage;
pub mod vault;
mod wake;
mod who;

pub use account::{AccountView, Candidate, ScopeView};
pub use ask::{Resolution, SlotAsk};
pub use config::{ConnectionsConfig, KeySource};
pub use connections::Connections;
pub use errors::{
    CallbackError, ConnectionsError, GiveError, OpenError, RotateError, SignInError, UseError,
};
pub use forget::Forgotten;
pub use guard::Guarded;
pub use lifecycle::{Choice, Purged};
pub use login::{Journey, LoginError, Returned};
pub use named::NotSigned;
pub use page::{Finished, SignInView};
pub use pending::{ConnectKind, ConnectTarget};
pub use revoke::AtProvider;
pub use rotate::Rotated;
pub use surface::Surface;
pub use typed::{FieldView, Fields, KindView, kinds};
pub use usage::{Usable, Use, person_left};
pub use who::Who;
