//! Switching people off, and erasing what is known of them. Switched off, all of their access ends in the commit that says so; their own
//! accounts are let go right after it, and what breaks off is finished by doing it again. Must not touch what belongs to the workspace.

use actas_connections::Forgotten;
use actas_core::audit::ERASED;
use actas_store::{Commit, InboxMessage, InboxRow, Op, UserRow, system};
use serde_json::{Value, json};

use crate::context::Context;
use crate::problem::Problem;
use crate::refusals;

/// Switches a person off: nobody logs in as them any more, their sessions, tokens and links end, their own connections are erased and revoked,
/// and what runs for them stops where it would act for them next. Doing it again finishes what broke off.
///
/// # Errors
/// If it cannot be written, or their connections cannot be let go of.
pub async fn switch_off(cx: &Context, user: &UserRow) -> Result<Forgotten, Problem> {
    let waiting = cx.reader.open_sign_ins(&user.id).await?;
    let workspace = cx.workspace();
    let off = UserRow {
        disabled: true,
        local: false,
        ..user.clone()
    };
    let commit = Commit {
        audit: vec![cx.audit("user.disabled", "user", user.id.as_str())],
        ops: vec![
            Op::ChangeUser {
                workspace: workspace.clone(),
                user: off,
            },
            Op::EndAccess {
                workspace: workspace.clone(),
                user: user.id.clone(),
            },
        ],
    };
    cx.app.store.commit(commit).await?;
    cx.app.access_ended();
    let forgotten = cx
        .app
        .connections
        .forget_person(workspace, &user.id, &cx.who())
        .await
        .map_err(refusals::connections)?;
    // Runs that wait for them hear that nobody will come.
    let told = waiting.into_iter().filter_map(|row| {
        Some(Op::TellRun {
            workspace: workspace.clone(),
            inbox: InboxRow {
                id: actas_core::ids::InboxId::from_bits(system::new_bits()),
                run: row.run?,
                message: InboxMessage::SignedIn { slot: row.slot },
                at: cx.now,
            },
        })
    });
    let ops: Vec<Op> = told.collect();
    if !ops.is_empty() {
        let audit = Vec::new();
        cx.app.store.commit(Commit { ops, audit }).await?;
    }
    Ok(forgotten)
}

/// Erases a person who is switched off: their name, address and login, what they are known by elsewhere, and what the audit log holds of them as
/// a person. Whoever gets their login after them inherits nothing: it is taken off run lists and from those whose manager they were.
///
/// # Errors
/// If it cannot be written.
pub async fn erase(cx: &Context, user: &UserRow) -> Result<(), Problem> {
    let workspace = cx.workspace();
    let mut ops = Vec::new();
    for mut flow in cx.reader.flows().await? {
        if flow.runners.contains(&user.login) {
            flow.runners.retain(|entry| *entry != user.login);
            let workspace = workspace.clone();
            ops.push(Op::ChangeFlow { workspace, flow });
        }
    }
    for mut other in cx.reader.users().await? {
        if other.manager.as_ref() == Some(&user.login) {
            other.manager = None;
            let workspace = workspace.clone();
            ops.push(Op::ChangeUser {
                workspace,
                user: other,
            });
        }
    }
    ops.push(Op::EraseUser {
        workspace: workspace.clone(),
        user: user.id.clone(),
    });
    ops.push(Op::ErasePersonal {
        workspace: workspace.clone(),
        user: user.id.clone(),
    });
    let audit = vec![cx.audit(ERASED, "user", user.id.as_str())];
    cx.app.store.commit(Commit { ops, audit }).await?;
    Ok(())
}

/// What was let go of, for whoever switched the person off.
pub fn view(user: &UserRow, forgotten: &Forgotten) -> Value {
    json!({
        "login": user.login, "disabled": true,
        "connections": forgotten.connections, "revoked": forgotten.revoked, "revoked_later": forgotten.later,
        "holds": forgotten.holds,
    })
}
