//! Connections: one's own and shared ones. Signing in happens on pages; here are their addresses.

use std::io::IsTerminal as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{ConnectionsCommand, Typed};
use crate::client::{Client, part};
use crate::commands::typed::{add_to, said, set_password};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, moment, table, texts};

/// `connections …`.
///
/// # Errors
/// What the server refused.
pub async fn connections(client: &Client, command: &ConnectionsCommand, output: Output) -> Done {
    match command {
        ConnectionsCommand::List { mine, all } => list(client, *mine, *all, output).await,
        ConnectionsCommand::Show { connection } => {
            let one = client.get(&found(client, connection).await?.path()).await?;
            output.data(&one, show)
        }
        ConnectionsCommand::Add {
            name,
            app,
            client: app_client,
            no_account,
            typed,
        } => {
            let mut body =
                json!({"name": name, "app": app, "client": app_client, "no_account": no_account});
            let given = add_to(&mut body, typed)?;
            let answer = client.post("/api/v1/connections", &body).await?;
            if given {
                return said(&answer, output);
            }
            if *no_account {
                output.say(&format!(
                    "made: slots can name it as their parent, `dynamic: {{parent: {name}}}`; nobody acts through it"
                ));
                return output.data(&answer, show);
            }
            page(&answer, "open this page to sign in:", output)
        }
        ConnectionsCommand::Connect { flow, slot, typed } => {
            connect(client, flow, slot.as_deref(), typed, output).await
        }
        ConnectionsCommand::SetPassword { connection, typed } => {
            let own = client.get("/api/v1/me/connections").await?;
            let own = items(&own, "connections").find(|one| cell(one, "id") == *connection);
            let row = match own {
                Some(row) => row.clone(),
                None => {
                    let id = shared_id(client, connection).await?;
                    let id = id.unwrap_or_else(|| connection.clone());
                    client
                        .get(&format!("/api/v1/connections/{}", part(&id)))
                        .await?
                }
            };
            set_password(client, &row, typed, output).await
        }
        ConnectionsCommand::Reconnect { connection } => {
            let path = found(client, connection).await?.path();
            let answer = client
                .post(&format!("{path}/reconnect"), &json!({}))
                .await?;
            page(&answer, "open this page to sign in again:", output)
        }
        ConnectionsCommand::Switch { connection } => {
            let path = format!("/api/v1/me/connections/{}/switch", part(connection));
            let answer = client.post(&path, &json!({})).await?;
            page(
                &answer,
                "open this page to sign in with another account:",
                output,
            )
        }
        ConnectionsCommand::Disconnect { connection } => {
            let path = found(client, connection).await?.path();
            let one = client
                .post(&format!("{path}/disconnect"), &json!({}))
                .await?;
            output.say("disconnected: the next run that needs it asks again");
            output.say(at_provider(&one));
            quietly(&one, output)
        }
        ConnectionsCommand::Delete { connection, yes } => {
            delete(client, connection, *yes, output).await
        }
        ConnectionsCommand::WhereUsed { connection } => {
            let found = found(client, connection).await?;
            let used = client.get(&format!("{}/where-used", found.path())).await?;
            output.data(&used, where_used)
        }
        ConnectionsCommand::Adopt {
            parent,
            from,
            connections,
        } => {
            let id = shared_id(client, parent).await?;
            let id = id.unwrap_or_else(|| parent.clone());
            let body = match from {
                Some(from) => json!({"from": from}),
                None => json!({"connections": connections}),
            };
            let path = format!("/api/v1/connections/{}/adopt", part(&id));
            let answer = client.post(&path, &body).await?;
            let adopted = items(&answer, "adopted").count();
            output.say(&format!("{adopted} adopted by {}", cell(&answer, "name")));
            let left = texts(&answer, "left");
            if !left.is_empty() {
                output.say(&format!("left as they are: {}", left.join(", ")));
            }
            quietly(&answer, output)
        }
        ConnectionsCommand::Purge { parent, yes } => {
            let sure = "this deletes people's connections for good and revokes them at the app";
            if !agreed(sure, *yes, output)? {
                return Ok(());
            }
            let answer = client
                .post(
                    "/api/v1/runtime-connections/purge",
                    &json!({"parent": parent}),
                )
                .await?;
            let purged = texts(&answer, "purged").len();
            output.say(&format!("{purged} purged"));
            quietly(&answer, output)
        }
        ConnectionsCommand::Grants => {
            let list = client.get("/api/v1/me/grants").await?;
            output.data(&list, grants)
        }
        ConnectionsCommand::Choose {
            flow,
            slot,
            connection,
        } => {
            let path = format!("/api/v1/me/grants/{}/{}", part(flow), part(slot));
            let answer = client
                .put(&path, &json!({"connection": connection}))
                .await?;
            output.say(&format!(
                "{flow} acts as {} from now on",
                cell(&answer, "account")
            ));
            quietly(&answer, output)
        }
        ConnectionsCommand::Withdraw { flow, slot } => {
            let path = format!("/api/v1/me/grants/{}/{}", part(flow), part(slot));
            let answer = client.delete(&path).await?;
            output.say(&format!(
                "taken back: {flow} asks you again at its next run"
            ));
            quietly(&answer, output)
        }
    }
}

/// The document where one was asked for; what was done has been said.
fn quietly(answer: &Value, output: Output) -> Done {
    if output.json {
        output.data(answer, Value::to_string)
    } else {
        Ok(())
    }
}

/// Whether a person at a terminal is sure; a script is.
///
/// # Errors
/// If the terminal cannot be read.
pub fn agreed(what: &str, yes: bool, output: Output) -> Result<bool, Failed> {
    if yes || !output.is_live() || !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    eprint!("{what}: go on? [y/N] ");
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failed::Fault(format!("terminal cannot be read: {error}")))?;
    let sure = matches!(line.trim(), "y" | "Y" | "yes");
    if !sure {
        output.say("nothing was done");
    }
    Ok(sure)
}

/// A connection of the workspace's or of one's own.
enum Found {
    Own(String),
    Shared(String),
}

impl Found {
    fn path(&self) -> String {
        match self {
            Self::Own(id) => format!("/api/v1/me/connections/{}", part(id)),
            Self::Shared(id) => format!("/api/v1/connections/{}", part(id)),
        }
    }
}

/// Whose it is that is meant: one's own by its id, else a shared one by id or name.
async fn found(client: &Client, connection: &str) -> Result<Found, Failed> {
    let own = client.get("/api/v1/me/connections").await?;
    if items(&own, "connections").any(|one| cell(one, "id") == connection) {
        return Ok(Found::Own(connection.to_owned()));
    }
    Ok(match shared_id(client, connection).await? {
        Some(id) => Found::Shared(id),
        // Let the server say that it is not there.
        None => Found::Own(connection.to_owned()),
    })
}

fn at_provider(answer: &Value) -> &'static str {
    match answer["at_provider"].as_str() {
        Some("revoked_at_provider") => "access was given back at the app",
        Some("account_in_use_elsewhere") => {
            "access at the app stays: another connection has the same account there"
        }
        Some("revoked_later") => "the app does not answer: it is told later",
        Some("not_revoked_at_provider") => {
            "the app offers no way to give access back: take it back there by hand"
        }
        _ => "there was no access to give back",
    }
}

fn show(one: &Value) -> String {
    let mut text = format!(
        "{}  {}  {} as {}  {}\n",
        cell(one, "name"),
        cell(one, "id"),
        cell(one, "app"),
        cell(one, "account"),
        standing(one)
    );
    let flows: Vec<String> = match one["flows"].is_array() {
        true => texts(one, "flows"),
        false => items(one, "used_by")
            .map(|used| format!("{}/{}", cell(used, "flow"), cell(used, "slot")))
            .collect(),
    };
    text.push_str(&format!(
        "  used by: {}",
        if flows.is_empty() {
            "no flow".into()
        } else {
            flows.join(", ")
        }
    ));
    if one["parent"].is_object() {
        let parent = &one["parent"];
        let gone = if parent["deleted"] == true {
            " (deleted)"
        } else {
            ""
        };
        text.push_str(&format!("\n  made under: {}{gone}", cell(parent, "name")));
    }
    if one["expires_at"].is_string() {
        let renews = if one["renews"] == true {
            ", renewed by itself"
        } else {
            ""
        };
        text.push_str(&format!("\n  ends: {}{renews}", moment(one, "expires_at")));
    }
    text
}

/// Its state, and what its person should know ahead.
fn standing(one: &Value) -> String {
    let mut words = vec![cell(one, "state")];
    for (key, word) in [
        ("expiring", "ends soon"),
        ("unused", "unused"),
        ("orphan", "orphan"),
        ("holder_left", "holder left"),
    ] {
        if one[key] == true {
            words.push(word.to_owned());
        }
    }
    words.join(", ")
}

fn where_used(used: &Value) -> String {
    let mut lines = Vec::new();
    for flow in items(used, "flows") {
        let slots: Vec<String> = items(flow, "slots")
            .map(|slot| format!("{} ({})", cell(slot, "slot"), cell(slot, "as")))
            .collect();
        lines.push(format!(
            "{} version {}: {}",
            cell(flow, "flow"),
            cell(flow, "version"),
            slots.join(", ")
        ));
    }
    for draft in items(used, "drafts") {
        lines.push(format!(
            "draft of {}: {}",
            cell(draft, "flow"),
            texts(draft, "slots").join(", ")
        ));
    }
    for slot in items(used, "used_by") {
        lines.push(format!("{}: {}", cell(slot, "flow"), cell(slot, "slot")));
    }
    if let Some(count) = used["personal_connections"].as_u64().filter(|n| *n > 0) {
        lines.push(format!("{count} personal connections are made under it"));
    }
    if lines.is_empty() {
        "nowhere".into()
    } else {
        lines.join("\n")
    }
}

fn grants(list: &Value) -> String {
    let rows: Vec<_> = items(list, "grants")
        .map(|grant| {
            let choices = items(grant, "choices").count();
            vec![
                cell(grant, "flow"),
                cell(grant, "slot"),
                cell(grant, "account"),
                cell(grant, "connection"),
                moment(grant, "agreed_at"),
                if choices > 1 {
                    format!("{choices} to choose from")
                } else {
                    String::new()
                },
            ]
        })
        .collect();
    if rows.is_empty() {
        return "you have agreed to nothing yet".into();
    }
    let head = ["flow", "slot", "account", "connection", "agreed", ""];
    table(&head, &rows)
}

async fn list(client: &Client, mine: bool, everybodys: bool, output: Output) -> Done {
    let own = match everybodys {
        true => client.get("/api/v1/runtime-connections").await?,
        false => client.get("/api/v1/me/connections").await?,
    };
    let mut all: Vec<Value> = items(&own, "connections").cloned().collect();
    if !mine {
        match client
            .ask(Method::GET, "/api/v1/connections", None, &[])
            .await?
        {
            Ok(shared) => all.extend(items(&shared.body, "connections").cloned()),
            // Without the privilege one's own are all there is to see.
            Err(refusal) if refusal.status == 403 => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    output.data(&json!({"connections": all}), |list| {
        let rows: Vec<_> = items(list, "connections")
            .map(|c| {
                let what = match cell(c, "name").as_str() {
                    "-" => items(c, "used_by")
                        .map(|used| format!("{}/{}", cell(used, "flow"), cell(used, "slot")))
                        .collect::<Vec<_>>()
                        .join(", "),
                    name => name.to_owned(),
                };
                vec![
                    cell(c, "id"),
                    cell(c, "kind"),
                    cell(c, "app"),
                    cell(c, "account"),
                    standing(c),
                    cell(c, "owner"),
                    what,
                    moment(c, "last_used_at"),
                ]
            })
            .collect();
        if rows.is_empty() {
            "no connections".into()
        } else {
            table(
                &[
                    "connection",
                    "kind",
                    "app",
                    "account",
                    "state",
                    "owner",
                    "name or flow",
                    "last used",
                ],
                &rows,
            )
        }
    })
}

/// The page at which one's own accounts are connected for a flow ahead of a run: all of them, or one slot's.
async fn connect(
    client: &Client,
    flow: &str,
    slot: Option<&str>,
    typed: &Typed,
    output: Output,
) -> Done {
    if let Some(slot) = slot {
        let mut body = json!({"flow": flow, "slot": slot});
        let given = add_to(&mut body, typed)?;
        let answer = client.post("/api/v1/me/connections", &body).await?;
        if given {
            return said(&answer, output);
        }
        return page(&answer, "open this page to sign in:", output);
    }
    if typed.kind.is_some() {
        return Err(Failed::Usage("say for which slot: FLOW SLOT".into()));
    }
    let answer = client
        .post(
            &format!("/api/v1/flows/{}/sign-ins", part(flow)),
            &json!({}),
        )
        .await?;
    let missing: Vec<String> = items(&answer, "missing")
        .map(|one| format!("{} ({})", cell(one, "slot"), cell(one, "app")))
        .collect();
    let words = if missing.is_empty() {
        format!("every account that {flow} needs of you is connected; they stand at this page:")
    } else {
        format!("open this page to connect {}:", missing.join(", "))
    };
    page(&answer, &words, output)
}

fn page(answer: &Value, words: &str, output: Output) -> Done {
    output.say(words);
    output.data(answer, |answer| cell(answer, "url"))
}

async fn delete(client: &Client, connection: &str, yes: bool, output: Output) -> Done {
    let found = found(client, connection).await?;
    let mut path = found.path();
    if let Found::Shared(_) = &found {
        let shown = client.get(&format!("{path}/impact")).await?;
        for line in impact(&shown["impact"]) {
            output.say(&line);
        }
    }
    if !agreed(&format!("this deletes {connection}"), yes, output)? {
        return Ok(());
    }
    let answer = match client.ask(Method::DELETE, &path, None, &[]).await? {
        Ok(answer) => answer.body,
        // Another person's, which some may delete and nobody else may use.
        Err(refusal) if refusal.status == 404 && matches!(found, Found::Own(_)) => {
            path = format!("/api/v1/runtime-connections/{}", part(connection));
            match client.ask(Method::DELETE, &path, None, &[]).await? {
                Ok(answer) => answer.body,
                Err(_) => return Err(refusal.into()),
            }
        }
        Err(refusal) => return Err(refusal.into()),
    };
    output.say("deleted");
    output.say(at_provider(&answer));
    let stopped = texts(&answer, "stopped_flows");
    if !stopped.is_empty() {
        output.say(&format!(
            "these flows used it and are stopped now: {}",
            stopped.join(", ")
        ));
    }
    quietly(&answer, output)
}

/// What deleting a shared connection means, in words.
fn impact(impact: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let stops: Vec<String> = items(impact, "flows")
        .filter(|flow| flow["stops"] == true)
        .map(|flow| cell(flow, "flow"))
        .collect();
    if !stops.is_empty() {
        lines.push(format!("flows that stop: {}", stops.join(", ")));
    }
    let runs: Vec<String> = impact["runs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    if !runs.is_empty() {
        lines.push(format!(
            "runs that fail at their next use of it: {}",
            runs.join(", ")
        ));
    }
    let people = &impact["people"];
    if let Some(count) = people["count"].as_u64().filter(|count| *count > 0) {
        let logins = texts(people, "logins");
        lines.push(if logins.is_empty() {
            format!("people it is about: {count}")
        } else {
            format!("people it is about: {}", logins.join(", "))
        });
    }
    if let Some(orphans) = impact["orphans"].as_u64().filter(|count| *count > 0) {
        lines.push(format!(
            "{orphans} personal connections are kept and serve nothing until `connections adopt` or `connections purge`"
        ));
    }
    lines
}

/// The id of a shared connection that is called so, or has this id.
async fn shared_id(client: &Client, name: &str) -> Result<Option<String>, Failed> {
    let list = match client
        .ask(Method::GET, "/api/v1/connections", None, &[])
        .await?
    {
        Ok(answer) => answer.body,
        Err(refusal) if refusal.status == 403 => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    let found = items(&list, "connections")
        .find(|one| cell(one, "id") == name || cell(one, "name") == name);
    Ok(found.map(|one| cell(one, "id")))
}
