//! What happens to steps of which nobody knows whether they happened: a person is asked, and says.

use crate::error::{ErrorKind, StepError};
use crate::ids::{RequestId, StepPath};
use crate::run::apply::Failure;
use crate::run::decision;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::holds::GRACE;
use crate::run::parts::{Answer, Decider};
use crate::run::refused::Refused;
use crate::run::state::{Phase, Run, StepState};
use crate::time::Time;

impl Run {
    pub(super) fn take_doubt(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::DecisionAsked {
                step,
                attempt,
                request,
                until,
                ..
            } => {
                let step = self.found(step)?;
                let StepState::Undecided {
                    attempts,
                    request: None,
                    ..
                } = self.state(step)
                else {
                    return Err(self.state(step).stands().to_owned());
                };
                if attempts != attempt {
                    return Err(format!("attempts so far: {attempts}"));
                }
                let mut state = self.state(step).clone();
                if let StepState::Undecided {
                    request: asked,
                    until: deadline,
                    ..
                } = &mut state
                {
                    *asked = Some(request.clone());
                    *deadline = Some(*until);
                }
                self.set_step(step, state);
            }
            Event::Decided {
                step,
                answer,
                by,
                at,
            } => {
                let found = match by {
                    Some(_) => self
                        .takes_answer(step, None, answer, *at)
                        .map_err(|refused| refused.to_string())?,
                    None => self.unanswered(step, answer, *at)?,
                };
                self.answer(found, answer, by.as_ref(), *at);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the run takes this answer now, and which step it is for. Who may give it, [`decision::may_answer`] says. Without a request
    /// whichever question is open.
    ///
    /// # Errors
    /// [`Refused::NotFound`] if the step is not in doubt or another question is open, [`Refused::AlreadyDecided`], [`Refused::Expired`],
    /// [`Refused::RunEnding`] if it is too late to do it again, [`Refused::DoesNotFit`].
    pub fn takes_answer(
        &self,
        step: &StepPath,
        request: Option<&RequestId>,
        answer: &Answer,
        now: Time,
    ) -> Result<Instance, Refused> {
        let at = self.instance(step).ok_or(Refused::NotFound)?;
        if matches!(self.phase, Phase::Ended { .. }) {
            return Err(Refused::RunEnding);
        }
        let StepState::Undecided {
            request: Some(asked),
            until,
            ..
        } = self.state(at)
        else {
            return Err(match self.state(at) {
                StepState::Succeeded { .. } | StepState::Failed { .. } => Refused::AlreadyDecided,
                _ => Refused::NotFound,
            });
        };
        if request.is_some_and(|request| request != asked) {
            return Err(Refused::AlreadyDecided);
        }
        if until.is_some_and(|until| now >= until.after(GRACE)) {
            return Err(Refused::Expired);
        }
        match answer {
            Answer::Happened { output } => match self.plan.steps[at.step].module() {
                Some(work) => decision::check_output(&work.module, output)?,
                None => return Err(Refused::NotFound),
            },
            Answer::Again if !self.may_go_on(at, now) => return Err(Refused::RunEnding),
            Answer::Again | Answer::GiveUp => {}
        }
        Ok(at)
    }

    /// Whether a question ends without anybody's answer: its deadline has passed, or the run ends and nothing depends on it.
    fn unanswered(&self, step: &StepPath, answer: &Answer, now: Time) -> Result<Instance, String> {
        let at = self.found(step)?;
        let StepState::Undecided { until, .. } = self.state(at) else {
            return Err(self.state(at).stands().to_owned());
        };
        if *answer != Answer::GiveUp {
            return Err("it does not say whose answer it is".to_owned());
        }
        let late = until.is_some_and(|until| until.after(GRACE) <= now);
        if !late && !self.closes(at.frame, now) {
            return Err("its deadline has not passed".to_owned());
        }
        Ok(at)
    }

    fn answer(&mut self, step: Instance, answer: &Answer, by: Option<&Decider>, at: Time) {
        let StepState::Undecided {
            attempts,
            error,
            acted_as,
            started_at,
            ..
        } = self.state(step).clone()
        else {
            return;
        };
        let state = match answer {
            Answer::Happened { output } => StepState::Succeeded {
                attempts,
                output: output.clone(),
                acted_as,
                started_at,
                at,
                handled: None,
            },
            Answer::Again => StepState::Retrying {
                attempts,
                error,
                due: at,
                promised: false,
                started_at,
            },
            Answer::GiveUp => self.failed(
                step,
                Failure {
                    attempts,
                    error: given_up(error, by),
                    acted_as,
                    started_at,
                    at,
                },
            ),
        };
        self.set_step(step, state);
    }

    /// Whether a failure for good leaves a question that only a person can answer: whether it happened, or what is to become of an undo.
    pub(super) fn is_in_doubt(&self, at: Instance, error: &StepError) -> bool {
        if self.level() < 2 {
            return false;
        }
        self.undoes(at.step)
            || (self.is_journaled(at.step)
                && error.code.as_deref() == Some(decision::INTERRUPTED)
                && matches!(self.state(at), StepState::Running { .. }))
    }
}

fn given_up(error: StepError, by: Option<&Decider>) -> StepError {
    let (who, code) = match by {
        Some(by) => (format!("{} gave it up", by.name), "gave_up"),
        None => ("nobody decided in time".to_owned(), "decision_expired"),
    };
    StepError {
        message: format!("{} ({who})", error.message),
        kind: ErrorKind::Rejected,
        code: Some(code.to_owned()),
        ..error
    }
}
