//! Filters: a closed list. Each pays for what it looks at before it looks, and for what it makes before it makes it.

use std::collections::HashSet;

use serde_json::Value;

use crate::expr::eval::{Given, Machine, Out, VALUE, fail, whole};
use crate::expr::functions;
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val, kind};

/// Something done to a value: `value | name(args)`.
pub(super) struct Filter {
    pub name: &'static str,
    /// Fewest and most placed arguments.
    pub args: (usize, usize),
    /// Names of named arguments.
    pub named: &'static [&'static str],
    /// Whether it may be given something missing.
    pub takes_missing: bool,
    pub apply: for<'a> fn(&mut Machine<'a>, Val<'a>, Given<'a>) -> Out<Val<'a>>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A filter by its name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    FILTERS.iter().map(|filter| filter.name)
}

macro_rules! filters {
    ($($name:literal $args:tt $named:tt $apply:expr;)*) => {
        static FILTERS: &[Filter] = &[$(Filter {
            name: $name, args: $args, named: &$named, takes_missing: matches!($name.as_bytes(), b"default" | b"d"), apply: $apply,
        }),*];
    };
}

filters! {
    "default" (1, 2) ["boolean"] default;
    "d" (1, 2) ["boolean"] default;
    // Lists.
    "length" (0, 0) [] length;
    "count" (0, 0) [] length;
    "first" (0, 0) [] |machine, val, _| end(machine, val, "first");
    "last" (0, 0) [] |machine, val, _| end(machine, val, "last");
    "join" (0, 1) ["attribute"] join;
    "map" (0, 1) ["attribute", "default"] map;
    "select" (0, 2) [] |machine, val, given| choose(machine, val, given, false, true);
    "reject" (0, 2) [] |machine, val, given| choose(machine, val, given, false, false);
    "selectattr" (1, 3) [] |machine, val, given| choose(machine, val, given, true, true);
    "rejectattr" (1, 3) [] |machine, val, given| choose(machine, val, given, true, false);
    "sort" (0, 1) ["attribute", "reverse"] sort;
    "unique" (0, 0) ["attribute"] unique;
    "reverse" (0, 0) [] reverse;
    "list" (0, 0) [] |machine, val, _| machine.items(val, "`list`").map(Val::List);
    "sum" (0, 0) ["attribute"] sum;
    "min" (0, 0) ["attribute"] |machine, val, given| extreme(machine, val, given, std::cmp::Ordering::Less);
    "max" (0, 0) ["attribute"] |machine, val, given| extreme(machine, val, given, std::cmp::Ordering::Greater);
    // Maps.
    "keys" (0, 0) [] keys;
    "values" (0, 0) [] values;
    "items" (0, 0) [] pairs;
    // Numbers.
    "round" (0, 1) ["precision"] round;
    "abs" (0, 0) [] abs;
    "fixed" (0, 1) [] fixed;
    "int" (0, 1) ["default"] int;
    "float" (0, 1) ["default"] float;
    // Texts.
    "string" (0, 0) [] |machine, val, _| { let text = machine.display(val)?; Ok(Val::Own(Value::String(text))) };
    "tojson" (0, 0) [] tojson;
    "upper" (0, 0) [] |machine, val, _| with_text(machine, &val, "upper", str::to_uppercase);
    "lower" (0, 0) [] |machine, val, _| with_text(machine, &val, "lower", str::to_lowercase);
    "capitalize" (0, 0) [] |machine, val, _| with_text(machine, &val, "capitalize", capitalize);
    "trim" (0, 0) [] |machine, val, _| with_text(machine, &val, "trim", |text| text.trim().to_owned());
    "truncate" (1, 1) [] truncate;
    "replace" (2, 2) [] replace;
    "split" (0, 1) [] split;
    "urlencode" (0, 0) [] |machine, val, _| with_text(machine, &val, "urlencode", |text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
    "host" (0, 0) [] host;
}

fn text<'v>(val: &'v Val<'_>, filter: &str) -> Out<&'v str> {
    val.as_text()
        .ok_or_else(|| fail(format!("`{filter}` needs a text, not {}", val.kind())))
}

fn number(val: &Val<'_>, filter: &str) -> Out<Num> {
    val.as_number()
        .ok_or_else(|| fail(format!("`{filter}` needs a number, not {}", val.kind())))
}

/// Texts grow at most threefold when their case changes.
fn with_text<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    filter: &str,
    change: fn(&str) -> String,
) -> Out<Val<'a>> {
    let text = text(val, filter)?;
    machine.make(text.len() * 3)?;
    Ok(Val::Own(Value::String(change(text))))
}

fn default<'a>(_: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let also_empty = given.take(1, "boolean").is_some_and(|val| val.truth());
    let replace = matches!(val, Val::Missing(..))
        || matches!(val.value(), Some(Value::Null))
        || also_empty && !val.truth();
    Ok(if replace {
        given.take(0, "value").unwrap_or(Val::Own(Value::Null))
    } else {
        val
    })
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

fn end<'a>(machine: &mut Machine<'a>, val: Val<'a>, filter: &str) -> Out<Val<'a>> {
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

fn name_of(given: &mut Given<'_>, place: usize, name: &str) -> Out<Option<String>> {
    match given.take(place, name) {
        Some(val) => text(&val, name).map(|text| Some(text.to_owned())),
        None => Ok(None),
    }
}

fn join<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
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

fn map<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
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

fn unique<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
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

fn extreme<'a>(
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

fn fields<'v>(val: &'v Val<'_>, filter: &str) -> Out<&'v serde_json::Map<String, Value>> {
    match val.value() {
        Some(Value::Object(fields)) => Ok(fields),
        _ => Err(fail(format!("`{filter}` needs a map, not {}", val.kind()))),
    }
}

fn keys<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let mut keys = Vec::new();
    for key in fields(&val, "keys")?.keys() {
        machine.make(key.len() + VALUE)?;
        keys.push(Value::String(key.clone()));
    }
    Ok(Val::Own(Value::Array(keys)))
}

fn values<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let count = fields(&val, "values")?.len();
    machine.burn(count)?;
    Ok(match val {
        Val::Ref(Value::Object(fields)) => Val::List(fields.values().map(Val::Ref).collect()),
        Val::Own(Value::Object(fields)) => Val::List(
            fields
                .into_iter()
                .map(|(_, value)| Val::Own(value))
                .collect(),
        ),
        other => other,
    })
}

fn pairs<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let mut pairs = Vec::new();
    for (key, value) in fields(&val, "items")? {
        machine.make(key.len() + 2 * VALUE)?;
        let value = machine.json_copy(value)?;
        pairs.push(Val::Own(Value::Array(vec![
            Value::String(key.clone()),
            value,
        ])));
    }
    Ok(Val::List(pairs))
}

fn round<'a>(_: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let places = match given.take(0, "precision") {
        Some(val) => i32::try_from(whole(&val, "`round`")?)
            .ok()
            .filter(|n| n.abs() <= 15),
        None => Some(0),
    };
    let places = places.ok_or_else(|| fail("`round` takes at most 15 places"))?;
    let number = number(&val, "round")?;
    if let Num::Int(_) = number
        && places >= 0
    {
        return Ok(val);
    }
    let scale = 10_f64.powi(places);
    let rounded = Num::Float((number.float() * scale).round() / scale);
    match rounded.whole() {
        Some(whole) if places <= 0 => number_or_fail(Num::Int(whole)),
        _ => number_or_fail(rounded),
    }
}

fn abs<'a>(_: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    match number(&val, "abs")? {
        Num::Int(number) => number_or_fail(Num::Int(number.saturating_abs())),
        Num::Float(number) => number_or_fail(Num::Float(number.abs())),
    }
}

/// A number with exactly so many decimals, as text: `12.5 | fixed(2)` is `12.50`.
fn fixed<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let places = match given.take(0, "places") {
        Some(val) => usize::try_from(whole(&val, "`fixed`")?)
            .ok()
            .filter(|n| *n <= 15),
        None => Some(2),
    };
    let places = places.ok_or_else(|| fail("`fixed` takes 0 to 15 places"))?;
    let number = number(&val, "fixed")?;
    machine.text(format!("{:.places$}", number.float()))
}

fn int<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let fallback = given.take(0, "default");
    let read = match val.value() {
        Some(Value::Number(_)) => val.as_number().map(|number| number.float().trunc()),
        Some(Value::Bool(value)) => Some(f64::from(u8::from(*value))),
        Some(Value::String(text)) => {
            machine.scan(text.len())?;
            text.trim()
                .parse::<i64>()
                .ok()
                .map(|number| Num::Int(number).float())
        }
        _ => None,
    };
    match (read.and_then(|number| Num::Float(number).whole()), fallback) {
        (Some(number), _) => number_or_fail(Num::Int(number)),
        (None, Some(fallback)) => Ok(fallback),
        (None, None) => Err(Box::new(
            fail(format!(
                "`int` cannot make a whole number of this ({})",
                val.kind()
            ))
            .with_help("`int(0)` gives 0 instead"),
        )),
    }
}

fn float<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let fallback = given.take(0, "default");
    let read = match val.value() {
        Some(Value::Number(_)) => val.as_number().map(Num::float),
        Some(Value::String(text)) => {
            machine.scan(text.len())?;
            text.trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
        }
        _ => None,
    };
    match (read, fallback) {
        (Some(number), _) => number_or_fail(Num::Float(number)),
        (None, Some(fallback)) => Ok(fallback),
        (None, None) => Err(Box::new(
            fail(format!(
                "`float` cannot make a number of this ({})",
                val.kind()
            ))
            .with_help("`float(0)` gives 0 instead"),
        )),
    }
}

fn tojson<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let value = machine.own(val)?;
    let json = machine.json(&value)?;
    Ok(Val::Own(Value::String(json)))
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first
            .to_uppercase()
            .chain(chars.flat_map(char::to_lowercase))
            .collect(),
        None => String::new(),
    }
}

fn truncate<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let longest = match given.take(0, "length") {
        Some(val) => usize::try_from(whole(&val, "`truncate`")?).unwrap_or(0),
        None => 255,
    };
    let text = text(&val, "truncate")?;
    machine.make(text.len())?;
    if text.chars().count() <= longest {
        return Ok(Val::Own(Value::String(text.to_owned())));
    }
    let mut short: String = text.chars().take(longest.saturating_sub(1)).collect();
    short.push('…');
    Ok(Val::Own(Value::String(short)))
}

fn replace<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let (old, new) = (given.take(0, "old"), given.take(1, "new"));
    let (Some(old), Some(new)) = (old, new) else {
        return Err(fail("`replace` takes the old text and the new one"));
    };
    let (text, old, new) = (
        text(&val, "replace")?,
        text(&old, "replace")?,
        text(&new, "replace")?,
    );
    if old.is_empty() {
        return Err(fail("`replace` needs something to look for"));
    }
    machine.scan(text.len())?;
    let count = text.matches(old).count();
    machine.make(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Val::Own(Value::String(text.replace(old, new))))
}

fn split<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let by = given.take(0, "by");
    let by = by.as_ref().map(|by| text(by, "split")).transpose()?;
    let text = text(&val, "split")?;
    machine.scan(text.len())?;
    let count = match by {
        Some(by) => text.matches(by).count(),
        None => text.split_whitespace().count(),
    };
    machine.make(text.len() + (count + 1) * VALUE)?;
    let parts: Vec<Value> = match by {
        Some("") => return Err(fail("`split` needs something to split by")),
        Some(by) => text.split(by).map(Value::from).collect(),
        None => text.split_whitespace().map(Value::from).collect(),
    };
    Ok(Val::Own(Value::Array(parts)))
}

/// `host` or `host:port` of an address; the port only if it is not the scheme's own.
fn host<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "host")?;
    machine.scan(text.len())?;
    let parsed = url::Url::parse(text).ok();
    let host = parsed
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port())));
    match host {
        Some((host, Some(port))) => machine.text(format!("{host}:{port}")),
        Some((host, None)) => machine.text(host.to_owned()),
        None => Err(fail(format!(
            "`host` needs an address such as `https://crm.example`, not this ({})",
            kind(&Value::from(text))
        ))),
    }
}
