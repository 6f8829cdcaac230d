//! Who is signed in at the CRM in a browser: the cookie, the sign-in form, and signing in as somebody else.
//!
//! Every browser gets a random cookie with its first page; signing in changes it, so that a cookie planted before is
//! worth nothing after. Forms carry a value derived from the cookie, which no other site can know.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};

use super::params::Params;
use crate::app::{App, Shared};
use crate::crm::people::{Person, password_of};
use crate::pages;
use crate::system::{random_token, s256, same_secret};

const COOKIE: &str = "sandbox_browser";

/// Who is signed in, by the hash of the browser's cookie.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sessions(BTreeMap<String, String>);

/// The browser that sent a request.
#[derive(Debug)]
pub(crate) struct Browser {
    cookie: String,
    /// The cookies to send with the answer.
    pub jar: CookieJar,
}

impl Browser {
    /// Knows the browser by its cookie, or gives it one.
    pub(crate) fn of(app: &App, jar: CookieJar) -> Self {
        match jar
            .get(COOKIE)
            .map(|cookie| cookie.value().to_owned())
            .filter(|value| value.len() == 43)
        {
            Some(cookie) => Self { cookie, jar },
            None => Self::new(app, jar),
        }
    }

    fn new(app: &App, jar: CookieJar) -> Self {
        let cookie = random_token();
        let jar = jar.add(
            Cookie::build((COOKIE, cookie.clone()))
                .path("/")
                .http_only(true)
                .same_site(SameSite::Lax)
                .secure(app.url.starts_with("https://")),
        );
        Self { cookie, jar }
    }

    /// What forms on this browser's pages must carry.
    pub(crate) fn csrf(&self) -> String {
        s256(&format!("csrf {}", self.cookie))
    }

    /// Whether a form came from one of this browser's own pages.
    pub(crate) fn sent(&self, form: &Params) -> bool {
        form.get("csrf")
            .is_some_and(|sent| same_secret(sent, &self.csrf()))
    }

    /// Who is signed in.
    pub(crate) fn person(&self, app: &App) -> Option<Person> {
        app.read(|state| {
            state
                .people
                .get(state.sessions.0.get(&s256(&self.cookie))?)
                .cloned()
        })
    }
}

/// `POST /oauth/login`: `csrf`, `username`, `password`, `return_to`.
pub(crate) async fn log_in(State(app): Shared, jar: CookieJar, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let browser = Browser::of(&app, jar);
    let Some(target) = form.get("return_to").and_then(return_to) else {
        return bad_form(browser);
    };
    if !browser.sent(&form) {
        return bad_form(browser);
    }
    let name = form
        .get("username")
        .unwrap_or_default()
        .trim()
        .to_lowercase();
    let name = name.strip_suffix("@sandbox").unwrap_or(&name);
    let known = app.read(|state| state.people.contains_key(name));
    // Compared for unknown names too, so that the time tells nothing.
    let right = same_secret(form.get("password").unwrap_or_default(), &password_of(name));
    if !(known && right) {
        return pages::login(&app, browser, &target, name, true);
    }
    let old = s256(&browser.cookie);
    let browser = Browser::new(&app, browser.jar);
    app.write(|state| {
        state.sessions.0.remove(&old);
        state
            .sessions
            .0
            .insert(s256(&browser.cookie), name.to_owned());
    });
    (browser.jar, Redirect::to(&without_prompt(&target))).into_response()
}

/// `POST /oauth/logout`: `csrf`, `return_to`.
pub(crate) async fn log_out(State(app): Shared, jar: CookieJar, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let browser = Browser::of(&app, jar);
    let Some(target) = form
        .get("return_to")
        .and_then(return_to)
        .filter(|_| browser.sent(&form))
    else {
        return bad_form(browser);
    };
    app.write(|state| state.sessions.0.remove(&s256(&browser.cookie)));
    let browser = Browser::new(&app, browser.jar);
    (browser.jar, Redirect::to(&target)).into_response()
}

/// `POST /oauth/withdraw`: `csrf`, `grant`. A person takes away what they agreed to.
pub(crate) async fn withdraw(State(app): Shared, jar: CookieJar, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let browser = Browser::of(&app, jar);
    let (Some(grant), true) = (form.get("grant"), browser.sent(&form)) else {
        return bad_form(browser);
    };
    if let Some(person) = browser.person(&app) {
        app.write(|state| state.grants.take_away_one(&person.name, grant));
    }
    (browser.jar, Redirect::to("/")).into_response()
}

fn bad_form(browser: Browser) -> Response {
    let why = "This form is out of date. Go back to where you came from and start again.";
    let page = pages::error(StatusCode::FORBIDDEN, "That did not work", why);
    (browser.jar, page).into_response()
}

/// Only our own pages, or the form would lead people anywhere.
fn return_to(target: &str) -> Option<String> {
    (target == "/" || target.starts_with("/oauth/authorize?")).then(|| target.to_owned())
}

/// `prompt=login` is fulfilled by the sign-in that just happened; left in, it would ask for ever.
fn without_prompt(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "prompt");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .finish();
    format!("{path}?{query}")
}
