//! Flows: saving drafts, publishing, versions, and who may run them.

use std::fmt::Write;
use std::io::stderr;
use std::path::Path;

use actas_core::app::Apps;
use actas_core::diagnostic::{Diagnostic, render};
use actas_core::flow::{self, Flow};
use actas_core::ids::FlowName;
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{FlowsCommand, PublishArgs};
use crate::client::{Body, Client, part};
use crate::commands::connections::agreed;
use crate::commands::local::read;
use crate::commands::triggers;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, clean, colour, items, moment, table, texts};
use crate::session::Session;

/// A draft that the server has.
#[derive(Debug)]
pub struct Draft {
    /// As it was read here.
    pub flow: Flow,
    /// What publishing must match.
    pub etag: String,
}

/// Checks a file here, with its lines at hand.
///
/// # Errors
/// Exit 1; the diagnostics have been said.
pub fn check_file(file: &Path, apps: &Apps, output: Output) -> Result<(Flow, String), Failed> {
    let text = read(file)?;
    let parsed = flow::parse(&text, apps);
    let errors = parsed.diagnostics.iter().filter(|d| d.is_error()).count();
    let (said, draft): (Vec<Diagnostic>, _) = (parsed.diagnostics, parsed.draft);
    if !said.is_empty() {
        output.say(render(&file.display().to_string(), &text, &said, colour(&stderr())).trim_end());
    }
    match draft {
        Some(draft) if errors == 0 => Ok((draft.flow, text)),
        _ => {
            let errors = format!("{errors} {}", if errors == 1 { "error" } else { "errors" });
            Err(Failed::Fault(format!(
                "{errors} in {}: nothing was saved",
                file.display()
            )))
        }
    }
}

/// Checks a file and saves it as the flow's draft. What stands there is replaced on purpose: the file is the author's truth.
///
/// # Errors
/// Exit 1 with the diagnostics, or what the server refused.
pub async fn save_draft(
    client: &Client,
    file: &Path,
    apps: &Apps,
    output: Output,
) -> Result<Draft, Failed> {
    let (flow, text) = check_file(file, apps, output)?;
    let path = format!("/api/v1/flows/{}/draft", part(flow.flow.as_str()));
    let saved = client
        .send(Method::PUT, &path, Some(Body::Yaml(&text)), &[])
        .await?;
    let etag = saved
        .etag
        .ok_or_else(|| Failed::Unavailable("the server gave no ETag for the draft".into()))?;
    Ok(Draft { flow, etag })
}

/// Saves and publishes a file; with `dry_run` only shows what publishing would do. A file that stands published already is no fault: the
/// answer says `unchanged`.
///
/// # Errors
/// As [`save_draft`].
pub async fn publish_file(
    session: &Session,
    file: &Path,
    dry_run: bool,
    output: Output,
) -> Result<Value, Failed> {
    let draft = save_draft(&session.client, file, &session.apps, output).await?;
    let query = if dry_run { "?dry_run=true" } else { "" };
    let path = format!(
        "/api/v1/flows/{}/versions{query}",
        part(draft.flow.flow.as_str())
    );
    match session
        .client
        .ask(Method::POST, &path, None, &[("if-match", &draft.etag)])
        .await?
    {
        Ok(answer) => Ok(answer.body),
        Err(refusal) if refusal.code() == "nothing_changed" => Ok(
            json!({"flow": draft.flow.flow, "version": refusal.problem["version"], "unchanged": true}),
        ),
        Err(refusal) => Err(refusal.into()),
    }
}

/// `publish FILE`.
///
/// # Errors
/// As [`save_draft`].
pub async fn publish(session: &Session, args: &PublishArgs, output: Output) -> Done {
    let published = publish_file(session, &args.file, args.dry_run, output).await?;
    output.data(&published, |p| shown(p, args.dry_run))
}

/// What publishing did, in words.
pub fn shown(published: &Value, dry_run: bool) -> String {
    let (flow, version) = (cell(published, "flow"), cell(published, "version"));
    if published.get("unchanged").and_then(Value::as_bool) == Some(true) {
        return format!(
            "{flow} is published already as version {version}: nothing has changed since"
        );
    }
    let verb = if dry_run {
        "would become"
    } else {
        "is published as"
    };
    let mut text = format!(
        "{flow} {verb} version {version}  {}\n",
        cell(published, "digest")
    );
    for (number, wave) in items(published, "waves").enumerate() {
        let steps: Vec<String> = wave
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(clean)
            .collect();
        let _ = writeln!(text, "  wave {}: {}", number + 1, steps.join(", "));
    }
    let dropped = published.get("dropped").unwrap_or(&Value::Null);
    match dropped.get("build_time").and_then(Value::as_u64) {
        Some(n) if n > 0 => {
            let slots = texts(dropped, "slots");
            let of = if slots.is_empty() {
                String::new()
            } else {
                format!(" of {}", slots.join(", "))
            };
            let _ = writeln!(
                text,
                "  dropped: {n} build-time {}{of}",
                if n == 1 { "value" } else { "values" }
            );
        }
        _ => text.push_str("  dropped: no build-time value was there\n"),
    }
    for line in difference(published.get("difference").unwrap_or(&Value::Null)) {
        let _ = writeln!(text, "  changed: {line}");
    }
    for one in items(published, "leaves") {
        let name = cell(one, "name");
        let seen = match cell(one, "through").as_str() {
            "approval" => format!("approval {name}: those who are asked may see it"),
            "output" => format!("output {name}: whoever runs the flow sees it"),
            "flow" => format!("step {name}: another flow gets it"),
            _ => format!("step {name}: another account or app gets it"),
        };
        let _ = writeln!(
            text,
            "  leaves {} through {seen}",
            texts(one, "of").join(", ")
        );
    }
    text.push_str(&triggers::lines(
        published.get("trigger").unwrap_or(&Value::Null),
    ));
    for widened in items(published, "widens") {
        let _ = writeln!(
            text,
            "  asks {} again for {}: {}",
            cell(widened, "person"),
            cell(widened, "slot"),
            texts(widened, "adds").join(", ")
        );
    }
    text
}

/// A line for each kind of thing that is different from the last version.
fn difference(difference: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in ["steps", "connections", "inputs", "outputs"] {
        let changes = difference.get(kind).unwrap_or(&Value::Null);
        let named: Vec<String> = [("added", "+"), ("removed", "-"), ("changed", "~")]
            .into_iter()
            .flat_map(|(key, sign)| {
                texts(changes, key).into_iter().map(move |name| {
                    let keys = changes.get("keys").map(|keys| texts(keys, &name));
                    match keys.filter(|keys| sign == "~" && !keys.is_empty()) {
                        Some(keys) => format!("{sign}{name} ({})", keys.join(", ")),
                        None => format!("{sign}{name}"),
                    }
                })
            })
            .collect();
        if !named.is_empty() {
            lines.push(format!("{kind} {}", named.join(" ")));
        }
    }
    let other = texts(difference, "other");
    if !other.is_empty() {
        lines.push(other.join(", "));
    }
    lines
}

/// `flows …`.
///
/// # Errors
/// What the server refused.
pub async fn flows(session: &Session, command: &FlowsCommand, output: Output) -> Done {
    let client = &session.client;
    let at = |flow: &str| format!("/api/v1/flows/{}", part(flow));
    match command {
        FlowsCommand::List => {
            let list = client.get("/api/v1/flows").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "flows")
                    .map(|f| {
                        vec![
                            cell(f, "flow"),
                            cell(f, "version"),
                            cell(f, "state"),
                            cell(f, "title"),
                        ]
                    })
                    .collect();
                if rows.is_empty() {
                    "no flows".into()
                } else {
                    table(&["flow", "version", "state", "title"], &rows)
                }
            })
        }
        FlowsCommand::Show { flow } => {
            let mut one = client.get(&at(flow)).await?;
            // Who may run it is for those who may see it.
            if let Ok(list) = client
                .ask(Method::GET, &format!("{}/runners", at(flow)), None, &[])
                .await?
            {
                one["runners"] = list.body["runners"].clone();
            }
            output.data(&one, show)
        }
        FlowsCommand::Versions { flow } => {
            let list = client.get(&format!("{}/versions", at(flow))).await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "versions")
                    .map(|v| {
                        vec![
                            cell(v, "version"),
                            moment(v, "published_at"),
                            cell(v, "published_by"),
                            cell(v, "digest"),
                        ]
                    })
                    .collect();
                table(&["version", "published", "by", "digest"], &rows)
            })
        }
        FlowsCommand::Diff { flow, from, to } => {
            let mut query = Vec::new();
            for (key, number) in [("from", from), ("to", to)] {
                query.extend(number.map(|number| format!("{key}={number}")));
            }
            let path = format!("{}/difference?{}", at(flow), query.join("&"));
            let answer = client.get(path.trim_end_matches('?')).await?;
            output.data(&answer, |answer| {
                let lines = difference(answer.get("difference").unwrap_or(&Value::Null));
                let head = format!(
                    "{flow}  version {} → {}",
                    cell(answer, "from"),
                    cell(answer, "to")
                );
                if lines.is_empty() {
                    format!("{head}: nothing is different")
                } else {
                    format!("{head}\n  {}", lines.join("\n  "))
                }
            })
        }
        FlowsCommand::Rollback {
            flow,
            version,
            dry_run,
        } => {
            let body = json!({"version": version, "dry_run": dry_run});
            let answer = client
                .post(&format!("{}/rollback", at(flow)), &body)
                .await?;
            output.data(&answer, |answer| shown(answer, *dry_run))
        }
        FlowsCommand::New { flow, out } => new(flow, out.as_deref(), output),
        FlowsCommand::Save { file } => {
            let draft = save_draft(client, file, &session.apps, output).await?;
            output.say(&format!(
                "the draft of {} is saved: try it (actas build {1}), publish it (actas publish {1})",
                draft.flow.flow,
                file.display()
            ));
            Ok(())
        }
        FlowsCommand::Export { flow, version } => {
            let version = match version {
                Some(version) => version.to_string(),
                None => match cell(&client.get(&at(flow)).await?, "version").as_str() {
                    "-" => {
                        return Err(Failed::Fault(format!(
                            "{flow} was never published: there is no version to export"
                        )));
                    }
                    version => version.to_owned(),
                },
            };
            let path = format!("{}/versions/{version}/export", at(flow));
            let accept = if output.json {
                "application/json"
            } else {
                "application/yaml"
            };
            let file = client
                .send(Method::GET, &path, None, &[("accept", accept)])
                .await?
                .body;
            match file.as_str() {
                Some(text) => output.text(text),
                None => output.text(&serde_json::to_string_pretty(&file).unwrap_or_default()),
            }
        }
        FlowsCommand::Delete { flow, yes } => {
            let what = format!("this deletes {flow} with its draft and what people agreed to");
            if !agreed(&what, *yes, output)? {
                return Ok(());
            }
            let path = format!("/api/v1/flows/{}", part(flow));
            let answer = client.delete(&path).await?;
            output.say(&format!(
                "deleted: the name {flow} is free, its versions stay for the audit"
            ));
            if output.json {
                output.data(&answer, Value::to_string)
            } else {
                Ok(())
            }
        }
        FlowsCommand::Stop { flow, reason } => {
            client
                .post(&format!("{}/stop", at(flow)), &json!({"reason": reason}))
                .await?;
            output.say(&format!("{flow} is stopped: new runs are refused"));
            Ok(())
        }
        FlowsCommand::Start { flow } => {
            client
                .post(&format!("{}/start", at(flow)), &json!({}))
                .await?;
            output.say(&format!("{flow} may run again"));
            Ok(())
        }
        FlowsCommand::Allow { flow, who } => {
            runners(client, &at(flow), output, |list| list.push(who.clone())).await
        }
        FlowsCommand::Deny { flow, who } => {
            runners(client, &at(flow), output, |list| {
                list.retain(|one| one != who);
            })
            .await
        }
    }
}

/// What a new flow begins with.
const BEGINNING: &str = "flow: NAME
title: What it does, for those who run it
trigger: {on_demand: {}}

inputs:
  name: {type: string, title: Name}

steps:
  greet:
    uses: core.set
    with: {text: \"hello {{ inputs.name }}\"}

outputs: {text: \"{{ steps.greet.text }}\"}
";

/// Writes the file of a new flow; one that is there stays as it is.
fn new(name: &str, out: Option<&Path>, output: Output) -> Done {
    let name: FlowName = name
        .parse()
        .map_err(|e: actas_core::ids::BadName| Failed::Usage(e.to_string()))?;
    let file = out.map_or_else(|| format!("{name}.yaml").into(), Path::to_owned);
    let text = BEGINNING.replace("NAME", name.as_str());
    let written = std::fs::File::create_new(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|e| Failed::Usage(format!("{} cannot be written: {e}", file.display())))?;
    output.say(&format!(
        "{} is written: change it, then actas build {0}",
        file.display()
    ));
    Ok(())
}

/// A flow in words.
fn show(one: &Value) -> String {
    let version = match cell(one, "version").as_str() {
        "-" => "never published".to_owned(),
        version => format!("version {version}"),
    };
    let mut text = format!("{}  {version}  {}\n", cell(one, "flow"), cell(one, "state"));
    for key in ["title", "description"] {
        if one.get(key).is_some_and(Value::is_string) {
            let _ = writeln!(text, "  {}", cell(one, key));
        }
    }
    if one.get("stopped").is_some_and(Value::is_string) {
        let _ = writeln!(text, "  stopped: {}", cell(one, "stopped"));
    }
    text.push_str(&triggers::lines(one.get("trigger").unwrap_or(&Value::Null)));
    for (name, input) in one
        .get("inputs")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let needed = if input.get("required") == Some(&json!(true)) {
            " (required)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  input {}: {}{needed}",
            clean(name),
            cell(input, "schema.type")
        );
    }
    if one.get("runners").is_some_and(Value::is_array) {
        let _ = writeln!(text, "  may be run by: {}", who_may(&texts(one, "runners")));
    }
    text
}

fn who_may(runners: &[String]) -> String {
    if runners.is_empty() {
        "nobody".to_owned()
    } else {
        runners.join(", ")
    }
}

async fn runners(
    client: &Client,
    flow: &str,
    output: Output,
    change: impl FnOnce(&mut Vec<String>),
) -> Done {
    let mut list = texts(&client.get(&format!("{flow}/runners")).await?, "runners");
    change(&mut list);
    let answer = client
        .put(&format!("{flow}/runners"), &json!({"runners": list}))
        .await?;
    output.data(&answer, |answer| {
        format!("may be run by: {}", who_may(&texts(answer, "runners")))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn publishing_says_what_was_dropped_and_whom_it_asks_again() {
        let published = json!({
            "flow": "win", "version": 2, "digest": "sha256:00", "waves": [["find", "price"], ["create"]],
            "dropped": {"build_time": 1, "slots": ["crm"]},
            "difference": {"steps": {"added": ["note"], "removed": [], "changed": ["create"]}, "connections": {}, "inputs": {}, "outputs": {}, "other": ["title"]},
            "widens": [{"person": "ana", "slot": "crm", "adds": ["records.write"]}], "warnings": [], "dry_run": false,
        });
        expect![[r#"
            win is published as version 2  sha256:00
              wave 1: find, price
              wave 2: create
              dropped: 1 build-time value of crm
              changed: steps +note ~create
              changed: title
              asks ana again for crm: records.write
        "#]]
        .assert_eq(&shown(&published, false));
    }
}
