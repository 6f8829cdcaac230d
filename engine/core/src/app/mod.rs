//! Apps as data: the manifest, and its pure interpreter. It makes requests and reads answers; only the runner sends, and only
//! the egress crate attaches a credential.
//!
//! [`parse`] reads a manifest with every fault at once. [`Performance`] is one attempt of a step: `start` gives a request, `next` takes
//! the answer. What stands where in a request is decided by [`encode`], so that no value can leave its place.

pub mod address;
pub(crate) mod answer;
pub mod cases;
pub mod discovery;
pub mod encode;
pub mod interpret;
pub mod manifest;
pub mod native;
mod paging;
mod parse;
mod perform;
mod request;
mod schema;
mod settings;
mod shape;
mod signin;
#[cfg(test)]
mod tests;
pub mod typed;

pub use discovery::{Metadata, MetadataFault};
pub use interpret::{
    Account, Call, Method, OAuthEndpoints, Performance, Progress, RecordRef, Response,
};
pub use manifest::{Apps, Auth, ClientAuth, Effect, HoldKind, Limits, Manifest, Module, OAuth2};
pub use native::{Native, NativeStep, Natives};
pub use parse::{ParsedManifest, parse};
pub use schema::manifest_schema;
pub use typed::{Sent, Typed, TypedField};
