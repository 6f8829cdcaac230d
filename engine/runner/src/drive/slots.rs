//! The slots of a held run: which connection fills one, and who is asked if none does. Whether it may be used is checked again where it is used.

use std::time::Duration;

use actas_connections::{ConnectionsError, Resolution, SlotAsk, person_left};
use actas_core::flow::SlotKind;
use actas_core::ids::{AppName, ConnectionId, InboxId, SignInId, SlotName};
use actas_core::run::{AskReason, Event, Rule, SlotState};
use actas_core::{ErrorKind, StepError};
use actas_store::{Binding, Commit, InboxMessage, InboxRow, Op, SignInState, system};

use super::{Drive, Stop};
use crate::reach::reach;

/// What the connections are asked for a slot.
pub(super) enum Asking {
    /// A shared connection: nobody's in particular.
    Shared(ConnectionId, AppName),
    /// A person's own.
    Theirs(Box<SlotAsk>),
}

impl Drive {
    /// Looks a slot's connection up: binds it, or asks its person.
    pub(super) async fn resolve(&mut self, slot: usize) -> Result<(), Stop> {
        let at = system::now();
        let name = self.version.plan.slots[slot].name.clone();
        if self.has_left(slot).await {
            return self.fail_slot(slot, &person_left());
        }
        let asking = self.asking(slot).await;
        let found = match &asking {
            Some(asking) => self.look_up(asking).await,
            None => None,
        };
        let event = match (found, asking) {
            (Some(Resolution::Bound(bound)), _) => Event::SlotBound {
                slot: name,
                bound,
                at,
            },
            (Some(Resolution::Ask { reason, connection }), Some(Asking::Theirs(ask))) => {
                self.ask_person(slot, *ask, reason, connection)
            }
            // Nobody who runs a flow can sign a shared connection in, and what was deleted cannot be given: what needs the slot fails.
            (found, asking) => {
                let error = match (found, asking) {
                    (Some(_), _) => gone(format!(
                        "the account of connection `{name}` has to sign in again"
                    )),
                    (None, None) if self.run.slot_person(slot).is_none() => nobody(&name),
                    (None, _) => gone(format!("connection `{name}` is not there any more")),
                };
                return self.fail_slot(slot, &error);
            }
        };
        self.take(event)
    }

    /// Asks a slot's person, in the next commit.
    fn ask_person(
        &mut self,
        slot: usize,
        ask: SlotAsk,
        reason: AskReason,
        connection: Option<ConnectionId>,
    ) -> Event {
        let (id, at) = (SignInId::from_bits(system::new_bits()), system::now());
        let until = at.after(self.version.plan.flow.limits.pause());
        let connections = &self.inner.hands.connections;
        let row = connections.sign_in_row(&ask, id.clone(), reason, connection, until, at);
        self.ops.push(Op::AddSignIn {
            workspace: self.workspace.clone(),
            sign_in: row,
        });
        self.asked.push(slot);
        Event::SlotAsked {
            slot: self.version.plan.slots[slot].name.clone(),
            sign_in: id,
            person: ask.person,
            reason,
            until,
            at,
        }
    }

    /// Asks once more if what was asked is answered and the answer is gone already: the account was disconnected or revoked before the run looked,
    /// and nobody would be asked any more.
    pub(super) async fn ask_anew(
        &mut self,
        slot: usize,
        asking: Asking,
        reason: AskReason,
        connection: Option<ConnectionId>,
    ) -> Result<(), Stop> {
        let (Asking::Theirs(ask), SlotState::Asked { sign_in, .. }) =
            (asking, &self.run.slots[slot])
        else {
            return Ok(());
        };
        let mut pause = Duration::from_millis(50);
        let row = loop {
            let reader = self.inner.store.reader(&self.workspace);
            match reader.sign_in(sign_in).await {
                Ok(row) => break row,
                Err(error) => {
                    tracing::warn!(run = %self.id, "sign-in cannot be looked up, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        };
        let answered = row.is_some_and(|row| row.state == SignInState::Done);
        if !answered {
            return Ok(());
        }
        let event = self.ask_person(slot, *ask, reason, connection);
        self.take(event)
    }

    /// The steps that need a slot fail.
    pub(super) fn fail_slot(&mut self, slot: usize, error: &StepError) -> Result<(), Stop> {
        for event in self.run.slot_failed(slot, error, system::now()) {
            self.take(event)?;
        }
        Ok(())
    }

    /// Whether whoever the slot acts for, or through a shared connection whoever runs the flow, was switched off meanwhile. If the store does not
    /// say, it is asked once more at the point of use.
    pub(super) async fn has_left(&self, slot: usize) -> bool {
        let invoker = || self.run.created.as_ref()?.invoker.clone();
        let person = self
            .run
            .slot_person(slot)
            .map(|(id, _)| id)
            .or_else(|| invoker().map(|invoker| invoker.id));
        let Some(person) = person else { return false };
        let reader = self.inner.store.reader(&self.workspace);
        matches!(reader.user(&person).await, Ok(Some(user)) if user.disabled)
    }

    /// Whether there is a connection, however long the store takes to say; none if there can be none any more.
    pub(super) async fn look_up(&self, asking: &Asking) -> Option<Resolution> {
        let connections = &self.inner.hands.connections;
        let mut pause = Duration::from_millis(50);
        loop {
            let found = match asking {
                Asking::Shared(connection, app) => {
                    connections
                        .resolve_shared(&self.workspace, connection, app)
                        .await
                }
                Asking::Theirs(ask) => connections.resolve(ask).await,
            };
            match found {
                Ok(resolution) => return Some(resolution),
                Err(error @ (ConnectionsError::Read(_) | ConnectionsError::Commit(_))) => {
                    tracing::warn!(run = %self.id, "connection cannot be looked up, trying again: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) => {
                    tracing::warn!(run = %self.id, "connection is not to be had: {error}");
                    return None;
                }
            }
        }
    }

    /// The question to the connections; none if the version has no binding for the slot, or its account is that of nobody.
    pub(super) async fn asking(&self, slot: usize) -> Option<Asking> {
        let plan = &self.version.plan.slots[slot];
        let created = self.created();
        let binding = self.version.bindings.slots.get(&plan.name)?.clone();
        let (dynamic, client) = match (&plan.slot.kind, &binding) {
            (SlotKind::Dynamic(dynamic), Binding::Dynamic { client, .. })
                if dynamic.switched_off().is_none() =>
            {
                (dynamic.clone(), client.clone())
            }
            (SlotKind::Dynamic(dynamic), _) if dynamic.switched_off().is_none() => return None,
            (_, Binding::Shared { connection, .. }) => {
                return Some(Asking::Shared(
                    connection.clone(),
                    plan.manifest.app.clone(),
                ));
            }
            _ => return None,
        };
        // A run that a clock or another system started acts for nobody.
        created.invoker.as_ref()?;
        let (person, login) = self.run.slot_person(slot)?;
        let approvers = created
            .bound
            .iter()
            .any(|handed| handed.slot == plan.name && handed.bound.rule == Rule::Approver);
        let surface = reach(&self.inner, &self.workspace, &self.version, slot, client).await;
        Some(Asking::Theirs(Box::new(SlotAsk {
            workspace: self.workspace.clone(),
            run: self.id.clone(),
            flow: created.flow.clone(),
            version: created.version.clone(),
            draft: created.number.is_none(),
            slot: plan.name.clone(),
            person,
            login,
            surface,
            binding,
            manifest: plan.manifest.clone(),
            dynamic: Some(dynamic),
            approvers,
        })))
    }

    /// After a pause is durable its connections are looked up once more, in a later transaction: a sign-in that came in between is not lost.
    pub(super) async fn look_again(&mut self) {
        for slot in std::mem::take(&mut self.asked) {
            let Some(asking) = self.asking(slot).await else {
                continue;
            };
            if let Some(Resolution::Bound(_)) = self.look_up(&asking).await {
                let inbox = InboxRow {
                    id: InboxId::from_bits(system::new_bits()),
                    run: self.id.clone(),
                    message: InboxMessage::SignedIn {
                        slot: self.version.plan.slots[slot].name.clone(),
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

fn gone(why: String) -> StepError {
    StepError::new(ErrorKind::SignInNeeded, why)
        .with_help("ask whoever looks after the shared connection, then run the flow again")
}

fn nobody(slot: &SlotName) -> StepError {
    StepError::new(
        ErrorKind::SignInNeeded,
        format!("slot `{slot}` is somebody's own account, and nobody runs this"),
    )
    .with_code("no_invoker")
    .with_help("flows with dynamic connections are started by people")
}
