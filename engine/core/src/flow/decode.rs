//! From a tree to a [`Draft`]. The tree was checked against the tables of the language; what did not pass is left out here, so that the
//! rest can still be checked.

use std::collections::BTreeMap;
use std::str::FromStr;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::app::Effect;
use crate::diagnostic::Faults;
use crate::flow::{
    Ask, Backoff, Draft, Dynamic, Entry, Flow, Input, Keep, Limits, Millis, Retry, Slot, SlotKind,
    Step, Trigger,
};
use crate::ids::{FlowName, SlotName, StepId};
use crate::yaml::{Data, Node};

/// Reads what can be read. A missing or wrong flow name becomes `flow`; its fault was told already.
pub(super) fn draft(root: &Node) -> Draft {
    let mut build_time = BTreeMap::new();
    let mut connections = IndexMap::new();
    for entry in entries(root.get("connections")) {
        if let (Ok(name), Some(slot)) = (entry.key.parse::<SlotName>(), slot(&entry.value)) {
            if let Some(value) = text(&entry.value, "build_time") {
                build_time.insert(name.clone(), value);
            }
            connections.insert(name, slot);
        }
    }
    let steps = entries(root.get("steps"))
        .iter()
        .filter_map(|entry| Some((entry.key.parse::<StepId>().ok()?, step(&entry.value)?)));
    let flow = Flow {
        language: 1,
        flow: parsed(root, "flow")
            .or_else(|| FlowName::from_str("flow").ok())
            .unwrap_or_else(|| unreachable!("a good name")),
        title: text(root, "title"),
        description: text(root, "description"),
        trigger: trigger(root.get("trigger")),
        inputs: entries(root.get("inputs"))
            .iter()
            .map(|entry| (entry.key.clone(), input(&entry.value)))
            .collect(),
        connections,
        steps: steps.collect(),
        outputs: entries(root.get("outputs"))
            .iter()
            .map(|entry| (entry.key.clone(), entry.value.to_json()))
            .collect(),
        limits: Limits {
            run_ms: root.get("limits").and_then(|limits| millis(limits, "run")),
            pause_ms: root
                .get("limits")
                .and_then(|limits| millis(limits, "pause")),
            items: None,
        },
        on_error: None,
        concurrency: None,
    };
    Draft { flow, build_time }
}

fn entries(node: Option<&Node>) -> &[crate::yaml::Entry] {
    node.and_then(Node::as_map).unwrap_or_default()
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.as_text().map(str::to_owned)
}

fn parsed<T: FromStr>(node: &Node, key: &str) -> Option<T> {
    node.get(key)?.as_text()?.parse().ok()
}

fn millis(node: &Node, key: &str) -> Option<Millis> {
    let duration = node.get(key)?.duration(&mut Faults::default())?;
    u64::try_from(duration.as_millis()).ok().map(Millis)
}

fn word<T: Copy>(node: &Node, key: &str, words: &[(&str, T)]) -> Option<T> {
    let written = node.get(key)?.as_text()?;
    words
        .iter()
        .find(|(word, _)| *word == written)
        .map(|(_, value)| *value)
}

fn trigger(node: Option<&Node>) -> Trigger {
    let words = [
        ("button", Entry::Button),
        ("run_once", Entry::RunOnce),
        ("api", Entry::Api),
        ("cli", Entry::Cli),
    ];
    let from = node
        .and_then(|node| node.get("on_demand"))
        .and_then(|node| node.get("from"))
        .and_then(Node::as_list)
        .unwrap_or_default();
    let from = from.iter().filter_map(|item| {
        words
            .iter()
            .find(|(word, _)| Some(*word) == item.as_text())
            .map(|(_, entry)| *entry)
    });
    Trigger::OnDemand {
        from: from.collect(),
    }
}

/// `required: true|false` is ours; any other `required` belongs to the schema.
fn input(node: &Node) -> Input {
    let mut schema = match node.to_json() {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    let said = schema.get("required").and_then(Value::as_bool);
    if said.is_some() {
        schema.remove("required");
    }
    let required = said.unwrap_or(!schema.contains_key("default"));
    Input {
        schema: Value::Object(schema),
        required,
    }
}

fn slot(node: &Node) -> Option<Slot> {
    let kind = match (node.get("dynamic"), parsed(node, "connection")) {
        (None, Some(name)) => SlotKind::Connection(name),
        (dynamic, _) => SlotKind::Dynamic(dynamic.map(self::dynamic).unwrap_or_default()),
    };
    Some(Slot {
        app: parsed(node, "app")?,
        kind,
    })
}

fn dynamic(node: &Node) -> Dynamic {
    let scopes = node
        .get("scopes")
        .and_then(Node::as_list)
        .unwrap_or_default();
    Dynamic {
        of: None,
        enabled: None,
        ask: word(
            node,
            "ask",
            &[("up_front", Ask::UpFront), ("when_needed", Ask::WhenNeeded)],
        )
        .unwrap_or(Ask::UpFront),
        keep: word(
            node,
            "keep",
            &[("always", Keep::Always), ("run", Keep::Run)],
        )
        .unwrap_or(Keep::Always),
        scopes: scopes
            .iter()
            .filter_map(Node::as_text)
            .map(str::to_owned)
            .collect(),
        parent: parsed(node, "parent"),
        why: text(node, "why"),
    }
}

fn step(node: &Node) -> Option<Step> {
    let needs = node
        .get("needs")
        .filter(|needs| needs.data != Data::Null)
        .map(|needs| match &needs.data {
            Data::List(items) => items
                .iter()
                .filter_map(|item| item.as_text()?.parse().ok())
                .collect(),
            _ => needs
                .as_text()
                .and_then(|text| text.parse().ok())
                .into_iter()
                .collect(),
        });
    let effects = [
        ("read", Effect::Read),
        ("idempotent", Effect::Idempotent),
        ("at_most_once", Effect::AtMostOnce),
    ];
    let condition = node.get("if").and_then(|node| match &node.data {
        Data::Bool(value) => Some(value.to_string()),
        Data::Text(text) => Some(text.value.clone()),
        _ => None,
    });
    Some(Step {
        title: text(node, "title"),
        uses: Some(parsed(node, "uses")?),
        connection: parsed(node, "connection"),
        with: node.get("with").map(Node::to_json).unwrap_or_default(),
        condition,
        needs,
        retry: node.get("retry").and_then(retry),
        timeout: millis(node, "timeout"),
        effect: word(node, "effect", &effects),
        ..Step::default()
    })
}

fn retry(node: &Node) -> Option<Retry> {
    let attempts = match &node.data {
        Data::Number(number) => number.as_u64()?,
        _ => match &node.get("attempts")?.data {
            Data::Number(number) => number.as_u64()?,
            _ => return None,
        },
    };
    Some(Retry {
        attempts: u32::try_from(attempts).ok()?,
        first_delay_ms: millis(node, "first_delay").unwrap_or(Millis(1000)),
        max_delay_ms: millis(node, "max_delay").unwrap_or(Millis(60_000)),
        backoff: Backoff::default(),
        on: Vec::new(),
    })
}
