//! What a person agrees to for one slot of one flow.

use std::collections::BTreeSet;

use actas_core::ids::ClientId;
use serde::{Deserialize, Serialize};

/// How far a flow reaches through a slot. Stored with the grant; compared at each resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surface {
    /// The app client.
    pub client: ClientId,
    /// The scopes.
    pub scopes: BTreeSet<String>,
    /// The modules, `app.module`.
    pub modules: BTreeSet<String>,
    /// The hosts credentials may go to.
    pub hosts: BTreeSet<String>,
}

impl Surface {
    /// Whether this reaches anything that `agreed` does not. Narrower or equal needs no new consent.
    pub fn widens(&self, agreed: &Self) -> bool {
        self.client != agreed.client
            || !self.scopes.is_subset(&agreed.scopes)
            || !self.modules.is_subset(&agreed.modules)
            || !self.hosts.is_subset(&agreed.hosts)
    }
}
