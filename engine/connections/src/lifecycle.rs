//! What becomes of connections and of what people agreed to: parents without an account, parents that are deleted, orphans, another account for
//! a slot. That the user may do it to what is the workspace's, the caller has checked; what is a person's own is held against them here.

use actas_core::audit::Draft;
use actas_core::ids::{ClientId, ConnectionId, FlowId, Name, SlotName, UserId, WorkspaceId};
use actas_core::run::{ConnectionKind, Scheme};
use actas_store::{
    CommitError, ConnectionRow, ConnectionState, DeletedParentRow, GrantRow, Op, ReadError, Reader,
};

use crate::ask::{Fits, dead, enough};
use crate::callback::connection_id;
use crate::connections::{Connections, now, settings};
use crate::errors::ConnectionsError;
use crate::pending::{ConnectKind, connection_draft};
use crate::revoke::AtProvider;
use crate::secrets::REFRESH;
use crate::settle::Wanted;
use crate::surface::Surface;
use crate::wake::Answer;
use crate::who::Who;

/// What was purged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// Which connections are gone.
    pub connections: Vec<ConnectionId>,
    /// How many of them their providers took back.
    pub revoked: usize,
    /// How many of them their providers will be told of later.
    pub later: usize,
}

/// A slot whose account its person chooses.
#[derive(Debug)]
pub struct Choice<'a> {
    /// Whose.
    pub person: &'a UserId,
    /// The flow.
    pub flow: &'a FlowId,
    /// The slot.
    pub slot: &'a SlotName,
    /// The app client it goes through.
    pub client: &'a ClientId,
    /// Its parent, if it names one.
    pub parent: Option<&'a ConnectionId>,
    /// How far the flow reaches through it.
    pub surface: &'a Surface,
}

impl Choice<'_> {
    fn fits(&self) -> Fits<'_> {
        Fits {
            person: self.person,
            client: self.client,
            parent: self.parent,
            flow: self.flow,
            slot: self.slot,
        }
    }

    /// Whether the person may choose this connection for the slot.
    pub fn takes(&self, row: &ConnectionRow) -> bool {
        self.fits().takes(row)
            && dead(row.state).is_none()
            && enough(self.surface.scopes.iter(), &row.scopes)
    }
}

impl Connections {
    /// Makes a parent without an account: it says to slots which app, client and address they use, and nobody can act through it.
    ///
    /// # Errors
    /// If the client is gone or its settings do not fit, or the name is taken.
    pub async fn add_parent(
        &self,
        workspace: &WorkspaceId,
        name: &Name,
        client: &ClientId,
        owner: &UserId,
        who: &Who,
    ) -> Result<ConnectionRow, ConnectionsError> {
        let reader = self.reader(workspace);
        let client = reader
            .client(client)
            .await?
            .ok_or_else(|| ConnectionsError::Client("it is gone".to_owned()))?;
        let facts = settings(&client).map_err(ConnectionsError::Client)?;
        let row = ConnectionRow {
            id: connection_id(),
            kind: ConnectionKind::Shared,
            owner: owner.clone(),
            name: Some(name.clone()),
            app: client.app.clone(),
            client: client.id.clone(),
            parent: None,
            made_for: None,
            subject: String::new(),
            account: String::new(),
            scopes: Vec::new(),
            facts: facts.to_string(),
            scheme: Scheme::Oauth2,
            state: ConnectionState::NoAccount,
            token_version: 1,
            expires_at: None,
            refreshing: None,
            only_run: None,
            created_at: now(),
            last_used_at: None,
        };
        let add = Op::AddConnection {
            workspace: workspace.clone(),
            connection: row.clone(),
        };
        let mut draft = connection_draft(who, workspace, &row, "connection.created", "ok");
        draft.account = None;
        draft.reason = Some("no_account".to_owned());
        match self.commit(vec![add], vec![draft]).await {
            Ok(()) => Ok(row),
            Err(CommitError::Conflict { .. }) => Err(ConnectionsError::Taken(name.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a shared connection, with what else follows from it (the flows that stop) in the same commit. What people made under it is kept
    /// and says under what it was made.
    ///
    /// # Errors
    /// See [`ConnectionsError`]; that the provider could not be reached is none.
    pub async fn delete_shared(
        &self,
        workspace: &WorkspaceId,
        row: &ConnectionRow,
        user: &UserId,
        who: &Who,
        mut ops: Vec<Op>,
        audit: Vec<Draft>,
    ) -> Result<AtProvider, ConnectionsError> {
        if let Some(name) = &row.name {
            ops.push(Op::BuryParent {
                workspace: workspace.clone(),
                parent: DeletedParentRow {
                    id: row.id.clone(),
                    name: name.clone(),
                    app: row.app.clone(),
                    client: row.client.clone(),
                    deleted_by: user.clone(),
                    deleted_at: now(),
                },
            });
        }
        self.delete_with(workspace, &row.id, user, who, ops, audit)
            .await
    }

    /// Whether no slot can ever be filled with a personal connection as it stands: its parent, or the flow it was made for, was deleted.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn is_orphan(
        &self,
        workspace: &WorkspaceId,
        row: &ConnectionRow,
    ) -> Result<bool, ReadError> {
        is_orphan(&self.reader(workspace), row).await
    }

    /// Whether a connection is renewed without its person, as far as is known: it has what it is renewed with.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn renews(
        &self,
        workspace: &WorkspaceId,
        row: &ConnectionRow,
    ) -> Result<bool, ReadError> {
        let reader = self.reader(workspace);
        Ok(reader.secret(row.id.as_str(), REFRESH).await?.is_some())
    }

    /// Gives orphans another parent: all that were made under the one that was deleted, or those that are named. Only of the same app, address
    /// and client; what does not fit is left as it is.
    ///
    /// # Errors
    /// See [`ConnectionsError`].
    pub async fn adopt(
        &self,
        workspace: &WorkspaceId,
        parent: &ConnectionRow,
        orphans: Vec<ConnectionRow>,
        who: &Who,
    ) -> Result<Vec<ConnectionRow>, ConnectionsError> {
        let reader = self.reader(workspace);
        let mut adopted = Vec::new();
        for row in orphans {
            let fits = row.kind == ConnectionKind::Personal
                && row.parent.is_some()
                && row.app == parent.app
                && row.client == parent.client
                && is_orphan(&reader, &row).await?;
            if !fits {
                continue;
            }
            let mut draft = connection_draft(who, workspace, &row, "connection.adopted", "ok");
            draft.person = self.person(&reader, &row.owner).await?;
            draft.object.version = parent.name.as_ref().map(ToString::to_string);
            let adopt = Op::Adopt {
                workspace: workspace.clone(),
                connection: row.id.clone(),
                parent: parent.id.clone(),
            };
            match self.commit(vec![adopt], vec![draft]).await {
                Ok(()) => adopted.push(ConnectionRow {
                    parent: Some(parent.id.clone()),
                    ..row
                }),
                // Gone or adopted meanwhile.
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(adopted)
    }

    /// Deletes orphans for good, and revokes them: those of one parent that was deleted, or all.
    ///
    /// # Errors
    /// See [`ConnectionsError`]; what was deleted before stays deleted.
    pub async fn purge(
        &self,
        workspace: &WorkspaceId,
        parent: Option<&ConnectionId>,
        who: &Who,
    ) -> Result<Purged, ConnectionsError> {
        let reader = self.reader(workspace);
        let mut purged = Purged::default();
        for row in reader.personal_connections(None).await? {
            let meant = parent.is_none_or(|parent| row.parent.as_ref() == Some(parent));
            if !meant || !is_orphan(&reader, &row).await? {
                continue;
            }
            let mut draft = connection_draft(who, workspace, &row, "connection.deleted", "ok");
            draft.person = self.person(&reader, &row.owner).await?;
            draft.reason = Some("orphan_purged".to_owned());
            let let_go = match self.erase(&reader, &row, Vec::new(), vec![draft]).await {
                Ok(let_go) => let_go,
                Err(ConnectionsError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            match self.tell_provider(&reader, let_go.as_ref(), who).await {
                AtProvider::Revoked => purged.revoked += 1,
                AtProvider::Later => purged.later += 1,
                AtProvider::InUseElsewhere | AtProvider::NotRevoked | AtProvider::Nothing => {}
            }
            purged.connections.push(row.id);
        }
        Ok(purged)
    }

    /// A person's own connections that can fill one of their slots as it stands.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn choices(
        &self,
        workspace: &WorkspaceId,
        choice: &Choice<'_>,
    ) -> Result<Vec<ConnectionRow>, ReadError> {
        let own = self
            .reader(workspace)
            .personal_connections(Some(choice.person))
            .await?;
        Ok(own.into_iter().filter(|row| choice.takes(row)).collect())
    }

    /// Has a slot act through another of the person's own connections. What they agreed to stays what it was: who has not agreed to anything
    /// is asked by the flow, not here.
    ///
    /// # Errors
    /// `NotFound` if the connection is not theirs; `NotChosen` if it cannot fill the slot, or nothing was agreed to.
    pub async fn choose(
        &self,
        workspace: &WorkspaceId,
        choice: &Choice<'_>,
        connection: &ConnectionId,
        who: &Who,
    ) -> Result<ConnectionRow, ConnectionsError> {
        let reader = self.reader(workspace);
        let row = reader
            .connection(connection)
            .await?
            .filter(|row| row.kind == ConnectionKind::Personal && row.owner == *choice.person)
            .ok_or(ConnectionsError::NotFound)?;
        if !choice.takes(&row) {
            return Err(ConnectionsError::NotChosen(
                "it was made for another slot, is not connected or may do too little: sign in for this flow instead",
            ));
        }
        let Some(grant) = reader
            .grant(choice.person, choice.flow, choice.slot)
            .await?
        else {
            return Err(ConnectionsError::NotChosen(
                "you have not agreed to this flow yet: connect it first",
            ));
        };
        if let Some(client) = reader.client(&row.client).await? {
            self.guarded(&reader, choice.person, &client, &row.account, who)
                .await?;
        }
        let changed = GrantRow {
            connection: row.id.clone(),
            at: now(),
            ..grant
        };
        let put = Op::PutGrant {
            workspace: workspace.clone(),
            grant: changed,
        };
        let draft = grant_draft(
            &reader,
            who,
            &row,
            choice.slot,
            choice.flow,
            "grant.changed",
        )
        .await?;
        self.commit(vec![put], vec![draft]).await?;
        self.wake_for(&reader, &row).await?;
        Ok(row)
    }

    /// Takes back what a person agreed to for a slot: their next run of the flow asks them again.
    ///
    /// # Errors
    /// `NotFound` if there is nothing.
    pub async fn withdraw(
        &self,
        workspace: &WorkspaceId,
        person: &UserId,
        flow: &FlowId,
        slot: &SlotName,
        who: &Who,
    ) -> Result<GrantRow, ConnectionsError> {
        let reader = self.reader(workspace);
        let grant = reader
            .grant(person, flow, slot)
            .await?
            .ok_or(ConnectionsError::NotFound)?;
        let mut draft = who.draft(
            workspace,
            now(),
            "grant.withdrawn",
            ("slot", slot.as_str()),
            "ok",
        );
        draft.connection = Some(grant.connection.clone());
        draft.flow = reader.flow(flow).await?.map(|flow| flow.name.to_string());
        let drop = Op::DropGrant {
            workspace: workspace.clone(),
            user: person.clone(),
            flow: flow.clone(),
            slot: slot.clone(),
        };
        match self.commit(vec![drop], vec![draft]).await {
            Ok(()) => Ok(grant),
            Err(CommitError::Conflict { .. }) => Err(ConnectionsError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Another account takes the place of one: what the person agreed to with that goes over to it, as far as it was agreed to.
    pub(crate) async fn moved(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        row: &ConnectionRow,
        who: &Who,
    ) -> Result<(Vec<Op>, Vec<Draft>), ReadError> {
        let (mut ops, mut audit) = (Vec::new(), Vec::new());
        let Some(ConnectKind::Another { than, .. }) = wanted.target.map(|target| &target.kind)
        else {
            return Ok((ops, audit));
        };
        if *than == row.id {
            return Ok((ops, audit));
        }
        for grant in reader.grants_of(than).await? {
            if grant.user != *wanted.user {
                continue;
            }
            audit.push(
                grant_draft(reader, who, row, &grant.slot, &grant.flow, "grant.changed").await?,
            );
            ops.push(Op::PutGrant {
                workspace: reader.workspace().clone(),
                grant: GrantRow {
                    connection: row.id.clone(),
                    at: now(),
                    ..grant
                },
            });
        }
        Ok((ops, audit))
    }

    /// Answers whatever of its person's sign-ins has nothing left to ask now that this connection is chosen.
    pub(crate) async fn wake_for(
        &self,
        reader: &Reader,
        row: &ConnectionRow,
    ) -> Result<(), ConnectionsError> {
        for _ in 0..6 {
            let answer = Answer {
                connection: row,
                asked: None,
                at: now(),
            };
            let ops = self.answered(reader, &answer).await?;
            if ops.is_empty() {
                return Ok(());
            }
            match self.commit(ops, Vec::new()).await {
                Ok(()) => return Ok(()),
                // A run ended or was answered meanwhile: look again who waits.
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ConnectionsError::Commit(CommitError::Busy))
    }
}

async fn is_orphan(reader: &Reader, row: &ConnectionRow) -> Result<bool, ReadError> {
    if row.kind != ConnectionKind::Personal || row.only_run.is_some() {
        return Ok(false);
    }
    Ok(match (&row.parent, &row.made_for) {
        (Some(parent), _) => reader.connection(parent).await?.is_none(),
        // Its flow or its slot is another one now.
        (None, made_for) => made_for.is_none(),
    })
}

async fn grant_draft(
    reader: &Reader,
    who: &Who,
    row: &ConnectionRow,
    slot: &SlotName,
    flow: &FlowId,
    action: &str,
) -> Result<Draft, ReadError> {
    let mut draft = who.draft(
        reader.workspace(),
        now(),
        action,
        ("slot", slot.as_str()),
        "ok",
    );
    draft.connection = Some(row.id.clone());
    draft.account = Some(row.account.clone());
    draft.flow = reader.flow(flow).await?.map(|flow| flow.name.to_string());
    Ok(draft)
}
