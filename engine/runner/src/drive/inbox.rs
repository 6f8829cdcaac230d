//! What comes to a held run from outside: rows of its inbox that become events, each row taken in the commit of its events.

use std::sync::Arc;

use actas_connections::{Resolution, person_left};
use actas_core::Time;
use actas_core::ids::{RequestId, SlotName, StepPath};
use actas_core::run::{Answer, AskReason, Decider, Event, Person, SlotState};
use actas_store::{Commit, InboxMessage, InboxRow, Op, system};

use super::{Drive, Stop};

impl Drive {
    /// Looks into its inbox.
    pub(super) async fn listen(&mut self) -> Result<(), Stop> {
        self.heard = system::now();
        match self.inner.store.inbox(&self.workspace, &self.id).await {
            Ok(inbox) => self.hear(inbox).await,
            Err(error) => {
                tracing::warn!(run = %self.id, "inbox cannot be read, hearing it later: {error}");
                Ok(())
            }
        }
    }

    /// Somebody signed in for a slot that asks, or nobody will any more.
    async fn signed_in(&mut self, slot: SlotName) -> Result<(), Stop> {
        let number = self.version.plan.slots.iter().position(|s| s.name == slot);
        let asks = |n: &usize| matches!(self.run.slots[*n], SlotState::Asked { .. });
        let Some(number) = number.filter(asks) else {
            return Ok(());
        };
        let close = Op::CloseSignIns {
            workspace: self.workspace.clone(),
            run: self.id.clone(),
            slot: Some(slot.clone()),
        };
        // Whoever was switched off is not waited for.
        if self.has_left(number).await {
            self.ops.push(close);
            return self.fail_slot(number, &person_left());
        }
        let Some(asking) = self.asking(number).await else {
            return Ok(());
        };
        match self.look_up(&asking).await {
            Some(Resolution::Bound(bound)) => {
                self.ops.push(close);
                let at = system::now();
                self.take(Event::SlotBound { slot, bound, at })
            }
            Some(Resolution::Ask { reason, connection }) => {
                self.ask_anew(number, asking, reason, connection).await
            }
            None => Ok(()),
        }
    }

    /// Takes in what came from outside. The inbox rows go in the commit of the events they became.
    pub(super) async fn hear(&mut self, inbox: Vec<InboxRow>) -> Result<(), Stop> {
        for row in inbox {
            let at = system::now();
            match row.message {
                InboxMessage::SignedIn { slot } => self.signed_in(slot).await?,
                InboxMessage::Declined { slot, sign_in } => {
                    let number = self.version.plan.slots.iter().position(|s| s.name == slot);
                    // Somebody else's no to what they were asked for the same slot is not this person's.
                    let open = number.is_some_and(|n| match &self.run.slots[n] {
                        SlotState::Asked {
                            reason,
                            sign_in: asked,
                            ..
                        } => {
                            *reason != AskReason::Declined
                                && sign_in.as_ref().is_none_or(|said| said == asked)
                        }
                        _ => false,
                    });
                    if open {
                        self.take(Event::SlotDeclined { slot, at })?;
                    }
                }
                InboxMessage::Cancel { by } => self.take(Event::CancelAsked { by, at })?,
                InboxMessage::Decided {
                    step,
                    request,
                    decision,
                } => match serde_json::from_value(decision) {
                    Ok(decision) => self.hears(Event::ApprovalDecided {
                        step,
                        request,
                        decision,
                        at,
                    }),
                    Err(why) => self.not_understood(&step, &why),
                },
                InboxMessage::Answered {
                    step,
                    request,
                    answer,
                    by,
                } => match serde_json::from_value(answer) {
                    Ok(answer) => self.answered(step, &request, answer, by, at),
                    Err(why) => self.not_understood(&step, &why),
                },
                InboxMessage::CalledBack { step, payload } => {
                    self.hears(Event::CallbackCame {
                        step,
                        payload: Arc::new(payload),
                        at,
                    });
                }
                InboxMessage::ChildEnded { step, child } => {
                    self.news = at;
                    self.child_ended(&step, &child).await?;
                }
                InboxMessage::ChildPaused {
                    step,
                    child,
                    paused,
                } => {
                    self.news = at;
                    self.hears(Event::ChildPaused {
                        step,
                        child,
                        paused: !paused.is_null(),
                        at,
                    });
                }
            }
            self.ops.push(Op::TakeInbox {
                workspace: self.workspace.clone(),
                inbox: row.id,
            });
        }
        Ok(())
    }

    /// An answer to the question that is open now; to another one it says nothing.
    fn answered(
        &mut self,
        step: StepPath,
        request: &RequestId,
        answer: Answer,
        by: Person,
        at: Time,
    ) {
        if let Err(refused) = self.run.takes_answer(&step, Some(request), &answer, at) {
            tracing::info!(run = %self.id, %step, "an answer is dropped: {refused}");
            return;
        }
        self.hears(Event::Decided {
            step,
            answer,
            by: Some(Decider {
                id: by.id,
                login: by.login,
                name: by.name,
            }),
            at,
        });
    }

    fn not_understood(&self, step: &StepPath, why: &serde_json::Error) {
        tracing::error!(run = %self.id, %step, "what came for the step cannot be read and is dropped: {why}");
    }

    /// What came too late to matter would lie in the way of those who look for messages, for ever.
    pub(super) async fn clear_inbox(&self) {
        let Ok(inbox) = self.inner.store.inbox(&self.workspace, &self.id).await else {
            return;
        };
        let take = |row: InboxRow| Op::TakeInbox {
            workspace: self.workspace.clone(),
            inbox: row.id,
        };
        let ops: Vec<Op> = inbox.into_iter().map(take).collect();
        if !ops.is_empty() {
            let audit = Vec::new();
            // The run has ended, so that a row that stays costs room and nothing else.
            let _ = self.inner.store.commit(Commit { ops, audit }).await;
        }
    }
}
