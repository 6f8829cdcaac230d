//! The audit log: for reviewers page by page, for `verify` in order.

use actas_core::Time;

use crate::chain::{AuditEntry, Head, READ_HEAD, entry_columns};
#[cfg(any(test, feature = "model"))]
use crate::model::all;
use crate::read::{AuditFilter, Page, Read, Reader, model, page};
use crate::statement::params;
use crate::store::ReadError;
use actas_core::audit::{GENESIS, Hash};

/// A list of records, newest first. `$2` is where it begins; what is absent narrows nothing. What an index serves is looked up apart, because the
/// order of the list would otherwise lead through the whole chain.
macro_rules! list {
    ($narrow:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            " WHERE a.workspace_id = $1 AND a.chain = 0 AND a.seq < $2 AND ($3 IS NULL OR a.actor_id = $3 OR a.person_id = $3) \
             AND ($4 IS NULL OR a.flow = $4) AND ($5 IS NULL OR a.run_id = $5) AND ($6 IS NULL OR a.connection_id = $6) \
             AND ($7 IS NULL OR p.account = $7) AND ($8 IS NULL OR a.record_id = $8 OR a.record_type || '/' || a.record_id = $8) \
             AND ($9 IS NULL OR a.action = $9) AND ($10 IS NULL OR a.entry = $10) AND ($11 IS NULL OR a.outcome = $11) \
             AND a.written_at >= $12 AND a.written_at < $13",
            $narrow,
            " ORDER BY a.seq DESC LIMIT $14"
        )
    };
}

pub(crate) const LIST: &str = list!("");
pub(crate) const LIST_OF_RUN: &str =
    list!(" AND a.seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND run_id = $5)");
pub(crate) const LIST_OF_PERSON: &str = list!(
    " AND a.seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND actor_id = $3 \
     UNION SELECT seq FROM audit WHERE workspace_id = $1 AND person_id = $3)"
);
pub(crate) const LIST_OF_ACCOUNT: &str = list!(
    " AND a.seq IN (SELECT seq FROM audit_personal WHERE workspace_id = $1 AND account = $7)"
);

const IN_ORDER: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " WHERE a.workspace_id = $1 AND a.chain = 0 AND a.seq >= $2 ORDER BY a.seq LIMIT $3"
);

/// What the texts above say, for the model.
#[cfg(any(test, feature = "model"))]
fn fits(filter: &AuditFilter, entry: &AuditEntry) -> bool {
    use actas_core::audit::Field;
    fn is<T: PartialEq>(wanted: Option<&T>, value: Option<&T>) -> bool {
        wanted.is_none_or(|wanted| value == Some(wanted))
    }
    let record = &entry.record;
    let account = entry
        .personal
        .iter()
        .find(|kept| kept.field == Field::Account);
    let person = filter.person.as_ref();
    (is(person, record.actor_id.as_ref()) || is(person, record.person.as_ref()))
        && is(filter.flow.as_ref(), record.flow.as_ref())
        && is(filter.run.as_ref(), record.run.as_ref())
        && is(filter.connection.as_ref(), record.connection.as_ref())
        && is(filter.account.as_ref(), account.map(|kept| &kept.value))
        && filter.record.as_ref().is_none_or(|wanted| {
            record
                .record
                .as_ref()
                .is_some_and(|(kind, id)| wanted == id || *wanted == format!("{kind}/{id}"))
        })
        && is(filter.action.as_ref(), Some(&record.action))
        && is(filter.entry.as_ref(), Some(&record.entry))
        && is(filter.outcome.as_ref(), Some(&record.outcome))
        && filter.since.is_none_or(|since| record.at >= since)
        && filter.until.is_none_or(|until| record.at < until)
}

impl Reader {
    /// Where the chain ends: the last record's number and hash; 0 and [`GENESIS`] before the first. What `verify` compares with, so that a
    /// tail that was cut off shows.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_head(&self) -> Read<(u64, Hash)> {
        model!(self, |t, ws| t
            .heads
            .get(ws)
            .map_or((0, GENESIS), |head| (head.seq, head.hash)));
        let head: Option<Head> = self.one(READ_HEAD, params![&self.workspace]).await?;
        Ok(head.map_or((0, GENESIS), |head| (head.seq, head.hash)))
    }

    /// Audit records, newest first, with the personal values that are not erased.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Read<Page<AuditEntry>> {
        let begin = match cursor {
            None => i64::MAX,
            Some(cursor) => cursor
                .parse()
                .map_err(|_| ReadError::Cursor(cursor.to_owned()))?,
        };
        model!(self, |t, ws| {
            let wanted = |row: &AuditEntry| {
                i64::try_from(row.record.seq).is_ok_and(|seq| seq < begin) && fits(filter, row)
            };
            let mut rows = all(&t.audit, ws, wanted);
            rows.reverse();
            rows.truncate(limit as usize + 1);
            page(rows, limit, |entry| entry.record.seq.to_string())
        });
        let text = if filter.run.is_some() {
            LIST_OF_RUN
        } else if filter.person.is_some() {
            LIST_OF_PERSON
        } else if filter.account.is_some() {
            LIST_OF_ACCOUNT
        } else {
            LIST
        };
        let params = params![
            &self.workspace,
            begin,
            &filter.person,
            &filter.flow,
            &filter.run,
            &filter.connection,
            &filter.account,
            &filter.record,
            &filter.action,
            &filter.entry,
            &filter.outcome,
            filter.since.unwrap_or(Time(i64::MIN)),
            filter.until.unwrap_or(Time(i64::MAX)),
            i64::from(limit) + 1
        ];
        let entries: Vec<AuditEntry> = self.all(text, params).await?;
        Ok(page(entries, limit, |entry| entry.record.seq.to_string()))
    }

    /// Audit records in order from a sequence number on, for `verify`.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_from(&self, seq: i64, limit: u32) -> Read<Vec<AuditEntry>> {
        model!(self, |t, ws| all(&t.audit, ws, |row| i64::try_from(
            row.record.seq
        )
        .is_ok_and(|at| at >= seq))
        .into_iter()
        .take(limit as usize)
        .collect());
        self.all(IN_ORDER, params![&self.workspace, seq, i64::from(limit)])
            .await
    }
}
