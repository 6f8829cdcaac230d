//! Answers: which are errors and of what kind, how long to wait, and how large an output may be. Whether a step is tried again is not
//! decided here.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::encode;
use crate::app::interpret::Response;
use crate::error::{ErrorKind, StepError};
use crate::expr::{Condition, Scope, Template};

/// The largest output of a step, in bytes of JSON.
pub const MOST_BYTES: usize = 10_000_000;
/// The longest an app may ask us to wait, in milliseconds: a day.
const LONGEST_WAIT_MS: u64 = 24 * 3600 * 1000;
/// Characters of an app's own words that are kept.
const MOST_WORDS: usize = 1000;
/// Characters of a name or an id of the app's that are kept.
pub const MOST_NAME: usize = 200;

/// One entry of a manifest's `errors`.
#[derive(Debug)]
pub struct ErrorRule {
    /// The statuses it is for; empty means all.
    pub statuses: Vec<Status>,
    /// What must hold besides; something missing means that it does not.
    pub when: Option<Condition>,
    /// What it makes of the answer.
    pub kind: ErrorKind,
    /// The app's own code.
    pub code: Option<Template>,
    /// The app's own words.
    pub message: Option<Template>,
    /// How long to wait: seconds or an HTTP date.
    pub after: Option<Template>,
}

/// A status or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `404`.
    Exact(u16),
    /// `4xx`.
    Class(u16),
}

impl Status {
    /// Reads `404` or `4xx`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            return class
                .parse()
                .ok()
                .filter(|c| (1..=5).contains(c))
                .map(Self::Class);
        }
        text.parse()
            .ok()
            .filter(|s| (100..=599).contains(s))
            .map(Self::Exact)
    }

    /// True if a status is meant.
    pub fn is(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => status == exact,
            Self::Class(class) => status / 100 == class,
        }
    }

    /// True if good answers are meant too.
    pub fn means_success(self) -> bool {
        match self {
            Self::Exact(exact) => exact / 100 == 2,
            Self::Class(class) => class == 2,
        }
    }
}

/// An answer as expressions see it: `status`, `headers` and `body`.
pub fn as_value(response: &Response) -> Arc<Value> {
    let headers: serde_json::Map<_, _> = response
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    Arc::new(json!({"status": response.status, "headers": headers, "body": response.body}))
}

/// The error that an answer is, if it is one: of the rules the first that matches, else what its status means.
pub fn error(
    rules: &[ErrorRule],
    rights: &[String],
    scope: &Scope,
    response: &Response,
) -> Option<StepError> {
    let rule = rules.iter().find(|rule| {
        (rule.statuses.is_empty() || rule.statuses.iter().any(|s| s.is(response.status)))
            && rule
                .when
                .as_ref()
                .is_none_or(|when| when.evaluate(scope) == Ok(true))
    });
    let mut error = match rule {
        Some(rule) => rule.error(scope, response),
        None => plain(response)?,
    };
    if error.kind == ErrorKind::PermissionDenied && !rights.is_empty() {
        error.help = Some(format!(
            "in the app itself this needs: {}",
            rights.join(", ")
        ));
    }
    Some(error)
}

impl ErrorRule {
    fn error(&self, scope: &Scope, response: &Response) -> StepError {
        let text = |template: &Option<Template>| {
            let value = template.as_ref()?.evaluate(scope).ok()?;
            encode::scalar(&value)
                .map(|t| words(&t))
                .filter(|t| !t.is_empty())
        };
        let message = text(&self.message).unwrap_or_else(|| own_words(response));
        let mut error = StepError::new(self.kind, message);
        error.code = text(&self.code);
        error.after_ms = match &self.after {
            Some(after) => after.evaluate(scope).ok().and_then(|v| wait(&v, response)),
            None => retry_after(self.kind, response),
        };
        error
    }
}

impl Response {
    /// What an answer means that no rule speaks of; nothing if it is a good one.
    pub fn error(&self) -> Option<StepError> {
        plain(self)
    }
}

fn plain(response: &Response) -> Option<StepError> {
    let kind = match response.status {
        200..=299 => return None,
        401 => ErrorKind::SignInNeeded,
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::InvalidInput,
    };
    let mut error = StepError::new(kind, own_words(response));
    error.after_ms = retry_after(kind, response);
    Some(error)
}

/// What the app says about an error, from the fields most apps use; else its status.
fn own_words(response: &Response) -> String {
    const PLACES: [&str; 6] = [
        "/message",
        "/error/message",
        "/error_description",
        "/detail",
        "/title",
        "/error",
    ];
    let found = PLACES
        .iter()
        .find_map(|place| response.body.pointer(place)?.as_str());
    match found.map(words) {
        Some(said) if !said.is_empty() => said,
        _ => format!("the app answered with status {}", response.status),
    }
}

/// A text of the app's, without control characters and of bounded length.
fn words(text: &str) -> String {
    bounded(text, MOST_WORDS)
}

/// A text of the app's that is shown or audited: without control characters, at most so many characters.
pub fn bounded(text: &str, most: usize) -> String {
    let text: String = text.trim().chars().take(most).collect();
    text.replace(char::is_control, " ")
}

fn retry_after(kind: ErrorKind, response: &Response) -> Option<u64> {
    let asked = header(response, "retry-after").filter(|_| kind.is_transient())?;
    wait(&asked.into(), response)
}

/// Milliseconds from seconds or from an HTTP date (RFC 9110 §10.2.3). A date says how long only beside the `Date` of the same answer:
/// our clock is not the app's.
fn wait(value: &Value, response: &Response) -> Option<u64> {
    let text = encode::scalar(value)?;
    let ms = match text.trim().parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => (seconds * 1000.0).ceil(),
        Ok(_) => return None,
        Err(_) => {
            let then = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
            let now = jiff::fmt::rfc2822::parse(header(response, "date")?).ok()?;
            return u64::try_from(
                then.timestamp().as_millisecond() - now.timestamp().as_millisecond(),
            )
            .ok()
            .map(|ms| ms.min(LONGEST_WAIT_MS));
        }
    };
    // Between zero and a day the conversion is exact.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by the line itself"
    )]
    Some(ms.min(LONGEST_WAIT_MS as f64) as u64)
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response
        .headers
        .iter()
        .rev()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.as_str())
}

/// The app did something else than its manifest says.
pub fn unexpected(what: &str) -> StepError {
    StepError::new(
        ErrorKind::Internal,
        format!("the app answered differently than its manifest says: {what}"),
    )
    .with_code("unexpected_answer")
}

/// An output beyond the limit.
pub fn too_large() -> StepError {
    StepError::new(
        ErrorKind::InvalidInput,
        format!("the output is larger than {} MB", MOST_BYTES / 1_000_000),
    )
    .with_code("value_too_large")
    .with_help("ask for fewer items or fewer fields")
}

/// The bytes of a value as JSON; counting stops a little beyond the limit.
pub fn size(value: &Value) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            if self.0 > MOST_BYTES {
                Err(io::ErrorKind::FileTooLarge.into())
            } else {
                Ok(bytes.len())
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // The only error is the limit, and then the count says so.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
