//! `POST /oauth/token` (RFC 6749, sections 4.1.3 and 6): codes and refresh tokens become tokens.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::client_auth;
use super::grants::{Refused, Tokens};
use super::params::Params;
use crate::app::{App, Shared};
use crate::log::Noted;
use crate::system;

/// The error answer of RFC 6749, section 5.2.
#[derive(Debug, Serialize)]
pub(crate) struct OAuthError {
    error: &'static str,
    error_description: String,
    #[serde(skip)]
    status: StatusCode,
    /// Whether the client tried HTTP Basic, and must be told that this was refused.
    #[serde(skip)]
    challenge: bool,
}

impl OAuthError {
    pub(crate) fn new(error: &'static str, description: impl Into<String>) -> Self {
        let error_description = description.into();
        Self {
            error,
            error_description,
            status: StatusCode::BAD_REQUEST,
            challenge: false,
        }
    }

    /// `invalid_client`, which alone has the status 401.
    pub(crate) fn invalid_client(by_header: bool) -> Self {
        let refused = Self::new(
            "invalid_client",
            "the client is unknown or its secret is wrong",
        );
        Self {
            status: StatusCode::UNAUTHORIZED,
            challenge: by_header,
            ..refused
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let challenge = self
            .challenge
            .then_some([(header::WWW_AUTHENTICATE, "Basic realm=\"sandbox\"")]);
        (
            self.status,
            no_store(),
            challenge.map_or_else(HeaderMap::new, header_map),
            Json(self),
        )
            .into_response()
    }
}

fn header_map<const N: usize>(headers: [(header::HeaderName, &'static str); N]) -> HeaderMap {
    headers
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

/// Answers with tokens must not be kept by anything on the way (RFC 6749, section 5.1).
fn no_store() -> [(header::HeaderName, &'static str); 2] {
    [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ]
}

#[derive(Serialize)]
struct Answer {
    access_token: String,
    token_type: &'static str,
    /// Whole seconds.
    expires_in: i64,
    refresh_token: String,
    scope: String,
    /// Not of OAuth: where the API of this CRM is. Real CRMs of several instances tell it here.
    instance_url: String,
}

pub(crate) async fn token(State(app): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let params = Params::parse(&body);
    let mut noted = Noted {
        grant_type: params.get("grant_type").map(str::to_owned),
        ..Noted::default()
    };
    let mut answer = match exchange(&app, &headers, &params, &mut noted) {
        Ok(answer) => (no_store(), Json(answer)).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    answer.extensions_mut().insert(noted);
    answer
}

fn exchange(
    app: &App,
    headers: &HeaderMap,
    params: &Params,
    noted: &mut Noted,
) -> Result<Answer, OAuthError> {
    let bad = |error, why: String| OAuthError::new(error, why);
    if let Some(name) = params.repeated() {
        return Err(bad(
            "invalid_request",
            format!("{name} is sent more than once"),
        ));
    }
    let client = client_auth::client(app, headers, params)?;
    noted.client = Some(client.clone());
    let need = |name: &str| {
        params
            .get(name)
            .ok_or_else(|| bad("invalid_request", format!("{name} is missing")))
    };
    let now = system::now();
    let given = match need("grant_type")? {
        "authorization_code" => {
            let (code, uri, verifier) =
                (need("code")?, need("redirect_uri")?, need("code_verifier")?);
            app.write(|state| {
                state
                    .grants
                    .redeem(&client, code, uri, verifier, now, state.access_token_ttl)
            })
        }
        "refresh_token" => {
            let token = need("refresh_token")?;
            let scopes = params.scopes().map_err(|why| bad("invalid_scope", why))?;
            app.write(|state| {
                state
                    .grants
                    .refresh(&client, token, scopes, now, state.access_token_ttl)
            })
        }
        other => {
            return Err(bad(
                "unsupported_grant_type",
                format!("there is no grant type {other}"),
            ));
        }
    };
    let Tokens {
        access,
        refresh,
        user,
        scopes,
    } = given.map_err(|refused| match refused {
        Refused::InvalidGrant(why) => bad("invalid_grant", why.into()),
        Refused::InvalidScope => bad("invalid_scope", "more is asked for than was granted".into()),
    })?;
    noted.user = Some(user);
    Ok(Answer {
        access_token: access,
        token_type: "Bearer",
        expires_in: app.read(|state| state.access_token_ttl) / 1000,
        refresh_token: refresh,
        scope: scopes.join(" "),
        instance_url: app.url.clone(),
    })
}
