//! What is left of what was deleted, and what is still to be taken back at a provider.

use actas_core::Time;
use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, FlowName, Name, RevocationId, UserId, VersionId,
};

/// A shared connection that was deleted, for the personal ones that were made under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedParentRow {
    /// Which it was.
    pub id: ConnectionId,
    /// Its last name.
    pub name: Name,
    /// Its app.
    pub app: AppName,
    /// Its app client.
    pub client: ClientId,
    /// Who deleted it.
    pub deleted_by: UserId,
    /// When.
    pub deleted_at: Time,
}

/// A flow that was deleted. Its name may be another's by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedFlowRow {
    /// Which it was.
    pub id: FlowId,
    /// Its last name.
    pub name: FlowName,
    /// Its title.
    pub title: Option<String>,
    /// Who deleted it.
    pub deleted_by: UserId,
    /// When.
    pub deleted_at: Time,
}

/// How many runs there are of one version for one person in one state, that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LivingRuns {
    /// The version.
    pub version: VersionId,
    /// Whom they act for; none: a schedule or a webhook started them.
    pub invoker: Option<UserId>,
    /// Their state.
    pub state: String,
    /// How many.
    pub count: u32,
}

/// Tokens that their provider is still to be told of. They are sealed under the id, and nothing here uses them any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRow {
    /// Which; the owner of its secrets.
    pub id: RevocationId,
    /// The connection they were of.
    pub connection: ConnectionId,
    /// The app.
    pub app: AppName,
    /// The client they were given to.
    pub client: ClientId,
    /// How often it was tried; the fence of tries.
    pub tries: u32,
    /// Not tried again before.
    pub next_at: Time,
    /// Given up after.
    pub until: Time,
    /// When they were let go of here.
    pub created_at: Time,
}
