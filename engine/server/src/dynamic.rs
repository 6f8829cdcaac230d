//! Whether a slot acts as whoever runs the flow: who turns that on or off needs three privileges, all of them, wherever it becomes true: in
//! the draft, and in the version that is made of it. Must not ask for anything of who leaves it as it is.

use std::collections::BTreeMap;

use actas_core::flow::{Flow, Slot, SlotKind};
use actas_core::ids::{AppName, SlotName};

use crate::access::Privilege;
use crate::context::Context;

/// What turning it on or off needs.
pub const NEEDED: [Privilege; 3] = [
    Privilege::FlowsEdit,
    Privilege::RuntimeConnectionsView,
    Privilege::RuntimeConnectionsEdit,
];

/// Somebody turned it on or off who must not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "turning a dynamic connection on or off (`{slot}`) needs the privilege `{}`",
    lacking.as_str()
)]
pub struct MayNotTurn {
    /// The slot.
    pub slot: SlotName,
    /// The first privilege that they lack.
    pub lacking: Privilege,
}

/// Checks that whoever made `now` of `before` may have turned what they turned. Of nothing every dynamic connection is turned on.
///
/// # Errors
/// With the slot and what is lacking.
pub fn check(cx: &Context, before: Option<&Flow>, now: &Flow) -> Result<(), MayNotTurn> {
    let Some(lacking) = NEEDED.into_iter().find(|privilege| !cx.may(*privilege)) else {
        return Ok(());
    };
    let was = before.map(|flow| dynamic(&flow.connections));
    match turned(&was.unwrap_or_default(), &dynamic(&now.connections)) {
        None => Ok(()),
        Some(slot) => Err(MayNotTurn { slot, lacking }),
    }
}

/// Dynamic slots: at which app, and whether they ask.
type Dynamic<'a> = BTreeMap<&'a SlotName, (&'a AppName, bool)>;

/// The first slot that is dynamic in another way than before: it was not, or is no more, is switched off or on, or belongs to another app.
fn turned(was: &Dynamic<'_>, is: &Dynamic<'_>) -> Option<SlotName> {
    was.keys()
        .chain(is.keys())
        .find(|slot| was.get(*slot) != is.get(*slot))
        .map(|slot| (*slot).clone())
}

fn dynamic<'a>(slots: impl IntoIterator<Item = (&'a SlotName, &'a Slot)>) -> Dynamic<'a> {
    slots
        .into_iter()
        .filter_map(|(name, slot)| match &slot.kind {
            SlotKind::Dynamic(dynamic) => {
                Some((name, (&slot.app, dynamic.switched_off().is_none())))
            }
            SlotKind::Connection(_) => None,
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop where it fails")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slots(text: Value) -> BTreeMap<SlotName, Slot> {
        serde_json::from_value(text).unwrap()
    }

    fn turns(before: &Value, now: &Value) -> bool {
        let (before, now) = (slots(before.clone()), slots(now.clone()));
        turned(&dynamic(&before), &dynamic(&now)).is_some()
    }

    #[test]
    fn a_slot_is_turned_when_it_becomes_dynamic_or_no_more_is_switched_or_moves_to_another_app() {
        let asks = json!({"crm": {"app": "crm", "dynamic": {"parent": "team"}}});
        let off = json!({"crm": {"app": "crm", "dynamic": {"parent": "team", "enabled": false}}});
        let shared = json!({"crm": {"app": "crm", "connection": "team"}});
        let moved = json!({"crm": {"app": "other", "dynamic": {"parent": "team"}}});
        let none = json!({});
        let all = [&asks, &off, &shared, &moved, &none];
        for (i, before) in all.into_iter().enumerate() {
            for (k, now) in all.into_iter().enumerate() {
                // A shared one and none are the same here: neither asks anybody.
                let same = i == k || (i.max(k), i.min(k)) == (4, 2);
                assert_eq!(turns(before, now), !same, "{before} {now}");
            }
        }
        let other_terms = json!({"crm": {"app": "crm", "dynamic": {"parent": "team", "ask": "up_front", "scopes": ["a"]}}});
        assert!(!turns(&asks, &other_terms));
    }
}
