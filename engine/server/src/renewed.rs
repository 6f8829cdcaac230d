//! Slots that are called as others were before them. Names are all a flow has for its slots, so that one which comes again, or goes through
//! another app or client now, is told from the one before it here: it inherits neither what people agreed to nor what they connected.

use actas_core::flow::{Flow, SlotKind};
use actas_core::ids::{AppName, ClientId, SlotName};
use actas_store::{Binding, Bindings, FlowRow, ReadError, VersionRow};

use crate::context::Context;
use crate::publish::Frozen;

/// What makes a dynamic slot the same from one version to the next. One that is switched off for a while is the same afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    app: AppName,
    client: ClientId,
}

fn identity(flow: &Flow, bindings: &Bindings, slot: &SlotName) -> Option<Identity> {
    let written = flow.connections.get(slot)?;
    let SlotKind::Dynamic(_) = written.kind else {
        return None;
    };
    let client = match bindings.slots.get(slot)? {
        Binding::Shared { client, .. } | Binding::Dynamic { client, .. } => client,
    };
    Some(Identity {
        app: written.app.clone(),
        client: client.clone(),
    })
}

fn of_version(row: &VersionRow, slot: &SlotName) -> Option<Identity> {
    let flow: Flow = serde_json::from_str(&row.document).ok()?;
    let bindings: Bindings = serde_json::from_str(&row.bindings).ok()?;
    identity(&flow, &bindings, slot)
}

/// The dynamic slots of a frozen version that are not those of the version before it, although some version had one of the name.
///
/// # Errors
/// If the store is away.
pub async fn slots(
    cx: &Context,
    flow: &FlowRow,
    last: Option<&VersionRow>,
    frozen: &Frozen,
) -> Result<Vec<SlotName>, ReadError> {
    let Some(last) = last else {
        return Ok(Vec::new());
    };
    let changed: Vec<(&SlotName, Identity)> = frozen
        .bindings
        .slots
        .keys()
        .filter_map(|slot| {
            let now = identity(&frozen.plan.flow, &frozen.bindings, slot)?;
            (of_version(last, slot).as_ref() != Some(&now)).then_some((slot, now))
        })
        .collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let versions = cx.reader.versions(&flow.id).await?;
    let was_there = |slot: &SlotName| versions.iter().any(|row| of_version(row, slot).is_some());
    Ok(changed
        .into_iter()
        .filter(|(slot, _)| was_there(slot))
        .map(|(slot, _)| slot.clone())
        .collect())
}
