//! A version made ready to run: expressions compiled, steps numbered in a topological order, edges resolved. Compiled once per version and
//! shared by its runs.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{Apps, Effect, Manifest, Module};
use crate::diagnostic::Diagnostic;
use crate::expr::{Condition, Template};
use crate::flow::check::layout::Layout;
use crate::flow::check::{self, Places};
use crate::flow::graph::Graph;
use crate::flow::index::Index;
use crate::flow::{Flow, Inputs, OnItemError, Slot, Step};
use crate::ids::{ModuleRef, SlotName, StepId, StepPath};

pub use crate::app::HoldKind;

mod lower;

/// A compiled version.
#[derive(Debug)]
pub struct Plan {
    /// The document it was made from.
    pub flow: Flow,
    /// The steps of all blocks. Those of a block stand together, and each comes after all it needs of its own block; the root's come first.
    pub steps: Vec<PlanStep>,
    /// The blocks; the first is the root.
    pub blocks: Vec<Block>,
    /// What a run gives back.
    pub outputs: Vec<(String, Template)>,
    /// Slot by slot: where it is used.
    pub slots: Vec<PlanSlot>,
    /// What happens when a run fails.
    pub on_error: OnErrorPlan,
    /// The text of which only one run may have one value at once.
    pub concurrency_key: Option<Template>,
    /// What runs look up again and again; made by [`Plan::assemble`].
    pub index: Index,
    /// What a run must be given, ready to check it.
    pub inputs: Inputs,
}

/// Steps that live and end together: those of the flow, of a loop's item or round, of a case, of a handler.
#[derive(Debug, Clone)]
pub struct Block {
    /// The step it belongs to; none for the flow's own and its handler.
    pub owner: Option<usize>,
    /// What it is to its owner.
    pub role: Role,
    /// Its steps, by number.
    pub steps: Range<usize>,
    /// What it gives.
    pub outputs: BlockOutputs,
}

/// What a block is to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The flow itself.
    Root,
    /// One item of a `for_each`.
    Item,
    /// One round of a `while` or `until`.
    Round,
    /// A case of a `switch`.
    Case,
    /// What runs when its owner failed.
    Handler,
    /// What takes its owner back.
    Undo,
    /// What runs when the flow failed.
    FlowHandler,
}

/// What a block gives.
#[derive(Debug, Clone)]
pub enum BlockOutputs {
    /// The outputs of those of its steps that succeeded, by id.
    ByStep,
    /// What is written under `outputs`.
    Named(Vec<(String, Template)>),
    /// Exactly the output of this step.
    Whole(usize),
}

/// What a step does.
#[derive(Debug)]
pub enum Work {
    /// It uses a module.
    Module(ModuleWork),
    /// It waits, for the clock, a call, a person or another run, and holds no memory meanwhile.
    Hold {
        /// For what.
        kind: HoldKind,
        /// The module that says so.
        module: ModuleWork,
    },
    /// Its block runs once for each item of a list.
    Each {
        /// The list.
        items: Template,
        /// How many items may be under way at once.
        parallel: u32,
        /// What an item that fails means for the others.
        on_item_error: OnItemError,
        /// The block.
        body: usize,
    },
    /// Its block runs again and again.
    Repeat {
        /// What is tested, before or after a round. It sees the steps of the last one.
        test: Condition,
        /// True if it ends where the test holds, tested after a round; else it goes on while it holds, tested before.
        until: bool,
        /// What lies between the rounds.
        every: Option<Duration>,
        /// The most rounds.
        max_rounds: u32,
        /// The block.
        body: usize,
    },
    /// One of its blocks runs.
    Switch {
        /// What chooses.
        subject: Template,
        /// The blocks by the value that chooses them.
        cases: Vec<(String, usize)>,
        /// The block where no case fits.
        default: Option<usize>,
    },
}

/// A use of a module.
#[derive(Debug)]
pub struct ModuleWork {
    /// The app's manifest.
    pub manifest: Arc<Manifest>,
    /// The module in it.
    pub module: Arc<Module>,
    /// The input.
    pub with: Template,
}

/// What happens when a step, or a run, fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnErrorPlan {
    /// It has failed.
    Fail,
    /// What comes after goes on without it.
    Continue,
    /// This block runs; true if it says what it then gives.
    Handle(usize, bool),
}

/// A step ready to run.
#[derive(Debug)]
pub struct PlanStep {
    /// Its id.
    pub id: StepId,
    /// Where it stands in the flow: `lines/add`. In a run its instances have paths of their own, `lines[37]/add`. Steps of two cases may
    /// have one path.
    pub path: StepPath,
    /// The block it stands in.
    pub block: usize,
    /// What was written, without the steps inside it.
    pub step: Step,
    /// What it does.
    pub work: Work,
    /// The steps of its own block that must have ended before, by number; also those that only steps inside it look at.
    pub needs: Vec<usize>,
    /// The steps of enclosing blocks that its expressions, or those of steps inside it, look at, by number.
    pub outer: Vec<usize>,
    /// Its `if`.
    pub condition: Option<Condition>,
    /// Of its needs, by number, those whose being skipped does not skip it, because its condition asks `is defined` of them.
    pub guarded: Vec<usize>,
    /// True if its condition uses `always()` or `failure()`: then no skipped need skips it, and it runs also when its block is failing.
    pub asks_of_failure: bool,
    /// What happens when it is interrupted; `pure` for a step that only holds others.
    pub effect: Effect,
    /// The slot it acts through, by number.
    pub slot: Option<usize>,
    /// The slots it hands down to another flow: the slot's name there, and ours by number.
    pub hands: Vec<(SlotName, usize)>,
    /// What happens when it fails for good.
    pub on_error: OnErrorPlan,
    /// The block that takes it back.
    pub undo: Option<usize>,
    /// True if it, or a step inside it, can be taken back.
    pub has_undo: bool,
}

impl PlanStep {
    /// The module it uses, if it does not only hold others.
    pub fn module(&self) -> Option<&ModuleWork> {
        match &self.work {
            Work::Module(module) | Work::Hold { module, .. } => Some(module),
            Work::Each { .. } | Work::Repeat { .. } | Work::Switch { .. } => None,
        }
    }

    /// The slots that must have their connections before it begins, by number: the one it acts through, those it hands down.
    pub fn slots(&self) -> impl Iterator<Item = usize> + '_ {
        let handed = self.hands.iter().map(|(_, slot)| *slot);
        self.slot.into_iter().chain(handed)
    }

    /// The module's name, `app.module`.
    pub fn uses(&self) -> Option<&ModuleRef> {
        self.module().and(self.step.uses.as_ref())
    }
}

/// A slot and its users.
#[derive(Debug)]
pub struct PlanSlot {
    /// Its name.
    pub name: SlotName,
    /// What was written, as runs act through it: see [`Slot::acting`].
    pub slot: Slot,
    /// The app's manifest.
    pub manifest: Arc<Manifest>,
    /// The steps that use it, by number.
    pub used_by: Vec<usize>,
    /// The approval step whose decider's account it is; none means the invoker's.
    pub of: Option<usize>,
    /// True if every step that uses it, or that one of them needs, stands under an `if`: it *may be* needed.
    pub may_be_needed: bool,
    /// The scopes: those the flow names, else those its modules need; sorted.
    pub scopes: Vec<String>,
}

impl Plan {
    /// Compiles a checked flow. The apps are those the version was published with.
    ///
    /// # Errors
    /// A flow that would not pass [`crate::flow::parse`] with these apps gives the faults, without places. Schemas of modules are not
    /// looked at again: each input is checked against them when its step runs.
    pub fn compile(flow: &Flow, apps: &Apps) -> Result<Self, Vec<Diagnostic>> {
        let layout = Layout::of(flow, None);
        let checked = check::check(flow, apps, &layout, Places::of(None));
        if checked.faults.has_errors() {
            return Err(checked.faults.finish());
        }
        let parts = lower::lower(flow, apps, &layout, checked);
        Ok(Self::assemble(flow.clone(), parts))
    }

    /// The steps of the flow itself in waves: each wave needs only earlier ones.
    pub fn waves(&self) -> Vec<Vec<&StepId>> {
        self.waves_of(0)
    }

    /// The steps of a block in waves: each wave needs only earlier ones of the block.
    pub fn waves_of(&self, block: usize) -> Vec<Vec<&StepId>> {
        let range = self.blocks.get(block).map_or(0..0, |b| b.steps.clone());
        let steps = self.steps.get(range.clone()).unwrap_or_default();
        let local = |step: &PlanStep| step.needs.iter().map(|need| need - range.start).collect();
        let graph = Graph::new(steps.iter().map(local).collect());
        let mut waves: Vec<Vec<&StepId>> = Vec::new();
        for (step, wave) in steps.iter().zip(graph.waves()) {
            while waves.len() <= wave {
                waves.push(Vec::new());
            }
            waves[wave].push(&step.id);
        }
        waves
    }

    /// Puts the compiled parts together and makes their index.
    fn assemble(flow: Flow, parts: Parts) -> Self {
        let Parts {
            steps,
            blocks,
            slots,
            on_error,
            concurrency_key,
        } = parts;
        let outputs = match blocks.first().map(|root| &root.outputs) {
            Some(BlockOutputs::Named(outputs)) => outputs.clone(),
            _ => Vec::new(),
        };
        Self {
            index: Index::of(&steps, &blocks, &slots),
            inputs: Inputs::of(&flow),
            flow,
            steps,
            blocks,
            outputs,
            slots,
            on_error,
            concurrency_key,
        }
    }

    /// The step that an expression of a block means by an id: one of the block, or of those around it.
    pub fn find(&self, block: usize, id: &str) -> Option<usize> {
        self.index.find(self, block, id)
    }

    /// A step's number.
    pub fn step(&self, path: &StepPath) -> Option<usize> {
        self.index.step(path)
    }

    /// A slot's number.
    pub fn slot(&self, name: &SlotName) -> Option<usize> {
        self.index.slot(name)
    }
}

/// What a plan is put together from.
struct Parts {
    steps: Vec<PlanStep>,
    blocks: Vec<Block>,
    slots: Vec<PlanSlot>,
    on_error: OnErrorPlan,
    concurrency_key: Option<Template>,
}
