//! The refusals of the API: a status and `{code, message}`. The codes are stable.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// 401 without a token (RFC 6750, section 3.1: then no error code either).
    NoToken,
    /// 401 `invalid_token`: expired, revoked or never given.
    InvalidToken,
    /// 403 `insufficient_scope`: the token does not reach so far.
    Scope(&'static str),
    /// 403 `missing_right`: the person may not do this in the CRM, whatever the token says.
    Right { user: String, right: String },
    /// 404 `not_found`.
    NotFound(String),
    /// 400, or another status of the family, with its own code.
    Bad {
        status: StatusCode,
        code: &'static str,
        message: String,
    },
}

impl ApiError {
    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::Bad {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, message, challenge) = match self {
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "no_token",
                "this needs an access token".to_owned(),
                Some("Bearer realm=\"sandbox\"".to_owned()),
            ),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "the access token has expired or was revoked".to_owned(),
                Some("Bearer realm=\"sandbox\", error=\"invalid_token\"".to_owned()),
            ),
            Self::Scope(scope) => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                format!("the access token lacks the scope {scope}"),
                Some(format!(
                    "Bearer realm=\"sandbox\", error=\"insufficient_scope\", scope=\"{scope}\""
                )),
            ),
            Self::Right { user, right } => (
                StatusCode::FORBIDDEN,
                "missing_right",
                format!("{user} lacks the right {right}"),
                None,
            ),
            Self::NotFound(what) => (
                StatusCode::NOT_FOUND,
                "not_found",
                format!("there is no {what}"),
                None,
            ),
            Self::Bad {
                status,
                code,
                message,
            } => (status, code, message, None),
        };
        let mut answer = (status, Json(json!({"code": code, "message": message}))).into_response();
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

/// The answer where no route fits.
pub(crate) async fn not_found(uri: axum::http::Uri) -> ApiError {
    ApiError::NotFound(format!("such address: {}", uri.path()))
}
