//! An OAuth 2 provider and its app on a loopback port, which does as it is told and notes what it is asked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::proofs;

/// What an endpoint says in place of the right answer.
#[derive(Debug, Clone)]
pub enum Said {
    /// This, as JSON.
    Text(u16, String),
    /// This kind of content, and perhaps another header.
    Other {
        status: u16,
        kind: &'static str,
        header: Option<(&'static str, String)>,
        body: String,
    },
    /// So many bytes of JSON.
    Bytes(usize),
    /// Nothing, ever.
    Silence,
    /// The head of an answer, then the connection breaks.
    Broken,
    /// A byte now and then, without end.
    Drips,
    /// The right answer, which is lost on the way.
    Lost,
    /// The right answer, which never leaves.
    Kept,
}

/// What the provider knows and has seen.
#[derive(Debug)]
pub struct Book {
    /// Codes that were given out, with whose they are.
    pub codes: HashMap<String, String>,
    /// Access tokens that count, with whose they are.
    pub access: HashMap<String, String>,
    /// Refresh tokens that count, with whose they are.
    pub refresh: HashMap<String, String>,
    /// Refresh tokens that were used up, with whose they are.
    pub spent: HashMap<String, String>,
    /// Answers that were given and did not arrive.
    pub granted: usize,
    /// Requests of the token endpoint.
    pub token_requests: Vec<HashMap<String, String>>,
    /// Tokens that were taken back.
    pub revoked: Vec<String>,
    /// Whether nothing can be taken back just now.
    pub revocation_down: bool,
    /// Families that were killed because a spent refresh token came again.
    pub killed: usize,
    /// Answers to give in place of the right ones, first come first served.
    pub script: VecDeque<Said>,
    /// The same for the app itself.
    pub app_script: VecDeque<Said>,
    /// The same for the metadata, but kept: it says this until told otherwise.
    pub metadata: Option<Said>,
    /// Requests of the metadata, of pushed requests and of the app.
    pub metadata_requests: usize,
    pub app_requests: usize,
    /// What was pushed, by name.
    pub pushed: HashMap<String, HashMap<String, String>>,
    /// The nonce that proofs must repeat, if any.
    pub nonce: Option<String>,
    /// The key that a token or code is bound to, by its thumbprint.
    pub bound: HashMap<String, String>,
    /// Proofs that were seen: each counts once.
    pub proofs: HashSet<String>,
    /// Refusals for the want of a nonce.
    pub nonce_refusals: usize,
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

impl Default for Book {
    fn default() -> Self {
        Self {
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            spent: HashMap::new(),
            granted: 0,
            token_requests: Vec::new(),
            revoked: Vec::new(),
            revocation_down: false,
            killed: 0,
            script: VecDeque::new(),
            app_script: VecDeque::new(),
            metadata: None,
            metadata_requests: 0,
            app_requests: 0,
            pushed: HashMap::new(),
            nonce: None,
            bound: HashMap::new(),
            proofs: HashSet::new(),
            nonce_refusals: 0,
            expires_in: json!(3600),
            scope: None,
            rotates: true,
            slow: Duration::ZERO,
            more: serde_json::Map::new(),
            serial: 0,
        }
    }
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
            book: Arc::default(),
        };
        let router = Router::new()
            .route("/token", post(token))
            .route("/refresh", post(token))
            .route("/revoke", post(revoke))
            .route("/me", get(me))
            .route("/par", post(push))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    /// The one at this address, seen from another process: what it knows is not to be seen there.
    pub fn elsewhere(address: SocketAddr) -> Self {
        let book = Arc::default();
        Self { address, book }
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
        self.say_next(Said::Text(status, body.to_owned()));
    }

    pub fn say_next(&self, said: Said) {
        self.book().script.push_back(said);
    }

    /// A description of itself with all that it can.
    pub fn description(&self) -> Value {
        let url = self.url();
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "revocation_endpoint": format!("{url}/revoke"),
            "pushed_authorization_request_endpoint": format!("{url}/par"),
            "dpop_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": true,
        })
    }
}

fn as_json(status: u16, body: String) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::from_u16(status).unwrap(), kind, body).into_response()
}

impl Said {
    async fn response(self) -> Response {
        let broken = || std::io::Error::other("cut");
        match self {
            Self::Text(status, body) => as_json(status, body),
            Self::Other {
                status,
                kind,
                header,
                body,
            } => {
                let mut response = Response::builder()
                    .status(status)
                    .header("content-type", kind);
                if let Some((name, value)) = header {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
            Self::Bytes(size) => as_json(200, format!("{{\"filler\":\"{}\"}}", "x".repeat(size))),
            Self::Silence | Self::Kept => std::future::pending().await,
            Self::Broken | Self::Lost => {
                let cut = futures::stream::iter([
                    Ok(Bytes::from_static(b"{\"access_token\":")),
                    Err(broken()),
                ]);
                as_streamed(Body::from_stream(cut))
            }
            Self::Drips => {
                let drips = futures::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
                });
                as_streamed(Body::from_stream(drips))
            }
        }
    }
}

fn as_streamed(body: Body) -> Response {
    Response::builder()
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

async fn metadata(State(provider): State<Provider>) -> Response {
    let said = {
        let mut book = provider.book();
        book.metadata_requests += 1;
        book.metadata.clone()
    };
    match said {
        Some(said) => said.response().await,
        None => as_json(404, String::new()),
    }
}

async fn push(
    State(provider): State<Provider>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mut book = provider.book();
    book.serial += 1;
    let name = format!("urn:request:{}", book.serial);
    book.pushed.insert(name.clone(), form);
    as_json(
        201,
        json!({"request_uri": name, "expires_in": 60}).to_string(),
    )
}

async fn token(
    State(provider): State<Provider>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let slow = {
        let mut book = provider.book();
        let mut noted = form.clone();
        noted.insert(":path".to_owned(), uri.path().to_owned());
        if let Some(shown) = headers.get(header::AUTHORIZATION) {
            noted.insert(":shown".to_owned(), shown.to_str().unwrap().to_owned());
        }
        book.token_requests.push(noted);
        book.slow
    };
    tokio::time::sleep(slow).await;
    let said = provider.book().script.pop_front();
    match said {
        None => granted(&provider, &headers, &form),
        Some(said @ (Said::Lost | Said::Kept)) => {
            granted(&provider, &headers, &form);
            provider.book().granted += 1;
            said.response().await
        }
        Some(said) => said.response().await,
    }
}

/// The key that a request proves, or the refusal of its proof.
fn proved(
    provider: &Provider,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Result<Option<String>, &'static str> {
    let Some(proof) = headers.get("dpop") else {
        return Ok(None);
    };
    let mut book = provider.book();
    let seen = proofs::check(
        proof.to_str().unwrap(),
        method,
        &format!("{}{path}", provider.url()),
        token,
    )
    .ok_or("invalid_dpop_proof")?;
    if !book.proofs.insert(seen.id) {
        return Err("invalid_dpop_proof");
    }
    if book.nonce.is_some() && seen.nonce != book.nonce {
        book.nonce_refusals += 1;
        return Err("use_dpop_nonce");
    }
    Ok(Some(seen.thumbprint))
}

fn nonce_header(provider: &Provider, mut response: Response) -> Response {
    if let Some(nonce) = &provider.book().nonce {
        let value = nonce.parse().unwrap();
        response.headers_mut().insert("dpop-nonce", value);
    }
    response
}

fn granted(provider: &Provider, headers: &HeaderMap, form: &HashMap<String, String>) -> Response {
    let key = match proved(provider, headers, "POST", "/token", None) {
        Ok(key) => key,
        Err(word) => {
            return nonce_header(provider, as_json(400, json!({"error": word}).to_string()));
        }
    };
    let mut book = provider.book();
    let refused = || as_json(400, json!({"error": "invalid_grant"}).to_string());
    let refreshing = form.contains_key("refresh_token");
    // What was bound to a key counts only with it.
    let bound = |book: &Book, given: &str| {
        let thumbprint = book.bound.get(given);
        thumbprint.is_none_or(|t| key.as_ref() == Some(t))
    };
    let own = form.get("grant_type").map(String::as_str) == Some("client_credentials");
    let account = if own {
        Some("the client itself".to_owned())
    } else if let Some(code) = form.get("code") {
        if form.get("code_verifier").is_none_or(|v| v.len() < 43) || !bound(&book, code) {
            return refused();
        }
        book.codes.remove(code)
    } else {
        let given = form.get("refresh_token").cloned().unwrap_or_default();
        if !bound(&book, &given) {
            return refused();
        }
        // A second time: somebody else has it, and all that came of one sign-in ends.
        if let Some(family) = book.spent.get(&given).cloned() {
            book.killed += 1;
            book.refresh.retain(|_, account| *account != family);
            book.access.retain(|_, account| *account != family);
        }
        if book.rotates {
            let account = book.refresh.remove(&given);
            if let Some(account) = &account {
                book.spent.insert(given, account.clone());
            }
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
    let kind = if key.is_some() { "DPoP" } else { "Bearer" };
    if let Some(key) = key {
        book.bound.insert(access.clone(), key.clone());
        book.bound.insert(refresh.clone(), key);
    }
    let mut body =
        json!({"access_token": access, "token_type": kind, "expires_in": book.expires_in});
    if !own && (book.rotates || !refreshing) {
        book.refresh.insert(refresh.clone(), account);
        body["refresh_token"] = refresh.into();
    }
    if let Some(scope) = &book.scope {
        body["scope"] = scope.clone().into();
    }
    for (key, value) in &book.more {
        body[key] = value.clone();
    }
    as_json(200, body.to_string())
}

async fn revoke(
    State(provider): State<Provider>,
    Form(form): Form<HashMap<String, String>>,
) -> StatusCode {
    let mut book = provider.book();
    if book.revocation_down {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let token = form.get("token").cloned().unwrap_or_default();
    book.access.remove(&token);
    book.refresh.remove(&token);
    book.revoked.push(token);
    StatusCode::OK
}

async fn me(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let said = {
        let mut book = provider.book();
        book.app_requests += 1;
        book.app_script.pop_front()
    };
    if let Some(said) = said {
        return said.response().await;
    }
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once(' '));
    let (scheme, token) = shown.unwrap_or_default();
    let key = proved(&provider, &headers, "GET", "/me", Some(token));
    let challenge = |word: &str| {
        let value = format!("DPoP error=\"{word}\"");
        let challenge = [(header::WWW_AUTHENTICATE, value)];
        (StatusCode::UNAUTHORIZED, challenge).into_response()
    };
    let key = match key {
        Ok(key) => key,
        Err(word) => return nonce_header(&provider, challenge(word)),
    };
    let book = provider.book();
    let bound = book.bound.get(token);
    let right = if bound.is_some() { "DPoP" } else { "Bearer" };
    match book.access.get(token) {
        Some(account) if scheme == right && bound == key.as_ref() => {
            axum::Json(json!({"id": format!("id-of-{account}"), "email": account})).into_response()
        }
        _ => challenge("invalid_token"),
    }
}
