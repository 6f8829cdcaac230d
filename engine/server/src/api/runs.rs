//! Runs over HTTP: start, list, show, journal, cancel.

use std::collections::HashMap;

use actas_core::ids::RunId;
use actas_core::run::{JournalBody, Viewer};
use actas_store::{Commit, RunFilter, RunRow};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::access::Privilege;
use crate::api::{flow_of, limit_of, may_see, ok, run_of};
use crate::call::Call;
use crate::context::{Context, Via};
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::start::{self, Once};
use crate::view::{view, view_as};

/// The longest idempotency key.
const LONGEST_KEY: usize = 255;

/// `POST /flows/{flow}/runs`
pub async fn create(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        inputs: Map<String, Value>,
    }
    let body: Body = call.json()?;
    let idempotency = match call.header("idempotency-key") {
        None => None,
        Some(key) if (1..=LONGEST_KEY).contains(&key.len()) => {
            Some((key.to_owned(), hex::encode(Sha256::digest(&call.body))))
        }
        Some(_) => {
            return Err(Problem::bad(
                "bad_idempotency_key",
                "an idempotency key has 1 to 255 characters",
            ));
        }
    };
    let flow = flow_of(&cx, &call).await?;
    let started = start::run_flow(&cx, &flow, body.inputs, idempotency).await?;
    start::answer(&cx, &started, call.wait_seconds()).await
}

/// `GET /runs`: one's own; with `?all=true` and the privilege everybody's.
pub async fn list(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        flow: Option<String>,
        state: Option<String>,
        person: Option<String>,
        parent: Option<RunId>,
        #[serde(default)]
        children: bool,
        #[serde(default)]
        all: bool,
        limit: Option<u32>,
        cursor: Option<String>,
    }
    let query: Query = call.query()?;
    if let Some(parent) = &query.parent {
        return children(&cx, parent).await;
    }
    let mut filter = RunFilter {
        state: query.state,
        invoker: Some(cx.user.id.clone()),
        children: query.children,
        ..RunFilter::default()
    };
    let others = query.all || query.person.as_ref().is_some_and(|p| *p != cx.user.login);
    if others {
        cx.needs(Privilege::RunsView)?;
        filter.invoker = None;
    }
    if let Some(login) = &query.person {
        let Some(person) = cx.reader.user_by_login(login).await? else {
            return Ok(ok(&json!({"runs": [], "next": null})));
        };
        filter.invoker = Some(person.id);
    }
    if let Some(name) = &query.flow {
        let flow = match name.parse() {
            Ok(name) => cx.reader.flow_by_name(&name).await?,
            Err(_) => None,
        };
        let Some(flow) = flow else {
            return Ok(ok(&json!({"runs": [], "next": null})));
        };
        filter.flow = Some(flow.id);
    }
    let page = cx
        .reader
        .runs(&filter, limit_of(query.limit), query.cursor.as_deref())
        .await?;
    Ok(ok(
        &json!({"runs": lines(&cx, page.items).await?, "next": page.next}),
    ))
}

/// The runs that one run called, if the caller may see that one.
async fn children(cx: &Context, parent: &RunId) -> Answer {
    let run = cx.reader.run(parent).await?;
    run.filter(|run| may_see(cx, run))
        .ok_or_else(|| Problem::not_found("run"))?;
    let rows = cx.reader.children(parent).await?;
    Ok(ok(&json!({"runs": lines(cx, rows).await?, "next": null})))
}

/// Runs as lists show them.
async fn lines(cx: &Context, rows: Vec<RunRow>) -> Result<Vec<Value>, Problem> {
    let mut names = HashMap::new();
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        if !names.contains_key(&row.flow) {
            let name = cx.reader.flow(&row.flow).await?.map(|flow| flow.name);
            names.insert(row.flow.clone(), name);
        }
        let invoker = match &row.invoker {
            Some(invoker) => Some(cx.login_of(invoker).await?),
            None => None,
        };
        runs.push(json!({
            "run": row.id,
            "flow": names.get(&row.flow),
            "state": row.state,
            "invoker": invoker,
            "entry": row.entry,
            "parent": row.parent.as_ref().map(|(run, _)| run),
            "step": row.parent.as_ref().map(|(_, step)| step),
            "retry_of": row.retry_of,
            "created_at": row.created_at,
            "finished_at": row.ended_at,
        }));
    }
    Ok(runs)
}

/// `GET /runs/{run}`; with `?reveal=true` and the privilege also what is private to others.
pub async fn show(cx: Context, call: Call) -> Answer {
    let row = run_of(&cx, &call).await?;
    let viewer = viewer_of(&cx, &call, &row, "document").await?;
    let run = start::load(&cx, &row.id).await?;
    Ok(ok(&view_as(&cx, &run, &viewer).await?))
}

/// Who looks at a run. What is private to others is shown to a person alone, never to a program, with the privilege, and only once the record
/// of it is there.
async fn viewer_of(cx: &Context, call: &Call, row: &RunRow, what: &str) -> Result<Viewer, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        #[serde(default)]
        reveal: bool,
    }
    let viewer = Viewer::new(cx.user.id.clone());
    if !call.query::<Query>()?.reveal {
        return Ok(viewer);
    }
    if matches!(cx.via, Via::Token { .. }) {
        return Err(Problem::forbidden(
            "revealing needs a person in a browser: an API token is not enough",
        ));
    }
    cx.needs(Privilege::RunsReveal)?;
    let mut record = cx.audit("run.revealed", "run", row.id.as_str());
    record.flow = cx
        .reader
        .flow(&row.flow)
        .await?
        .map(|flow| flow.name.to_string());
    record.run = Some(row.id.clone());
    record.reason = Some(what.to_owned());
    let commit = Commit {
        ops: Vec::new(),
        audit: vec![record],
    };
    cx.app.store.commit(commit).await?;
    Ok(Viewer {
        reveals: true,
        ..viewer
    })
}

/// `GET /runs/{run}/journal`: events in order, with what is private to another person left out; `?reveal=true` as above.
pub async fn journal(cx: Context, call: Call) -> Answer {
    let row = run_of(&cx, &call).await?;
    let viewer = viewer_of(&cx, &call, &row, "journal").await?;
    let run = start::load(&cx, &row.id).await?;
    let privacy = actas_core::run::Privacy::of(&run, &viewer);
    let mut rows = Vec::new();
    for entry in cx.reader.journal(&row.id).await? {
        let body: JournalBody = serde_json::from_str(&entry.body).map_err(Problem::internal)?;
        let events: Vec<Value> = body
            .events
            .iter()
            .map(|event| privacy.event(event))
            .collect();
        rows.push(json!({"seq": entry.seq, "at": entry.at, "v": entry.v, "events": events}));
    }
    Ok(ok(&json!({"run": row.id, "journal": rows})))
}

/// `POST /runs/{run}/retry`
pub async fn retry(cx: Context, call: Call) -> Answer {
    again(cx, call, Once::Retry).await
}

/// `POST /runs/{run}/replay`
pub async fn replay(cx: Context, call: Call) -> Answer {
    again(cx, call, Once::Replay).await
}

async fn again(cx: Context, call: Call, once: Once) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = call.json()?;
    let row = run_of(&cx, &call).await?;
    let started = start::again(&cx, &row, once).await?;
    start::answer(&cx, &started, call.wait_seconds()).await
}

/// `POST /runs/{run}/cancel`
pub async fn cancel(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = call.json()?;
    let row = run_of(&cx, &call).await?;
    ask_to_cancel(&cx, &row).await?;
    let run = start::load(&cx, &row.id).await?;
    Ok(crate::api::json(
        axum::http::StatusCode::ACCEPTED,
        &view(&cx, &run).await?,
    ))
}

/// Cancels a run: one's own, or another's with the privilege.
///
/// # Errors
/// 403, or 409 if it has ended.
pub async fn ask_to_cancel(cx: &Context, row: &actas_store::RunRow) -> Result<(), Problem> {
    if row.invoker.as_ref() != Some(&cx.user.id) {
        cx.needs(Privilege::RunsCancel)?;
    }
    cx.app
        .runner
        .cancel(
            cx.workspace(),
            &row.id,
            &cx.person(),
            cx.actor(),
            cx.entry_name().to_owned(),
        )
        .await
        .map_err(refusals::cancel)
}
