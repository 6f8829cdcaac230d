//! Runs, their journals, and what idempotency keys made.

use actas_core::Time;
use actas_core::ids::{FlowId, RunId, UserId};

#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Page, Read, Reader, RunFilter, model, page, select};
#[cfg(any(test, feature = "model"))]
use crate::rows::AdmissionState;
use crate::rows::{Admission, AdmissionRow, IdempotencyRow, JournalRow, RunRow};
use crate::statement::params;
use crate::store::ReadError;

/// A list of runs, newest first, as ids sort by time. `$2` is where it begins; what is absent narrows nothing, but an index is used only for what
/// stands there alone: a list is read by the narrowest of flow, invoker and state.
macro_rules! list {
    ($narrow:literal) => {
        select!(
            run_columns,
            "workspace_id = $1 AND id < $2 AND ($3 IS NULL OR flow_id = $3) AND ($4 IS NULL OR state = $4) \
             AND ($5 IS NULL OR invoker_id = $5) AND ($7 OR parent_id IS NULL)",
            $narrow,
            " ORDER BY id DESC LIMIT $6"
        )
    };
}

pub(crate) const LIST: &str = list!("");
pub(crate) const LIST_OF_FLOW: &str = list!(" AND flow_id = $3");
pub(crate) const LIST_OF_INVOKER: &str = list!(" AND invoker_id = $5");
// The index is a partial one: its condition must be repeated.
pub(crate) const LIST_IN_STATE: &str =
    list!(" AND state = $4 AND state NOT IN ('succeeded', 'running')");

pub(crate) const CHILDREN: &str = select!(
    run_columns,
    "workspace_id = $1 AND parent_id = $2 ORDER BY id"
);
pub(crate) const LIVING_CHILDREN: &str = select!(
    run_columns,
    "workspace_id = $1 AND parent_id = $2 AND ended_at IS NULL ORDER BY id"
);

/// One row if there is no place for `$3`.
pub(crate) const IS_FULL: &str = "SELECT CAST(1 AS BIGINT) FROM gates g WHERE g.workspace_id = $1 AND g.flow_id = $2 AND ((SELECT COUNT(*) FROM admissions q \
     WHERE q.workspace_id = $1 AND q.flow_id = $2 AND q.state IN ('active', 'queued') AND q.run_id <> $3) >= $4 \
     OR EXISTS (SELECT 1 FROM admissions k WHERE k.workspace_id = $1 AND k.flow_id = $2 AND k.key_value = $5 AND k.run_id <> $3))";

/// Sorts behind every id, whatever the collation.
const END: &str = "run_zzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// Where the next page begins.
fn place(run: &RunRow) -> String {
    run.id.as_str().trim_start_matches(RunId::PREFIX).to_owned()
}

#[cfg(any(test, feature = "model"))]
fn is_child(row: &RunRow, of: &RunId) -> bool {
    row.parent.as_ref().is_some_and(|(parent, _)| parent == of)
}

impl Reader {
    /// A run.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn run(&self, id: &RunId) -> Read<Option<RunRow>> {
        model!(self, |t, ws| get(&t.runs, ws, id));
        self.one(
            select!(run_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// A run's journal, in order.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn journal(&self, id: &RunId) -> Read<Vec<JournalRow>> {
        model!(self, |t, ws| all(&t.journal, ws, |row| row.run == *id));
        self.all(
            select!(
                journal_columns,
                "j.run_id = $1 AND j.workspace_id = $2 ORDER BY j.seq"
            ),
            params![id, &self.workspace],
        )
        .await
    }

    /// The last row of a run's journal: how it ended, if it has.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn journal_end(&self, id: &RunId) -> Read<Option<JournalRow>> {
        model!(self, |t, ws| all(&t.journal, ws, |row| row.run == *id)
            .into_iter()
            .max_by_key(|row| row.seq));
        self.one(
            select!(
                journal_columns,
                "j.run_id = $1 AND j.workspace_id = $2 ORDER BY j.seq DESC LIMIT 1"
            ),
            params![id, &self.workspace],
        )
        .await
    }

    /// The runs that a run made, oldest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn children(&self, run: &RunId) -> Read<Vec<RunRow>> {
        model!(self, |t, ws| all(&t.runs, ws, |row| is_child(row, run)));
        self.all(CHILDREN, params![&self.workspace, run]).await
    }

    /// Those of them that have not ended.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn living_children(&self, run: &RunId) -> Read<Vec<RunRow>> {
        model!(self, |t, ws| all(&t.runs, ws, |row| is_child(row, run)
            && row.ended_at.is_none()));
        self.all(LIVING_CHILDREN, params![&self.workspace, run])
            .await
    }

    /// Where a run stands whose flow has `concurrency`; none for other runs, and after it has ended.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn admission(&self, run: &RunId) -> Read<Option<AdmissionRow>> {
        model!(self, |t, ws| get(&t.admissions, ws, run));
        self.one(
            select!(admission_columns, "workspace_id = $1 AND run_id = $2"),
            params![&self.workspace, run],
        )
        .await
    }

    /// Whether a new run would have to wait: all places are taken, somebody has its key, or others wait for one of both.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn is_full(&self, asked: &Admission) -> Read<bool> {
        let limit = asked.limit.map_or(i64::MAX, i64::from);
        model!(self, |t, ws| {
            let others = |row: &AdmissionRow| row.flow == asked.flow && row.run != asked.run;
            let others = all(&t.admissions, ws, others);
            let same = |row: &AdmissionRow| row.key.is_some() && row.key == asked.key;
            let present = others
                .iter()
                .filter(|row| row.state != AdmissionState::Paused);
            let present = i64::try_from(present.count()).unwrap_or(i64::MAX);
            present >= limit || others.iter().any(same)
        });
        let found: Option<i64> = self
            .one(
                IS_FULL,
                params![&self.workspace, &asked.flow, &asked.run, limit, &asked.key],
            )
            .await?;
        Ok(found.is_some())
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn runs(
        &self,
        filter: &RunFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Read<Page<RunRow>> {
        let begin = match cursor {
            None => END.to_owned(),
            Some(cursor) => format!("{}{cursor}", RunId::PREFIX)
                .parse::<RunId>()
                .map_err(|_| ReadError::Cursor(cursor.to_owned()))?
                .to_string(),
        };
        model!(self, |t, ws| {
            let wanted = |row: &RunRow| {
                row.id.as_str() < begin.as_str()
                    && filter.flow.as_ref().is_none_or(|flow| row.flow == *flow)
                    && filter
                        .state
                        .as_ref()
                        .is_none_or(|state| row.state == *state)
                    && filter
                        .invoker
                        .as_ref()
                        .is_none_or(|user| row.invoker.as_ref() == Some(user))
                    && (filter.children || row.parent.is_none())
            };
            let mut rows = sorted(all(&t.runs, ws, wanted), |row| {
                std::cmp::Reverse(row.id.clone())
            });
            rows.truncate(limit as usize + 1);
            page(rows, limit, place)
        });
        let lasting = |state: &str| !matches!(state, "succeeded" | "running");
        let text = if filter.flow.is_some() {
            LIST_OF_FLOW
        } else if filter.invoker.is_some() {
            LIST_OF_INVOKER
        } else if filter.state.as_deref().is_some_and(lasting) {
            LIST_IN_STATE
        } else {
            LIST
        };
        let params = params![
            &self.workspace,
            begin,
            &filter.flow,
            &filter.state,
            &filter.invoker,
            i64::from(limit) + 1,
            filter.children
        ];
        let runs: Vec<RunRow> = self.all(text, params).await?;
        Ok(page(runs, limit, place))
    }

    /// What a key made.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn idempotency(
        &self,
        user: &UserId,
        flow: &FlowId,
        key: &str,
        now: Time,
    ) -> Read<Option<IdempotencyRow>> {
        model!(self, |t, ws| get(
            &t.idempotency,
            ws,
            &(user.clone(), flow.clone(), key.to_owned())
        )
        .filter(|row| row.expires_at > now));
        self.one(select!(idempotency_columns, "workspace_id = $1 AND user_id = $2 AND flow_id = $3 AND idempotency_key = $4 AND expires_at > $5"), params![&self.workspace, user, flow, key, now]).await
    }
}
