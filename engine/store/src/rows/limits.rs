//! How many runs of a flow there may be at once, and how often something may be called.

use std::time::Duration;

use actas_core::Time;
use actas_core::ids::{FlowId, RunId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// What a run asks for that belongs to a flow with `concurrency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Where.
    pub workspace: WorkspaceId,
    /// Of which flow.
    pub flow: FlowId,
    /// Which run.
    pub run: RunId,
    /// How many runs of the flow may be active at once; none: any number. What was said last holds for all of them.
    pub limit: Option<u32>,
    /// At most one living run has it. A digest: what it stands for is nobody's business here.
    pub key: Option<String>,
    /// When it asks.
    pub at: Time,
}

/// Where a living run of such a flow stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRow {
    /// Which run.
    pub run: RunId,
    /// Of which flow.
    pub flow: FlowId,
    /// Its key.
    pub key: Option<String>,
    /// Where it stands.
    pub state: AdmissionState,
    /// Whether it was active before: then it has its key.
    pub entered: bool,
    /// Its place in the line.
    pub ticket: i64,
    /// When it came to the line last.
    pub since: Time,
}

/// Where a living run of such a flow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionState {
    /// In the line, and not there for the taking.
    Queued,
    /// It has a place.
    Active,
    /// It waits for the clock, a machine or a person, and has given its place back.
    Paused,
}

/// How often something may be called: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many times, all at once if none was used …
    pub times: u32,
    /// … in this time.
    pub per: Duration,
}
