//! Filters of texts. Positions and lengths count characters.

use std::fmt::Write;

use serde_json::Value;

use crate::expr::budget::VALUE;
use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::filters::lists::along;
use crate::expr::filters::{count_of, filters, is_on, name_of, text};
use crate::expr::value::Val;

filters! {
    "upper" (0, 0) [] |machine, val, _| with_text(machine, &val, "upper", str::to_uppercase), "upper", "in capitals", "'Ana' | upper" => "\"ANA\"";
    "lower" (0, 0) [] |machine, val, _| with_text(machine, &val, "lower", str::to_lowercase), "lower", "in small letters", "'Ana' | lower" => "\"ana\"";
    "capitalize" (0, 0) [] |machine, val, _| with_text(machine, &val, "capitalize", capitalize), "capitalize", "the first letter a capital, the others small", "'aCME corp' | capitalize" => "\"Acme corp\"";
    "title" (0, 0) [] |machine, val, _| with_text(machine, &val, "title", title), "title", "every word with a capital", "'ana maria lópez' | title" => "\"Ana Maria López\"";
    "trim" (0, 1) ["chars"] |machine, val, given| trim(machine, &val, given, true, true), "trim(chars)", "without white space, or these characters, at both ends", "'  a b ' | trim" => "\"a b\"";
    "trim_start" (0, 1) ["chars"] |machine, val, given| trim(machine, &val, given, true, false), "trim_start(chars)", "the same at the beginning only", "'00120' | trim_start('0')" => "\"120\"";
    "trim_end" (0, 1) ["chars"] |machine, val, given| trim(machine, &val, given, false, true), "trim_end(chars)", "the same at the end only", "'https://a.example/' | trim_end('/')" => "\"https://a.example\"";
    "replace" (2, 3) ["old", "new", "count"] replace, "replace(old, new, count)", "with every `old` replaced, or the first `count`", "'a-b-c' | replace('-', ' ')" => "\"a b c\"";
    "split" (0, 2) ["by", "maxsplit"] split, "split(by, maxsplit)", "the parts between, or the words; at most so many cuts", "'a,b,c' | split(',')" => "[\"a\",\"b\",\"c\"]";
    "lines" (0, 0) [] lines, "lines", "the lines, without their ends", "'a\\nb' | lines" => "[\"a\",\"b\"]";
    "wordcount" (0, 0) [] wordcount, "wordcount", "how many words", "'one two three' | wordcount" => "3";
    "truncate" (1, 1) ["length", "end"] truncate, "truncate(length, end='…')", "cut to so many characters, the end included", "'a long text' | truncate(6)" => "\"a lon…\"";
    "pad_start" (1, 2) ["width", "fill"] |machine, val, given| pad(machine, val, given, true), "pad_start(width, fill=' ')", "filled up at the beginning", "7 | pad_start(3, '0')" => "\"007\"";
    "pad_end" (1, 2) ["width", "fill"] |machine, val, given| pad(machine, val, given, false), "pad_end(width, fill=' ')", "filled up at the end", "'ab' | pad_end(4, '.')" => "\"ab..\"";
    "repeat" (1, 1) ["count"] repeat, "repeat(count)", "so many times", "'-' | repeat(5)" => "\"-----\"";
    "indent" (0, 2) ["width", "first"] indent, "indent(width=4, first=false)", "each line moved to the right, the first too if `first`", "'a\\nb' | indent(2)" => "\"a\\n  b\"";
    "fill" (1, 1) ["pattern"] fill, "fill(pattern)", "a text with `{path}` replaced by what the map has there", "{'who': {'name': 'Ana'}, 'n': 3} | fill('{who.name} has {n}')" => "\"Ana has 3\"";
    "ascii" (0, 0) [] |machine, val, _| with_text(machine, &val, "ascii", ascii), "ascii", "Latin letters without their accents, other signs left out", "'Çağrı Müller' | ascii" => "\"Cagri Muller\"";
    "slug" (0, 1) ["separator"] slug, "slug(separator='-')", "small ASCII letters and digits with a separator between", "'Q3: Über uns!' | slug" => "\"q3-uber-uns\"";
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

fn title(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut inside = false;
    for sign in text.chars() {
        if inside {
            shown.extend(sign.to_lowercase());
        } else {
            shown.extend(sign.to_uppercase());
        }
        inside = sign.is_alphanumeric() || inside && matches!(sign, '\'' | '’');
    }
    shown
}

fn trim<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    mut given: Given<'a>,
    start: bool,
    end: bool,
) -> Out<Val<'a>> {
    let signs = given.take(0, "chars");
    let signs: Option<Vec<char>> = match &signs {
        Some(signs) => {
            let signs = text(signs, "trim")?;
            if signs.len() > 64 {
                return Err(fail("`trim` takes off at most 64 bytes of characters"));
            }
            Some(signs.chars().collect())
        }
        None => None,
    };
    let whole = text(val, "trim")?;
    machine.make(whole.len() * 3)?;
    let goes = |sign: char| match &signs {
        Some(signs) => signs.contains(&sign),
        None => sign.is_whitespace(),
    };
    if let Some(signs) = &signs {
        machine.burn(whole.len() / 64 * signs.len())?;
    }
    let mut left = whole;
    if start {
        left = left.trim_start_matches(goes);
    }
    if end {
        left = left.trim_end_matches(goes);
    }
    Ok(Val::Own(Value::String(left.to_owned())))
}

fn replace<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let most = count_of(&mut given, (2, "count"), "replace", 0..=i64::from(u32::MAX))?;
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
    machine.scan(text.len() + old.len())?;
    let count = text.matches(old).count().min(most.unwrap_or(usize::MAX));
    machine.make(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Val::Own(Value::String(match most {
        Some(most) => text.replacen(old, new, most),
        None => text.replace(old, new),
    })))
}

fn split<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let cuts = count_of(
        &mut given,
        (1, "maxsplit"),
        "split",
        0..=i64::from(u32::MAX),
    )?;
    let by = given.take(0, "by");
    let by = by.as_ref().map(|by| text(by, "split")).transpose()?;
    if by == Some("") {
        return Err(fail("`split` needs something to split by"));
    }
    let text = text(&val, "split")?;
    machine.scan(text.len() + by.map_or(0, str::len))?;
    let count = match by {
        Some(by) => text.matches(by).count(),
        None => text.split_whitespace().count(),
    };
    let count = count.min(cuts.unwrap_or(usize::MAX));
    machine.make(text.len() + (count + 1) * VALUE)?;
    let parts: Vec<Value> = match (by, cuts) {
        (Some(by), Some(cuts)) => text.splitn(cuts + 1, by).map(Value::from).collect(),
        (Some(by), None) => text.split(by).map(Value::from).collect(),
        (None, Some(cuts)) => words(text, cuts),
        (None, None) => text.split_whitespace().map(Value::from).collect(),
    };
    Ok(Val::Own(Value::Array(parts)))
}

/// The first words and, as the last part, the rest.
fn words(text: &str, cuts: usize) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if parts.len() < cuts {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        } else {
            rest.len()
        };
        parts.push(Value::from(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    parts
}

fn lines<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "lines")?;
    machine.scan(text.len())?;
    let count = text.lines().count();
    machine.make(text.len() + count * VALUE)?;
    Ok(Val::Own(text.lines().map(Value::from).collect()))
}

fn wordcount<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "wordcount")?;
    machine.scan(text.len())?;
    Ok(Val::Own(Value::from(text.split_whitespace().count())))
}

fn truncate<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let longest = match given.take(0, "length") {
        Some(val) => usize::try_from(whole(&val, "`truncate`")?).unwrap_or(0),
        None => 255,
    };
    let end = name_of(machine, &mut given, usize::MAX, "end")?.unwrap_or_else(|| "…".to_owned());
    let text = text(&val, "truncate")?;
    machine.make(text.len() + end.len())?;
    if text.chars().count() <= longest {
        return Ok(Val::Own(Value::String(text.to_owned())));
    }
    let room = longest.saturating_sub(end.chars().count());
    let mut short: String = text.chars().take(room).collect();
    short.push_str(&end);
    Ok(Val::Own(Value::String(short)))
}

fn pad<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
    at_start: bool,
) -> Out<Val<'a>> {
    let filter = if at_start { "pad_start" } else { "pad_end" };
    let width = count_of(&mut given, (0, "width"), filter, 0..=i64::from(u32::MAX))?.unwrap_or(0);
    let fill = given.take(1, "fill");
    let fill = match &fill {
        Some(fill) => text(fill, filter)?,
        None => " ",
    };
    let mut signs = fill.chars();
    let (Some(sign), None) = (signs.next(), signs.next()) else {
        return Err(fail(format!("`fill` of `{filter}` is one character")));
    };
    let whole = machine.display(val)?;
    let missing = width.saturating_sub(whole.chars().count());
    machine.make(
        whole
            .len()
            .saturating_add(missing.saturating_mul(sign.len_utf8())),
    )?;
    let filling = std::iter::repeat_n(sign, missing);
    Ok(Val::Own(Value::String(if at_start {
        filling.chain(whole.chars()).collect()
    } else {
        whole.chars().chain(filling).collect()
    })))
}

fn repeat<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let count = count_of(&mut given, (0, "count"), "repeat", 0..=i64::from(u32::MAX))?;
    let count = count.unwrap_or(0);
    let text = text(&val, "repeat")?;
    machine.make(text.len().saturating_mul(count))?;
    Ok(Val::Own(Value::String(text.repeat(count))))
}

fn indent<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let width = count_of(&mut given, (0, "width"), "indent", 0..=100)?.unwrap_or(4);
    let mut is_first = !is_on(&mut given, 1, "first");
    let text = text(&val, "indent")?;
    machine.scan(text.len())?;
    let count = text.split('\n').count();
    machine.make(text.len() + count * width)?;
    let mut shown = String::with_capacity(text.len() + count * width);
    for line in text.split_inclusive('\n') {
        if !is_first && !line.trim_end_matches(['\r', '\n']).is_empty() {
            shown.extend(std::iter::repeat_n(' ', width));
        }
        is_first = false;
        shown.push_str(line);
    }
    Ok(Val::Own(Value::String(shown)))
}

/// A pattern with names in braces: only paths are looked up in it, nothing is evaluated.
fn fill<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = given.take(0, "pattern").unwrap_or(Val::Own(Value::Null));
    let mut rest = text(&pattern, "fill")?;
    let val = machine.settle(val)?;
    let Some(within @ (Value::Object(_) | Value::Array(_))) = val.value() else {
        return Err(fail(format!("`fill` needs a map, not {}", val.kind())));
    };
    machine.make(rest.len())?;
    let mut filled = String::with_capacity(rest.len());
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        let path = rest[1..]
            .find(|sign: char| !(sign.is_alphanumeric() || "._-".contains(sign)))
            .filter(|end| *end > 0 && rest[1 + end..].starts_with('}'))
            .map(|end| &rest[1..=end]);
        let Some(path) = path else {
            filled.push('{');
            rest = &rest[1..];
            continue;
        };
        machine.burn(path.len() / 8 + 1)?;
        let Some(found) = along(within, path) else {
            return Err(Box::new(
                fail(format!("`{path}` is missing in the map given to `fill`"))
                    .with_code("missing_field"),
            ));
        };
        match found {
            Value::Null => {}
            Value::String(text) => {
                machine.make(text.len())?;
                filled.push_str(text);
            }
            other => {
                machine.pay_for_copy(other)?;
                let _ = write!(filled, "{other}");
            }
        }
        rest = &rest[path.len() + 2..];
    }
    filled.push_str(rest);
    Ok(Val::Own(Value::String(filled)))
}

/// Latin letters with accents, each line with what it becomes.
const ACCENTS: &[(&str, &str)] = &[
    ("A", "ÀÁÂÃÄÅĀĂĄǍ"),
    ("a", "àáâãäåāăąǎ"),
    ("AE", "Æ"),
    ("ae", "æ"),
    ("C", "ÇĆĈĊČ"),
    ("c", "çćĉċč"),
    ("D", "ÐĎĐ"),
    ("d", "ðďđ"),
    ("E", "ÈÉÊËĒĔĖĘĚ"),
    ("e", "èéêëēĕėęě"),
    ("G", "ĜĞĠĢ"),
    ("g", "ĝğġģ"),
    ("H", "ĤĦ"),
    ("h", "ĥħ"),
    ("I", "ÌÍÎÏĨĪĬĮİǏ"),
    ("i", "ìíîïĩīĭįıǐ"),
    ("J", "Ĵ"),
    ("j", "ĵ"),
    ("K", "Ķ"),
    ("k", "ķĸ"),
    ("L", "ĹĻĽĿŁ"),
    ("l", "ĺļľŀł"),
    ("N", "ÑŃŅŇŊ"),
    ("n", "ñńņňŋ"),
    ("O", "ÒÓÔÕÖØŌŎŐǑ"),
    ("o", "òóôõöøōŏőǒ"),
    ("OE", "Œ"),
    ("oe", "œ"),
    ("R", "ŔŖŘ"),
    ("r", "ŕŗř"),
    ("S", "ŚŜŞŠȘ"),
    ("s", "śŝşšșſ"),
    ("SS", "ẞ"),
    ("ss", "ß"),
    ("T", "ŢŤŦȚ"),
    ("t", "ţťŧț"),
    ("TH", "Þ"),
    ("th", "þ"),
    ("U", "ÙÚÛÜŨŪŬŮŰŲǓ"),
    ("u", "ùúûüũūŭůűųǔ"),
    ("W", "Ŵ"),
    ("w", "ŵ"),
    ("Y", "ÝŶŸ"),
    ("y", "ýÿŷ"),
    ("Z", "ŹŻŽ"),
    ("z", "źżž"),
    ("'", "‘’"),
    ("\"", "“”„"),
    ("-", "‐‑–—"),
    ("...", "…"),
    (" ", "\u{a0}\u{202f}"),
];

fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_ascii() {
            plain.push(sign);
        } else if let Some((letters, _)) = ACCENTS.iter().find(|(_, with)| with.contains(sign)) {
            plain.push_str(letters);
        }
    }
    plain
}

fn slug<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let separator = name_of(machine, &mut given, 0, "separator")?.unwrap_or_else(|| "-".into());
    if separator.len() > 8 {
        return Err(fail("the separator of `slug` is at most 8 bytes long"));
    }
    let text = text(&val, "slug")?;
    machine.make(text.len() * (3 + separator.len()))?;
    let mut slug = String::new();
    let mut apart = false;
    for sign in ascii(text).chars() {
        if sign.is_ascii_alphanumeric() {
            if apart && !slug.is_empty() {
                slug.push_str(&separator);
            }
            apart = false;
            slug.push(sign.to_ascii_lowercase());
        } else if sign != '\'' {
            apart = true;
        }
    }
    Ok(Val::Own(Value::String(slug)))
}
