//! What goes on beside the runs: taking over those that nobody holds, keeping the leases of those held here, handing on what came for them.
//! There is no recovery of its own: a run of a dead process is claimed like any other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::InboxId;
use actas_core::run::{Event, Hold, LEVEL, Run, upcast};
use actas_store::{Claimed, Commit, InboxMessage, InboxRow, JournalRow, Op, ReadError, system};

use crate::drive::Drive;
use crate::plans::{LoadError, Version};
use crate::runner::Inner;

/// The truth is polled this often; hints only make it quicker.
const POLL: Duration = Duration::from_secs(1);

/// Pauses younger than this are swept; older ones have been looked at many times.
const SWEPT: Duration = Duration::from_secs(600);

/// Providers that were away are told this often, if anything is due.
const TAKEN_BACK: Duration = Duration::from_secs(20);

/// Claims whatever can move, as long as there is room.
pub async fn claiming(inner: Arc<Inner>) {
    while !inner.is_stopping() {
        let room = u32::try_from(inner.woken.available_permits())
            .unwrap_or(u32::MAX)
            .min(100);
        let mut full = false;
        if inner.renewal_is_late()
            && let Err(error) = inner.renew().await
        {
            tracing::warn!("leases are not renewed now: {error}");
        } else if room > 0 {
            match inner
                .store
                .claim(&inner.config.worker, LEVEL, inner.config.lease, room)
                .await
            {
                Ok(claimed) => {
                    full = claimed.len() >= usize::try_from(room).unwrap_or(usize::MAX);
                    for one in claimed {
                        adopt(&inner, one).await;
                    }
                }
                Err(error) => tracing::warn!("no runs can be claimed now: {error}"),
            }
        }
        if full {
            tokio::task::yield_now().await;
        } else {
            tokio::select! {
                biased;
                () = inner.store.hint() => {}
                () = tokio::time::sleep(POLL) => {}
                () = inner.stopped() => {}
            }
        }
    }
}

/// Renews the leases of all held runs, and lets those look who watch runs held elsewhere.
pub async fn renewing(inner: Arc<Inner>) {
    let every = (inner.config.lease / 5).min(POLL);
    loop {
        tokio::time::sleep(every).await;
        if let Err(error) = inner.renew().await {
            tracing::warn!("leases are not renewed now: {error}");
        }
        inner.changes.tick();
    }
}

/// Hands on what came into the inbox of a run that is held here.
pub async fn nudging(inner: Arc<Inner>) {
    let mut arrivals = inner.store.subscribe();
    loop {
        match arrivals.recv().await {
            Ok(run) => inner.nudge(&run),
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => inner.nudge_all(),
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Tells runs whose pause has lost its reason while nobody looked: a pause and a sign-in that crossed, or a process that died between the two.
/// And erases what was kept for a run that has ended, if whoever ended it died before. The first sweep looks at all pauses: nobody may have
/// been there for long.
pub async fn sweeping(inner: Arc<Inner>) {
    let mut all = true;
    loop {
        tokio::time::sleep(POLL).await;
        let since = if all {
            Time(0)
        } else {
            Time(system::now().micros() - i64::try_from(SWEPT.as_micros()).unwrap_or(i64::MAX))
        };
        match sweep(&inner, since).await {
            Ok(()) => all = false,
            Err(error) => tracing::warn!("pauses are not swept now: {error}"),
        }
    }
}

/// Tells providers what they could not be told when people let go of their connections.
pub async fn taking_back(inner: Arc<Inner>) {
    loop {
        tokio::time::sleep(TAKEN_BACK).await;
        let now = system::now();
        let workspaces = match inner.store.workspaces().await {
            Ok(workspaces) => workspaces,
            Err(error) => {
                tracing::warn!("revocations are not looked for now: {error}");
                continue;
            }
        };
        for (workspace, _) in workspaces {
            if let Err(error) = inner.hands.connections.ready(&workspace).await {
                tracing::error!(%workspace, "its secrets cannot be opened here: {error}");
            }
            if let Err(error) = inner.hands.connections.take_back(&workspace, now).await {
                tracing::warn!(%workspace, "tokens are not taken back now: {error}");
            }
        }
    }
}

async fn sweep(inner: &Inner, since: Time) -> Result<(), ReadError> {
    let now = system::now();
    for (workspace, _) in inner.store.workspaces().await? {
        for left in inner
            .store
            .reader(&workspace)
            .connections_left_over()
            .await?
        {
            if let Some(run) = &left.only_run
                && let Err(error) = inner.hands.connections.end_of_run(&workspace, run).await
            {
                tracing::warn!(%run, "connections kept for this run alone are not erased yet: {error}");
            }
        }
        for sign_in in inner
            .store
            .reader(&workspace)
            .overlooked_sign_ins(since)
            .await?
        {
            let Some(run) = sign_in.run else { continue };
            let inbox = InboxRow {
                id: InboxId::from_bits(system::new_bits()),
                run,
                message: InboxMessage::SignedIn { slot: sign_in.slot },
                at: now,
            };
            let op = Op::PutInbox {
                workspace: workspace.clone(),
                inbox,
            };
            // Refused: the run has ended. Away: the next sweep.
            let _ = inner
                .store
                .commit(Commit {
                    ops: vec![op],
                    audit: Vec::new(),
                })
                .await;
        }
    }
    Ok(())
}

/// Loads a claimed run and drives it.
async fn adopt(inner: &Arc<Inner>, claimed: Claimed) {
    let Ok(permit) = inner.woken.clone().acquire_owned().await else {
        return;
    };
    let row = claimed.run;
    let mut begun = HashMap::new();
    let mut see = |event: &Event| {
        if let Event::StepHeld {
            step,
            hold: Hold::Child { run, .. },
            ..
        } = event
        {
            begun.insert(step.clone(), run.clone());
        }
    };
    let loaded = match inner
        .plans
        .version(&inner.store, &row.workspace, &row.version)
        .await
    {
        Ok(version) => fold_seeing(&version, &claimed.journal, &mut see).map(|run| (version, run)),
        Err(error) => Err(error),
    };
    match loaded {
        Ok((version, run)) => {
            let seq = claimed.journal.last().map_or(0, |row| row.seq);
            let mut drive = Drive::new(inner, &row.workspace, version, run, row.epoch, seq);
            drive.permit = Some(permit);
            drive.begun = begun;
            // What came for it between reading its inbox and holding it found nobody to tell.
            inner.nudge(&drive.id);
            tokio::spawn(drive.go(claimed.inbox));
        }
        // Its lease runs out and it is tried again: by this program when the store is back, by a newer one if it is of a newer meaning.
        Err(error) => tracing::error!(run = %row.id, "run cannot be taken over: {error}"),
    }
}

/// A run's state from its journal.
pub fn fold(version: &Arc<Version>, journal: &[JournalRow]) -> Result<Run, LoadError> {
    fold_seeing(version, journal, &mut |_| {})
}

/// The same, with a look at each event.
fn fold_seeing(
    version: &Arc<Version>,
    journal: &[JournalRow],
    see: &mut dyn FnMut(&Event),
) -> Result<Run, LoadError> {
    let mut run = Run::new(version.plan.clone());
    for row in journal {
        let broken = |why: String| LoadError::Journal {
            run: row.run.clone(),
            why: format!("row {}: {why}", row.seq),
        };
        for event in upcast(row.v, &row.body).map_err(broken)?.events {
            run.apply(&event)
                .map_err(|illegal| broken(illegal.to_string()))?;
            see(&event);
        }
    }
    Ok(run)
}
