//! What a held step waits for, read from its evaluated input: `core.wait`, `core.wait_for_callback`, `core.approve`, `core.run_flow`.
//! It makes no ids and holds nothing: whoever performs the command makes the rows and records that the step is held.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::app::HoldKind;
use crate::error::{ErrorKind, StepError};
use crate::ids::{FlowName, SlotName};
use crate::run::approval::{ApprovalSpec, Asked, Form};
use crate::run::parts::Person;
use crate::schema::Schema;
use crate::time::Time;

/// How deep flows may run flows.
pub const DEEPEST: u32 = 16;
/// How long anything may be waited for: ten years.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// What a step waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum HoldSpec {
    /// The clock.
    Wait {
        /// Until when.
        at: Time,
    },
    /// Somebody who calls back.
    Callback {
        /// The deadline.
        until: Time,
        /// What the payload must fit.
        schema: Option<Value>,
    },
    /// A person who decides.
    Approval(ApprovalSpec),
    /// A run of another flow.
    RunFlow(RunFlowSpec),
}

/// What `core.run_flow` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFlowSpec {
    /// The flow; its latest version is found when the step begins.
    pub flow: FlowName,
    /// What it is given, a map.
    pub inputs: Value,
    /// The child's slot → the caller's own slot that it is bound to.
    pub connections: BTreeMap<SlotName, SlotName>,
}

/// The run that holds: what the meaning of an input depends on.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'r> {
    /// Now.
    pub now: Time,
    /// The person the run acts for, if there is one.
    pub invoker: Option<&'r Person>,
    /// Whether it is the run of a draft, in which its author decides.
    pub draft: bool,
    /// How many runs are above it.
    pub depth: u32,
}

/// What a step waits for, from its input as it was evaluated.
///
/// # Errors
/// `invalid_input`: code `nobody_to_decide` or `too_deep`, else `bad_input`.
pub fn read(kind: HoldKind, input: &Value, holder: Holder<'_>) -> Result<HoldSpec, StepError> {
    match kind {
        HoldKind::Wait => wait(input, holder),
        HoldKind::Callback => callback(input, holder),
        HoldKind::Approve => approve(input, holder),
        HoldKind::RunFlow => run_flow(input, holder),
    }
}

/// `core.wait {for | until}`.
///
/// # Errors
/// `invalid_input`, code `bad_input`.
fn wait(input: &Value, holder: Holder<'_>) -> Result<HoldSpec, StepError> {
    let fields = Fields::of("wait", input, &["for", "until"])?;
    let at = match (fields.get("for"), fields.get("until")) {
        (Some(span), None) => holder.now.after(fields.duration("for", span)?),
        (None, Some(instant)) => {
            let at = instant.as_str().and_then(Time::parse).ok_or_else(|| {
                fields.bad("`until` is not a time such as `2026-11-20T13:00:00Z`")
            })?;
            if at.since(holder.now) > LONGEST {
                return Err(fields.bad("`until` is more than ten years away"));
            }
            at
        }
        _ => return Err(fields.bad("give either `for` or `until`")),
    };
    Ok(HoldSpec::Wait { at })
}

/// `core.wait_for_callback {payload, expires}`.
///
/// # Errors
/// `invalid_input`, code `bad_input`.
fn callback(input: &Value, holder: Holder<'_>) -> Result<HoldSpec, StepError> {
    let fields = Fields::of("wait_for_callback", input, &["payload", "expires"])?;
    let schema = fields.get("payload").cloned();
    if let Some(schema) = &schema {
        Schema::compile(schema)
            .map_err(|why| fields.bad(&format!("`payload` is not a JSON Schema: {why}")))?;
    }
    let until = holder.now.after(fields.expires(DAY)?);
    Ok(HoldSpec::Callback { until, schema })
}

/// `core.approve {who, title, form, expires, on_reject, self}`.
///
/// # Errors
/// `invalid_input`: code `nobody_to_decide` if nobody is asked or only whoever runs the flow, else `bad_input`.
fn approve(input: &Value, holder: Holder<'_>) -> Result<HoldSpec, StepError> {
    let known = ["who", "title", "form", "expires", "on_reject", "self"];
    let fields = Fields::of("approve", input, &known)?;
    let own = fields.flag("self")?;
    let mut who = Vec::new();
    match fields.get("who") {
        None => {}
        Some(Value::Array(some)) => {
            for one in some {
                fields.asked(one, &mut who)?;
            }
        }
        Some(one) => fields.asked(one, &mut who)?,
    }
    let mut not_by = None;
    if let Some(invoker) = holder.invoker.filter(|_| holder.draft) {
        // While a flow is built nobody but its author is asked anything.
        who = vec![Asked::Login(invoker.login.clone())];
    } else {
        if who.is_empty() {
            return Err(nobody("`who` is empty: nobody could decide"));
        }
        if let Some(invoker) = holder.invoker.filter(|_| !own) {
            if who == [Asked::Login(invoker.login.clone())] {
                return Err(nobody(
                    "`who` is only the person who runs the flow, who may not decide it themselves",
                ));
            }
            not_by = Some(invoker.id.clone());
        }
    }
    let title = match fields.get("title") {
        None => "Approve".to_owned(),
        Some(title) => fields.text("title", title)?.to_owned(),
    };
    let form = fields
        .get("form")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    Form::read(&form).map_err(|why| fields.bad(&why))?;
    let on_reject_continue = match fields.get("on_reject").map(Value::as_str) {
        None | Some(Some("fail")) => false,
        Some(Some("continue")) => true,
        Some(_) => return Err(fields.bad("`on_reject` is `fail` or `continue`")),
    };
    Ok(HoldSpec::Approval(ApprovalSpec {
        who,
        not_by,
        title,
        form,
        until: holder.now.after(fields.expires(7 * DAY)?),
        on_reject_continue,
    }))
}

/// `core.run_flow {flow, inputs, connections}`.
///
/// # Errors
/// `invalid_input`: code `too_deep` if too many runs are above this one, else `bad_input`.
fn run_flow(input: &Value, holder: Holder<'_>) -> Result<HoldSpec, StepError> {
    let fields = Fields::of("run_flow", input, &["flow", "inputs", "connections"])?;
    let flow = fields
        .get("flow")
        .and_then(Value::as_str)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| fields.bad("`flow` is not the name of a flow"))?;
    let inputs = match fields.get("inputs") {
        None => Value::Object(Map::new()),
        Some(inputs) if inputs.is_object() => inputs.clone(),
        Some(_) => return Err(fields.bad("`inputs` is not a map of name to value")),
    };
    let connections = match fields.get("connections") {
        None => BTreeMap::new(),
        Some(map) => serde_json::from_value(map.clone()).map_err(|_| {
            fields.bad("`connections` is not a map of the called flow's slot to one of this flow")
        })?,
    };
    if holder.depth >= DEEPEST {
        return Err(StepError::new(
            ErrorKind::InvalidInput,
            format!("`{flow}` would be the run number {} that one runs in another; {DEEPEST} is the most", DEEPEST + 1),
        )
        .with_code("too_deep")
        .with_help("see whether a flow runs itself, straight or through others"));
    }
    Ok(HoldSpec::RunFlow(RunFlowSpec {
        flow,
        inputs,
        connections,
    }))
}

fn nobody(message: &str) -> StepError {
    StepError::new(ErrorKind::InvalidInput, message)
        .with_code("nobody_to_decide")
        .with_help("name somebody else in `who`: a login, `role:NAME`, or a list of these")
}

/// A duration as steps have it: a number of seconds, or a text such as `90s` or `1h30m`. At most ten years.
pub fn duration(value: &Value) -> Option<Duration> {
    let span = match value {
        Value::Number(seconds) => Duration::try_from_secs_f64(seconds.as_f64()?).ok()?,
        Value::String(text) => {
            let mut rest = text.trim();
            let mut total = Duration::ZERO;
            if rest.is_empty() {
                return None;
            }
            while !rest.is_empty() {
                // One number and one unit at a time.
                let digits = rest.find(|c: char| !c.is_ascii_digit())?;
                let unit = rest[digits..]
                    .find(|c: char| c.is_ascii_digit())
                    .map_or(rest.len(), |length| digits + length);
                total = total.checked_add(crate::yaml::duration(&rest[..unit])?)?;
                rest = &rest[unit..];
            }
            total
        }
        _ => return None,
    };
    (span <= LONGEST).then_some(span)
}

/// The fields of an input; one that is null counts as left out.
struct Fields<'i> {
    module: &'static str,
    fields: Option<&'i Map<String, Value>>,
}

impl<'i> Fields<'i> {
    fn of(module: &'static str, input: &'i Value, known: &[&str]) -> Result<Self, StepError> {
        let fields = Self {
            module,
            fields: input.as_object(),
        };
        if fields.fields.is_none() && !input.is_null() {
            return Err(fields.bad("the input is not a map"));
        }
        for name in fields.fields.into_iter().flat_map(Map::keys) {
            if !known.contains(&name.as_str()) {
                return Err(fields.bad(&format!("`{name}` is not known here")));
            }
        }
        Ok(fields)
    }

    fn get(&self, name: &str) -> Option<&'i Value> {
        self.fields?.get(name).filter(|value| !value.is_null())
    }

    fn bad(&self, message: &str) -> StepError {
        StepError::new(
            ErrorKind::InvalidInput,
            format!("`{}` does not take this input: {message}", self.module),
        )
        .with_code("bad_input")
    }

    fn text(&self, name: &str, value: &'i Value) -> Result<&'i str, StepError> {
        value
            .as_str()
            .ok_or_else(|| self.bad(&format!("`{name}` is not a text")))
    }

    fn flag(&self, name: &str) -> Result<bool, StepError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.bad(&format!("`{name}` is neither true nor false"))),
        }
    }

    fn duration(&self, name: &str, value: &Value) -> Result<Duration, StepError> {
        duration(value).ok_or_else(|| {
            self.bad(&format!(
                "`{name}` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds"
            ))
        })
    }

    fn expires(&self, default: Duration) -> Result<Duration, StepError> {
        self.get("expires")
            .map_or(Ok(default), |span| self.duration("expires", span))
    }

    fn asked(&self, one: &Value, who: &mut Vec<Asked>) -> Result<(), StepError> {
        if one.is_null() {
            return Ok(());
        }
        let text = one
            .as_str()
            .ok_or_else(|| self.bad("`who` is not a login, `role:NAME` or a list of these"))?;
        if let Some(asked) = Asked::parse(text)
            && !who.contains(&asked)
        {
            who.push(asked);
        }
        Ok(())
    }
}
