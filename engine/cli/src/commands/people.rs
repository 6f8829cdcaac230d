//! People and their API tokens.

use std::io::{IsTerminal, Write, stderr, stdin};

use serde_json::{Map, Value, json};

use crate::args::{TokensCommand, UsersCommand};
use crate::client::{Client, part};
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, moment, table, texts};

/// `users …`.
///
/// # Errors
/// What the server refused.
pub async fn users(client: &Client, command: &UsersCommand, output: Output) -> Done {
    match command {
        UsersCommand::List { access: true } => {
            let list = client.get("/api/v1/users?access=true").await?;
            output.data(&list, review)
        }
        UsersCommand::Invite {
            email,
            login,
            roles,
        } => {
            let login = login.clone().unwrap_or_else(|| email.to_lowercase());
            let body = json!({"login": login, "email": email, "roles": roles});
            let answer = client.post("/api/v1/users", &body).await?;
            output.say(&format!(
                "{login} was added; send them this link, with which, once, they choose a password:"
            ));
            output.data(&answer, |answer| cell(answer, "link"))
        }
        UsersCommand::List { access: false } => {
            let list = client.get("/api/v1/users").await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "users")
                    .map(|u| {
                        let state = match (u.get("disabled"), u.get("has_password")) {
                            (Some(Value::Bool(true)), _) => "shut out",
                            (_, Some(Value::Bool(false))) => "no password yet",
                            _ => "",
                        };
                        let local = if u.get("local") == Some(&json!(true)) {
                            "local"
                        } else {
                            ""
                        };
                        vec![
                            cell(u, "login"),
                            cell(u, "name"),
                            cell(u, "email"),
                            texts(u, "roles").join(", "),
                            local.into(),
                            state.into(),
                        ]
                    })
                    .collect();
                table(&["login", "name", "e-mail", "roles", "", ""], &rows)
            })
        }
        UsersCommand::Add {
            login,
            name,
            email,
            manager,
            roles,
            local,
        } => {
            let body = json!({"login": login, "name": name, "email": email, "manager": manager, "roles": roles, "local": local});
            let answer = client.post("/api/v1/users", &body).await?;
            output.say(&if answer["link"].is_null() {
                format!(
                    "{login} was added; a token makes no links: on the server, `actas users link {login}`"
                )
            } else {
                format!("{login} was added; with this link, once, they choose a password:")
            });
            output.data(&answer, |answer| cell(answer, "link"))
        }
        UsersCommand::Set {
            login,
            name,
            email,
            manager,
            roles,
            local,
            disabled,
        } => {
            let mut body = Map::new();
            for (key, value) in [("name", name), ("email", email), ("manager", manager)] {
                if let Some(value) = value {
                    body.insert(key.into(), json!(value));
                }
            }
            for (key, value) in [("local", local), ("disabled", disabled)] {
                if let Some(value) = value {
                    body.insert(key.into(), json!(value));
                }
            }
            if !roles.is_empty() {
                body.insert("roles".into(), json!(roles));
            }
            let answer = client
                .put(
                    &format!("/api/v1/users/{}", part(login)),
                    &Value::Object(body),
                )
                .await?;
            output.data(&answer, |answer| {
                format!("{login}: {}", texts(answer, "roles").join(", "))
            })
        }
        UsersCommand::Disable { login } => {
            let path = format!("/api/v1/users/{}/disable", part(login));
            let answer = client.post(&path, &json!({})).await?;
            output.data(&answer, |answer| let_go(login, answer))
        }
        UsersCommand::Erase { login, yes } => {
            if !yes && !confirmed(login)? {
                return Ok(());
            }
            let path = format!("/api/v1/users/{}/erase", part(login));
            let answer = client.post(&path, &json!({})).await?;
            output.say("nothing is left but that there was somebody");
            output.data(&answer, |answer| let_go(login, answer))
        }
        UsersCommand::Link { login } => {
            let answer = client
                .post(&format!("/api/v1/users/{}/link", part(login)), &json!({}))
                .await?;
            output.say(&format!(
                "with this link, once, {login} chooses a password:"
            ));
            output.data(&answer, |answer| cell(answer, "link"))
        }
    }
}

/// Who has access to what, person by person.
fn review(list: &Value) -> String {
    let rows: Vec<_> = items(list, "users")
        .map(|user| {
            let access = &user["access"];
            let tokens: Vec<String> = items(access, "tokens").map(|t| cell(t, "name")).collect();
            vec![
                cell(user, "login"),
                texts(user, "roles").join(", "),
                texts(access, "privileges").join(" "),
                texts(access, "runs").join(", "),
                texts(access, "holds").join(", "),
                cell(access, "connections"),
                tokens.join(", "),
                moment(access, "last_seen"),
            ]
        })
        .collect();
    let head = [
        "login",
        "roles",
        "privileges",
        "may run",
        "holds",
        "accounts",
        "tokens",
        "last seen",
    ];
    table(&head, &rows)
}

/// What was let go of with a person.
fn let_go(login: &str, answer: &Value) -> String {
    let mut text = format!(
        "{login} is switched off; {} connections erased, {} of them revoked at their apps, {} to be revoked later",
        cell(answer, "connections"),
        cell(answer, "revoked"),
        cell(answer, "revoked_later"),
    );
    let holds = texts(answer, "holds");
    if !holds.is_empty() {
        text.push_str(&format!(
            "\nshared connections that need somebody else's account: {}",
            holds.join(", ")
        ));
    }
    text
}

/// Asks at a terminal; elsewhere it has to be said.
fn confirmed(login: &str) -> Result<bool, Failed> {
    if !stdin().is_terminal() {
        return Err(Failed::Usage(format!(
            "erasing {login} cannot be undone: say --yes"
        )));
    }
    let _ = write!(
        stderr(),
        "Erase what is known of {login}? It cannot be undone. [y/N] "
    );
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "yes"))
}

/// `tokens …`.
///
/// # Errors
/// What the server refused.
pub async fn tokens(client: &Client, command: &TokensCommand, output: Output) -> Done {
    match command {
        TokensCommand::Add { name, days, scopes } => {
            let body = json!({"name": name, "days": days, "scopes": scopes});
            let answer = client.post("/api/v1/tokens", &body).await?;
            output.say("keep this token: it is shown once");
            output.data(&answer, |answer| cell(answer, "token"))
        }
        TokensCommand::List { all, of } => {
            let path = match (all, of) {
                (true, _) => "/api/v1/tokens?all=true".to_owned(),
                (false, Some(login)) => format!("/api/v1/tokens?user={}", part(login)),
                (false, None) => "/api/v1/tokens".to_owned(),
            };
            let list = client.get(&path).await?;
            output.data(&list, |list| {
                let rows: Vec<_> = items(list, "tokens")
                    .map(|token| {
                        vec![
                            cell(token, "id"),
                            cell(token, "user"),
                            cell(token, "name"),
                            texts(token, "scopes").join(", "),
                            moment(token, "expires_at"),
                        ]
                    })
                    .collect();
                if rows.is_empty() {
                    "no tokens".into()
                } else {
                    table(&["id", "of", "for", "scopes", "until"], &rows)
                }
            })
        }
        TokensCommand::Revoke { token } => {
            let path = format!("/api/v1/tokens/{}", part(token));
            client.delete(&path).await?;
            output.say(&format!("{token} is revoked"));
            Ok(())
        }
    }
}
