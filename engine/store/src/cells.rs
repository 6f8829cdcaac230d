//! Reading a row of either database from left to right. What does not fit is [`ReadError::Corrupt`] and names the row.

use std::fmt::Display;
use std::str::FromStr;

use actas_core::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::database::Row;
use crate::store::ReadError;

/// A value that a row becomes.
pub(crate) trait FromRow: Sized {
    /// What it is called when it cannot be read.
    const WHAT: &'static str;

    /// Takes its columns, in order.
    fn read(cells: &mut Cells<'_>) -> Result<Self, ReadError>;
}

/// The columns of a row that were not read yet.
pub(crate) struct Cells<'a> {
    row: &'a Row,
    next: usize,
    what: &'static str,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(row: &'a Row, what: &'static str) -> Self {
        Self { row, next: 0, what }
    }

    /// The error that names this row by its first column.
    pub(crate) fn bad(&self, why: impl Display) -> ReadError {
        let first = match (self.row.text(0), self.row.int(0)) {
            (Ok(Some(text)), _) => format!(" `{text}`"),
            (_, Ok(Some(number))) => format!(" {number}"),
            _ => String::new(),
        };
        ReadError::Corrupt {
            what: format!("{}{first}", self.what),
            why: format!("column {}: {why}", self.next),
        }
    }

    fn place(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, ReadError> {
        let place = self.place();
        self.row.text(place).map_err(|e| self.bad(e))
    }

    pub(crate) fn text(&mut self) -> Result<String, ReadError> {
        self.maybe_text()?
            .ok_or_else(|| self.bad("there is nothing"))
    }

    pub(crate) fn maybe_int(&mut self) -> Result<Option<i64>, ReadError> {
        let place = self.place();
        self.row.int(place).map_err(|e| self.bad(e))
    }

    pub(crate) fn int(&mut self) -> Result<i64, ReadError> {
        self.maybe_int()?
            .ok_or_else(|| self.bad("there is nothing"))
    }

    /// A count or number that is never negative.
    pub(crate) fn small(&mut self) -> Result<u32, ReadError> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| self.bad(format!("{number} is out of range")))
    }

    /// A count that may be large.
    pub(crate) fn count(&mut self) -> Result<u64, ReadError> {
        let number = self.int()?;
        u64::try_from(number).map_err(|_| self.bad(format!("{number} is negative")))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, ReadError> {
        let place = self.place();
        self.row.bool(place).map_err(|e| self.bad(e))
    }

    pub(crate) fn time(&mut self) -> Result<Time, ReadError> {
        self.int().map(Time)
    }

    pub(crate) fn maybe_time(&mut self) -> Result<Option<Time>, ReadError> {
        Ok(self.maybe_int()?.map(Time))
    }

    /// An id or a name.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self) -> Result<T, ReadError> {
        self.text()?.parse().map_err(|e| self.bad(e))
    }

    pub(crate) fn maybe_parsed<T: FromStr<Err: Display>>(
        &mut self,
    ) -> Result<Option<T>, ReadError> {
        self.maybe_text()?
            .map(|text| text.parse().map_err(|e| self.bad(e)))
            .transpose()
    }

    /// An id whose column may not be NULL although there may be none: then it is empty.
    pub(crate) fn parsed_unless_empty<T: FromStr<Err: Display>>(
        &mut self,
    ) -> Result<Option<T>, ReadError> {
        Some(self.text()?)
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|e| self.bad(e)))
            .transpose()
    }

    /// One of the words of an enumeration.
    pub(crate) fn word<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, ReadError> {
        let text = self.text()?;
        word(&text).map_err(|e| self.bad(e))
    }

    pub(crate) fn maybe_word<T: for<'de> Deserialize<'de>>(
        &mut self,
    ) -> Result<Option<T>, ReadError> {
        self.maybe_text()?
            .map(|text| word(&text).map_err(|e| self.bad(e)))
            .transpose()
    }

    /// A word whose column may not be NULL although there may be none: then it is empty.
    pub(crate) fn word_unless_empty<T: for<'de> Deserialize<'de>>(
        &mut self,
    ) -> Result<Option<T>, ReadError> {
        Some(self.text()?)
            .filter(|text| !text.is_empty())
            .map(|text| word(&text).map_err(|e| self.bad(e)))
            .transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, ReadError> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|e| self.bad(e))
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, ReadError> {
        let text = self.text()?;
        hex::decode(text).map_err(|e| self.bad(e))
    }

    pub(crate) fn digest(&mut self) -> Result<[u8; 32], ReadError> {
        let text = self.text()?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|e| self.bad(e))?;
        Ok(bytes)
    }
}

fn word<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, WordError> {
    let deserializer: StrDeserializer<'_, WordError> = text.into_deserializer();
    T::deserialize(deserializer)
}

/// Two columns of text.
impl<A: FromStr<Err: Display>, B: FromStr<Err: Display>> FromRow for (A, B) {
    const WHAT: &'static str = "row";

    fn read(c: &mut Cells<'_>) -> Result<Self, ReadError> {
        Ok((c.parsed()?, c.parsed()?))
    }
}

impl FromRow for i64 {
    const WHAT: &'static str = "number";

    fn read(c: &mut Cells<'_>) -> Result<Self, ReadError> {
        c.int()
    }
}

impl FromRow for String {
    const WHAT: &'static str = "text";

    fn read(c: &mut Cells<'_>) -> Result<Self, ReadError> {
        c.text()
    }
}
