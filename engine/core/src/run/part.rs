//! A run that does a part of a long loop for its parent: its root holds that loop and nothing else, and what lies around the loop was given to
//! it when it began.

use std::sync::Arc;

use serde_json::Value;

use crate::flow::plan::Work;
use crate::ids::StepPath;
use crate::run::frame::{Frame, Frames};
use crate::run::parts::Part;
use crate::run::state::Run;

/// Names that expressions may look at around a loop. The rest is the run's own.
const AROUND: [&str; 3] = ["run", "error", "callbacks"];

impl Run {
    /// Makes the root of a run that does a part of a loop; of another run nothing.
    pub(super) fn begin_part(&mut self) -> Result<(), String> {
        let Some(part) = self
            .created
            .as_ref()
            .and_then(|created| created.part.clone())
        else {
            return Ok(());
        };
        let step = part.number;
        let planned = self.plan.steps.get(step);
        let planned = planned.ok_or("the flow has no such step")?;
        if planned.path.as_str() != static_path(&part.step) {
            return Err("the step has another name".to_owned());
        }
        if !matches!(planned.work, Work::Each { .. }) {
            return Err("the step is no `for_each`".to_owned());
        }
        let mut root = Frame::new(&self.plan, self.plan.steps[step].block, step..step + 1);
        root.open_needs = vec![0];
        root.path = part.step.around();
        self.frames = Frames::new(root);
        // Its parent has passed what everything waits for before the first step.
        self.progress.gate_open = true;
        Ok(())
    }

    /// What lies around the loop comes before what the run would show itself.
    pub(super) fn look_around(&mut self, part: &Part) {
        let given = |name: &str| part.scope.get(name).and_then(Value::as_object);
        let roots = given("roots");
        let mut around: Vec<(&'static str, Arc<Value>)> = AROUND
            .into_iter()
            .filter_map(|name| Some((name, Arc::new(roots?.get(name)?.clone()))))
            .collect();
        around.append(&mut self.progress.roots);
        self.progress.roots = around;
        self.progress.outer_steps = given("steps")
            .into_iter()
            .flatten()
            .map(|(id, output)| (Arc::from(id.as_str()), Arc::new(output.clone())))
            .collect();
    }
}

/// A path without the numbers of items and rounds, as steps have it in a plan.
pub(super) fn static_path(path: &StepPath) -> String {
    let mut planned = String::new();
    let mut rest = path.as_str();
    while let Some((before, numbered)) = rest.split_once('[') {
        planned.push_str(before);
        rest = numbered.split_once(']').map_or("", |(_, after)| after);
    }
    planned.push_str(rest);
    planned
}
