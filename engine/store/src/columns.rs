//! Which columns each row is read from, and how: `SELECT` lists and their readers stand side by side, so that they stay in step.

use crate::cells::{Cells, FromRow};
use crate::rows::*;
use crate::store::ReadError;

/// A `SELECT` list with the table it comes from, as a macro because a statement's text is put together at compile time.
macro_rules! columns {
    ($($name:ident $text:literal;)*) => {$(
        macro_rules! $name { () => { $text }; }
        pub(crate) use $name;
    )*};
}

columns! {
    user_columns "id, login, name, email, manager, password_hash, local, roles, disabled, created_at FROM users";
    session_columns "hash, workspace_id, user_id, created_at, expires_at FROM sessions";
    login_link_columns "hash, workspace_id, user_id, expires_at FROM login_links";
    token_columns "hash, workspace_id, user_id, name, scopes, created_at, expires_at FROM tokens";
    policies_columns "document, revision, updated_by, updated_at FROM policies";
    seen_columns "user_id, seen_at FROM seen";
    role_columns "name, privileges, updated_by, updated_at FROM roles";
    identity_columns "issuer, subject, user_id, created_at FROM identities";
    oidc_columns "document, updated_by, updated_at FROM oidc";
    login_attempt_columns "state_hash, workspace_id, browser_hash, issuer, target, expires_at FROM login_attempts";
    host_columns "name, document, updated_by, updated_at FROM hosts";
    flow_columns "id, name, title, stopped, last_version, runners, created_by, created_at FROM flows";
    draft_columns "flow_id, text, revision, updated_by, updated_at FROM drafts";
    build_value_columns "flow_id, slot, user_id, written, connection_id FROM build_values";
    version_columns "id, flow_id, number, document, digest, bindings, manifests, level, created_by, created_at FROM versions";
    manifest_columns "digest, app, document FROM manifests";
    client_columns "id, app, name, oauth_client_id, settings, is_default, created_at FROM clients";
    connection_columns "id, kind, owner_id, name, app, client_id, parent_id, made_for_flow, made_for_slot, subject, account, scopes, facts, state, token_version, expires_at, refreshing_by, refreshing_until, only_run, created_at, last_used_at, scheme FROM connections";
    workspace_key_columns "id, workspace_id, wrapped_by, wrapped, state, created_at FROM workspace_keys";
    secret_columns "owner, field, version, kek_id, wrapped, sealed FROM secrets";
    grant_columns "user_id, flow_id, slot, connection_id, surface, granted_at FROM grants";
    deleted_parent_columns "id, name, app, client_id, deleted_by, deleted_at FROM deleted_parents";
    deleted_flow_columns "id, name, title, deleted_by, deleted_at FROM deleted_flows";
    revocation_columns "id, connection_id, app, client_id, tries, next_at, until_at, created_at FROM revocations";
    sign_in_columns "id, run_id, flow_id, version_id, slot, person_id, app, client_id, parent_id, reason, connection_id, surface, rule, state, created_at, until_at, back_flow FROM sign_ins";
    attempt_columns "state_hash, sign_in_id, reconnect_id, target, user_id, session_hash, client_id, sealed, created_at, expires_at, used_at FROM attempts";
    run_columns "id, workspace_id, flow_id, version_id, level, invoker_id, parent_id, parent_step, retry_of, entry, state, created_at, ended_at, due_at, epoch, owner, lease_until FROM runs";
    journal_columns "j.run_id, j.seq, j.kind, j.v, j.written_at, COALESCE(b.body, j.body) FROM journal j LEFT JOIN blobs b ON b.workspace_id = j.workspace_id AND b.digest = j.body";
    inbox_columns "id, run_id, message, came_at FROM inbox";
    request_columns "id, run_id, flow_id, step, kind, who, not_by, title, detail, state, created_at, until_at, decided_by, decided_at FROM requests";
    var_columns "name, value, updated_by, updated_at FROM vars";
    named_secret_columns "name, created_by, created_at, rotated_at FROM named_secrets";
    trigger_columns "flow_id, workspace_id, version_id, kind, hook, spec, next_at, last_at FROM triggers";
    admission_columns "run_id, flow_id, key_value, state, entered, ticket, since FROM admissions";
    checkpoint_columns "edge, note, made_at, sent FROM audit_checkpoints";
    audit_start_columns "seq, hash, edge, note, cut_at FROM audit_start";
    review_columns "upto, since, by_user, note, reviewed_at FROM audit_reviews";
    notice_columns "id, workspace_id, kind, about, subject_id, run_id, flow_id, person_id, channel, tries, due_at, until_at, created_at FROM notices";
    idempotency_columns "user_id, flow_id, idempotency_key, body_digest, run_id, expires_at FROM idempotency";
}

macro_rules! read_as {
    ($($row:ident $what:literal |$c:ident| $value:expr;)*) => {$(
        impl FromRow for $row {
            const WHAT: &'static str = $what;
            fn read($c: &mut Cells<'_>) -> Result<Self, ReadError> { Ok($value) }
        }
    )*};
}

read_as! {
    UserRow "user" |c| Self {
        id: c.parsed()?, login: c.text()?, name: c.text()?, email: c.maybe_text()?, manager: c.maybe_text()?,
        password_hash: c.maybe_text()?, local: c.bool()?, roles: c.json()?, disabled: c.bool()?, created_at: c.time()?,
    };
    SessionRow "session" |c| Self {
        hash: c.text()?, workspace: c.parsed()?, user: c.parsed()?, created_at: c.time()?, expires_at: c.time()?,
    };
    LoginLinkRow "login link" |c| Self {
        hash: c.text()?, workspace: c.parsed()?, user: c.parsed()?, expires_at: c.time()?,
    };
    TokenRow "token" |c| Self {
        hash: c.text()?, workspace: c.parsed()?, user: c.parsed()?, name: c.text()?, scopes: c.json()?,
        created_at: c.time()?, expires_at: c.time()?,
    };
    PoliciesRow "policies" |c| Self {
        policies: c.json()?, revision: c.small()?, updated_by: c.maybe_parsed()?, updated_at: c.time()?,
    };
    SeenRow "visit" |c| Self { user: c.parsed()?, at: c.time()? };
    RoleRow "role" |c| Self { name: c.parsed()?, privileges: c.json()?, updated_by: c.parsed()?, updated_at: c.time()? };
    IdentityRow "identity" |c| Self { issuer: c.text()?, subject: c.text()?, user: c.parsed()?, created_at: c.time()? };
    OidcRow "OpenID provider" |c| Self { oidc: c.json()?, updated_by: c.parsed()?, updated_at: c.time()? };
    LoginAttemptRow "login attempt" |c| Self {
        state_hash: c.text()?, workspace: c.parsed()?, browser_hash: c.text()?, issuer: c.text()?, target: c.text()?, expires_at: c.time()?,
    };
    HostRow "host" |c| Self { name: c.parsed()?, host: c.json()?, updated_by: c.parsed()?, updated_at: c.time()? };
    FlowRow "flow" |c| Self {
        id: c.parsed()?, name: c.parsed()?, title: c.maybe_text()?, stopped: c.maybe_text()?, last_version: c.small()?,
        runners: c.json()?, created_by: c.parsed()?, created_at: c.time()?,
    };
    DraftRow "draft" |c| Self {
        flow: c.parsed()?, text: c.text()?, revision: c.small()?, updated_by: c.parsed()?, updated_at: c.time()?,
    };
    BuildValueRow "build-time value" |c| Self {
        flow: c.parsed()?, slot: c.parsed()?, user: c.parsed()?, written: c.text()?, connection: c.maybe_parsed()?,
    };
    VersionRow "version" |c| Self {
        id: c.parsed()?, flow: c.parsed()?, number: c.small()?, document: c.text()?, digest: c.text()?, bindings: c.text()?,
        manifests: c.text()?, level: c.small()?, created_by: c.parsed()?, created_at: c.time()?,
    };
    ManifestRow "manifest" |c| Self { digest: c.text()?, app: c.parsed()?, document: c.text()? };
    ClientRow "app client" |c| Self {
        id: c.parsed()?, app: c.parsed()?, name: c.parsed()?, oauth_client_id: c.text()?, settings: c.text()?,
        is_default: c.bool()?, created_at: c.time()?,
    };
    ConnectionRow "connection" |c| Self {
        id: c.parsed()?, kind: c.word()?, owner: c.parsed()?, name: c.maybe_parsed()?, app: c.parsed()?, client: c.parsed()?,
        parent: c.maybe_parsed()?, made_for: c.maybe_parsed()?.zip(c.maybe_parsed()?), subject: c.text()?, account: c.text()?,
        scopes: c.json()?, facts: c.text()?, state: c.word()?, token_version: c.int()?, expires_at: c.maybe_time()?,
        refreshing: c.maybe_parsed()?.zip(c.maybe_time()?), only_run: c.maybe_parsed()?, created_at: c.time()?,
        last_used_at: c.maybe_time()?, scheme: c.word()?,
    };
    SecretRow "secret" |c| Self {
        owner: c.text()?, field: c.text()?, version: c.int()?, kek_id: c.text()?, wrapped: c.bytes()?, sealed: c.bytes()?,
    };
    WorkspaceKeyRow "key of a workspace" |c| Self {
        id: c.text()?, workspace: c.parsed()?, wrapped_by: c.text()?, wrapped: c.bytes()?, state: c.word()?, created_at: c.time()?,
    };
    GrantRow "grant" |c| Self {
        user: c.parsed()?, flow: c.parsed()?, slot: c.parsed()?, connection: c.parsed()?, surface: c.text()?, at: c.time()?,
    };
    DeletedParentRow "deleted parent" |c| Self {
        id: c.parsed()?, name: c.parsed()?, app: c.parsed()?, client: c.parsed()?, deleted_by: c.parsed()?, deleted_at: c.time()?,
    };
    DeletedFlowRow "deleted flow" |c| Self {
        id: c.parsed()?, name: c.parsed()?, title: c.maybe_text()?, deleted_by: c.parsed()?, deleted_at: c.time()?,
    };
    LivingRuns "living runs" |c| Self {
        version: c.parsed()?, invoker: c.parsed_unless_empty()?, state: c.text()?, count: c.small()?,
    };
    RevocationRow "revocation" |c| Self {
        id: c.parsed()?, connection: c.parsed()?, app: c.parsed()?, client: c.parsed()?, tries: c.small()?, next_at: c.time()?,
        until: c.time()?, created_at: c.time()?,
    };
    SignInRow "sign-in" |c| Self {
        id: c.parsed()?, run: c.parsed_unless_empty()?, flow: c.parsed()?, version: c.parsed()?, slot: c.parsed()?, person: c.parsed()?,
        app: c.parsed()?, client: c.parsed()?, parent: c.maybe_parsed()?, reason: c.word()?, connection: c.maybe_parsed()?,
        surface: c.text()?, rule: c.word()?, state: c.word()?, created_at: c.time()?, until: c.time()?,
        back: c.parsed_unless_empty()?,
    };
    AttemptRow "attempt" |c| Self {
        state_hash: c.text()?, sign_in: c.maybe_parsed()?, reconnect: c.maybe_parsed()?, target: c.maybe_text()?, user: c.parsed()?,
        session_hash: c.text()?, client: c.parsed()?, sealed: c.bytes()?, created_at: c.time()?, expires_at: c.time()?,
        used_at: c.maybe_time()?,
    };
    RunRow "run" |c| Self {
        id: c.parsed()?, workspace: c.parsed()?, flow: c.parsed()?, version: c.parsed()?, level: c.small()?,
        invoker: c.parsed_unless_empty()?, parent: c.maybe_parsed()?.zip(c.maybe_parsed()?), retry_of: c.maybe_parsed()?,
        entry: c.text()?, state: c.text()?, created_at: c.time()?, ended_at: c.maybe_time()?,
        due_at: c.maybe_time()?, epoch: c.int()?, owner: c.maybe_parsed()?, lease_until: c.maybe_time()?,
    };
    JournalRow "journal of run" |c| Self {
        run: c.parsed()?, seq: c.int()?, kind: c.text()?, v: c.small()?, at: c.time()?, body: {
            let body = c.text()?;
            if body.starts_with(crate::write::DIGEST) {
                return Err(c.bad(format!("the body {body} is not stored")));
            }
            body
        },
    };
    InboxRow "message" |c| Self { id: c.parsed()?, run: c.parsed()?, message: c.json()?, at: c.time()? };
    RequestRow "request" |c| Self {
        id: c.parsed()?, run: c.parsed()?, flow: c.parsed()?, step: c.parsed()?, kind: c.word()?, who: c.json()?, not_by: c.maybe_parsed()?,
        title: c.text()?, detail: c.text()?, state: c.word()?, created_at: c.time()?, until: c.time()?, decided_by: c.maybe_parsed()?,
        decided_at: c.maybe_time()?,
    };
    VarRow "value" |c| Self { name: c.parsed()?, value: c.text()?, updated_by: c.parsed()?, updated_at: c.time()? };
    NamedSecretRow "named secret" |c| Self {
        name: c.parsed()?, created_by: c.parsed()?, created_at: c.time()?, rotated_at: c.maybe_time()?,
    };
    TriggerRow "trigger" |c| Self {
        flow: c.parsed()?, workspace: c.parsed()?, version: c.parsed()?, kind: c.word()?, hook: c.maybe_parsed()?, spec: c.text()?,
        next_at: c.maybe_time()?, last_at: c.maybe_time()?,
    };
    AdmissionRow "admission of run" |c| Self {
        run: c.parsed()?, flow: c.parsed()?, key: c.maybe_text()?, state: c.word()?, entered: c.bool()?, ticket: c.int()?, since: c.time()?,
    };
    CheckpointRow "checkpoint" |c| Self {
        edge: c.json()?, note: c.text()?, made_at: c.time()?, sent: c.bool()?,
    };
    AuditStartRow "beginning of the audit log" |c| Self {
        start: actas_core::audit::export::Start { seq: c.count()?, hash: c.digest()?, edge: c.json()? },
        note: c.text()?, cut_at: c.time()?,
    };
    ReviewRow "review" |c| Self {
        upto: c.count()?, since: c.count()?, by: c.parsed()?, note: c.text()?, at: c.time()?,
    };
    NoticeRow "notice" |c| Self {
        id: c.parsed()?, workspace: c.parsed()?, kind: c.word()?, about: c.word()?, subject: c.text()?, run: c.parsed()?, flow: c.parsed()?,
        person: c.parsed_unless_empty()?, channel: c.word_unless_empty()?, tries: c.small()?, due_at: c.time()?, until: c.time()?,
        created_at: c.time()?,
    };
    IdempotencyRow "idempotency key" |c| Self {
        user: c.parsed()?, flow: c.parsed()?, key: c.text()?, body_digest: c.text()?, run: c.parsed()?, expires_at: c.time()?,
    };
}
