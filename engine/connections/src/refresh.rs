//! Renewing an access token: once, whoever else wants it too. In this process by turns, between processes by a lease on the connection's row,
//! and in the end by its token version, which alone decides whose result counts. No transaction is open while the provider is asked, and
//! what it gives is stored before anybody uses it.

use std::time::Duration;

use actas_core::ids::WorkspaceId;
use actas_core::run::AskReason;
use actas_core::{ErrorKind, Secret, StepError, Time};
use actas_store::{CommitError, ConnectionRow, ConnectionState, Op, Reader};
use serde_json::Value;
use tokio::time::Instant;

use crate::ask::dead;
use crate::client_grant::asks_again;
use crate::connections::{Connections, SetupError, now};
use crate::errors::UseError;
use crate::flights::{failures, forced as forced_mark, is_forced, wait_after, waiting};
use crate::secrets::{REFRESH, SecretError};
use crate::token::{TokenFault, Tokens};
use crate::usage::{Use, broken_seal};
use crate::who::Who;

/// A token is renewed so long before its end, so that it does not end on the way; a short-lived one after three quarters of its life.
const SKEW: Duration = Duration::from_secs(30);

/// When a token that lives so long is to be renewed.
pub(crate) fn ends(at: Time, life: Duration) -> Time {
    at.after(life - SKEW.min(life / 4))
}

/// A lease outlives the longest exchange, so that nobody else asks while one is under way.
const LEASE: Duration = Duration::from_secs(60);

/// So long somebody else's refresh is waited for.
const PATIENCE: Duration = Duration::from_secs(75);

/// What was found before the provider is asked.
enum Turn {
    /// Somebody else did it.
    Done(ConnectionRow),
    /// It is ours to do.
    Ours {
        row: ConnectionRow,
        /// None where there is only to be asked again.
        refresh: Option<Secret<String>>,
        /// An earlier holder of the lease died with it: perhaps with the only valid refresh token.
        abandoned: bool,
        /// How often in a row it failed before.
        failures: u32,
    },
}

impl Connections {
    /// The connection with a newer token than `row` has. It runs to its end even if the step that asked does not: a token that was given
    /// out and not stored would be lost.
    pub(crate) async fn refreshed(
        &self,
        u: &Use,
        row: ConnectionRow,
        forced: bool,
    ) -> Result<ConnectionRow, UseError> {
        let (this, u) = (self.clone(), u.clone());
        tokio::spawn(async move { this.take_turn(&u, row, forced).await })
            .await
            .unwrap_or_else(|_| {
                Err(UseError::Unavailable(StepError::new(
                    ErrorKind::Unavailable,
                    "renewing the sign-in was interrupted",
                )))
            })
    }

    async fn take_turn(
        &self,
        u: &Use,
        row: ConnectionRow,
        forced: bool,
    ) -> Result<ConnectionRow, UseError> {
        let turn = self.inner.flights.turn(&row.id);
        let _held = turn.lock().await;
        let reader = self.reader(&u.workspace);
        let seen = row.token_version;
        let (row, refresh, abandoned, failures) = match self.lease(&reader, u, row, forced).await? {
            Turn::Done(row) => return Ok(row),
            Turn::Ours {
                row,
                refresh,
                abandoned,
                failures,
            } => (row, refresh, abandoned, failures),
        };
        let asked = self.ask_provider(&reader, u, &row, refresh.as_ref()).await;
        if matches!(asked, Ok(_) | Err(Ask::Fault(TokenFault::Dead))) {
            self.inner.flights.answers(&row.client);
        }
        let outcome = match asked {
            Ok(tokens) => {
                self.keep(&reader, u, &row, &tokens, refresh.as_ref(), forced)
                    .await
            }
            Err(Ask::Fault(TokenFault::Dead)) => {
                // An answer that did not arrive, or could not be read, may have held the only valid one too.
                let lost = (abandoned || failures > 0) && refresh.is_some();
                let reason = if lost {
                    "refresh_lost"
                } else {
                    "refresh_refused"
                };
                self.give_up(&reader, u, &row, forced, reason).await
            }
            Err(Ask::Fault(fault)) => {
                let error = self.down(u, &row, &fault, failures).await;
                return Err(error);
            }
            Err(Ask::Setup(why)) => Err(UseError::Unavailable(
                StepError::new(ErrorKind::Unavailable, why).with_code("app_client_unusable"),
            )),
            Err(Ask::Store(error)) => Err(error),
        };
        if outcome.is_err() {
            self.release(&u.workspace, &row).await;
        }
        match outcome {
            Ok(row) if row.token_version == seen => Err(UseError::SignIn(AskReason::Expired)),
            other => other,
        }
    }

    /// Waits until the lease is ours or somebody else has done it.
    async fn lease(
        &self,
        reader: &Reader,
        u: &Use,
        row: ConnectionRow,
        forced: bool,
    ) -> Result<Turn, UseError> {
        let seen = row.token_version;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(row) = reader.connection(&row.id).await? else {
                return Err(UseError::SignIn(AskReason::Missing));
            };
            if let Some(reason) = dead(row.state) {
                return Err(UseError::SignIn(reason));
            }
            if row.token_version != seen {
                return Ok(Turn::Done(row));
            }
            let away = |wait: Duration| {
                let fault = TokenFault::Away { after: Some(wait) };
                UseError::Unavailable(fault.step_error(&u.manifest.title))
            };
            let at = self.inner.store.now().await?;
            let (abandoned, failures) = match &row.refreshing {
                None => (false, 0),
                Some((by, until)) => match failures(by) {
                    Some(_) if *until > at => return Err(away(until.since(at))),
                    Some(times) => (false, times),
                    None => (*until <= at && !is_forced(by), 0),
                },
            };
            if let Some(wait) = self.inner.flights.closed(&row.client, now()) {
                return Err(away(wait));
            }
            let (row, refresh) = match self.secret(reader, row, REFRESH).await {
                Ok(found) => found,
                Err(SecretError::Read(error)) => return Err(error.into()),
                Err(SecretError::Integrity) => return Err(UseError::Unavailable(broken_seal())),
            };
            if row.token_version != seen {
                return Ok(Turn::Done(row));
            }
            if refresh.is_none() && !asks_again(&row) {
                return self
                    .give_up(reader, u, &row, forced, "no_refresh_token")
                    .await
                    .map(Turn::Done);
            }
            let mut ops = vec![Op::LeaseRefresh {
                workspace: u.workspace.clone(),
                connection: row.id.clone(),
                worker: self.inner.config.worker.clone(),
                until: at.after(LEASE),
                now: at,
                expect: seen,
            }];
            // A mark is in nobody's way.
            if let Some((by, _)) = row.refreshing.as_ref().filter(|(by, _)| is_forced(by)) {
                let mark = Op::ReleaseRefresh {
                    workspace: u.workspace.clone(),
                    connection: row.id.clone(),
                    worker: by.clone(),
                };
                ops.insert(0, mark);
            }
            let leased = self.commit(ops, Vec::new()).await;
            match leased {
                Ok(()) => {
                    return Ok(Turn::Ours {
                        row,
                        refresh,
                        abandoned,
                        failures,
                    });
                }
                Err(CommitError::Conflict { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(CommitError::Conflict { .. }) => {
                    // Somebody else is at it, and slow.
                    return Err(away(Duration::from_secs(5)));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn ask_provider(
        &self,
        reader: &Reader,
        u: &Use,
        row: &ConnectionRow,
        refresh: Option<&Secret<String>>,
    ) -> Result<Tokens, Ask> {
        let client = reader
            .client(&row.client)
            .await
            .map_err(|e| Ask::Store(e.into()))?
            .ok_or_else(|| Ask::Setup("the app client of this connection is gone".to_owned()))?;
        let provider = match self.provider(reader, &client, &u.manifest).await {
            Ok(provider) => provider,
            Err(SetupError::Wrong(why)) => return Err(Ask::Setup(why)),
            Err(SetupError::Away) => return Err(Ask::Fault(TokenFault::Away { after: None })),
            Err(SetupError::Read(error)) => return Err(Ask::Store(error.into())),
        };
        let key = if u.manifest.discovers() {
            match self.proof_key(reader, row).await {
                Ok(key) => key,
                Err(SecretError::Read(error)) => return Err(Ask::Store(error.into())),
                Err(SecretError::Integrity) => {
                    return Err(Ask::Store(UseError::Unavailable(broken_seal())));
                }
            }
        } else {
            None
        };
        let asked = match refresh {
            Some(refresh) => provider.refresh(refresh, key.as_ref()).await,
            None => provider.client_credentials(&row.scopes, key.as_ref()).await,
        };
        asked.map_err(Ask::Fault)
    }

    /// Stores what was given, before anybody uses it. The old refresh token goes on counting if there came none.
    async fn keep(
        &self,
        reader: &Reader,
        u: &Use,
        row: &ConnectionRow,
        tokens: &Tokens,
        old: Option<&Secret<String>>,
        forced: bool,
    ) -> Result<ConnectionRow, UseError> {
        let at = now();
        let mut newer = row.clone();
        newer.token_version += 1;
        newer.refreshing = forced.then(|| forced_mark(at));
        newer.expires_at = tokens.expires_in.map(|life| ends(at, life));
        if let Some(scopes) = &tokens.scopes {
            if row.scopes.iter().any(|scope| !scopes.contains(scope)) {
                tracing::info!(connection = %row.id, "provider narrowed the scopes when the sign-in was renewed");
            }
            newer.scopes.clone_from(scopes);
        }
        if let Some(facts) = renewed_facts(u, row, &tokens.rest) {
            newer.facts = facts;
        }
        let mut ops = vec![Op::ChangeConnection {
            workspace: u.workspace.clone(),
            connection: newer.clone(),
            expect: row.token_version,
        }];
        let mut secrets = tokens.secrets();
        if tokens.refresh.is_none()
            && let Some(old) = old
        {
            secrets.push((REFRESH.to_owned(), old.clone()));
        }
        ops.extend(self.put_secrets(&u.workspace, &newer, &secrets));
        let deadline = Instant::now() + LEASE;
        let mut pause = Duration::from_millis(20);
        loop {
            let error = match self.commit(ops.clone(), Vec::new()).await {
                Ok(()) => return Ok(newer),
                Err(error) => error,
            };
            // Conflict: somebody was faster, or an earlier try of this loop was written after all. The row tells.
            if matches!(error, CommitError::Conflict { .. } | CommitError::Unknown)
                && let Ok(found) = reader.connection(&row.id).await
            {
                match found {
                    None => return Err(UseError::SignIn(AskReason::Missing)),
                    Some(found) if found.token_version != row.token_version => {
                        return match dead(found.state) {
                            Some(reason) => Err(UseError::SignIn(reason)),
                            None => Ok(found),
                        };
                    }
                    Some(_) => {}
                }
            }
            if Instant::now() >= deadline {
                tracing::error!(connection = %row.id, "a renewed sign-in could not be stored and is lost");
                return Err(error.into());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// The grant is dead. Unless somebody renewed it meanwhile, the connection is closed until its person signs in.
    async fn give_up(
        &self,
        reader: &Reader,
        u: &Use,
        row: &ConnectionRow,
        forced: bool,
        why: &str,
    ) -> Result<ConnectionRow, UseError> {
        if let Some(found) = reader.connection(&row.id).await?
            && found.token_version != row.token_version
            && dead(found.state).is_none()
        {
            return Ok(found);
        }
        // Refused although its time was not over: the app took it back. Else it ran out.
        let (state, reason) = if forced {
            (ConnectionState::Revoked, AskReason::Revoked)
        } else {
            (ConnectionState::Expired, AskReason::Expired)
        };
        self.close(
            &u.workspace,
            row,
            state,
            "connection.refresh_failed",
            why,
            Some(u),
        )
        .await?;
        Err(UseError::SignIn(reason))
    }

    /// The fresh token was refused too.
    pub(crate) async fn revoked(
        &self,
        u: &Use,
        row: ConnectionRow,
        why: &str,
    ) -> Result<UseError, UseError> {
        self.close(
            &u.workspace,
            &row,
            ConnectionState::Revoked,
            "connection.revoked",
            why,
            Some(u),
        )
        .await?;
        Ok(UseError::SignIn(AskReason::Revoked))
    }

    /// Closes a connection and erases its secrets; if somebody changed it meanwhile, theirs counts.
    async fn close(
        &self,
        workspace: &WorkspaceId,
        row: &ConnectionRow,
        state: ConnectionState,
        action: &str,
        why: &str,
        u: Option<&Use>,
    ) -> Result<(), UseError> {
        let closed = ConnectionRow {
            state,
            token_version: row.token_version + 1,
            refreshing: None,
            expires_at: None,
            ..row.clone()
        };
        let mut draft = Who::engine().draft(
            workspace,
            now(),
            action,
            ("connection", row.id.as_str()),
            "failed",
        );
        draft.connection = Some(row.id.clone());
        draft.account = Some(row.account.clone());
        draft.reason = Some(why.to_owned());
        draft.run = u.map(|u| u.run.clone());
        draft.rule = u.map(|u| u.rule);
        let ops = vec![
            Op::ChangeConnection {
                workspace: workspace.clone(),
                connection: closed,
                expect: row.token_version,
            },
            Op::DropSecrets {
                workspace: workspace.clone(),
                owner: row.id.as_str().to_owned(),
            },
        ];
        match self.commit(ops, vec![draft]).await {
            Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The provider is down or answers nothing usable: the connection stays as it is and is not asked again for a while, by whomever.
    async fn down(
        &self,
        u: &Use,
        row: &ConnectionRow,
        fault: &TokenFault,
        failures: u32,
    ) -> UseError {
        let after = match fault {
            TokenFault::Away { after } => *after,
            TokenFault::Dead | TokenFault::Client | TokenFault::Broken(_) => None,
        };
        self.inner.flights.failed(&row.client, now());
        let wait = wait_after(failures, &row.id, after);
        let mut error = fault.step_error(&u.manifest.title);
        error.after_ms = u64::try_from(wait.as_millis()).ok();
        let mut draft = Who::engine().draft(
            &u.workspace,
            now(),
            "connection.refresh_failed",
            ("connection", row.id.as_str()),
            "failed",
        );
        draft.connection = Some(row.id.clone());
        draft.account = Some(row.account.clone());
        draft.run = Some(u.run.clone());
        draft.reason.clone_from(&error.code);
        // The lease becomes the wait.
        let waits = match self.inner.store.now().await {
            Ok(at) => vec![
                self.release_op(&u.workspace, row),
                Op::LeaseRefresh {
                    workspace: u.workspace.clone(),
                    connection: row.id.clone(),
                    worker: waiting(failures + 1),
                    until: at.after(wait),
                    now: at,
                    expect: row.token_version,
                },
            ],
            Err(_) => Vec::new(),
        };
        let stored = self.commit(waits, vec![draft.clone()]).await;
        // Somebody signed in meanwhile, and there is nothing to wait for.
        let stored = match stored {
            Err(CommitError::Conflict { .. }) => self.commit(Vec::new(), vec![draft]).await,
            other => other,
        };
        if let Err(error) = stored {
            tracing::warn!("failed refresh cannot be recorded: {error}");
        }
        UseError::Unavailable(error)
    }

    async fn release(&self, workspace: &WorkspaceId, row: &ConnectionRow) {
        // A lease that cannot be given back runs out.
        let _ = self
            .commit(vec![self.release_op(workspace, row)], Vec::new())
            .await;
    }

    fn release_op(&self, workspace: &WorkspaceId, row: &ConnectionRow) -> Op {
        Op::ReleaseRefresh {
            workspace: workspace.clone(),
            connection: row.id.clone(),
            worker: self.inner.config.worker.clone(),
        }
    }
}

/// Why the provider could not be asked, or what it said.
enum Ask {
    Fault(TokenFault),
    Setup(String),
    Store(UseError),
}

/// The facts with what the answer renews of them; none if nothing, or if the answer does not fit the manifest: then the old ones stay.
fn renewed_facts(u: &Use, row: &ConnectionRow, answer: &Value) -> Option<String> {
    let kept = match u.manifest.kept_fields(answer) {
        Ok(kept) if kept.is_empty() => return None,
        Ok(kept) => kept,
        Err(_) => {
            tracing::warn!(connection = %row.id, "provider sent values that do not fit the app's settings: the old ones stay");
            return None;
        }
    };
    let Ok(Value::Object(mut facts)) = serde_json::from_str(&row.facts) else {
        return None;
    };
    facts.extend(kept);
    Some(Value::Object(facts).to_string())
}
