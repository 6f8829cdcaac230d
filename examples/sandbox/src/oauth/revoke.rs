//! `POST /oauth/revoke` (RFC 7009): a client gives a token back.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::client_auth;
use super::params::Params;
use super::token::OAuthError;
use crate::app::Shared;
use crate::log::Noted;

/// Answers 200 for unknown tokens too: the client's wish, that the token be dead, is fulfilled (section 2.2).
pub(crate) async fn revoke(State(app): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let params = Params::parse(&body);
    let client = match client_auth::client(&app, &headers, &params) {
        Ok(client) => client,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(token) = params.get("token") else {
        return OAuthError::new("invalid_request", "token is missing").into_response();
    };
    app.write(|state| state.grants.give_back(&client, token));
    let mut answer = StatusCode::OK.into_response();
    answer.extensions_mut().insert(Noted {
        client: Some(client),
        ..Noted::default()
    });
    answer
}
