//! Tests of the whole server over real sockets: a store in a temporary directory, the sandbox CRM as the app, browsers that hold to the rules.
#![expect(clippy::unwrap_used, reason = "a test that meets nothing fails there")]

mod attaching;
mod drafts;
mod hooks;
mod log;
mod logins;
mod matrix;
mod people;
mod privacy;
mod runs;
mod sign_ins;
mod site;
mod table;
mod vouched;
mod workspaces;

use site::Site;
