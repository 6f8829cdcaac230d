//! The CRM itself: its people and what they may do, its accounts, records and messages, and the API to them.

pub(crate) mod accounts;
pub(crate) mod bearer;
pub(crate) mod error;
pub(crate) mod messages;
pub(crate) mod people;
pub(crate) mod records;
pub(crate) mod rights;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::app::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/me", get(people::me))
        .route("/api/v1/accounts", get(accounts::list))
        .route("/api/v1/accounts/{id}", get(accounts::show))
        .route(
            "/api/v1/records/{object}",
            get(records::list).post(records::create),
        )
        .route(
            "/api/v1/records/{object}/{id}",
            get(records::show)
                .patch(records::change)
                .delete(records::delete),
        )
        .route("/api/v1/messages", get(messages::list).post(messages::post))
        .fallback(error::not_found)
}

/// A page of a list. `next` is the cursor of the page after it, null on the last one.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// Where in a list to go on, and how far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Paging {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// How many items a page has unless asked otherwise: few, so that the seeded accounts need several.
const PAGE: usize = 5;

impl Paging {
    /// The page that was asked for. A cursor is the number of items before the page.
    fn cut<T>(&self, all: impl Iterator<Item = T>) -> Result<Page<T>, error::ApiError> {
        let start = match self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
            Some(cursor) => cursor
                .parse()
                .map_err(|_| error::ApiError::bad("invalid_cursor", "unknown cursor"))?,
            None => 0_usize,
        };
        let limit = self.limit.unwrap_or(PAGE).clamp(1, 100);
        let mut items: Vec<T> = all.skip(start).take(limit + 1).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Page {
            items,
            next: more.then(|| (start + limit).to_string()),
        })
    }
}
