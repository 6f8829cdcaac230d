//! The audit log over HTTP: filtered lists, the walk along the chain, reviews, and what its checkpoints are signed with.

mod export;
mod verify;

pub use export::export;
pub use verify::{consistency, key, verify};

use actas_core::Time;
use actas_core::ids::{ConnectionId, RunId, UserId};
use actas_store::read::AuditFilter;
use actas_store::{AuditEntry, Commit, LogAct, Notable, Op, ReviewRow};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::{limit_of, ok};
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;

/// The action of a reviewer's own record.
const REVIEWED: &str = "audit.reviewed";

/// The longest note of a reviewer, in bytes.
const LONGEST_NOTE: usize = 2_000;

/// What a list or an export is narrowed to.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    #[serde(default, skip_serializing_if = "is_false")]
    unreviewed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    notable: bool,
    #[serde(default, skip_serializing)]
    limit: Option<u32>,
    #[serde(default, skip_serializing)]
    cursor: Option<String>,
    /// Of an export: `jsonl` or `csv`.
    #[serde(default, skip_serializing)]
    format: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Query {
    /// What it asks of the store; none if it names a person there is not.
    async fn filter(&self, cx: &Context) -> Result<Option<AuditFilter>, Problem> {
        let person = match &self.person {
            None => None,
            Some(name) => match person_of(cx, name).await? {
                Some(person) => Some(person),
                None => return Ok(None),
            },
        };
        // What was let go may still be on its way out.
        let start = cx.reader.audit_start().await?;
        let begins = start.map_or(0, |row| row.start.seq);
        let after = match self.unreviewed {
            true => reviewed(cx).await?.max(begins),
            false => begins,
        };
        Ok(Some(AuditFilter {
            person,
            flow: self.flow.clone(),
            run: self.run.clone(),
            connection: self.connection.clone(),
            account: self.account.clone(),
            record: self.record.clone(),
            action: self.action.clone(),
            entry: self.entry.clone(),
            outcome: self.outcome.clone(),
            since: self.since,
            until: self.until,
            after: Some(after),
            upto: None,
            // A review is there to be seen, but leaves nothing to review.
            not_action: self.unreviewed.then(|| REVIEWED.to_owned()),
            notable: self.notable,
        }))
    }

    /// It once more, as it stands in the first line of an export.
    fn said(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(said)) => said,
            _ => Map::new(),
        }
    }
}

/// The last record that was reviewed; 0: none was.
async fn reviewed(cx: &Context) -> Result<u64, Problem> {
    let last = cx.reader.audit_reviews(1).await?;
    Ok(last.first().map_or(0, |review| review.upto))
}

/// `GET /audit`
pub async fn list(cx: Context, call: Call) -> Answer {
    let query: Query = call.query()?;
    if query.format.is_some() {
        return Err(Problem::bad("bad_query", "`format` is for exports"));
    }
    let Some(filter) = query.filter(&cx).await? else {
        return Ok(ok(&json!({"records": [], "next": null})));
    };
    let page = cx
        .reader
        .audit(&filter, limit_of(query.limit), query.cursor.as_deref())
        .await?;
    let mut records: Vec<Value> = page.items.iter().map(shown).collect();
    if query.notable {
        let why = cx.reader.audit_notable(&page.items).await?;
        for (record, entry) in records.iter_mut().zip(&page.items) {
            record["notable"] = json!(why.get(&entry.record.seq));
        }
    }
    Ok(ok(&json!({"records": records, "next": page.next})))
}

fn shown(entry: &AuditEntry) -> Value {
    actas_core::audit::view(&entry.record, &entry.personal)
}

/// `GET /audit/{seq}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let missing = || Problem::not_found("audit record");
    let seq: i64 = call.text("seq").parse().map_err(|_| missing())?;
    let found = cx.reader.audit_from(seq, 1).await?.into_iter().next();
    let entry = found.filter(|entry| i64::try_from(entry.record.seq) == Ok(seq));
    let entry = entry.ok_or_else(missing)?;
    let why: Vec<Notable> = cx
        .reader
        .audit_notable(std::slice::from_ref(&entry))
        .await?
        .remove(&entry.record.seq)
        .unwrap_or_default();
    let mut record = shown(&entry);
    record["notable"] = json!(why);
    record["reviewed"] = json!(entry.record.seq <= reviewed(&cx).await?);
    Ok(ok(&record))
}

/// A person by login or by id: who is gone has only the id.
async fn person_of(cx: &Context, name: &str) -> Result<Option<UserId>, Problem> {
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    Ok(cx.reader.user_by_login(name).await?.map(|user| user.id))
}

/// `GET /audit/reviews`
pub async fn reviews(cx: Context, _call: Call) -> Answer {
    let mut all = Vec::new();
    for review in cx.reader.audit_reviews(500).await? {
        all.push(review_view(&cx, &review).await?);
    }
    let (head, _) = cx.reader.audit_head().await?;
    let left = head.saturating_sub(reviewed(&cx).await?);
    Ok(ok(&json!({"reviews": all, "behind_last": left})))
}

async fn review_view(cx: &Context, review: &ReviewRow) -> Result<Value, Problem> {
    Ok(json!({
        "from": review.since + 1, "to": review.upto, "by": cx.login_of(&review.by).await?,
        "note": review.note, "at": review.at,
    }))
}

/// `POST /audit/reviews`: the reviewer's own record, of everything behind the last review up to a record.
pub async fn review(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        to: u64,
        #[serde(default)]
        note: String,
    }
    let body: Body = call.json()?;
    let (since, (head, _)) = (reviewed(&cx).await?, cx.reader.audit_head().await?);
    if body.to <= since {
        return Err(Problem::conflict(
            "reviewed_already",
            format!("the log was reviewed up to record {since}: review what stands behind it"),
        ));
    }
    if body.to > head {
        return Err(Problem::invalid(
            "no_such_record",
            format!("the log ends with record {head}: nobody can have seen more"),
        ));
    }
    if body.note.len() > LONGEST_NOTE || body.note.contains('\0') {
        return Err(Problem::invalid(
            "bad_note",
            format!("a note is a text of at most {LONGEST_NOTE} bytes"),
        ));
    }
    let row = ReviewRow {
        upto: body.to,
        since,
        by: cx.user.id.clone(),
        note: body.note,
        at: cx.now,
    };
    // The note itself may be about people: the log holds a digest of it, so that it cannot be changed either.
    let digest = hex::encode(Sha256::digest(&row.note));
    let mut draft = cx.audit(REVIEWED, "audit", format!("{}-{}", since + 1, row.upto));
    draft.object.version = Some(format!("sha256:{digest}"));
    let act = LogAct::Review(row.clone());
    let commit = Commit {
        ops: vec![Op::Log {
            workspace: cx.workspace().clone(),
            act,
        }],
        audit: vec![draft],
    };
    cx.app.store.commit(commit).await?;
    let said = review_view(&cx, &row).await?;
    Ok(crate::api::json(StatusCode::CREATED, &said))
}
