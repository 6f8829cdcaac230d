//! What the workspace has decided for everybody in it. What a change leaves out stays as it is.

use actas_core::policies::Policies;
use actas_store::{Commit, Op, PoliciesRow};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api::drafts::revision_of;
use crate::api::ok;
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;

async fn view(cx: &Context, row: &PoliciesRow) -> Result<Value, Problem> {
    let by = match &row.updated_by {
        Some(user) => Some(cx.login_of(user).await?),
        None => None,
    };
    Ok(json!({
        "policies": row.policies, "revision": row.revision, "updated_by": by,
        "updated_at": (row.revision > 0).then_some(row.updated_at),
    }))
}

/// `GET /policies`
pub async fn show(cx: Context, _call: Call) -> Answer {
    let row = cx.reader.policies().await?;
    Ok(ok(&view(&cx, &row).await?))
}

/// `PUT /policies`: the fields that are sent, at any depth; with `If-Match`, only if nobody changed them since.
pub async fn change(cx: Context, call: Call) -> Answer {
    let sent: Map<String, Value> = call.json()?;
    let before = cx.reader.policies().await?;
    if let Some(tag) = call.header(axum::http::header::IF_MATCH)
        && revision_of(tag)? != before.revision
    {
        return Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "policies_changed",
            format!(
                "the policies are at revision {}: read them again, then repeat the change",
                before.revision
            ),
        ));
    }
    let mut whole = json!(before.policies);
    merge(&mut whole, &Value::Object(sent));
    let policies: Policies = serde_json::from_value(whole).map_err(|error| {
        Problem::bad("bad_body", format!("policies are not understood: {error}"))
    })?;
    let faults = policies.faults();
    if !faults.is_empty() {
        return Err(Problem::invalid("bad_policy", faults.join("; ")).with("faults", faults));
    }
    let changed = difference(&json!(before.policies), &json!(policies));
    if changed.is_empty() {
        return Ok(ok(&view(&cx, &before).await?));
    }
    let mut record = cx.audit("policies.changed", "policies", cx.workspace().as_str());
    record.reason = Some(changed.join(", "));
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::PutPolicies {
            workspace: cx.workspace().clone(),
            policies,
            expect: before.revision,
            by: cx.user.id.clone(),
            at: cx.now,
        }],
    };
    cx.app.store.commit(commit).await?;
    let after = cx.reader.policies().await?;
    Ok(ok(&view(&cx, &after).await?))
}

/// Puts what is new over what stands; objects are gone into, everything else is replaced.
fn merge(into: &mut Value, new: &Value) {
    match (into, new) {
        (Value::Object(into), Value::Object(new)) => {
            for (key, value) in new {
                match into.get_mut(key) {
                    Some(stands) => merge(stands, value),
                    None => {
                        into.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (into, new) => *into = new.clone(),
    }
}

/// `name=value` of every field that is another now, for the audit log.
fn difference(before: &Value, after: &Value) -> Vec<String> {
    let mut changed = Vec::new();
    let empty = Map::new();
    let (old, new) = (
        before.as_object().unwrap_or(&empty),
        after.as_object().unwrap_or(&empty),
    );
    for (name, value) in new {
        match (old.get(name), value) {
            (Some(stands), value) if stands == value => {}
            (Some(stands @ Value::Object(_)), Value::Object(_)) => changed.extend(
                difference(stands, value)
                    .into_iter()
                    .map(|inner| format!("{name}.{inner}")),
            ),
            _ => changed.push(format!("{name}={value}")),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_leaves_out_stays_and_the_record_names_what_is_new() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d": true}});
        let mut after = before.clone();
        merge(&mut after, &json!({"b": {"c": []}, "a": 1}));
        assert_eq!(after, json!({"a": 1, "b": {"c": [], "d": true}}));
        assert_eq!(difference(&before, &after), ["b.c=[]"]);
        assert!(difference(&before, &before).is_empty());
    }
}
