//! Before a version is published: no flow that a schedule or a webhook starts may, by way of the flows it runs, act as somebody. Looked at
//! from both sides: what this flow runs, and who runs it. The runner refuses again.

use std::collections::HashMap;

use actas_core::flow::{Flow, Trigger, unmanned};
use actas_core::ids::FlowName;
use actas_store::{FlowRow, ReadError, Reader};

use crate::publish::PublishError;

/// Checks the flow that is about to be published as `document`.
///
/// # Errors
/// [`PublishError::Unmanned`] naming every slot and the way to it.
pub async fn check(reader: &Reader, flow: &FlowRow, document: &Flow) -> Result<(), PublishError> {
    let mut known: HashMap<FlowName, Option<Flow>> = HashMap::new();
    known.insert(flow.name.clone(), Some(document.clone()));
    let mut first = Vec::new();
    if !matches!(document.trigger, Trigger::OnDemand { .. }) {
        first.push(flow.name.clone());
    }
    let calls = document.calls();
    if document.acts_as_somebody() || !calls.is_empty() {
        for row in reader.triggers().await? {
            if row.flow != flow.id
                && let Some(other) = reader.flow(&row.flow).await?
            {
                first.push(other.name);
            }
        }
    }
    let mut open: Vec<FlowName> = first.iter().cloned().chain(calls).collect();
    while let Some(name) = open.pop() {
        if known.contains_key(&name) {
            continue;
        }
        let found = latest(reader, &name).await?;
        open.extend(found.iter().flat_map(Flow::calls));
        known.insert(name, found);
    }
    let find = |name: &FlowName| known.get(name)?.as_ref();
    let found: Vec<_> = first
        .iter()
        .filter_map(find)
        .flat_map(|first| unmanned(first, find))
        .filter(|slot| slot.through.contains(&flow.name))
        .collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(PublishError::Unmanned(found))
    }
}

/// A flow as it would be called now.
async fn latest(reader: &Reader, name: &FlowName) -> Result<Option<Flow>, ReadError> {
    let Some(flow) = reader.flow_by_name(name).await? else {
        return Ok(None);
    };
    let version = match flow.last_version {
        0 => None,
        number => reader.version_by_number(&flow.id, number).await?,
    };
    // What cannot be read runs nothing.
    Ok(version.and_then(|version| serde_json::from_str(&version.document).ok()))
}
