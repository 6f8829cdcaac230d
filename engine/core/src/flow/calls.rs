//! Flows that run other flows: which, and whether one of them would act as somebody where nobody has started anything. Pure; whoever
//! asks brings the flows.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use crate::flow::check::TriggerKind;
use crate::flow::check::layout::Layout;
use crate::flow::{Flow, SlotKind};
use crate::ids::{FlowName, SlotName};

/// A slot that is somebody's in a flow that, by way of others, is started by nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmanned {
    /// What starts the first flow: `schedule` or `webhook`.
    pub trigger: &'static str,
    /// The flows, from the one that is started to the one with the slot: each runs the next.
    pub through: Vec<FlowName>,
    /// The slot.
    pub slot: SlotName,
}

impl Flow {
    /// The flows that its steps run, each once, in the order of the file.
    pub fn calls(&self) -> Vec<FlowName> {
        let mut known = HashSet::new();
        let layout = Layout::of(self, None);
        let called = layout.sites.iter().filter_map(|site| {
            let uses = site.step.uses.as_ref()?;
            let name = site.step.with.get("flow").and_then(Value::as_str)?;
            (uses.as_str() == "core.run_flow").then(|| name.parse().ok())?
        });
        called
            .filter(|name: &FlowName| known.insert(name.clone()))
            .collect()
    }

    /// Whether some slot is that of a person.
    pub fn acts_as_somebody(&self) -> bool {
        self.personal_slots().next().is_some()
    }

    fn personal_slots(&self) -> impl Iterator<Item = &SlotName> {
        let personal = |kind: &SlotKind| match kind {
            SlotKind::Dynamic(dynamic) => dynamic.switched_off().is_none(),
            SlotKind::Connection(_) => false,
        };
        let slots = self.connections.iter();
        slots
            .filter(move |(_, slot)| personal(&slot.kind))
            .map(|(name, _)| name)
    }
}

/// The slots that would be somebody's in what a flow runs, if nobody starts it. `find` gives a flow by its name, as it would be called now.
pub fn unmanned<'f>(
    first: &'f Flow,
    find: impl Fn(&FlowName) -> Option<&'f Flow>,
) -> Vec<Unmanned> {
    let trigger = TriggerKind::of(&first.trigger);
    if trigger == TriggerKind::OnDemand {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([first.flow.clone()]);
    let mut open = vec![(first, vec![first.flow.clone()])];
    while let Some((flow, through)) = open.pop() {
        for name in flow.calls() {
            let Some(called) = find(&name).filter(|_| seen.insert(name.clone())) else {
                continue;
            };
            let mut through = through.clone();
            through.push(name);
            found.extend(called.personal_slots().map(|slot| Unmanned {
                trigger: trigger.as_str(),
                through: through.clone(),
                slot: slot.clone(),
            }));
            open.push((called, through));
        }
    }
    found
}
