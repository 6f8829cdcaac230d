//! A flow's form, made from its inputs, and the run it starts.

use askama::Template;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::accounts;
use crate::api::flow_of;
use crate::call::Call;
use crate::context::Context;
use crate::pages::form::{Field, Kind, field, typed};
use crate::pages::home::app_title;
use crate::pages::{Chrome, page, redirect, sentence};
use crate::problem::Problem;
use crate::routes::Answer;
use crate::start;

#[derive(Debug, Template)]
#[template(path = "flow.html")]
struct FlowPage {
    chrome: Chrome,
    name: String,
    title: String,
    description: Option<String>,
    version: u32,
    fields: Vec<Field>,
    accounts: Vec<Account>,
    stopped: Option<String>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Account {
    app: String,
    dynamic: bool,
    account: Option<String>,
    may_be_needed: bool,
}

/// `GET /flows/{flow}`
pub async fn show(cx: Context, call: Call) -> Answer {
    form(&cx, &call, StatusCode::OK, None).await
}

async fn form(
    cx: &Context,
    call: &Call,
    status: StatusCode,
    again: Option<(Vec<Field>, Vec<String>)>,
) -> Answer {
    let row = flow_of(cx, call).await?;
    let version = accounts::last_version(cx, &row).await?;
    let accounts = accounts::needed(cx, &row)
        .await?
        .into_iter()
        .map(|need| Account {
            app: app_title(cx, need.app.as_str()),
            dynamic: need.dynamic,
            may_be_needed: need.may_be_needed,
            account: match need.resolution {
                actas_connections::Resolution::Bound(bound) => Some(bound.account),
                actas_connections::Resolution::Ask { .. } => None,
            },
        })
        .collect();
    let document = &version.plan.flow;
    let (fields, faults) = again.unwrap_or_else(|| {
        let fields = document
            .inputs
            .iter()
            .map(|(name, input)| field(name, &input.schema, input.required));
        (fields.collect(), Vec::new())
    });
    page(
        status,
        &FlowPage {
            chrome: Chrome::of(cx),
            name: row.name.to_string(),
            title: document
                .title
                .clone()
                .unwrap_or_else(|| row.name.to_string()),
            description: document.description.clone(),
            version: version.row.number,
            fields,
            accounts,
            stopped: row.stopped,
            faults,
        },
    )
}

/// `POST /flows/{flow}`
pub async fn run(cx: Context, call: Call) -> Answer {
    let row = flow_of(&cx, &call).await?;
    let version = accounts::last_version(&cx, &row).await?;
    let sent = call.form_fields();
    let mut given = Map::new();
    let mut fields = Vec::new();
    for (name, input) in &version.plan.flow.inputs {
        let mut field = field(name, &input.schema, input.required);
        let text = sent
            .iter()
            .find(|(key, _)| key.strip_prefix("in.") == Some(name))
            .map_or("", |(_, value)| value.as_str());
        if let Some(value) = typed(&field, text) {
            given.insert(name.clone(), value);
        }
        field.value = text.to_owned();
        fields.push(field);
    }
    let known = |key: &str| {
        key == "csrf"
            || key
                .strip_prefix("in.")
                .is_some_and(|name| version.plan.flow.inputs.contains_key(name))
    };
    if let Some((odd, _)) = sent.iter().find(|(key, _)| !known(key)) {
        return Err(Problem::bad(
            "bad_form",
            format!("the form has no field `{odd}`"),
        ));
    }
    match start::run_flow(&cx, &row, given, None).await {
        Ok(started) => {
            cx.app
                .runner
                .durable(&started.run)
                .await
                .map_err(crate::refusals::create)?;
            Ok(redirect(&format!("/runs/{}", started.run)))
        }
        Err(problem) if problem.code == "invalid_inputs" => {
            let faults = problem.more.get("errors").and_then(Value::as_array);
            let faults = faults
                .into_iter()
                .flatten()
                .map(|fault| {
                    let text = fault["message"].as_str().or(fault.as_str());
                    sentence(text.unwrap_or_default())
                })
                .collect();
            form(
                &cx,
                &call,
                StatusCode::UNPROCESSABLE_ENTITY,
                Some((fields, faults)),
            )
            .await
        }
        Err(problem) => Err(problem),
    }
}
