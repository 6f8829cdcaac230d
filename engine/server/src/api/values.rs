//! What a workspace keeps by name: values that flows read, and secrets that webhooks are signed with. A secret goes in and never comes out again;
//! lists show names and times.

use actas_core::Secret;
use actas_core::ids::{Name, VarName};
use actas_store::{Commit, CommitError, NamedSecretRow, Op, VarRow};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{json as answer_json, ok};
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;

/// The largest value or secret, in bytes.
const LARGEST: usize = 64 << 10;

/// `GET /vars`
pub async fn vars(cx: Context, _call: Call) -> Answer {
    let mut shown = Vec::new();
    for row in cx.reader.vars().await? {
        shown.push(json!({
            "name": row.name, "value": value_of(&row)?, "updated_by": cx.login_of(&row.updated_by).await?,
            "updated_at": row.updated_at,
        }));
    }
    Ok(ok(&json!({"vars": shown})))
}

fn value_of(row: &VarRow) -> Result<Value, Problem> {
    serde_json::from_str(&row.value).map_err(Problem::internal)
}

/// `PUT /vars/{name}`: runs that have begun keep what they saw.
pub async fn set_var(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        value: Value,
    }
    let name: VarName = name_of(&call)?;
    let body: Body = call.json()?;
    let value = body.value.to_string();
    if value.len() > LARGEST {
        return Err(too_large());
    }
    let var = VarRow {
        name: name.clone(),
        value,
        updated_by: cx.user.id.clone(),
        updated_at: cx.now,
    };
    let commit = Commit {
        audit: vec![cx.audit("var.set", "var", name.as_str())],
        ops: vec![Op::PutVar {
            workspace: cx.workspace().clone(),
            var,
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&json!({"name": name, "value": body.value})))
}

/// `DELETE /vars/{name}`
pub async fn delete_var(cx: Context, call: Call) -> Answer {
    let name: VarName = name_of(&call)?;
    let commit = Commit {
        audit: vec![cx.audit("var.deleted", "var", name.as_str())],
        ops: vec![Op::DeleteVar {
            workspace: cx.workspace().clone(),
            name: name.clone(),
        }],
    };
    gone(cx.app.store.commit(commit).await, "var")?;
    Ok(ok(&json!({"name": name, "deleted": true})))
}

/// `GET /secrets`
pub async fn secrets(cx: Context, _call: Call) -> Answer {
    let mut shown = Vec::new();
    for row in cx.reader.named_secrets().await? {
        shown.push(json!({
            "name": row.name, "created_by": cx.login_of(&row.created_by).await?, "created_at": row.created_at,
            "rotated_at": row.rotated_at,
        }));
    }
    Ok(ok(&json!({"secrets": shown})))
}

/// `POST /secrets`
pub async fn add_secret(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: Name,
        value: Secret<String>,
    }
    let Body { name, value } = call.json()?;
    if cx.reader.named_secret(&name).await?.is_some() {
        return Err(exists(&name));
    }
    put(&cx, &name, &value, true).await?;
    Ok(answer_json(StatusCode::CREATED, &json!({"name": name})))
}

/// `PUT /secrets/{name}`: a new value; the one before counts as well until the next.
pub async fn rotate_secret(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        value: Secret<String>,
    }
    let name: Name = name_of(&call)?;
    let body: Body = call.json()?;
    if cx.reader.named_secret(&name).await?.is_none() {
        return Err(Problem::not_found("secret"));
    }
    put(&cx, &name, &body.value, false).await?;
    Ok(ok(&json!({"name": name})))
}

fn exists(name: &Name) -> Problem {
    Problem::conflict(
        "secret_exists",
        format!("there is a secret `{name}`: rotate it, or choose another name"),
    )
}

async fn put(cx: &Context, name: &Name, value: &Secret<String>, new: bool) -> Result<(), Problem> {
    let length = value.reveal().len();
    if length == 0 {
        return Err(Problem::invalid("empty_secret", "the secret is empty"));
    }
    if length > LARGEST {
        return Err(too_large());
    }
    let connections = &cx.app.connections;
    let mut ops = vec![Op::PutNamedSecret {
        workspace: cx.workspace().clone(),
        secret: NamedSecretRow {
            name: name.clone(),
            created_by: cx.user.id.clone(),
            created_at: cx.now,
            rotated_at: (!new).then_some(cx.now),
        },
        new,
    }];
    ops.extend(
        connections
            .put_named_secret(cx.workspace(), name, value)
            .await?,
    );
    let action = if new {
        "secret.added"
    } else {
        "secret.rotated"
    };
    let commit = Commit {
        audit: vec![cx.audit(action, "secret", name.as_str())],
        ops,
    };
    match cx.app.store.commit(commit).await {
        // Somebody added or deleted it since it was looked for.
        Err(CommitError::Conflict { .. }) if new => Err(exists(name)),
        Err(CommitError::Conflict { .. }) => Err(Problem::not_found("secret")),
        other => Ok(other?),
    }
}

/// `DELETE /secrets/{name}`
pub async fn delete_secret(cx: Context, call: Call) -> Answer {
    let name: Name = name_of(&call)?;
    let commit = Commit {
        audit: vec![cx.audit("secret.deleted", "secret", name.as_str())],
        ops: vec![Op::DeleteNamedSecret {
            workspace: cx.workspace().clone(),
            name: name.clone(),
        }],
    };
    gone(cx.app.store.commit(commit).await, "secret")?;
    Ok(ok(&json!({"name": name, "deleted": true})))
}

/// The name of the path. Here it is what is being made, so that a wrong one is said.
fn name_of<T: std::str::FromStr<Err = actas_core::ids::BadName>>(
    call: &Call,
) -> Result<T, Problem> {
    call.text("name")
        .parse()
        .map_err(|error: actas_core::ids::BadName| Problem::bad("bad_name", error.to_string()))
}

/// What is deleted must be there.
fn gone(done: Result<(), CommitError>, what: &str) -> Result<(), Problem> {
    match done {
        Err(CommitError::Conflict { .. }) => Err(Problem::not_found(what)),
        other => Ok(other?),
    }
}

fn too_large() -> Problem {
    Problem::invalid("too_large", format!("it has more than {LARGEST} bytes"))
}
