//! Who people are to other systems, what a workspace's own roles allow, and what it has decided for everybody.

use actas_core::Time;
use actas_core::ids::{Name, UserId, WorkspaceId};
use actas_core::policies::Policies;
use serde::{Deserialize, Serialize};

/// The policies of a workspace as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoliciesRow {
    /// What they say.
    pub policies: Policies,
    /// How often they were changed; 0: never.
    pub revision: u32,
    /// Who changed them last.
    pub updated_by: Option<UserId>,
    /// When; the beginning of time if never.
    pub updated_at: Time,
}

/// A role of the workspace's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRow {
    /// Its name; never that of a role that comes with Actas.
    pub name: Name,
    /// What it allows, by the names of privileges. A name that is none allows nothing.
    pub privileges: Vec<String>,
    /// Who changed it last.
    pub updated_by: UserId,
    /// When.
    pub updated_at: Time,
}

/// When a person was last here, to the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow {
    /// Who.
    pub user: UserId,
    /// When.
    pub at: Time,
}

/// Whom another system means by its word for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// Which system.
    pub issuer: String,
    /// Its word, which never comes to mean anybody else.
    pub subject: String,
    /// Who that is here.
    pub user: UserId,
    /// Since when.
    pub created_at: Time,
}

/// Where the people of a workspace log in, if not here. The client's secret is one of the workspace's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcRow {
    /// What was said of it.
    pub oidc: Oidc,
    /// Who changed it last.
    pub updated_by: UserId,
    /// When.
    pub updated_at: Time,
}

/// An OpenID provider, as a workspace knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Its issuer, exactly as its tokens name it.
    pub issuer: String,
    /// How the workspace is known there.
    pub client_id: String,
    /// The workspace's secret that holds the client's; none: a public client.
    #[serde(default)]
    pub secret: Option<Name>,
    /// What people see on the button.
    #[serde(default)]
    pub title: Option<String>,
    /// What is asked for beside `openid`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The claim that holds somebody's groups.
    #[serde(default)]
    pub groups_claim: Option<String>,
    /// Which roles a group gives. With a claim for groups, roles are those that the groups give, at every login anew.
    #[serde(default)]
    pub groups: std::collections::BTreeMap<String, Vec<String>>,
    /// Whether somebody who was never here becomes a user.
    #[serde(default)]
    pub create: bool,
    /// The roles of whoever becomes a user, where groups do not say.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Only whose address was verified by the provider and is of these domains may become a user; empty: anybody.
    #[serde(default)]
    pub domains: Vec<String>,
}

/// A login that is under way elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAttemptRow {
    /// SHA-256 of its `state`, hex.
    pub state_hash: String,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// SHA-256 of what the browser that began it holds, hex.
    pub browser_hash: String,
    /// Where it is under way.
    pub issuer: String,
    /// Where it leads afterwards.
    pub target: String,
    /// Until when.
    pub expires_at: Time,
}

/// An application that Actas is built into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Its name.
    pub name: Name,
    /// What was said of it.
    pub host: Host,
    /// Who changed it last.
    pub updated_by: UserId,
    /// When.
    pub updated_at: Time,
}

/// How a host application is known, and what its people may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// How it names itself in what it signs; unique in the workspace.
    pub issuer: String,
    /// `EdDSA` or `RS256`.
    pub algorithm: String,
    /// Its public key, PEM.
    pub public_key: String,
    /// The roles that its people may have; each has those of them that the application names, or all if it names none.
    #[serde(default)]
    pub roles: Vec<String>,
}
