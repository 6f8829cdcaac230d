//! The key that a workspace's audit log is signed with: made here when it is first needed, sealed as any other secret, and given out as something
//! that signs, never as a key.

use actas_core::Secret;
use actas_core::audit::note::LogSigner;
use actas_core::ids::WorkspaceId;
use actas_store::{Commit, CommitError, LogAct, Op, SecretRow, system};

use crate::connections::{Connections, now};
use crate::errors::ConnectionsError;
use crate::secrets::WORKSPACE;
use crate::vault::Place;
use crate::who::Who;

/// Where it lies.
fn place(workspace: &WorkspaceId) -> Place<'_> {
    Place {
        workspace,
        owner: WORKSPACE,
        of: "audit",
        field: "signing_key",
        version: 1,
    }
}

impl Connections {
    /// What signs the checkpoints of a workspace's audit log. The first call makes its key; the record of that holds the public half.
    ///
    /// # Errors
    /// If the store is away, or what is sealed there is not that key.
    pub async fn log_signer(&self, workspace: &WorkspaceId) -> Result<LogSigner, ConnectionsError> {
        if let Some(signer) = self.known_signer(workspace).await? {
            return Ok(signer);
        }
        let seed = Secret::new(system::random::<32>());
        let signer = LogSigner::new(workspace, &seed);
        let key = signer.key();
        let mut draft = Who::engine().draft(
            workspace,
            now(),
            "audit.key_made",
            ("audit_key", key.name()),
            "ok",
        );
        draft.object.version = Some(key.to_string());
        let secret = self.inner.vault.seal(&place(workspace), seed.reveal());
        let commit = Commit {
            ops: vec![Op::Log {
                workspace: workspace.clone(),
                act: LogAct::MakeKey(secret),
            }],
            audit: vec![draft],
        };
        match self.inner.store.commit(commit).await {
            Ok(()) => Ok(signer),
            // Another process was quicker: its key is the one.
            Err(CommitError::Conflict { .. }) => self
                .known_signer(workspace)
                .await?
                .ok_or_else(|| ConnectionsError::Integrity("the audit log".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    async fn known_signer(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Option<LogSigner>, ConnectionsError> {
        let place = place(workspace);
        let row: Option<SecretRow> = self.reader(workspace).secret(place.of, place.field).await?;
        let Some(row) = row else { return Ok(None) };
        let broken = || ConnectionsError::Integrity("the audit log".to_owned());
        self.find_key(workspace, &row.kek_id).await?;
        let opened = self.inner.vault.open(&place, &row).map_err(|_| broken())?;
        let seed = <[u8; 32]>::try_from(opened.reveal().as_slice()).map_err(|_| broken())?;
        Ok(Some(LogSigner::new(workspace, &Secret::new(seed))))
    }
}
