//! An OAuth 2 server and an app that give away everything they are told: every secret that they see or hand out stands, in several encodings,
//! in bodies, headers and messages of their answers. Every secret is a canary, and they remember each.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::needles::{base64, canary, percent};

/// The running server.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// Where it answers.
    pub url: String,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    /// Every secret there ever was.
    canaries: Vec<String>,
    /// Who is at the browser.
    account: String,
    /// Whose code, access token or refresh token.
    whose: HashMap<String, String>,
    /// What the next token requests are answered with.
    faults: VecDeque<u16>,
}

impl Hostile {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let hostile = Self {
            url,
            book: Arc::default(),
        };
        let router = Router::new()
            .route("/auth", get(authorize))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/api/me", get(me))
            .route("/api/ask", get(ask))
            .route("/api/fail/{status}", get(fail))
            .with_state(hostile.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        hostile
    }

    /// Whoever comes next with a browser is this account.
    pub fn sign_in_as(&self, account: &str) {
        account.clone_into(&mut self.book().account);
    }

    /// The next token request is answered so.
    pub fn refuse_next(&self, status: u16) {
        self.book().faults.push_back(status);
    }

    /// A new secret, which is remembered.
    pub fn mint(&self) -> String {
        let secret = canary();
        self.book().canaries.push(secret.clone());
        secret
    }

    /// All secrets so far.
    pub fn canaries(&self) -> Vec<String> {
        self.book().canaries.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nobody panics with the book")
    }

    fn give(&self, account: &str) -> String {
        let secret = self.mint();
        self.book().whose.insert(secret.clone(), account.to_owned());
        secret
    }

    fn whose(&self, secret: Option<&str>) -> Option<String> {
        self.book().whose.get(secret?).cloned()
    }
}

/// A secret in every way that an app may say it.
fn echo(secrets: &[&str]) -> Value {
    let all: Vec<Value> = secrets
        .iter()
        .map(|secret| {
            json!({
                "plain": secret,
                "base64": base64(secret.as_bytes(), false),
                "base64url": base64(secret.as_bytes(), true),
                "basic": base64(format!("a:{secret}").as_bytes(), false),
                "percent": percent(secret),
                "hex": hex::encode(secret),
                "json": json!({"authorization": secret}).to_string(),
                (*secret): "a key",
            })
        })
        .collect();
    Value::Array(all)
}

fn message(secrets: &[&str]) -> String {
    format!("no: {}", echo(secrets))
}

fn answer(status: u16, secrets: &[&str], mut body: Value) -> Response {
    body["echo"] = echo(secrets);
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = (status, Json(body)).into_response();
    for (name, secret) in ["x-echo", "x-request-id", "etag"].into_iter().zip(secrets) {
        let value = HeaderValue::from_str(secret).expect("a canary fits into a header");
        response.headers_mut().insert(name, value);
    }
    response
}

async fn authorize(
    State(hostile): State<Hostile>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let account = hostile.book().account.clone();
    let code = hostile.give(&account);
    let location = format!(
        "{}?code={}&state={}",
        query["redirect_uri"],
        percent(&code),
        percent(&query["state"])
    );
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

async fn token(
    State(hostile): State<Hostile>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let sent = form.get("code").or_else(|| form.get("refresh_token"));
    let sent = sent.map(String::as_str).unwrap_or_default();
    let client = headers.get(header::AUTHORIZATION);
    let client = client.and_then(|value| value.to_str().ok()).unwrap_or("");
    let fault = hostile.book().faults.pop_front();
    let account = hostile.whose(Some(sent));
    let (Some(account), None) = (account, fault) else {
        let status = fault.unwrap_or(400);
        let code = if status == 401 {
            "invalid_client"
        } else {
            "invalid_grant"
        };
        let new = hostile.mint();
        let secrets = [sent, client, &new];
        let said = message(&secrets);
        let body =
            json!({"error": code, "error_description": said, "error_uri": said, "message": said});
        return answer(status, &secrets, body);
    };
    let (access, refresh) = (hostile.give(&account), hostile.give(&account));
    let id_token = hostile.mint();
    let body = json!({
        "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 1, "id_token": id_token,
        "scope": "everything", "issuer": message(&[&access]),
    });
    answer(200, &[&access, &refresh, sent], body)
}

async fn revoke(Form(form): Form<HashMap<String, String>>) -> Response {
    let sent = form.get("token").map(String::as_str).unwrap_or_default();
    answer(503, &[sent], json!({"error": message(&[sent])}))
}

fn bearer(headers: &HeaderMap) -> &str {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default()
}

async fn me(State(hostile): State<Hostile>, headers: HeaderMap) -> Response {
    let token = bearer(&headers);
    match hostile.whose(Some(token)) {
        Some(account) => {
            let name = format!("{account} {token} {}", base64(token.as_bytes(), false));
            answer(200, &[token], json!({"id": account, "name": name}))
        }
        None => answer(401, &[token], json!({"message": message(&[token])})),
    }
}

/// Takes so long that the token has run out at the next step.
async fn ask(headers: HeaderMap) -> Response {
    tokio::time::sleep(Duration::from_millis(800)).await;
    let token = bearer(&headers);
    answer(200, &[token], json!({"said": message(&[token])}))
}

async fn fail(Path(status): Path<u16>, headers: HeaderMap) -> Response {
    let token = bearer(&headers);
    let said = message(&[token]);
    answer(status, &[token], json!({"message": said, "code": token}))
}
