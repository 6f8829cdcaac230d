//! A flow as a value: what a version freezes. It has no place for a build-time value, so no version can hold one.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::canonical::Document;
use crate::ids::{FlowName, SlotName, StepId};

mod slot;
mod step;
mod trigger;

pub use slot::{Ask, Dynamic, Keep, Slot, SlotKind};
pub use step::{Backoff, Body, OnError, OnItemError, Retry, Step};
pub use trigger::{
    Catchup, Dst, Encoding, Entry, Gap, HmacSha256, Overlap, Schedule, Timestamp, Trigger, Verify,
    Webhook,
};

/// What its author edits: the flow, and apart from it the build-time values that fill its slots while building.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// All that may be published.
    pub flow: Flow,
    /// The name of one of the author's own connections for a slot.
    pub build_time: BTreeMap<SlotName, String>,
}

/// A flow without anything of its author's. As JSON it is its canonical document, see [`crate::flow::canonical()`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Document", into = "Document")]
pub struct Flow {
    /// The version of the language, 1.
    pub language: u32,
    /// The flow's name in its workspace.
    pub flow: FlowName,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What starts it.
    pub trigger: Trigger,
    /// What a run is given, by name, in the order written.
    pub inputs: IndexMap<String, Input>,
    /// The slots its steps act through.
    pub connections: IndexMap<SlotName, Slot>,
    /// The steps, in the order written.
    pub steps: IndexMap<StepId, Step>,
    /// What a run gives back: JSON whose texts may be expressions.
    pub outputs: IndexMap<String, Value>,
    /// What happens when a run fails, after finished steps were undone.
    pub on_error: Option<OnError>,
    /// How many runs of it there may be at once.
    pub concurrency: Option<Concurrency>,
    /// How long a run and a pause may last, and how much it may hold.
    pub limits: Limits,
}

/// One input: a JSON Schema and whether it must be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The JSON Schema (draft 2020-12) of the value, with `title`, `default` and so on as written, without `required`.
    pub schema: Value,
    /// Without a default an input is required unless the flow says `required: false`.
    pub required: bool,
}

/// How many runs of a flow there may be at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Concurrency {
    /// At most so many active at once; a run that waits or is paused gives its place back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// At most one run with one value of this text, from its creation to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What becomes of a run for which there is no place.
    pub when_full: WhenFull,
}

/// What becomes of a run for which there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It waits for its turn, in the order of creation.
    #[default]
    Queue,
    /// It is not created.
    Refuse,
}

/// A duration in milliseconds, as the canonical document has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

/// Bounds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest a run may take while it is not only people it waits for. Default 1 day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<Millis>,
    /// The longest a pause may last. Default 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<Millis>,
    /// The most items of one `for_each`. Default 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
}

impl Limits {
    /// Nothing said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The longest pause.
    pub fn pause(&self) -> Duration {
        self.pause_ms
            .map_or(Duration::from_secs(7 * 24 * 3600), Into::into)
    }

    /// The most items of one `for_each`.
    pub fn items(&self) -> u64 {
        self.items.unwrap_or(100_000)
    }

    /// The longest run.
    pub fn run(&self) -> Duration {
        self.run_ms
            .map_or(Duration::from_secs(24 * 3600), Into::into)
    }
}
