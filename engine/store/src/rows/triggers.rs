//! What starts flows by itself.

use actas_core::Time;
use actas_core::ids::{FlowId, HookId, VersionId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// What starts a flow by itself; a flow has one or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerRow {
    /// Which flow.
    pub flow: FlowId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The version that says so, and that is run.
    pub version: VersionId,
    /// How.
    pub kind: TriggerKind,
    /// What stands in a webhook's address; no other trigger has the same.
    pub hook: Option<HookId>,
    /// The schedule or what a webhook's caller has to show, as JSON.
    pub spec: String,
    /// The next instant of a schedule.
    pub next_at: Option<Time>,
    /// The last instant for which it was fired.
    pub last_at: Option<Time>,
}

/// How a flow starts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// At instants.
    Schedule,
    /// By a call from outside.
    Webhook,
}

impl TriggerKind {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
        }
    }
}
