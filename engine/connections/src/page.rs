//! What the connect page shows, and its answers that need no trip to the provider.

use actas_core::Time;
use actas_core::ids::{ConnectionId, RunId, SignInId, UserId, WorkspaceId};
use actas_core::run::AskReason;

use crate::connections::Connections;
use crate::errors::SignInError;
use crate::who::Who;

/// What the slot's person sees before they agree to anything.
#[derive(Debug, Clone)]
pub struct SignInView {
    /// Which sign-in.
    pub id: SignInId,
    /// The run that waits.
    pub run: RunId,
    /// The flow's name.
    pub flow: String,
    /// Its title.
    pub flow_title: Option<String>,
    /// The titles (or ids) of the steps that act through the slot.
    pub steps: Vec<String>,
    /// The slot.
    pub slot: String,
    /// The app's title.
    pub app: String,
    /// What it is allowed to do.
    pub scopes: Vec<ScopeView>,
    /// Where the account's credential may go.
    pub hosts: Vec<String>,
    /// The author's own words.
    pub why: Option<String>,
    /// Why they are asked.
    pub reason: AskReason,
    /// The account that must sign in again, if it is about one.
    pub account: Option<String>,
    /// Their own connections that agreeing would be enough for.
    pub candidates: Vec<Candidate>,
    /// For this run only: revoked and erased at its end.
    pub this_run_only: bool,
    /// True for a run of a draft: what is given serves its author's draft runs alone.
    pub build: bool,
    /// True if they said no before; they may still change their mind.
    pub declined: bool,
    /// Until when.
    pub until: Time,
}

/// A scope in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeView {
    /// The provider's name for it.
    pub scope: String,
    /// What it lets the flow do, if the app says.
    pub words: Option<String>,
    /// True if it is more than was agreed to before.
    pub new: bool,
}

/// One of the person's own connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub connection: ConnectionId,
    /// The account's name.
    pub account: String,
}

/// A sign-in that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The run that goes on.
    pub run: Option<RunId>,
    /// The sign-in that is done.
    pub sign_in: Option<SignInId>,
    /// The connection there is now.
    pub connection: ConnectionId,
    /// Its account's name.
    pub account: String,
    /// The app's title.
    pub app: String,
}

impl Connections {
    /// What a sign-in's page shows to its person, and to nobody else.
    ///
    /// # Errors
    /// See [`SignInError`]; that somebody else opened it is audited.
    pub async fn view(
        &self,
        workspace: &WorkspaceId,
        id: &SignInId,
        viewer: &UserId,
        who: &Who,
    ) -> Result<SignInView, SignInError> {
        let _ = (workspace, id, viewer, who);
        todo!()
    }

    /// Agrees with a connection that is there: no trip to the provider.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn agree(
        &self,
        workspace: &WorkspaceId,
        id: &SignInId,
        user: &UserId,
        connection: &ConnectionId,
        who: &Who,
    ) -> Result<Finished, SignInError> {
        let _ = (workspace, id, user, connection, who);
        todo!()
    }

    /// Says no. The run stays paused, and until its deadline the person may change their mind.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn decline(
        &self,
        workspace: &WorkspaceId,
        id: &SignInId,
        user: &UserId,
        who: &Who,
    ) -> Result<(), SignInError> {
        let _ = (workspace, id, user, who);
        todo!()
    }
}
