//! What becomes of connections that are the workspace's: what hangs on them, letting go of them, orphans and those who adopt them. And flows and
//! app clients that are deleted.

use actas_core::ids::{AppName, ConnectionId, Name};
use actas_core::run::ConnectionKind;
use actas_store::{Commit, CommitError, ConnectionRow, ConnectionState, Op, RunFilter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::connections::of_path;
use crate::api::me::{connection_view, nothing};
use crate::api::{flow_of, ok};
use crate::call::Call;
use crate::context::{Context, Fill};
use crate::impact::{impact, named_by, used_by};
use crate::pages::link::LinkTarget;
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;

/// `GET /connections/{connection}/impact`
pub async fn show_impact(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Shared).await?;
    let found = impact(&cx, &row).await?;
    Ok(ok(
        &json!({"id": row.id, "name": row.name, "impact": found}),
    ))
}

/// `GET /connections/{connection}/where-used`
pub async fn where_used(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Shared).await?;
    Ok(ok(&json!({
        "id": row.id, "name": row.name, "flows": used_by(&cx, &row.id).await?, "drafts": named_by(&cx, &row).await?,
        "personal_connections": cx.reader.connections_under(&row.id).await?.len(),
    })))
}

/// `POST /connections/{connection}/disconnect`: flows that act through it fail until it is reconnected; slots that name it as a parent go on.
pub async fn disconnect(cx: Context, call: Call) -> Answer {
    let row = with_account(of_path(&cx, &call, ConnectionKind::Shared).await?)?;
    nothing(&call)?;
    let came = cx
        .app
        .connections
        .disconnect(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    let row = of_path(&cx, &call, ConnectionKind::Shared).await?;
    let mut shown = connection_view(&cx, &row).await?;
    shown["at_provider"] = json!(came.as_str());
    Ok(ok(&shown))
}

/// `POST /connections/{connection}/reconnect`: answers with the page to sign in at; nothing begins here.
pub async fn reconnect(cx: Context, call: Call) -> Answer {
    let row = with_account(of_path(&cx, &call, ConnectionKind::Shared).await?)?;
    nothing(&call)?;
    let target = LinkTarget::Again(row.id);
    Ok(ok(&json!({"url": cx.app.origin.join(&target.path())})))
}

fn with_account(row: ConnectionRow) -> Result<ConnectionRow, Problem> {
    if row.state == ConnectionState::NoAccount {
        return Err(Problem::conflict(
            "no_account",
            "this connection has no account of its own: it only says which app and client the slots under it use",
        ));
    }
    Ok(row)
}

/// `POST /connections/{connection}/adopt`: orphans of a deleted parent, all or some, come under this one.
pub async fn adopt(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        from: Option<ConnectionId>,
        connections: Option<Vec<ConnectionId>>,
    }
    let parent = of_path(&cx, &call, ConnectionKind::Shared).await?;
    let body: Body = call.json()?;
    let orphans = match (&body.from, &body.connections) {
        (Some(from), None) => {
            let left = cx.reader.deleted_parent(from).await?;
            let left = left.ok_or_else(|| Problem::not_found("deleted connection"))?;
            if left.app != parent.app || left.client != parent.client {
                return Err(Problem::conflict(
                    "does_not_fit",
                    format!(
                        "`{}` was one of another app or app client: what was made under it cannot act through this one",
                        left.name
                    ),
                ));
            }
            cx.reader.connections_under(from).await?
        }
        (None, Some(ids)) => {
            let mut rows = Vec::new();
            for id in ids {
                let row = cx.reader.connection(id).await?;
                let row = row.filter(|row| row.kind == ConnectionKind::Personal);
                rows.push(row.ok_or_else(|| Problem::not_found("connection"))?);
            }
            rows
        }
        _ => {
            return Err(Problem::bad(
                "which",
                "say either `from`, the deleted connection, or `connections`, a list",
            ));
        }
    };
    let asked: Vec<ConnectionId> = orphans.iter().map(|row| row.id.clone()).collect();
    let adopted = cx
        .app
        .connections
        .adopt(cx.workspace(), &parent, orphans, &cx.who())
        .await
        .map_err(refusals::connections)?;
    let mut shown = Vec::new();
    for row in &adopted {
        shown.push(connection_view(&cx, row).await?);
    }
    let left: Vec<&ConnectionId> = asked
        .iter()
        .filter(|id| !adopted.iter().any(|row| row.id == **id))
        .collect();
    Ok(ok(
        &json!({"id": parent.id, "name": parent.name, "adopted": shown, "left": left}),
    ))
}

/// `POST /runtime-connections/purge`: orphans go for good, and are revoked.
pub async fn purge(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        parent: Option<ConnectionId>,
    }
    let Body { parent } = call.json()?;
    if let Some(parent) = &parent
        && cx.reader.deleted_parent(parent).await?.is_none()
    {
        return Err(Problem::not_found("deleted connection"));
    }
    let purged = cx
        .app
        .connections
        .purge(cx.workspace(), parent.as_ref(), &cx.who())
        .await
        .map_err(refusals::connections)?;
    Ok(ok(&json!({
        "purged": purged.connections, "revoked": purged.revoked, "revoked_later": purged.later,
    })))
}

/// `DELETE /apps/{app}/clients/{name}`: only one that no connection was made with.
pub async fn delete_client(cx: Context, call: Call) -> Answer {
    let app: AppName = call.id("app")?;
    let name: Name = call.id("name")?;
    let clients = cx.reader.clients(Some(&app)).await?;
    let client = clients
        .into_iter()
        .find(|client| client.name == name)
        .ok_or_else(|| Problem::not_found("app client"))?;
    let commit = Commit {
        ops: vec![Op::DeleteClient {
            workspace: cx.workspace().clone(),
            client: client.id.clone(),
        }],
        audit: vec![cx.audit("app_client.deleted", "app_client", client.id.as_str())],
    };
    match cx.app.store.commit(commit).await {
        Ok(()) => Ok(ok(&json!({"app": app, "name": name, "deleted": true}))),
        Err(CommitError::Conflict { .. }) => Err(Problem::conflict(
            "client_in_use",
            format!(
                "connections were made with `{name}`: delete them first, and purge what people made under parents that are gone"
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /flows/{flow}`: no run of it may be living. Its versions stay for those who review what was done.
pub async fn delete_flow(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    let living = living(&cx, &flow.id).await?;
    if living > 0 {
        return Err(still_runs(flow.name.as_str(), living));
    }
    let mut freed = 0_usize;
    for row in cx.reader.personal_connections(None).await? {
        freed += usize::from(row.made_for.is_some_and(|(of, _)| of == flow.id));
    }
    let record = cx
        .audit("flow.deleted", "flow", flow.id.as_str())
        .in_flow(flow.name.as_str());
    let commit = Commit {
        ops: vec![Op::DeleteFlow {
            workspace: cx.workspace().clone(),
            flow: flow.id.clone(),
            by: cx.user.id.clone(),
            at: cx.now,
        }],
        audit: vec![record],
    };
    match cx.app.store.commit(commit).await {
        Ok(()) => Ok(ok(&json!({
            "flow": flow.name, "id": flow.id, "deleted": true, "orphans": freed,
        }))),
        // Somebody started a run, or deleted it, in between.
        Err(CommitError::Conflict { .. }) => Err(still_runs(flow.name.as_str(), 1)),
        Err(error) => Err(error.into()),
    }
}

async fn living(cx: &Context, flow: &actas_core::ids::FlowId) -> Result<usize, Problem> {
    let mut living = 0;
    for state in ["queued", "running", "waiting", "paused"] {
        let filter = RunFilter {
            flow: Some(flow.clone()),
            state: Some(state.to_owned()),
            children: true,
            ..RunFilter::default()
        };
        living += cx.reader.runs(&filter, 500, None).await?.items.len();
    }
    Ok(living)
}

fn still_runs(flow: &str, living: usize) -> Problem {
    Problem::conflict(
        "runs_living",
        format!(
            "{living} run(s) of `{flow}` have not ended: stop the flow, then cancel them or wait for them"
        ),
    )
    .with("runs", living)
}

/// `GET /runtime-connections/{connection}/where-used`
pub async fn personal_use(cx: Context, call: Call) -> Answer {
    let row = of_path(&cx, &call, ConnectionKind::Personal).await?;
    Ok(ok(&own_use(&cx, &row).await?))
}

/// Where a personal connection is used: the slots its person agreed to.
///
/// # Errors
/// If the database is away.
pub async fn own_use(cx: &Context, row: &ConnectionRow) -> Result<Value, Problem> {
    let shown = connection_view(cx, row).await?;
    let mut waiting = Vec::new();
    for sign_in in cx.reader.open_sign_ins(&row.owner).await? {
        if sign_in.connection.as_ref() == Some(&row.id) {
            waiting.push(sign_in.run);
        }
    }
    Ok(json!({
        "id": row.id, "account": row.account, "used_by": shown["used_by"], "waiting_runs": waiting,
        "owner": shown["owner"],
    }))
}

/// Whether a flow's last version can run: nothing it is bound to was deleted.
///
/// # Errors
/// 409 naming the slot.
pub async fn is_whole(cx: &Context, flow: &actas_store::FlowRow) -> Result<(), Problem> {
    let version = cx
        .reader
        .version_by_number(&flow.id, flow.last_version)
        .await?;
    let Some(version) = version else {
        return Ok(());
    };
    let bindings: actas_store::Bindings =
        serde_json::from_str(&version.bindings).unwrap_or_default();
    for (slot, binding) in &bindings.slots {
        let id = match binding {
            actas_store::Binding::Shared { connection, .. } => Some(connection),
            actas_store::Binding::Dynamic { parent, .. } => parent.as_ref(),
        };
        let Some(id) = id else { continue };
        if cx.reader.connection(id).await?.is_some() {
            continue;
        }
        let name = cx.reader.deleted_parent(id).await?.map(|left| left.name);
        let name = name.map_or_else(|| id.to_string(), |name| name.to_string());
        return Err(Problem::conflict(
            "connection_deleted",
            format!(
                "connection `{name}` of slot `{slot}` was deleted: publish `{}` with another one, then start it",
                flow.name
            ),
        ));
    }
    Ok(())
}
