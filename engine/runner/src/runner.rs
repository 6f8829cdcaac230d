//! The handle: create a run, wait for it, watch it, cancel it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actas_connections::Connections;
use actas_core::app::Natives;
use actas_core::audit;
use actas_core::flow::Entry;
use actas_core::ids::{InboxId, RunId, SlotName, UserId, VersionId, WorkerId, WorkspaceId};
use actas_core::run::{Created, Event, Person, Phase, Run};
use actas_core::{StepError, Time};
use actas_egress::{Egress, Mail};
use actas_store::{
    Commit, CommitError, IdempotencyRow, InboxMessage, InboxRow, Op, ReadError, Store, system,
};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::changes::Changes;
use crate::claim;
use crate::drive::{Birth, Drive, Progressed, Refusal};
use crate::notices;
use crate::perform::Hands;
use crate::plans::{LoadError, Plans, Version};
use crate::record::{Origin, cancel_asked};
use crate::schedule;
use crate::trigger::{acts_for_nobody, nobody};

/// How long an idempotency key answers with the run it made.
const KEY_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a retry answers for the run that it was made of.
const FOR_EVER: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

/// How many refused creations are remembered for those who ask late.
const REFUSED: usize = 8192;

/// What a runner is told at its start.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// This process.
    pub worker: WorkerId,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// How many claimed runs may be in flight at once.
    pub woken_at_once: u32,
    /// The way to send mail, if the operator named one.
    pub mail: Option<Mail>,
}

/// A run to create. Inputs have been checked and filled in with [`actas_core::flow`]'s `check_inputs`.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Where.
    pub workspace: WorkspaceId,
    /// What: a version or a draft's snapshot.
    pub version: VersionId,
    /// For whom; none if the clock or another system starts it.
    pub invoker: Option<Person>,
    /// Who did it, for the audit log.
    pub actor: audit::Actor,
    /// The way it came in.
    pub entry: Entry,
    /// What it is given.
    pub inputs: Value,
    /// `(Idempotency-Key, SHA-256 of the body in hex)`.
    pub idempotency: Option<(String, String)>,
    /// The peer's address.
    pub ip: Option<String>,
    /// The user agent.
    pub agent: Option<String>,
}

impl NewRun {
    /// What its first event says.
    pub(crate) fn created(
        &self,
        id: &RunId,
        version: &Version,
        vars: Arc<Value>,
        at: Time,
    ) -> Created {
        let row = &version.row;
        Created {
            level: row.level,
            run: id.clone(),
            first_run: id.clone(),
            flow: row.flow.clone(),
            flow_name: version.plan.flow.flow.clone(),
            version: row.id.clone(),
            number: (row.number > 0).then_some(row.number),
            digest: row.digest.clone(),
            invoker: self.invoker.clone(),
            entry: self.entry,
            inputs: Arc::new(self.inputs.clone()),
            vars,
            parent: None,
            part: None,
            bound: Vec::new(),
            retry_of: None,
            at,
        }
    }

    /// Whose idempotency keys its key is one of.
    fn keyed_for(&self) -> UserId {
        self.invoker
            .as_ref()
            .map_or_else(nobody, |invoker| invoker.id.clone())
    }
}

/// Why a run was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The key was used with another body.
    #[error("idempotency key was used with another body: use a new key for a new request")]
    OtherBody,
    /// Nobody runs it, and it needs somebody's account.
    #[error(
        "connection `{0}` is dynamic, and nobody runs this: start it by hand, or publish a flow that names a shared connection"
    )]
    NobodysSlot(SlotName),
    /// The version cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store is full or away.
    #[error("run cannot be recorded: {0}")]
    Store(String),
    /// The flow has as many runs as it may have.
    #[error(
        "flow has as many runs as it may have at once: send the request again when one has ended"
    )]
    Full,
    /// What says which runs of the flow exclude one another cannot be made of the inputs.
    #[error("concurrency key cannot be made: {0}")]
    Key(StepError),
    /// The runner is stopping.
    #[error("this process is stopping: send the request again")]
    Stopping,
}

impl From<Refusal> for CreateError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Store(why) => Self::Store(why),
        }
    }
}

/// Why a run was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// It is over, as this.
    #[error("run has ended already ({0})")]
    Ended(String),
    /// There is none.
    #[error("there is no such run")]
    NotFound,
    /// The store is full or away.
    #[error("cancelling cannot be recorded: {0}")]
    Store(String),
}

/// A run that was created, or that the same request created before.
#[derive(Debug)]
pub struct Started {
    /// Which.
    pub run: RunId,
    /// True if the idempotency key had made it before.
    pub repeated: bool,
}

/// The runner: cheap to clone.
#[derive(Debug, Clone)]
pub struct Runner {
    inner: Arc<Inner>,
}

/// What all runs of a process share.
#[derive(Debug)]
pub struct Inner {
    /// Where everything lasts.
    pub store: Store,
    /// What steps are performed with.
    pub hands: Hands,
    /// What was told at the start.
    pub config: RunnerConfig,
    /// Compiled versions.
    pub plans: Plans,
    /// Who watches.
    pub changes: Changes,
    /// Room for claimed runs.
    pub woken: Arc<Semaphore>,
    held: Mutex<HashMap<RunId, Held>>,
    /// Runs that were never created and why, the newest last: whoever asks may ask after they were let go.
    refused: Mutex<VecDeque<(RunId, Refusal)>>,
    /// When leases were renewed last, in microseconds.
    renewed: AtomicI64,
    stopping: watch::Sender<bool>,
}

#[derive(Debug)]
struct Held {
    epoch: i64,
    nudge: mpsc::Sender<()>,
    progress: watch::Receiver<Progressed>,
}

impl Inner {
    /// Notes that this process holds a run.
    pub fn hold(&self, run: &RunId, epoch: i64) -> (watch::Sender<Progressed>, mpsc::Receiver<()>) {
        let (nudge, nudged) = mpsc::channel(1);
        let (progress, seen) = watch::channel(if epoch == 1 {
            Progressed::Born
        } else {
            Progressed::Durable
        });
        self.held().insert(
            run.clone(),
            Held {
                epoch,
                nudge,
                progress: seen,
            },
        );
        (progress, nudged)
    }

    /// Notes that it no longer does; a newer hold of the same run stays.
    pub fn let_go(&self, run: &RunId, epoch: i64) {
        let mut held = self.held();
        if held.get(run).is_some_and(|held| held.epoch == epoch) {
            held.remove(run);
        }
    }

    /// Remembers that a run was never created.
    pub fn refuse(&self, run: &RunId, why: Refusal) {
        let mut refused = self.refused();
        if refused.len() >= REFUSED {
            refused.pop_front();
        }
        refused.push_back((run.clone(), why));
    }

    /// Renews the leases of the runs that are held here, and of no others: a run that was let go without being released has to run out.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn renew(&self) -> Result<(), ReadError> {
        let runs: Vec<RunId> = self.held().keys().cloned().collect();
        if !runs.is_empty() {
            let config = &self.config;
            let renewed = self.store.renew(&config.worker, &runs, config.lease);
            // A connection that swallows everything must not keep the next try, on another one, from being made.
            tokio::time::timeout(config.lease, renewed)
                .await
                .unwrap_or_else(|_| {
                    let why = format!("no answer in {:?}", config.lease);
                    Err(ReadError::Unavailable(why))
                })?;
        }
        let now = system::now().micros();
        self.renewed.store(now, Ordering::Relaxed);
        Ok(())
    }

    /// Whether leases may have run out although their holder lives here: the machine slept, its clock jumped, or the store stood still.
    pub fn renewal_is_late(&self) -> bool {
        system::now().since(Time(self.renewed.load(Ordering::Relaxed))) > self.config.lease / 2
    }

    /// Whether any run is held.
    pub fn holds_any(&self) -> bool {
        !self.held().is_empty()
    }

    /// Wakes a held run: something came for it.
    pub fn nudge(&self, run: &RunId) {
        if let Some(held) = self.held().get(run) {
            // Full: it is nudged already. Closed: it is just being let go, and whatever came for it makes it claimable.
            let _ = held.nudge.try_send(());
        }
    }

    /// Wakes all held runs.
    pub fn nudge_all(&self) {
        for held in self.held().values() {
            let _ = held.nudge.try_send(());
        }
    }

    /// Whether nothing new may begin.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the process begins to stop.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives as long as `self`.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    fn refused(&self) -> MutexGuard<'_, VecDeque<(RunId, Refusal)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn why_refused(&self, run: &RunId) -> Option<Refusal> {
        let refused = self.refused();
        let found = refused.iter().rev().find(|(id, _)| id == run);
        found.map(|(_, why)| why.clone())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<RunId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Starts performing: claims what can move, renews leases, hands on what comes in.
    pub fn start(
        store: Store,
        connections: Connections,
        egress: Egress,
        natives: Natives,
        config: RunnerConfig,
    ) -> Self {
        let woken = Arc::new(Semaphore::new(
            usize::try_from(config.woken_at_once).unwrap_or(usize::MAX >> 4),
        ));
        let inner = Arc::new(Inner {
            store,
            hands: Hands {
                connections,
                egress,
                natives,
            },
            config,
            plans: Plans::default(),
            changes: Changes::default(),
            woken,
            held: Mutex::default(),
            refused: Mutex::default(),
            renewed: AtomicI64::new(system::now().micros()),
            stopping: watch::channel(false).0,
        });
        tokio::spawn(claim::claiming(inner.clone()));
        tokio::spawn(claim::renewing(inner.clone()));
        tokio::spawn(claim::nudging(inner.clone()));
        tokio::spawn(claim::sweeping(inner.clone()));
        tokio::spawn(claim::taking_back(inner.clone()));
        tokio::spawn(schedule::scheduling(inner.clone()));
        tokio::spawn(notices::telling(inner.clone()));
        Self { inner }
    }

    /// Creates a run and begins it, or lets it wait for its turn. It is durable when [`Runner::durable`] or [`Runner::settled`] say so; with an
    /// idempotency key, or if its flow bounds how many runs there are at once, it is durable when this returns.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub async fn create(&self, new: NewRun) -> Result<Started, CreateError> {
        if self.inner.is_stopping() {
            return Err(CreateError::Stopping);
        }
        let version = self.version(&new.workspace, &new.version).await?;
        if new.invoker.is_none() {
            acts_for_nobody(&version.plan)?;
        }
        let keyed = new.idempotency.is_some();
        if let Some(started) = self.made_before(&new, &version).await? {
            return Ok(started);
        }
        let vars = version
            .vars(&self.inner.store, &new.workspace)
            .await
            .map_err(LoadError::from)?;
        let bounded = version.plan.flow.concurrency.is_some();
        let run = self.bear(&new, version.clone(), vars, None)?;
        if (keyed || bounded)
            && let Err(error) = self.durable(&run).await
        {
            // Two requests with one key at once: one made the run, the other finds it.
            return self.made_before(&new, &version).await?.ok_or(error);
        }
        Ok(Started {
            run,
            repeated: false,
        })
    }

    /// Creates a run of a version that was run before: as a retry, if what was before is given.
    pub(crate) async fn create_again(
        &self,
        new: NewRun,
        before: Option<&Created>,
    ) -> Result<Started, CreateError> {
        if self.inner.is_stopping() {
            return Err(CreateError::Stopping);
        }
        let version = self.version(&new.workspace, &new.version).await?;
        // A retry sees what the run before saw.
        let vars = match before {
            Some(before) => before.vars.clone(),
            None => version
                .vars(&self.inner.store, &new.workspace)
                .await
                .map_err(LoadError::from)?,
        };
        if let Some(started) = self.made_before(&new, &version).await? {
            return Ok(started);
        }
        let awaited = new.idempotency.is_some() || version.plan.flow.concurrency.is_some();
        let run = self.bear(&new, version.clone(), vars, before)?;
        if awaited && let Err(error) = self.durable(&run).await {
            // Two at once: one made the run, the other finds it.
            return self.made_before(&new, &version).await?.ok_or(error);
        }
        Ok(Started {
            run,
            repeated: false,
        })
    }

    /// The run that the same key made before, if its body was the same.
    async fn made_before(
        &self,
        new: &NewRun,
        version: &Version,
    ) -> Result<Option<Started>, CreateError> {
        let Some((key, digest)) = &new.idempotency else {
            return Ok(None);
        };
        let reader = self.inner.store.reader(&new.workspace);
        match reader
            .idempotency(&new.keyed_for(), &version.row.flow, key, system::now())
            .await
            .map_err(LoadError::from)?
        {
            Some(row) if row.body_digest == *digest => Ok(Some(Started {
                run: row.run,
                repeated: true,
            })),
            Some(_) => Err(CreateError::OtherBody),
            None => Ok(None),
        }
    }

    fn bear(
        &self,
        new: &NewRun,
        version: Arc<Version>,
        vars: Arc<Value>,
        before: Option<&Created>,
    ) -> Result<RunId, CreateError> {
        let id = RunId::from_bits(system::new_bits());
        let at = system::now();
        let row = &version.row;
        let mut created = new.created(&id, &version, vars, at);
        if let Some(before) = before {
            created.first_run.clone_from(&before.first_run);
            created.retry_of = Some(before.run.clone());
        }
        let idempotency = new
            .idempotency
            .as_ref()
            .map(|(key, digest)| IdempotencyRow {
                user: new.keyed_for(),
                flow: row.flow.clone(),
                key: key.clone(),
                body_digest: digest.clone(),
                run: id.clone(),
                expires_at: at.after(match before {
                    // What a run did may be taken over once, however late somebody asks again.
                    Some(_) => FOR_EVER,
                    None => KEY_KEPT,
                }),
            });
        let event = Event::RunCreated(Box::new(created));
        let mut run = Run::new(version.plan.clone());
        run.apply(&event).expect("a new run takes its first event");
        run.turn().map_err(CreateError::Key)?;
        let mut drive = Drive::new(&self.inner, &new.workspace, version, run, 1, 0);
        drive.birth = Some(Birth {
            origin: Origin {
                actor: new.actor.clone(),
                ip: new.ip.clone(),
                agent: new.agent.clone(),
            },
            idempotency,
        });
        drive.pending.push(event);
        tokio::spawn(drive.go(Vec::new()));
        Ok(id)
    }

    /// Resolves when the creation of a run born here is durable.
    ///
    /// # Errors
    /// If it was never created.
    pub async fn durable(&self, run: &RunId) -> Result<(), CreateError> {
        let Some(mut progress) = self.progress_of(run) else {
            // It was let go: it is durable unless it was refused.
            return match self.inner.why_refused(run) {
                Some(why) => Err(why.into()),
                None => Ok(()),
            };
        };
        // A closed channel is a run that was let go; what it said last holds.
        let _ = progress
            .wait_for(|progress| !matches!(progress, Progressed::Born))
            .await;
        match &*progress.borrow() {
            Progressed::Never(why) => Err(why.clone().into()),
            Progressed::Born => Err(CreateError::Store(
                "its task broke down before it was recorded".into(),
            )),
            Progressed::Durable | Progressed::Settled(_) => Ok(()),
        }
    }

    /// The run, once it has ended or a person is needed and that is durable; none if the time runs out first.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn settled(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
        timeout: Duration,
    ) -> Result<Option<Arc<Run>>, LoadError> {
        let deadline = tokio::time::Instant::now() + timeout;
        if let Some(mut progress) = self.progress_of(run) {
            let settled = progress.wait_for(|progress| {
                matches!(progress, Progressed::Settled(_) | Progressed::Never(_))
            });
            match tokio::time::timeout_at(deadline, settled).await {
                Ok(Ok(progress)) => {
                    return Ok(match &*progress {
                        Progressed::Settled(run) => Some(run.clone()),
                        _ => None,
                    });
                }
                Ok(Err(_closed)) => {}
                Err(_elapsed) => return Ok(None),
            }
        }
        let mut changes = self.changes(run);
        loop {
            let loaded = self.load(workspace, run).await?;
            if loaded
                .as_ref()
                .is_none_or(|run| matches!(run.phase, Phase::Ended { .. }) || run.needs_person())
            {
                return Ok(loaded.map(Arc::new));
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    /// A run folded from its journal.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
    ) -> Result<Option<Run>, LoadError> {
        let reader = self.inner.store.reader(workspace);
        let Some(row) = reader.run(run).await? else {
            return Ok(None);
        };
        let version = self.version(workspace, &row.version).await?;
        let journal = reader.journal(run).await?;
        let mut folded = claim::fold(&version, &journal)?;
        folded.in_line = row.state == "queued";
        Ok(Some(folded))
    }

    /// Moves whenever something of the run was recorded: at once in this process, within a second elsewhere. A hint: look.
    pub fn changes(&self, run: &RunId) -> watch::Receiver<u64> {
        self.inner.changes.of(run)
    }

    /// Asks a run to stop: nothing new starts, what is under way finishes. Acknowledged when durable.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub async fn cancel(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
        by: &Person,
        actor: audit::Actor,
        entry: String,
    ) -> Result<(), CancelError> {
        let store = |error: String| CancelError::Store(error);
        let row = self
            .inner
            .store
            .reader(workspace)
            .run(run)
            .await
            .map_err(|e| store(e.to_string()))?;
        let row = row.ok_or(CancelError::NotFound)?;
        if row.ended_at.is_some() {
            return Err(CancelError::Ended(row.state));
        }
        let at = system::now();
        let inbox = InboxRow {
            id: InboxId::from_bits(system::new_bits()),
            run: run.clone(),
            message: InboxMessage::Cancel {
                by: Some(by.id.clone()),
            },
            at,
        };
        let commit = Commit {
            ops: vec![Op::PutInbox {
                workspace: workspace.clone(),
                inbox,
            }],
            audit: vec![cancel_asked(workspace, run, by, actor, entry, at)],
        };
        match self.inner.store.commit(commit).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(CancelError::Ended("ended meanwhile".into())),
            Err(error) => Err(store(error.to_string())),
        }
    }

    /// A version with its compiled plan.
    ///
    /// # Errors
    /// If it is not there or cannot be run by this program.
    pub async fn version(
        &self,
        workspace: &WorkspaceId,
        version: &VersionId,
    ) -> Result<Arc<Version>, LoadError> {
        self.inner
            .plans
            .version(&self.inner.store, workspace, version)
            .await
    }

    /// Stops gracefully: nothing new begins, what is under way may finish within the time. What is left is claimed by whoever comes next.
    pub async fn drain(&self, timeout: Duration) {
        self.inner.stopping.send_replace(true);
        self.inner.nudge_all();
        let deadline = tokio::time::Instant::now() + timeout;
        while self.inner.holds_any() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn progress_of(&self, run: &RunId) -> Option<watch::Receiver<Progressed>> {
        self.inner.held().get(run).map(|held| held.progress.clone())
    }
}
