//! The page of a sign-in that a run waits for: what is wanted, by which flow, why, and three answers. Only its person sees anything.

use actas_connections::{Candidate, Fields, GiveError, ScopeView, SignInError, SignInView};
use actas_core::ids::{ConnectionId, RunId, SignInId};
use actas_core::run::{Rule, Scheme};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::approver;
use crate::call::Call;
use crate::context::{Context, Via};
use crate::pages::approval::path_of;
use crate::pages::{Chrome, Message, accounts, minute, page, redirect};
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::typed::{self, Ways};

#[derive(Debug, Template)]
#[template(path = "connect.html")]
struct ConnectPage {
    chrome: Chrome,
    path: String,
    flow: String,
    steps: Vec<String>,
    app: String,
    because: String,
    why: Option<String>,
    account: Option<String>,
    scopes: Vec<ScopeView>,
    hosts: Vec<String>,
    new_modules: Vec<String>,
    new_hosts: Vec<String>,
    /// What was wrong with what they typed.
    fault: Option<String>,
    ways: Ways,
    /// No run waits for it.
    ahead: bool,
    candidates: Vec<Candidate>,
    this_run_only: bool,
    approver: bool,
    build: bool,
    back: (String, &'static str),
    declined: bool,
    until: String,
}

/// `GET /connect/{sign_in}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let id: SignInId = call.id("sign_in")?;
    let view = cx
        .app
        .connections
        .view(cx.workspace(), &id, &cx.user.id, &cx.who())
        .await;
    match view {
        Ok(view) => {
            let back = back_to(&cx, &id, view.run.as_ref(), view.approver).await?;
            page(StatusCode::OK, &page_of(&cx, &call, view, back, None)).map(leads_out)
        }
        Err(error) => refused(&cx, &id, error).await,
    }
}

/// Answers a sign-in with what its person typed. The page comes again, without it, if it was wrong.
async fn give(
    cx: &Context,
    call: &Call,
    id: &SignInId,
    typed: (Scheme, Fields),
    after: &str,
) -> Answer {
    let (connections, workspace, who) = (&cx.app.connections, cx.workspace(), cx.who());
    let done = connections.give(workspace, id, &cx.user.id, typed, &who);
    let error = match done.await {
        Ok(_) => return Ok(redirect(after)),
        Err(GiveError::SignIn(error)) => return refused(cx, id, error).await,
        Err(error) => error,
    };
    let (status, fault) = typed::said_again(error).map_err(typed::refused)?;
    let view = connections.view(workspace, id, &cx.user.id, &who).await;
    match view {
        Ok(view) => {
            let back = back_to(cx, id, view.run.as_ref(), view.approver).await?;
            page(status, &page_of(cx, call, view, back, Some(fault))).map(leads_out)
        }
        Err(error) => refused(cx, id, error).await,
    }
}

/// Where a sign-in's page leads back to: the approval it was made for, which alone its person may see, or the run.
async fn back_to(
    cx: &Context,
    id: &SignInId,
    run: Option<&RunId>,
    approver: bool,
) -> Result<(String, &'static str), Problem> {
    if !approver {
        if let Some(row) = cx.reader.sign_in(id).await?
            && let Some(all) = accounts::after(cx, &row).await?
        {
            return Ok((all, "See all accounts"));
        }
        return Ok(match run {
            Some(run) => (format!("/runs/{run}"), "See the run"),
            None => ("/".to_owned(), "To my first page"),
        });
    }
    Ok(match approver::approval_of(cx, id).await? {
        Some(row) => (path_of(&row.id), "To the approval"),
        None => ("/requests".to_owned(), "To what waits for me"),
    })
}

fn page_of(
    cx: &Context,
    call: &Call,
    view: SignInView,
    back: (String, &'static str),
    fault: Option<String>,
) -> ConnectPage {
    ConnectPage {
        chrome: Chrome::of(cx),
        path: call.uri.path().to_owned(),
        flow: view.flow_title.unwrap_or(view.flow),
        steps: view.steps,
        because: accounts::words(view.reason, view.wider, &view.app),
        new_modules: view.new_modules,
        new_hosts: view.new_hosts,
        fault,
        ways: Ways::of(view.kinds),
        ahead: view.run.is_none(),
        app: view.app,
        why: view.why,
        account: view.account,
        scopes: view.scopes,
        hosts: view.hosts,
        candidates: view.candidates,
        this_run_only: view.this_run_only,
        // After the decision it is a run that waits, not an approval.
        approver: view.approver && back.0.starts_with("/approvals/"),
        build: view.build,
        back,
        declined: view.declined,
        until: minute(view.until),
    }
}

/// `POST /connect/{sign_in}`
pub async fn answer(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum What {
        SignIn,
        Agree,
        Decline,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
        answer: What,
        connection: Option<ConnectionId>,
    }
    let id: SignInId = call.id("sign_in")?;
    let given = typed::given(&call)?;
    // Asked before it is answered: what is answered leads nowhere any more.
    let after = match cx.reader.sign_in(&id).await? {
        Some(row) if row.person == cx.user.id => {
            let approver = row.rule == Rule::Approver;
            back_to(&cx, &id, row.run.as_ref(), approver).await?.0
        }
        _ => "/".to_owned(),
    };
    if let Some(typed) = given {
        return give(&cx, &call, &id, typed, &after).await;
    }
    let form: Form = call.form()?;
    let (connections, workspace, who) = (&cx.app.connections, cx.workspace(), cx.who());
    let outcome = match (form.answer, form.connection) {
        (What::SignIn, None) => {
            let session = session_hash(&cx)?;
            connections
                .begin(workspace, &id, &cx.user.id, session, &who)
                .await
                .map(|url| to_provider(&url))
        }
        (What::Agree, Some(connection)) => connections
            .agree(workspace, &id, &cx.user.id, &connection, &who)
            .await
            .map(|_| redirect(&after)),
        (What::Decline, None) => connections
            .decline(workspace, &id, &cx.user.id, &who)
            .await
            .map(|()| redirect(call.uri.path())),
        _ => return Err(Problem::bad("bad_form", "the answer is not complete")),
    };
    match outcome {
        Ok(response) => Ok(response),
        Err(error) => refused(&cx, &id, error).await,
    }
}

/// The browser's session, by hash: what comes back from the provider must come with the same.
///
/// # Errors
/// 403 without one.
pub fn session_hash(cx: &Context) -> Result<&str, Problem> {
    match &cx.via {
        Via::Session { hash, .. } => Ok(hash),
        Via::Token { .. } | Via::Socket => Err(Problem::forbidden("this needs a browser")),
    }
}

/// 303 to a provider: the one address that is not ours, and it comes from the app's manifest and its client, never from a request. Browsers
/// apply `form-action` to every redirect behind a form, and a provider may send people on to its own login.
pub fn to_provider(url: &url::Url) -> axum::response::Response {
    redirect(url.as_str())
}

/// The policy of pages whose forms lead to a provider.
pub fn policy() -> HeaderValue {
    HeaderValue::from_static(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self' https: http://127.0.0.1:* http://localhost:*; base-uri 'none'; frame-ancestors 'none'",
    )
}

/// What its person sees instead of the page; another person learns nothing.
pub async fn refused(cx: &Context, id: &SignInId, error: SignInError) -> Answer {
    let message = |status, title: &str, tone, sentences: &[&str], on: Option<(String, String)>| {
        page(
            status,
            &Message {
                chrome: Chrome::of(cx),
                title: title.into(),
                tone,
                sentences: sentences.iter().map(|text| (*text).to_owned()).collect(),
                on,
            },
        )
    };
    match error {
        SignInError::NotFound | SignInError::NotYours => message(
            StatusCode::FORBIDDEN,
            "This is not for you",
            "bad",
            &[
                "This link works only for the person it was made for, when they are logged in here.",
                "If you have another login, log out and log in with that. If it was meant for somebody else, give the link to them: you cannot answer it in their place.",
            ],
            Some(("/".into(), "To my first page".into())),
        ),
        SignInError::Done | SignInError::Over => {
            let run = cx
                .reader
                .sign_in(id)
                .await?
                .filter(|row| row.person == cx.user.id)
                .map(|row| match (row.rule, row.run) {
                    (Rule::Approver, _) => {
                        ("/requests".to_owned(), "To what waits for you".to_owned())
                    }
                    (_, Some(run)) => (format!("/runs/{run}"), "To the run".to_owned()),
                    (_, None) => ("/".to_owned(), "To my first page".to_owned()),
                });
            let (title, text) = if matches!(error, SignInError::Done) {
                ("This is done", "You have answered it already.")
            } else {
                (
                    "This is over",
                    "The run that asked has ended, or the time for it is up. Nothing is needed from you.",
                )
            };
            message(StatusCode::GONE, title, "plain", &[text], run)
        }
        other => Err(refusals::sign_in(other)),
    }
}

/// Lets a page's forms lead to a provider.
pub fn leads_out(mut response: axum::response::Response) -> axum::response::Response {
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy());
    response
}
