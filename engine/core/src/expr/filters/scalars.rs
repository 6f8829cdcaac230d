//! Filters of numbers and texts.

use serde_json::Value;

use crate::expr::budget::VALUE;
use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::filters::{number, text};
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val, kind};

/// Texts grow at most threefold when their case changes.
pub(super) fn with_text<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    filter: &str,
    change: fn(&str) -> String,
) -> Out<Val<'a>> {
    let text = text(val, filter)?;
    machine.make(text.len() * 3)?;
    Ok(Val::Own(Value::String(change(text))))
}

pub(super) fn round<'a>(_: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
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

pub(super) fn abs<'a>(_: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    match number(&val, "abs")? {
        Num::Int(number) => number_or_fail(Num::Int(number.saturating_abs())),
        Num::Float(number) => number_or_fail(Num::Float(number.abs())),
    }
}

/// A number with exactly so many decimals, as text: `12.5 | fixed(2)` is `12.50`.
pub(super) fn fixed<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
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

pub(super) fn int<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
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

pub(super) fn float<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
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

pub(super) fn tojson<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let value = machine.own(val)?;
    let json = machine.json(&value)?;
    Ok(Val::Own(Value::String(json)))
}

pub(super) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first
            .to_uppercase()
            .chain(chars.flat_map(char::to_lowercase))
            .collect(),
        None => String::new(),
    }
}

pub(super) fn truncate<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
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

pub(super) fn replace<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
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

pub(super) fn split<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
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
pub(super) fn host<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
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
