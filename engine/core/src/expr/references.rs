//! What an expression names, found without evaluating it: the edges of the graph, and what `validate` checks.

use std::ops::Range;

use serde_json::Value;

use crate::expr::References;
use crate::expr::syntax::{Args, Expression, Kind, Node};

/// One thing an expression names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The JSON pointer of the text it stands in; empty for a condition.
    pub pointer: String,
    /// Its bytes in that text.
    pub range: Range<usize>,
    /// What it names, part by part, as far as it is literal: `["steps", "find", "records"]`; `["always()"]` for a call.
    pub path: Vec<String>,
    /// Whether it stands under `is defined` or `default`.
    pub guarded: bool,
    /// Whether the value of the text is exactly this, with its type.
    pub whole: bool,
}

impl References {
    pub(super) fn of(found: &[Reference]) -> Self {
        let mut references = Self::default();
        for reference in found {
            match reference.path.as_slice() {
                [call] if call.ends_with("()") => references.asks_of_failure = true,
                path => {
                    references.paths.insert(path.join("."));
                    if let (true, [root, step, ..]) = (reference.guarded, path)
                        && root == "steps"
                    {
                        references.guarded.insert(step.clone());
                    }
                }
            }
        }
        references
    }
}

/// Adds everything an expression names. `native` says that its value is not made part of a text.
pub(super) fn collect(
    expression: &Expression,
    pointer: &str,
    native: bool,
    found: &mut Vec<Reference>,
) {
    let root = &expression.root;
    let whole = native && literal_path(root).is_some_and(|(_, at)| at == root.at);
    let before = found.len();
    let mut walk = Walk {
        pointer,
        offset: expression.offset,
        found,
    };
    walk.node(root, false);
    if let (true, Some(first)) = (whole, found.get_mut(before)) {
        first.whole = true;
    }
}

struct Walk<'w> {
    pointer: &'w str,
    offset: usize,
    found: &'w mut Vec<Reference>,
}

impl Walk<'_> {
    fn keep(&mut self, path: Vec<String>, at: &Range<usize>, guarded: bool) {
        self.found.push(Reference {
            pointer: self.pointer.to_owned(),
            range: at.start + self.offset..at.end + self.offset,
            path,
            guarded,
            whole: false,
        });
    }

    fn node(&mut self, node: &Node, guarded: bool) {
        if let Some((path, at)) = literal_path(node) {
            self.keep(path, &at, guarded);
            self.subscripts(node);
            return;
        }
        match &node.kind {
            Kind::Literal(_) | Kind::Root(_) | Kind::Step(_) => {}
            Kind::Field(base, _) => self.node(base, guarded),
            Kind::Item(base, item) => {
                self.node(base, guarded);
                self.node(item, false);
            }
            Kind::Slice(base, start, stop) => {
                self.node(base, false);
                start
                    .iter()
                    .chain(stop)
                    .for_each(|bound| self.node(bound, false));
            }
            Kind::Not(inner) | Kind::Negate(inner) => self.node(inner, false),
            Kind::And(left, right) | Kind::Or(left, right) | Kind::Binary(_, left, right) => {
                self.node(left, false);
                self.node(right, false);
            }
            Kind::Compare(first, rest) => {
                self.node(first, false);
                rest.iter().for_each(|(_, node)| self.node(node, false));
            }
            Kind::If { test, yes, no } => {
                for node in [test, yes, no] {
                    self.node(node, false);
                }
            }
            Kind::Filter(filter, inner, args) => {
                self.node(inner, filter.takes_missing);
                self.args(args);
            }
            Kind::Test(test, inner, args) => {
                self.node(inner, test.takes_missing);
                self.args(args);
            }
            Kind::Call(function, args) => {
                if matches!(function.name, "always" | "failure") {
                    self.keep(vec![format!("{}()", function.name)], &node.at, false);
                }
                if function.takes_missing {
                    args.placed.iter().for_each(|arg| self.node(arg, true));
                } else {
                    self.args(args);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.node(item, false)),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    self.node(key, false);
                    self.node(value, false);
                }
            }
        }
    }

    fn args(&mut self, args: &Args) {
        args.placed.iter().for_each(|arg| self.node(arg, false));
        args.named.iter().for_each(|(_, arg)| self.node(arg, false));
    }

    /// What stands in the brackets along a path.
    fn subscripts(&mut self, node: &Node) {
        match &node.kind {
            Kind::Field(base, _) => self.subscripts(base),
            Kind::Item(base, item) => {
                self.subscripts(base);
                self.node(item, false);
            }
            _ => {}
        }
    }
}

/// The literal beginning of a chain of names, up to the first position in a list or computed part, and its bytes.
fn literal_path(node: &Node) -> Option<(Vec<String>, Range<usize>)> {
    match &node.kind {
        Kind::Root(name) => Some((vec![name.to_string()], node.at.clone())),
        Kind::Step(id) => Some((vec!["steps".to_owned(), id.to_string()], node.at.clone())),
        Kind::Field(base, name) => {
            let (mut path, at) = literal_path(base)?;
            if at != base.at {
                return Some((path, at));
            }
            path.push(name.to_string());
            Some((path, node.at.clone()))
        }
        Kind::Item(base, item) => {
            let found = literal_path(base)?;
            debug_assert!(
                !matches!(item.kind, Kind::Literal(Value::String(_))),
                "literal names are fields"
            );
            Some(found)
        }
        _ => None,
    }
}
