//! `core.transform`: a list filtered, sorted, cut, reshaped and grouped, in this order. Fields are literal paths; nothing is evaluated.

use std::cmp::Ordering;

use actas_core::StepError;
use serde_json::{Map, Value, json};

/// Performs the module.
pub fn transform(input: &Value) -> Result<Value, StepError> {
    let mut items: Vec<&Value> = input["items"].as_array().into_iter().flatten().collect();
    if let Some(conditions) = input["where"].as_object() {
        items.retain(|item| {
            conditions
                .iter()
                .all(|(path, wanted)| is(at(item, path), wanted))
        });
    }
    let keys = texts(&input["sort"]);
    // A stable sort: equal items stay in the order they came in.
    items.sort_by(|a, b| {
        keys.iter().fold(Ordering::Equal, |so_far, key| {
            so_far.then_with(|| by(key, a, b))
        })
    });
    if let Some(limit) = input["limit"].as_u64() {
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let shaped: Vec<Value> = items
        .iter()
        .map(|item| pick(item, &input["pick"]))
        .collect();
    let mut output = json!({"count": shaped.len()});
    if let Some(path) = input["group"].as_str() {
        output["groups"] = groups(
            items
                .iter()
                .map(|item| at(item, path))
                .zip(shaped.iter().cloned()),
        );
    }
    output["items"] = shaped.into();
    Ok(output)
}

/// The value at a path such as `owner.name` or `lines.0`; null where there is none.
fn at<'v>(item: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(item, |value, part| match value {
        Value::Array(items) => part
            .parse::<usize>()
            .ok()
            .and_then(|n| items.get(n))
            .unwrap_or(&Value::Null),
        other => &other[part],
    })
}

/// True for the value wanted, or for one of them.
fn is(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(several) if !value.is_array() => several.iter().any(|one| equal(value, one)),
        one => equal(value, one),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Booleans before numbers before texts before lists and objects; what is missing comes last, in either direction.
fn by(key: &str, a: &Value, b: &Value) -> Ordering {
    let (path, turned) = match key.strip_prefix('-') {
        Some(path) => (path, true),
        None => (key, false),
    };
    let (a, b) = (at(a, path), at(b, path));
    if a.is_null() || b.is_null() {
        return a.is_null().cmp(&b.is_null());
    }
    let order = match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a
            .as_f64()
            .unwrap_or(0.0)
            .total_cmp(&b.as_f64().unwrap_or(0.0)),
        _ => rank(a).cmp(&rank(b)),
    };
    if turned { order.reverse() } else { order }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        Value::String(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Of a list of paths each under its last name; of a map each under its new name; else the item as it is.
fn pick(item: &Value, wanted: &Value) -> Value {
    let picked = |name: &str, path: &str| (name.to_owned(), at(item, path).clone());
    match wanted {
        Value::Array(paths) => paths
            .iter()
            .filter_map(Value::as_str)
            .map(|path| picked(path.rsplit('.').next().unwrap_or(path), path))
            .collect::<Map<_, _>>()
            .into(),
        Value::Object(names) => names
            .iter()
            .filter_map(|(name, path)| Some(picked(name, path.as_str()?)))
            .collect::<Map<_, _>>()
            .into(),
        _ => item.clone(),
    }
}

fn groups<'v>(items: impl Iterator<Item = (&'v Value, Value)>) -> Value {
    let mut order = Vec::new();
    let mut members: std::collections::HashMap<String, (Value, Vec<Value>)> =
        std::collections::HashMap::new();
    for (key, item) in items {
        let name = key.to_string();
        let (_, group) = members.entry(name.clone()).or_insert_with(|| {
            order.push(name);
            (key.clone(), Vec::new())
        });
        group.push(item);
    }
    let groups = order.iter().filter_map(|name| members.remove(name));
    groups
        .map(|(key, items)| json!({"key": key, "count": items.len(), "items": items}))
        .collect()
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
