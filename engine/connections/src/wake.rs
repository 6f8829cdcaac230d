//! What follows from an answer: what the person agreed to, which of their sign-ins it answers, and a word to each run that waits. Always the
//! same person's, never anybody else's.

use actas_core::Time;
use actas_core::ids::InboxId;
use actas_core::run::Rule;
use actas_store::{
    BuildValueRow, ConnectionRow, GrantRow, InboxMessage, InboxRow, Op, ReadError, Reader,
    SignInRow, SignInState, system,
};

use crate::ask::{suffices, surface_text};
use crate::connections::Connections;
use crate::page::Asked;
use crate::surface::Surface;

/// A connection that a person gave, as it will be stored.
pub(crate) struct Answer<'a> {
    pub(crate) connection: &'a ConnectionRow,
    /// The sign-in they answered; none: they came from the list.
    pub(crate) asked: Option<&'a Asked>,
    pub(crate) at: Time,
}

impl Connections {
    /// The writes that follow from an answer, to go in one commit with the connection itself. If a run ends before that commit, it is refused
    /// as a whole, and asking again here leaves that run out.
    pub(crate) async fn answered(
        &self,
        reader: &Reader,
        answer: &Answer<'_>,
    ) -> Result<Vec<Op>, ReadError> {
        let workspace = reader.workspace();
        let connection = answer.connection;
        let mut ops = Vec::new();
        if let Some(asked) = answer.asked {
            if asked.row.rule == Rule::BuildTime {
                ops.push(Op::PutBuildValue {
                    workspace: workspace.clone(),
                    value: BuildValueRow {
                        flow: asked.row.flow.clone(),
                        slot: asked.row.slot.clone(),
                        user: asked.row.person.clone(),
                        written: self.written(reader, asked, connection).await?,
                        connection: Some(connection.id.clone()),
                    },
                });
            } else if connection.only_run.is_none() {
                ops.push(Op::PutGrant {
                    workspace: workspace.clone(),
                    grant: GrantRow {
                        user: asked.row.person.clone(),
                        flow: asked.row.flow.clone(),
                        slot: asked.row.slot.clone(),
                        connection: connection.id.clone(),
                        surface: surface_text(&asked.surface),
                        at: answer.at,
                    },
                });
            }
            ops.extend(self.settle(reader, &asked.row, answer.at));
        }
        for row in reader
            .waiting_sign_ins(&connection.owner, &connection.client)
            .await?
        {
            let itself = answer.asked.is_some_and(|asked| asked.row.id == row.id);
            if !itself && self.answers(reader, answer, &row).await? {
                ops.extend(self.settle(reader, &row, answer.at));
            }
        }
        Ok(ops)
    }

    /// Whether another waiting sign-in of this person has nothing left to ask.
    async fn answers(
        &self,
        reader: &Reader,
        answer: &Answer<'_>,
        row: &SignInRow,
    ) -> Result<bool, ReadError> {
        let connection = answer.connection;
        let Ok(wanted) = serde_json::from_str::<Surface>(&row.surface) else {
            return Ok(false);
        };
        if row.person != connection.owner
            || connection
                .only_run
                .as_ref()
                .is_some_and(|run| Some(run) != row.run.as_ref())
            || !suffices(connection, wanted.scopes.iter())
        {
            return Ok(false);
        }
        let same_slot = answer.asked.filter(|asked| {
            asked.row.rule == row.rule && asked.row.flow == row.flow && asked.row.slot == row.slot
        });
        if row.rule == Rule::BuildTime {
            let values = reader.build_values(&row.flow, &row.person).await?;
            return Ok(same_slot.is_some()
                || values.iter().any(|value| {
                    value.slot == row.slot && value.connection.as_ref() == Some(&connection.id)
                }));
        }
        // What belongs to one run only is given slot by slot.
        if connection.only_run.is_some() {
            return Ok(false);
        }
        let agreed = match same_slot {
            Some(asked) => Some(asked.surface.clone()),
            None => reader
                .grant(&row.person, &row.flow, &row.slot)
                .await?
                .filter(|grant| grant.connection == connection.id)
                .and_then(|grant| serde_json::from_str(&grant.surface).ok()),
        };
        let asks_each_run = self
            .asked(reader, row.clone())
            .await
            .is_ok_and(|asked| asked.this_run_only());
        Ok(!asks_each_run && agreed.is_some_and(|agreed| !wanted.widens(&agreed)))
    }

    /// A sign-in is done, and its run hears of it.
    fn settle(&self, reader: &Reader, row: &SignInRow, at: Time) -> Vec<Op> {
        let message = InboxMessage::SignedIn {
            slot: row.slot.clone(),
        };
        let mut ops = vec![Op::MoveSignIn {
            workspace: reader.workspace().clone(),
            sign_in: row.id.clone(),
            from: vec![SignInState::Open, SignInState::Declined],
            to: SignInState::Done,
        }];
        ops.extend(word(reader, row, message, at));
        ops
    }

    /// A sign-in is declined, and its run hears of it.
    pub(crate) fn declined(&self, reader: &Reader, row: &SignInRow) -> Vec<Op> {
        let message = InboxMessage::Declined {
            slot: row.slot.clone(),
            sign_in: Some(row.id.clone()),
        };
        let mut ops = vec![Op::MoveSignIn {
            workspace: reader.workspace().clone(),
            sign_in: row.id.clone(),
            from: vec![SignInState::Open],
            to: SignInState::Declined,
        }];
        ops.extend(word(reader, row, message, crate::connections::now()));
        ops
    }

    /// How a build-time value reads in its author's draft: what they wrote if they wrote something, else the connection's id.
    async fn written(
        &self,
        reader: &Reader,
        asked: &Asked,
        connection: &ConnectionRow,
    ) -> Result<String, ReadError> {
        let values = reader
            .build_values(&asked.row.flow, &asked.row.person)
            .await?;
        Ok(values
            .into_iter()
            .find(|value| value.slot == asked.row.slot)
            .map_or_else(|| connection.id.to_string(), |value| value.written))
    }
}

/// What the run that waits is told; nothing where none does.
fn word(reader: &Reader, row: &SignInRow, message: InboxMessage, at: Time) -> Option<Op> {
    Some(Op::PutInbox {
        workspace: reader.workspace().clone(),
        inbox: InboxRow {
            id: InboxId::from_bits(system::new_bits()),
            run: row.run.clone()?,
            message,
            at,
        },
    })
}
