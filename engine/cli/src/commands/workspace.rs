//! What holds for a whole workspace: its roles, its policies, and whose word for who somebody is counts.

use std::io::{Read, stdin};
use std::path::Path;

use serde_json::{Value, json};

use crate::args::{HostsCommand, OidcCommand, PoliciesCommand, RolesCommand};
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, clean, items, table, texts};

/// `roles …`.
///
/// # Errors
/// What the server refused.
pub async fn roles(client: &Client, command: &RolesCommand, output: Output) -> Done {
    match command {
        RolesCommand::List => {
            let list = client.get("/api/v1/roles").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "roles")
                    .map(|role| {
                        let own = match role.get("own") {
                            Some(Value::Bool(true)) => "your own",
                            _ => "",
                        };
                        vec![
                            cell(role, "name"),
                            own.into(),
                            texts(role, "privileges").join(" "),
                        ]
                    })
                    .collect();
                table(&["role", "", "privileges"], &rows)
            })
        }
        RolesCommand::Set { role, privileges } => {
            let path = format!("/api/v1/roles/{}", part(role));
            let answer = client
                .put(&path, &json!({"privileges": privileges}))
                .await?;
            output.data(&answer, |answer| {
                format!("{role}: {}", texts(answer, "privileges").join(", "))
            })
        }
        RolesCommand::Delete { role } => {
            let path = format!("/api/v1/roles/{}", part(role));
            client.delete(&path).await?;
            output.say(&format!("{role} is deleted"));
            Ok(())
        }
    }
}

/// `policies …`.
///
/// # Errors
/// What the server refused.
pub async fn policies(client: &Client, command: &PoliciesCommand, output: Output) -> Done {
    let answer = match command {
        PoliciesCommand::List => client.get("/api/v1/policies").await?,
        PoliciesCommand::Set { name, value } => {
            let value =
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
            let sent = name
                .rsplit('.')
                .fold(value, |inner, name| json!({name: inner}));
            client.put("/api/v1/policies", &sent).await?
        }
    };
    output.data(&answer, |answer| {
        let mut rows = Vec::new();
        flat("", &answer["policies"], &mut rows);
        table(&["policy", "value"], &rows)
    })
}

fn flat(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let name = match name {
                    "" => key.clone(),
                    outer => format!("{outer}.{key}"),
                };
                flat(&name, inner, rows);
            }
        }
        Value::String(text) => rows.push(vec![name.to_owned(), clean(text)]),
        other => rows.push(vec![name.to_owned(), clean(&other.to_string())]),
    }
}

fn read(file: &Path) -> Result<String, Failed> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|e| Failed::Usage(format!("{} cannot be read: {e}", file.display())))
}

/// `oidc …`.
///
/// # Errors
/// What the server refused.
pub async fn oidc(client: &Client, command: &OidcCommand, output: Output) -> Done {
    let answer = match command {
        OidcCommand::Show => client.get("/api/v1/oidc").await?,
        OidcCommand::Set { file } => {
            let sent: Value = serde_json::from_str(&read(file)?)
                .map_err(|e| Failed::Usage(format!("{} is no JSON: {e}", file.display())))?;
            client.put("/api/v1/oidc", &sent).await?
        }
        OidcCommand::Delete => {
            client.delete("/api/v1/oidc").await?;
            output.say("people log in here alone");
            return Ok(());
        }
    };
    output.data(&answer, |answer| {
        let mut rows = Vec::new();
        flat("", &answer["oidc"], &mut rows);
        rows.push(vec!["redirect_uri".into(), cell(answer, "redirect_uri")]);
        table(&["", ""], &rows)
    })
}

/// `hosts …`.
///
/// # Errors
/// What the server refused.
pub async fn hosts(client: &Client, command: &HostsCommand, output: Output) -> Done {
    match command {
        HostsCommand::List => {
            let list = client.get("/api/v1/hosts").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "hosts")
                    .map(|host| {
                        vec![
                            cell(host, "name"),
                            cell(host, "issuer"),
                            cell(host, "algorithm"),
                            texts(host, "roles").join(", "),
                            cell(host, "audience"),
                        ]
                    })
                    .collect();
                table(&["host", "issuer", "signs by", "roles", "audience"], &rows)
            })
        }
        HostsCommand::Set {
            name,
            issuer,
            key_file,
            roles,
        } => {
            let body = json!({"issuer": issuer, "public_key": read(key_file)?, "roles": roles});
            let path = format!("/api/v1/hosts/{}", part(name));
            let answer = client.put(&path, &body).await?;
            output.data(&answer, |answer| {
                format!(
                    "{name} is trusted; its tokens name the audience {}",
                    cell(answer, "audience")
                )
            })
        }
        HostsCommand::Delete { name } => {
            let path = format!("/api/v1/hosts/{}", part(name));
            client.delete(&path).await?;
            output.say(&format!("{name} is trusted no more"));
            Ok(())
        }
    }
}
