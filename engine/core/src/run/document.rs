//! The run as people and programs see it: one document for command line and API, with what is private left out. Its JSON is promised to
//! users: fields may be added, none renamed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::flow::plan::{Role, Work};
use crate::ids::{RequestId, SignInId, UserId};
use crate::run::frame::{Instance, ROOT, Undone};
use crate::run::inside::Inside;
use crate::run::parts::Hold;
use crate::run::privacy::Privacy;
use crate::run::state::{Phase, Run, SlotState, StepState};
use crate::time::Time;

/// A document tells of so many steps inside loops, cases and handlers; of more it says how many were left out.
const MOST_INSIDE: usize = 1_000;

/// Who looks.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Who it is.
    pub user: UserId,
    /// Whether they see what is private to others too. Whoever sets it has asked for the privilege and left a record.
    pub reveals: bool,
}

impl Viewer {
    /// Somebody who sees what is theirs.
    #[must_use]
    pub fn new(user: UserId) -> Self {
        Self {
            user,
            reveals: false,
        }
    }
}

/// The run document. Its JSON form is promised to users.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RunDocument(pub Value);

/// Where the pages are that people answer at.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    /// That of a sign-in.
    pub sign_in: &'a dyn Fn(&SignInId) -> String,
    /// That of an approval or a decision.
    pub request: &'a dyn Fn(&RequestId) -> String,
}

impl std::fmt::Debug for Links<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}

/// Makes the document. What a step got or gave through a personal connection, and what is derived from it, is shown to its person only.
pub fn document(run: &Run, viewer: &Viewer, now: Time, links: &Links<'_>) -> RunDocument {
    let privacy = Privacy::of(run, viewer);
    let all = instances(run);
    let states = states(run, &all);
    let shown = shown(run, &all);
    let left_out = shown.iter().filter(|shown| !**shown).count() + run.progress.forgotten;
    let steps: Map<String, Value> = all
        .iter()
        .zip(states)
        .enumerate()
        .filter(|(place, _)| shown[*place])
        .map(|(order, (&(at, _), state))| {
            let shown = step_document(run, &privacy, at, state, order);
            (run.path(at).to_string(), shown)
        })
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
    let mut document = json!({
        "run": created.map(|c| &c.run),
        "flow": created.map(|c| &c.flow_name),
        "version": created.and_then(|c| c.number),
        "digest": created.map(|c| &c.digest),
        "state": run.state_name(now),
        "invoker": created.and_then(|c| c.invoker.as_ref()).map(|i| &i.login),
        "entry": created.map(|c| c.entry),
        "retry_of": created.and_then(|c| c.retry_of.as_ref()),
        "outputs": outputs,
        "paused": paused(run, &privacy, links),
        "steps": steps,
        "error": error,
        "created_at": created.map(|c| c.at),
        "finished_at": finished_at,
    });
    if let Some(fields) = document.as_object_mut() {
        if left_out > 0 {
            fields.insert("steps_left_out".to_owned(), json!(left_out));
        }
        if let Some(parent) = created.and_then(|created| created.parent.as_ref()) {
            let parent = json!({"run": parent.run, "step": parent.step});
            fields.insert("parent".to_owned(), parent);
        }
    }
    RunDocument(document)
}

/// Which of the steps are shown: all at the top, and inside of these first what is under way or has not gone well.
fn shown(run: &Run, all: &[(Instance, Option<usize>)]) -> Vec<bool> {
    let mut shown: Vec<bool> = all.iter().map(|(at, _)| at.frame == ROOT).collect();
    let mut room = MOST_INSIDE;
    let is_plain = |at: Instance| {
        matches!(
            run.state(at),
            StepState::Pending | StepState::Succeeded { .. } | StepState::Skipped { .. }
        )
    };
    for plain in [false, true] {
        for (shown, (at, _)) in shown.iter_mut().zip(all) {
            if !*shown && room > 0 && is_plain(*at) == plain {
                *shown = true;
                room -= 1;
            }
        }
    }
    shown
}

/// All step instances there are, as a tree is written down: what is inside a step comes after it. With each, the place of the step it is in.
fn instances(run: &Run) -> Vec<(Instance, Option<usize>)> {
    // Frames by their owners; the flow's own handler has none and comes last.
    let mut inside: BTreeMap<Option<Instance>, Vec<u32>> = BTreeMap::new();
    for (number, frame) in run.frames.iter().filter(|(number, _)| *number != ROOT) {
        inside.entry(frame.owner).or_default().push(number);
    }
    for frames in inside.values_mut() {
        frames.sort_by_key(|&number| {
            let frame = &run.frames[number];
            let last = matches!(
                run.plan.blocks[frame.block].role,
                Role::Handler | Role::Undo | Role::FlowHandler
            );
            (last, frame.index, number)
        });
    }
    let mut all: Vec<(Instance, Option<usize>)> = Vec::new();
    let mut open: Vec<(Instance, Option<usize>)> = Vec::new();
    let push = |open: &mut Vec<(Instance, Option<usize>)>, frame: u32, owner: Option<usize>| {
        let steps = run.frames[frame].steps().rev();
        open.extend(steps.map(|step| (Instance { frame, step }, owner)));
    };
    for &frame in inside.get(&None).into_iter().flatten().rev() {
        push(&mut open, frame, None);
    }
    push(&mut open, ROOT, None);
    while let Some((at, owner)) = open.pop() {
        let place = all.len();
        all.push((at, owner));
        for &frame in inside.get(&Some(at)).into_iter().flatten().rev() {
            push(&mut open, frame, Some(place));
        }
    }
    all
}

/// Where each of them stands. A step that holds others stands where these do: it moves while one of them does.
fn states(run: &Run, all: &[(Instance, Option<usize>)]) -> Vec<&'static str> {
    let mut states: Vec<&'static str> = all.iter().map(|(at, _)| step_state(run, *at)).collect();
    let mut inside: Vec<Vec<&'static str>> = vec![Vec::new(); all.len()];
    for place in (0..all.len()).rev() {
        let (at, owner) = all[place];
        if matches!(run.state(at), StepState::Inside { .. }) {
            let has = |state: &str| inside[place].contains(&state);
            let clock = has("waiting") || run.round_due(at).is_some();
            states[place] = match (has("running"), has("paused"), clock) {
                (false, true, _) => "paused",
                (false, false, true) => "waiting",
                _ => "running",
            };
        }
        if let Some(owner) = owner {
            inside[owner].push(states[place]);
        }
    }
    states
}

/// Who is waited for, and where they go: null if nobody is.
fn paused(run: &Run, privacy: &Privacy<'_>, links: &Links<'_>) -> Value {
    let mut untils: Vec<Time> = Vec::new();
    let mut connections = Vec::new();
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
        untils.push(*until);
        let planned = &run.plan.slots[slot];
        connections.push(json!({
            "slot": planned.name,
            "app": planned.slot.app,
            "person": login(run, person),
            "reason": reason,
            "url": (links.sign_in)(sign_in),
        }));
    }
    let (mut approvals, mut decisions) = (Vec::new(), Vec::new());
    let held: &[Instance] = &match run.phase {
        Phase::Ended { .. } => Vec::new(),
        _ => run.progress.held.iter().copied().collect::<Vec<_>>(),
    };
    for &at in held {
        match run.state(at) {
            StepState::Held {
                hold: Hold::Approval { request, until, .. },
                ..
            } => {
                untils.push(*until);
                approvals.push(json!({
                    "step": run.path(at),
                    "request": request,
                    "url": (links.request)(request),
                    "until": until,
                }));
            }
            StepState::Undecided {
                request: Some(request),
                until,
                error,
                ..
            } => {
                untils.extend(*until);
                decisions.push(json!({
                    "step": run.path(at),
                    "request": request,
                    "url": (links.request)(request),
                    "until": until,
                    "error": privacy.error(Some(at.step), error),
                }));
            }
            _ => {}
        }
    }
    let kinds = [
        ("sign_in", "connections", connections),
        ("approval", "approvals", approvals),
        ("decision", "decisions", decisions),
    ];
    let Some(first) = kinds.iter().find(|(.., asked)| !asked.is_empty()) else {
        return Value::Null;
    };
    let mut shown = json!({"for": first.0, "until": untils.iter().min()});
    for (_, name, asked) in kinds {
        // Sign-ins stand there whatever is asked, as they always have.
        if name == "connections" || !asked.is_empty() {
            shown[name] = asked.into();
        }
    }
    shown
}

/// A person as documents name them: by login where the run knows it.
fn login(run: &Run, person: &UserId) -> String {
    let people = (0..run.slots.len()).filter_map(|slot| run.slot_person(slot));
    let invoker = run.created.as_ref().and_then(|c| c.invoker.as_ref());
    invoker
        .map(|invoker| (invoker.id.clone(), invoker.login.clone()))
        .into_iter()
        .chain(people)
        .find(|(id, _)| id == person)
        .map_or_else(|| person.to_string(), |(_, login)| login)
}

fn step_document(
    run: &Run,
    privacy: &Privacy<'_>,
    at: Instance,
    state: &str,
    order: usize,
) -> Value {
    let number = at.step;
    let mut document = json!({
        "state": state,
        // Objects have no order: so a list of steps can be shown in the order they run.
        "order": order,
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
    match &run.plan.steps[number].work {
        Work::Module(_) | Work::Hold { .. } => {}
        Work::Each { .. } => set("does", json!("for_each")),
        Work::Repeat { until, .. } => set("does", json!(if *until { "until" } else { "while" })),
        Work::Switch { .. } => set("does", json!("switch")),
    }
    match run.state(at) {
        StepState::Pending => {}
        StepState::Inside { at, inside } => {
            set("started_at", json!(at));
            match &**inside {
                Inside::Each(each) => {
                    let done = each.outputs.iter().flatten().count();
                    let items = json!({
                        "count": each.count(),
                        "under_way": each.living,
                        "done": done,
                        "failed": each.failed.len(),
                    });
                    set("items", items);
                }
                Inside::Batched(batched) => {
                    let done = batched.offset().min(batched.count());
                    let under_way = batched
                        .under_way
                        .as_ref()
                        .map_or(0, |_| batched.next().len());
                    let items = json!({
                        "count": batched.count(),
                        "under_way": under_way,
                        "done": done.saturating_sub(batched.failed.len()),
                        "failed": batched.failed.len(),
                    });
                    set("items", items);
                    set("child", json!(batched.under_way));
                }
                Inside::Repeat(repeat) => set("rounds", json!(repeat.rounds)),
                Inside::Case(case) => set("case", privacy.case(number, case.case.as_ref())),
            }
        }
        StepState::Handling {
            attempts,
            error,
            acted_as,
            started_at,
            ..
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("error", privacy.error(Some(number), error));
            if let Some(acted_as) = acted_as {
                set("acted_as", privacy.acted_as(number, acted_as));
            }
        }
        StepState::Held { attempt, hold, at } => {
            set("attempts", json!(attempt));
            set("started_at", json!(at));
            match hold {
                Hold::Until { at } => set("until", json!(at)),
                Hold::Callback { until, .. } => set("until", json!(until)),
                Hold::Approval { request, until, .. } => {
                    set("request", json!(request));
                    set("until", json!(until));
                }
                Hold::Child { run, .. } => set("child", json!(run)),
            }
        }
        StepState::Undecided {
            attempts,
            error,
            request,
            until,
            started_at,
            ..
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("error", privacy.error(Some(number), error));
            set("request", json!(request));
            set("until", json!(until));
        }
        StepState::Running { attempt, at } => {
            set("attempts", json!(attempt));
            set("started_at", json!(at));
        }
        StepState::Retrying {
            due, attempts: 0, ..
        } => {
            set("attempts", json!(0));
            set("due_at", json!(due));
        }
        StepState::Retrying {
            attempts,
            error,
            due,
            started_at,
            promised: _,
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
            handled,
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("finished_at", json!(at));
            set("output", privacy.output(number, output));
            if let Some(acted_as) = acted_as {
                set("acted_as", privacy.acted_as(number, acted_as));
            }
            if let Some(error) = handled {
                set("handled", json!(true));
                set("error", privacy.error(Some(number), error));
            }
        }
        StepState::Failed {
            attempts,
            error,
            acted_as,
            started_at,
            at,
            continued,
        } => {
            set("attempts", json!(attempts));
            set("started_at", json!(started_at));
            set("finished_at", json!(at));
            set("error", privacy.error(Some(number), error));
            if let Some(acted_as) = acted_as {
                set("acted_as", privacy.acted_as(number, acted_as));
            }
            if *continued {
                set("continued", json!(true));
            }
        }
        StepState::Skipped { because, at } => {
            set("skipped", json!(because));
            set("finished_at", json!(at));
        }
    }
    match run.frames[at.frame].undone.get(&number) {
        Some(Undone::UnderWay) => set("undone", json!("under_way")),
        Some(Undone::Done) => set("undone", json!("done")),
        Some(Undone::Not(_)) => set("undone", json!("failed")),
        None => {}
    }
    document
}

/// `pending running waiting paused succeeded failed skipped`: waiting for the clock or a machine, paused for a person.
fn step_state(run: &Run, at: Instance) -> &'static str {
    match run.state(at) {
        StepState::Pending if run.waits_for_person(at) => "paused",
        StepState::Pending => "pending",
        StepState::Running { .. } | StepState::Inside { .. } | StepState::Handling { .. } => {
            "running"
        }
        StepState::Retrying { .. } if run.waits_for_person(at) => "paused",
        StepState::Undecided { .. }
        | StepState::Held {
            hold: Hold::Approval { .. },
            ..
        } => "paused",
        StepState::Held { .. } | StepState::Retrying { .. } => "waiting",
        StepState::Succeeded { .. } => "succeeded",
        StepState::Failed { .. } => "failed",
        StepState::Skipped { .. } => "skipped",
    }
}
