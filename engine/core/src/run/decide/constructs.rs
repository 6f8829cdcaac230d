//! Loops, switches and handlers: what begins inside them, and how they come to their end.

use std::sync::Arc;

use serde_json::Value;

use crate::app::answer;
use crate::error::{ErrorKind, StepError};
use crate::flow::OnItemError;
use crate::flow::plan::{BlockOutputs, OnErrorPlan, Work};
use crate::run::apply::{STOPPED, is_stop};
use crate::run::batched::Batched;
use crate::run::command::Command;
use crate::run::decide::Decision;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::inside::{Case, Each, Inside, Repeat, rounds_output};
use crate::run::state::{Run, StepState};
use crate::time::Time;

/// The most items of a loop that can be undone: all of them are kept to the end.
const UNDOABLE: u64 = 10_000;

/// What can be said of a loop that repeats.
pub(in crate::run) enum Round {
    /// The next round begins, at this time.
    Next(u64, Time),
    /// It has come to its end.
    Over,
    /// It fails.
    Fails(StepError),
}

impl Decision<'_> {
    /// Frames in which all has ended come to their end.
    pub(super) fn end_frames(&mut self) {
        for &number in &self.run.progress.settled {
            let (output, error) = match self.run.frame_end(number) {
                Ok(output) => (output, None),
                Err(error) => (None, Some(error)),
            };
            let Some(frame) = self.run.frames[number].path.clone() else {
                continue;
            };
            self.commands.push(Command::Record(Event::FrameEnded {
                frame,
                output,
                error,
                at: self.now,
            }));
        }
    }

    /// Loops and switches go on or come to their end, and handlers begin.
    pub(super) fn turn(&mut self) {
        for &at in &self.run.progress.turning {
            match self.run.state(at) {
                StepState::Handling {
                    attempts, error, ..
                } => {
                    let OnErrorPlan::Handle(..) = self.run.plan.steps[at.step].on_error else {
                        continue;
                    };
                    if self.run.is_ending(at.frame, self.now) {
                        self.fail(at, *attempts, error.clone());
                    } else {
                        self.commands.push(Command::Record(Event::HandlerBegan {
                            step: Some(self.run.path(at)),
                            error: error.clone(),
                            at: self.now,
                        }));
                    }
                }
                StepState::Inside { at: since, inside } => match &**inside {
                    Inside::Each(each) => self.turn_each(at, each, *since),
                    Inside::Batched(batched) => self.turn_batched(at, batched, *since),
                    Inside::Repeat(repeat) => self.turn_repeat(at, repeat, *since),
                    Inside::Case(Case { end, .. }) => match end {
                        Some(Err(error)) => self.fail(at, 1, error.clone()),
                        Some(Ok(_)) => self.inside_is_over(at, *since),
                        None => {}
                    },
                },
                _ => {}
            }
        }
    }

    fn inside_is_over(&mut self, at: Instance, since: Time) {
        self.commands.push(Command::Record(Event::StepSucceeded {
            step: self.run.path(at),
            attempt: 1,
            // What it gives follows from what is inside.
            output: Arc::default(),
            acted_as: None,
            started_at: since,
            at: self.now,
        }));
    }

    fn turn_each(&mut self, at: Instance, each: &Each, since: Time) {
        let Work::Each { on_item_error, .. } = &self.run.plan.steps[at.step].work else {
            return;
        };
        let own = each.failed.iter().find(|failed| !is_stop(&failed.error));
        match own {
            Some(failed) if *on_item_error == OnItemError::Fail => {
                let error = StepError {
                    message: format!("item {}: {}", failed.index, failed.error.message),
                    ..failed.error.clone()
                };
                self.fail(at, 1, error);
            }
            // Items that were broken off are no failures of their own.
            _ if each.next < each.count() || each.failed.iter().any(|f| is_stop(&f.error)) => {
                self.fail(at, 1, stopped());
            }
            _ if answer::size(&each.output()) > answer::MOST_BYTES => {
                self.fail(at, 1, answer::too_large());
            }
            _ => self.inside_is_over(at, since),
        }
    }

    /// The next batch of a long loop begins, or the loop comes to its end.
    fn turn_batched(&mut self, at: Instance, batched: &Batched, since: Time) {
        let Work::Each { on_item_error, .. } = &self.run.plan.steps[at.step].work else {
            return;
        };
        // Where an item fails the loop its batch fails too, and says which item it was.
        let failed = batched
            .broken
            .as_ref()
            .or_else(|| batched.failed.first().map(|failed| &failed.error))
            .filter(|_| batched.broken.is_some() || *on_item_error == OnItemError::Fail);
        if let Some(error) = failed {
            self.fail(at, 1, error.clone());
        } else if batched.is_too_large() {
            self.fail(at, 1, answer::too_large());
        } else if batched.is_done() {
            self.inside_is_over(at, since);
        } else if self.run.may_go_on(at, self.now) {
            let batch = self.run.next_batch(at, batched);
            self.commands.push(Command::StartBatch(batch));
        } else {
            self.fail(at, 1, stopped());
        }
    }

    fn turn_repeat(&mut self, at: Instance, repeat: &Repeat, since: Time) {
        match self.run.after_round(at, repeat) {
            Some(Round::Over) => self.inside_is_over(at, since),
            Some(Round::Fails(error)) => self.fail(at, 1, error),
            Some(Round::Next(..))
                if self.run.is_ending(at.frame, self.now) && !self.run.may_go_on(at, self.now) =>
            {
                self.fail(at, 1, stopped());
            }
            Some(Round::Next(round, due)) if due <= self.now => self.begin_round(at, round),
            Some(Round::Next(..)) | None => {}
        }
    }

    fn begin_round(&mut self, at: Instance, round: u64) {
        self.commands.push(Command::Record(Event::RoundBegan {
            step: self.run.path(at),
            round,
            at: self.now,
        }));
    }

    /// What is inside a step begins.
    pub(super) fn begin_inside(&mut self, at: Instance) {
        let run = self.run;
        match &run.plan.steps[at.step].work {
            Work::Each { items, .. } => match run.items_of(at, items) {
                Ok(items) => self.commands.push(Command::Record(Event::EachBegan {
                    step: run.path(at),
                    items,
                    at: self.now,
                })),
                Err(error) => self.fail(at, 1, error),
            },
            Work::Repeat { test, until, .. } => {
                let goes = if *until {
                    Ok(true)
                } else {
                    let mut scope = run.scope(at);
                    scope.item = scope.item.map(|item| item.numbered(0));
                    scope.roots.insert(0, ("index", Arc::new(Value::from(0))));
                    test.evaluate(&scope)
                };
                match goes {
                    Ok(true) => self.begin_round(at, 0),
                    Ok(false) => self.commands.push(Command::Record(Event::StepSucceeded {
                        step: run.path(at),
                        attempt: 1,
                        output: Arc::new(rounds_output(None, 0)),
                        acted_as: None,
                        started_at: self.now,
                        at: self.now,
                    })),
                    Err(error) => self.fail(at, 1, error),
                }
            }
            Work::Switch {
                subject,
                cases,
                default,
            } => match subject.evaluate(&run.scope(at)) {
                Ok(value) => {
                    let text = as_case(&value);
                    let found = text
                        .as_ref()
                        .and_then(|text| cases.iter().find(|(key, _)| key == text));
                    if found.is_none() && default.is_none() {
                        return self.fail(at, 1, no_case(cases, text.as_deref()));
                    }
                    self.commands.push(Command::Record(Event::CaseChosen {
                        step: run.path(at),
                        case: found.map(|(key, _)| key.clone()),
                        at: self.now,
                    }));
                }
                Err(error) => self.fail(at, 1, error),
            },
            Work::Module(_) | Work::Hold { .. } => {}
        }
    }
}

impl Run {
    /// How a frame ends in which all steps have: what it gives where that is more than what its steps gave.
    fn frame_end(&self, number: u32) -> Result<Option<Arc<Value>>, StepError> {
        let frame = &self.frames[number];
        if let Some(step) = frame.first_failed {
            return Err(match frame.state(step) {
                StepState::Failed { error, .. } => error.clone(),
                _ => stopped(),
            });
        }
        if frame.stopped {
            return Err(stopped());
        }
        let BlockOutputs::Named(outputs) = &self.plan.blocks[frame.block].outputs else {
            return Ok(None);
        };
        let scope = self.scope_within(number);
        let output = self.named_outputs(number, frame.block, outputs, &scope)?;
        Ok(Some(Arc::new(output)))
    }

    /// How many items a loop has.
    fn items_of(&self, at: Instance, items: &crate::expr::Template) -> Result<u64, StepError> {
        let invalid = |message: String| StepError::new(ErrorKind::InvalidInput, message);
        let list = match self.part_of(at) {
            Some(part) => (*part.items).clone(),
            None => items.evaluate(&self.scope(at))?,
        };
        let Value::Array(list) = list else {
            let name = &self.plan.steps[at.step].id;
            return Err(invalid(format!(
                "`for_each` of `{name}` is {}, not a list",
                kind_of(&list)
            )));
        };
        let count = list.len() as u64;
        let mut most = self.plan.flow.limits.items();
        let mut help = "raise `limits.items` in the flow";
        if self.plan.steps[at.step].has_undo && most > UNDOABLE {
            (most, help) = (UNDOABLE, "steps with `undo` cannot be in a longer loop");
        }
        if count > most {
            let message = format!("{count} items are more than the {most} that may be");
            return Err(invalid(message).with_code("too_many_items").with_help(help));
        }
        Ok(count)
    }

    /// What comes after the last round of a loop; none while it is under way.
    pub(in crate::run) fn after_round(&self, at: Instance, repeat: &Repeat) -> Option<Round> {
        let Work::Repeat {
            test,
            until,
            every,
            max_rounds,
            ..
        } = &self.plan.steps[at.step].work
        else {
            return None;
        };
        let (end, ended_at) = repeat.last.as_ref()?;
        if let Err(error) = end {
            return Some(Round::Fails(error.clone()));
        }
        let frame = &self.frames[repeat.frame];
        let tested = frame.test.get_or_init(|| {
            let mut scope = self.scope_within(repeat.frame);
            // Rounds that are done, not the number of the last.
            scope.item = scope.item.map(|item| item.numbered(repeat.rounds));
            scope
                .roots
                .insert(0, ("index", Arc::new(Value::from(repeat.rounds))));
            test.evaluate(&scope).map_err(Box::new)
        });
        Some(match tested {
            Err(error) => Round::Fails((**error).clone()),
            Ok(holds) if holds == until => Round::Over,
            Ok(_) if repeat.rounds >= u64::from(*max_rounds) => {
                let name = &self.plan.steps[at.step].id;
                let message = format!("`{name}` has not come to its end after {max_rounds} rounds");
                Round::Fails(
                    StepError::new(ErrorKind::Timeout, message)
                        .with_code("max_rounds")
                        .with_help(
                            "raise `max_rounds` in the step, or wait longer between the rounds",
                        ),
                )
            }
            Ok(_) => Round::Next(
                repeat.rounds,
                every.map_or(*ended_at, |every| ended_at.after(every)),
            ),
        })
    }

    /// When the next round of a loop begins, if nothing but the clock keeps it.
    pub(in crate::run) fn round_due(&self, at: Instance) -> Option<Time> {
        let StepState::Inside { inside, .. } = self.state(at) else {
            return None;
        };
        match &**inside {
            Inside::Repeat(repeat) => match self.after_round(at, repeat) {
                Some(Round::Next(_, due)) => Some(due),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The error of what was broken off because the run, or what it stands in, was ending.
fn stopped() -> StepError {
    StepError::new(
        crate::error::ErrorKind::Rejected,
        "it was broken off because the run was ending",
    )
    .with_code(STOPPED)
}

/// The value of a switch as the keys of cases are written; none for what no key can be.
fn as_case(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn no_case(cases: &[(String, usize)], text: Option<&str>) -> StepError {
    let named = match text {
        // What was looked at may be long, and it is somebody's data.
        Some(text) if text.chars().count() <= 64 => format!("no case is `{text}`"),
        _ => "no case fits".to_owned(),
    };
    let keys: Vec<&str> = cases.iter().map(|(key, _)| key.as_str()).take(16).collect();
    StepError::new(
        ErrorKind::InvalidInput,
        format!("{named}, and there is no `default`"),
    )
    .with_code("no_case")
    .with_help(format!(
        "add a case or a `default`; the cases are {}",
        keys.join(", ")
    ))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
