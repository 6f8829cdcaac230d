//! What the connect page shows, and its answers that need no trip to the provider. Whoever is not the slot's person learns nothing here.

use actas_core::Time;
use actas_core::app::Manifest;
use actas_core::audit::Draft;
use actas_core::flow::{Flow, Keep, SlotKind};
use actas_core::ids::{ConnectionId, RunId, SignInId, UserId, WorkspaceId};
use actas_core::run::{AskReason, Rule};
use actas_store::{CommitError, Reader, SignInRow, SignInState};

use crate::account::{self, Candidate, ScopeView, Wanted};
use crate::ask::Fits;
use crate::connections::{Connections, SetupError, now};
use crate::errors::SignInError;
use crate::surface::Surface;
use crate::typed::{KindView, kinds};
use crate::wake::Answer;
use crate::who::Who;

/// What the slot's person sees before they agree to anything.
#[derive(Debug, Clone)]
pub struct SignInView {
    /// Which sign-in.
    pub id: SignInId,
    /// The run that waits; none: they connect ahead of any.
    pub run: Option<RunId>,
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
    /// The modules it acts with that were not there when they agreed before; empty if they never did.
    pub new_modules: Vec<String>,
    /// Where the account's credential may go.
    pub hosts: Vec<String>,
    /// Those of them that were not there when they agreed before.
    pub new_hosts: Vec<String>,
    /// Whether they agreed before, to less than this.
    pub wider: bool,
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
    /// True if it acts as them because they decide an approval.
    pub approver: bool,
    /// True for a run of a draft: what is given serves its author's draft runs alone.
    pub build: bool,
    /// The kinds of sign-in they may choose from.
    pub kinds: Vec<KindView>,
    /// True if they said no before; they may still change their mind.
    pub declined: bool,
    /// Until when.
    pub until: Time,
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

/// A sign-in with what its version says about it.
pub(crate) struct Asked {
    pub(crate) row: SignInRow,
    pub(crate) flow: Flow,
    pub(crate) manifest: std::sync::Arc<Manifest>,
    pub(crate) surface: Surface,
}

impl Asked {
    pub(crate) fn this_run_only(&self) -> bool {
        self.row.rule != Rule::BuildTime
            && self.flow.connections.get(&self.row.slot).is_some_and(
                |slot| matches!(&slot.kind, SlotKind::Dynamic(d) if d.keep == Keep::Run),
            )
    }

    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            person: &self.row.person,
            flow: &self.row.flow,
            slot: &self.row.slot,
            client: &self.row.client,
            manifest: &self.manifest,
            surface: &self.surface,
            fits: self.fits(),
            this_run_only: self.this_run_only(),
        }
    }

    pub(crate) fn fits(&self) -> Fits<'_> {
        Fits {
            person: &self.row.person,
            client: &self.row.client,
            parent: self.row.parent.as_ref(),
            flow: &self.row.flow,
            slot: &self.row.slot,
        }
    }
}

impl From<SetupError> for SignInError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Wrong(why) => Self::Misconfigured(why),
            SetupError::Away => Self::Unavailable,
            SetupError::Read(error) => error.into(),
        }
    }
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
        let reader = self.reader(workspace);
        let row = self.theirs(&reader, id, viewer, who).await?;
        let asked = self.asked(&reader, row).await?;
        let opened = self
            .sign_in_draft(&reader, who, &asked.row, "sign_in.opened", "ok")
            .await?;
        self.commit(Vec::new(), vec![opened]).await?;

        let Asked {
            row,
            flow,
            manifest,
            ..
        } = &asked;
        let oauth2_only =
            reader.policies().await?.policies.oauth2_only && row.rule != Rule::BuildTime;
        let slot = flow.connections.get(&row.slot);
        let shown = self.wanted(&reader, &asked.wanted()).await?;
        let account = match &row.connection {
            Some(id) => reader.connection(id).await?.map(|c| c.account),
            None => None,
        };
        Ok(SignInView {
            id: row.id.clone(),
            run: row.run.clone(),
            flow: flow.flow.to_string(),
            flow_title: flow.title.clone(),
            steps: flow
                .steps
                .iter()
                .filter(|(_, step)| step.connection.as_ref() == Some(&row.slot))
                .map(|(id, step)| step.title.clone().unwrap_or_else(|| id.to_string()))
                .collect(),
            slot: row.slot.to_string(),
            app: manifest.title.clone(),
            scopes: shown.scopes,
            new_modules: shown.new_modules,
            hosts: shown.hosts,
            new_hosts: shown.new_hosts,
            wider: shown.wider,
            why: slot.and_then(|slot| match &slot.kind {
                SlotKind::Dynamic(dynamic) => dynamic.why.clone(),
                SlotKind::Connection(_) => None,
            }),
            reason: row.reason,
            account: account.filter(|_| must_be_same(row)),
            candidates: shown.candidates,
            this_run_only: asked.this_run_only(),
            approver: row.rule == Rule::Approver,
            build: row.rule == Rule::BuildTime,
            kinds: kinds(manifest, oauth2_only),
            declined: row.state == SignInState::Declined,
            until: row.until,
        })
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
        let reader = self.reader(workspace);
        for _ in 0..6 {
            let row = self.theirs(&reader, id, user, who).await?;
            let asked = self.asked(&reader, row).await?;
            let chosen = self
                .candidates(&reader, &asked.wanted())
                .await?
                .into_iter()
                .find(|candidate| candidate.id == *connection)
                .ok_or(SignInError::NotUsable)?;
            let client = self.client(&reader, &chosen.client).await?;
            self.guarded(&reader, user, &client, &chosen.account, who)
                .await?;
            let at = now();
            let answer = Answer {
                connection: &chosen,
                asked: Some(&asked),
                at,
            };
            let ops = self.answered(&reader, &answer).await?;
            let mut done = self
                .sign_in_draft(&reader, who, &asked.row, "sign_in.done", "ok")
                .await?;
            done.connection = Some(chosen.id.clone());
            done.account = Some(chosen.account.clone());
            done.reason = Some("agreed".to_owned());
            match self.commit(ops, vec![done]).await {
                Ok(()) => {
                    return Ok(Finished {
                        run: asked.row.run.clone(),
                        sign_in: Some(asked.row.id.clone()),
                        connection: chosen.id,
                        account: chosen.account,
                        app: asked.manifest.title.clone(),
                    });
                }
                // Some run ended or was answered meanwhile: look again who waits.
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SignInError::Commit(CommitError::Busy))
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
        let reader = self.reader(workspace);
        let row = self.theirs(&reader, id, user, who).await?;
        if row.state == SignInState::Declined {
            return Ok(());
        }
        let draft = self
            .sign_in_draft(&reader, who, &row, "sign_in.declined", "refused")
            .await?;
        match self.commit(self.declined(&reader, &row), vec![draft]).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(SignInError::Over),
            Err(error) => Err(error.into()),
        }
    }

    /// A sign-in that this user may see and answer now.
    pub(crate) async fn theirs(
        &self,
        reader: &Reader,
        id: &SignInId,
        user: &UserId,
        who: &Who,
    ) -> Result<SignInRow, SignInError> {
        let row = reader.sign_in(id).await?.ok_or(SignInError::NotFound)?;
        if row.person != *user || !self.is_active(reader, user).await? {
            let mut refused = self
                .sign_in_draft(reader, who, &row, "sign_in.refused", "refused")
                .await?;
            refused.reason = Some("wrong_person".to_owned());
            self.commit(Vec::new(), vec![refused]).await?;
            return Err(SignInError::NotYours);
        }
        match row.state {
            SignInState::Done => return Err(SignInError::Done),
            SignInState::Closed => return Err(SignInError::Over),
            SignInState::Open | SignInState::Declined => {}
        }
        if row.until <= now() || has_ended(reader, &row).await? {
            return Err(SignInError::Over);
        }
        Ok(row)
    }

    /// A sign-in with what its version says about it.
    pub(crate) async fn asked(
        &self,
        reader: &Reader,
        row: SignInRow,
    ) -> Result<Asked, SignInError> {
        let (version, manifest) = self.manifest_of(reader, &row.version, &row.app).await?;
        let unreadable =
            || SignInError::Misconfigured("the flow's version cannot be read".to_owned());
        let flow = serde_json::from_str(&version.document).map_err(|_| unreadable())?;
        let surface = serde_json::from_str(&row.surface).map_err(|_| unreadable())?;
        Ok(Asked {
            row,
            flow,
            manifest,
            surface,
        })
    }

    /// An audit record about a sign-in.
    pub(crate) async fn sign_in_draft(
        &self,
        reader: &Reader,
        who: &Who,
        row: &SignInRow,
        action: &str,
        outcome: &str,
    ) -> Result<Draft, actas_store::ReadError> {
        let mut draft = who.draft(
            reader.workspace(),
            now(),
            action,
            ("sign_in", row.id.as_str()),
            outcome,
        );
        draft.person = self.person(reader, &row.person).await?;
        draft.rule = Some(row.rule);
        draft.run.clone_from(&row.run);
        draft.flow = reader.flow(&row.flow).await?.map(|f| f.name.to_string());
        Ok(draft)
    }
}

/// Whether the run that waits for a sign-in is over; what no run waits for is not.
pub(crate) async fn has_ended(
    reader: &Reader,
    row: &SignInRow,
) -> Result<bool, actas_store::ReadError> {
    Ok(match &row.run {
        None => false,
        Some(run) => reader
            .run(run)
            .await?
            .is_none_or(|run| run.ended_at.is_some()),
    })
}

/// Whether the answer must come from the account that was there: it died or lacks something, and is not simply to be agreed to.
pub(crate) fn must_be_same(row: &SignInRow) -> bool {
    row.connection.is_some() && account::must_be_same(row.reason)
}
