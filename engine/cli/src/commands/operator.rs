//! What the operator of the machine does, over the socket: no workspace's people may.

use serde_json::json;

use crate::args::WorkspacesCommand;
use crate::client::Client;
use crate::exit::Done;
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
