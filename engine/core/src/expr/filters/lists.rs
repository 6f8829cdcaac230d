//! Filters of lists. Items stay borrowed as long as nobody changes them.

use std::collections::HashSet;

use serde_json::Value;

use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::{find, name_of, number, text};
use crate::expr::functions;
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val};

pub(super) fn end<'a>(machine: &mut Machine<'a>, val: Val<'a>, filter: &str) -> Out<Val<'a>> {
    let mut items = machine.items(val, &format!("`{filter}`"))?;
    let found = if filter == "first" && !items.is_empty() {
        Some(items.swap_remove(0))
    } else {
        items.pop()
    };
    found.ok_or_else(|| {
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
        computed => match computed.value().and_then(|within| along(within, path)) {
            Some(found) => Some(Val::Own(machine.json_copy(found)?)),
            None => None,
        },
    })
}

fn along<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
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

fn key_of<'a>(
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

pub(super) fn join<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    let between = match given.take(0, "d") {
        Some(val) => text(&val, "join")?.to_owned(),
        None => String::new(),
    };
    let path = name_of(&mut given, usize::MAX, "attribute")?;
    let mut joined = String::new();
    for (n, item) in machine.items(val, "`join`")?.into_iter().enumerate() {
        if n > 0 {
            machine.make(between.len())?;
            joined.push_str(&between);
        }
        let item = match &path {
            Some(path) => needed(machine, &item, path, n)?,
            None => item,
        };
        joined.push_str(&machine.display(item)?);
    }
    Ok(Val::Own(Value::String(joined)))
}

pub(super) fn map<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    let path = name_of(&mut given, usize::MAX, "attribute")?;
    let fallback = given.take(usize::MAX, "default");
    let filter = name_of(&mut given, 0, "filter")?;
    let filter = match (&path, filter) {
        (Some(_), None) => None,
        (None, Some(name)) => {
            let filter = find(&name).ok_or_else(|| fail(format!("there is no filter `{name}`")))?;
            if filter.args.0 > 0 {
                return Err(fail(format!(
                    "`map` cannot use `{name}`, which needs arguments"
                )));
            }
            Some(filter)
        }
        _ => {
            return Err(fail(
                "`map` needs either the name of a filter or `attribute=`",
            ));
        }
    };
    let mut mapped = Vec::new();
    for (n, item) in machine.items(val, "`map`")?.into_iter().enumerate() {
        mapped.push(match (&path, filter) {
            (Some(path), _) => match (attribute(machine, &item, path)?, &fallback) {
                (Some(found), _) => found,
                (None, Some(fallback)) => machine.copy(fallback)?,
                (None, None) => needed(machine, &item, path, n)?,
            },
            (None, Some(filter)) => (filter.apply)(machine, item, Given::default())?,
            (None, None) => item,
        });
    }
    Ok(Val::List(mapped))
}

/// `select`, `reject` and their `attr` forms.
pub(super) fn choose<'a>(
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

pub(super) fn sort<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    let path = name_of(&mut given, usize::MAX, "attribute")?;
    let backwards = given.take(0, "reverse").is_some_and(|val| val.truth());
    let items = machine.items(val, "`sort`")?;
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

pub(super) fn unique<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    let path = name_of(&mut given, usize::MAX, "attribute")?;
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

pub(super) fn reverse<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    if let Some(text) = val.as_text() {
        machine.make(text.len())?;
        return Ok(Val::Own(Value::String(text.chars().rev().collect())));
    }
    let mut items = machine.items(val, "`reverse`")?;
    items.reverse();
    Ok(Val::List(items))
}

pub(super) fn sum<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    let path = name_of(&mut given, usize::MAX, "attribute")?;
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

pub(super) fn extreme<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
    wanted: std::cmp::Ordering,
) -> Out<Val<'a>> {
    let path = name_of(&mut given, usize::MAX, "attribute")?;
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
