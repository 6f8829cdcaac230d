//! What nothing looks at: an input, a step that only finds something out. Warnings; a step with an effect is never useless.

use crate::app::Effect;
use crate::diagnostic::Diagnostic;
use crate::flow::check::Check;
use crate::flow::check::layout::{Part, Site};
use crate::flow::plan::Role;

/// Modules without an effect outside that are there for what they do to the run.
const ACTS_ON_THE_RUN: [&str; 3] = ["core.check", "core.fail", "core.log"];

impl Check<'_> {
    pub(super) fn warn_of_unused(&mut self) {
        if self.faults_in_steps() {
            return;
        }
        self.warn_of_unused_inputs();
        self.warn_of_unused_steps();
    }

    fn warn_of_unused_inputs(&mut self) {
        if self.used_inputs.contains("*") {
            return;
        }
        for name in self.flow.inputs.keys() {
            if !self.used_inputs.contains(name) {
                let span = self.places.key(&["inputs", name]);
                self.faults.push(
                    Diagnostic::warning(
                        "unused_input",
                        span,
                        format!("nothing uses the input `{name}`"),
                    )
                    .with_help(format!("remove it, or use it: `inputs.{name}`")),
                );
            }
        }
    }

    fn warn_of_unused_steps(&mut self) {
        // A flow that gives nothing back is run for what its page shows: then its last findings are used.
        let shows_all = self.flow.outputs.is_empty();
        let layout = self.layout;
        for (number, site) in layout.sites.iter().enumerate() {
            let scope = &layout.scopes[site.scope];
            let given = match scope.role {
                Role::Root | Role::FlowHandler => shows_all,
                Role::Undo => true,
                // Its block gives it by its id.
                Role::Item | Role::Round | Role::Case | Role::Handler => scope.outputs.is_none(),
            };
            if given
                || site.part == Part::Inner
                || self.used_steps.contains(&number)
                || self.is_of_use(number, site)
            {
                continue;
            }
            let id = &site.id;
            self.faults.push(
                Diagnostic::warning(
                    "unused_step",
                    site.key,
                    format!("nothing uses what `{id}` finds out, and it does nothing else"),
                )
                .with_help(format!("use it: `steps.{id}`, or remove the step")),
            );
        }
    }

    /// Whether a step, or one inside it, does more than give an output.
    fn is_of_use(&self, number: usize, site: &Site<'_>) -> bool {
        let step = &self.steps[number];
        let own = step.module().is_some_and(|(_, module)| {
            let uses = site.step.uses.as_ref();
            module.hold().is_some()
                || !matches!(module.effect, Effect::Pure | Effect::Read | Effect::Step)
                || uses.is_some_and(|uses| ACTS_ON_THE_RUN.contains(&uses.as_str()))
        });
        own || matches!(step.effect(), Effect::Idempotent | Effect::AtMostOnce)
            || site.blocks().any(|block| {
                let mut members = self.layout.scopes[block].members.iter();
                members.any(|inner| self.is_of_use(*inner, &self.layout.sites[*inner]))
            })
    }
}
