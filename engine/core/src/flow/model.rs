//! A flow as a value: what a version freezes. It has no place for a build-time value, so no version can hold one.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::Effect;
use crate::flow::canonical::Document;
use crate::ids::{AppName, FlowName, ModuleRef, Name, SlotName, StepId};

/// What its author edits: the flow, and apart from it the build-time values that fill its slots while building.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// All that may be published.
    pub flow: Flow,
    /// The name of one of the author's own connections for a slot.
    pub build_time: BTreeMap<SlotName, String>,
}

/// A flow without anything of its author's. As JSON it is its canonical document, see [`crate::flow::canonical()`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Document", into = "Document")]
pub struct Flow {
    /// The version of the language, 1.
    pub language: u32,
    /// The flow's name in its workspace.
    pub flow: FlowName,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What starts it.
    pub trigger: Trigger,
    /// What a run is given, by name, in the order written.
    pub inputs: IndexMap<String, Input>,
    /// The slots its steps act through.
    pub connections: IndexMap<SlotName, Slot>,
    /// The steps, in the order written.
    pub steps: IndexMap<StepId, Step>,
    /// What a run gives back: JSON whose texts may be expressions.
    pub outputs: IndexMap<String, Value>,
    /// How long a run and a pause may last.
    pub limits: Limits,
}

/// What starts a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// A person, who is then the invoker.
    OnDemand {
        /// The entry points allowed; empty means all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        from: Vec<Entry>,
    },
}

/// The way a run came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// An action button of a view.
    Button,
    /// *Run once* on the flow's page.
    RunOnce,
    /// The HTTP API with a token.
    Api,
    /// The command line.
    Cli,
    /// Its author, trying the draft.
    Build,
}

impl Entry {
    /// The name flows, answers and audit records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::RunOnce => "run_once",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Build => "build",
        }
    }
}

/// One input: a JSON Schema and whether it must be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The JSON Schema (draft 2020-12) of the value, with `title`, `default` and so on as written, without `required`.
    pub schema: Value,
    /// Without a default an input is required unless the flow says `required: false`.
    pub required: bool,
}

/// How a flow comes to an account at one app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The app.
    pub app: AppName,
    /// Whose account.
    #[serde(flatten)]
    pub kind: SlotKind,
}

/// Whose account a slot uses. Exactly one of the two keys stands in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// That of whoever runs the flow.
    Dynamic(Dynamic),
    /// A shared connection's, by name.
    Connection(Name),
}

/// The terms of a dynamic connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dynamic {
    /// When the person is asked.
    pub ask: Ask,
    /// How long the sign-in is kept.
    pub keep: Keep,
    /// The scopes wanted; empty means those the used modules need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The shared connection that gives address and app client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// Shown on the connect page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Default for Dynamic {
    fn default() -> Self {
        Self {
            ask: Ask::UpFront,
            keep: Keep::Always,
            scopes: Vec::new(),
            parent: None,
            why: None,
        }
    }
}

/// When a person is asked to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Before the first step, for all accounts at once.
    UpFront,
    /// At the step.
    WhenNeeded,
}

/// How long a personal connection is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// For the next runs too.
    Always,
    /// For this run only: asked each time, revoked and erased when the run ends.
    Run,
}

/// One use of a module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The module.
    pub uses: ModuleRef,
    /// The slot it acts through; filled in when exactly one slot fits the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<SlotName>,
    /// The module's input: JSON whose texts may be expressions.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub with: Value,
    /// One expression, without braces; false skips the step.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Steps that must have ended before, beside those its expressions name. `Some([])` says that none is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<StepId>>,
    /// What to do about transient errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long one attempt may take, in milliseconds.
    #[serde(
        default,
        rename = "timeout_ms",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Millis>,
    /// Said by the step where the module leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

/// A duration in milliseconds, as the canonical document has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

/// Constant or exponential waiting between attempts; `Retry-After` wins when it is longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included; 1 to 100.
    pub attempts: u32,
    /// Before the second attempt.
    pub first_delay_ms: Millis,
    /// Doubled each time up to this.
    pub max_delay_ms: Millis,
}

/// Bounds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest a run may take while it is not only people it waits for. Default 1 day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<Millis>,
    /// The longest a pause may last. Default 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<Millis>,
}

impl Limits {
    /// Nothing said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The longest pause.
    pub fn pause(&self) -> Duration {
        self.pause_ms
            .map_or(Duration::from_secs(7 * 24 * 3600), Into::into)
    }

    /// The longest run.
    pub fn run(&self) -> Duration {
        self.run_ms
            .map_or(Duration::from_secs(24 * 3600), Into::into)
    }
}
