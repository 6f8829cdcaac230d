//! App clients, connections, secrets, grants, sign-ins and attempts.

use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, Name, RunId, SignInId, SlotName, UserId,
};

use crate::read::{Read, Reader, select};
use crate::rows::{AttemptRow, ClientRow, ConnectionRow, GrantRow, SecretRow, SignInRow};
use crate::statement::params;

impl Reader {
    /// An app client.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn client(&self, id: &ClientId) -> Read<Option<ClientRow>> {
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
        self.all(
            select!(
                connection_columns,
                "workspace_id = $1 AND only_run = $2 ORDER BY id"
            ),
            params![&self.workspace, run],
        )
        .await
    }

    /// A sealed secret.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn secret(&self, owner: &str, field: &str) -> Read<Option<SecretRow>> {
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
        self.all(select!(sign_in_columns, "workspace_id = $1 AND person_id = $2 AND client_id = $3 AND state IN ('open', 'declined') ORDER BY id"), params![&self.workspace, person, client]).await
    }

    /// An attempt, used or not.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn attempt(&self, state_hash: &str) -> Read<Option<AttemptRow>> {
        self.one(
            select!(attempt_columns, "workspace_id = $1 AND state_hash = $2"),
            params![&self.workspace, state_hash],
        )
        .await
    }
}
