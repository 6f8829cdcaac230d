//! Where a provider sends people back to. The state in the address stands for one attempt of one browser; everything is judged before the
//! code is redeemed, and what comes of it is said in plain words.

use actas_connections::{CallbackError, Who};
use actas_core::audit::Actor;
use actas_core::ids::ClientId;
use axum::http::StatusCode;

use crate::call::Call;
use crate::context::Visitor;
use crate::pages::login::user;
use crate::pages::{Chrome, Message, page, sentence};
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
    let login = person.map(|person| person.login).unwrap_or_default();
    let chrome = Chrome {
        login,
        csrf: String::new(),
    };
    match outcome {
        Ok(done) => page(
            StatusCode::OK,
            &Message {
                chrome,
                title: format!("Connected as {}", done.account),
                tone: "good",
                sentences: vec![match &done.run {
                    Some(_) => format!("Your run goes on, and acts at {} as you.", done.app),
                    None => format!("Your account at {} is connected.", done.app),
                }],
                on: Some(match &done.run {
                    Some(run) => (format!("/runs/{run}"), "Watch the run".into()),
                    None => ("/".into(), "To my first page".into()),
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
