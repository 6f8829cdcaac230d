//! The workspace's values and secrets by name. A secret is read from a hidden prompt or standard input, never from an argument, and is never shown.

use std::io::{Read, stdin};

use serde_json::{Value, json};

use crate::args::{SecretsCommand, VarsCommand};
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, moment, table};

/// `vars …`.
///
/// # Errors
/// What the server refused.
pub async fn vars(client: &Client, command: &VarsCommand, output: Output) -> Done {
    match command {
        VarsCommand::List => {
            let list = client.get("/api/v1/vars").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "vars")
                    .map(|v| {
                        vec![
                            cell(v, "name"),
                            v.get("value").map(shown).unwrap_or_default(),
                            cell(v, "updated_by"),
                            moment(v, "updated_at"),
                        ]
                    })
                    .collect();
                if rows.is_empty() {
                    "no values".into()
                } else {
                    table(&["name", "value", "set by", "at"], &rows)
                }
            })
        }
        VarsCommand::Set { name, value, text } => {
            let value = match serde_json::from_str(value) {
                Ok(read) if !text => read,
                _ => Value::String(value.clone()),
            };
            let path = format!("/api/v1/vars/{}", part(name));
            let answer = client.put(&path, &json!({"value": value})).await?;
            output.say("runs that begin from now on see it");
            output.data(&answer, |one| {
                format!(
                    "{name} = {}",
                    shown(one.get("value").unwrap_or(&Value::Null))
                )
            })
        }
        VarsCommand::Delete { name } => {
            client
                .delete(&format!("/api/v1/vars/{}", part(name)))
                .await?;
            output.say(&format!("{name} is deleted"));
            Ok(())
        }
    }
}

fn shown(value: &Value) -> String {
    crate::output::clean(&value.to_string())
}

/// `secrets …`.
///
/// # Errors
/// What the server refused.
pub async fn secrets(client: &Client, command: &SecretsCommand, output: Output) -> Done {
    match command {
        SecretsCommand::List => {
            let list = client.get("/api/v1/secrets").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "secrets")
                    .map(|s| {
                        vec![
                            cell(s, "name"),
                            cell(s, "created_by"),
                            moment(s, "created_at"),
                            moment(s, "rotated_at"),
                        ]
                    })
                    .collect();
                if rows.is_empty() {
                    "no secrets".into()
                } else {
                    table(&["name", "made by", "at", "rotated"], &rows)
                }
            })
        }
        SecretsCommand::Add { name, secret_stdin } => {
            let value = secret(name, *secret_stdin)?;
            client
                .post("/api/v1/secrets", &json!({"name": name, "value": value}))
                .await?;
            output.say(&format!("{name} is kept; nobody can read it back"));
            Ok(())
        }
        SecretsCommand::Rotate { name, secret_stdin } => {
            let value = secret(name, *secret_stdin)?;
            let path = format!("/api/v1/secrets/{}", part(name));
            client.put(&path, &json!({"value": value})).await?;
            output.say(&format!(
                "{name} has a new value; the one before counts as well until the next rotation"
            ));
            Ok(())
        }
        SecretsCommand::Delete { name } => {
            let path = format!("/api/v1/secrets/{}", part(name));
            client.delete(&path).await?;
            output.say(&format!("{name} is deleted"));
            Ok(())
        }
    }
}

/// A secret from standard input, or from a prompt that does not show it.
fn secret(name: &str, from_stdin: bool) -> Result<String, Failed> {
    let unread = |e: std::io::Error| {
        Failed::Usage(format!("no secret could be read ({e}): use --secret-stdin"))
    };
    if !from_stdin {
        return rpassword::prompt_password(format!("{name}: ")).map_err(unread);
    }
    let mut text = String::new();
    stdin().read_to_string(&mut text).map_err(unread)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
