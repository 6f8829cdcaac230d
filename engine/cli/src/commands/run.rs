//! Running: start a run and see it through, with a live picture of its steps; through sign-ins too.

use std::io::{IsTerminal, Read, Write, stderr, stdin};
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{BuildArgs, Inputs, RunArgs, Waiting};
use crate::client::{Body, Client, part};
use crate::commands::flows::{check_file, publish_file, save_draft};
use crate::commands::local::read;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, colour, terminal_width};
use crate::session::Session;
use crate::view;

/// How long the first answer may take: a run that ends at once needs no second request.
pub const FIRST_WAIT: &str = "wait=1";

/// `run FLOW|FILE`.
///
/// # Errors
/// Exit 1 if the run failed, 3 if it paused and nobody waits, or what the server refused.
pub async fn run(session: &Session, args: &RunArgs, output: Output) -> Done {
    let client = &session.client;
    let flow = if is_file(&args.flow) {
        file_as_flow(session, &args.flow, output).await?
    } else {
        args.flow.clone()
    };
    if args.detach && session.is_own() {
        return Err(Failed::Usage(
            "--detach needs a server that goes on: start `actas serve`, then run again".into(),
        ));
    }
    let inputs = inputs(client, &flow, &args.inputs).await?;
    let answer = client
        .send(
            Method::POST,
            &format!("/api/v1/flows/{}/runs", part(&flow)),
            Some(Body::Json(&json!({"inputs": inputs}))),
            &[("prefer", if args.detach { "wait=0" } else { FIRST_WAIT })],
        )
        .await?;
    if args.detach {
        return output.data(&answer.body, |document| cell(document, "run"));
    }
    see_through(session, answer.body, &args.waiting, output).await
}

/// `build FILE`: the draft as its author.
///
/// # Errors
/// As [`run`].
pub async fn build(session: &Session, args: &BuildArgs, output: Output) -> Done {
    let client = &session.client;
    let draft = save_draft(client, &args.file, &session.apps, output).await?;
    let declared = serde_json::to_value(&draft.flow.inputs).unwrap_or_default();
    let inputs = read_inputs(&declared, &args.inputs)?;
    let answer = client
        .send(
            Method::POST,
            &format!(
                "/api/v1/flows/{}/draft/runs",
                part(draft.flow.flow.as_str())
            ),
            Some(Body::Json(&json!({"inputs": inputs}))),
            &[("prefer", FIRST_WAIT)],
        )
        .await?;
    let id = cell(&answer.body, "run");
    let done = see_through(session, answer.body, &args.waiting, output).await;
    if done.is_ok() {
        let document = client.get(&format!("/api/v1/runs/{}", part(&id))).await?;
        let effects: Vec<String> = document
            .get("steps")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, step)| {
                step.get("acted_as").is_some_and(Value::is_object)
                    && cell(step, "state") == "succeeded"
            })
            .map(|(id, step)| {
                format!(
                    "{id} ({}) as {}",
                    cell(step, "module"),
                    cell(step, "acted_as.account")
                )
            })
            .collect();
        output.say(&match effects.len() {
            0 => "no step acted through a connection".to_owned(),
            n => format!(
                "{n} {} acted through a connection: {}",
                if n == 1 { "step" } else { "steps" },
                effects.join(", ")
            ),
        });
    }
    done
}

/// Shows a run until it ends, or a person is needed and nobody waits for them.
///
/// # Errors
/// Exit 1 if it failed, 3 if it paused.
pub async fn see_through(
    session: &Session,
    mut document: Value,
    waiting: &Waiting,
    output: Output,
) -> Done {
    let client = &session.client;
    let id = cell(&document, "run");
    let mut picture = Picture { output, rows: 0 };
    let patience = patience(waiting);
    let started = tokio::time::Instant::now();
    let mut opened = Vec::new();
    let mut events = None;
    loop {
        if !matches!(patience, Patience::None) {
            session.open_to_terminal(&mut document).await;
        }
        picture.draw(&document);
        if view::ended(&document) {
            break;
        }
        if view::paused(&document) {
            match patience {
                Patience::None => {
                    return stop_at_pause(&document, output);
                }
                Patience::For(time) if started.elapsed() >= time => {
                    return stop_at_pause(&document, output);
                }
                _ => open_links(&document, waiting, &mut opened, output),
            }
        }
        let stream = match &mut events {
            Some(stream) => stream,
            none => none.insert(
                client
                    .events(&format!("/api/v1/runs/{}/events", part(&id)))
                    .await?,
            ),
        };
        let left = match patience {
            Patience::For(time) if view::paused(&document) => {
                time.saturating_sub(started.elapsed())
            }
            _ => Duration::from_secs(3600),
        };
        tokio::select! {
            next = stream.next() => match next {
                Some(next) => document = next,
                // The server went away or closed the stream: what is true is asked for again.
                None => {
                    events = None;
                    document = client.get(&format!("/api/v1/runs/{}", part(&id))).await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            },
            () = tokio::time::sleep(left) => {}
            _ = tokio::signal::ctrl_c() => {
                output.say(&if session.is_own() {
                    format!("stopped here; the run is kept, and this goes on with it: actas runs watch {id}")
                } else {
                    format!("detached; the run goes on: actas runs watch {id}")
                });
                return Ok(());
            }
        }
    }
    // The last event may be older than the end; the run's own document is what is promised.
    let document = client.get(&format!("/api/v1/runs/{}", part(&id))).await?;
    if output.json {
        output.data(&document, Value::to_string)?;
    } else if let Some(outputs) = document
        .get("outputs")
        .filter(|o| o.as_object().is_some_and(|o| !o.is_empty()))
    {
        output.text(&serde_json::to_string_pretty(outputs).unwrap_or_default())?;
    }
    if cell(&document, "state") == "succeeded" {
        Ok(())
    } else {
        Err(Failed::Said)
    }
}

fn stop_at_pause(document: &Value, output: Output) -> Done {
    if output.json {
        output.data(document, Value::to_string)?;
    }
    let asked = view::pause(document, false);
    Err(Failed::Paused(format!(
        "the run waits for a person:\n{}\n  help: `actas runs watch {}` serves that page and follows the run",
        asked.trim_end(),
        cell(document, "run")
    )))
}

/// How long a pause is waited for.
#[derive(Debug, Clone, Copy)]
enum Patience {
    None,
    For(Duration),
    Ever,
}

fn patience(waiting: &Waiting) -> Patience {
    match waiting.wait {
        Some(time) => Patience::For(time),
        None if stdin().is_terminal() && stderr().is_terminal() => Patience::Ever,
        None => Patience::None,
    }
}

/// Opens each link once in the person's browser, if there is a terminal and they did not say otherwise. What is asked of others alone is said,
/// not opened.
fn open_links(document: &Value, waiting: &Waiting, opened: &mut Vec<String>, output: Output) {
    for asked in view::asked(document) {
        if opened.contains(&asked.url) {
            continue;
        }
        opened.push(asked.url.clone());
        if !output.is_live() {
            output.say(&format!("paused: {} is needed: {}", asked.of, asked.url));
        }
        let mine = asked.of == cell(document, "invoker");
        if mine && !waiting.no_browser && output.is_live() && asked.url.starts_with("http") {
            let program = if cfg!(target_os = "macos") {
                "open"
            } else {
                "xdg-open"
            };
            // No browser to open is no fault: the link stands there.
            let _ = std::process::Command::new(program)
                .arg(&asked.url)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn();
        }
    }
}

/// The live picture: drawn over itself on a terminal, once at the end elsewhere.
struct Picture {
    output: Output,
    rows: usize,
}

impl Picture {
    fn draw(&mut self, document: &Value) {
        // Outputs are data: they go to standard output.
        let mut shown = document.clone();
        shown["outputs"] = Value::Null;
        let text = view::run(&shown, colour(&stderr()));
        if !self.output.is_live() {
            if view::ended(document) {
                self.output.say(&text);
            }
            return;
        }
        let mut to = stderr().lock();
        if self.rows > 0 {
            let _ = write!(to, "\x1b[{}A\x1b[J", self.rows);
        }
        let _ = writeln!(to, "{text}");
        let width = terminal_width();
        // A narrow terminal makes several rows of a line.
        self.rows = view::run(&shown, false)
            .lines()
            .map(|line| line.chars().count().div_ceil(width).max(1))
            .sum();
    }
}

/// A flow file named where a flow is expected: published first on the embedded store without a server, compared elsewhere.
async fn file_as_flow(session: &Session, file: &str, output: Output) -> Result<String, Failed> {
    let path = Path::new(file);
    if session.is_own() {
        let published = publish_file(session, path, false, output).await?;
        output.say(&format!(
            "{file} {} as {} version {}",
            if published.get("unchanged").and_then(Value::as_bool) == Some(true) {
                "stands published"
            } else {
                "was published"
            },
            cell(&published, "flow"),
            cell(&published, "version")
        ));
        return Ok(cell(&published, "flow"));
    }
    let (flow, _) = check_file(path, &session.apps, output)?;
    let name = flow.flow.as_str().to_owned();
    let at = format!("/api/v1/flows/{}", part(&name));
    let published = session.client.get(&at).await?;
    let version = session
        .client
        .get(&format!("{at}/versions/{}", cell(&published, "version")))
        .await?;
    if serde_json::to_value(&flow).ok().as_ref() == version.get("document") {
        return Ok(name);
    }
    Err(Failed::Usage(format!(
        "{file} differs from the published version of {name}: publish it (actas publish {file}), try the draft (actas build {file}), or run what is published (actas run {name})"
    )))
}

fn is_file(text: &str) -> bool {
    text.contains('/') || text.ends_with(".yaml") || text.ends_with(".yml")
}

/// The inputs given, read by the types that the published flow declares.
async fn inputs(client: &Client, flow: &str, given: &Inputs) -> Result<Value, Failed> {
    if given.input.is_empty() {
        return from_file(given);
    }
    let flow = client.get(&format!("/api/v1/flows/{}", part(flow))).await?;
    read_inputs(flow.get("inputs").unwrap_or(&Value::Null), given)
}

/// The inputs given, read by the types that a flow declares: `{name: {schema, required}}`.
fn read_inputs(declared: &Value, given: &Inputs) -> Result<Value, Failed> {
    let mut inputs = from_file(given)?;
    for pair in &given.input {
        let (key, text) = pair
            .split_once('=')
            .ok_or_else(|| Failed::Usage(format!("`-i {pair}` has no `=`: write -i name=value")))?;
        inputs[key] = read_value(declared.pointer(&format!("/{key}/schema/type")), text);
    }
    Ok(inputs)
}

/// A value as its type reads it. What does not fit stays text: the server says what is wrong with it.
pub fn read_value(kind: Option<&Value>, text: &str) -> Value {
    let takes = |name: &str| match kind {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) if !value.is_string() && !takes("string") => value,
        _ => Value::String(text.to_owned()),
    }
}

fn from_file(given: &Inputs) -> Result<Value, Failed> {
    let Some(file) = &given.inputs else {
        return Ok(json!({}));
    };
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        stdin()
            .read_to_string(&mut text)
            .map_err(|e| Failed::Usage(format!("standard input cannot be read: {e}")))?;
        text
    } else {
        read(file)?
    };
    match serde_json::from_str(&text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failed::Usage(format!(
            "{} holds no JSON object of inputs",
            file.display()
        ))),
        Err(e) => Err(Failed::Usage(format!(
            "{} is not JSON: {e}",
            file.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_input_is_read_by_its_type() {
        let read = |kind: Value, text: &str| read_value(Some(&kind), text);
        assert_eq!(read(json!("string"), "42"), json!("42"));
        assert_eq!(read(json!("number"), "42"), json!(42));
        assert_eq!(read(json!("boolean"), "true"), json!(true));
        assert_eq!(read(json!("array"), "[1, 2]"), json!([1, 2]));
        assert_eq!(read(json!(["number", "null"]), "null"), json!(null));
        assert_eq!(
            read(json!("number"), "many"),
            json!("many"),
            "the server says what is wrong"
        );
        assert_eq!(read_value(None, "plain words"), json!("plain words"));
    }
}
