//! Apps, settings and accounts: lists and small acts on one thing.

use std::fmt::Write;
use std::io::{Read, stdin};

use serde_json::{Value, json};

use crate::args::AppsCommand;
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, clean, items, table, texts};

/// `accounts FLOW`.
///
/// # Errors
/// What the server refused.
pub async fn accounts(client: &Client, flow: &str, output: Output) -> Done {
    let list = client
        .get(&format!("/api/v1/flows/{}/accounts", part(flow)))
        .await?;
    output.data(&list, |list| {
        let rows: Vec<_> = items(list, "accounts")
            .map(|a| {
                let when = if a.get("may_be_needed").and_then(Value::as_bool) == Some(true) {
                    "perhaps"
                } else {
                    "always"
                };
                let state = match cell(a, "state").as_str() {
                    "needed" => format!("to connect ({})", cell(a, "reason")),
                    other => other.to_owned(),
                };
                vec![
                    cell(a, "slot"),
                    cell(a, "app"),
                    state,
                    cell(a, "account"),
                    when.into(),
                    cell(a, "connect"),
                ]
            })
            .collect();
        if rows.is_empty() {
            "this flow acts through no account".into()
        } else {
            table(
                &["slot", "app", "state", "account", "used", "connect at"],
                &rows,
            )
        }
    })
}

/// `apps …`.
///
/// # Errors
/// What the server refused.
pub async fn apps(client: &Client, command: &AppsCommand, output: Output) -> Done {
    match command {
        AppsCommand::List => {
            let mut list = client.get("/api/v1/apps").await?;
            for app in list
                .get_mut("apps")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let whole = client
                    .get(&format!("/api/v1/apps/{}", part(&cell(app, "app"))))
                    .await?;
                app["modules"] = whole["modules"].clone();
            }
            output.data(&list, |list| {
                let mut text = String::new();
                for app in items(list, "apps") {
                    let clients = texts(app, "clients");
                    let known = match (
                        app.get("needs_client").and_then(Value::as_bool),
                        clients.is_empty(),
                    ) {
                        (Some(true), true) => format!(
                            "no app client yet: actas apps configure {}",
                            cell(app, "app")
                        ),
                        (_, true) => String::new(),
                        (_, false) => format!("app clients: {}", clients.join(", ")),
                    };
                    let _ = writeln!(
                        text,
                        "{}",
                        format!("{}  {}  {known}", cell(app, "app"), cell(app, "title")).trim_end()
                    );
                    for module in items(app, "modules") {
                        let _ = writeln!(
                            text,
                            "  {:<30} {:<14} {}",
                            cell(module, "module"),
                            cell(module, "effect"),
                            cell(module, "title")
                        );
                    }
                }
                text
            })
        }
        AppsCommand::Configure {
            app,
            name,
            client_id,
            secret_stdin,
            no_secret,
            settings,
        } => {
            let secret = match (no_secret, secret_stdin) {
                (true, _) => None,
                (false, true) => Some(first_line()?),
                (false, false) => Some(
                    rpassword::prompt_password("OAuth client secret: ").map_err(|e| {
                        Failed::Usage(format!(
                            "no secret could be read ({e}): use --secret-stdin or --no-secret"
                        ))
                    })?,
                ),
            };
            let path = format!("/api/v1/apps/{}/clients", part(app));
            let list = client.get(&path).await?;
            let known = items(&list, "clients").any(|one| cell(one, "name") == *name);
            let mut body = json!({"client_id": client_id, "client_secret": secret});
            let settings = pairs(settings)?;
            // Changing a client leaves alone what is not said.
            if !known || settings.as_object().is_some_and(|pairs| !pairs.is_empty()) {
                body["settings"] = settings;
            }
            let answer = if known {
                client.put(&format!("{path}/{}", part(name)), &body).await?
            } else {
                body["name"] = json!(name);
                client.post(&path, &body).await?
            };
            output.say(&format!("register this redirect URI at {app}:"));
            output.data(&answer, |answer| cell(answer, "redirect_uri"))
        }
    }
}

/// `settings`.
///
/// # Errors
/// What the server refused.
pub async fn settings(client: &Client, output: Output) -> Done {
    let settings = client.get("/api/v1/settings").await?;
    output.data(&settings, |settings| {
        let rows: Vec<_> = settings
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| vec![key.clone(), setting(value)])
            .collect();
        table(&["setting", "value"], &rows)
    })
}

/// A setting on one line.
fn setting(value: &Value) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| format!("{key} {}", setting(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Array(several) => several.iter().map(setting).collect::<Vec<_>>().join(", "),
        Value::String(text) => clean(text),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

/// `key=value` pairs as an object.
fn pairs(pairs: &[String]) -> Result<Value, Failed> {
    let mut object = serde_json::Map::new();
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Failed::Usage(format!("`{pair}` has no `=`: write key=value")))?;
        object.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    Ok(Value::Object(object))
}

/// A secret on standard input, without its line end.
fn first_line() -> Result<String, Failed> {
    let mut text = String::new();
    stdin()
        .read_to_string(&mut text)
        .map_err(|e| Failed::Usage(format!("standard input cannot be read: {e}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
