//! Frames: living instances of a flow's blocks. The root frame holds the steps at the top; each item, round, case, handler and undo has one of
//! its own while it lives. Frames are made and ended by events alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Index, IndexMut, Range};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::error::StepError;
use crate::flow::Plan;
use crate::flow::plan::Role;
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

/// What became of taking a step back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It has begun.
    UnderWay,
    /// It was.
    Done,
    /// It was not.
    Not(StepError),
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
    /// The list of its loop and the place of its item in it.
    pub item: Option<(Arc<Value>, usize)>,
    /// What the handler sees as `error`.
    pub error: Option<Arc<Value>>,
    /// True if it comes after the run's own steps: an undo, the flow's handler, and what is inside these. Nothing stops it.
    pub after: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// The frames of its steps that are still there, in the order in which they began.
    pub children: BTreeMap<usize, Vec<u32>>,
    /// Which of its steps were undone, or should have been.
    pub undone: BTreeMap<usize, Undone>,
    /// The number of its first step.
    pub first: usize,
    /// Step by step, from the first.
    pub states: Vec<StepState>,
    /// Step by step: how many of the steps it needs have not ended.
    pub(super) open_needs: Vec<usize>,
    /// Verdicts that cannot change any more, as they are found.
    pub(super) verdicts: Vec<OnceLock<Verdict>>,
    /// What the test of its loop says after this round, once it was asked.
    pub(super) test: OnceLock<Result<bool, Box<StepError>>>,
    /// Whether a step in it was not begun because the run, or what it stands in, was ending.
    pub(super) stopped: bool,
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
            item: None,
            error: None,
            after: false,
            ended: false,
            children: BTreeMap::new(),
            undone: BTreeMap::new(),
            first,
            states: vec![StepState::Pending; planned.len()],
            open_needs: steps.map(|step| plan.index.needs[step]).collect(),
            verdicts: vec![OnceLock::new(); planned.len()],
            test: OnceLock::new(),
            stopped: false,
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

/// The frames of a run, by number. A number is used again after its frame was dropped.
#[derive(Debug, Clone)]
pub struct Frames {
    frames: Vec<Option<Box<Frame>>>,
    free: Vec<u32>,
    by_path: HashMap<StepPath, u32>,
}

impl Frames {
    pub(super) fn new(root: Frame) -> Self {
        let named = root.path.clone().map(|path| (path, ROOT));
        Self {
            frames: vec![Some(Box::new(root))],
            free: Vec::new(),
            by_path: named.into_iter().collect(),
        }
    }

    /// All there are, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Frame)> {
        (0..)
            .zip(&self.frames)
            .filter_map(|(number, frame)| Some((number, frame.as_deref()?)))
    }

    /// Takes a frame in and gives it a number.
    pub(super) fn add(&mut self, frame: Frame) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.frames.push(None);
            u32::try_from(self.frames.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(path) = &frame.path {
            self.by_path.insert(path.clone(), number);
        }
        if let Some(place) = self.frames.get_mut(number as usize) {
            *place = Some(Box::new(frame));
        }
        number
    }

    /// Forgets a frame.
    pub(super) fn remove(&mut self, number: u32) -> Option<Box<Frame>> {
        let frame = self.frames.get_mut(number as usize)?.take()?;
        if let Some(path) = &frame.path {
            self.by_path.remove(path);
        }
        self.free.push(number);
        Some(frame)
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
        let frame = &self.frames[at.frame];
        match &frame.path {
            None => self.plan.steps[at.step].path.clone(),
            // What undoes a step is one step, and named as its frame is.
            Some(path) if self.plan.blocks[frame.block].role == Role::Undo => path.clone(),
            Some(frame) => frame.within(self.plan.steps[at.step].id.as_str()),
        }
    }

    /// The step instance of a path; none if there is no such step, or its frame is not there.
    pub fn instance(&self, path: &StepPath) -> Option<Instance> {
        let (frame, id) = match path.as_str().rsplit_once('/') {
            None => (ROOT, path.as_str()),
            Some((_, id @ "undo")) => (self.frames.by_path(path.as_str())?, id),
            Some((frame, id)) => (self.frames.by_path(frame)?, id),
        };
        let living = &self.frames[frame];
        let step = self.plan.index.in_block(living.block, id)?;
        let here = living.steps().contains(&step);
        here.then_some(Instance { frame, step })
    }

    /// What a step that has ended well gave.
    pub fn output(&self, at: Instance) -> Option<&Arc<Value>> {
        match self.state(at) {
            StepState::Succeeded { output, .. } => Some(output),
            _ => None,
        }
    }
}
