//! What the operator of the machine does, over the socket: no workspace's people may.

use serde_json::{Value, json};

use crate::args::{KeyCommand, WorkspacesCommand};
use crate::client::Client;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, table};

/// `workspaces …`.
///
/// # Errors
/// What the server refused.
pub async fn workspaces(client: &Client, command: &WorkspacesCommand, output: Output) -> Done {
    match command {
        WorkspacesCommand::List => {
            let list = client.get("/api/v1/workspaces").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "workspaces")
                    .map(|one| vec![cell(one, "name"), cell(one, "login")])
                    .collect();
                table(&["workspace", "login page"], &rows)
            })
        }
        WorkspacesCommand::Add {
            name,
            owner,
            owner_name,
        } => {
            let body = json!({"name": name, "owner": owner, "owner_name": owner_name});
            let answer = client.post("/api/v1/workspaces", &body).await?;
            output.say(&format!(
                "workspace {name} was added; with this link, once, {owner} chooses a password:"
            ));
            output.data(&answer, |answer| cell(answer, "link"))
        }
    }
}

/// `key …`.
///
/// # Errors
/// What the server refused.
pub async fn key(client: &Client, command: &KeyCommand, output: Output) -> Done {
    let KeyCommand::Rotate { new_key_file } = command;
    let Some(file) = new_key_file else {
        let done = client.post("/api/v1/key/rotate", &json!({})).await?;
        return output.data(&done, |done| {
            let rows: Vec<_> = items(done, "workspaces")
                .map(|one| {
                    let what = match one.get("new") {
                        Some(Value::Bool(true)) => "new",
                        _ => "finished what was broken off",
                    };
                    let cells = ["workspace", "key", "wrapped", "broken"];
                    let mut row: Vec<String> = cells.map(|name| cell(one, name)).into();
                    row.push(what.into());
                    row
                })
                .collect();
            table(
                &["workspace", "key", "secrets wrapped", "not opened", ""],
                &rows,
            )
        });
    };
    let file = std::path::absolute(file)
        .map_err(|e| Failed::Usage(format!("{} cannot be found: {e}", file.display())))?;
    let body = json!({"new_key_file": file});
    let done = client.post("/api/v1/key/rotate", &body).await?;
    output.say("the vault's key was replaced: from its next start on a server needs the new one (a key in the data directory was replaced there)");
    output.data(&done, |done| cell(done, "operator_key"))
}
