//! Taking the build-time values out of a draft's text. What a draft stores, shows and exports is this text; the values live in rows of their
//! own and belong to their author.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{self, Entry, Node};

/// The key that is never stored.
const KEY: &str = "build_time";

/// The text without its `build_time` entries and without comments on their lines; everything else as written.
///
/// # Errors
/// The faults of a text that is no YAML of ours: nothing can be taken out of it with certainty, so it must not be stored.
pub fn without_build_time(text: &str) -> Result<String, Vec<Diagnostic>> {
    let root = yaml::parse(text)?;
    let slots = root
        .get("connections")
        .and_then(Node::as_map)
        .unwrap_or_default();
    let mut cuts: Vec<Range<usize>> = slots
        .iter()
        .filter_map(|slot| slot.value.as_map())
        .flatten()
        .filter(|entry| entry.key == KEY)
        .flat_map(|entry| {
            let (own, more) = cut(text, entry);
            std::iter::once(own).chain(more)
        })
        .collect();
    cuts.sort_by_key(|cut| cut.start);
    let mut left = String::with_capacity(text.len());
    let mut done = 0;
    for cut in cuts {
        left.push_str(text.get(done..cut.start.max(done)).unwrap_or_default());
        done = cut.end.max(done);
    }
    left.push_str(text.get(done..).unwrap_or_default());
    // The promise is checked, not assumed: the same flow, and the key nowhere.
    let mut wanted = root.to_json();
    for slot in wanted
        .get_mut("connections")
        .and_then(|slots| slots.as_object_mut())
        .into_iter()
        .flatten()
    {
        if let Some(slot) = slot.1.as_object_mut() {
            slot.remove(KEY);
        }
    }
    match yaml::parse(&left) {
        Ok(read) if same(&read.to_json(), &wanted) => Ok(left),
        _ => Err(vec![
            Diagnostic::error(
                "build_time",
                Span::default(),
                "the build-time values cannot be taken out of this text",
            )
            .with_help("write each `build_time` on a line of its own"),
        ]),
    }
}

/// A map that lost its only key reads as nothing.
fn same(read: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    use serde_json::Value::{Null, Object};
    match (read, wanted) {
        (Null, Object(fields)) => fields.is_empty(),
        (Object(read), Object(wanted)) => {
            read.len() == wanted.len()
                && wanted
                    .iter()
                    .all(|(key, wanted)| read.get(key).is_some_and(|read| same(read, wanted)))
        }
        (read, wanted) => read == wanted,
    }
}

/// The bytes that an entry takes: its lines where it has them to itself, else the entry with one comma. Then the comma before those lines,
/// or the comment behind the entry.
fn cut(text: &str, entry: &Entry) -> (Range<usize>, Option<Range<usize>>) {
    let bytes = text.as_bytes();
    let start = entry.key_range.start;
    let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
    let mut end = entry.value.range.end.max(entry.key_range.end);
    if entry.value.range.is_empty() {
        // Nothing stands behind the colon.
        end = text[entry.key_range.end..]
            .find(':')
            .map_or(end, |n| entry.key_range.end + n + 1);
    }
    let blanks = |mut at: usize| {
        while matches!(bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        at
    };
    let alone_before = text[line_start..start].trim().is_empty();
    // A block text ends with its last line.
    if end > start && bytes.get(end - 1) == Some(&b'\n') && alone_before {
        return (line_start..end, None);
    }
    let mut after = blanks(end);
    let comma = bytes.get(after) == Some(&b',');
    if comma {
        after = blanks(after + 1);
    }
    let line_end = text[after..].find('\n').map_or(text.len(), |n| after + n);
    let comment = bytes.get(after) == Some(&b'#');
    let ends_line = comment || text[after..line_end].trim().is_empty();
    if alone_before && ends_line {
        let lines = line_start..(line_end + 1).min(text.len());
        return (
            lines,
            if comma {
                None
            } else {
                comma_before(text, line_start)
            },
        );
    }
    let own = match comma_before(text, start) {
        // The last entry of a map on one line: the comma before it goes, with the blanks.
        Some(before) if !comma && ends_line => text[..before.start].trim_end().len()..end,
        Some(before) if !comma => before.start..end,
        _ => start..if comma { after } else { end },
    };
    (
        own,
        if comment {
            Some(after..line_end)
        } else {
            trailing_comment(text, after, line_end)
        },
    )
}

/// A comma that only blanks, line ends and whole comment lines part from a place; a comment between them stays.
fn comma_before(text: &str, place: usize) -> Option<Range<usize>> {
    let mut end = place;
    loop {
        let trimmed = text[..end].trim_end();
        if trimmed.ends_with(',') {
            return Some(trimmed.len() - 1..if end == place { place } else { trimmed.len() });
        }
        // Perhaps a line that ends in a comment: `a: 1, # why`.
        let line = trimmed.rfind('\n').map_or(0, |n| n + 1);
        let comment = trimmed[line..]
            .find('#')
            .filter(|n| *n == 0 || trimmed.as_bytes()[line + n - 1].is_ascii_whitespace())?;
        end = line + comment;
    }
}

/// A comment behind the rest of the line; a `#` in a quoted text is none.
fn trailing_comment(text: &str, from: usize, line_end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut quote = None;
    for at in from..line_end {
        match (quote, bytes[at]) {
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, b'#') if at == from || bytes[at - 1].is_ascii_whitespace() => {
                let start = text[..at].trim_end().len().max(from);
                return Some(start..line_end);
            }
            _ => {}
        }
    }
    None
}
