//! The form of a flow that a version freezes: canonical JSON (RFC 8785) and the digest over it and the manifests it uses.
//!
//! Canonical JSON sorts its keys, but people wrote steps and inputs in an order that means something to them. Where that order is not the
//! sorted one, the document carries it in `order`, so a flow that is read back is the flow that was written.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::flow::{Concurrency, Flow, Input, Limits, OnError, Slot, Step, Trigger};
use crate::ids::{FlowName, SlotName, StepId};

pub(super) mod ordered;

/// A flow as its document has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    language: u32,
    flow: FlowName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    trigger: Trigger,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    inputs: IndexMap<String, Input>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    connections: IndexMap<SlotName, Slot>,
    steps: IndexMap<StepId, Step>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    outputs: IndexMap<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_error: Option<OnError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    concurrency: Option<Concurrency>,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    limits: Limits,
    #[serde(default, skip_serializing_if = "Order::is_empty")]
    order: Order,
}

/// The keys of each map in the order written, where it is not the sorted one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
}

impl Order {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The keys, unless they are sorted.
fn unsorted<'k>(keys: impl Iterator<Item = &'k str>) -> Vec<String> {
    let keys: Vec<&str> = keys.collect();
    if keys.is_sorted() {
        Vec::new()
    } else {
        keys.into_iter().map(str::to_owned).collect()
    }
}

/// Puts entries in an order; those it does not name come last, sorted.
fn arrange<K: Ord + Clone + std::hash::Hash + std::borrow::Borrow<str>, V>(
    map: &mut IndexMap<K, V>,
    order: &[String],
) {
    let places: HashMap<&str, usize> = order
        .iter()
        .enumerate()
        .map(|(place, name)| (name.as_str(), place))
        .collect();
    map.sort_by_cached_key(|key, _| {
        let place = places.get(key.borrow()).copied();
        (place.unwrap_or(usize::MAX), key.clone())
    });
}

impl From<Flow> for Document {
    fn from(flow: Flow) -> Self {
        let order = Order {
            inputs: unsorted(flow.inputs.keys().map(String::as_str)),
            connections: unsorted(flow.connections.keys().map(SlotName::as_str)),
            steps: unsorted(flow.steps.keys().map(StepId::as_str)),
            outputs: unsorted(flow.outputs.keys().map(String::as_str)),
        };
        let Flow {
            language,
            flow,
            title,
            description,
            trigger,
            inputs,
            connections,
            steps,
            outputs,
            on_error,
            concurrency,
            limits,
        } = flow;
        Self {
            language,
            flow,
            title,
            description,
            trigger,
            inputs,
            connections,
            steps,
            outputs,
            on_error,
            concurrency,
            limits,
            order,
        }
    }
}

impl From<Document> for Flow {
    fn from(document: Document) -> Self {
        let Document {
            language,
            flow,
            title,
            description,
            trigger,
            mut inputs,
            mut connections,
            mut steps,
            mut outputs,
            on_error,
            concurrency,
            limits,
            order,
        } = document;
        arrange(&mut inputs, &order.inputs);
        arrange(&mut connections, &order.connections);
        arrange(&mut steps, &order.steps);
        arrange(&mut outputs, &order.outputs);
        Self {
            language,
            flow,
            title,
            description,
            trigger,
            inputs,
            connections,
            steps,
            outputs,
            on_error,
            concurrency,
            limits,
        }
    }
}

/// The canonical document of a flow: one text for one meaning, without a comment, a place or a build-time value; [`Flow`] has no place for
/// one. `serde_json::from_str::<Flow>` reads it back.
pub fn canonical(flow: &Flow) -> String {
    // A flow is maps of texts, numbers and JSON: it always serialises.
    serde_json_canonicalizer::to_string(flow).unwrap_or_default()
}

/// The digest of a version: over the canonical document and the digests of the manifests it was published with, in any order.
pub fn digest(flow: &Flow, manifests: &[String]) -> String {
    let mut manifests: Vec<&str> = manifests.iter().map(String::as_str).collect();
    manifests.sort_unstable();
    manifests.dedup();
    let mut hash = Sha256::new();
    let document = canonical(flow);
    for part in ["actas/version/1", &document].into_iter().chain(manifests) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}
