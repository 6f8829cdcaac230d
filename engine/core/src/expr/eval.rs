//! Evaluation of a compiled expression: a walk over its tree that borrows from the scope and pays for what it does.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::ErrorKind;
use crate::diagnostic::nearest;
use crate::error::StepError;
use crate::expr::budget::{MAP, VALUE};
use crate::expr::pattern::Pattern;
use crate::expr::syntax::{Args, Expression, Kind, Node};
use crate::expr::value::{Num, Val, kind};
use crate::expr::{Part, Piece, Scope, Spent};

/// Boxed, because a good outcome should not pay for the size of a bad one.
pub(super) type Out<T> = Result<T, Box<StepError>>;

/// Arguments after evaluation.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    pub placed: Vec<Val<'a>>,
    pub named: Vec<(&'a str, Val<'a>)>,
}

impl<'a> Given<'a> {
    /// An argument by its place or its name.
    pub fn take(&mut self, place: usize, name: &str) -> Option<Val<'a>> {
        if let Some(found) = self.named.iter().position(|(key, _)| *key == name) {
            return Some(self.named.swap_remove(found).1);
        }
        self.placed
            .get_mut(place)
            .map(|val| std::mem::replace(val, Val::Own(Value::Null)))
    }
}

/// One evaluation: what it sees and what it may still spend.
pub(super) struct Machine<'a> {
    pub scope: &'a Scope,
    source: &'a str,
    pub fuel: u64,
    pub bytes: u64,
    /// Patterns compiled so far, so that a list of texts does not compile the same one again and again.
    pub patterns: Vec<Rc<Pattern>>,
}

pub(super) fn fail(message: impl Into<String>) -> Box<StepError> {
    Box::new(StepError::new(ErrorKind::InvalidInput, message).with_code("expression"))
}

impl<'a> Machine<'a> {
    pub fn new(scope: &'a Scope, most: Spent) -> Self {
        Self {
            scope,
            source: "",
            fuel: most.fuel,
            bytes: most.bytes,
            patterns: Vec::new(),
        }
    }

    /// The value, or the error that names what is missing.
    pub fn require(&self, val: Val<'a>) -> Out<Val<'a>> {
        match val {
            Val::Missing(node, within) => Err(self.missing(node, within)),
            val => Ok(val),
        }
    }

    fn missing(&self, node: &Node, within: Option<&Value>) -> Box<StepError> {
        let path = self.shown(node);
        let mut error = StepError::new(ErrorKind::InvalidInput, format!("`{path}` is missing"))
            .with_code("missing_field");
        error.help = Some(match (&node.kind, within) {
            (Kind::Step(id), _) => format!(
                "the step `{id}` was skipped or has not run; ask `{path} is defined` or give a `default(…)`"
            ),
            (Kind::Field(_, name), Some(Value::Object(fields))) => {
                let names = fields.keys().map(String::as_str);
                // Only a near name: the others are the data owner's.
                nearest(name, names).map_or_else(
                    || "give it a value with `| default(…)`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                )
            }
            (_, Some(Value::Array(items))) => format!(
                "the list has {} items; give it a value with `| default(…)`",
                items.len()
            ),
            (_, Some(other)) => format!(
                "it was looked for in {}; give it a value with `| default(…)`",
                kind(other)
            ),
            _ => "give it a value with `| default(…)`".to_owned(),
        });
        Box::new(error)
    }

    /// A part of the expression as its author wrote it.
    pub fn shown(&self, node: &Node) -> &'a str {
        self.source
            .get(node.at.clone())
            .unwrap_or("expression")
            .trim()
    }

    /// The items of a list.
    pub fn items(&mut self, val: Val<'a>, what: &str) -> Out<Vec<Val<'a>>> {
        let list = self.require(val)?;
        let length = match (&list, list.value()) {
            (Val::List(items), _) => items.len(),
            (_, Some(Value::Array(items))) => items.len(),
            _ => 0,
        };
        self.burn(length)?;
        Ok(match list {
            Val::List(items) => items,
            Val::Ref(Value::Array(items)) => items.iter().map(Val::Ref).collect(),
            Val::Own(Value::Array(items)) => items.into_iter().map(Val::Own).collect(),
            other => return Err(fail(format!("{what} needs a list, not {}", other.kind()))),
        })
    }

    /// A list of borrowed items becomes one value; everything else stays as it is.
    pub fn settle(&mut self, val: Val<'a>) -> Out<Val<'a>> {
        match self.require(val)? {
            list @ Val::List(_) => self.own(list).map(Val::Own),
            val => Ok(val),
        }
    }

    pub fn template(&mut self, part: &'a Part) -> Out<Value> {
        match part {
            Part::Literal(value) => self.own(Val::Ref(value)),
            Part::Native(expression) => {
                let val = self.expression(expression)?;
                self.own(val)
            }
            Part::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => {
                            self.make(literal.len())?;
                            text.push_str(literal);
                        }
                        Piece::Expression(expression) => {
                            let val = self.expression(expression)?;
                            text.push_str(&self.display(val)?);
                        }
                    }
                }
                Ok(Value::String(text))
            }
            Part::List(parts) => parts
                .iter()
                .map(|part| self.template(part))
                .collect::<Out<Vec<_>>>()
                .map(Value::Array),
            Part::Map(parts) => {
                let mut fields = Map::new();
                for (key, part) in parts {
                    self.make(key.len())?;
                    fields.insert(key.clone(), self.template(part)?);
                }
                Ok(Value::Object(fields))
            }
        }
    }

    /// The value of an expression; a whole root or output is shared with the scope.
    pub fn whole(&mut self, expression: &'a Expression) -> Out<Arc<Value>> {
        let val = self.expression(expression)?;
        if let Val::Ref(value) = &val {
            let roots = self.scope.roots.iter().map(|(_, value)| value);
            let steps = self.scope.steps.iter().map(|(_, value)| value);
            if let Some(shared) = roots
                .chain(steps)
                .find(|shared| std::ptr::eq(&***shared, *value))
            {
                return Ok(Arc::clone(shared));
            }
        }
        self.own(val).map(Arc::new)
    }

    pub fn condition(&mut self, expression: &'a Expression) -> Out<bool> {
        let val = self.expression(expression)?;
        match val.value() {
            Some(Value::Bool(value)) => Ok(*value),
            _ => Err(fail(format!(
                "the condition `{}` gives {}, not true or false",
                expression.source.trim(),
                val.kind()
            ))),
        }
    }

    fn expression(&mut self, expression: &'a Expression) -> Out<Val<'a>> {
        self.source = &expression.source;
        let val = self.eval(&expression.root)?;
        self.require(val)
    }

    /// A value as text: texts as they are, nothing for null, JSON for the rest.
    pub fn display(&mut self, val: Val<'a>) -> Out<String> {
        let settled = self.settle(val)?;
        Ok(match settled.value() {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => {
                self.make(text.len())?;
                text.clone()
            }
            Some(value) => self.json(value)?,
        })
    }

    pub fn eval(&mut self, node: &'a Node) -> Out<Val<'a>> {
        self.burn(1)?;
        Ok(match &node.kind {
            Kind::Literal(value) => Val::Ref(value),
            Kind::Root(name) => self
                .scope
                .root(name)
                .map_or(Val::Missing(node, None), Val::Ref),
            Kind::Step(id) => self.step(node, id),
            Kind::Field(base, name) => {
                let base = self.eval(base)?;
                field(node, base, name)
            }
            Kind::Item(base, item) => {
                let base = self.eval(base)?;
                let item = self.eval(item)?;
                self.item(node, base, item)?
            }
            Kind::Slice(base, start, stop) => {
                self.slice(base, start.as_deref(), stop.as_deref())?
            }
            Kind::Not(inner) => {
                let val = self.eval(inner)?;
                Val::from(!self.require(val)?.truth())
            }
            Kind::Negate(inner) => {
                let val = self.eval(inner)?;
                self.negate(val)?
            }
            Kind::And(left, right) => {
                let left = self.eval(left)?;
                let left = self.require(left)?;
                if left.truth() {
                    self.eval(right)?
                } else {
                    left
                }
            }
            Kind::Or(left, right) => {
                let left = self.eval(left)?;
                let left = self.require(left)?;
                if left.truth() {
                    left
                } else {
                    self.eval(right)?
                }
            }
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.binary(*operator, left, right)?
            }
            Kind::Compare(first, rest) => {
                let mut left = self.eval(first)?;
                left = self.settle(left)?;
                for (comparison, right) in rest {
                    let right = self.eval(right)?;
                    let right = self.settle(right)?;
                    if !self.compare(*comparison, &left, &right)? {
                        return Ok(Val::from(false));
                    }
                    left = right;
                }
                Val::from(true)
            }
            Kind::If { test, yes, no } => {
                let test = self.eval(test)?;
                if self.require(test)?.truth() {
                    self.eval(yes)?
                } else {
                    self.eval(no)?
                }
            }
            Kind::Filter(filter, inner, args) => {
                let mut val = self.eval(inner)?;
                if !filter.takes_missing {
                    val = self.require(val)?;
                }
                let given = self.given(args, false)?;
                (filter.apply)(self, val, given)?
            }
            Kind::Test(test, inner, args) => {
                let mut val = self.eval(inner)?;
                if !test.takes_missing {
                    val = self.settle(val)?;
                }
                let mut args = self.given(args, false)?.placed;
                for arg in &mut args {
                    *arg = self.settle(std::mem::replace(arg, Val::Own(Value::Null)))?;
                }
                Val::from((test.apply)(self, &val, &args)?)
            }
            Kind::Call(function, args) => {
                let given = self.given(args, function.takes_missing)?;
                (function.call)(self, given)?
            }
            Kind::List(items) => {
                self.make(items.len() * VALUE)?;
                let items: Out<Vec<_>> = items
                    .iter()
                    .map(|item| {
                        let val = self.eval(item)?;
                        self.require(val)
                    })
                    .collect();
                Val::List(items?)
            }
            Kind::Map(pairs) => {
                self.make(VALUE + MAP)?;
                let mut fields = Map::new();
                for (key, value) in pairs {
                    self.make(VALUE)?;
                    let key = self.eval(key)?;
                    let key = self.key(key)?;
                    let value = self.eval(value)?;
                    fields.insert(key, self.own(value)?);
                }
                Val::Own(Value::Object(fields))
            }
        })
    }

    /// The key of a map: a text, or a number or boolean as text.
    pub fn key(&mut self, val: Val<'a>) -> Out<String> {
        match self.require(val)? {
            val if matches!(
                val.value(),
                Some(Value::String(_) | Value::Number(_) | Value::Bool(_))
            ) =>
            {
                self.display(val)
            }
            other => Err(fail(format!(
                "the key of a map must be a text, not {}",
                other.kind()
            ))),
        }
    }

    fn step(&self, node: &'a Node, id: &str) -> Val<'a> {
        if let Some((_, output)) = self.scope.steps.iter().find(|(step, _)| &**step == id) {
            return Val::Ref(output);
        }
        Val::Missing(node, None)
    }

    fn given(&mut self, args: &'a Args, may_be_missing: bool) -> Out<Given<'a>> {
        let mut given = Given::default();
        for arg in &args.placed {
            let val = self.eval(arg)?;
            let val = if may_be_missing {
                val
            } else {
                self.require(val)?
            };
            given.placed.push(val);
        }
        for (name, arg) in &args.named {
            let val = self.eval(arg)?;
            given.named.push((name, self.require(val)?));
        }
        Ok(given)
    }
}

/// A field of a map. Of anything else it is missing, which `is defined` and `default` may ask of.
pub(super) fn field<'a>(node: &'a Node, base: Val<'a>, name: &str) -> Val<'a> {
    match base {
        Val::Missing(..) => base,
        Val::Ref(within) => within
            .get(name)
            .map_or(Val::Missing(node, Some(within)), Val::Ref),
        Val::Own(Value::Object(mut fields)) => fields
            .remove(name)
            .map_or(Val::Missing(node, None), Val::Own),
        Val::Own(_) | Val::List(_) => Val::Missing(node, None),
    }
}

/// A position counted from the front, or from the back if it is negative.
pub(super) fn position(index: i64, length: usize) -> Option<usize> {
    if index >= 0 {
        return usize::try_from(index).ok().filter(|n| *n < length);
    }
    usize::try_from(index.unsigned_abs())
        .ok()
        .and_then(|back| length.checked_sub(back))
}

/// Whole numbers of arguments.
pub(super) fn whole(val: &Val<'_>, what: &str) -> Out<i64> {
    val.as_number()
        .and_then(Num::whole)
        .ok_or_else(|| fail(format!("{what} must be a whole number, not {}", val.kind())))
}
