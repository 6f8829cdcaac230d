//! Filters: a closed list. Each pays for what it looks at before it looks, and for what it makes before it makes it.

mod lists;
mod scalars;

use serde_json::Value;

use crate::expr::budget::VALUE;
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::value::{Num, Val};
use lists::{choose, end, extreme, join, map, reverse, sort, sum, unique};
use scalars::{
    abs, capitalize, fixed, float, host, int, replace, round, split, tojson, truncate, with_text,
};

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

fn name_of(given: &mut Given<'_>, place: usize, name: &str) -> Out<Option<String>> {
    match given.take(place, name) {
        Some(val) => text(&val, name).map(|text| Some(text.to_owned())),
        None => Ok(None),
    }
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
