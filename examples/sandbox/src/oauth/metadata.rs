//! How clients find the endpoints (RFC 8414), and who somebody is.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::crm::bearer::Caller;
use crate::crm::error::ApiError;

pub(crate) async fn metadata(State(app): Shared) -> Json<Value> {
    let url = &app.url;
    let auth = ["client_secret_basic", "client_secret_post", "none"];
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/oauth/authorize"),
        "token_endpoint": format!("{url}/oauth/token"),
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "userinfo_endpoint": format!("{url}/oauth/userinfo"),
        "scopes_supported": super::SCOPES.map(|(scope, _)| scope),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": auth,
        "revocation_endpoint_auth_methods_supported": auth,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// The person behind a token, in the words of OpenID Connect.
pub(crate) async fn userinfo(State(app): Shared, caller: Caller) -> Result<Json<Value>, ApiError> {
    let person = caller.person(&app)?;
    Ok(Json(
        json!({"sub": person.id, "email": person.email, "name": person.name}),
    ))
}
