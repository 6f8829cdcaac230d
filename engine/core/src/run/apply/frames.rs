//! What happens to frames: items, rounds, cases, handlers and undos begin and end.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::StepError;
use crate::flow::OnItemError;
use crate::flow::plan::{BlockOutputs, OnErrorPlan, Role, Work};
use crate::ids::StepPath;
use crate::run::batched::Batched;
use crate::run::event::Event;
use crate::run::frame::{Frame, Instance, Undone};
use crate::run::inside::{Case, Each, Ended, Inside, Repeat};
use crate::run::parts::FailedItem;
use crate::run::state::{Run, StepState};
use crate::time::Time;

/// Finished frames of loops are kept for the run's document, and at most so many of them.
const KEPT: usize = 1_000;

impl Run {
    pub(super) fn take_frame(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::EachBegan { step, items, at } => {
                let step = self.found(step)?;
                self.begins(step)?;
                self.begin_each(step, *items, *at)
            }
            Event::RoundBegan { step, round, at } => {
                let step = self.found(step)?;
                self.begin_round(step, *round, *at)
            }
            Event::CaseChosen { step, case, at } => {
                let step = self.found(step)?;
                self.begins(step)?;
                self.begin_case(step, case.as_ref(), *at)
            }
            Event::HandlerBegan {
                step: Some(step),
                error,
                ..
            } => {
                let step = self.found(step)?;
                self.begin_handler(step, error)
            }
            Event::HandlerBegan {
                step: None, error, ..
            } => self.begin_flow_handler(error),
            Event::UndoBegan { step, .. } => {
                let step = self.found(step)?;
                self.begin_undo(step)
            }
            Event::FrameEnded {
                frame,
                output,
                error,
                at,
            } => {
                let frame = self
                    .frames
                    .by_path(frame.as_str())
                    .ok_or("the run has no such frame")?;
                self.end_frame(frame, output.as_ref(), error.as_ref(), *at)
            }
            _ => Ok(()),
        }
    }

    /// Whether what is inside a step may begin now.
    fn begins(&self, at: Instance) -> Result<(), String> {
        if *self.state(at) != StepState::Pending {
            return Err(self.state(at).stands().to_owned());
        }
        self.needs_settled(at)
    }

    fn begin_each(&mut self, step: Instance, items: u64, at: Time) -> Result<(), String> {
        let Work::Each { items: list, .. } = &self.plan.steps[step.step].work else {
            return Err("the step is no `for_each`".to_owned());
        };
        let (list, offset) = match self.part_of(step) {
            Some(part) => (part.items.clone(), part.offset),
            None => {
                let list = list.evaluate(&self.scope(step));
                (Arc::new(list.map_err(|error| error.message)?), 0)
            }
        };
        if list.as_array().map(|list| list.len() as u64) != Some(items) {
            return Err("the list has another number of items".to_owned());
        }
        if self.is_long(step, items) {
            let inside = Box::new(Inside::Batched(Batched::new(list)));
            self.set_step(step, StepState::Inside { at, inside });
            self.progress.turning.insert(step);
            return Ok(());
        }
        let inside = Box::new(Inside::Each(Each::new(list, offset)));
        self.set_step(step, StepState::Inside { at, inside });
        self.next_items(step);
        Ok(())
    }

    /// Begins items until as many are under way as may be, or says that the loop can end.
    fn next_items(&mut self, step: Instance) {
        let plan = self.plan.clone();
        let Work::Each {
            parallel,
            on_item_error,
            body,
            ..
        } = &plan.steps[step.step].work
        else {
            return;
        };
        let path = self.path(step);
        let stops = self.is_failing(step.frame) && !self.frames[step.frame].after
            || self.is_stopping(step.frame);
        loop {
            let Some(each) = self.each_mut(step) else {
                return;
            };
            let failed = *on_item_error == OnItemError::Fail && !each.failed.is_empty();
            let full = each.living >= *parallel as usize;
            if failed || stops || full || each.next >= each.count() {
                break;
            }
            let place = each.next;
            each.next += 1;
            each.living += 1;
            let (index, list) = (each.offset + place as u64, each.items.clone());
            let mut frame = Frame::new(&plan, *body, plan.blocks[*body].steps.clone());
            frame.index = index;
            frame.item = Some((list, place));
            self.open(frame, Some(step), path.numbered(index));
        }
        if self.each_mut(step).is_some_and(|each| each.living == 0) {
            self.progress.turning.insert(step);
        }
    }

    fn each_mut(&mut self, step: Instance) -> Option<&mut Each> {
        match self.inside_mut(step) {
            Some(Inside::Each(each)) => Some(each),
            _ => None,
        }
    }

    /// What a step keeps of what is inside it. What changes here, no list goes by.
    pub(in crate::run) fn inside_mut(&mut self, at: Instance) -> Option<&mut Inside> {
        let frame = &mut self.frames[at.frame];
        match &mut frame.states[at.step - frame.first] {
            StepState::Inside { inside, .. } => Some(inside),
            _ => None,
        }
    }

    fn begin_round(&mut self, step: Instance, round: u64, at: Time) -> Result<(), String> {
        let plan = self.plan.clone();
        let planned = &plan.steps[step.step];
        let Work::Repeat { body, .. } = &planned.work else {
            return Err("the step is no `while` and no `until`".to_owned());
        };
        let (begun, since) = match self.state(step) {
            StepState::Pending => {
                self.needs_settled(step)?;
                (0, at)
            }
            StepState::Inside { at, inside } => match &**inside {
                Inside::Repeat(Repeat {
                    rounds,
                    last: Some(_),
                    ..
                }) => (*rounds, *at),
                _ => return Err("a round is under way".to_owned()),
            },
            other => return Err(other.stands().to_owned()),
        };
        if round != begun {
            return Err(format!("rounds so far: {begun}"));
        }
        if !planned.has_undo {
            self.drop_children(step);
        }
        let mut frame = Frame::new(&plan, *body, plan.blocks[*body].steps.clone());
        frame.index = round;
        let path = self.path(step).numbered(round);
        let frame = self.open(frame, Some(step), path);
        let inside = Box::new(Inside::Repeat(Repeat {
            rounds: round + 1,
            frame,
            last: None,
        }));
        self.set_step(step, StepState::Inside { at: since, inside });
        Ok(())
    }

    fn begin_case(
        &mut self,
        step: Instance,
        case: Option<&String>,
        at: Time,
    ) -> Result<(), String> {
        let plan = self.plan.clone();
        let Work::Switch { cases, default, .. } = &plan.steps[step.step].work else {
            return Err("the step is no `switch`".to_owned());
        };
        let block = match case {
            Some(case) => cases.iter().find(|(key, _)| key == case).map(|(_, b)| *b),
            None => *default,
        };
        let block = block.ok_or("the switch has no such case")?;
        let inside = Box::new(Inside::Case(Case {
            case: case.cloned(),
            end: None,
        }));
        self.set_step(step, StepState::Inside { at, inside });
        let frame = Frame::new(&plan, block, plan.blocks[block].steps.clone());
        self.open(frame, Some(step), self.path(step));
        Ok(())
    }

    fn begin_handler(&mut self, step: Instance, error: &StepError) -> Result<(), String> {
        let plan = self.plan.clone();
        let OnErrorPlan::Handle(block, _) = plan.steps[step.step].on_error else {
            return Err("the step says nothing of its failure".to_owned());
        };
        if !self.progress.turning.contains(&step)
            || !matches!(self.state(step), StepState::Handling { .. })
        {
            return Err(self.state(step).stands().to_owned());
        }
        self.progress.turning.remove(&step);
        let mut frame = Frame::new(&plan, block, plan.blocks[block].steps.clone());
        frame.error = Some(Arc::new(as_root(error)));
        let path = self.path(step).within("on_error");
        self.open(frame, Some(step), path);
        Ok(())
    }

    fn begin_flow_handler(&mut self, error: &StepError) -> Result<(), String> {
        let plan = self.plan.clone();
        let OnErrorPlan::Handle(block, _) = plan.on_error else {
            return Err("the flow says nothing of its failure".to_owned());
        };
        if !self.root().is_settled() || self.progress.after.is_some() {
            return Err("the run has not come to its end".to_owned());
        }
        if self.progress.handled.is_some() {
            return Err("the failure has been handled".to_owned());
        }
        let mut frame = Frame::new(&plan, block, plan.blocks[block].steps.clone());
        frame.error = Some(Arc::new(as_root(error)));
        frame.after = true;
        let path = "on_error".parse::<StepPath>().map_err(|e| e.to_string())?;
        self.progress.after = Some(self.open(frame, None, path));
        Ok(())
    }

    fn begin_undo(&mut self, step: Instance) -> Result<(), String> {
        let plan = self.plan.clone();
        let Some(block) = plan.steps[step.step].undo else {
            return Err("the step cannot be undone".to_owned());
        };
        if !self.root().is_settled() || self.progress.after.is_some() {
            return Err("the run has not come to its end".to_owned());
        }
        if self.next_undo() != Some(step) {
            return Err("it is not its turn to be undone".to_owned());
        }
        let left = self.progress.undo.take();
        let mut left = left.unwrap_or_else(|| self.undoable());
        left.pop();
        self.progress.undo = Some(left);
        let mut frame = Frame::new(&plan, block, plan.blocks[block].steps.clone());
        frame.after = true;
        let path = self.path(step).within("undo");
        self.progress.after = Some(self.open(frame, Some(step), path));
        let undone = &mut self.frames[step.frame].undone;
        undone.insert(step.step, Undone::UnderWay);
        Ok(())
    }

    /// Makes a frame live.
    fn open(&mut self, mut frame: Frame, owner: Option<Instance>, path: StepPath) -> u32 {
        frame.owner = owner;
        frame.path = Some(path);
        if let Some(owner) = owner {
            frame.after |= self.frames[owner.frame].after;
        }
        let number = self.frames.add(frame);
        if let Some(owner) = owner {
            let children = &mut self.frames[owner.frame].children;
            children.entry(owner.step).or_default().push(number);
        }
        self.enqueue_all(number);
        number
    }

    fn end_frame(
        &mut self,
        number: u32,
        output: Option<&Arc<Value>>,
        error: Option<&StepError>,
        at: Time,
    ) -> Result<(), String> {
        if !self.progress.settled.contains(&number) {
            return Err("not every step in it has ended, or it has".to_owned());
        }
        let frame = &self.frames[number];
        let end: Ended = match (error, output) {
            (Some(error), _) => Err(error.clone()),
            (None, _) if frame.first_failed.is_some() => {
                return Err("a step in it has failed".to_owned());
            }
            (None, _) if frame.stopped => return Err("it was stopped".to_owned()),
            (None, Some(output)) => Ok(output.clone()),
            (None, None) => Ok(self.given_by_steps(number)),
        };
        let (role, owner) = (self.plan.blocks[frame.block].role, frame.owner);
        let index = frame.index;
        let failed = end.is_err();
        self.progress.settled.remove(&number);
        self.progress.failing.remove(&number);
        self.frames[number].ended = true;
        match (role, owner) {
            (Role::Item, Some(owner)) => {
                if let Some(each) = self.each_mut(owner) {
                    each.living -= 1;
                    match end {
                        Ok(output) => {
                            let place = usize::try_from(index - each.offset).unwrap_or(0);
                            each.outputs[place] = Some(output);
                        }
                        Err(error) => each.failed.push(FailedItem { index, error }),
                    }
                }
                // What failed is looked for first.
                let most = if failed { 2 * KEPT } else { KEPT };
                self.progress.kept += 1;
                if self.progress.kept > most && !self.plan.steps[owner.step].has_undo {
                    self.drop_frame(number);
                }
                self.next_items(owner);
            }
            (Role::Round, Some(owner)) => {
                if let Some(Inside::Repeat(repeat)) = self.inside_mut(owner) {
                    repeat.last = Some((end, at));
                }
                self.progress.turning.insert(owner);
            }
            (Role::Case, Some(owner)) => {
                if let Some(Inside::Case(case)) = self.inside_mut(owner) {
                    case.end = Some(end);
                }
                self.progress.turning.insert(owner);
            }
            (Role::Handler, Some(owner)) => self.handled(owner, end, at),
            (Role::Undo, Some(owner)) => {
                let undone = match end {
                    Ok(_) => Undone::Done,
                    Err(error) => Undone::Not(error),
                };
                let frame = &mut self.frames[owner.frame];
                frame.undone.insert(owner.step, undone);
                self.progress.after = None;
            }
            (Role::FlowHandler, _) => {
                self.progress.handled = Some(end);
                self.progress.after = None;
            }
            (
                Role::Root | Role::Item | Role::Round | Role::Case | Role::Handler | Role::Undo,
                _,
            ) => {}
        }
        Ok(())
    }

    /// What the end of its handler makes of a step that failed.
    fn handled(&mut self, step: Instance, end: Ended, at: Time) {
        let StepState::Handling {
            attempts,
            error,
            acted_as,
            started_at,
            ..
        } = self.state(step).clone()
        else {
            return;
        };
        let gives = matches!(
            self.plan.steps[step.step].on_error,
            OnErrorPlan::Handle(_, true)
        );
        let failed = |error| StepState::Failed {
            attempts,
            error,
            acted_as: acted_as.clone(),
            started_at,
            at,
            continued: false,
        };
        let state = match end {
            Ok(output) if gives => StepState::Succeeded {
                attempts,
                output,
                acted_as: acted_as.clone(),
                started_at,
                at,
                handled: Some(error),
            },
            // A handler that was broken off says nothing of why the step failed.
            Err(own) if !is_stop(&own) => failed(own),
            Ok(_) | Err(_) => failed(error),
        };
        self.set_step(step, state);
    }

    /// What a frame gives that says nothing of it: what its steps gave.
    fn given_by_steps(&self, number: u32) -> Arc<Value> {
        let frame = &self.frames[number];
        match &self.plan.blocks[frame.block].outputs {
            BlockOutputs::Whole(step) => {
                let at = Instance {
                    frame: number,
                    step: *step,
                };
                self.output(at).cloned().unwrap_or_default()
            }
            BlockOutputs::ByStep | BlockOutputs::Named(_) => {
                let mut outputs = Map::new();
                for step in frame.steps() {
                    if let StepState::Succeeded { output, .. } = frame.state(step) {
                        let id = self.plan.steps[step].id.to_string();
                        outputs.insert(id, (**output).clone());
                    }
                }
                Arc::new(Value::Object(outputs))
            }
        }
    }

    /// Forgets the finished frames of a step, and those in them.
    fn drop_children(&mut self, at: Instance) {
        let children = self.frames[at.frame].children.remove(&at.step);
        for child in children.unwrap_or_default() {
            self.forget(child);
        }
    }

    fn drop_frame(&mut self, number: u32) {
        if let Some(owner) = self.frames[number].owner
            && let Some(children) = self.frames[owner.frame].children.get_mut(&owner.step)
        {
            children.retain(|child| *child != number);
        }
        self.forget(number);
    }

    fn forget(&mut self, number: u32) {
        if let Some(frame) = self.frames.remove(number) {
            if self.plan.blocks[frame.block].role == Role::Item {
                self.progress.kept -= 1;
                self.progress.forgotten += frame.states.len();
            }
            for child in frame.children.into_values().flatten() {
                self.forget(child);
            }
        }
    }

    /// What is undone next.
    pub(in crate::run) fn next_undo(&self) -> Option<Instance> {
        match &self.progress.undo {
            Some(left) => left.last().copied(),
            None => self.undoable().last().copied(),
        }
    }

    /// All that has happened and can be taken back, in the order in which it came about: by number, what is inside a step before the step.
    pub(in crate::run) fn undoable(&self) -> Vec<Instance> {
        let mut found = Vec::new();
        self.collect_undoable(crate::run::frame::ROOT, &mut found);
        found
    }

    fn collect_undoable(&self, number: u32, found: &mut Vec<Instance>) {
        let frame = &self.frames[number];
        for step in frame.steps() {
            let planned = &self.plan.steps[step];
            if !planned.has_undo {
                continue;
            }
            for child in frame.children.get(&step).into_iter().flatten() {
                self.collect_undoable(*child, found);
            }
            let done = matches!(
                frame.state(step),
                StepState::Succeeded { handled: None, .. }
            );
            if done && planned.undo.is_some() {
                found.push(Instance {
                    frame: number,
                    step,
                });
            }
        }
    }
}

/// The code of the error of what was broken off because the run, or what it stands in, was ending.
pub(in crate::run) const STOPPED: &str = "run_ending";

/// Whether an error says nothing but that what failed was broken off.
pub(in crate::run) fn is_stop(error: &StepError) -> bool {
    error.code.as_deref() == Some(STOPPED)
}

/// An error as handlers see it: all its fields, null where it says nothing.
fn as_root(error: &StepError) -> Value {
    json!({
        "kind": error.kind,
        "code": error.code,
        "message": error.message,
        "step": error.step,
        "help": error.help,
    })
}
