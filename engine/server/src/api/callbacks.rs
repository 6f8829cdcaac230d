//! Where other systems call a waiting step back. Whoever has the address may call it, once; a wrong one looks the same whatever is wrong with it.

use actas_core::audit::{Actor, Object};
use actas_core::ids::{RunId, StepPath, WorkspaceId};
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::json as answer_json;
use crate::call::Call;
use crate::callbacks::{self, Brought};
use crate::context::{Fill, Visitor, record};
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;

/// `POST /hooks/callback/{run}/{step}?token=…`
pub async fn come(visitor: Visitor, call: Call) -> Answer {
    let Some((workspace, run, step)) = called(&visitor, &call).await? else {
        return Err(Problem::not_found("callback"));
    };
    callbacks::fits(&call)?;
    let payload = payload(&call)?;
    let reader = visitor.app.store.reader(&workspace);
    let run = reader.run(&run).await?;
    let run = run.ok_or_else(|| Problem::not_found("callback"))?;
    let object = Object {
        kind: "run".into(),
        id: run.id.to_string(),
        version: None,
    };
    let mut draft = record(
        reader.workspace(),
        visitor.now,
        Actor::Anonymous,
        "callback",
        "callback.came",
        object,
    )
    .of_peer(visitor.ip.as_deref(), visitor.agent.as_deref());
    draft.run = Some(run.id.clone());
    let brought = Brought { run, step, payload };
    callbacks::take(&visitor.app, &reader, brought, draft)
        .await
        .map_err(refusals::answer)?;
    Ok(answer_json(
        StatusCode::ACCEPTED,
        &json!({"accepted": true}),
    ))
}

/// The workspace, run and step that an address names, if its token is theirs.
async fn called(
    visitor: &Visitor,
    call: &Call,
) -> Result<Option<(WorkspaceId, RunId, StepPath)>, Problem> {
    let app = &visitor.app;
    let named = named(call);
    if let Some((run, step, token)) = &named
        && let Some(workspace) = app.callback_workspace(run, step, token)
    {
        return Ok(Some((workspace, run.clone(), step.clone())));
    }
    // Guessing a token is hopeless; asking for every guess need not be free.
    if let Some(ip) = &visitor.ip {
        let tried = app.by_address.take(ip, visitor.now);
        tried.map_err(Problem::too_many)?;
    }
    let Some((run, step, token)) = named else {
        return Ok(None);
    };
    // Another server may have added a workspace since.
    app.all_workspaces().await?;
    let workspace = app.callback_workspace(&run, &step, &token);
    Ok(workspace.map(|workspace| (workspace, run, step)))
}

fn named(call: &Call) -> Option<(RunId, StepPath, String)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        token: String,
    }
    let run: RunId = call.text("run").parse().ok()?;
    let step = StepPath::from_address(call.text("step")).ok()?;
    let Query { token } = call.query().ok()?;
    Some((run, step, token))
}

/// JSON, or nothing.
fn payload(call: &Call) -> Result<Value, Problem> {
    if call.body.is_empty() && call.header(header::CONTENT_TYPE).is_none() {
        return Ok(Value::Null);
    }
    call.json()
}
