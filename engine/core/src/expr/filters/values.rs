//! Filters of any value: what stands in for it, what type it has, and from one type to another.

use serde_json::Value;

use crate::expr::budget::{MAX_RESULT_DEPTH, VALUE, nested_deeper_than};
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::{count_of, filters, text};
use crate::expr::operators::number_or_fail;
use crate::expr::value::{EXACT, Num, Val};

filters! {
    "default" (1, 2) ["boolean"] default, "default(value, boolean=false)", "`value` if it is missing or null; with `true` also if it is empty, zero or false", "inputs.nickname | default('none')" => "\"none\"";
    "d" (1, 2) ["boolean"] default, "d(value, boolean=false)", "the same as `default`", "'' | d('empty', true)" => "\"empty\"";
    "int" (0, 1) ["default"] int, "int(default)", "a whole number, of a text or by leaving off the decimals", "'42' | int" => "42";
    "float" (0, 1) ["default"] float, "float(default)", "a number, of a text too", "'4.5' | float" => "4.5";
    "bool" (0, 1) ["default"] boolean, "bool(default)", "true or false of yes/no, true/false, on/off, 1/0", "'yes' | bool" => "true";
    "string" (0, 0) [] |machine, val, _| { let text = machine.display(val)?; Ok(Val::Own(Value::String(text))) }, "string", "as text: nothing for null, JSON for lists and maps", "5 | string" => "\"5\"";
    "tojson" (0, 1) ["indent"] tojson, "tojson(indent)", "as JSON text, indented if a number of spaces is given", "{'a': [1, 'x']} | tojson" => "\"{\\\"a\\\":[1,\\\"x\\\"]}\"";
    "from_json" (0, 1) ["default"] from_json, "from_json(default)", "the value that a JSON text holds", "'{\"a\": [1, 2]}' | from_json" => "{\"a\":[1,2]}";
    "type_of" (0, 0) [] type_of, "type_of", "null, boolean, integer, number, string, array or object", "1.5 | type_of" => "\"number\"";
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

fn boolean<'a>(_: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    const TRUE: [&str; 5] = ["true", "yes", "on", "y", "1"];
    const FALSE: [&str; 6] = ["false", "no", "off", "n", "0", ""];
    let is_one_of = |text: &str, words: &[&str]| {
        words
            .iter()
            .any(|word| text.trim().eq_ignore_ascii_case(word))
    };
    let read = match val.value() {
        Some(Value::Bool(value)) => Some(*value),
        Some(Value::String(text)) if is_one_of(text, &TRUE) => Some(true),
        Some(Value::String(text)) if is_one_of(text, &FALSE) => Some(false),
        Some(Value::Number(_)) => match val.as_number().and_then(Num::whole) {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    };
    match (read, given.take(0, "default")) {
        (Some(value), _) => Ok(Val::from(value)),
        (None, Some(fallback)) => Ok(fallback),
        (None, None) => Err(Box::new(
            fail(format!(
                "`bool` cannot make true or false of this ({})",
                val.kind()
            ))
            .with_help(
                "it knows yes/no, true/false, on/off, 1/0; `bool(false)` gives false instead",
            ),
        )),
    }
}

fn tojson<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let indent = count_of(&mut given, (0, "indent"), "tojson", 1..=8)?;
    let value = machine.own(val)?;
    let Some(indent) = indent else {
        let json = machine.json(&value)?;
        return Ok(Val::Own(Value::String(json)));
    };
    machine.pay_for_copy(&value)?;
    machine.make(indentation(&value, indent, 1))?;
    let spaces = " ".repeat(indent);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
    let mut json = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut json, formatter);
    serde::Serialize::serialize(&value, &mut writer)
        .map_err(|error| fail(format!("`tojson` cannot write this: {error}")))?;
    Ok(Val::Own(Value::String(
        String::from_utf8(json).unwrap_or_default(),
    )))
}

/// What line breaks and indentation add to a JSON text.
fn indentation(value: &Value, indent: usize, depth: usize) -> usize {
    let inside = |items: &mut dyn Iterator<Item = &Value>| -> usize {
        items
            .map(|item| depth * indent + 3 + indentation(item, indent, depth + 1))
            .sum::<usize>()
            + depth * indent
            + 1
    };
    match value {
        Value::Array(items) => inside(&mut items.iter()),
        Value::Object(fields) => inside(&mut fields.values()),
        _ => 0,
    }
}

fn from_json<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "from_json")?;
    machine.scan(text.len())?;
    // Every value beside the first has a comma, a colon or an opening bracket before it.
    let count = |signs: &[u8]| text.bytes().filter(|byte| signs.contains(byte)).count();
    let (values, maps) = (count(b",:[{") + 1, count(b"{"));
    machine.burn(values)?;
    machine.make(text.len() + values * VALUE + maps * crate::expr::budget::MAP)?;
    let refused = match serde_json::from_str::<Value>(text) {
        Ok(read) if nested_deeper_than(&read, MAX_RESULT_DEPTH) => {
            format!("it is nested deeper than {MAX_RESULT_DEPTH}")
        }
        Ok(read) if has_inexact(&read) => {
            "it holds a whole number beyond ±2^53, which is not carried exactly".to_owned()
        }
        Ok(read) => return Ok(Val::Own(read)),
        Err(error) => format!("line {}, column {}", error.line(), error.column()),
    };
    match given.take(0, "default") {
        Some(fallback) => Ok(fallback),
        None => Err(Box::new(
            fail(format!("`from_json` cannot read the text: {refused}"))
                .with_help("`from_json(none)` gives null instead"),
        )),
    }
}

fn has_inexact(value: &Value) -> bool {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => whole.unsigned_abs() > EXACT,
            (None, Some(_)) => true,
            (None, None) => false,
        },
        Value::Array(items) => items.iter().any(has_inexact),
        Value::Object(fields) => fields.values().any(has_inexact),
        _ => false,
    }
}

fn type_of<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let name = match (&val, val.value()) {
        (Val::List(_), _) | (_, Some(Value::Array(_))) => "array",
        (_, Some(Value::Bool(_))) => "boolean",
        (_, Some(Value::Number(_))) => match val.as_number() {
            Some(Num::Int(_)) => "integer",
            _ => "number",
        },
        (_, Some(Value::String(_))) => "string",
        (_, Some(Value::Object(_))) => "object",
        (_, Some(Value::Null) | None) => "null",
    };
    machine.text(name.to_owned())
}
