//! A connection at the point of use: whose it is is checked here once more, whatever was bound before.

use std::sync::Arc;

use actas_core::app::Manifest;
use actas_core::ids::{ConnectionId, RunId, UserId, WorkspaceId};
use actas_core::run::Rule;
use actas_egress::Credential;
use serde_json::Value;

use crate::connections::Connections;
use crate::errors::UseError;

/// A step that is about to act through a connection.
#[derive(Debug, Clone)]
pub struct Use {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection the slot was bound to.
    pub connection: ConnectionId,
    /// The slot's person.
    pub person: UserId,
    /// The rule that chose it.
    pub rule: Rule,
    /// The app's manifest, as the version has it.
    pub manifest: Arc<Manifest>,
    /// The run.
    pub run: RunId,
}

/// What the step acts with.
#[derive(Debug, Clone)]
pub struct Usable {
    /// For the egress crate alone.
    pub credential: Credential,
    /// The connection's public facts: settings and kept fields.
    pub facts: Value,
    /// Which version of the secrets it is: handed back if the app refuses it.
    pub token_version: i64,
    /// The external account's name.
    pub account: String,
}

impl Connections {
    /// The credential for a step, refreshed if it ran out.
    ///
    /// # Errors
    /// See [`UseError`].
    pub async fn credential(&self, u: &Use) -> Result<Usable, UseError> {
        let _ = u;
        todo!()
    }

    /// The app refused the credential (401): one forced refresh, or what somebody else has refreshed meanwhile. If the fresh one is refused
    /// too, the connection is marked revoked.
    ///
    /// # Errors
    /// See [`UseError`].
    pub async fn refused(&self, u: &Use, token_version: i64) -> Result<Usable, UseError> {
        let _ = (u, token_version);
        todo!()
    }
}
