//! Filters of numbers, and from numbers to the texts that people write them as.

use serde_json::Value;

use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::filters::{count_of, filters, name_of, number, text};
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val};

filters! {
    "round" (0, 2) ["precision", "method"] round, "round(precision=0, method='common')", "rounded; the method is common (half away from zero), even (half to even), ceil, floor or trunc", "3.14159 | round(2)" => "3.14";
    "ceil" (0, 0) [] |_, val, _| step(&val, "ceil", f64::ceil), "ceil", "the next whole number upwards", "2.1 | ceil" => "3";
    "floor" (0, 0) [] |_, val, _| step(&val, "floor", f64::floor), "floor", "the next whole number downwards", "2.9 | floor" => "2";
    "abs" (0, 0) [] abs, "abs", "without its sign", "-3 | abs" => "3";
    "clamp" (2, 2) ["least", "most"] clamp, "clamp(least, most)", "not less and not more than two bounds", "120 | clamp(0, 100)" => "100";
    "fixed" (0, 1) [] fixed, "fixed(places=2)", "as text with exactly so many decimals", "12.5 | fixed(2)" => "\"12.50\"";
    "format_number" (0, 3) ["decimals", "thousands", "point"] format_number, "format_number(decimals, thousands=',', point='.')", "as text with separators", "1234567.5 | format_number(2, '.', ',')" => "\"1.234.567,50\"";
    "parse_number" (0, 2) ["point", "default"] parse_number, "parse_number(point='.', default)", "the number in a text such as 1,234.50", "'1.234,50' | parse_number(',')" => "1234.5";
}

/// How `round` can round.
const METHODS: [&str; 5] = ["common", "even", "ceil", "floor", "trunc"];

pub(super) fn check_method(method: &str) -> Result<(), String> {
    if METHODS.contains(&method) {
        return Ok(());
    }
    Err(format!(
        "`round` has no method `{method}`; it has {}",
        METHODS.join(", ")
    ))
}

fn round<'a>(_: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let places = match given.take(0, "precision") {
        Some(val) => i32::try_from(whole(&val, "`round`")?)
            .ok()
            .filter(|n| n.abs() <= 15),
        None => Some(0),
    };
    let places = places.ok_or_else(|| fail("`round` takes at most 15 places"))?;
    let method = given.take(1, "method");
    let to_whole: fn(f64) -> f64 =
        match method.as_ref().map(|val| text(val, "round")).transpose()? {
            None | Some("common") => f64::round,
            Some("even") => f64::round_ties_even,
            Some("ceil") => f64::ceil,
            Some("floor") => f64::floor,
            Some("trunc") => f64::trunc,
            Some(_) => {
                let methods = METHODS.join(", ");
                return Err(fail(format!("`round` knows the methods {methods} only")));
            }
        };
    let number = number(&val, "round")?;
    if let Num::Int(_) = number
        && places >= 0
    {
        return Ok(val);
    }
    let scale = 10_f64.powi(places);
    let rounded = Num::Float(to_whole(number.float() * scale) / scale);
    match rounded.whole() {
        Some(whole) if places <= 0 => number_or_fail(Num::Int(whole)),
        _ => number_or_fail(rounded),
    }
}

fn step<'a>(val: &Val<'a>, filter: &str, to_whole: fn(f64) -> f64) -> Out<Val<'a>> {
    let number = match number(val, filter)? {
        Num::Float(number) => Num::Float(to_whole(number)),
        whole => whole,
    };
    number_or_fail(number.whole().map_or(number, Num::Int))
}

fn abs<'a>(_: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    match number(&val, "abs")? {
        Num::Int(number) => number_or_fail(Num::Int(number.saturating_abs())),
        Num::Float(number) => number_or_fail(Num::Float(number.abs())),
    }
}

fn clamp<'a>(_: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let bounds = (given.take(0, "least"), given.take(1, "most"));
    let (Some(least), Some(most)) = bounds else {
        return Err(fail("`clamp` takes the least and the most"));
    };
    let value = number(&val, "clamp")?;
    if value
        .compare(number(&least, "clamp")?)
        .is_some_and(std::cmp::Ordering::is_lt)
    {
        Ok(least)
    } else if value
        .compare(number(&most, "clamp")?)
        .is_some_and(std::cmp::Ordering::is_gt)
    {
        Ok(most)
    } else {
        Ok(val)
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

fn format_number<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    let decimals = count_of(&mut given, (0, "decimals"), "format_number", 0..=15)?;
    let thousands = name_of(machine, &mut given, 1, "thousands")?.unwrap_or_else(|| ",".into());
    let point = name_of(machine, &mut given, 2, "point")?.unwrap_or_else(|| ".".into());
    if thousands.len() > 8 || point.len() > 8 {
        return Err(fail(
            "the separators of `format_number` are at most 8 bytes long",
        ));
    }
    // No number has more than 330 digits.
    machine.make(330 * 4)?;
    let plain = match (number(&val, "format_number")?, decimals) {
        (Num::Int(number), None | Some(0)) => number.to_string(),
        (number, Some(decimals)) => format!("{:.decimals$}", number.float()),
        (Num::Float(number), None) => format!("{number}"),
    };
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.as_str()),
    };
    let (before, after) = digits
        .split_once('.')
        .map_or((digits, None), |(a, b)| (a, Some(b)));
    // What rounds to zero has no sign.
    let sign = if digits
        .bytes()
        .any(|digit| digit.is_ascii_digit() && digit != b'0')
    {
        sign
    } else {
        ""
    };
    let mut shown = String::from(sign);
    for (place, digit) in before.char_indices() {
        if place > 0 && (before.len() - place).is_multiple_of(3) {
            shown.push_str(&thousands);
        }
        shown.push(digit);
    }
    if let Some(after) = after {
        shown.push_str(&point);
        shown.push_str(after);
    }
    machine.text(shown)
}

fn parse_number<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    if matches!(val.value(), Some(Value::Number(_))) {
        return Ok(val);
    }
    let point = given.take(0, "point");
    let comma = match point
        .as_ref()
        .map(|val| text(val, "parse_number"))
        .transpose()?
    {
        None | Some(".") => false,
        Some(",") => true,
        Some(_) => return Err(fail("`point` of `parse_number` is '.' or ','")),
    };
    let written = text(&val, "parse_number")?.trim();
    machine.make(written.len())?;
    let (point, thousands) = if comma { (',', '.') } else { ('.', ',') };
    let plain: String = written
        .chars()
        .filter(|sign| {
            !matches!(sign, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’' | '_') && *sign != thousands
        })
        .map(|sign| if sign == point { '.' } else { sign })
        .collect();
    let is_plain = plain.starts_with(|sign: char| sign.is_ascii_digit() || "+-.".contains(sign))
        && plain
            .chars()
            .all(|sign| sign.is_ascii_digit() || "+-.eE".contains(sign));
    let read = plain
        .parse::<i64>()
        .map(Num::Int)
        .or_else(|_| plain.parse::<f64>().map(Num::Float));
    match (read.ok().filter(|_| is_plain), given.take(1, "default")) {
        (Some(number), _) => number_or_fail(number),
        (None, Some(fallback)) => Ok(fallback),
        (None, None) => Err(Box::new(
            fail("`parse_number` finds no number in the text").with_help(
                "`parse_number(default=0)` gives 0 instead; take units and currencies off before",
            ),
        )),
    }
}
