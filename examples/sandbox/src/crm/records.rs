//! Records of any kind, each with the person who made it as its author, seen by its author alone.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bearer::Caller;
use super::error::ApiError;
use super::{Page, Paging};
use crate::app::Shared;
use crate::system;

/// One record: an opportunity, a case, a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Names it: `op_7`.
    pub id: String,
    /// Its kind: `Opportunity`.
    pub object: String,
    /// What it says.
    pub fields: Map<String, Value>,
    /// The name of the person whose token made it.
    pub author: String,
    /// When, RFC 3339.
    pub created_at: String,
}

/// All records. Deleted ones leave their id behind, so that deleting again finds nothing wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Records {
    last: u64,
    kept: BTreeMap<u64, Record>,
    /// Number of a deleted record and its author.
    deleted: BTreeMap<u64, String>,
    /// What was made for a key, by `author key`.
    made: BTreeMap<String, Record>,
}

impl Records {
    /// Makes a record, or returns the one that this person made with this key before.
    fn create(
        &mut self,
        author: &str,
        object: &str,
        fields: Map<String, Value>,
        key: Option<&str>,
        now: i64,
    ) -> Result<(StatusCode, Record), ApiError> {
        let key = key.map(|key| format!("{author} {key}"));
        if let Some(made) = key.as_ref().and_then(|key| self.made.get(key)) {
            if made.object == object && made.fields == fields {
                return Ok((StatusCode::OK, made.clone()));
            }
            let message = "this Idempotency-Key was used for something else";
            return Err(ApiError::Bad {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                code: "idempotency_key_reused",
                message: message.into(),
            });
        }
        self.last += 1;
        let prefix: String = object.chars().take(2).collect::<String>().to_lowercase();
        let record = Record {
            id: format!("{prefix}_{}", self.last),
            object: object.to_owned(),
            fields,
            author: author.to_owned(),
            created_at: system::rfc3339(now),
        };
        self.kept.insert(self.last, record.clone());
        if let Some(key) = key {
            self.made.insert(key, record.clone());
        }
        Ok((StatusCode::CREATED, record))
    }

    fn find(&mut self, author: &str, object: &str, id: &str) -> Option<(u64, &mut Record)> {
        let number = number(id)?;
        let record = self.kept.get_mut(&number)?;
        (record.id == id && record.object == object && record.author == author)
            .then_some((number, record))
    }

    /// Whether the record is gone now; false where it never was, or is somebody else's.
    fn delete(&mut self, author: &str, object: &str, id: &str) -> bool {
        if let Some((number, _)) = self.find(author, object, id) {
            self.kept.remove(&number);
            self.deleted.insert(number, author.to_owned());
        }
        number(id)
            .and_then(|number| self.deleted.get(&number))
            .is_some_and(|of| of == author)
    }

    /// All that exist, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.kept.values()
    }
}

fn number(id: &str) -> Option<u64> {
    id.rsplit_once('_')?.1.parse().ok()
}

/// The name of an object, as in an address.
fn object(name: &str) -> Result<(), ApiError> {
    let fits = name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        Ok(())
    } else {
        Err(ApiError::NotFound(format!("object {name}")))
    }
}

fn fields(body: &Bytes) -> Result<Map<String, Value>, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad("invalid_body", format!("fields: {error}")))
}

pub(crate) async fn create(
    State(app): Shared,
    caller: Caller,
    Path(kind): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Record>), ApiError> {
    object(&kind)?;
    caller.may(&app, "records.write", "CREATE", &kind)?;
    let fields = fields(&body)?;
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok());
    let now = system::now();
    let (status, record) =
        app.write(|state| state.records.create(caller.user(), &kind, fields, key, now))?;
    Ok((status, Json(record)))
}

pub(crate) async fn list(
    State(app): Shared,
    caller: Caller,
    Path(kind): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Record>>, ApiError> {
    object(&kind)?;
    caller.may(&app, "records.read", "READ", &kind)?;
    let page = app.read(|state| {
        let own = state
            .records
            .iter()
            .filter(|record| record.object == kind && record.author == caller.user());
        paging.cut(own.cloned())
    })?;
    Ok(Json(page))
}

pub(crate) async fn show(
    State(app): Shared,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Json<Record>, ApiError> {
    object(&kind)?;
    caller.may(&app, "records.read", "READ", &kind)?;
    let found = app.read(|state| {
        let own = |record: &&Record| {
            record.id == id && record.object == kind && record.author == caller.user()
        };
        number(&id)
            .and_then(|number| state.records.kept.get(&number))
            .filter(own)
            .cloned()
    });
    found
        .map(Json)
        .ok_or_else(|| ApiError::NotFound(format!("{kind} {id}")))
}

/// Sets the fields of the body and leaves the others; doing it twice is doing it once.
pub(crate) async fn change(
    State(app): Shared,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Record>, ApiError> {
    object(&kind)?;
    caller.may(&app, "records.write", "UPDATE", &kind)?;
    let fields = fields(&body)?;
    let changed = app.write(|state| {
        state
            .records
            .find(caller.user(), &kind, &id)
            .map(|(_, record)| {
                record.fields.extend(fields);
                record.clone()
            })
    });
    changed
        .map(Json)
        .ok_or_else(|| ApiError::NotFound(format!("{kind} {id}")))
}

pub(crate) async fn delete(
    State(app): Shared,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    object(&kind)?;
    caller.may(&app, "records.write", "DELETE", &kind)?;
    if app.write(|state| state.records.delete(caller.user(), &kind, &id)) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::NotFound(format!("{kind} {id}")))
}
