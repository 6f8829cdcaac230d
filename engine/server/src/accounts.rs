//! Which accounts a flow reaches, and what its invoker would have to connect: asked without running anything.

use actas_connections::{Resolution, SlotAsk, Surface};
use actas_core::flow::{Dynamic, SlotKind};
use actas_core::ids::{AppName, RunId, SlotName};
use actas_runner::Version;
use actas_store::{Binding, FlowRow, RunRow, system};

use crate::context::Context;
use crate::problem::Problem;

/// A slot of a flow, looked up for one person.
#[derive(Debug)]
pub struct Need {
    /// The slot.
    pub slot: SlotName,
    /// Its app.
    pub app: AppName,
    /// Whether it is the invoker's own.
    pub dynamic: bool,
    /// Used only under a condition.
    pub may_be_needed: bool,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The author's words.
    pub why: Option<String>,
    /// What would happen now.
    pub resolution: Resolution,
}

/// All slots of a flow's last version, looked up for the caller.
///
/// # Errors
/// 409 if it was never published.
pub async fn needed(cx: &Context, flow: &FlowRow) -> Result<Vec<Need>, Problem> {
    let version = last_version(cx, flow).await?;
    let mut needs = Vec::new();
    for slot in 0..version.plan.slots.len() {
        let planned = &version.plan.slots[slot];
        // Whoever decides an approval brings that one, and is not known before.
        if planned.of.is_some() {
            continue;
        }
        let for_run = ForRun {
            // No run has this id: what belongs to one run only is not looked at.
            run: RunId::from_bits(system::new_bits()),
            draft: false,
        };
        let Some(ask) = slot_ask(cx, &version, slot, &for_run) else {
            continue;
        };
        let resolution = cx
            .app
            .connections
            .resolve(&ask)
            .await
            .map_err(crate::refusals::connections)?;
        needs.push(Need {
            slot: planned.name.clone(),
            app: planned.slot.app.clone(),
            dynamic: ask.dynamic.is_some(),
            may_be_needed: planned.may_be_needed,
            scopes: planned.scopes.clone(),
            why: ask.dynamic.as_ref().and_then(|dynamic| dynamic.why.clone()),
            resolution,
        });
    }
    Ok(needs)
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
pub fn slot_ask(cx: &Context, version: &Version, slot: usize, run: &ForRun) -> Option<SlotAsk> {
    let planned = &version.plan.slots[slot];
    let binding = version.bindings.slots.get(&planned.name)?.clone();
    let (dynamic, client): (Option<Dynamic>, _) = match (&planned.slot.kind, &binding) {
        (SlotKind::Dynamic(dynamic), Binding::Dynamic { client, .. }) => {
            (Some(dynamic.clone()), client.clone())
        }
        (SlotKind::Connection(_), Binding::Shared { client, .. }) => (None, client.clone()),
        _ => return None,
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
        surface: Surface::of(&version.plan, slot, client),
        binding,
        manifest: planned.manifest.clone(),
        dynamic,
    })
}
