//! Filters of lists. Items stay borrowed as long as nobody changes them.

use std::collections::HashSet;

use serde_json::Value;

use crate::expr::budget::VALUE;
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::{filters, find, is_on, name_of, number, text};
use crate::expr::functions;
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val};

filters! {
    "length" (0, 0) [] length, "length", "how many items, fields or characters", "[1, 2, 3] | length" => "3";
    "count" (0, 0) [] length, "count", "the same as `length`", "'Ana' | count" => "3";
    "first" (0, 1) ["default"] |machine, val, given| end(machine, val, given, "first"), "first(default)", "the first item", "[3, 1, 2] | first" => "3";
    "last" (0, 1) ["default"] |machine, val, given| end(machine, val, given, "last"), "last(default)", "the last item", "[] | last(none)" => "null";
    "join" (0, 1) ["attribute", "last"] join, "join(between='', attribute=, last=)", "the items as one text; `last` stands before the last one", "['a', 'b', 'c'] | join(', ', last=' and ')" => "\"a, b and c\"";
    "map" (0, 8) ["attribute", "default"] map, "map(attribute=path, default=) or map('filter', arguments…)", "a field of each item, or each item through a filter", "[{'n': 'a'}, {'n': 'b'}] | map(attribute='n')" => "[\"a\",\"b\"]";
    "select" (0, 2) [] |machine, val, given| choose(machine, val, given, false, true), "select('test', argument)", "the items for which a test holds, or that are not empty, zero or false", "[1, 2, 3, 4] | select('even')" => "[2,4]";
    "reject" (0, 2) [] |machine, val, given| choose(machine, val, given, false, false), "reject('test', argument)", "the items for which it does not", "[1, 2, 3, 4] | reject('gt', 2)" => "[1,2]";
    "selectattr" (1, 3) [] |machine, val, given| choose(machine, val, given, true, true), "selectattr(path, 'test', argument)", "the items for whose field a test holds", "[{'a': 1}, {'a': 5}] | selectattr('a', 'gt', 2)" => "[{\"a\":5}]";
    "rejectattr" (1, 3) [] |machine, val, given| choose(machine, val, given, true, false), "rejectattr(path, 'test', argument)", "the items for whose field it does not", "[{'a': 1}, {'a': 5}] | rejectattr('a', 'gt', 2)" => "[{\"a\":1}]";
    "sort" (0, 1) ["attribute", "reverse"] sort, "sort(reverse=false, attribute=)", "in order; equal items stay in theirs", "[3, 1, 2] | sort" => "[1,2,3]";
    "unique" (0, 0) ["attribute"] unique, "unique(attribute=)", "without repetitions", "[1, 2, 1] | unique" => "[1,2]";
    "reverse" (0, 0) [] reverse, "reverse", "a list or text turned round", "[1, 2, 3] | reverse" => "[3,2,1]";
    "list" (0, 0) [] |machine, val, _| machine.items(val, "`list`").map(Val::List), "list", "the list itself", "[1, 2] | list" => "[1,2]";
    "sum" (0, 0) ["attribute"] sum, "sum(attribute=)", "the sum of numbers", "[{'n': 2}, {'n': 3}] | sum(attribute='n')" => "5";
    "min" (0, 0) ["attribute"] |machine, val, given| extreme(machine, val, given, std::cmp::Ordering::Less), "min(attribute=)", "the smallest item", "[3, 1, 2] | min" => "1";
    "max" (0, 0) ["attribute"] |machine, val, given| extreme(machine, val, given, std::cmp::Ordering::Greater), "max(attribute=)", "the largest item", "[{'n': 2}, {'n': 3}] | max(attribute='n')" => "{\"n\":3}";
}

fn length<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let length = match (&val, val.value()) {
        (Val::List(items), _) => items.len(),
        (_, Some(Value::String(text))) => {
            machine.scan(text.len())?;
            text.chars().count()
        }
        (_, Some(Value::Array(items))) => items.len(),
        (_, Some(Value::Object(fields))) => fields.len(),
        _ => {
            return Err(fail(format!(
                "`length` needs a list, a map or a text, not {}",
                val.kind()
            )));
        }
    };
    Ok(Val::Own(Value::from(length)))
}

fn end<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
    filter: &str,
) -> Out<Val<'a>> {
    let mut items = machine.items(val, &format!("`{filter}`"))?;
    let found = if filter == "first" && !items.is_empty() {
        Some(items.swap_remove(0))
    } else {
        items.pop()
    };
    found.or_else(|| given.take(0, "default")).ok_or_else(|| {
        Box::new(
            fail(format!("the list has no {filter} item: it is empty"))
                .with_code("missing_field")
                .with_help("ask `list | length > 0` before"),
        )
    })
}

/// A field of an item by a dotted path; an error if it is missing.
fn attribute<'a>(machine: &mut Machine<'a>, item: &Val<'a>, path: &str) -> Out<Option<Val<'a>>> {
    machine.burn(path.len() / 8 + 1)?;
    Ok(match item {
        Val::Ref(within) => along(within, path).map(Val::Ref),
        Val::List(items) => {
            let (place, rest) = match path.split_once('.') {
                Some((place, rest)) => (place, Some(rest)),
                None => (path, None),
            };
            match (place.parse::<usize>().ok().and_then(|n| items.get(n)), rest) {
                (Some(found), Some(rest)) => attribute(machine, found, rest)?,
                (Some(found), None) => Some(machine.copy(found)?),
                (None, _) => None,
            }
        }
        computed => match computed.value().and_then(|within| along(within, path)) {
            Some(found) => Some(Val::Own(machine.json_copy(found)?)),
            None => None,
        },
    })
}

/// What a dotted path leads to.
pub(super) fn along<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |at, part| match at {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

fn needed<'a>(machine: &mut Machine<'a>, item: &Val<'a>, path: &str, place: usize) -> Out<Val<'a>> {
    attribute(machine, item, path)?.ok_or_else(|| {
        Box::new(
            fail(format!("`{path}` is missing in item {place} of the list"))
                .with_code("missing_field"),
        )
    })
}

pub(super) fn key_of<'a>(
    machine: &mut Machine<'a>,
    item: &Val<'a>,
    path: Option<&str>,
    place: usize,
) -> Out<Val<'a>> {
    match path {
        Some(path) => needed(machine, item, path, place),
        None => machine.copy(item).and_then(|item| machine.settle(item)),
    }
}

fn join<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let between = name_of(machine, &mut given, 0, "d")?.unwrap_or_default();
    let path = name_of(machine, &mut given, usize::MAX, "attribute")?;
    let before_last = name_of(machine, &mut given, usize::MAX, "last")?;
    let mut joined = String::new();
    let items = machine.items(val, "`join`")?;
    let count = items.len();
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            let between = match &before_last {
                Some(last) if n + 1 == count => last,
                _ => &between,
            };
            machine.make(between.len())?;
            joined.push_str(between);
        }
        let item = match &path {
            Some(path) => needed(machine, &item, path, n)?,
            None => item,
        };
        joined.push_str(&machine.display(item)?);
    }
    Ok(Val::Own(Value::String(joined)))
}

fn map<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    if !given.placed.is_empty() {
        return map_through(machine, val, given);
    }
    let Some(path) = name_of(machine, &mut given, usize::MAX, "attribute")? else {
        return Err(fail(
            "`map` needs either the name of a filter or `attribute=`",
        ));
    };
    let fallback = given.take(usize::MAX, "default");
    let mut mapped = Vec::new();
    for (n, item) in machine.items(val, "`map`")?.into_iter().enumerate() {
        mapped.push(match (attribute(machine, &item, &path)?, &fallback) {
            (Some(found), _) => found,
            (None, Some(fallback)) => machine.copy(fallback)?,
            (None, None) => needed(machine, &item, &path, n)?,
        });
    }
    Ok(Val::List(mapped))
}

/// Each item through a filter, which is given the other arguments.
fn map_through<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    if given.named.iter().any(|(name, _)| *name == "attribute") {
        return Err(fail(
            "`map` needs either the name of a filter or `attribute=`",
        ));
    }
    let name = name_of(machine, &mut given, 0, "filter")?.unwrap_or_default();
    let filter = find(&name).ok_or_else(|| fail(format!("there is no filter `{name}`")))?;
    let args: Vec<Val<'a>> = given.placed.into_iter().skip(1).collect();
    let count = args.len();
    if count + given.named.len() < filter.args.0 || count > filter.args.1 {
        return Err(fail(if filter.args.0 > 0 && count == 0 {
            format!("`map` cannot use `{name}`, which needs arguments")
        } else {
            format!("`map` gives `{name}` {count} arguments, which it does not take")
        }));
    }
    let mut mapped = Vec::new();
    for item in machine.items(val, "`map`")? {
        let mut again = Given::default();
        for arg in &args {
            again.placed.push(machine.copy(arg)?);
        }
        for (name, arg) in &given.named {
            again.named.push((name, machine.copy(arg)?));
        }
        mapped.push((filter.apply)(machine, item, again)?);
    }
    Ok(Val::List(mapped))
}

/// `select`, `reject` and their `attr` forms.
fn choose<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    given: Given<'a>,
    by_attribute: bool,
    keep: bool,
) -> Out<Val<'a>> {
    let mut args = given.placed.into_iter();
    let path = if by_attribute { args.next() } else { None };
    let path = path
        .as_ref()
        .map(|val| text(val, "selectattr"))
        .transpose()?
        .map(str::to_owned);
    let test = match args.next() {
        Some(name) => {
            let name = text(&name, "select")?;
            Some(functions::test(name).ok_or_else(|| fail(format!("there is no test `{name}`")))?)
        }
        None => None,
    };
    let args: Vec<Val<'a>> = args.map(|arg| machine.settle(arg)).collect::<Out<_>>()?;
    if let Some(test) = test
        && !(test.args.0..=test.args.1).contains(&args.len())
    {
        return Err(fail(format!(
            "the test `{}` takes {} arguments, not {}",
            test.name,
            test.args.0,
            args.len()
        )));
    }
    let mut chosen = Vec::new();
    for (n, item) in machine.items(val, "`select`")?.into_iter().enumerate() {
        let subject = match &path {
            Some(path) => match attribute(machine, &item, path)? {
                Some(found) => machine.settle(found)?,
                None if test.is_some_and(|test| test.takes_missing) => {
                    // Asked of a field that is not there.
                    if (test.is_some_and(|test| test.name == "undefined")) == keep {
                        chosen.push(item);
                    }
                    continue;
                }
                None => needed(machine, &item, path, n)?,
            },
            None => {
                let item = machine.copy(&item)?;
                machine.settle(item)?
            }
        };
        let holds = match test {
            Some(test) => (test.apply)(machine, &subject, &args)?,
            None => subject.truth(),
        };
        if holds == keep {
            chosen.push(item);
        }
    }
    Ok(Val::List(chosen))
}

fn sort<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, usize::MAX, "attribute")?;
    let backwards = is_on(&mut given, 0, "reverse");
    let items = machine.items(val, "`sort`")?;
    machine.make(items.len() * VALUE)?;
    let mut keyed = Vec::with_capacity(items.len());
    for (n, item) in items.into_iter().enumerate() {
        keyed.push((key_of(machine, &item, path.as_deref(), n)?, item));
    }
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        let (Some(a), Some(b)) = (a.value(), b.value()) else {
            return std::cmp::Ordering::Equal;
        };
        if failed.is_some() {
            return std::cmp::Ordering::Equal;
        }
        machine.order(a, b).unwrap_or_else(|error| {
            failed = Some(error);
            std::cmp::Ordering::Equal
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if backwards {
        keyed.reverse();
    }
    Ok(Val::List(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn unique<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, usize::MAX, "attribute")?;
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for (n, item) in machine.items(val, "`unique`")?.into_iter().enumerate() {
        let key = key_of(machine, &item, path.as_deref(), n)?;
        let key = match key.value() {
            Some(value) => machine.json(value)?,
            None => String::new(),
        };
        if seen.insert(key) {
            kept.push(item);
        }
    }
    Ok(Val::List(kept))
}

fn reverse<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    if let Some(text) = val.as_text() {
        machine.make(text.len())?;
        return Ok(Val::Own(Value::String(text.chars().rev().collect())));
    }
    let mut items = machine.items(val, "`reverse`")?;
    items.reverse();
    Ok(Val::List(items))
}

fn sum<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, usize::MAX, "attribute")?;
    let mut total = Num::Int(0);
    for (n, item) in machine.items(val, "`sum`")?.into_iter().enumerate() {
        let item = key_of(machine, &item, path.as_deref(), n)?;
        total = match (total, number(&item, "sum")?) {
            (Num::Int(a), Num::Int(b)) => Num::Int(
                a.checked_add(b)
                    .ok_or_else(|| fail("the sum is too large to be exact"))?,
            ),
            (a, b) => Num::Float(a.float() + b.float()),
        };
    }
    number_or_fail(total)
}

fn extreme<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
    wanted: std::cmp::Ordering,
) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, usize::MAX, "attribute")?;
    let mut best: Option<(Val<'a>, Val<'a>)> = None;
    for (n, item) in machine
        .items(val, "`min` and `max`")?
        .into_iter()
        .enumerate()
    {
        let key = key_of(machine, &item, path.as_deref(), n)?;
        let better = match (&best, key.value()) {
            (None, _) => true,
            (Some((best, _)), Some(key)) => {
                best.value().is_some_and(|_| true) && {
                    let best = best.value().unwrap_or(&Value::Null);
                    machine.order(key, best)? == wanted
                }
            }
            _ => false,
        };
        if better {
            best = Some((key, item));
        }
    }
    best.map(|(_, item)| item).ok_or_else(|| {
        Box::new(
            fail("the list is empty: it has no smallest or largest item")
                .with_code("missing_field"),
        )
    })
}
