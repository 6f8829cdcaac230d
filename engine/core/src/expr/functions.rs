//! Functions (`always()`, `dict(…)`) and tests (`is defined`): closed lists.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::expr::budget::VALUE;
use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::value::Val;

/// The longest list that `range` makes.
const MAX_RANGE: usize = 10_000;

/// A function that expressions can call.
#[derive(Debug)]
pub(super) struct Function {
    pub name: &'static str,
    /// Fewest and most placed arguments.
    pub args: (usize, usize),
    /// Names of named arguments; `*` for any.
    pub named: &'static [&'static str],
    pub call: for<'a> fn(&mut Machine<'a>, Given<'a>) -> Out<Val<'a>>,
}

/// A question about a value.
#[derive(Debug)]
pub(super) struct Test {
    pub name: &'static str,
    pub args: (usize, usize),
    /// Whether it may be asked of something missing.
    pub takes_missing: bool,
    pub apply: for<'a> fn(&mut Machine<'a>, &Val<'a>, &[Val<'a>]) -> Out<bool>,
}

static FUNCTIONS: &[Function] = &[
    Function {
        name: "always",
        args: (0, 0),
        named: &[],
        call: |_, _| Ok(Val::from(true)),
    },
    Function {
        name: "failure",
        args: (0, 0),
        named: &[],
        call: |machine, _| Ok(Val::from(machine.scope.failed)),
    },
    Function {
        name: "dict",
        args: (0, 1),
        named: &["*"],
        call: dict,
    },
    Function {
        name: "range",
        args: (1, 3),
        named: &[],
        call: range,
    },
];

/// A function by its name.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

pub(super) fn function_names() -> impl Iterator<Item = &'static str> + Clone {
    FUNCTIONS.iter().map(|function| function.name)
}

/// A test by its name.
pub(super) fn test(name: &str) -> Option<&'static Test> {
    TESTS.iter().find(|test| test.name == name)
}

pub(super) fn test_names() -> impl Iterator<Item = &'static str> + Clone {
    TESTS.iter().map(|test| test.name)
}

/// `dict(map, key=value)`: a map with more keys; `dict([[key, value]])` makes one of pairs.
fn dict<'a>(machine: &mut Machine<'a>, given: Given<'a>) -> Out<Val<'a>> {
    let mut fields = Map::new();
    if let Some(base) = given.placed.into_iter().next() {
        match machine.own(base)? {
            Value::Object(base) => fields = base,
            Value::Array(pairs) => {
                for pair in pairs {
                    let Value::Array(mut pair) = pair else {
                        return Err(fail("`dict` needs a map, or a list of pairs"));
                    };
                    let (Some(value), Some(key), None) = (pair.pop(), pair.pop(), pair.pop())
                    else {
                        return Err(fail("each pair given to `dict` has a key and a value"));
                    };
                    let key = machine.key(Val::Own(key))?;
                    fields.insert(key, value);
                }
            }
            other => {
                return Err(fail(format!(
                    "`dict` needs a map, not {}",
                    super::value::kind(&other)
                )));
            }
        }
    }
    for (key, value) in given.named {
        machine.make(key.len())?;
        fields.insert(key.to_owned(), machine.own(value)?);
    }
    Ok(Val::Own(Value::Object(fields)))
}

/// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`.
fn range<'a>(machine: &mut Machine<'a>, given: Given<'a>) -> Out<Val<'a>> {
    let numbers: Out<Vec<i64>> = given
        .placed
        .iter()
        .map(|val| whole(val, "`range`"))
        .collect();
    let (start, stop, step) = match numbers?.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step, ..] => (*start, *stop, *step),
        [] => (0, 0, 1),
    };
    if step == 0 {
        return Err(fail("the step of `range` must not be 0"));
    }
    let mut items = Vec::new();
    let mut next = start;
    while if step > 0 { next < stop } else { next > stop } {
        if items.len() >= MAX_RANGE {
            return Err(fail(format!("`range` makes at most {MAX_RANGE} numbers")));
        }
        items.push(Value::from(next));
        next = match next.checked_add(step) {
            Some(next) => next,
            None => break,
        };
    }
    machine.make(items.len() * VALUE)?;
    Ok(Val::Own(Value::Array(items)))
}

macro_rules! tests {
    ($($name:literal $args:tt $missing:literal $apply:expr;)*) => {
        static TESTS: &[Test] = &[$(Test { name: $name, args: $args, takes_missing: $missing, apply: $apply }),*];
    };
}

tests! {
    "defined" (0, 0) true |_, val, _| Ok(!matches!(val, Val::Missing(..)));
    "undefined" (0, 0) true |_, val, _| Ok(matches!(val, Val::Missing(..)));
    "none" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Null)));
    "null" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Null)));
    "empty" (0, 0) false |_, val, _| Ok(is_empty(val));
    "true" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Bool(true))));
    "false" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Bool(false))));
    "boolean" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Bool(_))));
    "string" (0, 0) false |_, val, _| Ok(val.as_text().is_some());
    "number" (0, 0) false |_, val, _| Ok(val.as_number().is_some());
    "integer" (0, 0) false |_, val, _| Ok(val.as_number().is_some_and(|n| n.whole().is_some()));
    "sequence" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Array(_))));
    "mapping" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Object(_))));
    "odd" (0, 0) false |_, val, _| Ok(whole(val, "`is odd`")?.rem_euclid(2) == 1);
    "even" (0, 0) false |_, val, _| Ok(whole(val, "`is even`")?.rem_euclid(2) == 0);
    "equalto" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.equal(a, b));
    "eq" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.equal(a, b));
    "ne" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.equal(a, b)).map(|equal| !equal);
    "lt" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_lt));
    "le" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_le));
    "gt" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_gt));
    "ge" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_ge));
    "in" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.contains(b, a));
    "containing" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.contains(a, b));
    "startingwith" (1, 1) false |_, val, args| texts(val, args, |text, start| text.starts_with(start));
    "endingwith" (1, 1) false |_, val, args| texts(val, args, |text, end| text.ends_with(end));
}

fn is_empty(val: &Val<'_>) -> bool {
    match val.value() {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(_) => false,
    }
}

fn pair(
    val: &Val<'_>,
    args: &[Val<'_>],
    ask: impl FnOnce(&Value, &Value) -> Out<bool>,
) -> Out<bool> {
    match (val.value(), args.first().and_then(Val::value)) {
        (Some(a), Some(b)) => ask(a, b),
        _ => Ok(false),
    }
}

fn texts(val: &Val<'_>, args: &[Val<'_>], ask: impl FnOnce(&str, &str) -> bool) -> Out<bool> {
    match (val.as_text(), args.first().and_then(Val::as_text)) {
        (Some(text), Some(part)) => Ok(ask(text, part)),
        _ => Err(fail(format!(
            "two texts are needed here, not {}",
            val.kind()
        ))),
    }
}
