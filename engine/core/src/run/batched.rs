//! Long loops: their items are done batch by batch, each batch by a run of its own. What the loop keeps meanwhile, what a batch is given, and
//! what its end means. Nothing here begins a run.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::answer;
use crate::error::{ErrorKind, StepError};
use crate::flow::plan::Work;
use crate::ids::{RunId, StepPath};
use crate::run::children::ChildEnd;
use crate::run::command::StartBatch;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::inside::Inside;
use crate::run::parts::{Ending, FailedItem};
use crate::run::state::{Run, StepState};
use crate::time::Time;

/// A loop with more items than this is done in batches of so many.
pub const BATCH: usize = 256;

/// What a long loop keeps: its list, and what its batches gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Batched {
    /// The list, as it was when the loop began.
    pub items: Arc<Value>,
    /// The batch that is under way.
    pub under_way: Option<RunId>,
    /// What the batches that have ended gave, in order: lists.
    pub gave: Vec<Arc<Value>>,
    /// Items that failed, in the order of the list.
    pub failed: Vec<FailedItem>,
    /// Why a batch could not be done as a whole.
    pub broken: Option<StepError>,
    /// How many bytes were given so far, as JSON.
    pub bytes: usize,
}

impl Batched {
    /// A long loop of which nothing has begun.
    pub(super) fn new(items: Arc<Value>) -> Self {
        Self {
            items,
            under_way: None,
            gave: Vec::new(),
            failed: Vec::new(),
            broken: None,
            bytes: 0,
        }
    }

    /// How many items there are.
    pub fn count(&self) -> usize {
        self.items.as_array().map_or(0, Vec::len)
    }

    /// The number of the first item that has not been done.
    pub fn offset(&self) -> usize {
        self.gave.len() * BATCH
    }

    /// The items of the next batch.
    pub(super) fn next(&self) -> &[Value] {
        let items = self.items.as_array().map_or(&[][..], Vec::as_slice);
        let rest = items.get(self.offset()..).unwrap_or_default();
        &rest[..rest.len().min(BATCH)]
    }

    /// Takes in what a batch gave.
    pub(super) fn take(&mut self, items: Arc<Value>) {
        self.bytes = self.bytes.saturating_add(answer::size(&items));
        self.gave.push(items);
    }

    /// Whether all items have been done.
    pub(super) fn is_done(&self) -> bool {
        self.under_way.is_none() && self.broken.is_none() && self.next().is_empty()
    }

    /// Whether what was given is more than a step may give.
    pub fn is_too_large(&self) -> bool {
        self.bytes > answer::MOST_BYTES
    }

    /// What the loop gives: `{items, failed, count}`.
    pub fn output(&self) -> Value {
        let gave = self.gave.iter().filter_map(|gave| gave.as_array());
        let items: Vec<Value> = gave.flatten().cloned().collect();
        json!({"items": items, "failed": self.failed, "count": self.count()})
    }
}

impl Run {
    /// The long loop in a step, if there is one under way.
    pub(super) fn batched(&self, at: Instance) -> Option<&Batched> {
        match self.state(at) {
            StepState::Inside { inside, .. } => match &**inside {
                Inside::Batched(batched) => Some(batched),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the next batch of a loop is given.
    pub(super) fn next_batch(&self, at: Instance, batched: &Batched) -> StartBatch {
        let (scope, inputs) = self.around(at);
        StartBatch {
            at,
            path: self.path(at),
            batch: batched.gave.len() as u64,
            offset: batched.offset() as u64,
            items: batched.next().to_vec(),
            scope: Arc::new(scope),
            inputs: Arc::new(inputs),
        }
    }

    /// The number of the batch under way that this child does.
    pub fn batch_of(&self, step: &StepPath, child: &RunId) -> Option<u64> {
        let batched = self.batched(self.instance(step)?)?;
        (batched.under_way.as_ref() == Some(child)).then_some(batched.gave.len() as u64)
    }

    /// What becomes of a long loop when the run that does a batch of it has ended. None if it does not wait for that run.
    pub fn batch_ended(
        &self,
        step: &StepPath,
        child: &RunId,
        end: ChildEnd,
        now: Time,
    ) -> Option<Event> {
        let batch = self.batch_of(step, child)?;
        let broken = match end.ending {
            Ending::Succeeded => None,
            Ending::Cancelled => Some(
                StepError::new(ErrorKind::Rejected, "a part of the loop was cancelled")
                    .with_code("child_cancelled"),
            ),
            Ending::Failed => end.error,
        };
        let (items, failed) = match broken {
            Some(error) => {
                let index = batch * BATCH as u64;
                (Arc::default(), vec![FailedItem { index, error }])
            }
            None => {
                let part = |name: &str| end.outputs.get(name).cloned().unwrap_or_default();
                let failed = serde_json::from_value(part("failed")).unwrap_or_default();
                (Arc::new(part("items")), failed)
            }
        };
        Some(Event::BatchEnded {
            step: step.clone(),
            batch,
            child: child.clone(),
            items,
            failed,
            at: now,
        })
    }

    pub(super) fn take_batch(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::BatchBegan {
                step, batch, child, ..
            } => {
                let at = self.found(step)?;
                let batched = self
                    .batched_mut(at)
                    .ok_or("no long loop is under way there")?;
                if batched.under_way.is_some() {
                    return Err("a batch is under way".to_owned());
                }
                if *batch != batched.gave.len() as u64 || batched.next().is_empty() {
                    return Err(format!("batches so far: {}", batched.gave.len()));
                }
                batched.under_way = Some(child.clone());
                self.progress.turning.remove(&at);
                self.progress.batching.insert(at);
            }
            Event::BatchEnded {
                step,
                batch,
                child,
                items,
                failed,
                ..
            } => {
                let at = self.found(step)?;
                let batched = self
                    .batched_mut(at)
                    .ok_or("no long loop is under way there")?;
                if batched.under_way.as_ref() != Some(child) || *batch != batched.gave.len() as u64
                {
                    return Err("another batch is under way".to_owned());
                }
                match (items.as_array(), failed.first()) {
                    (Some(items), _) if items.len() == batched.next().len() => {}
                    (None, Some(_)) => {}
                    _ => return Err("the batch has another number of items".to_owned()),
                }
                batched.under_way = None;
                if items.is_array() {
                    batched.take(items.clone());
                    batched.failed.extend(failed.iter().cloned());
                } else {
                    batched.broken = failed.first().map(|failed| failed.error.clone());
                }
                self.progress.batching.remove(&at);
                self.progress.holds.set_paused(at, false);
                self.progress.turning.insert(at);
            }
            _ => {}
        }
        Ok(())
    }

    /// What changes here, no list of the progress goes by.
    fn batched_mut(&mut self, at: Instance) -> Option<&mut Batched> {
        match self.inside_mut(at) {
            Some(Inside::Batched(batched)) => Some(batched),
            _ => None,
        }
    }

    /// Whether a loop with so many items is done in batches: what could be undone is kept in the run itself, and so is a part of a loop.
    pub(super) fn is_long(&self, at: Instance, items: u64) -> bool {
        let planned = &self.plan.steps[at.step];
        matches!(planned.work, Work::Each { .. })
            && items > BATCH as u64
            && !planned.has_undo
            && self.part_of(at).is_none()
    }
}
