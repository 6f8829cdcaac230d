//! The handle all else hangs on.

use std::sync::Arc;

use actas_core::Secret;
use actas_core::ids::WorkspaceId;
use actas_egress::Egress;
use actas_store::{ClientRow, Store};

use crate::config::ConnectionsConfig;
use crate::errors::{ConnectionsError, OpenError};
use crate::who::Who;

/// Connections, sign-ins and the vault. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) egress: Egress,
    pub(crate) config: ConnectionsConfig,
}

impl Connections {
    /// Takes the key, proves it against the store, and is ready.
    ///
    /// # Errors
    /// If the key is missing or wrong: then nothing may start.
    pub async fn open(
        store: Store,
        egress: Egress,
        config: ConnectionsConfig,
    ) -> Result<Self, OpenError> {
        let _ = (store, egress, config);
        todo!()
    }

    /// Makes or changes an app client; a secret that is not given stays what it is.
    ///
    /// # Errors
    /// If its settings do not fit the app's patterns, or the name is taken.
    pub async fn put_client(
        &self,
        workspace: &WorkspaceId,
        client: ClientRow,
        secret: Option<Secret<String>>,
        who: &Who,
    ) -> Result<(), ConnectionsError> {
        let _ = (workspace, client, secret, who);
        todo!()
    }

    /// The address a provider sends people back to, to be registered there.
    pub fn redirect_uri(&self, client: &actas_core::ids::ClientId) -> url::Url {
        let _ = client;
        todo!()
    }
}
