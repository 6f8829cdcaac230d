//! Which connection fills a slot of a run, or why its person must be asked.

use std::sync::Arc;

use actas_core::Time;
use actas_core::app::Manifest;
use actas_core::flow::Dynamic;
use actas_core::ids::{
    ConnectionId, FlowId, RunId, SignInId, SlotName, UserId, VersionId, WorkspaceId,
};
use actas_core::run::{AskReason, Bound};
use actas_store::{Binding, SignInRow};

use crate::connections::Connections;
use crate::errors::ConnectionsError;
use crate::surface::Surface;

/// A slot that wants its connection.
#[derive(Debug, Clone)]
pub struct SlotAsk {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The run.
    pub run: RunId,
    /// Its flow.
    pub flow: FlowId,
    /// Its version.
    pub version: VersionId,
    /// True for a run of a draft's snapshot: its author's build-time value fills the slot.
    pub draft: bool,
    /// The slot.
    pub slot: SlotName,
    /// The slot's person.
    pub person: UserId,
    /// Their login.
    pub login: String,
    /// What the slot's names meant when the version was made.
    pub binding: Binding,
    /// The app's manifest, as the version has it.
    pub manifest: Arc<Manifest>,
    /// The terms of a dynamic slot; none for a shared one.
    pub dynamic: Option<Dynamic>,
    /// How far the flow reaches through the slot.
    pub surface: Surface,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Use this.
    Bound(Bound),
    /// Ask the slot's person.
    Ask {
        /// Why.
        reason: AskReason,
        /// The connection that died, lacks scopes or was not agreed to for all this.
        connection: Option<ConnectionId>,
    },
}

impl Connections {
    /// Looks a slot's connection up. There is no fallback: another person's, or a shared one in place of a dynamic one, is never the answer.
    ///
    /// # Errors
    /// If the store is away, or the slot's parent was deleted.
    pub async fn resolve(&self, ask: &SlotAsk) -> Result<Resolution, ConnectionsError> {
        let _ = (&self.inner, ask);
        todo!()
    }

    /// The row of a request that asks a dynamic slot's person; the runner stores it with the pause.
    pub fn sign_in_row(
        &self,
        ask: &SlotAsk,
        id: SignInId,
        reason: AskReason,
        connection: Option<ConnectionId>,
        until: Time,
        now: Time,
    ) -> SignInRow {
        let _ = (ask, id, reason, connection, until, now);
        todo!()
    }
}
