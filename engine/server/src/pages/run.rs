//! The page of a run: its steps, the account each acted as, what it waits for and from whom.

use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::access::Privilege;
use crate::api::run_of;
use crate::api::runs::ask_to_cancel;
use crate::call::Call;
use crate::context::Context;
use crate::pages::home::app_title;
use crate::pages::{Chrome, minute, page, redirect, sentence};
use crate::routes::Answer;
use crate::start;

#[derive(Debug, Template)]
#[template(path = "run.html")]
struct RunPage {
    chrome: Chrome,
    id: String,
    flow: String,
    version: String,
    state: String,
    invoker: String,
    over: bool,
    may_cancel: bool,
    created_at: String,
    finished_at: String,
    waits: Vec<Wait>,
    until: String,
    steps: Vec<StepLine>,
    outputs: Vec<(String, String)>,
    error: Option<Fault>,
}

#[derive(Debug)]
struct Wait {
    app: String,
    person: String,
    mine: bool,
    because: String,
    path: String,
}

#[derive(Debug)]
struct StepLine {
    id: String,
    title: String,
    module: String,
    state: String,
    account: String,
    record: String,
    attempts: u64,
    at: String,
    error: Option<Fault>,
}

#[derive(Debug)]
struct Fault {
    message: String,
    help: Option<String>,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(String::new, str::to_owned)
}

fn instant(value: &Value) -> String {
    value
        .as_str()
        .and_then(actas_core::Time::parse)
        .map(minute)
        .unwrap_or_default()
}

fn fault(error: &Value) -> Option<Fault> {
    if error.is_null() {
        return None;
    }
    if error["private"] == true {
        return Some(Fault {
            message: format!(
                "It failed ({}). The reason is private to its person.",
                text(&error["kind"])
            ),
            help: None,
        });
    }
    let step = error["step"].as_str();
    let message = sentence(error["message"].as_str().unwrap_or("it failed"));
    Some(Fault {
        message: step.map_or(message.clone(), |step| format!("{step}: {message}")),
        help: error["help"].as_str().map(sentence),
    })
}

fn record_of(record: &Value) -> String {
    match (record["type"].as_str(), record["id"].as_str()) {
        (Some(kind), Some(id)) => format!("{kind} {id}"),
        _ => String::new(),
    }
}

/// A value for people: text as it is, what is private said so, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if map.get("private") == Some(&Value::Bool(true)) => {
            "private to its person".to_owned()
        }
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// `GET /runs/{run}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let row = run_of(&cx, &call).await?;
    let run = start::load(&cx, &row.id).await?;
    let document = start::view(&cx, &run).0;
    let own = row.invoker.as_ref() == Some(&cx.user.id);
    let state = text(&document["state"]);
    let over = matches!(state.as_str(), "succeeded" | "failed" | "cancelled");
    let waits = document["paused"]["connections"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|wait| {
            let app = app_title(&cx, wait["app"].as_str().unwrap_or_default());
            let person = text(&wait["person"]);
            Wait {
                mine: person == cx.user.login,
                because: reason(&wait["reason"], &app),
                // The document has the whole address; on our own page the path is enough.
                path: url::Url::parse(wait["url"].as_str().unwrap_or_default())
                    .map(|url| url.path().to_owned())
                    .unwrap_or_default(),
                app,
                person,
            }
        })
        .collect();
    let steps = run
        .plan
        .steps
        .iter()
        .map(|planned| {
            let step = &document["steps"][planned.path.to_string()];
            StepLine {
                id: planned.path.to_string(),
                title: planned
                    .step
                    .title
                    .clone()
                    .unwrap_or_else(|| planned.id.to_string()),
                module: planned.uses().map(ToString::to_string).unwrap_or_default(),
                state: text(&step["state"]),
                account: text(&step["acted_as"]["account"]),
                record: record_of(&step["acted_as"]["record"]),
                attempts: step["attempts"].as_u64().unwrap_or(0),
                at: instant(&step["finished_at"]),
                error: fault(&step["error"]),
            }
        })
        .collect();
    let outputs = document["outputs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    page(
        StatusCode::OK,
        &RunPage {
            chrome: Chrome::of(&cx),
            id: row.id.to_string(),
            flow: run
                .plan
                .flow
                .title
                .clone()
                .unwrap_or_else(|| text(&document["flow"])),
            version: document["version"]
                .as_u64()
                .map_or_else(|| "draft".to_owned(), |number| format!("version {number}")),
            invoker: text(&document["invoker"]),

            over,
            may_cancel: !over && (own || cx.may(Privilege::RunsCancel)),
            created_at: instant(&document["created_at"]),
            finished_at: instant(&document["finished_at"]),
            waits,
            until: instant(&document["paused"]["until"]),
            steps,
            outputs,
            error: fault(&document["error"]),
            state,
        },
    )
}

fn reason(reason: &Value, app: &str) -> String {
    serde_json::from_value(reason.clone()).map_or_else(
        |_| format!("A sign-in at {app} is needed."),
        |reason| super::because(reason, app),
    )
}

/// `POST /runs/{run}/cancel`
pub async fn cancel(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
    }
    let _: Form = call.form()?;
    let row = run_of(&cx, &call).await?;
    ask_to_cancel(&cx, &row).await?;
    Ok(redirect(&format!("/runs/{}", row.id)))
}
