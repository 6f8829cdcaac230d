//! What is left of what was deleted, what is still to be taken back, and what a person agreed to.

use actas_core::Time;
use actas_core::ids::{ConnectionId, FlowId, RevocationId, UserId};

#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::{
    ConnectionRow, DeletedFlowRow, DeletedParentRow, GrantRow, LivingRuns, RevocationRow,
};
use crate::statement::params;

impl Reader {
    /// A parent connection that was deleted.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn deleted_parent(&self, id: &ConnectionId) -> Read<Option<DeletedParentRow>> {
        model!(self, |t, ws| get(&t.deleted_parents, ws, id));
        self.one(
            select!(deleted_parent_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// A flow that was deleted.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn deleted_flow(&self, id: &FlowId) -> Read<Option<DeletedFlowRow>> {
        model!(self, |t, ws| get(&t.deleted_flows, ws, id));
        self.one(
            select!(deleted_flow_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// Personal connections that were made under a parent, whether it is still there or not.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connections_under(&self, parent: &ConnectionId) -> Read<Vec<ConnectionRow>> {
        model!(self, |t, ws| all(&t.connections, ws, |row| row
            .parent
            .as_ref()
            == Some(parent)));
        self.all(
            select!(
                connection_columns,
                "workspace_id = $1 AND parent_id = $2 ORDER BY id"
            ),
            params![&self.workspace, parent],
        )
        .await
    }

    /// How many runs have not ended, by version, person and state: for those who ask what hangs on something, not for what happens all the time.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn living_runs(&self) -> Read<Vec<LivingRuns>> {
        model!(self, |t, ws| {
            let mut found: Vec<LivingRuns> = Vec::new();
            for run in all(&t.runs, ws, |run| run.ended_at.is_none()) {
                let same = found.iter_mut().find(|of| {
                    of.version == run.version && of.invoker == run.invoker && of.state == run.state
                });
                match same {
                    Some(of) => of.count += 1,
                    None => found.push(LivingRuns {
                        version: run.version,
                        invoker: run.invoker,
                        state: run.state,
                        count: 1,
                    }),
                }
            }
            found.sort();
            found
        });
        self.all(
            "SELECT version_id, invoker_id, state, COUNT(*) FROM runs WHERE workspace_id = $1 AND ended_at IS NULL \
             GROUP BY version_id, invoker_id, state ORDER BY version_id, invoker_id, state",
            params![&self.workspace],
        )
        .await
    }

    /// All that a person agreed to.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn grants_by(&self, user: &UserId) -> Read<Vec<GrantRow>> {
        model!(self, |t, ws| sorted(
            all(&t.grants, ws, |row| row.user == *user),
            |row| (row.flow.clone(), row.slot.clone())
        ));
        self.all(
            select!(
                grant_columns,
                "workspace_id = $1 AND user_id = $2 ORDER BY flow_id, slot"
            ),
            params![&self.workspace, user],
        )
        .await
    }

    /// What a provider is still to be told of.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn revocation(&self, id: &RevocationId) -> Read<Option<RevocationRow>> {
        model!(self, |t, ws| get(&t.revocations, ws, id));
        self.one(
            select!(revocation_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// Revocations whose time has come, the longest due first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn due_revocations(&self, now: Time) -> Read<Vec<RevocationRow>> {
        model!(self, |t, ws| {
            let mut rows = sorted(all(&t.revocations, ws, |row| row.next_at <= now), |row| {
                (row.next_at, row.id.clone())
            });
            rows.truncate(100);
            rows
        });
        self.all(
            select!(
                revocation_columns,
                "workspace_id = $1 AND next_at <= $2 ORDER BY next_at, id LIMIT 100"
            ),
            params![&self.workspace, now],
        )
        .await
    }
}
