//! The links of a terminal on this machine: whoever started this process by hand is known, and the link it prints stands for their login. A
//! token lives in this process's memory, is used once, and is exchanged for a session before anything is shown.

use std::time::Duration;

use actas_core::ids::WorkspaceId;
use actas_store::Commit;
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::call::Call;
use crate::context::Visitor;
use crate::pages::login::{begin_session, user};
use crate::pages::{Chrome, Message, page};
use crate::problem::Problem;
use crate::routes::Answer;
use crate::terminal::Terminal;

/// How long a printed link may be opened: as long as somebody sits in front of it.
pub const LIVES: Duration = Duration::from_secs(3600);

#[derive(Debug, Template)]
#[template(path = "terminal.html")]
struct TerminalPage {
    chrome: Chrome,
    path: String,
    login: String,
}

fn terminal(visitor: &Visitor) -> Result<&Terminal, Problem> {
    visitor
        .app
        .terminal
        .as_ref()
        .ok_or_else(|| Problem::not_found("page"))
}

/// The visitor, in the workspace of the link.
async fn of(visitor: Visitor, workspace: &WorkspaceId) -> Result<Visitor, Problem> {
    let workspace = visitor.app.workspace_of(workspace).await?;
    let workspace = workspace.ok_or_else(|| Problem::not_found("page"))?;
    Ok(Visitor {
        workspace,
        ..visitor
    })
}

fn spent() -> Answer {
    page(
        StatusCode::GONE,
        &Message {
            chrome: Chrome::default(),
            title: "This link was used already".into(),
            tone: "bad",
            sentences: vec![
                "A terminal's link works once. Go back to the terminal: it can print a new one."
                    .into(),
            ],
            on: None,
        },
    )
}

/// `GET /terminal/{token}`: shows whose link it is; uses nothing up.
pub async fn show(visitor: Visitor, call: Call) -> Answer {
    let looked = terminal(&visitor)?.look(call.text("token"), visitor.now);
    let Some(((workspace, id), _)) = looked else {
        return spent();
    };
    let visitor = of(visitor, &workspace).await?;
    let Some(person) = user(&visitor, &id).await? else {
        return spent();
    };
    page(
        StatusCode::OK,
        &TerminalPage {
            chrome: Chrome::default(),
            path: call.uri.path().to_owned(),
            login: person.login,
        },
    )
}

/// `POST /terminal/{token}`: a session, and on to where the link leads.
pub async fn enter(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = call.form()?;
    let taken = terminal(&visitor)?.take(call.text("token"), visitor.now);
    let Some(((workspace, id), to)) = taken else {
        return spent();
    };
    let visitor = of(visitor, &workspace).await?;
    let Some(person) = user(&visitor, &id).await? else {
        return spent();
    };
    begin_session(&visitor, &person, Commit::default(), "session.begun", &to).await
}
