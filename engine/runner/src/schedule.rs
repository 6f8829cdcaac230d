//! Schedules: slots that have come become runs. Every process looks; the store lets one of them take each slot, because the run and the
//! step from its slot to the next are one commit. The time is the store's.

use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::{self, Actor, Object};
use actas_core::flow::{Entry, Inputs, Schedule};
use actas_core::run::LEVEL;
use actas_core::schedule::{Due, SLOT, Spec};
use actas_store::{Commit, CommitError, Op, ReadError, TriggerRow, system};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use crate::plans::{LoadError, Version};
use crate::runner::{CreateError, Inner, NewRun};
use crate::trigger::{Unborn, acts_for_nobody, unheld};

/// Schedules are looked at this often, at whole seconds, because slots are there.
const POLL: Duration = Duration::from_secs(1);

/// How many schedules are taken up at a time.
const AT_ONCE: u32 = 100;

/// Why a slot makes no run.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    /// Another process took it, or the schedule is another by now.
    #[error("it is taken")]
    Taken,
    /// The store is away; the slot is still there at the next look.
    #[error("{0}")]
    Later(String),
    /// It never will: the code and why.
    #[error("{1}")]
    Never(&'static str, String),
}

impl From<ReadError> for Hindrance {
    fn from(error: ReadError) -> Self {
        Self::Later(error.to_string())
    }
}

/// Fires what is due, as long as the process takes on work.
pub async fn scheduling(inner: Arc<Inner>) {
    while !inner.is_stopping() {
        let more = match look(&inner).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!("schedules are not looked at now: {error}");
                false
            }
        };
        if more {
            continue;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(to_the_next_second(system::now())) => {}
            () = inner.stopped() => {}
        }
    }
}

fn to_the_next_second(now: Time) -> Duration {
    let into = now.micros().rem_euclid(1_000_000);
    let rest = Duration::from_micros(u64::try_from(1_000_000 - into).unwrap_or(1_000_000));
    // A little behind it, so that a slot at that second has come.
    rest.min(POLL) + Duration::from_millis(2)
}

/// Fires what is due now; true if there may be more.
async fn look(inner: &Arc<Inner>) -> Result<bool, ReadError> {
    let now = inner.store.now().await?;
    let due = inner.store.due_triggers(now, AT_ONCE).await?;
    let full = due.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
    let mut moved = false;
    let mut firing = JoinSet::new();
    for trigger in due {
        let inner = inner.clone();
        firing.spawn(async move { fire(&inner, trigger, now).await });
    }
    while let Some(done) = firing.join_next().await {
        moved |= done.unwrap_or(false);
    }
    // With nothing moved the next look would see the same.
    Ok(full && moved)
}

/// Fires the slots of one schedule; true if it moved on.
async fn fire(inner: &Arc<Inner>, trigger: TriggerRow, now: Time) -> bool {
    let mut moved = false;
    match fire_all(inner, &trigger, now, &mut moved).await {
        Ok(()) | Err(Hindrance::Taken) => {}
        Err(why) => tracing::warn!(flow = %trigger.flow, "a schedule is not fired now: {why}"),
    }
    moved
}

async fn fire_all(
    inner: &Arc<Inner>,
    trigger: &TriggerRow,
    now: Time,
    moved: &mut bool,
) -> Result<(), Hindrance> {
    let Some(first) = trigger.next_at else {
        return Ok(());
    };
    let version = match inner
        .plans
        .version(&inner.store, &trigger.workspace, &trigger.version)
        .await
    {
        // A newer program knows what it means.
        Ok(version) if version.row.level > LEVEL => return Err(Hindrance::Taken),
        Ok(version) => version,
        Err(LoadError::Read(error)) => return Err(error.into()),
        Err(error) => return Err(Hindrance::Later(error.to_string())),
    };
    let (due, spec) = match due(trigger, first, now) {
        Ok(due) => due,
        // Nobody published that: the row is not what publishing writes.
        Err(why) => return Err(Hindrance::Later(why)),
    };
    let mut slots = due.fire.into_iter().peekable();
    let after_missed = slots.peek().copied().or(due.next);
    if after_missed != Some(first) {
        let why = ("missed", "slots passed while nothing could start");
        let_go(inner, trigger, &version, first, after_missed, why).await?;
        *moved = true;
    }
    while let Some(slot) = slots.next() {
        if inner.is_stopping() {
            return Ok(());
        }
        let next = slots.peek().copied().or_else(|| spec.next_after(slot));
        match start(inner, trigger, &version, slot, next).await {
            Err(Hindrance::Never(code, why)) => {
                tracing::warn!(flow = %trigger.flow, %slot, "a slot of a schedule makes no run: {why}");
                let_go(inner, trigger, &version, slot, next, (code, &why)).await?;
            }
            done => done?,
        }
        *moved = true;
    }
    Ok(())
}

fn due(trigger: &TriggerRow, first: Time, now: Time) -> Result<(Due, Spec), String> {
    let schedule: Schedule =
        serde_json::from_str(&trigger.spec).map_err(|error| error.to_string())?;
    let spec = Spec::read(&schedule).map_err(|bad| bad.message)?;
    Ok((spec.due(first, now, schedule.catchup), spec))
}

/// A slot becomes a run: both are one commit. Whoever claims the run first performs it.
async fn start(
    inner: &Inner,
    trigger: &TriggerRow,
    version: &Arc<Version>,
    slot: Time,
    next: Option<Time>,
) -> Result<(), Hindrance> {
    acts_for_nobody(&version.plan).map_err(|error| match &error {
        CreateError::NobodysSlot(_) => Hindrance::Never("nobodys_slot", error.to_string()),
        _ => Hindrance::Later(error.to_string()),
    })?;
    let flow = &version.plan.flow;
    let mut given = Map::new();
    if flow.inputs.contains_key(SLOT) {
        given.insert(SLOT.to_owned(), slot.to_string().into());
    }
    let inputs = Inputs::of(flow)
        .check(Value::Object(given))
        .map_err(|faults| {
            let why = faults.into_iter().next().map(|fault| fault.message);
            Hindrance::Never("invalid_inputs", why.unwrap_or_default())
        })?;
    let new = NewRun {
        workspace: trigger.workspace.clone(),
        version: trigger.version.clone(),
        invoker: None,
        actor: Actor::Trigger,
        entry: Entry::Schedule,
        inputs,
        idempotency: None,
        ip: None,
        agent: None,
    };
    let born = unheld(inner, &new, version)
        .await
        .map_err(|why| match why {
            Unborn::Read(error) => error.into(),
            Unborn::Never(code, why) => Hindrance::Never(code, why),
        })?;
    let mut ops = vec![taken(trigger, slot, next, true)];
    ops.extend(born.ops);
    let commit = Commit {
        ops,
        audit: born.audit,
    };
    take(inner, commit).await
}

/// Slots that make no run are let go, and the audit log says why.
async fn let_go(
    inner: &Inner,
    trigger: &TriggerRow,
    version: &Version,
    slot: Time,
    next: Option<Time>,
    (code, why): (&str, &str),
) -> Result<(), Hindrance> {
    tracing::info!(flow = %trigger.flow, %slot, code, "{why}");
    let draft = audit::Draft {
        workspace: trigger.workspace.clone(),
        at: system::now(),
        actor: Actor::Trigger,
        person: None,
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: Entry::Schedule.as_str().into(),
        action: "schedule.slot_let_go".into(),
        object: Object {
            kind: "slot".into(),
            id: slot.to_string(),
            version: Some(version.row.number.to_string()),
        },
        flow: Some(version.plan.flow.flow.to_string()),
        run: None,
        step: None,
        outcome: "failed".into(),
        reason: Some(code.to_owned()),
        ip: None,
        agent: None,
    };
    let commit = Commit {
        ops: vec![taken(trigger, slot, next, false)],
        audit: vec![draft],
    };
    take(inner, commit).await
}

fn taken(trigger: &TriggerRow, slot: Time, next_at: Option<Time>, fired: bool) -> Op {
    Op::FireTrigger {
        workspace: trigger.workspace.clone(),
        flow: trigger.flow.clone(),
        slot,
        next_at,
        fired,
    }
}

/// Commits once. If nobody knows what became of it, the next look finds the slot taken or not.
async fn take(inner: &Inner, commit: Commit) -> Result<(), Hindrance> {
    match inner.store.commit(commit).await {
        Ok(()) => Ok(()),
        // Its flow lets nobody wait: this slot's turn is over.
        Err(CommitError::Conflict { op: "enter", .. }) => {
            let why = "the flow has as many runs as it may have at once";
            Err(Hindrance::Never("flow_full", why.to_owned()))
        }
        Err(CommitError::Conflict { .. }) => Err(Hindrance::Taken),
        Err(error) => Err(Hindrance::Later(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_look_is_right_behind_the_next_second() {
        for (now, wait) in [(5_000_000, 1_002), (5_999_000, 3), (5_000_001, 1_001)] {
            assert_eq!(to_the_next_second(Time(now)).as_millis(), wait);
        }
    }
}
