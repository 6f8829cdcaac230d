//! What somebody gave becomes a connection, whatever kind of sign-in it came by: whose account it is, which connection that makes or renews,
//! and one commit with all that follows from it.

use actas_core::app::{Account, Manifest};
use actas_core::audit::Draft;
use actas_core::ids::UserId;
use actas_core::run::{ConnectionKind, Rule, Scheme};
use actas_core::{Secret, Time};
use actas_egress::{self as egress, CallLimits, Credential};
use actas_store::{ClientRow, CommitError, ConnectionRow, ConnectionState, Op, Reader};
use serde_json::Value;

use crate::ask::{Fits, dead, enough};
use crate::callback::{Trip, connection_id};
use crate::connections::{Connections, now, settings};
use crate::errors::{CallbackError, SettleError};
use crate::page::{Asked, Finished, has_ended};
use crate::pending::{ConnectKind, ConnectTarget, connection_draft};
use crate::provider::Provider;
use crate::refresh::ends;
use crate::secrets::{ACCESS, REFRESH};
use crate::token::{Tokens, scheme};
use crate::wake::Answer;
use crate::who::Who;

/// What was given, with whose account it is.
pub(crate) struct Given {
    /// All there is to keep secret, each under the name of its place.
    pub(crate) secrets: Vec<(String, Secret<String>)>,
    pub(crate) scopes: Vec<String>,
    /// The connection's public facts, as JSON.
    pub(crate) facts: String,
    pub(crate) account: Account,
    pub(crate) expires_at: Option<Time>,
    pub(crate) scheme: Scheme,
}

/// What it was given for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Who gave it.
    pub(crate) user: &'a UserId,
    /// The sign-in that it answers.
    pub(crate) asked: Option<&'a Asked>,
    /// The connection to be made, if nothing asked for it.
    pub(crate) target: Option<&'a ConnectTarget>,
    /// The connection that the same account must renew.
    pub(crate) renew: Option<&'a ConnectionRow>,
    pub(crate) client: &'a ClientRow,
    pub(crate) manifest: &'a Manifest,
}

impl Connections {
    /// Stores what came of a trip to the provider, or nothing at all.
    pub(crate) async fn settle_trip(
        &self,
        reader: &Reader,
        trip: &Trip,
        tokens: &Tokens,
        who: &Who,
    ) -> Result<Finished, CallbackError> {
        let wanted = trip.wanted();
        let facts = self.facts_of(trip, tokens)?;
        let credential = self.shown(tokens);
        let account = self.account_of(wanted, credential, &facts).await?;
        let given = Given {
            secrets: tokens.secrets(),
            scopes: tokens
                .scopes
                .clone()
                .unwrap_or_else(|| trip.sealed.scopes.clone()),
            facts: facts.to_string(),
            account,
            expires_at: tokens.expires_in.map(|life| ends(now(), life)),
            scheme: Scheme::Oauth2,
        };
        Ok(self.settle_given(reader, wanted, &given, who).await?)
    }

    /// How a fresh access token is shown to its app.
    fn shown(&self, tokens: &Tokens) -> egress::Scheme {
        scheme(
            tokens.access.clone(),
            tokens.key.clone(),
            &self.inner.nonces,
        )
    }

    /// Stores what was given with all that follows from it, or nothing at all.
    pub(crate) async fn settle_given(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        given: &Given,
        who: &Who,
    ) -> Result<Finished, SettleError> {
        if let Some(renew) = wanted.renew
            && renew.subject != given.account.subject
        {
            self.mismatch(reader, wanted, renew, &given.account, who)
                .await?;
            return Err(SettleError::OtherAccount);
        }
        let personal = match (wanted.asked, wanted.target, wanted.renew) {
            (Some(_), ..) => true,
            (None, Some(target), _) => !matches!(target.kind, ConnectKind::Shared { .. }),
            (None, None, renew) => {
                renew.is_some_and(|renew| renew.kind == ConnectionKind::Personal)
            }
        };
        if personal {
            let account = &given.account.name;
            self.guarded(reader, wanted.user, wanted.client, account, who)
                .await?;
        }
        // Only OAuth knows scopes; what else an app lets somebody do, it alone knows.
        if let Some(asked) = wanted.asked
            && !given.scheme.is_typed()
            && !enough(asked.surface.scopes.iter(), &given.scopes)
        {
            return Err(SettleError::MissingScopes);
        }
        for _ in 0..6 {
            self.still_asked(reader, wanted).await?;
            match self.try_settle(reader, wanted, given, who).await {
                // Some run ended, or a row changed, between looking and writing: look again.
                Err(SettleError::Commit(CommitError::Conflict { .. })) => {}
                other => return other,
            }
        }
        Err(SettleError::Commit(CommitError::Busy))
    }

    async fn try_settle(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        given: &Given,
        who: &Who,
    ) -> Result<Finished, SettleError> {
        let workspace = reader.workspace();
        let old = self.existing(reader, wanted, given).await?;
        let row = row(wanted, given, old.as_ref());
        let mut ops = vec![match &old {
            Some(old) => Op::ChangeConnection {
                workspace: workspace.clone(),
                connection: row.clone(),
                expect: old.token_version,
            },
            None => Op::AddConnection {
                workspace: workspace.clone(),
                connection: row.clone(),
            },
        }];
        ops.extend(self.put_secrets(workspace, &row, &given.secrets));
        let answer = Answer {
            connection: &row,
            asked: wanted.asked,
            at: now(),
        };
        if row.kind == ConnectionKind::Personal {
            ops.extend(self.answered(reader, &answer).await?);
        }
        let mut audit = self
            .records(reader, wanted, &row, old.is_some(), who)
            .await?;
        let moved = self.moved(reader, wanted, &row, who).await?;
        let has_moved = !moved.0.is_empty();
        ops.extend(moved.0);
        audit.extend(moved.1);
        self.commit(ops, audit).await?;
        self.inner.flights.forget(&row.id);
        // It is stored: whoever is not told now looks by themselves.
        if has_moved && let Err(error) = self.wake_for(reader, &row).await {
            tracing::warn!(connection = %row.id, "those who wait for it are not told: {error}");
        }
        Ok(Finished {
            run: wanted.asked.and_then(|asked| asked.row.run.clone()),
            sign_in: wanted.asked.map(|asked| asked.row.id.clone()),
            connection: row.id,
            account: row.account,
            app: wanted.manifest.title.clone(),
        })
    }

    /// The client's settings with the fields that are kept from the answer, each within the pattern of its setting.
    fn facts_of(&self, trip: &Trip, tokens: &Tokens) -> Result<Value, CallbackError> {
        let settings = settings(&trip.client);
        let (Ok(Value::Object(mut facts)), Ok(kept)) =
            (settings, trip.manifest.kept_fields(&tokens.rest))
        else {
            tracing::warn!(client = %trip.client.id, "provider sent values that do not fit the app's settings");
            return Err(CallbackError::Refused);
        };
        facts.extend(kept);
        Ok(Value::Object(facts))
    }

    /// Whose account the credential is, as the app says.
    pub(crate) async fn account_of(
        &self,
        wanted: Wanted<'_>,
        credential: egress::Scheme,
        facts: &Value,
    ) -> Result<Account, CallbackError> {
        let manifest = wanted.manifest;
        let wrong = |error: actas_core::StepError| {
            tracing::warn!(client = %wanted.client.id, "account cannot be looked up: {} ({})",
                error.kind.as_str(), error.code.as_deref().unwrap_or("no code"));
            if error.kind.is_transient() {
                CallbackError::Unavailable
            } else {
                CallbackError::Refused
            }
        };
        let Some(call) = manifest.account_call(facts).map_err(wrong)? else {
            return Ok(nameless(wanted));
        };
        let hosts = manifest.hosts(facts).map_err(wrong)?;
        let credential = Credential::new(credential, hosts);
        let response = self
            .inner
            .egress
            .send(&call, Some(&credential), &CallLimits::default())
            .await
            .map_err(|error| wrong(error.step_error()))?;
        manifest.account(facts, &response).map_err(wrong)
    }

    /// The connection that this one takes the place of: the one to be renewed, else one of the same account in the same place, unless it can
    /// do more than was asked for now.
    async fn existing(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        given: &Given,
    ) -> Result<Option<ConnectionRow>, SettleError> {
        if let Some(renew) = wanted.renew {
            return match reader.connection(&renew.id).await? {
                Some(row) if row.subject == given.account.subject => Ok(Some(row)),
                _ if wanted.asked.is_some() => Ok(None),
                _ => Err(SettleError::Gone),
            };
        }
        if wanted.asked.is_some_and(Asked::this_run_only) {
            return Ok(None);
        }
        let fits = match (wanted.asked, wanted.target) {
            (Some(asked), _) => asked.fits(),
            (None, Some(target)) => match &target.kind {
                ConnectKind::Personal {
                    parent: Some(parent),
                    ..
                } => {
                    return self
                        .same_account(reader, wanted, given, |row| {
                            row.parent.as_ref() == Some(parent)
                        })
                        .await;
                }
                ConnectKind::Personal {
                    parent: None,
                    made_for: Some((flow, slot)),
                } => Fits {
                    person: wanted.user,
                    client: &wanted.client.id,
                    parent: None,
                    flow,
                    slot,
                },
                ConnectKind::Another {
                    parent, made_for, ..
                } => {
                    return self
                        .same_account(reader, wanted, given, |row| {
                            row.parent == *parent && row.made_for == *made_for
                        })
                        .await;
                }
                _ => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        self.same_account(reader, wanted, given, |row| fits.takes(row))
            .await
    }

    async fn same_account(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        given: &Given,
        takes: impl Fn(&ConnectionRow) -> bool,
    ) -> Result<Option<ConnectionRow>, SettleError> {
        let own = reader.personal_connections(Some(wanted.user)).await?;
        Ok(own.into_iter().find(|row| {
            row.client == wanted.client.id
                && row.subject == given.account.subject
                && row.only_run.is_none()
                && takes(row)
                && (dead(row.state).is_some() || enough(row.scopes.iter(), &given.scopes))
        }))
    }

    /// The run may have ended, or the sign-in been answered, while the provider was asked: then nothing is stored.
    /// So is it if the person was switched off.
    async fn still_asked(&self, reader: &Reader, wanted: Wanted<'_>) -> Result<(), SettleError> {
        if !self.is_active(reader, wanted.user).await? {
            return Err(SettleError::WrongPerson);
        }
        let Some(asked) = wanted.asked else {
            return Ok(());
        };
        use actas_store::SignInState::{Closed, Declined, Done, Open};
        match reader.sign_in(&asked.row.id).await?.map(|row| row.state) {
            Some(Open | Declined) => {}
            Some(Done) => return Err(SettleError::Done),
            Some(Closed) | None => return Err(SettleError::Over),
        }
        if asked.row.until <= now() || has_ended(reader, &asked.row).await? {
            return Err(SettleError::Over);
        }
        Ok(())
    }

    async fn records(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        row: &ConnectionRow,
        renewed: bool,
        who: &Who,
    ) -> Result<Vec<Draft>, SettleError> {
        let action = if renewed {
            "connection.reconnected"
        } else {
            "connection.created"
        };
        let mut records = vec![connection_draft(who, reader.workspace(), row, action, "ok")];
        if let Some(asked) = wanted.asked {
            let mut done = self
                .sign_in_draft(reader, who, &asked.row, "sign_in.done", "ok")
                .await?;
            done.connection = Some(row.id.clone());
            done.account = Some(row.account.clone());
            records.push(done);
        }
        Ok(records)
    }

    async fn mismatch(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        renew: &ConnectionRow,
        account: &Account,
        who: &Who,
    ) -> Result<(), SettleError> {
        let mut draft = connection_draft(
            who,
            reader.workspace(),
            renew,
            "identity_mismatch",
            "refused",
        );
        // The account that came, not the one that should have: that one is the connection's own.
        draft.account = Some(account.name.clone());
        draft.run = wanted.asked.and_then(|asked| asked.row.run.clone());
        draft.rule = wanted.asked.map_or(
            (renew.kind == ConnectionKind::Shared).then_some(Rule::Shared),
            |asked| Some(asked.row.rule),
        );
        draft.reason = Some("other_account".to_owned());
        self.commit(Vec::new(), vec![draft]).await?;
        Ok(())
    }

    /// Takes back at the provider what was given for nothing, unless that could take a living connection with it.
    pub(crate) async fn discard(
        &self,
        reader: &Reader,
        provider: &Provider<'_>,
        trip: &Trip,
        tokens: &Tokens,
    ) {
        let account = match self.facts_of(trip, tokens) {
            Ok(facts) => {
                let credential = self.shown(tokens);
                self.account_of(trip.wanted(), credential, &facts)
                    .await
                    .ok()
            }
            Err(_) => None,
        };
        let others = match &account {
            Some(account) => {
                reader
                    .connections_of_subject(&trip.client.id, &account.subject)
                    .await
            }
            // Whose it is is not known: any living connection of this person may be the same account.
            None => reader.personal_connections(Some(&trip.attempt.user)).await,
        };
        let alone = others.is_ok_and(|rows| {
            !rows
                .iter()
                .any(|row| row.client == trip.client.id && dead(row.state).is_none())
        });
        if alone {
            if let Some(refresh) = &tokens.refresh {
                provider.revoke(refresh, REFRESH).await;
            }
            provider.revoke(&tokens.access, ACCESS).await;
        }
    }
}

/// An app that cannot say whose account it is: then each connection is an account of its own.
pub(crate) fn nameless(wanted: Wanted<'_>) -> Account {
    wanted.renew.map_or_else(
        || Account {
            subject: connection_id().to_string(),
            name: format!("an account at {}", wanted.manifest.title),
        },
        |renew| Account {
            subject: renew.subject.clone(),
            name: renew.account.clone(),
        },
    )
}

/// The connection as it will stand: a new one, or the old one with what was given now.
fn row(wanted: Wanted<'_>, given: &Given, old: Option<&ConnectionRow>) -> ConnectionRow {
    let at = now();
    let (kind, name, parent, made_for, only_run) = match (wanted.asked, wanted.target) {
        (Some(asked), _) => {
            let here = (asked.row.flow.clone(), asked.row.slot.clone());
            let only = asked.this_run_only();
            (
                ConnectionKind::Personal,
                None,
                asked.row.parent.clone(),
                (only || asked.row.parent.is_none()).then_some(here),
                asked.row.run.clone().filter(|_| only),
            )
        }
        (None, Some(target)) => match &target.kind {
            ConnectKind::Shared { name } => {
                (ConnectionKind::Shared, Some(name.clone()), None, None, None)
            }
            ConnectKind::Personal { parent, made_for }
            | ConnectKind::Another {
                parent, made_for, ..
            } => (
                ConnectionKind::Personal,
                None,
                parent.clone(),
                made_for.clone().filter(|_| parent.is_none()),
                None,
            ),
        },
        (None, None) => (ConnectionKind::Personal, None, None, None, None),
    };
    match old {
        Some(old) => ConnectionRow {
            account: given.account.name.clone(),
            scopes: given.scopes.clone(),
            facts: given.facts.clone(),
            scheme: given.scheme,
            state: ConnectionState::Connected,
            token_version: old.token_version + 1,
            expires_at: given.expires_at,
            refreshing: None,
            ..old.clone()
        },
        None => ConnectionRow {
            id: connection_id(),
            kind,
            owner: wanted.user.clone(),
            name,
            app: wanted.client.app.clone(),
            client: wanted.client.id.clone(),
            parent,
            made_for,
            subject: given.account.subject.clone(),
            account: given.account.name.clone(),
            scopes: given.scopes.clone(),
            facts: given.facts.clone(),
            scheme: given.scheme,
            state: ConnectionState::Connected,
            token_version: 1,
            expires_at: given.expires_at,
            refreshing: None,
            only_run,
            created_at: at,
            last_used_at: None,
        },
    }
}
