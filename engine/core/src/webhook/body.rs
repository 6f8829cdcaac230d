//! What a flow is given of a call: its declared inputs, filled from the body. What is not declared is not passed on.
//!
//! - A JSON object gives each declared input its field of that name; so does a form (`application/x-www-form-urlencoded`), whose fields are texts.
//! - An input called `payload` is given the whole body as a value: JSON as it is, a form as an object, other text as text.
//! - An input called `headers` is given the headers by their names in lower case, without those that carry secrets or signatures.
//!
//! What the body is, its content type says, and nothing else: a body that is not what it says it is, is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Call;
use crate::flow::{Verify, Webhook};

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// `bad_body`
    #[error("body is not {0}, although its content type says so")]
    Malformed(&'static str),
    /// `unsupported_body`
    #[error("content type `{0}` is not taken here: send JSON, a form or plain text")]
    Unsupported(String),
}

impl BadBody {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "bad_body",
            Self::Unsupported(_) => "unsupported_body",
        }
    }
}

/// Headers that no flow is given.
const KEPT_BACK: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-forwarded-for",
];

/// The inputs of the run that a call starts, out of the names that the flow declares.
///
/// # Errors
/// If the body is not what its content type says.
pub fn inputs<'a>(
    webhook: &Webhook,
    call: &Call<'_>,
    declared: impl Iterator<Item = &'a str>,
) -> Result<Map<String, Value>, BadBody> {
    let payload = payload(call)?;
    let mut given = Map::new();
    for name in declared {
        let value = match name {
            "payload" => Some(payload.clone()),
            "headers" => Some(headers(webhook, call)),
            name => payload.get(name).cloned(),
        };
        if let Some(value) = value {
            given.insert(name.to_owned(), value);
        }
    }
    Ok(given)
}

fn payload(call: &Call<'_>) -> Result<Value, BadBody> {
    let kind = call.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let json =
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    match kind.as_str() {
        _ if json => serde_json::from_slice(call.body).map_err(|_| BadBody::Malformed("JSON")),
        "application/x-www-form-urlencoded" => {
            let pairs = url::form_urlencoded::parse(call.body);
            Ok(pairs
                .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
                .collect::<Map<String, Value>>()
                .into())
        }
        "" if call.body.is_empty() => Ok(Value::Null),
        kind if kind.starts_with("text/") => match std::str::from_utf8(call.body) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(BadBody::Malformed("text in UTF-8")),
        },
        _ => Err(BadBody::Unsupported(kind.chars().take(80).collect())),
    }
}

fn headers(webhook: &Webhook, call: &Call<'_>) -> Value {
    let signature = match &webhook.verify {
        Verify::HmacSha256(hmac) => Some(hmac.header.as_str()),
        Verify::None => None,
    };
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in call.headers {
        let name = name.to_ascii_lowercase();
        let kept_back = KEPT_BACK.contains(&name.as_str())
            || signature.is_some_and(|signature| signature.eq_ignore_ascii_case(&name));
        if let (false, Ok(value)) = (kept_back, std::str::from_utf8(value)) {
            let known = headers.entry(name).or_default();
            if !known.is_empty() {
                known.push_str(", ");
            }
            known.push_str(value);
        }
    }
    headers
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<Map<String, Value>>()
        .into()
}
