//! Where a run stands: what can move it, whom it waits for, and when the clock will move it. Looks only: nothing here changes a run.

use crate::app::Effect;
use crate::run::frame::{Instance, ROOT};
use crate::run::parts::Hold;
use crate::run::progress::Verdict;
use crate::run::state::{Phase, Run, SlotState, StepState};
use crate::time::Time;

/// How attempts under way count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    /// They move.
    AsTheyAre,
    /// Those whose start is not in the journal count as not begun.
    AsJournaled,
}

impl Run {
    /// `queued running waiting paused succeeded failed cancelled`, as answers and the store have it: `running` while any step can move,
    /// else `waiting` if the clock will move one, else `paused`.
    pub fn state_name(&self, now: Time) -> &'static str {
        match &self.phase {
            _ if self.created.is_none() || self.in_line => "queued",
            Phase::Ended { ending, .. } => ending.as_str(),
            // What is under way finishes; what comes after the run's own steps may wait again.
            _ if !self.root().is_settled() && self.is_closing(now) => self.closing_name(),
            _ if self.awaits_only_people(Running::AsTheyAre) => "paused",
            _ if self.something_moves(Running::AsTheyAre) => "running",
            _ if self.progress.holds.ending(now).next().is_some() => "running",
            _ => match self.next_retry().into_iter().chain(self.next_round()).min() {
                Some(due) if due <= now => "running",
                None if !self.waits_for_machines() => "running",
                _ => "waiting",
            },
        }
    }

    /// Where a run stands whose steps are being broken off: what is in doubt, and runs that it waits for, come to their own ends.
    fn closing_name(&self) -> &'static str {
        let progress = &self.progress;
        let mut frames = self.frames.iter();
        let moves = !(progress.running.is_empty()
            && progress.retrying.is_empty()
            && progress.settled.is_empty()
            && progress.turning.is_empty())
            || progress.holds.moves()
            || frames.any(|(_, frame)| frame.states.contains(&StepState::Pending));
        match (moves || progress.held.is_empty(), self.waits_for_machines()) {
            (true, _) => "running",
            (false, true) => "waiting",
            (false, false) => "paused",
        }
    }

    /// When it ended, if it has.
    pub fn ended_at(&self) -> Option<Time> {
        match self.phase {
            Phase::Ended { at, .. } => Some(at),
            _ => None,
        }
    }

    /// The next instant at which the clock alone moves it: a retry, a pause's deadline, the run's.
    pub fn next_due(&self, now: Time) -> Option<Time> {
        if self.created.is_none() || matches!(self.phase, Phase::Ended { .. }) {
            return None;
        }
        // What comes after the run's own steps is not bounded by the run's limit; one that has passed has done what it does.
        let bounded = self.phase == Phase::Open
            && !self.root().is_settled()
            && self.progress.paused_since.is_none();
        let limit = Some(self.progress.timeout_at).filter(|limit| bounded && *limit > now);
        let pauses = self.awaited_slots().filter_map(|slot| self.deadline(slot));
        let holds = self.progress.holds.next_due();
        pauses
            .chain(self.next_retry())
            .chain(self.next_round())
            .chain(holds)
            .chain(limit)
            .min()
    }

    /// The slots whose person is asked and that something waits for, by number: why the run is held, as far as it is.
    pub fn awaited_slots(&self) -> impl Iterator<Item = usize> + '_ {
        let open = self.phase == Phase::Open;
        (0..self.slots.len()).filter(move |&slot| {
            let [own, after] = self.progress.wanting[slot];
            matches!(self.slots[slot], SlotState::Asked { .. })
                && ((open && own > 0) || (after > 0 && !matches!(self.phase, Phase::Ended { .. })))
        })
    }

    /// Whether a branch needs a person, whatever the others do: what the `paused` field goes by.
    pub fn needs_person(&self) -> bool {
        self.awaited_slots().next().is_some()
            || self.progress.held.iter().any(|at| self.is_a_persons(*at))
            || self
                .progress
                .batching
                .iter()
                .any(|at| self.is_a_persons(*at))
    }

    /// Whether a step waits for the clock, a call or another run.
    pub(super) fn waits_for_machines(&self) -> bool {
        let machine = |at: &Instance| !self.is_a_persons(*at);
        self.progress.held.iter().any(machine) || self.progress.batching.iter().any(machine)
    }

    /// The deadline of a slot that is asked for.
    pub(super) fn deadline(&self, slot: usize) -> Option<Time> {
        match self.slots[slot] {
            SlotState::Asked { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Whether the run has not passed the slots that are asked for up front. What runs because the run fails does not wait for them.
    pub(super) fn is_gated(&self) -> bool {
        !self.progress.gate_open && !self.is_failing(ROOT) && !self.root().is_settled()
    }

    /// Whether a step whose needs have ended waits for its slot's person and for nothing else.
    pub(super) fn is_held(&self, at: Instance) -> bool {
        self.is_asked(at.step) && matches!(self.verdict(at), Verdict::Go)
    }

    /// Whether a step stands where only its slot's person can move it.
    pub(super) fn waits_for_person(&self, at: Instance) -> bool {
        let moves = match self.phase {
            Phase::Open => true,
            Phase::Cancelling { .. } => self.frames[at.frame].after,
            Phase::Ended { .. } => false,
        };
        moves
            && self.is_asked(at.step)
            && match self.state(at) {
                StepState::Pending => self.open_needs(at) == 0 && self.is_held(at),
                StepState::Retrying { .. } => true,
                _ => false,
            }
    }

    /// When the first retry that no person holds is due.
    pub(super) fn next_retry(&self) -> Option<Time> {
        let free = |(_, at): &&(Time, Instance)| !self.is_asked(at.step);
        self.progress
            .retrying
            .iter()
            .find(free)
            .map(|(due, _)| *due)
    }

    /// When the clock begins the next round of a loop.
    pub(super) fn next_round(&self) -> Option<Time> {
        let turning = self.progress.turning.iter();
        turning.filter_map(|at| self.round_due(*at)).min()
    }

    /// True if neither the engine nor the clock (deadlines apart) can move anything until a person does.
    pub(super) fn awaits_only_people(&self, running: Running) -> bool {
        let goes_on = match self.phase {
            Phase::Open => true,
            Phase::Cancelling { .. } => self.progress.after.is_some(),
            Phase::Ended { .. } => false,
        };
        self.created.is_some()
            && goes_on
            && !self.something_moves(running)
            && (self.is_gated()
                || (self.next_retry().is_none()
                    && self.progress.turning.is_empty()
                    && !self.waits_for_machines()))
    }

    /// True if there is something to do now, what waits for the clock apart, or an attempt is under way.
    fn something_moves(&self, running: Running) -> bool {
        let progress = &self.progress;
        let unseen = |at: &Instance| running == Running::AsJournaled && !self.is_journaled(at.step);
        // What is under way and not in the journal would be among the deferred again.
        let put_back = |at: &Instance| unseen(at) && self.is_deferrable(at.step);
        let given_up =
            |at: &Instance| self.is_failing(at.frame) && !self.plan.steps[at.step].asks_of_failure;
        let moves = |at: &Instance| {
            !unseen(at) || (!self.is_asked(at.step) && !put_back(at)) || given_up(at)
        };
        if progress.running.iter().any(moves)
            || !progress.settled.is_empty()
            || (self.root().is_settled() && progress.after.is_none())
        {
            return true;
        }
        // What a failing block waits for is given up.
        let released = |at: &Instance| {
            given_up(at)
                && matches!(self.state(*at), StepState::Held { hold, .. } if !matches!(hold, Hold::Child { .. }))
        };
        if progress.holds.moves() || progress.held.iter().any(released) {
            return true;
        }
        if progress
            .turning
            .iter()
            .any(|at| given_up(at) || self.round_due(*at).is_none())
        {
            return true;
        }
        if !progress.failing.is_empty() && self.something_is_given_up() {
            return true;
        }
        if self.is_gated() {
            let moves = |&slot: &usize| {
                matches!(self.slots[slot], SlotState::Unresolved | SlotState::Expired)
            };
            return progress.gate.iter().any(moves);
        }
        if progress.ready.iter().any(|at| !self.is_held(*at)) {
            return true;
        }
        // The turn of what asks of failure comes where nothing else of its frame moves.
        let returned: Vec<Instance> = progress
            .running
            .iter()
            .filter(|at| put_back(at))
            .copied()
            .collect();
        let deferred = progress.deferring.iter().flat_map(|&frame| {
            let steps = self.frames[frame].deferred.iter();
            steps.map(move |&step| Instance { frame, step })
        });
        deferred.chain(returned.iter().copied()).any(|at| {
            let returned = returned.iter().filter(|one| one.frame == at.frame).count();
            self.frames[at.frame].live == returned && !self.is_held(at)
        })
    }

    /// Whether the start of this step's attempts is journaled, because they must not be repeated.
    pub fn is_journaled(&self, step: usize) -> bool {
        matches!(
            self.plan.steps[step].effect,
            Effect::AtMostOnce | Effect::Step
        )
    }

    /// Whether a step of a failing frame is still to be skipped, or given up before its next attempt.
    fn something_is_given_up(&self) -> bool {
        let given_up =
            |at: &Instance| self.is_failing(at.frame) && !self.plan.steps[at.step].asks_of_failure;
        let mut frames = self.frames.iter();
        frames.any(|(number, frame)| frame.plain_pending > 0 && self.is_failing(number))
            || self.progress.retrying.iter().any(|(_, at)| given_up(at))
    }
}
