//! A connection at the point of use: whose it is is checked here once more, whatever was bound before.

use std::sync::Arc;
use std::time::Duration;

use actas_core::app::Manifest;
use actas_core::error::PERSON_DISABLED;
use actas_core::ids::{ConnectionId, RunId, UserId, WorkspaceId};
use actas_core::run::{AskReason, ConnectionKind, Rule};
use actas_core::{ErrorKind, StepError};
use actas_egress::Credential;
use actas_store::{ConnectionRow, Op, Reader};
use serde_json::Value;

use crate::ask::{acts_with_parent, dead};
use crate::connections::{Connections, now};
use crate::errors::UseError;
use crate::flights::is_fresh;
use crate::secrets::{ACCESS, SecretError};
use crate::token::scheme;
use crate::typed::TypedError;
use crate::who::Who;

/// How exactly the last use of a connection is known.
const TOUCH: Duration = Duration::from_secs(3600);

/// A step that is about to act through a connection.
#[derive(Debug, Clone)]
pub struct Use {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection the slot was bound to.
    pub connection: ConnectionId,
    /// The slot's person; none in a run that nobody started, which acts through shared connections alone.
    pub person: Option<UserId>,
    /// The rule that chose it.
    pub rule: Rule,
    /// The app's manifest, as the version has it.
    pub manifest: Arc<Manifest>,
    /// The run.
    pub run: RunId,
}

/// What the step acts with.
#[derive(Debug, Clone)]
pub struct Usable {
    /// For the egress crate alone.
    pub credential: Credential,
    /// The connection's public facts: settings and kept fields.
    pub facts: Value,
    /// Which version of the secrets it is: handed back if the app refuses it.
    pub token_version: i64,
    /// The external account's name.
    pub account: String,
}

impl Connections {
    /// The credential for a step, refreshed if it ran out.
    ///
    /// # Errors
    /// See [`UseError`].
    pub async fn credential(&self, u: &Use) -> Result<Usable, UseError> {
        let reader = self.reader(&u.workspace);
        let row = self.permitted(&reader, u).await?;
        let row = if row.expires_at.is_some_and(|end| end <= now()) {
            self.refreshed(u, row, false).await?
        } else {
            row
        };
        self.touch(u, &row);
        self.usable(&reader, u, row).await
    }

    /// Notes the use, once an hour at most and without keeping the step waiting.
    fn touch(&self, u: &Use, row: &ConnectionRow) {
        let at = now();
        if row.last_used_at.is_some_and(|last| at.since(last) < TOUCH) {
            return;
        }
        let op = Op::TouchConnection {
            workspace: u.workspace.clone(),
            connection: row.id.clone(),
            at,
        };
        let this = self.clone();
        tokio::spawn(async move { this.commit(vec![op], Vec::new()).await });
    }

    /// The app refused the credential (401): one forced refresh, or what somebody else has refreshed meanwhile. If the fresh one is refused
    /// too, the connection is marked revoked.
    ///
    /// # Errors
    /// See [`UseError`].
    pub async fn refused(&self, u: &Use, token_version: i64) -> Result<Usable, UseError> {
        let reader = self.reader(&u.workspace);
        let row = self.permitted(&reader, u).await?;
        let row = if row.token_version > token_version {
            row
        } else if row.scheme.is_typed() {
            // Never a second time: some apps lock an account after a few wrong passwords.
            return Err(self.revoked(u, row, "credential_refused").await?);
        } else if is_fresh(row.refreshing.as_ref(), now()) {
            return Err(self.revoked(u, row, "refused_when_fresh").await?);
        } else {
            self.refreshed(u, row, true).await?
        };
        self.usable(&reader, u, row).await
    }

    /// The connection's row, if this step may act through it and it is alive.
    pub(crate) async fn permitted(
        &self,
        reader: &Reader,
        u: &Use,
    ) -> Result<ConnectionRow, UseError> {
        // First of all: of somebody who left nothing else is left to look at, and they are not asked for it again.
        if let Some(person) = &u.person
            && !self.is_active(reader, person).await?
        {
            return Err(UseError::Unavailable(person_left()));
        }
        let Some(row) = reader.connection(&u.connection).await? else {
            return Err(UseError::SignIn(AskReason::Missing));
        };
        let theirs = match (row.kind, u.rule) {
            (ConnectionKind::Shared, Rule::Shared) => true,
            (ConnectionKind::Personal, Rule::Invoker | Rule::Approver | Rule::BuildTime) => {
                u.person.as_ref() == Some(&row.owner)
            }
            // Asked again here: the workspace may have decided otherwise since it was bound.
            (ConnectionKind::Shared, Rule::Owner) => match &u.person {
                Some(person) => acts_with_parent(reader, &row, person).await?,
                None => false,
            },
            (ConnectionKind::Shared, _)
            | (ConnectionKind::Personal, Rule::Shared | Rule::Owner) => false,
        };
        let here = row.only_run.as_ref().is_none_or(|run| *run == u.run);
        if !theirs || !here || row.app != u.manifest.app {
            self.not_theirs(u, &row).await;
            return Err(UseError::NotTheirs);
        }
        if let Some(parent) = &row.parent
            && reader.connection(parent).await?.is_none()
        {
            return Err(UseError::Unavailable(
                StepError::new(
                    ErrorKind::Rejected,
                    "the connection that this account was made under was deleted",
                )
                .with_code("parent_deleted")
                .with_help("publish the flow with another parent connection"),
            ));
        }
        match dead(row.state) {
            Some(reason) => Err(UseError::SignIn(reason)),
            None => Ok(row),
        }
    }

    async fn usable(
        &self,
        reader: &Reader,
        u: &Use,
        row: ConnectionRow,
    ) -> Result<Usable, UseError> {
        if row.scheme.is_typed() {
            return self.usable_typed(reader, u, row).await;
        }
        let (row, token) = match self.secret(reader, row, ACCESS).await {
            Ok(found) => found,
            Err(SecretError::Read(error)) => return Err(error.into()),
            Err(SecretError::Integrity) => return Err(UseError::Unavailable(broken_seal())),
        };
        if let Some(reason) = dead(row.state) {
            return Err(UseError::SignIn(reason));
        }
        let Some(token) = token else {
            return Err(UseError::SignIn(AskReason::Expired));
        };
        // Only such apps have keys, and nobody else's step pays for looking.
        let key = if u.manifest.discovers() {
            match self.proof_key(reader, &row).await {
                Ok(key) => key,
                Err(SecretError::Read(error)) => return Err(error.into()),
                Err(SecretError::Integrity) => return Err(UseError::Unavailable(broken_seal())),
            }
        } else {
            None
        };
        let facts = facts(&row)?;
        let hosts = u.manifest.hosts(&facts).map_err(UseError::Unavailable)?;
        Ok(Usable {
            credential: Credential::new(scheme(token, key, &self.inner.nonces), hosts),
            facts,
            token_version: row.token_version,
            account: row.account,
        })
    }

    /// The same for a credential that somebody typed.
    async fn usable_typed(
        &self,
        reader: &Reader,
        u: &Use,
        row: ConnectionRow,
    ) -> Result<Usable, UseError> {
        let (row, scheme) = match self.typed_credential(reader, row, &u.manifest).await {
            Ok(found) => found,
            Err(TypedError::NotOffered(error)) => return Err(UseError::Unavailable(error)),
            Err(TypedError::Secret(SecretError::Read(error))) => return Err(error.into()),
            Err(TypedError::Secret(SecretError::Integrity)) => {
                return Err(UseError::Unavailable(broken_seal()));
            }
        };
        if let Some(reason) = dead(row.state) {
            return Err(UseError::SignIn(reason));
        }
        let Some(scheme) = scheme else {
            return Err(UseError::SignIn(AskReason::Expired));
        };
        let facts = facts(&row)?;
        let hosts = u.manifest.hosts(&facts).map_err(UseError::Unavailable)?;
        Ok(Usable {
            credential: Credential::new(scheme, hosts),
            facts,
            token_version: row.token_version,
            account: row.account,
        })
    }

    async fn not_theirs(&self, u: &Use, row: &ConnectionRow) {
        let mut draft = Who::engine().draft(
            &u.workspace,
            now(),
            "connection.refused",
            ("connection", row.id.as_str()),
            "refused",
        );
        draft.connection = Some(row.id.clone());
        draft.rule = Some(u.rule);
        draft.run = Some(u.run.clone());
        draft.reason = Some("not_theirs".to_owned());
        if let Err(error) = self.commit(Vec::new(), vec![draft]).await {
            tracing::error!("refused use of a connection cannot be audited: {error}");
        }
    }
}

/// What a step fails with that would act for somebody who was switched off.
pub fn person_left() -> StepError {
    StepError::new(
        ErrorKind::Rejected,
        "the person that this step acts for was switched off",
    )
    .with_code(PERSON_DISABLED)
    .with_help("somebody else runs the flow anew, as themselves")
}

pub(crate) fn facts(row: &ConnectionRow) -> Result<Value, UseError> {
    serde_json::from_str(&row.facts).map_err(|_| {
        UseError::Unavailable(StepError::new(
            ErrorKind::Internal,
            format!("facts of connection {} cannot be read", row.id),
        ))
    })
}

pub(crate) fn broken_seal() -> StepError {
    StepError::new(
        ErrorKind::Internal,
        "the stored credential is not the one that was sealed there",
    )
    .with_code("vault_integrity")
    .with_help("sign in again; whoever runs this server should look who changed the database")
}
