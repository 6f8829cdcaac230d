//! From events to what is written: the journal row and the audit records of one commit. Nothing here waits or writes.

use actas_core::audit::{self, Actor, Object};
use actas_core::ids::{RequestId, RunId, StepPath, WorkspaceId};
use actas_core::run::{ActedAs, Created, EVENT_VERSION, Ending, Event, Hold, JournalBody, Person};
use actas_core::{StepError, Time};
use actas_store::JournalRow;

/// Who started a run and from where: what its first audit record says.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Who did it.
    pub actor: Actor,
    /// The peer's address.
    pub ip: Option<String>,
    /// The user agent.
    pub agent: Option<String>,
}

/// The journal row that holds the events of one commit.
pub fn journal_row(run: &RunId, seq: i64, events: Vec<Event>, at: Time) -> JournalRow {
    let kind = events.last().map_or("", Event::name).to_owned();
    let body = serde_json::to_string(&JournalBody { events }).unwrap_or_default();
    JournalRow {
        run: run.clone(),
        seq,
        kind,
        v: EVENT_VERSION,
        at,
        body,
    }
}

/// The audit record an event deserves: runs created and ended, people asked, each step done through a connection; not pure steps.
pub fn audit_of(
    workspace: &WorkspaceId,
    created: &Created,
    origin: Option<&Origin>,
    event: &Event,
) -> Option<audit::Draft> {
    let mut draft = base(workspace, created, event.at());
    match event {
        // A part of a loop is no run of its own to anybody.
        Event::RunCreated(_) | Event::RunEnded { .. } if created.part.is_some() => return None,
        Event::RunCreated(_) => {
            let origin = origin?;
            draft.actor = origin.actor.clone();
            draft.ip.clone_from(&origin.ip);
            draft.agent.clone_from(&origin.agent);
            draft.action = "run.created".into();
        }
        Event::StepSucceeded {
            step,
            acted_as: Some(acted_as),
            ..
        } => {
            draft.action = "step.succeeded".into();
            draft.step = Some(step.to_string());
            through(&mut draft, acted_as);
        }
        Event::StepFailed {
            step,
            acted_as: Some(acted_as),
            error,
            retry_at: None,
            ..
        } => {
            draft.action = "step.failed".into();
            draft.step = Some(step.to_string());
            through(&mut draft, acted_as);
            failed(&mut draft, error);
        }
        // Through no account, but to where nothing may go.
        Event::StepFailed {
            step,
            acted_as: None,
            error,
            retry_at: None,
            ..
        } if error.code.as_deref() == Some("egress_refused") => {
            draft.action = "egress.refused".into();
            draft.step = Some(step.to_string());
            failed(&mut draft, error);
            draft.outcome = "refused".into();
        }
        Event::SlotAsked {
            slot,
            sign_in,
            reason,
            ..
        } => {
            draft.action = "sign_in.asked".into();
            draft.object = Object {
                kind: "sign_in".into(),
                id: sign_in.to_string(),
                version: Some(slot.to_string()),
            };
            draft.reason = Some(reason.as_str().into());
        }
        Event::StepHeld {
            step,
            hold: Hold::Approval { request, .. },
            ..
        } => asked(&mut draft, "approval.asked", request, step),
        Event::DecisionAsked { step, request, .. } => {
            asked(&mut draft, "decision.asked", request, step);
        }
        Event::SlotLost { step, reason, .. } => {
            draft.action = "connection.lost".into();
            draft.step = Some(step.to_string());
            draft.outcome = "failed".into();
            draft.reason = Some(reason.as_str().into());
        }
        Event::SlotExpired { slot, .. } => {
            draft.action = "sign_in.expired".into();
            draft.outcome = "failed".into();
            draft.reason = Some(slot.to_string());
        }
        Event::RunEnded { ending, error, .. } => {
            draft.action = "run.ended".into();
            draft.outcome = match ending {
                Ending::Succeeded => "ok".into(),
                Ending::Failed => "failed".into(),
                Ending::Cancelled => "cancelled".into(),
            };
            if let Some(error) = error {
                failed(&mut draft, error);
            }
        }
        Event::StepStarted { .. }
        | Event::StepSucceeded { .. }
        | Event::StepFailed { .. }
        | Event::StepSkipped { .. }
        | Event::StepPaced { .. }
        | Event::SlotBound { .. }
        | Event::SlotDeclined { .. }
        | Event::EachBegan { .. }
        | Event::RoundBegan { .. }
        | Event::CaseChosen { .. }
        | Event::HandlerBegan { .. }
        | Event::FrameEnded { .. }
        | Event::StepHeld { .. }
        | Event::BatchBegan { .. }
        | Event::BatchEnded { .. }
        | Event::ChildPaused { .. }
        | Event::Decided { .. }
        | Event::UndoBegan { .. }
        | Event::StepImported { .. }
        | Event::ApprovalDecided { .. }
        | Event::CallbackCame { .. }
        | Event::CancelAsked { .. } => return None,
    }
    Some(draft)
}

/// The record of somebody cancelling, written with the inbox row: the act is theirs, not the run's.
pub fn cancel_asked(
    workspace: &WorkspaceId,
    run: &RunId,
    by: &Person,
    actor: Actor,
    entry: String,
    at: Time,
) -> audit::Draft {
    audit::Draft {
        workspace: workspace.clone(),
        at,
        person: Some((by.id.clone(), by.login.clone())),
        actor,
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry,
        action: "run.cancel_asked".into(),
        object: Object {
            kind: "run".into(),
            id: run.to_string(),
            version: None,
        },
        flow: None,
        run: Some(run.clone()),
        step: None,
        outcome: "ok".into(),
        reason: None,
        ip: None,
        agent: None,
    }
}

fn base(workspace: &WorkspaceId, created: &Created, at: Time) -> audit::Draft {
    // What a part of a loop does, its parent does; the step's path says which item it was.
    let run = match (&created.part, &created.parent) {
        (Some(_), Some(parent)) => &parent.run,
        _ => &created.run,
    };
    audit::Draft {
        workspace: workspace.clone(),
        at,
        actor: Actor::Engine,
        person: created
            .invoker
            .as_ref()
            .map(|invoker| (invoker.id.clone(), invoker.login.clone())),
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: created.entry.as_str().into(),
        action: String::new(),
        object: Object {
            kind: "run".into(),
            id: run.to_string(),
            version: Some(
                created
                    .number
                    .map_or_else(|| created.digest.clone(), |number| number.to_string()),
            ),
        },
        flow: Some(created.flow_name.to_string()),
        run: Some(run.clone()),
        step: None,
        outcome: "ok".into(),
        reason: None,
        ip: None,
        agent: None,
    }
}

fn asked(draft: &mut audit::Draft, action: &str, request: &RequestId, step: &StepPath) {
    draft.action = action.into();
    draft.step = Some(step.to_string());
    draft.object = Object {
        kind: "request".into(),
        id: request.to_string(),
        version: None,
    };
}

fn through(draft: &mut audit::Draft, acted_as: &ActedAs) {
    draft.connection = Some(acted_as.connection.clone());
    draft.account = Some(acted_as.account.clone());
    draft.rule = Some(acted_as.rule);
    draft.record = acted_as
        .record
        .as_ref()
        .map(|record| (record.kind.clone(), record.id.clone()));
}

fn failed(draft: &mut audit::Draft, error: &StepError) {
    draft.outcome = "failed".into();
    draft.reason = Some(
        error
            .code
            .clone()
            .unwrap_or_else(|| error.kind.as_str().to_owned()),
    );
}
