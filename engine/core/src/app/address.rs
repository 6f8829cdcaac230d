//! Addresses: a base that only the connection decides, and a path whose values are encoded one by one. No value of a step's input can
//! change the host, climb out of the base or add a segment.

use std::ops::Range;

use serde_json::Value;
use url::Url;

use crate::app::encode;
use crate::error::{ErrorKind, StepError};
use crate::expr::{ExprFault, Reference, Scope, Template, braces};

/// An address with places for values.
#[derive(Debug)]
pub struct Address {
    /// Where it does not stand under the app's `base_url`: the text up to the path.
    pub base: Option<Template>,
    /// The path's segments, between slashes.
    segments: Vec<Vec<Piece>>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Value {
        value: Template,
        source: String,
        /// Where it stands in the whole text.
        offset: usize,
    },
}

impl Address {
    /// Compiles `/records/{{ input.object }}`, or a whole address whose part before the path is its base.
    ///
    /// # Errors
    /// Every fault, with its place in the text.
    pub fn compile(text: &str) -> Result<Self, Vec<ExprFault>> {
        let parts = split(text).map_err(|fault| vec![fault])?;
        let path_at = path_start(text, &parts);
        let base = match &text[..path_at] {
            "" => None,
            base => Some(compile(base, 0)?),
        };
        let mut faults = Vec::new();
        let mut segments = vec![Vec::new()];
        for Part { range, expression } in parts {
            if range.end <= path_at {
                continue;
            }
            let range = range.start.max(path_at)..range.end;
            let source = &text[range.clone()];
            if expression {
                match compile(source, range.start) {
                    Ok(value) => last(&mut segments).push(Piece::Value {
                        value,
                        source: source.to_owned(),
                        offset: range.start,
                    }),
                    Err(found) => faults.extend(found),
                }
                continue;
            }
            if !encode::is_path_text(source) {
                faults.push(ExprFault {
                    start: range.start,
                    end: range.end,
                    message: format!("`{source}` cannot stand in a path"),
                    help: Some("write parameters under `query`; values are encoded by their place, so write none of them encoded".into()),
                });
            }
            for (number, word) in source.split('/').enumerate() {
                if number > 0 {
                    segments.push(Vec::new());
                }
                if !word.is_empty() {
                    last(&mut segments).push(Piece::Text(word.to_owned()));
                }
            }
        }
        if segments
            .iter()
            .any(|s| matches!(s.as_slice(), [Piece::Text(t)] if is_dots(t)))
        {
            faults.push(ExprFault {
                start: path_at,
                end: text.len(),
                message: "a path cannot climb with `.` or `..`".into(),
                help: None,
            });
        }
        if faults.is_empty() {
            Ok(Self { base, segments })
        } else {
            Err(faults)
        }
    }

    /// What the values of the path name, with their places in the whole text.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for piece in self.segments.iter().flatten() {
            if let Piece::Value { value, offset, .. } = piece {
                found.extend(value.references_with_places().into_iter().map(|reference| {
                    Reference {
                        range: reference.range.start + offset..reference.range.end + offset,
                        ..reference
                    }
                }));
            }
        }
        found
    }

    /// The path in a scope, every value encoded.
    ///
    /// # Errors
    /// `invalid_input` if a value is missing, has no text, or would be an empty segment, `.` or `..`.
    pub fn path(&self, scope: &Scope) -> Result<String, StepError> {
        let mut out = String::new();
        for (number, segment) in self.segments.iter().enumerate() {
            if number > 0 {
                out.push('/');
            }
            let start = out.len();
            let mut filled = None;
            for piece in segment {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Value { value, source, .. } => {
                        let value = value.evaluate(scope)?;
                        let text =
                            encode::scalar(&value).ok_or_else(|| no_place(source, &value))?;
                        out.push_str(&encode::percent(&text));
                        filled = Some(source);
                    }
                }
            }
            let Some(source) = filled else { continue };
            let written = &out[start..];
            if written.is_empty() || is_dots(written) {
                let what = match written {
                    "" => "empty".to_owned(),
                    dots => format!("`{dots}`"),
                };
                return Err(StepError::new(
                    ErrorKind::InvalidInput,
                    format!("`{source}` is {what}, which cannot stand in an address"),
                )
                .with_code("bad_address"));
            }
        }
        Ok(out)
    }
}

/// A base address from its text: http or https, with a host, without user, query or fragment.
///
/// # Errors
/// `invalid_input` naming what is wrong.
pub fn base(text: &Value) -> Result<Url, StepError> {
    let url = whole(text)?;
    if url.query().is_some() {
        return Err(bad(url.as_str(), "a base address has no query"));
    }
    Ok(url)
}

/// A whole address from its text: http or https, with a host, without user or fragment.
///
/// # Errors
/// `invalid_input` naming what is wrong.
pub fn whole(text: &Value) -> Result<Url, StepError> {
    let Some(text) = text.as_str() else {
        return Err(bad(&text.to_string(), "an address is a text"));
    };
    // The parser would silently drop line breaks, tabs and surrounding spaces, and read `\` as `/`.
    if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return Err(bad(
            text,
            "an address has no spaces, backslashes or control characters, and other than ASCII is written encoded",
        ));
    }
    let url = Url::parse(text).map_err(|e| bad(text, &e.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        Err(bad(text, "an address begins with https:// or http://"))
    } else if !url.username().is_empty() || url.password().is_some() {
        Err(bad(text, "an address holds no user and no password"))
    } else if url.fragment().is_some() {
        Err(bad(text, "an address has no fragment"))
    } else {
        Ok(url)
    }
}

/// An address with more parameters after those it has.
pub fn with_query(mut url: Url, pairs: &[(String, String)]) -> Url {
    if !pairs.is_empty() {
        let more = encode::query(pairs);
        let query = match url.query() {
            Some(before) if !before.is_empty() => format!("{before}&{more}"),
            _ => more,
        };
        url.set_query(Some(&query));
    }
    url
}

/// The address of a path and a query under a base.
///
/// # Errors
/// `invalid_input` if the parser reads the address differently than it was put together.
pub fn join(base: &Url, path: &str, query: &str) -> Result<Url, StepError> {
    let root = base.as_str().trim_end_matches('/');
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mark = if query.is_empty() { "" } else { "?" };
    let text = format!("{root}{slash}{path}{mark}{query}");
    let url = Url::parse(&text).map_err(|e| bad(&text, &e.to_string()))?;
    if url.as_str() == text && url.origin() == base.origin() {
        Ok(url)
    } else {
        Err(bad(&text, "it would be read as another address"))
    }
}

/// `host`, or `host:port` where the port is not the scheme's own.
pub fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

fn bad(text: &str, why: &str) -> StepError {
    let text: String = text.chars().take(200).collect();
    StepError::new(
        ErrorKind::InvalidInput,
        format!("`{text}` is not an address: {why}"),
    )
    .with_code("bad_address")
}

fn no_place(source: &str, value: &Value) -> StepError {
    let what = match value {
        Value::Null => "nothing",
        Value::Array(_) => "a list",
        _ => "an object",
    };
    StepError::new(
        ErrorKind::InvalidInput,
        format!("`{source}` is {what}, which cannot stand in an address"),
    )
    .with_code("bad_address")
}

fn is_dots(text: &str) -> bool {
    matches!(text, "." | "..")
}

fn last(segments: &mut [Vec<Piece>]) -> &mut Vec<Piece> {
    let end = segments.len() - 1;
    &mut segments[end]
}

fn compile(text: &str, offset: usize) -> Result<Template, Vec<ExprFault>> {
    Template::compile(&Value::String(text.to_owned())).map_err(|faults| {
        faults
            .into_iter()
            .map(|(_, fault)| ExprFault {
                start: fault.start + offset,
                end: fault.end + offset,
                ..fault
            })
            .collect()
    })
}

/// Where the path begins: after the authority of `https://…`, else at the first slash outside expressions.
fn path_start(text: &str, parts: &[Part]) -> usize {
    let skip = text.find("://").map_or(0, |at| at + 3);
    parts
        .iter()
        .filter(|part| !part.expression)
        .find_map(|part| {
            let from = part.range.start.max(skip);
            text.get(from..part.range.end)?
                .find('/')
                .map(|at| from + at)
        })
        .unwrap_or(text.len())
}

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    range: Range<usize>,
    expression: bool,
}

/// Cuts a text into expressions, braces included, and what stands between them.
fn split(text: &str) -> Result<Vec<Part>, ExprFault> {
    let mut parts = Vec::new();
    let mut from = 0;
    for range in braces(text)? {
        if range.start > from {
            parts.push(Part {
                range: from..range.start,
                expression: false,
            });
        }
        from = range.end;
        parts.push(Part {
            range,
            expression: true,
        });
    }
    if from < text.len() {
        parts.push(Part {
            range: from..text.len(),
            expression: false,
        });
    }
    Ok(parts)
}
