//! What may happen to a step that is interrupted, and whether the step may say so.

use serde_json::Value;

use crate::app::{Effect, Module};
use crate::diagnostic::Diagnostic;
use crate::flow::Step;
use crate::flow::check::Check;
use crate::flow::check::layout::Site;

impl Check<'_> {
    pub(super) fn effect(&mut self, site: &Site<'_>, module: Option<&Module>) -> Effect {
        let (id, step) = (site.id.as_ref(), site.step);
        let (Some(module), Some(uses)) = (module, &step.uses) else {
            return step.effect.unwrap_or(Effect::Step);
        };
        match (module.effect, step.effect) {
            (Effect::Step, Some(said)) => said,
            (Effect::Step, None) if reads_only(step) => Effect::Read,
            (Effect::Step, None) => {
                self.faults.push(
                    Diagnostic::error(
                        "missing_effect",
                        site.key,
                        format!("`{id}` must say its `effect`: `{uses}` leaves it open"),
                    )
                    .with_help(
                        "`read` if it changes nothing, `idempotent` if doing it twice with the same key is doing it once, else `at_most_once`",
                    ),
                );
                Effect::AtMostOnce
            }
            (of_module, Some(said)) if said != of_module => {
                self.faults.push(
                    Diagnostic::error(
                        "fixed_effect",
                        site.at("effect"),
                        format!(
                            "`{}` is `{}` by its manifest; a step cannot say otherwise",
                            uses,
                            of_module.as_str()
                        ),
                    )
                    .with_help("remove `effect`"),
                );
                of_module
            }
            (of_module, _) => of_module,
        }
    }
}

/// A request whose method is literally GET or HEAD.
fn reads_only(step: &Step) -> bool {
    let method = step
        .with
        .get("method")
        .and_then(Value::as_str)
        .unwrap_or("GET");
    step.uses
        .as_ref()
        .is_some_and(|uses| uses.as_str() == "http.request")
        && matches!(method.to_ascii_uppercase().as_str(), "GET" | "HEAD")
}
