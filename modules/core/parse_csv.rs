//! `core.parse_csv`: from a table as text to its rows. What stands in a cell is never shown in an error.

use actas_core::StepError;
use serde_json::{Map, Number, Value, json};

use super::copies::Copies;
use super::{invalid, text};

/// The most rows.
const MAX_ROWS: usize = 100_000;
/// The most columns.
const MAX_COLUMNS: usize = 1000;
/// The largest whole number that is carried exactly.
const MAX_INTEGER: u64 = 1 << 53;

/// Performs the module.
pub fn parse_csv(input: &Value) -> Result<Value, StepError> {
    let table = input["text"].as_str().unwrap_or_default();
    let table = table.strip_prefix('\u{feff}').unwrap_or(table);
    let trim = if input["trim"] == true {
        csv::Trim::All
    } else {
        csv::Trim::None
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(sign(&text(input, "delimiter"), "delimiter")?)
        .quote(sign(&text(input, "quote"), "quote")?)
        .trim(trim)
        .from_reader(table.as_bytes());
    let mut records = reader.records();
    let mut columns: Option<Vec<String>> = None;
    if input["header"] == true
        && let Some(first) = records.next()
    {
        columns = Some(
            first
                .map_err(unreadable)?
                .iter()
                .map(str::to_owned)
                .collect(),
        );
    }
    if let Some(names) = input["columns"].as_array() {
        let names = names.iter().filter_map(Value::as_str);
        columns = Some(names.map(str::to_owned).collect());
    }
    let types = match &columns {
        Some(columns) => types(columns, input)?,
        None if input["types"].is_object() => {
            return Err(
                invalid("bad_types", "`types` names columns, and there are no names")
                    .with_help("give `columns`, or `header: true`"),
            );
        }
        None => Vec::new(),
    };
    let limit = input["limit"]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok());
    let mut copies = Copies::new();
    let mut rows = Vec::new();
    for record in records {
        if limit.is_some_and(|limit| rows.len() >= limit) {
            break;
        }
        let record = record.map_err(unreadable)?;
        if rows.len() >= MAX_ROWS || record.len() > MAX_COLUMNS {
            return Err(invalid(
                "too_large",
                format!("a table has at most {MAX_ROWS} rows and {MAX_COLUMNS} columns"),
            )
            .with_help("`limit` reads the first rows only"));
        }
        let line = record.position().map_or(0, csv::Position::line);
        copies.pay_for_map(record.len())?;
        copies.pay(record.as_slice().len())?;
        let Some(columns) = &columns else {
            rows.push(record.iter().map(Value::from).collect());
            continue;
        };
        if record.len() != columns.len() {
            return Err(invalid(
                "bad_csv",
                format!(
                    "line {line} has {} cells, not {}",
                    record.len(),
                    columns.len()
                ),
            ));
        }
        let mut row = Map::new();
        for ((name, kind), cell) in columns.iter().zip(&types).zip(&record) {
            copies.pay(name.len())?;
            let value = kind.read(cell).ok_or_else(|| {
                invalid(
                    "bad_cell",
                    format!("line {line}: the cell of `{name}` is not {}", kind.word()),
                )
            })?;
            row.insert(name.clone(), value);
        }
        rows.push(Value::Object(row));
    }
    Ok(json!({"count": rows.len(), "items": rows, "columns": columns.unwrap_or_default()}))
}

/// The one byte that a word of the flow stands for.
fn sign(written: &str, key: &str) -> Result<u8, StepError> {
    match written.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [one] if one.is_ascii() && !matches!(one, b'\r' | b'\n') => Ok(*one),
        _ => Err(invalid(
            "bad_input",
            format!("`{key}` is one character, such as `;`, or the word tab"),
        )),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is handed to `map_err` as it comes"
)]
fn unreadable(error: csv::Error) -> StepError {
    let line = error.position().map_or(0, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line} has {len} cells, not {expected_len}"),
        _ => format!("line {line} cannot be read"),
    };
    invalid("bad_csv", message)
}

/// What a cell is read as.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }

    fn read(self, cell: &str) -> Option<Value> {
        let plain = cell.trim();
        if plain.is_empty() && !matches!(self, Self::Text) {
            return Some(Value::Null);
        }
        match self {
            Self::Text => Some(Value::from(cell)),
            Self::Integer => plain
                .parse::<i64>()
                .ok()
                .filter(|number| number.unsigned_abs() <= MAX_INTEGER)
                .map(Value::from),
            Self::Number => {
                let number: f64 = plain.parse().ok()?;
                Number::from_f64(number).map(Value::Number)
            }
            Self::Boolean => match plain.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(Value::Bool(true)),
                "false" | "no" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
        }
    }
}

/// What each column is read as. Two columns of one name would hide each other.
fn types(columns: &[String], input: &Value) -> Result<Vec<Kind>, StepError> {
    if columns.len() > MAX_COLUMNS {
        return Err(invalid(
            "too_large",
            format!("a table has at most {MAX_COLUMNS} columns"),
        ));
    }
    for (place, name) in columns.iter().enumerate() {
        if columns[..place].contains(name) {
            return Err(
                invalid("bad_csv", format!("two columns have the name `{name}`"))
                    .with_help("give names of your own under `columns`"),
            );
        }
    }
    let wanted = input["types"].as_object();
    if let Some(unknown) = wanted
        .into_iter()
        .flat_map(Map::keys)
        .find(|name| !columns.contains(name))
    {
        return Err(invalid(
            "bad_types",
            format!("there is no column `{unknown}`, which `types` names"),
        ));
    }
    Ok(columns
        .iter()
        .map(|name| {
            match wanted
                .and_then(|types| types.get(name))
                .and_then(Value::as_str)
            {
                Some("integer") => Kind::Integer,
                Some("number") => Kind::Number,
                Some("boolean") => Kind::Boolean,
                _ => Kind::Text,
            }
        })
        .collect())
}
