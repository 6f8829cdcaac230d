//! The line of a flow that bounds how many of its runs there are at once: a run asks for its turn before it does anything, gives its place back
//! while it waits, and leaves for good when it ends. Who comes when is the store's to say, because other processes ask too.

use actas_core::Time;
use actas_core::flow::WhenFull;
use actas_core::ids::WorkspaceId;
use actas_core::run::{Run, Turn};
use actas_store::{Admission, Commit, InboxMessage, InboxRow, Op, ReadError, Reader, system};

use super::{Drive, Stop};

/// The epoch of a run that was just added.
const BORN: i64 = 1;

/// What a run asks the store for.
fn admission(workspace: &WorkspaceId, run: &Run, turn: &Turn, at: Time) -> Option<Admission> {
    let created = run.created.as_ref()?;
    Some(Admission {
        workspace: workspace.clone(),
        flow: created.flow.clone(),
        run: created.run.clone(),
        limit: turn.limit,
        key: turn.key.clone(),
        at,
    })
}

/// Puts a run that is being added, and that nobody drives yet, where its flow says: into the line, or in if there is a place and else nowhere.
/// Nothing for flows without a line.
pub fn line_up(ops: &mut Vec<Op>, workspace: &WorkspaceId, run: &Run, turn: Option<&Turn>) {
    let Some((turn, admission)) =
        turn.and_then(|turn| Some((turn, admission(workspace, run, turn, system::now())?)))
    else {
        return;
    };
    let queues = turn.when_full == WhenFull::Queue;
    for op in ops.iter_mut() {
        if let Op::AddRun { run, .. } = op
            && run.id == admission.run
        {
            (run.owner, run.lease_until) = (None, None);
            if queues {
                "queued".clone_into(&mut run.state);
            }
        }
    }
    ops.push(if queues {
        Op::Queue {
            admission,
            epoch: BORN,
        }
    } else {
        Op::Enter(admission)
    });
}

/// Whether a run would have to wait, as far as can be seen from here: somebody else may be quicker.
///
/// # Errors
/// If the store is away.
pub async fn is_full(reader: &Reader, run: &Run, turn: &Turn) -> Result<bool, ReadError> {
    match admission(reader.workspace(), run, turn, Time(0)) {
        Some(admission) => reader.is_full(&admission).await,
        None => Ok(false),
    }
}

impl Drive {
    /// Sees to it that the run has a place, if its flow has a line. False: it waits for one, and is not held here any more.
    pub(super) async fn has_turn(&mut self, inbox: &[InboxRow]) -> Result<bool, Stop> {
        // A key that could be made at its creation can be made again.
        let Ok(Some(turn)) = self.run.turn() else {
            return Ok(true);
        };
        let Some(admission) = admission(&self.workspace, &self.run, &turn, system::now()) else {
            return Ok(true);
        };
        self.has_line = true;
        let cancelled = inbox
            .iter()
            .any(|row| matches!(row.message, InboxMessage::Cancel { .. }));
        if cancelled && self.seq == 1 {
            // It was let out of the line without having begun, and only ends.
            return Ok(true);
        }
        if self.birth.is_none() {
            return match self.ask(Op::Enter(admission.clone())).await {
                Err(Stop::Full) => {
                    let epoch = self.epoch;
                    self.ask(Op::Queue { admission, epoch }).await?;
                    Ok(false)
                }
                entered => entered.map(|()| true),
            };
        }
        let (pending, birth) = (self.pending.clone(), self.birth.clone());
        self.ops.push(Op::Enter(admission));
        match self.write(false).await {
            Err(Stop::Full) if turn.when_full == WhenFull::Queue => {
                (self.pending, self.birth) = (pending, birth);
                self.seq -= 1;
                self.in_line = Some(turn);
                self.write(true).await?;
                Ok(false)
            }
            entered => entered.map(|()| true),
        }
    }

    async fn ask(&mut self, op: Op) -> Result<(), Stop> {
        let commit = Commit {
            ops: vec![op],
            audit: Vec::new(),
        };
        self.commit(commit).await
    }

    /// What goes with a commit of a run that has a place, or is about to wait for one.
    pub(super) fn mind_the_line(&mut self, ops: &mut Vec<Op>, release: bool, now: Time) {
        if !self.has_line {
            return;
        }
        if let Some(turn) = self.in_line.take() {
            line_up(ops, &self.workspace, &self.run, Some(&turn));
            return;
        }
        let (workspace, run) = (self.workspace.clone(), self.id.clone());
        let flow = self.created().flow.clone();
        if self.run.ended_at().is_some() {
            ops.push(Op::Leave {
                workspace,
                flow,
                run,
            });
        } else if release && self.run.state_name(now) != "running" {
            let epoch = self.epoch;
            ops.push(Op::StepAside {
                workspace,
                flow,
                run,
                epoch,
            });
        }
    }
}
