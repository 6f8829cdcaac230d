//! Attaching shared connections to flows: whoever writes one into a flow, to act through or as a parent, that its last version does not name
//! in this way, needs the privilege. Must not ask for anything of who leaves what the version says.

use std::collections::BTreeSet;

use actas_core::flow::{Flow, SlotKind};
use actas_core::ids::{ConnectionId, Name};
use actas_store::{Binding, Bindings, FlowRow, ReadError};

use crate::access::Privilege;
use crate::context::Context;

/// Why a flow is not saved or published.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Somebody attached one who must not.
    #[error("attaching the shared connection `{0}` needs the privilege `connections.use`")]
    MayNot(String),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A connection, and whether the flow acts through it; as a parent it lends its address and client alone.
type Attached = BTreeSet<(ConnectionId, bool)>;

/// Checks what a text names. A name that leads nowhere, or to another connection than it did, is new.
///
/// # Errors
/// [`AttachError::MayNot`] with the first name.
pub async fn check(
    cx: &Context,
    flow: Option<&FlowRow>,
    document: &Flow,
) -> Result<(), AttachError> {
    if cx.may(Privilege::ConnectionsUse) {
        return Ok(());
    }
    let attached = attached(cx, flow).await?;
    for slot in document.connections.values() {
        let (name, acts): (Name, bool) = match slot.acting().kind {
            SlotKind::Connection(name) => (name, true),
            SlotKind::Dynamic(dynamic) => match dynamic.parent {
                Some(parent) => (parent, false),
                None => continue,
            },
        };
        let row = cx.reader.shared_connection(&name).await?;
        if row.is_none_or(|row| !covers(&attached, &row.id, acts)) {
            return Err(AttachError::MayNot(name.to_string()));
        }
    }
    Ok(())
}

/// The same of what an older version's names meant.
///
/// # Errors
/// [`AttachError::MayNot`] with the first slot.
pub async fn check_again(
    cx: &Context,
    flow: &FlowRow,
    bindings: &Bindings,
) -> Result<(), AttachError> {
    if cx.may(Privilege::ConnectionsUse) {
        return Ok(());
    }
    let attached = attached(cx, Some(flow)).await?;
    for (slot, binding) in &bindings.slots {
        if of(binding).is_some_and(|(id, acts)| !covers(&attached, &id, acts)) {
            return Err(AttachError::MayNot(slot.to_string()));
        }
    }
    Ok(())
}

/// What the last version names.
async fn attached(cx: &Context, flow: Option<&FlowRow>) -> Result<Attached, ReadError> {
    let Some(flow) = flow.filter(|flow| flow.last_version > 0) else {
        return Ok(Attached::new());
    };
    let version = cx.reader.version_by_number(&flow.id, flow.last_version);
    let bindings: Bindings = version
        .await?
        .and_then(|version| serde_json::from_str(&version.bindings).ok())
        .unwrap_or_default();
    Ok(bindings.slots.values().filter_map(of).collect())
}

fn of(binding: &Binding) -> Option<(ConnectionId, bool)> {
    match binding {
        Binding::Shared { connection, .. } => Some((connection.clone(), true)),
        Binding::Dynamic { parent, .. } => Some((parent.clone()?, false)),
    }
}

/// Whoever acts through a connection may name it as a parent too, not the other way round.
fn covers(attached: &Attached, id: &ConnectionId, acts: bool) -> bool {
    attached.contains(&(id.clone(), true)) || !acts && attached.contains(&(id.clone(), false))
}
