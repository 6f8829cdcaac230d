//! Runs that a run makes: of another flow, or of some items of a long loop. They are created in the commit that says so, driven here at once,
//! and heard of through the inbox like everything from outside. What they do is their own drive's business.

use std::sync::Arc;
use std::time::Duration;

use actas_connections::Resolution;
use actas_core::audit::Actor;
use actas_core::flow::{Entry, SlotKind, WhenFull};
use actas_core::ids::{InboxId, RunId, StepPath};
use actas_core::run::children::ChildEnd;
use actas_core::run::command::{StartBatch, StartHold};
use actas_core::run::hold::RunFlowSpec;
use actas_core::run::{
    Bound, Created, Event, Handed, Hold, Part, Phase, Run, SlotState, Turn, upcast,
};
use actas_core::{ErrorKind, StepError, Time};
use actas_store::{InboxMessage, InboxRow, Op, system};
use serde_json::Value;

use super::line::{is_full, line_up};
use super::{Drive, Progressed, Stop};
use crate::callee::{CalleeError, callee};
use crate::plans::{LoadError, Version};
use crate::record::{Origin, audit_of, journal_row};

impl Drive {
    /// Begins a run of another flow. False: nothing has changed, because a slot that is handed down waits for its person.
    pub(super) async fn call(
        &mut self,
        start: StartHold,
        spec: RunFlowSpec,
        at: Time,
    ) -> Result<bool, Stop> {
        let version = match self.find_callee(&spec).await {
            Ok(version) => version,
            Err(error) => {
                self.not_held(&start, error, at)?;
                return Ok(true);
            }
        };
        let inputs = match check_inputs(&version, &spec) {
            Ok(inputs) => inputs,
            Err(error) => {
                self.not_held(&start, error, at)?;
                return Ok(true);
            }
        };
        let bound = match self.handed_down(&version, &spec).await? {
            Handing::Bound(bound) => bound,
            Handing::Later { moved } => return Ok(moved),
            Handing::Never(error) => {
                self.not_held(&start, error, at)?;
                return Ok(true);
            }
        };
        let (Some(parent), Some(first_run)) = (
            self.run.as_parent(&start.path, false),
            self.run.first_run_of(&start.path),
        ) else {
            return Ok(false);
        };
        let row = &version.row;
        let child = Created {
            level: row.level,
            run: RunId::from_bits(system::new_bits()),
            first_run,
            flow: row.flow.clone(),
            flow_name: version.plan.flow.flow.clone(),
            version: row.id.clone(),
            number: (row.number > 0).then_some(row.number),
            digest: row.digest.clone(),
            invoker: self.created().invoker.clone(),
            entry: Entry::ChildRun,
            inputs: Arc::new(inputs),
            vars: self.vars_of(&version).await,
            parent: Some(parent),
            part: None,
            bound,
            retry_of: self.child_before(&start.path, &version).await,
            at,
        };
        if let Err(error) = self.may_be_begun(&version, &child).await {
            self.not_held(&start, error, at)?;
            return Ok(true);
        }
        self.begun.insert(start.path.clone(), child.run.clone());
        let hold = Hold::Child {
            run: child.run.clone(),
            flow: child.flow_name.clone(),
            version: child.version.clone(),
        };
        self.held(&start, hold, at)?;
        self.bear(version, child)?;
        Ok(true)
    }

    /// Begins a run for the next items of a long loop. A batch that came to its end in the run before is taken over whole.
    pub(super) fn start_batch(&mut self, start: StartBatch) -> Result<(), Stop> {
        let at = system::now();
        let before = self
            .imports
            .as_ref()
            .and_then(|imports| imports.batch(&start.path, start.batch))
            .cloned();
        let began = |child: RunId| Event::BatchBegan {
            step: start.path.clone(),
            batch: start.batch,
            child,
            at,
        };
        if let Some((child, Some(Event::BatchEnded { items, .. }))) = &before {
            let ended = Event::BatchEnded {
                step: start.path.clone(),
                batch: start.batch,
                child: child.clone(),
                items: items.clone(),
                failed: Vec::new(),
                at,
            };
            self.take(began(child.clone()))?;
            return self.take(ended);
        }
        let id = RunId::from_bits(system::new_bits());
        let child = Created {
            run: id.clone(),
            entry: Entry::ChildRun,
            parent: self.run.as_parent(&start.path, true),
            part: Some(Box::new(Part {
                step: start.path.clone(),
                number: start.at.step,
                offset: start.offset,
                items: Arc::new(Value::Array(start.items)),
                scope: start.scope,
            })),
            inputs: start.inputs,
            bound: self.run.hand_all(),
            retry_of: before.map(|(child, _)| child),
            at,
            ..self.created().clone()
        };
        self.take(began(id))?;
        self.bear(self.version.clone(), child)
    }

    /// Puts a child's creation beside what is pending; it is driven once both are durable.
    fn bear(&mut self, version: Arc<Version>, created: Created) -> Result<(), Stop> {
        let now = system::now();
        let id = created.run.clone();
        let internal = created.part.is_some();
        let event = Event::RunCreated(Box::new(created));
        let mut run = Run::new(version.plan.clone());
        run.apply(&event)?;
        let turn = run.turn().ok().flatten();
        let drive = Self::new(&self.inner, &self.workspace, version, run, 1, 1);
        if !internal {
            let origin = Origin {
                actor: Actor::Engine,
                ip: None,
                agent: None,
            };
            self.audit.extend(audit_of(
                &self.workspace,
                drive.created(),
                Some(&origin),
                &event,
            ));
        }
        self.ops.push(Op::AddRun {
            run: drive.row(
                drive.run.state_name(now).to_owned(),
                drive.run.next_due(now),
                false,
                now,
            ),
            journal: journal_row(&id, 1, vec![event], now),
            idempotency: None,
        });
        match turn {
            // Whoever claims it when its turn has come drives it.
            Some(turn) => {
                let turn = Turn {
                    when_full: WhenFull::Queue,
                    ..turn
                };
                line_up(&mut self.ops, &self.workspace, &drive.run, Some(&turn));
            }
            None => self.children.push(drive),
        }
        self.news = now;
        Ok(())
    }

    /// Drives the children whose creation has become durable.
    pub(super) fn launch(&mut self) {
        for child in std::mem::take(&mut self.children) {
            child.progress.send_replace(Progressed::Durable);
            tokio::spawn(child.go(Vec::new()));
        }
    }
}

/// What came of looking for the slots that a child is handed.
enum Handing {
    /// These, with their connections.
    Bound(Vec<Handed>),
    /// One of them has no connection yet.
    Later {
        /// Whether something was done about it.
        moved: bool,
    },
    /// It cannot be.
    Never(StepError),
}

impl Drive {
    /// The flow to be run, however long the store takes to say.
    async fn find_callee(&self, spec: &RunFlowSpec) -> Result<Arc<Version>, StepError> {
        let mut pause = Duration::from_millis(50);
        loop {
            let invoker = self.created().invoker.as_ref();
            match callee(&self.inner, &self.workspace, &spec.flow, invoker).await {
                Ok(version) => return Ok(version),
                Err(CalleeError::Refused(error)) => return Err(error),
                Err(CalleeError::Load(LoadError::Read(error))) => {
                    tracing::warn!(run = %self.id, flow = %spec.flow, "flow cannot be looked up, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(CalleeError::Load(error)) => {
                    let message = format!("`{}` cannot be run: {error}", spec.flow);
                    return Err(StepError::new(ErrorKind::Internal, message));
                }
            }
        }
    }

    /// Whether a child has a turn at all: its key can be made, and its flow, if it lets nobody wait, has a place now.
    async fn may_be_begun(
        &self,
        version: &Arc<Version>,
        created: &Created,
    ) -> Result<(), StepError> {
        let mut run = Run::new(version.plan.clone());
        let event = Event::RunCreated(Box::new(created.clone()));
        if run.apply(&event).is_err() {
            return Ok(());
        }
        let Some(turn) = run.turn()? else {
            return Ok(());
        };
        let reader = self.inner.store.reader(&self.workspace);
        let mut pause = Duration::from_millis(50);
        if turn.when_full != WhenFull::Refuse {
            return Ok(());
        }
        loop {
            match is_full(&reader, &run, &turn).await {
                Ok(false) => return Ok(()),
                Ok(true) => {
                    let message = format!(
                        "`{}` has as many runs as it may have at once",
                        created.flow_name
                    );
                    return Err(StepError::new(ErrorKind::Rejected, message).with_code("flow_full"));
                }
                Err(error) => {
                    tracing::warn!(run = %self.id, "line of a flow cannot be read, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    /// The connections that a child is handed for its slots: the person's own, agreed to for what the child does too. What was not agreed to is
    /// not handed down: the child asks for it itself.
    async fn handed_down(
        &mut self,
        version: &Arc<Version>,
        spec: &RunFlowSpec,
    ) -> Result<Handing, Stop> {
        let mut handed = Vec::new();
        for (theirs, own) in &spec.connections {
            let never = |why: String| {
                let error = StepError::new(ErrorKind::InvalidInput, why).with_code("bad_input");
                Ok(Handing::Never(error))
            };
            let plan = &self.version.plan;
            let Some(slot) = plan.slot(own) else {
                return never(format!("this flow has no slot `{own}` to hand down"));
            };
            let Some(child) = version.plan.slot(theirs) else {
                return never(format!("`{}` has no slot `{theirs}`", spec.flow));
            };
            let (ours, child) = (&plan.slots[slot], &version.plan.slots[child]);
            let dynamic = |kind: &SlotKind| matches!(kind, SlotKind::Dynamic(d) if d.switched_off().is_none());
            if !dynamic(&ours.slot.kind) || !dynamic(&child.slot.kind) {
                return never(format!(
                    "`{own}` cannot be handed down as `{theirs}`: both must be dynamic"
                ));
            }
            // Whoever decides there is asked there, and nobody else acts in their place.
            if child.of.is_some() {
                return never(format!(
                    "`{theirs}` is the account of whoever decides an approval in `{}`: it cannot be handed down",
                    spec.flow
                ));
            }
            if ours.slot.app != child.slot.app {
                return never(format!(
                    "`{own}` is of {}, and `{theirs}` of {}",
                    ours.slot.app, child.slot.app
                ));
            }
            match self.run.slots[slot].clone() {
                SlotState::Bound(bound) => {
                    if self.covers(slot, &bound).await {
                        handed.extend(self.run.hand(slot, theirs));
                    } else if ours.of.is_some() {
                        // Left out, the called flow would ask its invoker, who is somebody else.
                        return never(format!(
                            "whoever decided did not agree to what `{}` does with `{own}`",
                            spec.flow
                        ));
                    }
                }
                SlotState::Unresolved => {
                    self.resolve(slot).await?;
                    if self.run.slots[slot] == SlotState::Unresolved {
                        return never(format!("there is no connection for `{own}` to hand down"));
                    }
                    return Ok(Handing::Later { moved: true });
                }
                SlotState::Asked { .. } => return Ok(Handing::Later { moved: false }),
                SlotState::Expired => {
                    return never(format!("nobody signed in for `{own}` before the deadline"));
                }
            }
        }
        Ok(Handing::Bound(handed))
    }

    /// Whether what a slot's person agreed to covers, as things are now, also the flows that the slot is handed to.
    async fn covers(&self, slot: usize, bound: &Bound) -> bool {
        let Some(asking) = self.asking(slot).await else {
            return false;
        };
        matches!(self.look_up(&asking).await, Some(Resolution::Bound(now)) if now.connection == bound.connection)
    }

    /// A child has ended: what it gave becomes the result of the step, or of the batch.
    pub(super) async fn child_ended(&mut self, step: &StepPath, child: &RunId) -> Result<(), Stop> {
        let at = system::now();
        let Some(end) = self.end_of(child).await else {
            return Ok(());
        };
        if let Some(event) = self.run.child_ended(step, child, end, at) {
            self.hears(event);
        }
        Ok(())
    }

    /// The workspace's values for a child, however long the store takes to give them.
    async fn vars_of(&self, version: &Version) -> Arc<Value> {
        let mut pause = Duration::from_millis(50);
        loop {
            match version.vars(&self.inner.store, &self.workspace).await {
                Ok(vars) => return vars,
                Err(error) => {
                    tracing::warn!(run = %self.id, "values of the workspace cannot be read, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    /// How a child ended, however long the store takes to say; none if it has not.
    async fn end_of(&self, child: &RunId) -> Option<ChildEnd> {
        let mut pause = Duration::from_millis(50);
        let reader = self.inner.store.reader(&self.workspace);
        let row = loop {
            match reader.journal_end(child).await {
                Ok(row) => break row?,
                Err(error) => {
                    tracing::warn!(run = %self.id, %child, "end of a child cannot be read, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        };
        let events = match upcast(row.v, &row.body) {
            Ok(body) => body.events,
            Err(why) => {
                tracing::error!(run = %self.id, %child, "end of a child cannot be read: {why}");
                return None;
            }
        };
        events.last().and_then(ChildEnd::of)
    }

    /// Nothing new starts in a run that closes: its children hear of it too, once from each who holds it.
    pub(super) fn cancel_children(&mut self) {
        let now = system::now();
        if !self.run.is_closing(now) {
            return;
        }
        for (_, child) in self.run.living_children() {
            if !self.cancelled.insert(child.clone()) {
                continue;
            }
            let by = match &self.run.phase {
                Phase::Cancelling { by } => by.clone(),
                _ => self.created().invoker.as_ref().map(|i| i.id.clone()),
            };
            self.tell_run(child, InboxMessage::Cancel { by }, now);
        }
    }

    /// What the parent hears of this run, in the commit of what it is told of.
    pub(super) fn tell_parent(&mut self, now: Time) {
        let Some(parent) = self.created().parent.clone() else {
            return;
        };
        let (step, child) = (parent.step, self.id.clone());
        if self.run.ended_at().is_some() {
            self.tell_run(parent.run, InboxMessage::ChildEnded { step, child }, now);
            return;
        }
        let paused = self.run.needs_person();
        if paused != self.told_paused {
            self.told_paused = paused;
            let paused = if paused {
                Value::Bool(true)
            } else {
                Value::Null
            };
            let message = InboxMessage::ChildPaused {
                step,
                child,
                paused,
            };
            self.tell_run(parent.run, message, now);
        }
    }

    fn tell_run(&mut self, run: RunId, message: InboxMessage, at: Time) {
        self.ops.push(Op::TellRun {
            workspace: self.workspace.clone(),
            inbox: InboxRow {
                id: InboxId::from_bits(system::new_bits()),
                run,
                message,
                at,
            },
        });
    }
}

/// What a called flow is given, checked and filled in as its own runs are.
fn check_inputs(version: &Version, spec: &RunFlowSpec) -> Result<Value, StepError> {
    version
        .plan
        .inputs
        .check(spec.inputs.clone())
        .map_err(|faults| {
            let told: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
            StepError::new(
                ErrorKind::InvalidInput,
                format!(
                    "`{}` does not take these inputs: {}",
                    spec.flow,
                    told.join("; ")
                ),
            )
            .with_code("invalid_inputs")
        })
}
