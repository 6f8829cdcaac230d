//! The accounts that act as whoever decides an approval: what they would be asked for on its page, the sign-in that is made for them there, and
//! what of theirs the invoker gets to see. Whether they may decide at all, [`crate::requests`] says.

use actas_connections::Resolution;
use actas_core::flow::{Dynamic, Plan, SlotKind};
use actas_core::ids::{SignInId, SlotName, StepPath};
use actas_runner::{LoadError, Version};
use actas_store::{Commit, Op, RequestRow, RunRow, system};

use crate::accounts::{ForRun, slot_ask};
use crate::context::{Context, Fill};
use crate::problem::Problem;
use crate::refusals;

/// A slot that acts as whoever decides, looked up for the caller.
#[derive(Debug)]
pub struct ActsAs {
    /// The slot.
    pub slot: SlotName,
    /// What people call its app.
    pub app: String,
    /// The titles (or ids) of the steps that act through it.
    pub steps: Vec<String>,
    /// The author's own words.
    pub why: Option<String>,
    /// The account it would act as; none: they have to sign in first.
    pub account: Option<String>,
}

/// The number of the step that a path names, wherever its items and rounds stand.
pub fn number_of(plan: &Plan, path: &StepPath) -> Option<usize> {
    let mut text = String::new();
    let mut inside = false;
    for c in path.as_str().chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    plan.step(&text.parse().ok()?)
}

/// The slots that act as whoever decides a step, by number.
fn numbers_of(plan: &Plan, step: &StepPath) -> Vec<usize> {
    let Some(step) = number_of(plan, step) else {
        return Vec::new();
    };
    (0..plan.slots.len())
        .filter(|slot| plan.slots[*slot].of == Some(step))
        .collect()
}

async fn version_of(
    cx: &Context,
    row: &RequestRow,
) -> Result<Option<(RunRow, std::sync::Arc<Version>)>, LoadError> {
    let Some(run) = cx.reader.run(&row.run).await? else {
        return Ok(None);
    };
    let version = cx.app.runner.version(cx.workspace(), &run.version).await?;
    Ok(Some((run, version)))
}

/// The names of the slots that act as whoever decides a request.
///
/// # Errors
/// If the run cannot be read.
pub async fn slots_of(cx: &Context, row: &RequestRow) -> Result<Vec<SlotName>, LoadError> {
    let Some((_, version)) = version_of(cx, row).await? else {
        return Ok(Vec::new());
    };
    let numbers = numbers_of(&version.plan, &row.step);
    let name = |slot: usize| version.plan.slots[slot].name.clone();
    Ok(numbers.into_iter().map(name).collect())
}

/// What deciding a request means for the caller.
#[derive(Debug, Default)]
pub struct Look {
    /// As whom the flow acts then.
    pub slots: Vec<ActsAs>,
    /// The outputs by which the invoker sees something of it.
    pub reveals: Vec<String>,
    /// Whether the flow goes on, and acts, after a no as well.
    pub goes_on: bool,
}

/// What deciding a request would act as, for the caller.
///
/// # Errors
/// If the run or the connections cannot be read.
pub async fn look(cx: &Context, row: &RequestRow) -> Result<Look, Problem> {
    let Some((run, version)) = version_of(cx, row).await.map_err(refusals::load)? else {
        return Ok(Look::default());
    };
    let plan = &version.plan;
    let mut slots = Vec::new();
    for slot in numbers_of(plan, &row.step) {
        let planned = &plan.slots[slot];
        let Some(ask) = slot_ask(cx, &version, slot, &ForRun::of(&run, &version)).await else {
            continue;
        };
        let resolution = cx.app.connections.resolve(&ask).await;
        let title = |step: &usize| {
            let step = &plan.steps[*step];
            let title = step.step.title.clone();
            title.unwrap_or_else(|| step.id.to_string())
        };
        slots.push(ActsAs {
            slot: planned.name.clone(),
            app: planned.manifest.title.clone(),
            steps: planned.used_by.iter().map(title).collect(),
            why: match &planned.slot.kind {
                SlotKind::Dynamic(Dynamic { why, .. }) => why.clone(),
                SlotKind::Connection(_) => None,
            },
            account: match resolution.map_err(refusals::connections)? {
                Resolution::Bound(bound) => Some(bound.account),
                Resolution::Ask { .. } => None,
            },
        });
    }
    let step = number_of(plan, &row.step);
    let on_reject = step.and_then(|step| plan.steps[step].step.with.get("on_reject"));
    Ok(Look {
        slots,
        reveals: step.map_or_else(Vec::new, |step| reveals(plan, step)),
        // An expression may come to either.
        goes_on: on_reject.is_some_and(|said| said != "fail"),
    })
}

/// The sign-in by which the caller gives their account for a slot before they decide; none if nothing is missing. One that is open stays the
/// one.
///
/// # Errors
/// 404 for a slot that does not act as whoever decides.
pub async fn sign_in(
    cx: &Context,
    row: &RequestRow,
    slot: &SlotName,
) -> Result<Option<SignInId>, Problem> {
    let no_slot = || Problem::not_found("connection of this approval");
    let (run, version) = version_of(cx, row)
        .await
        .map_err(refusals::load)?
        .ok_or_else(no_slot)?;
    let plan = &version.plan;
    let number = numbers_of(plan, &row.step)
        .into_iter()
        .find(|number| plan.slots[*number].name == *slot)
        .ok_or_else(no_slot)?;
    let ask = slot_ask(cx, &version, number, &ForRun::of(&run, &version))
        .await
        .ok_or_else(no_slot)?;
    let resolution = cx.app.connections.resolve(&ask).await;
    let (reason, connection) = match resolution.map_err(refusals::connections)? {
        Resolution::Bound(_) => return Ok(None),
        Resolution::Ask { reason, connection } => (reason, connection),
    };
    let open = cx.reader.open_sign_ins(&cx.user.id).await?;
    if let Some(open) = open
        .into_iter()
        .find(|open| open.run.as_ref() == Some(&row.run) && open.slot == *slot)
    {
        return Ok(Some(open.id));
    }
    let id = SignInId::from_bits(system::new_bits());
    let now = system::now();
    let sign_in =
        cx.app
            .connections
            .sign_in_row(&ask, id.clone(), reason, connection, row.until, now);
    let mut draft = cx.audit("sign_in.asked", "sign_in", id.as_str());
    draft.run = Some(row.run.clone());
    draft.step = Some(row.step.to_string());
    draft.rule = Some(sign_in.rule);
    let commit = Commit {
        ops: vec![Op::AddSignIn {
            workspace: cx.workspace().clone(),
            sign_in,
        }],
        audit: vec![draft.in_flow(plan.flow.flow.as_str())],
    };
    cx.app.store.commit(commit).await?;
    Ok(Some(id))
}

/// The names of the flow's outputs that are made of what steps got as whoever decides: what the invoker gets to see of it.
fn reveals(plan: &Plan, approval: usize) -> Vec<String> {
    let acts = |step: usize| {
        let slot = plan.steps[step].slot;
        slot.is_some_and(|slot| plan.slots[slot].of == Some(approval))
    };
    crate::leaves::outputs_made_of(plan, acts)
}

/// The approval that a sign-in was made for, to come back to; none if it was asked by the run itself.
///
/// # Errors
/// If the store is away.
pub async fn approval_of(cx: &Context, sign_in: &SignInId) -> Result<Option<RequestRow>, Problem> {
    let Some(sign_in) = cx.reader.sign_in(sign_in).await? else {
        return Ok(None);
    };
    let Some(run) = &sign_in.run else {
        return Ok(None);
    };
    for row in cx.reader.requests_of_run(run).await? {
        let open = crate::requests::is_open(&row).is_ok();
        if open
            && crate::requests::may_answer(cx, &row).is_ok()
            && slots_of(cx, &row)
                .await
                .map_err(refusals::load)?
                .contains(&sign_in.slot)
        {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
