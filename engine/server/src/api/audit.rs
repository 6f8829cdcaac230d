//! The audit log over HTTP: filtered lists and the walk along the chain.

use actas_core::Time;
use actas_core::audit::{Broken, Verifier, view};
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
        ..AuditFilter::default()
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

/// `GET /audit/verify`: walks the whole chain and compares its end with the head that is kept apart; names the first record that is not as
/// it was written, or that is missing.
pub async fn verify(cx: Context, _call: Call) -> Answer {
    let mut verifier = Verifier::new(cx.workspace().clone());
    let mut next = 1;
    let mut count = 0_u64;
    loop {
        // The head is read first: records that are appended meanwhile come with the next batch.
        let (seq, hash) = cx.reader.audit_head().await?;
        let batch = cx.reader.audit_from(next, BATCH).await?;
        for entry in &batch {
            if let Err(broken) = verifier.push(&entry.record, &entry.personal) {
                return Ok(ok(&broken_at(&broken, count)));
            }
            count += 1;
        }
        match batch.last() {
            Some(last) => {
                next = i64::try_from(last.record.seq)
                    .unwrap_or(i64::MAX)
                    .saturating_add(1);
            }
            None => {
                return Ok(ok(&match verifier.check_head(seq, hash) {
                    Ok(()) => json!({
                        "ok": true, "records": count, "head": {"seq": seq, "hash": hex::encode(hash)}, "broken": null,
                    }),
                    Err(broken) => broken_at(&broken, count),
                }));
            }
        }
    }
}

fn broken_at(broken: &Broken, count: u64) -> Value {
    json!({
        "ok": false, "records": count,
        "broken": {"seq": broken.seq, "why": broken.why, "message": broken.to_string()},
    })
}
