//! The only crate that knows axum: the HTTP API, login and sessions, the pages people see, and publishing.
//!
//! [`Server::start`] opens the engine's parts and listens. Every request goes through the table in [`routes`] and the gate in front of
//! it; handlers live in [`api`] (JSON) and [`pages`] (HTML) and share what [`publish`] and [`drafts`] do. Nothing here performs a step,
//! sees a secret of an app, or speaks SQL.

pub mod access;
pub mod accounts;
pub mod api;
pub mod app;
pub mod approver;
pub mod attach;
pub mod call;
pub mod callbacks;
pub mod calls;
pub mod context;
pub mod difference;
pub mod drafts;
pub mod dynamic;
pub mod export;
pub mod gate;
pub mod impact;
pub mod leaves;
pub mod leaving;
pub mod listen;
mod log;
pub mod newcomers;
pub mod origin;
pub mod pages;
pub mod password;
pub mod problem;
pub mod publish;
pub mod rate;
pub mod refusals;
pub mod renewed;
pub mod requests;
pub mod routes;
pub mod scopes;
pub mod secrets;
pub mod server;
pub mod standing;
pub mod start;
mod strangers;
pub mod target;
pub mod terminal;
pub mod triggers;
pub mod typed;
pub mod view;
pub mod workspaces;

pub use server::{Server, ServerConfig, StartError};

#[cfg(test)]
mod tests;
