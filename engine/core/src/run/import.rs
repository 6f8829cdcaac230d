//! What the runs before a retry did: read from their journals in order, by the paths of their steps, because their loops and handlers may be
//! long gone. It decides nothing: a step that was done before is taken over where it would be performed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::flow::Plan;
use crate::flow::plan::{PlanStep, Role};
use crate::ids::{RunId, StepPath};
use crate::run::event::Event;
use crate::run::part::static_path;
use crate::run::parts::{ActedAs, Answer, Decider, Hold};

/// The last step of what takes another step back.
const UNDO: &str = "/undo";
/// What handlers stand in.
const ON_ERROR: &str = "on_error";

/// What a step did in an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// What it gave.
    pub output: Arc<Value>,
    /// As which account.
    pub acted_as: Option<ActedAs>,
    /// Who decided, if it is an approval.
    pub by: Option<Decider>,
}

/// What the runs of a chain of retries did.
#[derive(Debug, Clone, Default)]
pub struct Imports {
    /// The flow they are runs of: it says what was based on what.
    plan: Option<Arc<Plan>>,
    done: HashMap<StepPath, Done>,
    /// Who decided, until the approval's step has ended.
    decided: HashMap<StepPath, Decider>,
    /// What was taken back, once for each time, with the steps of the flow that were based on it.
    undone: Vec<(StepPath, BTreeSet<String>)>,
    /// The last run that a step began.
    children: HashMap<StepPath, RunId>,
    /// The last run for a batch of a loop, with the event that ended it.
    batches: HashMap<(StepPath, u64), (RunId, Option<Event>)>,
}

impl Imports {
    /// Nothing yet, of runs of this flow.
    pub fn of(plan: Arc<Plan>) -> Self {
        Self {
            plan: Some(plan),
            ..Self::default()
        }
    }

    /// Takes in an event of a run of the chain. The oldest run comes first, and its events in order.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::StepSucceeded {
                step,
                output,
                acted_as,
                ..
            } => {
                let by = self.decided.remove(step);
                self.succeeded(step, output, acted_as.as_ref(), by);
            }
            Event::StepImported {
                step,
                output,
                acted_as,
                by,
                ..
            } => self.succeeded(step, output, acted_as.as_ref(), by.clone()),
            Event::ApprovalDecided { step, decision, .. } => {
                self.decided.insert(step.clone(), decision.by.clone());
            }
            Event::Decided {
                step,
                answer: Answer::Happened { output },
                ..
            } => self.succeeded(step, output, None, None),
            Event::StepHeld {
                step,
                hold: Hold::Child { run, .. },
                ..
            } => {
                self.children.insert(step.clone(), run.clone());
            }
            Event::BatchBegan {
                step, batch, child, ..
            } => {
                let batch = (step.clone(), *batch);
                self.batches.insert(batch, (child.clone(), None));
            }
            Event::BatchEnded {
                step,
                batch,
                child,
                failed,
                ..
            } if failed.is_empty() => {
                let batch = (step.clone(), *batch);
                let end = Some(event.clone());
                self.batches.insert(batch, (child.clone(), end));
            }
            _ => {}
        }
    }

    fn succeeded(
        &mut self,
        step: &StepPath,
        output: &Arc<Value>,
        acted_as: Option<&ActedAs>,
        by: Option<Decider>,
    ) {
        if let Some(Ok(undone)) = step.as_str().strip_suffix(UNDO).map(str::parse) {
            let based = self.based_on(&undone);
            let goes =
                |path: &StepPath| is_within(path, &undone) || based.contains(&static_path(path));
            self.done.retain(|path, _| !goes(path));
            self.children.retain(|path, _| !goes(path));
            self.batches.retain(|(path, _), _| !goes(path));
            self.undone.push((undone, based));
            return;
        }
        if self.is_of_a_failure(step) {
            return;
        }
        let done = Done {
            output: output.clone(),
            acted_as: acted_as.cloned(),
            by,
        };
        self.done.insert(step.clone(), done);
    }

    /// What a step did, if it is not to be done again.
    pub fn done(&self, step: &StepPath) -> Option<&Done> {
        self.done.get(step)
    }

    /// The last run that a step began.
    pub fn child(&self, step: &StepPath) -> Option<&RunId> {
        self.children.get(step)
    }

    /// The last run for a batch; with the event that ended it if nothing failed in it.
    pub fn batch(&self, step: &StepPath, batch: u64) -> Option<&(RunId, Option<Event>)> {
        self.batches.get(&(step.clone(), batch))
    }

    /// How often a step, or what it was based on, was taken back: what an app did under its key and took back again, it would not do again
    /// under the same.
    pub fn times_undone(&self, step: &StepPath) -> u32 {
        let planned = static_path(step);
        let times = self
            .undone
            .iter()
            .filter(|(undone, based)| is_within(step, undone) || based.contains(&planned))
            .count();
        u32::try_from(times).unwrap_or(u32::MAX)
    }

    /// The steps, as they stand in the flow, that were based on one that was taken back: they looked at it, or come after it, or stand in a loop
    /// or a choice of which that is true. What they did was for something that is no more.
    fn based_on(&self, undone: &StepPath) -> BTreeSet<String> {
        let Some(plan) = &self.plan else {
            return BTreeSet::new();
        };
        let root = static_path(undone);
        let mut gone: Vec<bool> = plan
            .steps
            .iter()
            .map(|step| step.path.as_str() == root)
            .collect();
        loop {
            let mut more = false;
            for (number, step) in plan.steps.iter().enumerate() {
                let looks =
                    |step: &PlanStep| step.needs.iter().chain(&step.outer).any(|n| gone[*n]);
                let around = plan.blocks[step.block]
                    .owner
                    .map(|owner| &plan.steps[owner]);
                let holds = plan.blocks.iter().any(|block| {
                    block.owner == Some(number)
                        && matches!(block.role, Role::Item | Role::Round | Role::Case)
                        && block.steps.clone().any(|inner| gone[inner])
                });
                if !gone[number] && (looks(step) || around.is_some_and(looks) || holds) {
                    gone[number] = true;
                    more = true;
                }
            }
            if !more {
                break;
            }
        }
        let steps = plan.steps.iter().zip(gone);
        let based = steps.filter(|(step, gone)| *gone && step.path.as_str() != root);
        based.map(|(step, _)| step.path.to_string()).collect()
    }

    /// Whether a step ran because something failed: it runs again if something fails again.
    fn is_of_a_failure(&self, step: &StepPath) -> bool {
        if step.as_str().split('/').any(|part| part == ON_ERROR) {
            return true;
        }
        let planned = static_path(step);
        let asks = |one: &PlanStep| {
            one.asks_of_failure
                && planned
                    .strip_prefix(one.path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.plan
            .as_ref()
            .is_some_and(|plan| plan.steps.iter().any(asks))
    }
}

/// Whether a step is another one, or stands inside it.
fn is_within(step: &StepPath, outer: &StepPath) -> bool {
    step.as_str()
        .strip_prefix(outer.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::time::Time;

    fn path(text: &str) -> StepPath {
        text.parse().expect("a path")
    }

    fn succeeded(step: &str) -> Event {
        Event::StepSucceeded {
            step: path(step),
            attempt: 1,
            output: Arc::new(json!(step)),
            acted_as: None,
            started_at: Time(1),
            at: Time(2),
        }
    }

    #[test]
    fn what_was_taken_back_is_to_be_done_again_and_under_another_key() {
        let mut imports = Imports::default();
        for step in ["a", "ab", "lines[3]/a", "lines[30]/a"] {
            imports.take(&succeeded(step));
        }
        imports.take(&succeeded("lines/undo"));
        imports.take(&succeeded("a/undo"));
        let stands = |step: &str| {
            let step = path(step);
            (imports.done(&step).is_some(), imports.times_undone(&step))
        };
        assert_eq!(stands("a"), (false, 1));
        assert_eq!(stands("ab"), (true, 0));
        assert_eq!(stands("lines[3]/a"), (false, 1));
        assert_eq!(stands("a/undo"), (false, 1));
        imports.take(&succeeded("a"));
        imports.take(&succeeded("a/undo"));
        assert_eq!(imports.times_undone(&path("a")), 2);
    }

    #[test]
    fn who_decided_comes_along_with_their_login() {
        let decided = |step: &str, approved: bool| Event::ApprovalDecided {
            step: path(step),
            request: crate::ids::RequestId::from_bits(1),
            decision: crate::run::parts::Decision {
                approved,
                by: Decider {
                    id: crate::ids::UserId::from_bits(2),
                    login: "ben".to_owned(),
                    name: "role:runner".to_owned(),
                },
                comment: None,
                form: Value::Null,
            },
            at: Time(1),
        };
        let mut imports = Imports::default();
        for event in [
            decided("a", true),
            succeeded("a"),
            decided("b", false),
            succeeded("b"),
            succeeded("a/undo"),
            succeeded("a"),
        ] {
            let before = imports.done(&path("a")).cloned();
            imports.take(&event);
            if event == succeeded("b") {
                let by = before.and_then(|done| done.by).map(|by| by.login);
                assert_eq!(by.as_deref(), Some("ben"));
            }
        }
        let by = |step: &str| imports.done(&path(step)).and_then(|done| done.by.clone());
        assert_eq!(by("b").map(|by| by.login).as_deref(), Some("ben"));
        // Done anew without an answer: nobody decided that.
        assert_eq!(by("a"), None);
    }
}
