//! API tokens: made by a person for themselves, listed, revoked. A token is shown once; afterwards it is known by the beginning of its hash.

use std::collections::BTreeSet;
use std::time::Duration;

use actas_store::{Commit, Op, TokenRow, UserRow};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Privilege;
use crate::api::{json as answer, ok};
use crate::call::Call;
use crate::context::Context;
use crate::gate::hash_of;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::scopes::{Scope, Scopes};
use crate::secrets;

/// The longest life of a token, in days.
const LONGEST: u32 = 366;

/// How much of its hash names a token.
const SHORT: usize = 16;

/// What a token is known by.
pub fn id_of(row: &TokenRow) -> &str {
    row.hash.get(..SHORT).unwrap_or(&row.hash)
}

fn view(row: &TokenRow, login: &str) -> Value {
    json!({
        "id": id_of(row), "name": row.name, "user": login, "scopes": row.scopes,
        "created_at": row.created_at, "expires_at": row.expires_at,
    })
}

/// `GET /tokens`: one's own; with `?user=LOGIN` or `?all=true` those of others.
pub async fn list(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        user: Option<String>,
        #[serde(default)]
        all: bool,
    }
    let query: Query = call.query()?;
    let users: Vec<UserRow> = match &query.user {
        Some(login) if *login != cx.user.login => {
            cx.needs(Privilege::TokensView)?;
            let user = cx.reader.user_by_login(login).await?;
            vec![user.ok_or_else(|| Problem::not_found("user"))?]
        }
        None if query.all => {
            cx.needs(Privilege::TokensView)?;
            cx.reader.users().await?
        }
        _ => vec![cx.user.clone()],
    };
    let one = match users.as_slice() {
        [one] => Some(&one.id),
        _ => None,
    };
    let rows = cx.reader.tokens(one, cx.now).await?;
    let shown: Vec<Value> = rows
        .iter()
        .filter_map(|row| {
            let user = users.iter().find(|user| user.id == row.user)?;
            Some(view(row, &user.login))
        })
        .collect();
    Ok(ok(&json!({"tokens": shown})))
}

/// `POST /tokens`: one's own; the token is in the answer and nowhere else.
pub async fn add(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        days: Option<u32>,
        #[serde(default)]
        scopes: Vec<String>,
    }
    let body: Body = call.json()?;
    let mut named = BTreeSet::new();
    for word in &body.scopes {
        let scope = Scope::of(word).ok_or_else(|| {
            Problem::invalid(
                "unknown_scope",
                format!(
                    "there is no scope `{word}`: choose of {}",
                    Scope::ALL.map(Scope::as_str).join(", ")
                ),
            )
        })?;
        named.insert(scope);
    }
    let days = body.days.unwrap_or(90).clamp(1, LONGEST);
    let token = secrets::new_token("act_");
    let row = TokenRow {
        hash: hash_of(&token),
        workspace: cx.workspace().clone(),
        user: cx.user.id.clone(),
        name: body.name.chars().take(100).collect(),
        scopes: Scopes::of_new(named).words(),
        created_at: cx.now,
        expires_at: cx
            .now
            .after(Duration::from_secs(u64::from(days) * 24 * 3600)),
    };
    let mut shown = view(&row, &cx.user.login);
    if let Some(members) = shown.as_object_mut() {
        members.insert("token".into(), json!(token));
    }
    let mut record = cx.audit("token.made", "token", id_of(&row));
    record.reason = Some(row.scopes.join(", "));
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::AddToken(row)],
    };
    cx.app.store.commit(commit).await?;
    Ok(answer(StatusCode::CREATED, &shown))
}

/// `DELETE /tokens/{token}`: one's own, or with the privilege another's. What it had open ends.
pub async fn revoke(cx: Context, call: Call) -> Answer {
    let id = call.text("token");
    let others = cx.may(Privilege::TokensView);
    let of = (!others).then_some(&cx.user.id);
    let rows = cx.reader.tokens(of, cx.now).await?;
    let row = rows
        .into_iter()
        .find(|row| id_of(row) == id)
        .ok_or_else(|| Problem::not_found("token"))?;
    let mut record = cx.audit("token.revoked", "token", id);
    if row.user != cx.user.id {
        record.reason = Some("another's".into());
    }
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::RevokeToken {
            workspace: cx.workspace().clone(),
            hash: row.hash,
        }],
    };
    cx.app.store.commit(commit).await?;
    cx.app.access_ended();
    Ok(ok(&json!({"revoked": true})))
}
