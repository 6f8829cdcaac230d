//! What an app client is set to is sealed beside it, so that an address that somebody changed in the database is found before anything is
//! sent there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actas_core::ids::{ClientId, WorkspaceId};
use actas_store::{ClientRow, Op, Reader};
use sha2::{Digest, Sha256};

use crate::connections::{Connections, now};
use crate::secrets::{SecretError, WORKSPACE};
use crate::vault::{Place, joined};
use crate::who::Who;

/// The app clients that were found to be what was sealed, by what they are set to.
#[derive(Debug, Default)]
pub(crate) struct Proven(Mutex<HashMap<(WorkspaceId, ClientId), String>>);

/// Where the seal of an app client's settings lies.
pub(crate) fn client_place<'a>(workspace: &'a WorkspaceId, client: &'a ClientId) -> Place<'a> {
    Place {
        workspace,
        owner: WORKSPACE,
        of: client.as_str(),
        field: "set_to",
        version: 0,
    }
}

/// What an app client is set to, as a digest in hex digits.
pub(crate) fn set_to(client: &ClientRow) -> Vec<u8> {
    let parts = [
        client.app.as_str().as_bytes(),
        client.oauth_client_id.as_bytes(),
        client.settings.as_bytes(),
    ];
    hex::encode(Sha256::digest(joined(&parts))).into_bytes()
}

impl Connections {
    /// The write that seals what an app client is set to.
    pub(crate) fn seal_client(&self, workspace: &WorkspaceId, client: &ClientRow) -> Op {
        let place = client_place(workspace, &client.id);
        Op::PutSecret {
            workspace: workspace.clone(),
            secret: self.inner.vault.seal(&place, &set_to(client)),
        }
    }

    /// Whether an app client is what was sealed; if not, that is audited.
    pub(crate) async fn prove_client(
        &self,
        reader: &Reader,
        client: &ClientRow,
    ) -> Result<(), SecretError> {
        let workspace = reader.workspace();
        let key = (workspace.clone(), client.id.clone());
        let set = set_to(client);
        let proven = |known: &HashMap<_, String>| {
            known.get(&key).is_some_and(|known| known.as_bytes() == set)
        };
        let lock = || {
            self.inner
                .proven
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if proven(&lock()) {
            return Ok(());
        }
        // From the first key on, each has its seal.
        if self.ready(workspace).await.is_err() {
            return Err(SecretError::Integrity);
        }
        let place = client_place(workspace, &client.id);
        let sealed = reader.secret(place.of, place.field).await?;
        let fits = match sealed {
            None => false,
            Some(row) => match self.unseal(&place, &[], &row).await {
                Ok(text) => text.reveal().as_bytes() == set,
                Err(SecretError::Integrity) => false,
                Err(error) => return Err(error),
            },
        };
        if fits {
            let text = String::from_utf8_lossy(&set).into_owned();
            lock().insert(key, text);
            return Ok(());
        }
        // It may have been changed between the two reads.
        if reader.client(&client.id).await?.as_ref() != Some(client) {
            return Err(SecretError::Integrity);
        }
        tracing::error!(client = %client.id, "an app client is not set to what was sealed");
        let object = ("app_client", client.id.as_str());
        let mut draft = Who::engine().draft(workspace, now(), "vault_integrity", object, "failed");
        draft.reason = Some("settings".to_owned());
        if let Err(error) = self.commit(Vec::new(), vec![draft]).await {
            tracing::error!("broken seal cannot be audited: {error}");
        }
        Err(SecretError::Integrity)
    }
}
