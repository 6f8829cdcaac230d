//! Calls from other systems: whether one is what its sender signed, which delivery it is, and what the flow is given of it.
//!
//! Pure: bytes, headers, keys and the time come in as arguments. A signature is over the bytes as they came; nothing is parsed before it is
//! found good. Whoever is refused learns nothing of why: the reasons are for the workspace's own log.

mod body;

pub use body::{BadBody, inputs};

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::flow::{Encoding, HmacSha256, Verify, Webhook};
use crate::secret::Secret;
use crate::time::Time;

/// The largest body of a call, in bytes.
pub const LARGEST_BODY: usize = 1_000_000;

/// The longest delivery id, in bytes.
const LONGEST_ID: usize = 255;

/// How many signatures of one call are tried: senders give several while they change their key.
const MOST_SIGNATURES: usize = 8;

/// Why a call was refused. For the workspace's own log: its sender gets one answer for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `no_signature`
    #[error("the header of the signature is missing, comes twice or holds none")]
    NoSignature,
    /// `bad_signature`
    #[error("no signature fits the body under any of the secrets")]
    BadSignature,
    /// `no_timestamp`
    #[error("the header of the timestamp is missing, comes twice or holds none")]
    NoTimestamp,
    /// `stale`
    #[error("the timestamp is too far from now")]
    Stale,
    /// `no_delivery`
    #[error("the header of the delivery id is missing, comes twice or is too long")]
    NoDelivery,
}

impl Refusal {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSignature => "no_signature",
            Self::BadSignature => "bad_signature",
            Self::NoTimestamp => "no_timestamp",
            Self::Stale => "stale",
            Self::NoDelivery => "no_delivery",
        }
    }
}

/// A call as it came.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Header names in lower case, and their values, in the order they came.
    pub headers: &'a [(String, Vec<u8>)],
    /// The body, byte by byte.
    pub body: &'a [u8],
}

impl<'a> Call<'a> {
    /// The only value of a header, if it is text; none if it comes twice.
    fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok().map(str::trim)
    }

    /// The delivery id, if the flow names its header.
    fn delivery(&self, webhook: &Webhook) -> Result<Option<&'a str>, Refusal> {
        match &webhook.delivery {
            None => Ok(None),
            Some(header) => match self.header(header) {
                Some(id) if !id.is_empty() && id.len() <= LONGEST_ID => Ok(Some(id)),
                _ => Err(Refusal::NoDelivery),
            },
        }
    }
}

/// Whether a call was signed with one of these secrets, and lately if the flow asks for that.
///
/// # Errors
/// With the reason, which its sender must not learn.
pub fn verify(
    webhook: &Webhook,
    hmac: &HmacSha256,
    call: &Call<'_>,
    secrets: &[Secret<String>],
    now: Time,
) -> Result<(), Refusal> {
    let timestamp = timestamp(hmac, call);
    let delivery = call.delivery(webhook);
    let given = signatures(hmac, call);
    // The signature is compared in any case, so that the time it takes says nothing of the other reasons.
    let text = signed(
        hmac.signed.as_deref().unwrap_or("{body}"),
        timestamp.map_or("", |(text, _)| text),
        delivery.ok().flatten().unwrap_or_default(),
        call.body,
    );
    let mut good = false;
    for secret in secrets {
        let mut keyed = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
            .expect("a key of this code may have any length");
        keyed.update(&text);
        for signature in &given {
            // Compared in constant time; and no early end, so that nobody learns which key it was.
            good |= keyed.clone().verify_slice(signature).is_ok();
        }
    }
    if given.is_empty() {
        return Err(Refusal::NoSignature);
    }
    if timestamp.is_err() {
        return Err(Refusal::NoTimestamp);
    }
    if delivery.is_err() {
        return Err(Refusal::NoDelivery);
    }
    if !good {
        return Err(Refusal::BadSignature);
    }
    if let (Ok((_, Some(at))), Some(wanted)) = (timestamp, &hmac.timestamp) {
        let tolerance: Duration = wanted.tolerance_ms.into();
        if now.since(at) > tolerance || at.since(now) > tolerance {
            return Err(Refusal::Stale);
        }
    }
    Ok(())
}

/// What tells a delivery from any other of this hook: the sender's id, or else what was signed together with its time. None if the sender
/// gives neither: then two equal calls are two deliveries.
///
/// # Errors
/// If the flow names the header of the id and it is not there.
pub fn delivery_key(webhook: &Webhook, call: &Call<'_>) -> Result<Option<String>, Refusal> {
    if let Some(id) = call.delivery(webhook)? {
        return Ok(Some(format!("id:{id}")));
    }
    let Verify::HmacSha256(hmac) = &webhook.verify else {
        return Ok(None);
    };
    let timestamp = hmac
        .timestamp
        .as_ref()
        .and_then(|timestamp| call.header(&timestamp.header))
        .and_then(time_in);
    Ok(timestamp.map(|(text, _)| {
        let digest = Sha256::new()
            .chain_update(text.as_bytes())
            .chain_update(b".")
            .chain_update(call.body)
            .finalize();
        format!("sha256:{}", hex::encode(digest))
    }))
}

/// What is wrong with a webhook's description, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadWebhook {
    /// The key it is about, beside `verify` (`delivery`) or under it.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: String,
}

/// Whether a webhook is described so that its calls can be verified, and that a signature protects what it seems to.
///
/// # Errors
/// With what to write instead.
pub fn check(webhook: &Webhook) -> Result<(), BadWebhook> {
    let fault = |key, message: String, help: &str| {
        Err(BadWebhook {
            key,
            message,
            help: help.to_owned(),
        })
    };
    check_header("delivery", webhook.delivery.as_deref())?;
    let Verify::HmacSha256(hmac) = &webhook.verify else {
        return Ok(());
    };
    check_header("header", Some(&hmac.header))?;
    let timestamp = hmac.timestamp.as_ref();
    check_header(
        "timestamp",
        timestamp.map(|timestamp| timestamp.header.as_str()),
    )?;
    if hmac.secret.is_empty() {
        return fault(
            "secret",
            "no secret is named".to_owned(),
            "name one that `actas secrets add` has made",
        );
    }
    let template = hmac.signed.as_deref().unwrap_or("{body}");
    let mut rest = template;
    let mut named = Vec::new();
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return fault(
                "signed",
                format!("`{template}` has a brace that is not closed"),
                "write `{body}`, `{timestamp}` or `{delivery}`",
            );
        };
        if !["body", "timestamp", "delivery"].contains(&name) {
            return fault(
                "signed",
                format!("`{{{name}}}` is nothing that can be signed"),
                "write `{body}`, `{timestamp}` or `{delivery}`",
            );
        }
        named.push(name);
        rest = after;
    }
    let has = |name| named.contains(&name);
    match (timestamp, &webhook.delivery) {
        _ if !has("body") => fault(
            "signed",
            "what is signed does not contain the body".to_owned(),
            "write `{body}` into it, or anybody could change the body",
        ),
        (Some(_), _) if !has("timestamp") => fault(
            "signed",
            "the timestamp is not part of what is signed".to_owned(),
            "write `signed: \"{timestamp}.{body}\"`, or whatever its sender signs: a time that is not signed protects nothing",
        ),
        (None, _) if has("timestamp") => fault(
            "signed",
            "the timestamp is signed, but no header gives it".to_owned(),
            "add `timestamp: {header: NAME}`",
        ),
        (_, None) if has("delivery") => fault(
            "signed",
            "the delivery id is signed, but no header gives it".to_owned(),
            "add `delivery: NAME` beside `verify`",
        ),
        _ => Ok(()),
    }
}

/// A header's name is a token (RFC 9110, section 5.1).
fn check_header(key: &'static str, name: Option<&str>) -> Result<(), BadWebhook> {
    match name {
        Some(name)
            if name.is_empty()
                || name.len() > 100
                || !name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) =>
        {
            Err(BadWebhook {
                key,
                message: format!("`{name}` is not the name of a header"),
                help: "such as `X-Signature`".to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// The timestamp with its text, if the flow names its header.
fn timestamp<'a>(hmac: &HmacSha256, call: &Call<'a>) -> Result<(&'a str, Option<Time>), Refusal> {
    let Some(wanted) = &hmac.timestamp else {
        return Ok(("", None));
    };
    let (text, at) = call
        .header(&wanted.header)
        .and_then(time_in)
        .ok_or(Refusal::NoTimestamp)?;
    Ok((text, Some(at)))
}

/// The time that a header holds: seconds since 1970 or RFC 3339, alone or behind `t=` in a list, with its text as written.
fn time_in(header: &str) -> Option<(&str, Time)> {
    let part = header
        .split(',')
        .find_map(|part| part.trim().strip_prefix("t="))
        .unwrap_or(header);
    let digits = (1..=11).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let at = if digits {
        Time(part.parse::<i64>().ok()?.checked_mul(1_000_000)?)
    } else {
        Time::parse(part)?
    };
    Some((part, at))
}

/// The signatures a call gives: the parts of the header between blanks or commas that begin with the prefix and are 32 bytes behind it.
fn signatures(hmac: &HmacSha256, call: &Call<'_>) -> Vec<[u8; 32]> {
    let prefix = hmac.prefix.as_deref().unwrap_or_default();
    let header = call.header(&hmac.header).unwrap_or_default();
    let words = header.split_ascii_whitespace();
    // A prefix may itself contain a comma: a word is looked at whole, too.
    let parts = words.flat_map(|word| std::iter::once(word).chain(word.split(',')));
    let mut found: Vec<[u8; 32]> = Vec::new();
    for part in parts {
        let Some(text) = part.strip_prefix(prefix) else {
            continue;
        };
        let bytes = match hmac.encoding {
            Encoding::Hex => hex::decode(text).ok(),
            Encoding::Base64 => STANDARD.decode(text).ok(),
        };
        if let Some(signature) = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            && !found.contains(&signature)
            && found.len() < MOST_SIGNATURES
        {
            found.push(signature);
        }
    }
    found
}

/// What is signed, byte by byte.
fn signed(template: &str, timestamp: &str, delivery: &str, body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(template.len() + body.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.extend_from_slice(before.as_bytes());
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "timestamp" => text.extend_from_slice(timestamp.as_bytes()),
            "delivery" => text.extend_from_slice(delivery.as_bytes()),
            _ => text.extend_from_slice(body),
        }
        rest = after;
    }
    text.extend_from_slice(rest.as_bytes());
    text
}

#[cfg(test)]
mod tests;
