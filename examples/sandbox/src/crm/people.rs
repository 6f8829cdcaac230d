//! The people of the CRM. Their passwords are as simple as the place is unreal.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bearer::Caller;
use super::error::ApiError;
use super::rights::Rights;
use crate::app::Shared;

/// The people that every sandbox begins with.
pub const PEOPLE: [&str; 4] = ["ana", "ben", "carla", "dora"];

/// One person. The password is [`password_of`] their name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The stable identity of the account, never given again.
    pub id: String,
    /// What they sign in with.
    pub name: String,
    /// Their full name, for pages.
    pub full_name: String,
    /// Their address.
    pub email: String,
    /// What they may do.
    pub rights: Rights,
}

/// The password of the person with this name: `ana-crm` for Ana.
pub fn password_of(name: &str) -> String {
    format!("{name}-crm")
}

impl Person {
    /// Somebody who may do everything.
    pub(crate) fn new(number: usize, name: &str, full_name: &str) -> Self {
        Self {
            id: format!("u_{number}"),
            name: name.into(),
            full_name: full_name.into(),
            email: format!("{name}@sandbox"),
            rights: Rights::default(),
        }
    }
}

pub(crate) fn seeded() -> BTreeMap<String, Person> {
    let full = ["Ana Alvarez", "Ben Becker", "Carla Conti", "Dora Dahl"];
    let people = PEOPLE
        .iter()
        .zip(full)
        .enumerate()
        .map(|(i, (name, full))| Person::new(i + 1, name, full));
    let mut people: BTreeMap<_, _> = people.map(|person| (person.name.clone(), person)).collect();
    // Somebody who is refused, so that a refusal can be seen without arranging one.
    if let Some(dora) = people.get_mut("dora") {
        dora.rights = Rights::all_but("CREATE on Opportunity");
    }
    people
}

/// Who the caller is. Needs no scope: whoever holds a token may know whose it is.
pub(crate) async fn me(State(app): Shared, caller: Caller) -> Result<Json<Value>, ApiError> {
    let person = caller.person(&app)?;
    Ok(Json(
        json!({"id": person.id, "email": person.email, "name": person.full_name}),
    ))
}
