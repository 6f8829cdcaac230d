//! App clients, connections, secrets, grants, sign-ins and attempts.

use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, Name, RunId, SignInId, SlotName, UserId,
};

#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::{AttemptRow, ClientRow, ConnectionRow, GrantRow, SecretRow, SignInRow};
use crate::statement::params;

#[cfg(any(test, feature = "model"))]
fn is_shared(row: &ConnectionRow) -> bool {
    row.kind == actas_core::run::ConnectionKind::Shared
}

#[cfg(any(test, feature = "model"))]
fn is_open(row: &SignInRow) -> bool {
    use crate::rows::SignInState;
    matches!(row.state, SignInState::Open | SignInState::Declined)
}

impl Reader {
    /// An app client.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn client(&self, id: &ClientId) -> Read<Option<ClientRow>> {
        model!(self, |t, ws| get(&t.clients, ws, id));
        self.one(
            select!(client_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// App clients of one app or all.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn clients(&self, app: Option<&AppName>) -> Read<Vec<ClientRow>> {
        model!(self, |t, ws| sorted(
            all(&t.clients, ws, |row| app.is_none_or(|app| row.app == *app)),
            |row| (row.app.clone(), row.name.clone())
        ));
        self.all(
            select!(
                client_columns,
                "workspace_id = $1 AND ($2 IS NULL OR app = $2) ORDER BY app, name"
            ),
            params![&self.workspace, app],
        )
        .await
    }

    /// A connection of either kind.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connection(&self, id: &ConnectionId) -> Read<Option<ConnectionRow>> {
        model!(self, |t, ws| get(&t.connections, ws, id));
        self.one(
            select!(connection_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// A shared connection by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn shared_connection(&self, name: &Name) -> Read<Option<ConnectionRow>> {
        model!(self, |t, ws| all(&t.connections, ws, |row| is_shared(row)
            && row.name.as_ref() == Some(name))
        .pop());
        self.one(
            select!(
                connection_columns,
                "workspace_id = $1 AND name = $2 AND kind = 'shared'"
            ),
            params![&self.workspace, name],
        )
        .await
    }

    /// All shared connections, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn shared_connections(&self) -> Read<Vec<ConnectionRow>> {
        model!(self, |t, ws| sorted(
            all(&t.connections, ws, is_shared),
            |row| row.name.clone()
        ));
        self.all(
            select!(
                connection_columns,
                "workspace_id = $1 AND kind = 'shared' ORDER BY name"
            ),
            params![&self.workspace],
        )
        .await
    }

    /// Personal connections of one person, or of all.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn personal_connections(&self, owner: Option<&UserId>) -> Read<Vec<ConnectionRow>> {
        model!(self, |t, ws| all(&t.connections, ws, |row| !is_shared(row)
            && owner.is_none_or(|owner| row.owner == *owner)));
        self.all(select!(connection_columns, "workspace_id = $1 AND kind = 'personal' AND ($2 IS NULL OR owner_id = $2) ORDER BY id"), params![&self.workspace, owner]).await
    }

    /// Connections of either kind that one app client has to one account at the provider.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connections_of_subject(
        &self,
        client: &ClientId,
        subject: &str,
    ) -> Read<Vec<ConnectionRow>> {
        model!(self, |t, ws| all(&t.connections, ws, |row| row.client
            == *client
            && row.subject == subject));
        self.all(
            select!(
                connection_columns,
                "workspace_id = $1 AND client_id = $2 AND subject = $3 ORDER BY id"
            ),
            params![&self.workspace, client, subject],
        )
        .await
    }

    /// Connections that belong to one run only.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connections_of_run(&self, run: &RunId) -> Read<Vec<ConnectionRow>> {
        model!(self, |t, ws| all(&t.connections, ws, |row| row
            .only_run
            .as_ref()
            == Some(run)));
        self.all(
            select!(
                connection_columns,
                "workspace_id = $1 AND only_run = $2 ORDER BY id"
            ),
            params![&self.workspace, run],
        )
        .await
    }

    /// Connections that belong to one run only, which has ended: whoever should have erased them has not.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connections_left_over(&self) -> Read<Vec<ConnectionRow>> {
        model!(self, |t, ws| all(&t.connections, ws, |row| {
            let run = row.only_run.as_ref().and_then(|run| get(&t.runs, ws, run));
            run.is_some_and(|run| run.ended_at.is_some())
        }));
        self.all(
            select!(
                connection_columns,
                "workspace_id = $1 AND only_run IS NOT NULL AND EXISTS (SELECT 1 FROM runs r WHERE r.workspace_id = connections.workspace_id \
                 AND r.id = connections.only_run AND r.ended_at IS NOT NULL) ORDER BY id"
            ),
            params![&self.workspace],
        )
        .await
    }

    /// A sealed secret.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn secret(&self, owner: &str, field: &str) -> Read<Option<SecretRow>> {
        model!(self, |t, ws| get(
            &t.secrets,
            ws,
            &(owner.to_owned(), field.to_owned())
        ));
        self.one(
            select!(
                secret_columns,
                "workspace_id = $1 AND owner = $2 AND field = $3"
            ),
            params![&self.workspace, owner, field],
        )
        .await
    }

    /// What a person agreed to.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn grant(
        &self,
        user: &UserId,
        flow: &FlowId,
        slot: &SlotName,
    ) -> Read<Option<GrantRow>> {
        model!(self, |t, ws| get(
            &t.grants,
            ws,
            &(user.clone(), flow.clone(), slot.clone())
        ));
        self.one(
            select!(
                grant_columns,
                "workspace_id = $1 AND user_id = $2 AND flow_id = $3 AND slot = $4"
            ),
            params![&self.workspace, user, flow, slot],
        )
        .await
    }

    /// The grants that name a connection.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn grants_of(&self, connection: &ConnectionId) -> Read<Vec<GrantRow>> {
        model!(self, |t, ws| all(&t.grants, ws, |row| row.connection
            == *connection));
        self.all(
            select!(
                grant_columns,
                "workspace_id = $1 AND connection_id = $2 ORDER BY user_id, flow_id, slot"
            ),
            params![&self.workspace, connection],
        )
        .await
    }

    /// A sign-in.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn sign_in(&self, id: &SignInId) -> Read<Option<SignInRow>> {
        model!(self, |t, ws| get(&t.sign_ins, ws, id));
        self.one(
            select!(sign_in_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// The sign-ins of a run, oldest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn sign_ins_of_run(&self, run: &RunId) -> Read<Vec<SignInRow>> {
        model!(self, |t, ws| all(&t.sign_ins, ws, |row| row.run.as_ref()
            == Some(run)));
        self.all(
            select!(
                sign_in_columns,
                "workspace_id = $1 AND run_id = $2 ORDER BY id"
            ),
            params![&self.workspace, run],
        )
        .await
    }

    /// What a person is asked (open and declined).
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn open_sign_ins(&self, person: &UserId) -> Read<Vec<SignInRow>> {
        model!(self, |t, ws| all(&t.sign_ins, ws, |row| row.person
            == *person
            && is_open(row)));
        self.all(
            select!(
                sign_in_columns,
                "workspace_id = $1 AND person_id = $2 AND state IN ('open', 'declined') ORDER BY id"
            ),
            params![&self.workspace, person],
        )
        .await
    }

    /// Open and declined sign-ins of a person through one client: who may be woken by a new connection.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn waiting_sign_ins(
        &self,
        person: &UserId,
        client: &ClientId,
    ) -> Read<Vec<SignInRow>> {
        model!(self, |t, ws| all(&t.sign_ins, ws, |row| row.person
            == *person
            && row.client == *client
            && is_open(row)));
        self.all(select!(sign_in_columns, "workspace_id = $1 AND person_id = $2 AND client_id = $3 AND state IN ('open', 'declined') ORDER BY id"), params![&self.workspace, person, client]).await
    }

    /// An attempt, used or not.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn attempt(&self, state_hash: &str) -> Read<Option<AttemptRow>> {
        model!(self, |t, ws| get(&t.attempts, ws, &state_hash.to_owned()));
        self.one(
            select!(attempt_columns, "workspace_id = $1 AND state_hash = $2"),
            params![&self.workspace, state_hash],
        )
        .await
    }
}
