//! Steps that wait without memory, and questions to people: the rows that go with the event that says so. What an answer means is the core's
//! business; what a called flow is, is that of [`super::children`].

use std::sync::Arc;

use actas_core::flow::plan::Role;
use actas_core::ids::{RequestId, StepPath};
use actas_core::run::approval::ApprovalSpec;
use actas_core::run::command::{AskDecision, StartHold};
use actas_core::run::hold;
use actas_core::run::{Event, Hold, HoldSpec, Instance, StepState};
use actas_core::{StepError, Time};
use actas_store::{Op, RequestKind, RequestRow, RequestState, system};
use serde_json::json;

use super::{Drive, Stop};

impl Drive {
    /// Lets a step wait: makes what it waits for. False: nothing has changed, because a slot that is handed down waits for its person.
    pub(super) async fn hold(&mut self, start: StartHold) -> Result<bool, Stop> {
        let at = system::now();
        let spec = hold::read(start.kind, &start.input, self.run.holder(at));
        let hold = match spec {
            Ok(HoldSpec::Wait { at }) => Hold::Until { at },
            Ok(HoldSpec::Callback { until, schema }) => Hold::Callback {
                until,
                schema: schema.map(Arc::new),
            },
            Ok(HoldSpec::Approval(spec)) => self.ask_approval(&start.path, spec, at),
            Ok(HoldSpec::RunFlow(spec)) => return self.call(start, spec, at).await,
            Err(error) => {
                self.not_held(&start, error, at)?;
                return Ok(true);
            }
        };
        self.held(&start, hold, at)?;
        Ok(true)
    }

    /// Notes that a step waits.
    pub(super) fn held(&mut self, start: &StartHold, hold: Hold, at: Time) -> Result<(), Stop> {
        self.take(Event::StepHeld {
            step: start.path.clone(),
            attempt: start.attempt,
            hold,
            at,
        })
    }

    /// A step that cannot begin to wait has failed.
    pub(super) fn not_held(
        &mut self,
        start: &StartHold,
        error: StepError,
        at: Time,
    ) -> Result<(), Stop> {
        let event = self
            .run
            .failed_attempt(&start.path, start.attempt, error, None, None, at, at);
        self.take(event)
    }

    fn ask_approval(&mut self, step: &StepPath, spec: ApprovalSpec, at: Time) -> Hold {
        let request = RequestId::from_bits(system::new_bits());
        let detail = json!({"form": spec.form, "self": spec.not_by.is_none()});
        let row = RequestRow {
            id: request.clone(),
            run: self.id.clone(),
            flow: self.created().flow.clone(),
            step: step.clone(),
            kind: RequestKind::Approval,
            who: spec.who.iter().map(ToString::to_string).collect(),
            not_by: spec.not_by.clone(),
            title: spec.title,
            detail: detail.to_string(),
            state: RequestState::Open,
            created_at: at,
            until: spec.until,
            decided_by: None,
            decided_at: None,
        };
        self.add_request(row);
        Hold::Approval {
            request,
            until: spec.until,
            form: Some(Arc::new(spec.form)),
            not_by: spec.not_by,
            on_reject_continue: spec.on_reject_continue,
        }
    }

    /// Asks what became of a step of which nobody knows whether it happened: the person whose account it used, else the run's. Others may with a
    /// privilege.
    pub(super) fn ask_decision(&mut self, ask: AskDecision) -> Result<(), Stop> {
        let at = system::now();
        let request = RequestId::from_bits(system::new_bits());
        let until = at.after(self.version.plan.flow.limits.pause());
        let undo = self.is_undo(ask.at);
        let title = if undo {
            format!("`{}` could not be undone", ask.path)
        } else {
            format!("Nobody knows whether `{}` happened", ask.path)
        };
        let detail = json!({"error": ask.error, "attempt": ask.attempt, "undo": undo});
        let row = RequestRow {
            id: request.clone(),
            run: self.id.clone(),
            flow: self.created().flow.clone(),
            step: ask.path.clone(),
            kind: RequestKind::Decision,
            who: self.asked_about(ask.at).into_iter().collect(),
            not_by: None,
            title,
            detail: detail.to_string(),
            state: RequestState::Open,
            created_at: at,
            until,
            decided_by: None,
            decided_at: None,
        };
        self.add_request(row);
        self.take(Event::DecisionAsked {
            step: ask.path,
            attempt: ask.attempt,
            error: ask.error,
            request,
            until,
            at,
        })
    }

    /// The login of whoever is asked about a step in doubt.
    fn asked_about(&self, at: Instance) -> Option<String> {
        let slot = self.version.plan.steps[at.step].slot;
        let person = self.run.decides(at)?;
        let invoker = self.created().invoker.as_ref();
        let theirs = slot.and_then(|slot| self.run.slot_person(slot));
        theirs
            .into_iter()
            .chain(invoker.map(|invoker| (invoker.id.clone(), invoker.login.clone())))
            .find(|(id, _)| *id == person)
            .map(|(_, login)| login)
    }

    fn add_request(&mut self, request: RequestRow) {
        self.ops.push(Op::AddRequest {
            workspace: self.workspace.clone(),
            request,
        });
    }

    /// Whether a step takes another one back.
    fn is_undo(&self, at: Instance) -> bool {
        let plan = &self.version.plan;
        plan.blocks[plan.steps[at.step].block].role == Role::Undo
    }

    /// The request that a step waits for an answer to.
    pub(super) fn request_of(&self, step: &StepPath) -> Option<RequestId> {
        match self.run.state(self.run.instance(step)?) {
            StepState::Held {
                hold: Hold::Approval { request, .. },
                ..
            } => Some(request.clone()),
            StepState::Undecided { request, .. } => request.clone(),
            _ => None,
        }
    }
}
