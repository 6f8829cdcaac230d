//! Modules.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::app::interpret::Method;
use crate::app::manifest::{Auth, Effect, Exchange, HoldKind, Module, Operation};
use crate::app::parse::reader::{ANSWER, GATHERED, REQUEST, Reader};
use crate::app::parse::request;
use crate::app::shape::Shape;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::expr::Template;
use crate::yaml::{Entry, Fields, Node};

const EFFECTS: [(&str, Effect); 5] = [
    ("pure", Effect::Pure),
    ("read", Effect::Read),
    ("idempotent", Effect::Idempotent),
    ("at_most_once", Effect::AtMostOnce),
    ("step", Effect::Step),
];

const HOLDS: [(&str, HoldKind); 4] = [
    ("wait", HoldKind::Wait),
    ("callback", HoldKind::Callback),
    ("approve", HoldKind::Approve),
    ("run_flow", HoldKind::RunFlow),
];

/// Reads one module.
pub fn read(entry: &Entry, auth: &Auth, r: &mut Reader) -> Option<Module> {
    r.name(entry);
    let mut fields = Fields::of(&entry.value, "a module", &mut r.faults)?;
    let title = fields
        .take("title")
        .and_then(|n| n.text(&mut r.faults))
        .map(str::to_owned);
    let description = fields
        .take("description")
        .and_then(|n| n.text(&mut r.faults))
        .map(str::to_owned);
    let effect_node = fields.need("effect", &mut r.faults);
    let effect = effect_node.and_then(|n| n.word(&EFFECTS, &mut r.faults));
    let input = fields
        .take("input")
        .map(|n| input(n, r))
        .unwrap_or_else(|| Input::of(Vec::new()));
    r.inputs = input.names();
    let native = fields.take("native");
    let hold = fields.take("hold");
    if let (Some(_), Some(hold)) = (native, hold) {
        r.faults.error(
            "useless_key",
            hold.span,
            "`hold` has no meaning beside `native`",
        );
    }
    let exchange = exchange(&mut fields, native.or(hold), &input, r);
    let output_schema = fields
        .take("output_schema")
        .and_then(|n| output_schema(n, r));
    let scopes = fields
        .take("scopes")
        .map(|n| scopes(n, auth, r))
        .unwrap_or_default();
    let rights = fields
        .take("rights")
        .map(|n| n.texts(&mut r.faults))
        .unwrap_or_default();
    r.not_yet(&mut fields, &["map_response", "sign_request"]);
    fields.close(&mut r.faults);
    r.inputs = None;

    let effect_span = effect_node.map_or(entry.key_span, |n| n.span);
    let operation = match (native, hold, exchange) {
        (Some(node), ..) => Operation::Native(native_name(node, r)?),
        (None, Some(node), _) => Operation::Hold(node.word(&HOLDS, &mut r.faults)?),
        (None, None, Some(exchange)) => {
            if let Some(effect) = effect {
                check_effect(effect, effect_span, &exchange, r);
            }
            Operation::Exchange(Box::new(exchange))
        }
        (None, None, None) => return None,
    };
    let shape = match Shape::compile(&input.schema) {
        Ok(shape) => shape,
        Err(why) => {
            let span = entry.value.get("input").map_or(entry.key_span, |n| n.span);
            r.faults.error(
                "bad_schema",
                span,
                format!("`input` is not a JSON Schema: {why}"),
            );
            return None;
        }
    };
    Some(Module {
        name: entry.key.clone(),
        title: title.unwrap_or_else(|| entry.key.clone()),
        description,
        effect: effect?,
        input_schema: input.schema,
        output_schema,
        scopes,
        rights,
        needs_connection: !auth.none,
        shape,
        operation,
    })
}

/// The keys of a module that is data. With `native` or `hold` beside them they have no meaning.
fn exchange(
    fields: &mut Fields<'_>,
    other: Option<&Node>,
    input: &Input,
    r: &mut Reader,
) -> Option<Exchange> {
    let keys = ["request", "pages", "output", "record", "idempotency"];
    if other.is_some() {
        for key in keys {
            if let Some(entry) = fields.entry(key) {
                r.faults.error(
                    "useless_key",
                    entry.key_span,
                    format!("`{key}` has no meaning beside `native` or `hold`"),
                );
            }
        }
        return None;
    }
    let request = fields.take("request");
    if request.is_none() {
        r.faults.push(
            Diagnostic::error(
                "missing_key",
                fields.span(),
                "`request` is missing in a module",
            )
            .with_help("a module has a `request`, or `native: app/module/1` if it is code"),
        );
    }
    let request = request.and_then(|n| request::read(n, REQUEST, r));
    let pages_node = fields.take("pages");
    let pages = pages_node.and_then(|n| request::pages(n, request.as_ref(), r));
    let roots = if pages_node.is_some() {
        GATHERED
    } else {
        ANSWER
    };
    let output = fields.take("output").and_then(|n| r.template(n, roots));
    let record = fields.take("record").and_then(|n| record(n, r));
    let idempotency = fields.take("idempotency").and_then(|n| {
        let mut fields = Fields::of(n, "`idempotency`", &mut r.faults)?;
        let header = fields.need("header", &mut r.faults)?;
        fields.close(&mut r.faults);
        let name = header.text(&mut r.faults)?;
        r.header(name, header.span)
    });
    Some(Exchange {
        request: request?,
        pages,
        output,
        record,
        idempotency,
        optional: input.optional.clone(),
    })
}

fn record(node: &Node, r: &mut Reader) -> Option<(Template, Template)> {
    let mut fields = Fields::of(node, "`record`", &mut r.faults)?;
    let kind = fields
        .need("type", &mut r.faults)
        .and_then(|n| r.text_template(n, ANSWER));
    let id = fields
        .need("id", &mut r.faults)
        .and_then(|n| r.text_template(n, ANSWER));
    fields.close(&mut r.faults);
    Some((kind?, id?))
}

/// An effect class is a promise about repeating; here is what a request already says about it (RFC 9110 §9.2).
fn check_effect(effect: Effect, span: Span, exchange: &Exchange, r: &mut Reader) {
    let method = exchange.request.method;
    let fault = match effect {
        Effect::Pure => Some("a module with a request is not `pure`".to_owned()),
        Effect::Read if matches!(method, Method::Put | Method::Patch | Method::Delete) => Some(
            format!("a module that sends {} is not a `read`", method.as_str()),
        ),
        Effect::Read => None,
        _ if exchange.pages.is_some() => Some("only a `read` can have pages".to_owned()),
        Effect::Idempotent => None,
        _ if exchange.idempotency.is_some() => {
            Some("a module that sends an idempotency key is `idempotent`".to_owned())
        }
        _ => None,
    };
    if let Some(fault) = fault {
        r.faults.error("effect_does_not_fit", span, fault);
    }
    if effect == Effect::Idempotent && method == Method::Post && exchange.idempotency.is_none() {
        r.faults.push(
            Diagnostic::warning("no_idempotency_key", span, "a POST without an idempotency key is seldom idempotent")
                .with_help("say where the key is sent, `idempotency: {header: Idempotency-Key}`, or use `effect: at_most_once`"),
        );
    }
}

fn native_name(node: &Node, r: &mut Reader) -> Option<String> {
    let text = node.text(&mut r.faults)?;
    let parts: Vec<_> = text.split('/').collect();
    let word = |w: &str| {
        !w.is_empty()
            && w.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    match parts.as_slice() {
        [app, module, version]
            if word(app) && word(module) && version.parse::<u32>().is_ok_and(|v| v > 0) =>
        {
            Some(text.to_owned())
        }
        _ => {
            r.faults.push(
                Diagnostic::error(
                    "bad_native",
                    node.span,
                    format!("`{text}` is not the name of a native module"),
                )
                .with_help("write app, module and version: `core/set/1`"),
            );
            None
        }
    }
}

fn scopes(node: &Node, auth: &Auth, r: &mut Reader) -> Vec<String> {
    let scopes = node.texts(&mut r.faults);
    let known = auth.oauth2.as_ref().map(|oauth2| &oauth2.scopes);
    for (number, scope) in scopes.iter().enumerate() {
        if known.is_none_or(|known| !known.contains_key(scope)) {
            let names = known
                .into_iter()
                .flat_map(|known| known.keys())
                .map(String::as_str);
            r.faults.push(
                Diagnostic::error(
                    "unknown_scope",
                    node.at(&format!("/{number}")).span,
                    format!("`{scope}` is not a scope of this app's sign-in"),
                )
                .with_help_if(did_you_mean(scope, names.collect::<Vec<_>>())),
            );
        }
    }
    scopes
}

/// A module's input: its schema, and which of its properties may be missing.
struct Input {
    schema: Value,
    optional: Vec<String>,
    closed: bool,
}

impl Input {
    /// The schema of an object that has these properties and no others: required unless said otherwise.
    fn of(properties: Vec<(String, Value, bool)>) -> Self {
        let required: Vec<_> = properties
            .iter()
            .filter(|(_, _, required)| *required)
            .map(|(name, ..)| name.clone())
            .collect();
        let optional: Vec<_> = properties
            .iter()
            .filter(|(_, _, required)| !required)
            .map(|(name, ..)| name.clone())
            .collect();
        let properties: Map<_, _> = properties
            .into_iter()
            .map(|(name, schema, _)| (name, schema))
            .collect();
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        Self {
            schema,
            optional,
            closed: true,
        }
    }

    fn names(&self) -> Option<BTreeSet<String>> {
        let properties = self.schema.get("properties").and_then(Value::as_object)?;
        self.closed.then(|| properties.keys().cloned().collect())
    }
}

/// True for a map that is one JSON Schema rather than a map of properties: its `type` is a word, not a schema.
fn is_schema(node: &Node) -> bool {
    node.get("type")
        .is_some_and(|n| n.as_text().is_some() || n.as_list().is_some())
}

fn input(node: &Node, r: &mut Reader) -> Input {
    if is_schema(node) {
        return Input {
            schema: node.to_json(),
            optional: Vec::new(),
            closed: false,
        };
    }
    let mut properties = Vec::new();
    for entry in node.map(&mut r.faults).unwrap_or_default() {
        r.name(entry);
        let Some(fields) = entry.value.map(&mut r.faults) else {
            continue;
        };
        let mut schema = entry.value.to_json();
        let mut required = !fields.iter().any(|f| f.key == "default");
        if let Some(said) = entry
            .value
            .get("required")
            .filter(|n| n.as_list().is_none())
        {
            required = said.boolean(&mut r.faults).unwrap_or(required);
            if let Some(map) = schema.as_object_mut() {
                map.remove("required");
            }
        }
        properties.push((entry.key.clone(), schema, required));
    }
    Input::of(properties)
}

/// A map of properties is open: apps answer more than a manifest says.
fn output_schema(node: &Node, r: &mut Reader) -> Option<Value> {
    let schema = if is_schema(node) {
        node.to_json()
    } else {
        node.map(&mut r.faults)?;
        json!({"type": "object", "properties": node.to_json()})
    };
    match Shape::compile(&schema) {
        Ok(_) => Some(schema),
        Err(why) => {
            r.faults.error(
                "bad_schema",
                node.span,
                format!("`output_schema` is not a JSON Schema: {why}"),
            );
            None
        }
    }
}
