//! The order of steps: no cycles, and no two effects whose order was left to chance without anybody saying so.

use crate::app::Effect;
use crate::diagnostic::{Diagnostic, Span};
use crate::flow::check::Check;
use crate::flow::graph::{Graph, holds};

/// Steps named in one warning; the rest are counted.
const MOST_NAMED: usize = 4;

impl Check<'_> {
    pub(super) fn check_order(&mut self) {
        let graph = Graph::new(self.steps.iter().map(|step| step.needs.clone()).collect());
        let cycles = graph.cycles();
        for cycle in &cycles {
            let names: Vec<String> = cycle
                .iter()
                .map(|step| format!("`{}`", self.id(*step)))
                .collect();
            let span = cycle.first().map_or_else(Span::default, |step| {
                self.places.key(&["steps", self.id(*step)])
            });
            self.faults.push(
                Diagnostic::error("cycle", span, format!("steps wait for one another: {}", names.join(" → ")))
                    .with_help("an arrow reads *needs*: by `needs`, or because an expression names the other's output"),
            );
        }
        if cycles.is_empty() && self.places.0.is_some() {
            self.warn_of_unordered_effects(&graph);
        }
    }

    fn id(&self, step: usize) -> &str {
        self.flow
            .steps
            .get_index(step)
            .map_or("", |(id, _)| id.as_str())
    }

    /// Two steps with effects, no path between them, and neither says `needs`.
    fn warn_of_unordered_effects(&mut self, graph: &Graph) {
        let before = graph.before();
        let silent: Vec<usize> = self
            .flow
            .steps
            .values()
            .enumerate()
            .filter(|(number, step)| {
                let effect = self.steps.get(*number).map(|checked| checked.effect);
                step.needs.is_none()
                    && matches!(effect, Some(Effect::Idempotent | Effect::AtMostOnce))
            })
            .map(|(number, _)| number)
            .collect();
        for (n, later) in silent.iter().enumerate() {
            let unordered: Vec<usize> = silent[..n]
                .iter()
                .copied()
                .filter(|earlier| {
                    !holds(&before[*later], *earlier) && !holds(&before[*earlier], *later)
                })
                .collect();
            let named: Vec<&str> = unordered
                .iter()
                .take(MOST_NAMED)
                .map(|step| self.id(*step))
                .collect();
            let Some(first) = named.first() else { continue };
            let others = match unordered.len() {
                1 => format!("`{first}`"),
                count if count > named.len() => {
                    format!("{} and {} more", ticked(&named, ", "), count - named.len())
                }
                _ => ticked(&named, " and "),
            };
            let id = self.id(*later);
            // Of many, waiting for the last is enough: it is told to wait for the ones before it.
            let wait_for = match unordered.last() {
                Some(last) if unordered.len() > named.len() => self.id(*last).to_owned(),
                _ => named.join(", "),
            };
            let message = format!(
                "`{id}` runs at the same time as {others}: add `needs: [{wait_for}]`, or `needs: []` if meant"
            );
            let (span, also) = (
                self.places.key(&["steps", id]),
                self.places.key(&["steps", first]),
            );
            let note = format!("`{first}` is here");
            self.faults.push(
                Diagnostic::warning("unordered_effects", span, message).with_also(also, note),
            );
        }
    }
}

fn ticked(names: &[&str], between: &str) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(between)
}
