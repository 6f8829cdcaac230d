//! An OAuth 2 provider and its app on a loopback port, which does as it is told and notes what it is asked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

/// What the provider knows and has seen.
#[derive(Debug)]
pub struct Book {
    /// Codes that were given out, with whose they are.
    pub codes: HashMap<String, String>,
    /// Access tokens that count, with whose they are.
    pub access: HashMap<String, String>,
    /// Refresh tokens that count, with whose they are.
    pub refresh: HashMap<String, String>,
    /// Refresh tokens that were used up.
    pub spent: HashSet<String>,
    /// Requests of the token endpoint.
    pub token_requests: Vec<HashMap<String, String>>,
    /// Tokens that were taken back.
    pub revoked: Vec<String>,
    /// Families that were killed because a spent refresh token came again.
    pub killed: usize,
    /// Answers to give in place of the right ones, first come first served.
    pub script: VecDeque<(u16, String)>,
    /// Seconds a token lives.
    pub expires_in: serde_json::Value,
    /// Said in answers if set.
    pub scope: Option<String>,
    /// Whether refreshing gives a new refresh token.
    pub rotates: bool,
    /// How long the token endpoint thinks.
    pub slow: Duration,
    /// More fields of token answers.
    pub more: serde_json::Map<String, serde_json::Value>,
    serial: usize,
}

#[derive(Clone)]
pub struct Provider {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            book: Arc::new(Mutex::new(Book {
                codes: HashMap::new(),
                access: HashMap::new(),
                refresh: HashMap::new(),
                spent: HashSet::new(),
                token_requests: Vec::new(),
                revoked: Vec::new(),
                killed: 0,
                script: VecDeque::new(),
                expires_in: json!(3600),
                scope: None,
                rotates: true,
                slow: Duration::ZERO,
                more: serde_json::Map::new(),
                serial: 0,
            })),
        };
        let router = Router::new()
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/me", get(me))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the person brings back after they agreed as this account.
    pub fn code(&self, account: &str) -> String {
        let mut book = self.book();
        book.serial += 1;
        let code = format!("code-{}", book.serial);
        book.codes.insert(code.clone(), account.to_owned());
        code
    }

    pub fn token_requests(&self) -> usize {
        self.book().token_requests.len()
    }

    pub fn answer_next(&self, status: u16, body: &str) {
        self.book().script.push_back((status, body.to_owned()));
    }
}

async fn token(
    State(provider): State<Provider>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let slow = {
        let mut book = provider.book();
        book.token_requests.push(form.clone());
        book.slow
    };
    tokio::time::sleep(slow).await;
    let mut book = provider.book();
    let json = |status: u16, body: String| {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (StatusCode::from_u16(status).unwrap(), kind, body).into_response()
    };
    if let Some((status, body)) = book.script.pop_front() {
        return json(status, body);
    }
    let refused = || json(400, json!({"error": "invalid_grant"}).to_string());
    let refreshing = form.contains_key("refresh_token");
    let account = if let Some(code) = form.get("code") {
        if form.get("code_verifier").is_none_or(|v| v.len() < 43) {
            return refused();
        }
        book.codes.remove(code)
    } else {
        let given = form.get("refresh_token").cloned().unwrap_or_default();
        if book.spent.contains(&given) {
            book.killed += 1;
            book.refresh.clear();
            book.access.clear();
        }
        if book.rotates {
            let account = book.refresh.remove(&given);
            book.spent.insert(given);
            account
        } else {
            book.refresh.get(&given).cloned()
        }
    };
    let Some(account) = account else {
        return refused();
    };
    book.serial += 1;
    let (access, refresh) = (
        format!("access-{}-secret", book.serial),
        format!("refresh-{}-secret", book.serial),
    );
    book.access.insert(access.clone(), account.clone());
    let mut body =
        json!({"access_token": access, "token_type": "Bearer", "expires_in": book.expires_in});
    if book.rotates || !refreshing {
        book.refresh.insert(refresh.clone(), account);
        body["refresh_token"] = refresh.into();
    }
    if let Some(scope) = &book.scope {
        body["scope"] = scope.clone().into();
    }
    for (key, value) in &book.more {
        body[key] = value.clone();
    }
    json(200, body.to_string())
}

async fn revoke(
    State(provider): State<Provider>,
    Form(form): Form<HashMap<String, String>>,
) -> StatusCode {
    let mut book = provider.book();
    let token = form.get("token").cloned().unwrap_or_default();
    book.access.remove(&token);
    book.refresh.remove(&token);
    book.revoked.push(token);
    StatusCode::OK
}

async fn me(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .unwrap_or_default();
    match provider.book().access.get(token) {
        Some(account) => {
            axum::Json(json!({"id": format!("id-of-{account}"), "email": account})).into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}
