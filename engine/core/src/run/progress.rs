//! What a run derives from its events as they come, so that deciding costs what can move and not what there is. It decides nothing and
//! holds nothing that folding the journal again would not give.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::error::StepError;
use crate::expr::Scope;
use crate::flow::{Ask, Plan, SlotKind};
use crate::run::event::{Created, SkipReason};
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
    /// Step by step: how many of the steps it needs have not ended.
    pub open_needs: Vec<usize>,
    /// Verdicts that cannot change any more, as they are found.
    verdicts: Vec<OnceLock<Verdict>>,
    /// Pending steps whose needs have ended, but for those in the next two sets.
    pub ready: BTreeSet<usize>,
    /// Of these, the ones without a condition whose slot is asked for: nothing but the slot can move them.
    pub parked: BTreeSet<usize>,
    /// Pending steps that ask of failure and need nothing: their turn comes when nothing else moves.
    pub deferred: BTreeSet<usize>,
    /// Steps to be tried again, by the time they are due.
    pub retrying: BTreeSet<(Time, usize)>,
    /// Steps with an attempt under way.
    pub running: BTreeSet<usize>,
    /// How many steps have ended.
    pub settled: usize,
    /// How many steps have failed.
    pub failed: usize,
    /// The one that failed first: its error is the run's.
    pub first_failed: Option<usize>,
    /// How many pending steps do not ask of failure.
    pub plain_pending: usize,
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
    roots: Vec<(&'static str, Arc<Value>)>,
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
                    && !slot.used_by.is_empty()
            })
            .map(|(number, _)| number)
            .collect();
        Self {
            open_needs: plan.index.needs.clone(),
            verdicts: vec![OnceLock::new(); plan.steps.len()],
            ready: BTreeSet::new(),
            parked: BTreeSet::new(),
            deferred: BTreeSet::new(),
            retrying: BTreeSet::new(),
            running: BTreeSet::new(),
            settled: 0,
            failed: 0,
            first_failed: None,
            plain_pending: plan.steps.iter().filter(|s| !s.asks_of_failure).count(),
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
        let user = &created.invoker;
        let run = json!({
            "id": created.run,
            "flow": created.flow_name,
            "version": created.number,
            "started_at": created.at,
            "user": {
                "id": user.id,
                "name": user.name,
                "email": user.email,
                "manager": user.manager,
                "roles": user.roles,
            },
        });
        self.progress.roots = vec![
            ("inputs", created.inputs.clone()),
            ("vars", created.vars.clone()),
            ("run", Arc::new(run)),
        ];
        self.progress.timeout_at = created.at.after(self.plan.flow.limits.run());
        for step in 0..self.steps.len() {
            if self.progress.open_needs[step] == 0 {
                self.enqueue(step);
            }
        }
    }

    /// The only place where a step's state changes.
    pub(super) fn set_step(&mut self, step: usize, state: StepState) {
        let old = std::mem::replace(&mut self.steps[step], state);
        let plain = !self.plan.steps[step].asks_of_failure;
        let progress = &mut self.progress;
        match &old {
            StepState::Pending => {
                progress.plain_pending -= usize::from(plain);
                progress.ready.remove(&step);
                progress.parked.remove(&step);
                progress.deferred.remove(&step);
            }
            StepState::Running { .. } => {
                progress.running.remove(&step);
            }
            StepState::Retrying { due, .. } => {
                progress.retrying.remove(&(*due, step));
            }
            StepState::Succeeded { .. } | StepState::Failed { .. } | StepState::Skipped { .. } => {}
        }
        match &self.steps[step] {
            StepState::Pending => {
                progress.plain_pending += usize::from(plain);
                self.enqueue(step);
                return;
            }
            StepState::Running { .. } => {
                progress.running.insert(step);
                return;
            }
            StepState::Retrying { due, .. } => {
                progress.retrying.insert((*due, step));
                return;
            }
            StepState::Succeeded { .. } => {}
            StepState::Failed { .. } => {
                progress.failed += 1;
                progress.first_failed.get_or_insert(step);
            }
            StepState::Skipped { because, .. } => {
                // A failure would skip only steps that do not ask of it, and a cancelled run is no longer open.
                progress.timed_out |= *because == SkipReason::RunEnding
                    && self.phase == Phase::Open
                    && (progress.failed == 0 || !plain);
            }
        }
        progress.settled += 1;
        let plan = self.plan.clone();
        for &dependent in &plan.index.dependents[step] {
            self.progress.open_needs[dependent] -= 1;
            if self.progress.open_needs[dependent] == 0
                && self.steps[dependent] == StepState::Pending
            {
                self.enqueue(dependent);
            }
        }
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
        let plan = self.plan.clone();
        for &step in &plan.slots[slot].used_by {
            if self.progress.ready.remove(&step) || self.progress.parked.remove(&step) {
                self.enqueue(step);
            }
        }
    }

    /// Puts a pending step whose needs have ended where it belongs.
    fn enqueue(&mut self, step: usize) {
        let planned = &self.plan.steps[step];
        let set = if self.is_deferrable(step) {
            &mut self.progress.deferred
        } else if planned.condition.is_none() && self.is_asked(step) && !self.lost_a_need(step) {
            &mut self.progress.parked
        } else {
            &mut self.progress.ready
        };
        set.insert(step);
    }

    /// Whether a step asks of failure and needs nothing, so that its turn comes when nothing else moves.
    pub(super) fn is_deferrable(&self, step: usize) -> bool {
        let planned = &self.plan.steps[step];
        planned.asks_of_failure && planned.needs.is_empty()
    }

    /// Whether the slot of a step waits for its person.
    pub(super) fn is_asked(&self, step: usize) -> bool {
        self.plan.steps[step]
            .slot
            .is_some_and(|slot| matches!(self.slots[slot], SlotState::Asked { .. }))
    }

    /// Whether a step that it cannot do without was skipped.
    fn lost_a_need(&self, step: usize) -> bool {
        let planned = &self.plan.steps[step];
        !planned.asks_of_failure
            && planned.needs.iter().any(|need| {
                matches!(self.steps[*need], StepState::Skipped { .. })
                    && !planned.guarded.contains(need)
            })
    }

    /// What is to be done with a step whose needs have ended. What cannot change is evaluated once.
    pub(super) fn verdict(&self, step: usize) -> Verdict {
        let planned = &self.plan.steps[step];
        let find = || {
            if self.lost_a_need(step) {
                return Verdict::Skip(SkipReason::Needed);
            }
            match planned
                .condition
                .as_ref()
                .map(|condition| condition.evaluate(&self.scope(step)))
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
            self.progress.verdicts[step].get_or_init(find).clone()
        }
    }

    /// What the expressions of a step can look at: the steps they name are among its needs.
    pub(super) fn scope(&self, step: usize) -> Scope {
        self.scope_of(self.plan.steps[step].needs.iter().copied())
    }

    /// A scope with the outputs of some steps, as far as they succeeded.
    pub(super) fn scope_of(&self, steps: impl Iterator<Item = usize>) -> Scope {
        Scope {
            roots: self.progress.roots.clone(),
            steps: steps
                .filter_map(|step| match &self.steps[step] {
                    StepState::Succeeded { output, .. } => {
                        Some((self.plan.index.ids[step].clone(), output.clone()))
                    }
                    _ => None,
                })
                .collect(),
            item: None,
            failed: self.progress.failed > 0,
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

    /// Whether nothing new starts, but for what asks of failure.
    pub(super) fn is_ending(&self, now: Time) -> bool {
        self.progress.failed > 0 || self.is_closing(now)
    }

    /// Whether nothing new starts at all.
    pub(super) fn is_closing(&self, now: Time) -> bool {
        matches!(self.phase, Phase::Cancelling { .. }) || self.has_timed_out(now)
    }
}
