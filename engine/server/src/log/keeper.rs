//! The task that signs, sends and cuts. It looks once a second whether a log has grown: by enough, or long enough ago.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::export::Start;
use actas_core::audit::{Actor, CUT, Object};
use actas_core::ids::WorkspaceId;
use actas_egress::Egress;
use actas_store::{AuditStartRow, CheckpointRow, Commit, CommitError, LogAct, Op, Reader, system};

use crate::app::App;
use crate::context::record;
use crate::log::tree::{block, first_edge, tree, walk};
use crate::log::{LogError, Sink};

/// So many records are enough for a checkpoint …
const MANY: u64 = 1_000;
/// … and so long is any.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at what is too old.
const CLEAR: Duration = Duration::from_secs(3_600);
/// How many records are removed in one commit: others want to write too.
const REMOVED: u64 = 2_000;

/// Signs the log as it stands now, unless the last checkpoint is of all of it. The log goes on where that one ended, whatever stood before.
///
/// # Errors
/// If the store is away, records are missing, or there is nothing yet.
pub async fn checkpoint(app: &App, workspace: &WorkspaceId) -> Result<CheckpointRow, LogError> {
    let reader = app.store.reader(workspace);
    // The key is made with a record of its own: before the end of the log is looked at.
    let signer = app.connections.log_signer(workspace).await?;
    loop {
        let last = reader.audit_checkpoint(Time(i64::MAX)).await?;
        let (seq, hash) = reader.audit_head().await?;
        let mut edge = match last {
            Some(row) if row.edge.size() >= seq => return Ok(row),
            Some(row) => row.edge,
            None => first_edge(&reader).await?,
        };
        let mut end = hash;
        walk(&reader, edge.size(), seq, |hash| {
            edge.push(hash);
            end = *hash;
        })
        .await?;
        if end != hash {
            return Err(LogError::NotWhole(seq));
        }
        let row = CheckpointRow {
            note: signer.sign(seq, edge.root()),
            edge,
            made_at: system::now(),
            sent: app.checkpoints.is_none(),
        };
        let commit = Commit {
            ops: vec![on(workspace, LogAct::AddCheckpoint(row.clone()))],
            audit: Vec::new(),
        };
        match app.store.commit(commit).await {
            Ok(()) => return Ok(row),
            // Another process has signed as much meanwhile.
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn on(workspace: &WorkspaceId, act: LogAct) -> Op {
    Op::Log {
        workspace: workspace.clone(),
        act,
    }
}

/// What the task knows of a workspace's log.
#[derive(Debug, Default)]
struct Known {
    /// Whether what was sent before was looked at.
    looked: bool,
    failed: Option<Time>,
    cleared: Option<Time>,
}

/// Keeps the logs of all workspaces until the server stops. It signs once more then if it is time: a command that runs for a second must not
/// leave a log unsigned for good.
pub async fn keep(app: Arc<App>, egress: Egress) {
    let mut known: HashMap<WorkspaceId, Known> = HashMap::new();
    let mut stopping = false;
    while !stopping {
        stopping = tokio::select! {
            () = app.stopping.cancelled() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let Ok(all) = app.store.workspaces().await else {
            continue;
        };
        for (workspace, name) in all {
            let (known, now) = (known.entry(workspace.clone()).or_default(), system::now());
            if known.failed.is_some_and(|at| now.since(at) < LONG) {
                continue;
            }
            known.failed = None;
            if let Err(error) = look(&app, &egress, &workspace, known, now).await {
                tracing::error!(workspace = %name, %error, "audit log is not kept as it should be");
                // Not once a second.
                known.failed = Some(now);
            }
        }
    }
}

async fn look(
    app: &App,
    egress: &Egress,
    workspace: &WorkspaceId,
    known: &mut Known,
    now: Time,
) -> Result<(), LogError> {
    let reader = app.store.reader(workspace);
    let last = reader.audit_checkpoint(Time(i64::MAX)).await?;
    let signed = last.as_ref().map_or(0, |row| row.edge.size());
    let grown = reader.audit_head().await?.0.saturating_sub(signed);
    if grown > 0 {
        let since = match last {
            Some(row) => Some(row.made_at),
            None => {
                let first = reader.audit_from(1, 1).await?;
                first.first().map(|entry| entry.record.at)
            }
        };
        if grown >= MANY || since.is_some_and(|since| now.since(since) >= LONG) {
            checkpoint(app, workspace).await?;
        }
    }
    if let Some(sink) = &app.checkpoints {
        send(app, egress, workspace, sink, known).await?;
    }
    if known.cleared.is_none_or(|at| now.since(at) >= CLEAR) {
        known.cleared = Some(now);
        clear(app, workspace, now).await?;
    }
    Ok(())
}

/// Takes what was not sent yet to where it is to go, in order.
async fn send(
    app: &App,
    egress: &Egress,
    workspace: &WorkspaceId,
    sink: &Sink,
    known: &mut Known,
) -> Result<(), LogError> {
    let reader = app.store.reader(workspace);
    let unsent = reader.unsent_checkpoints(100).await?;
    if unsent.is_empty() {
        return Ok(());
    }
    let key = app.connections.log_signer(workspace).await?.key();
    let before = sink.last(&key).await?;
    if let Some(before) = before.as_ref().filter(|_| !known.looked) {
        let other = || LogError::OtherHistory {
            sink: sink.name(),
            size: before.size,
        };
        let mut edge = first_edge(&reader).await?;
        if edge.size() <= before.size {
            let walked = walk(&reader, edge.size(), before.size, |hash| edge.push(hash)).await;
            match walked {
                Ok(()) if edge.root() == before.root => {}
                Ok(()) | Err(LogError::NotWhole(_)) => return Err(other()),
                Err(error) => return Err(error),
            }
        }
        known.looked = true;
    }
    let mut from = before.map_or(0, |before| before.size);
    for row in unsent {
        let size = row.edge.size();
        let mut proof = Vec::new();
        if matches!(sink, Sink::Url(_)) {
            from = last_sent(&reader, size).await?;
            if from > 0 {
                let tree = tree(&reader, size).await?;
                let block = block(&reader, from - 1, size).await?;
                proof = tree.consistency(&block, from).unwrap_or_default();
            }
        }
        if from < size {
            sink.take(egress, &row.note, (from, &proof)).await?;
        }
        let commit = Commit {
            ops: vec![on(workspace, LogAct::Sent(size))],
            audit: Vec::new(),
        };
        app.store.commit(commit).await?;
        from = size;
    }
    Ok(())
}

/// The size of the last checkpoint that was sent, below one.
async fn last_sent(reader: &Reader, size: u64) -> Result<u64, LogError> {
    let sent = reader.sent_checkpoint(size).await?;
    Ok(sent.map_or(0, |row| row.edge.size()))
}

/// Lets records go that are older than the workspace keeps them, up to a checkpoint that was sent.
async fn clear(app: &App, workspace: &WorkspaceId, now: Time) -> Result<(), LogError> {
    let reader = app.store.reader(workspace);
    if let Some(days) = reader.policies().await?.policies.audit_keep {
        let kept = Duration::from_secs(u64::from(days) * 24 * 3_600);
        let old = Time(now.micros() - i64::try_from(kept.as_micros()).unwrap_or(i64::MAX / 2));
        cut(app, &reader, old, now).await?;
    }
    // Also what an earlier cut has left behind.
    let Some(row) = reader.audit_start().await? else {
        return Ok(());
    };
    while let Some(first) = reader.audit_from(1, 1).await?.first() {
        if first.record.seq > row.start.seq || app.stopping.is_cancelled() {
            break;
        }
        let upto = row.start.seq.min(first.record.seq + REMOVED);
        let commit = Commit {
            ops: vec![on(workspace, LogAct::Drop(upto))],
            audit: Vec::new(),
        };
        app.store.commit(commit).await?;
    }
    Ok(())
}

/// Lets go what was written before a moment.
///
/// # Errors
/// If the store is away.
pub async fn cut(app: &App, reader: &Reader, old: Time, now: Time) -> Result<(), LogError> {
    let workspace = reader.workspace();
    let begins = first_edge(reader).await?.size();
    let row = reader.audit_checkpoint(old).await?;
    let Some(row) = row.filter(|row| row.sent && row.edge.size() > begins) else {
        return Ok(());
    };
    let seq = row.edge.size();
    let last = reader.audit_hashes(seq - 1, seq, 1).await?;
    let hash = *last.first().ok_or(LogError::NotWhole(seq - 1))?;
    let object = Object {
        kind: "audit".into(),
        id: seq.to_string(),
        version: Some(hex::encode(hash)),
    };
    let start = AuditStartRow {
        start: Start {
            seq,
            hash,
            edge: row.edge,
        },
        note: row.note,
        cut_at: now,
    };
    let commit = Commit {
        ops: vec![on(workspace, LogAct::Cut(start))],
        audit: vec![record(workspace, now, Actor::Engine, "engine", CUT, object)],
    };
    match app.store.commit(commit).await {
        // Another process was quicker.
        Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
