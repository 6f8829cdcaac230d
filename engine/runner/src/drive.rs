//! One held run, from decision to decision: the only place where a run's journal grows. A run is driven by one task for as long as something
//! can move; then it is released and costs a row.

use std::sync::Arc;
use std::time::Duration;

use actas_connections::{ConnectionsError, Resolution, SlotAsk, Surface, Use};
use actas_core::app::{Effect, Progress};
use actas_core::flow::SlotKind;
use actas_core::ids::{InboxId, RunId, SignInId, WorkspaceId};
use actas_core::run::{
    ActedAs, AskReason, Bound, Command, Created, Event, IllegalEvent, Run, SlotState, StartStep,
    decide,
};
use actas_core::{ErrorKind, StepError, Time};
use actas_store::{
    Binding, Commit, CommitError, IdempotencyRow, InboxMessage, InboxRow, Op, RunRow, system,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use crate::perform::{Attempt, Outcome, compute};
use crate::plans::Version;
use crate::record::{Origin, audit_of, journal_row};
use crate::runner::Inner;

/// How long an effect waits for the lease to be sure again.
const LATE: Duration = Duration::from_millis(200);

/// A wait shorter than this keeps its task: releasing and claiming would cost more than the memory.
const HELD_WAIT: Duration = Duration::from_secs(2);

/// A held run looks into its inbox this often without being nudged: nudges are hints, and those of other processes can be lost.
const LISTEN: Duration = Duration::from_secs(3);

/// How far a run is, for those who wait for it in this process.
#[derive(Debug, Clone)]
pub enum Progressed {
    /// Nothing of it is durable yet.
    Born,
    /// Its creation is durable.
    Durable,
    /// It has ended, or a person is needed, and that is durable.
    Settled(Arc<Run>),
    /// It was never created; the reason.
    Never(String),
}

/// What the first commit needs besides the events.
#[derive(Debug)]
pub struct Birth {
    /// Who started it and from where.
    pub origin: Origin,
    /// The key that makes a repeat answer with this run.
    pub idempotency: Option<IdempotencyRow>,
}

/// Why a run is let go.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// Somebody else holds it, or it has ended: our writes fail.
    #[error("it is held elsewhere now ({0})")]
    Fenced(String),
    /// The store would not take its creation: it never was.
    #[error("it was not created: {0}")]
    Never(String),
    /// An event of our own was refused: a fault in the core or here.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

/// What is left to do after the commands of one decision.
enum Next {
    /// Ask again.
    Decide,
    /// Only time, an attempt under way or the outside can move it.
    Wait(Option<Time>),
    /// Nothing, ever.
    Over,
}

/// A held run.
#[derive(Debug)]
pub struct Drive {
    /// What all runs share.
    pub inner: Arc<Inner>,
    /// Where.
    pub workspace: WorkspaceId,
    /// Which.
    pub id: RunId,
    /// What it runs.
    pub version: Arc<Version>,
    /// Its state.
    pub run: Run,
    /// The fence of its writes.
    pub epoch: i64,
    /// The last journal row written.
    pub seq: i64,
    /// Present until the creation is durable.
    pub birth: Option<Birth>,
    /// Wakes it when something came from outside.
    pub nudge: mpsc::Receiver<()>,
    /// Tells those who wait for it.
    pub progress: watch::Sender<Progressed>,
    /// Held by runs that were claimed, so that a mass wake-up does not stand before a single caller.
    #[expect(dead_code, reason = "holding it is its use")]
    pub permit: Option<OwnedSemaphorePermit>,
    /// Applied and not yet written.
    pub pending: Vec<Event>,
    /// Written with them.
    pub ops: Vec<Op>,
    /// Slots whose person was asked in the pending commit: looked up again after it.
    pub asked: Vec<usize>,
    /// Attempts under way.
    pub under_way: JoinSet<Outcome>,
    /// When its inbox was looked into last.
    pub heard: Time,
}

/// However its task ends, also by a panic: a run that nobody drives must not be held, or its lease would be renewed for ever.
impl Drop for Drive {
    fn drop(&mut self) {
        self.inner.let_go(&self.id, self.epoch);
    }
}

impl Drive {
    /// Drives the run until it ends, waits for long, or belongs to somebody else.
    pub async fn go(mut self, inbox: Vec<InboxRow>) {
        let result = self.live(inbox).await;
        if let Err(stop) = &result {
            match stop {
                Stop::Fenced(_) => tracing::info!(run = %self.id, "run let go: {stop}"),
                Stop::Never(why) => {
                    self.inner.refuse(&self.id, why.clone());
                    self.progress.send_replace(Progressed::Never(why.clone()));
                }
                Stop::Illegal(_) => tracing::error!(run = %self.id, "run let go: {stop}"),
            }
        }
    }

    async fn live(&mut self, inbox: Vec<InboxRow>) -> Result<(), Stop> {
        for event in self.run.interrupted(system::now()) {
            self.take(event)?;
        }
        self.hear(inbox).await?;
        loop {
            match self.advance().await? {
                Next::Decide => {}
                Next::Over => return Ok(()),
                Next::Wait(due) => {
                    if !self.wait(due).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Decides and does. What is pure is done until nothing pure is left; only then effects begin, after one commit for all of them.
    async fn advance(&mut self) -> Result<Next, Stop> {
        let mut moved = false;
        let mut due = None;
        let mut effects = Vec::new();
        for command in decide(&self.run, system::now()) {
            match command {
                Command::Record(event) => {
                    self.take(event)?;
                    moved = true;
                }
                Command::ResolveSlot(slot) => {
                    self.resolve(slot).await?;
                    moved = true;
                }
                Command::StartStep(start)
                    if self.version.plan.steps[start.step].effect == Effect::Pure =>
                {
                    self.compute(start)?;
                    moved = true;
                }
                Command::StartStep(start) => effects.push(start),
                Command::WaitUntil(at) => due = Some(at),
                Command::WaitForOutside => {}
                Command::Finish {
                    ending,
                    outputs,
                    error,
                } => {
                    self.take(Event::RunEnded {
                        ending,
                        outputs,
                        error,
                        at: system::now(),
                    })?;
                    self.finish().await?;
                    return Ok(Next::Over);
                }
            }
        }
        if moved {
            return Ok(Next::Decide);
        }
        if effects.is_empty() {
            return Ok(Next::Wait(due));
        }
        if self.inner.is_stopping() {
            if !self.under_way.is_empty() {
                // What is under way may finish: giving the run up now would break it off.
                return Ok(Next::Wait(None));
            }
            // Whoever claims it next decides the same.
            self.write(true).await?;
            return Ok(Next::Over);
        }
        if self.inner.renewal_is_late() {
            // Somebody else may hold it by now: nothing begins before a renewal was answered.
            return Ok(Next::Wait(Some(system::now().after(LATE))));
        }
        self.begin(effects).await?;
        Ok(Next::Decide)
    }

    /// A pure step: no IO, no commit of its own.
    fn compute(&mut self, start: StartStep) -> Result<(), Stop> {
        let plan = &self.version.plan.steps[start.step];
        let step = plan.path.clone();
        let began = system::now();
        let done = compute(
            &plan.manifest,
            &plan.module,
            &self.inner.hands.natives,
            start.input,
        );
        let at = system::now();
        let event = match done {
            Ok((_, Progress::Done { output, .. })) => Event::StepSucceeded {
                step,
                attempt: start.attempt,
                output: Arc::new(output),
                acted_as: None,
                started_at: began,
                at,
            },
            Ok((_, Progress::Call(_))) => {
                let error = StepError::new(
                    ErrorKind::Internal,
                    "a module declared pure wants to call out",
                );
                self.run
                    .failed_attempt(&step, start.attempt, error, None, None, began, at)
            }
            Err(error) => {
                self.run
                    .failed_attempt(&step, start.attempt, error, None, None, began, at)
            }
        };
        self.take(event)
    }

    /// Begins effects: what they are based on is durable first. Only the start of an `at_most_once` attempt is journaled.
    async fn begin(&mut self, effects: Vec<StartStep>) -> Result<(), Stop> {
        let now = system::now();
        let mut based = self.birth.is_some();
        let mut in_memory = Vec::new();
        for start in &effects {
            let plan = &self.version.plan.steps[start.step];
            let effect = plan.effect;
            let event = Event::StepStarted {
                step: plan.path.clone(),
                attempt: start.attempt,
                at: now,
            };
            if effect == Effect::AtMostOnce {
                self.take(event)?;
            } else {
                in_memory.push(event);
            }
            based |= effect != Effect::Read && !(self.pending.is_empty() && self.ops.is_empty());
        }
        if based {
            self.write(false).await?;
        }
        for event in in_memory {
            self.run.apply(&event)?;
        }
        for start in effects {
            let attempt = self.attempt(start, now);
            let hands = self.inner.hands.clone();
            self.under_way
                .spawn(async move { hands.perform(attempt).await });
        }
        Ok(())
    }

    fn attempt(&self, start: StartStep, now: Time) -> Attempt {
        let plan = &self.version.plan.steps[start.step];
        let through = plan.slot.and_then(|slot| match &self.run.slots[slot] {
            SlotState::Bound(bound) => Some((
                bound.clone(),
                self.permit_to_use(bound, plan.manifest.clone()),
            )),
            _ => None,
        });
        Attempt {
            step: start.step,
            attempt: start.attempt,
            started_at: now,
            manifest: plan.manifest.clone(),
            module: plan.module.clone(),
            input: start.input,
            key: self.run.idempotency_key(&plan.path),
            effect: plan.effect,
            timeout: plan.step.timeout.map(Into::into),
            through,
        }
    }

    fn permit_to_use(&self, bound: &Bound, manifest: Arc<actas_core::app::Manifest>) -> Use {
        Use {
            workspace: self.workspace.clone(),
            connection: bound.connection.clone(),
            person: self.created().invoker.id.clone(),
            rule: bound.rule,
            manifest,
            run: self.id.clone(),
        }
    }

    /// What came of an attempt becomes an event.
    fn conclude(&mut self, outcome: Outcome) -> Result<(), Stop> {
        let step = self.version.plan.steps[outcome.step].path.clone();
        let at = system::now();
        let acted_as = |record| {
            outcome.bound.as_ref().map(|bound| ActedAs {
                connection: bound.connection.clone(),
                kind: bound.kind,
                rule: bound.rule,
                account: bound.account.clone(),
                record,
            })
        };
        let event = match outcome.result {
            Ok((output, record)) => Event::StepSucceeded {
                step,
                attempt: outcome.attempt,
                output: Arc::new(output),
                acted_as: acted_as(record),
                started_at: outcome.started_at,
                at,
            },
            Err(failure) => {
                let acted_as = acted_as(None);
                self.run.failed_attempt(
                    &step,
                    outcome.attempt,
                    failure.error,
                    failure.sign_in,
                    acted_as,
                    outcome.started_at,
                    at,
                )
            }
        };
        self.take(event)
    }

    /// Looks a slot's connection up: binds it, or asks its person.
    async fn resolve(&mut self, slot: usize) -> Result<(), Stop> {
        let at = system::now();
        let plan = &self.version.plan.slots[slot];
        let name = plan.name.clone();
        let ask = self.slot_ask(slot);
        let found = match &ask {
            Some(ask) => self.look_up(ask).await,
            None => None,
        };
        let event = match (found, ask) {
            (Some(Resolution::Bound(bound)), _) => Event::SlotBound {
                slot: name,
                bound,
                at,
            },
            (Some(Resolution::Ask { reason, connection }), Some(ask))
                if matches!(plan.slot.kind, SlotKind::Dynamic(_)) =>
            {
                let id = SignInId::from_bits(system::new_bits());
                let until = at.after(self.version.plan.flow.limits.pause());
                let row = self.inner.hands.connections.sign_in_row(
                    &ask,
                    id.clone(),
                    reason,
                    connection,
                    until,
                    at,
                );
                self.ops.push(Op::AddSignIn {
                    workspace: self.workspace.clone(),
                    sign_in: row,
                });
                self.asked.push(slot);
                Event::SlotAsked {
                    slot: name,
                    sign_in: id,
                    person: ask.person,
                    reason,
                    until,
                    at,
                }
            }
            // Nobody who runs a flow can sign a shared connection in, and what was deleted cannot be given: what needs the slot fails.
            (found, _) => {
                let why = match found {
                    Some(_) => format!("the account of connection `{name}` has to sign in again"),
                    None => format!("connection `{name}` is not there any more"),
                };
                let error = StepError::new(ErrorKind::SignInNeeded, why).with_help(
                    "ask whoever looks after the shared connection, then run the flow again",
                );
                for event in self.run.slot_failed(slot, &error, at) {
                    self.take(event)?;
                }
                return Ok(());
            }
        };
        self.take(event)
    }

    /// Whether there is a connection, however long the store takes to say; none if there can be none any more.
    async fn look_up(&self, ask: &SlotAsk) -> Option<Resolution> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.inner.hands.connections.resolve(ask).await {
                Ok(resolution) => return Some(resolution),
                Err(error @ (ConnectionsError::Read(_) | ConnectionsError::Commit(_))) => {
                    tracing::warn!(run = %self.id, "connection cannot be looked up, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) => {
                    tracing::warn!(run = %self.id, slot = %ask.slot, "connection is not to be had: {error}");
                    return None;
                }
            }
        }
    }

    /// The question to the connections; none if the version has no binding for the slot.
    fn slot_ask(&self, slot: usize) -> Option<SlotAsk> {
        let plan = &self.version.plan.slots[slot];
        let created = self.created();
        let binding = self.version.bindings.slots.get(&plan.name)?.clone();
        let (dynamic, client) = match (&plan.slot.kind, &binding) {
            (SlotKind::Dynamic(dynamic), Binding::Dynamic { client, .. }) => {
                (Some(dynamic.clone()), client.clone())
            }
            (SlotKind::Connection(_), Binding::Shared { client, .. }) => (None, client.clone()),
            _ => return None,
        };
        Some(SlotAsk {
            workspace: self.workspace.clone(),
            run: self.id.clone(),
            flow: created.flow.clone(),
            version: created.version.clone(),
            draft: created.number.is_none(),
            slot: plan.name.clone(),
            person: created.invoker.id.clone(),
            login: created.invoker.login.clone(),
            surface: Surface::of(&self.version.plan, slot, client),
            binding,
            manifest: plan.manifest.clone(),
            dynamic,
        })
    }

    /// Looks into its inbox.
    async fn listen(&mut self) -> Result<(), Stop> {
        self.heard = system::now();
        match self.inner.store.inbox(&self.workspace, &self.id).await {
            Ok(inbox) => self.hear(inbox).await,
            Err(error) => {
                tracing::warn!(run = %self.id, "inbox cannot be read, hearing it later: {error}");
                Ok(())
            }
        }
    }

    /// Takes in what came from outside. The inbox rows go in the commit of the events they became.
    async fn hear(&mut self, inbox: Vec<InboxRow>) -> Result<(), Stop> {
        for row in inbox {
            let at = system::now();
            match row.message {
                InboxMessage::SignedIn { slot } => {
                    let number = self.version.plan.slots.iter().position(|s| s.name == slot);
                    if let Some(number) =
                        number.filter(|n| matches!(self.run.slots[*n], SlotState::Asked { .. }))
                        && let Some(ask) = self.slot_ask(number)
                        && let Some(Resolution::Bound(bound)) = self.look_up(&ask).await
                    {
                        self.ops.push(Op::CloseSignIns {
                            workspace: self.workspace.clone(),
                            run: self.id.clone(),
                            slot: Some(slot.clone()),
                        });
                        self.take(Event::SlotBound { slot, bound, at })?;
                    }
                }
                InboxMessage::Declined { slot } => {
                    let number = self.version.plan.slots.iter().position(|s| s.name == slot);
                    let open = number.is_some_and(
                        |n| matches!(&self.run.slots[n], SlotState::Asked { reason, .. } if *reason != AskReason::Declined),
                    );
                    if open {
                        self.take(Event::SlotDeclined { slot, at })?;
                    }
                }
                InboxMessage::Cancel { by } => self.take(Event::CancelAsked { by, at })?,
            }
            self.ops.push(Op::TakeInbox {
                workspace: self.workspace.clone(),
                inbox: row.id,
            });
        }
        Ok(())
    }

    /// Waits for what can move the run. False: it was released, or taken over.
    async fn wait(&mut self, due: Option<Time>) -> Result<bool, Stop> {
        let patience = due.map(|due| due.since(system::now()));
        if self.under_way.is_empty() && patience.is_none_or(|patience| patience > HELD_WAIT) {
            self.write(true).await?;
            self.look_again().await;
            return Ok(false);
        }
        if !self.pending.is_empty() || !self.ops.is_empty() {
            self.write(false).await?;
        }
        if system::now().since(self.heard) >= LISTEN {
            self.listen().await?;
            return Ok(true);
        }
        let sleep = tokio::time::sleep(patience.unwrap_or(LISTEN).min(LISTEN));
        tokio::select! {
            Some(done) = self.under_way.join_next() => {
                match done {
                    Ok(outcome) => self.conclude(outcome)?,
                    // A panic loses the step's number; the run is let go and claimed again, its step repeated as its effect class allows.
                    Err(error) => return Err(Stop::Fenced(format!("a step's task ended without an outcome: {error}"))),
                }
            }
            nudged = self.nudge.recv() => {
                if nudged.is_some() {
                    self.listen().await?;
                }
            }
            () = sleep => {}
        }
        Ok(true)
    }

    /// After a pause is durable its connections are looked up once more, in a later transaction: a sign-in that came in between is not lost.
    async fn look_again(&mut self) {
        for slot in std::mem::take(&mut self.asked) {
            let Some(ask) = self.slot_ask(slot) else {
                continue;
            };
            if let Some(Resolution::Bound(_)) = self.look_up(&ask).await {
                let inbox = InboxRow {
                    id: InboxId::from_bits(system::new_bits()),
                    run: self.id.clone(),
                    message: InboxMessage::SignedIn {
                        slot: ask.slot.clone(),
                    },
                    at: system::now(),
                };
                let op = Op::PutInbox {
                    workspace: self.workspace.clone(),
                    inbox,
                };
                // If this is refused, the run has ended; if the store is away, the sweep finds it.
                let _ = self
                    .inner
                    .store
                    .commit(Commit {
                        ops: vec![op],
                        audit: Vec::new(),
                    })
                    .await;
            }
        }
    }

    async fn finish(&mut self) -> Result<(), Stop> {
        let asked = self
            .run
            .slots
            .iter()
            .any(|slot| matches!(slot, SlotState::Asked { .. } | SlotState::Expired));
        if asked {
            self.ops.push(Op::CloseSignIns {
                workspace: self.workspace.clone(),
                run: self.id.clone(),
                slot: None,
            });
        }
        self.write(true).await?;
        if self.nudge.try_recv().is_ok() {
            self.clear_inbox().await;
        }
        let only_this_run = |slot: &actas_core::flow::Slot| matches!(&slot.kind, SlotKind::Dynamic(dynamic) if dynamic.keep == actas_core::flow::Keep::Run);
        if self
            .version
            .plan
            .slots
            .iter()
            .any(|slot| only_this_run(&slot.slot))
            && let Err(error) = self
                .inner
                .hands
                .connections
                .end_of_run(&self.workspace, &self.id)
                .await
        {
            tracing::warn!(run = %self.id, "connections kept for this run alone are not erased yet: {error}");
        }
        Ok(())
    }

    /// What came too late to matter would lie in the way of those who look for messages, for ever.
    async fn clear_inbox(&self) {
        let Ok(inbox) = self.inner.store.inbox(&self.workspace, &self.id).await else {
            return;
        };
        let take = |row: InboxRow| Op::TakeInbox {
            workspace: self.workspace.clone(),
            inbox: row.id,
        };
        let ops: Vec<Op> = inbox.into_iter().map(take).collect();
        if !ops.is_empty() {
            let audit = Vec::new();
            // The run has ended, so that a row that stays costs room and nothing else.
            let _ = self.inner.store.commit(Commit { ops, audit }).await;
        }
    }

    /// Applies an event and keeps it for the next commit.
    fn take(&mut self, event: Event) -> Result<(), Stop> {
        self.run.apply(&event)?;
        self.pending.push(event);
        Ok(())
    }

    fn created(&self) -> &Created {
        self.run
            .created
            .as_deref()
            .expect("a held run has begun: its first event is applied before it is driven")
    }

    /// Makes durable what is pending: journal row, run row, audit records and whatever goes with them, in one commit.
    async fn write(&mut self, release: bool) -> Result<(), Stop> {
        let now = system::now();
        let ended = self.run.ended_at();
        let release = release || ended.is_some();
        let mut ops = std::mem::take(&mut self.ops);
        let mut audit = Vec::new();
        if self.pending.is_empty() {
            if release {
                ops.push(Op::Release {
                    workspace: self.workspace.clone(),
                    run: self.id.clone(),
                    epoch: self.epoch,
                });
            }
        } else {
            let events = std::mem::take(&mut self.pending);
            let origin = self.birth.as_ref().map(|birth| &birth.origin);
            audit.extend(
                events
                    .iter()
                    .filter_map(|event| audit_of(&self.workspace, self.created(), origin, event)),
            );
            let journal = journal_row(&self.id, self.seq + 1, events, now);
            let state = self.run.state_name(now).to_owned();
            let due_at = if ended.is_some() {
                None
            } else {
                self.run.next_due()
            };
            let first = match self.birth.take() {
                Some(birth) => Op::AddRun {
                    run: self.row(state, due_at, release, now),
                    journal,
                    idempotency: birth.idempotency,
                },
                None => Op::Append {
                    workspace: self.workspace.clone(),
                    epoch: self.epoch,
                    journal,
                    state,
                    due_at,
                    ended_at: ended,
                    release,
                },
            };
            ops.insert(0, first);
            self.seq += 1;
        }
        if ops.is_empty() {
            return Ok(());
        }
        self.commit(Commit { ops, audit }).await?;
        self.tell();
        Ok(())
    }

    fn row(&self, state: String, due_at: Option<Time>, release: bool, now: Time) -> RunRow {
        let created = self.created();
        RunRow {
            id: self.id.clone(),
            workspace: self.workspace.clone(),
            flow: created.flow.clone(),
            version: created.version.clone(),
            level: created.level,
            invoker: created.invoker.id.clone(),
            entry: created.entry.as_str().into(),
            state,
            created_at: created.at,
            ended_at: self.run.ended_at(),
            due_at,
            epoch: self.epoch,
            owner: (!release).then(|| self.inner.config.worker.clone()),
            lease_until: (!release).then(|| now.after(self.inner.config.lease)),
        }
    }

    /// Commits however long the store is away, except for a creation: nobody was promised that yet.
    async fn commit(&mut self, commit: Commit) -> Result<(), Stop> {
        let creating = matches!(commit.ops.first(), Some(Op::AddRun { .. }));
        let mut pause = Duration::from_millis(20);
        loop {
            let why = match self.inner.store.commit(commit.clone()).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict { op, why }) if creating => {
                    return Err(Stop::Never(format!("{op}: {why}")));
                }
                Err(CommitError::Conflict { op, why }) => {
                    return Err(Stop::Fenced(format!("{op}: {why}")));
                }
                Err(CommitError::Unknown) if self.is_written(&commit).await => return Ok(()),
                Err(error @ (CommitError::Busy | CommitError::Unavailable(_))) if creating => {
                    return Err(Stop::Never(error.to_string()));
                }
                Err(error) => error,
            };
            tracing::warn!(run = %self.id, "commit is tried again: {why}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// After a commit whose fate is not known: it is there if its own journal row is. A row with that number alone says nothing: if the lease ran
    /// out meanwhile, it is another holder's. What writes no journal row is simply done again.
    async fn is_written(&self, commit: &Commit) -> bool {
        let Some(Op::AddRun { journal: ours, .. } | Op::Append { journal: ours, .. }) =
            commit.ops.first()
        else {
            return false;
        };
        loop {
            let reader = self.inner.store.reader(&self.workspace);
            match reader.journal(&self.id).await {
                Ok(rows) => {
                    return rows.iter().rev().any(|row| {
                        row.seq == ours.seq && row.at == ours.at && row.body == ours.body
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Tells those who wait for it, and those who watch it.
    fn tell(&self) {
        if self.progress.receiver_count() > 0 {
            self.progress.send_replace(
                if self.run.ended_at().is_some() || self.run.needs_person() {
                    Progressed::Settled(Arc::new(self.run.clone()))
                } else {
                    Progressed::Durable
                },
            );
        }
        self.inner.changes.moved(&self.id);
    }
}
