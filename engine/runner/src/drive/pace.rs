//! How often an app may be called: a connection bears so many calls in a time, whichever process makes them. A step that is too early waits for
//! the call it is promised, without an attempt being counted: shortly in memory, else as an event that says until when. What counts is
//! attempts: an app whose modules ask for page after page has its limit set accordingly.

use std::time::Duration;

use actas_core::Time;
use actas_core::run::{Event, SlotState, StartStep, StepState};
use actas_store::{Rate, system};

use super::{Drive, HELD_WAIT, Stop};

/// What may begin now, and what else there is to do.
pub(super) struct Paced {
    /// These may begin.
    pub ready: Vec<StartStep>,
    /// When the next of the others may, of those that wait in memory.
    pub next: Option<Time>,
    /// Whether an event says that one of the others waits.
    pub moved: bool,
}

impl Drive {
    /// Lets those begin whose app may be called now.
    pub(super) async fn pace(&mut self, effects: Vec<StartStep>) -> Result<Paced, Stop> {
        let mut paced = Paced {
            ready: Vec::with_capacity(effects.len()),
            next: None,
            moved: false,
        };
        for start in effects {
            let Some((bucket, rate)) = self.bucket(&start) else {
                paced.ready.push(start);
                continue;
            };
            let now = system::now();
            let at = match self.promises.get(&start.path) {
                Some(at) => *at,
                None if self.was_promised(&start) => now,
                None => now.after(self.promise(&bucket, rate).await),
            };
            if at <= now {
                self.promises.remove(&start.path);
                paced.ready.push(start);
            } else if at.since(now) <= HELD_WAIT {
                self.promises.insert(start.path, at);
                paced.next = Some(paced.next.map_or(at, |next| next.min(at)));
            } else {
                self.take(Event::StepPaced {
                    step: start.path,
                    attempts: start.attempt.saturating_sub(1),
                    until: at,
                    at: now,
                })?;
                paced.moved = true;
            }
        }
        Ok(paced)
    }

    /// What a step's calls are counted under, if its app sets a pace: the connection, or the app where there is none.
    fn bucket(&self, start: &StartStep) -> Option<(String, Rate)> {
        let plan = &self.version.plan.steps[start.at.step];
        let manifest = &plan.module()?.manifest;
        let (times, millis) = manifest.limits.rate?;
        let bucket = match plan.slot.map(|slot| &self.run.slots[slot]) {
            Some(SlotState::Bound(bound)) => bound.connection.to_string(),
            _ => format!("app:{}", manifest.app),
        };
        let per = Duration::from_millis(millis);
        Some((bucket, Rate { times, per }))
    }

    fn was_promised(&self, start: &StartStep) -> bool {
        matches!(
            self.run.state(start.at),
            StepState::Retrying { promised: true, .. }
        )
    }

    /// How far ahead the next call is, however long the store takes to say.
    async fn promise(&self, bucket: &str, rate: Rate) -> Duration {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.inner.store.take(&self.workspace, bucket, rate).await {
                Ok(ahead) => return ahead,
                Err(error) => {
                    tracing::warn!(run = %self.id, bucket, "the pace of an app cannot be looked up, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }
}
