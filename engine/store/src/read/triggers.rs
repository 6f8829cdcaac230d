//! What starts flows by itself: of one flow, of a hook, and what is due now in all workspaces.

use actas_core::Time;
use actas_core::ids::{FlowId, HookId};

#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::TriggerRow;
use crate::statement::params;
use crate::store::Store;

// Those of stopped flows keep their instant: what becomes of it is decided when the flow is started again.
pub(crate) const DUE: &str = select!(
    trigger_columns,
    "next_at IS NOT NULL AND next_at <= $1 AND EXISTS (SELECT 1 FROM flows f WHERE f.workspace_id = triggers.workspace_id \
     AND f.id = triggers.flow_id AND f.stopped IS NULL) ORDER BY next_at, workspace_id, flow_id LIMIT $2"
);

pub(crate) const OF_HOOK: &str = select!(trigger_columns, "hook = $1");

impl Reader {
    /// What starts a flow by itself.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn trigger(&self, flow: &FlowId) -> Read<Option<TriggerRow>> {
        model!(self, |t, ws| get(&t.triggers, ws, flow));
        self.one(
            select!(trigger_columns, "workspace_id = $1 AND flow_id = $2"),
            params![&self.workspace, flow],
        )
        .await
    }

    /// All triggers of the workspace.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn triggers(&self) -> Read<Vec<TriggerRow>> {
        model!(self, |t, ws| all(&t.triggers, ws, |_| true));
        self.all(
            select!(trigger_columns, "workspace_id = $1 ORDER BY flow_id"),
            params![&self.workspace],
        )
        .await
    }
}

impl Store {
    /// The schedules of all workspaces whose next instant has come and whose flow is not stopped, the longest overdue first; at most `limit`.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn due_triggers(&self, now: Time, limit: u32) -> Read<Vec<TriggerRow>> {
        model!(of self, |t| {
            let due = t.triggers.iter().filter(|(of, row)| {
                row.next_at.is_some_and(|at| at <= now)
                    && t.flows.get(of).is_some_and(|flow| flow.stopped.is_none())
            });
            let due = due.map(|(_, row)| row);
            let mut due = sorted(due.cloned().collect(), |row| {
                (row.next_at, row.workspace.clone(), row.flow.clone())
            });
            due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            due
        });
        self.inner.database.all(DUE, params![now, limit]).await
    }

    /// The trigger with this hook, of whatever workspace.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn trigger_of_hook(&self, hook: &HookId) -> Read<Option<TriggerRow>> {
        model!(of self, |t| t.triggers.values().find(|row| row.hook.as_ref() == Some(hook)).cloned());
        self.inner.database.one(OF_HOOK, params![hook]).await
    }
}
