//! Messages to a channel, as in a chat: every call posts one more, and nothing tells a repeat from a second message.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::bearer::Caller;
use super::error::ApiError;
use super::{Page, Paging};
use crate::app::Shared;
use crate::system;

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Names it.
    pub id: String,
    /// Where it was posted.
    pub channel: String,
    /// What it says.
    pub text: String,
    /// The name of the person who wrote it.
    pub author: String,
    /// When, RFC 3339.
    pub created_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    channel: String,
    text: String,
}

pub(crate) async fn post(
    State(app): Shared,
    caller: Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    caller.may(&app, "records.write", "CREATE", "Message")?;
    let draft: Draft = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad("invalid_body", error.to_string()))?;
    if draft.channel.trim().is_empty() || draft.text.trim().is_empty() {
        return Err(ApiError::bad(
            "invalid_body",
            "channel and text must not be empty",
        ));
    }
    let message = app.write(|state| {
        let message = Message {
            id: format!("msg_{}", state.messages.len() + 1),
            channel: draft.channel,
            text: draft.text,
            author: caller.user().to_owned(),
            created_at: system::rfc3339(system::now()),
        };
        state.messages.push(message.clone());
        message
    });
    Ok((StatusCode::CREATED, Json(message)))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    channel: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The caller's own messages, oldest first.
pub(crate) async fn list(
    State(app): Shared,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Message>>, ApiError> {
    caller.may(&app, "records.read", "READ", "Message")?;
    let paging = Paging {
        cursor: wanted.cursor,
        limit: wanted.limit,
    };
    let page = app.read(|state| {
        let own = state
            .messages
            .iter()
            .filter(|message| message.author == caller.user());
        let own = own.filter(|message| {
            wanted
                .channel
                .as_ref()
                .is_none_or(|channel| *channel == message.channel)
        });
        paging.cut(own.cloned())
    })?;
    Ok(Json(page))
}
