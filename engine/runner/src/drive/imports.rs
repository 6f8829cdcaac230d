//! A run that tries another one again takes over what was done there, each step where it would be performed. What was done is read from the
//! journals of the runs before, whenever somebody begins to hold this one.

use std::time::Duration;

use actas_core::ids::{RunId, StepPath};
use actas_core::run::import::Imports;
use actas_core::run::{Event, upcast};
use actas_store::{ReadError, system};

use super::{Drive, Stop};
use crate::plans::Version;

/// A chain of retries is followed so far back.
const LONGEST_CHAIN: usize = 1_000;

impl Drive {
    /// Reads what the runs before this one did, however long the store takes to give it.
    pub(super) async fn look_back(&mut self) {
        let Some(before) = self.created().retry_of.clone() else {
            return;
        };
        let mut pause = Duration::from_millis(50);
        loop {
            match self.imports_from(&before).await {
                Ok(imports) => {
                    self.imports = Some(Box::new(imports));
                    return;
                }
                Err(error) => {
                    tracing::warn!(run = %self.id, "the runs before it cannot be read, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    async fn imports_from(&self, last: &RunId) -> Result<Imports, ReadError> {
        let reader = self.inner.store.reader(&self.workspace);
        let mut chain = vec![last.clone()];
        while let Some(run) = reader.run(&chain[chain.len() - 1]).await? {
            match run.retry_of {
                Some(before) if chain.len() < LONGEST_CHAIN => chain.push(before),
                _ => break,
            }
        }
        let mut imports = Imports::of(self.version.plan.clone());
        for run in chain.iter().rev() {
            for row in reader.journal(run).await? {
                let body = upcast(row.v, &row.body).map_err(|why| ReadError::Corrupt {
                    what: format!("row {} of the journal of {run}", row.seq),
                    why,
                })?;
                body.events.iter().for_each(|event| imports.take(event));
            }
        }
        Ok(imports)
    }

    /// Takes a step over that was done before. False: it is to be performed.
    pub(super) fn import(&mut self, step: &StepPath) -> Result<bool, Stop> {
        let done = self.imports.as_ref().and_then(|imports| imports.done(step));
        let Some(done) = done else {
            return Ok(false);
        };
        let event = Event::StepImported {
            step: step.clone(),
            output: done.output.clone(),
            acted_as: done.acted_as.clone(),
            by: done.by.clone(),
            at: system::now(),
        };
        self.take(event)?;
        Ok(true)
    }

    /// The key that an app is given for a step.
    pub(super) fn key_of(&self, step: &StepPath) -> String {
        let undone = self
            .imports
            .as_ref()
            .map_or(0, |imports| imports.times_undone(step));
        self.run.idempotency_key_after(step, undone)
    }

    /// The run that a child of a step tries again: the last one that the step began, here or in the runs before, if it came to nothing.
    pub(super) async fn child_before(&self, step: &StepPath, version: &Version) -> Option<RunId> {
        let before = self
            .begun
            .get(step)
            .or_else(|| self.imports.as_ref()?.child(step))?;
        let reader = self.inner.store.reader(&self.workspace);
        let mut pause = Duration::from_millis(50);
        // Going on without knowing would do again what it did.
        let row = loop {
            match reader.run(before).await {
                Ok(row) => break row?,
                Err(error) => {
                    tracing::warn!(run = %self.id, "the run that `{step}` began before cannot be read, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        };
        let same = row.version == version.row.id;
        (same && row.ended_at.is_some() && row.state != "succeeded").then(|| before.clone())
    }
}
