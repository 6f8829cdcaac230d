//! The audit log: lists, one record in plain words, exports, reviews. What is proved is proved in [`super::proof`].

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use actas_core::audit::actions::meaning;
use serde_json::{Value, json};

use super::proof;
use crate::args::{AuditCommand, AuditFilters, ExportFormat};
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, moment, table, texts};

/// `audit …`.
///
/// # Errors
/// What the server refused; `verify` exits 1 at the first bad record.
pub async fn audit(client: &Client, command: &AuditCommand, output: Output) -> Done {
    match command {
        AuditCommand::List { filters, limit } => {
            let path = format!("/api/v1/audit?limit={limit}{}", query(filters));
            let list = client.get(&path).await?;
            output.data(&list, |list| {
                let all: Vec<&Value> = items(list, "records").collect();
                let mut text = shown(all.iter().copied());
                for (record, why) in all.iter().map(|r| (r, texts(r, "notable"))) {
                    if !why.is_empty() {
                        let why: Vec<&str> = why.iter().map(|why| notable(why)).collect();
                        let _ =
                            write!(text, "\nrecord {}: {}", cell(record, "seq"), why.join("; "));
                    }
                }
                if list.get("next").is_some_and(Value::is_string) {
                    let _ = write!(text, "\nthere are more: --limit, or a narrower question");
                }
                text
            })
        }
        AuditCommand::Show { seq } => {
            let one = client.get(&format!("/api/v1/audit/{seq}")).await?;
            output.data(&one, words)
        }
        AuditCommand::Verify(args) => match &args.checkpoint {
            Some(file) => proof::of_checkpoints(client, args, file, output).await,
            None => verify(client, output).await,
        },
        AuditCommand::Export {
            filters,
            format,
            out,
        } => export(client, filters, *format, out.as_deref(), output).await,
        AuditCommand::Review { to: Some(to), note } => {
            let body = json!({"to": to, "note": note});
            let done = client.post("/api/v1/audit/reviews", &body).await?;
            output.data(&done, |r| {
                format!("reviewed: records {} to {}", cell(r, "from"), cell(r, "to"))
            })
        }
        AuditCommand::Review { to: None, .. } => {
            let all = client.get("/api/v1/audit/reviews").await?;
            output.data(&all, reviews)
        }
        AuditCommand::Key => {
            let key = client.get("/api/v1/audit/key").await?;
            output.data(&key, |key| cell(key, "key"))
        }
    }
}

async fn verify(client: &Client, output: Output) -> Done {
    let verdict = client.get("/api/v1/audit/verify").await?;
    if verdict.get("ok").and_then(Value::as_bool) == Some(true) {
        return output.data(&verdict, |v| {
            let mut text = format!(
                "the chain is whole: {} records, last hash {}",
                cell(v, "records"),
                cell(v, "head.hash")
            );
            if cell(v, "begins_behind") != "0" {
                let _ = write!(
                    text,
                    "\nit begins behind record {}: what was older was let go, and a record says so",
                    cell(v, "begins_behind")
                );
            }
            if cell(v, "erased") != "0" {
                let _ = write!(
                    text,
                    "\n{} personal values were erased, and records say of whom",
                    cell(v, "erased")
                );
            }
            let _ = match cell(v, "checkpoint").as_str() {
                "-" => write!(text, "\nit was not signed yet"),
                size => write!(text, "\nit is the log that was signed with {size} records"),
            };
            text
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

async fn export(
    client: &Client,
    filters: &AuditFilters,
    format: ExportFormat,
    out: Option<&Path>,
    output: Output,
) -> Done {
    let name = match format {
        ExportFormat::Jsonl => "jsonl",
        ExportFormat::Csv => "csv",
    };
    let path = format!("/api/v1/audit/export?format={name}{}", query(filters));
    let cannot = |e: std::io::Error| match out {
        Some(file) => Failed::Usage(format!("{} cannot be written: {e}", file.display())),
        None => Failed::Unavailable(format!("standard output cannot be written: {e}")),
    };
    let mut to: Box<dyn std::io::Write> = match out {
        Some(file) => Box::new(std::io::BufWriter::new(new_file(file).map_err(cannot)?)),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut lines = 0_usize;
    let done = client
        .pieces(&path, |piece| {
            lines += piece.iter().filter(|byte| **byte == b'\n').count();
            to.write_all(piece).map_err(cannot)
        })
        .await;
    to.flush().map_err(cannot)?;
    done?;
    if let Some(file) = out {
        output.say(&format!("{}: {lines} lines", file.display()));
        if format == ExportFormat::Jsonl {
            output.say(&format!(
                "check it anywhere: actas audit verify --export {} --key \"$(actas audit key)\"",
                file.display()
            ));
        }
    }
    Ok(())
}

/// A file of one's own: what is in it is about people.
fn new_file(file: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)
}

fn reviews(all: &Value) -> String {
    let rows: Vec<_> = items(all, "reviews")
        .map(|r| {
            vec![
                format!("{}-{}", cell(r, "from"), cell(r, "to")),
                moment(r, "at"),
                cell(r, "by"),
                cell(r, "note"),
            ]
        })
        .collect();
    let left = cell(all, "behind_last");
    format!(
        "{}\n{left} records stand behind the last review: actas audit list --unreviewed",
        table(&["records", "time", "who", "note"], &rows)
    )
}

/// Why a record is to be looked at first, in words.
fn notable(why: &str) -> &str {
    match why {
        "first_use" => "the first use of this account",
        "owner_rule" => "used the account of a connection's owner",
        "reveal" => "showed private data of somebody else",
        "verify_none" => "anybody may call this webhook",
        "own_version" => "ran what they had published themselves",
        "refused_link" => "a sign-in that was not theirs",
        "removed" => "something is no longer in the log",
        other => other,
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

/// A person by login, or by id if they were erased.
fn person(record: &Value, whom: &str) -> String {
    match cell(record, &format!("{whom}.login")).as_str() {
        "-" => match cell(record, &format!("{whom}.id")).as_str() {
            "-" => "-".to_owned(),
            id => format!("{id} (erased)"),
        },
        login => login.to_owned(),
    }
}

/// Who did it, and for whom if that is somebody else.
fn actor(record: &Value) -> String {
    let actor = match cell(record, "actor.type").as_str() {
        "user" => person(record, "actor"),
        "local_operator" => "local operator".into(),
        other => other.to_owned(),
    };
    match person(record, "person").as_str() {
        "-" => actor,
        person if person == actor => actor,
        person if actor == "engine" => person.to_owned(),
        person => format!("{actor} for {person}"),
    }
}

/// Who did what, as a sentence.
fn sentence(record: &Value) -> String {
    let subject = match cell(record, "actor.type").as_str() {
        "user" => person(record, "actor"),
        "local_operator" => "the operator of the machine".into(),
        "engine" => "Actas".into(),
        "trigger" => "a schedule or webhook".into(),
        _ => "somebody who was not logged in".into(),
    };
    let action = cell(record, "action");
    let done = meaning(&action).map_or_else(|| format!("did `{action}`"), str::to_owned);
    let for_whom = match person(record, "person").as_str() {
        "-" => String::new(),
        person if person == subject => String::new(),
        person => format!(", for {person}"),
    };
    let ended = match (
        cell(record, "outcome").as_str(),
        cell(record, "reason").as_str(),
    ) {
        ("ok", "-") => String::new(),
        ("ok", reason) => format!(" ({reason})"),
        (outcome, "-") => format!(": {outcome}"),
        (outcome, reason) => format!(": {outcome} ({reason})"),
    };
    format!("{subject} {done}{for_whom}{ended}")
}

/// What a rule means for whose account it was.
fn rule(rule: &str) -> &str {
    match rule {
        "shared" => "a shared connection of the workspace",
        "invoker" => "the account of whoever runs the flow",
        "approver" => "the account of whoever approved",
        "owner" => "the account of the connection's owner",
        "build_time" => "the account its author builds with",
        other => other,
    }
}

/// One record in plain words.
fn words(record: &Value) -> String {
    let mut text = format!(
        "record {} · {}\n{}\n\n",
        cell(record, "seq"),
        cell(record, "at"),
        sentence(record)
    );
    let both = |a: &str, b: &str| match (cell(record, a), cell(record, b)) {
        (a, b) if b == "-" => a,
        (a, b) => format!("{a} ({b})"),
    };
    let of = |name: &str, version: bool| {
        let mut parts = vec![
            cell(record, &format!("{name}.type")),
            cell(record, &format!("{name}.id")),
        ];
        if version {
            parts.push(cell(record, &format!("{name}.version")));
        }
        parts.retain(|part| part != "-");
        if parts.is_empty() {
            "-".to_owned()
        } else {
            parts.join(" ")
        }
    };
    let why = texts(record, "notable");
    let why: Vec<&str> = why.iter().map(|why| notable(why)).collect();
    for (label, value) in [
        ("look here", why.join("; ")),
        ("action", both("action", "outcome")),
        ("object", of("object", true)),
        ("account", cell(record, "account")),
        ("because", rule(&cell(record, "rule")).to_owned()),
        ("connection", cell(record, "connection")),
        ("touched", of("record", false)),
        ("flow", cell(record, "flow")),
        ("run", cell(record, "run")),
        ("step", cell(record, "step")),
        ("came in by", cell(record, "entry")),
        ("from", both("ip", "agent")),
        ("erased", texts(record, "erased").join(", ")),
        (
            "reviewed",
            match record.get("reviewed").and_then(Value::as_bool) {
                Some(true) => "yes".to_owned(),
                Some(false) => "not yet".to_owned(),
                None => "-".to_owned(),
            },
        ),
        ("hash", cell(record, "hash")),
        ("behind", cell(record, "prev")),
    ] {
        if !value.is_empty() && value != "-" {
            let _ = writeln!(text, "  {label:<11} {value}");
        }
    }
    text.trim_end().to_owned()
}

fn query(filters: &AuditFilters) -> String {
    let mut query = String::new();
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
            let _ = write!(query, "&{key}={}", part(value));
        }
    }
    for (key, set) in [
        ("unreviewed", filters.unreviewed),
        ("notable", filters.notable),
    ] {
        if set {
            let _ = write!(query, "&{key}=true");
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_record_is_told_in_plain_words() {
        let record = json!({
            "seq": 17, "at": "2026-11-20T13:06:40Z", "actor": {"type": "engine"}, "person": {"id": "usr_1", "login": "ana"},
            "connection": "con_1", "account": "ana@sandbox", "rule": "invoker", "record": {"type": "Opportunity", "id": "op_7"},
            "entry": "cli", "action": "step.succeeded", "object": {"type": "run", "id": "run_1", "version": "3"},
            "flow": "new-opportunity", "run": "run_1", "step": "create", "outcome": "ok", "reason": null, "ip": null, "agent": null,
            "notable": ["first_use"], "reviewed": false, "hash": "ab", "prev": "cd",
        });
        expect![[r"
            record 17 · 2026-11-20T13:06:40Z
            Actas did a step through an account, for ana

              look here   the first use of this account
              action      step.succeeded (ok)
              object      run run_1 3
              account     ana@sandbox
              because     the account of whoever runs the flow
              connection  con_1
              touched     Opportunity op_7
              flow        new-opportunity
              run         run_1
              step        create
              came in by  cli
              reviewed    not yet
              hash        ab
              behind      cd"]]
        .assert_eq(&words(&record));
        let refused = json!({
            "seq": 18, "at": "2026-11-20T13:06:41Z", "actor": {"type": "anonymous"}, "person": null, "entry": "page",
            "action": "session.refused", "object": {"type": "user", "id": "unknown"}, "outcome": "refused", "reason": "wrong_password",
            "ip": "10.0.0.7", "agent": "curl", "hash": "ef", "prev": "ab",
        });
        expect![[r"
            record 18 · 2026-11-20T13:06:41Z
            somebody who was not logged in could not log in: refused (wrong_password)

              action      session.refused (refused)
              object      user unknown
              came in by  page
              from        10.0.0.7 (curl)
              hash        ef
              behind      ab"]]
        .assert_eq(&words(&refused));
        let erased = json!({"actor": {"type": "user", "id": "usr_9", "login": null}, "person": {"id": "usr_9", "login": null}, "action": "session.begun", "outcome": "ok", "reason": null});
        assert_eq!(sentence(&erased), "usr_9 (erased) logged in");
    }
}
