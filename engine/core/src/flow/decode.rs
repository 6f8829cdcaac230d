//! From a tree to a [`Draft`]. The tree was checked against the tables of the language; what did not pass is left out here, so that the
//! rest can still be checked.

use std::collections::BTreeMap;
use std::str::FromStr;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::app::Effect;
use crate::diagnostic::Faults;
use crate::flow::{
    Ask, Backoff, Body, Concurrency, Draft, Dynamic, Flow, Input, Keep, Limits, Millis, OnError,
    OnItemError, Retry, Slot, SlotKind, Step, WhenFull,
};
use crate::ids::{FlowName, SlotName, StepId};
use crate::yaml::{Data, Node};

mod trigger;

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
    let flow = Flow {
        language: 1,
        flow: parsed(root, "flow")
            .or_else(|| FlowName::from_str("flow").ok())
            .unwrap_or_else(|| unreachable!("a good name")),
        title: text(root, "title"),
        description: text(root, "description"),
        trigger: trigger::read(root.get("trigger")),
        inputs: entries(root.get("inputs"))
            .iter()
            .map(|entry| (entry.key.clone(), input(&entry.value)))
            .collect(),
        connections,
        steps: steps(root.get("steps")),
        outputs: outputs(root.get("outputs")).unwrap_or_default(),
        limits: Limits {
            run_ms: root.get("limits").and_then(|limits| millis(limits, "run")),
            pause_ms: root
                .get("limits")
                .and_then(|limits| millis(limits, "pause")),
            items: root
                .get("limits")
                .and_then(|limits| integer(limits, "items")),
        },
        on_error: root.get("on_error").and_then(on_error),
        concurrency: root.get("concurrency").and_then(concurrency),
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

fn integer<T: TryFrom<u64>>(node: &Node, key: &str) -> Option<T> {
    match &node.get(key)?.data {
        Data::Number(number) => T::try_from(number.as_u64()?).ok(),
        _ => None,
    }
}

/// One expression; booleans and numbers count as their text.
fn expression(node: &Node, key: &str) -> Option<String> {
    match &node.get(key)?.data {
        Data::Bool(value) => Some(value.to_string()),
        Data::Number(number) => Some(number.to_string()),
        Data::Text(text) => Some(text.value.clone()),
        _ => None,
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
        of: parsed(node, "of"),
        enabled: node.get("enabled").and_then(|node| match node.data {
            Data::Bool(enabled) => Some(enabled),
            _ => None,
        }),
        why: text(node, "why"),
    }
}

fn steps(node: Option<&Node>) -> IndexMap<StepId, Step> {
    entries(node)
        .iter()
        .filter(|entry| entry.value.as_map().is_some())
        .filter_map(|entry| Some((entry.key.parse().ok()?, step(&entry.value))))
        .collect()
}

fn outputs(node: Option<&Node>) -> Option<IndexMap<String, Value>> {
    let entries = node?.as_map()?.iter();
    Some(
        entries
            .map(|entry| (entry.key.clone(), entry.value.to_json()))
            .collect(),
    )
}

fn body(node: &Node) -> Body {
    Body {
        steps: steps(node.get("steps")),
        outputs: outputs(node.get("outputs")),
    }
}

fn on_error(node: &Node) -> Option<OnError> {
    match node.as_text() {
        Some("fail") => Some(OnError::Fail),
        Some("continue") => Some(OnError::Continue),
        Some(_) => None,
        None => node.as_map().map(|_| OnError::Handle(body(node))),
    }
}

fn step(node: &Node) -> Step {
    let needs = node
        .get("needs")
        .filter(|needs| needs.data != Data::Null)
        .map(names);
    let effects = [
        ("read", Effect::Read),
        ("idempotent", Effect::Idempotent),
        ("at_most_once", Effect::AtMostOnce),
    ];
    let item_errors = [
        ("fail", OnItemError::Fail),
        ("continue", OnItemError::Continue),
    ];
    let condition = |key: &str| expression(node, key);
    let cases = entries(node.get("cases")).iter();
    Step {
        title: text(node, "title"),
        uses: parsed(node, "uses"),
        connection: parsed(node, "connection"),
        with: node.get("with").map(Node::to_json).unwrap_or_default(),
        condition: condition("if"),
        needs,
        retry: node.get("retry").and_then(retry),
        timeout: millis(node, "timeout"),
        effect: word(node, "effect", &effects),
        for_each: expression(node, "for_each"),
        parallel: integer(node, "parallel"),
        on_item_error: word(node, "on_item_error", &item_errors),
        while_: condition("while"),
        until: condition("until"),
        every: millis(node, "every"),
        max_rounds: integer(node, "max_rounds"),
        switch: expression(node, "switch"),
        cases: cases
            .map(|entry| (entry.key.clone(), body(&entry.value)))
            .collect(),
        default_case: node.get("default").map(body),
        steps: node.get("steps").map(|inner| steps(Some(inner))),
        outputs: outputs(node.get("outputs")),
        on_error: node.get("on_error").and_then(on_error),
        undo: node
            .get("undo")
            .filter(|undo| undo.as_map().is_some())
            .map(|undo| Box::new(step(undo))),
    }
}

/// One name, or a list of them.
fn names<T: FromStr>(node: &Node) -> Vec<T> {
    let read = |node: &Node| node.as_text().and_then(|text| text.parse().ok());
    match &node.data {
        Data::List(items) => items.iter().filter_map(read).collect(),
        _ => read(node).into_iter().collect(),
    }
}

fn retry(node: &Node) -> Option<Retry> {
    let attempts = match &node.data {
        Data::Number(number) => u32::try_from(number.as_u64()?).ok()?,
        _ => integer(node, "attempts")?,
    };
    let on = node.get("on").and_then(Node::as_list).unwrap_or_default();
    Some(Retry {
        attempts,
        first_delay_ms: millis(node, "first_delay").unwrap_or(Millis(1000)),
        max_delay_ms: millis(node, "max_delay").unwrap_or(Millis(60_000)),
        backoff: word(
            node,
            "backoff",
            &[
                ("constant", Backoff::Constant),
                ("exponential", Backoff::Exponential),
            ],
        )
        .unwrap_or_default(),
        on: on
            .iter()
            .filter_map(|kind| serde_json::from_value(kind.to_json()).ok())
            .collect(),
    })
}

fn concurrency(node: &Node) -> Option<Concurrency> {
    node.as_map()?;
    let when_full = [("queue", WhenFull::Queue), ("refuse", WhenFull::Refuse)];
    Some(Concurrency {
        limit: integer(node, "limit"),
        key: text(node, "key"),
        when_full: word(node, "when_full", &when_full).unwrap_or_default(),
    })
}
