//! The request log: every request that came, with who sent it and how it ended; never a token, code or password.
//!
//! An entry is made when the request arrives, before anything is performed, so that "zero calls" can be proved by it.
//! What the faults ask for is done here too, because they act around a request, not inside one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::{App, Shared};
use crate::crm::bearer;
use crate::erp;
use crate::faults::Act;
use crate::system;
use crate::wire::Peer;

/// Older entries are forgotten, so that a load test does not eat the memory.
const KEPT: usize = 100_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Counts from 1 in the order of arrival.
    pub seq: u64,
    /// When it came, RFC 3339.
    pub at: String,
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// Whose token it carried or was given, be it live or dead by now.
    pub user: Option<String>,
    /// The OAuth client that sent it or that its token belongs to.
    pub client: Option<String>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Of token requests.
    pub grant_type: Option<String>,
    /// The status that was answered; none while it is under way, or where no answer was given.
    pub status: Option<u16>,
    /// The fault that befell it.
    pub fault: Option<String>,
}

/// What only the handler of a request knows; it hands it to the log with its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    pub user: Option<String>,
    pub client: Option<String>,
    pub grant_type: Option<String>,
}

/// Requests chosen from the log.
#[derive(Debug, Clone, Serialize)]
pub struct Calls(pub Vec<Entry>);

impl Calls {
    /// Those of one person.
    #[must_use]
    pub fn by(mut self, user: &str) -> Self {
        self.0.retain(|entry| entry.user.as_deref() == Some(user));
        self
    }

    /// Those with this method to this path; a path that ends in `*` stands for all that begin so.
    #[must_use]
    pub fn to(mut self, method: &str, path: &str) -> Self {
        self.0
            .retain(|entry| entry.method == method && crate::faults::path_fits(path, &entry.path));
        self
    }

    /// Those of one grant type.
    #[must_use]
    pub fn of_grant_type(mut self, grant_type: &str) -> Self {
        self.0
            .retain(|entry| entry.grant_type.as_deref() == Some(grant_type));
        self
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// How often what was asked, from the entries still kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Token requests by grant type; those without one as `none`.
    pub token_requests: BTreeMap<String, usize>,
    /// API calls as `user METHOD path`; those without a known token under the user `nobody`.
    pub api_calls: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    kept: VecDeque<Entry>,
}

impl Log {
    fn with<R>(&self, run: impl FnOnce(&mut Entries) -> R) -> R {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn arrived(&self, mut entry: Entry) -> u64 {
        self.with(|entries| {
            entries.last += 1;
            entry.seq = entries.last;
            if entries.kept.len() == KEPT {
                entries.kept.pop_front();
            }
            entries.kept.push_back(entry);
            entries.last
        })
    }

    fn change(&self, seq: u64, change: impl FnOnce(&mut Entry)) {
        self.with(|entries| {
            // Newest first: nearly always it is among the last few.
            if let Some(entry) = entries.kept.iter_mut().rev().find(|entry| entry.seq == seq) {
                change(entry);
            }
        });
    }

    pub(crate) fn all(&self) -> Vec<Entry> {
        self.with(|entries| entries.kept.iter().cloned().collect())
    }

    pub(crate) fn clear(&self) {
        self.with(|entries| entries.kept.clear());
    }

    pub(crate) fn calls(&self) -> Calls {
        self.chosen(|entry| entry.path.starts_with("/api/"))
    }

    pub(crate) fn erp_calls(&self) -> Calls {
        self.chosen(|entry| entry.path.starts_with("/erp/"))
    }

    pub(crate) fn token_requests(&self) -> Calls {
        self.chosen(|entry| entry.path == "/oauth/token")
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.token_requests().0 {
            *counts
                .token_requests
                .entry(entry.grant_type.unwrap_or_else(|| "none".into()))
                .or_default() += 1;
        }
        for entry in self.calls().0 {
            let user = entry.user.as_deref().unwrap_or("nobody");
            *counts
                .api_calls
                .entry(format!("{user} {} {}", entry.method, entry.path))
                .or_default() += 1;
        }
        counts
    }

    fn chosen(&self, choose: impl Fn(&Entry) -> bool) -> Calls {
        self.with(|entries| {
            Calls(
                entries
                    .kept
                    .iter()
                    .filter(|entry| choose(entry))
                    .cloned()
                    .collect(),
            )
        })
    }
}

/// Logs a request, and does to it what a waiting fault says.
pub(crate) async fn record(
    State(app): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("/_sandbox") || path.starts_with("/static/") {
        return next.run(request).await;
    }
    let entry = arriving(&app, &request);
    let fault = app.faults.take(&entry.method, &path, entry.user.as_deref());
    let entry = Entry {
        fault: fault.as_ref().map(ToString::to_string),
        ..entry
    };
    let seq = app.log.arrived(entry);
    let Some(fault) = fault else {
        return answered(&app, seq, next.run(request).await);
    };

    if fault.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    }
    match fault.act {
        None => answered(&app, seq, next.run(request).await),
        Some(Act::Answer(answer)) => answered(&app, seq, answer.response(&path)),
        Some(Act::DropBefore) => {
            peer.cut();
            StatusCode::NO_CONTENT.into_response()
        }
        Some(Act::LoseAnswer) => {
            let answer = note(&app, seq, next.run(request).await);
            peer.cut();
            answer
        }
        Some(Act::HoldBefore) => {
            app.faults.hold().await;
            answered(&app, seq, next.run(request).await)
        }
        Some(Act::HoldAfter) => {
            let answer = note(&app, seq, next.run(request).await);
            app.faults.hold().await;
            answered(&app, seq, answer)
        }
    }
}

fn arriving(app: &Arc<App>, request: &Request) -> Entry {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let token = bearer::token(request.headers());
    let grant =
        token.and_then(|token| app.read(|state| state.grants.once_belonged_to(token).cloned()));
    let (user, client) = grant.map(|grant| (grant.user, grant.client)).unzip();
    let user = user.or_else(|| {
        let erp = request.uri().path().starts_with("/erp/");
        erp.then(|| erp::claimed(app, request.headers())).flatten()
    });
    Entry {
        seq: 0,
        at: system::rfc3339(system::now()),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        user,
        client,
        idempotency_key: header("idempotency-key"),
        grant_type: None,
        status: None,
        fault: None,
    }
}

/// Writes down what the handler knew.
fn note(app: &App, seq: u64, mut answer: Response) -> Response {
    if let Some(noted) = answer.extensions_mut().remove::<Noted>() {
        app.log.change(seq, |entry| {
            entry.user = noted.user.or_else(|| entry.user.take());
            entry.client = noted.client.or_else(|| entry.client.take());
            entry.grant_type = noted.grant_type.or_else(|| entry.grant_type.take());
        });
    }
    answer
}

fn answered(app: &App, seq: u64, answer: Response) -> Response {
    let answer = note(app, seq, answer);
    app.log
        .change(seq, |entry| entry.status = Some(answer.status().as_u16()));
    answer
}
