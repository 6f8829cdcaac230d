//! What a viewer may see of a run's values: what a step got or gave through a personal connection, and everything derived from it, is for
//! its person only. The one redaction that serves run document, journal and events; it changes no run.

use serde_json::{Value, json};

use crate::error::{ErrorKind, PERSON_DISABLED, StepError};
use crate::flow::SlotKind;
use crate::flow::plan::{HoldKind, Role, Work};
use crate::ids::{StepPath, UserId};
use crate::run::document::Viewer;
use crate::run::event::Event;
use crate::run::parts::{ActedAs, Answer, ConnectionKind, Rule};
use crate::run::state::{Run, SlotState, StepState};

/// What is hidden from one viewer of one run, as it stands now. To be made again after events that bind slots or end steps.
#[derive(Debug, Clone)]
pub struct Privacy<'r> {
    run: &'r Run,
    values: Vec<bool>,
    errors: Vec<bool>,
    outputs: Vec<bool>,
    given: bool,
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
            given: run.is_given_in_private(&viewer.user),
        };
        if viewer.reveals {
            privacy.given = false;
            return privacy;
        }
        if privacy.given {
            privacy.values.fill(true);
            privacy.errors.fill(true);
            privacy.outputs.fill(true);
            return privacy;
        }
        let own = run.private_to_others_than(&viewer.user);
        // Most runs are looked at by their own person, and then there is no graph to walk.
        if !own.contains(&true) {
            return privacy;
        }
        privacy.values = own;
        // What is inside a step stands after it and tells of it, so that one look at each is not enough.
        while privacy.spread() {}
        // What the flow gives back is meant for its invoker, also where it was made with the account of whoever decided: publishing and the
        // approval page say so beforehand.
        let invoker = run.created.as_ref().and_then(|c| c.invoker.as_ref());
        if invoker.is_some_and(|invoker| invoker.id == viewer.user) {
            return privacy;
        }
        for (output, from) in plan.index.reads(plan).outputs.iter().enumerate() {
            privacy.outputs[output] = privacy.any_value(from);
        }
        privacy
    }

    /// Hands on what is private to what is made of it. True if something was found.
    fn spread(&mut self) -> bool {
        let plan = &self.run.plan;
        let reads = plan.index.reads(plan);
        let mut found = false;
        for step in 0..plan.steps.len() {
            let planned = &plan.steps[step];
            let block = &plan.blocks[planned.block];
            let given = self.is_given(planned.block, &reads.with);
            let value = self.values[step] || given || self.any_value(&reads.with[step]);
            let error = self.errors[step] || value || self.any_value(&reads.condition[step]);
            found |= value != self.values[step] || error != self.errors[step];
            self.values[step] = value;
            self.errors[step] = error;
            if let (Role::Item | Role::Round | Role::Case | Role::Handler, Some(owner)) =
                (block.role, block.owner)
            {
                found |= value && !self.values[owner] || error && !self.errors[owner];
                self.values[owner] |= value;
                self.errors[owner] |= error;
            }
        }
        found
    }

    /// Whether what is private is known to all that is inside a block: the item of a list, the error that a handler sees, in this block or one
    /// around it.
    fn is_given(&self, block: usize, with: &[Vec<usize>]) -> bool {
        let plan = &self.run.plan;
        let mut around = Some(block);
        while let Some(block) = around {
            let block = &plan.blocks[block];
            let given = match (block.role, block.owner) {
                (Role::Item | Role::Round, Some(owner)) => self.any_value(&with[owner]),
                (Role::Handler, Some(owner)) => self.errors[owner],
                (Role::FlowHandler, _) => self.errors.contains(&true),
                _ => false,
            };
            if given {
                return true;
            }
            around = block.owner.map(|owner| plan.steps[owner].block);
        }
        false
    }

    fn any_value(&self, steps: &[usize]) -> bool {
        steps.iter().any(|&step| self.values[step])
    }

    /// A step's output.
    pub fn output(&self, step: usize, output: &Value) -> Value {
        redacted(self.values[step], || output.clone())
    }

    /// The case that a step chose.
    pub fn case<T: serde::Serialize>(&self, step: usize, case: Option<T>) -> Value {
        redacted(case.is_some() && self.errors[step], || json!(case))
    }

    /// As whom a step was done. The account is no secret of the run's viewers; what was touched with it is.
    pub fn acted_as(&self, step: usize, acted_as: &ActedAs) -> Value {
        acted(self.values[step], acted_as)
    }

    /// The error of a step or, if it names none, of the run.
    pub fn error(&self, step: Option<usize>, error: &StepError) -> Value {
        let hidden = match (step, &error.step) {
            (Some(step), _) => self.errors[step],
            (None, Some(step)) => self.hidden(step).error,
            // What names no step comes from evaluating the outputs, or says nothing of values.
            (None, None) => error.kind == ErrorKind::InvalidInput && self.outputs.contains(&true),
        };
        told(hidden, error)
    }

    /// What the run gave back, output by output.
    pub fn outputs(&self, outputs: &Value) -> Value {
        // A part of a loop gives its items, not what the flow gives.
        let part = self.run.created.as_ref().and_then(|c| c.part.as_ref());
        if let Some(part) = part {
            let hidden = self.values.get(part.number).copied().unwrap_or(true);
            return redacted(hidden, || outputs.clone());
        }
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
            }
            | Event::StepImported {
                step,
                output,
                acted_as,
                ..
            } => {
                let hidden = self.hidden(step).value;
                set(
                    &mut shown,
                    "output",
                    redacted(hidden, || (**output).clone()),
                );
                if let Some(acted_as) = acted_as {
                    set(&mut shown, "acted_as", acted(hidden, acted_as));
                }
            }
            Event::StepFailed {
                step,
                error,
                acted_as,
                ..
            } => {
                let hidden = self.hidden(step);
                set(&mut shown, "error", told(hidden.error, error));
                if let Some(acted_as) = acted_as {
                    set(&mut shown, "acted_as", acted(hidden.value, acted_as));
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
            Event::DecisionAsked { step, error, .. } => {
                set(&mut shown, "error", told(self.hidden(step).error, error));
            }
            Event::HandlerBegan { step, error, .. } => {
                let error = match step {
                    Some(step) => told(self.hidden(step).error, error),
                    None => self.error(None, error),
                };
                set(&mut shown, "error", error);
            }
            Event::FrameEnded {
                frame,
                output,
                error,
                ..
            } => {
                let hidden = self.around(frame);
                if let Some(output) = output {
                    let output = redacted(hidden.value, || (**output).clone());
                    set(&mut shown, "output", output);
                }
                if let Some(error) = error {
                    set(&mut shown, "error", told(hidden.error, error));
                }
            }
            Event::CaseChosen { step, case, .. } => {
                let hidden = case.is_some() && self.hidden(step).error;
                set(&mut shown, "case", redacted(hidden, || json!(case)));
            }
            Event::BatchEnded { step, .. } => {
                if self.hidden(step).value {
                    set(&mut shown, "items", private());
                    set(&mut shown, "failed", private());
                }
            }
            Event::Decided {
                step,
                answer: Answer::Happened { output },
                ..
            } => {
                let output = redacted(self.hidden(step).value, || (**output).clone());
                set(
                    &mut shown,
                    "answer",
                    json!({"answer": "happened", "output": output}),
                );
            }
            Event::CallbackCame { step, payload, .. } => {
                let payload = redacted(self.hidden(step).value, || (**payload).clone());
                set(&mut shown, "payload", payload);
            }
            // What a part of a loop was given is its parent's, and shown there as far as it may be.
            Event::RunCreated(created) => {
                if self.given {
                    set(&mut shown, "inputs", private());
                }
                if let Some(part) = &created.part {
                    let part = json!({"step": part.step, "offset": part.offset, "private": true});
                    set(&mut shown, "part", part);
                }
            }
            // A form and the schema of a payload are made of what the flow knows.
            Event::StepHeld { step, .. } => {
                if self.hidden(step).value
                    && let Some(hold) = shown.get_mut("hold")
                {
                    hide(hold, &["form", "schema"]);
                }
            }
            Event::ApprovalDecided { step, .. } => {
                if self.hidden(step).value
                    && let Some(decision) = shown.get_mut("decision")
                {
                    hide(decision, &["form", "comment"]);
                }
            }
            // These hold who, where and when.
            Event::StepStarted { .. }
            | Event::StepSkipped { .. }
            | Event::StepPaced { .. }
            | Event::SlotBound { .. }
            | Event::SlotAsked { .. }
            | Event::SlotDeclined { .. }
            | Event::SlotLost { .. }
            | Event::SlotExpired { .. }
            | Event::EachBegan { .. }
            | Event::RoundBegan { .. }
            | Event::BatchBegan { .. }
            | Event::ChildPaused { .. }
            | Event::Decided { .. }
            | Event::UndoBegan { .. }
            | Event::CancelAsked { .. } => {}
        }
        shown
    }

    /// What is hidden of the step that a path names, whether or not it is there in the run. Two cases may each have a step of that path, and
    /// of a frame that was dropped nobody knows which it was: then what either hides is hidden. So is what is in no plan.
    fn hidden(&self, step: &StepPath) -> Hidden {
        if let Some(at) = self.run.instance(step) {
            return self.of_steps(&[at.step]);
        }
        // Frames that were dropped leave the plan: `lines[37]/add` is `lines/add` there.
        let parts = step.as_str().split('/');
        let parts: Vec<&str> = parts
            .map(|part| part.split('[').next().unwrap_or(part))
            .collect();
        let path = parts.join("/");
        let planned = self.run.plan.steps.iter().enumerate();
        let steps: Vec<usize> = planned
            .filter(|(_, planned)| planned.path.as_str() == path)
            .map(|(number, _)| number)
            .collect();
        self.of_steps(&steps)
    }

    fn of_steps(&self, steps: &[usize]) -> Hidden {
        let any = |hidden: &[bool]| match steps {
            [] => hidden.contains(&true),
            steps => steps.iter().any(|&step| hidden[step]),
        };
        Hidden {
            value: any(&self.values),
            error: any(&self.errors),
        }
    }

    /// What is hidden of the step that a frame belongs to; the flow's own handler may have seen anything.
    fn around(&self, frame: &StepPath) -> Hidden {
        let path = frame.as_str();
        let owner = path
            .strip_suffix("/on_error")
            .or_else(|| path.strip_suffix("/undo"))
            .unwrap_or(path);
        let owner = match owner.rsplit_once('[') {
            Some((owner, number)) if !number.contains('/') => owner,
            _ => owner,
        };
        match owner.parse() {
            Ok(owner) => self.hidden(&owner),
            Err(_) => self.of_steps(&[]),
        }
    }
}

/// What somebody may not see of a step.
#[derive(Debug, Clone, Copy)]
struct Hidden {
    value: bool,
    error: bool,
}

fn acted(hidden: bool, acted_as: &ActedAs) -> Value {
    let mut shown = json!(acted_as);
    if let (true, Some(record)) = (hidden, shown.get_mut("record")) {
        *record = private();
    }
    shown
}

fn told(hidden: bool, error: &StepError) -> Value {
    if hidden {
        let mut shown = json!({"kind": error.kind, "step": error.step, "private": true});
        // That whoever it acts for was switched off is no app's word, and those who look after runs have to know it.
        if error.code.as_deref() == Some(PERSON_DISABLED) {
            shown["code"] = json!(PERSON_DISABLED);
        }
        return shown;
    }
    json!({
        "kind": error.kind,
        "code": error.code,
        "message": error.message,
        "step": error.step,
        "help": error.help,
    })
}

fn private() -> Value {
    json!({"private": true})
}

/// Hides some fields of a map, as far as they are there.
fn hide(map: &mut Value, fields: &[&str]) {
    for field in fields {
        if let Some(value) = map.get_mut(*field) {
            *value = private();
        }
    }
}

fn redacted(hidden: bool, value: impl FnOnce() -> Value) -> Value {
    if hidden { private() } else { value() }
}

impl Run {
    /// Whether what another run gave this one may be private to somebody else than this user: its inputs may be made of what that one got
    /// through its person's accounts, and only that one knows.
    fn is_given_in_private(&self, user: &UserId) -> bool {
        self.depth() > 0
            && self
                .created
                .as_ref()
                .is_some_and(|created| created.invoker.is_some() && !created.is_of(user))
    }

    /// Step by step: whether it acts, or would act, through a personal connection of somebody else than this user, in any of its instances.
    fn private_to_others_than(&self, user: &UserId) -> Vec<bool> {
        let is_own = self.created.as_ref().is_some_and(|c| c.is_of(user));
        let decides = |slot: usize| {
            self.slot_person(slot)
                .is_some_and(|(person, _)| person == *user)
        };
        // What was handed down is its person's, whatever the slot would be otherwise.
        let handed = |slot: usize| {
            let name = &self.plan.slots[slot].name;
            self.created.as_ref().is_some_and(|created| {
                let mut bound = created.bound.iter();
                bound.any(|handed| handed.slot == *name && handed.person.is_some())
            })
        };
        let is_private = |slot: usize, kind, rule| match (kind, rule) {
            (ConnectionKind::Shared, _) => false,
            (ConnectionKind::Personal, _) if handed(slot) => !decides(slot),
            (ConnectionKind::Personal, Rule::Approver) => !decides(slot),
            (
                ConnectionKind::Personal,
                Rule::Shared | Rule::Invoker | Rule::Owner | Rule::BuildTime,
            ) => !is_own,
        };
        let acts = self.created.as_ref().is_some_and(|c| c.invoker.is_some());
        let planned = self.plan.steps.iter().map(|step| {
            // What another flow gave may have come through its own person's accounts.
            let calls = matches!(
                step.work,
                Work::Hold {
                    kind: HoldKind::RunFlow,
                    ..
                }
            );
            if calls && acts {
                return !is_own;
            }
            let Some(slot) = step.slot else { return false };
            match &self.slots[slot] {
                SlotState::Bound(bound) => is_private(slot, bound.kind, bound.rule),
                _ => match &self.plan.slots[slot].slot.kind {
                    SlotKind::Dynamic(dynamic) if dynamic.of.is_some() || handed(slot) => {
                        !decides(slot)
                    }
                    SlotKind::Dynamic(_) => !is_own,
                    SlotKind::Connection(_) => false,
                },
            }
        });
        let mut private: Vec<bool> = planned.collect();
        let mut known = vec![false; private.len()];
        for (_, frame) in self.frames.iter() {
            for step in frame.steps() {
                let used = match frame.state(step) {
                    StepState::Succeeded { acted_as, .. }
                    | StepState::Failed { acted_as, .. }
                    | StepState::Handling { acted_as, .. }
                    | StepState::Undecided { acted_as, .. } => acted_as.as_ref(),
                    _ => None,
                };
                if let (Some(used), Some(slot)) = (used, self.plan.steps[step].slot) {
                    // As whom it was done counts for more than what the slot is now; of many instances the private ones do.
                    let before = known[step] && private[step];
                    private[step] = before || is_private(slot, used.kind, used.rule);
                    known[step] = true;
                }
            }
        }
        private
    }
}
