//! Roles: those that come with Actas, and the workspace's own. Nobody gives a role something they do not have themselves, nor takes it away.

use std::collections::BTreeSet;

use actas_core::ids::Name;
use actas_store::{Commit, Op, RoleRow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Privilege, ROLES, Rights, privileges};
use crate::api::ok;
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;

fn view(role: &str, own: bool, privileges: &[&str]) -> Value {
    json!({"name": role, "own": own, "privileges": privileges})
}

/// `GET /roles`
pub async fn list(cx: Context, _call: Call) -> Answer {
    let mut roles: Vec<Value> = ROLES
        .iter()
        .map(|role| {
            let names: Vec<&str> = privileges(role).iter().map(|p| p.as_str()).collect();
            view(role, false, &names)
        })
        .collect();
    for row in cx.reader.roles().await? {
        let names: Vec<&str> = row.privileges.iter().map(String::as_str).collect();
        roles.push(view(row.name.as_str(), true, &names));
    }
    let privileges = Privilege::ALL.map(Privilege::as_str);
    Ok(ok(&json!({"roles": roles, "privileges": privileges})))
}

/// The name of a role of the workspace's own.
fn name_of(call: &Call) -> Result<Name, Problem> {
    let text = call.text("role");
    if ROLES.contains(&text) {
        return Err(Problem::invalid(
            "built_in_role",
            format!("`{text}` comes with Actas and stays as it is: make a role of another name"),
        ));
    }
    text.parse().map_err(|_| {
        Problem::bad(
            "bad_name",
            format!("`{text}` cannot be the name of a role: take 1 to 63 of a-z, 0-9 and -"),
        )
    })
}

/// Whoever makes, changes or deletes a role has all that it allows.
fn must_have(cx: &Context, role: &Rights) -> Result<(), Problem> {
    match role.beyond(&cx.rights) {
        None => Ok(()),
        Some(lacking) => Err(Problem::forbidden(format!(
            "only who has `{}` can give or take it",
            lacking.as_str()
        ))
        .with("privilege", lacking.as_str())),
    }
}

/// `PUT /roles/{role}`
pub async fn put(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        privileges: BTreeSet<String>,
    }
    let name = name_of(&call)?;
    let body: Body = call.json()?;
    if let Some(odd) = body
        .privileges
        .iter()
        .find(|name| Privilege::of(name).is_none())
    {
        return Err(Problem::invalid(
            "unknown_privilege",
            format!(
                "there is no privilege `{odd}`: choose of {}",
                Privilege::ALL.map(Privilege::as_str).join(", ")
            ),
        ));
    }
    let before = cx.reader.roles().await?;
    must_have(&cx, &Rights::of_role(name.as_str(), &before))?;
    let role = RoleRow {
        name: name.clone(),
        privileges: body.privileges.into_iter().collect(),
        updated_by: cx.user.id.clone(),
        updated_at: cx.now,
    };
    must_have(
        &cx,
        &Rights::of_role(name.as_str(), std::slice::from_ref(&role)),
    )?;
    let names: Vec<&str> = role.privileges.iter().map(String::as_str).collect();
    let shown = view(name.as_str(), true, &names);
    let known = before.iter().any(|row| row.name == name);
    let action = if known { "role.changed" } else { "role.added" };
    let mut record = cx.audit(action, "role", name.as_str());
    record.reason = Some(names.join(", "));
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::PutRole {
            workspace: cx.workspace().clone(),
            role,
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&shown))
}

/// `DELETE /roles/{role}`: only one that nobody has, no flow's run list names and nobody is given at a login elsewhere, so that another of its
/// name inherits nothing.
pub async fn delete(cx: Context, call: Call) -> Answer {
    let name = name_of(&call)?;
    let own = cx.reader.roles().await?;
    if !own.iter().any(|row| row.name == name) {
        return Err(Problem::not_found("role"));
    }
    must_have(&cx, &Rights::of_role(name.as_str(), &own))?;
    let has = |roles: &[String]| roles.iter().any(|role| role == name.as_str());
    let users = cx.reader.users().await?;
    let people: Vec<&str> = users
        .iter()
        .filter(|user| has(&user.roles))
        .map(|user| user.login.as_str())
        .collect();
    let entry = format!("role:{name}");
    let flows = cx.reader.flows().await?;
    let flows: Vec<&str> = flows
        .iter()
        .filter(|flow| flow.runners.contains(&entry))
        .map(|flow| flow.name.as_str())
        .collect();
    let oidc = cx.reader.oidc().await?.map(|row| row.oidc);
    let by_provider =
        oidc.is_some_and(|oidc| has(&oidc.roles) || oidc.groups.values().any(|roles| has(roles)));
    let hosts = cx.reader.hosts().await?;
    if by_provider || hosts.iter().any(|row| has(&row.host.roles)) {
        return Err(Problem::conflict(
            "role_in_use",
            format!(
                "people get the role `{name}` when they log in elsewhere: change what `GET /oidc` and `GET /hosts` show"
            ),
        ));
    }
    if !people.is_empty() || !flows.is_empty() {
        return Err(Problem::conflict(
            "role_in_use",
            format!(
                "the role `{name}` is in use: take it from {} and off the run lists of {}",
                all_of(&people, "nobody"),
                all_of(&flows, "no flow")
            ),
        )
        .with("people", people)
        .with("flows", flows));
    }
    let commit = Commit {
        audit: vec![cx.audit("role.deleted", "role", name.as_str())],
        ops: vec![Op::DeleteRole {
            workspace: cx.workspace().clone(),
            name,
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&json!({"deleted": true})))
}

fn all_of(names: &[&str], none: &str) -> String {
    if names.is_empty() {
        none.to_owned()
    } else {
        names.join(", ")
    }
}
