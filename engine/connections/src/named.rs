//! The workspace's named secrets: sealed here, and used here for what they are for, the signatures of webhooks. What one holds never leaves
//! this crate; after a rotation the one before counts as well, until the next.

use actas_core::flow::{HmacSha256, Webhook};
use actas_core::ids::{Name, WorkspaceId};
use actas_core::webhook::{Call, Refusal, verify};
use actas_core::{Secret, Time};
use actas_store::{NamedSecretRow, Op, ReadError, Reader};

use crate::connections::Connections;
use crate::secrets::{SecretError, WORKSPACE};
use crate::vault::Place;

/// What counts now.
const CURRENT: &str = "current";

/// What counted before the last rotation.
const PREVIOUS: &str = "previous";

/// Why a webhook's call is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// It is not what its sender signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not known: the store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Connections {
    /// The writes that give a named secret a value. What it held until now stays good beside it; what that replaced does not.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn put_named_secret(
        &self,
        workspace: &WorkspaceId,
        name: &Name,
        value: &Secret<String>,
    ) -> Result<Vec<Op>, ReadError> {
        let reader = self.reader(workspace);
        let before = self.named_secret(&reader, name, CURRENT).await?;
        let owner = NamedSecretRow::owner(name);
        let seal = |field, value: &Secret<String>| Op::PutSecret {
            workspace: workspace.clone(),
            secret: self
                .inner
                .vault
                .seal(&place(workspace, &owner, field), value.reveal().as_bytes()),
        };
        let mut ops = vec![
            Op::DropSecrets {
                workspace: workspace.clone(),
                owner: owner.clone(),
            },
            seal(CURRENT, value),
        ];
        ops.extend(before.map(|before| seal(PREVIOUS, &before)));
        Ok(ops)
    }

    /// Whether a call was signed with one of the secrets its webhook names.
    ///
    /// # Errors
    /// With the reason, which its sender must not learn.
    pub async fn webhook_signed(
        &self,
        workspace: &WorkspaceId,
        webhook: &Webhook,
        hmac: &HmacSha256,
        call: &Call<'_>,
        now: Time,
    ) -> Result<(), NotSigned> {
        let reader = self.reader(workspace);
        let mut secrets = Vec::new();
        for name in &hmac.secret {
            for field in [CURRENT, PREVIOUS] {
                secrets.extend(self.named_secret(&reader, name, field).await?);
            }
        }
        Ok(verify(webhook, hmac, call, &secrets, now)?)
    }

    /// What a named secret holds now.
    pub(crate) async fn workspace_secret(
        &self,
        reader: &Reader,
        name: &Name,
    ) -> Result<Option<Secret<String>>, ReadError> {
        self.named_secret(reader, name, CURRENT).await
    }

    /// What a named secret holds; none if it is not there or is not what was sealed there.
    async fn named_secret(
        &self,
        reader: &Reader,
        name: &Name,
        field: &str,
    ) -> Result<Option<Secret<String>>, ReadError> {
        let owner = NamedSecretRow::owner(name);
        let Some(row) = reader.secret(&owner, field).await? else {
            return Ok(None);
        };
        let place = place(reader.workspace(), &owner, field);
        match self.unseal(&place, &[], &row).await {
            Ok(value) => Ok(Some(value)),
            Err(SecretError::Read(error)) => Err(error),
            Err(SecretError::Integrity) => {
                tracing::error!(secret = %name, field, "stored secret is not the one that was sealed there");
                Ok(None)
            }
        }
    }
}

fn place<'a>(workspace: &'a WorkspaceId, owner: &'a str, field: &'a str) -> Place<'a> {
    Place {
        workspace,
        owner: WORKSPACE,
        of: owner,
        field,
        version: 0,
    }
}
