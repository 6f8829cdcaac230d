//! The first page: what waits for me, what I can run, my runs, my connections.

use actas_store::RunFilter;
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::access::{Privilege, on_run_list};
use crate::api::me::own_connection;
use crate::call::Call;
use crate::context::Context;
use crate::pages::requests::{Waiting, waiting};
use crate::pages::{Chrome, minute, page, redirect};
use crate::refusals;
use crate::routes::Answer;

#[derive(Debug, Template)]
#[template(path = "home.html")]
struct HomePage {
    chrome: Chrome,
    name: String,
    requests: Vec<Waiting>,
    flows: Vec<FlowCard>,
    runs: Vec<RunLine>,
    connections: Vec<ConnectionLine>,
}

#[derive(Debug)]
struct FlowCard {
    name: String,
    title: String,
    stopped: Option<String>,
}

#[derive(Debug)]
struct RunLine {
    id: String,
    flow: String,
    state: String,
    at: String,
}

#[derive(Debug)]
struct ConnectionLine {
    id: String,
    app: String,
    account: String,
    state: &'static str,
    used_by: String,
    last_used: String,
}

/// What people call an app.
pub fn app_title(cx: &Context, app: &str) -> String {
    cx.app
        .apps
        .get(app)
        .map_or_else(|| app.to_owned(), |manifest| manifest.title.clone())
}

/// `GET /`
pub async fn show(cx: Context, _call: Call) -> Answer {
    let flows = cx.reader.flows().await?;
    let title_of = |id: &actas_core::ids::FlowId| {
        flows.iter().find(|flow| flow.id == *id).map_or_else(
            || id.to_string(),
            |flow| flow.title.clone().unwrap_or_else(|| flow.name.to_string()),
        )
    };
    let requests = waiting(&cx).await?;
    let filter = RunFilter {
        invoker: Some(cx.user.id.clone()),
        ..RunFilter::default()
    };
    let runs = cx
        .reader
        .runs(&filter, 15, None)
        .await?
        .items
        .into_iter()
        .map(|row| RunLine {
            id: row.id.to_string(),
            flow: title_of(&row.flow),
            state: row.state,
            at: minute(row.created_at),
        })
        .collect();
    let mut connections = Vec::new();
    for row in cx.reader.personal_connections(Some(&cx.user.id)).await? {
        let mut used_by: Vec<String> = cx
            .reader
            .grants_of(&row.id)
            .await?
            .iter()
            .map(|grant| title_of(&grant.flow))
            .collect();
        used_by.dedup();
        connections.push(ConnectionLine {
            id: row.id.to_string(),
            app: app_title(&cx, row.app.as_str()),
            account: row.account,
            state: row.state.as_str(),
            used_by: used_by.join(", "),
            last_used: row.last_used_at.map(minute).unwrap_or_default(),
        });
    }
    let cards = flows
        .iter()
        .filter(|flow| flow.last_version > 0 && on_run_list(&cx.user, &flow.runners))
        .filter(|_| cx.may(Privilege::FlowsRun))
        .map(|flow| FlowCard {
            name: flow.name.to_string(),
            title: flow.title.clone().unwrap_or_else(|| flow.name.to_string()),
            stopped: flow.stopped.clone(),
        })
        .collect();
    page(
        StatusCode::OK,
        &HomePage {
            chrome: Chrome::of(&cx),
            name: cx.user.name.clone(),
            requests,
            flows: cards,
            runs,
            connections,
        },
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "csrf")]
    _csrf: String,
}

/// `POST /connections/{connection}/disconnect`
pub async fn disconnect(cx: Context, call: Call) -> Answer {
    let _: Form = call.form()?;
    let row = own_connection(&cx, &call).await?;
    cx.app
        .connections
        .disconnect(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    Ok(redirect("/"))
}

/// `POST /connections/{connection}/delete`
pub async fn delete(cx: Context, call: Call) -> Answer {
    let _: Form = call.form()?;
    let row = own_connection(&cx, &call).await?;
    cx.app
        .connections
        .delete(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    Ok(redirect("/"))
}
