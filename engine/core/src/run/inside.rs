//! What loops and switches keep while what is inside them goes on, and what they give when it is done. Values only: nothing here decides.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::StepError;
use crate::run::batched::Batched;
use crate::run::parts::FailedItem;
use crate::time::Time;

/// How a frame ended.
pub type Ended = Result<Arc<Value>, StepError>;

/// What is inside a step that holds others.
#[derive(Debug, Clone, PartialEq)]
pub enum Inside {
    /// The items of a `for_each`.
    Each(Each),
    /// The items of a long `for_each`, done in batches.
    Batched(Batched),
    /// The rounds of a `while` or `until`.
    Repeat(Repeat),
    /// The case of a `switch`.
    Case(Case),
}

/// The items of a loop, at most `parallel` of them under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Each {
    /// The list, as it was when the loop began.
    pub items: Arc<Value>,
    /// The number of the first of them among all items: a part of a long loop does not begin at 0.
    pub offset: u64,
    /// The place in the list of the item that begins next.
    pub next: usize,
    /// How many are under way.
    pub living: usize,
    /// Place by place: what the item gave, if it has ended well.
    pub outputs: Vec<Option<Arc<Value>>>,
    /// Those that failed, in the order in which they did.
    pub failed: Vec<FailedItem>,
}

/// The rounds of a loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    /// How many have begun.
    pub rounds: u64,
    /// The last one.
    pub frame: u32,
    /// How it ended, and when.
    pub last: Option<(Ended, Time)>,
}

/// The case of a switch.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its key; none for `default`.
    pub case: Option<String>,
    /// How it ended.
    pub end: Option<Ended>,
}

impl Each {
    /// A loop of which nothing has begun.
    pub(super) fn new(items: Arc<Value>, offset: u64) -> Self {
        let count = items.as_array().map_or(0, Vec::len);
        Self {
            items,
            offset,
            next: 0,
            living: 0,
            outputs: vec![None; count],
            failed: Vec::new(),
        }
    }

    /// How many items there are.
    pub fn count(&self) -> usize {
        self.outputs.len()
    }

    /// What the loop gives: `{items, failed, count}`, the items in order.
    pub fn output(&self) -> Value {
        let items = self.outputs.iter();
        let items: Vec<Value> = items
            .map(|output| output.as_deref().cloned().unwrap_or_default())
            .collect();
        let mut failed = self.failed.clone();
        failed.sort_by_key(|failed| failed.index);
        json!({"items": items, "failed": failed, "count": self.count()})
    }
}

/// What the last of some rounds gave, and how many there were.
pub(super) fn rounds_output(last: Option<&Value>, rounds: u64) -> Value {
    with(last, "rounds", json!(rounds))
}

/// What a case gave, and which it was.
pub(super) fn case_output(output: &Value, case: Option<&String>) -> Value {
    with(Some(output), "case", json!(case))
}

fn with(output: Option<&Value>, field: &str, value: Value) -> Value {
    let mut fields = match output {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    fields.insert(field.to_owned(), value);
    Value::Object(fields)
}
