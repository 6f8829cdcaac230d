//! Diagnostics as a person reads them: place, fault, the line with a mark under it, what to do. Text of the file is shown with its
//! control characters replaced, so that a file cannot write to a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use crate::diagnostic::{Diagnostic, Severity, Span};

/// The fault whose place is never shown as it is.
pub(crate) const PASTED_SECRET: &str = "pasted_secret";

/// The longest piece of a source line that is shown, in characters.
const WIDTH: usize = 140;

struct Style {
    error: &'static str,
    warning: &'static str,
    quiet: &'static str,
    strong: &'static str,
    off: &'static str,
}

const PLAIN: Style = Style {
    error: "",
    warning: "",
    quiet: "",
    strong: "",
    off: "",
};
const COLOUR: Style = Style {
    error: "\x1b[1;31m",
    warning: "\x1b[1;33m",
    quiet: "\x1b[34m",
    strong: "\x1b[1m",
    off: "\x1b[0m",
};

/// All diagnostics of one file, each as `file:line:column: error[code]: message`, the source line, a mark and the help.
pub fn render(file: &str, text: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    let style = if colour { &COLOUR } else { &PLAIN };
    let mut lines: Vec<Cow<'_, str>> = text.lines().map(Cow::Borrowed).collect();
    for secret in diagnostics.iter().filter(|d| d.code == PASTED_SECRET) {
        let line = usize::try_from(secret.span.line)
            .ok()
            .and_then(|n| lines.get_mut(n.wrapping_sub(1)));
        if let Some(line) = line {
            *line = Cow::Owned(masked(line, secret.span));
        }
    }
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        one(&mut out, file, &lines, diagnostic, style);
    }
    out
}

/// `2 errors, 1 warning`; empty if there is none.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let counted = |count: usize, name: &str| match count {
        0 => None,
        1 => Some(format!("1 {name}")),
        n => Some(format!("{n} {name}s")),
    };
    [
        counted(errors, "error"),
        counted(diagnostics.len() - errors, "warning"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

fn one(
    out: &mut String,
    file: &str,
    lines: &[Cow<'_, str>],
    diagnostic: &Diagnostic,
    style: &Style,
) {
    let Span { line, column, .. } = diagnostic.span;
    let (tone, name) = match diagnostic.severity {
        Severity::Error => (style.error, "error"),
        Severity::Warning => (style.warning, "warning"),
    };
    let place = if line == 0 {
        clean(file)
    } else {
        format!("{}:{line}:{column}", clean(file))
    };
    let (strong, off) = (style.strong, style.off);
    let message = clean(&diagnostic.message);
    let _ = writeln!(
        out,
        "{place}: {tone}{name}[{}]{off}: {strong}{message}{off}",
        diagnostic.code
    );

    let mut marks = Vec::new();
    if line > 0 {
        marks.push((diagnostic.span, '^', tone, ""));
    }
    if let Some((span, note)) = &diagnostic.also
        && span.line > 0
    {
        marks.push((*span, '-', style.quiet, note.as_str()));
    }
    marks.sort_by_key(|(span, ..)| (span.line, span.column));
    let gutter = marks
        .iter()
        .map(|(span, ..)| span.line.to_string().len())
        .max()
        .unwrap_or(1)
        + 2;
    let quiet = style.quiet;
    let mut shown = 0;
    for (span, mark, tone, note) in marks {
        let Some(source) = usize::try_from(span.line)
            .ok()
            .and_then(|n| lines.get(n.saturating_sub(1)))
        else {
            continue;
        };
        let (piece, before, length) = clip(source, span);
        if shown != span.line {
            let _ = writeln!(out, "{quiet}{:>gutter$} |{off} {piece}", span.line);
        }
        shown = span.line;
        let marks = mark.to_string().repeat(length);
        let note = if note.is_empty() {
            String::new()
        } else {
            format!(" {}", clean(note))
        };
        let _ = writeln!(
            out,
            "{quiet}{:>gutter$} |{off} {}{tone}{marks}{note}{off}",
            "",
            " ".repeat(before)
        );
    }
    if let Some(help) = &diagnostic.help {
        for (n, help) in help.lines().enumerate() {
            let word = if n == 0 { "help:" } else { "     " };
            let _ = writeln!(out, "{quiet}{:>gutter$} ={off} {word} {}", "", clean(help));
        }
    }
}

/// A line with a piece made unreadable.
fn masked(line: &str, span: Span) -> String {
    let from = usize::try_from(span.column).unwrap_or(1).saturating_sub(1);
    let until = from.saturating_add(usize::try_from(span.length).unwrap_or(usize::MAX));
    line.chars()
        .enumerate()
        .map(|(n, c)| if (from..until).contains(&n) { '*' } else { c })
        .collect()
}

/// The piece of a line to show, the characters before the mark, and the mark's length.
fn clip(source: &str, span: Span) -> (String, usize, usize) {
    let chars: Vec<char> = source.chars().collect();
    let column = usize::try_from(span.column)
        .unwrap_or(1)
        .clamp(1, chars.len() + 1)
        - 1;
    let length = usize::try_from(span.length).unwrap_or(1).max(1);
    let start = if chars.len() <= WIDTH {
        0
    } else {
        column.saturating_sub(WIDTH / 3)
    };
    let end = chars.len().min(start + WIDTH);
    let mut piece: String = chars[start..end].iter().map(|c| printable(*c)).collect();
    let mut before = column - start;
    if start > 0 {
        piece.insert(0, '…');
        before += 1;
    }
    if end < chars.len() {
        piece.push('…');
    }
    (piece, before, length.min(end.saturating_sub(column)).max(1))
}

fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() || is_reordering(c) => '\u{fffd}',
        c => c,
    }
}

/// Characters that make a text look other than it is.
pub(crate) fn is_reordering(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn clean(text: &str) -> String {
    text.chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn span(line: u32, column: u32, length: u32) -> Span {
        Span {
            line,
            column,
            length,
        }
    }

    #[test]
    fn a_fault_shows_its_line_a_mark_and_what_to_do() {
        let text = "flow: a\nsteps:\n  one: {needs: [tow]}\n";
        let fault = Diagnostic::error("unknown_step", span(3, 17, 3), "there is no step `tow`")
            .with_help("did you mean `two`?");
        expect![[r"
            a.yaml:3:17: error[unknown_step]: there is no step `tow`
              3 |   one: {needs: [tow]}
                |                 ^^^
                = help: did you mean `two`?
        "]]
        .assert_eq(&render("a.yaml", text, &[fault], false));
    }

    #[test]
    fn a_second_place_is_shown_in_the_order_of_the_file() {
        let text = "title: A\nflow: a\ntitle: B\n";
        let fault = Diagnostic::error("duplicate_key", span(3, 1, 5), "`title` stands twice")
            .with_also(span(1, 1, 5), "the first is here");
        expect![[r"
            a.yaml:3:1: error[duplicate_key]: `title` stands twice
              1 | title: A
                | ----- the first is here
              3 | title: B
                | ^^^^^
        "]]
        .assert_eq(&render("a.yaml", text, &[fault], false));
    }

    #[test]
    fn a_file_cannot_write_to_the_terminal() {
        let text = "a: \u{1b}[31m\u{202e}x\n";
        let shown = render(
            "a",
            text,
            &[Diagnostic::warning("x", span(1, 4, 1), "\u{7}bell")],
            false,
        );
        assert!(
            !shown.contains(['\u{1b}', '\u{202e}', '\u{7}']),
            "{shown:?}"
        );
    }

    #[test]
    fn a_long_line_is_clipped_around_the_mark() {
        let text = format!("{}here{}", "x".repeat(5000), "y".repeat(5000));
        let shown = render(
            "a",
            &text,
            &[Diagnostic::error("x", span(1, 5001, 4), "m")],
            false,
        );
        assert!(shown.len() < 600 && shown.contains("here"), "{shown}");
    }

    #[test]
    fn a_fault_without_a_place_names_the_file() {
        let fault = Diagnostic::error("x", Span::default(), "nothing there");
        assert_eq!(
            render("a", "", &[fault], false),
            "a: error[x]: nothing there\n"
        );
    }
}
