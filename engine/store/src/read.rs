//! What can be read. A [`Reader`] is opened for one workspace; a raw id of another one finds nothing.

use actas_core::Time;
use actas_core::ids::*;

use crate::rows::*;
use crate::store::{ReadError, Store};

/// Typed reads of one workspace.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
}

type Read<T> = Result<T, ReadError>;

/// A page of a list and where the next one begins.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Opaque; none: that was all.
    pub next: Option<String>,
}

/// Which runs a list shows.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this flow.
    pub flow: Option<FlowId>,
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this person.
    pub invoker: Option<UserId>,
}

/// Which audit records a list shows.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Acted or was acted for.
    pub person: Option<UserId>,
    /// In this flow, by name.
    pub flow: Option<String>,
    /// In this run.
    pub run: Option<RunId>,
    /// Through this connection.
    pub connection: Option<ConnectionId>,
    /// As this external account.
    pub account: Option<String>,
    /// On this app record, `type/id` or `id`.
    pub record: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// This entry point.
    pub entry: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Not before.
    pub since: Option<Time>,
    /// Before.
    pub until: Option<Time>,
}

impl Reader {
    /// Which workspace.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }
}

impl Reader {
    /// A user.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn user(&self, id: &UserId) -> Read<Option<UserRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// A user by login.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn user_by_login(&self, login: &str) -> Read<Option<UserRow>> {
        let _ = (&self.store, &self.store.inner, login);
        todo!("written by the store engineer")
    }

    /// All users, by login.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn users(&self) -> Read<Vec<UserRow>> {
        let _ = (&self.store, &self.store.inner);
        todo!("written by the store engineer")
    }

    /// A flow.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn flow(&self, id: &FlowId) -> Read<Option<FlowRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// A flow by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn flow_by_name(&self, name: &FlowName) -> Read<Option<FlowRow>> {
        let _ = (&self.store, &self.store.inner, name);
        todo!("written by the store engineer")
    }

    /// All flows, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn flows(&self) -> Read<Vec<FlowRow>> {
        let _ = (&self.store, &self.store.inner);
        todo!("written by the store engineer")
    }

    /// A flow's draft.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn draft(&self, flow: &FlowId) -> Read<Option<DraftRow>> {
        let _ = (&self.store, &self.store.inner, flow);
        todo!("written by the store engineer")
    }

    /// One author's build-time values.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn build_values(&self, flow: &FlowId, user: &UserId) -> Read<Vec<BuildValueRow>> {
        let _ = (&self.store, &self.store.inner, flow, user);
        todo!("written by the store engineer")
    }

    /// How many build-time values a flow has, of anybody: what publishing proves to be 0.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn build_value_count(&self, flow: &FlowId) -> Read<u64> {
        let _ = (&self.store, &self.store.inner, flow);
        todo!("written by the store engineer")
    }

    /// A version or snapshot.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn version(&self, id: &VersionId) -> Read<Option<VersionRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// A published version.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn version_by_number(&self, flow: &FlowId, number: u32) -> Read<Option<VersionRow>> {
        let _ = (&self.store, &self.store.inner, flow, number);
        todo!("written by the store engineer")
    }

    /// All published versions, newest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn versions(&self, flow: &FlowId) -> Read<Vec<VersionRow>> {
        let _ = (&self.store, &self.store.inner, flow);
        todo!("written by the store engineer")
    }

    /// A stored manifest.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn manifest(&self, digest: &str) -> Read<Option<ManifestRow>> {
        let _ = (&self.store, &self.store.inner, digest);
        todo!("written by the store engineer")
    }

    /// An app client.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn client(&self, id: &ClientId) -> Read<Option<ClientRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// App clients of one app or all.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn clients(&self, app: Option<&AppName>) -> Read<Vec<ClientRow>> {
        let _ = (&self.store, &self.store.inner, app);
        todo!("written by the store engineer")
    }

    /// A connection of either kind.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connection(&self, id: &ConnectionId) -> Read<Option<ConnectionRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// A shared connection by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn shared_connection(&self, name: &Name) -> Read<Option<ConnectionRow>> {
        let _ = (&self.store, &self.store.inner, name);
        todo!("written by the store engineer")
    }

    /// All shared connections, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn shared_connections(&self) -> Read<Vec<ConnectionRow>> {
        let _ = (&self.store, &self.store.inner);
        todo!("written by the store engineer")
    }

    /// Personal connections of one person, or of all.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn personal_connections(&self, owner: Option<&UserId>) -> Read<Vec<ConnectionRow>> {
        let _ = (&self.store, &self.store.inner, owner);
        todo!("written by the store engineer")
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
        let _ = (&self.store, &self.store.inner, client, subject);
        todo!("written by the store engineer")
    }

    /// Connections that belong to one run only.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn connections_of_run(&self, run: &RunId) -> Read<Vec<ConnectionRow>> {
        let _ = (&self.store, &self.store.inner, run);
        todo!("written by the store engineer")
    }

    /// A sealed secret.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn secret(&self, owner: &str, field: &str) -> Read<Option<SecretRow>> {
        let _ = (&self.store, &self.store.inner, owner, field);
        todo!("written by the store engineer")
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
        let _ = (&self.store, &self.store.inner, user, flow, slot);
        todo!("written by the store engineer")
    }

    /// The grants that name a connection.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn grants_of(&self, connection: &ConnectionId) -> Read<Vec<GrantRow>> {
        let _ = (&self.store, &self.store.inner, connection);
        todo!("written by the store engineer")
    }

    /// A sign-in.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn sign_in(&self, id: &SignInId) -> Read<Option<SignInRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// The sign-ins of a run, oldest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn sign_ins_of_run(&self, run: &RunId) -> Read<Vec<SignInRow>> {
        let _ = (&self.store, &self.store.inner, run);
        todo!("written by the store engineer")
    }

    /// What a person is asked (open and declined).
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn open_sign_ins(&self, person: &UserId) -> Read<Vec<SignInRow>> {
        let _ = (&self.store, &self.store.inner, person);
        todo!("written by the store engineer")
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
        let _ = (&self.store, &self.store.inner, person, client);
        todo!("written by the store engineer")
    }

    /// An attempt, used or not.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn attempt(&self, state_hash: &str) -> Read<Option<AttemptRow>> {
        let _ = (&self.store, &self.store.inner, state_hash);
        todo!("written by the store engineer")
    }

    /// A run.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn run(&self, id: &RunId) -> Read<Option<RunRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// A run's journal, in order.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn journal(&self, id: &RunId) -> Read<Vec<JournalRow>> {
        let _ = (&self.store, &self.store.inner, id);
        todo!("written by the store engineer")
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn runs(
        &self,
        filter: &RunFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Read<Page<RunRow>> {
        let _ = (&self.store, &self.store.inner, filter, limit, cursor);
        todo!("written by the store engineer")
    }

    /// What a key made.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn idempotency(
        &self,
        user: &UserId,
        flow: &FlowId,
        key: &str,
        now: Time,
    ) -> Read<Option<IdempotencyRow>> {
        let _ = (&self.store, &self.store.inner, user, flow, key, now);
        todo!("written by the store engineer")
    }

    /// Audit records, newest first, with the personal values that are not erased.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Read<Page<AuditEntry>> {
        let _ = (&self.store, &self.store.inner, filter, limit, cursor);
        todo!("written by the store engineer")
    }

    /// Audit records in order from a sequence number on, for `verify`.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_from(&self, seq: i64, limit: u32) -> Read<Vec<AuditEntry>> {
        let _ = (&self.store, &self.store.inner, seq, limit);
        todo!("written by the store engineer")
    }
}

impl Store {
    /// A session that has not ended, of any workspace: the one read that comes before a workspace is known.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn session(&self, hash: &str, now: Time) -> Read<Option<SessionRow>> {
        let _ = (hash, now);
        todo!("written by the store engineer")
    }

    /// An API token that has not ended.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn token(&self, hash: &str, now: Time) -> Read<Option<TokenRow>> {
        let _ = (hash, now);
        todo!("written by the store engineer")
    }

    /// A one-time link that has not ended.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn login_link(&self, hash: &str, now: Time) -> Read<Option<LoginLinkRow>> {
        let _ = (hash, now);
        todo!("written by the store engineer")
    }

    /// All workspaces, `(id, name)`, oldest first.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn workspaces(&self) -> Read<Vec<(WorkspaceId, String)>> {
        todo!("written by the store engineer")
    }

    /// The key-check value, `(kek id, check)`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn key_check(&self) -> Read<Option<(String, Vec<u8>)>> {
        todo!("written by the store engineer")
    }
}

/// An audit record as it is stored. The store engineer replaces this by the record of the core and its personal values.
pub type AuditEntry = actas_core::audit::Draft;
