//! The rows, as values. All times are microseconds; all ids are made by the caller ([`crate::system`]).

use actas_core::Time;
use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, FlowName, InboxId, Name, RequestId, RunId, SignInId,
    SlotName, StepPath, UserId, VersionId, WorkerId, WorkspaceId,
};
use actas_core::run::{AskReason, ConnectionKind, Person, Rule, Scheme};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod asked;
mod keys;
mod lifecycle;
mod limits;
mod log;
mod notices;
mod people;
mod triggers;

pub use asked::{NamedSecretRow, RequestKind, RequestRow, RequestState, VarRow};
pub use keys::{KeyCheck, KeyOp, KeyState, WorkspaceKeyRow};
pub use lifecycle::{DeletedFlowRow, DeletedParentRow, LivingRuns, RevocationRow};
pub use limits::{Admission, AdmissionRow, AdmissionState, Rate};
pub use log::{AuditStartRow, CheckpointRow, LogAct, ReviewRow};
pub use notices::{NoticeAbout, NoticeChannel, NoticeKind, NoticeRow};
pub use people::{
    Host, HostRow, IdentityRow, LoginAttemptRow, Oidc, OidcRow, PoliciesRow, RoleRow, SeenRow,
};
pub use triggers::{TriggerKind, TriggerRow};

/// A person of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Who.
    pub id: UserId,
    /// What they log in with; unique in the workspace.
    pub login: String,
    /// What people call them.
    pub name: String,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// Their manager's login.
    pub manager: Option<String>,
    /// Argon2id in PHC form; none: cannot log in by password.
    pub password_hash: Option<String>,
    /// The command line on the embedded store may act as them.
    pub local: bool,
    /// Their roles, of `runner builder auditor admin owner`.
    pub roles: Vec<String>,
    /// Switched off: nothing of theirs works any more.
    pub disabled: bool,
    /// When they were added.
    pub created_at: Time,
}

/// A browser's session. Only the hash of its secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the cookie's value, hex.
    pub hash: String,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose.
    pub user: UserId,
    /// When it began.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

/// A one-time link that logs its user in and lets them set a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLinkRow {
    /// SHA-256 of the token, hex.
    pub hash: String,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// For whom.
    pub user: UserId,
    /// Until when.
    pub expires_at: Time,
}

/// An API token. Only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// SHA-256 of the token, hex.
    pub hash: String,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// What it may do beside starting and watching runs.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

/// A flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRow {
    /// Which.
    pub id: FlowId,
    /// Its name, unique among the workspace's flows.
    pub name: FlowName,
    /// Its title, from the last version or draft.
    pub title: Option<String>,
    /// Why it is stopped; none: it runs.
    pub stopped: Option<String>,
    /// Its last version's number; 0: never published.
    pub last_version: u32,
    /// Who may run it: logins, `role:NAME` or `everyone`.
    pub runners: Vec<String>,
    /// Who created it.
    pub created_by: UserId,
    /// When.
    pub created_at: Time,
}

/// The draft of a flow: YAML without its build-time values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftRow {
    /// Of which flow.
    pub flow: FlowId,
    /// The text.
    pub text: String,
    /// Raised by one with every save; the `ETag`.
    pub revision: u32,
    /// Who saved it last.
    pub updated_by: UserId,
    /// When.
    pub updated_at: Time,
}

/// One of an author's own connections that fills a slot while building. Dropped by publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildValueRow {
    /// Of which flow.
    pub flow: FlowId,
    /// In which slot.
    pub slot: SlotName,
    /// Whose.
    pub user: UserId,
    /// As it was written, so that the draft can be shown to its author again.
    pub written: String,
    /// The connection it names, once it is known.
    pub connection: Option<ConnectionId>,
}

/// A frozen flow: a published version (number ≥ 1) or a draft's snapshot (number 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Which.
    pub id: VersionId,
    /// Of which flow.
    pub flow: FlowId,
    /// From 1; 0 for a snapshot.
    pub number: u32,
    /// The canonical document (RFC 8785).
    pub document: String,
    /// `sha256:…` over document, manifests and bindings.
    pub digest: String,
    /// Slot → what its name meant: JSON of [`Bindings`].
    pub bindings: String,
    /// App → digest of the manifest it runs with, as JSON.
    pub manifests: String,
    /// The meaning it was published under.
    pub level: u32,
    /// Who.
    pub created_by: UserId,
    /// When.
    pub created_at: Time,
}

/// What the names in a version meant when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bindings {
    /// Slot by slot.
    pub slots: std::collections::BTreeMap<SlotName, Binding>,
}

/// What a slot's names meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Binding {
    /// A shared connection.
    Shared {
        /// Which.
        connection: ConnectionId,
        /// The app client it was made with.
        client: ClientId,
    },
    /// Whoever runs the flow, through this client.
    Dynamic {
        /// The app client people sign in with.
        client: ClientId,
        /// The parent, if the slot names one.
        parent: Option<ConnectionId>,
    },
}

/// A manifest as it was used, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// `sha256:…`.
    pub digest: String,
    /// The app.
    pub app: AppName,
    /// The canonical document.
    pub document: String,
}

/// How the workspace is known to an app. Its secret lives in the vault under (client id as owner).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRow {
    /// Which.
    pub id: ClientId,
    /// The app.
    pub app: AppName,
    /// Its name, unique per app.
    pub name: Name,
    /// The OAuth client id.
    pub oauth_client_id: String,
    /// Values for the app's settings, as JSON.
    pub settings: String,
    /// The one that counts when none is named.
    pub is_default: bool,
    /// When it was made.
    pub created_at: Time,
}

/// Stored credentials for one account at one app; the secrets themselves are in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Which.
    pub id: ConnectionId,
    /// Whose kind.
    pub kind: ConnectionKind,
    /// The person who owns a personal one, or who made a shared one.
    pub owner: UserId,
    /// A shared connection's name.
    pub name: Option<Name>,
    /// The app.
    pub app: AppName,
    /// Signed in through.
    pub client: ClientId,
    /// Made under this parent.
    pub parent: Option<ConnectionId>,
    /// Without a parent: made for this flow and slot.
    pub made_for: Option<(FlowId, SlotName)>,
    /// The provider's stable id of the account.
    pub subject: String,
    /// The account's name.
    pub account: String,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Public facts as JSON: the client's settings and the fields kept from the token answer.
    pub facts: String,
    /// Where it stands.
    pub state: ConnectionState,
    /// Raised with every change of its secrets; the fence of refreshes.
    pub token_version: i64,
    /// When the access token ends, if the provider said.
    pub expires_at: Option<Time>,
    /// Who refreshes it just now, and until when that counts.
    pub refreshing: Option<(WorkerId, Time)>,
    /// Belongs to this run only (`keep: run`).
    pub only_run: Option<RunId>,
    /// When it was made.
    pub created_at: Time,
    /// When a step last used it.
    pub last_used_at: Option<Time>,
    /// The kind of sign-in it came by: which secrets it has, and how they are sent.
    pub scheme: Scheme,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Usable, as far as is known.
    Connected,
    /// It ran out and cannot be refreshed.
    Expired,
    /// The provider refused it.
    Revoked,
    /// Its person disconnected it.
    Disconnected,
    /// It never had an account: it says to slots which app and client they use, and nobody acts through it.
    NoAccount,
}

impl ConnectionState {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Disconnected => "disconnected",
            Self::NoAccount => "no_account",
        }
    }
}

/// A sealed secret: opaque here, made and read by the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// A connection's or an app client's id.
    pub owner: String,
    /// `access_token`, `refresh_token`, `client_secret` …
    pub field: String,
    /// The version it was sealed for.
    pub version: i64,
    /// The key that wraps its data key.
    pub kek_id: String,
    /// The wrapped data key.
    pub wrapped: Vec<u8>,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

/// What a person agreed to for one slot of one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Who.
    pub user: UserId,
    /// For which flow.
    pub flow: FlowId,
    /// For which slot.
    pub slot: SlotName,
    /// With which of their connections.
    pub connection: ConnectionId,
    /// What was agreed to (client, scopes, modules, hosts), as JSON.
    pub surface: String,
    /// When.
    pub at: Time,
}

/// A pending request that a person authenticate, and who waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRow {
    /// Which; stands in its page's address.
    pub id: SignInId,
    /// The run that waits; none: its person connects ahead of any.
    pub run: Option<RunId>,
    /// Its flow, or one that it will run.
    pub flow: FlowId,
    /// Its version.
    pub version: VersionId,
    /// The slot.
    pub slot: SlotName,
    /// The only person who may answer.
    pub person: UserId,
    /// The app.
    pub app: AppName,
    /// To sign in through.
    pub client: ClientId,
    /// The parent, if the slot names one.
    pub parent: Option<ConnectionId>,
    /// Why they are asked.
    pub reason: AskReason,
    /// The connection that died or lacks scopes: signing in again must give the same subject.
    pub connection: Option<ConnectionId>,
    /// What would be agreed to, as JSON.
    pub surface: String,
    /// Which rule it would be chosen by: the invoker's, or a build-time value.
    pub rule: Rule,
    /// Where it stands.
    pub state: SignInState,
    /// When it was asked.
    pub created_at: Time,
    /// Until when it may be answered.
    pub until: Time,
    /// The flow from whose page they began by themselves; none: a run asks.
    pub back: Option<FlowId>,
}

/// Where a sign-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInState {
    /// To be answered.
    Open,
    /// Its person said no; they may still change their mind.
    Declined,
    /// Answered.
    Done,
    /// Its run ended or its deadline passed.
    Closed,
}

impl SignInState {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Declined => "declined",
            Self::Done => "done",
            Self::Closed => "closed",
        }
    }
}

/// One try at a sign-in: made by the page's POST, lives ten minutes at most, used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// SHA-256 of `state`, hex.
    pub state_hash: String,
    /// For which sign-in; none: a connection made or renewed from the list (then `reconnect` says which).
    pub sign_in: Option<SignInId>,
    /// The connection that is renewed from the list.
    pub reconnect: Option<ConnectionId>,
    /// What a connection made from the list is to become, as JSON.
    pub target: Option<String>,
    /// The person who pressed the button.
    pub user: UserId,
    /// SHA-256 of that browser's session, hex: the callback must come with the same.
    pub session_hash: String,
    /// The client the code will be redeemed with.
    pub client: ClientId,
    /// The PKCE verifier and nonce, sealed: JSON of a sealed pair, opaque here.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// When it was used.
    pub used_at: Option<Time>,
}

/// A run, narrow: what lists and claims need. Everything else is in its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Which.
    pub id: RunId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The flow.
    pub flow: FlowId,
    /// The version.
    pub version: VersionId,
    /// The meaning it runs under.
    pub level: u32,
    /// The person it acts for; none: a schedule or a webhook started it.
    pub invoker: Option<UserId>,
    /// The run that made it, and the step that waits for it.
    pub parent: Option<(RunId, StepPath)>,
    /// The run that it repeats with what that one had done.
    pub retry_of: Option<RunId>,
    /// The way it came in.
    pub entry: String,
    /// `running waiting paused queued succeeded failed cancelled`. One that is `queued` is not there for the taking until its state is another.
    pub state: String,
    /// When it was created.
    pub created_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// When the clock will move it.
    pub due_at: Option<Time>,
    /// Raised with every claim: the fence of its writes.
    pub epoch: i64,
    /// Who holds it.
    pub owner: Option<WorkerId>,
    /// Until when.
    pub lease_until: Option<Time>,
}

/// One row of a journal: the events of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Of which run.
    pub run: RunId,
    /// From 1, gapless.
    pub seq: i64,
    /// The first event's name, for people who look.
    pub kind: String,
    /// The version the events are written in.
    pub v: u32,
    /// When.
    pub at: Time,
    /// JSON of `actas_core::run::JournalBody`; values over 16 KiB stand in the blob table by digest (the store's business).
    pub body: String,
}

/// Something from outside that a run must hear of; the holder turns it into an event and deletes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Which.
    pub id: InboxId,
    /// For which run.
    pub run: RunId,
    /// What.
    pub message: InboxMessage,
    /// When it came.
    pub at: Time,
}

/// What came from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InboxMessage {
    /// A connection for this slot may be there now: look again.
    SignedIn {
        /// The slot.
        slot: SlotName,
    },
    /// The slot's person said no.
    Declined {
        /// The slot.
        slot: SlotName,
        /// What they said no to: another request for the same slot stays open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sign_in: Option<SignInId>,
    },
    /// Somebody cancelled.
    Cancel {
        /// Who; none where a run that acts for nobody ends its children.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// An approval was decided.
    Decided {
        /// The step that waits for it.
        step: StepPath,
        /// What they were asked.
        request: RequestId,
        /// How.
        decision: Value,
    },
    /// Somebody said what became of a step that may or may not have had its effect.
    Answered {
        /// The step.
        step: StepPath,
        /// What they were asked.
        request: RequestId,
        /// What they said.
        answer: Value,
        /// Who.
        by: Person,
    },
    /// The callback that a step waits for came.
    CalledBack {
        /// The step.
        step: StepPath,
        /// With what.
        payload: Value,
    },
    /// A run that a step made has ended.
    ChildEnded {
        /// The step.
        step: StepPath,
        /// Its run.
        child: RunId,
    },
    /// A run that a step made began to need a person, or no longer needs one.
    ChildPaused {
        /// The step.
        step: StepPath,
        /// Its run.
        child: RunId,
        /// What it is paused for, as its document shows it; null: nothing any more.
        paused: Value,
    },
}

/// A repeat of a request is answered with the run it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Whose.
    pub user: UserId,
    /// For which flow.
    pub flow: FlowId,
    /// The header's value.
    pub key: String,
    /// SHA-256 of the request's body, hex.
    pub body_digest: String,
    /// What it made.
    pub run: RunId,
    /// Forgotten after.
    pub expires_at: Time,
}
