//! What begins to wait, and what comes to it from outside: callbacks, decisions about approvals, news of child runs. The same checks tell the
//! runner and the server beforehand what a run would not take.

use serde_json::Value;

use crate::app::HoldKind;
use crate::flow::plan::Work;
use crate::ids::{RequestId, RunId, StepPath};
use crate::run::approval::Form;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::holds::{Came, GRACE};
use crate::run::part::static_path;
use crate::run::parts::{Decision, Hold};
use crate::run::refused::Refused;
use crate::run::state::{Phase, Run, StepState};
use crate::schema::Schema;
use crate::time::Time;

/// Callbacks that came before the item or round they are for are kept; of one run at most so many. An address is handed out inside its item, so
/// that there is hardly one; each may be a megabyte.
const MOST_EARLY: usize = 100;
/// Misfits named in one message.
const MOST_NAMED: usize = 5;

impl Run {
    pub(super) fn take_outside(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::StepHeld {
                step,
                attempt,
                hold,
                at,
            } => {
                let step = self.found(step)?;
                if matches!(self.phase, Phase::Cancelling { .. }) {
                    return Err("the run is being cancelled".to_owned());
                }
                if !self.holds_so(step, hold) {
                    return Err("the step does not wait for such a thing".to_owned());
                }
                if !matches!(
                    self.state(step),
                    StepState::Pending | StepState::Retrying { .. }
                ) {
                    return Err(self.state(step).stands().to_owned());
                }
                self.attempt_fits(step, *attempt, false)?;
                self.set_step(
                    step,
                    StepState::Held {
                        attempt: *attempt,
                        hold: hold.clone(),
                        at: *at,
                    },
                );
            }
            Event::CallbackCame { step, payload, at } => {
                self.takes_callback(step, payload, *at)
                    .map_err(|refused| refused.to_string())?;
                self.progress.holds.called(
                    step.clone(),
                    Came {
                        payload: payload.clone(),
                        at: *at,
                    },
                );
                if let Some(step) = self.instance(step)
                    && matches!(self.state(step), StepState::Held { .. })
                {
                    self.progress.holds.come(step);
                }
            }
            Event::ApprovalDecided {
                step,
                request,
                decision,
                at,
            } => {
                let (found, form) = self
                    .takes_approval(step, request, decision, *at)
                    .map_err(|refused| refused.to_string())?;
                let decision = Decision {
                    form,
                    ..decision.clone()
                };
                self.progress.holds.decided(found, decision, *at);
            }
            Event::ChildPaused {
                step,
                child,
                paused,
                ..
            } => {
                let step = self.found(step)?;
                self.child_fits(step, child)?;
                self.progress.holds.set_paused(step, *paused);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a step of the plan waits for such a thing.
    fn holds_so(&self, at: Instance, hold: &Hold) -> bool {
        let Work::Hold { kind, .. } = &self.plan.steps[at.step].work else {
            return false;
        };
        matches!(
            (kind, hold),
            (HoldKind::Wait, Hold::Until { .. })
                | (HoldKind::Callback, Hold::Callback { .. })
                | (HoldKind::Approve, Hold::Approval { .. })
                | (HoldKind::RunFlow, Hold::Child { .. })
        )
    }

    /// Whether the run takes this callback now. It may come before its step is reached.
    ///
    /// # Errors
    /// [`Refused::NotFound`], [`Refused::Used`], [`Refused::AlreadyDecided`] if the step has ended, [`Refused::Expired`],
    /// [`Refused::RunEnding`], [`Refused::DoesNotFit`] if the step waits and the payload does not fit its schema.
    pub fn takes_callback(
        &self,
        step: &StepPath,
        payload: &Value,
        now: Time,
    ) -> Result<(), Refused> {
        if !self.is_callback(step) {
            return Err(Refused::NotFound);
        }
        self.takes_anything(now)?;
        if self.progress.holds.callback(step).is_some() {
            return Err(Refused::Used);
        }
        let Some(at) = self.instance(step) else {
            // The item or round it is in has not begun, or is over.
            return match self.progress.holds.callbacks() < MOST_EARLY {
                true => Ok(()),
                false => Err(Refused::NotFound),
            };
        };
        match self.state(at) {
            StepState::Pending | StepState::Retrying { .. } => Ok(()),
            StepState::Held {
                hold: Hold::Callback { until, schema },
                ..
            } => {
                if now >= until.after(GRACE) {
                    return Err(Refused::Expired);
                }
                schema
                    .as_deref()
                    .map_or(Ok(()), |schema| fits(schema, payload))
            }
            _ => Err(Refused::AlreadyDecided),
        }
    }

    /// Whether the run takes this decision about an approval now: which step it is for, and the form filled in. Who may decide, and whether in
    /// time, was judged when the request was decided; what is checked again here is what nobody may get round.
    ///
    /// # Errors
    /// [`Refused::NotFound`] if no step waits for this request, [`Refused::AlreadyDecided`], [`Refused::Expired`], [`Refused::RunEnding`],
    /// [`Refused::InvokerMayNotDecide`], [`Refused::DoesNotFit`].
    pub fn takes_approval(
        &self,
        step: &StepPath,
        request: &RequestId,
        decision: &Decision,
        now: Time,
    ) -> Result<(Instance, Value), Refused> {
        let at = self.instance(step).ok_or(Refused::NotFound)?;
        self.takes_anything(now)?;
        let StepState::Held {
            hold:
                Hold::Approval {
                    request: asked,
                    until,
                    form,
                    not_by,
                    ..
                },
            ..
        } = self.state(at)
        else {
            return Err(match self.state(at) {
                StepState::Pending => Refused::NotFound,
                _ => Refused::AlreadyDecided,
            });
        };
        if asked != request {
            return Err(Refused::NotFound);
        }
        if self.progress.holds.decision(at).is_some() {
            return Err(Refused::AlreadyDecided);
        }
        if now >= until.after(GRACE) {
            return Err(Refused::Expired);
        }
        if not_by.as_ref() == Some(&decision.by.id) {
            return Err(Refused::InvokerMayNotDecide);
        }
        let form = form.as_deref().unwrap_or(&Value::Null);
        let form = Form::read(form)
            .map_err(Refused::DoesNotFit)?
            .check(decision.approved, &decision.form)?;
        Ok((at, form))
    }

    /// Whether a path names a step that waits for callbacks, whether or not it has been reached.
    fn is_callback(&self, path: &StepPath) -> bool {
        let planned = static_path(path);
        let waits = |work: &Work| {
            matches!(
                work,
                Work::Hold {
                    kind: HoldKind::Callback,
                    ..
                }
            )
        };
        let mut steps = self.plan.steps.iter();
        steps.any(|step| step.path.as_str() == planned && waits(&step.work))
    }

    /// Whether a run that is not ending may be given anything.
    pub(in crate::run) fn takes_anything(&self, now: Time) -> Result<(), Refused> {
        if self.created.is_none() || self.phase != Phase::Open || self.has_timed_out(now) {
            return Err(Refused::RunEnding);
        }
        Ok(())
    }

    /// Whether a step waits for this child.
    pub(super) fn child_fits(&self, at: Instance, child: &RunId) -> Result<(), String> {
        match self.state(at) {
            StepState::Held {
                hold: Hold::Child { run, .. },
                ..
            } if run == child => Ok(()),
            StepState::Inside { .. }
                if self
                    .batched(at)
                    .and_then(|batched| batched.under_way.as_ref())
                    == Some(child) =>
            {
                Ok(())
            }
            other => Err(format!("{}, not for that run", other.stands())),
        }
    }
}

/// Whether a payload fits the schema of its step.
pub(in crate::run) fn fits(schema: &Value, payload: &Value) -> Result<(), Refused> {
    let schema = Schema::compile(schema).map_err(Refused::DoesNotFit)?;
    misfit("payload", &schema, payload)
}

/// The ways in which a value does not fit, as one refusal that does not show the value.
pub(in crate::run) fn misfit(name: &str, schema: &Schema, value: &Value) -> Result<(), Refused> {
    let misfits = schema.misfits(value);
    if misfits.is_empty() {
        return Ok(());
    }
    let told = misfits.iter().take(MOST_NAMED).map(|misfit| {
        let place = misfit.pointer.replace('/', ".");
        format!("`{name}{place}`: {}", misfit.message)
    });
    Err(Refused::DoesNotFit(told.collect::<Vec<_>>().join("; ")))
}
