//! Filters: a closed list, in one table a topic. Each pays for what it looks at before it looks, and for what it makes before it makes
//! it. What a filter does never changes: a better one gets a new name or a new argument.

mod codes;
mod dates;
mod lists;
mod maps;
mod numbers;
mod patterns;
mod sets;
mod texts;
mod values;

use std::ops::Range;

use serde_json::Value;

use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::reference::Entry;
use crate::expr::syntax::{Args, Kind};
use crate::expr::value::{Num, Val};

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
    /// How it is written, what it does, and an expression with the JSON it gives.
    pub usage: &'static str,
    pub does: &'static str,
    pub example: (&'static str, &'static str),
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A table of filters: each with its arguments, its function, and its place in the manual.
macro_rules! filters {
    ($($name:literal $args:tt $named:tt $apply:expr, $usage:literal, $does:literal, $example:literal => $gives:literal;)*) => {
        pub(super) static FILTERS: &[$crate::expr::filters::Filter] = &[$($crate::expr::filters::Filter {
            name: $name,
            args: $args,
            named: &$named,
            takes_missing: matches!($name.as_bytes(), b"default" | b"d"),
            apply: $apply,
            usage: $usage,
            does: $does,
            example: ($example, $gives),
        }),*];
    };
}
use filters;

/// The tables, in the order of the manual.
static TOPICS: &[(&str, &[Filter])] = &[
    ("Values", values::FILTERS),
    ("Numbers", numbers::FILTERS),
    ("Texts", texts::FILTERS),
    ("Patterns", patterns::FILTERS),
    ("Encodings", codes::FILTERS),
    ("Dates and times", dates::FILTERS),
    ("Lists", lists::FILTERS),
    ("Groups and sets", sets::FILTERS),
    ("Maps", maps::FILTERS),
];

/// A filter by its name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    all().find(|filter| filter.name == name)
}

fn all() -> impl Iterator<Item = &'static Filter> + Clone {
    TOPICS.iter().flat_map(|(_, filters)| filters.iter())
}

pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    all().map(|filter| filter.name)
}

/// What the manual says, topic by topic.
pub(super) fn manual() -> impl Iterator<Item = Entry> {
    TOPICS.iter().flat_map(|(topic, filters)| {
        filters.iter().map(|filter| Entry {
            topic,
            name: filter.name,
            usage: filter.usage,
            does: filter.does,
            example: filter.example.0,
            gives: filter.example.1,
        })
    })
}

/// What to write here for what other tools have under this name.
pub(super) fn known_elsewhere(name: &str) -> Option<&'static str> {
    const ELSEWHERE: &[(&[&str], &str)] = &[
        (
            &["starts_with", "startswith", "startsWith"],
            "ask `x is startingwith 'a'`",
        ),
        (
            &["ends_with", "endswith", "endsWith"],
            "ask `x is endingwith 'a'`",
        ),
        (
            &["contains", "includes", "include", "test"],
            "ask `'a' in x`, or `x is matching('pattern')`",
        ),
        (
            &["now", "today", "date"],
            "expressions have no clock; `run.started_at | format_date('%Y-%m-%d')` is the day the run began",
        ),
        (
            &["ifempty", "if_empty", "presence", "or_default", "coalesce"],
            "write `x | default('…', true)`, or `coalesce(a, b)`",
        ),
        (&["strip", "strip_whitespace"], "it is `trim`"),
        (&["upcase", "uppercase", "toUpperCase"], "it is `upper`"),
        (&["downcase", "lowercase", "toLowerCase"], "it is `lower`"),
        (&["titleize", "title_case", "startcase"], "it is `title`"),
        (
            &["substring", "substr", "slice", "mid"],
            "take a slice: `x[2:5]`",
        ),
        (
            &["pluck", "get_each", "extract"],
            "it is `map(attribute='path')`",
        ),
        (
            &["where", "filter", "find_all"],
            "it is `selectattr('path', 'eq', value)`",
        ),
        (
            &["distinct", "deduplicate", "uniq", "removeDuplicates"],
            "it is `unique`",
        ),
        (&["chunk", "in_groups_of"], "it is `batch`"),
        (&["group_by", "groupBy"], "it is `groupby`"),
        (&["intersection"], "it is `intersect`"),
        (&["merge", "update"], "it is `combine`"),
        (
            &["from_pairs", "to_object", "toCollection", "items2dict"],
            "write `dict(pairs)`",
        ),
        (
            &["dict2items", "to_pairs", "entries", "toArray"],
            "it is `items`",
        ),
        (
            &["parse_json", "json_parse", "parseJson"],
            "it is `from_json`",
        ),
        (
            &["to_json", "json", "stringify", "serialize"],
            "it is `tojson`",
        ),
        (
            &["base64", "base64_encode", "encode_base64"],
            "it is `b64encode`",
        ),
        (
            &["base64_decode", "decode_base64", "toString"],
            "it is `b64decode`",
        ),
        (
            &["url_encode", "encode_url", "encodeURL", "urlquote"],
            "it is `urlencode`",
        ),
        (
            &["url_decode", "decode_url", "decodeURL"],
            "it is `urldecode`",
        ),
        (
            &["sha256", "md5", "sha1", "sha512"],
            "it is `hash('sha256')`, or 'sha384' or 'sha512'",
        ),
        (
            &["strip_tags", "stripHTML", "strip_html", "remove_tags"],
            "it is `striptags`",
        ),
        (
            &["html_escape", "escapeHTML", "escape_html"],
            "it is `escape`",
        ),
        (&["gsub", "sub", "regex_sub"], "it is `regex_replace`"),
        (
            &["scan", "match", "regex_extract", "regex_match"],
            "it is `regex_search`, or `regex_findall` for all; to ask, `x is matching('pattern')`",
        ),
        (
            &["strftime", "formatDate", "date_format"],
            "it is `format_date`",
        ),
        (
            &[
                "strptime",
                "to_date",
                "to_time",
                "parseDate",
                "toDateTime",
                "to_datetime",
            ],
            "it is `parse_date`",
        ),
        (
            &[
                "add_days",
                "addDays",
                "addMonths",
                "plus",
                "add_time",
                "date_plus",
            ],
            "it is `date_add(days=1)`",
        ),
        (
            &["subtract", "minus", "subDays"],
            "it is `date_add(days=-1)`",
        ),
        (
            &[
                "dateDifference",
                "diff",
                "diffTo",
                "days_between",
                "date_difference",
            ],
            "it is `date_diff(other, 'days')`",
        ),
        (
            &["in_time_zone", "timezone", "in_timezone", "setZone"],
            "it is `to_timezone`",
        ),
        (
            &["beginning_of_month", "beginningOf", "beginning_of"],
            "it is `start_of('month')`",
        ),
        (&["end_of_month", "endOf"], "it is `end_of('month')`"),
        (&["avg", "mean"], "it is `average`"),
        (
            &["parseNumber", "to_i", "to_f", "to_number", "number"],
            "it is `int`, `float`, or `parse_number` for texts such as 1,234.50",
        ),
        (
            &["formatNumber", "number_format", "to_currency"],
            "it is `format_number`",
        ),
        (
            &["ljust", "rjust", "padStart", "padEnd", "pad"],
            "it is `pad_start` or `pad_end`",
        ),
        (&["size", "len"], "it is `length`"),
        (&["slugify", "parameterize", "kebab"], "it is `slug`"),
        (
            &["format"],
            "it is `fill`: `{'name': 'Ana'} | fill('Dear {name}')`",
        ),
    ];
    ELSEWHERE
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, help)| *help)
}

/// What a literal argument must be: the filter, the place and the name of the argument, and the question.
type Literal = (
    &'static str,
    usize,
    &'static str,
    fn(&str) -> Result<(), String>,
);

static LITERALS: &[Literal] = &[
    ("regex_search", 0, "pattern", patterns::check),
    ("regex_findall", 0, "pattern", patterns::check),
    ("regex_replace", 0, "pattern", patterns::check),
    ("regex_split", 0, "pattern", patterns::check),
    ("regex_groups", 0, "pattern", patterns::check),
    ("matching", 0, "pattern", patterns::check),
    ("format_date", 0, "pattern", dates::check_pattern),
    ("format_date", 1, "timezone", dates::check_zone),
    ("parse_date", 0, "pattern", dates::check_pattern),
    ("parse_date", 1, "timezone", dates::check_zone),
    ("to_timezone", 0, "timezone", dates::check_zone),
    ("date_add", usize::MAX, "timezone", dates::check_zone),
    ("date_diff", 1, "unit", dates::check_unit),
    ("date_diff", 2, "timezone", dates::check_zone),
    ("start_of", 0, "unit", dates::check_unit),
    ("start_of", 1, "timezone", dates::check_zone),
    ("end_of", 0, "unit", dates::check_unit),
    ("end_of", 1, "timezone", dates::check_zone),
    ("date_part", 0, "part", dates::check_part),
    ("date_part", 1, "timezone", dates::check_zone),
    ("hash", 0, "algorithm", codes::check_algorithm),
    ("round", 1, "method", numbers::check_method),
];

/// Finds what is wrong with an argument that is written out, before anything runs: its bytes and a message.
pub(super) fn check_literals(name: &str, args: &Args) -> Option<(Range<usize>, String)> {
    LITERALS
        .iter()
        .filter(|(filter, ..)| *filter == name)
        .find_map(|(_, place, named, check)| {
            let by_name = args.named.iter().find(|(key, _)| &**key == *named);
            let node = by_name
                .map(|(_, node)| node)
                .or_else(|| args.placed.get(*place))?;
            match &node.kind {
                Kind::Literal(Value::String(text)) => {
                    check(text).err().map(|message| (node.at.clone(), message))
                }
                _ => None,
            }
        })
}

/// Whether a text matches a pattern: the test `matching`.
pub(super) fn matching<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    args: &[Val<'a>],
) -> Out<bool> {
    patterns::matching(machine, val, args)
}

pub(super) use dates::{is_date, is_weekend, order_of_dates};

fn text<'v>(val: &'v Val<'_>, filter: &str) -> Out<&'v str> {
    val.as_text()
        .ok_or_else(|| fail(format!("`{filter}` needs a text, not {}", val.kind())))
}

fn number(val: &Val<'_>, filter: &str) -> Out<Num> {
    val.as_number()
        .ok_or_else(|| fail(format!("`{filter}` needs a number, not {}", val.kind())))
}

/// A text argument; the name of an attribute, a separator.
fn name_of<'a>(
    machine: &mut Machine<'a>,
    given: &mut Given<'a>,
    place: usize,
    name: &str,
) -> Out<Option<String>> {
    match given.take(place, name) {
        Some(val) => {
            let text = text(&val, name)?;
            machine.make(text.len())?;
            Ok(Some(text.to_owned()))
        }
        None => Ok(None),
    }
}

/// A whole-number argument between two bounds.
fn count_of(
    given: &mut Given<'_>,
    (place, name): (usize, &str),
    filter: &str,
    bounds: std::ops::RangeInclusive<i64>,
) -> Out<Option<usize>> {
    let Some(val) = given.take(place, name) else {
        return Ok(None);
    };
    let number = whole(&val, &format!("`{name}` of `{filter}`"))?;
    if !bounds.contains(&number) {
        return Err(fail(format!(
            "`{name}` of `{filter}` must be {} to {}",
            bounds.start(),
            bounds.end()
        )));
    }
    Ok(usize::try_from(number).ok())
}

/// Whether a switch is on; off unless it is given.
fn is_on(given: &mut Given<'_>, place: usize, name: &str) -> bool {
    given.take(place, name).is_some_and(|val| val.truth())
}

fn fields<'v>(val: &'v Val<'_>, filter: &str) -> Out<&'v serde_json::Map<String, Value>> {
    match val.value() {
        Some(Value::Object(fields)) => Ok(fields),
        _ => Err(fail(format!("`{filter}` needs a map, not {}", val.kind()))),
    }
}
