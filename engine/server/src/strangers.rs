//! Records of what people do whom nobody knows: wrong passwords, calls of webhooks without the right signature. Anybody can cause them by the
//! million, so each kind is written down one by one only up to a rate; what is above it is counted, and the next record is followed by how many
//! there were. The log stays bounded, and still says that somebody knocked, how often, and with what.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::Draft;

use crate::rate::Buckets;

/// So many at once are written down one by one …
const AT_ONCE: u32 = 60;
/// … and one more in each of these.
const ONE_IN: Duration = Duration::from_secs(20);

/// What is known of them, kind by kind in each workspace.
#[derive(Debug)]
pub struct Strangers {
    buckets: Buckets,
    /// How many were not written down since the last one that was.
    passed_over: Mutex<HashMap<String, u64>>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            buckets: Buckets::new(AT_ONCE, ONE_IN),
            passed_over: Mutex::default(),
        }
    }
}

impl Strangers {
    /// What is to be written for this record: itself, with a count of those before it that were not; or nothing.
    pub fn records(&self, draft: Draft, now: Time) -> Vec<Draft> {
        let kind = format!("{}/{}", draft.workspace, draft.action);
        let mut passed = self
            .passed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.buckets.take(&kind, now).is_err() {
            *passed.entry(kind).or_default() += 1;
            return Vec::new();
        }
        let Some(count) = passed.remove(&kind) else {
            return vec![draft];
        };
        // Of many people: it names none of them.
        let mut counted = Draft {
            person: None,
            ip: None,
            agent: None,
            ..draft.clone()
        };
        counted.object.kind = "attempts".into();
        counted.object.id = count.to_string();
        counted.object.version = None;
        counted.reason = Some("not_recorded_one_by_one".into());
        vec![draft, counted]
    }
}

#[cfg(test)]
mod tests {
    use actas_core::audit::{Actor, Object};
    use actas_core::ids::WorkspaceId;

    use super::*;
    use crate::context::record;

    #[test]
    fn a_million_strangers_leave_few_records_and_a_true_count() {
        let strangers = Strangers::default();
        let (mut written, mut counted) = (0_u64, 0_u64);
        let all = 1_000_000_u64;
        for n in 0..all {
            // An hour long, each from somewhere else.
            let now = Time(i64::try_from(n * 3_600).unwrap_or_default());
            let object = Object {
                kind: "user".into(),
                id: "unknown".into(),
                version: None,
            };
            let workspace = WorkspaceId::from_bits(1);
            let draft = record(
                &workspace,
                now,
                Actor::Anonymous,
                "page",
                "session.refused",
                object,
            );
            for draft in strangers.records(draft, now) {
                match draft.object.kind.as_str() {
                    "attempts" => counted += draft.object.id.parse::<u64>().unwrap_or_default(),
                    _ => written += 1,
                }
            }
        }
        assert!((200..300).contains(&written), "{written}");
        let last: u64 = strangers
            .passed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .sum();
        assert_eq!(written + counted + last, all);
    }
}
