//! Taking credentials back: at the provider (RFC 7009) and here. That a provider cannot be reached never keeps anything alive here.

use actas_core::ids::{ConnectionId, RunId, UserId, WorkspaceId};
use actas_core::run::ConnectionKind;
use actas_store::{CommitError, ConnectionRow, ConnectionState, Op, ReadError, Reader};

use crate::ask::dead;
use crate::connections::Connections;
use crate::errors::ConnectionsError;
use crate::pending::connection_draft;
use crate::secrets::{ACCESS, REFRESH};
use crate::who::Who;

/// What became of a connection at its provider, for the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtProvider {
    Revoked,
    /// Another living connection has the account there, and might go with it.
    Shared,
    NotRevoked,
    Nothing,
}

impl AtProvider {
    fn reason(self) -> &'static str {
        match self {
            Self::Revoked => "revoked_at_provider",
            Self::Shared => "account_in_use_elsewhere",
            Self::NotRevoked => "not_revoked_at_provider",
            Self::Nothing => "nothing_to_revoke",
        }
    }
}

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
        let reader = self.reader(workspace);
        for _ in 0..6 {
            let row = reader
                .connection(connection)
                .await?
                .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)
                .ok_or(ConnectionsError::NotFound)?;
            if row.state == ConnectionState::Disconnected {
                return Ok(());
            }
            // The secrets are taken out before the row lets go of them, and revoked after: what is disconnected here is never used again,
            // whatever becomes of the provider.
            let secrets = self.both(&reader, &row).await?;
            let disconnected = ConnectionRow {
                state: ConnectionState::Disconnected,
                token_version: row.token_version + 1,
                refreshing: None,
                expires_at: None,
                ..row.clone()
            };
            let ops = vec![
                Op::ChangeConnection {
                    workspace: workspace.clone(),
                    connection: disconnected,
                    expect: row.token_version,
                },
                Op::DropSecrets {
                    workspace: workspace.clone(),
                    owner: row.id.to_string(),
                },
            ];
            let draft = connection_draft(who, workspace, &row, "connection.disconnected", "ok");
            match self.commit(ops, vec![draft]).await {
                Ok(()) => {
                    self.revoke_and_note(&reader, &row, secrets, who).await;
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ConnectionsError::Commit(CommitError::Busy))
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
        let reader = self.reader(workspace);
        let row = reader
            .connection(connection)
            .await?
            .ok_or(ConnectionsError::NotFound)?;
        let mut draft = connection_draft(who, workspace, &row, "connection.deleted", "ok");
        if row.owner != *user {
            draft.person = self.person(&reader, &row.owner).await?;
            draft.reason = Some("not_their_own".to_owned());
        }
        self.erase(&reader, row, draft, who).await
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
        let reader = self.reader(workspace);
        let who = Who::engine();
        for row in reader.connections_of_run(run).await? {
            let mut draft = connection_draft(&who, workspace, &row, "connection.deleted", "ok");
            draft.run = Some(run.clone());
            draft.reason = Some("kept_for_one_run".to_owned());
            match self.erase(&reader, row, draft, &who).await {
                Ok(()) | Err(ConnectionsError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn erase(
        &self,
        reader: &Reader,
        row: ConnectionRow,
        draft: actas_core::audit::Draft,
        who: &Who,
    ) -> Result<(), ConnectionsError> {
        let workspace = reader.workspace();
        let secrets = self.both(reader, &row).await?;
        let ops = vec![
            Op::DropSecrets {
                workspace: workspace.clone(),
                owner: row.id.to_string(),
            },
            Op::DeleteConnection {
                workspace: workspace.clone(),
                connection: row.id.clone(),
            },
        ];
        match self.commit(ops, vec![draft]).await {
            Ok(()) => {}
            Err(CommitError::Conflict { .. }) => return Err(ConnectionsError::NotFound),
            Err(error) => return Err(error.into()),
        }
        self.revoke_and_note(reader, &row, secrets, who).await;
        self.inner.flights.forget(&row.id);
        Ok(())
    }

    /// Both tokens, as far as they can be read: what cannot be opened cannot be revoked, and is erased all the same.
    async fn both(&self, reader: &Reader, row: &ConnectionRow) -> Result<Both, ReadError> {
        let mut both = Both::default();
        for field in [REFRESH, ACCESS] {
            match self.secret(reader, row.clone(), field).await {
                Ok((_, Some(secret))) => both.tokens.push((field, secret)),
                Ok((_, None)) | Err(crate::secrets::SecretError::Integrity) => {}
                Err(crate::secrets::SecretError::Read(error)) => return Err(error),
            }
        }
        Ok(both)
    }

    async fn revoke_and_note(&self, reader: &Reader, row: &ConnectionRow, both: Both, who: &Who) {
        let came = self.revoke(reader, row, &both).await;
        if came == AtProvider::Nothing {
            return;
        }
        let outcome = if came == AtProvider::NotRevoked {
            "failed"
        } else {
            "ok"
        };
        let mut draft = connection_draft(
            who,
            reader.workspace(),
            row,
            "connection.revocation",
            outcome,
        );
        draft.reason = Some(came.reason().to_owned());
        if let Err(error) = self.commit(Vec::new(), vec![draft]).await {
            tracing::warn!("revocation cannot be audited: {error}");
        }
    }

    async fn revoke(&self, reader: &Reader, row: &ConnectionRow, both: &Both) -> AtProvider {
        if both.tokens.is_empty() {
            return AtProvider::Nothing;
        }
        let Ok(others) = reader
            .connections_of_subject(&row.client, &row.subject)
            .await
        else {
            return AtProvider::NotRevoked;
        };
        if others
            .iter()
            .any(|other| other.id != row.id && dead(other.state).is_none())
        {
            return AtProvider::Shared;
        }
        let Ok(Some(client)) = reader.client(&row.client).await else {
            return AtProvider::NotRevoked;
        };
        let Some(manifest) = self.installed(&row.app) else {
            return AtProvider::NotRevoked;
        };
        let Ok(provider) = self.provider(reader, &client, &manifest).await else {
            return AtProvider::NotRevoked;
        };
        let mut all = true;
        for (field, token) in &both.tokens {
            all &= provider.revoke(token, field).await;
        }
        if all {
            AtProvider::Revoked
        } else {
            AtProvider::NotRevoked
        }
    }
}

#[derive(Default)]
struct Both {
    tokens: Vec<(&'static str, actas_core::Secret<String>)>,
}
