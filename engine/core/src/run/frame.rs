//! Frames: living instances of a flow's blocks. The root frame holds the steps at the top; each item, round, case, handler and undo has one of
//! its own while it lives. Frames are made and ended by events alone.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Index, IndexMut, Range};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::flow::Plan;
use crate::ids::StepPath;
use crate::run::progress::Verdict;
use crate::run::state::{Run, StepState};

/// The number of the root frame.
pub const ROOT: u32 = 0;

/// A step in a frame: what a path such as `lines[37]/add` names. Good as long as its frame is there; between programs the path is what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The frame's number.
    pub frame: u32,
    /// The step's number in the plan.
    pub step: usize,
}

impl Instance {
    /// A step at the top of the flow.
    pub const fn root(step: usize) -> Self {
        Self { frame: ROOT, step }
    }
}

/// One instance of a block.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The block's number in the plan.
    pub block: usize,
    /// The step that it belongs to; none for the root and for the flow's handler.
    pub owner: Option<Instance>,
    /// Its path, such as `lines[37]`; none for the root.
    pub path: Option<StepPath>,
    /// The item's or the round's number, from 0.
    pub index: u64,
    /// The number of its first step.
    pub first: usize,
    /// Step by step, from the first.
    pub states: Vec<StepState>,
    /// Step by step: how many of the steps it needs have not ended.
    pub(super) open_needs: Vec<usize>,
    /// Verdicts that cannot change any more, as they are found.
    pub(super) verdicts: Vec<OnceLock<Verdict>>,
    /// Pending steps that ask of failure and need nothing: their turn comes when nothing else here moves.
    pub(super) deferred: BTreeSet<usize>,
    /// How many steps can move or are on their way: ready, waiting, under way, held.
    pub(super) live: usize,
    /// How many steps have ended.
    pub(super) settled: usize,
    /// How many steps have failed.
    pub(super) failed: usize,
    /// The one that failed first: its error is the frame's.
    pub(super) first_failed: Option<usize>,
    /// How many pending steps do not ask of failure.
    pub(super) plain_pending: usize,
}

impl Frame {
    /// A frame of a block in which nothing has begun.
    pub(super) fn new(plan: &Plan, block: usize, steps: Range<usize>) -> Self {
        let first = steps.start;
        let planned = plan.steps.get(steps.clone()).unwrap_or_default();
        Self {
            block,
            owner: None,
            path: None,
            index: 0,
            first,
            states: vec![StepState::Pending; planned.len()],
            open_needs: steps.map(|step| plan.index.needs[step]).collect(),
            verdicts: vec![OnceLock::new(); planned.len()],
            deferred: BTreeSet::new(),
            live: 0,
            settled: 0,
            failed: 0,
            first_failed: None,
            plain_pending: planned.iter().filter(|s| !s.asks_of_failure).count(),
        }
    }

    /// The numbers of its steps.
    pub fn steps(&self) -> Range<usize> {
        self.first..self.first + self.states.len()
    }

    /// Where one of its steps stands.
    pub fn state(&self, step: usize) -> &StepState {
        &self.states[step - self.first]
    }

    /// Whether all its steps have ended.
    pub(super) fn is_settled(&self) -> bool {
        self.settled == self.states.len()
    }
}

/// The frames of a run, by number.
#[derive(Debug, Clone)]
pub struct Frames {
    frames: Vec<Option<Box<Frame>>>,
    by_path: HashMap<StepPath, u32>,
}

impl Frames {
    pub(super) fn new(root: Frame) -> Self {
        Self {
            frames: vec![Some(Box::new(root))],
            by_path: HashMap::new(),
        }
    }

    /// All there are, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Frame)> {
        (0..)
            .zip(&self.frames)
            .filter_map(|(number, frame)| Some((number, frame.as_deref()?)))
    }

    /// The one of a path; the root has none.
    pub fn by_path(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }
}

impl Index<u32> for Frames {
    type Output = Frame;

    /// # Panics
    /// If the frame was dropped: instances are not kept longer than their frames.
    fn index(&self, number: u32) -> &Frame {
        self.frames[number as usize]
            .as_deref()
            .expect("instances are not kept longer than their frames")
    }
}

impl IndexMut<u32> for Frames {
    fn index_mut(&mut self, number: u32) -> &mut Frame {
        self.frames[number as usize]
            .as_deref_mut()
            .expect("instances are not kept longer than their frames")
    }
}

impl Run {
    /// Where a step stands.
    pub fn state(&self, at: Instance) -> &StepState {
        self.frames[at.frame].state(at.step)
    }

    /// The name of a step instance.
    pub fn path(&self, at: Instance) -> StepPath {
        match &self.frames[at.frame].path {
            None => self.plan.steps[at.step].path.clone(),
            Some(frame) => frame.within(self.plan.steps[at.step].id.as_str()),
        }
    }

    /// The step instance of a path; none if there is no such step, or its frame is not there.
    pub fn instance(&self, path: &StepPath) -> Option<Instance> {
        let (frame, id) = match path.as_str().rsplit_once('/') {
            None => return self.plan.step(path).map(Instance::root),
            Some((frame, id)) => (self.frames.by_path(frame)?, id),
        };
        let mut steps = self.frames[frame].steps();
        let step = steps.find(|step| self.plan.steps[*step].id.as_str() == id)?;
        Some(Instance { frame, step })
    }

    /// What a step that has ended well gave.
    pub fn output(&self, at: Instance) -> Option<&Arc<Value>> {
        match self.state(at) {
            StepState::Succeeded { output, .. } => Some(output),
            _ => None,
        }
    }
}
