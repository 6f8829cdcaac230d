//! The steps of a flow laid out: every step of every block once, in the order of the file, with its place and what stands around it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::Span;
use crate::flow::check::CheckedStep;
use crate::flow::plan::Role;
use crate::flow::{Body, Flow, OnError, Step};
use crate::ids::StepId;
use crate::yaml::Node;

/// The id of the one step of a loop that stands beside `uses`.
pub(in crate::flow) const DO: &str = "do";
/// The id of the one step of an undo.
pub(in crate::flow) const UNDO: &str = "undo";
/// The part of a path that stands for a handler.
pub(in crate::flow) const ON_ERROR: &str = "on_error";

/// All steps of a flow.
#[derive(Debug)]
pub(in crate::flow) struct Layout<'c> {
    /// The steps, each before those inside it.
    pub sites: Vec<Site<'c>>,
    /// The blocks; the first is the flow's own.
    pub scopes: Vec<Scope<'c>>,
}

/// What keys of a step count: those of a loop beside `uses` are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::flow) enum Part {
    /// All of them.
    Whole,
    /// Those of the loop.
    Loop,
    /// Those of the module inside it.
    Inner,
}

/// One step.
#[derive(Debug)]
pub(in crate::flow) struct Site<'c> {
    pub id: Cow<'c, str>,
    pub step: &'c Step,
    pub part: Part,
    /// The block it stands in.
    pub scope: usize,
    /// What was written of it, if there is a file.
    pub node: Option<&'c Node>,
    /// Where its id stands.
    pub key: Span,
    /// `lines/add`.
    pub path: String,
    /// The block of a loop.
    pub body: Option<usize>,
    /// The blocks of a choice, by value.
    pub cases: Vec<(&'c str, usize)>,
    pub default: Option<usize>,
    pub handler: Option<usize>,
    pub undo: Option<usize>,
}

/// One block.
#[derive(Debug)]
pub(in crate::flow) struct Scope<'c> {
    /// The step it belongs to.
    pub owner: Option<usize>,
    /// The block around it.
    pub parent: Option<usize>,
    pub role: Role,
    /// Its steps.
    pub members: Vec<usize>,
    pub by_id: HashMap<Cow<'c, str>, usize>,
    /// The ids written, also of steps that could not be read.
    pub written: Vec<&'c str>,
    /// What it gives, where that was said.
    pub outputs: Option<&'c IndexMap<String, Value>>,
    /// What was written of the map with `steps` and `outputs`.
    pub node: Option<&'c Node>,
}

impl<'c> Site<'c> {
    /// What was written behind one of its keys.
    pub fn part_of(&self, key: &str) -> Option<&'c Node> {
        self.node?.get(key)
    }

    /// Where the value of one of its keys stands.
    pub fn at(&self, key: &str) -> Span {
        self.part_of(key).map_or(self.key, |node| node.span)
    }

    /// Where one of its keys stands.
    pub fn key_of(&self, key: &str) -> Span {
        let entry = self.node.and_then(|node| node.entry(key));
        entry.map_or(self.key, |entry| entry.key_span)
    }

    /// The blocks inside it.
    pub fn blocks(&self) -> impl Iterator<Item = usize> {
        let cases = self.cases.iter().map(|(_, block)| *block);
        let others = [self.default, self.handler, self.undo];
        self.body
            .into_iter()
            .chain(cases)
            .chain(others.into_iter().flatten())
    }
}

impl<'c> Layout<'c> {
    pub fn of(flow: &'c Flow, root: Option<&'c Node>) -> Self {
        let mut layout = Self {
            sites: Vec::new(),
            scopes: Vec::new(),
        };
        let scope = layout.scope(None, Role::Root, Some(&flow.outputs), root);
        layout.steps(scope, &flow.steps, root.and_then(|n| n.get("steps")), "");
        if let Some(OnError::Handle(body)) = &flow.on_error {
            let node = root.and_then(|node| node.get(ON_ERROR));
            let handler = layout.scope(None, Role::FlowHandler, body.outputs.as_ref(), node);
            let prefix = format!("{ON_ERROR}/");
            let steps = node.and_then(|node| node.get("steps"));
            layout.steps(handler, &body.steps, steps, &prefix);
        }
        layout
    }

    fn scope(
        &mut self,
        owner: Option<usize>,
        role: Role,
        outputs: Option<&'c IndexMap<String, Value>>,
        node: Option<&'c Node>,
    ) -> usize {
        let parent = match owner {
            Some(owner) => Some(self.sites[owner].scope),
            None => (role != Role::Root).then_some(0),
        };
        self.scopes.push(Scope {
            owner,
            parent,
            role,
            members: Vec::new(),
            by_id: HashMap::new(),
            written: Vec::new(),
            outputs,
            node,
        });
        self.scopes.len() - 1
    }

    fn steps(
        &mut self,
        scope: usize,
        steps: &'c IndexMap<StepId, Step>,
        node: Option<&'c Node>,
        prefix: &str,
    ) {
        let entries = node.and_then(Node::as_map).unwrap_or_default();
        self.scopes[scope].written = if node.is_some() {
            entries.iter().map(|entry| entry.key.as_str()).collect()
        } else {
            steps.keys().map(StepId::as_str).collect()
        };
        let entries: HashMap<&str, _> = entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry))
            .collect();
        for (id, step) in steps {
            let entry = entries.get(id.as_str());
            self.site(Site {
                id: Cow::Borrowed(id.as_str()),
                step,
                part: Part::Whole,
                scope,
                node: entry.map(|entry| &entry.value),
                key: entry.map_or_else(Span::default, |entry| entry.key_span),
                path: format!("{prefix}{id}"),
                body: None,
                cases: Vec::new(),
                default: None,
                handler: None,
                undo: None,
            });
        }
    }

    /// Adds a step and all inside it.
    fn site(&mut self, site: Site<'c>) {
        let (number, step, node) = (self.sites.len(), site.step, site.node);
        let (path, scope, part, key) = (site.path.clone(), site.scope, site.part, site.key);
        self.scopes[scope].members.push(number);
        self.scopes[scope].by_id.insert(site.id.clone(), number);
        self.sites.push(site);
        if part == Part::Inner {
            return;
        }
        if step.for_each.is_some() && step.steps.is_none() && step.uses.is_some() {
            let body = self.scope(Some(number), Role::Item, None, node);
            self.sites[number].part = Part::Loop;
            self.sites[number].body = Some(body);
            self.inner(body, DO, step, node, key, &path, Part::Inner);
        } else if let Some(steps) = &step.steps {
            let role = if step.for_each.is_some() {
                Role::Item
            } else {
                Role::Round
            };
            let body = self.scope(Some(number), role, step.outputs.as_ref(), node);
            self.sites[number].body = Some(body);
            let node = node.and_then(|node| node.get("steps"));
            self.steps(body, steps, node, &format!("{path}/"));
        }
        let cases: HashMap<&str, &Node> = node
            .and_then(|node| node.get("cases")?.as_map())
            .unwrap_or_default()
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.value))
            .collect();
        for (name, case) in &step.cases {
            let node = cases.get(name.as_str()).copied();
            let block = self.body(number, Role::Case, case, node, &format!("{path}/"));
            self.sites[number].cases.push((name, block));
        }
        if let Some(case) = &step.default_case {
            let node = node.and_then(|node| node.get("default"));
            let block = self.body(number, Role::Case, case, node, &format!("{path}/"));
            self.sites[number].default = Some(block);
        }
        if let Some(OnError::Handle(body)) = &step.on_error {
            let node = node.and_then(|node| node.get(ON_ERROR));
            let prefix = format!("{path}/{ON_ERROR}/");
            let block = self.body(number, Role::Handler, body, node, &prefix);
            self.sites[number].handler = Some(block);
        }
        if let Some(undo) = &step.undo {
            let node = node.and_then(|node| node.get(UNDO));
            let block = self.scope(Some(number), Role::Undo, None, node);
            self.sites[number].undo = Some(block);
            let key = self.sites[number].key_of(UNDO);
            self.inner(block, UNDO, undo, node, key, &path, Part::Whole);
        }
    }

    fn body(
        &mut self,
        owner: usize,
        role: Role,
        body: &'c Body,
        node: Option<&'c Node>,
        prefix: &str,
    ) -> usize {
        let block = self.scope(Some(owner), role, body.outputs.as_ref(), node);
        let steps = node.and_then(|node| node.get("steps"));
        self.steps(block, &body.steps, steps, prefix);
        block
    }

    /// The one step of a block that nobody wrote an id for.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step")]
    fn inner(
        &mut self,
        scope: usize,
        id: &'static str,
        step: &'c Step,
        node: Option<&'c Node>,
        key: Span,
        path: &str,
        part: Part,
    ) {
        self.site(Site {
            id: Cow::Borrowed(id),
            step,
            part,
            scope,
            node,
            key,
            path: format!("{path}/{id}"),
            body: None,
            cases: Vec::new(),
            default: None,
            handler: None,
            undo: None,
        });
    }

    /// The slots of all steps that somebody wrote, in the order of the file: that of a loop beside `uses` is the module's.
    pub fn slots(&self, steps: &[CheckedStep]) -> Vec<Option<usize>> {
        let written = self.sites.iter().zip(steps);
        written
            .filter(|(site, _)| site.part != Part::Inner)
            .map(|(site, step)| match (site.part, site.body) {
                (Part::Loop, Some(body)) => {
                    let inner = self.scopes[body].members.first();
                    inner.and_then(|inner| steps.get(*inner)?.slot)
                }
                _ => step.slot,
            })
            .collect()
    }

    /// A step by its id as seen from a block: its own, then those around it. Gives the step and the block it stands in.
    pub fn find(&self, scope: usize, id: &str) -> Option<usize> {
        self.around(scope)
            .find_map(|scope| self.scopes[scope].by_id.get(id).copied())
    }

    /// A block and those around it, from the inside.
    pub fn around(&self, scope: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(scope), |scope| self.scopes[*scope].parent)
    }

    /// The ids of all steps that are seen from a block.
    pub fn seen(&self, scope: usize) -> impl Iterator<Item = &'c str> {
        let mut known = HashSet::new();
        self.around(scope)
            .flat_map(|scope| self.scopes[scope].written.iter().copied())
            .filter(move |id| known.insert(*id))
    }

    /// Whether a step of this id was written where it is seen from a block, perhaps so that it could not be read.
    pub fn was_written(&self, scope: usize, id: &str) -> bool {
        self.around(scope)
            .any(|scope| self.scopes[scope].written.contains(&id))
    }

    /// The step of a block inside which another block stands; none if it stands in the flow's handler.
    pub fn container(&self, scope: usize, around: usize) -> Option<usize> {
        let mut at = scope;
        loop {
            let owner = self.scopes[at].owner?;
            at = self.sites[owner].scope;
            if at == around {
                return Some(owner);
            }
        }
    }
}

impl Flow {
    /// Calls a function for each step, those inside others included, in the order of the file.
    pub(in crate::flow) fn each_step_mut(&mut self, each: &mut impl FnMut(&mut Step)) {
        steps_mut(&mut self.steps, each);
        if let Some(OnError::Handle(body)) = &mut self.on_error {
            steps_mut(&mut body.steps, each);
        }
    }
}

fn steps_mut(steps: &mut IndexMap<StepId, Step>, each: &mut impl FnMut(&mut Step)) {
    for step in steps.values_mut() {
        step_mut(step, each);
    }
}

/// A step and those inside it, in the order of the layout.
fn step_mut(step: &mut Step, each: &mut impl FnMut(&mut Step)) {
    each(step);
    if let Some(steps) = &mut step.steps {
        steps_mut(steps, each);
    }
    for case in step.cases.values_mut().chain(&mut step.default_case) {
        steps_mut(&mut case.steps, each);
    }
    if let Some(OnError::Handle(body)) = &mut step.on_error {
        steps_mut(&mut body.steps, each);
    }
    if let Some(undo) = &mut step.undo {
        step_mut(undo, each);
    }
}
