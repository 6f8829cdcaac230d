//! `core.transform`: the items of a list expanded, joined, filtered, sorted, cut, reshaped, grouped and added up, in this order. Fields are
//! literal paths; nothing is evaluated.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use actas_core::StepError;
use serde_json::{Map, Number, Value, json};

use super::copies::Copies;
use super::invalid;

/// An item as it was given, or as it was made.
type Item<'v> = Cow<'v, Value>;

/// Performs the module.
pub fn transform(input: &Value) -> Result<Value, StepError> {
    let copies = &mut Copies::new();
    let given = input["items"].as_array().into_iter().flatten();
    let mut items: Vec<Item<'_>> = given.map(Cow::Borrowed).collect();
    if let Some(path) = input["expand"].as_str() {
        items = expand(&items, path, copies)?;
    }
    if let Some(join) = input["join"].as_object() {
        items = join_with(items, join, copies)?;
    }
    if let Some(conditions) = input["where"].as_object() {
        items.retain(|item| {
            conditions
                .iter()
                .all(|(path, wanted)| is(at(item, path), wanted))
        });
    }
    let same = texts(&input["unique"]);
    if !same.is_empty() {
        let mut seen = HashSet::new();
        items.retain(|item| {
            let key: Vec<&Value> = same.iter().map(|path| at(item, path)).collect();
            seen.insert(serde_json::to_string(&key).unwrap_or_default())
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
        .map(|item| pick(item, &input["pick"], copies))
        .collect::<Result<_, _>>()?;
    let mut output = json!({"count": shaped.len()});
    let wanted = input["aggregate"].as_object();
    if let Some(path) = input["group"].as_str() {
        output["groups"] = groups(&items, path, &shaped, wanted, copies)?;
    } else if let Some(wanted) = wanted {
        let all: Vec<&Value> = items.iter().map(|item| &**item).collect();
        output["totals"] = Value::Object(aggregate(&all, wanted, copies)?);
    }
    output["items"] = shaped.into();
    Ok(output)
}

/// One item for each item of the list at a path, with that in the place of the list. Without a list there is nothing to expand.
fn expand<'v>(
    items: &[Item<'v>],
    path: &str,
    copies: &mut Copies,
) -> Result<Vec<Item<'v>>, StepError> {
    let mut expanded = Vec::new();
    for item in items {
        match at(item, path) {
            Value::Array(inner) => {
                for one in inner {
                    let item = replaced(item, path, one, copies)?;
                    expanded.push(Cow::Owned(item));
                }
            }
            Value::Null => {}
            _ => expanded.push(item.clone()),
        }
    }
    Ok(expanded)
}

/// The value with another one at a path.
fn replaced(
    value: &Value,
    path: &str,
    with: &Value,
    copies: &mut Copies,
) -> Result<Value, StepError> {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let inside = |value: &Value, copies: &mut Copies| match rest {
        Some(rest) => replaced(value, rest, with, copies),
        None => copies.copy(with),
    };
    match value {
        Value::Object(fields) => {
            copies.pay_for_map(fields.len())?;
            let mut copy = Map::new();
            for (key, value) in fields {
                copies.pay(key.len())?;
                let value = if key == name {
                    inside(value, copies)?
                } else {
                    copies.copy(value)?
                };
                copy.insert(key.clone(), value);
            }
            Ok(Value::Object(copy))
        }
        Value::Array(items) => {
            let mut copy = Vec::new();
            for (place, value) in items.iter().enumerate() {
                copy.push(if name.parse() == Ok(place) {
                    inside(value, copies)?
                } else {
                    copies.copy(value)?
                });
            }
            Ok(Value::Array(copy))
        }
        other => copies.copy(other),
    }
}

/// What two values that are the same have in common: 1 and 1.0 are.
fn identity(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => format!("{number}"),
        None => value.to_string(),
    }
}

/// Each item with what a second list has for it.
fn join_with<'v>(
    items: Vec<Item<'v>>,
    join: &Map<String, Value>,
    copies: &mut Copies,
) -> Result<Vec<Item<'v>>, StepError> {
    let word = |name: &str| join.get(name).and_then(Value::as_str);
    let (on, name) = (
        word("on").unwrap_or_default(),
        word("as").unwrap_or_default(),
    );
    let to = word("to").unwrap_or(on);
    let flag = |name: &str| join.get(name) == Some(&Value::Bool(true));
    let (many, matched) = (flag("many"), word("keep") == Some("matched"));
    let others = join.get("with").and_then(Value::as_array);
    let mut by_key: HashMap<String, Vec<&Value>> = HashMap::new();
    for other in others.into_iter().flatten() {
        let key = at(other, to);
        if !key.is_null() {
            by_key.entry(identity(key)).or_default().push(other);
        }
    }
    let mut joined = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        let key = at(&item, on);
        let found = by_key.get(&identity(key)).filter(|_| !key.is_null());
        if matched && found.is_none() {
            continue;
        }
        let found = found.map(Vec::as_slice).unwrap_or_default();
        let value = match (many, found.first()) {
            (true, _) => found
                .iter()
                .map(|one| copies.copy(one))
                .collect::<Result<_, _>>()?,
            (false, Some(first)) => copies.copy(first)?,
            (false, None) => Value::Null,
        };
        let Value::Object(mut fields) = (match item {
            Cow::Borrowed(item) => copies.copy(item)?,
            Cow::Owned(item) => item,
        }) else {
            return Err(invalid(
                "bad_item",
                format!("item {place} of the list is no map, which `join` needs"),
            ));
        };
        fields.insert(name.to_owned(), value);
        joined.push(Cow::Owned(Value::Object(fields)));
    }
    Ok(joined)
}

/// What is reckoned of some items, by name.
fn aggregate(
    items: &[&Value],
    wanted: &Map<String, Value>,
    copies: &mut Copies,
) -> Result<Map<String, Value>, StepError> {
    let mut reckoned = Map::new();
    for (name, how) in wanted {
        let Some((what, path)) = how.as_object().and_then(|how| how.iter().next()) else {
            continue;
        };
        let of = || {
            let path = path.as_str();
            items
                .iter()
                .map(move |item| path.map_or(*item, |path| at(item, path)))
                .filter(|value| !value.is_null())
        };
        let best = |order: Ordering| {
            of().reduce(|best, value| {
                if compare(value, best) == order {
                    value
                } else {
                    best
                }
            })
        };
        let value = match what.as_str() {
            "count" => Value::from(of().count()),
            "sum" => sum(of(), name)?,
            "average" => match of().count() {
                0 => Value::Null,
                count => mean(&sum(of(), name)?, count),
            },
            "min" => copies.copy(best(Ordering::Less).unwrap_or(&Value::Null))?,
            "max" => copies.copy(best(Ordering::Greater).unwrap_or(&Value::Null))?,
            "first" => copies.copy(of().next().unwrap_or(&Value::Null))?,
            "last" => copies.copy(of().next_back().unwrap_or(&Value::Null))?,
            "values" => of()
                .map(|value| copies.copy(value))
                .collect::<Result<_, _>>()?,
            _ => Value::Null,
        };
        reckoned.insert(name.clone(), value);
    }
    Ok(reckoned)
}

/// Whole numbers stay whole as long as they are exact.
fn sum<'v>(values: impl Iterator<Item = &'v Value>, name: &str) -> Result<Value, StepError> {
    let (mut whole, mut float) = (Some(0_i64), 0.0);
    for value in values {
        let Some(number) = value.as_f64() else {
            return Err(invalid(
                "bad_item",
                format!("`{name}` of `aggregate` adds up numbers, and there is something else"),
            ));
        };
        float += number;
        whole = whole
            .zip(value.as_i64())
            .and_then(|(sum, number)| sum.checked_add(number));
    }
    let exact = whole.filter(|sum| sum.unsigned_abs() <= 1 << 53);
    Ok(exact.map_or_else(
        || Number::from_f64(float).map_or(Value::Null, Value::Number),
        Value::from,
    ))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no list has more than 2^53 items"
)]
fn mean(sum: &Value, count: usize) -> Value {
    let mean = sum.as_f64().unwrap_or_default() / count as f64;
    Number::from_f64(mean).map_or(Value::Null, Value::Number)
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
    let order = compare(a, b);
    if turned { order.reverse() } else { order }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a
            .as_f64()
            .unwrap_or(0.0)
            .total_cmp(&b.as_f64().unwrap_or(0.0)),
        _ => rank(a).cmp(&rank(b)),
    }
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
fn pick(item: &Value, wanted: &Value, copies: &mut Copies) -> Result<Value, StepError> {
    let mut picked = Map::new();
    let mut add = |name: &str, path: &str| {
        copies.pay(name.len())?;
        picked.insert(name.to_owned(), copies.copy(at(item, path))?);
        Ok(())
    };
    match wanted {
        Value::Array(paths) => paths
            .iter()
            .filter_map(Value::as_str)
            .try_for_each(|path| add(path.rsplit('.').next().unwrap_or(path), path))?,
        Value::Object(names) => names
            .iter()
            .filter_map(|(name, path)| Some((name, path.as_str()?)))
            .try_for_each(|(name, path)| add(name, path))?,
        _ => return copies.copy(item),
    }
    Ok(Value::Object(picked))
}

/// Groups in the order of first appearance, with what was made of their items and what is reckoned of them.
fn groups(
    items: &[Item<'_>],
    path: &str,
    shaped: &[Value],
    wanted: Option<&Map<String, Value>>,
    copies: &mut Copies,
) -> Result<Value, StepError> {
    let mut order: Vec<(&Value, Vec<usize>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, item) in items.iter().enumerate() {
        let key = at(item, path);
        let place = *places.entry(key.to_string()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(number);
    }
    let mut groups = Vec::new();
    for (key, members) in order {
        let mut group = match wanted {
            Some(wanted) => {
                let members: Vec<&Value> = members.iter().map(|n| &*items[*n]).collect();
                aggregate(&members, wanted, copies)?
            }
            None => Map::new(),
        };
        let made = members.iter().map(|n| copies.copy(&shaped[*n]));
        let made: Value = made.collect::<Result<_, _>>()?;
        group.insert("key".to_owned(), copies.copy(key)?);
        group.insert("count".to_owned(), Value::from(members.len()));
        group.insert("items".to_owned(), made);
        groups.push(Value::Object(group));
    }
    Ok(Value::Array(groups))
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
