//! What a person sees: data on standard output, everything else on standard error; colour only on a terminal.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::exit::{Done, Failed};

/// How to speak.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON document instead of tables and pictures.
    pub json: bool,
    /// Nothing on standard error but errors.
    pub quiet: bool,
}

impl Output {
    /// Prints data: the JSON document as it is, or what `shown` makes of it.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn data(self, value: &Value, shown: impl FnOnce(&Value) -> String) -> Done {
        let text = if self.json {
            serde_json::to_string_pretty(value).unwrap_or_default()
        } else {
            shown(value)
        };
        line(std::io::stdout().lock(), &text)
    }

    /// Prints text that is data already.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn text(self, text: &str) -> Done {
        line(std::io::stdout().lock(), text)
    }

    /// Says something to the person, unless they want quiet.
    pub fn say(self, text: &str) {
        if !self.quiet {
            let _ = line(std::io::stderr().lock(), text);
        }
    }

    /// Whether a person sees standard error, so that a live picture makes sense.
    pub fn is_live(self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }
}

fn line(mut to: impl Write, text: &str) -> Done {
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        return Ok(());
    }
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|e| Failed::Unavailable(format!("output cannot be written: {e}"))),
    }
}

/// Whether colour may be used on this stream.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// How many characters a line of the terminal on standard error takes.
pub fn terminal_width() -> usize {
    let width = comfy_table::Table::new().use_stderr().width();
    width.filter(|width| *width > 0).map_or(80, usize::from)
}

/// A plain table: a head and rows, columns as wide as they need.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(head.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A member as text: strings without quotes, `-` for what is not there.
pub fn cell(value: &Value, key: &str) -> String {
    match value.pointer(&format!("/{}", key.replace('.', "/"))) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => clean(text),
        Some(other) => clean(&other.to_string()),
    }
}

/// Text without control characters, so that data cannot steer a terminal.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
            {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A time as a person reads it: to the second.
pub fn moment(value: &Value, key: &str) -> String {
    let text = cell(value, key);
    match text.split_once('.') {
        Some((seconds, _)) if seconds.len() == 19 => seconds.replace('T', " "),
        _ => text,
    }
}

/// The items of an answer under a name.
pub fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The texts of an answer under a name.
pub fn texts(value: &Value, key: &str) -> Vec<String> {
    items(value, key)
        .filter_map(|item| item.as_str().map(clean))
        .collect()
}
