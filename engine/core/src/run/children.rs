//! Child runs: what a run hands down to those it begins, and what their end means for it. Nothing here begins one.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{ErrorKind, StepError};
use crate::ids::{FlowName, RunId, SlotName, StepPath};
use crate::run::event::Event;
use crate::run::hold::Holder;
use crate::run::parts::{ConnectionKind, Ending, Handed, Hold, Parent};
use crate::run::retry::hash;
use crate::run::state::{Run, SlotState, StepState};
use crate::time::Time;

/// How a child run ended, as its last event has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildEnd {
    /// How.
    pub ending: Ending,
    /// What it gave back.
    pub outputs: Arc<Value>,
    /// Why it failed.
    pub error: Option<StepError>,
}

impl ChildEnd {
    /// The end that an event tells of, if it is one.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::RunEnded {
                ending,
                outputs,
                error,
                ..
            } => Some(Self {
                ending: *ending,
                outputs: outputs.clone(),
                error: error.clone(),
            }),
            _ => None,
        }
    }

    /// What the step that ran the flow gives, or fails with.
    ///
    /// # Errors
    /// The child's error, said of its flow; `rejected`, code `child_cancelled`, if it was cancelled.
    pub fn result(self, flow: &FlowName) -> Result<Arc<Value>, StepError> {
        match self.ending {
            Ending::Succeeded => Ok(self.outputs),
            Ending::Cancelled => Err(StepError::new(
                ErrorKind::Rejected,
                format!("the run of `{flow}` was cancelled"),
            )
            .with_code("child_cancelled")),
            Ending::Failed => {
                let error = self.error.unwrap_or_else(|| {
                    StepError::new(ErrorKind::Internal, "it does not say why it failed")
                });
                let inside = error
                    .step
                    .as_ref()
                    .map_or_else(String::new, |step| format!("`{step}`: "));
                Err(StepError {
                    message: format!("{flow}: {inside}{}", error.message),
                    step: None,
                    after_ms: None,
                    ..error
                })
            }
        }
    }
}

impl Run {
    /// The run that holds, as the meaning of what a step waits for depends on it.
    pub fn holder(&self, now: Time) -> Holder<'_> {
        let created = self.created.as_deref();
        Holder {
            now,
            invoker: created.and_then(|created| created.invoker.as_ref()),
            draft: created.is_some_and(|created| created.number.is_none()),
            depth: self.depth(),
        }
    }

    /// How many runs of flows stand above this one. A part of a loop stands where the loop does.
    pub fn depth(&self) -> u32 {
        let created = self.created.as_deref();
        let parent = created.and_then(|created| created.parent.as_ref());
        parent.map_or(0, |parent| parent.depth)
    }

    /// The parent that a run begun by this step names.
    pub fn as_parent(&self, step: &StepPath, batch: bool) -> Option<Parent> {
        Some(Parent {
            run: self.created.as_ref()?.run.clone(),
            step: step.clone(),
            depth: self.depth() + u32::from(!batch),
        })
    }

    /// The first run of the chain that a run begun by this step belongs to: the same however often this run or this step is tried again, so
    /// that the keys of what it does stay the same.
    pub fn first_run_of(&self, step: &StepPath) -> Option<RunId> {
        let first = &self.created.as_ref()?.first_run;
        let hash = hash(
            "actas/child/1",
            &[first.as_str().as_bytes(), step.as_str().as_bytes()],
        );
        let mut bits = [0; 16];
        bits.copy_from_slice(&hash[..16]);
        Some(RunId::from_bits(u128::from_be_bytes(bits)))
    }

    /// A slot as it is handed down under another name, if it is bound.
    pub fn hand(&self, slot: usize, name: &SlotName) -> Option<Handed> {
        let SlotState::Bound(bound) = &self.slots[slot] else {
            return None;
        };
        let created = self.created.as_deref()?;
        // What was handed down to this run itself, and not lost since, goes on as it came.
        let own = &self.plan.slots[slot].name;
        let came = created
            .bound
            .iter()
            .find(|came| came.slot == *own && came.bound == *bound);
        Some(Handed {
            slot: name.clone(),
            bound: bound.clone(),
            person: match (came, bound.kind) {
                (Some(came), _) => came.person.clone(),
                (None, ConnectionKind::Personal) => self.slot_person(slot),
                (None, ConnectionKind::Shared) => None,
            },
            run: came.map_or_else(|| created.run.clone(), |came| came.run.clone()),
        })
    }

    /// The slots that a part of this run's loop works with: all that are bound.
    pub fn hand_all(&self) -> Vec<Handed> {
        let slots = self.plan.slots.iter().enumerate();
        slots
            .filter_map(|(slot, planned)| self.hand(slot, &planned.name))
            .collect()
    }

    /// What becomes of a step when the run that it waits for has ended: its result, or a retry. None if it does not wait for that run.
    pub fn child_ended(
        &self,
        step: &StepPath,
        child: &RunId,
        end: ChildEnd,
        now: Time,
    ) -> Option<Event> {
        let at = self.instance(step)?;
        if self.batch_of(step, child).is_some() {
            return self.batch_ended(step, child, end, now);
        }
        let StepState::Held {
            attempt,
            hold: Hold::Child { run, flow, .. },
            at: since,
        } = self.state(at)
        else {
            return None;
        };
        if run != child {
            return None;
        }
        let end = end.result(flow);
        Some(self.waited(at, *attempt, end, *since, now))
    }
}
