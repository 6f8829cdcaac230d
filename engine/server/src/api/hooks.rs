//! Calls from other systems. Whoever calls is told one thing only: taken, or not. What was wrong with a call that is not taken stands in the
//! workspace's log; that it is taken is said when its run is durable.

use actas_connections::NotSigned;
use actas_core::audit::{Actor, Object};
use actas_core::flow::{Entry, Verify, Webhook};
use actas_core::ids::HookId;
use actas_core::webhook::{self, BadBody, LARGEST_BODY};
use actas_runner::{NewRun, Started};
use actas_store::{Commit, TriggerRow};
use axum::http::StatusCode;
use serde_json::json;

use crate::api::json as answer_json;
use crate::call::Call;
use crate::context::{Fill, Visitor, record};
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::start::inputs;

/// `POST /hooks/{hook}`
pub async fn receive(visitor: Visitor, call: Call) -> Answer {
    let hook = call.text("hook").to_owned();
    // Until the call is known to be signed it counts for whoever sent it: otherwise anybody could use up what the sender of a hook may send.
    // Hooks that do not exist count too, because how fast one may ask must not tell.
    let sender = visitor.ip.as_deref().unwrap_or_default();
    not_too_fast(&visitor, sender)?;
    if call.body.len() > LARGEST_BODY {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("body is larger than {LARGEST_BODY} bytes"),
        ));
    }
    let Some((trigger, webhook)) = known(&visitor, &hook).await? else {
        return Err(not_taken());
    };
    let headers = headers(&call);
    let delivered = webhook::Call {
        headers: &headers,
        body: &call.body,
    };
    if let Verify::HmacSha256(hmac) = &webhook.verify {
        let signed = visitor
            .app
            .connections
            .webhook_signed(&trigger.workspace, &webhook, hmac, &delivered, visitor.now)
            .await;
        match signed {
            Ok(()) => {}
            Err(NotSigned::Refused(why)) => {
                note(&visitor, &trigger, why.code()).await;
                return Err(not_taken());
            }
            Err(NotSigned::Read(error)) => return Err(error.into()),
        }
    }
    not_too_fast(&visitor, &hook)?;
    let started = take(&visitor, &trigger, &webhook, &delivered).await?;
    let status = if started.repeated {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok(answer_json(
        status,
        &json!({"run": started.run, "repeated": started.repeated}),
    ))
}

fn not_too_fast(visitor: &Visitor, who: &str) -> Result<(), Problem> {
    let taken = visitor.app.by_hook.take(who, visitor.now);
    taken.map_err(Problem::too_many)
}

/// The webhook of a hook, of whatever workspace: the row says which.
async fn known(visitor: &Visitor, hook: &str) -> Result<Option<(TriggerRow, Webhook)>, Problem> {
    let Ok(hook) = hook.parse::<HookId>() else {
        return Ok(None);
    };
    let row = visitor.app.store.trigger_of_hook(&hook).await?;
    let Some(row) = row else { return Ok(None) };
    let webhook = serde_json::from_str(&row.spec).map_err(Problem::internal)?;
    Ok(Some((row, webhook)))
}

/// A call whose sender is known becomes a run, or is found to have become one before.
async fn take(
    visitor: &Visitor,
    trigger: &TriggerRow,
    webhook: &Webhook,
    delivered: &webhook::Call<'_>,
) -> Result<Started, Problem> {
    let app = &visitor.app;
    let reader = app.store.reader(&trigger.workspace);
    let flow = reader.flow(&trigger.flow).await?.ok_or_else(not_taken)?;
    if flow.stopped.is_some() {
        return Err(Problem::unavailable(
            "nothing is taken here just now: send it again later",
        ));
    }
    let key = webhook::delivery_key(webhook, delivered)
        .map_err(|why| Problem::bad(why.code(), why.to_string()))?;
    let version = app
        .runner
        .version(&trigger.workspace, &trigger.version)
        .await
        .map_err(refusals::load)?;
    let declared = version.plan.flow.inputs.keys().map(String::as_str);
    let given = webhook::inputs(webhook, delivered, declared).map_err(|bad| {
        let status = match bad {
            BadBody::Malformed(_) => StatusCode::BAD_REQUEST,
            BadBody::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        Problem::new(status, bad.code(), bad.to_string())
    })?;
    let inputs = inputs(&app.versions.inputs(&version), given)?;
    let new = NewRun {
        workspace: trigger.workspace.clone(),
        version: trigger.version.clone(),
        invoker: None,
        actor: Actor::Trigger,
        entry: Entry::Webhook,
        inputs,
        // A delivery is known by its id alone: its sender may say it otherwise the second time.
        idempotency: key.map(|key| (format!("hook:{key}"), "delivery".to_owned())),
        ip: visitor.ip.clone(),
        agent: visitor.agent.clone(),
    };
    let started = app.runner.create(new).await.map_err(refusals::create)?;
    app.runner
        .durable(&started.run)
        .await
        .map_err(refusals::create)?;
    Ok(started)
}

fn headers(call: &Call) -> Vec<(String, Vec<u8>)> {
    call.headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// The one answer for a hook that does not exist and for a call that was not signed for it.
fn not_taken() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "not_taken",
        "this call is not taken: check the address, the secret and the clock",
    )
}

/// Notes a refusal for the workspace: now and then, so that a flood does not fill the audit log.
async fn note(visitor: &Visitor, trigger: &TriggerRow, why: &str) {
    tracing::info!(flow = %trigger.flow, code = why, "a call of a webhook is refused");
    let app = &visitor.app;
    if app.noted.take(trigger.flow.as_str(), visitor.now).is_err() {
        return;
    }
    let flow = app
        .store
        .reader(&trigger.workspace)
        .flow(&trigger.flow)
        .await;
    let name = match &flow {
        Ok(Some(flow)) => flow.name.as_str(),
        _ => "",
    };
    let object = Object {
        kind: "flow".into(),
        id: trigger.flow.to_string(),
        version: None,
    };
    let draft = record(
        &trigger.workspace,
        visitor.now,
        Actor::Anonymous,
        Entry::Webhook.as_str(),
        "webhook.refused",
        object,
    )
    .of_peer(visitor.ip.as_deref(), visitor.agent.as_deref())
    .in_flow(name)
    .refused(why);
    let commit = Commit {
        ops: Vec::new(),
        audit: app.strangers.records(draft, visitor.now),
    };
    if let Err(error) = app.store.commit(commit).await {
        tracing::warn!("a refused call is not noted: {error}");
    }
}
