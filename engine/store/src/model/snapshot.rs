//! All rows of a store as text, to compare stores with. What two stores may differ in is left out: when leases end exactly, salts and hashes.

use std::collections::BTreeMap;
use std::fmt::Debug;

use actas_core::Time;
use actas_core::audit;
use actas_core::ids::RunId;

use crate::cells::FromRow;
use crate::chain::{AuditEntry, entry_columns};
use crate::columns::*;
use crate::database::Database;
use crate::model::Tables;
use crate::rows::*;
use crate::store::{ReadError, Store};

/// Table by table, sorted.
pub type Snapshot = BTreeMap<&'static str, Vec<String>>;

fn put<T: Debug>(into: &mut Snapshot, rows: impl IntoIterator<Item = T>, table: &'static str) {
    let mut rows: Vec<String> = rows.into_iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    into.insert(table, rows);
}

fn held(mut run: RunRow) -> RunRow {
    run.lease_until = run.lease_until.map(|_| Time(0));
    run
}

fn plain(entry: &AuditEntry) -> String {
    let mut view = audit::view(&entry.record, &entry.personal);
    if let Some(fields) = view.as_object_mut() {
        fields.remove("prev");
        fields.remove("hash");
    }
    view.to_string()
}

async fn read<T: FromRow>(database: &Database, text: &'static str) -> Result<Vec<T>, ReadError> {
    database.all(text, Vec::new()).await
}

macro_rules! tables {
    ($into:ident, $database:ident, $($table:ident $columns:ident $row:ty;)*) => {$(
        put(&mut $into, read::<$row>($database, concat!("SELECT ", $columns!())).await?, stringify!($table));
    )*};
}

macro_rules! of_model {
    ($into:ident, $model:ident, $($table:ident)*) => {$(
        put(&mut $into, $model.$table.values(), stringify!($table));
    )*};
}

impl Store {
    /// All there is, for tests.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot, ReadError> {
        let database = &self.inner.database;
        if let Database::Model(model) = database {
            return Ok(model.tables().snapshot());
        }
        let mut all = Snapshot::new();
        tables!(all, database,
            users user_columns UserRow;
            sessions session_columns SessionRow;
            login_links login_link_columns LoginLinkRow;
            tokens token_columns TokenRow;
            policies policies_columns PoliciesRow;
            seen seen_columns SeenRow;
            roles role_columns RoleRow;
            identities identity_columns IdentityRow;
            oidc oidc_columns OidcRow;
            login_attempts login_attempt_columns LoginAttemptRow;
            hosts host_columns HostRow;
            flows flow_columns FlowRow;
            drafts draft_columns DraftRow;
            build_values build_value_columns BuildValueRow;
            versions version_columns VersionRow;
            manifests manifest_columns ManifestRow;
            clients client_columns ClientRow;
            connections connection_columns ConnectionRow;
            secrets secret_columns SecretRow;
            workspace_keys workspace_key_columns WorkspaceKeyRow;
            grants grant_columns GrantRow;
            deleted_parents deleted_parent_columns DeletedParentRow;
            deleted_flows deleted_flow_columns DeletedFlowRow;
            revocations revocation_columns RevocationRow;
            sign_ins sign_in_columns SignInRow;
            attempts attempt_columns AttemptRow;
            journal journal_columns JournalRow;
            inbox inbox_columns InboxRow;
            idempotency idempotency_columns IdempotencyRow;
            requests request_columns RequestRow;
            vars var_columns VarRow;
            named_secrets named_secret_columns NamedSecretRow;
            triggers trigger_columns TriggerRow;
            admissions admission_columns AdmissionRow;
            notices notice_columns NoticeRow;
            audit_checkpoints checkpoint_columns CheckpointRow;
            audit_start audit_start_columns AuditStartRow;
            audit_reviews review_columns ReviewRow;
        );
        let used: Vec<(RunId, String)> =
            read(database, "SELECT run_id, step FROM callbacks_used").await?;
        put(&mut all, used, "callbacks_used");
        let runs: Vec<RunRow> = read(database, concat!("SELECT ", run_columns!())).await?;
        put(&mut all, runs.into_iter().map(held), "runs");
        let entries: Vec<AuditEntry> = read(database, concat!("SELECT ", entry_columns!())).await?;
        put(&mut all, entries.iter().map(plain), "audit");
        put(&mut all, self.workspaces().await?, "workspaces");
        put(&mut all, self.key_check().await?, "key_check");
        Ok(all)
    }
}

impl Tables {
    fn snapshot(&self) -> Snapshot {
        let mut all = Snapshot::new();
        of_model!(all, self,
            users sessions login_links tokens policies seen roles identities oidc login_attempts hosts flows drafts build_values versions manifests clients connections secrets workspace_keys grants
            sign_ins attempts journal inbox idempotency requests vars named_secrets triggers
            audit_checkpoints audit_start audit_reviews admissions notices deleted_parents deleted_flows revocations
        );
        let used = self
            .callbacks_used
            .keys()
            .map(|(_, (run, step))| (run, step.to_string()));
        put(&mut all, used, "callbacks_used");
        put(&mut all, self.runs.values().cloned().map(held), "runs");
        put(&mut all, self.audit.values().map(plain), "audit");
        let workspaces = self.workspaces.iter().map(|(id, (name, _))| (id, name));
        put(&mut all, workspaces, "workspaces");
        put(&mut all, &self.key_check, "key_check");
        all
    }
}
