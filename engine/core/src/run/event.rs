//! What happened in a run, in order: the only truth about it. One journal row holds the events of one commit.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::RecordRef;
use crate::error::StepError;
use crate::flow::Entry;
use crate::ids::{
    ConnectionId, FlowId, FlowName, RunId, SignInId, SlotName, StepPath, UserId, VersionId,
};
use crate::time::Time;

/// The meaning of apply, decide, expressions and filters that this program gives to new runs. Behaviour changes only under a new level.
pub const LEVEL: u32 = 1;

/// The version that this program writes events in. Older ones are upcast when they are read.
pub const EVENT_VERSION: u32 = 1;

/// A person as a run keeps them: a snapshot from its start, what `run.user` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who it is.
    pub id: UserId,
    /// The name they log in with.
    pub login: String,
    /// What people call them.
    pub name: String,
    /// Where mail reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The login of their manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Their roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

fn is_null(value: &Arc<Value>) -> bool {
    value.is_null()
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The meaning it runs under.
    pub level: u32,
    /// The run.
    pub run: RunId,
    /// The first run of its chain of retries: what idempotency keys are made of.
    pub first_run: RunId,
    /// The flow.
    pub flow: FlowId,
    /// Its name then.
    pub flow_name: FlowName,
    /// The frozen document it runs.
    pub version: VersionId,
    /// The version's number; none for a draft's snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// `sha256:…` of the version.
    pub digest: String,
    /// The person it acts for.
    pub invoker: Person,
    /// The way it came in.
    pub entry: Entry,
    /// What it was given, defaults filled in. Shared, as all values of a run are, so that nothing copies them.
    pub inputs: Arc<Value>,
    /// Workspace values as they were.
    #[serde(default, skip_serializing_if = "is_null")]
    pub vars: Arc<Value>,
    /// When.
    pub at: Time,
}

/// Which rule chose a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The slot names a shared connection.
    Shared,
    /// The invoker's own.
    Invoker,
    /// That of whoever decided an approval.
    Approver,
    /// The parent's owner runs with the parent.
    Owner,
    /// The author's build-time value, in a draft run.
    BuildTime,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Shared,
        Self::Invoker,
        Self::Approver,
        Self::Owner,
        Self::BuildTime,
    ];

    /// The one of a name that [`Self::as_str`] gave.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The name answers and audit records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Invoker => "invoker",
            Self::Approver => "approver",
            Self::Owner => "owner",
            Self::BuildTime => "build_time",
        }
    }
}

/// Whether a connection is the workspace's or one person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionKind {
    /// The workspace's.
    Shared,
    /// One person's.
    Personal,
}

impl ConnectionKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Shared, Self::Personal];

    /// The one of a name that [`Self::as_str`] gave.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The name answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Personal => "personal",
        }
    }
}

/// The connection a slot was bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose kind.
    pub kind: ConnectionKind,
    /// The rule that chose it.
    pub rule: Rule,
    /// The external account's name.
    pub account: String,
}

/// As which external account a step was done, and what it touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActedAs {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose kind.
    pub kind: ConnectionKind,
    /// The rule that chose it.
    pub rule: Rule,
    /// The external account's name.
    pub account: String,
    /// What was touched in the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
}

/// Why a person is asked to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskReason {
    /// They have no connection for it.
    Missing,
    /// It ran out and could not be refreshed.
    Expired,
    /// The app took it back.
    Revoked,
    /// They disconnected it.
    Disconnected,
    /// It lacks scopes.
    Scopes,
    /// There is one, but this flow was not allowed to use it, or wants more than was agreed to.
    Consent,
    /// They said no; it stays open until they change their mind.
    Declined,
}

impl AskReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Expired,
        Self::Revoked,
        Self::Disconnected,
        Self::Scopes,
        Self::Consent,
        Self::Declined,
    ];

    /// The one of a name that [`Self::as_str`] gave.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The name answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Disconnected => "disconnected",
            Self::Scopes => "scopes",
            Self::Consent => "consent",
            Self::Declined => "declined",
        }
    }
}

/// Why a step was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `if` was false.
    Condition,
    /// A step it needs was skipped.
    Needed,
    /// The run was failing or being cancelled before it could start.
    RunEnding,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All went well.
    Succeeded,
    /// A step failed for good, or a deadline passed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl Ending {
    /// The name answers and the store use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunCreated(Box<Created>),
    /// An attempt began. Journaled only before an `at_most_once` effect; otherwise it lives in memory alone.
    StepStarted {
        /// The step.
        step: StepPath,
        /// From 1.
        attempt: u32,
        /// When.
        at: Time,
    },
    /// A step ended well. Recorded at most once.
    StepSucceeded {
        /// The step.
        step: StepPath,
        /// The attempt that did it.
        attempt: u32,
        /// What it gave.
        output: Arc<Value>,
        /// As which account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acted_as: Option<ActedAs>,
        /// When that attempt began.
        started_at: Time,
        /// When it ended.
        at: Time,
    },
    /// An attempt failed: for good, or until `retry_at`.
    StepFailed {
        /// The step.
        step: StepPath,
        /// The attempt.
        attempt: u32,
        /// Why.
        error: StepError,
        /// When it is tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Time>,
        /// As which account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acted_as: Option<ActedAs>,
        /// When that attempt began.
        started_at: Time,
        /// When it ended.
        at: Time,
    },
    /// A step will not run.
    StepSkipped {
        /// The step.
        step: StepPath,
        /// Why.
        because: SkipReason,
        /// When.
        at: Time,
    },
    /// A slot has its connection.
    SlotBound {
        /// The slot.
        slot: SlotName,
        /// The connection.
        bound: Bound,
        /// When.
        at: Time,
    },
    /// A person is asked: the run pauses where it needs the slot.
    SlotAsked {
        /// The slot.
        slot: SlotName,
        /// The pending request.
        sign_in: SignInId,
        /// The slot's person.
        person: UserId,
        /// Why they are asked.
        reason: AskReason,
        /// The pause's deadline.
        until: Time,
        /// When.
        at: Time,
    },
    /// The person said no; they may still change their mind until the deadline.
    SlotDeclined {
        /// The slot.
        slot: SlotName,
        /// When.
        at: Time,
    },
    /// The account died in mid-run: the step that found out is ready again, with its key.
    SlotLost {
        /// The slot.
        slot: SlotName,
        /// The step that found out.
        step: StepPath,
        /// What became of the account.
        reason: AskReason,
        /// When.
        at: Time,
    },
    /// A pause's deadline passed: what needs the slot fails with `sign_in_needed`.
    SlotExpired {
        /// The slot.
        slot: SlotName,
        /// When.
        at: Time,
    },
    /// Somebody cancelled: nothing new starts, what is under way finishes.
    CancelAsked {
        /// Who.
        by: UserId,
        /// When.
        at: Time,
    },
    /// The end; nothing comes after.
    RunEnded {
        /// How.
        ending: Ending,
        /// What it gives back.
        #[serde(default, skip_serializing_if = "is_null")]
        outputs: Arc<Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StepError>,
        /// When.
        at: Time,
    },
}

/// The event's name and its subject, as messages have it: `step_succeeded create`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::StepStarted { step, .. }
            | Self::StepSucceeded { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepSkipped { step, .. } => write!(f, " {step}"),
            Self::SlotBound { slot, .. }
            | Self::SlotAsked { slot, .. }
            | Self::SlotDeclined { slot, .. }
            | Self::SlotLost { slot, .. }
            | Self::SlotExpired { slot, .. } => write!(f, " {slot}"),
            Self::RunCreated(_) | Self::CancelAsked { .. } | Self::RunEnded { .. } => Ok(()),
        }
    }
}

impl Event {
    /// The name the journal, answers and messages use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCreated(_) => "run_created",
            Self::StepStarted { .. } => "step_started",
            Self::StepSucceeded { .. } => "step_succeeded",
            Self::StepFailed { .. } => "step_failed",
            Self::StepSkipped { .. } => "step_skipped",
            Self::SlotBound { .. } => "slot_bound",
            Self::SlotAsked { .. } => "slot_asked",
            Self::SlotDeclined { .. } => "slot_declined",
            Self::SlotLost { .. } => "slot_lost",
            Self::SlotExpired { .. } => "slot_expired",
            Self::CancelAsked { .. } => "cancel_asked",
            Self::RunEnded { .. } => "run_ended",
        }
    }

    /// When it happened.
    pub fn at(&self) -> Time {
        match self {
            Self::RunCreated(created) => created.at,
            Self::StepStarted { at, .. }
            | Self::StepSucceeded { at, .. }
            | Self::StepFailed { at, .. }
            | Self::StepSkipped { at, .. }
            | Self::SlotBound { at, .. }
            | Self::SlotAsked { at, .. }
            | Self::SlotDeclined { at, .. }
            | Self::SlotLost { at, .. }
            | Self::SlotExpired { at, .. }
            | Self::CancelAsked { at, .. }
            | Self::RunEnded { at, .. } => *at,
        }
    }
}

/// What stands in a journal row's body: the events of one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalBody {
    /// In order.
    pub events: Vec<Event>,
}

/// Reads a journal row's body as any released version wrote it.
///
/// # Errors
/// If the version is newer than this program, or the body is not one.
pub fn upcast(v: u32, body: &str) -> Result<JournalBody, String> {
    match v {
        1 => serde_json::from_str(body)
            .map_err(|e| format!("journal row of version 1 cannot be read: {e}")),
        newer => Err(format!(
            "journal row of version {newer} is newer than this program; run a newer one"
        )),
    }
}
