//! `serve`: the whole product in one process, until somebody stops it.

use serde_json::Value;

use crate::Parts;
use crate::args::Global;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell, items, texts};
use crate::session;

/// Serves until Ctrl-C or SIGTERM, then lets what is under way finish.
///
/// # Errors
/// If it cannot start: the address is taken, the store cannot be opened, the key does not fit.
pub async fn serve(global: &Global, parts: Parts, output: Output) -> Done {
    // Asked for before anything starts: whoever stops us early is heard too.
    let stop = stopped()?;
    let server = session::start(global, parts).await?;
    output.text(server.url().as_str().trim_end_matches('/'))?;
    if let Some(link) = server.first_link() {
        output.say(&format!("first start: open this link once, within three days, to choose the owner's password:\n{link}"));
    } else if let Some(owner) = owner_without_password(global).await {
        output.say(&format!(
            "no owner has a password yet: actas users link {owner}"
        ));
    }
    stop.await;
    output.say("stopping: what is under way finishes");
    server.stop().await;
    Ok(())
}

/// An owner, if none can log in.
async fn owner_without_password(global: &Global) -> Option<String> {
    let client = session::local(global).ok()?;
    let users = client.get("/api/v1/users").await.ok()?;
    let owners: Vec<_> = items(&users, "users")
        .filter(|user| texts(user, "roles").iter().any(|role| role == "owner"))
        .collect();
    let none = owners
        .iter()
        .all(|user| user.get("has_password") == Some(&Value::Bool(false)));
    none.then(|| owners.first().map(|user| cell(user, "login")))
        .flatten()
}

#[cfg(unix)]
fn stopped() -> Result<impl Future<Output = ()>, Failed> {
    use tokio::signal::unix::{SignalKind, signal};
    let deaf = |e| Failed::Unavailable(format!("signals cannot be heard: {e}"));
    let mut term = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut int = signal(SignalKind::interrupt()).map_err(deaf)?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stopped() -> Result<impl Future<Output = ()>, Failed> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
