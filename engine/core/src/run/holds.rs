//! What a run keeps of its held steps beside their states: what came for them from outside, and which of them the clock or the news will move.
//! Derived from events alone; it decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::ids::{RunId, StepPath};
use crate::run::frame::Instance;
use crate::run::parts::{Decider, Decision, Hold};
use crate::run::state::{Run, StepState};
use crate::time::Time;

/// An answer is judged by the clock of the database when it is given, and may reach the run a little later: so long it still counts.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// A call from outside.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Came {
    /// What it brought.
    pub payload: Arc<Value>,
    /// When.
    pub at: Time,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    /// Callbacks that came, by the path of their step: each comes once, perhaps before its step is reached.
    callbacks: BTreeMap<StepPath, Came>,
    /// Decisions about approvals whose steps have not ended yet.
    decisions: BTreeMap<Instance, (Decision, Time)>,
    /// Who decided, by the approval's number in the plan: whose account a slot is, also where a flow goes on after a no.
    deciders: BTreeMap<usize, Decider>,
    /// Steps whose child run needs a person.
    paused: BTreeSet<Instance>,
    /// Held steps by the time when the clock ends it.
    due: BTreeSet<(Time, Instance)>,
    /// Held steps for which what they wait for has come.
    over: BTreeSet<Instance>,
    /// Steps in doubt of whom nobody has been asked yet.
    unasked: BTreeSet<Instance>,
}

impl Holds {
    pub fn callback(&self, step: &StepPath) -> Option<&Came> {
        self.callbacks.get(step)
    }

    /// How many callbacks are kept.
    pub fn callbacks(&self) -> usize {
        self.callbacks.len()
    }

    pub fn called(&mut self, step: StepPath, came: Came) {
        self.callbacks.insert(step, came);
    }

    pub fn decision(&self, at: Instance) -> Option<&(Decision, Time)> {
        self.decisions.get(&at)
    }

    pub fn decided(&mut self, at: Instance, decision: Decision, time: Time) {
        self.is_of(at.step, decision.by.clone());
        self.decisions.insert(at, (decision, time));
        self.over.insert(at);
    }

    /// Notes who decided.
    pub fn is_of(&mut self, step: usize, by: Decider) {
        self.deciders.insert(step, by);
    }

    /// Who decided.
    pub fn decider(&self, step: usize) -> Option<&Decider> {
        self.deciders.get(&step)
    }

    pub fn set_paused(&mut self, at: Instance, paused: bool) {
        if paused {
            self.paused.insert(at);
        } else {
            self.paused.remove(&at);
        }
    }

    /// Whether the child run of a step needs a person.
    pub fn is_paused(&self, at: Instance) -> bool {
        self.paused.contains(&at)
    }

    /// What the step waits for has come.
    pub fn come(&mut self, at: Instance) {
        self.over.insert(at);
    }

    /// Held steps that can end now.
    pub fn ending(&self, now: Time) -> impl Iterator<Item = Instance> + '_ {
        let due = self.due.iter().take_while(move |(due, _)| *due <= now);
        let due = due.map(|(_, at)| *at);
        let not_twice = |at: &Instance| !self.over.contains(at);
        self.over.iter().copied().chain(due.filter(not_twice))
    }

    /// Whether something can be done now whatever the clock says: a step can end, or a question is to be put.
    pub fn moves(&self) -> bool {
        !self.over.is_empty() || !self.unasked.is_empty()
    }

    /// When the clock ends the next one.
    pub fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Steps in doubt of whom nobody has been asked yet.
    pub fn unasked(&self) -> impl Iterator<Item = Instance> + '_ {
        self.unasked.iter().copied()
    }
}

/// When the clock ends what a step waits for.
fn due(state: &StepState) -> Option<Time> {
    match state {
        StepState::Held { hold, .. } => match hold {
            Hold::Until { at } => Some(*at),
            Hold::Callback { until, .. } | Hold::Approval { until, .. } => Some(until.after(GRACE)),
            Hold::Child { .. } => None,
        },
        StepState::Undecided { until, .. } => until.map(|until| until.after(GRACE)),
        _ => None,
    }
}

impl Run {
    /// A step begins to wait or to be in doubt: its state says for what.
    pub(super) fn hold_began(&mut self, at: Instance) {
        let state = self.state(at);
        let due = due(state);
        let unasked = matches!(state, StepState::Undecided { request: None, .. });
        let called = matches!(
            state,
            StepState::Held {
                hold: Hold::Callback { .. },
                ..
            }
        ) && self.progress.holds.callback(&self.path(at)).is_some();
        let holds = &mut self.progress.holds;
        if let Some(due) = due {
            holds.due.insert((due, at));
        }
        if unasked {
            holds.unasked.insert(at);
        }
        if called {
            holds.over.insert(at);
        }
    }

    /// A step waits no longer, whatever comes next.
    pub(super) fn hold_ended(&mut self, at: Instance) {
        let due = due(self.state(at));
        let holds = &mut self.progress.holds;
        if let Some(due) = due {
            holds.due.remove(&(due, at));
        }
        holds.over.remove(&at);
        holds.unasked.remove(&at);
        holds.paused.remove(&at);
        holds.decisions.remove(&at);
    }

    /// Whether a person alone can move a step that is held or in doubt.
    pub(super) fn is_a_persons(&self, at: Instance) -> bool {
        match self.state(at) {
            StepState::Held {
                hold: Hold::Approval { .. },
                ..
            } => !self.progress.holds.over.contains(&at),
            StepState::Undecided { request, .. } => request.is_some(),
            StepState::Held {
                hold: Hold::Child { .. },
                ..
            }
            | StepState::Inside { .. } => self.progress.holds.is_paused(at),
            _ => false,
        }
    }

    /// The runs that steps of this one wait for, by the step's path.
    pub fn living_children(&self) -> Vec<(StepPath, RunId)> {
        let child = |&at: &Instance| {
            let run = match self.state(at) {
                StepState::Held {
                    hold: Hold::Child { run, .. },
                    ..
                } => Some(run),
                _ => self.batched(at)?.under_way.as_ref(),
            };
            Some((self.path(at), run?.clone()))
        };
        let progress = &self.progress;
        let waiting = progress.held.iter().chain(&progress.batching);
        waiting.filter_map(child).collect()
    }
}
