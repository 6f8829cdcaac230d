//! People. Nobody gives what they do not have: a role can be given only by who has all its privileges.

use std::time::Duration;

use actas_core::ids::UserId;
use actas_store::{Commit, LoginLinkRow, Op, UserRow, system};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{ROLES, Rights};
use crate::api::{json as answer, ok, review};
use crate::call::Call;
use crate::context::{Context, Via};
use crate::gate::hash_of;
use crate::leaving;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::secrets;

/// How long a one-time link may be used.
pub const LINK_LIVES: Duration = Duration::from_secs(3 * 24 * 3600);

fn view(user: &UserRow) -> Value {
    json!({
        "id": user.id, "login": user.login, "name": user.name, "email": user.email, "manager": user.manager,
        "roles": user.roles, "local": user.local, "disabled": user.disabled,
        "has_password": user.password_hash.is_some(), "created_at": user.created_at,
    })
}

/// `GET /users`; with `?access=true` what each of them has access to.
pub async fn list(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        #[serde(default)]
        access: bool,
    }
    let Query { access } = call.query()?;
    let users = cx.reader.users().await?;
    let mut shown: Vec<Value> = users.iter().map(view).collect();
    if access {
        for (user, access) in shown.iter_mut().zip(review::access(&cx, &users).await?) {
            user["access"] = access;
        }
        let commit = Commit {
            ops: Vec::new(),
            audit: vec![cx.audit("access.reviewed", "users", "all")],
        };
        cx.app.store.commit(commit).await?;
    }
    Ok(ok(&json!({"users": shown})))
}

/// Whether a text can be a login: what can stand in an address and cannot be taken for a role or for everybody.
pub fn is_login(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with('.')
        && !text.starts_with("erased.")
        && text != "everyone"
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.@+".contains(&b))
}

/// Whether the caller may give these roles: known ones, all of whose privileges they have.
///
/// # Errors
/// 422 for one that is not known, 403 for one that has more than they have.
pub async fn may_give(cx: &Context, roles: &[String]) -> Result<(), Problem> {
    let own = cx.reader.roles().await?;
    for role in roles {
        let known = ROLES.contains(&role.as_str())
            || own.iter().any(|row| row.name.as_str() == role.as_str());
        if !known {
            let names = ROLES
                .into_iter()
                .chain(own.iter().map(|row| row.name.as_str()));
            return Err(Problem::invalid(
                "unknown_role",
                format!(
                    "`{role}` is no role: choose of {}",
                    names.collect::<Vec<_>>().join(", ")
                ),
            ));
        }
        if let Some(lacking) = Rights::of_role(role, &own).beyond(&cx.rights) {
            return Err(Problem::forbidden(format!(
                "only who has `{}` can give or change the role `{role}`",
                lacking.as_str()
            )));
        }
    }
    Ok(())
}

fn may_mark_local(cx: &Context) -> Result<(), Problem> {
    if cx.via == Via::Socket || cx.user.roles.iter().any(|role| role == "owner") {
        return Ok(());
    }
    Err(Problem::forbidden(
        "marking a user as local is for an owner: the operator of the machine can then act as them",
    ))
}

/// `POST /users`
pub async fn add(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        login: String,
        name: Option<String>,
        email: Option<String>,
        manager: Option<String>,
        #[serde(default)]
        roles: Vec<String>,
        #[serde(default)]
        local: bool,
    }
    let body: Body = call.json()?;
    if !is_login(&body.login) {
        return Err(Problem::invalid(
            "bad_login",
            format!(
                "`{}` cannot be a login: take a-z, 0-9 and - _ . @ +, beginning with a letter or digit",
                body.login
            ),
        ));
    }
    may_give(&cx, &body.roles).await?;
    if body.local {
        may_mark_local(&cx)?;
    }
    if cx.reader.user_by_login(&body.login).await?.is_some() {
        return Err(Problem::conflict(
            "login_taken",
            format!("there is a user `{}` already", body.login),
        ));
    }
    let user = UserRow {
        id: UserId::from_bits(system::new_bits()),
        name: body.name.unwrap_or_else(|| body.login.clone()),
        login: body.login,
        email: body.email,
        manager: body.manager,
        password_hash: None,
        local: body.local,
        roles: body.roles,
        disabled: false,
        created_at: cx.now,
    };
    // A program that could open the link would have a session, and with it what only people may do.
    let link = (!matches!(cx.via, Via::Token { .. })).then(|| one_time_link(&cx, &user.id));
    let (row, url) = link.unzip();
    let mut shown = view(&user);
    let mut commit = Commit {
        audit: vec![cx.audit("user.added", "user", user.id.as_str())],
        ops: vec![Op::AddUser {
            workspace: cx.workspace().clone(),
            user,
        }],
    };
    commit.ops.extend(row.map(Op::AddLoginLink));
    cx.app.store.commit(commit).await?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("link".into(), json!(url));
    }
    Ok(answer(StatusCode::CREATED, &shown))
}

fn one_time_link(cx: &Context, user: &UserId) -> (LoginLinkRow, url::Url) {
    let token = secrets::new_token("");
    let row = LoginLinkRow {
        hash: hash_of(&token),
        workspace: cx.workspace().clone(),
        user: user.clone(),
        expires_at: cx.now.after(LINK_LIVES),
    };
    let path = format!("/w/{}/link/{token}", cx.workspace_name());
    (row, cx.app.origin.join(&path))
}

async fn user_of(cx: &Context, call: &Call) -> Result<UserRow, Problem> {
    let user = cx.reader.user_by_login(call.text("login")).await?;
    user.ok_or_else(|| Problem::not_found("user"))
}

/// What a change did to the rights of somebody, for its record; nothing that is about them themselves.
pub fn rights_changed(before: &UserRow, after: &UserRow) -> Option<String> {
    let mut said = Vec::new();
    if before.roles != after.roles {
        said.push(format!(
            "roles {} (were {})",
            after.roles.join(" "),
            before.roles.join(" ")
        ));
    }
    for (was, is, on, off) in [
        (
            before.disabled,
            after.disabled,
            "switched_off",
            "switched_on",
        ),
        (before.local, after.local, "local", "not_local"),
    ] {
        if was != is {
            said.push(if is { on } else { off }.to_owned());
        }
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// `PUT /users/{login}`: what is left out stays as it is.
pub async fn change(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: Option<String>,
        email: Option<String>,
        manager: Option<String>,
        roles: Option<Vec<String>>,
        local: Option<bool>,
        disabled: Option<bool>,
    }
    let body: Body = call.json()?;
    let mut user = user_of(&cx, &call).await?;
    // Whoever is stronger cannot be changed by who is weaker.
    may_give(&cx, &user.roles).await?;
    let before = user.clone();
    if let Some(roles) = body.roles {
        may_give(&cx, &roles).await?;
        user.roles = roles;
    }
    if let Some(local) = body.local {
        may_mark_local(&cx)?;
        user.local = local;
    }
    user.name = body.name.unwrap_or(user.name);
    user.email = body.email.or(user.email);
    user.manager = body.manager.or(user.manager);
    // Who comes back starts anew; who goes leaves everything behind, and only then is the rest of the row changed.
    let leaves = body.disabled == Some(true) && !user.disabled;
    user.disabled = body.disabled.unwrap_or(user.disabled);
    keeps_an_owner(&cx, &user).await?;
    if leaves {
        leaving::switch_off(&cx, &user).await?;
        user.local = false;
    }
    let mut record = cx.audit("user.changed", "user", user.id.as_str());
    record.reason = rights_changed(&before, &user);
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::ChangeUser {
            workspace: cx.workspace().clone(),
            user: user.clone(),
        }],
    };
    cx.app.store.commit(commit).await?;
    cx.app.access_ended();
    Ok(ok(&view(&user)))
}

/// That there is an owner still when this person is as they are to be.
async fn keeps_an_owner(cx: &Context, user: &UserRow) -> Result<(), Problem> {
    let is_owner = |user: &UserRow| !user.disabled && user.roles.iter().any(|r| r == "owner");
    let users = cx.reader.users().await?;
    if is_owner(user) || users.iter().any(|o| o.id != user.id && is_owner(o)) {
        return Ok(());
    }
    Err(Problem::conflict(
        "last_owner",
        "the workspace needs an owner: make somebody else one first",
    ))
}

/// `POST /users/{login}/disable`: somebody left. Again for somebody who is switched off, it finishes what broke off.
pub async fn disable(cx: Context, call: Call) -> Answer {
    let user = leaver(&cx, &call).await?;
    let forgotten = leaving::switch_off(&cx, &user).await?;
    Ok(ok(&leaving::view(&user, &forgotten)))
}

/// `POST /users/{login}/erase`: leaves nothing of them but that there was somebody.
pub async fn erase(cx: Context, call: Call) -> Answer {
    let user = leaver(&cx, &call).await?;
    if user.id == cx.user.id {
        return Err(Problem::conflict(
            "own_erasure",
            "nobody erases themselves: another owner does it",
        ));
    }
    let forgotten = leaving::switch_off(&cx, &user).await?;
    leaving::erase(&cx, &user).await?;
    let mut shown = leaving::view(&user, &forgotten);
    if let Some(members) = shown.as_object_mut() {
        members.insert("erased".into(), json!(true));
    }
    Ok(ok(&shown))
}

/// The person of the path, whom the caller may let go.
async fn leaver(cx: &Context, call: &Call) -> Result<UserRow, Problem> {
    let user = user_of(cx, call).await?;
    may_give(cx, &user.roles).await?;
    let off = UserRow {
        disabled: true,
        ..user.clone()
    };
    keeps_an_owner(cx, &off).await?;
    Ok(user)
}

/// `POST /users/{login}/link`
pub async fn link(cx: Context, call: Call) -> Answer {
    let user = user_of(&cx, &call).await?;
    // A link lets its holder in as that person: it is given only by who could be given their roles.
    may_give(&cx, &user.roles).await?;
    let (row, url) = one_time_link(&cx, &user.id);
    let commit = Commit {
        audit: vec![cx.audit("link.made", "user", user.id.as_str())],
        ops: vec![Op::AddLoginLink(row)],
    };
    cx.app.store.commit(commit).await?;
    Ok(answer(
        StatusCode::CREATED,
        &json!({"login": user.login, "link": url}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_cannot_pose_as_a_role_or_as_everybody() {
        for good in ["ana", "ana@crm.example", "a.b-c_d+1"] {
            assert!(is_login(good), "{good}");
        }
        for bad in [
            "",
            "everyone",
            "role:owner",
            "Ana",
            "ana.",
            ".ana",
            "an a",
            "a/b",
            "erased.usr_1",
            "an%61",
            "änn",
        ] {
            assert!(!is_login(bad), "{bad}");
        }
    }
}
