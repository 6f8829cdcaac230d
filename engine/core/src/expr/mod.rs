//! Expressions: Jinja expressions over data only, compiled once, bounded by counts. No expression can name a secret, because none is
//! in the data.
//!
//! The grammar is Jinja's, read by minijinja's parser; what an expression *means* is defined here, so that the meaning of a published
//! version does not change with a library. There are no statements, no loops, no assignments, no methods, no clock.

mod budget;
mod eval;
mod filters;
mod functions;
mod moment;
mod operators;
mod pattern;
mod reference;
mod references;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::StepError;
use eval::Machine;
use syntax::Expression;

pub use budget::{MAX_BYTES, MAX_FUEL, MAX_RESULT_DEPTH};
pub use reference::{Entry, manual, page};
pub use references::Reference;
pub(crate) use text::braces;

/// What an expression may look at. Values are shared, never copied per evaluation.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The roots by name: `inputs`, `vars`, `run`, …; in manifests `input`, `connection`, `response`.
    pub roots: Vec<(&'static str, Arc<Value>)>,
    /// Outputs of the steps that have ended, by id: what `steps.<id>` finds; the nearest scope's first. A skipped step is undefined.
    pub steps: Vec<(Arc<str>, Arc<Value>)>,
    /// What the roots `item` and `index` are, in a loop.
    pub item: Option<Item>,
    /// True if some step has failed: what `failure()` answers.
    pub failed: bool,
}

/// One item of a list that a loop goes through. The list is shared by all its items, and none of them is copied.
#[derive(Debug, Clone)]
pub struct Item {
    list: Arc<Value>,
    place: usize,
    index: Value,
}

impl Item {
    /// The item at a place of a list; `index` is its number in the whole loop, of which the list may be a part.
    pub fn new(list: Arc<Value>, place: usize, index: u64) -> Self {
        Self {
            list,
            place,
            index: Value::from(index),
        }
    }

    /// The same item, with another number as its `index`.
    #[must_use]
    pub fn numbered(self, index: u64) -> Self {
        Self {
            index: Value::from(index),
            ..self
        }
    }

    /// The item; none if the list has no such place.
    pub fn value(&self) -> Option<&Value> {
        self.list.get(self.place)
    }

    /// Its number.
    pub fn number(&self) -> &Value {
        &self.index
    }
}

impl Scope {
    /// What a root is: the item of a loop before a root of the same name.
    fn root(&self, name: &str) -> Option<&Value> {
        let of_item = match (name, &self.item) {
            ("item", Some(item)) => item.value(),
            ("index", Some(item)) => Some(&item.index),
            _ => None,
        };
        of_item.or_else(|| {
            let mut roots = self.roots.iter();
            roots
                .find(|(root, _)| *root == name)
                .map(|(_, value)| &**value)
        })
    }
}

/// A value that may hold expressions: JSON whose texts were compiled.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Part,
}

/// One compiled value of a template.
#[derive(Debug, Clone)]
enum Part {
    /// No expression in it.
    Literal(Value),
    /// Exactly one expression: its value keeps its type.
    Native(Expression),
    /// Text around expressions.
    Text(Vec<Piece>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

/// A piece of a text.
#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Expression(Expression),
}

/// What an evaluation spends, or may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// About as many elementary steps.
    pub fuel: u64,
    /// What was made, intermediate values included.
    pub bytes: u64,
}

impl Spent {
    /// What every evaluation may spend.
    pub const fn most() -> Self {
        Self {
            fuel: MAX_FUEL,
            bytes: MAX_BYTES,
        }
    }
}

/// One expression that must give a boolean.
#[derive(Debug, Clone)]
pub struct Condition {
    expression: Expression,
}

/// What a compiled expression looks at, for edges and checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Dotted paths as written, as far as they are literal: `steps.find.records`, `inputs.customer`, `run.user.name`.
    pub paths: BTreeSet<String>,
    /// Calls `always()` or `failure()`.
    pub asks_of_failure: bool,
    /// Steps asked `is defined` of, or given a `default`.
    pub guarded: BTreeSet<String>,
}

/// What a text is to the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// No expression in it.
    Literal,
    /// Exactly one expression: the value has whatever type it gives.
    Whole,
    /// Text around expressions: the value is a text.
    Mixed,
}

/// Tells what a text is, without compiling it.
pub fn text_kind(text: &str) -> TextKind {
    text::kind(text)
}

/// Where in a text an expression is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprFault {
    /// Byte offset in the text.
    pub start: usize,
    /// Byte offset of the end.
    pub end: usize,
    /// A lowercase fragment.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Template {
    /// Compiles a JSON value; a text that is exactly one `{{ … }}` keeps its type, other text makes a string.
    ///
    /// # Errors
    /// Every fault, with the JSON pointer of the text it is in.
    pub fn compile(source: &Value) -> Result<Self, Vec<(String, ExprFault)>> {
        match Self::compile_what_is_good(source) {
            (template, faults) if faults.is_empty() => Ok(template),
            (_, faults) => Err(faults),
        }
    }

    /// Compiles one expression of any type; braces around the whole are optional.
    ///
    /// # Errors
    /// The fault, with its place in the text.
    pub fn expression(source: &str) -> Result<Self, ExprFault> {
        let inside = text::bare(source)?;
        let expression = syntax::parse(&source[inside.clone()], inside.start)?;
        Ok(Self {
            parts: Part::Native(expression),
        })
    }

    /// Compiles what can be compiled, so that the rest can still be checked, and gives every fault.
    pub(crate) fn compile_what_is_good(source: &Value) -> (Self, Vec<(String, ExprFault)>) {
        let mut faults = Vec::new();
        let parts = compile(source, &mut String::new(), &mut faults);
        (Self { parts }, faults)
    }

    /// What it looks at.
    pub fn references(&self) -> References {
        References::of(&self.references_with_places())
    }

    /// Everything it names, with the JSON pointer of the text and the bytes in it.
    pub fn references_with_places(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        visit(
            &self.parts,
            &mut String::new(),
            &mut |pointer, expression, native| {
                references::collect(expression, pointer, native, &mut found);
            },
        );
        found
    }

    /// Whether there is no expression in it: it is the same in every scope.
    pub fn is_literal(&self) -> bool {
        matches!(self.parts, Part::Literal(_))
    }

    /// Its value in a scope.
    ///
    /// # Errors
    /// `invalid_input` naming the path that is missing, or the budget that ran out.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, StepError> {
        self.evaluate_within(scope, Spent::most()).0
    }

    /// Its value in a scope, for those who only look at it: a whole root or output stays shared, nothing of it is copied.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_shared(&self, scope: &Scope) -> Result<Arc<Value>, StepError> {
        let Part::Native(expression) = &self.parts else {
            return self.evaluate(scope).map(Arc::new);
        };
        let mut machine = Machine::new(scope, Spent::most());
        let value = machine.whole(expression).map_err(|fail| *fail)?;
        budget::check_depth(&value).map_err(|fail| *fail)?;
        Ok(value)
    }

    /// Its value in a scope for at most so much fuel and so many bytes, and what was spent on it.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_within(&self, scope: &Scope, most: Spent) -> (Result<Value, StepError>, Spent) {
        let mut machine = Machine::new(scope, most);
        let value = machine.template(&self.parts);
        let value = value.and_then(|value| {
            budget::check_depth(&value)?;
            Ok(value)
        });
        let spent = Spent {
            fuel: most.fuel - machine.fuel,
            bytes: most.bytes - machine.bytes,
        };
        (value.map_err(|fail| *fail), spent)
    }
}

impl Condition {
    /// Compiles one expression; braces around the whole are optional.
    ///
    /// # Errors
    /// The fault, with its place in the text.
    pub fn compile(source: &str) -> Result<Self, ExprFault> {
        let inside = text::bare(source)?;
        let expression = syntax::parse(&source[inside.clone()], inside.start)?;
        Ok(Self { expression })
    }

    /// What it looks at.
    pub fn references(&self) -> References {
        References::of(&self.references_with_places())
    }

    /// Everything it names, with the bytes in its text.
    pub fn references_with_places(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        references::collect(&self.expression, "", true, &mut found);
        found
    }

    /// True or false.
    ///
    /// # Errors
    /// `invalid_input` if the value is not a boolean or something named is missing.
    pub fn evaluate(&self, scope: &Scope) -> Result<bool, StepError> {
        Machine::new(scope, Spent::most())
            .condition(&self.expression)
            .map_err(|fail| *fail)
    }
}

/// Reads the JSON text of a value with the characters RFC 6901 escapes in a pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn compile(source: &Value, pointer: &mut String, faults: &mut Vec<(String, ExprFault)>) -> Part {
    let here = pointer.len();
    let part = match source {
        Value::String(written) => text::compile(written).unwrap_or_else(|found| {
            faults.extend(found.into_iter().map(|fault| (pointer.clone(), fault)));
            Part::Literal(Value::Null)
        }),
        Value::Array(items) => {
            let parts = items.iter().enumerate().map(|(n, item)| {
                pointer.push_str(&format!("/{n}"));
                let part = compile(item, pointer, faults);
                pointer.truncate(here);
                part
            });
            list(parts.collect())
        }
        Value::Object(fields) => {
            let parts = fields.iter().map(|(key, value)| {
                pointer.push('/');
                pointer.push_str(&escape(key));
                if key.contains("{{") {
                    faults.push((
                        pointer.clone(),
                        ExprFault {
                            start: 0,
                            end: 0,
                            message: format!(
                                "the key `{key}` holds an expression; only values can"
                            ),
                            help: Some(
                                "make the map in an expression: {{ dict([[key, value]]) }}"
                                    .to_owned(),
                            ),
                        },
                    ));
                }
                let part = compile(value, pointer, faults);
                pointer.truncate(here);
                (key.clone(), part)
            });
            map(parts.collect())
        }
        other => Part::Literal(other.clone()),
    };
    pointer.truncate(here);
    part
}

/// A list without expressions is one literal.
fn list(parts: Vec<Part>) -> Part {
    if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
        return Part::Literal(parts.into_iter().map(Part::into_literal).collect());
    }
    Part::List(parts)
}

fn map(parts: Vec<(String, Part)>) -> Part {
    if parts
        .iter()
        .all(|(_, part)| matches!(part, Part::Literal(_)))
    {
        let fields: Map<_, _> = parts
            .into_iter()
            .map(|(key, part)| (key, part.into_literal()))
            .collect();
        return Part::Literal(Value::Object(fields));
    }
    Part::Map(parts)
}

impl Part {
    fn into_literal(self) -> Value {
        match self {
            Self::Literal(value) => value,
            _ => Value::Null,
        }
    }
}

fn visit(part: &Part, pointer: &mut String, each: &mut impl FnMut(&str, &Expression, bool)) {
    let here = pointer.len();
    match part {
        Part::Literal(_) => {}
        Part::Native(expression) => each(pointer, expression, true),
        Part::Text(pieces) => {
            for piece in pieces {
                if let Piece::Expression(expression) = piece {
                    each(pointer, expression, false);
                }
            }
        }
        Part::List(parts) => {
            for (n, part) in parts.iter().enumerate() {
                pointer.push_str(&format!("/{n}"));
                visit(part, pointer, each);
                pointer.truncate(here);
            }
        }
        Part::Map(parts) => {
            for (key, part) in parts {
                pointer.push('/');
                pointer.push_str(&escape(key));
                visit(part, pointer, each);
                pointer.truncate(here);
            }
        }
    }
}

impl ExprFault {
    fn at(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            start: range.start,
            end: range.end,
            message: message.into(),
            help: None,
        }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
