//! Slots: how a flow comes to an account at an app. They name terms, never an account of somebody's.

use serde::{Deserialize, Serialize};

use crate::ids::{AppName, Name, StepId};

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

impl Slot {
    /// The shared connection it names: to act through, or as a parent.
    pub fn names(&self) -> Option<&Name> {
        match &self.kind {
            SlotKind::Connection(name) => Some(name),
            SlotKind::Dynamic(dynamic) => dynamic.parent.as_ref(),
        }
    }

    /// The slot as runs act through it: a dynamic one that was switched off is the shared connection it names.
    #[must_use]
    pub fn acting(&self) -> Self {
        let shared = match &self.kind {
            SlotKind::Dynamic(dynamic) => dynamic.switched_off(),
            SlotKind::Connection(_) => None,
        };
        Self {
            app: self.app.clone(),
            kind: shared.map_or_else(
                || self.kind.clone(),
                |name| SlotKind::Connection(name.clone()),
            ),
        }
    }
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
    /// The approval step whose decider's account it is, instead of the invoker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<StepId>,
    /// `false` acts through `parent` for everybody instead of asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
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
            of: None,
            enabled: None,
            ask: Ask::UpFront,
            keep: Keep::Always,
            scopes: Vec::new(),
            parent: None,
            why: None,
        }
    }
}

impl Dynamic {
    /// The connection that everybody acts through instead, if the dynamic connection was switched off.
    pub fn switched_off(&self) -> Option<&Name> {
        self.parent.as_ref().filter(|_| self.enabled == Some(false))
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
