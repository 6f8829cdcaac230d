//! What people answer over HTTP: approvals and decisions, and the callbacks that a run's own people bring.

use actas_core::ids::{RunId, StepPath};
use actas_core::run::{Answer as Said, Refused};
use actas_store::{RequestKind, RequestRow};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Privilege;
use crate::api::{json as answer_json, may_see};
use crate::call::Call;
use crate::callbacks::{self, Brought};
use crate::context::Context;
use crate::problem::Problem;
use crate::refusals;
use crate::requests::{self, Given};
use crate::routes::Answer;

/// The request of a step of the path's run. Whether the caller may answer it, answering says.
async fn request_of(
    cx: &Context,
    call: &Call,
    step: &StepPath,
    kind: RequestKind,
) -> Result<RequestRow, Problem> {
    let run: RunId = call.id("run")?;
    let row = requests::of_step(cx, &run, step, kind).await?;
    row.ok_or_else(|| refusals::answer(Refused::NotFound.into()))
}

fn answered(row: &RequestRow, said: &str) -> axum::response::Response {
    answer_json(
        StatusCode::ACCEPTED,
        &json!({"request": row.id, "run": row.run, "step": row.step, "answer": said}),
    )
}

/// `POST /runs/{run}/approve`
pub async fn approve(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Decision {
        Approved,
        Rejected,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        step: StepPath,
        decision: Decision,
        comment: Option<String>,
        #[serde(default)]
        form: Value,
    }
    let body: Body = call.json()?;
    let row = request_of(&cx, &call, &body.step, RequestKind::Approval).await?;
    let (approved, said) = match body.decision {
        Decision::Approved => (true, "approved"),
        Decision::Rejected => (false, "rejected"),
    };
    let given = Given {
        approved,
        comment: body.comment,
        form: body.form,
    };
    requests::approve(&cx, &row, given)
        .await
        .map_err(refusals::answer)?;
    Ok(answered(&row, said))
}

/// `POST /runs/{run}/decide`
pub async fn decide(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Happened,
        Again,
        GiveUp,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        step: StepPath,
        answer: Word,
        output: Option<Value>,
    }
    let body: Body = call.json()?;
    let (said, word) = match (body.answer, body.output) {
        (Word::Happened, output) => {
            let output = output.unwrap_or_default().into();
            (Said::Happened { output }, "happened")
        }
        (_, Some(_)) => {
            return Err(Problem::bad(
                "bad_body",
                "`output` goes with the answer `happened` only: it is what the step gave",
            ));
        }
        (Word::Again, None) => (Said::Again, "again"),
        (Word::GiveUp, None) => (Said::GiveUp, "give_up"),
    };
    let row = request_of(&cx, &call, &body.step, RequestKind::Decision).await?;
    requests::decide(&cx, &row, said)
        .await
        .map_err(refusals::answer)?;
    Ok(answered(&row, word))
}

/// `POST /runs/{run}/callback`: what the callback's address takes, brought by the run's invoker or with the privilege.
pub async fn callback(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        step: StepPath,
        #[serde(default)]
        payload: Value,
    }
    callbacks::fits(&call)?;
    let body: Body = call.json()?;
    let id: RunId = call.id("run")?;
    let run = cx.reader.run(&id).await?;
    let run = run
        .filter(|run| may_see(&cx, run) || cx.may(Privilege::RunsDecide))
        .ok_or_else(|| Problem::not_found("run"))?;
    if run.invoker.as_ref() != Some(&cx.user.id) {
        cx.needs(Privilege::RunsDecide)?;
    }
    let mut draft = cx.audit("callback.came", "run", run.id.as_str());
    draft.run = Some(run.id.clone());
    let brought = Brought {
        run,
        step: body.step,
        payload: body.payload,
    };
    callbacks::take(&cx.app, &cx.reader, brought, draft)
        .await
        .map_err(refusals::answer)?;
    Ok(answer_json(
        StatusCode::ACCEPTED,
        &json!({"run": id, "accepted": true}),
    ))
}
