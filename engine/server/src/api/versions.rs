//! Versions over HTTP: publish, list, show, export.

use actas_core::flow::Flow;
use actas_store::{DraftRow, FlowRow, VersionRow};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::drafts::{draft_of, revision_of};
use crate::api::flows::text_of;
use crate::api::{flow_of, json as answer, ok};
use crate::call::Call;
use crate::context::Context;
use crate::difference::difference;
use crate::drafts;
use crate::export::yaml as export_yaml;
use crate::problem::Problem;
use crate::publish;
use crate::refusals;
use crate::routes::Answer;

/// `POST /flows/{flow}/versions`: publishes the draft of `If-Match`; `?dry_run=true` only says what that would do.
pub async fn publish(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        #[serde(default)]
        dry_run: bool,
    }
    let Query { dry_run } = call.query()?;
    let (flow, draft) = draft_of(&cx, &call).await?;
    check_sent(&cx, &call, &draft)?;
    match call.header(header::IF_MATCH) {
        Some(tag) if revision_of(tag)? == draft.revision => {}
        Some(_) => {
            return Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "draft_changed",
                format!(
                    "the draft is at revision {}: look at it, then publish that",
                    draft.revision
                ),
            )
            .with("revision", draft.revision));
        }
        None if dry_run => {}
        None => {
            return Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "if_match_needed",
                "say which draft is published: send its ETag as If-Match",
            ));
        }
    }
    let published = publish::publish(&cx, &flow, &draft, dry_run)
        .await
        .map_err(refusals::publish)?;
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(answer(status, &json!(published)))
}

/// What is published is the saved draft. A flow may be sent along; it must be that draft, so that nobody publishes what they did not mean.
fn check_sent(cx: &Context, call: &Call, draft: &DraftRow) -> Result<(), Problem> {
    let text = text_of(call)?;
    if matches!(text.trim(), "" | "{}") {
        return Ok(());
    }
    let apps = &cx.app.apps;
    let (sent, _) = drafts::check(&text, apps).map_err(refusals::draft)?;
    let (saved, _) = drafts::check(&draft.text, apps).map_err(refusals::draft)?;
    if sent.flow == saved.flow {
        return Ok(());
    }
    Err(Problem::conflict(
        "draft_differs",
        "the flow that was sent is not the saved draft: save it as the draft, then publish with its ETag",
    ))
}

/// `GET /flows/{flow}/versions`
pub async fn list(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    let mut shown = Vec::new();
    for row in cx.reader.versions(&flow.id).await? {
        shown.push(json!({
            "version": row.number,
            "digest": row.digest,
            "published_by": cx.login_of(&row.created_by).await?,
            "published_at": row.created_at,
        }));
    }
    Ok(ok(&json!({"flow": flow.name, "versions": shown})))
}

async fn version_of(cx: &Context, call: &Call) -> Result<VersionRow, Problem> {
    let flow = flow_of(cx, call).await?;
    let number = call.text("number").parse::<u32>();
    numbered(cx, &flow, number.unwrap_or(0)).await
}

/// A flow's version of this number.
async fn numbered(cx: &Context, flow: &FlowRow, number: u32) -> Result<VersionRow, Problem> {
    let row = match number {
        0 => None,
        number => cx.reader.version_by_number(&flow.id, number).await?,
    };
    row.ok_or_else(|| Problem::not_found("version"))
}

/// `GET /flows/{flow}/difference?from=1&to=2`: of the last version from the one before it, if neither is said.
pub async fn differ(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        from: Option<u32>,
        to: Option<u32>,
    }
    let query: Query = call.query()?;
    let flow = flow_of(&cx, &call).await?;
    let to = query.to.unwrap_or(flow.last_version);
    let from = query.from.unwrap_or(to.saturating_sub(1));
    let read = |row: &VersionRow| -> Result<Flow, Problem> {
        serde_json::from_str(&row.document).map_err(Problem::internal)
    };
    let new = read(&numbered(&cx, &flow, to).await?)?;
    let old = match from {
        // Before the first version there was nothing.
        0 if query.from.is_none() => None,
        from => Some(read(&numbered(&cx, &flow, from).await?)?),
    };
    Ok(ok(&json!({
        "flow": flow.name, "from": from, "to": to, "difference": difference(old.as_ref(), &new),
    })))
}

/// `POST /flows/{flow}/rollback`
pub async fn roll_back(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        version: u32,
        #[serde(default)]
        dry_run: bool,
    }
    let body: Body = call.json()?;
    let flow = flow_of(&cx, &call).await?;
    let old = numbered(&cx, &flow, body.version).await?;
    let published = publish::roll_back(&cx, &flow, &old, body.dry_run)
        .await
        .map_err(refusals::publish)?;
    let status = if body.dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(answer(status, &json!(published)))
}

/// `GET /flows/{flow}/versions/{number}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let row = version_of(&cx, &call).await?;
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    Ok(ok(&json!({
        "flow": call.text("flow"),
        "version": row.number,
        "id": row.id,
        "digest": row.digest,
        "document": parsed(&row.document),
        "bindings": parsed(&row.bindings),
        "manifests": parsed(&row.manifests),
        "level": row.level,
        "published_by": cx.login_of(&row.created_by).await?,
        "published_at": row.created_at,
    })))
}

/// `GET /flows/{flow}/versions/{number}/export`: a file that validates: YAML, or with `Accept: application/json` the canonical document.
pub async fn export(cx: Context, call: Call) -> Answer {
    let row = version_of(&cx, &call).await?;
    let wants_json = call
        .header(header::ACCEPT)
        .is_some_and(|accept| accept.contains("application/json"));
    let (text, kind) = if wants_json {
        (row.document, "application/json")
    } else {
        let flow: Flow = serde_json::from_str(&row.document).map_err(Problem::internal)?;
        (export_yaml(&flow), "application/yaml")
    };
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let name = format!(
        "attachment; filename=\"{}-{}\"",
        call.text("flow"),
        row.number
    );
    if let Ok(value) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
