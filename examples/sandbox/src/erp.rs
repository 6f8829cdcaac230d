//! A second system of the same people, in the manner of an ERP: no OAuth, but user and password (RFC 7617), keys, or a tenant with a PIN. Each
//! of its functions needs a right of its own in it (`EXECUTE on BAPI_…`), and a wrong password is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{App, Shared};
use crate::crm::error::ApiError;
use crate::crm::people::Person;
use crate::system::{self, same_secret};

/// The function that posts a document.
const POST: &str = "BAPI_ACC_DOCUMENT_POST";
/// The function that reads documents.
const READ: &str = "BAPI_ACC_DOCUMENT_GETLIST";

/// What the ERP knows beside the people.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Erp {
    /// Passwords that were changed, by name.
    pub passwords: BTreeMap<String, String>,
    /// Key or PIN → whose it is.
    pub keys: BTreeMap<String, String>,
    /// Wrong passwords, keys and PINs since the start.
    pub refused: u64,
    documents: Vec<Document>,
    /// What was posted for a key, by `author key`.
    posted: BTreeMap<String, Document>,
}

/// One document of the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Names it: `49000001`.
    pub id: String,
    /// What it says.
    pub text: String,
    /// In cents.
    pub amount: i64,
    /// The name of the person it was posted as.
    pub author: String,
    /// The tenant it was posted in, where the caller named one.
    pub tenant: Option<String>,
    /// When, RFC 3339.
    pub created_at: String,
}

/// The password that a person has in the ERP until it is changed: `ana-erp-2026` for Ana.
pub fn erp_password_of(name: &str) -> String {
    format!("{name}-erp-2026")
}

impl Erp {
    /// All documents, oldest first.
    pub(crate) fn documents(&self) -> &[Document] {
        &self.documents
    }

    fn password(&self, name: &str) -> String {
        let changed = self.passwords.get(name).cloned();
        changed.unwrap_or_else(|| erp_password_of(name))
    }

    /// Whose credential a request carries, if it is right.
    fn user(&self, headers: &HeaderMap) -> Option<String> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        if let Some(key) = text("x-api-key") {
            return self.keys.get(key).cloned();
        }
        if let Some(pin) = text("x-pin") {
            return self
                .keys
                .get(pin)
                .filter(|_| tenant(headers).is_some())
                .cloned();
        }
        let (user, password) = basic(headers)?;
        same_secret(&password, &self.password(&user)).then_some(user)
    }
}

fn tenant(headers: &HeaderMap) -> Option<String> {
    let tenant = headers.get("x-tenant")?.to_str().ok()?;
    ["north", "south"]
        .contains(&tenant)
        .then(|| tenant.to_owned())
}

/// User and password of the header (RFC 7617).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, coded) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let pair = STANDARD.decode(coded.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    let basic = scheme.eq_ignore_ascii_case("basic");
    basic.then(|| (user.to_owned(), password.to_owned()))
}

/// Who a request says it comes from, be it right or not: for the log.
pub(crate) fn claimed(app: &App, headers: &HeaderMap) -> Option<String> {
    match basic(headers) {
        Some((user, _)) => Some(user),
        None => app.read(|state| state.erp.user(headers)),
    }
}

/// The caller of a function.
#[derive(Debug)]
pub(crate) struct Caller {
    person: Person,
    tenant: Option<String>,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        let person = app.read(|state| {
            let user = state.erp.user(headers)?;
            state.people.get(&user).cloned()
        });
        match person {
            Some(person) => Ok(Self {
                person,
                tenant: tenant(headers),
            }),
            None => {
                app.write(|state| state.erp.refused += 1);
                Err(ApiError::Bad {
                    status: StatusCode::UNAUTHORIZED,
                    code: "logon_failed",
                    message: "name or password is not correct".into(),
                })
            }
        }
    }
}

impl Caller {
    fn may(&self, function: &str) -> Result<(), ApiError> {
        if self.person.rights.allow("EXECUTE", function) {
            return Ok(());
        }
        Err(ApiError::Right {
            user: self.person.name.clone(),
            right: format!("EXECUTE on {function}"),
        })
    }
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/erp/v1/user", get(user))
        .route("/erp/v1/documents", post(post_document).get(documents))
        .route("/erp/v1/documents/{id}", get(document))
}

async fn user(caller: Caller) -> Json<Value> {
    Json(json!({"id": caller.person.id, "name": caller.person.name, "tenant": caller.tenant}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDocument {
    text: String,
    amount: i64,
}

async fn post_document(
    State(app): Shared,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Document>), ApiError> {
    caller.may(POST)?;
    let new: NewDocument = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad("invalid_body", error.to_string()))?;
    let author = caller.person.name;
    let key = headers.get("idempotency-key").and_then(|v| v.to_str().ok());
    let key = key.map(|key| format!("{author} {key}"));
    let now = system::now();
    app.write(|state| {
        let erp = &mut state.erp;
        if let Some(posted) = key.as_ref().and_then(|key| erp.posted.get(key)) {
            return Ok((StatusCode::OK, Json(posted.clone())));
        }
        let document = Document {
            id: format!("{}", 49_000_001 + erp.documents.len()),
            text: new.text,
            amount: new.amount,
            author,
            tenant: caller.tenant,
            created_at: system::rfc3339(now),
        };
        erp.documents.push(document.clone());
        if let Some(key) = key {
            erp.posted.insert(key, document.clone());
        }
        Ok((StatusCode::CREATED, Json(document)))
    })
}

async fn documents(State(app): Shared, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.may(READ)?;
    let items = app.read(|state| {
        let of = |document: &&Document| document.author == caller.person.name;
        let all = state.erp.documents.iter().filter(of);
        all.cloned().collect::<Vec<_>>()
    });
    Ok(Json(json!({"items": items})))
}

async fn document(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Document>, ApiError> {
    caller.may(READ)?;
    let found = app.read(|state| {
        let of = |document: &&Document| document.id == id && document.author == caller.person.name;
        state.erp.documents.iter().find(of).cloned()
    });
    found
        .map(Json)
        .ok_or_else(|| ApiError::NotFound(format!("document {id}")))
}
