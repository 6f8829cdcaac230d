//! The run as people and programs see it: one document for command line and API, with what is private left out. Its JSON is promised to
//! users: fields may be added, none renamed.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ids::{SignInId, UserId};
use crate::run::frame::Instance;
use crate::run::privacy::Privacy;
use crate::run::state::{Phase, Run, SlotState, StepState};
use crate::time::Time;

/// Who looks.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Who it is.
    pub user: UserId,
}

/// The run document. Its JSON form is promised to users.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RunDocument(pub Value);

/// Makes the document. `connect` gives the address of a sign-in's page; what a step got or gave through a personal connection, and what
/// is derived from it, is shown to its person only.
pub fn document(
    run: &Run,
    viewer: &Viewer,
    now: Time,
    connect: &dyn Fn(&SignInId) -> String,
) -> RunDocument {
    let privacy = Privacy::of(run, viewer);
    let steps: Map<String, Value> = run
        .plan
        .steps
        .iter()
        .enumerate()
        .map(|(number, step)| (step.path.to_string(), step_document(run, &privacy, number)))
        .collect();
    let (outputs, error, finished_at) = match &run.phase {
        Phase::Ended {
            outputs, error, at, ..
        } => (
            privacy.outputs(outputs),
            error.as_ref().map(|error| privacy.error(None, error)),
            Some(*at),
        ),
        Phase::Open | Phase::Cancelling { .. } => (Value::Null, None, None),
    };
    let created = run.created.as_deref();
    RunDocument(json!({
        "run": created.map(|c| &c.run),
        "flow": created.map(|c| &c.flow_name),
        "version": created.and_then(|c| c.number),
        "digest": created.map(|c| &c.digest),
        "state": run.state_name(now),
        "invoker": created.and_then(|c| c.invoker.as_ref()).map(|i| &i.login),
        "entry": created.map(|c| c.entry),
        "retry_of": created.and_then(|c| c.retry_of.as_ref()),
        "outputs": outputs,
        "paused": paused(run, connect),
        "steps": steps,
        "error": error,
        "created_at": created.map(|c| c.at),
        "finished_at": finished_at,
    }))
}

/// Who is waited for, and where they go: null if nobody is.
fn paused(run: &Run, connect: &dyn Fn(&SignInId) -> String) -> Value {
    let mut connections = Vec::new();
    let mut first: Option<Time> = None;
    for slot in run.awaited_slots() {
        let SlotState::Asked {
            sign_in,
            person,
            reason,
            until,
        } = &run.slots[slot]
        else {
            continue;
        };
        first = Some(first.map_or(*until, |first| first.min(*until)));
        let planned = &run.plan.slots[slot];
        connections.push(json!({
            "slot": planned.name,
            "app": planned.slot.app,
            "person": login(run, person),
            "reason": reason,
            "url": connect(sign_in),
        }));
    }
    match first {
        None => Value::Null,
        Some(until) => json!({"for": "sign_in", "connections": connections, "until": until}),
    }
}

/// A person as documents name them: by login where the run knows it.
fn login<'r>(run: &'r Run, person: &'r UserId) -> &'r str {
    let invoker = run.created.as_ref().and_then(|c| c.invoker.as_ref());
    match invoker {
        Some(invoker) if invoker.id == *person => &invoker.login,
        _ => person.as_str(),
    }
}

fn step_document(run: &Run, privacy: &Privacy<'_>, number: usize) -> Value {
    let mut document = json!({
        "state": step_state(run, number),
        // Objects have no order: so a list of steps can be shown in the order they run.
        "order": number,
        "module": run.plan.steps[number].uses(),
        "attempts": 0,
        "acted_as": Value::Null,
        "started_at": Value::Null,
        "finished_at": Value::Null,
        "output": Value::Null,
        "error": Value::Null,
    });
    let mut set = |field: &str, value: Value| {
        if let Some(fields) = document.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
    };
    match run.state(Instance::root(number)) {
        StepState::Pending => {}
        StepState::Inside { at } => set("started_at", json!(at)),
        StepState::Held { attempt, at, .. } => {
            set("attempts", json!(attempt));
            set("started_at", json!(at));
        }
        StepState::Undecided {
            attempts,
            error,
            started_at,
            ..
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("error", privacy.error(Some(number), error));
        }
        StepState::Running { attempt, at } => {
            set("attempts", json!(attempt));
            set("started_at", json!(at));
        }
        StepState::Retrying {
            attempts,
            error,
            due,
            started_at,
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("retry_at", json!(due));
            set("error", privacy.error(Some(number), error));
        }
        StepState::Succeeded {
            attempts,
            output,
            acted_as,
            started_at,
            at,
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("finished_at", json!(at));
            set("output", privacy.output(number, output));
            if let Some(acted_as) = acted_as {
                set("acted_as", privacy.acted_as(number, acted_as));
            }
        }
        StepState::Failed {
            attempts,
            error,
            acted_as,
            started_at,
            at,
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("finished_at", json!(at));
            set("error", privacy.error(Some(number), error));
            if let Some(acted_as) = acted_as {
                set("acted_as", privacy.acted_as(number, acted_as));
            }
        }
        StepState::Skipped { because, at } => {
            set("skipped", json!(because));
            set("finished_at", json!(at));
        }
    }
    document
}

/// `pending running waiting paused succeeded failed skipped`: waiting for the clock, paused for a person.
fn step_state(run: &Run, number: usize) -> &'static str {
    match run.state(Instance::root(number)) {
        StepState::Pending if run.waits_for_person(Instance::root(number)) => "paused",
        StepState::Pending => "pending",
        StepState::Running { .. } => "running",
        StepState::Retrying { .. } if run.waits_for_person(Instance::root(number)) => "paused",
        StepState::Held { .. } => "waiting",
        StepState::Undecided { .. } => "paused",
        StepState::Inside { .. } => "running",
        StepState::Retrying { .. } => "waiting",
        StepState::Succeeded { .. } => "succeeded",
        StepState::Failed { .. } => "failed",
        StepState::Skipped { .. } => "skipped",
    }
}
