//! Runs as lists and one by one, and what people say in them: cancel, retry, approve, decide. Seeing a run through stands in [`super::run`].

use std::fmt::Write;
use std::io::{Read, stdin, stdout};
use std::path::Path;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::args::{Answer, RunsCommand, Waiting};
use crate::client::{Body, Client, part};
use crate::commands::local::read;
use crate::commands::run::{FIRST_WAIT, see_through};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, clean, colour, items, moment, table};
use crate::session::Session;
use crate::view;

/// `runs …`.
///
/// # Errors
/// What the server refused; `watch` as `run`.
pub async fn runs(session: &Session, command: &RunsCommand, output: Output) -> Done {
    let client = &session.client;
    match command {
        RunsCommand::List {
            all,
            person,
            flow,
            state,
            parent,
            limit,
        } => {
            let mut path = format!("/api/v1/runs?limit={limit}");
            if *all {
                path.push_str("&all=true");
            }
            let narrow = [
                ("person", person),
                ("flow", flow),
                ("state", state),
                ("parent", parent),
            ];
            for (key, value) in narrow {
                if let Some(value) = value {
                    let _ = write!(path, "&{key}={}", part(value));
                }
            }
            let list = client.get(&path).await?;
            output.data(&list, listed)
        }
        RunsCommand::Show { run, reveal } => {
            let more = if *reveal { "?reveal=true" } else { "" };
            let path = format!("/api/v1/runs/{}{more}", part(run));
            let one = client.get(&path).await?;
            output.data(&one, |one| view::run(one, colour(&stdout())))
        }
        RunsCommand::Watch { run, waiting } => {
            let one = client.get(&format!("/api/v1/runs/{}", part(run))).await?;
            see_through(session, one, waiting, output).await
        }
        RunsCommand::Cancel { run } => {
            let done = client
                .post(&format!("/api/v1/runs/{}/cancel", part(run)), &json!({}))
                .await?;
            output.say("cancelled: nothing new starts, what is under way finishes");
            if output.json {
                output.data(&done, Value::to_string)
            } else {
                Ok(())
            }
        }
        RunsCommand::Retry { run, waiting } => again(session, "retry", run, waiting, output).await,
        RunsCommand::Replay { run, waiting } => {
            again(session, "replay", run, waiting, output).await
        }
        RunsCommand::Approve {
            run,
            step,
            reject,
            comment,
            form,
        } => {
            let form = read_form(client, run, step, form).await?;
            let decision = if *reject { "rejected" } else { "approved" };
            let body =
                json!({"step": step, "decision": decision, "comment": comment, "form": form});
            let path = format!("/api/v1/runs/{}/approve", part(run));
            let done = client.post(&path, &body).await?;
            output.say(&format!("{step} of {run} is {decision}"));
            quietly(&done, output)
        }
        RunsCommand::Decide {
            run,
            step,
            answer,
            output: given,
        } => {
            let mut body = json!({"step": step, "answer": answer.as_str()});
            match (given, answer) {
                (Some(file), Answer::Happened) => body["output"] = read_json(file)?,
                (Some(_), _) => {
                    return Err(Failed::Usage(
                        "--output goes with `happened` only: it is what the step gave".into(),
                    ));
                }
                (None, _) => {}
            }
            let path = format!("/api/v1/runs/{}/decide", part(run));
            let done = client.post(&path, &body).await?;
            output.say(&match answer {
                Answer::Happened => format!("{step} of {run} counts as done"),
                Answer::Again => format!("{step} of {run} is done again"),
                Answer::GiveUp => format!("{step} of {run} is given up"),
            });
            quietly(&done, output)
        }
        RunsCommand::Callback { run, step, payload } => {
            let payload = payload.as_deref().map(read_json).transpose()?;
            let body = json!({"step": step, "payload": payload});
            let path = format!("/api/v1/runs/{}/callback", part(run));
            let done = client.post(&path, &body).await?;
            output.say(&format!("{step} of {run} has what it waited for"));
            quietly(&done, output)
        }
    }
}

/// What was said is enough for a person; a program gets the run's document.
fn quietly(done: &Value, output: Output) -> Done {
    if output.json {
        output.data(done, Value::to_string)
    } else {
        Ok(())
    }
}

/// Runs that others called stand under those, if both are in the list.
fn listed(list: &Value) -> String {
    let all: Vec<&Value> = items(list, "runs").collect();
    let is_here = |id: &str| all.iter().any(|one| cell(one, "run") == id);
    let mut rows = Vec::new();
    let tops = all
        .iter()
        .filter(|one| !is_here(&cell(one, "parent")))
        .copied();
    for one in tops {
        under(&all, one, 0, &mut rows);
    }
    if rows.is_empty() {
        "no runs".into()
    } else {
        table(&["run", "flow", "state", "as", "entry", "created"], &rows)
    }
}

fn under(all: &[&Value], one: &Value, depth: usize, rows: &mut Vec<Vec<String>>) {
    let id = cell(one, "run");
    let branch = if depth == 0 {
        String::new()
    } else {
        format!("{}└ ", "  ".repeat(depth - 1))
    };
    rows.push(vec![
        format!("{branch}{id}"),
        cell(one, "flow"),
        cell(one, "state"),
        cell(one, "invoker"),
        cell(one, "entry"),
        moment(one, "created_at"),
    ]);
    // A run is younger than the one that called it, so this ends; the bound is for lists that say otherwise.
    if depth < 32 {
        for child in all.iter().rev().filter(|c| cell(c, "parent") == id) {
            under(all, child, depth + 1, rows);
        }
    }
}

/// `retry` and `replay`: another run, seen through like one that was just started.
async fn again(
    session: &Session,
    verb: &str,
    run: &str,
    waiting: &Waiting,
    output: Output,
) -> Done {
    let answer = session
        .client
        .send(
            Method::POST,
            &format!("/api/v1/runs/{}/{verb}", part(run)),
            Some(Body::Json(&json!({}))),
            &[("prefer", FIRST_WAIT)],
        )
        .await?;
    output.say(&format!("{} goes on from {run}", cell(&answer.body, "run")));
    see_through(session, answer.body, waiting, output).await
}

/// The fields of an approval's form, read by the types that the request declares.
async fn read_form(
    client: &Client,
    run: &str,
    step: &str,
    given: &[String],
) -> Result<Value, Failed> {
    let mut form = Map::new();
    if given.is_empty() {
        return Ok(Value::Object(form));
    }
    let requests = client.get("/api/v1/me/requests").await?;
    let declared = items(&requests, "requests")
        .find(|one| cell(one, "run") == run && cell(one, "step") == step)
        .and_then(|one| one.get("form").cloned())
        .unwrap_or_default();
    for pair in given {
        let (key, text) = pair
            .split_once('=')
            .ok_or_else(|| Failed::Usage(format!("`-i {pair}` has no `=`: write -i name=value")))?;
        let kind = declared.get(key).and_then(|schema| schema.get("type"));
        form.insert(key.to_owned(), super::run::read_value(kind, text));
    }
    Ok(Value::Object(form))
}

/// A JSON document from a file or `-`.
fn read_json(file: &Path) -> Result<Value, Failed> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        stdin()
            .read_to_string(&mut text)
            .map_err(|e| Failed::Usage(format!("standard input cannot be read: {e}")))?;
        text
    } else {
        read(file)?
    };
    serde_json::from_str(&text)
        .map_err(|e| Failed::Usage(format!("{} is not JSON: {e}", file.display())))
}

/// `requests`: what is asked of me.
///
/// # Errors
/// What the server refused.
pub async fn requests(client: &Client, output: Output) -> Done {
    let list = client.get("/api/v1/me/requests").await?;
    output.data(&list, |list| {
        let rows: Vec<_> = items(list, "requests")
            .map(|r| {
                let asked = match cell(r, "kind").as_str() {
                    "sign_in" => format!("sign in to {} ({})", cell(r, "app"), cell(r, "reason")),
                    "approval" => format!("approve: {}", cell(r, "asks")),
                    "decision" => format!("decide: {}", cell(r, "asks")),
                    other => clean(other),
                };
                vec![cell(r, "flow"), asked, moment(r, "until"), cell(r, "url")]
            })
            .collect();
        if rows.is_empty() {
            "nothing waits for you".into()
        } else {
            table(&["flow", "asks you to", "until", "open"], &rows)
        }
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn runs_that_others_called_stand_under_those() {
        let run = |id: &str, parent: Value| json!({"run": id, "flow": "f", "state": "paused", "invoker": "ana", "entry": "cli", "parent": parent, "created_at": "2026-11-20T11:00:00.000000Z"});
        let list = json!({"runs": [
            run("run_4", json!("run_gone")), run("run_3", json!("run_2")), run("run_2", json!("run_1")), run("run_1", Value::Null),
        ]});
        expect![[r#"
            RUN        FLOW  STATE   AS   ENTRY  CREATED
            run_4      f     paused  ana  cli    2026-11-20 11:00:00
            run_1      f     paused  ana  cli    2026-11-20 11:00:00
            └ run_2    f     paused  ana  cli    2026-11-20 11:00:00
              └ run_3  f     paused  ana  cli    2026-11-20 11:00:00"#]]
        .assert_eq(&listed(&list));
    }
}
