//! Functions (`always()`, `dict(…)`) and tests (`is defined`): closed lists.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::expr::budget::{MAP, VALUE};
use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::filters;
use crate::expr::reference::Entry;
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
    /// Whether its arguments may be missing.
    pub takes_missing: bool,
    pub call: for<'a> fn(&mut Machine<'a>, Given<'a>) -> Out<Val<'a>>,
    usage: &'static str,
    does: &'static str,
    example: (&'static str, &'static str),
}

/// A question about a value.
#[derive(Debug)]
pub(super) struct Test {
    pub name: &'static str,
    pub args: (usize, usize),
    /// Whether it may be asked of something missing.
    pub takes_missing: bool,
    pub apply: for<'a> fn(&mut Machine<'a>, &Val<'a>, &[Val<'a>]) -> Out<bool>,
    does: &'static str,
    /// An expression that is true.
    example: &'static str,
}

static FUNCTIONS: &[Function] = &[
    Function {
        name: "always",
        args: (0, 0),
        named: &[],
        takes_missing: false,
        call: |_, _| Ok(Val::from(true)),
        usage: "always()",
        does: "in an `if`: the step runs whatever happened before it",
        example: ("always()", "true"),
    },
    Function {
        name: "failure",
        args: (0, 0),
        named: &[],
        takes_missing: false,
        call: |machine, _| Ok(Val::from(machine.scope.failed)),
        usage: "failure()",
        does: "in an `if`: the step runs only if a step has failed",
        example: ("failure()", "false"),
    },
    Function {
        name: "dict",
        args: (0, 1),
        named: &["*"],
        takes_missing: false,
        call: dict,
        usage: "dict(map_or_pairs, key=value)",
        does: "a map with more or other keys, or one made of pairs",
        example: ("dict([['a', 1]], b=2)", r#"{"a":1,"b":2}"#),
    },
    Function {
        name: "range",
        args: (1, 3),
        named: &[],
        takes_missing: false,
        call: range,
        usage: "range(start, stop, step)",
        does: "whole numbers from `start` (0) to before `stop`, at most 10,000",
        example: ("range(1, 8, 3)", "[1,4,7]"),
    },
    Function {
        name: "coalesce",
        args: (1, 20),
        named: &[],
        takes_missing: true,
        call: coalesce,
        usage: "coalesce(a, b, …)",
        does: "the first that is there and not null; else null",
        example: ("coalesce(inputs.nickname, none, 'nobody')", r#""nobody""#),
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

/// What the manual says of functions and tests.
pub(super) fn manual() -> impl Iterator<Item = Entry> {
    let functions = FUNCTIONS.iter().map(|function| Entry {
        topic: "Functions",
        name: function.name,
        usage: function.usage,
        does: function.does,
        example: function.example.0,
        gives: function.example.1,
    });
    let tests = TESTS.iter().map(|test| Entry {
        topic: "Tests, written `x is name` or `x is not name(argument)`",
        name: test.name,
        usage: test.name,
        does: test.does,
        example: test.example,
        gives: "true",
    });
    functions.chain(tests)
}

/// The first argument that is there and not null.
fn coalesce<'a>(_: &mut Machine<'a>, given: Given<'a>) -> Out<Val<'a>> {
    let found = given
        .placed
        .into_iter()
        .find(|val| !matches!(val, Val::Missing(..)) && !matches!(val.value(), Some(Value::Null)));
    Ok(found.unwrap_or(Val::Own(Value::Null)))
}

/// `dict(map, key=value)`: a map with more keys; `dict([[key, value]])` makes one of pairs.
fn dict<'a>(machine: &mut Machine<'a>, given: Given<'a>) -> Out<Val<'a>> {
    machine.make(VALUE + MAP)?;
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
        machine.make(key.len() + VALUE)?;
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
    let (length, stride) = (i128::from(stop) - i128::from(start), i128::from(step));
    let count = usize::try_from((length + stride - stride.signum()) / stride).unwrap_or(0);
    if count > MAX_RANGE {
        return Err(fail(format!("`range` makes at most {MAX_RANGE} numbers")));
    }
    machine.make(count * VALUE)?;
    let mut items = Vec::with_capacity(count);
    let mut next = start;
    while if step > 0 { next < stop } else { next > stop } {
        items.push(Value::from(next));
        next = match next.checked_add(step) {
            Some(next) => next,
            None => break,
        };
    }
    Ok(Val::Own(Value::Array(items)))
}

macro_rules! tests {
    ($($name:literal $args:tt $missing:literal $apply:expr, $does:literal, $example:literal;)*) => {
        static TESTS: &[Test] = &[$(Test {
            name: $name, args: $args, takes_missing: $missing, apply: $apply, does: $does, example: $example,
        }),*];
    };
}

tests! {
    "defined" (0, 0) true |_, val, _| Ok(!matches!(val, Val::Missing(..))), "it is there, though it may be null", "inputs is defined";
    "undefined" (0, 0) true |_, val, _| Ok(matches!(val, Val::Missing(..))), "it is not there", "inputs.nickname is undefined";
    "none" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Null))), "it is null", "none is none";
    "null" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Null))), "it is null", "none is null";
    "empty" (0, 0) false |_, val, _| Ok(is_empty(val)), "a text, list or map with nothing in it, or null", "[] is empty";
    "true" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Bool(true)))), "it is true itself", "true is true";
    "false" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Bool(false)))), "it is false itself", "false is false";
    "boolean" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Bool(_)))), "it is true or false", "false is boolean";
    "string" (0, 0) false |_, val, _| Ok(val.as_text().is_some()), "it is a text", "'a' is string";
    "number" (0, 0) false |_, val, _| Ok(val.as_number().is_some()), "it is a number", "1.5 is number";
    "integer" (0, 0) false |_, val, _| Ok(val.as_number().is_some_and(|n| n.whole().is_some())), "it is a whole number", "2.0 is integer";
    "sequence" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Array(_)))), "it is a list", "[1] is sequence";
    "mapping" (0, 0) false |_, val, _| Ok(matches!(val.value(), Some(Value::Object(_)))), "it is a map", "{'a': 1} is mapping";
    "odd" (0, 0) false |_, val, _| Ok(whole(val, "`is odd`")?.rem_euclid(2) == 1), "an odd whole number", "3 is odd";
    "even" (0, 0) false |_, val, _| Ok(whole(val, "`is even`")?.rem_euclid(2) == 0), "an even whole number", "4 is even";
    "equalto" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.equal(a, b)), "equal, as `==`", "1 is equalto 1.0";
    "eq" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.equal(a, b)), "equal, as `==`", "'a' is eq 'a'";
    "ne" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.equal(a, b)).map(|equal| !equal), "not equal", "'a' is ne 'b'";
    "lt" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_lt)), "less", "1 is lt 2";
    "le" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_le)), "less or equal", "2 is le 2";
    "gt" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_gt)), "greater", "3 is gt 2";
    "ge" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.order(a, b).map(Ordering::is_ge)), "greater or equal", "2 is ge 2";
    "in" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.contains(b, a)), "an item of a list, a key of a map, a part of a text", "2 is in [1, 2]";
    "containing" (1, 1) false |machine, val, args| pair(val, args, |a, b| machine.contains(a, b)), "the same from the other side", "[1, 2] is containing 2";
    "startingwith" (1, 1) false |_, val, args| texts(val, args, |text, start| text.starts_with(start)), "a text that begins so", "'INV-7' is startingwith 'INV'";
    "endingwith" (1, 1) false |_, val, args| texts(val, args, |text, end| text.ends_with(end)), "a text that ends so", "'a.pdf' is endingwith '.pdf'";
    "matching" (1, 1) false filters::matching, "a text in which the pattern is found", "'INV-7' is matching '^INV-\\d+$'";
    "divisibleby" (1, 1) false |_, val, args| divisible(val, args), "a whole multiple", "9 is divisibleby 3";
    "date" (0, 0) false filters::is_date, "a text that can be read as a date or time", "'2026-03-31' is date";
    "before" (1, 1) false |machine, val, args| filters::order_of_dates(machine, val, args).map(Ordering::is_lt), "an earlier date or time, whatever the offsets", "'2026-03-31T09:00:00+02:00' is before '2026-03-31T08:00:00Z'";
    "after" (1, 1) false |machine, val, args| filters::order_of_dates(machine, val, args).map(Ordering::is_gt), "a later date or time", "'2026-04-01' is after '2026-03-31'";
    "weekend" (0, 0) false filters::is_weekend, "a date on a Saturday or Sunday", "'2026-03-28' is weekend";
}

fn divisible(val: &Val<'_>, args: &[Val<'_>]) -> Out<bool> {
    let by = match args.first() {
        Some(by) => whole(by, "what is divided by")?,
        None => 0,
    };
    if by == 0 {
        return Err(fail("`is divisibleby` by zero"));
    }
    Ok(whole(val, "`is divisibleby`")?.checked_rem(by) == Some(0))
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
