//! What a person agrees to for one slot of one flow.

use std::collections::BTreeSet;

use actas_core::flow::Plan;
use actas_core::ids::ClientId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// How far a version reaches through one of its slots, by number. Hosts that depend on the client's settings are those of the client,
    /// which stands here too; the manifest's fixed ones are named.
    pub fn of(plan: &Plan, slot: usize, client: ClientId) -> Self {
        let slot = &plan.slots[slot];
        Self {
            client,
            scopes: slot.scopes.iter().cloned().collect(),
            modules: slot
                .used_by
                .iter()
                .filter_map(|step| plan.steps[*step].uses())
                .map(ToString::to_string)
                .collect(),
            hosts: slot
                .manifest
                .hosts(&Value::Null)
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }
    }

    /// Whether this reaches anything that `agreed` does not. Narrower or equal needs no new consent.
    pub fn widens(&self, agreed: &Self) -> bool {
        self.client != agreed.client
            || !self.scopes.is_subset(&agreed.scopes)
            || !self.modules.is_subset(&agreed.modules)
            || !self.hosts.is_subset(&agreed.hosts)
    }
}
