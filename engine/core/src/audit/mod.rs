//! The audit record and its chain (`actas/audit/1`): who, as whom, through which entry point, did what to which thing, with what outcome.
//!
//! A [`Draft`] says what happened; [`link`] makes it the next [`Record`] of its workspace's chain and sets apart what is [`Personal`];
//! [`Verifier`] walks a chain and names the first record that is not as it was written; [`view`] is what people and programs are shown.
//! A record never holds payloads or secrets, and no value of a person: only a salted commitment to it, so that the value can be erased
//! and the chain still verifies.

pub mod actions;
pub mod export;
pub mod note;
mod personal;
mod record;
#[cfg(test)]
mod tests;
pub mod tree;
mod verify;
mod view;

pub use personal::{Commitments, Field, Personal, Salt};
pub use record::{ActorKind, FORMAT, GENESIS, MAX_RECORD_BYTES, Record, link};
pub use verify::{Broken, CUT, ERASED, Verifier};
pub use view::view;

use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, RunId, UserId, WorkspaceId};
use crate::run::Rule;
use crate::time::Time;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    /// A person, logged in or by token.
    User {
        /// Who.
        id: UserId,
        /// Their login then. Personal.
        login: String,
    },
    /// The command line on the embedded store, acting as a local user.
    LocalOperator,
    /// The engine itself.
    Engine,
    /// What starts a flow without a person: its schedule or its webhook.
    Trigger,
    /// Somebody who was not logged in.
    Anonymous,
}

/// What the act was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// `run`, `flow`, `version`, `connection`, `sign_in`, `user`, `session`, `app_client` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id or name.
    pub id: String,
    /// Version number or digest, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// An act before it is linked into the chain: typed fields only, no payloads, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The chain it belongs to.
    pub workspace: WorkspaceId,
    /// When.
    pub at: Time,
    /// Who did it.
    pub actor: Actor,
    /// For whom: the invoker or approver. The login is personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<(UserId, String)>,
    /// Through which connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// The external account's name. Personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The rule that chose the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// The app's record that was touched, `(type, id)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<(String, String)>,
    /// The way in: `cli`, `api`, `run_once`, `build`, …, `page`, `engine`.
    pub entry: String,
    /// What was done: `run.created`, `step.succeeded`, `sign_in.refused` …
    pub action: String,
    /// To what.
    pub object: Object,
    /// In which flow, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// In which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// In which step, by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// `ok`, `refused`, `failed`, …
    pub outcome: String,
    /// Why, as a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The peer's address. Personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The user agent, shortened. Personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}
