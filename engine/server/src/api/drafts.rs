//! Drafts over HTTP: read, save, try.

use actas_core::flow::{Entry, Inputs};
use actas_core::ids::FlowName;
use actas_store::{Commit, DraftRow};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::flows::text_of;
use crate::api::{flow_of, json as answer};
use crate::call::Call;
use crate::context::{Context, Fill};
use crate::drafts::{Expect, save as save_draft};
use crate::problem::Problem;
use crate::publish::freeze;
use crate::refusals;
use crate::routes::Answer;
use crate::start;

/// The tag of a revision.
pub fn etag(revision: u32) -> String {
    format!("\"{revision}\"")
}

/// The revision a header names.
///
/// # Errors
/// 400 if it is not one of ours.
pub fn revision_of(tag: &str) -> Result<u32, Problem> {
    tag.trim()
        .trim_matches('"')
        .parse()
        .map_err(|_| Problem::bad("bad_etag", format!("`{tag}` is not the ETag of a draft")))
}

fn tagged(mut response: Response, revision: u32) -> Response {
    if let Ok(value) = HeaderValue::from_str(&etag(revision)) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// The draft of the path's flow.
///
/// # Errors
/// 404.
pub async fn draft_of(
    cx: &Context,
    call: &Call,
) -> Result<(actas_store::FlowRow, DraftRow), Problem> {
    let flow = flow_of(cx, call).await?;
    let draft = cx
        .reader
        .draft(&flow.id)
        .await?
        .ok_or_else(|| Problem::not_found("draft"))?;
    Ok((flow, draft))
}

/// `GET /flows/{flow}/draft`: YAML; JSON with `Accept: application/json`, then with one's own build-time values beside it.
pub async fn show(cx: Context, call: Call) -> Answer {
    let (flow, draft) = draft_of(&cx, &call).await?;
    let wants_json = call
        .header(header::ACCEPT)
        .is_some_and(|accept| accept.contains("application/json"));
    if !wants_json {
        let mut response = Response::new(draft.text.into());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/yaml"),
        );
        return Ok(tagged(response, draft.revision));
    }
    let own = cx.reader.build_values(&flow.id, &cx.user.id).await?;
    let build_time: serde_json::Map<String, Value> = own
        .into_iter()
        .map(|row| (row.slot.to_string(), row.written.into()))
        .collect();
    let body = json!({
        "flow": flow.name,
        "revision": draft.revision,
        "text": draft.text,
        "build_time": build_time,
        "updated_by": cx.login_of(&draft.updated_by).await?,
        "updated_at": draft.updated_at,
    });
    Ok(tagged(answer(StatusCode::OK, &body), draft.revision))
}

/// `PUT /flows/{flow}/draft`: the flow's text, YAML or JSON. `If-Match` saves only over that revision, `If-None-Match: *` only the first.
pub async fn save(cx: Context, call: Call) -> Answer {
    let name: FlowName = call
        .text("flow")
        .parse()
        .map_err(|error| Problem::bad("bad_name", actas_core::ids::BadName::to_string(&error)))?;
    let expect = match (
        call.header(header::IF_MATCH),
        call.header(header::IF_NONE_MATCH),
    ) {
        (Some("*") | None, None) => Expect::Anything,
        (Some(tag), None) => Expect::Revision(revision_of(tag)?),
        (None, Some("*")) => Expect::Nothing,
        _ => {
            return Err(Problem::bad(
                "bad_condition",
                "send If-Match with an ETag, or If-None-Match: *",
            ));
        }
    };
    let saved = save_draft(&cx, &name, &text_of(&call)?, expect)
        .await
        .map_err(refusals::draft)?;
    let slots: Vec<_> = saved.build_time.iter().map(|row| &row.slot).collect();
    let status = if saved.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = json!({
        "flow": saved.flow.name,
        "revision": saved.draft.revision,
        "build_time": slots,
        "diagnostics": saved.diagnostics,
    });
    Ok(tagged(answer(status, &body), saved.draft.revision))
}

/// `POST /flows/{flow}/draft/runs`: the draft as it stands is frozen as a snapshot and run for its author.
pub async fn run(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        inputs: serde_json::Map<String, Value>,
    }
    let body: Body = call.json()?;
    let (flow, draft) = draft_of(&cx, &call).await?;
    // With a build-time value no page asks before the caller's account acts, so the text must be one they have answered for.
    if draft.updated_by != cx.user.id
        && !cx
            .reader
            .build_values(&flow.id, &cx.user.id)
            .await?
            .is_empty()
    {
        let author = cx.login_of(&draft.updated_by).await?;
        return Err(Problem::conflict(
            "draft_of_another",
            format!(
                "`{author}` changed this draft, and it would act with your own account: look at it, save it, then run it"
            ),
        ));
    }
    let frozen = freeze(&cx, &flow, &draft, 0)
        .await
        .map_err(refusals::publish)?;
    let inputs = start::inputs(&Inputs::of(&frozen.plan.flow), body.inputs)?;
    let mut record = cx
        .audit("draft.frozen", "version", frozen.row.id.as_str())
        .in_flow(flow.name.as_str());
    record.object.version = Some(frozen.row.digest.clone());
    let commit = Commit {
        ops: frozen.ops(cx.workspace()),
        audit: vec![record],
    };
    cx.app.store.commit(commit).await?;
    let started = start::create(&cx, &frozen.row.id, Entry::Build, inputs, None).await?;
    start::answer(&cx, &started, call.wait_seconds()).await
}
