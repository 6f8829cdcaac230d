//! What is seen from where: a block sees its own steps, then those around it; outside, a step that holds others is one step. So what is
//! named inside it becomes a need of its own.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::{Diagnostic, Span};
use crate::flow::check::Check;
use crate::flow::check::layout::{DO, ON_ERROR, Part, UNDO};
use crate::flow::check::names::Spot;
use crate::flow::plan::{HoldKind, Role};
use crate::flow::{SlotKind, Step};

/// Ids that paths use themselves.
const RESERVED: [&str; 3] = [ON_ERROR, UNDO, DO];

/// A need that a step has because of a step inside it.
#[derive(Debug, Clone, Copy)]
pub(in crate::flow) struct Lifted {
    /// Who needs.
    pub by: usize,
    /// What is needed.
    pub of: usize,
    /// The step whose expression names it, if it is one's.
    pub origin: Option<usize>,
}

impl<'c> Check<'c> {
    /// One id means one step, wherever it is looked at from.
    pub(super) fn check_ids(&mut self) {
        let layout = self.layout;
        for site in &layout.sites {
            let invented = site.part == Part::Inner || layout.scopes[site.scope].role == Role::Undo;
            if invented {
                continue;
            }
            let id = site.id.as_ref();
            if RESERVED.contains(&id) && self.writing() {
                self.faults.push(
                    Diagnostic::error(
                        "reserved_id",
                        site.key,
                        format!("`{id}` means something of its own in the path of a step"),
                    )
                    .with_help("give the step another id"),
                );
            }
            let around = layout.scopes[site.scope].parent;
            if let Some(other) = around.and_then(|scope| layout.find(scope, id)) {
                self.faults.push(
                    Diagnostic::error(
                        "step_twice",
                        site.key,
                        format!("`{id}` stands around this step already, so the name would mean two steps"),
                    )
                    .with_also(layout.sites[other].key, format!("`{id}` is here"))
                    .with_help("give one of them another id"),
                );
            }
        }
    }

    /// Takes down that something looks at a step: who needs it, and who looks at it from further inside. Whether there is something to see.
    pub(super) fn look(&mut self, spot: &Spot, of: usize, span: Span) -> bool {
        let layout = self.layout;
        let around = layout.sites[of].scope;
        // Who looks, from the inside to the block of what is looked at.
        let mut chain: Vec<usize> = Vec::new();
        let own = spot
            .own
            .filter(|own| layout.sites[*own].scope == spot.scope);
        chain.extend(own);
        let (mut at, mut role) = (spot.scope, Role::Root);
        let mut ordered = true;
        while at != around {
            role = layout.scopes[at].role;
            if let Some(owner) = layout.scopes[at].owner {
                chain.push(owner);
                at = layout.sites[owner].scope;
            } else if let Some(parent) = layout.scopes[at].parent {
                // The flow's handler belongs to no step: what it looks at has ended.
                ordered = false;
                at = parent;
            } else {
                return false;
            }
        }
        let by = if ordered { chain.pop() } else { None };
        for inner in chain.iter().copied() {
            self.steps[inner].outer.push(of);
        }
        let Some(by) = by else { return true };
        if by != of {
            if own == Some(by) {
                self.steps[by].needs.push(of);
            } else {
                let origin = spot.own;
                self.lifted.push(Lifted { by, of, origin });
            }
            return true;
        }
        let id = layout.sites[of].id.as_ref();
        match role {
            // An undo looks at what its step gave.
            Role::Undo => return true,
            Role::Handler => self.faults.push(
                Diagnostic::error(
                    "own_output",
                    span,
                    format!("`{id}` has failed here, so it has no output"),
                )
                .with_help("what went wrong is `error`: `error.kind`, `error.code`, `error.message`, `error.step`, `error.help`"),
            ),
            _ if own == Some(by) => {
                self.faults.error("own_output", span, format!("`{id}` cannot use its own output"));
            }
            _ => self.faults.push(
                Diagnostic::error(
                    "own_output",
                    span,
                    format!("this stands inside `{id}`, whose output is there only when it has ended"),
                )
                .with_help("name a step beside this one, or one around it"),
            ),
        }
        false
    }

    /// The steps that `needs` names. They stand in the same block.
    pub(super) fn named_needs(&mut self, number: usize, step: &Step) {
        let layout = self.layout;
        let site = &layout.sites[number];
        if layout.scopes[site.scope].role == Role::Undo {
            // It waits for nothing, and its table knows no `needs`.
            return;
        }
        for (n, need) in step.needs.iter().flatten().enumerate() {
            let node = site.part_of("needs");
            let span = node.map_or_else(Span::default, |node| node.at(&format!("/{n}")).span);
            let name = need.as_str();
            if name == site.id {
                self.faults
                    .error("cycle", span, format!("`{name}` cannot need itself"));
            } else if let Some(found) = layout.scopes[site.scope].by_id.get(name) {
                self.steps[number].needs.push(*found);
                self.used_steps.insert(*found);
            } else if let Some(outer) = layout.find(site.scope, name) {
                let container = layout.container(site.scope, layout.sites[outer].scope);
                let help = match container {
                    Some(around) if around == outer => {
                        format!("this step stands inside `{name}`")
                    }
                    Some(around) => format!(
                        "`{}` around it can wait: write `needs: [{name}]` there",
                        layout.sites[around].id
                    ),
                    None => "it has ended before the flow's `on_error` begins".to_owned(),
                };
                self.faults.push(
                    Diagnostic::error(
                        "needs_elsewhere",
                        span,
                        format!("`needs` names steps beside this one; `{name}` stands further out"),
                    )
                    .with_also(layout.sites[outer].key, format!("`{name}` is here"))
                    .with_help(help),
                );
            } else {
                self.unknown_step(name, site.scope, span);
            }
        }
    }

    /// Puts together what each step needs, when all of them have been looked at.
    pub(super) fn settle_needs(&mut self) {
        self.needs_of_approvers();
        for (number, step) in self.steps.iter().enumerate() {
            let own = step.needs.iter().map(|need| (number, *need));
            self.own_needs.extend(own);
        }
        let mut lifted: HashMap<usize, BTreeMap<usize, bool>> = HashMap::new();
        for Lifted { by, of, origin } in std::mem::take(&mut self.lifted) {
            // It is no loss if whoever asks for it asks whether it is there.
            let guarded = origin.is_some_and(|origin| self.steps[origin].guarded.contains(&of));
            let soft = lifted.entry(by).or_default().entry(of).or_insert(true);
            *soft &= guarded;
        }
        for (by, needs) in lifted {
            let step = &mut self.steps[by];
            for (of, soft) in needs {
                if soft && !step.needs.contains(&of) {
                    step.guarded.push(of);
                }
                step.needs.push(of);
            }
        }
        for (number, step) in self.steps.iter_mut().enumerate() {
            let scope = self.layout.sites[number].scope;
            // A condition may also ask of a step further out: its container minds that.
            step.guarded
                .retain(|of| self.layout.sites[*of].scope == scope);
            for list in [&mut step.needs, &mut step.outer, &mut step.guarded] {
                list.sort_unstable();
                list.dedup();
            }
        }
    }

    /// Whoever acts as the one who decides an approval waits for it.
    fn needs_of_approvers(&mut self) {
        let layout = self.layout;
        let approvals: Vec<Option<usize>> = self
            .flow
            .connections
            .values()
            .map(|slot| match &slot.kind {
                SlotKind::Dynamic(dynamic) if dynamic.switched_off().is_none() => {
                    let of = dynamic.of.as_ref()?;
                    let of = *layout.scopes[0].by_id.get(of.as_str())?;
                    let (_, module) = self.steps[of].module()?;
                    // Of anything else it was told that it is no approval.
                    (module.hold() == Some(HoldKind::Approve)).then_some(of)
                }
                _ => None,
            })
            .collect();
        if approvals.iter().all(Option::is_none) {
            return;
        }
        for (number, site) in layout.sites.iter().enumerate() {
            let handed = self.steps[number].hands.iter().map(|(_, slot)| *slot);
            let slots: Vec<usize> = self.steps[number].slot.into_iter().chain(handed).collect();
            for slot in slots {
                if let Some(Some(approval)) = approvals.get(slot) {
                    let span = site.at("connection");
                    self.look(&Spot::of(site, number), *approval, span);
                }
            }
        }
    }
}
