//! A value on its way through an expression: borrowed from the scope as long as nobody changes it.

use serde_json::{Number, Value};

use crate::expr::syntax::Node;

/// What a part of an expression came to. Not `Clone`: a copy of what was computed is paid for, see `Machine::copy`.
#[derive(Debug)]
pub(super) enum Val<'a> {
    /// Something named is not there: the part that named it, and what it was looked for in.
    Missing(&'a Node, Option<&'a Value>),
    /// Data of the scope, or a literal.
    Ref(&'a Value),
    /// Something computed.
    Own(Value),
    /// A computed list whose items are still borrowed.
    List(Vec<Val<'a>>),
}

impl Val<'_> {
    /// What it is, for a message. Never the value itself: messages are seen by others than the data's owner.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing(..) => "nothing",
            Self::List(_) => "a list",
            Self::Ref(value) => kind(value),
            Self::Own(value) => kind(value),
        }
    }

    /// The value, unless it is missing or a list of borrowed items.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Ref(value) => Some(value),
            Self::Own(value) => Some(value),
            Self::Missing(..) | Self::List(_) => None,
        }
    }

    /// What `if`, `and`, `or` and `not` make of it: empty things, zero and null count as false.
    pub fn truth(&self) -> bool {
        match self {
            Self::Missing(..) => false,
            Self::List(items) => !items.is_empty(),
            Self::Ref(value) => truth(value),
            Self::Own(value) => truth(value),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        self.value().and_then(Value::as_str)
    }

    pub fn as_number(&self) -> Option<Num> {
        self.value().and_then(Num::of)
    }
}

impl From<Value> for Val<'_> {
    fn from(value: Value) -> Self {
        Self::Own(value)
    }
}

impl From<bool> for Val<'_> {
    fn from(value: bool) -> Self {
        Self::Own(Value::Bool(value))
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_some_and(|n| n != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// A number as arithmetic sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Num {
    Int(i64),
    Float(f64),
}

/// The largest integer that JSON carries everywhere without loss.
pub(super) const EXACT: u64 = 1 << 53;

impl Num {
    pub fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        number
            .as_i64()
            .map(Self::Int)
            .or_else(|| number.as_f64().map(Self::Float))
    }

    pub fn float(self) -> f64 {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "integers beyond 2^53 were refused where they came in"
            )]
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    /// The whole number it is, if it is one.
    pub fn whole(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked to be whole and within 2^53"
            )]
            #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
            Self::Float(number) if number.fract() == 0.0 && number.abs() <= EXACT as f64 => {
                Some(number as i64)
            }
            Self::Float(_) => None,
        }
    }

    /// The JSON number, unless it is out of range.
    pub fn value(self) -> Option<Value> {
        match self {
            Self::Int(number) => (number.unsigned_abs() <= EXACT).then(|| Value::from(number)),
            Self::Float(number) => Number::from_f64(number).map(Value::Number),
        }
    }

    pub fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }
}
