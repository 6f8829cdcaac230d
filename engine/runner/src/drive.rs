//! One held run, from decision to decision: the only place where a run's journal grows. A run is driven by one task for as long as something
//! can move; then it is released and costs a row.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::app::Effect;
use actas_core::audit;
use actas_core::flow::{Keep, Slot, SlotKind};
use actas_core::ids::{RunId, StepPath, WorkspaceId};
use actas_core::run::import::Imports;
use actas_core::run::{Command, Created, Event, IllegalEvent, Run, SlotState, Turn, decide};
use actas_store::{IdempotencyRow, InboxRow, Op, system};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use crate::perform::Outcome;
use crate::plans::Version;
use crate::record::Origin;
use crate::runner::Inner;

mod attempts;
mod children;
mod holds;
mod imports;
mod inbox;
pub mod line;
mod pace;
mod slots;
mod write;

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
    Never(Refusal),
}

/// Why a run was never created.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Its flow has no place for it, and it was not to wait for one.
    Full,
    /// The store would not take it.
    Store(String),
}

/// What the first commit needs besides the events.
#[derive(Debug, Clone)]
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
    /// Its flow has no place for it now.
    #[error("its flow is full")]
    Full,
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
    /// Whether its flow bounds how many runs there are at once.
    pub has_line: bool,
    /// What it asks for, if the pending commit puts it into the line.
    pub in_line: Option<Turn>,
    /// When steps may begin that wait here for their app's pace.
    pub promises: HashMap<StepPath, Time>,
    /// Held by runs that were claimed, so that a mass wake-up does not stand before a single caller.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Applied and not yet written.
    pub pending: Vec<Event>,
    /// Written with them.
    pub ops: Vec<Op>,
    /// Written with them too.
    pub audit: Vec<audit::Draft>,
    /// Runs that it makes in the pending commit: driven after it.
    pub children: Vec<Drive>,
    /// Children that were told to end, by whoever holds it now.
    pub cancelled: HashSet<RunId>,
    /// What the runs that it tries again did.
    pub imports: Option<Box<Imports>>,
    /// The last run that a step began here.
    pub begun: HashMap<StepPath, RunId>,
    /// Whether its parent, if it has one, was told last that it needs a person.
    pub told_paused: bool,
    /// When a child was begun or heard of last: news are awaited a little before it is let go.
    pub news: Time,
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
    /// A run that is held from now on, under this epoch, with so many journal rows.
    pub fn new(
        inner: &Arc<Inner>,
        workspace: &WorkspaceId,
        version: Arc<Version>,
        run: Run,
        epoch: i64,
        seq: i64,
    ) -> Self {
        let id = run
            .created
            .as_ref()
            .map(|created| created.run.clone())
            .expect("a held run has begun: its first event is applied before it is driven");
        let (progress, nudge) = inner.hold(&id, epoch);
        let now = system::now();
        Self {
            inner: inner.clone(),
            workspace: workspace.clone(),
            id,
            version,
            told_paused: run.needs_person(),
            run,
            epoch,
            seq,
            birth: None,
            nudge,
            progress,
            promises: HashMap::new(),
            has_line: false,
            in_line: None,
            permit: None,
            pending: Vec::new(),
            ops: Vec::new(),
            audit: Vec::new(),
            children: Vec::new(),
            cancelled: HashSet::new(),
            imports: None,
            begun: HashMap::new(),
            news: Time(0),
            asked: Vec::new(),
            under_way: JoinSet::new(),
            heard: now,
        }
    }

    /// Drives the run until it ends, waits for long, or belongs to somebody else.
    pub async fn go(mut self, inbox: Vec<InboxRow>) {
        let result = self.live(inbox).await;
        if let Err(stop) = &result {
            match stop {
                Stop::Fenced(_) => tracing::info!(run = %self.id, "run let go: {stop}"),
                Stop::Never(why) => self.refused(Refusal::Store(why.clone())),
                Stop::Full => self.refused(Refusal::Full),
                Stop::Illegal(_) => {
                    tracing::error!(run = %self.id, "run let go: {stop}");
                    if self.birth.is_some() {
                        self.refused(Refusal::Store(format!("it cannot be run: {stop}")));
                    }
                }
            }
        }
    }

    fn refused(&self, why: Refusal) {
        self.inner.refuse(&self.id, why.clone());
        self.progress.send_replace(Progressed::Never(why));
    }

    async fn live(&mut self, inbox: Vec<InboxRow>) -> Result<(), Stop> {
        if !self.has_turn(&inbox).await? {
            return Ok(());
        }
        self.look_back().await;
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
        self.cancel_children();
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
                Command::StartStep(start) if self.import(&start.path)? => moved = true,
                Command::StartStep(start)
                    if self.version.plan.steps[start.at.step].effect == Effect::Pure =>
                {
                    self.compute(start)?;
                    moved = true;
                }
                Command::StartStep(start) => effects.push(start),
                Command::Hold(start) => {
                    moved |= self.import(&start.path)? || self.hold(start).await?;
                }
                Command::StartBatch(start) => {
                    self.start_batch(start)?;
                    moved = true;
                }
                Command::AskDecision(ask) => {
                    self.ask_decision(ask)?;
                    moved = true;
                }
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
        let paced = self.pace(effects).await?;
        if paced.ready.is_empty() && !paced.moved {
            let due = due.into_iter().chain(paced.next).min();
            return Ok(Next::Wait(due));
        }
        if !paced.ready.is_empty() {
            self.begin(paced.ready).await?;
        }
        Ok(Next::Decide)
    }

    /// Waits for what can move the run. False: it was released, or taken over.
    async fn wait(&mut self, due: Option<Time>) -> Result<bool, Stop> {
        let patience = due.map(|due| due.since(system::now()));
        let news = HELD_WAIT.saturating_sub(system::now().since(self.news));
        let expects_news = !news.is_zero() && !self.run.living_children().is_empty();
        if self.under_way.is_empty()
            && !expects_news
            && patience.is_none_or(|patience| patience > HELD_WAIT)
        {
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
        let sleep = if expects_news { news } else { LISTEN };
        let sleep = tokio::time::sleep(patience.unwrap_or(LISTEN).min(sleep));
        tokio::select! {
            biased;
            Some(done) = self.under_way.join_next() => {
                match done {
                    Ok(outcome) => self.conclude(outcome)?,
                    // A panic loses the step's number; the run is let go and claimed again, its step repeated as its effect class allows.
                    Err(error) => return Err(Stop::Fenced(format!("a step's task ended without an outcome: {error}"))),
                }
            }
            nudged = self.nudge.recv() => {
                if nudged.is_none() {
                    // Its lease ran out and this very process took it again: whoever nudges, nudges that one.
                    return Err(Stop::Fenced("this process holds it anew".to_owned()));
                }
                self.listen().await?;
            }
            () = sleep => {}
        }
        Ok(true)
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
        let only_this_run = |slot: &Slot| matches!(&slot.kind, SlotKind::Dynamic(dynamic) if dynamic.keep == Keep::Run);
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

    /// Applies an event and keeps it for the next commit. A question whose step has ended is closed with it.
    fn take(&mut self, event: Event) -> Result<(), Stop> {
        let asked = match &event {
            Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::Decided { step, .. } => self.request_of(step).map(|_| step.clone()),
            _ => None,
        };
        self.run.apply(&event)?;
        self.pending.push(event);
        if let Some(step) = asked {
            self.ops.push(Op::CloseRequests {
                workspace: self.workspace.clone(),
                run: self.id.clone(),
                step: Some(step),
            });
        }
        Ok(())
    }

    /// The same for what somebody outside said, which may have come too late to mean anything.
    fn hears(&mut self, event: Event) {
        let name = event.to_string();
        if let Err(Stop::Illegal(illegal)) = self.take(event) {
            tracing::info!(run = %self.id, "{name} is dropped: {illegal}");
        }
    }

    fn created(&self) -> &Created {
        self.run
            .created
            .as_deref()
            .expect("a held run has begun: its first event is applied before it is driven")
    }
}
