//! The order of steps: no cycles, and no two effects whose order was left to chance without anybody saying so.

use crate::diagnostic::{Diagnostic, Span};
use crate::flow::check::Check;
use crate::flow::check::layout::Site;
use crate::flow::graph::{Graph, holds};

/// Steps named in one warning; the rest are counted.
const MOST_NAMED: usize = 4;

impl Check<'_> {
    pub(super) fn check_order(&mut self) {
        for scope in 0..self.layout.scopes.len() {
            let members = &self.layout.scopes[scope].members;
            // Most blocks are small, and a single step has no order.
            if members.len() > 1 || members.iter().any(|m| !self.steps[*m].needs.is_empty()) {
                self.check_order_of(members);
            }
        }
    }

    fn check_order_of(&mut self, members: &[usize]) {
        let place = |number: &usize| members.binary_search(number).ok();
        let needs = |member: &usize| {
            let needs = self.steps[*member].needs.iter();
            needs.filter_map(place).collect()
        };
        let graph = Graph::new(members.iter().map(needs).collect());
        let cycles = graph.cycles();
        for cycle in &cycles {
            let steps: Vec<usize> = cycle.iter().map(|place| members[*place]).collect();
            let first = steps.first().copied().unwrap_or_default();
            let span = self.layout.sites[first].key;
            self.faults.push(
                Diagnostic::error("cycle", span, format!("steps wait for one another: {}", self.path_of(&steps)))
                    .with_help("an arrow reads *needs*: by `needs`, or because an expression names the other's output"),
            );
        }
        if cycles.is_empty() && self.writing() {
            self.warn_of_unordered_effects(members, &graph);
        }
    }

    /// A cycle as a path; where a step inside another looks further, it is named.
    fn path_of(&self, steps: &[usize]) -> String {
        let mut names = Vec::with_capacity(steps.len());
        for (n, step) in steps.iter().enumerate() {
            let site = &self.layout.sites[*step];
            let next = steps.get(n + 1);
            let own = next.is_none_or(|next| self.own_needs.contains(&(*step, *next)));
            let inner = next
                .filter(|_| !own)
                .and_then(|next| self.who_looks(site, *next));
            names.push(match inner {
                Some(inner) => format!("`{}` (by `{inner}`)", site.id),
                None => format!("`{}`", site.id),
            });
        }
        names.join(" → ")
    }

    /// The step inside another that looks at a third.
    fn who_looks(&self, site: &Site<'_>, at: usize) -> Option<&str> {
        site.blocks().find_map(|block| {
            self.layout.scopes[block].members.iter().find_map(|inner| {
                let found = self.steps[*inner].outer.binary_search(&at).is_ok();
                let inner = &self.layout.sites[*inner];
                found.then(|| self.who_looks(inner, at).unwrap_or(&inner.path))
            })
        })
    }

    /// Two steps with effects, no path between them, and neither says `needs`.
    fn warn_of_unordered_effects(&mut self, members: &[usize], graph: &Graph) {
        let layout = self.layout;
        let silent: Vec<usize> = (0..members.len())
            .filter(|place| {
                let number = members[*place];
                layout.sites[number].step.needs.is_none() && self.acts(number)
            })
            .collect();
        if silent.len() < 2 {
            return;
        }
        let id = |place: usize| layout.sites[members[place]].id.as_ref();
        let before = graph.before();
        for (n, later) in silent.iter().enumerate() {
            let unordered = silent[..n].iter().copied().filter(|earlier| {
                !holds(&before[*later], *earlier) && !holds(&before[*earlier], *later)
            });
            let (mut count, mut named, mut last) = (0, Vec::new(), 0);
            for place in unordered {
                count += 1;
                last = place;
                if named.len() < MOST_NAMED {
                    named.push(id(place));
                }
            }
            let Some(first) = named.first() else { continue };
            let others = match count {
                1 => format!("`{first}`"),
                count if count > named.len() => {
                    format!("{} and {} more", ticked(&named, ", "), count - named.len())
                }
                _ => ticked(&named, " and "),
            };
            // Of many, waiting for the last is enough: it is told to wait for the ones before it.
            let wait_for = if count > named.len() {
                id(last).to_owned()
            } else {
                named.join(", ")
            };
            let message = format!(
                "`{}` runs at the same time as {others}: add `needs: [{wait_for}]`, or `needs: []` if meant",
                id(*later)
            );
            let span = layout.sites[members[*later]].key;
            let first_of_all = self.layout.scopes[layout.sites[members[0]].scope]
                .by_id
                .get(*first);
            let also = first_of_all.map_or_else(Span::default, |first| layout.sites[*first].key);
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
