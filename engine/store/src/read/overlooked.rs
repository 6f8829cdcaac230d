//! Pauses whose reason is gone without their run having been told: what the sweep finds, so that no wake-up is lost.

use actas_core::Time;
use actas_core::ids::SignInId;
#[cfg(any(test, feature = "model"))]
use actas_core::run::AskReason;

#[cfg(any(test, feature = "model"))]
use crate::model::{all, get};
use crate::read::{Read, Reader, model, select};
use crate::rows::SignInRow;
#[cfg(any(test, feature = "model"))]
use crate::rows::{ConnectionState, SignInState};
use crate::statement::params;

/// The first id that a sign-in asked then may have.
fn first(since: Time) -> SignInId {
    SignInId::from_bits(u128::try_from(since.micros() / 1000).unwrap_or(0) << 80)
}

impl Reader {
    /// Sign-ins asked since an instant whose person has agreed and is connected meanwhile, and whose run has heard nothing. Ids sort by time, so
    /// this looks at recent rows only, however many pauses there are: a pause and a sign-in can only miss each other when they cross.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn overlooked_sign_ins(&self, since: Time) -> Read<Vec<SignInRow>> {
        model!(self, |t, ws| {
            let agreed = |row: &SignInRow| {
                let key = (row.person.clone(), row.flow.clone(), row.slot.clone());
                get(&t.grants, ws, &key).is_some_and(|grant| {
                    let widened = matches!(row.reason, AskReason::Scopes | AskReason::Consent);
                    get(&t.connections, ws, &grant.connection)
                        .is_some_and(|of| of.state == ConnectionState::Connected)
                        && (!widened || grant.at > row.created_at)
                })
            };
            let told = |row: &SignInRow| {
                t.inbox
                    .iter()
                    .any(|((of, _), message)| of == ws && Some(&message.run) == row.run.as_ref())
            };
            let open =
                |row: &SignInRow| matches!(row.state, SignInState::Open | SignInState::Declined);
            let first = first(since);
            let mut rows = all(&t.sign_ins, ws, |row| {
                row.id >= first && row.back.is_none() && open(row) && agreed(row) && !told(row)
            });
            rows.truncate(100);
            rows
        });
        self.all(
            select!(
                sign_in_columns,
                "workspace_id = $1 AND id >= $2 AND back_flow = '' AND state IN ('open', 'declined') AND EXISTS (SELECT 1 FROM grants g JOIN connections c \
                 ON c.workspace_id = g.workspace_id AND c.id = g.connection_id WHERE g.workspace_id = sign_ins.workspace_id \
                 AND g.user_id = sign_ins.person_id AND g.flow_id = sign_ins.flow_id AND g.slot = sign_ins.slot AND c.state = 'connected' \
                 AND (sign_ins.reason NOT IN ('scopes', 'consent') OR g.granted_at > sign_ins.created_at)) \
                 AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.workspace_id = sign_ins.workspace_id AND i.run_id = sign_ins.run_id) \
                 ORDER BY id LIMIT 100"
            ),
            params![&self.workspace, &first(since)],
        )
        .await
    }
}
