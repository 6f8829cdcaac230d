//! Filters that look for a regular expression.

use serde_json::{Map, Value};

use crate::expr::budget::{MAP, VALUE};
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::{count_of, filters, name_of, text};
use crate::expr::pattern::{Found, Pattern};
use crate::expr::value::Val;

filters! {
    "regex_search" (1, 3) ["pattern", "group", "default"] search, "regex_search(pattern, group=0, default=none)", "the first match, or a group of it by number or name", "'Order INV-1042 paid' | regex_search('INV-(\\\\d+)', 1)" => "\"1042\"";
    "regex_findall" (1, 2) ["pattern", "group"] find_all, "regex_findall(pattern, group=0)", "every match, or a group of each", "'a1 b22 c333' | regex_findall('\\\\d+')" => "[\"1\",\"22\",\"333\"]";
    "regex_groups" (1, 1) ["pattern"] groups, "regex_groups(pattern)", "the named groups of the first match as a map; null without a match", "'12:34' | regex_groups('(?P<h>\\\\d+):(?P<m>\\\\d+)')" => "{\"h\":\"12\",\"m\":\"34\"}";
    "regex_replace" (2, 3) ["pattern", "with", "count"] replace, "regex_replace(pattern, with, count)", "with every match replaced; `$1` and `${name}` are groups, `$$` is a dollar", "'Doe, John' | regex_replace('(\\\\w+), (\\\\w+)', '$2 $1')" => "\"John Doe\"";
    "regex_split" (1, 2) ["pattern", "maxsplit"] split, "regex_split(pattern, maxsplit)", "the parts between the matches", "'a, b;c' | regex_split('[,;] *')" => "[\"a\",\"b\",\"c\"]";
    "regex_escape" (0, 0) [] escape, "regex_escape", "with what is special in a pattern escaped", "'1.5 (net)' | regex_escape" => "\"1\\\\.5 \\\\(net\\\\)\"";
}

pub(super) fn check(pattern: &str) -> Result<(), String> {
    Pattern::compile(pattern).map(drop)
}

pub(super) fn matching<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    args: &[Val<'a>],
) -> Out<bool> {
    let pattern = args.first().unwrap_or(&Val::Own(Value::Null));
    let pattern = machine.pattern(text(pattern, "matching")?)?;
    let mut found = false;
    machine.find_all(&pattern, text(val, "matching")?, 1, |_, _| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

/// The pattern that a filter is given.
fn pattern<'a>(
    machine: &mut Machine<'a>,
    given: &mut Given<'a>,
    filter: &str,
) -> Out<std::rc::Rc<Pattern>> {
    let source = given.take(0, "pattern").unwrap_or(Val::Own(Value::Null));
    machine.pattern(text(&source, filter)?)
}

/// The group that is wanted, by number or name.
fn group<'a>(machine: &mut Machine<'a>, given: &mut Given<'a>, pattern: &Pattern) -> Out<usize> {
    let Some(wanted) = given.take(1, "group") else {
        return Ok(0);
    };
    let name = machine.key(wanted)?;
    pattern.group(&name).ok_or_else(|| {
        Box::new(
            fail("the pattern has no such group")
                .with_help("groups are counted from 1; `(?P<name>…)` gives one a name"),
        )
    })
}

fn part(text: &str, found: &Found, group: usize) -> Option<Value> {
    found.group(group).map(|range| Value::from(&text[range]))
}

fn search<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = pattern(machine, &mut given, "regex_search")?;
    let group = group(machine, &mut given, &pattern)?;
    let text = text(&val, "regex_search")?;
    let mut first = None;
    machine.find_all(&pattern, text, 1, |machine, found| {
        machine.make(found.whole().len() + VALUE)?;
        first = part(text, found, group);
        Ok(())
    })?;
    Ok(match first {
        Some(found) => Val::Own(found),
        None => given.take(2, "default").unwrap_or(Val::Own(Value::Null)),
    })
}

fn find_all<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = pattern(machine, &mut given, "regex_findall")?;
    let group = group(machine, &mut given, &pattern)?;
    let text = text(&val, "regex_findall")?;
    let mut all = Vec::new();
    machine.find_all(&pattern, text, usize::MAX, |machine, found| {
        machine.make(found.whole().len() + VALUE)?;
        all.push(part(text, found, group).unwrap_or(Value::Null));
        Ok(())
    })?;
    Ok(Val::Own(Value::Array(all)))
}

fn groups<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = pattern(machine, &mut given, "regex_groups")?;
    let text = text(&val, "regex_groups")?;
    let mut named = Value::Null;
    machine.find_all(&pattern, text, 1, |machine, found| {
        machine.make(found.whole().len() * pattern.groups() + MAP)?;
        let mut groups = Map::new();
        for (number, name) in pattern.names() {
            machine.make(name.len() + VALUE)?;
            let value = part(text, found, number).unwrap_or(Value::Null);
            groups.insert(name.to_owned(), value);
        }
        named = Value::Object(groups);
        Ok(())
    })?;
    Ok(Val::Own(named))
}

/// A piece of what a match is replaced by.
enum Piece<'t> {
    Text(&'t str),
    Group(usize),
}

/// `$1`, `${name}` and `$$` in a text.
fn pieces<'t>(with: &'t str, pattern: &Pattern) -> Out<Vec<Piece<'t>>> {
    let mut pieces = Vec::new();
    let mut rest = with;
    while let Some(dollar) = rest.find('$') {
        pieces.push(Piece::Text(&rest[..dollar]));
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(braced) => braced
                .split_once('}')
                .ok_or_else(|| fail("`${` is never closed in what `regex_replace` puts in"))?,
            None => {
                let end = rest
                    .find(|sign: char| !sign.is_ascii_digit())
                    .unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        if name.is_empty() {
            return Err(fail(
                "`$` in what `regex_replace` puts in is followed by a number or `{name}`; `$$` is a dollar",
            ));
        }
        let group = pattern
            .group(name)
            .ok_or_else(|| fail("the pattern has no such group as `regex_replace` puts in"))?;
        pieces.push(Piece::Group(group));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn replace<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = pattern(machine, &mut given, "regex_replace")?;
    let most = count_of(
        &mut given,
        (2, "count"),
        "regex_replace",
        0..=i64::from(u32::MAX),
    )?;
    let with = name_of(machine, &mut given, 1, "with")?.unwrap_or_default();
    machine.make(with.len() * VALUE)?;
    let pieces = pieces(&with, &pattern)?;
    let text = text(&val, "regex_replace")?;
    machine.make(text.len())?;
    let (mut replaced, mut done) = (String::new(), 0);
    machine.find_all(
        &pattern,
        text,
        most.unwrap_or(usize::MAX),
        |machine, found| {
            let whole = found.whole();
            replaced.push_str(&text[done..whole.start]);
            done = whole.end;
            for piece in &pieces {
                let piece = match piece {
                    Piece::Text(text) => text,
                    Piece::Group(number) => found.group(*number).map_or("", |range| &text[range]),
                };
                machine.make(piece.len())?;
                replaced.push_str(piece);
            }
            Ok(())
        },
    )?;
    replaced.push_str(&text[done..]);
    Ok(Val::Own(Value::String(replaced)))
}

fn split<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = pattern(machine, &mut given, "regex_split")?;
    let most = count_of(
        &mut given,
        (1, "maxsplit"),
        "regex_split",
        0..=i64::from(u32::MAX),
    )?;
    let text = text(&val, "regex_split")?;
    machine.make(text.len() + VALUE)?;
    let (mut parts, mut done) = (Vec::new(), 0);
    machine.find_all(
        &pattern,
        text,
        most.unwrap_or(usize::MAX),
        |machine, found| {
            let whole = found.whole();
            machine.make(VALUE)?;
            // An empty match at either end cuts nothing off.
            if !(whole.is_empty() && (whole.start == 0 || whole.end == text.len())) {
                parts.push(Value::from(&text[done..whole.start]));
                done = whole.end;
            }
            Ok(())
        },
    )?;
    parts.push(Value::from(&text[done..]));
    Ok(Val::Own(Value::Array(parts)))
}

fn escape<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "regex_escape")?;
    machine.make(text.len() * 2)?;
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(sign) {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    Ok(Val::Own(Value::String(escaped)))
}
