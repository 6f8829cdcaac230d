//! What is different between two flows, in names: steps and slots added, removed, changed. Pure; shows no values.

use std::collections::BTreeMap;

use actas_core::flow::Flow;
use serde::Serialize;
use serde_json::Value;

/// The names on one level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Only in the new one.
    pub added: Vec<String>,
    /// Only in the old one.
    pub removed: Vec<String>,
    /// In both, not the same.
    pub changed: Vec<String>,
}

/// What is different.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Steps.
    pub steps: Changes,
    /// Slots.
    pub connections: Changes,
    /// Inputs.
    pub inputs: Changes,
    /// Outputs.
    pub outputs: Changes,
    /// Other keys of the flow that changed: `title`, `trigger`, `limits` …
    pub other: Vec<String>,
}

/// The difference from an old flow (none: everything is new) to a new one.
pub fn difference(old: Option<&Flow>, new: &Flow) -> Difference {
    let before = old
        .and_then(|flow| serde_json::to_value(flow).ok())
        .unwrap_or_default();
    let after = serde_json::to_value(new).unwrap_or_default();
    let level = |key: &str| changes(&map(before.get(key)), &map(after.get(key)));
    let apart = [
        "steps",
        "connections",
        "inputs",
        "outputs",
        "flow",
        "language",
        // How the canonical document keeps the order people wrote.
        "order",
    ];
    let strip = |value: &Value| -> BTreeMap<String, Value> {
        map(Some(value))
            .into_iter()
            .filter(|(key, _)| !apart.contains(&key.as_str()))
            .collect()
    };
    let rest = changes(&strip(&before), &strip(&after));
    let mut other = if old.is_some() {
        [rest.added, rest.removed, rest.changed].concat()
    } else {
        Vec::new()
    };
    other.sort();
    Difference {
        steps: level("steps"),
        connections: level("connections"),
        inputs: level("inputs"),
        outputs: level("outputs"),
        other,
    }
}

fn map(value: Option<&Value>) -> BTreeMap<String, Value> {
    value
        .and_then(Value::as_object)
        .map(|map| map.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
        .unwrap_or_default()
}

fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Changes {
    Changes {
        added: after
            .keys()
            .filter(|k| !before.contains_key(*k))
            .cloned()
            .collect(),
        removed: before
            .keys()
            .filter(|k| !after.contains_key(*k))
            .cloned()
            .collect(),
        changed: after
            .iter()
            .filter(|(key, value)| before.get(*key).is_some_and(|old| old != *value))
            .map(|(key, _)| key.clone())
            .collect(),
    }
}
