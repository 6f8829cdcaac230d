//! Making durable: the events of a held run with its row, its audit records and whatever goes with them, in one commit.

use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::Draft;
use actas_core::run::{Event, Rule};
use actas_store::{Commit, CommitError, Op, RunRow, system};

use super::{Drive, Progressed, Stop};
use crate::notices::with_pause;
use crate::record::{Origin, audit_of, journal_row};

impl Drive {
    /// Makes durable what is pending: journal row, run row, audit records and whatever goes with them, in one commit.
    pub(super) async fn write(&mut self, release: bool) -> Result<(), Stop> {
        let now = system::now();
        let ended = self.run.ended_at();
        let release = release || ended.is_some();
        self.tell_parent(now);
        let mut ops = std::mem::take(&mut self.ops);
        let mut audit = std::mem::take(&mut self.audit);
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
            let records: Vec<Draft> = events
                .iter()
                .filter_map(|event| self.audit_of(origin, event))
                .collect();
            audit.extend(records);
            let journal = journal_row(&self.id, self.seq + 1, events, now);
            let state = self.run.state_name(now).to_owned();
            let due_at = if ended.is_some() {
                None
            } else {
                self.run.next_due(now)
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
        with_pause(&self.inner, &self.workspace, self.created(), &mut ops, now).await;
        self.mind_the_line(&mut ops, release, now);
        self.commit(Commit { ops, audit }).await?;
        self.launch();
        self.tell();
        Ok(())
    }

    /// The record of an event. What was done through the account of whoever decided an approval was done for them.
    fn audit_of(&self, origin: Option<&Origin>, event: &Event) -> Option<Draft> {
        let mut draft = audit_of(&self.workspace, self.created(), origin, event)?;
        let step = match event {
            Event::StepSucceeded { step, .. } | Event::StepFailed { step, .. } => step,
            _ => return Some(draft),
        };
        let used = self
            .run
            .instance(step)
            .and_then(|at| self.version.plan.steps[at.step].slot);
        if draft.rule == Some(Rule::Approver)
            && let Some(person) = used.and_then(|slot| self.run.slot_person(slot))
        {
            draft.person = Some(person);
        }
        Some(draft)
    }

    pub(super) fn row(
        &self,
        state: String,
        due_at: Option<Time>,
        release: bool,
        now: Time,
    ) -> RunRow {
        let created = self.created();
        RunRow {
            id: self.id.clone(),
            workspace: self.workspace.clone(),
            flow: created.flow.clone(),
            version: created.version.clone(),
            level: created.level,
            invoker: created.invoker.as_ref().map(|i| i.id.clone()),
            parent: created
                .parent
                .as_ref()
                .map(|parent| (parent.run.clone(), parent.step.clone())),
            retry_of: created.retry_of.clone(),
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
    pub(super) async fn commit(&mut self, commit: Commit) -> Result<(), Stop> {
        let creating = matches!(commit.ops.first(), Some(Op::AddRun { .. }));
        let mut pause = Duration::from_millis(20);
        loop {
            let why = match self.inner.store.commit(commit.clone()).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict { op: "enter", .. }) => return Err(Stop::Full),
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
    pub(super) async fn is_written(&self, commit: &Commit) -> bool {
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
    pub(super) fn tell(&self) {
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
