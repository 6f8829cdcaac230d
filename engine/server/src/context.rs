//! Who asks: [`Visitor`] for public routes, [`Context`] for all others. A context exists only for somebody who was recognised, and what it
//! reads is scoped to that person's workspace.

use std::sync::Arc;

use actas_connections::Who;
use actas_core::Time;
use actas_core::audit::{Actor, Draft, Object};
use actas_core::flow::Entry;
use actas_core::ids::{UserId, WorkspaceId};
use actas_core::run::Person;
use actas_store::{Reader, SessionRow, UserRow};

use crate::access::{Privilege, Rights};
use crate::app::App;
use crate::problem::Problem;
use crate::scopes::Scopes;
use crate::workspaces::Workspace;

/// How a request came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A browser with a session.
    Session {
        /// SHA-256 of the cookie's value, hex.
        hash: String,
        /// What forms and scripts of ours send along with a change.
        csrf: String,
    },
    /// A program with an API token.
    Token {
        /// SHA-256 of the token, hex.
        hash: String,
        /// What it may be used for.
        scopes: Scopes,
    },
    /// The command line on this machine, through the socket in the data directory.
    Socket,
}

/// Somebody who asks for a public page.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The application.
    pub app: Arc<App>,
    /// The peer's address; none through the socket.
    pub ip: Option<String>,
    /// The user agent, shortened.
    pub agent: Option<String>,
    /// The instant of the request.
    pub now: Time,
    /// The workspace that the path names; else that of the session; else the first.
    pub workspace: Workspace,
    /// The session that came along, if it is a good one, of whatever workspace.
    pub session: Option<SessionRow>,
}

/// Somebody who was recognised.
#[derive(Debug, Clone)]
pub struct Context {
    /// The application.
    pub app: Arc<App>,
    /// The reads of their workspace.
    pub reader: Reader,
    /// Who it is.
    pub user: UserRow,
    /// What their roles let them do.
    pub rights: Rights,
    /// How they came.
    pub via: Via,
    /// The peer's address; none through the socket.
    pub ip: Option<String>,
    /// The user agent, shortened.
    pub agent: Option<String>,
    /// The instant of the request.
    pub now: Time,
}

impl Context {
    /// The workspace.
    pub fn workspace(&self) -> &WorkspaceId {
        self.reader.workspace()
    }

    /// Its name in addresses.
    pub fn workspace_name(&self) -> Arc<str> {
        self.app.workspaces.name(self.workspace())
    }

    /// The way in, as runs and audit records have it: derived, never sent.
    pub fn entry(&self) -> Entry {
        match self.via {
            Via::Session { .. } => Entry::RunOnce,
            Via::Token { .. } => Entry::Api,
            Via::Socket => Entry::Cli,
        }
    }

    /// The way in, of an act that is not a run.
    pub fn entry_name(&self) -> &'static str {
        match self.via {
            Via::Session { .. } => "page",
            Via::Token { .. } => "api",
            Via::Socket => "cli",
        }
    }

    /// Who acts, for the audit log.
    pub fn actor(&self) -> Actor {
        match self.via {
            Via::Socket => Actor::LocalOperator,
            Via::Session { .. } | Via::Token { .. } => Actor::User {
                id: self.user.id.clone(),
                login: self.user.login.clone(),
            },
        }
    }

    /// Who does it, as the connections' records have it.
    pub fn who(&self) -> Who {
        Who {
            actor: self.actor(),
            person: Some((self.user.id.clone(), self.user.login.clone())),
            entry: self.entry_name().to_owned(),
            ip: self.ip.clone(),
            agent: self.agent.clone(),
        }
    }

    /// The person as a run keeps them.
    pub fn person(&self) -> Person {
        Person {
            id: self.user.id.clone(),
            login: self.user.login.clone(),
            name: self.user.name.clone(),
            email: self.user.email.clone(),
            manager: self.user.manager.clone(),
            roles: self.user.roles.clone(),
        }
    }

    /// Whether they have a privilege.
    pub fn may(&self, privilege: Privilege) -> bool {
        self.rights.has(privilege)
    }

    /// Asks for a privilege.
    ///
    /// # Errors
    /// 403 with its name.
    pub fn needs(&self, privilege: Privilege) -> Result<(), Problem> {
        if self.may(privilege) {
            Ok(())
        } else {
            Err(
                Problem::forbidden(format!("this needs the privilege `{}`", privilege.as_str()))
                    .with("privilege", privilege.as_str()),
            )
        }
    }

    /// What a form of ours must bring back.
    pub fn csrf(&self) -> &str {
        match &self.via {
            Via::Session { csrf, .. } => csrf,
            Via::Token { .. } | Via::Socket => "",
        }
    }

    /// An audit record of something this person did.
    pub fn audit(&self, action: &str, kind: &str, id: impl Into<String>) -> Draft {
        Draft {
            person: Some((self.user.id.clone(), self.user.login.clone())),
            ..record(
                self.workspace(),
                self.now,
                self.actor(),
                self.entry_name(),
                action,
                Object {
                    kind: kind.into(),
                    id: id.into(),
                    version: None,
                },
            )
        }
        .of_peer(self.ip.as_deref(), self.agent.as_deref())
    }

    /// The login of a person of this workspace; their id if they are gone.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn login_of(&self, user: &UserId) -> Result<String, Problem> {
        if *user == self.user.id {
            return Ok(self.user.login.clone());
        }
        Ok(self
            .reader
            .user(user)
            .await?
            .map_or_else(|| user.to_string(), |row| row.login))
    }
}

/// An audit record with nothing but the necessary in it.
pub fn record(
    workspace: &WorkspaceId,
    at: Time,
    actor: Actor,
    entry: &str,
    action: &str,
    object: Object,
) -> Draft {
    Draft {
        workspace: workspace.clone(),
        at,
        actor,
        person: None,
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: entry.into(),
        action: action.into(),
        object,
        flow: None,
        run: None,
        step: None,
        outcome: "ok".into(),
        reason: None,
        ip: None,
        agent: None,
    }
}

/// Short ways to fill a record in.
pub trait Fill {
    /// Where it came from.
    #[must_use]
    fn of_peer(self, ip: Option<&str>, agent: Option<&str>) -> Self;
    /// In which flow.
    #[must_use]
    fn in_flow(self, flow: &str) -> Self;
    /// It was refused, and why.
    #[must_use]
    fn refused(self, reason: &str) -> Self;
}

impl Fill for Draft {
    fn of_peer(mut self, ip: Option<&str>, agent: Option<&str>) -> Self {
        self.ip = ip.map(str::to_owned);
        self.agent = agent.map(str::to_owned);
        self
    }

    fn in_flow(mut self, flow: &str) -> Self {
        self.flow = Some(flow.into());
        self
    }

    fn refused(mut self, reason: &str) -> Self {
        self.outcome = "refused".into();
        self.reason = Some(reason.into());
        self
    }
}
