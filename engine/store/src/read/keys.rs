//! The keys of workspaces, and which secrets each of them wraps.

use actas_core::ids::WorkspaceId;

#[cfg(any(test, feature = "model"))]
use crate::model::{all, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::{SecretRow, WorkspaceKeyRow};
use crate::statement::params;
use crate::store::{ReadError, Store};

impl Reader {
    /// The workspace's keys, oldest first.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn workspace_keys(&self) -> Read<Vec<WorkspaceKeyRow>> {
        model!(self, |t, ws| sorted(
            all(&t.workspace_keys, ws, |_| true),
            |row| (row.created_at, row.id.clone())
        ));
        self.all(
            select!(
                workspace_key_columns,
                "workspace_id = $1 ORDER BY created_at, id"
            ),
            params![&self.workspace],
        )
        .await
    }

    /// Secrets that another key than this one wraps, by owner and field, after the one named.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn secrets_not_under(
        &self,
        kek_id: &str,
        after: &(String, String),
        limit: u32,
    ) -> Read<Vec<SecretRow>> {
        model!(self, |t, ws| {
            let mut rows = all(&t.secrets, ws, |row| {
                row.kek_id != kek_id && (&row.owner, &row.field) > (&after.0, &after.1)
            });
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            rows
        });
        self.all(
            select!(
                secret_columns,
                "workspace_id = $1 AND kek_id <> $2 AND (owner > $3 OR (owner = $3 AND field > $4)) ORDER BY owner, field LIMIT $5"
            ),
            params![
                &self.workspace,
                kek_id,
                &after.0,
                &after.1,
                i64::from(limit)
            ],
        )
        .await
    }
}

impl Store {
    /// The keys of all workspaces.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn all_workspace_keys(&self) -> Read<Vec<WorkspaceKeyRow>> {
        model!(of self, |t| t.workspace_keys.values().cloned().collect());
        self.inner
            .database
            .all(
                select!(
                    workspace_key_columns,
                    "wrapped_by <> '' ORDER BY workspace_id, id"
                ),
                Vec::new(),
            )
            .await
    }

    /// What was derived from the first operator's key for a purpose, sealed; none before that key was replaced.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn derived_key(&self, purpose: &str) -> Read<Option<Vec<u8>>> {
        model!(of self, |t| t.derived_keys.get(purpose).cloned());
        let text = "SELECT value FROM store_facts WHERE name = $1";
        let name = format!("derived {purpose}");
        let value: Option<String> = self.inner.database.one(text, params![name]).await?;
        let corrupt = |_| ReadError::Corrupt {
            what: "derived key".to_owned(),
            why: "it is not hex digits".to_owned(),
        };
        value
            .map(|value| hex::decode(value).map_err(corrupt))
            .transpose()
    }
}

/// Which workspace a key belongs to, for whoever reads those of all.
impl WorkspaceKeyRow {
    /// The place of the key among all.
    pub fn place(&self) -> (WorkspaceId, String) {
        (self.workspace.clone(), self.id.clone())
    }
}
