//! Letting go of connections: disconnecting, deleting, the end of a run, a person who leaves. That a provider cannot be reached never keeps
//! anything alive here; what it is to be told stands in [`crate::revoke`].

use actas_core::audit::Draft;
use actas_core::ids::{ConnectionId, Name, RunId, UserId, WorkspaceId};
use actas_core::run::ConnectionKind;
use actas_store::{CommitError, ConnectionRow, ConnectionState, Op, Reader, RevocationRow};
use futures::{StreamExt as _, stream};

use crate::connections::Connections;
use crate::errors::ConnectionsError;
use crate::pending::connection_draft;
use crate::revoke::AtProvider;
use crate::who::Who;

/// So many providers are told at once.
const AT_ONCE: usize = 8;

/// What became of the connections of a person who left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many of their own were erased.
    pub connections: usize,
    /// How many of those their providers took back.
    pub revoked: usize,
    /// How many of those their providers will be told of later.
    pub later: usize,
    /// The shared connections they hold, which go on: somebody else should look after them.
    pub holds: Vec<Name>,
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
    ) -> Result<AtProvider, ConnectionsError> {
        let reader = self.reader(workspace);
        for _ in 0..6 {
            let row = reader
                .connection(connection)
                .await?
                .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)
                .ok_or(ConnectionsError::NotFound)?;
            if matches!(
                row.state,
                ConnectionState::Disconnected | ConnectionState::NoAccount
            ) {
                return Ok(AtProvider::Nothing);
            }
            // The secrets are taken out before the row lets go of them, and revoked after: what is disconnected here is never used again,
            // whatever becomes of the provider.
            let let_go = self.let_go(&reader, &row).await?;
            let disconnected = ConnectionRow {
                state: ConnectionState::Disconnected,
                token_version: row.token_version + 1,
                refreshing: None,
                expires_at: None,
                ..row.clone()
            };
            let mut ops = vec![
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
            ops.extend(let_go.ops);
            let draft = connection_draft(who, workspace, &row, "connection.disconnected", "ok");
            match self.commit(ops, vec![draft]).await {
                Ok(()) => {
                    self.inner.flights.forget(&row.id);
                    return Ok(self.tell_provider(&reader, let_go.row.as_ref(), who).await);
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
    ) -> Result<AtProvider, ConnectionsError> {
        self.delete_with(workspace, connection, user, who, Vec::new(), Vec::new())
            .await
    }

    /// The same, with what else follows from it in the same commit.
    pub(crate) async fn delete_with(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        who: &Who,
        ops: Vec<Op>,
        mut audit: Vec<Draft>,
    ) -> Result<AtProvider, ConnectionsError> {
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
        audit.push(draft);
        let let_go = self.erase(&reader, &row, ops, audit).await?;
        Ok(self.tell_provider(&reader, let_go.as_ref(), who).await)
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
            match self.erase(&reader, &row, Vec::new(), vec![draft]).await {
                Ok(let_go) => {
                    self.tell_provider(&reader, let_go.as_ref(), &who).await;
                }
                Err(ConnectionsError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A person left: their own connections are erased and revoked, what they agreed to and build with is removed, and what they were asked is
    /// closed. Shared connections they hold go on and are named. Whoever calls this has switched the person off before; doing it twice is fine.
    ///
    /// # Errors
    /// See [`ConnectionsError`]; what was erased before stays erased.
    pub async fn forget_person(
        &self,
        workspace: &WorkspaceId,
        user: &UserId,
        who: &Who,
    ) -> Result<Forgotten, ConnectionsError> {
        let reader = self.reader(workspace);
        let person = self.person(&reader, user).await?;
        let mut forgotten = Forgotten::default();
        let mut to_tell: Vec<RevocationRow> = Vec::new();
        // A sign-in that was under way when they were switched off may come in between.
        for _ in 0..3 {
            let own = reader.personal_connections(Some(user)).await?;
            if own.is_empty() {
                break;
            }
            for row in own {
                let mut draft = connection_draft(who, workspace, &row, "connection.deleted", "ok");
                draft.person.clone_from(&person);
                draft.reason = Some("person_left".to_owned());
                match self.erase(&reader, &row, Vec::new(), vec![draft]).await {
                    Ok(let_go) => {
                        forgotten.connections += 1;
                        to_tell.extend(let_go);
                    }
                    Err(ConnectionsError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let mut audit = Vec::new();
        for row in reader.shared_connections().await? {
            if row.owner == *user {
                let mut draft =
                    connection_draft(who, workspace, &row, "connection.holder_left", "ok");
                draft.person.clone_from(&person);
                audit.push(draft);
                forgotten.holds.extend(row.name);
            }
        }
        let forget = Op::ForgetPerson {
            workspace: workspace.clone(),
            user: user.clone(),
        };
        self.commit(vec![forget], audit).await?;
        let reader = &reader;
        let tell =
            |row: RevocationRow| async move { self.tell_provider(reader, Some(&row), who).await };
        let mut told = stream::iter(to_tell).map(tell).buffer_unordered(AT_ONCE);
        while let Some(came) = told.next().await {
            match came {
                AtProvider::Revoked => forgotten.revoked += 1,
                AtProvider::Later => forgotten.later += 1,
                AtProvider::InUseElsewhere | AtProvider::NotRevoked | AtProvider::Nothing => {}
            }
        }
        drop(told);
        Ok(forgotten)
    }

    /// Removes a connection, with what its provider is to be told.
    pub(crate) async fn erase(
        &self,
        reader: &Reader,
        row: &ConnectionRow,
        more: Vec<Op>,
        audit: Vec<Draft>,
    ) -> Result<Option<RevocationRow>, ConnectionsError> {
        let workspace = reader.workspace();
        let let_go = self.let_go(reader, row).await?;
        let mut ops = vec![
            Op::DropSecrets {
                workspace: workspace.clone(),
                owner: row.id.to_string(),
            },
            Op::DeleteConnection {
                workspace: workspace.clone(),
                connection: row.id.clone(),
            },
        ];
        ops.extend(let_go.ops);
        ops.extend(more);
        match self.commit(ops, audit).await {
            Ok(()) => {}
            Err(CommitError::Conflict {
                op: "delete_connection",
                ..
            }) => {
                return Err(ConnectionsError::NotFound);
            }
            Err(error) => return Err(error.into()),
        }
        self.inner.flights.forget(&row.id);
        Ok(let_go.row)
    }
}
