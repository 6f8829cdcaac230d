//! The pages of the CRM: templates, style sheet, and the headers that keep them to themselves. Decides nothing.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::CookieJar;
use url::Url;

use crate::app::{App, Shared};
use crate::config::Client;
use crate::crm::people::Person;
use crate::crm::records::Record;
use crate::oauth::SCOPES;
use crate::oauth::sign_in::Browser;

const STYLE: &str = include_str!("../static/sandbox.css");

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home))
        .route("/static/sandbox.css", get(style))
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    csrf: String,
    return_to: &'a str,
    username: &'a str,
    wrong: bool,
    /// The program that asks, where one does.
    client: Option<String>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'a> {
    csrf: String,
    return_to: &'a str,
    client: &'a str,
    /// Where the answer goes, for people who look.
    host: String,
    person: &'a Person,
    scopes: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct Error<'a> {
    title: &'a str,
    why: &'a str,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    csrf: String,
    person: &'a Person,
    records: Vec<Shown>,
    access: Vec<Access>,
}

/// A live grant as the home page shows it.
struct Access {
    grant: String,
    client: String,
    scopes: String,
}

/// A record as the home page shows it.
struct Shown {
    record: Record,
    fields: String,
}

impl Shown {
    fn new(record: Record) -> Self {
        let fields = record
            .fields
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}: {text}"),
                None => format!("{name}: {value}"),
            });
        Self {
            fields: fields.collect::<Vec<_>>().join(", "),
            record,
        }
    }
}

/// The sign-in form; `return_to` is the page to go on with.
pub(crate) fn login(
    app: &App,
    browser: Browser,
    return_to: &str,
    username: &str,
    wrong: bool,
) -> Response {
    let status = if wrong {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    let asked = return_to
        .strip_prefix("/oauth/authorize?")
        .unwrap_or_default();
    let query = |name: &str| {
        url::form_urlencoded::parse(asked.as_bytes())
            .find(|(n, _)| n == name)
            .map(|(_, v)| v)
    };
    let client =
        query("client_id").and_then(|id| app.read(|state| state.clients.get(&*id).cloned()));
    // Signing in may be answered by a redirect all the way to the client, which the policy for forms must not stop.
    let target = query("redirect_uri").filter(|uri| {
        client
            .as_ref()
            .is_some_and(|c| c.redirect_uris.contains(&uri.to_string()))
    });
    let target = target.and_then(|uri| Url::parse(&uri).ok());
    let client = client.map(|client| client.shown_name().to_owned());
    let page = page(
        status,
        &Login {
            csrf: browser.csrf(),
            return_to,
            username,
            wrong,
            client,
        },
        target.as_ref(),
    );
    (browser.jar, page).into_response()
}

/// The consent page.
pub(crate) fn consent(
    browser: Browser,
    client: &Client,
    person: &Person,
    scopes: &[String],
    return_to: &str,
    redirect_uri: &Url,
) -> Response {
    let words = SCOPES
        .iter()
        .filter(|(scope, _)| scopes.iter().any(|wanted| wanted == scope))
        .map(|(_, words)| *words);
    let consent = Consent {
        csrf: browser.csrf(),
        return_to,
        client: client.shown_name(),
        host: redirect_uri
            .host_str()
            .unwrap_or(redirect_uri.scheme())
            .to_owned(),
        person,
        scopes: words.collect(),
    };
    let page = page(StatusCode::OK, &consent, Some(redirect_uri));
    (browser.jar, page).into_response()
}

/// A page that says what is wrong.
pub(crate) fn error(status: StatusCode, title: &str, why: &str) -> Response {
    page(status, &Error { title, why }, None)
}

async fn home(State(app): Shared, jar: CookieJar) -> Response {
    let browser = Browser::of(&app, jar);
    let Some(person) = browser.person(&app) else {
        return login(&app, browser, "/", "", false);
    };
    let (records, access) = app.read(|state| {
        let own = state
            .records
            .iter()
            .filter(|record| record.author == person.name);
        let records: Vec<_> = own.map(|record| Shown::new(record.clone())).collect();
        let live = state.grants.list().into_iter();
        let live = live.filter(|grant| grant.user == person.name && grant.ended.is_none());
        let access: Vec<_> = live
            .map(|grant| Access {
                client: state
                    .clients
                    .get(&grant.client)
                    .map_or(&*grant.client, Client::shown_name)
                    .to_owned(),
                scopes: grant.scopes.join(", "),
                grant: grant.id,
            })
            .collect();
        (records, access)
    });
    let home = Home {
        csrf: browser.csrf(),
        person: &person,
        records: records.into_iter().rev().collect(),
        access,
    };
    let page = page(StatusCode::OK, &home, None);
    (browser.jar, page).into_response()
}

async fn style() -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        STYLE,
    )
        .into_response()
}

/// Renders a page. Browsers apply `form-action` to the redirects after a form too, so the client's origin is in it.
fn page(status: StatusCode, template: &impl Template, sends_to: Option<&Url>) -> Response {
    let Ok(html) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let target = sends_to.map(|url| match url.origin() {
        origin @ url::Origin::Tuple(..) => format!(" {}", origin.ascii_serialization()),
        url::Origin::Opaque(_) => format!(" {}:", url.scheme()),
    });
    let target = target.unwrap_or_default();
    let headers: [(HeaderName, String); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            format!(
                "default-src 'none'; style-src 'self'; form-action 'self'{target}; base-uri 'none'; frame-ancestors 'none'"
            ),
        ),
        (header::CACHE_CONTROL, "no-store".into()),
        (header::REFERRER_POLICY, "no-referrer".into()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".into()),
        (header::X_FRAME_OPTIONS, "DENY".into()),
    ];
    (status, headers, Html(html)).into_response()
}
