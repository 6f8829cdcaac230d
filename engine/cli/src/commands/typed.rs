//! Signing in with what is typed: the values are read where nobody else sees them, and sent once.

use std::io::stdin;

use serde_json::{Map, Value, json};

use crate::args::{Secrets, Typed};
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell};

/// Adds to a body what is typed; nothing if it is to be done on a page.
///
/// # Errors
/// If a value cannot be read.
pub fn add_to(body: &mut Value, typed: &Typed) -> Result<bool, Failed> {
    let Some(kind) = &typed.kind else {
        return Ok(false);
    };
    body["kind"] = json!(kind);
    // Nobody types anything for an app client that acts as itself.
    if kind != "client_credentials" {
        body["fields"] = fields(kind, &typed.secrets)?;
    }
    Ok(true)
}

/// `connections set-password`.
///
/// # Errors
/// What the server refused.
pub async fn set_password(
    client: &Client,
    connection: &Value,
    secrets: &Secrets,
    output: Output,
) -> Done {
    let kind = cell(connection, "sign_in");
    if !matches!(kind.as_str(), "password" | "api_key" | "custom") {
        return Err(Failed::Usage(
            "this connection has no password: sign in again with `actas connections reconnect`"
                .into(),
        ));
    }
    let place = match cell(connection, "kind").as_str() {
        "shared" => "/api/v1/connections",
        _ => "/api/v1/me/connections",
    };
    let path = format!("{place}/{}/password", part(&cell(connection, "id")));
    let body = json!({"fields": fields(&kind, secrets)?});
    let answer = client.put(&path, &body).await?;
    said(&answer, output)
}

/// What there is now.
///
/// # Errors
/// If it cannot be written.
pub fn said(answer: &Value, output: Output) -> Done {
    output.data(answer, |answer| {
        let one = &answer["connection"];
        format!(
            "{}  {} as {}  {}",
            cell(one, "id"),
            cell(one, "app"),
            cell(one, "account"),
            cell(one, "state")
        )
    })
}

fn fields(kind: &str, secrets: &Secrets) -> Result<Value, Failed> {
    let mut fields = Map::new();
    for pair in &secrets.fields {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failed::Usage(format!("`{pair}` has no `=`: write NAME=VALUE")))?;
        fields.insert(name.to_owned(), json!(value));
    }
    let names: Vec<&str> = match (secrets.names.is_empty(), kind) {
        (false, _) => secrets.names.iter().map(String::as_str).collect(),
        (true, "password") => vec!["password"],
        (true, "api_key") => vec!["key"],
        (true, _) => {
            return Err(Failed::Usage(
                "say which secrets are given: --secret NAME, as the app calls them".into(),
            ));
        }
    };
    for name in names {
        let value = if secrets.password_stdin {
            line(name)?
        } else {
            rpassword::prompt_password(format!("{name}: ")).map_err(|e| {
                Failed::Usage(format!("nothing could be read ({e}): use --password-stdin"))
            })?
        };
        fields.insert(name.to_owned(), json!(value));
    }
    Ok(Value::Object(fields))
}

/// The next line of standard input, without its end.
fn line(name: &str) -> Result<String, Failed> {
    let mut text = String::new();
    let read = stdin()
        .read_line(&mut text)
        .map_err(|e| Failed::Usage(format!("standard input cannot be read: {e}")))?;
    if read == 0 {
        let none = format!("standard input has no line for `{name}`");
        return Err(Failed::Usage(none));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
