//! Who has access to what, person by person, for those who review it: roles and what they mean, flows, shared connections, tokens, accounts of
//! their own by number, and when they were last here. Shows nothing that acting as them would.

use std::collections::{BTreeMap, BTreeSet};

use actas_core::ids::UserId;
use actas_store::UserRow;
use serde_json::{Value, json};

use crate::access::{Privilege, Rights, on_run_list};
use crate::api::tokens;
use crate::context::Context;
use crate::problem::Problem;

/// What is added to each person of a list, in its order.
///
/// # Errors
/// If the store is away.
pub async fn access(cx: &Context, users: &[UserRow]) -> Result<Vec<Value>, Problem> {
    let own = cx.reader.roles().await?;
    let flows = cx.reader.flows().await?;
    let shared = cx.reader.shared_connections().await?;
    let personal = cx.reader.personal_connections(None).await?;
    let tokens = cx.reader.tokens(None, cx.now).await?;
    let seen: BTreeMap<UserId, _> = cx
        .reader
        .seen()
        .await?
        .into_iter()
        .map(|row| (row.user, row.at))
        .collect();
    let identities = cx.reader.identities().await?;
    let names: BTreeSet<String> = shared
        .iter()
        .filter_map(|row| row.name.as_ref().map(ToString::to_string))
        .collect();
    let of = |user: &UserRow| {
        let rights = Rights::of(user, &own);
        let privileges: Vec<&str> = rights.iter().map(Privilege::as_str).collect();
        let runs: Vec<&str> = flows
            .iter()
            .filter(|flow| rights.has(Privilege::FlowsRun) && on_run_list(user, &flow.runners))
            .map(|flow| flow.name.as_str())
            .collect();
        let uses = match rights.has(Privilege::ConnectionsUse) {
            true => names.iter().collect::<Vec<_>>(),
            false => Vec::new(),
        };
        let holds: Vec<String> = shared
            .iter()
            .filter(|row| row.owner == user.id)
            .filter_map(|row| row.name.as_ref().map(ToString::to_string))
            .collect();
        let tokens: Vec<Value> = tokens
            .iter()
            .filter(|row| row.user == user.id)
            .map(|row| {
                json!({"id": tokens::id_of(row), "name": row.name, "scopes": row.scopes, "expires_at": row.expires_at})
            })
            .collect();
        let known_by: Vec<&str> = identities
            .iter()
            .filter(|row| row.user == user.id)
            .map(|row| row.issuer.as_str())
            .collect();
        json!({
            "privileges": privileges, "runs": runs, "uses": uses, "holds": holds, "tokens": tokens,
            "connections": personal.iter().filter(|row| row.owner == user.id).count(),
            "known_by": known_by, "last_seen": seen.get(&user.id),
        })
    };
    Ok(users.iter().map(of).collect())
}
