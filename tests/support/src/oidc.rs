//! A real OAuth 2 and OpenID Connect server that was not written here, and its controls. Must not be confused with the
//! sandbox, which is ours.

use serde_json::{Value, json};

use crate::browser::client;
use crate::node;

/// A running `oidc-provider` on loopback; dropping it ends it. PKCE is required, refresh tokens rotate and a second use of
/// one kills its grant, access tokens live for 5 seconds, answers carry the issuer.
#[derive(Debug)]
pub struct Oidc {
    _script: node::Script,
    http: reqwest::Client,
    /// Its issuer, without a slash at the end: `/auth`, `/token`, `/me`, `/token/revocation` and `/token/introspection` stand
    /// below it, and a small API of records at `/api/me` and `/api/records`.
    pub issuer: String,
    admin: String,
}

/// A request that the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// `authorization`, `token`, `userinfo`, `revocation`, `introspection`, …
    pub route: String,
    /// For the token address: `authorization_code` or `refresh_token`.
    pub grant_type: String,
    /// The account it was about, where that was found out.
    pub account: String,
    /// The status of the answer.
    pub status: u64,
    /// The error word of the answer.
    pub error: String,
    /// Whether the request carried the proof of a key.
    pub proved: bool,
}

/// A client of the server that keeps a secret.
#[must_use]
pub fn confidential(id: &str, secret: &str, redirect_uris: &[&str]) -> Value {
    json!({"client_id": id, "client_secret": secret, "redirect_uris": redirect_uris, "token_endpoint_auth_method": "client_secret_basic"})
}

impl Oidc {
    /// Starts it with these clients; `None`, reported, where Node.js is missing.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(clients: &[Value]) -> Option<Self> {
        Self::start_with(&json!({"clients": clients}))
    }

    /// Starts it with options: `clients`, `access_token_seconds`, `refresh_token_seconds`, `par`, `dpop`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(options: &Value) -> Option<Self> {
        let mut command = node::script("oidc.mjs")?;
        command.arg(options.to_string());
        let script = node::Script::start(command);
        let address = |name: &str| {
            script.ready[name]
                .as_str()
                .expect("the script says where it listens")
                .to_owned()
        };
        let (issuer, admin) = (address("issuer"), address("admin"));
        Some(Self {
            _script: script,
            http: client(),
            issuer,
            admin,
        })
    }

    /// One more client, such as [`confidential`] makes.
    pub async fn register(&self, client: Value) {
        self.tell("client", client).await;
    }

    /// Whoever comes to sign in next is this account, without a question, until told otherwise.
    pub async fn sign_in_as(&self, account: &str) {
        self.tell("next", json!({"account": account})).await;
    }

    /// The pages ask again: a form with the field `account` and the button `Sign in`, then `Allow` or `Refuse`.
    pub async fn ask_at_sign_in(&self) {
        self.tell("next", json!({})).await;
    }

    /// Ends every grant of an account and what was issued under it, as its person would in the settings of their account.
    /// Answers how many there were.
    pub async fn revoke(&self, account: &str) -> u64 {
        self.tell("revoke", json!({"account": account})).await["revoked"]
            .as_u64()
            .unwrap_or_default()
    }

    /// The next `times` requests for a token are answered with this status and body.
    pub async fn refuse_tokens(&self, times: u32, status: u16, body: &str) {
        self.tell(
            "fault",
            json!({"times": times, "status": status, "body": body}),
        )
        .await;
    }

    /// Requests for a token take this much longer: for races.
    pub async fn delay_tokens(&self, milliseconds: u32) {
        self.tell("delay", json!({"milliseconds": milliseconds}))
            .await;
    }

    /// Forgets what was asked so far.
    pub async fn forget_requests(&self) {
        self.tell("forget", json!({})).await;
    }

    /// What was asked so far, in order of the answers.
    pub async fn requests(&self) -> Vec<Answered> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let requests = self.ask("requests").await;
        let list = requests.as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|request| Answered {
                route: text(&request["route"]),
                grant_type: text(&request["grant_type"]),
                account: text(&request["account"]),
                status: request["status"].as_u64().unwrap_or_default(),
                error: text(&request["error"]),
                proved: request["proved"] == true,
            })
            .collect()
    }

    /// How many requests for a token there were with this grant type.
    pub async fn token_requests(&self, grant_type: &str) -> usize {
        let requests = self.requests().await;
        requests
            .iter()
            .filter(|request| request.route == "token" && request.grant_type == grant_type)
            .count()
    }

    /// The grants: `grant`, `account`, `client`, `scope`.
    pub async fn grants(&self) -> Vec<Value> {
        self.ask("grants")
            .await
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// The records that were written through the API: `id`, `author`, `key`, `fields`.
    pub async fn records(&self) -> Vec<Value> {
        self.ask("records")
            .await
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    async fn ask(&self, what: &str) -> Value {
        let response = self
            .http
            .get(format!("{}/{what}", self.admin))
            .send()
            .await
            .expect("the controls answer");
        response.json().await.expect("the controls answer in JSON")
    }

    async fn tell(&self, what: &str, body: Value) -> Value {
        let response = self
            .http
            .post(format!("{}/{what}", self.admin))
            .json(&body)
            .send()
            .await
            .expect("the controls answer");
        assert!(
            response.status().is_success(),
            "{what}: {}",
            response.status()
        );
        response.json().await.expect("the controls answer in JSON")
    }
}

#[cfg(test)]
#[path = "oidc/tests.rs"]
mod tests;
