//! What starts a flow. Times and signatures are only described here; the clock and the bytes are elsewhere.

use serde::{Deserialize, Serialize};

use crate::flow::model::Millis;
use crate::ids::Name;

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
    /// The clock; nobody is the invoker.
    Schedule(Schedule),
    /// Another system; nobody is the invoker.
    Webhook(Webhook),
}

/// The times at which a flow starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Five fields, or six with seconds first.
    pub cron: String,
    /// The name of an IANA time zone.
    #[serde(default = "utc")]
    pub timezone: String,
    /// What becomes of times that passed while nothing could start.
    #[serde(default)]
    pub catchup: Catchup,
    /// What happens where clocks are put forward or back.
    #[serde(default, skip_serializing_if = "Dst::is_default")]
    pub dst: Dst,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What becomes of times that passed while nothing could start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catchup {
    /// They are left out.
    #[default]
    None,
    /// One run, for the last of them.
    Last,
    /// One run for each.
    All,
}

/// What happens where clocks are put forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dst {
    /// For a time that the day does not have.
    pub gap: Gap,
    /// For a time that the day has twice.
    pub overlap: Overlap,
}

impl Dst {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// For a time that the day does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// At the first instant after the gap.
    #[default]
    Run,
    /// Not at all.
    Skip,
}

/// For a time that the day has twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The first time.
    #[default]
    First,
    /// Both times.
    Both,
}

/// A call from another system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// How the caller is known.
    pub verify: Verify,
    /// The header that names a delivery, so that one that comes twice starts one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
}

/// How the caller of a webhook is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verify {
    /// Not at all: whoever knows the address may call.
    None,
    /// By a signature over the bytes sent.
    HmacSha256(HmacSha256),
}

/// A signature over the bytes sent (HMAC-SHA256).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacSha256 {
    /// The names of the workspace's secrets any of which may have signed.
    pub secret: Vec<Name>,
    /// The header with the signature.
    pub header: String,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// The header with the time of signing, and how old it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// What is signed, made of `{body}`, `{timestamp}` and `{delivery}`; the body alone if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Two hexadecimal digits a byte.
    #[default]
    Hex,
    /// Base 64.
    Base64,
}

/// The time of signing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// The header that holds it.
    pub header: String,
    /// How far from now it may be.
    #[serde(default = "five_minutes")]
    pub tolerance_ms: Millis,
}

fn five_minutes() -> Millis {
    Millis(300_000)
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
    /// A chat.
    Chat,
    /// An agent, through the Model Context Protocol.
    Mcp,
    /// A step of another run.
    ChildRun,
    /// The clock.
    Schedule,
    /// Another system.
    Webhook,
    /// Somebody is to be told that a run waits for them.
    Notice,
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
            Self::Chat => "chat",
            Self::Mcp => "mcp",
            Self::ChildRun => "child_run",
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
            Self::Notice => "notice",
        }
    }
}
