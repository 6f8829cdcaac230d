//! Runs once more: a retry takes over what a run did and goes on from there, for the same person; a replay begins anew with the same version and
//! inputs, for whoever asks.

use actas_core::audit::Actor;
use actas_core::flow::Entry;
use actas_core::ids::{RunId, WorkspaceId};
use actas_core::run::{Created, Ending, Person, Phase, Run};

use crate::plans::LoadError;
use crate::runner::{CreateError, NewRun, Runner, Started};

/// A run to be run again, and who asks.
#[derive(Debug, Clone)]
pub struct Again {
    /// Where.
    pub workspace: WorkspaceId,
    /// Which.
    pub run: RunId,
    /// Who asks, and for whom the new run acts.
    pub by: Person,
    /// Who did it, for the audit log.
    pub actor: Actor,
    /// The way it came in.
    pub entry: Entry,
    /// The peer's address.
    pub ip: Option<String>,
    /// The user agent.
    pub agent: Option<String>,
}

/// Why a run is not run again.
///
/// Codes: `not_found`, `not_ended` (it goes on), `succeeded` (nothing is left to do; replay it), `not_yours` (only whoever a run acts for may
/// retry it; replay it), `is_part` (another run began it: retry that one), and those of creating a run.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// There is none.
    #[error("there is no such run")]
    NotFound,
    /// It goes on.
    #[error("the run has not ended: cancel it first, or wait")]
    NotEnded,
    /// There is nothing left to do.
    #[error("the run has succeeded: replay it to do everything again")]
    Succeeded,
    /// It acts for somebody else.
    #[error("only the person a run acts for may retry it: replay it as yourself")]
    NotYours,
    /// Another run began it.
    #[error("run {0} began it: retry that one")]
    IsPart(RunId),
    /// As of any run.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl AgainError {
    /// The stable word; none where creating or loading says it.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("not_found"),
            Self::NotEnded => Some("not_ended"),
            Self::Succeeded => Some("succeeded"),
            Self::NotYours => Some("not_yours"),
            Self::IsPart(_) => Some("is_part"),
            Self::Create(_) | Self::Load(_) => None,
        }
    }
}

impl Runner {
    /// A new run of the same version and inputs that takes over every step that succeeded and was not undone, with the same keys for the others.
    /// A run is retried once: whoever asks again is given the same retry, and may retry that.
    ///
    /// # Errors
    /// See [`AgainError`]: only whoever the run acts for may, once it has failed or was cancelled.
    pub async fn retry(&self, again: Again) -> Result<Started, AgainError> {
        let (old, created) = self.to_repeat(&again).await?;
        match &old.phase {
            Phase::Ended {
                ending: Ending::Succeeded,
                ..
            } => return Err(AgainError::Succeeded),
            Phase::Ended { .. } => {}
            Phase::Open | Phase::Cancelling { .. } => return Err(AgainError::NotEnded),
        }
        if !created.is_of(&again.by.id) {
            return Err(AgainError::NotYours);
        }
        // Two retries would both do what is left, also what may happen only once: the second request is answered with the first one's run.
        // No header can hold the line break, so that nobody's own key is this one.
        let once = (format!("\nretry {}", again.run), "retry".to_owned());
        let new = NewRun {
            idempotency: Some(once),
            ..anew(&again, &created)
        };
        Ok(self.create_again(new, Some(&created)).await?)
    }

    /// A new run of the same version and inputs that takes nothing over and acts for whoever asks.
    ///
    /// # Errors
    /// See [`AgainError`].
    pub async fn replay(&self, again: Again) -> Result<Started, AgainError> {
        let (_, created) = self.to_repeat(&again).await?;
        let new = anew(&again, &created);
        Ok(self.create_again(new, None).await?)
    }

    async fn to_repeat(&self, again: &Again) -> Result<(Run, Created), AgainError> {
        let run = self
            .load(&again.workspace, &again.run)
            .await?
            .ok_or(AgainError::NotFound)?;
        let created = run.created.as_deref().cloned();
        let created = created.ok_or(AgainError::NotFound)?;
        match created.parent {
            Some(parent) => Err(AgainError::IsPart(parent.run)),
            None => Ok((run, created)),
        }
    }
}

fn anew(again: &Again, old: &Created) -> NewRun {
    NewRun {
        workspace: again.workspace.clone(),
        version: old.version.clone(),
        invoker: Some(again.by.clone()),
        actor: again.actor.clone(),
        entry: again.entry,
        inputs: (*old.inputs).clone(),
        idempotency: None,
        ip: again.ip.clone(),
        agent: again.agent.clone(),
    }
}
