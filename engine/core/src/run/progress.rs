//! What a run derives from its events as they come, so that deciding costs what can move and not what there is. It decides nothing and
//! holds nothing that folding the journal again would not give.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::error::StepError;
use crate::flow::plan::Role;
use crate::flow::{Ask, Plan, SlotKind};
use crate::run::frame::{Frame, Instance, ROOT};
use crate::run::holds::Holds;
use crate::run::inside::Ended;
use crate::run::parts::{Created, SkipReason};
use crate::run::standing::Running;
use crate::run::state::{Phase, Run, SlotState, StepState};
use crate::time::Time;

/// What is to be done with a step whose needs have ended.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// It may begin.
    Go,
    /// It will not run.
    Skip(SkipReason),
    /// Its condition cannot be evaluated.
    Fault(Box<StepError>),
}

#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// Pending steps whose needs have ended, but for those in the next two sets.
    pub ready: BTreeSet<Instance>,
    /// Of these, the ones without a condition whose slot is asked for: nothing but the slot can move them.
    pub parked: BTreeSet<Instance>,
    /// Frames with pending steps that ask of failure and need nothing: their turn comes when nothing else there moves.
    pub deferring: BTreeSet<u32>,
    /// Steps to be tried again, by the time they are due.
    pub retrying: BTreeSet<(Time, Instance)>,
    /// Steps with an attempt under way.
    pub running: BTreeSet<Instance>,
    /// Steps that wait without memory, for the clock, somebody or something.
    pub held: BTreeSet<Instance>,
    /// What came for them, and when the clock will move them.
    pub holds: Holds,
    /// Frames in which all steps have ended: they can end.
    pub settled: BTreeSet<u32>,
    /// Loops and switches that come to their next round or to their end, and failed steps whose handler can begin.
    pub turning: BTreeSet<Instance>,
    /// Long loops of which a batch is under way.
    pub batching: BTreeSet<Instance>,
    /// Frames that have not ended and in which a step has failed.
    pub failing: BTreeSet<u32>,
    /// How many frames of items are kept that have ended.
    pub kept: usize,
    /// How many steps of items were forgotten.
    pub forgotten: usize,
    /// Slot by slot: how many steps that have not ended use it or hold steps that do, without and with those that come after the run's own.
    pub wanting: Vec<[usize; 2]>,
    /// What is still to be undone, the next one last; none before the first undo.
    pub undo: Option<Vec<Instance>>,
    /// The undo or the flow's handler that is under way.
    pub after: Option<u32>,
    /// How the flow's handler ended.
    pub handled: Option<Ended>,
    /// What the run gives back, once it was evaluated.
    pub outputs: OnceLock<Ended>,
    /// Outputs of steps around the loop that this run does a part of.
    pub outer_steps: Vec<(Arc<str>, Arc<Value>)>,
    /// True once a step was skipped because the run had taken too long: nothing that stands still after that takes it back.
    pub timed_out: bool,
    /// The slots that everything waits for before the first step.
    pub gate: Vec<usize>,
    /// True once all of them were bound.
    pub gate_open: bool,
    /// Slot by slot: how often its account was lost since its person was asked last.
    pub losses: Vec<u8>,
    /// When the run has taken too long, as far as is known.
    pub timeout_at: Time,
    /// Since when only people are awaited: meanwhile the run's time stands still.
    pub paused_since: Option<Time>,
    /// What every expression of the run can look at.
    pub roots: Vec<(&'static str, Arc<Value>)>,
}

impl Progress {
    pub fn new(plan: &Plan) -> Self {
        let gate: Vec<usize> = plan
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| {
                matches!(&slot.slot.kind, SlotKind::Dynamic(dynamic) if dynamic.ask == Ask::UpFront)
                    && !slot.may_be_needed
                    // Whoever decides an approval is not known before.
                    && slot.of.is_none()
                    && slot
                        .used_by
                        .iter()
                        .any(|step| plan.index.at_the_top(plan, *step).is_some())
            })
            .map(|(number, _)| number)
            .collect();
        Self {
            ready: BTreeSet::new(),
            parked: BTreeSet::new(),
            deferring: BTreeSet::new(),
            retrying: BTreeSet::new(),
            running: BTreeSet::new(),
            held: BTreeSet::new(),
            holds: Holds::default(),
            settled: BTreeSet::new(),
            turning: BTreeSet::new(),
            batching: BTreeSet::new(),
            failing: BTreeSet::new(),
            kept: 0,
            forgotten: 0,
            wanting: vec![[0, 0]; plan.slots.len()],
            undo: None,
            after: None,
            handled: None,
            outputs: OnceLock::new(),
            outer_steps: Vec::new(),
            timed_out: false,
            gate_open: gate.is_empty(),
            gate,
            losses: vec![0; plan.slots.len()],
            timeout_at: Time(i64::MAX),
            paused_since: None,
            roots: Vec::new(),
        }
    }
}

impl Run {
    pub(super) fn begin_progress(&mut self, created: &Created) {
        let mut run = json!({
            "id": created.run,
            "flow": created.flow_name,
            "version": created.number,
            "started_at": created.at,
        });
        // Without an invoker there is no `run.user`; a flow that names it is refused before it runs.
        if let (Some(user), Some(fields)) = (&created.invoker, run.as_object_mut()) {
            fields.insert(
                "user".to_owned(),
                json!({
                    "id": user.id,
                    "name": user.name,
                    "email": user.email,
                    "manager": user.manager,
                    "roles": user.roles,
                }),
            );
        }
        self.progress.roots = vec![
            ("inputs", created.inputs.clone()),
            ("vars", created.vars.clone()),
            ("run", Arc::new(run)),
        ];
        if let Some(part) = &created.part {
            self.look_around(part);
        }
        self.progress.timeout_at = created.at.after(self.plan.flow.limits.run());
        self.enqueue_all(ROOT);
    }

    /// The root frame.
    pub(super) fn root(&self) -> &Frame {
        &self.frames[ROOT]
    }

    /// Puts the steps of a new frame that need nothing where they belong.
    pub(super) fn enqueue_all(&mut self, frame: u32) {
        for step in self.frames[frame].steps() {
            let at = Instance { frame, step };
            self.want(at, 1);
            self.enqueue(at);
        }
        if frame != ROOT && self.frames[frame].is_settled() {
            self.progress.settled.insert(frame);
        }
    }

    /// Counts a step among those that may still want their slots, or no longer.
    fn want(&mut self, at: Instance, change: isize) {
        let after = usize::from(self.frames[at.frame].after);
        for &slot in &self.plan.index.slots_within(&self.plan)[at.step] {
            let count = &mut self.progress.wanting[slot][after];
            *count = count.saturating_add_signed(change);
        }
    }

    /// How many of the steps that a step needs have not ended.
    pub(super) fn open_needs(&self, at: Instance) -> usize {
        let frame = &self.frames[at.frame];
        frame.open_needs[at.step - frame.first]
    }

    /// The only place where a step's state changes.
    pub(super) fn set_step(&mut self, at: Instance, state: StepState) {
        self.leave(at);
        let frame = &mut self.frames[at.frame];
        let place = at.step - frame.first;
        frame.states[place] = state;
        self.enter(at);
    }

    /// Takes a step off the lists that its state had put it on.
    fn leave(&mut self, at: Instance) {
        if matches!(
            self.state(at),
            StepState::Pending | StepState::Retrying { .. }
        ) {
            self.want(at, -1);
        }
        let plain = !self.plan.steps[at.step].asks_of_failure;
        let frame = &mut self.frames[at.frame];
        let progress = &mut self.progress;
        match &frame.states[at.step - frame.first] {
            StepState::Pending => {
                frame.plain_pending -= usize::from(plain);
                if progress.ready.remove(&at) || progress.parked.remove(&at) {
                    frame.live -= 1;
                } else if frame.deferred.remove(&at.step) && frame.deferred.is_empty() {
                    progress.deferring.remove(&at.frame);
                }
            }
            StepState::Running { .. } => {
                progress.running.remove(&at);
                frame.live -= 1;
            }
            StepState::Retrying { due, .. } => {
                progress.retrying.remove(&(*due, at));
                frame.live -= 1;
            }
            StepState::Held { .. } | StepState::Undecided { .. } => {
                progress.held.remove(&at);
                frame.live -= 1;
                self.hold_ended(at);
            }
            StepState::Inside { .. } | StepState::Handling { .. } => {
                progress.turning.remove(&at);
                progress.batching.remove(&at);
                frame.live -= 1;
            }
            StepState::Succeeded { .. } | StepState::Failed { .. } | StepState::Skipped { .. } => {}
        }
    }

    /// Puts a step on the lists that its state belongs to.
    fn enter(&mut self, at: Instance) {
        if matches!(
            self.state(at),
            StepState::Pending | StepState::Retrying { .. }
        ) {
            self.want(at, 1);
        }
        let plain = !self.plan.steps[at.step].asks_of_failure;
        let failing = self.is_failing(at.frame);
        let frame = &mut self.frames[at.frame];
        let progress = &mut self.progress;
        match &frame.states[at.step - frame.first] {
            StepState::Pending => {
                frame.plain_pending += usize::from(plain);
                self.enqueue(at);
                return;
            }
            StepState::Running { .. } => {
                progress.running.insert(at);
                frame.live += 1;
                return;
            }
            StepState::Retrying { due, .. } => {
                progress.retrying.insert((*due, at));
                frame.live += 1;
                return;
            }
            StepState::Held { .. } | StepState::Undecided { .. } => {
                progress.held.insert(at);
                frame.live += 1;
                self.hold_began(at);
                return;
            }
            StepState::Inside { .. } => {
                frame.live += 1;
                return;
            }
            StepState::Handling { .. } => {
                progress.turning.insert(at);
                frame.live += 1;
                return;
            }
            StepState::Succeeded { .. }
            | StepState::Failed {
                continued: true, ..
            } => {}
            StepState::Failed { .. } => {
                frame.failed += 1;
                frame.first_failed.get_or_insert(at.step);
                progress.failing.insert(at.frame);
            }
            StepState::Skipped { because, .. } => {
                frame.stopped |= *because == SkipReason::RunEnding;
                // A failure would skip only steps that do not ask of it, and a cancelled run is no longer open.
                progress.timed_out |= *because == SkipReason::RunEnding
                    && self.phase == Phase::Open
                    && (!failing || !plain);
            }
        }
        frame.settled += 1;
        if at.frame != ROOT && frame.is_settled() {
            progress.settled.insert(at.frame);
        }
        let first = frame.first;
        let plan = self.plan.clone();
        if self.is_part() && at.frame == ROOT {
            // What needs the loop is its parent's.
            return;
        }
        for &dependent in &plan.index.dependents[at.step] {
            let frame = &mut self.frames[at.frame];
            let open = &mut frame.open_needs[dependent - first];
            *open -= 1;
            if *open == 0 && frame.states[dependent - first] == StepState::Pending {
                self.enqueue(Instance {
                    step: dependent,
                    ..at
                });
            }
        }
    }

    /// Whether nothing new starts in this frame, but for what asks of failure: because a step of it has failed, or one of those it stands in,
    /// unless it stands in what asks of failure itself.
    pub(super) fn is_failing(&self, frame: u32) -> bool {
        let mut number = frame;
        loop {
            let frame = &self.frames[number];
            if frame.failed > 0 {
                return true;
            }
            match frame.owner {
                Some(owner) if self.hands_down(frame.block, owner) => number = owner.frame,
                _ => return false,
            }
        }
    }

    fn hands_down(&self, block: usize, owner: Instance) -> bool {
        self.plan.blocks[block].role != Role::Undo && !self.plan.steps[owner.step].asks_of_failure
    }

    /// What `failure()` answers: whether a step of this frame, or of those it stands in, has failed.
    pub(super) fn has_failed(&self, frame: u32) -> bool {
        self.outwards(frame).any(|(_, frame)| frame.failed > 0)
    }

    /// Whether the steps of a frame are to be broken off, as far as the state alone tells: the run is cancelled or has taken too long.
    pub(super) fn is_stopping(&self, frame: u32) -> bool {
        !self.frames[frame].after
            && (self.progress.timed_out || matches!(self.phase, Phase::Cancelling { .. }))
    }

    /// The only place where a slot's state changes in a way that lets steps move or holds them.
    pub(super) fn set_slot(&mut self, slot: usize, state: SlotState) {
        match &state {
            SlotState::Asked { .. } => self.progress.losses[slot] = 0,
            SlotState::Bound(_) if !self.progress.gate_open => {
                let bound =
                    |&one: &usize| one == slot || matches!(self.slots[one], SlotState::Bound(_));
                self.progress.gate_open = self.progress.gate.iter().all(bound);
            }
            _ => {}
        }
        self.slots[slot] = state;
        let (ready, parked) = (&self.progress.ready, &self.progress.parked);
        let users: Vec<Instance> = ready
            .iter()
            .chain(parked)
            .filter(|at| self.plan.steps[at.step].slots().any(|one| one == slot))
            .copied()
            .collect();
        for at in users {
            self.leave(at);
            self.enter(at);
        }
    }

    /// Puts a pending step where it belongs, if its needs have ended.
    fn enqueue(&mut self, at: Instance) {
        if self.open_needs(at) > 0 {
            return;
        }
        if self.is_deferrable(at.step) {
            self.frames[at.frame].deferred.insert(at.step);
            self.progress.deferring.insert(at.frame);
            return;
        }
        let plain = self.plan.steps[at.step].condition.is_none();
        let parks = plain && self.is_asked(at.step) && !self.lost_a_need(at);
        let set = if parks {
            &mut self.progress.parked
        } else {
            &mut self.progress.ready
        };
        set.insert(at);
        self.frames[at.frame].live += 1;
    }

    /// Whether a step asks of failure and needs nothing, so that its turn comes when nothing else moves.
    pub(super) fn is_deferrable(&self, step: usize) -> bool {
        let planned = &self.plan.steps[step];
        planned.asks_of_failure && planned.needs.is_empty()
    }

    /// Whether the slot of a step waits for its person.
    pub(super) fn is_asked(&self, step: usize) -> bool {
        let asked = |slot: usize| matches!(self.slots[slot], SlotState::Asked { .. });
        self.plan.steps[step].slots().any(asked)
    }

    /// Whether a step that it cannot do without was skipped.
    fn lost_a_need(&self, at: Instance) -> bool {
        let planned = &self.plan.steps[at.step];
        let frame = &self.frames[at.frame];
        !planned.asks_of_failure
            && planned.needs.iter().any(|need| {
                matches!(
                    frame.state(*need),
                    StepState::Skipped { .. }
                        | StepState::Failed {
                            continued: true,
                            ..
                        }
                ) && !planned.guarded.contains(need)
            })
    }

    /// What is to be done with a step whose needs have ended. What cannot change is evaluated once.
    pub(super) fn verdict(&self, at: Instance) -> Verdict {
        let planned = &self.plan.steps[at.step];
        if self.part_of(at).is_some() {
            // Its parent has found that the loop begins.
            return Verdict::Go;
        }
        let find = || {
            if self.lost_a_need(at) {
                return Verdict::Skip(SkipReason::Needed);
            }
            match planned
                .condition
                .as_ref()
                .map(|condition| condition.evaluate(&self.scope(at)))
            {
                None | Some(Ok(true)) => Verdict::Go,
                Some(Ok(false)) => Verdict::Skip(SkipReason::Condition),
                Some(Err(error)) => Verdict::Fault(Box::new(error)),
            }
        };
        // What a condition says of failure may change until it runs.
        if planned.condition.is_none() || planned.asks_of_failure {
            find()
        } else {
            let frame = &self.frames[at.frame];
            frame.verdicts[at.step - frame.first]
                .get_or_init(find)
                .clone()
        }
    }

    /// After every event: the run's time stands still while only people are awaited. Attempts whose start is not journaled count as if they
    /// had not begun, so that the journal alone gives the same time.
    pub(super) fn keep_time(&mut self, at: Time) {
        let people = self.awaits_only_people(Running::AsJournaled);
        match (people, self.progress.paused_since) {
            (true, None) => self.progress.paused_since = Some(at),
            (false, Some(since)) => {
                self.progress.timeout_at = self.progress.timeout_at.after(at.since(since));
                self.progress.paused_since = None;
            }
            _ => {}
        }
    }

    /// Whether the run has taken longer than it may.
    pub(super) fn has_timed_out(&self, now: Time) -> bool {
        self.progress.timed_out
            || (self.progress.paused_since.is_none() && self.progress.timeout_at <= now)
    }

    /// Whether nothing new starts in a frame, but for what asks of failure.
    pub(super) fn is_ending(&self, frame: u32, now: Time) -> bool {
        self.is_failing(frame) || self.closes(frame, now)
    }

    /// Whether nothing new starts in a frame at all.
    pub(super) fn closes(&self, frame: u32, now: Time) -> bool {
        !self.frames[frame].after && self.is_closing(now)
    }

    /// Whether nothing new starts at all, but for what comes after the run's own steps.
    pub fn is_closing(&self, now: Time) -> bool {
        matches!(self.phase, Phase::Cancelling { .. }) || self.has_timed_out(now)
    }
}
