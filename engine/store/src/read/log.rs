//! What stands beside an audit log: its checkpoints, where it begins, how far it was reviewed, and the hashes its tree is made of.

use actas_core::Time;
use actas_core::audit::Hash;

use crate::cells::{Cells, FromRow};
#[cfg(any(test, feature = "model"))]
use crate::model::{all, get};
use crate::read::{Read, Reader, model, select};
use crate::rows::{AuditStartRow, CheckpointRow, ReviewRow};
use crate::statement::params;

const HASHES: &str = "SELECT hash FROM audit WHERE workspace_id = $1 AND chain = 0 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";

struct HashOf(Hash);

impl FromRow for HashOf {
    const WHAT: &'static str = "hash of an audit record";

    fn read(c: &mut Cells<'_>) -> Read<Self> {
        c.digest().map(Self)
    }
}

fn wide(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

impl Reader {
    /// The hashes of the records behind one, up to another, in order; at most `limit`.
    ///
    /// # Errors
    /// If the database is away or a hash is none.
    pub async fn audit_hashes(&self, behind: u64, upto: u64, limit: u32) -> Read<Vec<Hash>> {
        model!(self, |t, ws| {
            let meant = |seq: u64| seq > behind && seq <= upto;
            let of = all(&t.audit, ws, |entry| meant(entry.record.seq));
            let hashes = of.iter().map(|entry| entry.record.hash);
            hashes.take(limit as usize).collect()
        });
        let params = params![&self.workspace, wide(behind), wide(upto), i64::from(limit)];
        let hashes: Vec<HashOf> = self.all(HASHES, params).await?;
        Ok(hashes.into_iter().map(|hash| hash.0).collect())
    }

    /// Where the log begins, if older records were let go.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_start(&self) -> Read<Option<AuditStartRow>> {
        model!(self, |t, ws| get(&t.audit_start, ws, &()));
        let text = select!(audit_start_columns, "workspace_id = $1");
        self.one(text, params![&self.workspace]).await
    }

    /// The last checkpoint that was made before a moment.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_checkpoint(&self, before: Time) -> Read<Option<CheckpointRow>> {
        model!(self, |t, ws| {
            let mut of = all(&t.audit_checkpoints, ws, |row| row.made_at < before);
            of.sort_by_key(|row| row.edge.size());
            of.pop()
        });
        let text = select!(
            checkpoint_columns,
            "workspace_id = $1 AND made_at < $2 ORDER BY size DESC LIMIT 1"
        );
        self.one(text, params![&self.workspace, before]).await
    }

    /// The last checkpoint below a size that was sent.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn sent_checkpoint(&self, below: u64) -> Read<Option<CheckpointRow>> {
        model!(self, |t, ws| {
            let fits = |row: &CheckpointRow| row.sent && row.edge.size() < below;
            all(&t.audit_checkpoints, ws, fits).pop()
        });
        let text = select!(
            checkpoint_columns,
            "workspace_id = $1 AND size < $2 AND sent = TRUE ORDER BY size DESC LIMIT 1"
        );
        self.one(text, params![&self.workspace, wide(below)]).await
    }

    /// Checkpoints that were not sent yet, oldest first; at most `limit`.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn unsent_checkpoints(&self, limit: u32) -> Read<Vec<CheckpointRow>> {
        model!(self, |t, ws| {
            let mut of = all(&t.audit_checkpoints, ws, |row| !row.sent);
            of.truncate(limit as usize);
            of
        });
        let text = select!(
            checkpoint_columns,
            "workspace_id = $1 AND sent = FALSE ORDER BY size LIMIT $2"
        );
        self.all(text, params![&self.workspace, i64::from(limit)])
            .await
    }

    /// The last reviews, newest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_reviews(&self, limit: u32) -> Read<Vec<ReviewRow>> {
        model!(self, |t, ws| {
            let mut of = all(&t.audit_reviews, ws, |_| true);
            of.reverse();
            of.truncate(limit as usize);
            of
        });
        let text = select!(
            review_columns,
            "workspace_id = $1 ORDER BY upto DESC LIMIT $2"
        );
        self.all(text, params![&self.workspace, i64::from(limit)])
            .await
    }
}
