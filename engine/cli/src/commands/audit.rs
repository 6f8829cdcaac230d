//! The audit log: list, one record in plain words, verify.

use std::fmt::Write;

use serde_json::Value;

use crate::args::{AuditCommand, AuditFilters};
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, moment, table};

/// `audit …`.
///
/// # Errors
/// What the server refused; `verify` exits 1 at the first bad record.
pub async fn audit(client: &Client, command: &AuditCommand, output: Output) -> Done {
    match command {
        AuditCommand::List(filters) => {
            let list = client.get(&path(filters)).await?;
            output.data(&list, |list| shown(items(list, "records")))
        }
        AuditCommand::Show { seq } => {
            let one = client.get(&format!("/api/v1/audit/{seq}")).await?;
            output.data(&one, words)
        }
        AuditCommand::Verify => {
            let verdict = client.get("/api/v1/audit/verify").await?;
            if verdict.get("ok").and_then(Value::as_bool) == Some(true) {
                return output.data(&verdict, |v| {
                    format!(
                        "the chain is whole: {} records, last hash {}",
                        cell(v, "records"),
                        cell(v, "head.hash")
                    )
                });
            }
            if output.json {
                output.data(&verdict, Value::to_string)?;
            }
            Err(Failed::Fault(format!(
                "audit {}",
                cell(&verdict, "broken.message")
            )))
        }
    }
}

/// Records as a table, oldest at the bottom of the page last.
pub fn shown<'a>(records: impl Iterator<Item = &'a Value>) -> String {
    let rows: Vec<_> = records
        .map(|r| {
            vec![
                cell(r, "seq"),
                moment(r, "at"),
                actor(r),
                cell(r, "action"),
                cell(r, "outcome"),
                cell(r, "account"),
                cell(r, "rule"),
                match r.get("record").filter(|v| v.is_object()) {
                    Some(record) => format!("{}/{}", cell(record, "type"), cell(record, "id")),
                    None => "-".into(),
                },
                cell(r, "entry"),
                [cell(r, "flow"), cell(r, "step")]
                    .into_iter()
                    .filter(|t| t != "-")
                    .collect::<Vec<_>>()
                    .join("/"),
            ]
        })
        .collect();
    table(
        &[
            "seq",
            "time",
            "who",
            "did",
            "outcome",
            "as account",
            "rule",
            "record",
            "entry",
            "flow/step",
        ],
        &rows,
    )
}

/// Who did it, and for whom if that is somebody else.
fn actor(record: &Value) -> String {
    let actor = match cell(record, "actor.type").as_str() {
        "user" => cell(record, "actor.login"),
        "local_operator" => "local operator".into(),
        other => other.to_owned(),
    };
    match cell(record, "person.login").as_str() {
        "-" => actor,
        person if person == actor => actor,
        person if actor == "engine" => person.to_owned(),
        person => format!("{actor} for {person}"),
    }
}

/// One record in plain words.
fn words(record: &Value) -> String {
    let mut text = format!("record {} at {}\n", cell(record, "seq"), cell(record, "at"));
    for (label, value) in [
        ("who", actor(record)),
        (
            "did",
            format!("{} ({})", cell(record, "action"), cell(record, "outcome")),
        ),
        (
            "to",
            format!(
                "{} {} {}",
                cell(record, "object.type"),
                cell(record, "object.id"),
                cell(record, "object.version")
            ),
        ),
        ("as account", cell(record, "account")),
        (
            "through",
            format!("{} ({})", cell(record, "connection"), cell(record, "rule")),
        ),
        (
            "touching",
            format!(
                "{} {}",
                cell(record, "record.type"),
                cell(record, "record.id")
            ),
        ),
        ("came in by", cell(record, "entry")),
        (
            "in",
            format!(
                "{} {} {}",
                cell(record, "flow"),
                cell(record, "run"),
                cell(record, "step")
            ),
        ),
        ("reason", cell(record, "reason")),
        ("from", cell(record, "ip")),
        ("hash", cell(record, "hash")),
    ] {
        if value
            .chars()
            .any(|c| c != '-' && c != ' ' && c != '(' && c != ')')
        {
            let _ = writeln!(
                text,
                "  {label:<11} {}",
                value.replace(" -", "").replace("- ", "")
            );
        }
    }
    text
}

fn path(filters: &AuditFilters) -> String {
    let mut path = format!("/api/v1/audit?limit={}", filters.limit);
    for (key, value) in [
        ("person", &filters.person),
        ("flow", &filters.flow),
        ("run", &filters.run),
        ("connection", &filters.connection),
        ("account", &filters.account),
        ("record", &filters.record),
        ("action", &filters.action),
        ("entry", &filters.entry),
        ("outcome", &filters.outcome),
        ("since", &filters.since),
        ("until", &filters.until),
    ] {
        if let Some(value) = value {
            let _ = write!(path, "&{key}={}", part(value));
        }
    }
    path
}
