//! From operations to statements. Pure: what an operation means is said here, once, for both databases.

mod asked;
pub(crate) mod audit;
mod connections;
mod flows;
mod keys;
mod known;
mod lifecycle;
pub(crate) mod limits;
mod notices;
mod people;
mod runs;
mod triggers;

pub(crate) use runs::DIGEST;

use actas_core::Time;
use actas_core::audit::{Actor, Draft};
use actas_core::ids::{FlowId, RunId, WorkspaceId};

use crate::op::{Commit, Op};
use crate::rows::RequestState;
use crate::statement::{Statement, Value};
use crate::store::CommitError;

/// A commit as its writer takes it.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Operation by operation, in order.
    pub ops: Vec<(&'static str, Vec<Statement>)>,
    /// To be linked last.
    pub audit: Vec<Draft>,
    /// Whether it may change a row that is kept in memory.
    pub unsettles: bool,
    /// What the rest of the world wants to know once it is durable.
    pub news: Vec<News>,
    /// The line that it changes, if it changes one.
    pub line: Option<(WorkspaceId, FlowId)>,
}

/// Clocks that differ by less, in microseconds, are left as they are: reading them takes time too.
const NOTICEABLE: i64 = 500_000;

/// Something became durable that somebody may be waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// A run has a message.
    Inbox(RunId),
    /// A run is there for the taking.
    Claimable,
}

impl Prepared {
    /// Leases of new runs are given by our clock and kept by that of the database, which is `skew` microseconds ahead of it.
    ///
    /// # Errors
    /// `Conflict` for what no store would take: a text with a NUL, a state that does not fit.
    pub(crate) fn of(mut commit: Commit, skew: i64) -> Result<Self, CommitError> {
        for op in &mut commit.ops {
            if let Op::AddRun { run, .. } = op
                && skew.abs() > NOTICEABLE
            {
                run.lease_until = run
                    .lease_until
                    .map(|until| Time(until.micros().saturating_add(skew)));
            }
        }
        audit::check(&commit)?;
        let mut prepared = Self {
            ops: Vec::with_capacity(commit.ops.len()),
            audit: commit.audit,
            unsettles: commit.ops.iter().any(Op::unsettles),
            news: Vec::new(),
            line: commit.ops.iter().find_map(Op::line),
        };
        for op in &commit.ops {
            check(op)?;
            let statements = op.statements();
            for value in statements.iter().flat_map(|s| &s.params) {
                if let Value::Text(Some(text)) = value
                    && text.contains('\0')
                {
                    return Err(CommitError::Conflict {
                        op: op.name(),
                        why: "a text holds a NUL character: take it out".to_owned(),
                    });
                }
            }
            prepared.ops.push((op.name(), statements));
            prepared.news.extend(op.news());
        }
        for draft in &mut prepared.audit {
            strip_nul(draft);
        }
        Ok(prepared)
    }
}

/// What holds whatever is stored: the one place for it, shared with the model.
pub(crate) fn check(op: &Op) -> Result<(), CommitError> {
    let (state, ended) = match op {
        Op::AddRequest { request, .. } if request.state != RequestState::Open => {
            return Err(CommitError::Conflict {
                op: op.name(),
                why: "a new request is open".to_owned(),
            });
        }
        Op::AddRun { run, .. } => (&run.state, run.ended_at.is_some()),
        Op::Append {
            state, ended_at, ..
        } => (state, ended_at.is_some()),
        _ => return Ok(()),
    };
    if is_final(state) == ended {
        return Ok(());
    }
    Err(CommitError::Conflict {
        op: op.name(),
        why: format!("state `{state}` and the time of its end do not fit together"),
    })
}

/// Whether a run in this state stays in it for good.
pub(crate) fn is_final(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "cancelled")
}

/// PostgreSQL cannot keep a NUL, and an act that could not be recorded could not be done.
fn strip_nul(draft: &mut Draft) {
    fn clean(text: &mut String) {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    if let Actor::User { login, .. } = &mut draft.actor {
        clean(login);
    }
    if let Some((_, login)) = &mut draft.person {
        clean(login);
    }
    if let Some((kind, id)) = &mut draft.record {
        clean(kind);
        clean(id);
    }
    for text in [
        &mut draft.entry,
        &mut draft.action,
        &mut draft.object.kind,
        &mut draft.object.id,
        &mut draft.outcome,
    ] {
        clean(text);
    }
    for text in [
        &mut draft.object.version,
        &mut draft.account,
        &mut draft.flow,
        &mut draft.step,
        &mut draft.reason,
        &mut draft.ip,
        &mut draft.agent,
    ]
    .into_iter()
    .flatten()
    {
        clean(text);
    }
}

impl Op {
    /// The operation's name in refusals and in tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddWorkspace { .. } => "add_workspace",
            Self::AddUser { .. } => "add_user",
            Self::ChangeUser { .. } => "change_user",
            Self::SetPassword { .. } => "set_password",
            Self::AddSession(_) => "add_session",
            Self::EndSession { .. } => "end_session",
            Self::AddLoginLink(_) => "add_login_link",
            Self::UseLoginLink { .. } => "use_login_link",
            Self::AddToken(_) => "add_token",
            Self::RevokeToken { .. } => "revoke_token",
            Self::PutPolicies { .. } => "put_policies",
            Self::PutRole { .. } => "put_role",
            Self::DeleteRole { .. } => "delete_role",
            Self::EndAccess { .. } => "end_access",
            Self::EraseUser { .. } => "erase_user",
            Self::SeeUser { .. } => "see_user",
            Self::AddIdentity { .. } => "add_identity",
            Self::PutOidc { .. } => "put_oidc",
            Self::DropOidc { .. } => "drop_oidc",
            Self::AddLoginAttempt(_) => "add_login_attempt",
            Self::UseLoginAttempt { .. } => "use_login_attempt",
            Self::PutHost { .. } => "put_host",
            Self::DeleteHost { .. } => "delete_host",
            Self::UseOnce { .. } => "use_once",
            Self::AddFlow { .. } => "add_flow",
            Self::ChangeFlow { .. } => "change_flow",
            Self::PutDraft { .. } => "put_draft",
            Self::PutBuildValue { .. } => "put_build_value",
            Self::DropBuildValues { .. } => "drop_build_values",
            Self::AddVersion { .. } => "add_version",
            Self::KeepManifest { .. } => "keep_manifest",
            Self::AddClient { .. } => "add_client",
            Self::ChangeClient { .. } => "change_client",
            Self::AddConnection { .. } => "add_connection",
            Self::ChangeConnection { .. } => "change_connection",
            Self::LeaseRefresh { .. } => "lease_refresh",
            Self::ReleaseRefresh { .. } => "release_refresh",
            Self::TouchConnection { .. } => "touch_connection",
            Self::DeleteConnection { .. } => "delete_connection",
            Self::PutSecret { .. } => "put_secret",
            Self::DropSecrets { .. } => "drop_secrets",
            Self::PutGrant { .. } => "put_grant",
            Self::BuryParent { .. } => "bury_parent",
            Self::Adopt { .. } => "adopt",
            Self::DropGrant { .. } => "drop_grant",
            Self::RenewSlot { .. } => "renew_slot",
            Self::DeleteFlow { .. } => "delete_flow",
            Self::DeleteClient { .. } => "delete_client",
            Self::ForgetPerson { .. } => "forget_person",
            Self::AddRevocation { .. } => "add_revocation",
            Self::TryRevocation { .. } => "try_revocation",
            Self::EndRevocation { .. } => "end_revocation",
            Self::SetKeyCheck { .. } => "set_key_check",
            Self::Keys(_) => "keys",
            Self::AddSignIn { .. } => "add_sign_in",
            Self::MoveSignIn { .. } => "move_sign_in",
            Self::CloseSignIns { .. } => "close_sign_ins",
            Self::AddAttempt { .. } => "add_attempt",
            Self::UseAttempt { .. } => "use_attempt",
            Self::AddRun { .. } => "add_run",
            Self::Append { .. } => "append",
            Self::Release { .. } => "release",
            Self::Enter(_) => "enter",
            Self::Queue { .. } => "queue",
            Self::StepAside { .. } => "step_aside",
            Self::Leave { .. } => "leave",
            Self::PutInbox { .. } => "put_inbox",
            Self::TellRun { .. } => "tell_run",
            Self::TakeInbox { .. } => "take_inbox",
            Self::AddRequest { .. } => "add_request",
            Self::DecideRequest { .. } => "decide_request",
            Self::CloseRequests { .. } => "close_requests",
            Self::UseCallback { .. } => "use_callback",
            Self::PutVar { .. } => "put_var",
            Self::DeleteVar { .. } => "delete_var",
            Self::PutNamedSecret { .. } => "put_named_secret",
            Self::DeleteNamedSecret { .. } => "delete_named_secret",
            Self::PutTrigger(_) => "put_trigger",
            Self::DropTrigger { .. } => "drop_trigger",
            Self::FireTrigger { .. } => "fire_trigger",
            Self::AddNotice(_) => "add_notice",
            Self::TakeNotice { .. } => "take_notice",
            Self::DropNotice { .. } => "drop_notice",
            Self::ErasePersonal { .. } => "erase_personal",
            Self::Log { act, .. } => audit::name(act),
        }
    }

    fn statements(&self) -> Vec<Statement> {
        match self {
            Self::AddWorkspace {
                workspace,
                name,
                at,
            } => people::add_workspace(workspace, name, *at),
            Self::AddUser { workspace, user } => people::add_user(workspace, user),
            Self::ChangeUser { workspace, user } => people::change_user(workspace, user),
            Self::SetPassword {
                workspace,
                user,
                password_hash,
            } => people::set_password(workspace, user, password_hash),
            Self::AddSession(session) => people::add_session(session),
            Self::EndSession { hash } => people::end_session(hash),
            Self::AddLoginLink(link) => people::add_login_link(link),
            Self::UseLoginLink { hash, now } => people::use_login_link(hash, *now),
            Self::AddToken(token) => people::add_token(token),
            Self::RevokeToken { workspace, hash } => people::revoke_token(workspace, hash),
            Self::PutPolicies { .. }
            | Self::PutRole { .. }
            | Self::DeleteRole { .. }
            | Self::EndAccess { .. }
            | Self::EraseUser { .. }
            | Self::SeeUser { .. }
            | Self::AddIdentity { .. }
            | Self::PutOidc { .. }
            | Self::DropOidc { .. }
            | Self::AddLoginAttempt(_)
            | Self::UseLoginAttempt { .. }
            | Self::PutHost { .. }
            | Self::DeleteHost { .. }
            | Self::UseOnce { .. } => known::statements(self),
            Self::AddFlow { workspace, flow } => flows::add_flow(workspace, flow),
            Self::ChangeFlow { workspace, flow } => flows::change_flow(workspace, flow),
            Self::PutDraft { workspace, draft } => flows::put_draft(workspace, draft),
            Self::PutBuildValue { workspace, value } => flows::put_build_value(workspace, value),
            Self::DropBuildValues {
                workspace,
                flow,
                user,
            } => flows::drop_build_values(workspace, flow, user.as_ref()),
            Self::AddVersion { workspace, version } => flows::add_version(workspace, version),
            Self::KeepManifest {
                workspace,
                manifest,
            } => flows::keep_manifest(workspace, manifest),
            Self::AddClient { workspace, client } => connections::add_client(workspace, client),
            Self::ChangeClient { workspace, client } => {
                connections::change_client(workspace, client)
            }
            Self::AddConnection {
                workspace,
                connection,
            } => connections::add_connection(workspace, connection),
            Self::ChangeConnection {
                workspace,
                connection,
                expect,
            } => connections::change_connection(workspace, connection, *expect),
            Self::LeaseRefresh {
                workspace,
                connection,
                worker,
                until,
                now,
                expect,
            } => connections::lease_refresh(workspace, connection, worker, *until, *now, *expect),
            Self::ReleaseRefresh {
                workspace,
                connection,
                worker,
            } => connections::release_refresh(workspace, connection, worker),
            Self::TouchConnection {
                workspace,
                connection,
                at,
            } => connections::touch_connection(workspace, connection, *at),
            Self::DeleteConnection {
                workspace,
                connection,
            } => connections::delete_connection(workspace, connection),
            Self::PutSecret { workspace, secret } => connections::put_secret(workspace, secret),
            Self::DropSecrets { workspace, owner } => connections::drop_secrets(workspace, owner),
            Self::PutGrant { workspace, grant } => connections::put_grant(workspace, grant),
            Self::BuryParent { workspace, parent } => lifecycle::bury_parent(workspace, parent),
            Self::Adopt {
                workspace,
                connection,
                parent,
            } => lifecycle::adopt(workspace, connection, parent),
            Self::DropGrant {
                workspace,
                user,
                flow,
                slot,
            } => lifecycle::drop_grant(workspace, user, flow, slot),
            Self::RenewSlot {
                workspace,
                flow,
                slot,
            } => lifecycle::renew_slot(workspace, flow, slot),
            Self::DeleteFlow {
                workspace,
                flow,
                by,
                at,
            } => lifecycle::delete_flow(workspace, flow, by, *at),
            Self::DeleteClient { workspace, client } => lifecycle::delete_client(workspace, client),
            Self::ForgetPerson { workspace, user } => lifecycle::forget_person(workspace, user),
            Self::AddRevocation {
                workspace,
                revocation,
            } => lifecycle::add_revocation(workspace, revocation),
            Self::TryRevocation {
                workspace,
                revocation,
                tries,
                next_at,
            } => lifecycle::try_revocation(workspace, revocation, *tries, *next_at),
            Self::EndRevocation {
                workspace,
                revocation,
            } => lifecycle::end_revocation(workspace, revocation),
            Self::SetKeyCheck { kek_id, check } => people::set_key_check(kek_id, check),
            Self::Keys(op) => keys::statements(op),
            Self::AddSignIn { workspace, sign_in } => connections::add_sign_in(workspace, sign_in),
            Self::MoveSignIn {
                workspace,
                sign_in,
                from,
                to,
            } => connections::move_sign_in(workspace, sign_in, from, *to),
            Self::CloseSignIns {
                workspace,
                run,
                slot,
            } => connections::close_sign_ins(workspace, run, slot.as_ref()),
            Self::AddAttempt { workspace, attempt } => connections::add_attempt(workspace, attempt),
            Self::UseAttempt {
                workspace,
                state_hash,
                now,
            } => connections::use_attempt(workspace, state_hash, *now),
            Self::AddRun {
                run,
                journal,
                idempotency,
            } => runs::add_run(run, journal, idempotency.as_ref()),
            Self::Append {
                workspace,
                epoch,
                journal,
                state,
                due_at,
                ended_at,
                release,
            } => runs::append(
                workspace, *epoch, journal, state, *due_at, *ended_at, *release,
            ),
            Self::Release {
                workspace,
                run,
                epoch,
            } => runs::release(workspace, run, *epoch),
            Self::Enter(admission) => limits::enter(admission),
            Self::Queue { admission, epoch } => limits::queue(admission, *epoch),
            Self::StepAside {
                workspace,
                flow,
                run,
                epoch,
            } => limits::step_aside(workspace, flow, run, *epoch),
            Self::Leave {
                workspace,
                flow,
                run,
            } => limits::leave(workspace, flow, run),
            Self::PutInbox { workspace, inbox } => runs::put_inbox(workspace, inbox),
            Self::TellRun { workspace, inbox } => runs::tell_run(workspace, inbox),
            Self::TakeInbox { workspace, inbox } => runs::take_inbox(workspace, inbox),
            Self::AddRequest { workspace, request } => asked::add_request(workspace, request),
            Self::DecideRequest {
                workspace,
                request,
                by,
                now,
            } => asked::decide_request(workspace, request, by, *now),
            Self::CloseRequests {
                workspace,
                run,
                step,
            } => asked::close_requests(workspace, run, step.as_ref()),
            Self::UseCallback {
                workspace,
                run,
                step,
            } => asked::use_callback(workspace, run, step),
            Self::PutVar { workspace, var } => asked::put_var(workspace, var),
            Self::DeleteVar { workspace, name } => asked::delete_var(workspace, name),
            Self::PutNamedSecret {
                workspace,
                secret,
                new,
            } => asked::put_named_secret(workspace, secret, *new),
            Self::DeleteNamedSecret { workspace, name } => {
                asked::delete_named_secret(workspace, name)
            }
            Self::PutTrigger(trigger) => triggers::put_trigger(trigger),
            Self::DropTrigger { workspace, flow } => triggers::drop_trigger(workspace, flow),
            Self::FireTrigger {
                workspace,
                flow,
                slot,
                next_at,
                fired,
            } => triggers::fire_trigger(workspace, flow, *slot, *next_at, *fired),
            Self::AddNotice(notice) => notices::add_notice(notice),
            Self::TakeNotice {
                workspace,
                notice,
                tries,
                due_at,
            } => notices::take_notice(workspace, notice, *tries, *due_at),
            Self::DropNotice { workspace, notice } => notices::drop_notice(workspace, notice),
            Self::ErasePersonal { workspace, user } => audit::erase_personal(workspace, user),
            Self::Log { workspace, act } => audit::on_log(workspace, act),
        }
    }

    /// Whether it may change a user, a token or a flow. What happens all the time and certainly does not is named here; whatever else there
    /// will be counts.
    fn unsettles(&self) -> bool {
        !matches!(
            self,
            Self::AddRun { .. }
                | Self::Append { .. }
                | Self::Release { .. }
                | Self::Enter(_)
                | Self::Queue { .. }
                | Self::StepAside { .. }
                | Self::Leave { .. }
                | Self::PutInbox { .. }
                | Self::TellRun { .. }
                | Self::TakeInbox { .. }
                | Self::AddRequest { .. }
                | Self::DecideRequest { .. }
                | Self::CloseRequests { .. }
                | Self::UseCallback { .. }
                | Self::FireTrigger { .. }
                | Self::Log { .. }
                | Self::AddNotice(_)
                | Self::TakeNotice { .. }
                | Self::DropNotice { .. }
                | Self::AddSignIn { .. }
                | Self::MoveSignIn { .. }
                | Self::CloseSignIns { .. }
                | Self::AddSession(_)
                | Self::SeeUser { .. }
                | Self::AddLoginAttempt(_)
                | Self::UseLoginAttempt { .. }
                | Self::UseOnce { .. }
                | Self::TouchConnection { .. }
                | Self::LeaseRefresh { .. }
                | Self::ReleaseRefresh { .. }
        )
    }

    fn line(&self) -> Option<(WorkspaceId, FlowId)> {
        let (workspace, flow) = match self {
            Self::Enter(admission) | Self::Queue { admission, .. } => {
                (&admission.workspace, &admission.flow)
            }
            Self::StepAside {
                workspace, flow, ..
            }
            | Self::Leave {
                workspace, flow, ..
            } => (workspace, flow),
            _ => return None,
        };
        Some((workspace.clone(), flow.clone()))
    }

    pub(crate) fn news(&self) -> Option<News> {
        match self {
            Self::PutInbox { inbox, .. } | Self::TellRun { inbox, .. } => {
                Some(News::Inbox(inbox.run.clone()))
            }
            Self::Release { .. }
            | Self::Queue { .. }
            | Self::StepAside { .. }
            | Self::Leave { .. } => Some(News::Claimable),
            Self::Append { release, state, .. } if *release && state == "running" => {
                Some(News::Claimable)
            }
            _ => None,
        }
    }
}

/// What a run, its journal or its inbox belongs to, for refusals.
pub(crate) type Ws<'a> = &'a WorkspaceId;

#[cfg(test)]
mod tests {
    use actas_core::ids::{FlowId, RunId, UserId, VersionId, WorkerId};

    use super::*;
    use crate::rows::{JournalRow, RunRow};

    #[test]
    fn leases_are_kept_by_the_clock_of_the_database() {
        let run = RunRow {
            id: RunId::from_bits(1),
            workspace: WorkspaceId::from_bits(1),
            flow: FlowId::from_bits(1),
            version: VersionId::from_bits(1),
            level: 1,
            invoker: Some(UserId::from_bits(1)),
            parent: None,
            retry_of: None,
            entry: "api".to_owned(),
            state: "running".to_owned(),
            created_at: Time(0),
            ended_at: None,
            due_at: None,
            epoch: 1,
            owner: Some(WorkerId::from_bits(1)),
            lease_until: Some(Time(100)),
        };
        let journal = JournalRow {
            run: run.id.clone(),
            seq: 1,
            kind: String::new(),
            v: 1,
            at: Time(0),
            body: "{}".to_owned(),
        };
        let add = Op::AddRun {
            run,
            journal,
            idempotency: None,
        };
        for (skew, lease) in [(0, 100), (400_000, 100), (-60_000_000, -59_999_900)] {
            let commit = Commit {
                ops: vec![add.clone()],
                audit: Vec::new(),
            };
            let prepared = Prepared::of(commit, skew).expect("fits");
            let params = &prepared.ops[0].1[0].params;
            assert!(params.contains(&Value::Int(Some(lease))), "{params:?}");
        }
    }
}
