//! Rows that almost every request asks for, kept in memory for as long as they are certainly what the database holds. Only where this process
//! alone writes: on PostgreSQL another one may revoke a token at any moment, and everything is read anew.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use actas_core::ids::{FlowName, UserId, WorkspaceId};

use crate::rows::{FlowRow, PoliciesRow, RoleRow, TokenRow, UserRow};
use crate::store::ReadError;

/// How many rows of a kind; beyond that they are read anew.
const MOST: usize = 10_000;

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Raised by every batch that may have changed something kept, after its commit and before anybody is told of it.
    changes: AtomicU64,
    rows: Mutex<Rows>,
}

/// The rows, by what they are asked for by.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The number of changes after which they were read.
    after: u64,
    tokens: HashMap<String, TokenRow>,
    users: HashMap<(WorkspaceId, UserId), UserRow>,
    flows: HashMap<(WorkspaceId, FlowName), FlowRow>,
    policies: HashMap<WorkspaceId, PoliciesRow>,
    roles: HashMap<WorkspaceId, Vec<RoleRow>>,
}

/// One kind of them.
pub(crate) type Kind<K, V> = fn(&mut Rows) -> &mut HashMap<K, V>;

impl Rows {
    pub(crate) fn tokens(&mut self) -> &mut HashMap<String, TokenRow> {
        &mut self.tokens
    }

    pub(crate) fn users(&mut self) -> &mut HashMap<(WorkspaceId, UserId), UserRow> {
        &mut self.users
    }

    pub(crate) fn flows(&mut self) -> &mut HashMap<(WorkspaceId, FlowName), FlowRow> {
        &mut self.flows
    }

    pub(crate) fn policies(&mut self) -> &mut HashMap<WorkspaceId, PoliciesRow> {
        &mut self.policies
    }

    pub(crate) fn roles(&mut self) -> &mut HashMap<WorkspaceId, Vec<RoleRow>> {
        &mut self.roles
    }
}

impl Kept {
    /// Something may have changed: what was read before, or is being read now, is not given out any more.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The row that is kept, or that is read now.
    pub(crate) async fn or_read<K: Hash + Eq, V: Clone>(
        &self,
        kind: Kind<K, V>,
        key: K,
        read: impl Future<Output = Result<Option<V>, ReadError>>,
    ) -> Result<Option<V>, ReadError> {
        let changes = self.changes.load(Ordering::SeqCst);
        let kept = self.after(changes, |rows| kind(rows).get(&key).cloned());
        if let Some(Some(row)) = kept {
            return Ok(Some(row));
        }
        let found = read.await?;
        if let Some(row) = &found {
            self.after(changes, |rows| {
                let rows = kind(rows);
                if rows.len() >= MOST {
                    rows.clear();
                }
                rows.insert(key, row.clone());
            });
        }
        Ok(found)
    }

    /// The rows as of a number of changes; none if there are newer ones.
    fn after<T>(&self, changes: u64, look: impl FnOnce(&mut Rows) -> T) -> Option<T> {
        // A holder that panicked left whole rows.
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.after < changes {
            *rows = Rows {
                after: changes,
                ..Rows::default()
            };
        }
        (rows.after == changes).then(|| look(&mut rows))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop where it fails")]
mod tests {
    use actas_core::Time;

    use super::*;
    use crate::system;

    fn token(name: &str) -> TokenRow {
        TokenRow {
            hash: "h".to_owned(),
            workspace: WorkspaceId::from_bits(system::new_bits()),
            user: UserId::from_bits(system::new_bits()),
            name: name.to_owned(),
            scopes: Vec::new(),
            created_at: Time(1),
            expires_at: Time(2),
        }
    }

    async fn name(kept: &Kept, stands: Option<&str>) -> Option<String> {
        let read = async { Ok(stands.map(token)) };
        let row = kept.or_read(Rows::tokens, "h".to_owned(), read).await;
        row.unwrap().map(|row| row.name)
    }

    #[tokio::test]
    async fn a_row_is_kept_until_something_changes() {
        let kept = Kept::default();
        assert_eq!(name(&kept, None).await, None);
        assert_eq!(name(&kept, Some("a")).await.as_deref(), Some("a"));
        assert_eq!(name(&kept, Some("b")).await.as_deref(), Some("a"));
        kept.changed();
        assert_eq!(name(&kept, Some("c")).await.as_deref(), Some("c"));
        kept.changed();
        assert_eq!(name(&kept, None).await, None);
    }

    #[tokio::test]
    async fn a_row_that_changed_while_it_was_read_is_not_kept() {
        let kept = Kept::default();
        let read = async {
            kept.changed();
            Ok(Some(token("old")))
        };
        let row = kept.or_read(Rows::tokens, "h".to_owned(), read).await;
        assert_eq!(row.unwrap().unwrap().name, "old");
        assert_eq!(name(&kept, Some("new")).await.as_deref(), Some("new"));
        // And a slow reader does not put the old one in the place of the new.
        let read = async {
            kept.changed();
            assert_eq!(name(&kept, Some("newer")).await.as_deref(), Some("newer"));
            Ok(Some(token("slow")))
        };
        let row = kept.or_read(Rows::tokens, "i".to_owned(), read).await;
        assert_eq!(row.unwrap().unwrap().name, "slow");
        let again = async { Ok(Some(token("fresh"))) };
        let row = kept.or_read(Rows::tokens, "i".to_owned(), again).await;
        assert_eq!(row.unwrap().unwrap().name, "fresh");
    }
}
