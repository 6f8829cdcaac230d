//! What all handlers share. Holds no request's state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actas_connections::Connections;
use actas_core::Time;
use actas_core::app::Apps;
use actas_core::flow::Inputs;
use actas_core::ids::{FlowId, UserId, VersionId, WorkspaceId};
use actas_runner::{Runner, Version};
use actas_store::{Commit, Op, Store};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::log::Sink;
use crate::origin::Origin;
use crate::rate::{Buckets, KnownPlaces};
use crate::strangers::Strangers;
use crate::terminal::Terminal;
use crate::workspaces::Workspaces;

/// The application: the engine's parts and what the server keeps in memory.
#[derive(Debug)]
pub struct App {
    /// The store.
    pub store: Store,
    /// Credentials and sign-ins.
    pub connections: Connections,
    /// Runs.
    pub runner: Runner,
    /// The apps there are.
    pub apps: Apps,
    /// The first workspace: where the operator of this machine acts who names none. What a caller may see hangs on who they are, never on it.
    pub workspace: WorkspaceId,
    /// Its name in addresses.
    pub workspace_name: String,
    /// All workspaces, as far as they were seen.
    pub workspaces: Workspaces,
    /// Where this server is found.
    pub origin: Origin,
    /// Attempts to log in, by login and address.
    pub by_place: Buckets,
    /// Attempts to log in, by login, from where nobody has logged in with it: slower than guessing, faster than people.
    pub by_login: Buckets,
    /// From where people have logged in.
    pub known_places: KnownPlaces,
    /// Attempts to log in, by address.
    pub by_address: Buckets,
    /// Calls of webhooks: by address until they are known to be signed, then by hook.
    pub by_hook: Buckets,
    /// Records of refused logins beyond the limit, by address: a flood must not fill the audit log.
    pub noted: Buckets,
    /// Records of what people do whom nobody knows.
    pub strangers: Strangers,
    /// Links of a terminal on this machine; none: there is no such thing.
    pub terminal: Option<Terminal>,
    /// What is known of versions, which never change.
    pub versions: KnownVersions,
    /// Effective settings, secrets hidden.
    pub settings: Value,
    /// Where checkpoints of the audit logs are taken to, so that they cannot be changed with the database.
    pub checkpoints: Option<Sink>,
    /// Set when the server stops: streams end.
    pub stopping: CancellationToken,
    /// When people were last noted to be here.
    pub seen: Seen,
    /// Counts when somebody's access ended: streams look whether it was theirs.
    pub ended: watch::Sender<u64>,
}

impl App {
    /// Notes that a person is here, once an hour at most and without keeping them waiting.
    pub fn see(&self, workspace: &WorkspaceId, user: &UserId, now: Time) {
        if !self.seen.is_due((workspace.clone(), user.clone()), now) {
            return;
        }
        let op = Op::SeeUser {
            workspace: workspace.clone(),
            user: user.clone(),
            at: now,
        };
        let store = self.store.clone();
        tokio::spawn(async move {
            let audit = Vec::new();
            let ops = vec![op];
            // If it is not written, it is noted in an hour.
            let _ = store.commit(Commit { ops, audit }).await;
        });
    }

    /// Says that a session, a token or a person's access has ended.
    pub fn access_ended(&self) {
        self.ended.send_modify(|count| *count += 1);
    }

    /// The address of a workspace's login page, coming back to a known page.
    pub fn login_path(workspace: &str, to: &crate::target::Target) -> String {
        format!("/w/{workspace}/login?to={to}")
    }
}

/// How exactly it is known when somebody was last here.
const SEEN: Duration = Duration::from_secs(3600);

/// When people were last noted to be here, as far as this process remembers.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<(WorkspaceId, UserId), Time>>);

impl Seen {
    /// Whether it is time to note it again.
    fn is_due(&self, key: (WorkspaceId, UserId), now: Time) -> bool {
        let mut seen = lock(&self.0);
        if seen.get(&key).is_some_and(|at| now.since(*at) < SEEN) {
            return false;
        }
        if seen.len() >= KEPT {
            seen.clear();
        }
        seen.insert(key, now);
        true
    }
}

/// How much of versions stays in memory; beyond that it starts anew, which costs reading and compiling again.
const KEPT: usize = 2_000;

/// What is known of versions: a number never comes to mean another version, nor a version other inputs.
#[derive(Debug, Default)]
pub struct KnownVersions {
    inputs: Mutex<HashMap<VersionId, Arc<Inputs>>>,
    numbers: Mutex<HashMap<(FlowId, u32), VersionId>>,
}

impl KnownVersions {
    /// The inputs of a version, their schemas compiled once.
    pub fn inputs(&self, version: &Version) -> Arc<Inputs> {
        let mut known = lock(&self.inputs);
        if let Some(inputs) = known.get(&version.row.id) {
            return Arc::clone(inputs);
        }
        if known.len() >= KEPT {
            known.clear();
        }
        let inputs = Arc::new(Inputs::of(&version.plan.flow));
        known.insert(version.row.id.clone(), Arc::clone(&inputs));
        inputs
    }

    /// The version of a flow's number, if it was asked for before.
    pub fn id(&self, flow: &FlowId, number: u32) -> Option<VersionId> {
        lock(&self.numbers).get(&(flow.clone(), number)).cloned()
    }

    /// Keeps which version a flow's number is.
    pub fn keep(&self, flow: &FlowId, number: u32, id: &VersionId) {
        let mut known = lock(&self.numbers);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert((flow.clone(), number), id.clone());
    }
}

/// A lock whose holder panicked still guards whole values here: entries are inserted in one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
