//! Where other systems call a waiting step back. Whoever has the address may call it, once; a wrong one looks the same whatever is wrong with it.

use actas_core::audit::{Actor, Object};
use actas_core::ids::{RunId, StepPath};
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
    let Some((run, step)) = called(&visitor, &call) else {
        // Guessing a token is hopeless; asking for every guess need not be free.
        if let Some(ip) = &visitor.ip {
            let tried = visitor.app.by_address.take(ip, visitor.now);
            tried.map_err(Problem::too_many)?;
        }
        return Err(Problem::not_found("callback"));
    };
    callbacks::fits(&call)?;
    let payload = payload(&call)?;
    let reader = visitor.app.store.reader(&visitor.app.workspace);
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

/// The run and step that an address names, if its token is theirs.
fn called(visitor: &Visitor, call: &Call) -> Option<(RunId, StepPath)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        token: String,
    }
    let run: RunId = call.text("run").parse().ok()?;
    let step = StepPath::from_address(call.text("step")).ok()?;
    let Query { token } = call.query().ok()?;
    let app = &visitor.app;
    app.connections
        .verify_callback(&app.workspace, &run, &step, &token)
        .then_some((run, step))
}

/// JSON, or nothing.
fn payload(call: &Call) -> Result<Value, Problem> {
    if call.body.is_empty() && call.header(header::CONTENT_TYPE).is_none() {
        return Ok(Value::Null);
    }
    call.json()
}
