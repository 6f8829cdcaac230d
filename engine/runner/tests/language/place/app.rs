//! An app on this machine that keeps what it was asked: which module, under which idempotency key, with what. It does a thing once for each
//! key, as a real one would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Call {
    pub what: String,
    pub key: Option<String>,
    pub body: Value,
}

#[derive(Debug, Default)]
struct Kept {
    calls: Vec<Call>,
    /// How many calls with this body's `word` are refused before one is taken.
    refusals: BTreeMap<String, (u16, u32)>,
    /// Calls with these words are not answered yet.
    held: BTreeSet<String>,
    under_way: usize,
    busiest: usize,
}

/// The app, for as long as it lives.
pub struct FakeApp {
    address: String,
    kept: Arc<Mutex<Kept>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeApp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeApp {
    pub async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new()
            .route("/{what}", post(answer))
            .with_state(kept.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            kept,
            task,
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The manifest of the app `toy`, at this address.
    pub fn manifest(&self) -> String {
        format!(
            r#"
app: toy
title: Toy
version: 1
base_url: "http://{}"
errors:
  - {{status: 503, kind: unavailable}}
  - {{status: 4xx, kind: rejected}}
modules:
  set: {{title: Set, effect: pure, native: toy/set/1, input: {{type: object}}}}
  fail: {{title: Fail, effect: pure, native: toy/fail/1, input: {{message: {{type: string, default: failed}}}}}}
  look: {{title: Look, effect: read, input: {{type: object}}, request: {{post: /look, json: "{{{{ input }}}}"}}, output: "{{{{ response.body }}}}"}}
  touch: {{title: Touch, effect: idempotent, idempotency: {{header: Idempotency-Key}}, input: {{type: object}}, request: {{post: /touch, json: "{{{{ input }}}}"}}, output: "{{{{ response.body }}}}"}}
  back: {{title: Take back, effect: idempotent, idempotency: {{header: Idempotency-Key}}, input: {{type: object}}, request: {{post: /back, json: "{{{{ input }}}}"}}, output: "{{{{ response.body }}}}"}}
  hit: {{title: Hit, effect: at_most_once, input: {{type: object}}, request: {{post: /hit, json: "{{{{ input }}}}"}}, output: "{{{{ response.body }}}}"}}
"#,
            self.address
        )
    }

    /// The manifest of the app `slow` at the same address: two calls at once, and two more in every five seconds.
    pub fn limited(&self) -> String {
        format!(
            r#"
app: slow
title: Slow
version: 1
base_url: "http://{}"
limits: {{rate: 2/5s}}
modules:
  touch: {{title: Touch, effect: idempotent, idempotency: {{header: Idempotency-Key}}, input: {{type: object}}, request: {{post: /touch, json: "{{{{ input }}}}"}}, output: "{{{{ response.body }}}}"}}
"#,
            self.address
        )
    }

    /// The next calls with this `word` are refused with this status, so often.
    pub fn refuse(&self, word: &str, status: u16, times: u32) {
        let mut kept = self.kept.lock().unwrap();
        kept.refusals.insert(word.to_owned(), (status, times));
    }

    /// Calls with this `word` are not answered until [`Self::let_go`].
    pub fn hold(&self, word: &str) {
        self.kept.lock().unwrap().held.insert(word.to_owned());
    }

    /// Answers them.
    pub fn let_go(&self, word: &str) {
        self.kept.lock().unwrap().held.remove(word);
    }

    /// How many calls are under way, and how many were at most.
    pub fn under_way(&self) -> (usize, usize) {
        let kept = self.kept.lock().unwrap();
        (kept.under_way, kept.busiest)
    }

    /// All calls, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.kept.lock().unwrap().calls.clone()
    }

    /// What was done: each key once, in the order of its first call, as `what word`.
    pub fn done(&self) -> Vec<String> {
        let mut seen = std::collections::BTreeSet::new();
        let mut done = Vec::new();
        for call in self.calls() {
            let fresh = match &call.key {
                Some(key) => seen.insert(key.clone()),
                None => call.what != "look",
            };
            if fresh {
                done.push(format!("{} {}", call.what, word(&call.body)));
            }
        }
        done
    }
}

fn word(body: &Value) -> String {
    match &body["word"] {
        Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

/// A call from its coming to its answer, or to its caller's going away.
struct UnderWay(Arc<Mutex<Kept>>);

impl UnderWay {
    fn begin(kept: &Arc<Mutex<Kept>>) -> Self {
        let mut all = kept.lock().unwrap();
        all.under_way += 1;
        all.busiest = all.busiest.max(all.under_way);
        Self(kept.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

async fn answer(
    State(kept): State<Arc<Mutex<Kept>>>,
    Path(what): Path<String>,
    headers: HeaderMap,
    body: String,
) -> (axum::http::StatusCode, axum::Json<Value>) {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .map(str::to_owned);
    let _under_way = UnderWay::begin(&kept);
    // Long enough for those that may come at once to be seen together.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    while kept.lock().unwrap().held.contains(&word(&body)) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut kept = kept.lock().unwrap();
    if let Some((status, left)) = kept.refusals.get_mut(&word(&body))
        && *left > 0
    {
        *left -= 1;
        let status = axum::http::StatusCode::from_u16(*status).unwrap();
        return (status, axum::Json(json!({"message": "not now"})));
    }
    kept.calls.push(Call {
        what: what.clone(),
        key,
        body: body.clone(),
    });
    (
        axum::http::StatusCode::OK,
        axum::Json(json!({"did": what, "word": body["word"]})),
    )
}
