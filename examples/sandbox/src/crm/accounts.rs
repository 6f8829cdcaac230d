//! The companies that this CRM is about. Everybody works with the same ones; nobody can change them.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::bearer::Caller;
use super::error::ApiError;
use super::{Page, Paging};
use crate::app::Shared;

/// A company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Names it.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub city: String,
    /// What it does.
    pub industry: String,
    /// Who looks after it: the name of one of the people.
    pub owner: String,
}

pub(crate) fn seeded() -> Vec<Account> {
    [
        ("Northwind", "Seattle", "Wholesale", "ana"),
        ("Contoso", "Paris", "Manufacturing", "ben"),
        ("Aurora Coffee", "Porto", "Food", "ana"),
        ("Fabrikam", "Berlin", "Construction", "carla"),
        ("Tailspin Toys", "Prague", "Retail", "ben"),
        ("Blue Yonder Air", "Dublin", "Travel", "dora"),
        ("Wide World Imports", "Rotterdam", "Wholesale", "carla"),
        ("Lakeshore Clinic", "Geneva", "Health", "dora"),
        ("Proseware", "Madrid", "Software", "ana"),
        ("Graphic Design Institute", "Milan", "Education", "ben"),
        ("Humongous Insurance", "Zurich", "Insurance", "carla"),
        ("Coho Winery", "Bordeaux", "Food", "dora"),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, (name, city, industry, owner))| Account {
        id: format!("acc_{}", i + 1),
        name: name.into(),
        city: city.into(),
        industry: industry.into(),
        owner: owner.into(),
    })
    .collect()
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    name: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The accounts whose name contains what is asked for, in any case; one that is called exactly so comes first.
pub(crate) async fn list(
    State(app): Shared,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Account>>, ApiError> {
    caller.may(&app, "records.read", "READ", "Account")?;
    let name = wanted.name.unwrap_or_default().to_lowercase();
    let mut found: Vec<Account> = app.read(|state| {
        state
            .accounts
            .iter()
            .filter(|account| account.name.to_lowercase().contains(&name))
            .cloned()
            .collect()
    });
    found.sort_by_key(|account| account.name.to_lowercase() != name);
    Ok(Json(
        Paging {
            cursor: wanted.cursor,
            limit: wanted.limit,
        }
        .cut(found.into_iter())?,
    ))
}

pub(crate) async fn show(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Account>, ApiError> {
    caller.may(&app, "records.read", "READ", "Account")?;
    let found = app.read(|state| {
        state
            .accounts
            .iter()
            .find(|account| account.id == id)
            .cloned()
    });
    found
        .map(Json)
        .ok_or_else(|| ApiError::NotFound(format!("account {id}")))
}
