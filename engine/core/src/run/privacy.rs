//! What a viewer may see of a run's values: what a step got or gave through a personal connection, and everything derived from it, is for
//! its person only. The one redaction that serves run document, journal and events; it changes no run.

use serde_json::{Value, json};

use crate::error::{ErrorKind, StepError};
use crate::flow::SlotKind;
use crate::ids::{StepPath, UserId};
use crate::run::document::Viewer;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::parts::{ActedAs, ConnectionKind, Rule};
use crate::run::state::{Run, SlotState, StepState};

/// What is hidden from one viewer of one run, as it stands now. To be made again after events that bind slots or end steps.
#[derive(Debug, Clone)]
pub struct Privacy<'r> {
    run: &'r Run,
    values: Vec<bool>,
    errors: Vec<bool>,
    outputs: Vec<bool>,
}

impl<'r> Privacy<'r> {
    /// Finds it on the graph: a step's own connection first, then whatever its input was made of.
    pub fn of(run: &'r Run, viewer: &Viewer) -> Self {
        let plan = &run.plan;
        let mut privacy = Self {
            run,
            values: vec![false; plan.steps.len()],
            errors: vec![false; plan.steps.len()],
            outputs: vec![false; plan.outputs.len()],
        };
        let own: Vec<bool> = (0..plan.steps.len())
            .map(|step| run.is_private_to_another(step, &viewer.user))
            .collect();
        // Most runs are looked at by their own person, and then there is no graph to walk.
        if !own.contains(&true) {
            return privacy;
        }
        let reads = plan.index.reads(plan);
        for (step, own) in own.into_iter().enumerate() {
            let hidden = |from: &Vec<usize>| from.iter().any(|&read| privacy.values[read]);
            let value = own || hidden(&reads.with[step]);
            let error = value || hidden(&reads.condition[step]);
            privacy.values[step] = value;
            privacy.errors[step] = error;
        }
        for (output, from) in reads.outputs.iter().enumerate() {
            privacy.outputs[output] = from.iter().any(|&read| privacy.values[read]);
        }
        privacy
    }

    /// A step's output.
    pub fn output(&self, step: usize, output: &Value) -> Value {
        redacted(self.values[step], || output.clone())
    }

    /// As whom a step was done. The account is no secret of the run's viewers; what was touched with it is.
    pub fn acted_as(&self, step: usize, acted_as: &ActedAs) -> Value {
        let mut shown = json!(acted_as);
        if let (true, Some(record)) = (self.values[step], shown.get_mut("record")) {
            *record = private();
        }
        shown
    }

    /// The error of a step or, if it names none, of the run.
    pub fn error(&self, step: Option<usize>, error: &StepError) -> Value {
        let hidden = match step.or_else(|| self.number(error.step.as_ref()?)) {
            Some(step) => self.errors[step],
            // What names no step comes from evaluating the outputs, or says nothing of values.
            None => error.kind == ErrorKind::InvalidInput && self.outputs.contains(&true),
        };
        if hidden {
            return json!({"kind": error.kind, "step": error.step, "private": true});
        }
        json!({
            "kind": error.kind,
            "code": error.code,
            "message": error.message,
            "step": error.step,
            "help": error.help,
        })
    }

    /// What the run gave back, output by output.
    pub fn outputs(&self, outputs: &Value) -> Value {
        let mut shown = outputs.clone();
        for (number, (name, _)) in self.run.plan.outputs.iter().enumerate() {
            if let (true, Some(value)) = (self.outputs[number], shown.get_mut(name)) {
                *value = private();
            }
        }
        shown
    }

    /// An event, as journal and event stream show it.
    pub fn event(&self, event: &Event) -> Value {
        let mut shown = json!(event);
        let set = |shown: &mut Value, field: &str, value: Value| {
            if let Some(fields) = shown.as_object_mut() {
                fields.insert(field.to_owned(), value);
            }
        };
        match event {
            Event::StepSucceeded {
                step,
                output,
                acted_as,
                ..
            } => {
                if let Some(step) = self.number(step) {
                    set(&mut shown, "output", self.output(step, output));
                    if let Some(acted_as) = acted_as {
                        set(&mut shown, "acted_as", self.acted_as(step, acted_as));
                    }
                }
            }
            Event::StepFailed {
                step,
                error,
                acted_as,
                ..
            } => {
                let step = self.number(step);
                set(&mut shown, "error", self.error(step, error));
                if let (Some(step), Some(acted_as)) = (step, acted_as) {
                    set(&mut shown, "acted_as", self.acted_as(step, acted_as));
                }
            }
            Event::RunEnded { outputs, error, .. } => {
                if !outputs.is_null() {
                    set(&mut shown, "outputs", self.outputs(outputs));
                }
                if let Some(error) = error {
                    set(&mut shown, "error", self.error(None, error));
                }
            }
            // These hold what the invoker gave to start the run, and who, where and when.
            Event::RunCreated(_)
            | Event::StepStarted { .. }
            | Event::StepSkipped { .. }
            | Event::SlotBound { .. }
            | Event::SlotAsked { .. }
            | Event::SlotDeclined { .. }
            | Event::SlotLost { .. }
            | Event::SlotExpired { .. }
            | Event::EachBegan { .. }
            | Event::RoundBegan { .. }
            | Event::CaseChosen { .. }
            | Event::HandlerBegan { .. }
            | Event::FrameEnded { .. }
            | Event::StepHeld { .. }
            | Event::BatchBegan { .. }
            | Event::BatchEnded { .. }
            | Event::ChildPaused { .. }
            | Event::DecisionAsked { .. }
            | Event::Decided { .. }
            | Event::UndoBegan { .. }
            | Event::StepImported { .. }
            | Event::ApprovalDecided { .. }
            | Event::CallbackCame { .. }
            | Event::CancelAsked { .. } => {}
        }
        shown
    }

    fn number(&self, step: &StepPath) -> Option<usize> {
        self.run.plan.step(step)
    }
}

fn private() -> Value {
    json!({"private": true})
}

fn redacted(hidden: bool, value: impl FnOnce() -> Value) -> Value {
    if hidden { private() } else { value() }
}

impl Run {
    /// Whether a step acts, or would act, through a personal connection of somebody else than this user.
    fn is_private_to_another(&self, step: usize, user: &UserId) -> bool {
        let Some(slot) = self.plan.steps[step].slot else {
            return false;
        };
        let used = match self.state(Instance::root(step)) {
            StepState::Succeeded {
                acted_as: Some(used),
                ..
            }
            | StepState::Failed {
                acted_as: Some(used),
                ..
            } => Some((used.kind, used.rule)),
            _ => match &self.slots[slot] {
                SlotState::Bound(bound) => Some((bound.kind, bound.rule)),
                _ => None,
            },
        };
        let is_own = self.created.as_ref().is_some_and(|c| c.is_of(user));
        match used {
            Some((ConnectionKind::Shared, _)) => false,
            Some((
                ConnectionKind::Personal,
                Rule::Shared | Rule::Invoker | Rule::Owner | Rule::BuildTime,
            )) => !is_own,
            // Whoever approved is not kept with the connection: then it is nobody's to see.
            Some((ConnectionKind::Personal, Rule::Approver)) => true,
            None => matches!(self.plan.slots[slot].slot.kind, SlotKind::Dynamic(_)) && !is_own,
        }
    }
}
