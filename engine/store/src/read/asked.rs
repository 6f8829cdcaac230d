//! Requests, callbacks, the workspace's values and its named secrets.

use actas_core::ids::{Name, RequestId, RunId, StepPath, VarName};

#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Page, Read, Reader, model, page, select};
#[cfg(any(test, feature = "model"))]
use crate::rows::RequestState;
use crate::rows::{NamedSecretRow, RequestRow, VarRow};
use crate::statement::params;
use crate::store::ReadError;

pub(crate) const OPEN_REQUESTS: &str = select!(
    request_columns,
    "workspace_id = $1 AND id < $2 AND state = 'open' ORDER BY id DESC LIMIT $3"
);

pub(crate) const REQUESTS_OF_RUN: &str = select!(
    request_columns,
    "workspace_id = $1 AND run_id = $2 ORDER BY id"
);

/// Sorts behind every id, whatever the collation.
const END: &str = "rq_zzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// Where the next page begins.
fn place(request: &RequestRow) -> String {
    request
        .id
        .as_str()
        .trim_start_matches(RequestId::PREFIX)
        .to_owned()
}

impl Reader {
    /// A request.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn request(&self, id: &RequestId) -> Read<Option<RequestRow>> {
        model!(self, |t, ws| get(&t.requests, ws, id));
        self.one(
            select!(request_columns, "workspace_id = $1 AND id = $2"),
            params![&self.workspace, id],
        )
        .await
    }

    /// The requests of a run, oldest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn requests_of_run(&self, run: &RunId) -> Read<Vec<RequestRow>> {
        model!(self, |t, ws| all(&t.requests, ws, |row| row.run == *run));
        self.all(REQUESTS_OF_RUN, params![&self.workspace, run])
            .await
    }

    /// The open requests of the workspace, newest first, whoever may answer them. The time of some may be over.
    ///
    /// # Errors
    /// If the database is away, the row cannot be read, or the cursor is not one.
    pub async fn open_requests(&self, limit: u32, cursor: Option<&str>) -> Read<Page<RequestRow>> {
        let begin = match cursor {
            None => END.to_owned(),
            Some(cursor) => format!("{}{cursor}", RequestId::PREFIX)
                .parse::<RequestId>()
                .map_err(|_| ReadError::Cursor(cursor.to_owned()))?
                .to_string(),
        };
        model!(self, |t, ws| {
            let wanted = |row: &RequestRow| {
                row.id.as_str() < begin.as_str() && row.state == RequestState::Open
            };
            let mut rows = sorted(all(&t.requests, ws, wanted), |row| {
                std::cmp::Reverse(row.id.clone())
            });
            rows.truncate(limit as usize + 1);
            page(rows, limit, place)
        });
        let params = params![&self.workspace, begin, i64::from(limit) + 1];
        let rows: Vec<RequestRow> = self.all(OPEN_REQUESTS, params).await?;
        Ok(page(rows, limit, place))
    }

    /// Whether the callback of a step was used.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn callback_used(&self, run: &RunId, step: &StepPath) -> Read<bool> {
        model!(self, |t, ws| get(
            &t.callbacks_used,
            ws,
            &(run.clone(), step.clone())
        )
        .is_some());
        let text = "SELECT COUNT(*) FROM callbacks_used WHERE workspace_id = $1 AND run_id = $2 AND step = $3";
        let count: Option<i64> = self.one(text, params![&self.workspace, run, step]).await?;
        Ok(count.unwrap_or(0) > 0)
    }

    /// A value of the workspace.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn var(&self, name: &VarName) -> Read<Option<VarRow>> {
        model!(self, |t, ws| get(&t.vars, ws, name));
        self.one(
            select!(var_columns, "workspace_id = $1 AND name = $2"),
            params![&self.workspace, name],
        )
        .await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn vars(&self) -> Read<Vec<VarRow>> {
        model!(self, |t, ws| all(&t.vars, ws, |_| true));
        self.all(
            select!(var_columns, "workspace_id = $1 ORDER BY name"),
            params![&self.workspace],
        )
        .await
    }

    /// A named secret: that there is one, and since when.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn named_secret(&self, name: &Name) -> Read<Option<NamedSecretRow>> {
        model!(self, |t, ws| get(&t.named_secrets, ws, name));
        self.one(
            select!(named_secret_columns, "workspace_id = $1 AND name = $2"),
            params![&self.workspace, name],
        )
        .await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn named_secrets(&self) -> Read<Vec<NamedSecretRow>> {
        model!(self, |t, ws| all(&t.named_secrets, ws, |_| true));
        self.all(
            select!(named_secret_columns, "workspace_id = $1 ORDER BY name"),
            params![&self.workspace],
        )
        .await
    }
}
