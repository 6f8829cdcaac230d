//! Telling people that something waits for them: by mail, or by a flow that the workspace names. What is to be said is written with the pause
//! itself, and any process says it. A letter goes out at least once, and each time under the same id; a flow is started exactly once.

use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::{self, Actor, Object};
use actas_core::flow::{Entry, Inputs};
use actas_core::ids::{NoticeId, RequestId, SignInId, UserId, WorkspaceId};
use actas_core::run::approval::Asked;
use actas_core::run::{Created, Person, Rule};
use actas_egress::{Letter, Mail};
use actas_store::{
    Commit, NoticeAbout, NoticeChannel, NoticeKind, NoticeRow, Op, ReadError, Reader, RequestKind,
    RequestState, SignInState, UserRow, system,
};
use serde_json::{Map, Value, json};

use crate::callee::latest;
use crate::plans::LoadError;
use crate::runner::{CreateError, Inner, NewRun};
use crate::trigger::{Unborn, acts_for_nobody, unheld};

/// Looked for this often.
const POLL: Duration = Duration::from_secs(1);

/// So many at a time.
const AT_ONCE: u32 = 50;

/// Nothing is tried for longer.
const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);

/// Why a notice was not said now.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    /// The store is away.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It may go well another time.
    #[error("{0}")]
    Later(String),
    /// Nobody waits for it any more, or it can never be said: why.
    #[error("{0}")]
    Never(String),
}

/// What goes into a commit by which people are asked, so that they hear of it: now, and once more before the time is over. Nothing if the
/// workspace wants nobody told.
pub async fn with_pause(
    inner: &Inner,
    workspace: &WorkspaceId,
    created: &Created,
    ops: &mut Vec<Op>,
    at: Time,
) {
    let asks = |op: &Op| matches!(op, Op::AddSignIn { .. } | Op::AddRequest { .. });
    // Whoever tells people must not have people told about itself.
    if created.entry == Entry::Notice || !ops.iter().any(asks) {
        return;
    }
    let policies = match inner.store.reader(workspace).policies().await {
        Ok(row) => row.policies,
        Err(error) => {
            tracing::warn!(run = %created.run, "nobody is told of a pause, what the workspace wants cannot be read: {error}");
            return;
        }
    };
    if !policies.notify.email && policies.notify.flow.is_none() {
        return;
    }
    let mut told: Vec<UserId> = Vec::new();
    let mut notices = Vec::new();
    for op in ops.iter() {
        let (about, subject, person, until) = match op {
            // Several accounts of one person are asked for at one page.
            Op::AddSignIn { sign_in, .. } if !told.contains(&sign_in.person) => {
                told.push(sign_in.person.clone());
                let person = Some(sign_in.person.clone());
                let subject = sign_in.id.to_string();
                (NoticeAbout::SignIn, subject, person, sign_in.until)
            }
            Op::AddRequest { request, .. } => {
                let about = match request.kind {
                    RequestKind::Approval => NoticeAbout::Approval,
                    RequestKind::Decision => NoticeAbout::Decision,
                };
                (about, request.id.to_string(), None, request.until)
            }
            _ => continue,
        };
        let notice = NoticeRow {
            id: NoticeId::from_bits(system::new_bits()),
            workspace: workspace.clone(),
            kind: NoticeKind::Asked,
            about,
            subject,
            run: created.run.clone(),
            flow: created.flow.clone(),
            person,
            channel: None,
            tries: 0,
            due_at: at,
            until,
            created_at: at,
        };
        let before = policies.remind_before;
        let reminder = Time(
            until
                .micros()
                .saturating_sub(i64::try_from(before.as_micros()).unwrap_or(i64::MAX)),
        );
        // Whoever was told a moment ago needs no reminder.
        if !before.is_zero() && reminder > at {
            notices.push(Op::AddNotice(NoticeRow {
                id: NoticeId::from_bits(system::new_bits()),
                kind: NoticeKind::Reminder,
                due_at: reminder,
                ..notice.clone()
            }));
        }
        notices.push(Op::AddNotice(notice));
    }
    ops.extend(notices);
}

/// Says what is due, as long as the process takes on work.
pub async fn telling(inner: Arc<Inner>) {
    while !inner.is_stopping() {
        let full = match look(&inner).await {
            Ok(full) => full,
            Err(error) => {
                tracing::warn!("notices are not looked at now: {error}");
                false
            }
        };
        if full {
            continue;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(POLL) => {}
            () = inner.stopped() => {}
        }
    }
}

/// Says what is due now; true if there may be more.
async fn look(inner: &Inner) -> Result<bool, ReadError> {
    let now = inner.store.now().await?;
    let due = inner.store.due_notices(now, AT_ONCE).await?;
    let full = due.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
    let mut more = false;
    for notice in due {
        if inner.is_stopping() {
            return Ok(false);
        }
        // Who is told of what has been addressed just now, is due at once. With nothing moved the next look would see the same.
        more |= say(inner, &notice, now).await && (full || notice.channel.is_none());
    }
    Ok(more)
}

/// Says one; true if it is another by now.
async fn say(inner: &Inner, notice: &NoticeRow, now: Time) -> bool {
    // Taken on first: another process leaves it alone until the next try is due.
    let take = Op::TakeNotice {
        workspace: notice.workspace.clone(),
        notice: notice.id.clone(),
        tries: notice.tries,
        due_at: now.after(patience(notice.tries)),
    };
    if commit(inner, vec![take], Vec::new()).await.is_err() {
        return false;
    }
    let said = match (&notice.person, notice.channel) {
        _ if notice.channel.is_some() && now.since(notice.created_at) > GIVEN_UP => {
            Err(Hindrance::Never("it was tried for a day".to_owned()))
        }
        (Some(person), Some(NoticeChannel::Mail)) => write(inner, notice, person, now).await,
        (Some(person), Some(NoticeChannel::Flow)) => start(inner, notice, person, now).await,
        _ => address(inner, notice, now).await,
    };
    match said {
        Ok(()) => {}
        Err(Hindrance::Never(why)) => {
            tracing::info!(run = %notice.run, about = notice.about.as_str(), "a notice is dropped: {why}");
            let told = notice.channel.map(|_| record(notice, "failed", &why));
            let _ = commit(inner, vec![drop(notice)], told.into_iter().collect()).await;
        }
        Err(why) => {
            tracing::warn!(run = %notice.run, about = notice.about.as_str(), "a notice is said later: {why}");
        }
    }
    true
}

/// How long a try may take before another is made: longer than a mail server is waited for, more each time, an hour at most.
fn patience(tries: u32) -> Duration {
    Duration::from_secs(15 << tries.min(8)).min(Duration::from_secs(3600))
}

fn drop(notice: &NoticeRow) -> Op {
    Op::DropNotice {
        workspace: notice.workspace.clone(),
        notice: notice.id.clone(),
    }
}

async fn commit(inner: &Inner, ops: Vec<Op>, audit: Vec<audit::Draft>) -> Result<(), Hindrance> {
    let done = inner.store.commit(Commit { ops, audit }).await;
    done.map_err(|error| Hindrance::Later(error.to_string()))
}

/// Finds whom it is for and how they are told: a notice for each.
async fn address(inner: &Inner, notice: &NoticeRow, now: Time) -> Result<(), Hindrance> {
    let reader = inner.store.reader(&notice.workspace);
    let people = asked(&reader, notice, now).await?;
    let notify = reader.policies().await?.policies.notify;
    let mut ops = vec![drop(notice)];
    for person in people {
        let by_mail = (notify.email && person.email.is_some()).then_some(NoticeChannel::Mail);
        let by_flow = notify.flow.as_ref().map(|_| NoticeChannel::Flow);
        for channel in [by_mail, by_flow].into_iter().flatten() {
            ops.push(Op::AddNotice(NoticeRow {
                id: NoticeId::from_bits(system::new_bits()),
                person: Some(person.id.clone()),
                channel: Some(channel),
                tries: 0,
                due_at: now,
                created_at: now,
                ..notice.clone()
            }));
        }
    }
    commit(inner, ops, Vec::new()).await
}

/// Who is asked still, of those who can be told.
async fn asked(reader: &Reader, notice: &NoticeRow, now: Time) -> Result<Vec<UserRow>, Hindrance> {
    let over = || Hindrance::Never("nobody is asked any more".to_owned());
    if notice.until <= now {
        return Err(over());
    }
    let people = match notice.about {
        NoticeAbout::SignIn => {
            let rows = reader.sign_ins_of_run(&notice.run).await?;
            // Whoever said no is left in peace.
            let open = rows.iter().any(|row| {
                Some(&row.person) == notice.person.as_ref()
                    && row.state == SignInState::Open
                    && row.back.is_none()
            });
            match &notice.person {
                Some(person) if open => reader.user(person).await?.into_iter().collect(),
                _ => Vec::new(),
            }
        }
        NoticeAbout::Approval | NoticeAbout::Decision => {
            let id: RequestId = notice.subject.parse().map_err(|_| over())?;
            let request = reader.request(&id).await?.ok_or_else(over)?;
            if request.state != RequestState::Open {
                return Err(over());
            }
            let who: Vec<Asked> = request
                .who
                .iter()
                .filter_map(|who| Asked::parse(who))
                .collect();
            let mut people = reader.users().await?;
            people.retain(|user| {
                let meant = who.iter().any(|asked| asked.means(&person_of(user)));
                meant && Some(&user.id) != request.not_by.as_ref()
            });
            if let Some(person) = &notice.person {
                people.retain(|user| user.id == *person);
            }
            people
        }
    };
    let able: Vec<UserRow> = people.into_iter().filter(|user| !user.disabled).collect();
    if able.is_empty() {
        return Err(over());
    }
    Ok(able)
}

fn person_of(user: &UserRow) -> Person {
    Person {
        id: user.id.clone(),
        login: user.login.clone(),
        name: user.name.clone(),
        email: user.email.clone(),
        manager: user.manager.clone(),
        roles: user.roles.clone(),
    }
}

/// What a notice says, and nothing of what the run knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    about: NoticeAbout,
    reminder: bool,
    /// Who is told.
    name: String,
    /// The flow's title, or its name.
    title: String,
    /// Who runs it; none: they themselves.
    runner: Option<String>,
    link: String,
    until: Time,
}

impl Said {
    async fn of(
        inner: &Inner,
        reader: &Reader,
        notice: &NoticeRow,
        person: &UserRow,
    ) -> Result<Self, Hindrance> {
        let flow = reader.flow(&notice.flow).await?;
        let title = flow.map(|flow| flow.title.unwrap_or_else(|| flow.name.to_string()));
        let invoker = reader.run(&notice.run).await?.and_then(|run| run.invoker);
        let runner = match &invoker {
            Some(invoker) if *invoker == person.id => None,
            Some(invoker) => reader.user(invoker).await?.map(|user| user.name),
            None => Some("a schedule or another system".to_owned()),
        };
        let connections = &inner.hands.connections;
        let link = match notice.about {
            NoticeAbout::SignIn => {
                let id: Option<SignInId> = notice.subject.parse().ok();
                let row = match &id {
                    Some(id) => reader.sign_in(id).await?,
                    None => None,
                };
                match row {
                    Some(row) if row.rule == Rule::Approver => {
                        connections.address(&["connect", row.id.as_str()])
                    }
                    _ => connections.address(&["connect", "run", notice.run.as_str()]),
                }
            }
            NoticeAbout::Approval | NoticeAbout::Decision => {
                connections.address(&["approvals", &notice.subject])
            }
        };
        Ok(Self {
            about: notice.about,
            reminder: notice.kind == NoticeKind::Reminder,
            name: person.name.clone(),
            title: title.unwrap_or_default(),
            runner,
            link: link.to_string(),
            until: notice.until,
        })
    }

    fn subject(&self) -> String {
        let what = match self.about {
            NoticeAbout::SignIn => "an account of yours is needed",
            NoticeAbout::Approval => "you are asked to decide",
            NoticeAbout::Decision => "you are asked what happened",
        };
        let again = if self.reminder { "Reminder: " } else { "" };
        format!("{again}{}: {what}", self.title)
    }

    fn text(&self) -> String {
        let run = match &self.runner {
            None => format!("Your run of \u{201c}{}\u{201d}", self.title),
            Some(runner) => format!("A run of \u{201c}{}\u{201d} by {runner}", self.title),
        };
        let what = match self.about {
            NoticeAbout::SignIn => "waits until you connect an account",
            NoticeAbout::Approval => "waits for your decision",
            NoticeAbout::Decision => "waits until you say whether one of its steps happened",
        };
        let until = self.until.to_string();
        let until = until.get(..16).unwrap_or(&until).replace('T', " ");
        format!(
            "Hello {},\n\n{run} {what}:\n\n{}\n\nIt waits until {until} UTC. The page is for you alone.\n",
            self.name, self.link
        )
    }
}

async fn recipient(
    reader: &Reader,
    notice: &NoticeRow,
    person: &UserId,
    now: Time,
) -> Result<UserRow, Hindrance> {
    let people = asked(reader, notice, now).await?;
    let found = people.into_iter().find(|user| user.id == *person);
    found.ok_or_else(|| Hindrance::Never("they are not asked any more".to_owned()))
}

/// Sends a letter.
async fn write(
    inner: &Inner,
    notice: &NoticeRow,
    person: &UserId,
    now: Time,
) -> Result<(), Hindrance> {
    let reader = inner.store.reader(&notice.workspace);
    let user = recipient(&reader, notice, person, now).await?;
    let never = || Hindrance::Never("they have no address".to_owned());
    let to = user.email.clone().ok_or_else(never)?;
    let mail: &Mail = inner
        .config
        .mail
        .as_ref()
        .ok_or_else(|| Hindrance::Later("no mail server is set up here".to_owned()))?;
    let said = Said::of(inner, &reader, notice, &user).await?;
    let letter = Letter {
        name: user.name.clone(),
        to,
        subject: said.subject(),
        text: said.text(),
        id: notice.id.to_string(),
    };
    match mail.send(&letter).await {
        Ok(()) => {}
        Err(error @ actas_egress::MailError::Server(_)) => {
            return Err(Hindrance::Later(error.to_string()));
        }
        Err(error) => return Err(Hindrance::Never(error.to_string())),
    }
    let told = record(notice, "ok", "mail");
    commit(inner, vec![drop(notice)], vec![told]).await
}

/// Starts the flow that tells people. The run and the end of the notice are one commit.
async fn start(
    inner: &Inner,
    notice: &NoticeRow,
    person: &UserId,
    now: Time,
) -> Result<(), Hindrance> {
    let reader = inner.store.reader(&notice.workspace);
    let user = recipient(&reader, notice, person, now).await?;
    let policies = reader.policies().await?.policies;
    let name = policies
        .notify
        .flow
        .ok_or_else(|| Hindrance::Never("no flow tells people any more".to_owned()))?;
    let version = match latest(inner, &notice.workspace, &name).await {
        Ok(version) => version,
        Err(LoadError::Read(error)) => return Err(error.into()),
        Err(error) => return Err(Hindrance::Later(error.to_string())),
    };
    let stopped = reader.flow_by_name(&name).await?;
    if stopped.is_some_and(|flow| flow.stopped.is_some()) {
        return Err(Hindrance::Later(format!("flow `{name}` is stopped")));
    }
    acts_for_nobody(&version.plan)
        .map_err(|error: CreateError| Hindrance::Later(error.to_string()))?;
    let said = Said::of(inner, &reader, notice, &user).await?;
    let flow = reader.flow(&notice.flow).await?.map(|flow| flow.name);
    let all = json!({
        "person": user.login, "run": notice.run, "flow": flow, "kind": notice.about.as_str(),
        "reminder": said.reminder, "link": said.link, "until": notice.until,
    });
    let declared = &version.plan.flow.inputs;
    let given: Map<String, Value> = all
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| declared.contains_key(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let inputs = Inputs::of(&version.plan.flow)
        .check(Value::Object(given))
        .map_err(|faults| {
            let why = faults.into_iter().next().map(|fault| fault.message);
            Hindrance::Later(why.unwrap_or_default())
        })?;
    let new = NewRun {
        workspace: notice.workspace.clone(),
        version: version.row.id.clone(),
        invoker: None,
        actor: Actor::Trigger,
        entry: Entry::Notice,
        inputs,
        idempotency: None,
        ip: None,
        agent: None,
    };
    let born = match unheld(inner, &new, &version).await {
        Ok(born) => born,
        Err(Unborn::Read(error)) => return Err(error.into()),
        Err(Unborn::Never(_, why)) => return Err(Hindrance::Later(why)),
    };
    let mut ops = vec![drop(notice)];
    ops.extend(born.ops);
    let mut audit = born.audit;
    audit.push(record(notice, "ok", "flow"));
    commit(inner, ops, audit).await
}

/// That somebody was told, or could not be.
fn record(notice: &NoticeRow, outcome: &str, reason: &str) -> audit::Draft {
    let action = match (outcome, notice.kind) {
        ("ok", NoticeKind::Asked) => "notice.sent",
        ("ok", NoticeKind::Reminder) => "notice.reminded",
        _ => "notice.failed",
    };
    audit::Draft {
        workspace: notice.workspace.clone(),
        at: system::now(),
        actor: Actor::Trigger,
        person: None,
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: Entry::Notice.as_str().into(),
        action: action.into(),
        object: Object {
            kind: notice.about.as_str().into(),
            id: notice.subject.clone(),
            version: None,
        },
        flow: None,
        run: Some(notice.run.clone()),
        step: None,
        outcome: outcome.into(),
        reason: Some(reason.chars().take(200).collect()),
        ip: None,
        agent: None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_letter_says_which_flow_waits_for_what_and_where_and_nothing_of_its_data() {
        let mut said = Said {
            about: NoticeAbout::SignIn,
            reminder: false,
            name: "Ana".to_owned(),
            title: "Record a win".to_owned(),
            runner: None,
            link: "https://actas.example/connect/run/run_1".to_owned(),
            until: Time(1_795_180_000_000_000),
        };
        assert_eq!(
            said.subject(),
            "Record a win: an account of yours is needed"
        );
        expect![[r#"
            Hello Ana,

            Your run of “Record a win” waits until you connect an account:

            https://actas.example/connect/run/run_1

            It waits until 2026-11-20 13:06 UTC. The page is for you alone.
        "#]]
        .assert_eq(&said.text());
        (said.about, said.reminder) = (NoticeAbout::Approval, true);
        said.runner = Some("Ben".to_owned());
        assert_eq!(
            said.subject(),
            "Reminder: Record a win: you are asked to decide"
        );
        assert!(
            said.text()
                .contains("A run of “Record a win” by Ben waits for your decision")
        );
    }

    #[test]
    fn tries_come_less_and_less_often() {
        let waits: Vec<u64> = (0..10).map(|tries| patience(tries).as_secs()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }
}
