//! One attempt of one step: from its input to an outcome. Knows nothing of journals; it may be dropped at any await.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actas_connections::{Connections, Usable, Use, UseError};
use actas_core::app::{Call, Effect, Manifest, Module, Natives, Performance, Progress, RecordRef};
use actas_core::run::{AskReason, Bound, Instance, callbacks};
use actas_core::{ErrorKind, Secret, StepError, Time};
use actas_egress::{CallLimits, Egress};
use futures::FutureExt;
use serde_json::Value;

/// The longest an attempt takes when its step says nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A step's output may not be larger, in bytes of its JSON.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Everything an attempt needs, so that it owns itself.
#[derive(Debug)]
pub struct Attempt {
    /// The step.
    pub at: Instance,
    /// From 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Time,
    /// The app.
    pub manifest: Arc<Manifest>,
    /// The module.
    pub module: Arc<Module>,
    /// Its input, evaluated.
    pub input: Value,
    /// The key that all attempts of this step share.
    pub key: String,
    /// What happens when it is interrupted.
    pub effect: Effect,
    /// The longest it may take.
    pub timeout: Option<Duration>,
    /// The connection, with what proves that this run may use it.
    pub through: Option<(Bound, Use)>,
    /// The words for callbacks in the input, with the addresses that stand there when it goes out.
    pub callbacks: Vec<(String, Secret<String>)>,
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Outcome {
    /// The step.
    pub at: Instance,
    /// From 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Time,
    /// As which account, if it went through one.
    pub bound: Option<Bound>,
    /// Its output and what it touched, or why not.
    pub result: Result<(Value, Option<RecordRef>), Failure>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub struct Failure {
    /// For the step.
    pub error: StepError,
    /// What became of the account, if it has to sign in again.
    pub sign_in: Option<AskReason>,
    /// The app has done nothing yet: only the account's credential was not to be had, and may be later.
    pub not_begun: bool,
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self {
            error,
            sign_in: None,
            not_begun: false,
        }
    }
}

impl From<UseError> for Failure {
    fn from(error: UseError) -> Self {
        match error {
            UseError::SignIn(reason) => Self {
                error: StepError::new(
                    ErrorKind::SignInNeeded,
                    format!("the account has to sign in again ({})", reason.as_str()),
                ),
                sign_in: Some(reason),
                not_begun: false,
            },
            UseError::NotTheirs => StepError::new(
                ErrorKind::PermissionDenied,
                "the connection belongs to somebody else",
            )
            .with_code("not_theirs")
            .into(),
            UseError::Unavailable(error) => Self {
                not_begun: error.kind.is_transient() && error.after_ms.is_some(),
                ..error.into()
            },
            other => StepError::new(
                ErrorKind::Unavailable,
                format!("the connection cannot be read: {other}"),
            )
            .into(),
        }
    }
}

/// What attempts share.
#[derive(Debug, Clone)]
pub struct Hands {
    /// Where credentials come from.
    pub connections: Connections,
    /// Where requests go out.
    pub egress: Egress,
    /// Modules that are code.
    pub natives: Natives,
}

impl Hands {
    /// Performs an attempt to its end, or to its timeout.
    pub async fn perform(&self, attempt: Attempt) -> Outcome {
        let limit = attempt.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let (at, number, started_at) = (attempt.at, attempt.attempt, attempt.started_at);
        let bound = attempt.through.as_ref().map(|(bound, _)| bound.clone());
        let effect = attempt.effect;
        let callbacks = attempt.callbacks.clone();
        // A panic in a module is that step's failure: without an outcome the run would be claimed and panic for ever.
        let conversation = AssertUnwindSafe(self.converse(attempt, limit)).catch_unwind();
        let result = match tokio::time::timeout(limit, conversation).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(broke_down().into()),
            Err(_) if effect == Effect::AtMostOnce => {
                Err(unknown_outcome("it did not answer in time").into())
            }
            Err(_) => Err(StepError::new(
                ErrorKind::Timeout,
                format!("no answer within {} s", limit.as_secs_f64()),
            )
            .into()),
        };
        let result = put_back(result, &callbacks);
        Outcome {
            at,
            attempt: number,
            started_at,
            bound,
            result,
        }
    }

    async fn converse(
        &self,
        attempt: Attempt,
        limit: Duration,
    ) -> Result<(Value, Option<RecordRef>), Failure> {
        let Attempt {
            manifest,
            module,
            mut input,
            key,
            effect,
            through,
            callbacks,
            ..
        } = attempt;
        let addresses: Vec<(&str, &str)> = callbacks
            .iter()
            .map(|(word, address)| (word.as_str(), address.reveal().as_str()))
            .collect();
        callbacks::replace(&mut input, &addresses);
        let mut usable = match &through {
            Some((_, permit)) => Some(self.connections.credential(permit).await?),
            None => None,
        };
        let facts = usable
            .as_ref()
            .map_or(Value::Null, |usable| usable.facts.clone());
        let (mut performance, mut progress) =
            Performance::start(&manifest, &module, &self.natives, input, facts, &key)?;
        let mut answered = false;
        loop {
            let call = match progress {
                Progress::Done { output, record } => return Ok((output, record)),
                Progress::Call(call) => call,
            };
            let next = self
                .exchange(
                    &mut performance,
                    &call,
                    &mut usable,
                    through.as_ref().map(|(_, permit)| permit),
                    effect,
                    limit,
                )
                .await;
            // A token that is refused at the first call can be waited for; after that the app may have done something.
            progress = next.map_err(|failure| Failure {
                not_begun: failure.not_begun && !answered,
                ..failure
            })?;
            answered = true;
        }
    }

    /// Sends one call and hands the answer to the interpreter. A credential that the app refuses is renewed once and the call sent again: the app
    /// did nothing with the first, so this is right for every effect class. A refusal of the fresh one ends in a sign-in.
    async fn exchange(
        &self,
        performance: &mut Performance,
        call: &Call,
        usable: &mut Option<Usable>,
        permit: Option<&Use>,
        effect: Effect,
        limit: Duration,
    ) -> Result<Progress, Failure> {
        let limits = CallLimits {
            timeout: limit,
            max_body: MAX_BODY,
        };
        loop {
            let credential = usable.as_ref().map(|usable| &usable.credential);
            let response = match self.egress.send(call, credential, &limits).await {
                Ok(response) => response,
                Err(error) if effect == Effect::AtMostOnce && error.answer_lost() => {
                    return Err(unknown_outcome(&error.to_string()).into());
                }
                Err(error) => return Err(error.step_error().into()),
            };
            match (performance.next(&response), permit, usable.as_ref()) {
                (Ok(progress), _, _) => return Ok(progress),
                (Err(error), Some(permit), Some(used)) if error.kind == ErrorKind::SignInNeeded => {
                    // The second refusal of a fresh token comes back from here as a sign-in, so this loop is bounded.
                    *usable = Some(self.connections.refused(permit, used.token_version).await?);
                }
                (Err(error), _, _) => return Err(error.into()),
            }
        }
    }
}

/// An app that gives back what it was given gives back the word, never the address.
fn put_back(
    result: Result<(Value, Option<RecordRef>), Failure>,
    callbacks: &[(String, Secret<String>)],
) -> Result<(Value, Option<RecordRef>), Failure> {
    if callbacks.is_empty() {
        return result;
    }
    // Also where an app cuts the address up: whoever has the token alone can call back.
    let token = |address: &str| address.rsplit_once('=').map(|(_, token)| token.to_owned());
    let tokens: Vec<Option<Secret<String>>> = callbacks
        .iter()
        .map(|(_, address)| token(address.reveal()).map(Secret::new))
        .collect();
    let whole = callbacks
        .iter()
        .map(|(word, address)| (address.reveal().as_str(), word.as_str()));
    let cut = tokens
        .iter()
        .flatten()
        .map(|token| (token.reveal().as_str(), "***"));
    let pairs: Vec<(&str, &str)> = whole.chain(cut).collect();
    match result {
        Ok((mut output, mut record)) => {
            callbacks::replace(&mut output, &pairs);
            if let Some(record) = &mut record {
                callbacks::replace_text(&mut record.id, &pairs);
            }
            Ok((output, record))
        }
        Err(mut failure) => {
            callbacks::replace_text(&mut failure.error.message, &pairs);
            let error = &mut failure.error;
            for text in error.help.iter_mut().chain(&mut error.code) {
                callbacks::replace_text(text, &pairs);
            }
            Err(failure)
        }
    }
}

/// Begins a pure step, which is all there is to it. As in an attempt a panic is that step's failure, or the run would be claimed and panic for
/// ever.
pub fn compute(
    manifest: &Arc<Manifest>,
    module: &Arc<Module>,
    natives: &Natives,
    input: Value,
) -> Result<(Performance, Progress), StepError> {
    let start = || Performance::start(manifest, module, natives, input, Value::Null, "");
    std::panic::catch_unwind(AssertUnwindSafe(start)).unwrap_or_else(|_panic| Err(broke_down()))
}

/// The error of a step whose module panicked.
fn broke_down() -> StepError {
    StepError::new(
        ErrorKind::Internal,
        "the module broke down; this is a fault in it",
    )
    .with_code("panic")
}

/// The error of an `at_most_once` step whose answer was lost: nobody knows, so nobody repeats it.
fn unknown_outcome(why: &str) -> StepError {
    StepError::new(
        ErrorKind::Internal,
        format!("it may or may not have happened: {why}"),
    )
    .with_code("interrupted")
    .with_help("look in the app whether it happened; it is never repeated by itself")
}
