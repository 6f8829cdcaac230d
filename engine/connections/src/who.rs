//! Who does something to a connection, for the audit trail.

use actas_core::Time;
use actas_core::audit::{Actor, Draft, Object};
use actas_core::ids::{UserId, WorkspaceId};

/// Who does it, and by which way in.
#[derive(Debug, Clone)]
pub struct Who {
    /// The actor.
    pub actor: Actor,
    /// Whom they act as, with their login: themselves, or the local user that the operator of the machine named.
    pub person: Option<(UserId, String)>,
    /// The way in: `page`, `api`, `cli`, `engine`.
    pub entry: String,
    /// The peer's address.
    pub ip: Option<String>,
    /// The user agent, shortened.
    pub agent: Option<String>,
}

impl Who {
    /// The engine itself, on behalf of a run.
    pub fn engine() -> Self {
        Self {
            actor: Actor::Engine,
            person: None,
            entry: "engine".to_owned(),
            ip: None,
            agent: None,
        }
    }

    /// A record of what was done, still without the things it was done with.
    pub(crate) fn draft(
        &self,
        workspace: &WorkspaceId,
        at: Time,
        action: &str,
        object: (&str, &str),
        outcome: &str,
    ) -> Draft {
        Draft {
            workspace: workspace.clone(),
            at,
            actor: self.actor.clone(),
            person: self.person.clone(),
            connection: None,
            account: None,
            rule: None,
            record: None,
            entry: self.entry.clone(),
            action: action.to_owned(),
            object: Object {
                kind: object.0.to_owned(),
                id: object.1.to_owned(),
                version: None,
            },
            flow: None,
            run: None,
            step: None,
            outcome: outcome.to_owned(),
            reason: None,
            ip: self.ip.clone(),
            agent: self.agent.clone(),
        }
    }

    /// The person who acts, if it is one.
    pub fn user(&self) -> Option<&UserId> {
        match &self.actor {
            Actor::User { id, .. } => Some(id),
            Actor::LocalOperator | Actor::Engine | Actor::Trigger | Actor::Anonymous => None,
        }
    }
}
