//! Faults on purpose: what shall befall the next calls to some path. Set by tests, played by the log's middleware.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What befalls the next `times` requests that fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests to this path; one that ends in `*` stands for all that begin so.
    pub path: String,
    /// Only requests with a token of this person.
    #[serde(default)]
    pub user: Option<String>,
    /// How many requests it befalls.
    #[serde(default = "once")]
    pub times: u32,
    /// Milliseconds to wait first.
    #[serde(default)]
    pub delay_ms: u64,
    /// What to do then; none goes on as usual.
    #[serde(default, rename = "do")]
    pub act: Option<Act>,
}

fn once() -> u32 {
    1
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Answers so, and performs nothing.
    Answer(Answer),
    /// Drops the connection, and performs nothing.
    DropBefore,
    /// Performs, then drops the connection: the caller can't know.
    LoseAnswer,
    /// Waits until released, then performs and answers.
    HoldBefore,
    /// Performs, then waits until released with its answer.
    HoldAfter,
}

/// An answer that is given instead of the true one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// The body, where it is not to be the usual one of a refusal.
    #[serde(default)]
    pub body: Option<Value>,
}

impl Fault {
    /// The next `times` requests to `path` do `act`.
    pub fn new(path: impl Into<String>, times: u32, act: Act) -> Self {
        Self {
            method: None,
            path: path.into(),
            user: None,
            times,
            delay_ms: 0,
            act: Some(act),
        }
    }
}

impl Act {
    /// Answers with a status and the usual body; 429 and 503 with `Retry-After: 1`.
    pub fn status(status: u16) -> Self {
        let retry_after = matches!(status, 429 | 503).then_some(1);
        Self::Answer(Answer {
            status,
            retry_after,
            body: None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.act {
            None => "delay",
            Some(Act::Answer(answer)) => return write!(f, "answer {}", answer.status),
            Some(Act::DropBefore) => "drop_before",
            Some(Act::LoseAnswer) => "lose_answer",
            Some(Act::HoldBefore) => "hold_before",
            Some(Act::HoldAfter) => "hold_after",
        })
    }
}

impl Answer {
    /// Shaped as this CRM's own refusals are: OAuth errors under `/oauth/`, `{code, message}` elsewhere.
    pub(crate) fn response(&self, path: &str) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (code, message) = match self.status {
            401 => ("invalid_token", "the access token is not valid"),
            403 => ("forbidden", "you may not do this"),
            429 => ("too_many_requests", "too many requests; slow down"),
            503 => ("unavailable", "the CRM is down for a moment"),
            _ => ("injected", "this answer was asked for"),
        };
        let body = self
            .body
            .clone()
            .unwrap_or_else(|| match path.starts_with("/oauth/") {
                true if self.status == 400 => {
                    json!({"error": "invalid_grant", "error_description": message})
                }
                true => json!({"error": code, "error_description": message}),
                false => json!({"code": code, "message": message}),
            });
        let mut answer = (status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge =
                HeaderValue::from_static("Bearer realm=\"sandbox\", error=\"invalid_token\"");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

/// Whether a path fits a pattern: itself, or a beginning with `*`.
pub(crate) fn path_fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => pattern == path,
    }
}

/// The faults that wait, and the requests that are held.
#[derive(Debug)]
pub(crate) struct Faults {
    waiting: Mutex<Vec<Fault>>,
    released: watch::Sender<()>,
    held: AtomicUsize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            released: watch::Sender::new(()),
            held: AtomicUsize::new(0),
        }
    }
}

impl Faults {
    fn waiting<R>(&self, run: impl FnOnce(&mut Vec<Fault>) -> R) -> R {
        run(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn add(&self, fault: Fault) {
        self.waiting(|faults| faults.push(fault));
    }

    /// The first waiting fault that fits this request, used up by one.
    pub(crate) fn take(&self, method: &str, path: &str, user: Option<&str>) -> Option<Fault> {
        self.waiting(|faults| {
            let at = faults.iter().position(|fault| {
                fault.times > 0
                    && path_fits(&fault.path, path)
                    && fault
                        .method
                        .as_deref()
                        .is_none_or(|wanted| wanted == method)
                    && fault
                        .user
                        .as_deref()
                        .is_none_or(|wanted| Some(wanted) == user)
            })?;
            faults[at].times -= 1;
            let fault = faults[at].clone();
            faults.retain(|fault| fault.times > 0);
            Some(fault)
        })
    }

    /// Waits until [`Faults::release`]; a caller that goes away in the meantime is held no longer.
    pub(crate) async fn hold(&self) {
        struct Held<'a>(&'a AtomicUsize);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let mut released = self.released.subscribe();
        self.held.fetch_add(1, Ordering::SeqCst);
        let _held = Held(&self.held);
        // The sender lives as long as `self`, so this ends only by a release.
        let _ = released.changed().await;
    }

    /// How many requests are held right now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Lets go what is held.
    pub(crate) fn release(&self) {
        self.released.send_replace(());
    }

    /// Forgets all faults and lets go what is held.
    pub(crate) fn clear(&self) {
        self.waiting(Vec::clear);
        self.release();
    }
}
