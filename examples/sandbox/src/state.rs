//! Everything the CRM knows, as one value that can be saved as JSON. No locks, no clock, no HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Client;
use crate::crm::accounts::{self, Account};
use crate::crm::messages::Message;
use crate::crm::people::{self, Person};
use crate::crm::records::Records;
use crate::erp::Erp;
use crate::oauth::grants::Grants;
use crate::oauth::sign_in::Sessions;

/// The state of one sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub clients: BTreeMap<String, Client>,
    pub people: BTreeMap<String, Person>,
    pub accounts: Vec<Account>,
    pub records: Records,
    pub messages: Vec<Message>,
    pub sessions: Sessions,
    pub grants: Grants,
    #[serde(default)]
    pub erp: Erp,
    /// Milliseconds.
    pub access_token_ttl: i64,
}

impl State {
    /// A new CRM with its people and accounts, and nothing done in it yet.
    pub(crate) fn new() -> Self {
        Self {
            clients: BTreeMap::new(),
            people: people::seeded(),
            accounts: accounts::seeded(),
            records: Records::default(),
            messages: Vec::new(),
            sessions: Sessions::default(),
            grants: Grants::default(),
            erp: Erp::default(),
            access_token_ttl: 0,
        }
    }

    /// Takes over what the operator configured; it wins over what was saved.
    pub(crate) fn configure(&mut self, clients: &[Client], access_token_ttl: Duration) {
        self.access_token_ttl = i64::try_from(access_token_ttl.as_millis()).unwrap_or(i64::MAX);
        for client in clients {
            self.clients.insert(client.id.clone(), client.clone());
        }
    }
}
