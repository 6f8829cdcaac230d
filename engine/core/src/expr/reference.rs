//! The manual of what expressions can use, made from the tables that evaluation itself goes by. Its examples are run in the tests.

use std::fmt::Write;

use crate::expr::{filters, functions};

/// A filter, test or function in the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it works on.
    pub topic: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How it is written, with its arguments.
    pub usage: &'static str,
    /// What it does, in a line.
    pub does: &'static str,
    /// An expression.
    pub example: &'static str,
    /// The JSON that the expression gives.
    pub gives: &'static str,
}

/// Everything there is: functions, tests, then the filters by topic.
pub fn manual() -> Vec<Entry> {
    functions::manual().chain(filters::manual()).collect()
}

/// The manual as a page of Markdown.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut topic = "";
    for entry in manual() {
        if entry.topic != topic {
            topic = entry.topic;
            let _ = write!(
                page,
                "\n## {topic}\n\n| Written | What it does | Example | Gives |\n|---|---|---|---|\n"
            );
        }
        let cell = |text: &str| text.replace('|', "\\|");
        let _ = writeln!(
            page,
            "| `{}` | {} | `{}` | `{}` |",
            cell(entry.usage),
            cell(entry.does),
            cell(entry.example),
            cell(entry.gives)
        );
    }
    page
}

const INTRODUCTION: &str = "# Expressions

`{{ … }}` holds a Jinja expression over data: `inputs`, `vars`, `steps.<id>`, `run`; in a loop `item` and `index`, in a handler `error`. A value that is
exactly one `{{ … }}` keeps its type; text around it makes a text. `if`, `while`, `until`, `switch` and `for_each` take one expression without
braces. Data is never read as an expression, whatever it holds.

- Operators: `+ - * / // % **`, `~` (joins to a text), `== != < <= > >=`, `in`, `not in`, `and`, `or`, `not`, `a if b else c`, `x.field`, `x['field']`,
  `x[0]`, `x[-1]`, `x[1:3]`, lists `[1, 2]`, maps `{'a': 1}`.
- What is not there is an error that names it, except before `default`, in `coalesce` and under `is defined`.
- There is no clock: `run.started_at` is the time the run began. Dates are texts: a date `2026-03-31`, a local time `2026-03-31T09:00:00`, or a
  moment with its offset `2026-03-31T09:00:00+02:00`. Calendar arithmetic on a moment keeps its offset; give `timezone='Europe/Berlin'` for the
  rules of a place.
- Patterns are regular expressions without look-around and back-references; `\\d`, `\\w`, `\\s` and `\\b` mean ASCII; in quotes each backslash is
  written twice. Every step of a search is counted.
- An evaluation may do 2,000,000 steps and make 32 MB, its intermediate values included; beyond, it fails with `expression_budget`.

Every example below is run in the tests.
";
