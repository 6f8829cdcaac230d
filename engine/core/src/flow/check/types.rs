//! What is known of values before a run: the schemas of inputs and of what steps give, as far as they can be made out. What is not known
//! fits anything.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostic, Span};
use crate::expr::{Condition, Reference, Scope, Template, TextKind, text_kind};
use crate::flow::check::{Check, part};
use crate::flow::plan::{HoldKind, Role};
use crate::flow::{OnError, Step};
use crate::schema;
use crate::yaml::Node;

/// How far schemas are followed from step to step.
const MOST_STEPS_BACK: usize = 24;

/// What `error` holds.
pub(super) fn error_schema() -> Value {
    json!({"type": "object", "properties": {
        "kind": {"type": "string", "enum": crate::flow::language::ERROR_KINDS},
        "code": {"type": ["string", "null"]},
        "message": {"type": "string"},
        "step": {"type": ["string", "null"]},
        "help": {"type": ["string", "null"]},
    }})
}

impl Check<'_> {
    /// The schema of what a step gives, if it is known.
    pub(super) fn output_schema(&mut self, number: usize) -> Option<Arc<Value>> {
        if let Some(found) = self.schemas.get(&number) {
            return found.clone();
        }
        if self.following >= MOST_STEPS_BACK {
            return None;
        }
        // Steps on a cycle would ask for each other for ever.
        self.schemas.insert(number, None);
        self.following += 1;
        let found = self.find_output_schema(number).map(Arc::new);
        self.following -= 1;
        self.schemas.insert(number, found.clone());
        found
    }

    fn find_output_schema(&mut self, number: usize) -> Option<Value> {
        let layout = self.layout;
        let site = &layout.sites[number];
        let own = if let Some(body) = site.body {
            let role = layout.scopes[body].role;
            let inner = self.body_schema(body);
            Some(if role == Role::Item {
                let failed = json!({"type": "object", "properties": {"index": {"type": "integer"}, "error": error_schema()}});
                json!({"type": "object", "properties": {
                    "items": {"type": "array", "items": inner.unwrap_or_else(|| json!({}))},
                    "failed": {"type": "array", "items": failed},
                    "count": {"type": "integer"},
                }})
            } else {
                let mut inner = inner?;
                inner["properties"]["rounds"] = json!({"type": "integer"});
                inner
            })
        } else if site.step.switch.is_some() {
            let blocks = site.cases.iter().map(|(_, block)| *block);
            let mut all = json!({"type": "object", "properties": {}});
            for block in blocks.chain(site.default) {
                let one = self.body_schema(block)?;
                merge(&mut all, one);
            }
            all["properties"]["case"] = json!({"type": ["string", "null"]});
            Some(all)
        } else {
            self.module_schema(site.step, site.scope)
        };
        let Some(OnError::Handle(body)) = &site.step.on_error else {
            return own;
        };
        let (Some(handler), true) = (site.handler, body.outputs.is_some()) else {
            return own;
        };
        let mut own = own?;
        own.get("properties")?;
        merge(&mut own, self.body_schema(handler)?);
        Some(own)
    }

    fn module_schema(&mut self, step: &Step, scope: usize) -> Option<Value> {
        let (_, module) = self.apps.module(step.uses.as_ref()?)?;
        let mut known = module.output_schema.clone();
        if !self.writing() {
            return known;
        }
        if step.uses.as_ref()?.as_str() == "core.set" {
            return Some(self.value_schema(&step.with, scope));
        }
        match module.hold() {
            Some(HoldKind::Approve) => {
                let known = known.as_mut()?;
                let asked = step.with.get("on_reject");
                if asked.is_none_or(|asked| asked == "fail") {
                    // Anything else fails the step.
                    known["properties"]["decision"]["enum"] = json!(["approved"]);
                }
                if let Some(form) = step.with.get("form").and_then(Value::as_object) {
                    known["properties"]["form"] = json!({"type": "object", "properties": form});
                }
            }
            Some(HoldKind::Callback) => {
                if let Some(payload) = step.with.get("payload").filter(|p| p.is_object()) {
                    known.as_mut()?["properties"]["payload"] = payload.clone();
                }
            }
            _ => {}
        }
        known
    }

    /// What a block gives: what is written under `outputs`, or its steps by id.
    fn body_schema(&mut self, scope: usize) -> Option<Value> {
        if !self.writing() {
            return None;
        }
        let layout = self.layout;
        let block = &layout.scopes[scope];
        let mut properties = Map::new();
        if let Some(outputs) = block.outputs {
            for (name, value) in outputs {
                properties.insert(name.clone(), self.value_schema(value, scope));
            }
        } else if let [only] = block.members.as_slice()
            && layout.sites[*only].part == super::layout::Part::Inner
        {
            let inner = self.output_schema(*only)?;
            return Some((*inner).clone());
        } else {
            for member in &block.members {
                let schema = self.output_schema(*member);
                let schema = schema.map_or_else(|| json!({}), |schema| (*schema).clone());
                properties.insert(layout.sites[*member].id.to_string(), schema);
            }
        }
        Some(json!({"type": "object", "properties": properties}))
    }

    /// The schema of a written value.
    fn value_schema(&mut self, value: &Value, scope: usize) -> Value {
        match value {
            Value::Null => json!({"type": "null"}),
            Value::Bool(_) => json!({"type": "boolean"}),
            Value::Number(number) if number.is_f64() => json!({"type": "number"}),
            Value::Number(_) => json!({"type": "integer"}),
            Value::Array(_) => json!({"type": "array"}),
            Value::Object(fields) => {
                let properties: Map<String, Value> = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.value_schema(value, scope)))
                    .collect();
                json!({"type": "object", "properties": properties})
            }
            Value::String(text) if text_kind(text) != TextKind::Whole => json!({"type": "string"}),
            Value::String(_) => {
                let (template, _) = Template::compile_what_is_good(value);
                let found = template.references_with_places();
                let whole = found.iter().find(|one| one.whole && !one.guarded);
                whole
                    .and_then(|reference| self.schema_of(reference, scope))
                    .unwrap_or_else(|| json!({}))
            }
        }
    }

    /// The schema of what a reference names, if it is known.
    pub(super) fn schema_of(&mut self, reference: &Reference, scope: usize) -> Option<Value> {
        let parts: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        let schema = match parts.as_slice() {
            ["inputs", name, rest @ ..] => {
                schema::part(&self.flow.inputs.get(*name)?.schema, rest)?.clone()
            }
            ["steps", id, rest @ ..] => {
                let number = self.layout.find(scope, id)?;
                schema::part(&*self.output_schema(number)?, rest)?.clone()
            }
            _ if !self.writing() => return None,
            ["item", rest @ ..] => schema::part(&self.item_schema(scope)?, rest)?.clone(),
            ["error", rest @ ..] => schema::part(&error_schema(), rest)?.clone(),
            ["index"] | ["run", "version"] => json!({"type": "integer"}),
            ["callbacks", _]
            | ["run", "id" | "flow" | "started_at"]
            | ["run", "user", "id" | "name"] => json!({"type": "string"}),
            ["run", "user", "roles"] => json!({"type": "array"}),
            _ => return None,
        };
        Some(schema)
    }

    /// The schema of the items of the nearest loop.
    pub(super) fn item_schema(&mut self, scope: usize) -> Option<Value> {
        let block = self.lent(scope, &[Role::Item])?;
        let owner = &self.layout.sites[self.layout.scopes[block].owner?];
        let template = Template::expression(owner.step.for_each.as_ref()?).ok()?;
        let found = template.references_with_places();
        let whole = found.iter().find(|one| one.whole && !one.guarded)?;
        self.schema_of(whole, owner.scope)?.get("items").cloned()
    }

    /// The types that a whole text of one reference has, if schemas tell.
    pub(super) fn known_types(
        &mut self,
        reference: &Reference,
        scope: usize,
    ) -> Option<Vec<String>> {
        if !reference.whole || reference.guarded {
            return None;
        }
        let schema = self.schema_of(reference, scope)?;
        schema::types(&schema).map(|types| types.into_iter().map(str::to_owned).collect())
    }

    /// A condition that is only a name must name a boolean.
    pub(super) fn check_condition_type(
        &mut self,
        node: Option<&Node>,
        found: &[Reference],
        scope: usize,
    ) {
        for reference in found {
            let Some(types) = self.known_types(reference, scope) else {
                continue;
            };
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            if !types.contains(&"boolean") {
                let span = part(node, "", reference.range.clone());
                let name = reference.path.join(".");
                let words = schema::type_words(&types);
                self.faults.push(
                    Diagnostic::error(
                        "condition_type",
                        span,
                        format!("a condition must be true or false; `{name}` is {words}"),
                    )
                    .with_help(format!(
                        "compare it: `{name} == …`, `{name} > 0`, `{name} is not none`"
                    )),
                );
            }
        }
    }

    /// What a loop goes through must be a list.
    pub(super) fn check_list(&mut self, node: Option<&Node>, items: &Template, scope: usize) {
        let found = items.references_with_places();
        let constant = found.is_empty().then(|| items.evaluate(&Scope::default()));
        if constant.is_some_and(|value| !value.is_ok_and(|value| value.is_array())) {
            let span = node.map_or_else(Span::default, |node| node.span);
            self.faults.push(
                Diagnostic::error("not_a_list", span, "`for_each` needs a list").with_help(
                    "name one, such as `inputs.lines`, or write it: `[1, 2, 3]` in quotes",
                ),
            );
            return;
        }
        for reference in found {
            let Some(types) = self.known_types(&reference, scope) else {
                continue;
            };
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            if !types.contains(&"array") {
                let span = part(node, "", reference.range.clone());
                let (name, words) = (reference.path.join("."), schema::type_words(&types));
                let help = match types.as_slice() {
                    ["object"] => Some(format!(
                        "of a map there are `{name} | items` (pairs), and lists inside it"
                    )),
                    _ => None,
                };
                self.faults.push(
                    Diagnostic::error(
                        "not_a_list",
                        span,
                        format!("`for_each` needs a list; `{name}` is {words}"),
                    )
                    .with_help_if(help),
                );
            }
        }
    }

    /// Before the first round there are no steps to look at.
    pub(super) fn check_first_test(
        &mut self,
        key: &str,
        node: Option<&Node>,
        test: &Condition,
        body: usize,
    ) {
        let found = test.references_with_places();
        let counts = |one: &Reference| one.path.first().is_some_and(|root| root == "index");
        if key != "while" || found.iter().any(counts) {
            return;
        }
        let layout = self.layout;
        let early = found.iter().find(|one| {
            !one.guarded
                && matches!(one.path.as_slice(), [root, id, ..]
                    if root == "steps" && layout.scopes[body].by_id.contains_key(id.as_str()))
        });
        if let Some(early) = early {
            let name = early.path.join(".");
            self.faults.push(
                Diagnostic::error(
                    "before_first_round",
                    part(node, "", early.range.clone()),
                    format!("`while` is tested before the first round, when there is no `{name}` yet"),
                )
                .with_help(format!(
                    "say what counts then, `{name} | default(true)`, or test after each round with `until`"
                )),
            );
        }
    }

    /// Follows a path through a schema as far as it tells what there is.
    pub(super) fn field(
        &mut self,
        what: &str,
        base: &str,
        schema: &Value,
        rest: &[&str],
        span: Span,
    ) {
        let mut at = base.to_owned();
        let mut schema = schema;
        for name in rest {
            match schema::types(schema).as_deref() {
                Some(["array"]) => {
                    self.faults.push(
                        Diagnostic::error("unknown_output", span, format!("`{at}` is a list and has no `{name}`"))
                            .with_help(format!("take one item: `{at}[0].{name}`; or of each: `{at} | map(attribute='{name}')`")),
                    );
                    return;
                }
                Some(types) if !types.contains(&"object") => {
                    let types = schema::type_words(types);
                    self.faults.error(
                        "unknown_output",
                        span,
                        format!("`{at}` is {types} and has no `{name}`"),
                    );
                    return;
                }
                _ => {}
            }
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                return;
            };
            if let Some(inner) = properties.get(*name) {
                schema = inner;
                at = format!("{at}.{name}");
                continue;
            }
            let open = schema
                .get("additionalProperties")
                .is_some_and(|more| more != &Value::Bool(false));
            if !open {
                let names: Vec<&str> = properties.keys().map(String::as_str).collect();
                let message = if at == base {
                    format!("{what} gives no `{name}`")
                } else {
                    format!("`{at}` has no `{name}`")
                };
                let help = self.suggest(name, names);
                self.faults
                    .push(Diagnostic::error("unknown_output", span, message).with_help_if(help));
            }
            return;
        }
    }
}

/// Adds the fields of one map to those of another; a field that both have is only as certain as both say.
fn merge(into: &mut Value, other: Value) {
    let Some(other) = other.get("properties").and_then(Value::as_object).cloned() else {
        // Nothing is known of it: then anything may be there.
        into["additionalProperties"] = json!(true);
        return;
    };
    for (name, schema) in other {
        let slot = &mut into["properties"][&name];
        *slot = if slot.is_null() || *slot == schema {
            schema
        } else {
            json!({})
        };
    }
}
