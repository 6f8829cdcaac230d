//! Reading an answer within its bounds, and reading a failure without letting anything secret into its words.

use std::error::Error;
use std::io;
use std::time::Duration;

use actas_core::app::Response;
use http::HeaderMap;
use serde_json::Value;

use crate::error::EgressError;
use crate::guard::{Denied, NoSuchName};
use crate::redact::Redactor;

/// More headers than this are not an answer.
pub(crate) const MAX_HEADERS: usize = 100;

/// Reads a body up to a limit that counts decompressed bytes: what is beyond is never held.
pub(crate) async fn body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, EgressError> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|e| failure(&e, ""))?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        if body.len() + chunk.len() > limit {
            return Err(EgressError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
}

/// Makes the value that apps are read with.
pub(crate) fn response(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    redactor: Option<&Redactor>,
) -> Response {
    let mut read: Vec<(String, String)> = Vec::with_capacity(headers.keys_len());
    for name in headers.keys() {
        if let Some(value) = headers.get_all(name).iter().next_back() {
            let mut text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if let Some(redactor) = redactor {
                redactor.text(&mut text);
            }
            read.push((name.as_str().to_owned(), text));
        }
    }
    let says_json = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| {
            let kind = kind.trim().to_ascii_lowercase();
            kind.ends_with("/json") || kind.ends_with("+json")
        });
    let json = if says_json {
        serde_json::from_slice(body).ok()
    } else {
        None
    };
    let mut body = match json {
        Some(json) => json,
        None if body.is_empty() => Value::Null,
        None => Value::String(String::from_utf8_lossy(body).into_owned()),
    };
    if let Some(redactor) = redactor {
        redactor.value(&mut body);
    }
    Response {
        status,
        headers: read,
        body,
    }
}

/// What a failure of the client means. Its own text is not taken over: it may hold the address, or what the other side wrote.
pub(crate) fn failure(error: &reqwest::Error, host: &str) -> EgressError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut io_kind = None;
    while let Some(one) = cause {
        if let Some(denied) = one.downcast_ref::<Denied>() {
            return EgressError::Refused {
                host: host.to_owned(),
                why: denied.why.clone(),
                redirected: false,
            };
        }
        if one.is::<NoSuchName>() {
            return EgressError::Unreachable(format!("`{host}` cannot be resolved"));
        }
        if let Some(tls) = one.downcast_ref::<rustls::Error>() {
            return tls_failure(tls, host, error.is_connect());
        }
        cause = match one.downcast_ref::<io::Error>() {
            Some(io) => {
                io_kind.get_or_insert(io.kind());
                // Its `source` would skip the very error it wraps.
                match io.get_ref() {
                    Some(inner) => Some(inner),
                    None => one.source(),
                }
            }
            None => one.source(),
        };
    }
    if error.is_connect() {
        return if error.is_timeout() || io_kind == Some(io::ErrorKind::TimedOut) {
            EgressError::Unreachable(format!("`{host}` does not accept a connection in time"))
        } else {
            let why = io_kind.map_or_else(|| "no connection".to_owned(), |k| k.to_string());
            EgressError::Unreachable(format!("`{host}`: {why}"))
        };
    }
    if error.is_builder() {
        return EgressError::Invalid("not a request HTTP can carry".to_owned());
    }
    EgressError::Protocol(
        if error.is_decode() {
            "its body cannot be read"
        } else if error.is_body() {
            "its body broke off"
        } else {
            "the connection was closed or spoke something else"
        }
        .to_owned(),
    )
}

fn tls_failure(error: &rustls::Error, host: &str, connecting: bool) -> EgressError {
    if !connecting {
        return EgressError::Protocol("the secure connection broke".to_owned());
    }
    let what = match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            "its certificate is not trusted"
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS",
        _ => "the secure connection cannot be made",
    };
    EgressError::Tls(format!("`{host}`: {what}"))
}

/// The limit that ran out.
pub(crate) fn timed_out(limit: Duration) -> EgressError {
    EgressError::Timeout {
        seconds: limit.as_secs(),
        sent: true,
    }
}
