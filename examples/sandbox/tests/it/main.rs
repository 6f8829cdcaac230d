//! The sandbox over real HTTP: every rule of its authorisation server, its API, its faults and its admin API.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests call the sandbox itself, as any program on this machine could"
)]

mod admin;
mod api;
mod authorize;
mod browser;
mod faults;
mod token;
