//! Which accounts a flow reaches, and what its invoker would have to connect: asked without running anything, for a run that waits, or ahead of
//! any. What is found here is the caller's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use actas_connections::{Resolution, SlotAsk, Surface};
use actas_core::flow::plan::Role;
use actas_core::flow::{Dynamic, Keep, Plan, SlotKind};
use actas_core::ids::{AppName, FlowId, FlowName, RunId, SignInId, SlotName, VersionId};
use actas_core::run::Rule;
use actas_runner::Version;
use actas_store::{Binding, Commit, FlowRow, Op, RunRow, SignInRow, system};

use crate::context::{Context, Fill};
use crate::problem::Problem;
use crate::refusals;

/// Called flows are looked into so deep.
const DEEPEST: usize = 8;

/// How long a request that no run waits for may be answered.
const AHEAD: std::time::Duration = std::time::Duration::from_secs(3600);

/// A slot that a flow reaches, its own or one of a flow that it runs, looked up for one person.
#[derive(Debug)]
pub struct Need {
    /// The flow it is a slot of, by name.
    pub flow: FlowName,
    /// That flow's title, or its name.
    pub flow_title: String,
    /// False for a slot of a flow that the one asked about runs.
    pub own: bool,
    /// The slot.
    pub slot: SlotName,
    /// Its app.
    pub app: AppName,
    /// Whether it is the invoker's own.
    pub dynamic: bool,
    /// Used only under a condition.
    pub may_be_needed: bool,
    /// Whether it is asked for before the first step.
    pub up_front: bool,
    /// Asked for at every run, and erased at its end.
    pub this_run_only: bool,
    /// The titles (or ids) of the steps that act through it.
    pub steps: Vec<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The author's words.
    pub why: Option<String>,
    /// What the connections are asked.
    pub ask: SlotAsk,
    /// What would happen now.
    pub resolution: Resolution,
}

impl Need {
    /// Whether its person can give it before a run of its flow asks: what is for one run only belongs to that run.
    pub fn ahead(&self) -> bool {
        self.dynamic && !self.this_run_only
    }

    /// Whether there is nothing to do for it.
    pub fn is_there(&self) -> bool {
        matches!(self.resolution, Resolution::Bound(_))
    }
}

/// All slots that a flow's last version reaches, looked up for the caller.
///
/// # Errors
/// 409 if it was never published.
pub async fn needed(cx: &Context, flow: &FlowRow) -> Result<Vec<Need>, Problem> {
    let version = last_version(cx, flow).await?;
    let for_run = ForRun {
        // No run has this id: what belongs to one run only is not looked at.
        run: RunId::from_bits(system::new_bits()),
        draft: false,
    };
    reached(cx, version, for_run).await
}

/// All slots that a version reaches, its own first, then those of the flows it runs that are not handed down to them.
///
/// # Errors
/// If the store is away.
pub async fn reached(
    cx: &Context,
    version: Arc<Version>,
    for_run: ForRun,
) -> Result<Vec<Need>, Problem> {
    let root = version.row.flow.clone();
    let mut needs: BTreeMap<(VersionId, SlotName), usize> = BTreeMap::new();
    let mut found: Vec<Need> = Vec::new();
    let mut open = vec![(version, for_run, false, Vec::<SlotName>::new(), 0)];
    while let Some((version, for_run, perhaps, handed, depth)) = open.pop() {
        let plan = &version.plan;
        for slot in 0..plan.slots.len() {
            let planned = &plan.slots[slot];
            // Whoever decides an approval brings that one, and is not known before; what is handed down is its caller's.
            if planned.of.is_some() || handed.contains(&planned.name) {
                continue;
            }
            let may_be_needed = perhaps || planned.may_be_needed;
            let key = (version.row.id.clone(), planned.name.clone());
            if let Some(&known) = needs.get(&key) {
                found[known].may_be_needed &= may_be_needed;
                continue;
            }
            let Some(mut need) = look_up(cx, &version, slot, &for_run).await? else {
                continue;
            };
            need.own = version.row.flow == root;
            need.may_be_needed = may_be_needed;
            // What a called flow does through a shared connection is its own matter.
            if need.own || need.dynamic {
                needs.insert(key, found.len());
                found.push(need);
            }
        }
        if depth == DEEPEST {
            continue;
        }
        let conditional = conditional(plan);
        for (number, step) in plan.steps.iter().enumerate().rev() {
            if let Some(called) = cx.app.runner.called(cx.workspace(), step).await? {
                let none = ForRun {
                    run: RunId::from_bits(system::new_bits()),
                    draft: false,
                };
                let handed = step
                    .hands
                    .iter()
                    .map(|(theirs, _)| theirs.clone())
                    .collect();
                let perhaps = perhaps || conditional[number];
                open.push((called, none, perhaps, handed, depth + 1));
            }
        }
    }
    Ok(found)
}

async fn look_up(
    cx: &Context,
    version: &Version,
    slot: usize,
    for_run: &ForRun,
) -> Result<Option<Need>, Problem> {
    let planned = &version.plan.slots[slot];
    let Some(ask) = slot_ask(cx, version, slot, for_run).await else {
        return Ok(None);
    };
    let resolution = cx.app.connections.resolve(&ask).await;
    let title = |step: &usize| {
        let step = &version.plan.steps[*step];
        let title = step.step.title.clone();
        title.unwrap_or_else(|| step.id.to_string())
    };
    let flow = &version.plan.flow;
    let dynamic = ask.dynamic.as_ref();
    Ok(Some(Need {
        flow: flow.flow.clone(),
        flow_title: flow.title.clone().unwrap_or_else(|| flow.flow.to_string()),
        own: true,
        slot: planned.name.clone(),
        app: planned.slot.app.clone(),
        dynamic: dynamic.is_some(),
        may_be_needed: planned.may_be_needed,
        up_front: dynamic.is_some_and(|dynamic| dynamic.ask == actas_core::flow::Ask::UpFront),
        this_run_only: !ask.draft && dynamic.is_some_and(|dynamic| dynamic.keep == Keep::Run),
        steps: planned.used_by.iter().map(title).collect(),
        scopes: planned.scopes.clone(),
        why: dynamic.and_then(|dynamic| dynamic.why.clone()),
        resolution: resolution.map_err(refusals::connections)?,
        ask,
    }))
}

/// Step by step: whether it may be left out, by an `if`, a case, a handler, or because one that it needs may.
fn conditional(plan: &Plan) -> Vec<bool> {
    let mut known = vec![false; plan.steps.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        let block = &plan.blocks[step.block];
        let around = match block.role {
            Role::Root => false,
            Role::Item | Role::Round => block.owner.is_some_and(|owner| known[owner]),
            Role::Case | Role::Handler | Role::Undo | Role::FlowHandler => true,
        };
        known[number] =
            around || step.condition.is_some() || step.needs.iter().any(|need| known[*need]);
    }
    known
}

/// The run that others were called by to come to this one, itself if none was.
///
/// # Errors
/// If the store is away.
pub async fn root_of(cx: &Context, run: RunRow) -> Result<RunRow, Problem> {
    let mut run = run;
    while let Some((parent, _)) = &run.parent {
        match cx.reader.run(parent).await? {
            Some(parent) => run = parent,
            None => break,
        }
    }
    Ok(run)
}

/// The caller's open request for a slot: of a run, or of one that it called, or, without a run, one that no run waits for.
///
/// # Errors
/// If the store is away.
pub async fn open_for(
    cx: &Context,
    need: &Need,
    root: Option<&RunId>,
) -> Result<Option<SignInRow>, Problem> {
    let now = system::now();
    for row in cx.reader.open_sign_ins(&cx.user.id).await? {
        if row.flow != need.ask.flow
            || row.slot != need.slot
            || row.rule == Rule::Approver
            || row.until <= now
        {
            continue;
        }
        match (&row.run, root) {
            (None, None) if row.version == need.ask.version => return Ok(Some(row)),
            (Some(run), Some(root)) => {
                let of = match cx.reader.run(run).await? {
                    Some(run) => root_of(cx, run).await?.id,
                    None => continue,
                };
                if of == *root {
                    return Ok(Some(row));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The request by which the caller gives their account for a slot: the one that is open, else a new one that belongs to the run, or to none.
///
/// # Errors
/// If the store is away.
pub async fn asked(
    cx: &Context,
    need: &Need,
    run: Option<&RunRow>,
    back: &FlowId,
) -> Result<Option<SignInId>, Problem> {
    let Resolution::Ask { reason, connection } = &need.resolution else {
        return Ok(None);
    };
    if let Some(open) = open_for(cx, need, run.map(|run| &run.id)).await? {
        return Ok(Some(open.id));
    }
    let id = SignInId::from_bits(system::new_bits());
    let now = system::now();
    let until = now.after(AHEAD);
    let mut row = cx.app.connections.sign_in_row(
        &need.ask,
        id.clone(),
        *reason,
        connection.clone(),
        until,
        now,
    );
    row.run = run.map(|run| run.id.clone());
    row.back = Some(back.clone());
    let mut draft = cx.audit("sign_in.asked", "sign_in", id.as_str());
    draft.run.clone_from(&row.run);
    draft.rule = Some(row.rule);
    let commit = Commit {
        ops: vec![Op::AddSignIn {
            workspace: cx.workspace().clone(),
            sign_in: row,
        }],
        audit: vec![draft.in_flow(need.flow.as_str())],
    };
    cx.app.store.commit(commit).await?;
    Ok(Some(id))
}

/// A flow's last version, ready to run.
///
/// # Errors
/// 409 if there is none.
pub async fn last_version(
    cx: &Context,
    flow: &FlowRow,
) -> Result<std::sync::Arc<Version>, Problem> {
    let number = flow.last_version;
    let id = match cx.app.versions.id(&flow.id, number) {
        Some(known) => known,
        None => {
            let row = cx.reader.version_by_number(&flow.id, number).await?;
            // Snapshots of drafts have the number 0, and none of them is what a flow without a version would run.
            let row = row.filter(|row| row.number > 0).ok_or_else(|| {
                Problem::conflict(
                    "not_published",
                    format!(
                        "flow `{0}` was never published: publish it with `actas publish`, or ask whoever builds it",
                        flow.name
                    ),
                )
            })?;
            cx.app.versions.keep(&flow.id, number, &row.id);
            row.id
        }
    };
    cx.app
        .runner
        .version(cx.workspace(), &id)
        .await
        .map_err(crate::refusals::load)
}

/// The run that a slot is looked up for.
#[derive(Debug, Clone)]
pub struct ForRun {
    /// Which.
    pub run: RunId,
    /// Whether it is one of a draft's snapshot.
    pub draft: bool,
}

impl ForRun {
    /// This one.
    pub fn of(run: &RunRow, version: &Version) -> Self {
        Self {
            run: run.id.clone(),
            draft: version.row.number == 0,
        }
    }
}

/// What the connections are asked about a slot, with the caller as its person; none if the version has no binding for it.
pub async fn slot_ask(
    cx: &Context,
    version: &Version,
    slot: usize,
    run: &ForRun,
) -> Option<SlotAsk> {
    let planned = &version.plan.slots[slot];
    let binding = version.bindings.slots.get(&planned.name)?.clone();
    let (dynamic, client): (Option<Dynamic>, _) = match (&planned.slot.kind, &binding) {
        (SlotKind::Dynamic(dynamic), Binding::Dynamic { client, .. }) => {
            (Some(dynamic.clone()), client.clone())
        }
        (SlotKind::Connection(_), Binding::Shared { client, .. }) => (None, client.clone()),
        _ => return None,
    };
    let runner = &cx.app.runner;
    let surface = match &dynamic {
        Some(_) => runner.surface(cx.workspace(), version, slot, client).await,
        None => Surface::of(&version.plan, slot, client),
    };
    Some(SlotAsk {
        workspace: cx.workspace().clone(),
        run: run.run.clone(),
        flow: version.row.flow.clone(),
        version: version.row.id.clone(),
        draft: run.draft,
        slot: planned.name.clone(),
        person: cx.user.id.clone(),
        login: cx.user.login.clone(),
        surface,
        binding,
        manifest: planned.manifest.clone(),
        dynamic,
        approvers: false,
    })
}
