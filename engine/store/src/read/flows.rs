//! Flows, drafts, build-time values, versions and manifests.

use actas_core::ids::{FlowId, FlowName, UserId, VersionId};

use crate::kept::Rows;
#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::{BuildValueRow, DraftRow, FlowRow, ManifestRow, VersionRow};
use crate::statement::params;

impl Reader {
    /// A flow.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn flow(&self, id: &FlowId) -> Read<Option<FlowRow>> {
        model!(self, |t, ws| get(&t.flows, ws, id));
        self.one(
            select!(flow_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// A flow by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn flow_by_name(&self, name: &FlowName) -> Read<Option<FlowRow>> {
        model!(self, |t, ws| all(&t.flows, ws, |row| row.name == *name)
            .pop());
        let read = async {
            self.one(
                select!(flow_columns, "workspace_id = $1 AND name = $2"),
                params![&self.workspace, name],
            )
            .await
        };
        match &self.store.inner.kept {
            Some(kept) => {
                let key = (self.workspace.clone(), name.clone());
                kept.or_read(Rows::flows, key, read).await
            }
            None => read.await,
        }
    }

    /// All flows, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn flows(&self) -> Read<Vec<FlowRow>> {
        model!(self, |t, ws| sorted(all(&t.flows, ws, |_| true), |row| row
            .name
            .clone()));
        self.all(
            select!(flow_columns, "workspace_id = $1 ORDER BY name"),
            params![&self.workspace],
        )
        .await
    }

    /// A flow's draft.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn draft(&self, flow: &FlowId) -> Read<Option<DraftRow>> {
        model!(self, |t, ws| get(&t.drafts, ws, flow));
        self.one(
            select!(draft_columns, "workspace_id = $1 AND flow_id = $2"),
            params![&self.workspace, flow],
        )
        .await
    }

    /// One author's build-time values.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn build_values(&self, flow: &FlowId, user: &UserId) -> Read<Vec<BuildValueRow>> {
        model!(self, |t, ws| all(&t.build_values, ws, |row| row.flow
            == *flow
            && row.user == *user));
        self.all(
            select!(
                build_value_columns,
                "workspace_id = $1 AND flow_id = $2 AND user_id = $3 ORDER BY slot"
            ),
            params![&self.workspace, flow, user],
        )
        .await
    }

    /// How many build-time values a flow has, of anybody: what publishing proves to be 0.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn build_value_count(&self, flow: &FlowId) -> Read<u64> {
        model!(
            self,
            |t, ws| all(&t.build_values, ws, |row| row.flow == *flow).len() as u64
        );
        let text = "SELECT COUNT(*) FROM build_values WHERE workspace_id = $1 AND flow_id = $2";
        let count: Option<i64> = self.one(text, params![&self.workspace, flow]).await?;
        Ok(count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    /// A version or snapshot.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn version(&self, id: &VersionId) -> Read<Option<VersionRow>> {
        model!(self, |t, ws| get(&t.versions, ws, id));
        self.one(
            select!(version_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// A published version.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn version_by_number(&self, flow: &FlowId, number: u32) -> Read<Option<VersionRow>> {
        model!(self, |t, ws| all(&t.versions, ws, |row| row.flow == *flow
            && row.number == number
            && number > 0)
        .pop());
        self.one(
            select!(
                version_columns,
                "workspace_id = $1 AND flow_id = $2 AND number = $3 AND number > 0"
            ),
            params![&self.workspace, flow, number],
        )
        .await
    }

    /// All published versions, newest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn versions(&self, flow: &FlowId) -> Read<Vec<VersionRow>> {
        model!(self, |t, ws| sorted(
            all(&t.versions, ws, |row| row.flow == *flow && row.number > 0),
            |row| std::cmp::Reverse(row.number)
        ));
        self.all(
            select!(
                version_columns,
                "workspace_id = $1 AND flow_id = $2 AND number > 0 ORDER BY number DESC"
            ),
            params![&self.workspace, flow],
        )
        .await
    }

    /// A stored manifest.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn manifest(&self, digest: &str) -> Read<Option<ManifestRow>> {
        model!(self, |t, ws| get(&t.manifests, ws, &digest.to_owned()));
        self.one(
            select!(manifest_columns, "workspace_id = $1 AND digest = $2"),
            params![&self.workspace, digest],
        )
        .await
    }
}
