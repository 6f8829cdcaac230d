//! From the text of one expression to our tree. minijinja's parser gives the grammar; everything outside the language is refused here, so
//! that evaluation meets only what it knows.

use std::ops::Range;

use minijinja::machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, UnaryOpKind};
use minijinja::machinery::{Token, parse_expr, tokenize};
use serde_json::{Map, Value};

use crate::diagnostic::did_you_mean;
use crate::expr::ExprFault;
use crate::expr::filters::{self, Filter};
use crate::expr::functions::{self, Function, Test};

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 8 * 1024;
/// The most words and signs in one expression.
const MAX_TOKENS: usize = 1000;
/// The deepest nesting of one expression.
const MAX_DEPTH: usize = 60;

/// A compiled expression with its text, of which errors show pieces.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    pub source: Box<str>,
    /// Where the expression begins in the text it is in.
    pub offset: usize,
    pub root: Node,
}

/// A part of an expression and its bytes in the source.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub kind: Kind,
    pub at: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Literal(Value),
    /// A name of the scope: `inputs`.
    Root(Box<str>),
    /// `steps.<id>`.
    Step(Box<str>),
    Field(Box<Node>, Box<str>),
    Item(Box<Node>, Box<Node>),
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// `a < b <= c`.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    If {
        test: Box<Node>,
        yes: Box<Node>,
        no: Box<Node>,
    },
    Filter(&'static Filter, Box<Node>, Args),
    Test(&'static Test, Box<Node>, Args),
    Call(&'static Function, Args),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// What a filter, test or function is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Args {
    pub placed: Vec<Node>,
    pub named: Vec<(Box<str>, Node)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// Compiles one expression; `offset` is where it begins in its text.
///
/// # Errors
/// The first fault.
pub(super) fn parse(source: &str, offset: usize) -> Result<Expression, ExprFault> {
    parse_here(source)
        .map_err(|mut fault| {
            fault.start = (fault.start + offset).min(offset + source.len());
            fault.end = (fault.end + offset).clamp(fault.start, offset + source.len());
            fault
        })
        .map(|root| Expression {
            source: source.into(),
            offset,
            root,
        })
}

fn parse_here(source: &str) -> Result<Node, ExprFault> {
    if source.trim().is_empty() {
        return Err(ExprFault::at(
            0..source.len(),
            "an expression is missing between the braces",
        ));
    }
    check_size(source)?;
    let parsed = parse_expr(source).map_err(|error| {
        let range = error_place(source, &error);
        ExprFault::at(range, error.detail().unwrap_or("this is not an expression").to_owned())
            .with_help("expressions are those of Jinja: `inputs.amount * 2`, `steps.find.id`, `a if b else c`, `x | default(1)`")
    })?;
    Converter { source }.node(&parsed, 0)
}

/// The parser recurses; nothing too long or too deep may reach it.
fn check_size(source: &str) -> Result<(), ExprFault> {
    let too_long = || {
        ExprFault::at(
            0..source.len(),
            "the expression is too long or nested too deeply",
        )
        .with_help("compute parts of it in steps of their own with `core.set`")
    };
    if source.len() > MAX_LENGTH {
        return Err(too_long());
    }
    let (mut depth, mut prefixes) = (0_usize, 0_usize);
    for (count, token) in
        tokenize(source, true, minijinja::syntax::SyntaxConfig::default()).enumerate()
    {
        let Ok((token, _)) = token else { break };
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                depth = depth.saturating_sub(1);
            }
            Token::Ident("not" | "else") | Token::Minus => prefixes += 1,
            _ => {}
        }
        if count > MAX_TOKENS || depth > MAX_DEPTH / 2 || prefixes > MAX_DEPTH {
            return Err(too_long());
        }
    }
    Ok(())
}

fn error_place(source: &str, error: &minijinja::Error) -> Range<usize> {
    match error.range() {
        Some(range) if range.start < range.end && range.end <= source.len() => range,
        _ => 0..source.len(),
    }
}

struct Converter<'s> {
    source: &'s str,
}

type Out<T> = Result<T, ExprFault>;

impl Converter<'_> {
    fn node(&self, expr: &ast::Expr<'_>, depth: usize) -> Out<Node> {
        if depth > MAX_DEPTH {
            return Err(
                ExprFault::at(0..self.source.len(), "the expression is nested too deeply")
                    .with_help("compute parts of it in steps of their own with `core.set`"),
            );
        }
        let below = |expr: &ast::Expr<'_>| self.node(expr, depth + 1);
        let boxed = |expr: &ast::Expr<'_>| below(expr).map(Box::new);
        let span = expr.span();
        let end = usize::try_from(span.end_offset)
            .unwrap_or(0)
            .min(self.source.len());
        let own = usize::try_from(span.start_offset).unwrap_or(0).min(end)..end;
        // Spans of composed expressions begin anywhere; the first part knows better.
        let from = |first: &Node| first.at.start..end.max(first.at.end);
        let (kind, at) = match expr {
            ast::Expr::Var(var) => (self.root(var.id, &own)?, own),
            ast::Expr::Const(constant) => {
                (Kind::Literal(self.literal(&constant.value, &own)?), own)
            }
            ast::Expr::GetAttr(get) => {
                let base = below(&get.expr)?;
                let at = from(&base);
                (field(base, get.name), at)
            }
            ast::Expr::GetItem(get) => {
                let base = below(&get.expr)?;
                let at = from(&base);
                let item = below(&get.subscript_expr)?;
                match item.kind {
                    Kind::Literal(Value::String(name)) => (field(base, &name), at),
                    _ if is_steps(&base) => {
                        return Err(ExprFault::at(
                            at,
                            "a step must be named literally: `steps.<id>`",
                        ));
                    }
                    _ => (Kind::Item(Box::new(base), Box::new(item)), at),
                }
            }
            ast::Expr::Slice(slice) => {
                if slice.step.is_some() {
                    return Err(ExprFault::at(
                        own,
                        "a slice has no third number; use `| reverse` to turn a list round",
                    ));
                }
                let base = below(&slice.expr)?;
                let at = from(&base);
                let start = slice.start.as_ref().map(boxed).transpose()?;
                let stop = slice.stop.as_ref().map(boxed).transpose()?;
                (Kind::Slice(Box::new(base), start, stop), at)
            }
            ast::Expr::UnaryOp(unary) => {
                let inner = boxed(&unary.expr)?;
                let at = own.start.min(inner.at.start)..end;
                match unary.op {
                    UnaryOpKind::Not => (Kind::Not(inner), at),
                    UnaryOpKind::Neg => (Kind::Negate(inner), at),
                }
            }
            ast::Expr::BinOp(binary) => {
                let (left, right) = (boxed(&binary.left)?, below(&binary.right)?);
                let at = left.at.start..end.max(right.at.end);
                (binary_kind(binary.op, left, right), at)
            }
            ast::Expr::Compare(compare) => {
                let first = boxed(&compare.expr)?;
                let at = from(&first);
                let rest: Out<Vec<_>> = compare
                    .ops
                    .iter()
                    .map(|op| Ok((comparison(op.op), below(&op.expr)?)))
                    .collect();
                (Kind::Compare(first, rest?), at)
            }
            ast::Expr::IfExpr(choice) => {
                let yes = boxed(&choice.true_expr)?;
                let at = from(&yes);
                let Some(no) = &choice.false_expr else {
                    return Err(ExprFault::at(at, "`a if b` needs an `else`")
                        .with_help("write `a if b else none`"));
                };
                (
                    Kind::If {
                        test: boxed(&choice.test_expr)?,
                        yes,
                        no: boxed(no)?,
                    },
                    at,
                )
            }
            ast::Expr::Filter(filter) => {
                let Some(inner) = &filter.expr else {
                    return Err(ExprFault::at(own, "a filter needs a value before it"));
                };
                let (inner, args) = (boxed(inner)?, self.args(&filter.args, depth)?);
                let at = from(&inner);
                let found = filters::find(filter.name).ok_or_else(|| {
                    let fault = unknown("filter", filter.name, &(own.start..end), filters::names());
                    match filters::known_elsewhere(filter.name) {
                        Some(help) => fault.with_help(help),
                        None => fault,
                    }
                })?;
                let mut named = found.named.to_vec();
                if let ("map", Some(first)) = (found.name, args.placed.first())
                    && let Kind::Literal(Value::String(through)) = &first.kind
                    && let Some(through) = filters::find(through)
                {
                    named.extend(through.named);
                }
                check_args("filter", found.name, found.args, &named, &args, &own)?;
                check_literals(found.name, &args)?;
                (Kind::Filter(found, inner, args), at)
            }
            ast::Expr::Test(test) => {
                let (inner, args) = (boxed(&test.expr)?, self.args(&test.args, depth)?);
                let at = from(&inner);
                let found = functions::test(test.name).ok_or_else(|| {
                    unknown(
                        "test",
                        test.name,
                        &(own.start..end),
                        functions::test_names(),
                    )
                })?;
                check_args("test", found.name, found.args, &[], &args, &own)?;
                check_literals(found.name, &args)?;
                (Kind::Test(found, inner, args), at)
            }
            ast::Expr::Call(call) => (self.call(call, &own, depth)?, own),
            ast::Expr::List(list) => (
                Kind::List(list.items.iter().map(below).collect::<Out<_>>()?),
                own,
            ),
            ast::Expr::Tuple(tuple) => (
                Kind::List(tuple.items.iter().map(below).collect::<Out<_>>()?),
                own,
            ),
            ast::Expr::Map(map) => {
                let pairs = map.keys.iter().zip(&map.values);
                let pairs: Out<Vec<_>> = pairs
                    .map(|(key, value)| Ok((below(key)?, below(value)?)))
                    .collect();
                (Kind::Map(pairs?), own)
            }
        };
        Ok(Node { kind, at })
    }

    fn root(&self, name: &str, at: &Range<usize>) -> Out<Kind> {
        if functions::function(name).is_some() {
            return Err(ExprFault::at(
                at.clone(),
                format!("`{name}` is a function: write `{name}()`"),
            ));
        }
        match name {
            "now" | "today" => Err(ExprFault::at(
                at.clone(),
                format!("there is no `{name}`: expressions have no clock"),
            )
            .with_help("`run.started_at` is the time the run began")),
            "env" | "secrets" => Err(ExprFault::at(
                at.clone(),
                format!("there is no `{name}`: expressions see no secrets and no environment"),
            )
            .with_help("credentials come in through `connections`")),
            "null" => Ok(Kind::Literal(Value::Null)),
            _ => Ok(Kind::Root(name.into())),
        }
    }

    fn call(&self, call: &ast::Call<'_>, at: &Range<usize>, depth: usize) -> Out<Kind> {
        match &call.expr {
            ast::Expr::Var(var) => {
                let found = functions::function(var.id).ok_or_else(|| {
                    let fault = unknown("function", var.id, at, functions::function_names());
                    match (filters::find(var.id), var.id) {
                        (Some(_), name) => {
                            fault.with_help(format!("`{name}` is a filter: write `value | {name}`"))
                        }
                        (None, "now" | "today" | "utcnow") => fault.with_help(
                            "expressions have no clock; `run.started_at` is the time the run began",
                        ),
                        _ => fault,
                    }
                })?;
                let args = self.args(&call.args, depth)?;
                check_args("function", found.name, found.args, found.named, &args, at)?;
                Ok(Kind::Call(found, args))
            }
            ast::Expr::GetAttr(get) => {
                let fault = ExprFault::at(
                    at.clone(),
                    format!("values have no methods: `.{}(…)`", get.name),
                );
                Err(match filters::find(get.name) {
                    Some(filter) => {
                        fault.with_help(format!("use the filter: `value | {}`", filter.name))
                    }
                    None => fault.with_help("use a filter: `value | filter`"),
                })
            }
            _ => Err(ExprFault::at(at.clone(), "only functions can be called")),
        }
    }

    fn args(&self, given: &[CallArg<'_>], depth: usize) -> Out<Args> {
        let mut args = Args::default();
        for arg in given {
            match arg {
                CallArg::Pos(expr) => args.placed.push(self.node(expr, depth + 1)?),
                CallArg::Kwarg(name, expr) => args
                    .named
                    .push(((*name).into(), self.node(expr, depth + 1)?)),
                CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    let at = self.node(expr, depth + 1)?.at;
                    return Err(ExprFault::at(
                        at,
                        "`*` and `**` before an argument are not part of the language",
                    ));
                }
            }
        }
        Ok(args)
    }

    fn literal(&self, value: &minijinja::Value, at: &Range<usize>) -> Out<Value> {
        use minijinja::value::ValueKind;
        let too_large = || {
            ExprFault::at(
                at.clone(),
                "the number is beyond ±2^53, which JSON does not carry exactly",
            )
        };
        Ok(match value.kind() {
            ValueKind::Bool => Value::Bool(value.is_true()),
            ValueKind::String => Value::String(value.as_str().unwrap_or_default().to_owned()),
            ValueKind::Number if value.is_integer() => match value.as_i64() {
                Some(number) if number.unsigned_abs() <= 1 << 53 => Value::from(number),
                _ => return Err(too_large()),
            },
            ValueKind::Number => {
                let float = f64::try_from(value.clone()).map_err(|_| too_large())?;
                serde_json::Number::from_f64(float)
                    .map(Value::Number)
                    .ok_or_else(too_large)?
            }
            ValueKind::Map => Value::Object(Map::new()),
            ValueKind::Seq => Value::Array(Vec::new()),
            _ => Value::Null,
        })
    }
}

fn is_steps(node: &Node) -> bool {
    matches!(&node.kind, Kind::Root(name) if &**name == "steps")
}

fn field(base: Node, name: &str) -> Kind {
    if is_steps(&base) {
        Kind::Step(name.into())
    } else {
        Kind::Field(Box::new(base), name.into())
    }
}

fn unknown(
    what: &str,
    name: &str,
    at: &Range<usize>,
    names: impl Iterator<Item = &'static str> + Clone,
) -> ExprFault {
    let mut fault = ExprFault::at(at.clone(), format!("there is no {what} `{name}`"));
    fault.help = did_you_mean(name, names.clone()).or_else(|| {
        Some(format!(
            "there are {}",
            names.collect::<Vec<_>>().join(", ")
        ))
    });
    fault
}

fn check_literals(name: &str, args: &Args) -> Out<()> {
    match filters::check_literals(name, args) {
        Some((at, message)) => Err(ExprFault::at(at, message)),
        None => Ok(()),
    }
}

fn check_args(
    what: &str,
    name: &str,
    (least, most): (usize, usize),
    named: &[&str],
    args: &Args,
    at: &Range<usize>,
) -> Out<()> {
    let count = args.placed.len();
    // A named argument may stand for a placed one.
    if count + args.named.len() < least || count > most {
        let wanted = match (least, most) {
            (0, 0) => "no arguments".to_owned(),
            (1, 1) => "one argument".to_owned(),
            (least, usize::MAX) => format!("at least {least} arguments"),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        return Err(ExprFault::at(
            at.clone(),
            format!("the {what} `{name}` takes {wanted}, not {count}"),
        ));
    }
    if named.contains(&"*") {
        return Ok(());
    }
    match args.named.iter().find(|(key, _)| !named.contains(&&**key)) {
        Some((key, node)) => {
            let mut fault = ExprFault::at(
                node.at.clone(),
                format!("the {what} `{name}` has no argument `{key}`"),
            );
            fault.help = did_you_mean(key, named.iter().copied());
            Err(fault)
        }
        None => Ok(()),
    }
}

fn binary_kind(op: BinOpKind, left: Box<Node>, right: Node) -> Kind {
    let operator = match op {
        BinOpKind::ScAnd => return Kind::And(left, Box::new(right)),
        BinOpKind::ScOr => return Kind::Or(left, Box::new(right)),
        BinOpKind::Eq => return Kind::Compare(left, vec![(Comparison::Equal, right)]),
        BinOpKind::Ne => return Kind::Compare(left, vec![(Comparison::NotEqual, right)]),
        BinOpKind::Lt => return Kind::Compare(left, vec![(Comparison::Less, right)]),
        BinOpKind::Lte => return Kind::Compare(left, vec![(Comparison::LessOrEqual, right)]),
        BinOpKind::Gt => return Kind::Compare(left, vec![(Comparison::Greater, right)]),
        BinOpKind::Gte => return Kind::Compare(left, vec![(Comparison::GreaterOrEqual, right)]),
        BinOpKind::In => return Kind::Compare(left, vec![(Comparison::In, right)]),
        BinOpKind::Add => Operator::Add,
        BinOpKind::Sub => Operator::Subtract,
        BinOpKind::Mul => Operator::Multiply,
        BinOpKind::Div => Operator::Divide,
        BinOpKind::FloorDiv => Operator::FloorDivide,
        BinOpKind::Rem => Operator::Remainder,
        BinOpKind::Pow => Operator::Power,
        BinOpKind::Concat => Operator::Concat,
    };
    Kind::Binary(operator, left, Box::new(right))
}

fn comparison(op: CompareOpKind) -> Comparison {
    match op {
        CompareOpKind::Eq => Comparison::Equal,
        CompareOpKind::Ne => Comparison::NotEqual,
        CompareOpKind::Lt => Comparison::Less,
        CompareOpKind::Lte => Comparison::LessOrEqual,
        CompareOpKind::Gt => Comparison::Greater,
        CompareOpKind::Gte => Comparison::GreaterOrEqual,
        CompareOpKind::In => Comparison::In,
        CompareOpKind::NotIn => Comparison::NotIn,
    }
}
