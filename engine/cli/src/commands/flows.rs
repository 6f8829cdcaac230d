//! Flows: saving drafts, publishing, versions, and who may run them.

use std::fmt::Write;
use std::io::stderr;
use std::path::Path;

use actas_core::app::Apps;
use actas_core::diagnostic::{Severity, render};
use actas_core::flow::{self, Flow};
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{FlowsCommand, PublishArgs};
use crate::client::{Body, Client, part};
use crate::commands::local::read;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, colour, items, moment, table};
use crate::session::Session;

/// A draft that the server has.
#[derive(Debug)]
pub struct Draft {
    /// As it was read here.
    pub flow: Flow,
    /// What publishing must match.
    pub etag: String,
}

/// Checks a file here, with its lines at hand, and saves it as the flow's draft.
///
/// # Errors
/// Exit 1 with the diagnostics, or what the server refused.
pub async fn save_draft(client: &Client, file: &Path, apps: &Apps, output: Output) -> Result<Draft, Failed> {
    let text = read(file)?;
    let parsed = flow::parse(&text, apps);
    if !parsed.diagnostics.is_empty() {
        output.say(&render(&file.display().to_string(), &text, &parsed.diagnostics, colour(&stderr())));
    }
    let Some(draft) = parsed.draft else {
        let n = parsed.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        return Err(Failed::Fault(format!("{n} {} in {}: nothing was saved", if n == 1 { "error" } else { "errors" }, file.display())));
    };
    let path = format!("/api/v1/flows/{}/draft", part(draft.flow.flow.as_str()));
    // What stands there is replaced on purpose: the file is the author's truth.
    let before = client.send(Method::GET, &path, None, &[]).await.ok().and_then(|answer| answer.etag);
    let headers: Vec<(&str, &str)> = before.as_deref().map(|etag| ("if-match", etag)).into_iter().collect();
    let saved = client.send(Method::PUT, &path, Some(Body::Yaml(&text)), &headers).await?;
    let etag = saved.etag.ok_or_else(|| Failed::Unavailable("the server gave no ETag for the draft".into()))?;
    Ok(Draft { flow: draft.flow, etag })
}

/// Saves and publishes a file; with `dry_run` only shows what publishing would do.
///
/// # Errors
/// As [`save_draft`].
pub async fn publish_file(session: &Session, file: &Path, dry_run: bool, output: Output) -> Result<Value, Failed> {
    let draft = save_draft(&session.client, file, &session.apps, output).await?;
    let query = if dry_run { "?dry_run=true" } else { "" };
    let path = format!("/api/v1/flows/{}/versions{query}", part(draft.flow.flow.as_str()));
    let answer = session.client.send(Method::POST, &path, Some(Body::Json(&json!({}))), &[("if-match", &draft.etag)]).await?;
    Ok(answer.body)
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
    let mut text = String::new();
    let list = |key: &str| -> Vec<String> {
        items(published.get(key).unwrap_or(&Value::Null)).iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
    };
    let unchanged = published.get("unchanged").and_then(Value::as_bool) == Some(true);
    let verb = if unchanged { "is published already as" } else if dry_run { "would become" } else { "is published as" };
    let _ = writeln!(text, "{} {verb} version {}  {}", cell(published, "flow"), cell(published, "version"), cell(published, "digest"));
    for (number, wave) in items(published.get("waves").unwrap_or(&Value::Null)).iter().enumerate() {
        let steps: Vec<&str> = wave.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let _ = writeln!(text, "  wave {}: {}", number + 1, steps.join(", "));
    }
    for (key, words) in [
        ("dropped", "dropped (build-time only)"),
        ("difference", "changed"),
        ("widens", "asks again"),
        ("leaves", "leaves through outputs"),
        ("warnings", "warning"),
    ] {
        for line in list(key) {
            let _ = writeln!(text, "  {words}: {line}");
        }
    }
    text
}

/// `flows …`.
///
/// # Errors
/// What the server refused.
pub async fn flows(client: &Client, command: &FlowsCommand, output: Output) -> Done {
    let at = |flow: &str| format!("/api/v1/flows/{}", part(flow));
    match command {
        FlowsCommand::List => {
            let list = client.get("/api/v1/flows").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list)
                    .iter()
                    .map(|f| vec![cell(f, "name"), cell(f, "version"), cell(f, "state"), cell(f, "title")])
                    .collect();
                table(&["name", "version", "state", "title"], &rows)
            })
        }
        FlowsCommand::Show { flow } => {
            let one = client.get(&at(flow)).await?;
            output.data(&one, |one| {
                let mut text = format!("{}  version {}  {}\n{}\n", cell(one, "name"), cell(one, "version"), cell(one, "state"), cell(one, "title"));
                for (name, input) in one.get("inputs").and_then(Value::as_object).into_iter().flatten() {
                    let _ = writeln!(text, "  input {name}: {} {}", cell(input, "schema.type"), if input.get("required") == Some(&json!(true)) { "(required)" } else { "" });
                }
                let runners: Vec<String> = items(one.get("runners").unwrap_or(&Value::Null)).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
                let _ = writeln!(text, "  may be run by: {}", if runners.is_empty() { "builders".to_owned() } else { runners.join(", ") });
                text
            })
        }
        FlowsCommand::Versions { flow } => {
            let list = client.get(&format!("{}/versions", at(flow))).await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list)
                    .iter()
                    .map(|v| vec![cell(v, "version"), moment(v, "created_at"), cell(v, "created_by"), cell(v, "digest")])
                    .collect();
                table(&["version", "published", "by", "digest"], &rows)
            })
        }
        FlowsCommand::Export { flow, version } => {
            let version = version.map_or_else(|| "latest".to_owned(), |n| n.to_string());
            let text = client.get(&format!("{}/versions/{version}/export", at(flow))).await?;
            output.text(text.as_str().map_or_else(|| serde_json::to_string_pretty(&text).unwrap_or_default(), str::to_owned).as_str())
        }
        FlowsCommand::Stop { flow, reason } => {
            client.post(&format!("{}/stop", at(flow)), &json!({"reason": reason})).await?;
            output.say(&format!("{flow} is stopped: new runs are refused"));
            Ok(())
        }
        FlowsCommand::Start { flow } => {
            client.post(&format!("{}/start", at(flow)), &json!({})).await?;
            output.say(&format!("{flow} may run again"));
            Ok(())
        }
        FlowsCommand::Allow { flow, who } => runners(client, &at(flow), output, |list| list.push(who.clone())).await,
        FlowsCommand::Deny { flow, who } => runners(client, &at(flow), output, |list| list.retain(|one| one != who)).await,
    }
}

async fn runners(client: &Client, flow: &str, output: Output, change: impl FnOnce(&mut Vec<String>)) -> Done {
    let stands = client.get(&format!("{flow}/runners")).await?;
    let mut list: Vec<String> =
        items(stands.get("runners").unwrap_or(&stands)).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    change(&mut list);
    list.sort();
    list.dedup();
    let body = json!({"runners": list});
    client.send(Method::PUT, &format!("{flow}/runners"), Some(Body::Json(&body)), &[]).await?;
    output.data(&body, |_| format!("may be run by: {}", if list.is_empty() { "builders".to_owned() } else { list.join(", ") }))
}
