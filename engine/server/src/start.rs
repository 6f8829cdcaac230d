//! Starting a run and answering for it, for API and pages alike: inputs checked against the flow's schemas, the entry point derived, and
//! nothing acknowledged that is not durable.

use std::sync::Arc;
use std::time::Duration;

use actas_core::flow::{Entry, Inputs, Trigger};
use actas_core::ids::{RunId, VersionId};
use actas_core::run::Run;
use actas_runner::{Again, NewRun, Started, Version};
use actas_store::{FlowRow, RunRow};
use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::access::{Privilege, on_run_list};
use crate::accounts::last_version;
use crate::api::json as answer_json;
use crate::context::Context;
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::view::view;

/// Checks inputs and fills defaults in; all faults at once.
///
/// # Errors
/// 422 with every fault.
pub fn inputs(inputs: &Inputs, given: Map<String, Value>) -> Result<Value, Problem> {
    inputs.check(Value::Object(given)).map_err(|faults| {
        Problem::invalid(
            "invalid_inputs",
            "the inputs do not fit what the flow takes",
        )
        .with("errors", json!(faults))
    })
}

/// Starts the last version of a flow for the caller.
///
/// # Errors
/// 403 off the run list, 409 if stopped or never published, 422 for inputs and reused keys.
pub async fn run_flow(
    cx: &Context,
    flow: &FlowRow,
    given: Map<String, Value>,
    idempotency: Option<(String, String)>,
) -> Result<Started, Problem> {
    may_run(cx, flow)?;
    let version = last_version(cx, flow).await?;
    let entry = cx.entry();
    may_enter(flow, &version, entry)?;
    let inputs = inputs(&cx.app.versions.inputs(&version), given)?;
    create(cx, &version.row.id, entry, inputs, idempotency).await
}

/// Whether the caller is on a flow's run list, and the flow not stopped.
fn may_run(cx: &Context, flow: &FlowRow) -> Result<(), Problem> {
    if !on_run_list(&cx.user, &flow.runners) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not_on_run_list",
            format!(
                "you may not run `{}`: whoever publishes it can allow you",
                flow.name
            ),
        ));
    }
    if let Some(reason) = &flow.stopped {
        return Err(Problem::conflict(
            "flow_stopped",
            format!("flow `{}` is stopped: {reason}", flow.name),
        ));
    }
    Ok(())
}

/// Whether a version may be started this way.
fn may_enter(flow: &FlowRow, version: &Version, entry: Entry) -> Result<(), Problem> {
    let allowed = match &version.plan.flow.trigger {
        Trigger::OnDemand { from } => from.is_empty() || from.contains(&entry),
        // By hand it starts as anything else does, only not by a button of a view.
        Trigger::Schedule(_) | Trigger::Webhook(_) => entry != Entry::Button,
    };
    if !allowed {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "entry_not_allowed",
            format!(
                "flow `{}` cannot be started this way (`{}`)",
                flow.name,
                entry.as_str()
            ),
        ));
    }
    Ok(())
}

/// What a run is run again as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// The same run goes on in a new one: what was done is not done again.
    Retry,
    /// Everything anew, as the caller.
    Replay,
}

/// Runs a run once more, for the caller: they must be allowed to run its flow now as they would have to be to start it.
///
/// # Errors
/// 403 and 409 as [`run_flow`]; what the runner refuses.
pub async fn again(cx: &Context, row: &RunRow, once: Once) -> Result<Started, Problem> {
    cx.needs(Privilege::FlowsRun)?;
    let flow = cx.reader.flow(&row.flow).await?;
    let flow = flow.ok_or_else(|| Problem::not_found("flow"))?;
    let version = cx.app.runner.version(cx.workspace(), &row.version).await;
    let version = version.map_err(refusals::load)?;
    let entry = if version.row.number == 0 {
        // A draft's run acts through its author's build-time values, which nobody looked at in this snapshot but them.
        cx.needs(Privilege::FlowsEdit)?;
        if row.invoker.as_ref() != Some(&cx.user.id) {
            return Err(Problem::forbidden(
                "this is a run of somebody else's draft: run the draft as yourself",
            ));
        }
        Entry::Build
    } else {
        may_run(cx, &flow)?;
        let entry = cx.entry();
        may_enter(&flow, &version, entry)?;
        entry
    };
    let again = Again {
        workspace: cx.workspace().clone(),
        run: row.id.clone(),
        by: cx.person(),
        actor: cx.actor(),
        entry,
        ip: cx.ip.clone(),
        agent: cx.agent.clone(),
    };
    let runner = &cx.app.runner;
    let started = match once {
        Once::Retry => runner.retry(again).await,
        Once::Replay => runner.replay(again).await,
    };
    started.map_err(refusals::again)
}

/// Creates a run of a version or snapshot for the caller.
///
/// # Errors
/// See [`refusals::create`].
pub async fn create(
    cx: &Context,
    version: &VersionId,
    entry: Entry,
    inputs: Value,
    idempotency: Option<(String, String)>,
) -> Result<Started, Problem> {
    let new = NewRun {
        workspace: cx.workspace().clone(),
        version: version.clone(),
        invoker: Some(cx.person()),
        actor: cx.actor(),
        entry,
        inputs,
        idempotency,
        ip: cx.ip.clone(),
        agent: cx.agent.clone(),
    };
    cx.app.runner.create(new).await.map_err(refusals::create)
}

/// Answers for a run: 200 with its document if it ended or paused in time, else 202 once it is durable.
///
/// # Errors
/// If it cannot be recorded or read.
pub async fn answer(cx: &Context, started: &Started, wait: Option<u64>) -> Answer {
    let runner = &cx.app.runner;
    let settled = match wait {
        Some(seconds) => runner
            .settled(cx.workspace(), &started.run, Duration::from_secs(seconds))
            .await
            .map_err(refusals::load)?,
        None => None,
    };
    let (status, run) = match settled {
        Some(run) => (StatusCode::OK, Some(run)),
        None => {
            runner
                .durable(&started.run)
                .await
                .map_err(refusals::create)?;
            let run = runner
                .load(cx.workspace(), &started.run)
                .await
                .map_err(refusals::load)?;
            (StatusCode::ACCEPTED, run.map(Arc::new))
        }
    };
    let run = run.ok_or_else(|| Problem::internal("a durable run cannot be read"))?;
    let mut response = answer_json(status, &view(cx, &run).await?);
    let headers = response.headers_mut();
    let place = format!("/api/v1/runs/{}", started.run);
    if let Ok(value) = HeaderValue::from_str(&place) {
        headers.insert(header::LOCATION, value);
    }
    if wait.is_some() && status == StatusCode::OK {
        headers.insert("preference-applied", HeaderValue::from_static("wait"));
    }
    if started.repeated {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A run of the caller's workspace, folded.
///
/// # Errors
/// 404 if there is none.
pub async fn load(cx: &Context, id: &RunId) -> Result<Run, Problem> {
    cx.app
        .runner
        .load(cx.workspace(), id)
        .await
        .map_err(refusals::load)?
        .ok_or_else(|| Problem::not_found("run"))
}
