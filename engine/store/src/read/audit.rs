//! The audit log: for reviewers page by page, for `verify` in order.

use std::collections::BTreeMap;

use actas_core::Time;
use actas_core::audit::Record;
use actas_core::ids::WorkspaceId;
use actas_core::run::Rule;

use crate::chain::{AuditEntry, Head, READ_HEAD, entry_columns};
#[cfg(any(test, feature = "model"))]
use crate::model::{Tables, all, get};
use crate::read::{AuditFilter, Notable, Page, Read, Reader, model, page};
use crate::statement::{Value, params};
use crate::store::ReadError;
use actas_core::audit::{GENESIS, Hash};

/// Which records fit a filter. What is absent narrows nothing; `$2` and `$14` are left to whoever says in which order.
macro_rules! fitting {
    () => {
        " WHERE a.workspace_id = $1 AND a.chain = 0 AND ($3 IS NULL OR a.actor_id = $3 OR a.person_id = $3) \
         AND ($4 IS NULL OR a.flow = $4) AND ($5 IS NULL OR a.run_id = $5) AND ($6 IS NULL OR a.connection_id = $6) \
         AND ($7 IS NULL OR p.account = $7) AND ($8 IS NULL OR a.record_id = $8 OR a.record_type || '/' || a.record_id = $8) \
         AND ($9 IS NULL OR a.action = $9) AND ($10 IS NULL OR a.entry = $10) AND ($11 IS NULL OR a.outcome = $11) \
         AND a.written_at >= $12 AND a.written_at < $13 AND a.seq > $15 AND a.seq <= $16 AND ($17 IS NULL OR a.action <> $17)"
    };
}

/// Records that a reviewer should look at first. The first use of each connection is what an account did first here.
macro_rules! notable {
    () => {
        " AND (a.rule = 'owner' OR a.action IN ('run.revealed', 'sign_in.refused', 'webhook.unverified', 'audit.erased', 'audit.cut') \
         OR a.seq IN (SELECT MIN(f.seq) FROM audit f WHERE f.workspace_id = $1 AND f.chain = 0 AND f.connection_id IS NOT NULL \
         AND f.action LIKE 'step.%' GROUP BY f.connection_id) \
         OR (a.action = 'run.created' AND EXISTS (SELECT 1 FROM runs r JOIN versions v ON v.workspace_id = r.workspace_id AND v.id = r.version_id \
         WHERE r.workspace_id = a.workspace_id AND r.id = a.run_id AND v.number > 0 AND v.created_by = a.person_id)))"
    };
}

/// A list of records, newest first. `$2` is where it begins. What an index serves is looked up apart, because the order of the list would
/// otherwise lead through the whole chain.
macro_rules! list {
    ($($narrow:expr),*) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            fitting!(),
            " AND a.seq < $2",
            $($narrow,)*
            " ORDER BY a.seq DESC LIMIT $14"
        )
    };
}

pub(crate) const LIST: &str = list!();
pub(crate) const LIST_OF_RUN: &str =
    list!(" AND a.seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND run_id = $5)");
pub(crate) const LIST_OF_PERSON: &str = list!(
    " AND a.seq IN (SELECT seq FROM audit WHERE workspace_id = $1 AND actor_id = $3 \
     UNION SELECT seq FROM audit WHERE workspace_id = $1 AND person_id = $3)"
);
pub(crate) const LIST_OF_ACCOUNT: &str = list!(
    " AND a.seq IN (SELECT seq FROM audit_personal WHERE workspace_id = $1 AND account = $7)"
);
const LIST_NOTABLE: &str = list!(notable!());

/// The same, oldest first, for exports.
macro_rules! forward {
    ($($narrow:expr),*) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            fitting!(),
            " AND a.seq > $2",
            $($narrow,)*
            " ORDER BY a.seq LIMIT $14"
        )
    };
}

const FORWARD: &str = forward!();
const FORWARD_NOTABLE: &str = forward!(notable!());

macro_rules! count {
    ($($narrow:expr),*) => {
        concat!(
            "SELECT COUNT(*) FROM audit a LEFT JOIN audit_personal p ON p.workspace_id = a.workspace_id AND p.chain = a.chain AND p.seq = a.seq",
            fitting!(),
            " AND a.seq > $2 AND $14 > 0",
            $($narrow,)*
            ""
        )
    };
}

const COUNT: &str = count!();
const COUNT_NOTABLE: &str = count!(notable!());

/// Of the records from one to another, those that are the first use of a connection, and those that begin a run of somebody's own version.
const FIRST_USES: &str = "SELECT MIN(f.seq) AS first FROM audit f WHERE f.workspace_id = $1 AND f.chain = 0 AND f.connection_id IS NOT NULL \
     AND f.action LIKE 'step.%' GROUP BY f.connection_id HAVING MIN(f.seq) >= $2 AND MIN(f.seq) <= $3";
const OWN_VERSIONS: &str = "SELECT a.seq FROM audit a JOIN runs r ON r.workspace_id = a.workspace_id AND r.id = a.run_id \
     JOIN versions v ON v.workspace_id = r.workspace_id AND v.id = r.version_id WHERE a.workspace_id = $1 AND a.chain = 0 AND a.seq >= $2 AND a.seq <= $3 \
     AND a.action = 'run.created' AND v.number > 0 AND v.created_by = a.person_id";

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
        && filter.after.is_none_or(|after| record.seq > after)
        && filter.upto.is_none_or(|upto| record.seq <= upto)
        && filter.not_action.as_ref() != Some(&record.action)
}

/// What makes a record one to look at first: for the model, and to say why.
fn plainly_notable(record: &Record) -> Option<Notable> {
    match record.action.as_str() {
        "run.revealed" => Some(Notable::Reveal),
        "sign_in.refused" => Some(Notable::RefusedLink),
        "webhook.unverified" => Some(Notable::VerifyNone),
        "audit.erased" | "audit.cut" => Some(Notable::Removed),
        _ => (record.rule == Some(Rule::Owner)).then_some(Notable::OwnerRule),
    }
}

fn wide(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

#[cfg(any(test, feature = "model"))]
fn first_uses(t: &Tables, ws: &WorkspaceId) -> Vec<u64> {
    let mut first = BTreeMap::new();
    for entry in all(&t.audit, ws, |entry| {
        entry.record.action.starts_with("step.")
    }) {
        if let Some(connection) = entry.record.connection {
            first.entry(connection).or_insert(entry.record.seq);
        }
    }
    first.into_values().collect()
}

#[cfg(any(test, feature = "model"))]
fn own_versions(t: &Tables, ws: &WorkspaceId) -> Vec<u64> {
    let own = |entry: &AuditEntry| {
        let run = entry
            .record
            .run
            .as_ref()
            .and_then(|run| get(&t.runs, ws, run));
        let version = run.and_then(|run| get(&t.versions, ws, &run.version));
        entry.record.action == "run.created"
            && version.is_some_and(|v| {
                v.number > 0 && Some(&v.created_by) == entry.record.person.as_ref()
            })
    };
    let of = all(&t.audit, ws, own);
    of.into_iter().map(|entry| entry.record.seq).collect()
}

/// Whether a record fits, notable or not.
#[cfg(any(test, feature = "model"))]
fn wanted(t: &Tables, ws: &WorkspaceId, filter: &AuditFilter) -> impl Fn(&AuditEntry) -> bool {
    let mut seqs = Vec::new();
    if filter.notable {
        seqs = first_uses(t, ws);
        seqs.extend(own_versions(t, ws));
    }
    let filter = filter.clone();
    move |entry| {
        let notable = plainly_notable(&entry.record).is_some() || seqs.contains(&entry.record.seq);
        fits(&filter, entry) && (!filter.notable || notable)
    }
}

/// What `fitting` binds, `begin` and `limit` being those of the list.
fn params(workspace: &WorkspaceId, filter: &AuditFilter, begin: i64, limit: i64) -> Vec<Value> {
    params![
        workspace,
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
        limit,
        wide(filter.after.unwrap_or(0)),
        wide(filter.upto.unwrap_or(u64::MAX)),
        &filter.not_action
    ]
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
            let wanted = wanted(&t, ws, filter);
            let before = |row: &AuditEntry| wide(row.record.seq) < begin && wanted(row);
            let mut rows = all(&t.audit, ws, before);
            rows.reverse();
            rows.truncate(limit as usize + 1);
            page(rows, limit, |entry| entry.record.seq.to_string())
        });
        let text = if filter.notable {
            LIST_NOTABLE
        } else if filter.run.is_some() {
            LIST_OF_RUN
        } else if filter.person.is_some() {
            LIST_OF_PERSON
        } else if filter.account.is_some() {
            LIST_OF_ACCOUNT
        } else {
            LIST
        };
        let params = params(&self.workspace, filter, begin, i64::from(limit) + 1);
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

    /// Audit records that fit, oldest first, behind a sequence number: for exports.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn audit_forward(
        &self,
        filter: &AuditFilter,
        behind: u64,
        limit: u32,
    ) -> Read<Vec<AuditEntry>> {
        model!(self, |t, ws| {
            let wanted = wanted(&t, ws, filter);
            let mut rows = all(&t.audit, ws, |row| row.record.seq > behind && wanted(row));
            rows.truncate(limit as usize);
            rows
        });
        let text = if filter.notable {
            FORWARD_NOTABLE
        } else {
            FORWARD
        };
        let params = params(&self.workspace, filter, wide(behind), i64::from(limit));
        self.all(text, params).await
    }

    /// How many audit records fit.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn audit_count(&self, filter: &AuditFilter) -> Read<u64> {
        model!(
            self,
            |t, ws| all(&t.audit, ws, wanted(&t, ws, filter)).len() as u64
        );
        let text = if filter.notable { COUNT_NOTABLE } else { COUNT };
        let count: Option<i64> = self
            .one(text, params(&self.workspace, filter, 0, 1))
            .await?;
        Ok(count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    /// Why records are to be looked at first; those that are not are left out. Looking for first uses goes through the whole log once.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn audit_notable(&self, entries: &[AuditEntry]) -> Read<BTreeMap<u64, Vec<Notable>>> {
        let mut found: BTreeMap<u64, Vec<Notable>> = BTreeMap::new();
        let seqs = || entries.iter().map(|entry| entry.record.seq);
        let (Some(from), Some(to)) = (seqs().min(), seqs().max()) else {
            return Ok(found);
        };
        let (firsts, owns) = self.seqs_to_note(from, to).await?;
        for entry in entries {
            let seq = entry.record.seq;
            let why = [
                plainly_notable(&entry.record),
                firsts.contains(&seq).then_some(Notable::FirstUse),
                owns.contains(&seq).then_some(Notable::OwnVersion),
            ];
            let why: Vec<Notable> = why.into_iter().flatten().collect();
            if !why.is_empty() {
                found.insert(seq, why);
            }
        }
        Ok(found)
    }

    async fn seqs_to_note(&self, from: u64, to: u64) -> Read<(Vec<u64>, Vec<u64>)> {
        model!(self, |t, ws| (first_uses(&t, ws), own_versions(&t, ws)));
        let mut found = Vec::new();
        for text in [FIRST_USES, OWN_VERSIONS] {
            let params = params![&self.workspace, wide(from), wide(to)];
            let seqs: Vec<i64> = self.all(text, params).await?;
            let seqs = seqs.into_iter().filter_map(|seq| u64::try_from(seq).ok());
            found.push(seqs.collect::<Vec<u64>>());
        }
        let owns = found.pop().unwrap_or_default();
        Ok((found.pop().unwrap_or_default(), owns))
    }
}
