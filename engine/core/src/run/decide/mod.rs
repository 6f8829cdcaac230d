//! What happens next. Nothing here performs anything.

mod aftermath;
mod constructs;

use crate::error::{ErrorKind, StepError};
use crate::flow::plan::Work;
use crate::run::command::{Command, StartHold, StartStep};
use crate::run::ends::no_longer_awaited;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::parts::SkipReason;
use crate::run::progress::Verdict;
use crate::run::state::{Phase, Run, SlotState, StepState};
use crate::time::Time;

/// How many attempts of one run are under way at most: what bounds the inputs held in memory.
const PARALLEL: usize = 64;

/// Says what happens next. Commands are independent of one another; after their outcomes were applied it is asked again. Steps that are
/// `Running` are under way and not started again: after a crash they are `Pending`, because their start was not journaled, except for
/// `at_most_once` ones, which fail with code `interrupted` (see [`Run::interrupted`]).
pub fn decide(run: &Run, now: Time) -> Vec<Command> {
    if run.created.is_none() || matches!(run.phase, Phase::Ended { .. }) {
        return Vec::new();
    }
    if run.root().is_settled() && run.progress.after.is_none() {
        return vec![aftermath::next(run, now)];
    }
    let mut decision = Decision {
        run,
        now,
        commands: Vec::new(),
        room: PARALLEL.saturating_sub(run.progress.running.len()),
        fails: false,
        resolving: Vec::new(),
    };
    decision.wind_down();
    decision.end_frames();
    decision.turn();
    decision.end_waiting();
    if !run.is_closing(now) || run.progress.after.is_some() {
        decision.pass_deadlines();
        if run.is_gated() {
            decision.gate();
        } else {
            decision.start();
        }
    }
    let mut commands = decision.commands;
    if decision.fails {
        // Nothing new starts once a step has failed, also if that was found out just now.
        commands.retain(|command| matches!(command, Command::Record(_)));
    }
    if commands.is_empty() {
        commands.push(match run.next_due(now) {
            Some(due) if due > now => Command::WaitUntil(due),
            _ => Command::WaitForOutside,
        });
    }
    commands
}

struct Decision<'r> {
    run: &'r Run,
    now: Time,
    commands: Vec<Command>,
    room: usize,
    fails: bool,
    resolving: Vec<usize>,
}

impl Decision<'_> {
    /// Where something fails or the run closes, what has not begun is skipped and nothing is tried again.
    fn wind_down(&mut self) {
        let (run, now) = (self.run, self.now);
        if !run.is_closing(now) && run.progress.failing.is_empty() {
            return;
        }
        let goes_on = |at: Instance| run.may_go_on(at, now);
        for (number, frame) in run.frames.iter() {
            if frame.ended || !run.is_ending(number, now) {
                continue;
            }
            if run.closes(number, now) || frame.plain_pending > 0 {
                for step in frame.steps() {
                    let at = Instance {
                        frame: number,
                        step,
                    };
                    if *frame.state(step) == StepState::Pending && !goes_on(at) {
                        self.skip(at, SkipReason::RunEnding);
                    }
                }
            }
        }
        for &(_, at) in &run.progress.retrying {
            if let StepState::Retrying {
                attempts, error, ..
            } = run.state(at)
                && !goes_on(at)
            {
                if *attempts == 0 {
                    self.skip(at, SkipReason::RunEnding);
                    continue;
                }
                let error = if run.closes(at.frame, now) && run.has_timed_out(now) {
                    timed_out(run)
                } else {
                    error.clone()
                };
                self.fail(at, *attempts, error);
            }
        }
        for &at in &run.progress.held {
            if run.is_released(at, now) {
                let error = if run.has_timed_out(now) {
                    timed_out(run)
                } else {
                    no_longer_awaited()
                };
                self.commands
                    .extend(run.released(at, error, now).map(Command::Record));
            }
        }
    }

    /// What the clock or the news ends, and questions that nobody has put yet.
    fn end_waiting(&mut self) {
        let (run, now) = (self.run, self.now);
        let ends = run.hold_ends(now);
        self.fails |= ends
            .iter()
            .any(|event| matches!(event, Event::StepFailed { retry_at: None, .. }));
        self.commands.extend(ends.into_iter().map(Command::Record));
        let questions = run.questions(now).into_iter();
        self.commands.extend(questions.map(Command::AskDecision));
    }

    fn pass_deadlines(&mut self) {
        for slot in self.run.awaited_slots() {
            if self
                .run
                .deadline(slot)
                .is_some_and(|until| until <= self.now)
            {
                self.commands.push(Command::Record(Event::SlotExpired {
                    slot: self.run.plan.slots[slot].name.clone(),
                    at: self.now,
                }));
            }
        }
    }

    /// Before the first step: all accounts at once, and no effect if one of them will not come.
    fn gate(&mut self) {
        let run = self.run;
        for &slot in &run.progress.gate {
            match run.slots[slot] {
                SlotState::Unresolved => self.resolve(slot),
                SlotState::Expired => {
                    for step in run.tops_of(slot) {
                        if *run.root().state(step) == StepState::Pending {
                            self.fail(Instance::root(step), 0, nobody_signed_in(run, slot));
                        }
                    }
                }
                SlotState::Bound(_) | SlotState::Asked { .. } => {}
            }
        }
    }

    fn start(&mut self) {
        let progress = &self.run.progress;
        let goes_on = |at: &Instance| self.run.may_go_on(*at, self.now);
        let due = progress
            .retrying
            .iter()
            .take_while(|(due, _)| *due <= self.now)
            .map(|(_, at)| at);
        let moving = due.chain(&progress.ready).filter(|at| goes_on(at));
        for &at in moving.collect::<Vec<_>>() {
            if self.room == 0 {
                break;
            }
            self.consider(at);
        }
        if !self.commands.is_empty() {
            return;
        }
        for &frame in &progress.deferring {
            let living = &self.run.frames[frame];
            if living.live == 0 {
                for &step in &living.deferred {
                    let at = Instance { frame, step };
                    if self.run.may_go_on(at, self.now) {
                        self.consider(at);
                    }
                }
            }
        }
    }

    /// A step whose needs have ended, or whose next attempt is due.
    fn consider(&mut self, at: Instance) {
        let run = self.run;
        let attempts = match run.state(at) {
            StepState::Retrying { attempts, .. } => *attempts,
            _ => match run.verdict(at) {
                Verdict::Go => 0,
                Verdict::Skip(because) => return self.skip(at, because),
                Verdict::Fault(error) => return self.fail(at, 1, *error),
            },
        };
        let mut lacks = false;
        for slot in run.plan.steps[at.step].slots() {
            match run.slots[slot] {
                SlotState::Bound(_) => {}
                SlotState::Asked { .. } => lacks = true,
                SlotState::Expired => {
                    return self.fail(at, attempts, nobody_signed_in(run, slot));
                }
                SlotState::Unresolved if run.is_nobodys(slot) => {
                    return self.fail(at, attempts, nobody_decided(run, slot));
                }
                SlotState::Unresolved => {
                    self.resolve(slot);
                    lacks = true;
                }
            }
        }
        if lacks {
            return;
        }
        let attempt = attempts.saturating_add(1);
        let Some(work) = run.plan.steps[at.step].module() else {
            return self.begin_inside(at);
        };
        match work.with.evaluate(&run.scope(at)) {
            Ok(input) => {
                self.room = self.room.saturating_sub(1);
                let path = run.path(at);
                self.commands.push(match &run.plan.steps[at.step].work {
                    Work::Hold { kind, .. } => Command::Hold(StartHold {
                        at,
                        path,
                        attempt,
                        kind: *kind,
                        input,
                    }),
                    _ => Command::StartStep(StartStep {
                        at,
                        path,
                        attempt,
                        input,
                    }),
                });
            }
            Err(error) => self.fail(at, attempt, error),
        }
    }

    fn resolve(&mut self, slot: usize) {
        if !self.resolving.contains(&slot) {
            self.resolving.push(slot);
            self.commands.push(Command::ResolveSlot(slot));
        }
    }

    fn skip(&mut self, at: Instance, because: SkipReason) {
        self.commands.push(Command::Record(Event::StepSkipped {
            step: self.run.path(at),
            because,
            at: self.now,
        }));
    }

    fn fail(&mut self, at: Instance, attempts: u32, error: StepError) {
        self.fails = true;
        let event = self.run.given_up(at, attempts, error, self.now);
        self.commands.push(Command::Record(event));
    }
}

fn nobody_signed_in(run: &Run, slot: usize) -> StepError {
    let slot = &run.plan.slots[slot];
    StepError::new(
        ErrorKind::SignInNeeded,
        format!(
            "nobody signed in to {} for `{}` before the deadline",
            slot.slot.app, slot.name
        ),
    )
    .with_code("sign_in_expired")
    .with_help("connect the account, then run the flow again")
}

fn nobody_decided(run: &Run, slot: usize) -> StepError {
    StepError::new(
        ErrorKind::Rejected,
        format!(
            "`{}` is the account of whoever decides an approval, and nobody did",
            run.plan.slots[slot].name
        ),
    )
    .with_code("nobody_decided")
    .with_help("let the step depend on the decision, for example with `if`")
}

fn timed_out(run: &Run) -> StepError {
    StepError::new(
        ErrorKind::Timeout,
        format!(
            "the run took longer than its limit of {} s",
            run.plan.flow.limits.run().as_secs()
        ),
    )
    .with_code("run_timeout")
    .with_help("raise `limits.run` in the flow, or make its steps quicker")
}
