//! `/_sandbox`: what [`crate::Sandbox`] can do, for tests that run in another process. Off unless configured.
//!
//! It answers programs on this machine only, and no page of any site: such requests carry `Origin` or a foreign `Host`.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Shared};
use crate::config::Client;
use crate::crm::messages::Message;
use crate::crm::people::Person;
use crate::crm::records::Record;
use crate::crm::rights::Rights;
use crate::erp::Document;
use crate::faults::Fault;
use crate::log::{Counts, Entry};
use crate::oauth::grants::Grant;
use crate::sandbox;
use crate::wire::Peer;

/// The routes, or none at all where the operator did not ask for them.
pub(crate) fn routes(enabled: bool) -> Router<Arc<App>> {
    if !enabled {
        return Router::new();
    }
    Router::new()
        .route("/_sandbox/log", get(log).delete(clear_log))
        .route("/_sandbox/counts", get(counts))
        .route("/_sandbox/records", get(records))
        .route("/_sandbox/messages", get(messages))
        .route("/_sandbox/documents", get(documents))
        .route("/_sandbox/erp", post(set_erp))
        .route("/_sandbox/grants", get(grants))
        .route("/_sandbox/clients", post(register_client))
        .route("/_sandbox/people", post(add_person))
        .route("/_sandbox/revoke", post(revoke))
        .route("/_sandbox/expire", post(expire))
        .route("/_sandbox/rights", post(set_rights))
        .route("/_sandbox/access_token_ttl", post(set_ttl))
        .route("/_sandbox/faults", post(inject).delete(clear_faults))
        .route("/_sandbox/held", get(held).delete(release))
        .route("/_sandbox/reset", post(reset))
        .route_layer(middleware::from_fn(only_from_here))
}

async fn only_from_here(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.address.ip().is_loopback() && of_a_program(request.headers()) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

/// A page of another site sends `Origin`; one that had its own name point to this machine sends that name as `Host`.
fn of_a_program(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !headers.contains_key(header::ORIGIN) && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

async fn log(State(app): Shared) -> Json<Vec<Entry>> {
    Json(app.log.all())
}

async fn clear_log(State(app): Shared) -> StatusCode {
    app.log.clear();
    StatusCode::NO_CONTENT
}

async fn counts(State(app): Shared) -> Json<Counts> {
    Json(app.log.counts())
}

async fn records(State(app): Shared) -> Json<Vec<Record>> {
    Json(app.read(|state| state.records.iter().cloned().collect()))
}

async fn messages(State(app): Shared) -> Json<Vec<Message>> {
    Json(app.read(|state| state.messages.clone()))
}

async fn grants(State(app): Shared) -> Json<Vec<Grant>> {
    Json(app.read(|state| state.grants.list()))
}

async fn register_client(State(app): Shared, Json(client): Json<Client>) -> StatusCode {
    app.write(|state| state.clients.insert(client.id.clone(), client));
    StatusCode::NO_CONTENT
}

async fn documents(State(app): Shared) -> Json<Vec<Document>> {
    Json(app.read(|state| state.erp.documents().to_vec()))
}

/// What somebody comes to the ERP with from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetErp {
    user: String,
    password: Option<String>,
    key: Option<String>,
}

async fn set_erp(State(app): Shared, Json(set): Json<SetErp>) -> StatusCode {
    app.write(|state| {
        if let Some(password) = set.password {
            state.erp.passwords.insert(set.user.clone(), password);
        }
        if let Some(key) = set.key {
            state.erp.keys.insert(key, set.user);
        }
    });
    StatusCode::NO_CONTENT
}

/// Names one person.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    user: String,
}

async fn add_person(State(app): Shared, Json(User { user }): Json<User>) -> StatusCode {
    app.write(|state| {
        let number = state.people.len() + 1;
        state
            .people
            .entry(user.clone())
            .or_insert_with(|| Person::new(number, &user, &user));
    });
    StatusCode::NO_CONTENT
}

async fn revoke(State(app): Shared, Json(User { user }): Json<User>) -> Json<Value> {
    Json(json!({"grants": app.write(|state| state.grants.take_away(&user))}))
}

async fn expire(State(app): Shared, Json(User { user }): Json<User>) -> Json<Value> {
    Json(json!({"access_tokens": app.write(|state| state.grants.expire_access(&user))}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRights {
    user: String,
    rights: Rights,
}

async fn set_rights(State(app): Shared, Json(set): Json<SetRights>) -> StatusCode {
    let known = app.write(|state| {
        state
            .people
            .get_mut(&set.user)
            .map(|person| person.rights = set.rights)
            .is_some()
    });
    if known {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTtl {
    milliseconds: u32,
}

async fn set_ttl(State(app): Shared, Json(set): Json<SetTtl>) -> StatusCode {
    app.write(|state| state.access_token_ttl = i64::from(set.milliseconds));
    StatusCode::NO_CONTENT
}

async fn inject(State(app): Shared, Json(fault): Json<Fault>) -> StatusCode {
    app.faults.add(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(app): Shared) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}

async fn held(State(app): Shared) -> Json<Value> {
    Json(json!({"held": app.faults.held()}))
}

async fn release(State(app): Shared) -> StatusCode {
    app.faults.release();
    StatusCode::NO_CONTENT
}

async fn reset(State(app): Shared) -> StatusCode {
    sandbox::reset(&app);
    StatusCode::NO_CONTENT
}
