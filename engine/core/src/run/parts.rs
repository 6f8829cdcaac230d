//! What events are made of: people, connections, reasons, holds and answers. Values only: nothing here decides.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::RecordRef;
use crate::error::StepError;
use crate::flow::Entry;
use crate::ids::{
    ConnectionId, FlowId, FlowName, RequestId, RunId, SlotName, StepPath, UserId, VersionId,
};
use crate::time::Time;

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

pub(super) fn is_null(value: &Arc<Value>) -> bool {
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
    /// The person it acts for; none for what a clock or another system started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoker: Option<Person>,
    /// The way it came in.
    pub entry: Entry,
    /// What it was given, defaults filled in. Shared, as all values of a run are, so that nothing copies them.
    pub inputs: Arc<Value>,
    /// Workspace values as they were.
    #[serde(default, skip_serializing_if = "is_null")]
    pub vars: Arc<Value>,
    /// The run that it is a part or a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The items of a loop that it does for its parent; none for a run of a whole flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Box<Part>>,
    /// Slots that its parent hands down, with their connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound: Vec<Handed>,
    /// The run that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<RunId>,
    /// When.
    pub at: Time,
}

impl Created {
    /// Whether this user is the person it acts for. A run without one is nobody's own.
    pub fn is_of(&self, user: &UserId) -> bool {
        self.invoker
            .as_ref()
            .is_some_and(|invoker| invoker.id == *user)
    }
}

/// The run that another one was begun by, and the step that waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run.
    pub run: RunId,
    /// The step in it.
    pub step: StepPath,
    /// How many runs stand above, the parent included.
    pub depth: u32,
}

/// Some items of a loop, done by a run of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The loop, as its parent names it.
    pub step: StepPath,
    /// Its number in the plan: two cases may have steps of one path.
    pub number: usize,
    /// The number of the first item here among all items of the loop.
    pub offset: u64,
    /// The items, a list.
    pub items: Arc<Value>,
    /// What the loop may look at around itself: `{"roots": {name: value}, "steps": {id: output}}`.
    pub scope: Arc<Value>,
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

/// The kind of sign-in that a connection's credential came by, and so what it is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// OAuth 2 with a person's consent.
    Oauth2,
    /// OAuth 2 for the app client itself: nobody's account, only ever shared.
    ClientCredentials,
    /// A user name and a password.
    Password,
    /// A key that the app made out.
    ApiKey,
    /// What else the app asks for.
    Custom,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Oauth2,
        Self::ClientCredentials,
        Self::Password,
        Self::ApiKey,
        Self::Custom,
    ];

    /// The one of a name that [`Self::as_str`] gave.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The name manifests and answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oauth2 => "oauth2",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::ApiKey => "api_key",
            Self::Custom => "custom",
        }
    }

    /// Whether what it takes is typed by somebody, rather than fetched from a provider.
    pub fn is_typed(self) -> bool {
        matches!(self, Self::Password | Self::ApiKey | Self::Custom)
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

/// A slot that a run hands down to one it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The slot, as the run that is begun names it.
    pub slot: SlotName,
    /// Its connection.
    pub bound: Bound,
    /// Whose account it is, with their login; none if it is nobody's in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<(UserId, String)>,
    /// The run that the account was given to: what is kept for that run only is good here too.
    pub run: RunId,
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

/// What a step that holds no memory waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Hold {
    /// An instant.
    Until {
        /// Which.
        at: Time,
    },
    /// A call from outside.
    Callback {
        /// When it is too late.
        until: Time,
        /// What its payload must fit: a JSON Schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Arc<Value>>,
    },
    /// Somebody's decision about an approval.
    Approval {
        /// The request.
        request: RequestId,
        /// When it is too late.
        until: Time,
        /// The fields that whoever decides fills in: name to JSON Schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<Arc<Value>>,
        /// Whoever runs the flow, unless they may decide it themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_by: Option<UserId>,
        /// Whether a rejection, or none in time, is an answer like another.
        #[serde(default)]
        on_reject_continue: bool,
    },
    /// The end of a run of another flow.
    Child {
        /// That run.
        run: RunId,
        /// Its flow.
        flow: FlowName,
        /// The version it runs.
        version: VersionId,
    },
}

/// What a person says of a step of which the engine does not know whether it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It did, and gave this.
    Happened {
        /// What.
        #[serde(default, skip_serializing_if = "is_null")]
        output: Arc<Value>,
    },
    /// Do it again.
    Again,
    /// It counts as failed.
    GiveUp,
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decider {
    /// Who it is.
    pub id: UserId,
    /// The name they log in with.
    pub login: String,
    /// What people call them.
    pub name: String,
}

/// A decision about an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Yes or no.
    pub approved: bool,
    /// Whose it is.
    pub by: Decider,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What they filled in.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub form: Value,
}

/// An item of a loop that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedItem {
    /// Its number among all items, from 0.
    pub index: u64,
    /// Why.
    pub error: StepError,
}
