//! Runs, connections, apps, people, tokens, and what waits for me: lists and small acts on one thing.

use std::fmt::Write;
use std::io::{Read, stdin, stdout};

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{AppsCommand, ConnectionsCommand, RunsCommand, TokensCommand, UsersCommand};
use crate::client::{Body, Client, part};
use crate::commands::run::see_through;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, colour, items, moment, table};
use crate::view;

/// `runs …`.
///
/// # Errors
/// What the server refused; `watch` as `run`.
pub async fn runs(client: &Client, command: &RunsCommand, output: Output) -> Done {
    match command {
        RunsCommand::List { flow, state, limit } => {
            let mut path = format!("/api/v1/runs?limit={limit}");
            for (key, value) in [("flow", flow), ("state", state)] {
                if let Some(value) = value {
                    let _ = write!(path, "&{key}={}", part(value));
                }
            }
            let list = client.get(&path).await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list)
                    .iter()
                    .map(|r| vec![cell(r, "run"), cell(r, "flow"), cell(r, "state"), cell(r, "invoker"), cell(r, "entry"), moment(r, "created_at")])
                    .collect();
                table(&["run", "flow", "state", "as", "entry", "created"], &rows)
            })
        }
        RunsCommand::Show { run } => {
            let one = client.get(&format!("/api/v1/runs/{}", part(run))).await?;
            output.data(&one, |one| view::run(one, colour(&stdout())))
        }
        RunsCommand::Watch { run, waiting } => {
            let one = client.get(&format!("/api/v1/runs/{}", part(run))).await?;
            see_through(client, one, waiting, output).await
        }
        RunsCommand::Cancel { run } => {
            let done = client.post(&format!("/api/v1/runs/{}/cancel", part(run)), &json!({})).await?;
            output.say("cancelled: nothing new starts, what is under way finishes");
            if output.json { output.data(&done, Value::to_string) } else { Ok(()) }
        }
    }
}

/// `requests`: what is asked of me.
///
/// # Errors
/// What the server refused.
pub async fn requests(client: &Client, output: Output) -> Done {
    let list = client.get("/api/v1/me/requests").await?;
    output.data(&list, |list| {
        let rows: Vec<_> = items(list)
            .iter()
            .map(|r| vec![cell(r, "app"), cell(r, "flow"), cell(r, "reason"), moment(r, "until"), cell(r, "url")])
            .collect();
        if rows.is_empty() { "nothing waits for you".into() } else { table(&["app", "flow", "why", "until", "open"], &rows) }
    })
}

/// `accounts FLOW`.
///
/// # Errors
/// What the server refused.
pub async fn accounts(client: &Client, flow: &str, output: Output) -> Done {
    let list = client.get(&format!("/api/v1/flows/{}/accounts", part(flow))).await?;
    output.data(&list, |list| {
        let rows: Vec<_> = items(list)
            .iter()
            .map(|a| {
                let may = a.get("may_be_needed").and_then(Value::as_bool) == Some(true);
                vec![cell(a, "slot"), cell(a, "app"), cell(a, "status"), cell(a, "account"), if may { "may be needed".into() } else { "needed".into() }]
            })
            .collect();
        if rows.is_empty() { "this flow acts through no account".into() } else { table(&["slot", "app", "status", "account", ""], &rows) }
    })
}

/// `connections …`.
///
/// # Errors
/// What the server refused.
pub async fn connections(client: &Client, command: &ConnectionsCommand, output: Output) -> Done {
    match command {
        ConnectionsCommand::List { mine } => {
            let mut all = items(&client.get("/api/v1/me/connections").await?);
            if !mine {
                match client.get("/api/v1/connections").await {
                    Ok(shared) => all.extend(items(&shared)),
                    // Without the privilege one's own are all there is to see.
                    Err(Failed::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            output.data(&json!({"items": all}), |list| {
                let rows: Vec<_> = items(list)
                    .iter()
                    .map(|c| vec![cell(c, "connection"), cell(c, "kind"), cell(c, "name"), cell(c, "app"), cell(c, "account"), cell(c, "status"), moment(c, "last_used_at")])
                    .collect();
                table(&["connection", "kind", "name", "app", "account", "status", "last used"], &rows)
            })
        }
        ConnectionsCommand::Connect { name, app, client: app_client } => {
            let body = json!({"name": name, "app": app, "client": app_client});
            let answer = client.post("/api/v1/connections", &body).await?;
            output.data(&answer, |answer| format!("open this page to sign in: {}", cell(answer, "url")))
        }
        ConnectionsCommand::Reconnect { connection } => {
            let answer = client.post(&format!("/api/v1/me/connections/{}/reconnect", part(connection)), &json!({})).await?;
            output.data(&answer, |answer| format!("open this page to sign in again: {}", cell(answer, "url")))
        }
        ConnectionsCommand::Disconnect { connection } => {
            client.post(&format!("/api/v1/me/connections/{}/disconnect", part(connection)), &json!({})).await?;
            output.say("disconnected: the next run that needs it asks again");
            Ok(())
        }
        ConnectionsCommand::Delete { connection } => {
            let own = client.delete(&format!("/api/v1/me/connections/{}", part(connection))).await;
            if let Err(Failed::Fault(_)) = own {
                client.delete(&format!("/api/v1/connections/{}", part(connection))).await?;
            } else {
                own?;
            }
            output.say("deleted, and access was given back at the app");
            Ok(())
        }
    }
}

/// `apps …`.
///
/// # Errors
/// What the server refused.
pub async fn apps(client: &Client, command: &AppsCommand, output: Output) -> Done {
    match command {
        AppsCommand::List => {
            let list = client.get("/api/v1/apps").await?;
            output.data(&list, |list| {
                let mut text = String::new();
                for app in items(list) {
                    let _ = writeln!(text, "{}  {}", cell(&app, "app"), cell(&app, "title"));
                    for module in items(app.get("modules").unwrap_or(&Value::Null)) {
                        let _ = writeln!(text, "  {:<28} {:<14} {}", cell(&module, "name"), cell(&module, "effect"), cell(&module, "title"));
                    }
                }
                text
            })
        }
        AppsCommand::Configure { app, name, client_id, secret_stdin, no_secret, settings } => {
            let secret = match (no_secret, secret_stdin) {
                (true, _) => None,
                (false, true) => Some(first_line()?),
                (false, false) => Some(
                    rpassword::prompt_password("OAuth client secret: ")
                        .map_err(|e| Failed::Usage(format!("no secret could be read ({e}): use --secret-stdin or --no-secret")))?,
                ),
            };
            let body = json!({"name": name, "client_id": client_id, "client_secret": secret, "settings": pairs(settings)?});
            let path = format!("/api/v1/apps/{}/clients", part(app));
            let stands = items(&client.get(&path).await?).into_iter().find(|c| cell(c, "name") == *name);
            let answer = match stands {
                Some(one) => {
                    client.send(Method::PUT, &format!("{path}/{}", part(&cell(&one, "client"))), Some(Body::Json(&body)), &[]).await?.body
                }
                None => client.post(&path, &body).await?,
            };
            output.data(&answer, |answer| format!("register this redirect URI at the app:\n{}", cell(answer, "redirect_uri")))
        }
    }
}

/// `users …`.
///
/// # Errors
/// What the server refused.
pub async fn users(client: &Client, command: &UsersCommand, output: Output) -> Done {
    match command {
        UsersCommand::List => {
            let list = client.get("/api/v1/users").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list)
                    .iter()
                    .map(|u| {
                        let roles: Vec<String> = items(u.get("roles").unwrap_or(&Value::Null)).iter().filter_map(|r| r.as_str().map(str::to_owned)).collect();
                        vec![cell(u, "login"), cell(u, "name"), cell(u, "email"), roles.join(", "), cell(u, "local")]
                    })
                    .collect();
                table(&["login", "name", "e-mail", "roles", "local"], &rows)
            })
        }
        UsersCommand::Add { login, name, email, roles, local, password_stdin } => {
            let password = if *password_stdin { Some(first_line()?) } else { None };
            let body = json!({"login": login, "name": name.as_ref().unwrap_or(login), "email": email, "roles": roles, "local": local, "password": password});
            let answer = client.post("/api/v1/users", &body).await?;
            output.data(&answer, |answer| match answer.get("link").and_then(Value::as_str) {
                Some(link) => format!("{login} was added; they choose a password here, once:\n{link}"),
                None => format!("{login} was added"),
            })
        }
    }
}

/// `tokens …`.
///
/// # Errors
/// What the server refused.
pub async fn tokens(client: &Client, command: &TokensCommand, output: Output) -> Done {
    let TokensCommand::Add { name, days } = command;
    let answer = client.post("/api/v1/tokens", &json!({"name": name, "days": days})).await?;
    output.say("keep this token: it is shown once");
    output.data(&answer, |answer| cell(answer, "token"))
}

/// `settings`.
///
/// # Errors
/// What the server refused.
pub async fn settings(client: &Client, output: Output) -> Done {
    let settings = client.get("/api/v1/settings").await?;
    output.data(&settings, |settings| {
        let rows: Vec<_> = settings.as_object().into_iter().flatten().map(|(key, _)| vec![key.clone(), cell(settings, key)]).collect();
        table(&["setting", "value"], &rows)
    })
}

/// `key=value` pairs as an object.
fn pairs(pairs: &[String]) -> Result<Value, Failed> {
    let mut object = serde_json::Map::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| Failed::Usage(format!("`{pair}` has no `=`: write key=value")))?;
        object.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    Ok(Value::Object(object))
}

/// A secret on standard input, without its line end.
fn first_line() -> Result<String, Failed> {
    let mut text = String::new();
    stdin().read_to_string(&mut text).map_err(|e| Failed::Usage(format!("standard input cannot be read: {e}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
