//! Connections: one's own and shared ones. Signing in happens on pages; here are their addresses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::ConnectionsCommand;
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, moment, table, texts};

/// `connections …`.
///
/// # Errors
/// What the server refused.
pub async fn connections(client: &Client, command: &ConnectionsCommand, output: Output) -> Done {
    match command {
        ConnectionsCommand::List { mine } => list(client, *mine, output).await,
        ConnectionsCommand::Show { connection } => {
            let id = shared_id(client, connection)
                .await?
                .unwrap_or_else(|| connection.clone());
            let one = client
                .get(&format!("/api/v1/connections/{}", part(&id)))
                .await?;
            output.data(&one, |one| {
                let flows = texts(one, "flows");
                format!(
                    "{}  {}  {} as {}  {}\n  used by: {}",
                    cell(one, "name"),
                    cell(one, "id"),
                    cell(one, "app"),
                    cell(one, "account"),
                    cell(one, "state"),
                    if flows.is_empty() {
                        "no flow".into()
                    } else {
                        flows.join(", ")
                    }
                )
            })
        }
        ConnectionsCommand::Add {
            name,
            app,
            client: app_client,
        } => {
            let answer = client
                .post(
                    "/api/v1/connections",
                    &json!({"name": name, "app": app, "client": app_client}),
                )
                .await?;
            page(&answer, "open this page to sign in:", output)
        }
        ConnectionsCommand::Connect { flow, slot } => {
            connect(client, flow, slot.as_deref(), output).await
        }
        ConnectionsCommand::Reconnect { connection } => {
            let answer = client
                .post(
                    &format!("/api/v1/me/connections/{}/reconnect", part(connection)),
                    &json!({}),
                )
                .await?;
            page(&answer, "open this page to sign in again:", output)
        }
        ConnectionsCommand::Disconnect { connection } => {
            let one = client
                .post(
                    &format!("/api/v1/me/connections/{}/disconnect", part(connection)),
                    &json!({}),
                )
                .await?;
            output.say("disconnected: the next run that needs it asks again");
            if output.json {
                output.data(&one, Value::to_string)
            } else {
                Ok(())
            }
        }
        ConnectionsCommand::Delete { connection } => delete(client, connection, output).await,
    }
}

async fn list(client: &Client, mine: bool, output: Output) -> Done {
    let own = client.get("/api/v1/me/connections").await?;
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
                    cell(c, "state"),
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
                    "name or flow",
                    "last used",
                ],
                &rows,
            )
        }
    })
}

/// The page at which one's own accounts are connected for a flow ahead of a run: all of them, or one slot's.
async fn connect(client: &Client, flow: &str, slot: Option<&str>, output: Output) -> Done {
    if let Some(slot) = slot {
        let answer = client
            .post(
                "/api/v1/me/connections",
                &json!({"flow": flow, "slot": slot}),
            )
            .await?;
        return page(&answer, "open this page to sign in:", output);
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

async fn delete(client: &Client, connection: &str, output: Output) -> Done {
    let own = client
        .ask(
            Method::DELETE,
            &format!("/api/v1/me/connections/{}", part(connection)),
            None,
            &[],
        )
        .await?;
    let answer = match own {
        Ok(answer) => answer.body,
        // Not one's own: a shared one, by id or name.
        Err(refusal) if matches!(refusal.status, 400 | 404) => {
            let id = shared_id(client, connection).await?.ok_or(refusal)?;
            client
                .delete(&format!("/api/v1/connections/{}", part(&id)))
                .await?
        }
        Err(refusal) => return Err(refusal.into()),
    };
    output.say("deleted, and access was given back at the app");
    let stopped = texts(&answer, "stopped_flows");
    if !stopped.is_empty() {
        output.say(&format!(
            "these flows used it and are stopped now: {}",
            stopped.join(", ")
        ));
    }
    if output.json {
        output.data(&answer, Value::to_string)
    } else {
        Ok(())
    }
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
