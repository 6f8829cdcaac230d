//! What can be written. A [`Commit`] is one promise: all of its operations and audit records, or none.

use actas_core::Time;
use actas_core::audit;
use actas_core::ids::{
    ClientId, ConnectionId, FlowId, InboxId, Name, NoticeId, RequestId, RevocationId, RunId,
    SignInId, SlotName, StepPath, UserId, VarName, WorkerId, WorkspaceId,
};
use actas_core::policies::Policies;

use crate::rows::*;

/// Operations that become durable together, with the audit records of what they do.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// In order.
    pub ops: Vec<Op>,
    /// Linked into their workspaces' chains last before the commit.
    pub audit: Vec<audit::Draft>,
}

/// One typed write. Each says what it expects to find; if it does not, the whole commit is refused with [`crate::CommitError::Conflict`].
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "each variant says what it does; its fields are the rows and ids it names"
)]
pub enum Op {
    /// A new workspace.
    AddWorkspace {
        workspace: WorkspaceId,
        name: String,
        at: Time,
    },
    /// A new user; the login must be free.
    AddUser {
        workspace: WorkspaceId,
        user: UserRow,
    },
    /// Everything of a user but id and login.
    ChangeUser {
        workspace: WorkspaceId,
        user: UserRow,
    },
    /// Sets the password of a user who is not switched off; ends all their sessions and one-time links, because whoever has one of those may
    /// be the reason for the new password.
    SetPassword {
        workspace: WorkspaceId,
        user: UserId,
        password_hash: String,
    },
    /// A new session.
    AddSession(SessionRow),
    /// Ends a session; fine if it is gone already.
    EndSession { hash: String },
    /// A new one-time link.
    AddLoginLink(LoginLinkRow),
    /// Uses a one-time link up: it must be there and not have ended.
    UseLoginLink { hash: String, now: Time },
    /// A new API token.
    AddToken(TokenRow),
    /// Revokes a token; it must be there.
    RevokeToken {
        workspace: WorkspaceId,
        hash: String,
    },

    /// The policies of a workspace; those that stand there must be of revision `expect` (0: none do). Theirs is one more then.
    PutPolicies {
        workspace: WorkspaceId,
        policies: Policies,
        expect: u32,
        by: UserId,
        at: Time,
    },
    /// A role of the workspace's own, or another meaning for it.
    PutRole {
        workspace: WorkspaceId,
        role: RoleRow,
    },
    /// Removes a role; it must be there.
    DeleteRole { workspace: WorkspaceId, name: Name },
    /// Ends all sessions, tokens and one-time links of a person.
    EndAccess {
        workspace: WorkspaceId,
        user: UserId,
    },
    /// Leaves nothing of a person but that there was one: the login is free again, what they are known by elsewhere is forgotten. They must be
    /// switched off.
    EraseUser {
        workspace: WorkspaceId,
        user: UserId,
    },
    /// Notes that a person was here; coarse.
    SeeUser {
        workspace: WorkspaceId,
        user: UserId,
        at: Time,
    },
    /// Another system's word for a person; it must not mean anybody yet.
    AddIdentity {
        workspace: WorkspaceId,
        identity: IdentityRow,
    },
    /// Where people log in, if not here.
    PutOidc {
        workspace: WorkspaceId,
        oidc: OidcRow,
    },
    /// They log in here alone; fine if they did.
    DropOidc { workspace: WorkspaceId },
    /// A new login elsewhere.
    AddLoginAttempt(LoginAttemptRow),
    /// Uses a login attempt up: it must be there, of this browser, and not have ended.
    UseLoginAttempt {
        workspace: WorkspaceId,
        state_hash: String,
        browser_hash: String,
        now: Time,
    },
    /// A host application, or something else said of it.
    PutHost {
        workspace: WorkspaceId,
        host: HostRow,
    },
    /// Removes a host application; it must be there.
    DeleteHost { workspace: WorkspaceId, name: Name },
    /// Uses something up that counts once; it must not have been used. What has ended is forgotten.
    UseOnce {
        workspace: WorkspaceId,
        hash: String,
        expires_at: Time,
        now: Time,
    },

    /// A new flow; the name must be free.
    AddFlow {
        workspace: WorkspaceId,
        flow: FlowRow,
    },
    /// Title, stopped, runners of a flow.
    ChangeFlow {
        workspace: WorkspaceId,
        flow: FlowRow,
    },
    /// Saves a draft; the stored revision must be `draft.revision - 1` (no row counts as 0).
    PutDraft {
        workspace: WorkspaceId,
        draft: DraftRow,
    },
    /// Sets one author's build-time value for a slot.
    PutBuildValue {
        workspace: WorkspaceId,
        value: BuildValueRow,
    },
    /// Drops build-time values of a flow: one author's, or everybody's.
    DropBuildValues {
        workspace: WorkspaceId,
        flow: FlowId,
        user: Option<UserId>,
    },
    /// A new version: its number must be the flow's last + 1 (which is raised), or 0 for a snapshot.
    AddVersion {
        workspace: WorkspaceId,
        version: VersionRow,
    },
    /// Stores a manifest unless it is stored.
    KeepManifest {
        workspace: WorkspaceId,
        manifest: ManifestRow,
    },

    /// A new app client; name free within the app; if default, the others no longer are.
    AddClient {
        workspace: WorkspaceId,
        client: ClientRow,
    },
    /// Everything of a client but id and app.
    ChangeClient {
        workspace: WorkspaceId,
        client: ClientRow,
    },
    /// A new connection.
    AddConnection {
        workspace: WorkspaceId,
        connection: ConnectionRow,
    },
    /// Everything of a connection but its id, kind and owner; its `token_version` must be `expect` (then `connection.token_version` is stored).
    ChangeConnection {
        workspace: WorkspaceId,
        connection: ConnectionRow,
        expect: i64,
    },
    /// Takes the right to refresh: nobody may hold it now, not even this worker (two of its tasks would refresh twice), and the token
    /// version must be `expect`.
    LeaseRefresh {
        workspace: WorkspaceId,
        connection: ConnectionId,
        worker: WorkerId,
        until: Time,
        now: Time,
        expect: i64,
    },
    /// Gives the right back, if still held by this worker.
    ReleaseRefresh {
        workspace: WorkspaceId,
        connection: ConnectionId,
        worker: WorkerId,
    },
    /// Notes that a connection was used; coarse, no fence.
    TouchConnection {
        workspace: WorkspaceId,
        connection: ConnectionId,
        at: Time,
    },
    /// Removes a connection with its secrets and grants; it must be there.
    DeleteConnection {
        workspace: WorkspaceId,
        connection: ConnectionId,
    },
    /// Stores a sealed secret, replacing an older version of the same field.
    PutSecret {
        workspace: WorkspaceId,
        secret: SecretRow,
    },
    /// Removes all secrets of an owner (a connection's or client's id).
    DropSecrets {
        workspace: WorkspaceId,
        owner: String,
    },
    /// Stores what a person agreed to, replacing what stood there.
    PutGrant {
        workspace: WorkspaceId,
        grant: GrantRow,
    },
    /// Notes that a shared connection was deleted under which people made their own.
    BuryParent {
        workspace: WorkspaceId,
        parent: DeletedParentRow,
    },
    /// Gives a personal connection whose parent was deleted another one, which must be of the same app and client.
    Adopt {
        workspace: WorkspaceId,
        connection: ConnectionId,
        parent: ConnectionId,
    },
    /// Takes back what a person agreed to for a slot; it must be there.
    DropGrant {
        workspace: WorkspaceId,
        user: UserId,
        flow: FlowId,
        slot: SlotName,
    },
    /// A slot is another one from now on, although it is called as one before: what people agreed to goes, and connections made for that one
    /// serve no slot any more.
    RenewSlot {
        workspace: WorkspaceId,
        flow: FlowId,
        slot: SlotName,
    },
    /// Removes a flow with its draft, build-time values, grants and what starts it; its versions stay. No run of it may be living.
    DeleteFlow {
        workspace: WorkspaceId,
        flow: FlowId,
        by: UserId,
        at: Time,
    },
    /// Removes an app client with its secret; no connection may have been made with it.
    DeleteClient {
        workspace: WorkspaceId,
        client: ClientId,
    },
    /// Removes what a person agreed to and builds with, and closes all they are asked; their connections are deleted one by one before.
    ForgetPerson {
        workspace: WorkspaceId,
        user: UserId,
    },
    /// What a provider is to be told of; its secrets go beside it, with [`Op::PutSecret`].
    AddRevocation {
        workspace: WorkspaceId,
        revocation: RevocationRow,
    },
    /// Takes the next try of a revocation, of which there must have been `tries`: nobody else does it before `next_at`.
    TryRevocation {
        workspace: WorkspaceId,
        revocation: RevocationId,
        tries: u32,
        next_at: Time,
    },
    /// It is done or given up: removes it with its secrets; fine if it is gone.
    EndRevocation {
        workspace: WorkspaceId,
        revocation: RevocationId,
    },
    /// The key-check value of a new store; there must be none.
    SetKeyCheck { kek_id: String, check: Vec<u8> },
    /// What is done to the keys of workspaces.
    Keys(KeyOp),

    /// A new sign-in.
    AddSignIn {
        workspace: WorkspaceId,
        sign_in: SignInRow,
    },
    /// Moves a sign-in on; it must stand in one of `from`.
    MoveSignIn {
        workspace: WorkspaceId,
        sign_in: SignInId,
        from: Vec<SignInState>,
        to: SignInState,
    },
    /// Closes what is left open for a run that ended, or for one of its slots.
    CloseSignIns {
        workspace: WorkspaceId,
        run: RunId,
        slot: Option<SlotName>,
    },
    /// A new attempt.
    AddAttempt {
        workspace: WorkspaceId,
        attempt: AttemptRow,
    },
    /// Uses an attempt up: it must be unused and not have ended.
    UseAttempt {
        workspace: WorkspaceId,
        state_hash: String,
        now: Time,
    },

    /// A new run with the first row of its journal, born claimed: owner, epoch and lease are stored as they are given, but for a run that
    /// has ended, which nobody holds. With an idempotency key, that key must be free or forgotten by `run.created_at`.
    AddRun {
        run: RunRow,
        journal: JournalRow,
        idempotency: Option<IdempotencyRow>,
    },
    /// The next journal row of a run and its new state. The run must not have ended, must still be held under `epoch`, and its journal must
    /// end with `journal.seq - 1`. `release` gives it up; one that ends is given up in any case.
    Append {
        workspace: WorkspaceId,
        epoch: i64,
        journal: JournalRow,
        state: String,
        due_at: Option<Time>,
        ended_at: Option<Time>,
        release: bool,
    },
    /// A place for a run of a flow with `concurrency`, unless it has one already. Refused if it is not its turn: then [`Op::Queue`].
    Enter(Admission),
    /// Puts a run that is held under `epoch`, or that was just added as `queued`, into the line of its flow and gives it up. When its turn comes,
    /// which may be at once, it is `running` and there for the taking.
    Queue { admission: Admission, epoch: i64 },
    /// Gives the place of a run back, but not its key: it waits or is paused, and was given up under this epoch in the same commit. Nothing if
    /// another holder has it by now.
    StepAside {
        workspace: WorkspaceId,
        flow: FlowId,
        run: RunId,
        epoch: i64,
    },
    /// Gives back the place and the key of a run that has ended.
    Leave {
        workspace: WorkspaceId,
        flow: FlowId,
        run: RunId,
    },
    /// Gives a run up without a journal row (graceful stop, or nothing to do); fenced by `epoch`. Fine if it is not held under it any more.
    Release {
        workspace: WorkspaceId,
        run: RunId,
        epoch: i64,
    },
    /// Something from outside for a run that has not ended. A run that is cancelled while it is queued and has not begun is let out of the line.
    PutInbox {
        workspace: WorkspaceId,
        inbox: InboxRow,
    },
    /// The same for one that may have ended: then nothing.
    TellRun {
        workspace: WorkspaceId,
        inbox: InboxRow,
    },
    /// Deletes an inbox row that became an event (or meant nothing); it must be there.
    TakeInbox {
        workspace: WorkspaceId,
        inbox: InboxId,
    },

    /// A new request, which must be open.
    AddRequest {
        workspace: WorkspaceId,
        request: RequestRow,
    },
    /// Notes who answered a request: it must be open and its time not be over.
    DecideRequest {
        workspace: WorkspaceId,
        request: RequestId,
        by: UserId,
        now: Time,
    },
    /// Closes what is open of a run, or of one of its steps.
    CloseRequests {
        workspace: WorkspaceId,
        run: RunId,
        step: Option<StepPath>,
    },
    /// Uses the callback of a step up; it must not have been used.
    UseCallback {
        workspace: WorkspaceId,
        run: RunId,
        step: StepPath,
    },

    /// Sets a value of the workspace.
    PutVar { workspace: WorkspaceId, var: VarRow },
    /// Removes one; it must be there.
    DeleteVar {
        workspace: WorkspaceId,
        name: VarName,
    },
    /// A named secret that is `new`, or when one that must be there was rotated: one that is deleted meanwhile does not come back. What it
    /// holds goes beside it, with [`Op::PutSecret`].
    PutNamedSecret {
        workspace: WorkspaceId,
        secret: NamedSecretRow,
        new: bool,
    },
    /// Removes a named secret with what it holds; it must be there.
    DeleteNamedSecret { workspace: WorkspaceId, name: Name },
    /// What starts a flow by itself, in the place of what did. What stood there must have the same `last_at`: else an instant was fired
    /// since it was read, which `next_at` may name again.
    PutTrigger(TriggerRow),
    /// Nothing starts the flow by itself any more; fine if nothing did.
    DropTrigger {
        workspace: WorkspaceId,
        flow: FlowId,
    },
    /// Takes one instant of a flow's schedule, which must be its next, so that no instant is taken twice; `next_at` is the one after it. One
    /// that is not `fired` is let go: it was missed.
    FireTrigger {
        workspace: WorkspaceId,
        flow: FlowId,
        slot: Time,
        next_at: Option<Time>,
        fired: bool,
    },

    /// Somebody is to hear of something.
    AddNotice(NoticeRow),
    /// Takes a notice on, to be tried again at `due_at` unless it is dropped before: it must have been tried so often.
    TakeNotice {
        workspace: WorkspaceId,
        notice: NoticeId,
        tries: u32,
        due_at: Time,
    },
    /// It was said, or need not be said any more; it must be there.
    DropNotice {
        workspace: WorkspaceId,
        notice: NoticeId,
    },

    /// Erases what is personal of a user in all records of the audit log so far. The record `audit.erased` of it, object `user` and their id, must
    /// be in the same commit and be made by somebody else: it accounts for what `verify` finds missing.
    ErasePersonal {
        workspace: WorkspaceId,
        user: UserId,
    },
    /// What stands beside the audit log of a workspace.
    Log { workspace: WorkspaceId, act: LogAct },
}
