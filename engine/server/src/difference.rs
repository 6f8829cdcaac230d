//! What is different between two flows, in names: steps (inside others too), slots, inputs and outputs added, removed, and changed by which keys.
//! Pure; shows no values.

use std::collections::BTreeMap;

use actas_core::flow::{Body, Flow, OnError, Step};
use actas_core::ids::StepId;
use serde::Serialize;
use serde_json::{Value, json};

/// The names on one level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Only in the new one.
    pub added: Vec<String>,
    /// Only in the old one.
    pub removed: Vec<String>,
    /// In both, not the same.
    pub changed: Vec<String>,
    /// Of those, which of their keys differ.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Vec<String>>,
}

/// What is different.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Steps, by their paths; a step of a case by the case too, `route/approved/tell`.
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
    let rest_of = |value: &Value, flow: Option<&Flow>| -> BTreeMap<String, Value> {
        let mut rest = map(Some(value));
        rest.retain(|key, _| !apart.contains(&key.as_str()));
        // The steps of a handler are steps like others.
        if let Some(OnError::Handle(body)) = flow.and_then(|flow| flow.on_error.as_ref()) {
            rest.insert("on_error".into(), json!({"outputs": body.outputs}));
        }
        rest
    };
    let rest = changes(&rest_of(&before, old), &rest_of(&after, Some(new)));
    let mut other = if old.is_some() {
        [rest.added, rest.removed, rest.changed].concat()
    } else {
        Vec::new()
    };
    other.sort();
    Difference {
        steps: changes(&old.map(steps_of).unwrap_or_default(), &steps_of(new)),
        connections: level("connections"),
        inputs: level("inputs"),
        outputs: level("outputs"),
        other,
    }
}

/// All steps of a flow by their paths, each without those inside it.
fn steps_of(flow: &Flow) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    add_all(&mut all, "", flow.steps.iter());
    if let Some(OnError::Handle(body)) = &flow.on_error {
        add_all(&mut all, "on_error/", body.steps.iter());
    }
    all
}

fn add_all<'f>(
    all: &mut BTreeMap<String, Value>,
    above: &str,
    steps: impl Iterator<Item = (&'f StepId, &'f Step)>,
) {
    for (id, step) in steps {
        add(all, &format!("{above}{id}"), step);
    }
}

fn add(all: &mut BTreeMap<String, Value>, path: &str, step: &Step) {
    let mut own = serde_json::to_value(step).unwrap_or_default();
    if let Some(keys) = own.as_object_mut() {
        keys.remove("undo");
        keys.remove("steps");
        let shown = |body: &Body| json!({"outputs": body.outputs});
        if !step.cases.is_empty() {
            let cases: BTreeMap<&String, Value> = step
                .cases
                .iter()
                .map(|(name, body)| (name, shown(body)))
                .collect();
            keys.insert("cases".into(), json!(cases));
        }
        if let Some(body) = &step.default_case {
            keys.insert("default".into(), shown(body));
        }
        if let Some(OnError::Handle(body)) = &step.on_error {
            keys.insert("on_error".into(), shown(body));
        }
    }
    all.insert(path.to_owned(), own);
    if let Some(steps) = &step.steps {
        add_all(all, &format!("{path}/"), steps.iter());
    }
    for (name, body) in &step.cases {
        add_all(all, &format!("{path}/{name}/"), body.steps.iter());
    }
    if let Some(body) = &step.default_case {
        add_all(all, &format!("{path}/default/"), body.steps.iter());
    }
    if let Some(OnError::Handle(body)) = &step.on_error {
        add_all(all, &format!("{path}/on_error/"), body.steps.iter());
    }
    if let Some(undo) = &step.undo {
        add(all, &format!("{path}/undo"), undo);
    }
}

fn map(value: Option<&Value>) -> BTreeMap<String, Value> {
    value
        .and_then(Value::as_object)
        .map(|map| map.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
        .unwrap_or_default()
}

fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Changes {
    let only_in = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
        let names = one.keys().filter(|name| !other.contains_key(*name));
        names.cloned().collect()
    };
    let mut changes = Changes {
        added: only_in(after, before),
        removed: only_in(before, after),
        ..Changes::default()
    };
    for (name, new) in after {
        let Some(old) = before.get(name).filter(|old| *old != new) else {
            continue;
        };
        changes.changed.push(name.clone());
        let (old, new) = (map(Some(old)), map(Some(new)));
        let all = old.keys().chain(new.keys());
        let mut keys: Vec<String> = all
            .filter(|key| old.get(*key) != new.get(*key))
            // The file says `timeout: 30s` where the document has milliseconds.
            .map(|key| key.trim_end_matches("_ms").to_owned())
            .collect();
        keys.sort();
        keys.dedup();
        if !keys.is_empty() {
            changes.keys.insert(name.clone(), keys);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(value: Value) -> Flow {
        serde_json::from_value(value).expect("a flow")
    }

    #[test]
    fn steps_inside_others_are_told_by_their_paths_and_changes_by_their_keys() {
        let old = json!({
            "language": 1, "flow": "win", "title": "Win", "trigger": {"on_demand": {}},
            "inputs": {"customer": {"schema": {"type": "string"}, "required": true}},
            "steps": {
                "create": {"uses": "crm.create", "with": {"a": 1}, "timeout_ms": 1000, "undo": {"uses": "crm.delete"}},
                "lines": {"for_each": "inputs.lines", "steps": [{"add": {"uses": "crm.create", "with": {"b": 1}}}]},
                "route": {"switch": "x", "cases": {"yes": {"steps": {"tell": {"uses": "core.log"}}}}, "default": {"steps": {}}},
            },
        });
        let mut new = old.clone();
        new["title"] = json!("Won");
        new["steps"]["create"]["with"] = json!({"a": 2});
        new["steps"]["create"]["timeout_ms"] = json!(2000);
        new["steps"]["create"]["undo"]["with"] = json!({"id": 1});
        new["steps"]["lines"]["parallel"] = json!(8);
        new["steps"]["lines"]["steps"] = json!([{"add": {"uses": "crm.create", "with": {"b": 1}}}, {"tell": {"uses": "core.log"}}]);
        new["steps"]["route"]["cases"] = json!({"no": {"steps": {"tell": {"uses": "core.log"}}}});
        new["on_error"] = json!({"steps": {"report": {"uses": "core.log"}}});
        let found = difference(Some(&flow(old)), &flow(new));
        let expected = json!({
            "steps": {
                "added": ["lines/tell", "on_error/report", "route/no/tell"],
                "removed": ["route/yes/tell"],
                "changed": ["create", "create/undo", "lines", "route"],
                "keys": {"create": ["timeout", "with"], "create/undo": ["with"], "lines": ["parallel"], "route": ["cases"]},
            },
            "connections": {"added": [], "removed": [], "changed": []},
            "inputs": {"added": [], "removed": [], "changed": []},
            "outputs": {"added": [], "removed": [], "changed": []},
            "other": ["on_error", "title"],
        });
        assert_eq!(json!(found), expected);
    }
}
