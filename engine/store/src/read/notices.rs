//! What is to be said now, in all workspaces.

use actas_core::Time;

#[cfg(any(test, feature = "model"))]
use crate::model::sorted;
use crate::read::{Read, model, select};
use crate::rows::NoticeRow;
use crate::statement::params;
use crate::store::Store;

pub(crate) const DUE: &str = select!(
    notice_columns,
    "due_at <= $1 ORDER BY due_at, workspace_id, id LIMIT $2"
);

impl Store {
    /// The notices of all workspaces that are due, the longest overdue first; at most `limit`.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn due_notices(&self, now: Time, limit: u32) -> Read<Vec<NoticeRow>> {
        model!(of self, |t| {
            let due = t.notices.values().filter(|row| row.due_at <= now);
            let mut due = sorted(due.cloned().collect(), |row| {
                (row.due_at, row.workspace.clone(), row.id.clone())
            });
            due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            due
        });
        self.inner.database.all(DUE, params![now, limit]).await
    }
}
