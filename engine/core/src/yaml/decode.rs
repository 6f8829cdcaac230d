//! From a tree to typed values. Every fault is kept and the reading goes on.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, Faults, Span, did_you_mean};
use crate::yaml::{Data, Entry, Node};

/// The keys of one map, taken one by one; what nobody took is unknown.
#[derive(Debug)]
pub struct Fields<'n> {
    what: &'static str,
    span: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of a map; `what` names it in messages, with its article: `an app`.
    pub fn of(node: &'n Node, what: &'static str, faults: &mut Faults) -> Option<Self> {
        match &node.data {
            Data::Map(entries) => Some(Self {
                what,
                span: node.span,
                entries,
                known: Vec::new(),
            }),
            _ => {
                wrong_type(node, &format!("{what}, which is a map"), faults);
                None
            }
        }
    }

    /// The place of the whole.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The entry of a key, if it is there.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, if it is there and not empty.
    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key)
            .map(|entry| &entry.value)
            .filter(|node| node.data != Data::Null)
    }

    /// The value of a key that must be there.
    pub fn need(&mut self, key: &'static str, faults: &mut Faults) -> Option<&'n Node> {
        let found = self.take(key);
        if found.is_none() {
            let empty = self.entries.iter().find(|entry| entry.key == key);
            let span = empty.map_or(self.span, |entry| entry.key_span);
            let state = if empty.is_some() {
                "is empty"
            } else {
                "is missing"
            };
            faults.error(
                "missing_key",
                span,
                format!("`{key}` {state} in {}", self.what),
            );
        }
        found
    }

    /// Says that everything was taken: each other key is unknown.
    pub fn close(self, faults: &mut Faults) {
        for entry in self.entries {
            if !self.known.contains(&entry.key.as_str()) {
                let known = self.known.iter().copied();
                faults.push(
                    Diagnostic::error(
                        "unknown_key",
                        entry.key_span,
                        format!("`{}` is not a key of {}", entry.key, self.what),
                    )
                    .with_help_if(did_you_mean(&entry.key, known)),
                );
            }
        }
    }
}

fn wrong_type(node: &Node, expected: &str, faults: &mut Faults) {
    faults.error(
        "wrong_type",
        node.span,
        format!("expected {expected}, found {}", shown(node)),
    );
}

fn shown(node: &Node) -> String {
    match &node.data {
        Data::Bool(value) => format!("`{value}`"),
        Data::Number(value) => format!("the number `{value}`"),
        Data::Text(text) if text.value.chars().count() <= 40 && !text.value.contains('\n') => {
            format!("the text `{}`", text.value)
        }
        _ => node.kind().to_owned(),
    }
}

impl Node {
    /// A text; anything else is a fault.
    pub fn text(&self, faults: &mut Faults) -> Option<&str> {
        let found = self.as_text();
        if found.is_none() {
            wrong_type(self, "a text", faults);
        }
        found
    }

    /// `true` or `false`.
    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        if let Data::Bool(value) = self.data {
            return Some(value);
        }
        wrong_type(self, "true or false", faults);
        None
    }

    /// An integer within bounds, both included.
    pub fn integer(&self, low: u64, high: u64, faults: &mut Faults) -> Option<u64> {
        if let Data::Number(number) = &self.data
            && let Some(value) = number.as_u64()
            && (low..=high).contains(&value)
        {
            return Some(value);
        }
        wrong_type(
            self,
            &format!("a whole number from {low} to {high}"),
            faults,
        );
        None
    }

    /// The items of a list.
    pub fn list(&self, faults: &mut Faults) -> Option<&[Node]> {
        let found = self.as_list();
        if found.is_none() {
            wrong_type(self, "a list", faults);
        }
        found
    }

    /// A list of texts; `[]` after a fault in one of them.
    pub fn texts(&self, faults: &mut Faults) -> Vec<String> {
        let items = self.list(faults).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.text(faults).map(str::to_owned))
            .collect()
    }

    /// The entries of a map whose keys are free.
    pub fn map(&self, faults: &mut Faults) -> Option<&[Entry]> {
        let found = self.as_map();
        if found.is_none() {
            wrong_type(self, "a map", faults);
        }
        found
    }

    /// A text that has a form of its own, such as a name.
    pub fn parsed<T>(&self, faults: &mut Faults) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.text(faults)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                faults.error("bad_name", self.span, error.to_string());
                None
            }
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, words: &[(&'static str, T)], faults: &mut Faults) -> Option<T> {
        let text = self.text(faults)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let words = words.iter().map(|(word, _)| *word);
            faults.push(
                Diagnostic::error(
                    "unknown_word",
                    self.span,
                    format!("`{text}` is not one of the words that may stand here"),
                )
                .with_help_if(did_you_mean(text, words)),
            );
        }
        found
    }

    /// A duration such as `30s`, `1m`, `7d` or `500ms`.
    pub fn duration(&self, faults: &mut Faults) -> Option<Duration> {
        let written = match &self.data {
            Data::Text(text) => text.value.clone(),
            Data::Number(number) => number.to_string(),
            _ => {
                wrong_type(self, "a duration such as `30s`, `5m`, `2h` or `7d`", faults);
                return None;
            }
        };
        let found = duration(&written);
        if found.is_none() {
            let help = match written.parse::<u64>() {
                Ok(_) => format!("say the unit: `{written}s` or `{written}ms`"),
                Err(_) => "a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`".to_owned(),
            };
            faults.push(
                Diagnostic::error(
                    "bad_duration",
                    self.span,
                    format!("`{written}` is not a duration"),
                )
                .with_help(help),
            );
        }
        found
    }
}

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads `30s`, `5m`, `2h`, `7d`, `500ms`; at most ten years.
pub fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let total = number.parse::<u64>().ok()?.checked_mul(*millis)?;
    (total <= 3650 * 86_400_000).then(|| Duration::from_millis(total))
}

/// The shortest way to write a duration of whole milliseconds that [`duration`] reads back.
pub fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, size) = UNITS
        .iter()
        .find(|(_, size)| millis >= *size && millis % size == 0)
        .unwrap_or(&("ms", 1));
    format!("{}{unit}", millis / size)
}
