//! What people are asked for while a run waits, and what a workspace keeps by name. Signing in is another matter: it has rows of its own.

use actas_core::Time;
use actas_core::ids::{FlowId, Name, RequestId, RunId, StepPath, UserId, VarName};
use serde::{Deserialize, Serialize};

/// An approval or a decision that somebody is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Which; stands in its page's address.
    pub id: RequestId,
    /// The run that waits.
    pub run: RunId,
    /// Its flow.
    pub flow: FlowId,
    /// The step that waits.
    pub step: StepPath,
    /// What is asked.
    pub kind: RequestKind,
    /// Who may answer: logins and `role:NAME`.
    pub who: Vec<String>,
    /// Who may not, whatever `who` says.
    pub not_by: Option<UserId>,
    /// What they see in a list.
    pub title: String,
    /// What they see on its page, as JSON.
    pub detail: String,
    /// Where it stands.
    pub state: RequestState,
    /// When it was asked.
    pub created_at: Time,
    /// Until when it may be answered.
    pub until: Time,
    /// Who answered.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<Time>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Whether a flow may go on.
    Approval,
    /// What became of a step, or what is to become of it.
    Decision,
}

impl RequestKind {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Decision => "decision",
        }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// To be answered.
    Open,
    /// Answered.
    Decided,
    /// Nobody waits for an answer any more.
    Closed,
}

impl RequestState {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Closed => "closed",
        }
    }
}

/// A value of the workspace that flows may read; nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarRow {
    /// Its name.
    pub name: VarName,
    /// The value, as JSON.
    pub value: String,
    /// Who set it last.
    pub updated_by: UserId,
    /// When.
    pub updated_at: Time,
}

/// A secret with a name, such as what a webhook is signed with. What it holds is in the vault, under [`NamedSecretRow::owner`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecretRow {
    /// Its name.
    pub name: Name,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Time,
    /// When it was given another value last.
    pub rotated_at: Option<Time>,
}

impl NamedSecretRow {
    /// The owner of its sealed values: `current`, and `previous` for as long as both are good.
    pub fn owner(name: &Name) -> String {
        format!("secret:{name}")
    }
}
