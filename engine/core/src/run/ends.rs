//! How waiting ends: what the clock, a callback or a decision makes of a held step, and what becomes of one that nobody waits for any more.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::{ErrorKind, StepError};
use crate::flow::plan::{Role, Work};
use crate::run::apply::fits;
use crate::run::approval::{self, Outcome};
use crate::run::command::AskDecision;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::holds::GRACE;
use crate::run::parts::{Answer, Hold};
use crate::run::state::{Run, StepState};
use crate::time::Time;

/// What a step that waited gives, or fails with.
type End = Result<Arc<Value>, StepError>;

fn gives(output: Value) -> End {
    Ok(Arc::new(output))
}

impl Run {
    /// The ends of held steps that can end now, and of questions that nobody answered in time.
    pub(super) fn hold_ends(&self, now: Time) -> Vec<Event> {
        let ends = self.progress.holds.ending(now);
        ends.filter(|at| !self.is_released(*at, now))
            .filter_map(|at| self.hold_end(at, now))
            .collect()
    }

    fn hold_end(&self, at: Instance, now: Time) -> Option<Event> {
        let StepState::Held {
            attempt,
            hold,
            at: since,
        } = self.state(at)
        else {
            return match self.state(at) {
                StepState::Undecided {
                    until: Some(until), ..
                } if until.after(GRACE) <= now => Some(Event::Decided {
                    step: self.path(at),
                    answer: Answer::GiveUp,
                    by: None,
                    at: now,
                }),
                _ => None,
            };
        };
        let end = match hold {
            Hold::Until { at } => (*at <= now).then(|| gives(json!({"until": at})))?,
            Hold::Callback { until, schema } => {
                self.callback_end(at, *until, schema.as_deref(), now)?
            }
            Hold::Approval {
                until,
                on_reject_continue,
                ..
            } => self.approval_end(at, *until, *on_reject_continue, now)?,
            Hold::Child { .. } => return None,
        };
        Some(self.waited(at, *attempt, end, *since, now))
    }

    /// The event that the end of waiting becomes.
    pub(super) fn waited(
        &self,
        at: Instance,
        attempt: u32,
        end: End,
        since: Time,
        now: Time,
    ) -> Event {
        let step = self.path(at);
        match end {
            Ok(output) => Event::StepSucceeded {
                step,
                attempt,
                output,
                acted_as: None,
                started_at: since,
                at: now,
            },
            Err(error) => self.failed_attempt(&step, attempt, error, None, None, since, now),
        }
    }

    fn callback_end(
        &self,
        at: Instance,
        until: Time,
        schema: Option<&Value>,
        now: Time,
    ) -> Option<End> {
        if let Some(came) = self.progress.holds.callback(&self.path(at)) {
            // One that came before its step was reached could not be checked then.
            let misfit = schema.and_then(|schema| fits(schema, &came.payload).err());
            return Some(match misfit {
                None => gives(json!({"payload": came.payload, "at": came.at})),
                Some(refused) => Err(StepError::new(
                    ErrorKind::InvalidInput,
                    format!("the callback that came does not fit: {refused}"),
                )
                .with_code("callback_does_not_fit")),
            });
        }
        (until.after(GRACE) <= now).then(|| {
            Err(StepError::new(
                ErrorKind::Timeout,
                format!("no callback came before {until}"),
            )
            .with_code("callback_expired")
            .with_help("see whether the other system was given the address; `expires` in the step says how long it is waited for"))
        })
    }

    fn approval_end(
        &self,
        at: Instance,
        until: Time,
        on_reject_continue: bool,
        now: Time,
    ) -> Option<End> {
        let (outcome, output, error) = match self.progress.holds.decision(at) {
            Some((decision, time)) => {
                let outcome = if decision.approved {
                    Outcome::Approved
                } else {
                    Outcome::Rejected
                };
                let by = (&decision.by.id, decision.by.name.as_str());
                let output = approval::output(
                    outcome,
                    Some(by),
                    *time,
                    decision.comment.as_deref(),
                    &decision.form,
                );
                let comment = decision
                    .comment
                    .as_ref()
                    .map_or_else(String::new, |comment| format!(": {comment}"));
                let message = format!("{} rejected it{comment}", decision.by.name);
                (outcome, output, (message, "rejected"))
            }
            None if until.after(GRACE) <= now => {
                let output = approval::output(Outcome::Expired, None, now, None, &json!({}));
                let message = format!("nobody decided before {until}");
                (Outcome::Expired, output, (message, "approval_expired"))
            }
            None => return None,
        };
        if outcome == Outcome::Approved || on_reject_continue {
            return Some(gives(output));
        }
        let (message, code) = error;
        Some(Err(StepError::new(ErrorKind::Rejected, message)
            .with_code(code)
            .with_help(
                "`on_reject: continue` in the step would let the flow go on",
            )))
    }

    /// Whether a result of a held step is what it waited for. Nothing else ends an approval well.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn hold_ends_well(
        &self,
        at: Instance,
        output: &Value,
        now: Time,
    ) -> Result<(), String> {
        let StepState::Held { hold, .. } = self.state(at) else {
            return match self.plan.steps[at.step].work {
                Work::Hold { .. } => Err("the step has not begun to wait".to_owned()),
                _ => Ok(()),
            };
        };
        let end = match hold {
            Hold::Child { .. } => return Ok(()),
            Hold::Until { at } if *at <= now => return Ok(()),
            Hold::Until { .. } => None,
            Hold::Callback { until, schema } => {
                self.callback_end(at, *until, schema.as_deref(), now)
            }
            Hold::Approval {
                until,
                on_reject_continue,
                ..
            } => self.approval_end(at, *until, *on_reject_continue, now),
        };
        match end {
            Some(Ok(own)) if *own == *output => Ok(()),
            Some(Ok(_)) => Err("that is not what came".to_owned()),
            Some(Err(error)) => Err(error.message),
            None => Err("what it waits for has not come".to_owned()),
        }
    }

    /// The questions that have to be put to somebody.
    pub(super) fn questions(&self, now: Time) -> Vec<AskDecision> {
        let question = |at: Instance| match self.state(at) {
            StepState::Undecided {
                attempts, error, ..
            } => Some(AskDecision {
                at,
                path: self.path(at),
                attempt: *attempts,
                error: error.clone(),
            }),
            _ => None,
        };
        let unasked = self.progress.holds.unasked();
        let unasked = unasked.filter(|at| !self.is_released(*at, now));
        unasked.filter_map(question).collect()
    }

    /// Whether nothing waits any more for what this step waits for, because the run ends or its block fails. A child run is under way and comes
    /// to its own end, and what may have to be undone has to be known first.
    pub(super) fn is_released(&self, at: Instance, now: Time) -> bool {
        let planned = &self.plan.steps[at.step];
        match self.state(at) {
            StepState::Held {
                hold: Hold::Child { .. },
                ..
            } => false,
            StepState::Held { .. } => !self.may_go_on(at, now),
            StepState::Undecided { .. } => {
                self.closes(at.frame, now) && !planned.has_undo && !self.undoes(at.step)
            }
            _ => false,
        }
    }

    /// What becomes of a step that nothing waits for any more.
    pub(super) fn released(&self, at: Instance, error: StepError, now: Time) -> Option<Event> {
        let step = self.path(at);
        match self.state(at) {
            StepState::Held {
                attempt, at: since, ..
            } => Some(Event::StepFailed {
                error: error.at(&step),
                step,
                attempt: *attempt,
                retry_at: None,
                acted_as: None,
                started_at: *since,
                at: now,
            }),
            StepState::Undecided { .. } => Some(Event::Decided {
                step,
                answer: Answer::GiveUp,
                by: None,
                at: now,
            }),
            _ => None,
        }
    }

    /// Whether a step takes back what another did.
    pub(super) fn undoes(&self, step: usize) -> bool {
        self.plan.blocks[self.plan.steps[step].block].role == Role::Undo
    }
}

/// Why a step that waited has ended without what it waited for.
pub(super) fn no_longer_awaited() -> StepError {
    StepError::new(
        ErrorKind::Rejected,
        "the run was ending and waited for it no longer",
    )
    .with_code("run_ending")
}
