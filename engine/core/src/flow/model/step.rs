//! Steps: one use of a module, or other steps that run again, or instead of one another. A flat struct of what may be written; that the
//! keys fit together is the checker's business.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::Effect;
use crate::error::ErrorKind;
use crate::flow::canonical::ordered;
use crate::flow::model::Millis;
use crate::ids::{ModuleRef, SlotName, StepId};

/// One step: a use of a module (`uses`), a loop (`for_each`, `while`, `until`) or a choice (`switch`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// A title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<ModuleRef>,
    /// The slot it acts through; filled in when exactly one slot fits the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<SlotName>,
    /// The module's input: JSON whose texts may be expressions.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub with: Value,
    /// One expression, without braces; false skips the step.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Steps that must have ended before, beside those its expressions name. `Some([])` says that none is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<StepId>>,
    /// What to do about errors that may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long one attempt may take, in milliseconds.
    #[serde(rename = "timeout_ms", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// Said by the step where the module leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// One expression that gives a list: the step runs once for each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// How many items may be under way at once; 1 if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// What an item that fails means for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_item_error: Option<OnItemError>,
    /// A condition tested before each round.
    #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
    pub while_: Option<String>,
    /// A condition tested after each round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What lies between the rounds, in milliseconds.
    #[serde(rename = "every_ms", skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// The most rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rounds: Option<u32>,
    /// One expression; its value chooses a case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// The cases by value.
    #[serde(with = "ordered", skip_serializing_if = "IndexMap::is_empty")]
    pub cases: IndexMap<String, Body>,
    /// What runs where no case fits.
    #[serde(rename = "default", skip_serializing_if = "Option::is_none")]
    pub default_case: Option<Body>,
    /// The steps of a loop.
    #[serde(with = "ordered::optional", skip_serializing_if = "Option::is_none")]
    pub steps: Option<IndexMap<StepId, Step>>,
    /// What one pass of a loop gives; its steps by id if not said.
    #[serde(with = "ordered::optional", skip_serializing_if = "Option::is_none")]
    pub outputs: Option<IndexMap<String, Value>>,
    /// What happens when it fails for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// What takes it back when the run fails later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<Step>>,
}

/// Steps of their own inside a step, and what they give.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Body {
    /// The steps.
    #[serde(with = "ordered")]
    pub steps: IndexMap<StepId, Step>,
    /// What they give; the steps by id if not said.
    #[serde(with = "ordered::optional", skip_serializing_if = "Option::is_none")]
    pub outputs: Option<IndexMap<String, Value>>,
}

/// What an item that fails means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnItemError {
    /// No new item begins, and the step fails.
    #[default]
    Fail,
    /// The others go on.
    Continue,
}

/// What happens when a step, or a run, fails for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It has failed.
    Fail,
    /// What comes after goes on without it.
    Continue,
    /// These steps run; with `outputs` it then counts as done.
    #[serde(untagged)]
    Handle(Body),
}

/// Waiting between attempts; `Retry-After` wins when it is longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included; 1 to 100.
    pub attempts: u32,
    /// Before the second attempt.
    pub first_delay_ms: Millis,
    /// The delay grows up to this.
    pub max_delay_ms: Millis,
    /// How the delay grows.
    #[serde(default, skip_serializing_if = "Backoff::is_default")]
    pub backoff: Backoff,
    /// The kinds of error that are tried again; empty means those that may pass by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<ErrorKind>,
}

impl Retry {
    /// Whether an error of this kind is tried again.
    pub fn covers(&self, kind: ErrorKind) -> bool {
        if self.on.is_empty() {
            kind.is_transient()
        } else {
            self.on.contains(&kind)
        }
    }
}

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always the first delay.
    Constant,
    /// Doubled each time.
    #[default]
    Exponential,
}

impl Backoff {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
