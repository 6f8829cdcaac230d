//! A statement as data: one text for both databases, its parameters, and what it must have done. Must not name a database.
//!
//! A text is `&'static str` with `$1`, `$2` … as its parameters; nothing is ever spliced into it.

use actas_core::Time;
use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, FlowName, HookId, InboxId, Name, NoticeId, RequestId,
    RevocationId, RunId, SignInId, SlotName, StepPath, UserId, VarName, VersionId, WorkerId,
    WorkspaceId,
};
use serde::Serialize;

/// A parameter. An absent one keeps its type, which PostgreSQL wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(bool),
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub text: &'static str,
    pub params: Vec<Value>,
    pub expect: Expect,
    /// How PostgreSQL does many of them at once.
    pub bulk: Option<&'static Bulk>,
}

/// What a statement must have done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// Whatever it found.
    Any,
    /// Exactly one row; if not, this is why.
    One(&'static str),
}

/// The same statement for many rows: `$1` … are arrays, a column each. Done in the order of `rank`.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub rank: u8,
    pub text: &'static str,
    /// The parameters that name the row it changes; two of one batch must differ.
    pub key: &'static [usize],
}

impl Statement {
    pub(crate) fn any(text: &'static str, params: Vec<Value>) -> Self {
        Self {
            text,
            params,
            expect: Expect::Any,
            bulk: None,
        }
    }

    /// It must change exactly one row, else `why` is the reason for a refusal.
    pub(crate) fn one(text: &'static str, params: Vec<Value>, why: &'static str) -> Self {
        Self {
            text,
            params,
            expect: Expect::One(why),
            bulk: None,
        }
    }

    pub(crate) fn in_bulk(mut self, bulk: &'static Bulk) -> Self {
        self.bulk = Some(bulk);
        self
    }
}

/// Parameters from whatever has a [`Value`].
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::statement::Value::from($value)),*] };
}
pub(crate) use params;

/// JSON as a parameter.
pub(crate) fn json<T: Serialize>(value: &T) -> Value {
    // Only maps with keys that are not text fail, and no row has one.
    Value::Text(Some(serde_json::to_string(value).unwrap_or_default()))
}

/// Bytes as a parameter.
pub(crate) fn bytes(value: &[u8]) -> Value {
    Value::Text(Some(hex::encode(value)))
}

macro_rules! texts {
    ($($kind:ty),*) => {$(
        impl From<&$kind> for Value {
            fn from(value: &$kind) -> Self { Self::Text(Some(value.as_str().to_owned())) }
        }
        impl From<&Option<$kind>> for Value {
            fn from(value: &Option<$kind>) -> Self { Self::Text(value.as_ref().map(|v| v.as_str().to_owned())) }
        }
        impl From<Option<&$kind>> for Value {
            fn from(value: Option<&$kind>) -> Self { Self::Text(value.map(|v| v.as_str().to_owned())) }
        }
    )*};
}

texts!(
    String,
    AppName,
    ClientId,
    ConnectionId,
    FlowId,
    FlowName,
    HookId,
    InboxId,
    Name,
    NoticeId,
    RequestId,
    RevocationId,
    RunId,
    SignInId,
    SlotName,
    StepPath,
    UserId,
    VarName,
    VersionId,
    WorkerId,
    WorkspaceId
);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(ToOwned::to_owned))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<Time> for Value {
    fn from(value: Time) -> Self {
        Self::Int(Some(value.micros()))
    }
}

impl From<Option<Time>> for Value {
    fn from(value: Option<Time>) -> Self {
        Self::Int(value.map(Time::micros))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
