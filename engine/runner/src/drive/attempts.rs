//! Attempts of steps: begun after what they are based on is durable, and concluded as events. How one is performed is not known here.

use std::sync::Arc;

use actas_connections::Use;
use actas_core::app::{Effect, Manifest, Progress};
use actas_core::flow::plan::ModuleWork;
use actas_core::run::{
    ActedAs, Bound, ConnectionKind, Event, IllegalEvent, SlotState, StartStep, callbacks,
};
use actas_core::{ErrorKind, Secret, StepError, Time};
use actas_store::system;
use serde_json::Value;

use super::{Drive, Stop};
use crate::perform::{Attempt, Outcome, compute};

impl Drive {
    /// A pure step: no IO, no commit of its own.
    pub(super) fn compute(&mut self, start: StartStep) -> Result<(), Stop> {
        let step = start.path.clone();
        let work = self.work(start.at.step)?;
        let began = system::now();
        let done = compute(
            &work.manifest,
            &work.module,
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
    pub(super) async fn begin(&mut self, effects: Vec<StartStep>) -> Result<(), Stop> {
        let now = system::now();
        let mut based = self.birth.is_some();
        let mut in_memory = Vec::new();
        for start in &effects {
            let plan = &self.version.plan.steps[start.at.step];
            let effect = plan.effect;
            let event = Event::StepStarted {
                step: start.path.clone(),
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
            let attempt = self.attempt(start, now)?;
            let hands = self.inner.hands.clone();
            self.under_way
                .spawn(async move { hands.perform(attempt).await });
        }
        Ok(())
    }

    pub(super) fn attempt(&self, start: StartStep, now: Time) -> Result<Attempt, Stop> {
        let plan = &self.version.plan.steps[start.at.step];
        let work = self.work(start.at.step)?;
        let through = plan.slot.and_then(|slot| match &self.run.slots[slot] {
            SlotState::Bound(bound) => Some((
                bound.clone(),
                self.permit_to_use(slot, bound, work.manifest.clone()),
            )),
            _ => None,
        });
        let callbacks = self.callbacks_in(&start.input);
        Ok(Attempt {
            at: start.at,
            attempt: start.attempt,
            started_at: now,
            manifest: work.manifest.clone(),
            module: work.module.clone(),
            input: start.input,
            key: self.key_of(&start.path),
            effect: plan.effect,
            timeout: plan.step.timeout.map(Into::into),
            through,
            callbacks,
        })
    }

    /// The module a step uses; only such steps have attempts.
    fn work(&self, step: usize) -> Result<&ModuleWork, Stop> {
        let plan = &self.version.plan.steps[step];
        plan.module().ok_or_else(|| {
            Stop::Illegal(IllegalEvent {
                event: format!("an attempt of `{}`", plan.path),
                why: "it uses no module".to_owned(),
            })
        })
    }

    /// The words for callbacks in an input, with their addresses. Only those of this run and, in a part of a loop, of the run it is a part of.
    fn callbacks_in(&self, input: &Value) -> Vec<(String, Secret<String>)> {
        let created = self.created();
        let whole = created.parent.as_ref().filter(|_| created.part.is_some());
        callbacks::named(input)
            .into_iter()
            .filter(|(run, _)| *run == self.id || whole.is_some_and(|whole| whole.run == *run))
            .map(|(run, step)| {
                let connections = &self.inner.hands.connections;
                let address = connections.callback_address(&self.workspace, &run, &step);
                let word = callbacks::placeholder(&run, &created.version, &step);
                (word, address)
            })
            .collect()
    }

    /// What proves at the point of use whose account it is, and to which run it was given.
    fn permit_to_use(&self, slot: usize, bound: &Bound, manifest: Arc<Manifest>) -> Use {
        let created = self.created();
        let name = &self.version.plan.slots[slot].name;
        let handed = created
            .bound
            .iter()
            .find(|handed| handed.slot == *name && handed.bound == *bound);
        let person = match bound.kind {
            ConnectionKind::Personal => self.run.slot_person(slot).map(|(person, _)| person),
            ConnectionKind::Shared => created.invoker.as_ref().map(|i| i.id.clone()),
        };
        Use {
            workspace: self.workspace.clone(),
            connection: bound.connection.clone(),
            person,
            rule: bound.rule,
            manifest,
            run: handed.map_or_else(|| self.id.clone(), |handed| handed.run.clone()),
        }
    }

    /// What came of an attempt becomes an event.
    pub(super) fn conclude(&mut self, outcome: Outcome) -> Result<(), Stop> {
        let step = self.run.path(outcome.at);
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
                let failed = self.run.failed_attempt(
                    &step,
                    outcome.attempt,
                    failure.error,
                    failure.sign_in,
                    acted_as,
                    outcome.started_at,
                    at,
                );
                if failure.not_begun {
                    self.run.put_off(failed)
                } else {
                    failed
                }
            }
        };
        self.take(event)
    }
}
