//! Taking credentials back: at the provider (RFC 7009) and here.

use actas_core::ids::{ConnectionId, RunId, UserId, WorkspaceId};

use crate::connections::Connections;
use crate::errors::ConnectionsError;
use crate::who::Who;

impl Connections {
    /// Disconnects: revoked at the provider if no other live connection has that account there, secrets erased, the row kept. A personal
    /// connection by its owner only; that the user may do it to a shared one, the caller has checked.
    ///
    /// # Errors
    /// See [`ConnectionsError`]; that the provider could not be reached is none.
    pub async fn disconnect(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        who: &Who,
    ) -> Result<(), ConnectionsError> {
        let _ = (workspace, connection, user, who);
        todo!()
    }

    /// Deletes: as [`Self::disconnect`], and the row goes with its grants. That the user may do it to what is not theirs, the caller has checked.
    ///
    /// # Errors
    /// See [`ConnectionsError`]; that the provider could not be reached is none.
    pub async fn delete(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        who: &Who,
    ) -> Result<(), ConnectionsError> {
        let _ = (workspace, connection, user, who);
        todo!()
    }

    /// A run ended: connections kept for it alone are revoked and erased. Cheap if there are none.
    ///
    /// # Errors
    /// See [`ConnectionsError`].
    pub async fn end_of_run(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
    ) -> Result<(), ConnectionsError> {
        let _ = (workspace, run);
        todo!()
    }
}
