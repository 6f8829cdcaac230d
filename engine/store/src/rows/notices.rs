//! What is still to be said to somebody who is asked for something. A row is there for as long as it was not said.

use actas_core::Time;
use actas_core::ids::{FlowId, NoticeId, RunId, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// Somebody is to hear that a run waits for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Which; every try of the same notice has the same.
    pub id: NoticeId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whether they are told for the first time.
    pub kind: NoticeKind,
    /// What they are asked for.
    pub about: NoticeAbout,
    /// The sign-in's or request's id.
    pub subject: String,
    /// The run that waits.
    pub run: RunId,
    /// Its flow.
    pub flow: FlowId,
    /// Who is told; none: whoever is asked when it is due.
    pub person: Option<UserId>,
    /// How they are told; none until it is known who is.
    pub channel: Option<NoticeChannel>,
    /// How often it was tried; raised by whoever takes it on.
    pub tries: u32,
    /// When it is to be said, or tried again.
    pub due_at: Time,
    /// Until when what they are asked for may be answered.
    pub until: Time,
    /// When it was written.
    pub created_at: Time,
}

/// Whether somebody is told for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// They are asked.
    Asked,
    /// They were asked, and the time is nearly over.
    Reminder,
}

/// What somebody is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeAbout {
    /// To sign in.
    SignIn,
    /// To approve or reject.
    Approval,
    /// To say what became of a step.
    Decision,
}

/// How somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeChannel {
    /// By mail.
    Mail,
    /// By a flow.
    Flow,
}

impl NoticeKind {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Reminder => "reminder",
        }
    }
}

impl NoticeAbout {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Approval => "approval",
            Self::Decision => "decision",
        }
    }
}

impl NoticeChannel {
    /// The word in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Flow => "flow",
        }
    }
}
