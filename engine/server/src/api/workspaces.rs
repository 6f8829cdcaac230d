//! The workspaces of this server and their keys: for the operator of the machine, and for nobody inside one of them.

use actas_connections::RotateError;
use actas_core::audit::Actor;
use actas_core::ids::Name;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::users::is_login;
use crate::api::{json as answer, ok};
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::workspaces::NewWorkspace;

/// `GET /workspaces`
pub async fn list(cx: Context, _call: Call) -> Answer {
    let all = cx.app.all_workspaces().await?;
    let shown: Vec<Value> = all
        .iter()
        .map(|one| json!({"name": &*one.name, "login": cx.app.origin.join(&format!("/w/{}/login", one.name))}))
        .collect();
    Ok(ok(&json!({"workspaces": shown})))
}

/// `POST /workspaces`: with its first owner, whose one-time link is shown once.
pub async fn add(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: Name,
        owner: String,
        owner_name: Option<String>,
    }
    let body: Body = call.json()?;
    if !is_login(&body.owner) {
        return Err(Problem::invalid(
            "invalid_login",
            "a login is made of a-z, 0-9 and - _ . @ +, and does not begin with a sign",
        ));
    }
    let name = body.name.as_str();
    if cx.app.workspace_named(name).await?.is_some() {
        return Err(taken(name));
    }
    let owner_name = body.owner_name.unwrap_or_else(|| body.owner.clone());
    let by = (&Actor::LocalOperator, cx.entry_name());
    let new = NewWorkspace::new(name, (body.owner.clone(), owner_name), cx.now, by);
    match cx.app.store.commit(new.commit).await {
        Ok(()) => {}
        // Somebody else has added it meanwhile.
        Err(actas_store::CommitError::Conflict { .. }) => return Err(taken(name)),
        Err(error) => return Err(error.into()),
    }
    cx.app.all_workspaces().await?;
    // If its key cannot be made now, whoever comes first makes it.
    if let Err(error) = cx.app.connections.ready(&new.workspace.id).await {
        tracing::warn!("the new workspace has no key yet: {error}");
    }
    let shown = json!({"name": name, "owner": body.owner, "link": cx.app.origin.join(&new.link)});
    Ok(answer(StatusCode::CREATED, &shown))
}

/// `POST /key/rotate`: a new key for every workspace; or, with a file, another operator's key.
pub async fn rotate(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        new_key_file: Option<std::path::PathBuf>,
    }
    let Body { new_key_file } = call.json()?;
    let (connections, who) = (cx.app.connections.clone(), cx.who());
    let all = cx.app.all_workspaces().await?;
    // Whoever goes away does not break it off.
    let done = tokio::spawn(async move {
        if let Some(file) = new_key_file {
            let key = connections.rotate_master(&file, &who).await?;
            return Ok(json!({"operator_key": key}));
        }
        let mut shown = Vec::new();
        for one in all.iter() {
            let done = connections.rotate_key(&one.id, &who).await?;
            shown.push(json!({
                "workspace": &*one.name, "key": done.key, "new": done.new, "wrapped": done.wrapped, "broken": done.broken,
            }));
        }
        Ok(json!({"workspaces": shown}))
    });
    match done.await.map_err(Problem::internal)? {
        Ok(shown) => Ok(ok(&shown)),
        Err(RotateError::Read(error)) => Err(error.into()),
        Err(RotateError::Commit(error)) => Err(error.into()),
        Err(error @ (RotateError::SameKey | RotateError::Key(_))) => {
            Err(Problem::invalid("key_not_usable", error.to_string()))
        }
        Err(error @ RotateError::OtherMaster) => Err(Problem::unavailable(error.to_string())),
    }
}

fn taken(name: &str) -> Problem {
    Problem::conflict(
        "workspace_taken",
        format!("there is a workspace `{name}` already: choose another name"),
    )
}
