//! What stories do for steps that wait: the rows a runner would make, and what comes from outside.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::support::{Story, kind, show, user};
use crate::error::StepError;
use crate::ids::{RequestId, RunId, StepPath, VersionId};
use crate::run::children::ChildEnd;
use crate::run::hold::{self, HoldSpec};
use crate::run::*;

fn value(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(text).unwrap()
    }
}

/// The person of a number, as decisions name them.
pub fn decider(number: u128) -> Decider {
    Decider {
        id: user(number),
        login: format!("user{number}"),
        name: format!("User {number}"),
    }
}

impl Story {
    /// Makes what a step waits for, as a runner does.
    pub fn hold(&mut self, hold: &StartHold) {
        writeln!(
            self.trace,
            "  hold {}#{} {}",
            hold.path, hold.attempt, hold.input
        )
        .unwrap();
        let number = self.journal.len() as u128;
        let spec = hold::read(hold.kind, &hold.input, self.run.holder(self.now));
        let held = match spec {
            Ok(HoldSpec::Wait { at }) => Hold::Until { at },
            Ok(HoldSpec::Callback { until, schema }) => Hold::Callback {
                until,
                schema: schema.map(Arc::new),
            },
            Ok(HoldSpec::Approval(spec)) => Hold::Approval {
                request: RequestId::from_bits(number),
                until: spec.until,
                form: Some(Arc::new(spec.form)),
                not_by: spec.not_by,
                on_reject_continue: spec.on_reject_continue,
            },
            Ok(HoldSpec::RunFlow(spec)) => Hold::Child {
                run: RunId::from_bits(1000 + number),
                flow: spec.flow,
                version: VersionId::from_bits(5),
            },
            Err(error) => {
                let (path, now) = (&hold.path, self.now);
                let event =
                    self.run
                        .failed_attempt(path, hold.attempt, error, None, None, now, now);
                writeln!(self.trace, "  {}", show(&event)).unwrap();
                self.take(event);
                return;
            }
        };
        self.take(Event::StepHeld {
            step: hold.path.clone(),
            attempt: hold.attempt,
            hold: held,
            at: self.now,
        });
    }

    /// Begins a batch of a long loop; tests do it with [`part`].
    pub fn batch(&mut self, start: StartBatch) {
        writeln!(
            self.trace,
            "  batch {} of {}: {} items from {}",
            start.batch,
            start.path,
            start.items.len(),
            start.offset
        )
        .unwrap();
        self.take(Event::BatchBegan {
            step: start.path.clone(),
            batch: start.batch,
            child: RunId::from_bits(2000 + u128::from(start.batch)),
            at: self.now,
        });
        self.batch = Some(start);
    }

    /// Puts a question, as a runner does.
    pub fn ask_decision(&mut self, question: &AskDecision) {
        let whose = self.run.decides(question.at);
        writeln!(
            self.trace,
            "  ask {whose:?} about {}#{}: {}",
            question.path, question.attempt, question.error.message
        )
        .unwrap();
        self.take(Event::DecisionAsked {
            step: question.path.clone(),
            attempt: question.attempt,
            error: question.error.clone(),
            request: RequestId::from_bits(self.journal.len() as u128),
            until: self.now.after(self.run.plan.flow.limits.pause()),
            at: self.now,
        });
    }

    fn request(&self, step: &StepPath) -> RequestId {
        let asked = self.run.instance(step).map(|at| self.run.state(at));
        match asked {
            Some(StepState::Held {
                hold: Hold::Approval { request, .. },
                ..
            }) => request.clone(),
            // One of long ago.
            _ => RequestId::from_bits(77),
        }
    }

    /// Something from outside; false if there is no such verb.
    pub fn happen_outside(&mut self, verb: &str, subject: &str, rest: &str) -> bool {
        let step: StepPath = subject.parse().unwrap();
        let at = self.now;
        match verb {
            "call" => self.take(Event::CallbackCame {
                step,
                payload: Arc::new(value(rest)),
                at,
            }),
            // `approve STEP USER FORM`, `reject STEP USER FORM`
            "approve" | "reject" => {
                let (by, form) = rest.split_once(' ').unwrap_or((rest, ""));
                self.take(Event::ApprovalDecided {
                    request: self.request(&step),
                    step,
                    decision: Decision {
                        approved: verb == "approve",
                        by: decider(by.parse().unwrap()),
                        comment: (verb == "reject").then(|| "too much".to_owned()),
                        form: value(form),
                    },
                    at,
                });
            }
            "happened" | "again" | "give_up" => self.take(Event::Decided {
                step,
                answer: match verb {
                    "happened" => Answer::Happened {
                        output: Arc::new(value(rest)),
                    },
                    "again" => Answer::Again,
                    _ => Answer::GiveUp,
                },
                by: Some(decider(1)),
                at,
            }),
            "child" => {
                let mut words = rest.splitn(2, ' ');
                let how = words.next().unwrap();
                let end = match how {
                    "succeeded" => ChildEnd {
                        ending: Ending::Succeeded,
                        outputs: Arc::new(value(words.next().unwrap_or_default())),
                        error: None,
                    },
                    "cancelled" => ChildEnd {
                        ending: Ending::Cancelled,
                        outputs: Arc::default(),
                        error: None,
                    },
                    failed => {
                        let error = StepError::new(kind(failed), "it did not work")
                            .with_code("theirs")
                            .at(&"inside".parse().unwrap());
                        ChildEnd {
                            ending: Ending::Failed,
                            outputs: Arc::default(),
                            error: Some(error),
                        }
                    }
                };
                let found = self
                    .run
                    .living_children()
                    .into_iter()
                    .find(|(path, _)| *path == step);
                let child = found.map_or(RunId::from_bits(9), |(_, child)| child);
                match self.run.child_ended(&step, &child, end, at) {
                    Some(event) => {
                        writeln!(self.trace, "  {}", show(&event)).unwrap();
                        self.take(event);
                    }
                    None => writeln!(self.trace, "  nobody waits for it").unwrap(),
                }
            }
            "child_paused" | "child_goes_on" => {
                let found = self
                    .run
                    .living_children()
                    .into_iter()
                    .find(|(path, _)| *path == step);
                let child = found.map_or(RunId::from_bits(9), |(_, child)| child);
                self.take(Event::ChildPaused {
                    step,
                    child,
                    paused: verb == "child_paused",
                    at,
                });
            }
            _ => return false,
        }
        true
    }
}

/// The run that does a batch, as a runner begins it.
pub fn part(story: &Story, start: &StartBatch) -> Run {
    let parent = story.run.created.as_deref().unwrap();
    let mut run = Run::new(story.run.plan.clone());
    run.apply(&Event::RunCreated(Box::new(Created {
        run: RunId::from_bits(2000 + u128::from(start.batch)),
        parent: story.run.as_parent(&start.path, true),
        part: Some(Box::new(Part {
            step: start.path.clone(),
            number: start.at.step,
            offset: start.offset,
            items: Arc::new(Value::Array(start.items.clone())),
            scope: start.scope.clone(),
        })),
        bound: story.run.hand_all(),
        inputs: start.inputs.clone(),
        at: story.now,
        ..parent.clone()
    })))
    .unwrap();
    run
}

/// Drives a run of pure steps to its end: each gives what this says of its path and its input.
pub fn drive(
    run: &mut Run,
    now: crate::time::Time,
    does: &dyn Fn(&str, &Value) -> Result<Value, StepError>,
) -> Vec<Event> {
    let mut journal = Vec::new();
    for _ in 0..100_000 {
        let mut events = Vec::new();
        for command in decide(run, now) {
            match command {
                Command::Record(event) => events.push(event),
                Command::StartStep(start) => {
                    events.push(match does(start.path.as_str(), &start.input) {
                        Ok(output) => Event::StepSucceeded {
                            step: start.path,
                            attempt: start.attempt,
                            output: Arc::new(output),
                            acted_as: None,
                            started_at: now,
                            at: now,
                        },
                        Err(error) => run.failed_attempt(
                            &start.path,
                            start.attempt,
                            error,
                            None,
                            None,
                            now,
                            now,
                        ),
                    });
                }
                Command::Finish {
                    ending,
                    outputs,
                    error,
                } => events.push(Event::RunEnded {
                    ending,
                    outputs,
                    error,
                    at: now,
                }),
                other => panic!("nothing here would {other:?}"),
            }
        }
        assert!(!events.is_empty(), "the run stands still");
        for event in events {
            run.apply(&event).unwrap();
            journal.push(event);
        }
        if run.ended_at().is_some() {
            return journal;
        }
    }
    panic!("the run does not end")
}
