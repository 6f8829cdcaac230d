//! The CRM's authorisation server: OAuth 2 with the authorization code grant and PKCE, and refresh tokens that rotate.
//!
//! `authorize` and `sign_in` are the pages a person sees, `token` and `revoke` what programs call, `metadata` how they
//! find it all, and `grants` the rules about codes and tokens, without HTTP.

pub(crate) mod authorize;
pub(crate) mod client_auth;
pub(crate) mod grants;
pub(crate) mod metadata;
pub(crate) mod params;
pub(crate) mod revoke;
pub(crate) mod sign_in;
pub(crate) mod token;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// What a client may ask for, with the words of the consent page.
pub(crate) const SCOPES: [(&str, &str); 2] = [
    (
        "records.read",
        "Read your records and messages, and the accounts you work with",
    ),
    (
        "records.write",
        "Create, change and delete records, and post messages, in your name",
    ),
];

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::metadata),
        )
        .route(
            "/oauth/authorize",
            get(authorize::ask).post(authorize::decide),
        )
        .route("/oauth/login", post(sign_in::log_in))
        .route("/oauth/logout", post(sign_in::log_out))
        .route("/oauth/withdraw", post(sign_in::withdraw))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/userinfo", get(metadata::userinfo))
}
