//! What a failed attempt becomes, and what survives an interruption: retries, lost accounts, keys.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::app::Effect;
use crate::error::{ErrorKind, StepError};
use crate::flow::{Backoff, Retry, SlotKind};
use crate::ids::StepPath;
use crate::run::event::Event;
use crate::run::frame::Instance;
use crate::run::parts::{ActedAs, AskReason};
use crate::run::progress::Verdict;
use crate::run::state::{Phase, Run, StepState};
use crate::time::Time;

/// So often an attempt is put off that could not begin, because the account's credential was not to be had: with what its provider's silence
/// makes of the waits between, some hours.
const PUT_OFF: u32 = 16;

/// After so many losses without the person having been asked in between, signing in again is not the cure.
const LOSSES: u8 = 3;

impl Run {
    /// The event that a failed attempt becomes: a retry if the step has one left and the error is transient, `SlotLost` if a dynamic account
    /// has to sign in again, else the step's failure. `reason` says what became of the account when the error is `sign_in_needed`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one fact of the attempt, and all but the first three go into the event as they are"
    )]
    pub fn failed_attempt(
        &self,
        step: &StepPath,
        attempt: u32,
        error: StepError,
        reason: Option<AskReason>,
        acted_as: Option<ActedAs>,
        started_at: Time,
        now: Time,
    ) -> Event {
        let error = StepError {
            step: Some(step.clone()),
            ..error
        };
        let mut retry_at = None;
        if let Some(at) = self.instance(step)
            && self.may_go_on(at, now)
        {
            if error.kind == ErrorKind::SignInNeeded
                && let Some(slot) = self.lost_slot(at.step)
            {
                return Event::SlotLost {
                    slot: self.plan.slots[slot].name.clone(),
                    step: step.clone(),
                    reason: reason.unwrap_or(AskReason::Expired),
                    at: now,
                };
            }
            retry_at = self.next_attempt(at, attempt, &error, now);
        }
        Event::StepFailed {
            step: step.clone(),
            attempt,
            error,
            retry_at,
            acted_as,
            started_at,
            at: now,
        }
    }

    /// What [`Self::failed_attempt`] said of an attempt that never began, because the account's credential could not be had for now: it is put off
    /// until the time that the error names. The app has seen nothing of it, so this is right for every effect, and has nothing to do with the
    /// step's own retries.
    pub fn put_off(&self, failed: Event) -> Event {
        match failed {
            Event::StepFailed {
                step,
                attempt,
                error,
                retry_at: None,
                acted_as,
                started_at,
                at: now,
            } => {
                let goes_on = self
                    .instance(&step)
                    .is_some_and(|at| self.may_go_on(at, now));
                let wait = error.after_ms.map(Duration::from_millis);
                let retry_at = wait
                    .filter(|_| goes_on && attempt < PUT_OFF)
                    .map(|wait| now.after(wait));
                Event::StepFailed {
                    step,
                    attempt,
                    error,
                    retry_at,
                    acted_as,
                    started_at,
                    at: now,
                }
            }
            other => other,
        }
    }

    /// Whether a step that did not get through may be tried again at all.
    pub(super) fn may_go_on(&self, at: Instance, now: Time) -> bool {
        !self.closes(at.frame, now)
            && (!self.is_failing(at.frame) || self.plan.steps[at.step].asks_of_failure)
    }

    fn lost_slot(&self, step: usize) -> Option<usize> {
        let slot = self.plan.steps[step].slot?;
        let dynamic = matches!(self.plan.slots[slot].slot.kind, SlotKind::Dynamic(_));
        (dynamic && self.progress.losses[slot] < LOSSES).then_some(slot)
    }

    fn next_attempt(
        &self,
        at: Instance,
        attempt: u32,
        error: &StepError,
        now: Time,
    ) -> Option<Time> {
        let planned = &self.plan.steps[at.step];
        let retry = planned.step.retry.as_ref()?;
        let repeatable = match planned.effect {
            Effect::Pure | Effect::Read | Effect::Idempotent => retry.covers(error.kind),
            // Of these only an answer that refuses says that nothing happened.
            Effect::AtMostOnce | Effect::Step => {
                retry.covers(error.kind) && error.kind == ErrorKind::RateLimited
            }
        };
        if !repeatable || attempt >= retry.attempts {
            return None;
        }
        let asked = Duration::from_millis(error.after_ms.unwrap_or(0));
        Some(now.after(self.delay(&self.path(at), retry, attempt).max(asked)))
    }

    /// Always the first delay, or doubled each time up to the longest, of which a half to the whole is waited: how much, the run, the step and the attempt decide,
    /// so that many runs do not come back at once and one run decides the same again after a crash.
    fn delay(&self, step: &StepPath, retry: &Retry, attempt: u32) -> Duration {
        let doublings = match retry.backoff {
            Backoff::Constant => 0,
            Backoff::Exponential => attempt.saturating_sub(1),
        };
        let grown = 1_u64
            .checked_shl(doublings)
            .and_then(|factor| retry.first_delay_ms.0.checked_mul(factor));
        let millis = grown.unwrap_or(u64::MAX).min(retry.max_delay_ms.0);
        let run = self.created.as_ref().map_or("", |c| c.run.as_str());
        let hash = hash(
            "actas/jitter/1",
            &[
                run.as_bytes(),
                step.as_str().as_bytes(),
                &attempt.to_be_bytes(),
            ],
        );
        let half = millis / 2;
        let part = u64::from_be_bytes([
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        ]);
        // The high half of a product maps evenly onto 0..=half.
        let spread = (u128::from(part) * (u128::from(half) + 1)) >> 64;
        Duration::from_millis((millis - half).saturating_add(u64::try_from(spread).unwrap_or(half)))
    }

    /// The key that every attempt of this step gives to the app: a hash of (first run of the chain, path). 64 hex digits.
    pub fn idempotency_key(&self, step: &StepPath) -> String {
        let first = self.created.as_ref().map_or("", |c| c.first_run.as_str());
        hex::encode(hash(
            "actas/idempotency/1",
            &[first.as_bytes(), step.as_str().as_bytes()],
        ))
    }

    /// The same for a step that was taken back so many times in the runs before a retry: under the old key an app would do nothing.
    pub fn idempotency_key_after(&self, step: &StepPath, undone: u32) -> String {
        if undone == 0 {
            return self.idempotency_key(step);
        }
        let first = self.created.as_ref().map_or("", |c| c.first_run.as_str());
        hex::encode(hash(
            "actas/idempotency/1",
            &[
                first.as_bytes(),
                step.as_str().as_bytes(),
                &undone.to_be_bytes(),
            ],
        ))
    }

    /// To be asked once after a run was folded from its journal by somebody who does not perform it yet. Attempts that may be repeated are
    /// ready again; those that may not, and whose start is in the journal without a result, become failures, to be recorded at once.
    pub fn interrupted(&mut self, now: Time) -> Vec<Event> {
        let mut events = Vec::new();
        for at in self.progress.running.clone() {
            let StepState::Running {
                attempt,
                at: started_at,
            } = *self.state(at)
            else {
                continue;
            };
            if self.is_journaled(at.step) {
                let path = self.path(at);
                let error = StepError::new(
                    ErrorKind::Internal,
                    format!(
                        "`{path}` was interrupted: it may or may not have happened, and nothing repeats it"
                    ),
                )
                .with_code("interrupted")
                .with_help("look in the app whether it happened before you run the flow again")
                .at(&path);
                events.push(Event::StepFailed {
                    step: path,
                    attempt,
                    error,
                    retry_at: None,
                    acted_as: None,
                    started_at,
                    at: now,
                });
            } else {
                self.set_step(at, StepState::Pending);
            }
        }
        events
    }

    /// What it means that a slot cannot be looked up for good (its shared connection or its parent is gone): the steps that wait for it
    /// fail, those that may still be skipped are left alone.
    pub fn slot_failed(&self, slot: usize, error: &StepError, now: Time) -> Vec<Event> {
        let mut events = Vec::new();
        if matches!(self.phase, Phase::Ended { .. }) {
            return events;
        }
        let mut users: Vec<(Instance, u32)> = Vec::new();
        if self.is_gated() {
            let tops = self.tops_of(slot).into_iter().map(Instance::root);
            let pending = tops.filter(|at| *self.state(*at) == StepState::Pending);
            users.extend(pending.map(|at| (at, 0)));
        } else {
            let progress = &self.progress;
            let deferred = progress.deferring.iter().flat_map(|&frame| {
                let steps = self.frames[frame].deferred.iter();
                steps.map(move |&step| Instance { frame, step })
            });
            let ready = progress.ready.iter().copied().chain(deferred);
            let ready = ready.filter(|at| matches!(self.verdict(*at), Verdict::Go));
            let retrying = progress
                .retrying
                .iter()
                .filter_map(|(_, at)| match self.state(*at) {
                    StepState::Retrying { attempts, .. } => Some((*at, *attempts)),
                    _ => None,
                });
            let users_of = |at: &Instance| self.plan.steps[at.step].slots().any(|one| one == slot);
            users.extend(
                ready
                    .chain(progress.parked.iter().copied())
                    .map(|at| (at, 0))
                    .chain(retrying)
                    .filter(|(at, _)| users_of(at)),
            );
        }
        for (at, attempts) in users {
            events.push(self.given_up(at, attempts, error.clone(), now));
        }
        events
    }

    /// The steps at the top that use a slot, or hold steps that do.
    pub(super) fn tops_of(&self, slot: usize) -> BTreeSet<usize> {
        let users = self.plan.slots[slot].used_by.iter();
        users
            .filter_map(|step| self.plan.index.at_the_top(&self.plan, *step))
            .collect()
    }

    /// A step that fails without another attempt.
    pub(super) fn given_up(
        &self,
        at: Instance,
        attempts: u32,
        error: StepError,
        now: Time,
    ) -> Event {
        let path = self.path(at);
        let started_at = match self.state(at) {
            StepState::Retrying { started_at, .. } | StepState::Handling { started_at, .. } => {
                *started_at
            }
            StepState::Inside { at, .. } => *at,
            _ => now,
        };
        // What failed inside of a step says where it did.
        let error = if error.step.is_some() {
            error
        } else {
            error.at(&path)
        };
        Event::StepFailed {
            step: path,
            attempt: attempts,
            error,
            retry_at: None,
            acted_as: None,
            started_at,
            at: now,
        }
    }
}

pub(super) fn hash(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        // A usize always fits into eight bytes.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
