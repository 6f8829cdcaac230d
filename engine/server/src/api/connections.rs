//! Shared connections, and the workspace's view of personal ones. Deleting a shared connection stops the flows that use it: said before by
//! its own page, and in the answer.

use actas_core::ids::{AppName, ClientId, ConnectionId, Name};
use actas_core::run::ConnectionKind;
use actas_store::{Binding, Bindings, Commit, ConnectionRow, FlowRow, Op};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::me::connection_view;
use crate::api::ok;
use crate::call::Call;
use crate::context::{Context, Fill};
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

async fn of_path(
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
    let users: Vec<_> = used_by(&cx, &row)
        .await?
        .into_iter()
        .map(|flow| flow.name)
        .collect();
    if let Some(members) = shown.as_object_mut() {
        members.insert("flows".into(), json!(users));
    }
    Ok(ok(&shown))
}

/// `POST /connections`: answers with the page to sign in at; nothing begins here.
pub async fn add(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: Name,
        app: AppName,
        client: Option<Name>,
    }
    let Body { name, app, client } = call.json()?;
    if cx.reader.shared_connection(&name).await?.is_some() {
        return Err(Problem::conflict(
            "name_taken",
            format!("there is a shared connection `{name}` already: choose another name"),
        ));
    }
    let client = client_of(&cx, &app, client.as_ref()).await?;
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

/// The flows whose last version uses a shared connection, as such or as a parent.
async fn used_by(cx: &Context, connection: &ConnectionRow) -> Result<Vec<FlowRow>, Problem> {
    let mut found = Vec::new();
    for flow in cx.reader.flows().await? {
        let Some(version) = cx
            .reader
            .version_by_number(&flow.id, flow.last_version)
            .await?
        else {
            continue;
        };
        let bindings: Bindings = serde_json::from_str(&version.bindings).unwrap_or_default();
        let uses = bindings.slots.values().any(|binding| match binding {
            Binding::Shared { connection: id, .. } => *id == connection.id,
            Binding::Dynamic { parent, .. } => parent.as_ref() == Some(&connection.id),
        });
        if uses {
            found.push(flow);
        }
    }
    Ok(found)
}

/// `DELETE /connections/{connection}`
pub async fn delete(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Shared).await?;
    let name = row
        .name
        .as_ref()
        .map_or(row.id.as_str(), Name::as_str)
        .to_owned();
    let flows = used_by(&cx, &row).await?;
    let mut commit = Commit::default();
    for flow in flows.iter().filter(|flow| flow.stopped.is_none()) {
        let mut stopped = flow.clone();
        stopped.stopped = Some(format!("its connection `{name}` was deleted"));
        commit.ops.push(Op::ChangeFlow {
            workspace: cx.workspace().clone(),
            flow: stopped,
        });
        let mut record = cx
            .audit("flow.stopped", "flow", flow.id.as_str())
            .in_flow(flow.name.as_str());
        record.reason = Some("connection_deleted".into());
        record.connection = Some(row.id.clone());
        commit.audit.push(record);
    }
    // First stopped, then deleted: a flow that runs never meets a connection that is gone.
    if !commit.ops.is_empty() {
        cx.app.store.commit(commit).await?;
    }
    cx.app
        .connections
        .delete(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    let stopped: Vec<_> = flows.into_iter().map(|flow| flow.name).collect();
    Ok(ok(
        &json!({"id": row.id, "deleted": true, "stopped_flows": stopped}),
    ))
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
    cx.app
        .connections
        .delete(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    Ok(ok(&json!({"id": row.id, "deleted": true})))
}
