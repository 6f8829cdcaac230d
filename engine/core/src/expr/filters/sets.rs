//! Filters that put the items of lists together in other ways: groups, sets, pieces, averages.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::expr::budget::{MAP, VALUE};
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::lists::key_of;
use crate::expr::filters::{count_of, filters, name_of, number};
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val};

filters! {
    "batch" (1, 2) ["size", "fill"] batch, "batch(size, fill)", "lists of so many items each, the last filled up if `fill` is given", "[1, 2, 3] | batch(2)" => "[[1,2],[3]]";
    "zip" (1, 8) [] zip, "zip(other, …)", "lists of the items at the same place, as long as the shortest", "['a', 'b'] | zip([1, 2])" => "[[\"a\",1],[\"b\",2]]";
    "flatten" (0, 1) ["levels"] flatten, "flatten(levels)", "the items of lists in the list, on all levels or so many", "[1, [2, [3]]] | flatten" => "[1,2,3]";
    "compact" (0, 0) [] compact, "compact", "a list or map without null and empty texts, lists and maps", "['a', '', none, 0] | compact" => "[\"a\",0]";
    "index_of" (1, 1) ["item"] index_of, "index_of(item)", "the place of an item in a list or a part in a text, from 0; null if it is not there", "['a', 'b'] | index_of('b')" => "1";
    "union" (1, 1) ["other"] |machine, val, given| set(machine, val, given, "union"), "union(other)", "what is in either list, once", "[1, 2] | union([2, 3])" => "[1,2,3]";
    "intersect" (1, 1) ["other"] |machine, val, given| set(machine, val, given, "intersect"), "intersect(other)", "what is in both lists, once", "[1, 2] | intersect([2, 3])" => "[2]";
    "difference" (1, 1) ["other"] |machine, val, given| set(machine, val, given, "difference"), "difference(other)", "what is in the first list only, once", "[1, 2] | difference([2, 3])" => "[1]";
    "symmetric_difference" (1, 1) ["other"] |machine, val, given| set(machine, val, given, "symmetric_difference"), "symmetric_difference(other)", "what is in one of the lists only, once", "[1, 2] | symmetric_difference([2, 3])" => "[1,3]";
    "groupby" (0, 1) ["attribute", "default"] groupby, "groupby(attribute, default=)", "maps {grouper, list} of the items with the same field, in the order of the field", "([{'k': 'b', 'n': 1}, {'k': 'a', 'n': 2}] | groupby('k'))[0]" => "{\"grouper\":\"a\",\"list\":[{\"k\":\"a\",\"n\":2}]}";
    "index_by" (0, 1) ["attribute"] index_by, "index_by(attribute)", "a map from a field of each item to the item; the last one stays", "([{'id': 7, 'n': 'a'}] | index_by('id'))['7'].n" => "\"a\"";
    "average" (0, 0) ["attribute"] average, "average(attribute=)", "the arithmetic mean", "[1, 2, 6] | average" => "3.0";
    "median" (0, 0) ["attribute"] median, "median(attribute=)", "the middle one, or the mean of the two in the middle", "[5, 1, 9] | median" => "5";
}

fn batch<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let size = count_of(&mut given, (0, "size"), "batch", 1..=1_000_000)?.unwrap_or(1);
    let fill = given.take(1, "fill");
    let items = machine.items(val, "`batch`")?;
    machine.make((items.len() + items.len().div_ceil(size)) * VALUE)?;
    let mut batches = Vec::with_capacity(items.len().div_ceil(size));
    let mut rest = items.into_iter();
    loop {
        let mut piece: Vec<Val<'a>> = rest.by_ref().take(size).collect();
        if piece.is_empty() {
            break;
        }
        if let Some(fill) = &fill {
            machine.make((size - piece.len()) * VALUE)?;
            while piece.len() < size {
                piece.push(machine.copy(fill)?);
            }
        }
        batches.push(Val::List(piece));
    }
    Ok(Val::List(batches))
}

fn zip<'a>(machine: &mut Machine<'a>, val: Val<'a>, given: Given<'a>) -> Out<Val<'a>> {
    let mut lists = vec![machine.items(val, "`zip`")?.into_iter()];
    for other in given.placed {
        lists.push(machine.items(other, "`zip`")?.into_iter());
    }
    let length = lists.iter().map(ExactSizeIterator::len).min().unwrap_or(0);
    machine.make(length * (lists.len() + 1) * VALUE)?;
    let mut zipped = Vec::with_capacity(length);
    for _ in 0..length {
        zipped.push(Val::List(
            lists.iter_mut().filter_map(Iterator::next).collect(),
        ));
    }
    Ok(Val::List(zipped))
}

fn flatten<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let levels = count_of(&mut given, (0, "levels"), "flatten", 0..=1000)?.unwrap_or(1000);
    let items = machine.items(val, "`flatten`")?;
    let mut flat = Vec::new();
    add_flat(machine, items, levels, &mut flat)?;
    Ok(Val::List(flat))
}

fn add_flat<'a>(
    machine: &mut Machine<'a>,
    items: Vec<Val<'a>>,
    levels: usize,
    flat: &mut Vec<Val<'a>>,
) -> Out<()> {
    machine.make(items.len() * VALUE)?;
    for item in items {
        if levels > 0 && item.kind() == "a list" {
            let inner = machine.items(item, "`flatten`")?;
            add_flat(machine, inner, levels - 1, flat)?;
        } else {
            flat.push(item);
        }
    }
    Ok(())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn compact<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    if let Some(Value::Object(_)) = val.value() {
        let Value::Object(mut fields) = machine.own(val)? else {
            return Ok(Val::Own(Value::Null));
        };
        fields.retain(|_, value| !is_nothing(value));
        return Ok(Val::Own(Value::Object(fields)));
    }
    let items = machine.items(val, "`compact`")?;
    machine.make(items.len() * VALUE)?;
    let kept = items.into_iter().filter(|item| match item {
        Val::List(items) => !items.is_empty(),
        other => other.value().is_some_and(|value| !is_nothing(value)),
    });
    Ok(Val::List(kept.collect()))
}

fn index_of<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let wanted = given.take(0, "item").unwrap_or(Val::Own(Value::Null));
    let wanted = machine.settle(wanted)?;
    let wanted = wanted.value().unwrap_or(&Value::Null);
    let mut place = None;
    if let (Some(text), Value::String(part)) = (val.as_text(), wanted) {
        machine.scan(text.len() * 2 + part.len())?;
        place = text
            .find(part.as_str())
            .map(|byte| text[..byte].chars().count());
    } else {
        for (n, item) in machine.items(val, "`index_of`")?.into_iter().enumerate() {
            let item = machine.settle(item)?;
            if machine.equal(item.value().unwrap_or(&Value::Null), wanted)? {
                place = Some(n);
                break;
            }
        }
    }
    Ok(Val::Own(place.map_or(Value::Null, Value::from)))
}

/// What makes two items the same: their JSON.
fn identity<'a>(machine: &mut Machine<'a>, item: &Val<'a>) -> Out<String> {
    match item {
        Val::List(_) => {
            let copy = machine.copy(item)?;
            let copy = machine.own(copy)?;
            machine.json(&copy)
        }
        item => machine.json(item.value().unwrap_or(&Value::Null)),
    }
}

fn set<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
    filter: &str,
) -> Out<Val<'a>> {
    let other = given.take(0, "other").unwrap_or(Val::Own(Value::Null));
    let name = format!("`{filter}`");
    let (mine, others) = (machine.items(val, &name)?, machine.items(other, &name)?);
    machine.make((mine.len() + others.len()) * 2 * VALUE)?;
    let mut ids = |items: Vec<Val<'a>>| -> Out<Vec<(String, Val<'a>)>> {
        items
            .into_iter()
            .map(|item| Ok((identity(machine, &item)?, item)))
            .collect()
    };
    let (mine, others) = (ids(mine)?, ids(others)?);
    let names = |items: &[(String, Val<'a>)]| -> HashSet<String> {
        items.iter().map(|(id, _)| id.clone()).collect()
    };
    // The names were paid for as texts; the sets hold them once more.
    let sizes = mine.iter().chain(&others).map(|(id, _)| id.len()).sum();
    machine.make(sizes)?;
    let (in_mine, in_others) = (names(&mine), names(&others));
    let kept: Vec<(String, Val<'a>)> = match filter {
        "union" => mine.into_iter().chain(others).collect(),
        "intersect" => mine
            .into_iter()
            .filter(|(id, _)| in_others.contains(id))
            .collect(),
        "difference" => mine
            .into_iter()
            .filter(|(id, _)| !in_others.contains(id))
            .collect(),
        _ => {
            let left = mine.into_iter().filter(|(id, _)| !in_others.contains(id));
            left.chain(others.into_iter().filter(|(id, _)| !in_mine.contains(id)))
                .collect()
        }
    };
    let mut seen = HashSet::new();
    let once = kept
        .into_iter()
        .filter_map(|(id, item)| seen.insert(id).then_some(item));
    Ok(Val::List(once.collect()))
}

fn groupby<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, 0, "attribute")?;
    let fallback = given.take(usize::MAX, "default");
    let items = machine.items(val, "`groupby`")?;
    machine.make(items.len() * 2 * VALUE)?;
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (n, item) in items.into_iter().enumerate() {
        let key = match (key_of(machine, &item, path.as_deref(), n), &fallback) {
            (Err(error), Some(fallback)) if error.code.as_deref() == Some("missing_field") => {
                machine.copy(fallback)?
            }
            (key, _) => key?,
        };
        let key = machine.own(key)?;
        let id = machine.json(&key)?;
        let place = match known.get(&id) {
            Some(place) => *place,
            None => {
                machine.make(id.len() + MAP + 4 * VALUE)?;
                known.insert(id, groups.len());
                groups.push((key, Vec::new()));
                groups.len() - 1
            }
        };
        let item = machine.own(item)?;
        if let Some((_, members)) = groups.get_mut(place) {
            members.push(item);
        }
    }
    let mut failed = None;
    groups.sort_by(|(a, _), (b, _)| {
        if failed.is_some() {
            return std::cmp::Ordering::Equal;
        }
        machine.order_any(a, b).unwrap_or_else(|error| {
            failed = Some(error);
            std::cmp::Ordering::Equal
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(Val::Own(
            groups
                .into_iter()
                .map(|(key, members)| json!({"grouper": key, "list": members}))
                .collect(),
        )),
    }
}

fn index_by<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, 0, "attribute")?;
    let items = machine.items(val, "`index_by`")?;
    machine.make(MAP + items.len() * VALUE)?;
    let mut by_key = Map::new();
    for (n, item) in items.into_iter().enumerate() {
        let key = key_of(machine, &item, path.as_deref(), n)?;
        let key = machine.key(key)?;
        by_key.insert(key, machine.own(item)?);
    }
    Ok(Val::Own(Value::Object(by_key)))
}

/// The numbers of a list, of which there must be one.
fn numbers<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    given: &mut Given<'a>,
    filter: &str,
) -> Out<Vec<Num>> {
    let path = name_of(machine, given, usize::MAX, "attribute")?;
    let items = machine.items(val, &format!("`{filter}`"))?;
    machine.make(items.len() * VALUE)?;
    let mut numbers = Vec::with_capacity(items.len());
    for (n, item) in items.into_iter().enumerate() {
        let item = key_of(machine, &item, path.as_deref(), n)?;
        numbers.push(number(&item, filter)?);
    }
    if numbers.is_empty() {
        return Err(Box::new(
            fail(format!("the list is empty: it has no {filter}")).with_code("missing_field"),
        ));
    }
    Ok(numbers)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no list has more than 2^53 items"
)]
fn average<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let numbers = numbers(machine, val, &mut given, "average")?;
    let sum: f64 = numbers.iter().map(|number| number.float()).sum();
    number_or_fail(Num::Float(sum / numbers.len() as f64))
}

fn median<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let mut numbers = numbers(machine, val, &mut given, "median")?;
    // Sorting looks at each number about so often as its count has binary digits.
    machine.burn(numbers.len() * usize::try_from(numbers.len().ilog2() + 1).unwrap_or(64) / 4)?;
    numbers.sort_by(|a, b| a.float().total_cmp(&b.float()));
    let middle = numbers.len() / 2;
    match (numbers.get(middle.wrapping_sub(1)), numbers.get(middle)) {
        (Some(low), Some(high)) if numbers.len().is_multiple_of(2) => {
            number_or_fail(Num::Float(f64::midpoint(low.float(), high.float())))
        }
        (_, Some(one)) => number_or_fail(*one),
        (_, None) => Ok(Val::Own(Value::Null)),
    }
}

/// Groups are kept in the order of their keys; kinds of values that have no order among themselves go one after the other.
impl Machine<'_> {
    fn order_any(&mut self, a: &Value, b: &Value) -> Out<std::cmp::Ordering> {
        let rank = |value: &Value| match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            Value::String(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        };
        match (a, b) {
            (Value::Bool(x), Value::Bool(y)) => Ok(x.cmp(y)),
            _ if rank(a) != rank(b) => Ok(rank(a).cmp(&rank(b))),
            (Value::Number(_) | Value::String(_), _) => self.order(a, b),
            _ => Ok(std::cmp::Ordering::Equal),
        }
    }
}
