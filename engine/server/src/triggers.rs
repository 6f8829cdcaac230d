//! What starts a flow by itself: set when a version is published, shown with the flow. The clock is the runner's, the calls come in at
//! [`crate::api::hooks`].

use std::time::Duration;

use actas_core::audit::Draft;
use actas_core::flow::{Schedule, Trigger, Verify, Webhook};
use actas_core::ids::{HookId, Name};
use actas_core::schedule::Spec;
use actas_core::yaml::format_duration;
use actas_store::{FlowRow, Op, TriggerKind, TriggerRow, VersionRow, system};
use serde_json::{Value, json};

use crate::access::Privilege;
use crate::context::{Context, Fill};
use crate::problem::Problem;
use crate::publish::PublishError;

/// How many of its next times a schedule shows.
const SHOWN: usize = 5;

/// What publishing a version changes in what starts its flow.
#[derive(Debug, Default)]
pub struct Starts {
    /// The writes, for the commit of the version.
    pub ops: Vec<Op>,
    /// And their audit records.
    pub audit: Vec<Draft>,
    /// What the publisher is shown.
    pub shown: Value,
}

/// What starts the flow once this version is published, in the place of what did: the same hook as long as it is a webhook, and a slot that
/// has come is not lost as long as the schedule is the same.
///
/// # Errors
/// If a secret it names is not there, or the store is away.
pub async fn starts(
    cx: &Context,
    flow: &FlowRow,
    version: &VersionRow,
    trigger: &Trigger,
) -> Result<Starts, PublishError> {
    let before = cx.reader.trigger(&flow.id).await?;
    let mut row = TriggerRow {
        flow: flow.id.clone(),
        workspace: cx.workspace().clone(),
        version: version.id.clone(),
        kind: TriggerKind::Schedule,
        hook: None,
        spec: String::new(),
        next_at: None,
        last_at: before.as_ref().and_then(|row| row.last_at),
    };
    let mut starts = Starts::default();
    match trigger {
        Trigger::OnDemand { .. } => {
            if before.is_some() {
                starts.ops.push(Op::DropTrigger {
                    workspace: row.workspace,
                    flow: row.flow,
                });
            }
            return Ok(starts);
        }
        Trigger::Schedule(schedule) => {
            row.spec = json!(schedule).to_string();
            let same = before.filter(|before| before.spec == row.spec);
            row.next_at = match same.and_then(|before| before.next_at) {
                Some(next) => Some(next),
                None => {
                    let now = cx.app.store.now().await?;
                    Spec::read(schedule)
                        .ok()
                        .and_then(|spec| spec.next_after(now))
                }
            };
        }
        Trigger::Webhook(webhook) => {
            row.kind = TriggerKind::Webhook;
            row.spec = json!(webhook).to_string();
            let hook = before.and_then(|before| before.hook);
            row.hook = Some(hook.unwrap_or_else(new_hook));
            match &webhook.verify {
                Verify::HmacSha256(hmac) => named(cx, &hmac.secret).await?,
                Verify::None => starts.audit.push(
                    cx.audit("webhook.unverified", "version", version.id.as_str())
                        .in_flow(flow.name.as_str()),
                ),
            }
        }
    }
    starts.shown = view(cx, flow, &row, true);
    starts.ops.push(Op::PutTrigger(row));
    Ok(starts)
}

/// A hook is the only thing that a sender without a secret has to know: all of it is random.
fn new_hook() -> HookId {
    HookId::from_bits(u128::from_be_bytes(system::random()))
}

async fn named(cx: &Context, secrets: &[Name]) -> Result<(), PublishError> {
    let mut missing = Vec::new();
    for name in secrets {
        if cx.reader.named_secret(name).await?.is_none() {
            missing.push(name.clone());
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PublishError::NoSecret(missing))
    }
}

/// A trigger as people write it.
pub fn written(trigger: &Trigger) -> Value {
    let mut value = json!(trigger);
    let timestamp = value.pointer_mut("/webhook/verify/hmac_sha256/timestamp");
    if let Some(members) = timestamp.and_then(Value::as_object_mut)
        && let Some(millis) = members.remove("tolerance_ms").and_then(|ms| ms.as_u64())
    {
        let text = format_duration(Duration::from_millis(millis));
        members.insert("tolerance".into(), text.into());
    }
    value
}

/// What starts a flow by itself, as its page and the command line show it; null if nothing does.
///
/// # Errors
/// If the store is away.
pub async fn of_flow(cx: &Context, flow: &FlowRow) -> Result<Value, Problem> {
    let row = cx.reader.trigger(&flow.id).await?;
    Ok(row.map_or(Value::Null, |row| {
        view(cx, flow, &row, cx.may(Privilege::FlowsView))
    }))
}

/// Whoever may only run a flow does not see where it is called: that address may be all that a caller needs.
fn view(cx: &Context, flow: &FlowRow, row: &TriggerRow, whole: bool) -> Value {
    match row.kind {
        TriggerKind::Schedule => {
            let Ok(schedule) = serde_json::from_str::<Schedule>(&row.spec) else {
                return Value::Null;
            };
            let next = match (Spec::read(&schedule), &flow.stopped) {
                (Ok(spec), None) => spec.upcoming(cx.now, SHOWN),
                _ => Vec::new(),
            };
            json!({
                "schedule": schedule, "next": next, "last": row.last_at,
            })
        }
        TriggerKind::Webhook => {
            let Ok(webhook) = serde_json::from_str::<Webhook>(&row.spec) else {
                return Value::Null;
            };
            let hook = row.hook.as_ref().filter(|_| whole);
            json!({
                "webhook": webhook,
                "address": hook.map(|hook| cx.app.origin.join(&format!("/hooks/{hook}"))),
            })
        }
    }
}
