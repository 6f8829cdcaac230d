//! Which secret lies where, and reading a connection's secrets against what its row says of itself.

use std::sync::Arc;

use actas_core::Secret;
use actas_core::ids::{ClientId, WorkspaceId};
use actas_core::run::ConnectionKind;
use actas_store::{ConnectionRow, Op, ReadError, Reader};
use sha2::{Digest, Sha256};

use crate::connections::{Connections, now};
use crate::dpop::ProofKey;
use crate::vault::{Place, joined};
use crate::who::Who;

pub(crate) const ACCESS: &str = "access_token";
pub(crate) const REFRESH: &str = "refresh_token";
/// The key that a token is bound to.
pub(crate) const PROOF_KEY: &str = "dpop_key";

/// The owner of what belongs to nobody in particular.
pub(crate) const WORKSPACE: &str = "workspace";

/// Why a secret cannot be read.
#[derive(Debug)]
pub(crate) enum SecretError {
    /// It is not what was sealed there; audited.
    Integrity,
    Read(ReadError),
}

impl From<ReadError> for SecretError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Where an app client's secret lies.
pub(crate) fn client_place<'a>(workspace: &'a WorkspaceId, client: &'a ClientId) -> Place<'a> {
    Place {
        workspace,
        owner: WORKSPACE,
        of: client.as_str(),
        field: "client_secret",
        version: 0,
    }
}

/// Where one of a connection's secrets lies, at the version its row names.
pub(crate) fn place<'a>(
    workspace: &'a WorkspaceId,
    connection: &'a ConnectionRow,
    field: &'a str,
) -> Place<'a> {
    Place {
        workspace,
        owner: match connection.kind {
            ConnectionKind::Personal => connection.owner.as_str(),
            ConnectionKind::Shared => WORKSPACE,
        },
        of: connection.id.as_str(),
        field,
        version: connection.token_version,
    }
}

/// What a connection's secrets are bound to: where they may be sent hangs on it.
pub(crate) fn binding(connection: &ConnectionRow) -> Vec<u8> {
    let parts = [
        connection.app.as_str().as_bytes(),
        connection.client.as_str().as_bytes(),
        connection.facts.as_bytes(),
    ];
    Sha256::digest(joined(&parts)).to_vec()
}

impl Connections {
    /// One of a connection's secrets, with the row it belongs to: if the row was changed in between, the newer one.
    pub(crate) async fn secret(
        &self,
        reader: &Reader,
        mut row: ConnectionRow,
        field: &str,
    ) -> Result<(ConnectionRow, Option<Secret<String>>), SecretError> {
        for _ in 0..8 {
            let sealed = reader.secret(row.id.as_str(), field).await?;
            let opened = match &sealed {
                None => None,
                Some(sealed) => {
                    let place = place(reader.workspace(), &row, field);
                    Some(self.unseal(&place, &binding(&row), sealed).await)
                }
            };
            match opened {
                Some(Ok(secret)) => return Ok((row, Some(secret))),
                Some(Err(SecretError::Read(error))) => return Err(error.into()),
                None | Some(Err(_)) => {
                    // Row and secret are two reads: a change between them is no tampering.
                    let again = reader.connection(&row.id).await?;
                    match again {
                        Some(newer) if newer.token_version != row.token_version => row = newer,
                        Some(same) if opened.is_none() => return Ok((same, None)),
                        None => return Ok((row, None)),
                        Some(_) => break,
                    }
                }
            }
        }
        self.integrity(reader.workspace(), &row, field).await;
        Err(SecretError::Integrity)
    }

    /// The key that a connection's token is bound to, of the same version as the row; none if it is not bound, or the row was changed meanwhile.
    pub(crate) async fn proof_key(
        &self,
        reader: &Reader,
        row: &ConnectionRow,
    ) -> Result<Option<Arc<ProofKey>>, SecretError> {
        let (found, key) = self.secret(reader, row.clone(), PROOF_KEY).await?;
        if found.token_version != row.token_version {
            return Ok(None);
        }
        match key {
            None => Ok(None),
            Some(written) => match ProofKey::read(written) {
                Some(key) => Ok(Some(Arc::new(key))),
                None => Err(SecretError::Integrity),
            },
        }
    }

    async fn integrity(&self, workspace: &WorkspaceId, row: &ConnectionRow, field: &str) {
        tracing::error!(connection = %row.id, field, "stored secret is not the one that was sealed there");
        let mut draft = Who::engine().draft(
            workspace,
            now(),
            "vault_integrity",
            ("connection", row.id.as_str()),
            "failed",
        );
        draft.connection = Some(row.id.clone());
        draft.reason = Some(field.to_owned());
        if let Err(error) = self.commit(Vec::new(), vec![draft]).await {
            tracing::error!("broken seal cannot be audited: {error}");
        }
    }

    /// The writes that replace all secrets of a connection by new ones, sealed for the version its row names. All of them each time, so that
    /// none of an older version can be slipped in again.
    pub(crate) fn put_secrets(
        &self,
        workspace: &WorkspaceId,
        row: &ConnectionRow,
        secrets: &[(String, Secret<String>)],
    ) -> Vec<Op> {
        let drop = Op::DropSecrets {
            workspace: workspace.clone(),
            owner: row.id.as_str().to_owned(),
        };
        let put = secrets.iter().map(|(field, secret)| Op::PutSecret {
            workspace: workspace.clone(),
            secret: self.inner.vault.seal_bound(
                &place(workspace, row, field),
                &binding(row),
                secret.reveal().as_bytes(),
            ),
        });
        std::iter::once(drop).chain(put).collect()
    }
}
