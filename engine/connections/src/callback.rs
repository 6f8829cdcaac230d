//! The trip to the provider ends: its answer, as a browser brings it. Everything that can be known about who brings it is checked before the
//! code is redeemed; the attempt is used up before that too, so that one answer counts once, however often it comes.

use actas_core::ids::ClientId;
use actas_core::{Secret, StepError};
use actas_store::{
    AttemptRow, CommitError, ConnectionRow, Op, Reader, SessionRow, SignInState, system,
};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

use actas_core::app::Manifest;
use actas_store::ClientRow;

use crate::connections::{Connections, SetupError, now};
use crate::dpop::ProofKey;
use crate::errors::{CallbackError, SettleError, SignInError};
use crate::page::{Asked, Finished, must_be_same};
use crate::pending::{ConnectTarget, Sealed, attempt_place, connection_draft, state_hash};
use crate::secrets::SecretError;
use crate::settle::Wanted;
use crate::token::TokenFault;
use crate::who::Who;

/// What the browser brought.
struct Params {
    state: String,
    code: Option<Secret<String>>,
    error: Option<String>,
    issuer: Option<String>,
}

/// An attempt that was found to be in order, with all that its code is redeemed by.
pub(crate) struct Trip {
    pub(crate) attempt: AttemptRow,
    pub(crate) asked: Option<Asked>,
    pub(crate) target: Option<ConnectTarget>,
    /// The connection that the same account must renew.
    pub(crate) renew: Option<ConnectionRow>,
    pub(crate) client: ClientRow,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) sealed: Sealed,
}

impl Trip {
    /// What the trip is for.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            user: &self.attempt.user,
            asked: self.asked.as_ref(),
            target: self.target.as_ref(),
            renew: self.renew.as_ref(),
            client: &self.client,
            manifest: &self.manifest,
        }
    }
}

impl From<SettleError> for CallbackError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Gone => Self::UnknownState,
            SettleError::OtherAccount => Self::OtherAccount,
            SettleError::Guarded(why) => Self::Guarded(why),
            SettleError::MissingScopes => Self::MissingScopes,
            SettleError::WrongPerson => Self::WrongPerson,
            SettleError::Done => Self::Used,
            SettleError::Over => Self::Over,
            SettleError::Read(error) => error.into(),
            SettleError::Commit(error) => error.into(),
        }
    }
}

impl From<SetupError> for CallbackError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Wrong(why) => {
                tracing::warn!("sign-in cannot be finished: {why}");
                Self::ClientChanged
            }
            SetupError::Away => Self::Unavailable,
            SetupError::Read(error) => error.into(),
        }
    }
}

impl Params {
    /// RFC 6749, 3.1: no parameter comes twice, one without a value counts as absent. An answer holds a code or an error, not both.
    fn read(query: &[(String, String)]) -> Result<Self, CallbackError> {
        for (at, (name, value)) in query.iter().enumerate() {
            if value.len() > 4096 || query[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(CallbackError::Malformed);
            }
        }
        let one = |name: &str| {
            query
                .iter()
                .find(|(n, value)| n == name && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let (code, error) = (one("code").map(Secret::new), one("error"));
        if code.is_some() == error.is_some() {
            return Err(CallbackError::Malformed);
        }
        Ok(Self {
            state: one("state").ok_or(CallbackError::Malformed)?,
            code,
            error,
            issuer: one("iss"),
        })
    }
}

impl Connections {
    /// The provider's answer, as the browser brings it to `/oauth/callback/{client}`. Who brings it is checked before the code is redeemed.
    /// What comes of it is stored in one commit: connection, secrets, grant, the sign-ins it answers and a word to each run that waits.
    ///
    /// # Errors
    /// See [`CallbackError`].
    pub async fn callback(
        &self,
        client: &ClientId,
        query: &[(String, String)],
        session: Option<&SessionRow>,
        who: &Who,
    ) -> Result<Finished, CallbackError> {
        let session = session.ok_or(CallbackError::NoSession)?.clone();
        let params = Params::read(query)?;
        let (this, client, who) = (self.clone(), client.clone(), who.clone());
        // A browser that goes away must not leave a redeemed code half stored.
        tokio::spawn(async move { this.arrive(&client, params, &session, &who).await })
            .await
            .unwrap_or(Err(CallbackError::Unavailable))
    }

    async fn arrive(
        &self,
        client: &ClientId,
        params: Params,
        session: &SessionRow,
        who: &Who,
    ) -> Result<Finished, CallbackError> {
        let reader = self.reader(&session.workspace);
        let hash = state_hash(&params.state);
        let attempt = reader
            .attempt(&hash)
            .await?
            .filter(|attempt| attempt.client == *client)
            .ok_or(CallbackError::UnknownState)?;
        self.same_person_and_browser(&reader, &attempt, session, who)
            .await?;
        if attempt.used_at.is_some() {
            return Err(CallbackError::Used);
        }
        if attempt.expires_at <= now() {
            return Err(CallbackError::Expired);
        }
        let trip = self.trip(&reader, attempt, who).await?;
        let provider = self.provider(&reader, &trip.client, &trip.manifest).await?;
        if provider.endpoints.token != trip.sealed.token {
            return Err(CallbackError::ClientChanged);
        }
        // RFC 9207: compared as plain text, and missing is wrong where the manifest or the provider says that it comes. What was said when
        // the attempt was made counts too.
        let expected = provider.endpoints.issuer.as_ref();
        let must = provider.endpoints.issuer_always || trip.sealed.issuer.is_some();
        let wrong = match &params.issuer {
            None => must,
            Some(came) => {
                let pinned = trip.sealed.issuer.as_ref();
                expected.is_some_and(|e| e != came) || pinned.is_some_and(|p| p != came)
            }
        };
        if wrong {
            self.refuse(&reader, &trip.attempt, who, "wrong_issuer")
                .await?;
            return Err(CallbackError::WrongIssuer);
        }

        self.use_up(&reader, &hash).await?;
        let Some(code) = &params.code else {
            return Err(self
                .said_no(&reader, &trip, params.error.as_deref(), who)
                .await?);
        };
        let verifier = Secret::new(trip.sealed.verifier.clone());
        let key = trip.sealed.key.clone().map(Secret::new);
        let key = key.and_then(ProofKey::read).map(Arc::new);
        let tokens = match provider.redeem(code, &verifier, key.as_ref()).await {
            Ok(tokens) => tokens,
            Err(fault) => {
                let error = match &fault {
                    TokenFault::Away { .. } => CallbackError::Unavailable,
                    TokenFault::Dead | TokenFault::Client | TokenFault::Broken(_) => {
                        let StepError { message, .. } = fault.step_error(&trip.manifest.title);
                        tracing::warn!(client = %trip.client.id, "code was not redeemed: {message}");
                        CallbackError::Refused
                    }
                };
                self.failed(&reader, &trip.attempt, who, error.code())
                    .await?;
                return Err(error);
            }
        };
        let stored = self.settle_trip(&reader, &trip, &tokens, who).await;
        if let Err(error) = &stored {
            if !matches!(error, CallbackError::Commit(CommitError::Unknown)) {
                self.discard(&reader, &provider, &trip, &tokens).await;
            }
            if !matches!(
                error,
                CallbackError::OtherAccount
                    | CallbackError::Guarded(_)
                    | CallbackError::Read(_)
                    | CallbackError::Commit(_)
            ) {
                self.failed(&reader, &trip.attempt, who, error.code())
                    .await?;
            }
        }
        stored
    }

    /// Session, attempt and sign-in must name one person, and the browser must be the one that began.
    async fn same_person_and_browser(
        &self,
        reader: &Reader,
        attempt: &AttemptRow,
        session: &SessionRow,
        who: &Who,
    ) -> Result<(), CallbackError> {
        if attempt.user != session.user || !self.is_active(reader, &session.user).await? {
            self.refuse(reader, attempt, who, "wrong_person").await?;
            return Err(CallbackError::WrongPerson);
        }
        let same: bool = attempt
            .session_hash
            .as_bytes()
            .ct_eq(session.hash.as_bytes())
            .into();
        if !same {
            self.refuse(reader, attempt, who, "wrong_browser").await?;
            return Err(CallbackError::WrongSession);
        }
        Ok(())
    }

    /// Gathers what the attempt is about, as it stands now.
    async fn trip(
        &self,
        reader: &Reader,
        attempt: AttemptRow,
        who: &Who,
    ) -> Result<Trip, CallbackError> {
        let asked = match &attempt.sign_in {
            None => None,
            Some(id) => {
                let row = match self.theirs(reader, id, &attempt.user, who).await {
                    Ok(row) => row,
                    Err(error) => return Err(over(error)),
                };
                Some(self.asked(reader, row).await.map_err(over)?)
            }
        };
        let target: Option<ConnectTarget> = match &attempt.target {
            None => None,
            Some(text) => {
                Some(serde_json::from_str(text).map_err(|_| CallbackError::UnknownState)?)
            }
        };
        let renew = match (&asked, &attempt.reconnect) {
            (Some(asked), _) => match &asked.row.connection {
                Some(id) if must_be_same(&asked.row) => reader.connection(id).await?,
                _ => None,
            },
            (None, Some(id)) => Some(
                reader
                    .connection(id)
                    .await?
                    .ok_or(CallbackError::UnknownState)?,
            ),
            (None, None) => None,
        };
        let manifest = match (&asked, &target, &renew) {
            (Some(asked), _, _) => Some(asked.manifest.clone()),
            (None, Some(target), _) => self.installed(&target.app),
            (None, None, Some(renew)) => self.installed(&renew.app),
            (None, None, None) => return Err(CallbackError::UnknownState),
        };
        let client = reader.client(&attempt.client).await?;
        let (Some(manifest), Some(client)) = (manifest, client) else {
            return Err(CallbackError::ClientChanged);
        };
        let place = attempt_place(reader.workspace(), &attempt.user, &attempt.state_hash);
        let plain = match self.unseal_bytes(&place, &attempt.sealed).await {
            Ok(plain) => plain,
            Err(SecretError::Read(error)) => return Err(error.into()),
            Err(SecretError::Integrity) => return Err(CallbackError::UnknownState),
        };
        let sealed =
            serde_json::from_slice(plain.reveal()).map_err(|_| CallbackError::UnknownState)?;
        Ok(Trip {
            attempt,
            asked,
            target,
            renew,
            client,
            manifest,
            sealed,
        })
    }

    /// Uses the attempt up: of any number of answers with one state, one gets past here.
    async fn use_up(&self, reader: &Reader, hash: &str) -> Result<(), CallbackError> {
        let used = self
            .commit(
                vec![Op::UseAttempt {
                    workspace: reader.workspace().clone(),
                    state_hash: hash.to_owned(),
                    now: now(),
                }],
                Vec::new(),
            )
            .await;
        match used {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict { .. }) => {
                let used = reader.attempt(hash).await?;
                Err(if used.is_some_and(|attempt| attempt.used_at.is_some()) {
                    CallbackError::Used
                } else {
                    CallbackError::Expired
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The provider brought an error in place of a code. `access_denied` is the person's own no.
    async fn said_no(
        &self,
        reader: &Reader,
        trip: &Trip,
        error: Option<&str>,
        who: &Who,
    ) -> Result<CallbackError, CallbackError> {
        if error != Some("access_denied") {
            self.failed(reader, &trip.attempt, who, "provider_refused")
                .await?;
            return Ok(match error {
                Some("temporarily_unavailable" | "server_error") => CallbackError::Unavailable,
                _ => CallbackError::Refused,
            });
        }
        if let Some(asked) = &trip.asked
            && asked.row.state == SignInState::Open
        {
            let mut draft = self
                .sign_in_draft(reader, who, &asked.row, "sign_in.declined", "refused")
                .await?;
            draft.reason = Some("access_denied".to_owned());
            match self
                .commit(self.declined(reader, &asked.row), vec![draft])
                .await
            {
                // Somebody was faster, or the run is over: the no has nothing left to stop.
                Ok(()) | Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(CallbackError::Denied)
    }

    async fn refuse(
        &self,
        reader: &Reader,
        attempt: &AttemptRow,
        who: &Who,
        reason: &str,
    ) -> Result<(), CallbackError> {
        self.note(reader, attempt, who, ("sign_in.refused", "refused"), reason)
            .await
    }

    async fn failed(
        &self,
        reader: &Reader,
        attempt: &AttemptRow,
        who: &Who,
        reason: &str,
    ) -> Result<(), CallbackError> {
        self.note(reader, attempt, who, ("sign_in.failed", "failed"), reason)
            .await
    }

    /// A record about an attempt that led to nothing.
    pub(crate) async fn note(
        &self,
        reader: &Reader,
        attempt: &AttemptRow,
        who: &Who,
        (action, outcome): (&str, &str),
        reason: &str,
    ) -> Result<(), CallbackError> {
        let sign_in = match &attempt.sign_in {
            Some(id) => reader.sign_in(id).await?,
            None => None,
        };
        let reconnect = match &attempt.reconnect {
            Some(id) => reader.connection(id).await?,
            None => None,
        };
        let mut draft = match (&sign_in, &reconnect) {
            (Some(row), _) => {
                self.sign_in_draft(reader, who, row, action, outcome)
                    .await?
            }
            (None, Some(row)) => connection_draft(who, reader.workspace(), row, action, outcome),
            (None, None) => who.draft(
                reader.workspace(),
                now(),
                action,
                ("app_client", attempt.client.as_str()),
                outcome,
            ),
        };
        draft.reason = Some(reason.to_owned());
        self.commit(Vec::new(), vec![draft]).await?;
        Ok(())
    }
}

/// What a sign-in that cannot be answered means at the callback.
fn over(error: SignInError) -> CallbackError {
    match error {
        SignInError::Guarded(why) => CallbackError::Guarded(why),
        SignInError::NotYours | SignInError::NotFound => CallbackError::WrongPerson,
        SignInError::Done => CallbackError::Used,
        SignInError::Over | SignInError::NotUsable | SignInError::Taken(_) => CallbackError::Over,
        SignInError::Misconfigured(why) => {
            tracing::warn!("sign-in cannot be finished: {why}");
            CallbackError::ClientChanged
        }
        SignInError::Unavailable => CallbackError::Unavailable,
        SignInError::Read(error) => error.into(),
        SignInError::Commit(error) => error.into(),
    }
}

/// A fresh id for a connection.
pub(crate) fn connection_id() -> actas_core::ids::ConnectionId {
    actas_core::ids::ConnectionId::from_bits(system::new_bits())
}
