//! Apps as data: the manifest, and its pure interpreter. It makes requests and reads answers; only the runner sends, and only
//! the egress crate attaches a credential.

pub mod interpret;
pub mod manifest;
pub mod native;

pub use interpret::{
    Account, Call, Method, OAuthEndpoints, Performance, Progress, RecordRef, Response,
};
pub use manifest::{Apps, Auth, ClientAuth, Effect, Manifest, Module, ParsedManifest, parse};
pub use native::{Native, NativeStep, Natives};
