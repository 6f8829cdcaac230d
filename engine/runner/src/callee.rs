//! The flow that a step runs: its latest published version, found when the step begins, and whether whoever the run acts for may run it. It
//! starts nothing.

use std::sync::Arc;

use actas_core::flow::SlotKind;
use actas_core::ids::{FlowName, WorkspaceId};
use actas_core::run::Person;
use actas_core::{ErrorKind, StepError};
use actas_store::{FlowRow, UserRow};

use crate::plans::{LoadError, Version};
use crate::runner::Inner;

/// Why a flow is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum CalleeError {
    /// The step fails with this.
    #[error("{}", .0.message)]
    Refused(StepError),
    /// The store is away: asking again may help.
    #[error(transparent)]
    Load(#[from] LoadError),
}

fn refused(kind: ErrorKind, code: &str, message: String, help: &str) -> CalleeError {
    CalleeError::Refused(
        StepError::new(kind, message)
            .with_code(code)
            .with_help(help),
    )
}

/// The latest version of a flow, for somebody to run, or for nobody: what a clock or another system started.
///
/// # Errors
/// Refused with code `unknown_flow`, `never_published`, `flow_stopped`, `not_on_run_list` or `no_invoker`.
pub async fn callee(
    inner: &Inner,
    workspace: &WorkspaceId,
    name: &FlowName,
    invoker: Option<&Person>,
) -> Result<Arc<Version>, CalleeError> {
    let reader = inner.store.reader(workspace);
    let flow = reader.flow_by_name(name).await.map_err(LoadError::from)?;
    let Some(flow) = flow else {
        return Err(refused(
            ErrorKind::NotFound,
            "unknown_flow",
            format!("there is no flow `{name}` in this workspace"),
            "see `actas flows` for their names",
        ));
    };
    if let Some(reason) = &flow.stopped {
        return Err(refused(
            ErrorKind::Rejected,
            "flow_stopped",
            format!("flow `{name}` is stopped: {reason}"),
            "start it again, or take the step out",
        ));
    }
    if let Some(invoker) = invoker {
        let user = reader.user(&invoker.id).await.map_err(LoadError::from)?;
        if !user.is_some_and(|user| may_run(&user, &flow)) {
            return Err(refused(
                ErrorKind::PermissionDenied,
                "not_on_run_list",
                format!("`{}` may not run `{name}`", invoker.login),
                "whoever publishes the flow can put them on its run list",
            ));
        }
    }
    let version = match latest(inner, workspace, name).await {
        Err(LoadError::NeverPublished(_)) => {
            return Err(refused(
                ErrorKind::NotFound,
                "never_published",
                format!("flow `{name}` has never been published"),
                "publish it, then run this flow again",
            ));
        }
        found => found?,
    };
    let needs_somebody = version.plan.slots.iter().find(|slot| {
        invoker.is_none()
            && matches!(&slot.slot.kind, SlotKind::Dynamic(d) if d.switched_off().is_none())
    });
    if let Some(slot) = needs_somebody {
        return Err(refused(
            ErrorKind::PermissionDenied,
            "no_invoker",
            format!(
                "`{name}` acts as whoever runs it (slot `{}`), and nobody runs this",
                slot.name
            ),
            "call it from a flow that people start, or give it a shared connection",
        ));
    }
    Ok(version)
}

/// The latest version of a flow, whoever asks: how far it reaches.
///
/// # Errors
/// If there is none, or it cannot be loaded.
pub async fn latest(
    inner: &Inner,
    workspace: &WorkspaceId,
    name: &FlowName,
) -> Result<Arc<Version>, LoadError> {
    let reader = inner.store.reader(workspace);
    let missing = || LoadError::NeverPublished(name.clone());
    let flow = reader.flow_by_name(name).await?.ok_or_else(missing)?;
    let row = match flow.last_version {
        0 => None,
        number => reader.version_by_number(&flow.id, number).await?,
    };
    let row = row.ok_or_else(missing)?;
    inner.plans.version(&inner.store, workspace, &row.id).await
}

/// Whether somebody is on a flow's run list, as they are now.
fn may_run(user: &UserRow, flow: &FlowRow) -> bool {
    !user.disabled
        && flow
            .runners
            .iter()
            .any(|entry| match entry.strip_prefix("role:") {
                Some(role) => user.roles.iter().any(|own| own == role),
                None => entry == "everyone" || *entry == user.login,
            })
}
