//! The JSON side: one file for each kind of thing. Handlers read strictly, ask for what is not in the route's own need, and answer.

pub mod answers;
pub mod apps;
pub mod audit;
pub mod callbacks;
pub mod connections;
pub mod drafts;
pub mod events;
pub mod flows;
pub mod grants;
pub mod health;
pub mod hooks;
pub mod lifecycle;
pub mod me;
pub mod openapi;
pub mod policies;
pub mod review;
pub mod roles;
pub mod runs;
pub mod tokens;
pub mod trusted;
pub mod typed;
pub mod users;
pub mod values;
pub mod versions;
pub mod workspaces;

use actas_core::ids::{FlowName, RunId};
use actas_store::{FlowRow, RunRow};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use crate::access::{Privilege, on_run_list};
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;

/// A JSON answer.
pub fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// 200 with JSON.
pub fn ok(value: &Value) -> Response {
    json(StatusCode::OK, value)
}

/// The flow of the path, if the caller may see or run it. Who may do neither learns nothing of it.
///
/// # Errors
/// 404.
pub async fn flow_of(cx: &Context, call: &Call) -> Result<FlowRow, Problem> {
    let name: FlowName = call.id("flow")?;
    let flow = cx
        .reader
        .flow_by_name(&name)
        .await?
        .filter(|flow| cx.may(Privilege::FlowsView) || on_run_list(&cx.user, &flow.runners));
    flow.ok_or_else(|| Problem::not_found("flow"))
}

/// The run of the path, if it is the caller's own or they may see the runs of others.
///
/// # Errors
/// 404.
pub async fn run_of(cx: &Context, call: &Call) -> Result<RunRow, Problem> {
    let id: RunId = call.id("run")?;
    let run = cx.reader.run(&id).await?.filter(|run| may_see(cx, run));
    run.ok_or_else(|| Problem::not_found("run"))
}

/// Whether a run is the caller's own, or they may see the runs of others.
pub fn may_see(cx: &Context, run: &RunRow) -> bool {
    run.invoker.as_ref() == Some(&cx.user.id) || cx.may(Privilege::RunsView)
}

/// How many items a list gives.
pub fn limit_of(asked: Option<u32>) -> u32 {
    asked.unwrap_or(50).clamp(1, 500)
}
