//! One's own things: what is asked of me, my connections. No privilege is needed for what is one's own, and none gives what is another's.

use actas_core::ids::{ConnectionId, FlowName, SlotName};
use actas_store::{ConnectionRow, RequestKind, RequestRow, SignInRow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Privilege;
use crate::api::{ok, typed};
use crate::call::Call;
use crate::context::{Context, Via};
use crate::pages::link::{LinkTarget, What};
use crate::problem::Problem;
use crate::refusals;
use crate::requests;
use crate::routes::Answer;
use crate::standing;

/// `GET /me`
pub async fn show(cx: Context, _call: Call) -> Answer {
    let privileges: Vec<&str> = Privilege::ALL
        .into_iter()
        .filter(|privilege| cx.may(*privilege))
        .map(Privilege::as_str)
        .collect();
    let mut me = json!({
        "id": cx.user.id, "login": cx.user.login, "name": cx.user.name, "email": cx.user.email,
        "manager": cx.user.manager, "roles": cx.user.roles, "privileges": privileges,
        "workspace": &*cx.workspace_name(), "entry": cx.entry(),
    });
    if let (Via::Session { csrf, .. }, Some(members)) = (&cx.via, me.as_object_mut()) {
        members.insert("csrf".into(), json!(csrf));
    }
    Ok(ok(&me))
}

/// A sign-in as lists show it.
///
/// # Errors
/// If the database is away.
pub async fn request_view(cx: &Context, row: &SignInRow) -> Result<Value, Problem> {
    let flow = cx.reader.flow(&row.flow).await?;
    Ok(json!({
        "kind": "sign_in", "id": row.id, "run": row.run, "flow": flow.as_ref().map(|flow| &flow.name),
        "title": flow.and_then(|flow| flow.title), "slot": row.slot, "app": row.app, "reason": row.reason,
        "state": row.state.as_str(), "created_at": row.created_at, "until": row.until,
        "url": cx.app.origin.join(&format!("/connect/{}", row.id)),
    }))
}

/// An approval or a decision as lists show it.
async fn asked_view(cx: &Context, row: &RequestRow) -> Result<Value, Problem> {
    let flow = cx.reader.flow(&row.flow).await?;
    let detail = requests::detail(row);
    let mut shown = json!({
        "kind": row.kind.as_str(), "id": row.id, "run": row.run, "step": row.step,
        "flow": flow.as_ref().map(|flow| &flow.name), "title": flow.and_then(|flow| flow.title), "asks": row.title,
        "state": row.state.as_str(), "created_at": row.created_at, "until": row.until,
        "url": cx.app.origin.join(&crate::pages::approval::path_of(&row.id)),
    });
    let more: &[&str] = match row.kind {
        RequestKind::Approval => &["message", "form"],
        RequestKind::Decision => &["error", "attempt", "undo"],
    };
    for key in more {
        if let (Some(value), Some(members)) = (detail.get(*key), shown.as_object_mut()) {
            members.insert((*key).to_owned(), value.clone());
        }
    }
    Ok(shown)
}

/// `GET /me/requests`
pub async fn requests(cx: Context, _call: Call) -> Answer {
    let mut shown = Vec::new();
    for row in requests::sign_ins(&cx).await? {
        shown.push(request_view(&cx, &row).await?);
    }
    for row in requests::mine(&cx).await? {
        shown.push(asked_view(&cx, &row).await?);
    }
    Ok(ok(&json!({"requests": shown})))
}

/// A connection as lists show it: its account, never a secret.
///
/// # Errors
/// If the database is away.
pub async fn connection_view(cx: &Context, row: &ConnectionRow) -> Result<Value, Problem> {
    let mut used_by = Vec::new();
    for grant in cx.reader.grants_of(&row.id).await? {
        if let Some(flow) = cx.reader.flow(&grant.flow).await? {
            used_by.push(json!({"flow": flow.name, "slot": grant.slot, "agreed_at": grant.at}));
        }
    }
    let made_for = match &row.made_for {
        None => Value::Null,
        Some((flow, slot)) => {
            json!({"flow": cx.reader.flow(flow).await?.map(|flow| flow.name), "slot": slot})
        }
    };
    let client = cx.reader.client(&row.client).await?;
    let mut shown = json!({
        "id": row.id, "kind": row.kind.as_str(), "name": row.name, "app": row.app, "account": row.account,
        "owner": cx.login_of(&row.owner).await?, "state": row.state.as_str(), "sign_in": row.scheme.as_str(), "scopes": row.scopes,
        "client": client.map(|client| client.name), "made_for": made_for,
        "this_run_only": row.only_run, "used_by": used_by, "created_at": row.created_at,
        "last_used_at": row.last_used_at, "expires_at": row.expires_at,
    });
    standing::add(cx, row, &mut shown).await?;
    Ok(shown)
}

/// `GET /me/connections`
pub async fn connections(cx: Context, _call: Call) -> Answer {
    let mut shown = Vec::new();
    for row in cx.reader.personal_connections(Some(&cx.user.id)).await? {
        shown.push(connection_view(&cx, &row).await?);
    }
    Ok(ok(&json!({"connections": shown})))
}

/// `POST /me/connections`: for a flow's slot. Answers with the page that its person opens; nothing begins here, unless they give what is typed.
pub async fn connect(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        flow: FlowName,
        slot: SlotName,
        kind: Option<String>,
        fields: Option<Value>,
    }
    let body: Body = call.json()?;
    let given = typed::given(&cx, body.kind.as_deref(), body.fields)?;
    let flow = cx.reader.flow_by_name(&body.flow).await?;
    let flow = flow.ok_or_else(|| Problem::not_found("flow"))?;
    let target = LinkTarget::Slot(flow.id, body.slot);
    let (what, _) = crate::pages::link::what(&cx, &target).await?;
    if let (Some(given), What::New(target)) = (given, what) {
        return typed::connect(&cx, &target, given).await;
    }
    Ok(ok(&json!({"url": cx.app.origin.join(&target.path())})))
}

/// One's own connection of the path.
///
/// # Errors
/// 404, also for another person's.
pub async fn own_connection(cx: &Context, call: &Call) -> Result<ConnectionRow, Problem> {
    let id: ConnectionId = call.id("connection")?;
    let row = cx.reader.connection(&id).await?.filter(|row| {
        row.owner == cx.user.id && row.kind == actas_core::run::ConnectionKind::Personal
    });
    row.ok_or_else(|| Problem::not_found("connection"))
}

/// `POST /me/connections/{connection}/reconnect`
pub async fn reconnect(cx: Context, call: Call) -> Answer {
    nothing(&call)?;
    let row = own_connection(&cx, &call).await?;
    let target = LinkTarget::Again(row.id);
    Ok(ok(&json!({"url": cx.app.origin.join(&target.path())})))
}

/// `POST /me/connections/{connection}/disconnect`
pub async fn disconnect(cx: Context, call: Call) -> Answer {
    nothing(&call)?;
    let row = own_connection(&cx, &call).await?;
    let came = cx
        .app
        .connections
        .disconnect(cx.workspace(), &row.id, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    let row = own_connection(&cx, &call).await?;
    let mut shown = connection_view(&cx, &row).await?;
    shown["at_provider"] = json!(came.as_str());
    Ok(ok(&shown))
}

/// `DELETE /me/connections/{connection}`
pub async fn delete(cx: Context, call: Call) -> Answer {
    let row = own_connection(&cx, &call).await?;
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

/// A body without anything in it.
///
/// # Errors
/// 400 if there is something.
pub fn nothing(call: &Call) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = call.json()?;
    Ok(())
}
