//! What holds for a whole workspace: its roles and its policies.

use serde_json::{Value, json};

use crate::args::{PoliciesCommand, RolesCommand};
use crate::client::{Client, part};
use crate::exit::Done;
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
