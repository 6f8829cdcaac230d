//! Which keys of a step go together: it uses a module, loops or chooses, and each of these has keys of its own.

use crate::app::Effect;
use crate::diagnostic::Diagnostic;
use crate::flow::check::Check;
use crate::flow::check::layout::{Part, Site};
use crate::flow::plan::Role;

/// What makes a step what it is.
const MAKERS: [&str; 4] = ["for_each", "while", "until", "switch"];
/// Keys that belong to a use of a module.
const OF_MODULES: [&str; 5] = ["connection", "with", "retry", "timeout", "effect"];
/// Keys that stand only beside one of some others.
const BESIDE: [(&str, &[&str]); 8] = [
    ("parallel", &["for_each"]),
    ("on_item_error", &["for_each"]),
    ("every", &["while", "until"]),
    ("max_rounds", &["while", "until"]),
    ("steps", &["for_each", "while", "until"]),
    ("outputs", &["for_each", "while", "until"]),
    ("cases", &["switch"]),
    ("default", &["switch"]),
];

impl Check<'_> {
    pub(super) fn check_keys(&mut self, site: &Site<'_>) {
        // The parts of a step whose keys were looked at, or an undo, which has a table of its own.
        let of_undo = self.layout.scopes[site.scope].role == Role::Undo;
        let Some(node) = site.node.filter(|_| site.part != Part::Inner && !of_undo) else {
            return;
        };
        let has = |key: &str| node.entry(key).is_some();
        let id = &site.id;
        let makers: Vec<&str> = MAKERS.into_iter().filter(|key| has(key)).collect();
        if let [first, second, ..] = makers.as_slice() {
            self.faults.push(
                Diagnostic::error(
                    "two_kinds",
                    site.key_of(second),
                    format!("`{id}` has `{first}` and `{second}`: a step is one of them"),
                )
                .with_also(site.key_of(first), format!("`{first}` is here"))
                .with_help("put one inside the other: as a step of its `steps`"),
            );
            return;
        }
        if makers.is_empty() && !has("uses") {
            // That it is nothing at all was told.
            return;
        }
        for (key, beside) in BESIDE {
            if has(key) && !beside.iter().any(|other| has(other)) {
                let others = beside.iter().map(|o| format!("`{o}`")).collect::<Vec<_>>();
                self.faults.push(
                    Diagnostic::error(
                        "lonely_key",
                        site.key_of(key),
                        format!(
                            "`{key}` means something only beside {}",
                            others.join(" or ")
                        ),
                    )
                    .with_help(meant(key)),
                );
            }
        }
        let Some(maker) = makers.first().copied() else {
            return self.check_keys_of_module(site);
        };
        if maker == "for_each" && has("uses") {
            if has("steps") {
                self.faults.push(
                    Diagnostic::error(
                        "two_kinds",
                        site.key_of("steps"),
                        format!("`{id}` has `uses` and `steps`: one of them runs for each item"),
                    )
                    .with_also(site.key_of("uses"), "`uses` is here"),
                );
            }
            if has("outputs") {
                self.faults.push(
                    Diagnostic::error(
                        "lonely_key",
                        site.key_of("outputs"),
                        "beside `uses` each item gives what the module gives",
                    )
                    .with_help("for other outputs put the module into `steps`"),
                );
            }
        } else {
            let keys = ["uses"].into_iter().chain(OF_MODULES);
            for key in keys.filter(|key| has(key)) {
                self.faults.push(
                    Diagnostic::error(
                        "needless_key",
                        site.key_of(key),
                        format!("`{key}` belongs to a use of a module, and `{id}` has a `{maker}`"),
                    )
                    .with_help(if maker == "switch" {
                        "put it on a step of one of the `cases`"
                    } else {
                        "put it on a step inside `steps`"
                    }),
                );
            }
        }
        if has("undo") {
            self.faults.push(
                Diagnostic::error(
                    "needless_key",
                    site.key_of("undo"),
                    format!(
                        "`{id}` only holds other steps, so there is nothing of its own to take back"
                    ),
                )
                .with_help("put `undo` on the steps inside it"),
            );
        }
        self.check_keys_of_blocks(site, maker);
    }

    fn check_keys_of_blocks(&mut self, site: &Site<'_>, maker: &str) {
        let has = |key: &str| site.part_of(key).is_some();
        let missing = |what: &str, help: &str| {
            Diagnostic::error(
                "missing_key",
                site.key_of(maker),
                format!("`{maker}` needs {what} beside it"),
            )
            .with_help(help.to_owned())
        };
        match maker {
            "switch" => {
                let none = site.part_of("cases").and_then(|n| n.as_map());
                if none.is_none_or(<[_]>::is_empty) && !has("default") {
                    let help =
                        "`cases: {approved: {steps: {…}}}`, and perhaps `default: {steps: {}}`";
                    self.faults.push(missing("`cases`", help));
                }
            }
            _ => {
                let steps = site.part_of("steps").and_then(|n| n.as_map());
                if maker == "for_each" && !has("uses") && !has("steps") {
                    let help = "`steps: {…}`, or `uses` and `with` beside it for a single module";
                    self.faults.push(missing("`steps`", help));
                } else if maker != "for_each" && !has("steps") {
                    self.faults.push(missing(
                        "`steps`",
                        "what is done in each round: `steps: {…}`",
                    ));
                }
                if steps.is_some_and(<[_]>::is_empty) {
                    self.faults.push(Diagnostic::error(
                        "no_steps",
                        site.key_of("steps"),
                        format!("`{}` needs at least one step inside it", site.id),
                    ));
                }
                if maker != "for_each" && !has("max_rounds") {
                    let help = "say how many rounds it may take at most: `max_rounds: 60`";
                    self.faults.push(missing("`max_rounds`", help));
                }
            }
        }
    }

    fn check_keys_of_module(&mut self, site: &Site<'_>) {
        let Some(uses) = &site.step.uses else { return };
        let Some((_, module)) = self.apps.module(uses) else {
            return;
        };
        if module.hold().is_some() && site.part_of("timeout").is_some() {
            self.faults.push(
                Diagnostic::error(
                    "needless_key",
                    site.key_of("timeout"),
                    format!("`{uses}` only waits: it makes no attempt that could take too long"),
                )
                .with_help("how long it waits at most is said in `with`, where the module has `expires`, or by the flow's `limits`"),
            );
        }
        if matches!(module.effect, Effect::Pure | Effect::Read) && site.step.undo.is_some() {
            self.faults.push(
                Diagnostic::warning(
                    "needless_undo",
                    site.key_of("undo"),
                    format!("`{uses}` changes nothing, so there is nothing to take back"),
                )
                .with_help("put `undo` on the step that changed something"),
            );
        }
    }
}

/// What was probably meant by a key that stands alone.
fn meant(key: &str) -> &'static str {
    match key {
        "steps" => {
            "say how they run: `for_each: LIST`, `until: CONDITION`, `while: CONDITION`; steps that run once stand beside this one"
        }
        "outputs" => "a module's output is its own; `core.set` gives others",
        "cases" | "default" => "say what chooses: `switch: steps.find.kind`",
        "every" | "max_rounds" => "say when it ends: `until: steps.get.done`",
        _ => "say what is gone through: `for_each: inputs.lines`",
    }
}
