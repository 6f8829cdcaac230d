//! The store's operations once more, in memory and without SQL: deterministic, for simulations, and what the real ones are compared with.
//! Compiled for tests only. Must not be quick at the price of being clear.

mod asked;
mod audit;
mod keys;
mod known;
mod lifecycle;
mod limits;
mod ops;
mod shared;
mod snapshot;
pub mod weather;

pub use snapshot::Snapshot;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::*;

use crate::chain::{AuditEntry, Heads, link_next};
use crate::op::{Commit, Op};
use crate::rows::*;
use crate::store::{Claimed, CommitError, ReadError};
use crate::write;
use shared::Shared;
use weather::{Did, Doing, Fate, Turn, Weather, unread};

/// A table: each row under its workspace and key.
pub(crate) type Table<K, V> = Shared<(WorkspaceId, K), V>;

/// All there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub key_check: Option<(String, Vec<u8>)>,
    pub workspace_keys: Shared<(WorkspaceId, String), WorkspaceKeyRow>,
    pub derived_keys: Shared<String, Vec<u8>>,
    pub workspaces: Shared<WorkspaceId, (String, Time)>,
    pub users: Table<UserId, UserRow>,
    pub sessions: Shared<String, SessionRow>,
    pub login_links: Shared<String, LoginLinkRow>,
    pub tokens: Shared<String, TokenRow>,
    pub policies: Table<(), PoliciesRow>,
    pub roles: Table<Name, RoleRow>,
    pub seen: Table<UserId, SeenRow>,
    pub identities: Table<(String, String), IdentityRow>,
    pub oidc: Table<(), OidcRow>,
    pub login_attempts: Shared<String, LoginAttemptRow>,
    pub hosts: Table<Name, HostRow>,
    pub used_once: Table<String, (String, Time)>,
    pub flows: Table<FlowId, FlowRow>,
    pub drafts: Table<FlowId, DraftRow>,
    pub build_values: Table<(FlowId, SlotName, UserId), BuildValueRow>,
    pub versions: Table<VersionId, VersionRow>,
    pub manifests: Table<String, ManifestRow>,
    pub clients: Table<ClientId, ClientRow>,
    pub connections: Table<ConnectionId, ConnectionRow>,
    pub secrets: Table<(String, String), SecretRow>,
    pub grants: Table<(UserId, FlowId, SlotName), GrantRow>,
    pub deleted_parents: Table<ConnectionId, DeletedParentRow>,
    pub deleted_flows: Table<FlowId, DeletedFlowRow>,
    pub revocations: Table<RevocationId, RevocationRow>,
    pub sign_ins: Table<SignInId, SignInRow>,
    pub attempts: Table<String, AttemptRow>,
    pub runs: Table<RunId, RunRow>,
    pub journal: Table<(RunId, i64), JournalRow>,
    pub inbox: Table<InboxId, InboxRow>,
    pub idempotency: Table<(UserId, FlowId, String), IdempotencyRow>,
    pub requests: Table<RequestId, RequestRow>,
    pub callbacks_used: Table<(RunId, StepPath), ()>,
    pub vars: Table<VarName, VarRow>,
    pub named_secrets: Table<Name, NamedSecretRow>,
    pub triggers: Table<FlowId, TriggerRow>,
    pub notices: Table<NoticeId, NoticeRow>,
    pub gates: Table<FlowId, limits::Gate>,
    pub admissions: Table<RunId, AdmissionRow>,
    pub rates: Table<String, i64>,
    pub audit: Table<u64, AuditEntry>,
    pub audit_checkpoints: Table<u64, CheckpointRow>,
    pub audit_start: Table<(), AuditStartRow>,
    pub audit_reviews: Table<u64, ReviewRow>,
    pub heads: Heads,
    salts: u128,
}

/// The model, and the clock it goes by.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    tables: Arc<Mutex<Tables>>,
    clock: Arc<AtomicI64>,
    /// What befalls the process that has it.
    weather: Option<Arc<dyn Weather>>,
}

/// A row by its key.
pub(crate) fn get<K: Ord + Clone, V: Clone>(
    table: &Table<K, V>,
    workspace: &WorkspaceId,
    key: &K,
) -> Option<V> {
    table.get(&(workspace.clone(), key.clone())).cloned()
}

/// The rows of a workspace that are wanted, in the order of their keys.
pub(crate) fn all<K: Ord, V: Clone>(
    table: &Table<K, V>,
    workspace: &WorkspaceId,
    wanted: impl Fn(&V) -> bool,
) -> Vec<V> {
    table
        .iter()
        .filter(|((of, _), row)| of == workspace && wanted(row))
        .map(|(_, row)| row.clone())
        .collect()
}

/// A session, token or link that still counts.
pub(crate) fn lives<T: Clone>(row: Option<&T>, end: impl Fn(&T) -> Time, now: Time) -> Option<T> {
    row.filter(|row| end(row) > now).cloned()
}

/// Rows in another order than that of their keys.
pub(crate) fn sorted<T, K: Ord>(mut rows: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    rows.sort_by_key(key);
    rows
}

impl Model {
    pub(crate) fn new(clock: Arc<AtomicI64>) -> Self {
        Self {
            tables: Arc::default(),
            clock,
            weather: None,
        }
    }

    /// The same tables as another process has them.
    pub(crate) fn under(&self, weather: Arc<dyn Weather>) -> Self {
        Self {
            weather: Some(weather),
            ..self.clone()
        }
    }

    fn turn(&self, doing: Doing<'_>) -> Turn {
        let fine = || Turn {
            there: Duration::ZERO,
            fate: Fate::Fine,
            back: Duration::ZERO,
        };
        self.weather
            .as_ref()
            .map_or_else(fine, |weather| weather.turn(doing))
    }

    fn tick(&self) {
        if let Some(weather) = &self.weather {
            weather.tick();
        }
    }

    fn did(&self, did: Did<'_>) {
        if let Some(weather) = &self.weather {
            weather.did(did);
        }
    }

    /// Nothing if what is asked is to be done now.
    pub(crate) async fn read(&self) -> Result<(), ReadError> {
        if self.weather.is_none() {
            return Ok(());
        }
        let turn = self.turn(Doing::Read);
        if let Some(error) = turn.go().await {
            return Err(unread(&error));
        }
        self.tick();
        // What is read is what stands there now; that it comes late is as if it had been asked for late.
        turn.come().await.map_err(|error| unread(&error))
    }

    /// A commit as a process sees it. Gives what has to be told to this process itself.
    pub(crate) async fn commit_in_weather(
        &self,
        commit: &Commit,
    ) -> Result<Vec<write::News>, CommitError> {
        let turn = self.turn(Doing::Commit(commit));
        if let Some(error) = turn.go().await {
            return Err(error);
        }
        self.tick();
        let done = self.commit(commit);
        self.did(Did::Commit(commit, &done));
        let mut news: Vec<_> = commit.ops.iter().filter_map(Op::news).collect();
        if done.is_ok()
            && let Some(weather) = &self.weather
        {
            let told = news.drain(..).map(|news| match news {
                write::News::Inbox(run) => Some(run),
                write::News::Claimable => None,
            });
            weather.news(told.collect());
        }
        turn.come().await?;
        done.map(|()| news)
    }

    pub(crate) async fn claim_in_weather(
        &self,
        worker: &WorkerId,
        level: u32,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>, ReadError> {
        let turn = self.turn(Doing::Claim);
        if let Some(error) = turn.go().await {
            return Err(unread(&error));
        }
        self.tick();
        let taken = self.claim(worker, level, lease, limit);
        self.did(Did::Claim(worker, level, lease, limit, &taken));
        turn.come().await.map_err(|error| unread(&error))?;
        Ok(taken)
    }

    pub(crate) async fn renew_in_weather(
        &self,
        worker: &WorkerId,
        runs: &[RunId],
        lease: Duration,
    ) -> Result<(), ReadError> {
        let turn = self.turn(Doing::Renew);
        if let Some(error) = turn.go().await {
            return Err(unread(&error));
        }
        self.tick();
        self.renew(worker, runs, lease);
        self.did(Did::Renew(worker, runs, lease));
        turn.come().await.map_err(|error| unread(&error))
    }

    pub(crate) async fn take_in_weather(
        &self,
        workspace: &WorkspaceId,
        bucket: &str,
        fill: i64,
        whole: i64,
    ) -> Result<Duration, ReadError> {
        let turn = self.turn(Doing::Take);
        if let Some(error) = turn.go().await {
            return Err(unread(&error));
        }
        self.tick();
        let ahead = self.take(workspace, bucket, fill, whole);
        self.did(Did::Take(workspace, bucket, fill, whole, ahead));
        turn.come().await.map_err(|error| unread(&error))?;
        Ok(ahead)
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        // Whoever panicked in between changed nothing: changes are made to a copy.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Time {
        Time(self.clock.load(Ordering::SeqCst))
    }

    /// All of it or nothing.
    pub(crate) fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut tables = self.tables();
        let mut after = tables.clone();
        commit.ops.iter().try_for_each(write::check)?;
        write::audit::check(commit)?;
        for op in &commit.ops {
            after.apply(op).map_err(|why| CommitError::Conflict {
                op: op.name(),
                why: why.to_owned(),
            })?;
        }
        for draft in &commit.audit {
            let Tables { heads, salts, .. } = &mut after;
            let entry = link_next(draft, heads, &mut || {
                *salts += 1;
                salts.to_be_bytes()
            });
            let key = (draft.workspace.clone(), entry.record.seq);
            after.audit.insert(key, entry);
        }
        *tables = after;
        Ok(())
    }

    pub(crate) fn claim(
        &self,
        worker: &WorkerId,
        level: u32,
        lease: Duration,
        limit: u32,
    ) -> Vec<Claimed> {
        let (mut tables, now) = (self.tables(), self.now());
        let Tables {
            runs,
            journal,
            inbox,
            ..
        } = &mut *tables;
        let told = |run: &RunRow| inbox.values().any(|message| message.run == run.id);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut able: Vec<&mut RunRow> = runs
            .values_mut()
            .filter(|run| run.ended_at.is_none() && run.level <= level)
            .filter(|run| match (&run.owner, run.lease_until) {
                (Some(_), until) => until.is_some_and(|until| until < now),
                (None, _) => {
                    let moved = run.due_at.is_some_and(|due| due <= now) || told(run);
                    run.state == "running" || moved && run.state != "queued"
                }
            })
            .collect();
        able.sort_by(|a, b| a.id.cmp(&b.id));
        able.into_iter()
            .take(limit)
            .map(|run| {
                run.owner = Some(worker.clone());
                run.lease_until = Some(now.after(lease));
                run.epoch += 1;
                Claimed {
                    run: run.clone(),
                    journal: all(journal, &run.workspace, |row| row.run == run.id),
                    inbox: all(inbox, &run.workspace, |row| row.run == run.id),
                }
            })
            .collect()
    }

    pub(crate) fn renew(&self, worker: &WorkerId, runs: &[RunId], lease: Duration) {
        let (mut tables, until) = (self.tables(), self.now().after(lease));
        for run in tables.runs.values_mut() {
            if run.owner.as_ref() == Some(worker) && runs.contains(&run.id) {
                run.lease_until = Some(until);
            }
        }
    }
}
