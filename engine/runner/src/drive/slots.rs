//! The slots of a held run: which connection fills one, and who is asked if none does. Whether it may be used is checked again where it is used.

use std::time::Duration;

use actas_connections::{ConnectionsError, Resolution, SlotAsk, Surface};
use actas_core::flow::SlotKind;
use actas_core::ids::{InboxId, SignInId};
use actas_core::run::Event;
use actas_core::{ErrorKind, StepError};
use actas_store::{Binding, Commit, InboxMessage, InboxRow, Op, system};

use super::{Drive, Stop};
use crate::trigger::nobody;

impl Drive {
    /// Looks a slot's connection up: binds it, or asks its person.
    pub(super) async fn resolve(&mut self, slot: usize) -> Result<(), Stop> {
        let at = system::now();
        let plan = &self.version.plan.slots[slot];
        let name = plan.name.clone();
        let ask = self.slot_ask(slot);
        let found = match &ask {
            Some(ask) => self.look_up(ask).await,
            None => None,
        };
        let event = match (found, ask) {
            (Some(Resolution::Bound(bound)), _) => Event::SlotBound {
                slot: name,
                bound,
                at,
            },
            (Some(Resolution::Ask { reason, connection }), Some(ask))
                if matches!(plan.slot.kind, SlotKind::Dynamic(_)) =>
            {
                let id = SignInId::from_bits(system::new_bits());
                let until = at.after(self.version.plan.flow.limits.pause());
                let row = self.inner.hands.connections.sign_in_row(
                    &ask,
                    id.clone(),
                    reason,
                    connection,
                    until,
                    at,
                );
                self.ops.push(Op::AddSignIn {
                    workspace: self.workspace.clone(),
                    sign_in: row,
                });
                self.asked.push(slot);
                Event::SlotAsked {
                    slot: name,
                    sign_in: id,
                    person: ask.person,
                    reason,
                    until,
                    at,
                }
            }
            // Nobody who runs a flow can sign a shared connection in, and what was deleted cannot be given: what needs the slot fails.
            (found, _) => {
                let why = match found {
                    Some(_) => format!("the account of connection `{name}` has to sign in again"),
                    None => format!("connection `{name}` is not there any more"),
                };
                let error = StepError::new(ErrorKind::SignInNeeded, why).with_help(
                    "ask whoever looks after the shared connection, then run the flow again",
                );
                for event in self.run.slot_failed(slot, &error, at) {
                    self.take(event)?;
                }
                return Ok(());
            }
        };
        self.take(event)
    }

    /// Whether there is a connection, however long the store takes to say; none if there can be none any more.
    pub(super) async fn look_up(&self, ask: &SlotAsk) -> Option<Resolution> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.inner.hands.connections.resolve(ask).await {
                Ok(resolution) => return Some(resolution),
                Err(error @ (ConnectionsError::Read(_) | ConnectionsError::Commit(_))) => {
                    tracing::warn!(run = %self.id, "connection cannot be looked up, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) => {
                    tracing::warn!(run = %self.id, slot = %ask.slot, "connection is not to be had: {error}");
                    return None;
                }
            }
        }
    }

    /// The question to the connections; none if the version has no binding for the slot.
    pub(super) fn slot_ask(&self, slot: usize) -> Option<SlotAsk> {
        let plan = &self.version.plan.slots[slot];
        let created = self.created();
        let (person, login) = match (&created.invoker, &plan.slot.kind) {
            (Some(invoker), _) => (invoker.id.clone(), invoker.login.clone()),
            // A shared connection acts as its own account, whoever started the run.
            (None, SlotKind::Connection(_)) => (nobody(), String::new()),
            (None, SlotKind::Dynamic(_)) => return None,
        };
        let binding = self.version.bindings.slots.get(&plan.name)?.clone();
        let (dynamic, client) = match (&plan.slot.kind, &binding) {
            (SlotKind::Dynamic(dynamic), Binding::Dynamic { client, .. }) => {
                (Some(dynamic.clone()), client.clone())
            }
            (SlotKind::Connection(_), Binding::Shared { client, .. }) => (None, client.clone()),
            _ => return None,
        };
        Some(SlotAsk {
            workspace: self.workspace.clone(),
            run: self.id.clone(),
            flow: created.flow.clone(),
            version: created.version.clone(),
            draft: created.number.is_none(),
            slot: plan.name.clone(),
            person,
            login,
            surface: Surface::of(&self.version.plan, slot, client),
            binding,
            manifest: plan.manifest.clone(),
            dynamic,
        })
    }

    /// After a pause is durable its connections are looked up once more, in a later transaction: a sign-in that came in between is not lost.
    pub(super) async fn look_again(&mut self) {
        for slot in std::mem::take(&mut self.asked) {
            let Some(ask) = self.slot_ask(slot) else {
                continue;
            };
            if let Some(Resolution::Bound(_)) = self.look_up(&ask).await {
                let inbox = InboxRow {
                    id: InboxId::from_bits(system::new_bits()),
                    run: self.id.clone(),
                    message: InboxMessage::SignedIn {
                        slot: ask.slot.clone(),
                    },
                    at: system::now(),
                };
                let op = Op::PutInbox {
                    workspace: self.workspace.clone(),
                    inbox,
                };
                // If this is refused, the run has ended; if the store is away, the sweep finds it.
                let _ = self
                    .inner
                    .store
                    .commit(Commit {
                        ops: vec![op],
                        audit: Vec::new(),
                    })
                    .await;
            }
        }
    }
}
