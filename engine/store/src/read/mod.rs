//! What can be read. A [`Reader`] is opened for one workspace; a raw id of another one finds nothing.

pub(crate) mod asked;
pub(crate) mod audit;
mod connections;
mod flows;
mod keys;
mod known;
mod lifecycle;
mod log;
pub(crate) mod notices;
mod overlooked;
mod people;
pub(crate) mod runs;
pub(crate) mod triggers;

use actas_core::Time;
use actas_core::ids::{ConnectionId, FlowId, RunId, UserId, WorkspaceId};

use serde::Serialize;

use crate::cells::FromRow;
use crate::statement::Value;
use crate::store::{ReadError, Store};

/// Typed reads of one workspace.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
}

type Read<T> = Result<T, ReadError>;

/// A page of a list and where the next one begins.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Opaque; none: that was all.
    pub next: Option<String>,
}

/// Which runs a list shows.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this flow.
    pub flow: Option<FlowId>,
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this person.
    pub invoker: Option<UserId>,
    /// Also those that other runs made.
    pub children: bool,
}

/// Which audit records a list shows.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Acted or was acted for.
    pub person: Option<UserId>,
    /// In this flow, by name.
    pub flow: Option<String>,
    /// In this run.
    pub run: Option<RunId>,
    /// Through this connection.
    pub connection: Option<ConnectionId>,
    /// As this external account.
    pub account: Option<String>,
    /// On this app record, `type/id` or `id`.
    pub record: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// This entry point.
    pub entry: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Not before.
    pub since: Option<Time>,
    /// Before.
    pub until: Option<Time>,
    /// Behind this record.
    pub after: Option<u64>,
    /// Not behind this one.
    pub upto: Option<u64>,
    /// Any action but this.
    pub not_action: Option<String>,
    /// Only what a reviewer should look at first: see [`Notable`].
    pub notable: bool,
}

/// Why a reviewer should look at a record first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Notable {
    /// The first thing that was ever done through this connection.
    FirstUse,
    /// Somebody's run used the account of a connection's owner.
    OwnerRule,
    /// Private data of a run was shown to somebody else.
    Reveal,
    /// A version was published that anybody may call.
    VerifyNone,
    /// Somebody ran what they had published themselves.
    OwnVersion,
    /// A link to sign in was opened by somebody it was not for, or what came back was not theirs.
    RefusedLink,
    /// Something is no longer in the log.
    Removed,
}

impl Reader {
    /// Which workspace.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    async fn all<T: FromRow>(&self, text: &'static str, params: Vec<Value>) -> Read<Vec<T>> {
        self.store.inner.database.all(text, params).await
    }

    async fn one<T: FromRow>(&self, text: &'static str, params: Vec<Value>) -> Read<Option<T>> {
        self.store.inner.database.one(text, params).await
    }
}

/// `SELECT` what a macro of columns says, from where it says, and how it goes on.
macro_rules! select {
    ($columns:ident, $($rest:literal),+) => {
        concat!("SELECT ", crate::columns::$columns!(), " WHERE ", $($rest),+)
    };
}
use select;

/// In tests the store may be the model: then this is the answer, of its tables and the reader's workspace.
macro_rules! model {
    ($self:ident, |$tables:ident, $workspace:ident| $value:expr) => {
        #[cfg(any(test, feature = "model"))]
        if let crate::database::Database::Model(model) = &$self.store.inner.database {
            model.read().await?;
            let ($tables, $workspace) = (model.tables(), &$self.workspace);
            return Ok($value);
        }
    };
    (of $self:ident, |$tables:ident| $value:expr) => {
        #[cfg(any(test, feature = "model"))]
        if let crate::database::Database::Model(model) = &$self.inner.database {
            model.read().await?;
            let $tables = model.tables();
            return Ok($value);
        }
    };
}
use model;

/// Cuts what was read (one more than asked for) into a page; `place` is where the next one begins.
fn page<T>(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = if items.len() > limit {
        items.truncate(limit);
        items.last().map(place)
    } else {
        None
    };
    Page { items, next }
}
