//! The audit log over HTTP: filtered lists and the walk along the chain.

use actas_core::Time;
use actas_core::audit::{Verifier, view};
use actas_core::ids::{ConnectionId, RunId, UserId};
use actas_store::read::AuditFilter;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{limit_of, ok};
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;

/// How many records are read at once while verifying.
const BATCH: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    person: Option<String>,
    flow: Option<String>,
    run: Option<RunId>,
    connection: Option<ConnectionId>,
    account: Option<String>,
    record: Option<String>,
    action: Option<String>,
    entry: Option<String>,
    outcome: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /audit`
pub async fn list(cx: Context, call: Call) -> Answer {
    let query: Query = call.query()?;
    let person = match &query.person {
        None => None,
        Some(name) => match person_of(&cx, name).await? {
            Some(person) => Some(person),
            None => return Ok(ok(&json!({"records": [], "next": null}))),
        },
    };
    let filter = AuditFilter {
        person,
        flow: query.flow,
        run: query.run,
        connection: query.connection,
        account: query.account,
        record: query.record,
        action: query.action,
        entry: query.entry,
        outcome: query.outcome,
        since: query.since,
        until: query.until,
    };
    let page = cx
        .reader
        .audit(&filter, limit_of(query.limit), query.cursor.as_deref())
        .await?;
    let records: Vec<Value> = page
        .items
        .iter()
        .map(|entry| view(&entry.record, &entry.personal))
        .collect();
    Ok(ok(&json!({"records": records, "next": page.next})))
}

/// `GET /audit/{seq}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let missing = || Problem::not_found("audit record");
    let seq: i64 = call.text("seq").parse().map_err(|_| missing())?;
    let found = cx.reader.audit_from(seq, 1).await?.into_iter().next();
    match found.filter(|entry| i64::try_from(entry.record.seq) == Ok(seq)) {
        Some(entry) => Ok(ok(&view(&entry.record, &entry.personal))),
        None => Err(missing()),
    }
}

/// A person by login or by id: who is gone has only the id.
async fn person_of(cx: &Context, name: &str) -> Result<Option<UserId>, Problem> {
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    Ok(cx.reader.user_by_login(name).await?.map(|user| user.id))
}

/// `GET /audit/{seq}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let seq: i64 = call
        .text("seq")
        .parse()
        .map_err(|_| Problem::not_found("audit record"))?;
    let found = cx.reader.audit_from(seq, 1).await?;
    let entry = found
        .first()
        .filter(|entry| i64::try_from(entry.record.seq) == Ok(seq))
        .ok_or_else(|| Problem::not_found("audit record"))?;
    Ok(ok(&view(&entry.record, &entry.personal)))
}

/// `GET /audit/verify`: walks the whole chain; names the first record that is not as it was written.
pub async fn verify(cx: Context, _call: Call) -> Answer {
    let mut verifier = Verifier::new(cx.workspace().clone());
    let mut from = 1;
    let mut count = 0_u64;
    let mut head = Value::Null;
    loop {
        let batch = cx.reader.audit_from(from, BATCH).await?;
        let Some(last) = batch.last() else { break };
        let next = i64::try_from(last.record.seq)
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        for entry in &batch {
            if let Err(broken) = verifier.push(&entry.record, &entry.personal) {
                return Ok(ok(&json!({
                    "ok": false, "records": count,
                    "broken": {"seq": broken.seq, "why": broken.why, "message": broken.to_string()},
                })));
            }
            count += 1;
            head = json!({"seq": entry.record.seq, "hash": hex::encode(entry.record.hash)});
        }
        if next <= from {
            break;
        }
        from = next;
    }
    Ok(ok(
        &json!({"ok": true, "records": count, "head": head, "broken": null}),
    ))
}
