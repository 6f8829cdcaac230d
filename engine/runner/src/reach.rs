//! How far a version reaches: through its slots, with the flows that it hands them down to, and which flows it runs at all. As things are now,
//! because the flows it runs are found when they are run. It looks only.

use std::sync::Arc;

use actas_connections::Surface;
use actas_core::app::HoldKind;
use actas_core::flow::Plan;
use actas_core::flow::plan::{PlanStep, Work};
use actas_core::ids::{ClientId, FlowName, WorkspaceId};
use actas_core::run::hold;
use actas_store::ReadError;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::callee::latest;
use crate::plans::{LoadError, Version};
use crate::runner::{Inner, Runner};

/// The flow that a step runs, by name; none if it runs none.
pub fn called_by(step: &PlanStep) -> Option<FlowName> {
    let runs = matches!(
        step.work,
        Work::Hold {
            kind: HoldKind::RunFlow,
            ..
        }
    );
    let name = step.step.with.get("flow").and_then(Value::as_str)?;
    name.parse().ok().filter(|_| runs)
}

impl Runner {
    /// How far a version reaches through one of its slots: what its person agrees to.
    pub async fn surface(
        &self,
        workspace: &WorkspaceId,
        version: &Version,
        slot: usize,
        client: ClientId,
    ) -> Surface {
        reach(self.inner(), workspace, version, slot, client).await
    }

    /// The same for a plan that is not a version yet.
    pub async fn surface_of_plan(
        &self,
        workspace: &WorkspaceId,
        plan: &Plan,
        slot: usize,
        client: ClientId,
    ) -> Surface {
        at_depth(self.inner(), workspace, plan, slot, client, 0).await
    }

    /// The flow that a step of a version would run now; none if it runs none, or one that is not to be had.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn called(
        &self,
        workspace: &WorkspaceId,
        step: &PlanStep,
    ) -> Result<Option<Arc<Version>>, ReadError> {
        let Some(name) = called_by(step) else {
            return Ok(None);
        };
        match latest(self.inner(), workspace, &name).await {
            Ok(version) => Ok(Some(version)),
            Err(LoadError::Read(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// How far a version reaches through one of its slots, with what it hands the slot down to.
pub async fn reach(
    inner: &Inner,
    workspace: &WorkspaceId,
    version: &Version,
    slot: usize,
    client: ClientId,
) -> Surface {
    at_depth(inner, workspace, &version.plan, slot, client, 0).await
}

fn at_depth<'a>(
    inner: &'a Inner,
    workspace: &'a WorkspaceId,
    plan: &'a Plan,
    slot: usize,
    client: ClientId,
    depth: u32,
) -> BoxFuture<'a, Surface> {
    async move {
        let mut surface = Surface::of(plan, slot, client.clone());
        for &step in &plan.slots[slot].used_by {
            let planned = &plan.steps[step];
            let flow = planned.step.with.get("flow").and_then(Value::as_str);
            let Some(flow) = flow.and_then(|name| name.parse().ok()) else {
                continue;
            };
            let handed = planned.hands.iter().filter(|(_, own)| *own == slot);
            for (theirs, _) in handed.filter(|_| depth < hold::DEEPEST) {
                // A flow that is not to be had is not run either.
                let Ok(version) = latest(inner, workspace, &flow).await else {
                    continue;
                };
                let Some(slot) = version.plan.slot(theirs) else {
                    continue;
                };
                let plan = &version.plan;
                let more = at_depth(inner, workspace, plan, slot, client.clone(), depth + 1).await;
                surface.scopes.extend(more.scopes);
                surface.modules.extend(more.modules);
                surface.hosts.extend(more.hosts);
            }
        }
        surface
    }
    .boxed()
}
