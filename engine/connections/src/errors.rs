//! What can go wrong, with a stable code each. No message holds a secret, a parameter of a request or a provider's body.

use actas_core::StepError;
use actas_core::run::AskReason;
use actas_store::{CommitError, ReadError};

use crate::guard::{GuardError, Guarded};

/// Why this crate refuses to start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no key.
    #[error("vault key is missing: {0}")]
    KeyMissing(String),
    /// It is not a key.
    #[error("vault key is not usable: {0}")]
    KeyBad(String),
    /// It is another key than the one the store was written with.
    #[error(
        "vault key is another one than this store was written with (store: {store}, given: {given}): give the old key back"
    )]
    KeyWrong {
        /// The id of the store's key.
        store: String,
        /// The id of the given one.
        given: String,
    },
    /// The public address cannot serve as one.
    #[error("public address cannot be used: {0}")]
    PublicUrl(String),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why keys of the vault cannot be made or rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// This process has another operator's key than the store asks for by now.
    #[error("the vault's key was rotated: restart this server with the new one")]
    OtherMaster,
    /// Nothing would change.
    #[error("the new key is the one that counts already: give another one")]
    SameKey,
    /// The new key cannot be used.
    #[error(transparent)]
    Key(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why something could not be looked up or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionsError {
    /// There is no such connection, or it is not theirs: from outside the two look alike.
    #[error("there is no such connection")]
    NotFound,
    /// Another shared connection has the name.
    #[error("there is a shared connection `{0}` already: choose another name")]
    Taken(String),
    /// The workspace does not take this account.
    #[error(transparent)]
    Guarded(Guarded),
    /// The parent that its owner acts with has to be signed in to again.
    #[error("parent connection of slot `{0}` has to be signed in to again by its owner")]
    ParentDead(String),
    /// The connection cannot fill the slot.
    #[error("this connection cannot be used there: {0}")]
    NotChosen(&'static str),
    /// The flow's parent connection was deleted.
    #[error("parent connection of slot `{0}` was deleted: publish the flow with another one")]
    ParentGone(String),
    /// The app client is gone or incomplete.
    #[error("app client cannot be used: {0}")]
    Client(String),
    /// A sealed secret is not what was sealed there.
    #[error("stored secret of {0} is not the one that was sealed there")]
    Integrity(String),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl ConnectionsError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Taken(_) => "name_taken",
            Self::Guarded(why) => why.code(),
            Self::ParentDead(_) => "parent_needs_sign_in",
            Self::NotChosen(_) => "connection_not_usable",
            Self::ParentGone(_) => "parent_deleted",
            Self::Client(_) => "app_client_unusable",
            Self::Integrity(_) => "vault_integrity",
            Self::Read(_) | Self::Commit(_) => "store_unavailable",
        }
    }
}

/// Why a connection cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// Its person has to sign in (again).
    #[error("sign-in needed: {}", .0.as_str())]
    SignIn(AskReason),
    /// It is not the slot's person's; never used.
    #[error("connection does not belong to the person this step acts for")]
    NotTheirs,
    /// It may work later, or needs an operator: what the step fails with.
    #[error("{0}")]
    Unavailable(StepError),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why a sign-in's page cannot be shown or answered.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no such sign-in.
    #[error("there is no such sign-in")]
    NotFound,
    /// It asks somebody else. The page says nothing about it.
    #[error("this sign-in is meant for somebody else")]
    NotYours,
    /// It was answered.
    #[error("this sign-in is done already")]
    Done,
    /// Its run ended, or its time is over.
    #[error("this sign-in is over: its run has ended or its time is up")]
    Over,
    /// The connection cannot be taken for it.
    #[error("this connection cannot be used here: sign in instead")]
    NotUsable,
    /// The workspace does not take this account.
    #[error(transparent)]
    Guarded(Guarded),
    /// The name is taken.
    #[error("{0} is taken already: choose another name")]
    Taken(String),
    /// The app or its client is not set up for it.
    #[error("app cannot be signed in to: {0}")]
    Misconfigured(String),
    /// The provider or the way to it is down.
    #[error("the app does not answer: try again later")]
    Unavailable,
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl SignInError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "sign_in_not_found",
            Self::NotYours => "sign_in_not_yours",
            Self::Done => "sign_in_done",
            Self::Over => "sign_in_over",
            Self::NotUsable => "connection_not_usable",
            Self::Guarded(why) => why.code(),
            Self::Taken(_) => "name_taken",
            Self::Misconfigured(_) => "app_client_unusable",
            Self::Unavailable => "provider_unavailable",
            Self::Read(_) | Self::Commit(_) => "store_unavailable",
        }
    }
}

/// Why a provider's answer in the browser led to nothing. The sentence is for the person who sees it and repeats no parameter.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// Nobody is logged in here.
    #[error("log in first, then start again from the link you were sent")]
    NoSession,
    /// A parameter is missing, came twice, or contradicts another.
    #[error("the app's answer is not complete: start again")]
    Malformed,
    /// No such attempt, or of another app client.
    #[error("this answer belongs to no sign-in that was started here: start again")]
    UnknownState,
    /// It was used.
    #[error("this answer was used already: the sign-in is done or has to be started again")]
    Used,
    /// Ten minutes are over.
    #[error("this took too long: start again")]
    Expired,
    /// Somebody else began it.
    #[error("this sign-in was started by somebody else")]
    WrongPerson,
    /// The same person began it in another browser.
    #[error("this sign-in was started in another browser: go on there, or start again here")]
    WrongSession,
    /// RFC 9207: it comes from another provider.
    #[error("this answer comes from another provider than the one that was asked: start again")]
    WrongIssuer,
    /// The person said no at the provider.
    #[error("the app was not allowed in: the run stays paused, and nothing was done")]
    Denied,
    /// The provider said no to us.
    #[error("the app refused the sign-in: start again, or ask whoever set the app up")]
    Refused,
    /// The provider or the way to it is down.
    #[error("the app does not answer: try again later")]
    Unavailable,
    /// Another account than the one this connection is for.
    #[error(
        "you signed in as another account than the one this connection is for: sign out at the app and start again"
    )]
    OtherAccount,
    /// The workspace does not take this account.
    #[error(transparent)]
    Guarded(Guarded),
    /// The person left something out at the provider.
    #[error(
        "the app was not given all that this flow needs: start again and leave everything ticked"
    )]
    MissingScopes,
    /// The run ended, or its pause's time is over.
    #[error("the run that asked has ended: nothing was stored")]
    Over,
    /// The app client was changed or removed meanwhile.
    #[error("the app's settings were changed meanwhile: start again")]
    ClientChanged,
    /// The store.
    #[error("the server cannot store it just now: try again")]
    Read(#[from] ReadError),
    /// The store.
    #[error("the server cannot store it just now: try again")]
    Commit(#[from] CommitError),
}

impl CallbackError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::Malformed => "callback_malformed",
            Self::UnknownState => "state_unknown",
            Self::Used => "state_used",
            Self::Expired => "state_expired",
            Self::WrongPerson => "wrong_person",
            Self::WrongSession => "wrong_browser",
            Self::WrongIssuer => "wrong_issuer",
            Self::Denied => "denied",
            Self::Refused => "provider_refused",
            Self::Unavailable => "provider_unavailable",
            Self::OtherAccount => "other_account",
            Self::Guarded(why) => why.code(),
            Self::MissingScopes => "scopes_missing",
            Self::Over => "sign_in_over",
            Self::ClientChanged => "app_client_changed",
            Self::Read(_) | Self::Commit(_) => "store_unavailable",
        }
    }
}

/// Why what was typed is not stored. No message holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// The app does not offer this kind of sign-in, or the workspace does not allow it here.
    #[error("this kind of sign-in cannot be used here")]
    NotOffered,
    /// What was typed does not have the form that the app asks for.
    #[error("{}", .0.join("; "))]
    Fields(Vec<String>),
    /// The app refused it. It was tried once.
    #[error(
        "the app did not accept this: nothing was stored; look at what you typed before you try again, because some apps lock an account after a few wrong tries"
    )]
    Refused,
    /// The app or the way to it is down.
    #[error("the app does not answer: nothing was stored; try again later")]
    Unavailable,
    /// It is good, but of another account.
    #[error(
        "this belongs to another account than the one this connection is for: nothing was changed"
    )]
    OtherAccount,
    /// There is nothing to give it for.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The store.
    #[error("the server cannot store it just now: try again")]
    Read(#[from] ReadError),
    /// The store.
    #[error("the server cannot store it just now: try again")]
    Commit(#[from] CommitError),
}

impl GiveError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOffered => "kind_not_offered",
            Self::Fields(_) => "fields_invalid",
            Self::Refused => "credential_refused",
            Self::Unavailable => "app_unavailable",
            Self::OtherAccount => "other_account",
            Self::SignIn(error) => error.code(),
            Self::Read(_) | Self::Commit(_) => "store_unavailable",
        }
    }
}

impl From<SettleError> for GiveError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Gone => Self::SignIn(SignInError::NotFound),
            SettleError::OtherAccount => Self::OtherAccount,
            SettleError::Guarded(why) => Self::SignIn(SignInError::Guarded(why)),
            // Scopes are of OAuth alone.
            SettleError::MissingScopes => Self::NotOffered,
            SettleError::WrongPerson => Self::SignIn(SignInError::NotYours),
            SettleError::Done => Self::SignIn(SignInError::Done),
            SettleError::Over => Self::SignIn(SignInError::Over),
            SettleError::Read(error) => error.into(),
            SettleError::Commit(error) => error.into(),
        }
    }
}

impl From<crate::connections::SetupError> for GiveError {
    fn from(error: crate::connections::SetupError) -> Self {
        Self::SignIn(error.into())
    }
}

/// Why what was given is not stored, whatever kind of sign-in it came by.
#[derive(Debug)]
pub(crate) enum SettleError {
    /// The connection that was to be renewed is not there any more.
    Gone,
    /// It is another account than the one that was to be renewed.
    OtherAccount,
    /// The workspace does not take this account.
    Guarded(Guarded),
    /// Less was given than the flow needs.
    MissingScopes,
    /// The person may not act any more.
    WrongPerson,
    /// The sign-in was answered meanwhile.
    Done,
    /// Its run has ended, or its time is over.
    Over,
    Read(ReadError),
    Commit(CommitError),
}

impl From<GuardError> for SettleError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Guarded(why) => Self::Guarded(why),
            GuardError::Read(error) => Self::Read(error),
            GuardError::Commit(error) => Self::Commit(error),
        }
    }
}

impl From<GuardError> for SignInError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Guarded(why) => Self::Guarded(why),
            GuardError::Read(error) => Self::Read(error),
            GuardError::Commit(error) => Self::Commit(error),
        }
    }
}

impl From<GuardError> for ConnectionsError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Guarded(why) => Self::Guarded(why),
            GuardError::Read(error) => Self::Read(error),
            GuardError::Commit(error) => Self::Commit(error),
        }
    }
}

impl From<ReadError> for SettleError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<CommitError> for SettleError {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}
