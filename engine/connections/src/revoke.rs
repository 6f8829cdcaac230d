//! Taking tokens back at their provider (RFC 7009). What is let go of here is written down, sealed, in the same commit, so that a provider that
//! is away is told later, also after a crash. Must never use such a token for anything else.

use std::time::Duration;

use actas_core::audit::Draft;
use actas_core::ids::{RevocationId, WorkspaceId};
use actas_core::{Secret, Time};
use actas_store::{CommitError, ConnectionRow, Op, ReadError, Reader, RevocationRow, system};

use crate::ask::dead;
use crate::connections::{Connections, now};
use crate::errors::ConnectionsError;
use crate::secrets::{ACCESS, REFRESH, SecretError, WORKSPACE};
use crate::vault::Place;
use crate::who::Who;

/// Whose account the tokens are of; sealed beside them, because it names a person.
const SUBJECT: &str = "subject";

/// So long a provider is tried.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first try is made at once, by whoever let the tokens go; nobody else makes it before this is over.
const FIRST: Duration = Duration::from_secs(120);

/// The longest between two tries.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// What became of tokens at their provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtProvider {
    /// They are taken back.
    Revoked,
    /// Another living connection has the account there, and might go with it.
    InUseElsewhere,
    /// The provider does not answer: it is told later.
    Later,
    /// It cannot be told, or was not in a week.
    NotRevoked,
    /// There was nothing to take back.
    Nothing,
}

impl AtProvider {
    /// The word in answers and in the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked_at_provider",
            Self::InUseElsewhere => "account_in_use_elsewhere",
            Self::Later => "revoked_later",
            Self::NotRevoked => "not_revoked_at_provider",
            Self::Nothing => "nothing_to_revoke",
        }
    }
}

/// The secrets of a connection that is let go of.
#[derive(Default)]
pub(crate) struct Tokens {
    fields: Vec<(&'static str, Secret<String>)>,
}

/// What is to be told, from letting go of it to the first try.
pub(crate) struct LetGo {
    /// None: there is nothing to tell.
    pub(crate) row: Option<RevocationRow>,
    /// Goes into the commit that lets go of the connection.
    pub(crate) ops: Vec<Op>,
}

impl Connections {
    /// What a provider is to be told once the connection is let go of. Tokens that cannot be opened cannot be taken back; they are erased all
    /// the same.
    pub(crate) async fn let_go(
        &self,
        reader: &Reader,
        row: &ConnectionRow,
    ) -> Result<LetGo, ReadError> {
        let mut tokens = Vec::new();
        for field in [REFRESH, ACCESS] {
            match self.secret(reader, row.clone(), field).await {
                Ok((_, Some(secret))) => tokens.push((field, secret)),
                Ok((_, None)) | Err(crate::secrets::SecretError::Integrity) => {}
                Err(crate::secrets::SecretError::Read(error)) => return Err(error),
            }
        }
        if tokens.is_empty() {
            return Ok(LetGo {
                row: None,
                ops: Vec::new(),
            });
        }
        let workspace = reader.workspace();
        let at = now();
        let revocation = RevocationRow {
            id: RevocationId::from_bits(system::new_bits()),
            connection: row.id.clone(),
            app: row.app.clone(),
            client: row.client.clone(),
            tries: 0,
            next_at: at.after(FIRST),
            until: at.after(PATIENCE),
            created_at: at,
        };
        tokens.push((SUBJECT, Secret::new(row.subject.clone())));
        let mut ops = vec![Op::AddRevocation {
            workspace: workspace.clone(),
            revocation: revocation.clone(),
        }];
        for (field, secret) in &tokens {
            ops.push(Op::PutSecret {
                workspace: workspace.clone(),
                secret: self.inner.vault.seal(
                    &place(workspace, &revocation.id, field),
                    secret.reveal().as_bytes(),
                ),
            });
        }
        Ok(LetGo {
            row: Some(revocation),
            ops,
        })
    }

    /// The first try, right after the commit. What cannot be done now is done by [`Self::take_back`].
    pub(crate) async fn tell_provider(
        &self,
        reader: &Reader,
        let_go: Option<&RevocationRow>,
        who: &Who,
    ) -> AtProvider {
        let Some(row) = let_go else {
            return AtProvider::Nothing;
        };
        let came = self.revoke(reader, row).await;
        self.note_revocation(reader, row, came, who).await;
        came
    }

    /// Tells providers what they could not be told before: whatever is due by then. Any number of processes may do it at once.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn take_back(
        &self,
        workspace: &WorkspaceId,
        now: Time,
    ) -> Result<u32, ConnectionsError> {
        let reader = self.reader(workspace);
        let mut tried = 0;
        for row in reader.due_revocations(now).await? {
            let mine = self
                .commit(
                    vec![Op::TryRevocation {
                        workspace: workspace.clone(),
                        revocation: row.id.clone(),
                        tries: row.tries,
                        next_at: now.after(pause(row.tries)),
                    }],
                    Vec::new(),
                )
                .await;
            match mine {
                Ok(()) => {}
                // Somebody else tries it.
                Err(CommitError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            tried += 1;
            let came = match self.revoke(&reader, &row).await {
                AtProvider::Later if row.until <= now => AtProvider::NotRevoked,
                came => came,
            };
            // That it is still away was said the first time.
            if came != AtProvider::Later || row.tries == 0 {
                self.note_revocation(&reader, &row, came, &Who::engine())
                    .await;
            }
        }
        Ok(tried)
    }

    async fn revoke(&self, reader: &Reader, row: &RevocationRow) -> AtProvider {
        let Ok(tokens) = self.tokens_of(reader, row).await else {
            return AtProvider::Later;
        };
        let Some(subject) = tokens.subject() else {
            return AtProvider::NotRevoked;
        };
        let Ok(others) = reader.connections_of_subject(&row.client, subject).await else {
            return AtProvider::Later;
        };
        // Also if it is the same connection, which was signed in again meanwhile.
        if others.iter().any(|other| dead(other.state).is_none()) {
            return AtProvider::InUseElsewhere;
        }
        let client = match reader.client(&row.client).await {
            Ok(Some(client)) => client,
            Ok(None) => return AtProvider::NotRevoked,
            Err(_) => return AtProvider::Later,
        };
        let Some(manifest) = self.installed(&row.app) else {
            return AtProvider::NotRevoked;
        };
        let Ok(provider) = self.provider(reader, &client, &manifest).await else {
            return AtProvider::Later;
        };
        if provider.endpoints.revoke.is_none() {
            return AtProvider::NotRevoked;
        }
        let mut all = true;
        for (field, token) in tokens.tokens() {
            all &= provider.revoke(token, field).await;
        }
        if all {
            AtProvider::Revoked
        } else {
            AtProvider::Later
        }
    }

    async fn tokens_of(&self, reader: &Reader, row: &RevocationRow) -> Result<Tokens, ReadError> {
        let mut found = Tokens::default();
        for field in [REFRESH, ACCESS, SUBJECT] {
            if let Some(sealed) = reader.secret(row.id.as_str(), field).await? {
                let place = place(reader.workspace(), &row.id, field);
                match self.unseal(&place, &[], &sealed).await {
                    Ok(secret) => found.fields.push((field, secret)),
                    Err(SecretError::Read(error)) => return Err(error),
                    Err(SecretError::Integrity) => {
                        tracing::error!(revocation = %row.id, field, "stored secret is not the one that was sealed there");
                    }
                }
            }
        }
        Ok(found)
    }

    /// Says what came of it, and forgets the tokens unless there is to be another try.
    async fn note_revocation(
        &self,
        reader: &Reader,
        row: &RevocationRow,
        came: AtProvider,
        who: &Who,
    ) {
        let outcome = match came {
            AtProvider::Revoked | AtProvider::InUseElsewhere | AtProvider::Nothing => "ok",
            AtProvider::Later | AtProvider::NotRevoked => "failed",
        };
        let mut draft: Draft = who.draft(
            reader.workspace(),
            now(),
            "connection.revocation",
            ("connection", row.connection.as_str()),
            outcome,
        );
        draft.connection = Some(row.connection.clone());
        draft.reason = Some(came.as_str().to_owned());
        let ops = if came == AtProvider::Later {
            Vec::new()
        } else {
            vec![Op::EndRevocation {
                workspace: reader.workspace().clone(),
                revocation: row.id.clone(),
            }]
        };
        if let Err(error) = self.commit(ops, vec![draft]).await {
            tracing::warn!("revocation cannot be audited, and is tried once more: {error}");
        }
    }
}

impl Tokens {
    fn subject(&self) -> Option<&str> {
        let subject = self.fields.iter().find(|(field, _)| *field == SUBJECT)?;
        Some(subject.1.reveal())
    }

    fn tokens(&self) -> impl Iterator<Item = &(&'static str, Secret<String>)> {
        self.fields.iter().filter(|(field, _)| *field != SUBJECT)
    }
}

/// A minute, then four times as long each time.
fn pause(tries: u32) -> Duration {
    Duration::from_secs(60 * 4_u64.saturating_pow(tries.min(8))).min(LONGEST)
}

fn place<'a>(workspace: &'a WorkspaceId, id: &'a RevocationId, field: &'a str) -> Place<'a> {
    Place {
        workspace,
        owner: WORKSPACE,
        of: id.as_str(),
        field,
        version: 0,
    }
}
