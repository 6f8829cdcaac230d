//! What a redeemed code becomes: whose account it is, which connection that makes or renews, and one commit with all that follows from it.

use actas_core::app::Account;
use actas_core::audit::Draft;
use actas_core::run::{ConnectionKind, Rule};
use actas_egress::{CallLimits, Credential};
use actas_store::{CommitError, ConnectionRow, ConnectionState, Op, Reader};
use serde_json::Value;

use crate::ask::{Fits, dead, enough};
use crate::callback::{Trip, connection_id};
use crate::connections::{Connections, now, settings};
use crate::errors::CallbackError;
use crate::page::{Finished, has_ended};
use crate::pending::{ConnectKind, connection_draft};
use crate::provider::Provider;
use crate::refresh::ends;
use crate::secrets::{ACCESS, REFRESH};
use crate::token::{Tokens, scheme};
use crate::wake::Answer;
use crate::who::Who;

/// What the provider gave, with whose account it is.
struct Given<'a> {
    tokens: &'a Tokens,
    facts: String,
    account: Account,
    scopes: Vec<String>,
}

impl Connections {
    /// Stores what came of a trip, or nothing at all.
    pub(crate) async fn settle_trip(
        &self,
        reader: &Reader,
        trip: &Trip,
        tokens: &Tokens,
        who: &Who,
    ) -> Result<Finished, CallbackError> {
        let facts = self.facts_of(trip, tokens)?;
        let account = self.account_of(trip, tokens, &facts).await?;
        if let Some(renew) = &trip.renew
            && renew.subject != account.subject
        {
            self.mismatch(reader, trip, renew, &account, who).await?;
            return Err(CallbackError::OtherAccount);
        }
        let given = Given {
            scopes: tokens
                .scopes
                .clone()
                .unwrap_or_else(|| trip.sealed.scopes.clone()),
            facts: facts.to_string(),
            account,
            tokens,
        };
        if let Some(asked) = &trip.asked
            && !enough(asked.surface.scopes.iter(), &given.scopes)
        {
            return Err(CallbackError::MissingScopes);
        }
        for _ in 0..6 {
            self.still_asked(reader, trip).await?;
            match self.try_settle(reader, trip, &given, who).await {
                // Some run ended, or a row changed, between looking and writing: look again.
                Err(CallbackError::Commit(CommitError::Conflict { .. })) => {}
                other => return other,
            }
        }
        Err(CallbackError::Commit(CommitError::Busy))
    }

    async fn try_settle(
        &self,
        reader: &Reader,
        trip: &Trip,
        given: &Given<'_>,
        who: &Who,
    ) -> Result<Finished, CallbackError> {
        let workspace = reader.workspace();
        let old = self.existing(reader, trip, given).await?;
        let row = self.row(trip, given, old.as_ref());
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
        ops.extend(self.put_secrets(workspace, &row, given.tokens, None));
        let answer = Answer {
            connection: &row,
            asked: trip.asked.as_ref(),
            at: now(),
        };
        if row.kind == ConnectionKind::Personal {
            ops.extend(self.answered(reader, &answer).await?);
        }
        let audit = self.records(reader, trip, &row, old.is_some(), who).await?;
        self.commit(ops, audit).await?;
        self.inner.flights.forget(&row.id);
        Ok(Finished {
            run: trip.asked.as_ref().and_then(|asked| asked.row.run.clone()),
            sign_in: trip.asked.as_ref().map(|asked| asked.row.id.clone()),
            connection: row.id,
            account: row.account,
            app: trip.manifest.title.clone(),
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

    async fn account_of(
        &self,
        trip: &Trip,
        tokens: &Tokens,
        facts: &Value,
    ) -> Result<Account, CallbackError> {
        let manifest = &trip.manifest;
        let wrong = |error: actas_core::StepError| {
            tracing::warn!(client = %trip.client.id, "account cannot be looked up: {} ({})",
                error.kind.as_str(), error.code.as_deref().unwrap_or("no code"));
            if error.kind.is_transient() {
                CallbackError::Unavailable
            } else {
                CallbackError::Refused
            }
        };
        let Some(call) = manifest.account_call(facts).map_err(wrong)? else {
            // An app that cannot say: then each connection is an account of its own.
            return Ok(trip.renew.as_ref().map_or_else(
                || Account {
                    subject: connection_id().to_string(),
                    name: format!("an account at {}", manifest.title),
                },
                |renew| Account {
                    subject: renew.subject.clone(),
                    name: renew.account.clone(),
                },
            ));
        };
        let hosts = manifest.hosts(facts).map_err(wrong)?;
        let scheme = scheme(
            tokens.access.clone(),
            tokens.key.clone(),
            &self.inner.nonces,
        );
        let credential = Credential::new(scheme, hosts);
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
        trip: &Trip,
        given: &Given<'_>,
    ) -> Result<Option<ConnectionRow>, CallbackError> {
        if let Some(renew) = &trip.renew {
            return match reader.connection(&renew.id).await? {
                Some(row) if row.subject == given.account.subject => Ok(Some(row)),
                _ if trip.asked.is_some() => Ok(None),
                _ => Err(CallbackError::UnknownState),
            };
        }
        if trip
            .asked
            .as_ref()
            .is_some_and(crate::page::Asked::this_run_only)
        {
            return Ok(None);
        }
        let fits = match (&trip.asked, &trip.target) {
            (Some(asked), _) => asked.fits(),
            (None, Some(target)) => match &target.kind {
                ConnectKind::Personal {
                    parent: Some(parent),
                    ..
                } => {
                    return self
                        .same_account(reader, trip, given, |row| {
                            row.parent.as_ref() == Some(parent)
                        })
                        .await;
                }
                ConnectKind::Personal {
                    parent: None,
                    made_for: Some((flow, slot)),
                } => Fits {
                    person: &trip.attempt.user,
                    client: &trip.client.id,
                    parent: None,
                    flow,
                    slot,
                },
                _ => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        self.same_account(reader, trip, given, |row| fits.takes(row))
            .await
    }

    async fn same_account(
        &self,
        reader: &Reader,
        trip: &Trip,
        given: &Given<'_>,
        takes: impl Fn(&ConnectionRow) -> bool,
    ) -> Result<Option<ConnectionRow>, CallbackError> {
        let own = reader
            .personal_connections(Some(&trip.attempt.user))
            .await?;
        Ok(own.into_iter().find(|row| {
            row.client == trip.client.id
                && row.subject == given.account.subject
                && row.only_run.is_none()
                && takes(row)
                && (dead(row.state).is_some() || enough(row.scopes.iter(), &given.scopes))
        }))
    }

    fn row(&self, trip: &Trip, given: &Given<'_>, old: Option<&ConnectionRow>) -> ConnectionRow {
        let at = now();
        let (kind, name, parent, made_for, only_run) = match (&trip.asked, &trip.target) {
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
                ConnectKind::Personal { parent, made_for } => (
                    ConnectionKind::Personal,
                    None,
                    parent.clone(),
                    made_for.clone().filter(|_| parent.is_none()),
                    None,
                ),
            },
            (None, None) => (ConnectionKind::Personal, None, None, None, None),
        };
        let expires_at = given.tokens.expires_in.map(|life| ends(at, life));
        match old {
            Some(old) => ConnectionRow {
                account: given.account.name.clone(),
                scopes: given.scopes.clone(),
                facts: given.facts.clone(),
                state: ConnectionState::Connected,
                token_version: old.token_version + 1,
                expires_at,
                refreshing: None,
                ..old.clone()
            },
            None => ConnectionRow {
                id: connection_id(),
                kind,
                owner: trip.attempt.user.clone(),
                name,
                app: trip.client.app.clone(),
                client: trip.client.id.clone(),
                parent,
                made_for,
                subject: given.account.subject.clone(),
                account: given.account.name.clone(),
                scopes: given.scopes.clone(),
                facts: given.facts.clone(),
                state: ConnectionState::Connected,
                token_version: 1,
                expires_at,
                refreshing: None,
                only_run,
                created_at: at,
                last_used_at: None,
            },
        }
    }

    /// The run may have ended, or the sign-in been answered, while the provider was asked: then nothing is stored.
    /// So is it if the person was switched off.
    async fn still_asked(&self, reader: &Reader, trip: &Trip) -> Result<(), CallbackError> {
        if !self.is_active(reader, &trip.attempt.user).await? {
            return Err(CallbackError::WrongPerson);
        }
        let Some(asked) = &trip.asked else {
            return Ok(());
        };
        use actas_store::SignInState::{Closed, Declined, Done, Open};
        match reader.sign_in(&asked.row.id).await?.map(|row| row.state) {
            Some(Open | Declined) => {}
            Some(Done) => return Err(CallbackError::Used),
            Some(Closed) | None => return Err(CallbackError::Over),
        }
        if asked.row.until <= now() || has_ended(reader, &asked.row).await? {
            return Err(CallbackError::Over);
        }
        Ok(())
    }

    async fn records(
        &self,
        reader: &Reader,
        trip: &Trip,
        row: &ConnectionRow,
        renewed: bool,
        who: &Who,
    ) -> Result<Vec<Draft>, CallbackError> {
        let action = if renewed {
            "connection.reconnected"
        } else {
            "connection.created"
        };
        let mut records = vec![connection_draft(who, reader.workspace(), row, action, "ok")];
        if let Some(asked) = &trip.asked {
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
        trip: &Trip,
        renew: &ConnectionRow,
        account: &Account,
        who: &Who,
    ) -> Result<(), CallbackError> {
        let mut draft = connection_draft(
            who,
            reader.workspace(),
            renew,
            "identity_mismatch",
            "refused",
        );
        // The account that came, not the one that should have: that one is the connection's own.
        draft.account = Some(account.name.clone());
        draft.run = trip.asked.as_ref().and_then(|asked| asked.row.run.clone());
        draft.rule = trip.asked.as_ref().map_or(
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
            Ok(facts) => self.account_of(trip, tokens, &facts).await.ok(),
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
