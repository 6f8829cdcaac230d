//! Where a provider sends people back to. The state in the address stands for one attempt of one browser; everything is judged before the
//! code is redeemed, and what comes of it is said in plain words.

use actas_connections::{CallbackError, Finished, Who};
use actas_core::audit::Actor;
use actas_core::ids::ClientId;
use actas_core::run::Rule;
use actas_store::UserRow;
use axum::http::StatusCode;

use crate::access::Rights;
use crate::approver;
use crate::call::Call;
use crate::context::{Context, Via, Visitor};
use crate::pages::approval::path_of;
use crate::pages::login::user;
use crate::pages::{Chrome, Message, accounts, page, redirect, sentence};
use crate::problem::Problem;
use crate::routes::Answer;

/// `GET /oauth/callback/{client}`
pub async fn show(visitor: Visitor, call: Call) -> Answer {
    let client: ClientId = call.id("client")?;
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(call.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let person = match &visitor.session {
        Some(session) => user(&visitor, &session.user).await?,
        None => None,
    };
    let session = visitor.session.as_ref().filter(|_| person.is_some());
    let who = Who {
        actor: person
            .as_ref()
            .map_or(Actor::Anonymous, |person| Actor::User {
                id: person.id.clone(),
                login: person.login.clone(),
            }),
        person: person
            .as_ref()
            .map(|person| (person.id.clone(), person.login.clone())),
        entry: "page".into(),
        ip: visitor.ip.clone(),
        agent: visitor.agent.clone(),
    };
    let outcome = visitor
        .app
        .connections
        .callback(&client, &query, session, &who)
        .await;
    let login = person
        .as_ref()
        .map(|person| person.login.clone())
        .unwrap_or_default();
    let chrome = Chrome {
        login,
        csrf: String::new(),
    };
    let after = match (&outcome, person) {
        (Ok(done), Some(person)) => after(&visitor, person, done).await?,
        _ => After::Itself,
    };
    let approval = match after {
        // One account of several: they go on where the others are.
        After::Accounts(path) => return Ok(redirect(&path)),
        After::Approval(path) => Some(path),
        After::Itself => None,
    };
    match outcome {
        Ok(done) => page(
            StatusCode::OK,
            &Message {
                chrome,
                title: format!("Connected as {}", done.account),
                tone: "good",
                sentences: vec![match (&approval, &done.run) {
                    (Some(_), _) => format!(
                        "The flow may act at {} as you once you have decided. You have not decided yet.",
                        done.app
                    ),
                    (None, Some(_)) => {
                        format!("Your run goes on, and acts at {} as you.", done.app)
                    }
                    (None, None) => format!("Your account at {} is connected.", done.app),
                }],
                on: Some(match (approval, &done.run) {
                    (Some(path), _) => (path, "Go on to decide".into()),
                    (None, Some(run)) => (format!("/runs/{run}"), "Watch the run".into()),
                    (None, None) => ("/".into(), "To my first page".into()),
                }),
            },
        ),
        Err(error) => {
            let (status, title) = match &error {
                CallbackError::WrongPerson | CallbackError::WrongSession => {
                    (StatusCode::FORBIDDEN, "This is not for you")
                }
                CallbackError::NoSession => (StatusCode::FORBIDDEN, "You are not logged in"),
                CallbackError::OtherAccount => (StatusCode::CONFLICT, "That is another account"),
                CallbackError::Denied => (StatusCode::OK, "Not connected"),
                CallbackError::Unavailable | CallbackError::Refused => (
                    StatusCode::BAD_GATEWAY,
                    "The app did not answer as it should",
                ),
                CallbackError::Read(_) | CallbackError::Commit(_) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "This does not work just now",
                ),
                CallbackError::Over => (StatusCode::GONE, "This is over"),
                _ => (StatusCode::BAD_REQUEST, "The sign-in did not succeed"),
            };
            tracing::info!(code = error.code(), "a callback was refused");
            page(
                status,
                &Message {
                    chrome,
                    title: title.into(),
                    tone: "bad",
                    sentences: vec![sentence(&error.to_string())],
                    on: Some(("/".into(), "To what waits for me".into())),
                },
            )
        }
    }
}

/// Where somebody goes on who has signed in.
enum After {
    /// To the approval that they signed in for.
    Approval(String),
    /// To the page of all accounts.
    Accounts(String),
    /// To where the page says.
    Itself,
}

async fn after(visitor: &Visitor, person: UserRow, done: &Finished) -> Result<After, Problem> {
    let reader = visitor.app.store.reader(&visitor.workspace.id);
    let sign_in = match &done.sign_in {
        Some(id) => reader.sign_in(id).await?,
        None => None,
    };
    let Some(sign_in) = sign_in else {
        return Ok(After::Itself);
    };
    let cx = Context {
        app: visitor.app.clone(),
        rights: Rights::read(&reader, &person).await?,
        reader,
        user: person,
        // Looking needs no more of the session than that there is one.
        via: Via::Session {
            hash: String::new(),
            csrf: String::new(),
        },
        ip: visitor.ip.clone(),
        agent: visitor.agent.clone(),
        now: visitor.now,
    };
    if sign_in.rule == Rule::Approver {
        let row = approver::approval_of(&cx, &sign_in.id).await?;
        let path = row.map_or_else(|| "/requests".to_owned(), |row| path_of(&row.id));
        return Ok(After::Approval(path));
    }
    let all = accounts::after(&cx, &sign_in).await?;
    Ok(all.map_or(After::Itself, After::Accounts))
}
