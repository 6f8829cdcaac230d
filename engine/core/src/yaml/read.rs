//! From a text to a tree: every limit is checked while events arrive, so that nothing hostile is ever built.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Number;
use serde_yaml::granit_parser::{self, Event, Marker, Parser, ScalarStyle};

use crate::diagnostic::{Diagnostic, Faults, Span};
use crate::yaml::{Data, Entry, Layout, Node, Text};

/// The longest file, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most values and keys in a file.
pub const MAX_NODES: usize = 150_000;
/// The deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 32;
/// The largest integer that JSON carries everywhere without loss.
const MAX_INTEGER: u64 = 1 << 53;
/// After so many faults of one file the rest is not worth reading.
const MAX_FAULTS: usize = 100;

/// Reads one document.
///
/// # Errors
/// Every fault of its form that can be told apart, with line and column.
pub fn parse(text: &str) -> Result<Node, Vec<Diagnostic>> {
    check_text(text).map_err(|fault| vec![fault])?;
    let mut tree = Tree::new(text);
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: MAX_DEPTH + 2,
        block_nesting_limit: MAX_DEPTH + 2,
    };
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(event) = parser.next_event() {
        let event = match event {
            Ok((event, span)) => tree.take(event, &span),
            Err(error) => Err(tree.syntax(&error)),
        };
        if let Err(fault) = event {
            tree.faults.push(fault);
            break;
        }
        if tree.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    match (tree.root, tree.faults.has_errors()) {
        (Some(root), false) => Ok(root),
        (_, true) => Err(tree.faults.finish()),
        (None, false) => Err(vec![Diagnostic::error(
            "empty_file",
            Span {
                line: 1,
                column: 1,
                length: 1,
            },
            "the file is empty",
        )]),
    }
}

/// What is refused before the parser sees it.
fn check_text(text: &str) -> Result<(), Diagnostic> {
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::error(
            "file_too_large",
            Span::default(),
            format!(
                "the file has {} bytes; at most {MAX_BYTES} (1 MB) are read",
                text.len()
            ),
        ));
    }
    let hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || crate::diagnostic::is_reordering(c)
    };
    if let Some((offset, c)) = text.char_indices().find(|(_, c)| hidden(*c)) {
        return Err(Diagnostic::error(
            "invalid_character",
            place(text, offset),
            format!("the character U+{:04X} is not allowed", u32::from(c)),
        )
        .with_help("in a quoted text it can be written as an escape, such as \"\\u0000\""));
    }
    Ok(())
}

/// The line and column of a byte.
fn place(text: &str, offset: usize) -> Span {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    Span {
        line: count(before.matches('\n').count()) + 1,
        column: count(line.chars().count()) + 1,
        length: 1,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A list or map that is still open.
struct Open {
    span: Span,
    start: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        places: HashMap<String, Span>,
        key: Option<(String, Span, Range<usize>)>,
    },
}

struct Tree<'t> {
    text: &'t str,
    stack: Vec<Open>,
    root: Option<Node>,
    faults: Faults,
    nodes: usize,
    documents: usize,
}

impl<'t> Tree<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            stack: Vec::new(),
            root: None,
            faults: Faults::default(),
            nodes: 0,
            documents: 0,
        }
    }

    /// Takes one event; an error ends the reading.
    fn take(&mut self, event: Event<'_>, span: &granit_parser::Span) -> Result<(), Diagnostic> {
        let (place, range) = self.locate(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::error(
                        "second_document",
                        place,
                        "the file holds a second document",
                    )
                    .with_help(
                        "one file is one document: remove the line `---` and what follows it",
                    ));
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.count(place)?;
                self.faults.push(
                    Diagnostic::error(
                        "alias",
                        place,
                        "aliases (`*name`) are not part of the language",
                    )
                    .with_help("write the value out; a text that begins with `*` needs quotes"),
                );
                self.value(Node {
                    data: Data::Null,
                    span: place,
                    range,
                })?;
            }
            Event::Anchor(..) => self.faults.push(
                Diagnostic::error(
                    "anchor",
                    place,
                    "anchors (`&name`) are not part of the language",
                )
                .with_help("remove it; a text that begins with `&` needs quotes"),
            ),
            Event::Scalar(value, style, _, tag) => {
                self.count(place)?;
                self.refuse_tag(tag.is_some(), span, place);
                self.scalar(&value, style, place, range)?;
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), span, place);
                self.open(place, range.start, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), span, place);
                let kind = OpenKind::Map {
                    entries: Vec::new(),
                    places: HashMap::new(),
                    key: None,
                };
                self.open(place, range.start, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, span: Span, start: usize, kind: OpenKind) -> Result<(), Diagnostic> {
        self.count(span)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(Diagnostic::error(
                "too_deep",
                span,
                format!("lists and maps are nested deeper than {MAX_DEPTH}"),
            ));
        }
        if self.awaits_key() {
            return Err(unquoted(span));
        }
        self.stack.push(Open { span, start, kind });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Diagnostic> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let data = match open.kind {
            OpenKind::List(items) => Data::List(items),
            OpenKind::Map { entries, .. } => Data::Map(entries),
        };
        // The end of a block collection is announced at the next token; its text ends with its last child.
        let last = match &data {
            Data::List(items) => items.last().map(|node| node.range.end),
            Data::Map(entries) => entries.last().map(|entry| entry.value.range.end),
            _ => None,
        };
        let closes_itself = self
            .text
            .as_bytes()
            .get(open.start)
            .is_some_and(|b| matches!(b, b'{' | b'['))
            && end > open.start
            && self
                .text
                .as_bytes()
                .get(end - 1)
                .is_some_and(|b| matches!(b, b'}' | b']'));
        let end = if closes_itself {
            end
        } else {
            last.unwrap_or(open.start)
        };
        self.value(Node {
            data,
            span: open.span,
            range: open.start..end.max(open.start),
        })
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        span: Span,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
        if self.awaits_key() {
            self.key(value, span, range);
            return Ok(());
        }
        let data = if style == ScalarStyle::Plain {
            plain(value, span).unwrap_or_else(|fault| {
                self.faults.push(fault);
                Some(Data::Null)
            })
        } else {
            None
        };
        let data = data.unwrap_or_else(|| {
            Data::Text(Text {
                value: value.to_owned(),
                layout: self.layout(value, style, span, &range),
            })
        });
        self.value(Node { data, span, range })
    }

    fn key(&mut self, name: &str, span: Span, range: Range<usize>) {
        let Some(Open {
            kind: OpenKind::Map { places, key, .. },
            ..
        }) = self.stack.last_mut()
        else {
            return;
        };
        if name.is_empty() {
            self.faults
                .error("empty_key", span, "a key is missing before `:`");
        } else if name == "<<" {
            self.faults.push(
                Diagnostic::error(
                    "merge_key",
                    span,
                    "merge keys (`<<`) are not part of the language",
                )
                .with_help("write the keys out"),
            );
        } else if let Some(first) = places.get(name) {
            self.faults.push(
                Diagnostic::error(
                    "duplicate_key",
                    span,
                    format!("`{name}` stands twice in this map"),
                )
                .with_also(*first, "the first is here"),
            );
        } else {
            places.insert(name.to_owned(), span);
        }
        *key = Some((name.to_owned(), span, range));
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, node: Node) -> Result<(), Diagnostic> {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open {
                kind: OpenKind::List(items),
                ..
            }) => items.push(node),
            Some(Open {
                kind: OpenKind::Map { entries, key, .. },
                ..
            }) => match key.take() {
                Some((key, key_span, key_range)) => entries.push(Entry {
                    key,
                    key_span,
                    key_range,
                    value: node,
                }),
                None => return Err(unquoted(node.span)),
            },
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Open {
                kind: OpenKind::Map { key: None, .. },
                ..
            })
        )
    }

    fn count(&mut self, span: Span) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Diagnostic::error(
                "too_many_values",
                span,
                format!("the file has more than {MAX_NODES} keys and values"),
            ));
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, span: &granit_parser::Span, place: Span) {
        if tagged {
            let place = span.tag_span().map_or(place, |tag| self.locate(&tag).0);
            self.faults.push(
                Diagnostic::error("tag", place, "tags (`!name`) are not part of the language")
                    .with_help("remove it; a text that begins with `!` needs quotes"),
            );
        }
    }

    fn locate(&self, span: &granit_parser::Span) -> (Span, Range<usize>) {
        let start = span.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = span
            .end
            .byte_offset()
            .unwrap_or(start)
            .clamp(start, self.text.len());
        let first = self
            .text
            .get(start..end)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let place = Span {
            line: count(span.start.line()),
            column: count(span.start.col()) + 1,
            length: count(first.trim_end().chars().count()).max(1),
        };
        (place, start..end)
    }

    fn layout(&self, value: &str, style: ScalarStyle, span: Span, range: &Range<usize>) -> Layout {
        let source = self.text.get(range.clone()).unwrap_or_default();
        match style {
            ScalarStyle::Plain if source.starts_with(value) => Layout::Inline(0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
                if source
                    .get(1..)
                    .is_some_and(|inner| inner.starts_with(value))
                    && !value.contains('\n') =>
            {
                Layout::Inline(1)
            }
            // A literal block begins at the first character of its first line, which tells how far all of them are indented.
            ScalarStyle::Literal
                if value
                    .lines()
                    .next()
                    .is_some_and(|line| !line.is_empty() && source.starts_with(line)) =>
            {
                Layout::Block {
                    line: span.line,
                    indent: span.column - 1,
                }
            }
            _ => Layout::Opaque,
        }
    }

    fn syntax(&self, error: &granit_parser::ScanError) -> Diagnostic {
        let mark: &Marker = error.marker();
        let span = Span {
            line: count(mark.line()),
            column: count(mark.col()) + 1,
            length: 1,
        };
        let limit = format!("{:?}", error.kind());
        if limit.contains("NestingLimit")
            || limit.contains("TooDeep")
            || limit.contains("RecursionLimit")
        {
            return Diagnostic::error(
                "too_deep",
                span,
                format!("lists and maps are nested deeper than {MAX_DEPTH}"),
            );
        }
        Diagnostic::error("yaml_syntax", span, error.kind().to_string())
    }
}

/// A map or list where a key must stand: nearly always an expression that was not quoted.
fn unquoted(span: Span) -> Diagnostic {
    Diagnostic::error(
        "unquoted_expression",
        span,
        "a key cannot be a list or a map",
    )
    .with_help("an expression needs quotes around its braces: \"{{ inputs.name }}\"")
}

/// What an unquoted text means; `None` if it is a text.
fn plain(value: &str, span: Span) -> Result<Option<Data>, Diagnostic> {
    match value {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Some(Data::Null)),
        "true" | "True" | "TRUE" => return Ok(Some(Data::Bool(true))),
        "false" | "False" | "FALSE" => return Ok(Some(Data::Bool(false))),
        _ => {}
    }
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(None);
    }
    if matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) {
        return Err(Diagnostic::error(
            "bad_number",
            span,
            format!("`{value}` cannot be carried by JSON"),
        )
        .with_help("put quotes around it if it is a text"));
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return integer(value, unsigned, span).map(|number| Some(Data::Number(number)));
    }
    let is_float = unsigned
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && unsigned.bytes().any(|b| b.is_ascii_digit());
    match (is_float, value.trim_start_matches('+').parse::<f64>()) {
        (true, Ok(float)) => match Number::from_f64(float) {
            Some(number) => Ok(Some(Data::Number(number))),
            None => Err(Diagnostic::error(
                "bad_number",
                span,
                format!("`{value}` is too large for a number"),
            )),
        },
        _ => Ok(None),
    }
}

fn integer(value: &str, digits: &str, span: Span) -> Result<Number, Diagnostic> {
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(Diagnostic::error(
            "bad_number",
            span,
            format!("`{value}` is a number with a leading zero"),
        )
        .with_help(format!(
            "put quotes around it if it is a text, such as a postcode: \"{value}\""
        )));
    }
    match digits.parse::<u64>() {
        Ok(number) if number <= MAX_INTEGER => {
            let number = i64::try_from(number).unwrap_or_default();
            Ok(Number::from(if value.starts_with('-') {
                -number
            } else {
                number
            }))
        }
        _ => Err(Diagnostic::error(
            "bad_number",
            span,
            format!("`{value}` is beyond ±{MAX_INTEGER}, which JSON does not carry exactly"),
        )
        .with_help(format!("put quotes around it: \"{value}\""))),
    }
}
