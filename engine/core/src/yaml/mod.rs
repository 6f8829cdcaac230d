//! YAML as a tree in which every key and value knows its place. The only module that knows the YAML library.
//!
//! [`parse`] reads a deliberately small YAML: one document, no aliases, anchors, tags or merge keys, no duplicate keys, `NO` and
//! `yes` are texts. [`Fields`] turns a tree into typed values and collects every fault on the way.

mod decode;
mod read;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde_json::{Map, Number, Value};

use crate::diagnostic::Span;

pub use decode::{Fields, duration, format_duration};
pub use read::{MAX_BYTES, MAX_DEPTH, MAX_NODES, parse};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Where it stands; of a list or map the first line.
    pub span: Span,
    /// Its bytes in the text, from the first to behind the last.
    pub range: Range<usize>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`, nothing else.
    Bool(bool),
    /// A number that JSON can carry without loss.
    Number(Number),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written, each key once.
    Map(Vec<Entry>),
}

/// A text and how it was written, so that a place inside it can be found in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The value.
    pub value: String,
    pub(crate) layout: Layout,
}

/// How the characters of a text lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// On one line, character by character, this far behind the start of the node.
    Inline(u32),
    /// A literal block: its lines follow one another from this line on, each indented by so much.
    Block { line: u32, indent: u32 },
    /// With escapes or folded.
    Opaque,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The key's bytes.
    pub key_range: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(&text.value),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.data {
            Data::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entry of a key, if it is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, if it is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The node a JSON pointer (RFC 6901) leads to, or the nearest on the way.
    pub fn at(&self, pointer: &str) -> &Node {
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match &node.data {
                Data::Map(_) => node.get(&part),
                Data::List(items) => part.parse::<usize>().ok().and_then(|n| items.get(n)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// What it is, for a message: `a text`, `a list`.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Number(_) => "a number",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// A tree without places, for a stored document that is read as a file is.
    pub fn from_json(value: &Value) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Number(number) => Data::Number(number.clone()),
            Value::String(text) => Data::Text(Text {
                value: text.clone(),
                layout: Layout::Opaque,
            }),
            Value::Array(items) => Data::List(items.iter().map(Self::from_json).collect()),
            Value::Object(map) => Data::Map(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_span: Span::default(),
                        key_range: 0..0,
                        value: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self {
            data,
            span: Span::default(),
            range: 0..0,
        }
    }

    /// The value without its places.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(value) => Value::Number(value.clone()),
            Data::Text(text) => Value::String(text.value.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Where a part of a text stands (byte offsets in its value): exact where the file has it character by character, else the whole.
    pub fn part(&self, part: Range<usize>) -> Span {
        let Data::Text(text) = &self.data else {
            return self.span;
        };
        let (Some(before), Some(inside)) = (text.value.get(..part.start), text.value.get(part))
        else {
            return self.span;
        };
        let inside = inside.lines().next().unwrap_or_default();
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        match text.layout {
            Layout::Inline(offset) => Span {
                line: self.span.line,
                column: self.span.column + offset + count(before),
                length: count(inside).max(1),
            },
            Layout::Block { line, indent } => {
                let lines = u32::try_from(before.matches('\n').count()).unwrap_or(0);
                let last = before.rsplit('\n').next().unwrap_or_default();
                Span {
                    line: line + lines,
                    column: 1 + indent + count(last),
                    length: count(inside).max(1),
                }
            }
            Layout::Opaque => self.span,
        }
    }
}
