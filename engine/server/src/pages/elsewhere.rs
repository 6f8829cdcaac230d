//! Logging in elsewhere: at the workspace's OpenID provider, or by the word of an application that Actas is built into. What was begun in one
//! browser ends in that browser only, once, within ten minutes; another's return is refused before anything is asked of the provider.

use std::time::Duration;

use actas_connections::{Journey, LoginError, Returned};
use actas_core::Secret;
use actas_store::{Commit, LoginAttemptRow, Oidc, Op};
use askama::Template;
use axum::http::{StatusCode, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::call::Call;
use crate::context::Visitor;
use crate::gate::hash_of;
use crate::newcomers::{self, NotLetIn, Vouched};
use crate::pages::login::{begin_session, refuse, to_of, user};
use crate::pages::{Chrome, Message, page, redirect};
use crate::problem::Problem;
use crate::routes::Answer;
use crate::secrets;
use crate::target::Target;

/// How long somebody may take to log in elsewhere.
const TAKES: Duration = Duration::from_secs(600);

/// What a hash of a link by an application's word begins with, so that it is none of the links that set a password.
pub const ENTER: &str = "actas/enter/1\0";

#[derive(Debug, Template)]
#[template(path = "enter.html")]
struct EnterPage {
    chrome: Chrome,
    path: String,
    name: String,
    login: String,
    to: String,
}

/// What follows from what the browser holds and the state of this one attempt, and from nothing that is stored.
fn bound(purpose: &str, browser: &str, state: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["actas/login/1", purpose, browser, state] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(hash.finalize())
}

fn journey(visitor: &Visitor, browser: &str, state: &str) -> Journey {
    let path = format!("/w/{}/oidc/callback", visitor.workspace.name);
    Journey {
        redirect: visitor.app.origin.join(&path),
        state: state.to_owned(),
        nonce: bound("nonce", browser, state),
        verifier: Secret::new(bound("verifier", browser, state)),
    }
}

async fn provider(visitor: &Visitor) -> Result<Oidc, Problem> {
    let reader = visitor.app.store.reader(&visitor.workspace.id);
    let row = reader.oidc().await?;
    row.map(|row| row.oidc)
        .ok_or_else(|| Problem::not_found("page"))
}

/// `POST /w/{workspace}/oidc`: sends the browser to the provider.
pub async fn begin(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(default)]
        to: String,
    }
    let form: Form = call.form()?;
    let app = &visitor.app;
    let by_address = visitor.ip.as_deref().unwrap_or("socket");
    app.by_address
        .take(by_address, visitor.now)
        .map_err(Problem::too_many)?;
    let oidc = provider(&visitor).await?;
    let held = app.origin.attempt_cookie_of(&call.headers);
    let browser = held.unwrap_or_else(|| secrets::new_token(""));
    let state = secrets::new_token("");
    let journey = journey(&visitor, &browser, &state);
    let url = match app.connections.login_address(&oidc, &journey).await {
        Ok(url) => url,
        Err(error) => return failed(&visitor, &error),
    };
    let attempt = LoginAttemptRow {
        state_hash: hash_of(&state),
        workspace: visitor.workspace.id.clone(),
        browser_hash: hash_of(&browser),
        issuer: oidc.issuer,
        target: Target::of(&form.to).to_string(),
        expires_at: visitor.now.after(TAKES),
    };
    let commit = Commit {
        ops: vec![Op::AddLoginAttempt(attempt)],
        audit: Vec::new(),
    };
    app.store.commit(commit).await?;
    let mut response = redirect(url.as_str());
    let cookie = app.origin.set_attempt_cookie(&browser, TAKES);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// `GET /w/{workspace}/oidc/callback`
pub async fn come_back(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    struct Query {
        state: Option<String>,
        code: Option<String>,
        iss: Option<String>,
        error: Option<String>,
    }
    let query: Query = call.query()?;
    let app = &visitor.app;
    let oidc = provider(&visitor).await?;
    let reader = app.store.reader(&visitor.workspace.id);
    let state = query.state.unwrap_or_default();
    let attempt = reader.login_attempt(&hash_of(&state), visitor.now).await?;
    let Some(attempt) = attempt.filter(|row| row.issuer == oidc.issuer) else {
        return over();
    };
    let browser = app.origin.attempt_cookie_of(&call.headers);
    let same = |browser: &String| {
        let hash = hash_of(browser);
        bool::from(hash.as_bytes().ct_eq(attempt.browser_hash.as_bytes()))
    };
    let Some(browser) = browser.filter(same) else {
        note(&visitor, "another_browser").await?;
        return said(
            StatusCode::FORBIDDEN,
            "This login was begun in another browser",
            "Nobody was logged in. Begin again in this one.",
            &visitor,
        );
    };
    // Used up before anything else: whoever comes second with it finds nothing.
    let commit = Commit {
        ops: vec![Op::UseLoginAttempt {
            workspace: visitor.workspace.id.clone(),
            state_hash: attempt.state_hash.clone(),
            browser_hash: attempt.browser_hash.clone(),
            now: visitor.now,
        }],
        audit: Vec::new(),
    };
    match app.store.commit(commit).await {
        Err(actas_store::CommitError::Conflict { .. }) => return over(),
        done => done?,
    }
    let code = match (query.error, query.code) {
        (None, Some(code)) => Secret::new(code),
        _ => {
            note(&visitor, "refused_elsewhere").await?;
            return said(
                StatusCode::FORBIDDEN,
                "You were not logged in",
                "The login provider said no. Begin again, or log in with a password.",
                &visitor,
            );
        }
    };
    let returned = Returned {
        code,
        issuer: query.iss,
    };
    let journey = journey(&visitor, &browser, &state);
    let claims = app
        .connections
        .logged_in(&visitor.workspace.id, &oidc, &journey, returned)
        .await;
    let claims = match claims {
        Ok(claims) => claims,
        Err(error) => {
            tracing::warn!(workspace = %visitor.workspace.name, "login elsewhere: {error}");
            note(&visitor, "not_proved").await?;
            return failed(&visitor, &error);
        }
    };
    let email = claims.text("email").map(str::to_owned);
    let sure = claims.get("email_verified") == Some(&serde_json::Value::Bool(true));
    let domain = email.as_ref().and_then(|email| email.rsplit_once('@'));
    let domain = domain.map(|(_, domain)| domain.to_lowercase());
    let welcome = oidc.domains.is_empty()
        || sure && domain.is_some_and(|domain| oidc.domains.contains(&domain));
    let roles = oidc.groups_claim.as_ref().map(|claim| {
        let mut roles: Vec<String> = claims
            .texts(claim)
            .iter()
            .filter_map(|group| oidc.groups.get(group))
            .flatten()
            .cloned()
            .collect();
        roles.sort();
        roles.dedup();
        roles
    });
    let wish = |name: &str| claims.text(name).map(str::to_owned);
    let vouched = Vouched {
        issuer: oidc.issuer.clone(),
        subject: claims.subject().to_owned(),
        logins: [wish("preferred_username"), email.clone(), wish("sub")]
            .into_iter()
            .flatten()
            .collect(),
        name: wish("name"),
        email: email.filter(|_| sure),
        roles,
        first: (oidc.create && welcome).then_some(oidc.roles),
    };
    match newcomers::find(&visitor, &visitor.workspace, vouched).await? {
        Ok((user, led)) => {
            let to = Target::of(&attempt.target);
            match begin_session(&visitor, &user, led, "session.begun", &to).await {
                // Two first logins at once: one of them was first.
                Err(problem) if problem.code == "changed_meanwhile" => over(),
                other => other,
            }
        }
        Err(NotLetIn(why)) => {
            note(&visitor, why).await?;
            said(
                StatusCode::FORBIDDEN,
                "You cannot log in here",
                "The login provider knows you, this workspace does not let you in. Ask whoever looks after it.",
                &visitor,
            )
        }
    }
}

/// A record of a refusal; a flood leaves one a minute for each address.
async fn note(visitor: &Visitor, why: &str) -> Result<(), Problem> {
    let by = visitor.ip.as_deref().unwrap_or("socket");
    if visitor.app.noted.take(by, visitor.now).is_ok() {
        refuse(visitor, None, why).await?;
    }
    Ok(())
}

fn said(status: StatusCode, title: &str, sentence: &str, visitor: &Visitor) -> Answer {
    let login = format!("/w/{}/login", visitor.workspace.name);
    page(
        status,
        &Message {
            chrome: Chrome::default(),
            title: title.into(),
            tone: "bad",
            sentences: vec![sentence.into()],
            on: Some((login, "Log in".into())),
        },
    )
}

fn over() -> Answer {
    page(
        StatusCode::GONE,
        &Message {
            chrome: Chrome::default(),
            title: "This login is over".into(),
            tone: "bad",
            sentences: vec!["It was finished before, or took too long. Begin again.".into()],
            on: Some(("/".into(), "Log in".into())),
        },
    )
}

fn failed(visitor: &Visitor, error: &LoginError) -> Answer {
    let (status, sentence) = match error {
        LoginError::Read(_) => {
            return Err(Problem::unavailable(
                "the store is not available: try again",
            ));
        }
        LoginError::Away => (
            StatusCode::BAD_GATEWAY,
            "The login provider does not answer. Try again later.",
        ),
        LoginError::Setup(why) => {
            tracing::warn!(workspace = %visitor.workspace.name, "login provider: {why}");
            (
                StatusCode::BAD_GATEWAY,
                "The login provider is not set up right. Whoever looks after this workspace finds out more in `actas oidc show` and the server's log.",
            )
        }
        LoginError::Refused | LoginError::OtherIssuer | LoginError::Token(_) => (
            StatusCode::FORBIDDEN,
            "What the login provider answered does not prove who you are. Begin again.",
        ),
    };
    said(status, "You were not logged in", sentence, visitor)
}

/// `GET /w/{workspace}/enter/{token}`: shows, uses nothing up.
pub async fn show_entry(visitor: Visitor, call: Call) -> Answer {
    let Some((_, user)) = entry_of(&visitor, &call).await? else {
        return over();
    };
    page(
        StatusCode::OK,
        &EnterPage {
            chrome: Chrome::default(),
            path: call.uri.path().to_owned(),
            name: user.name,
            login: user.login,
            to: to_of(&call).to_string(),
        },
    )
}

/// `POST /w/{workspace}/enter/{token}`: uses it up and begins a session.
pub async fn enter(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(default)]
        to: String,
    }
    let form: Form = call.form()?;
    let Some((hash, user)) = entry_of(&visitor, &call).await? else {
        return over();
    };
    let use_up = Op::UseLoginLink {
        hash,
        now: visitor.now,
    };
    let to = Target::of(&form.to);
    let led = Commit {
        ops: vec![use_up],
        audit: Vec::new(),
    };
    match begin_session(&visitor, &user, led, "link.used", &to).await {
        Err(problem) if problem.code == "changed_meanwhile" => over(),
        other => other,
    }
}

async fn entry_of(
    visitor: &Visitor,
    call: &Call,
) -> Result<Option<(String, actas_store::UserRow)>, Problem> {
    let hash = hash_of(&format!("{ENTER}{}", call.text("token")));
    let row = visitor.app.store.login_link(&hash, visitor.now).await?;
    let Some(row) = row.filter(|row| row.workspace == visitor.workspace.id) else {
        return Ok(None);
    };
    Ok(user(visitor, &row.user).await?.map(|user| (row.hash, user)))
}
