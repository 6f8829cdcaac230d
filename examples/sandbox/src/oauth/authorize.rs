//! `/oauth/authorize` (RFC 6749, section 4.1): a person agrees, or not, to what a program asks for.
//!
//! Whatever is wrong with the client or its redirect URI ends on a page here: nothing may be sent to an address that
//! was not registered. Everything else is told to the client, with `state` and `iss` (RFC 9207).

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use url::Url;

use super::grants::Asked;
use super::params::Params;
use super::sign_in::Browser;
use crate::app::{App, Shared};
use crate::config::Client;
use crate::pages;
use crate::system;

/// A request that may be answered by a redirect.
#[derive(Debug)]
struct Request {
    client: Client,
    redirect_uri: Url,
    state: Option<String>,
}

/// What a valid request asks for.
#[derive(Debug)]
struct Wanted {
    scopes: Vec<String>,
    challenge: String,
    prompt: String,
}

/// `GET`: the sign-in form, then the consent page.
pub(crate) async fn ask(State(app): Shared, jar: CookieJar, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let params = Params::parse(query.as_bytes());
    let request = match request(&app, &params) {
        Ok(request) => request,
        Err(why) => return page(why),
    };
    let wanted = match wanted(&params) {
        Ok(wanted) => wanted,
        Err((error, why)) => return refuse(&app, &request, error, &why),
    };
    let browser = Browser::of(&app, jar);
    let here = format!("/oauth/authorize?{query}");
    let asks = |what: &str| wanted.prompt.split(' ').any(|prompt| prompt == what);
    let person = browser.person(&app).filter(|_| !asks("login"));
    match person {
        _ if asks("none") => refuse(
            &app,
            &request,
            "interaction_required",
            "this server always asks the person",
        ),
        None => pages::login(
            &app,
            browser,
            &here,
            params.get("login_hint").unwrap_or_default(),
            false,
        ),
        Some(person) => pages::consent(
            browser,
            &request.client,
            &person,
            &wanted.scopes,
            &here,
            &request.redirect_uri,
        ),
    }
}

/// `POST`: the person has decided. The request is checked again, because it came back through the browser.
pub(crate) async fn decide(State(app): Shared, jar: CookieJar, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let browser = Browser::of(&app, jar);
    let query = form
        .get("return_to")
        .and_then(|here| here.strip_prefix("/oauth/authorize?"));
    let (Some(query), true) = (query, browser.sent(&form)) else {
        let why = "This form is out of date. Go back to where you came from and start again.";
        return pages::error(StatusCode::FORBIDDEN, "That did not work", why);
    };
    let params = Params::parse(query.as_bytes());
    let request = match request(&app, &params) {
        Ok(request) => request,
        Err(why) => return page(why),
    };
    let wanted = match wanted(&params) {
        Ok(wanted) => wanted,
        Err((error, why)) => return refuse(&app, &request, error, &why),
    };
    let Some(person) = browser.person(&app) else {
        return pages::login(
            &app,
            browser,
            &format!("/oauth/authorize?{query}"),
            "",
            false,
        );
    };
    // The page named one person; another may have signed in since, in another tab.
    if form.get("person") != Some(person.id.as_str()) {
        let why = "Somebody else has signed in here in the meantime. Go back to where you came from and start again.";
        return pages::error(StatusCode::CONFLICT, "That did not work", why);
    }
    if form.get("decision") != Some("allow") {
        return refuse(&app, &request, "access_denied", "the person did not agree");
    }
    let asked = Asked {
        client: request.client.id.clone(),
        user: person.name,
        scopes: wanted.scopes,
        redirect_uri: params.get("redirect_uri").unwrap_or_default().to_owned(),
        challenge: wanted.challenge,
    };
    let code = app.write(|state| state.grants.give_code(asked, system::now()));
    answer(&app, &request, &[("code", &code)])
}

/// The client and the address it wants the answer at, or what a page must say is wrong with them.
fn request(app: &App, params: &Params) -> Result<Request, &'static str> {
    if matches!(
        params.repeated(),
        Some("client_id" | "redirect_uri" | "state")
    ) {
        return Err("It says the same thing twice.");
    }
    let id = params
        .get("client_id")
        .ok_or("It does not say which program sent you (client_id).")?;
    let client = app.read(|state| state.clients.get(id).cloned());
    let client = client.ok_or("The program that sent you is not known here (client_id).")?;
    let uri = params
        .get("redirect_uri")
        .ok_or("It does not say where to send you back (redirect_uri).")?;
    let registered = client
        .redirect_uris
        .iter()
        .any(|registered| registered == uri);
    let redirect_uri = Url::parse(uri).ok().filter(|_| registered).ok_or(
        "The address to send you back to (redirect_uri) is not one that this program has registered here.",
    )?;
    Ok(Request {
        client,
        redirect_uri,
        state: params.get("state").map(str::to_owned),
    })
}

fn page(why: &str) -> Response {
    pages::error(
        StatusCode::BAD_REQUEST,
        "This request can't be answered",
        why,
    )
}

/// What is asked for, or the error code and its reason.
fn wanted(params: &Params) -> Result<Wanted, (&'static str, String)> {
    let invalid = |why: &str| ("invalid_request", why.to_owned());
    if let Some(name) = params.repeated() {
        return Err(invalid(&format!("{name} is sent more than once")));
    }
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "only code is supported".into())),
        None => return Err(invalid("response_type is missing")),
    }
    // RFC 9700, section 2.1.1: PKCE for every client, and only S256, because `plain` shows what it should hide.
    let challenge = params
        .get("code_challenge")
        .ok_or_else(|| invalid("code_challenge is missing; PKCE is required"))?;
    if params.get("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    let coded = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if challenge.len() != 43 || !challenge.chars().all(coded) {
        return Err(invalid("code_challenge is not a SHA-256 in base64url"));
    }
    let scopes = params.scopes().map_err(|why| ("invalid_scope", why))?;
    Ok(Wanted {
        scopes: scopes.unwrap_or_else(|| vec!["records.read".into()]),
        challenge: challenge.to_owned(),
        prompt: params.get("prompt").unwrap_or_default().to_owned(),
    })
}

fn refuse(app: &App, request: &Request, error: &str, why: &str) -> Response {
    answer(
        app,
        request,
        &[("error", error), ("error_description", why)],
    )
}

/// Sends the browser back to the client.
fn answer(app: &App, request: &Request, pairs: &[(&str, &str)]) -> Response {
    let mut url = request.redirect_uri.clone();
    url.query_pairs_mut().extend_pairs(pairs);
    if let Some(state) = &request.state {
        url.query_pairs_mut().append_pair("state", state);
    }
    url.query_pairs_mut().append_pair("iss", &app.url);
    let headers = [
        (header::LOCATION, url.to_string()),
        (header::CACHE_CONTROL, "no-store".into()),
        // The page here has the whole request in its address; the client's page need not know it.
        (header::REFERRER_POLICY, "no-referrer".into()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
