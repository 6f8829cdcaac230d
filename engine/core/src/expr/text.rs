//! Finding the expressions in a text. Only this looks for braces, and it is only ever given what an author wrote: run data is never
//! searched for expressions.

use std::ops::Range;

use serde_json::Value;

use crate::expr::syntax;
use crate::expr::{ExprFault, Part, Piece, TextKind};

/// Compiles a text: a literal, one expression that keeps its type, or text around expressions.
///
/// # Errors
/// Every fault in it.
pub(super) fn compile(text: &str) -> Result<Part, Vec<ExprFault>> {
    let found = find(text).map_err(|fault| vec![fault])?;
    let [first, ..] = found.as_slice() else {
        return Ok(Part::Literal(Value::String(text.to_owned())));
    };
    let alone = text.trim().len() == first.outer.len();
    let mut faults = Vec::new();
    let mut pieces = Vec::new();
    let mut done = 0;
    for braces in &found {
        if braces.outer.start > done {
            pieces.push(Piece::Literal(text[done..braces.outer.start].to_owned()));
        }
        done = braces.outer.end;
        match syntax::parse(&text[braces.inner.clone()], braces.inner.start) {
            Ok(expression) if alone => return Ok(Part::Native(expression)),
            Ok(expression) => pieces.push(Piece::Expression(expression)),
            Err(fault) => faults.push(fault),
        }
    }
    if done < text.len() {
        pieces.push(Piece::Literal(text[done..].to_owned()));
    }
    if faults.is_empty() {
        Ok(Part::Text(pieces))
    } else {
        Err(faults)
    }
}

/// What a text is to the language.
pub(super) fn kind(text: &str) -> TextKind {
    match find(text).as_deref() {
        Ok([]) => TextKind::Literal,
        Ok([one]) if one.outer.len() == text.trim().len() => TextKind::Whole,
        _ => TextKind::Mixed,
    }
}

/// The expression of a condition: the whole text, or what stands between the braces around the whole.
///
/// # Errors
/// Text mixed with braces, or braces that do not close.
pub(super) fn bare(text: &str) -> Result<Range<usize>, ExprFault> {
    let found = find(text)?;
    let trimmed = text.len() - text.trim_start().len()..text.trim_end().len();
    match found.as_slice() {
        [] => Ok(trimmed.start..trimmed.end.max(trimmed.start)),
        [one] if one.outer == trimmed => Ok(one.inner.clone()),
        [one, ..] => Err(ExprFault::at(
            one.outer.clone(),
            "text and braces are mixed where one expression must stand",
        )
        .with_help(
            "write one expression without braces, such as `inputs.amount > 1000 and inputs.urgent`",
        )),
    }
}

/// Where the expressions of a text stand, braces included.
///
/// # Errors
/// Braces that do not close, or hold something else than an expression.
pub(crate) fn braces(text: &str) -> Result<Vec<Range<usize>>, ExprFault> {
    Ok(find(text)?.into_iter().map(|braces| braces.outer).collect())
}

struct Braces {
    outer: Range<usize>,
    inner: Range<usize>,
}

fn find(text: &str) -> Result<Vec<Braces>, ExprFault> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('{').map(|n| n + from) {
        let rest = &text[at..];
        if rest.starts_with("{%") {
            return Err(ExprFault::at(at..at + 2, "statements (`{% … %}`) are not part of the language")
                .with_help("use an expression: `{{ a if condition else b }}`, filters such as `map` and `selectattr`, or the step's `if`"));
        }
        if !rest.starts_with("{{") {
            from = at + 1;
            continue;
        }
        let Some(end) = closing(&text[at + 2..]).map(|n| n + at + 2) else {
            return Err(ExprFault::at(at..at + 2, "`{{` is never closed by `}}`")
                .with_help("for two literal braces write {{ \"{{\" }}"));
        };
        found.push(Braces {
            outer: at..end + 2,
            inner: at + 2..end,
        });
        from = end + 2;
    }
    Ok(found)
}

/// Where the `}}` of an expression stands: not in a quoted text, not of a map in it.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    let mut quote = None;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}
