//! The trip to the provider: begun by a button's POST, ended by the callback, one row for each try.

use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, Name, SignInId, SlotName, UserId, WorkspaceId,
};
use actas_store::SessionRow;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::connections::Connections;
use crate::errors::{CallbackError, SignInError};
use crate::page::Finished;
use crate::who::Who;

/// A connection to be made from the list, without a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectTarget {
    /// The app.
    pub app: AppName,
    /// To sign in through.
    pub client: ClientId,
    /// What it is to become.
    pub kind: ConnectKind,
    /// The scopes to ask for; empty: all that the manifest names.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// What a new connection is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectKind {
    /// The workspace's, under this name.
    Shared {
        /// Free among the shared connections.
        name: Name,
    },
    /// The person's own: under a parent, or for a flow's slot.
    Personal {
        /// Under this parent.
        parent: Option<ConnectionId>,
        /// Without a parent: for this flow and slot.
        made_for: Option<(FlowId, SlotName)>,
    },
}

impl Connections {
    /// Begins a sign-in: makes the attempt and says where the person is sent. Only ever the answer to a POST of its own person.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin(
        &self,
        workspace: &WorkspaceId,
        id: &SignInId,
        user: &UserId,
        session_hash: &str,
        who: &Who,
    ) -> Result<Url, SignInError> {
        let _ = (workspace, id, user, session_hash, who);
        todo!()
    }

    /// Begins a sign-in from the list of connections, without a run. That the user may make it, the caller has checked.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin_connect(
        &self,
        workspace: &WorkspaceId,
        target: &ConnectTarget,
        user: &UserId,
        session_hash: &str,
        who: &Who,
    ) -> Result<Url, SignInError> {
        let _ = (workspace, target, user, session_hash, who);
        todo!()
    }

    /// Begins to renew a connection from the list; the same account must sign in. A personal one by its owner only.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin_reconnect(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        session_hash: &str,
        who: &Who,
    ) -> Result<Url, SignInError> {
        let _ = (workspace, connection, user, session_hash, who);
        todo!()
    }

    /// The provider's answer, as the browser brings it to `/oauth/callback/{client}`. Who brings it is checked before the code is redeemed.
    /// What comes of it is stored in one commit: connection, secrets, grant, the sign-ins it answers and a word to each run that waits.
    ///
    /// # Errors
    /// See [`CallbackError`].
    pub async fn callback(
        &self,
        client: &ClientId,
        query: &[(String, String)],
        session: Option<&SessionRow>,
        who: &Who,
    ) -> Result<Finished, CallbackError> {
        let _ = (client, query, session, who);
        todo!()
    }
}
