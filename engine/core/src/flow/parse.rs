//! From the text of a file to a [`Draft`], with every fault at once.

use crate::app::Apps;
use crate::diagnostic::{Diagnostic, Faults};
use crate::flow::check::layout::Layout;
use crate::flow::check::{self, Places};
use crate::flow::{Draft, decode, language, shape};
use crate::yaml;

/// What came of a file.
#[derive(Debug)]
pub struct Parsed {
    /// The draft, if no error stands among the diagnostics.
    pub draft: Option<Draft>,
    /// All faults, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks one flow file against the apps there are.
pub fn parse(text: &str, apps: &Apps) -> Parsed {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(diagnostics) => {
            return Parsed {
                draft: None,
                diagnostics,
            };
        }
    };
    let mut faults = Faults::default();
    shape::check(&language::FLOW, &root, &mut faults);
    if root.as_map().is_none() {
        return Parsed {
            draft: None,
            diagnostics: faults.finish(),
        };
    }
    let mut draft = decode::draft(&root);
    if root
        .get("steps")
        .and_then(yaml::Node::as_map)
        .is_some_and(<[_]>::is_empty)
    {
        let span = root
            .entry("steps")
            .map_or(root.span, |entry| entry.key_span);
        faults.error("no_steps", span, "a flow needs at least one step");
    }
    let layout = Layout::of(&draft.flow, Some(&root));
    let checked = check::check(&draft.flow, apps, &layout, Places::of(Some(&root)));
    faults.extend(checked.faults.finish());
    let good = !faults.has_errors();
    if good {
        let mut slots = layout.slots(&checked.steps).into_iter();
        let names: Vec<_> = draft.flow.connections.keys().cloned().collect();
        draft.flow.each_step_mut(&mut |step| {
            let slot = slots.next().flatten();
            step.connection = slot.and_then(|slot| names.get(slot).cloned());
        });
    }
    Parsed {
        draft: good.then_some(draft),
        diagnostics: faults.finish(),
    }
}
