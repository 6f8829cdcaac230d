//! What comes after a run's own steps: undoing, the flow's `on_error`, the end and what the run gives back.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::StepError;
use crate::expr::{Scope, Template};
use crate::flow::plan::OnErrorPlan;
use crate::run::command::Command;
use crate::run::decide::timed_out;
use crate::run::event::Event;
use crate::run::frame::{Instance, ROOT};
use crate::run::inside::Inside;
use crate::run::parts::Ending;
use crate::run::state::{Phase, Run, StepState};
use crate::time::Time;

/// How a run would end as far as its own steps go.
enum Outcome {
    Cancelled,
    Failed(StepError),
    Succeeded(Arc<Value>),
}

/// What happens when all steps have ended and nothing that comes after them is under way.
pub(super) fn next(run: &Run, now: Time) -> Command {
    let outcome = match run.outcome() {
        Outcome::Succeeded(outputs) => {
            return Command::Finish {
                ending: Ending::Succeeded,
                outputs,
                error: None,
            };
        }
        other => other,
    };
    if let Some(step) = run.next_undo() {
        return Command::Record(Event::UndoBegan {
            step: run.path(step),
            at: now,
        });
    }
    let Outcome::Failed(error) = outcome else {
        return Command::Finish {
            ending: Ending::Cancelled,
            outputs: Arc::default(),
            error: None,
        };
    };
    let made_good = |outputs| Command::Finish {
        ending: Ending::Succeeded,
        outputs,
        error: None,
    };
    match (run.on_error(), &run.progress.handled) {
        (OnErrorPlan::Continue, _) => match run.outputs(true) {
            Ok(outputs) => made_good(Arc::new(outputs)),
            Err(_) => made_good(Arc::new(Value::Object(Map::new()))),
        },
        (OnErrorPlan::Handle(..), None) => Command::Record(Event::HandlerBegan {
            step: None,
            error,
            at: now,
        }),
        (OnErrorPlan::Handle(_, true), Some(Ok(outputs))) => made_good(outputs.clone()),
        _ => Command::Finish {
            ending: Ending::Failed,
            outputs: Arc::default(),
            error: Some(error),
        },
    }
}

impl Run {
    /// What the flow says of a failure of this run. A part of a loop leaves that to its parent.
    fn on_error(&self) -> OnErrorPlan {
        if self.is_part() {
            OnErrorPlan::Fail
        } else {
            self.plan.on_error
        }
    }

    /// Whether the run counts as succeeded although a step has failed.
    pub(in crate::run) fn is_made_good(&self) -> bool {
        match self.on_error() {
            OnErrorPlan::Continue => true,
            OnErrorPlan::Handle(_, true) => matches!(self.progress.handled, Some(Ok(_))),
            OnErrorPlan::Handle(_, false) | OnErrorPlan::Fail => false,
        }
    }

    fn outcome(&self) -> Outcome {
        if matches!(self.phase, Phase::Cancelling { .. }) {
            return Outcome::Cancelled;
        }
        if let Some(first) = self.root().first_failed {
            return Outcome::Failed(match self.root().state(first) {
                StepState::Failed { error, .. } => StepError {
                    step: error
                        .step
                        .clone()
                        .or_else(|| Some(self.path(Instance::root(first)))),
                    ..error.clone()
                },
                _ => timed_out(self),
            });
        }
        if self.progress.timed_out {
            return Outcome::Failed(timed_out(self));
        }
        let outputs = || self.outputs(false).map(Arc::new);
        match self.progress.outputs.get_or_init(outputs) {
            Ok(outputs) => Outcome::Succeeded(outputs.clone()),
            Err(error) => Outcome::Failed(error.clone()),
        }
    }

    /// What the run gives back. An output that names a skipped step is null; `lenient`: also one that names a step that failed.
    fn outputs(&self, lenient: bool) -> Result<Value, StepError> {
        if self.is_part() {
            return Ok(self.part_output());
        }
        if self.plan.outputs.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        let reads = self.plan.index.reads(&self.plan);
        let mut outputs = Map::new();
        for (number, (name, template)) in self.plan.outputs.iter().enumerate() {
            let unguarded = &reads.outputs_unguarded[number];
            let value = if unguarded.iter().any(|&step| self.is_missing(step, lenient)) {
                Value::Null
            } else {
                let scope = self.scope_of(ROOT, reads.outputs[number].iter().copied());
                evaluate(name, template, &scope)?
            };
            outputs.insert(name.clone(), value);
        }
        Ok(Value::Object(outputs))
    }

    /// What the outputs of a block give in one of its frames.
    pub(super) fn named_outputs(
        &self,
        frame: u32,
        block: usize,
        templates: &[(String, Template)],
        scope: &Scope,
    ) -> Result<Value, StepError> {
        let unguarded = &self.plan.index.outputs_unguarded(&self.plan)[block];
        let mut outputs = Map::new();
        for ((name, template), unguarded) in templates.iter().zip(unguarded) {
            let missing = unguarded.iter().any(|&step| {
                self.seen_from(frame, step)
                    .is_some_and(|at| self.is_left_out(at))
            });
            let value = if missing {
                Value::Null
            } else {
                evaluate(name, template, scope)?
            };
            outputs.insert(name.clone(), value);
        }
        Ok(Value::Object(outputs))
    }

    fn is_missing(&self, step: usize, lenient: bool) -> bool {
        let at = Instance::root(step);
        self.is_left_out(at) || (lenient && self.output(at).is_none())
    }

    /// Whether a step was skipped, or counts as if it had been.
    fn is_left_out(&self, at: Instance) -> bool {
        matches!(
            self.state(at),
            StepState::Skipped { .. }
                | StepState::Failed {
                    continued: true,
                    ..
                }
        )
    }

    /// What a run that does a part of a loop gives its parent: `{items, failed}` of its part.
    fn part_output(&self) -> Value {
        let first = self.root().states.first();
        match first {
            Some(StepState::Succeeded { output, .. }) => (**output).clone(),
            Some(StepState::Inside { inside, .. }) => match &**inside {
                Inside::Each(each) => each.output(),
                Inside::Batched(_) | Inside::Repeat(_) | Inside::Case(_) => Value::Null,
            },
            _ => Value::Null,
        }
    }
}

fn evaluate(name: &str, template: &Template, scope: &Scope) -> Result<Value, StepError> {
    template.evaluate(scope).map_err(|error| StepError {
        message: format!("output `{name}`: {}", error.message),
        ..error
    })
}
