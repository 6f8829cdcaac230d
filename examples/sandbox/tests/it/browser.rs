//! What the tests of this crate sign in with: just enough of a browser for its forms, and a client for its tokens.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use actas_sandbox::{Client, Config, Sandbox, password_of};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

pub const CALLBACK: &str = "http://localhost:1/oauth/callback/ac_1";
pub const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-rfc-0123456789";
pub const BOTH: &str = "records.read records.write";

/// A sandbox with one confidential client.
pub async fn sandbox() -> Sandbox {
    sandbox_with(Config::default()).await
}

pub async fn sandbox_with(config: Config) -> Sandbox {
    // Only the first of several tests in one process can install it; the others find it in place.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clients = vec![Client::new("actas", "s3cret", [CALLBACK])];
    Sandbox::start(Config { clients, ..config }).await.unwrap()
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// One person's browser: cookies, and no redirects but those a test follows.
pub struct Browser {
    http: reqwest::Client,
    url: String,
    cookies: Mutex<HashMap<String, String>>,
}

impl Browser {
    pub fn new(sandbox: &Sandbox) -> Self {
        Self {
            http: http(),
            url: sandbox.url().to_owned(),
            cookies: Mutex::default(),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> = self
            .cookies
            .lock()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = request
            .header(COOKIE, cookies.join("; "))
            .send()
            .await
            .unwrap();
        for set in response.headers().get_all(SET_COOKIE) {
            let (name, value) = set
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .split_once('=')
                .unwrap();
            self.cookies
                .lock()
                .unwrap()
                .insert(name.into(), value.into());
        }
        response
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(self.http.get(format!("{}{path}", self.url)))
            .await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.send(self.http.post(format!("{}{path}", self.url)).form(form))
            .await
    }

    pub async fn log_in(&self, page: &str, name: &str) -> Response {
        let (csrf, back) = (hidden(page, "csrf"), hidden(page, "return_to"));
        let password = password_of(name);
        let form = [
            ("csrf", &*csrf),
            ("return_to", &back),
            ("username", name),
            ("password", &password),
        ];
        self.post("/oauth/login", &form).await
    }

    pub async fn decide(&self, page: &str, decision: &str) -> Response {
        let (csrf, back, person) = (
            hidden(page, "csrf"),
            hidden(page, "return_to"),
            hidden(page, "person"),
        );
        let form = [
            ("csrf", &*csrf),
            ("return_to", &back),
            ("person", &person),
            ("decision", decision),
        ];
        self.post("/oauth/authorize", &form).await
    }

    /// From the client's link to the client's address: signs in, agrees, and returns where that leads.
    pub async fn agree(&self, name: &str, scope: &str) -> Url {
        let page = self
            .get(&authorize(&[("scope", scope)]))
            .await
            .text()
            .await
            .unwrap();
        let next = location(&self.log_in(&page, name).await);
        let page = self.get(&next).await.text().await.unwrap();
        Url::parse(&location(&self.decide(&page, "allow").await)).unwrap()
    }
}

/// The address of a good authorization request, with some parameters changed; an empty value leaves one out.
pub fn authorize(changes: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let mut params: Vec<(&str, &str)> = vec![
        ("response_type", "code"),
        ("client_id", "actas"),
        ("redirect_uri", CALLBACK),
        ("scope", BOTH),
        ("state", "st&te"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for change in changes {
        params.retain(|(name, _)| *name != change.0);
        if !change.1.is_empty() {
            params.push(*change);
        }
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish();
    format!("/oauth/authorize?{query}")
}

pub fn location(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

pub fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// The value of a hidden field of a page.
pub fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let from = page
        .find(&start)
        .unwrap_or_else(|| panic!("no field {name} in {page}"))
        + start.len();
    let value = &page[from..from + page[from..].find('"').unwrap()];
    value.replace("&#38;", "&").replace("&amp;", "&")
}

/// Tokens, as the token endpoint gives them.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub answer: Value,
}

pub async fn token_request(sandbox: &Sandbox, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let request = http()
        .post(format!("{}/oauth/token", sandbox.url()))
        .basic_auth("actas", Some("s3cret"));
    let response = request.form(form).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

pub async fn redeem(sandbox: &Sandbox, code: &str) -> (StatusCode, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    token_request(sandbox, &form).await
}

pub async fn refresh(sandbox: &Sandbox, token: &str) -> (StatusCode, Value) {
    token_request(
        sandbox,
        &[("grant_type", "refresh_token"), ("refresh_token", token)],
    )
    .await
}

pub fn tokens((status, answer): (StatusCode, Value)) -> Tokens {
    assert_eq!(status, StatusCode::OK, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    Tokens {
        access: text("access_token"),
        refresh: text("refresh_token"),
        answer: answer.clone(),
    }
}

/// Everything from the sign-in to the tokens.
pub async fn connect(sandbox: &Sandbox, name: &str, scope: &str) -> Tokens {
    let back = Browser::new(sandbox).agree(name, scope).await;
    tokens(redeem(sandbox, &query(&back)["code"]).await)
}

/// Calls the API with a token.
pub fn call(sandbox: &Sandbox, method: &str, path: &str, token: &str) -> RequestBuilder {
    http()
        .request(
            method.parse().unwrap(),
            format!("{}/api/v1{path}", sandbox.url()),
        )
        .bearer_auth(token)
}

pub async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

pub async fn json(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

/// Makes an opportunity.
pub async fn create(sandbox: &Sandbox, token: &str, key: &str) -> (u16, Value) {
    let request =
        call(sandbox, "POST", "/records/Opportunity", token).header("Idempotency-Key", key);
    let response = request
        .json(&json!({"Name": "Northwind"}))
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}
