//! Shared connections, and the workspace's view of personal ones. Deleting a shared connection stops the flows that use it: said before by
//! its own page, and in the answer.

use actas_connections::{ConnectKind, ConnectTarget};
use actas_core::ids::{AppName, ClientId, ConnectionId, Name};
use actas_core::run::{ConnectionKind, Scheme};
use actas_store::{Commit, ConnectionRow, Op};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::api::me::connection_view;
use crate::api::{json as answer, ok, typed};
use crate::call::Call;
use crate::context::{Context, Fill};
use crate::impact::{UsedBy, impact, used_by};
use crate::pages::link::LinkTarget;
use crate::problem::Problem;
use crate::publish::default_client;
use crate::refusals;
use crate::routes::Answer;

/// `GET /connections`
pub async fn list(cx: Context, _call: Call) -> Answer {
    let mut shown = Vec::new();
    for row in cx.reader.shared_connections().await? {
        shown.push(connection_view(&cx, &row).await?);
    }
    Ok(ok(&json!({"connections": shown})))
}

/// The connection of the path, if it is of this kind.
///
/// # Errors
/// 404.
pub async fn of_path(
    cx: &Context,
    call: &Call,
    kind: ConnectionKind,
) -> Result<ConnectionRow, Problem> {
    let id: ConnectionId = call.id("connection")?;
    let row = cx.reader.connection(&id).await?;
    row.filter(|row| row.kind == kind)
        .ok_or_else(|| Problem::not_found("connection"))
}

/// `GET /connections/{connection}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Shared).await?;
    let mut shown = connection_view(&cx, &row).await?;
    let users: Vec<_> = used_by(&cx, &row.id)
        .await?
        .into_iter()
        .map(|used| used.flow)
        .collect();
    if let Some(members) = shown.as_object_mut() {
        members.insert("flows".into(), json!(users));
    }
    Ok(ok(&shown))
}

/// `POST /connections`: answers with the page to sign in at; nothing begins here. One without an account, only to be a parent, is made at once.
pub async fn add(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: Name,
        app: AppName,
        client: Option<Name>,
        #[serde(default)]
        no_account: bool,
        kind: Option<String>,
        fields: Option<Value>,
    }
    let body: Body = call.json()?;
    let as_client =
        body.kind.as_deref() == Some(Scheme::ClientCredentials.as_str()) && body.fields.is_none();
    let given = if as_client {
        None
    } else {
        typed::given(&cx, body.kind.as_deref(), body.fields)?
    };
    let (name, app, client, no_account) = (body.name, body.app, body.client, body.no_account);
    if no_account && (as_client || given.is_some()) {
        return Err(Problem::bad(
            "bad_body",
            "a connection without an account takes no `kind`",
        ));
    }
    if cx.reader.shared_connection(&name).await?.is_some() {
        return Err(Problem::conflict(
            "name_taken",
            format!("there is a shared connection `{name}` already: choose another name"),
        ));
    }
    let client = client_of(&cx, &app, client.as_ref()).await?;
    if no_account {
        let row = cx
            .app
            .connections
            .add_parent(cx.workspace(), &name, &client, &cx.user.id, &cx.who())
            .await
            .map_err(refusals::connections)?;
        return Ok(answer(
            StatusCode::CREATED,
            &connection_view(&cx, &row).await?,
        ));
    }
    let target = ConnectTarget {
        app,
        client: client.clone(),
        kind: ConnectKind::Shared { name: name.clone() },
        scopes: Vec::new(),
    };
    if as_client {
        return typed::connect_as_client(&cx, &target).await;
    }
    if let Some(given) = given {
        return typed::connect(&cx, &target, given).await;
    }
    let target = LinkTarget::Shared(client, name);
    Ok(ok(&json!({"url": cx.app.origin.join(&target.path())})))
}

async fn client_of(cx: &Context, app: &AppName, name: Option<&Name>) -> Result<ClientId, Problem> {
    let found = match name {
        None => default_client(&cx.reader, app).await?,
        Some(name) => {
            let clients = cx.reader.clients(Some(app)).await?;
            clients.into_iter().find(|client| client.name == *name)
        }
    };
    found.map(|client| client.id).ok_or_else(|| {
        Problem::invalid(
            "no_app_client",
            format!("this workspace has no such app client for `{app}`: make one with `actas apps configure {app}`"),
        )
    })
}

/// `DELETE /connections/{connection}`: answers with what hung on it. What people made under it stays.
pub async fn delete(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Shared).await?;
    let before = impact(&cx, &row).await?;
    let (ops, audit) = stopping(&cx, &row, &before.flows);
    let came = cx
        .app
        .connections
        .delete_shared(cx.workspace(), &row, &cx.user.id, &cx.who(), ops, audit)
        .await
        .map_err(refusals::connections)?;
    // Whoever published in between did not see that it was going.
    let late = used_by(&cx, &row.id).await?;
    let (ops, audit) = stopping(&cx, &row, &late);
    if !ops.is_empty() {
        cx.app.store.commit(Commit { ops, audit }).await?;
    }
    let stopped: BTreeSet<_> = before
        .flows
        .iter()
        .chain(&late)
        .map(|used| &used.flow)
        .collect();
    Ok(ok(&json!({
        "id": row.id, "name": row.name, "deleted": true, "stopped_flows": stopped, "at_provider": came.as_str(),
        "impact": before,
    })))
}

/// What stops the flows that use a connection which is deleted, with the reason for those who try to run them.
fn stopping(
    cx: &Context,
    row: &ConnectionRow,
    flows: &[UsedBy],
) -> (Vec<Op>, Vec<actas_core::audit::Draft>) {
    let name = row.name.as_ref().map_or(row.id.as_str(), Name::as_str);
    let (mut ops, mut audit) = (Vec::new(), Vec::new());
    for used in flows.iter().filter(|used| used.stops) {
        let mut stopped = used.row.clone();
        stopped.stopped = Some(format!("its connection `{name}` was deleted"));
        ops.push(Op::ChangeFlow {
            workspace: cx.workspace().clone(),
            flow: stopped,
        });
        let mut record = cx
            .audit("flow.stopped", "flow", used.row.id.as_str())
            .in_flow(used.flow.as_str());
        record.reason = Some("connection_deleted".into());
        record.connection = Some(row.id.clone());
        audit.push(record);
    }
    (ops, audit)
}

/// `GET /runtime-connections`
pub async fn personal(cx: Context, _call: Call) -> Answer {
    let mut shown: Vec<Value> = Vec::new();
    for row in cx.reader.personal_connections(None).await? {
        shown.push(connection_view(&cx, &row).await?);
    }
    Ok(ok(&json!({"connections": shown})))
}

/// `DELETE /runtime-connections/{connection}`: pauses its person's next run, nothing else.
pub async fn delete_personal(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Personal).await?;
    let came = cx
        .app
        .connections
        .delete(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    Ok(ok(
        &json!({"id": row.id, "deleted": true, "at_provider": came.as_str()}),
    ))
}
