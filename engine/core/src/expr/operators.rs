//! Operators: arithmetic, comparison, subscripts. None of them repeats a text or a list.

use std::cmp::Ordering;

use serde_json::Value;

use crate::expr::budget::VALUE;
use crate::expr::eval::{Machine, Out, fail, field, position, whole};
use crate::expr::syntax::{Comparison, Node, Operator};
use crate::expr::value::{Num, Val};

impl<'a> Machine<'a> {
    pub(super) fn item(&mut self, node: &'a Node, base: Val<'a>, item: Val<'a>) -> Out<Val<'a>> {
        if matches!(base, Val::Missing(..)) {
            return Ok(base);
        }
        let item = self.require(item)?;
        if let Some(name) = item.as_text() {
            return Ok(field(node, base, name));
        }
        let index = whole(&item, "a position in a list")?;
        Ok(match base {
            Val::Ref(within @ Value::Array(items)) => position(index, items.len())
                .and_then(|n| items.get(n))
                .map_or(Val::Missing(node, Some(within)), Val::Ref),
            Val::Own(Value::Array(mut items)) => match position(index, items.len()) {
                Some(n) => Val::Own(items.swap_remove(n)),
                None => Val::Missing(node, None),
            },
            Val::List(mut items) => match position(index, items.len()) {
                Some(n) => items.swap_remove(n),
                None => Val::Missing(node, None),
            },
            Val::Ref(within) => Val::Missing(node, Some(within)),
            _ => Val::Missing(node, None),
        })
    }

    pub(super) fn slice(
        &mut self,
        base: &'a Node,
        start: Option<&'a Node>,
        stop: Option<&'a Node>,
    ) -> Out<Val<'a>> {
        let base = self.eval(base)?;
        let base = self.require(base)?;
        let mut bound = |node: Option<&'a Node>| -> Out<Option<i64>> {
            let Some(node) = node else { return Ok(None) };
            let val = self.eval(node)?;
            let val = self.require(val)?;
            if matches!(val.value(), Some(Value::Null)) {
                Ok(None)
            } else {
                whole(&val, "the bound of a slice").map(Some)
            }
        };
        let (start, stop) = (bound(start)?, bound(stop)?);
        let range = |length: usize| {
            let from =
                |index: i64| position(index, length).unwrap_or(if index < 0 { 0 } else { length });
            let start = start.map_or(0, from);
            start..stop.map_or(length, from).max(start)
        };
        if let Some(text) = base.as_text() {
            self.scan(text.len())?;
            let range = range(text.chars().count());
            let byte = |place: usize, text: &str| {
                let mut places = text.char_indices();
                places.nth(place).map_or(text.len(), |(byte, _)| byte)
            };
            let rest = &text[byte(range.start, text)..];
            let piece = &rest[..byte(range.len(), rest)];
            self.make(piece.len())?;
            return Ok(Val::Own(Value::from(piece)));
        }
        let items = self.items(base, "a slice")?;
        let range = range(items.len());
        Ok(Val::List(
            items
                .into_iter()
                .skip(range.start)
                .take(range.len())
                .collect(),
        ))
    }

    pub(super) fn negate(&mut self, val: Val<'a>) -> Out<Val<'a>> {
        let val = self.require(val)?;
        match val.as_number() {
            Some(Num::Int(number)) => number_or_fail(Num::Int(number.saturating_neg())),
            Some(Num::Float(number)) => number_or_fail(Num::Float(-number)),
            None => Err(fail(format!("`-` needs a number, not {}", val.kind()))),
        }
    }

    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: Val<'a>,
        right: Val<'a>,
    ) -> Out<Val<'a>> {
        let (left, right) = (self.require(left)?, self.require(right)?);
        if operator == Operator::Concat {
            let mut text = self.display(left)?;
            let more = self.display(right)?;
            self.make(text.len())?;
            text.push_str(&more);
            return Ok(Val::Own(Value::String(text)));
        }
        if let (Some(a), Some(b)) = (left.as_number(), right.as_number()) {
            return arithmetic(operator, a, b);
        }
        if operator == Operator::Add {
            if let (Some(a), Some(b)) = (left.as_text(), right.as_text()) {
                self.make(a.len() + b.len())?;
                return Ok(Val::Own(Value::String(format!("{a}{b}"))));
            }
            let is_list = |val: &Val<'_>| val.kind() == "a list";
            if is_list(&left) && is_list(&right) {
                let mut items = self.items(left, "`+`")?;
                let more = self.items(right, "`+`")?;
                self.make((items.len() + more.len()) * VALUE)?;
                items.extend(more);
                return Ok(Val::List(items));
            }
        }
        let sign = sign(operator);
        let error = fail(format!(
            "`{sign}` cannot combine {} and {}",
            left.kind(),
            right.kind()
        ));
        let texts = left.as_text().is_some() || right.as_text().is_some();
        Err(if operator == Operator::Add && texts {
            Box::new(error.with_help(
                "`~` joins values to a text; `| int` and `| float` make numbers of texts",
            ))
        } else {
            error
        })
    }

    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        left: &Val<'a>,
        right: &Val<'a>,
    ) -> Out<bool> {
        let (Some(a), Some(b)) = (left.value(), right.value()) else {
            return Ok(false);
        };
        Ok(match comparison {
            Comparison::Equal => self.equal(a, b)?,
            Comparison::NotEqual => !self.equal(a, b)?,
            Comparison::Less => self.order(a, b)? == Ordering::Less,
            Comparison::LessOrEqual => self.order(a, b)? != Ordering::Greater,
            Comparison::Greater => self.order(a, b)? == Ordering::Greater,
            Comparison::GreaterOrEqual => self.order(a, b)? != Ordering::Less,
            Comparison::In => self.contains(b, a)?,
            Comparison::NotIn => !self.contains(b, a)?,
        })
    }

    /// Equality as JSON has it, but 1 and 1.0 are the same number.
    pub(super) fn equal(&mut self, a: &Value, b: &Value) -> Out<bool> {
        self.burn(1)?;
        match (a, b) {
            (Value::Number(x), Value::Number(y)) => Ok(x == y
                || Num::of(a)
                    .zip(Num::of(b))
                    .is_some_and(|(x, y)| x.compare(y) == Some(Ordering::Equal))),
            (Value::String(x), Value::String(y)) => {
                self.scan(x.len().min(y.len()))?;
                Ok(x == y)
            }
            (Value::Array(x), Value::Array(y)) => {
                if x.len() != y.len() {
                    return Ok(false);
                }
                for (x, y) in x.iter().zip(y) {
                    if !self.equal(x, y)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Object(x), Value::Object(y)) => {
                if x.len() != y.len() {
                    return Ok(false);
                }
                for (key, x) in x {
                    match y.get(key) {
                        Some(y) if self.equal(x, y)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            _ => Ok(a == b),
        }
    }

    /// The order of two numbers or two texts; nothing else has one.
    pub(super) fn order(&mut self, a: &Value, b: &Value) -> Out<Ordering> {
        self.burn(1)?;
        if let (Value::String(x), Value::String(y)) = (a, b) {
            self.scan(x.len().min(y.len()))?;
            return Ok(x.cmp(y));
        }
        Num::of(a)
            .zip(Num::of(b))
            .and_then(|(x, y)| x.compare(y))
            .ok_or_else(|| {
                fail(format!(
                    "{} and {} have no order",
                    super::value::kind(a),
                    super::value::kind(b)
                ))
            })
    }

    pub(super) fn contains(&mut self, container: &Value, item: &Value) -> Out<bool> {
        match (container, item) {
            (Value::String(text), Value::String(part)) => {
                self.scan(text.len())?;
                Ok(text.contains(part.as_str()))
            }
            (Value::Object(fields), Value::String(key)) => Ok(fields.contains_key(key)),
            (Value::Array(items), item) => {
                for candidate in items {
                    if self.equal(candidate, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (container, item) => Err(fail(format!(
                "`in` cannot look for {} in {}",
                super::value::kind(item),
                super::value::kind(container)
            ))),
        }
    }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::FloorDivide => "//",
        Operator::Remainder => "%",
        Operator::Power => "**",
        Operator::Concat => "~",
    }
}

/// The number as a value, or the error that it cannot be carried.
pub(super) fn number_or_fail<'a>(number: Num) -> Out<Val<'a>> {
    number
        .value()
        .map(Val::Own)
        .ok_or_else(|| fail("the number is too large to be exact (beyond ±2^53), or is none"))
}

fn arithmetic<'a>(operator: Operator, a: Num, b: Num) -> Out<Val<'a>> {
    let divides = matches!(
        operator,
        Operator::Divide | Operator::FloorDivide | Operator::Remainder
    );
    if divides && b.float() == 0.0 {
        return Err(fail(format!("`{}` by zero", sign(operator))));
    }
    let exact = match (operator, a, b) {
        (Operator::Divide, ..) => None,
        (_, Num::Int(a), Num::Int(b)) => Some(match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::FloorDivide => a.checked_div_euclid(b).map(|n| {
                if b < 0 && a.rem_euclid(b) != 0 {
                    n - 1
                } else {
                    n
                }
            }),
            Operator::Remainder => a
                .checked_rem_euclid(b)
                .map(|n| if b < 0 && n != 0 { n + b } else { n }),
            Operator::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            Operator::Divide | Operator::Concat => None,
        }),
        _ => None,
    };
    if let Some(Some(number)) = exact {
        return number_or_fail(Num::Int(number));
    }
    let (x, y) = (a.float(), b.float());
    let number = match operator {
        Operator::Add => x + y,
        Operator::Subtract => x - y,
        Operator::Multiply => x * y,
        Operator::Divide => x / y,
        Operator::FloorDivide => (x / y).floor(),
        Operator::Remainder => x - y * (x / y).floor(),
        Operator::Power => x.powf(y),
        Operator::Concat => f64::NAN,
    };
    // Two integers whose result overflowed must not come back as an inexact float.
    if exact.is_some() && operator != Operator::Power
        || exact.is_some() && number.fract() == 0.0 && number.abs() >= 1.0
    {
        return Err(fail("the number is too large to be exact (beyond ±2^53)"));
    }
    number_or_fail(Num::Float(number))
}
