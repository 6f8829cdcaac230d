//! What a refused or failed request is answered with: a problem document (RFC 9457) with a stable `code`. Every error of a handler becomes
//! one of these here; nothing of a database, a stack or a secret is ever in it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use actas_store::{CommitError, ReadError};

/// A refusal, as the caller sees it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word.
    pub code: &'static str,
    /// A lowercase fragment that names the thing and what to do.
    pub detail: String,
    /// Seconds to wait before trying again (429 and 503).
    pub retry_after: Option<u32>,
    /// More members of the document.
    pub more: Map<String, Value>,
}

impl Problem {
    /// A problem of a status with a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
            more: Map::new(),
        }
    }

    /// 400: the request itself is wrong.
    pub fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: nobody is logged in, or what they showed does not count.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not_logged_in",
            "nobody is logged in: send a session cookie or an API token",
        )
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: there is no such thing, or none that the caller may know of.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }

    /// 409: it stands otherwise than the request expects.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: well formed, but it cannot be done.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429.
    pub fn too_many(seconds: u32) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            format!("too many attempts: wait {seconds} s"),
        );
        problem.retry_after = Some(seconds);
        problem
    }

    /// 503.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.retry_after = Some(1);
        problem
    }

    /// 500: ours. What it was goes to the log, not to the caller.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        tracing::error!(error = %what, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something is wrong on this side: the server's log has more",
        )
    }

    /// The same with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.into(), value.into());
        self
    }

    /// The document.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "type": format!("urn:actas:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(members) = document.as_object_mut() {
            members.extend(self.more.clone());
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(why) => {
                tracing::warn!(%why, "store is not available");
                Self::unavailable("the store is not available: try again")
            }
            cursor @ ReadError::Cursor(_) => Self::bad("bad_cursor", cursor.to_string()),
            corrupt @ ReadError::Corrupt { .. } => Self::internal(corrupt),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { op, why } => {
                tracing::info!(op, %why, "a change met another one");
                Self::conflict(
                    "changed_meanwhile",
                    "it changed meanwhile: read it again, then repeat the request",
                )
            }
            CommitError::Busy => Self::unavailable("the store is busy: try again"),
            CommitError::Unavailable(why) => {
                tracing::warn!(%why, "store is not available");
                Self::unavailable("the store is not available: try again")
            }
            CommitError::Unknown => Self::unavailable(
                "the store went away: it may have been done, look before trying again",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_the_rfc_and_a_stable_code() {
        let problem = Problem::too_many(7).with("login", "ana");
        expect_test::expect![[
            r#"{"code":"too_many_attempts","detail":"too many attempts: wait 7 s","login":"ana","status":429,"title":"Too Many Requests","type":"urn:actas:problem:too_many_attempts"}"#
        ]]
        .assert_eq(&problem.document().to_string());
        let response = problem.into_response();
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}
