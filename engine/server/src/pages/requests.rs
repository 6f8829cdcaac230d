//! The page of what waits for somebody: sign-ins, approvals, decisions. A list of links; answering happens on their own pages.

use actas_store::{RequestKind, RequestRow, SignInRow, SignInState};
use askama::Template;
use axum::http::StatusCode;

use crate::call::Call;
use crate::context::Context;
use crate::pages::home::app_title;
use crate::pages::{Chrome, because, minute, page, sentence};
use crate::problem::Problem;
use crate::requests;
use crate::routes::Answer;

#[derive(Debug, Template)]
#[template(path = "requests.html")]
struct RequestsPage {
    chrome: Chrome,
    requests: Vec<Waiting>,
}

/// One thing that waits for somebody.
#[derive(Debug)]
pub struct Waiting {
    /// Where it is answered.
    pub path: String,
    /// The flow's title.
    pub flow: String,
    /// What it is about.
    pub title: String,
    /// Why.
    pub because: String,
    /// Until when.
    pub until: String,
    /// What the button says.
    pub button: String,
}

/// `GET /requests`
pub async fn show(cx: Context, _call: Call) -> Answer {
    let requests = waiting(&cx).await?;
    page(
        StatusCode::OK,
        &RequestsPage {
            chrome: Chrome::of(&cx),
            requests,
        },
    )
}

/// What waits for the caller.
///
/// # Errors
/// If the store is away.
pub async fn waiting(cx: &Context) -> Result<Vec<Waiting>, Problem> {
    let flows = cx.reader.flows().await?;
    let title_of = |id: &actas_core::ids::FlowId| {
        flows.iter().find(|flow| flow.id == *id).map_or_else(
            || id.to_string(),
            |flow| flow.title.clone().unwrap_or_else(|| flow.name.to_string()),
        )
    };
    let mut all: Vec<Waiting> = Vec::new();
    for row in requests::sign_ins(cx).await? {
        let flow = title_of(&row.flow);
        all.push(sign_in(cx, &row, flow));
    }
    for row in requests::mine(cx).await? {
        let flow = title_of(&row.flow);
        all.push(request(&row, flow));
    }
    Ok(all)
}

fn sign_in(cx: &Context, row: &SignInRow, flow: String) -> Waiting {
    let app = app_title(cx, row.app.as_str());
    Waiting {
        path: format!("/connect/{}", row.id),
        flow,
        because: because(row.reason, &app),
        until: minute(row.until),
        button: if row.state == SignInState::Declined {
            "Change my mind".to_owned()
        } else {
            format!("Sign in with {app}")
        },
        title: format!("Sign in to {app}"),
    }
}

fn request(row: &RequestRow, flow: String) -> Waiting {
    let (because, button) = match row.kind {
        RequestKind::Approval => (
            "You are asked to decide this.".to_owned(),
            "Look and decide",
        ),
        RequestKind::Decision => {
            let error = requests::detail(row);
            let why = error["error"]["message"].as_str().unwrap_or_default();
            let why = if why.is_empty() {
                "Nobody here knows whether it happened".to_owned()
            } else {
                why.to_owned()
            };
            (sentence(&why), "Look and answer")
        }
    };
    Waiting {
        path: format!("/approvals/{}", row.id),
        flow,
        title: row.title.clone(),
        because,
        until: minute(row.until),
        button: button.to_owned(),
    }
}
