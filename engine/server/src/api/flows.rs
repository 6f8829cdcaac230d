//! Flows: lists, their state, who may run them, which accounts they need, and checking a text. Drafts and versions stand in files of their own.

use actas_connections::Resolution;
use actas_core::diagnostic::Diagnostic;
use actas_core::flow::parse;
use actas_store::{Commit, FlowRow, Op};
use axum::http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Privilege, ROLES, on_run_list};
use crate::accounts;
use crate::api::lifecycle::is_whole;
use crate::api::{flow_of, grants, ok};
use crate::call::Call;
use crate::context::{Context, Fill};
use crate::drafts;
use crate::pages::accounts::ahead_of;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::standing::Ahead;
use crate::triggers;

/// A flow as lists show it.
pub fn view(cx: &Context, flow: &FlowRow) -> Value {
    json!({
        "flow": flow.name,
        "id": flow.id,
        "title": flow.title,
        "version": (flow.last_version > 0).then_some(flow.last_version),
        "state": state(flow),
        "stopped": flow.stopped,
        "may_run": flow.last_version > 0 && cx.may(Privilege::FlowsRun) && on_run_list(&cx.user, &flow.runners),
        "created_at": flow.created_at,
    })
}

fn state(flow: &FlowRow) -> &'static str {
    match (&flow.stopped, flow.last_version) {
        (Some(_), _) => "stopped",
        (None, 0) => "draft",
        (None, _) => "published",
    }
}

/// `GET /flows`
pub async fn list(cx: Context, _call: Call) -> Answer {
    let all = cx.may(Privilege::FlowsView);
    let flows: Vec<Value> = cx
        .reader
        .flows()
        .await?
        .iter()
        .filter(|flow| all || flow.last_version > 0 && on_run_list(&cx.user, &flow.runners))
        .map(|flow| view(&cx, flow))
        .collect();
    Ok(ok(&json!({"flows": flows})))
}

/// `GET /flows/{flow}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    let mut shown = view(&cx, &flow);
    if let (Some(version), Some(members)) = (
        cx.reader
            .version_by_number(&flow.id, flow.last_version)
            .await?,
        shown.as_object_mut(),
    ) {
        let document: Value = serde_json::from_str(&version.document).unwrap_or_default();
        members.insert("digest".into(), json!(version.digest));
        members.insert("description".into(), document["description"].clone());
        members.insert("inputs".into(), document["inputs"].clone());
    }
    shown["trigger"] = triggers::of_flow(&cx, &flow).await?;
    Ok(ok(&shown))
}

/// `POST /validate`: the text of a flow as the body, or `{"text": …}`.
pub async fn validate(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        text: String,
    }
    let kind = call.header(header::CONTENT_TYPE).unwrap_or_default();
    let text = if kind.starts_with("application/json") {
        call.json::<Body>()?.text
    } else {
        text_of(&call)?
    };
    let apps = drafts::apps(&cx).await?;
    let parsed = parse(&text, &apps);
    let errors = parsed.diagnostics.iter().any(Diagnostic::is_error);
    Ok(ok(
        &json!({"valid": !errors, "diagnostics": parsed.diagnostics}),
    ))
}

/// The body as text.
///
/// # Errors
/// 400 if it is not UTF-8.
pub fn text_of(call: &Call) -> Result<String, Problem> {
    String::from_utf8(call.body.to_vec())
        .map_err(|_| Problem::bad("not_utf8", "the text is not UTF-8: save it as UTF-8"))
}

/// `GET /flows/{flow}/accounts`
pub async fn accounts(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    let mut accounts: Vec<Value> = Vec::new();
    for need in accounts::needed(&cx, &flow).await? {
        let (state, reason, bound) = match &need.resolution {
            Resolution::Bound(bound) => ("connected", None, Some(bound)),
            Resolution::Ask { reason, .. } => ("needed", Some(*reason), None),
        };
        let mut shown = json!({
            "flow": need.flow, "slot": need.slot, "app": need.app, "dynamic": need.dynamic, "may_be_needed": need.may_be_needed,
            "scopes": need.scopes, "why": need.why, "state": state, "reason": reason,
            "account": bound.map(|bound| &bound.account), "rule": bound.map(|bound| bound.rule),
            "steps": need.steps, "up_front": need.up_front, "this_run_only": need.this_run_only,
            "connect": need.ahead().then(|| cx.app.origin.join(&ahead_of(&flow))),
        });
        if let Some(bound) = bound
            && let Some(row) = cx.reader.connection(&bound.connection).await?
        {
            let ahead = Ahead::of(&cx, &row).await?;
            shown["expires_at"] = json!(ahead.expires_at);
            shown["renews"] = json!(ahead.renews);
            shown["expiring"] = json!(ahead.expiring);
            shown["unused"] = json!(ahead.unused);
            if need.dynamic {
                shown["connection"] = json!(row.id);
                shown["choices"] = json!(grants::choices(&cx, &need.flow, &need.slot).await?);
            }
        }
        accounts.push(shown);
    }
    Ok(ok(
        &json!({"flow": flow.name, "version": flow.last_version, "accounts": accounts,
            "connect": cx.app.origin.join(&ahead_of(&flow))}),
    ))
}

/// `POST /flows/{flow}/sign-ins`: the page at which the caller connects all accounts of the flow ahead of a run; nothing begins here.
pub async fn sign_ins(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = call.json()?;
    let flow = flow_of(&cx, &call).await?;
    let needed = accounts::needed(&cx, &flow).await?;
    let own = needed.iter().filter(|need| need.ahead());
    let missing = own.filter(|need| !need.is_there());
    let missing: Vec<Value> = missing
        .map(|need| json!({"flow": need.flow, "slot": need.slot, "app": need.app, "may_be_needed": need.may_be_needed}))
        .collect();
    Ok(ok(
        &json!({"flow": flow.name, "url": cx.app.origin.join(&ahead_of(&flow)), "missing": missing}),
    ))
}

/// `GET /flows/{flow}/runners`
pub async fn runners(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    Ok(ok(&json!({"flow": flow.name, "runners": flow.runners})))
}

/// `PUT /flows/{flow}/runners`: logins, `role:NAME`, or `everyone`.
pub async fn set_runners(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        runners: Vec<String>,
    }
    let mut flow = flow_of(&cx, &call).await?;
    let mut runners = call.json::<Body>()?.runners;
    runners.sort();
    runners.dedup();
    let own = cx.reader.roles().await?;
    for entry in &runners {
        let known = match entry.strip_prefix("role:") {
            Some(role) => ROLES.contains(&role) || own.iter().any(|row| row.name.as_str() == role),
            None => entry == "everyone" || cx.reader.user_by_login(entry).await?.is_some(),
        };
        if !known {
            return Err(Problem::invalid(
                "unknown_runner",
                format!("`{entry}` is no login, no `role:NAME` and not `everyone`"),
            ));
        }
    }
    let record = cx
        .audit("flow.runners_changed", "flow", flow.id.as_str())
        .in_flow(flow.name.as_str());
    flow.runners.clone_from(&runners);
    change(&cx, flow.clone(), record).await?;
    Ok(ok(&json!({"flow": flow.name, "runners": runners})))
}

/// `POST /flows/{flow}/stop`
pub async fn stop(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        reason: Option<String>,
    }
    let reason = call.json::<Body>()?.reason;
    let reason = reason.map(|text| text.chars().take(500).collect());
    let mut flow = flow_of(&cx, &call).await?;
    flow.stopped = Some(reason.unwrap_or_else(|| format!("stopped by {}", cx.user.login)));
    let record = cx
        .audit("flow.stopped", "flow", flow.id.as_str())
        .in_flow(flow.name.as_str());
    change(&cx, flow.clone(), record).await?;
    Ok(ok(&view(&cx, &flow)))
}

/// `POST /flows/{flow}/start`
pub async fn start(cx: Context, call: Call) -> Answer {
    let mut flow = flow_of(&cx, &call).await?;
    is_whole(&cx, &flow).await?;
    flow.stopped = None;
    let record = cx
        .audit("flow.started", "flow", flow.id.as_str())
        .in_flow(flow.name.as_str());
    change(&cx, flow.clone(), record).await?;
    Ok(ok(&view(&cx, &flow)))
}

async fn change(
    cx: &Context,
    flow: FlowRow,
    record: actas_core::audit::Draft,
) -> Result<(), Problem> {
    let commit = Commit {
        ops: vec![Op::ChangeFlow {
            workspace: cx.workspace().clone(),
            flow,
        }],
        audit: vec![record],
    };
    Ok(cx.app.store.commit(commit).await?)
}
