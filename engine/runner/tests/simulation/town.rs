//! The world outside: an app without accounts, a CRM with its OAuth provider, and all that can happen on the way to them. What it did it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use actas_core::app::{Apps, Manifest};
use actas_egress::{Carried, EgressError, Network};
use serde_json::{Value, json};

use crate::sky::{Life, Sky};

pub const CRM: &str = "https://crm.example";

/// Something that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub what: String,
    /// The word that its caller gave it: the same for the same thing.
    pub word: String,
    pub key: Option<String>,
    pub account: Option<String>,
    /// For whom, as the flow says.
    pub acts_for: Option<String>,
}

#[derive(Debug, Default)]
pub struct Town {
    pub effects: Vec<Effect>,
    answers: BTreeMap<String, (String, Value)>,
    /// Access tokens: whose, and until when.
    tokens: BTreeMap<String, (String, i64)>,
    refreshes: BTreeMap<String, String>,
    serial: u64,
    /// How long a token lives, in seconds.
    pub life: i64,
    /// Addresses that were handed out to be called back.
    pub callbacks: BTreeSet<String>,
    /// What no app should see.
    pub faults: Vec<String>,
}

/// The network as one process has it.
#[derive(Debug)]
pub struct Net {
    pub sky: Arc<Sky>,
    pub life: Arc<Life>,
    /// Nothing befalls it.
    pub calm: bool,
    pub town: Arc<Mutex<Town>>,
}

impl Network for Net {
    fn carry(&self, request: http::Request<Vec<u8>>) -> Carried<'_> {
        Box::pin(async move {
            if self.life.is_dead() {
                return std::future::pending().await;
            }
            let (there, back, fate) = {
                let mut state = self.sky.state();
                if self.calm {
                    (Duration::ZERO, Duration::ZERO, 0)
                } else {
                    let (there, back) = (state.delay(), state.delay());
                    let dice = state.dice.below(2_000);
                    let fate = if dice < state.storm * 2 {
                        1 + dice % 9
                    } else {
                        0
                    };
                    let name = [
                        "",
                        "429",
                        "503",
                        "401",
                        "403",
                        "answer lost",
                        "slow",
                        "unreachable",
                        "dies before",
                        "dies after",
                    ][usize::try_from(fate).unwrap()];
                    if fate > 0 {
                        state.see(&format!("network: {name}"));
                    }
                    (there, back, fate)
                }
            };
            if !there.is_zero() {
                tokio::time::sleep(there).await;
            }
            if self.life.is_dead() {
                return std::future::pending().await;
            }
            let status = |code: u16| {
                let body = json!({"message": "not now", "code": "no"}).to_string();
                let answer = http::Response::builder().status(code);
                let answer = answer.header("content-type", "application/json");
                Ok(answer.body(body.into_bytes()).unwrap())
            };
            match fate {
                1 => return status(429),
                2 => return status(503),
                3 => return status(401),
                4 => return status(403),
                7 => return Err(EgressError::Unreachable("nobody is there".to_owned())),
                8 => {
                    self.life.die();
                    return std::future::pending().await;
                }
                _ => {}
            }
            let answer = self.answer(&request);
            match fate {
                5 => return Err(EgressError::Protocol("it broke off".to_owned())),
                6 => tokio::time::sleep(Duration::from_secs(90)).await,
                9 => {
                    self.life.die();
                    return std::future::pending().await;
                }
                _ => {}
            }
            if !back.is_zero() {
                tokio::time::sleep(back).await;
            }
            if self.life.is_dead() {
                return std::future::pending().await;
            }
            let (code, body) = answer;
            let answer = http::Response::builder().status(code);
            let answer = answer.header("content-type", "application/json");
            Ok(answer.body(body.to_string().into_bytes()).unwrap())
        })
    }
}

impl Net {
    fn answer(&self, request: &http::Request<Vec<u8>>) -> (u16, Value) {
        let mut town = self.town.lock().unwrap();
        let town = &mut *town;
        let uri = request.uri();
        let now = self.life.truth();
        let path = uri.path();
        let header = |name: &str| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        if path == "/oauth/token" {
            return town.token(request.body(), now);
        }
        if path.starts_with("/oauth/") {
            return (200, json!({}));
        }
        let key = header("idempotency-key");
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        if uri.host() != Some("crm.example") {
            return town.act(path, key, body, None);
        }
        let Some(token) =
            header("authorization").and_then(|text| Some(text.strip_prefix("Bearer ")?.to_owned()))
        else {
            return (401, json!({"code": "none", "message": "no token"}));
        };
        match town.tokens.get(&token) {
            Some((account, until)) if *until > now => {
                let account = account.clone();
                let path = path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
                town.crm(request.method().as_str(), &path, key, body, &account)
            }
            _ => (401, json!({"code": "expired", "message": "token is over"})),
        }
    }
}

impl Town {
    fn token(&mut self, body: &[u8], now: i64) -> (u16, Value) {
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(body).into_owned().collect();
        let account = if let Some(code) = form.get("code") {
            Some(code.trim_start_matches("code-").to_owned())
        } else {
            // Each is good for one use.
            form.get("refresh_token")
                .and_then(|token| self.refreshes.remove(token))
        };
        let Some(account) = account else {
            return (400, json!({"error": "invalid_grant"}));
        };
        self.serial += 1;
        let (access, refresh) = (format!("at-{}", self.serial), format!("rt-{}", self.serial));
        self.tokens.insert(
            access.clone(),
            (account.clone(), now + self.life * 1_000_000),
        );
        self.refreshes.insert(refresh.clone(), account);
        let answer = json!({"access_token": access, "token_type": "Bearer", "expires_in": self.life, "refresh_token": refresh});
        (200, answer)
    }

    /// Does a thing, once for each key.
    fn act(
        &mut self,
        what: &str,
        key: Option<String>,
        body: Value,
        account: Option<&str>,
    ) -> (u16, Value) {
        if let Some(address) = body["call_back"].as_str() {
            self.callbacks.insert(address.to_owned());
        }
        let word = body["word"]
            .as_str()
            .map_or_else(|| body.to_string(), str::to_owned);
        if what == "/look" {
            return (200, json!({"did": what, "word": word}));
        }
        let text = body.to_string();
        if let Some(key) = &key
            && let Some((before, answer)) = self.answers.get(key)
        {
            if *before != text {
                self.faults
                    .push(format!("one key for two things: {before} and {text}"));
            }
            return (200, answer.clone());
        }
        let acts_for = body["for"].as_str().map(str::to_owned);
        self.effects.push(Effect {
            what: what.to_owned(),
            word: word.clone(),
            key: key.clone(),
            account: account.map(str::to_owned),
            acts_for,
        });
        let number = self.effects.len();
        let answer = json!({
            "did": what, "word": word, "receipt": number, "id": format!("r{number}"), "object": "Thing", "fields": body,
            "author": account.unwrap_or("nobody"), "created_at": "2027-01-01T00:00:00Z", "channel": "#c", "text": "t",
        });
        if let Some(key) = key {
            self.answers.insert(key, (text, answer.clone()));
        }
        (200, answer)
    }

    fn crm(
        &mut self,
        method: &str,
        path: &str,
        key: Option<String>,
        body: Value,
        account: &str,
    ) -> (u16, Value) {
        let place = json!({"id": "acc-1", "name": "Northwind", "city": "Graz", "industry": "Trade", "owner": "ana@sandbox"});
        let record = json!({"id": "rec-1", "object": "Thing", "fields": {"Name": "n", "Stage": "Open", "Amount": 5}, "author": account, "created_at": "2027-01-01T00:00:00Z",
            "channel": "#c", "text": "t"});
        match (method, path) {
            (_, "/me") => (
                200,
                json!({"id": format!("id-{account}"), "email": format!("{account}@sandbox"), "name": account}),
            ),
            ("GET", "/accounts") => (200, json!({"items": [place]})),
            ("GET", path) if path.starts_with("/accounts/") => (200, place),
            ("GET", path) if path.matches('/').count() == 3 => (200, record),
            ("GET", _) => (200, json!({"items": [record]})),
            // Doing these twice is doing them once.
            ("PATCH" | "DELETE", _) => (200, record),
            _ => self.act(path, key, body, Some(account)),
        }
    }
}

const TOY: &str = r#"
app: toy
title: Toy
version: 1
base_url: "https://toy.example"
errors:
  - {status: 401, kind: rejected}
  - {status: 429, kind: rate_limited}
  - {status: 5xx, kind: unavailable}
  - {status: 4xx, kind: rejected}
modules:
  look: {title: Look, effect: read, input: {type: object}, request: {post: /look, json: "{{ input }}"}, output: "{{ response.body }}"}
  touch: {title: Touch, effect: idempotent, idempotency: {header: Idempotency-Key}, input: {type: object}, request: {post: /touch, json: "{{ input }}"}, output: "{{ response.body }}"}
  back: {title: Take back, effect: idempotent, idempotency: {header: Idempotency-Key}, input: {type: object}, request: {post: /back, json: "{{ input }}"}, output: "{{ response.body }}"}
  hit: {title: Hit, effect: at_most_once, input: {type: object}, request: {post: /hit, json: "{{ input }}"}, output: "{{ response.body }}"}
"#;

static APPS: LazyLock<(Apps, Vec<Arc<Manifest>>)> = LazyLock::new(|| {
    let mut all = actas_modules::apps();
    let slow = TOY
        .replace("app: toy", "app: slow")
        .replace("errors:", "limits: {rate: 2/3s}\nerrors:");
    for text in [TOY, slow.as_str()] {
        let parsed = actas_core::app::parse(text);
        let manifest = parsed
            .manifest
            .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics));
        all.push(Arc::new(manifest));
    }
    (Apps::new(all.clone()), all)
});

/// All apps there are here.
pub fn apps() -> (Apps, Vec<Arc<Manifest>>) {
    APPS.clone()
}
