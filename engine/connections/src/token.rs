//! Reading the answers of token endpoints, as providers really give them. Nothing of a body is ever repeated in a fault.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actas_core::Secret;
use actas_egress::Scheme;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::dpop::{Lent, Nonces, ProofKey};
use crate::secrets::{ACCESS, PROOF_KEY, REFRESH};

/// Longer lives than this are not believed, and not needed: the token is then used until the app refuses it.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// What a token endpoint gave.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access: Secret<String>,
    /// The key that it is bound to, if any (RFC 9449).
    pub(crate) key: Option<Arc<ProofKey>>,
    /// None: the old one goes on counting.
    pub(crate) refresh: Option<Secret<String>>,
    pub(crate) expires_in: Option<Duration>,
    /// None: what was asked for was granted (RFC 6749, 5.1).
    pub(crate) scopes: Option<Vec<String>>,
    /// The answer without its tokens: what fields are kept from.
    pub(crate) rest: Value,
}

/// How an access token is shown to its app: with the proof of its key, if it has one.
pub(crate) fn scheme(
    token: Secret<String>,
    key: Option<Arc<ProofKey>>,
    nonces: &Arc<Nonces>,
) -> Scheme {
    match key {
        None => Scheme::Bearer(token),
        Some(key) => Scheme::Dpop {
            prover: Arc::new(Lent {
                key,
                token: Some(token.clone()),
                nonces: nonces.clone(),
            }),
            token,
        },
    }
}

impl Tokens {
    /// What of it is kept in the vault, each under the name of its place.
    pub(crate) fn secrets(&self) -> Vec<(String, Secret<String>)> {
        let mut secrets = vec![(ACCESS.to_owned(), self.access.clone())];
        if let Some(refresh) = &self.refresh {
            secrets.push((REFRESH.to_owned(), refresh.clone()));
        }
        if let Some(key) = &self.key {
            secrets.push((PROOF_KEY.to_owned(), key.written().clone()));
        }
        secrets
    }
}

/// Why it gave none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// The grant is dead: its person has to sign in again.
    Dead,
    /// The app client itself is refused: an operator has to look.
    Client,
    /// The provider or the way to it is down.
    Away {
        /// How long it asks to wait.
        after: Option<Duration>,
    },
    /// It answers something that is no answer; what, in fixed words.
    Broken(&'static str),
}

/// Reads an answer to a request that carried the proof of this key, if any.
pub(crate) fn read(
    response: &http::Response<Vec<u8>>,
    separator: &str,
    key: Option<&Arc<ProofKey>>,
) -> Result<Tokens, TokenFault> {
    answer(response, |fields| granted(fields, separator, key))
}

/// Reads the answer to a pushed request (RFC 9126, 2.2): the name that the person is sent with.
pub(crate) fn pushed(response: &http::Response<Vec<u8>>) -> Result<String, TokenFault> {
    answer(response, |fields| match fields?.remove("request_uri") {
        Some(Value::String(uri))
            if !uri.is_empty()
                && uri.len() <= 2048
                && uri.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Ok(uri)
        }
        _ => Err(TokenFault::Broken("it does not name the request")),
    })
}

/// The error word of a refusal, if there is one.
pub(crate) fn error_word(response: &http::Response<Vec<u8>>) -> Option<String> {
    let fields = object(response.body()).ok()?;
    fields.get("error")?.as_str().map(str::to_owned)
}

fn answer<T>(
    response: &http::Response<Vec<u8>>,
    good: impl FnOnce(Result<Map<String, Value>, TokenFault>) -> Result<T, TokenFault>,
) -> Result<T, TokenFault> {
    let status = response.status().as_u16();
    let fields = object(response.body());
    match status {
        200..=299 => good(fields),
        429 => Err(TokenFault::Away {
            after: retry_after(response),
        }),
        408 | 500..=599 => Err(TokenFault::Away {
            after: retry_after(response),
        }),
        400..=499 => Err(refusal(
            fields
                .ok()
                .as_ref()
                .and_then(|f| f.get("error"))
                .and_then(Value::as_str),
        )),
        _ => Err(TokenFault::Broken("neither yes nor no")),
    }
}

fn granted(
    fields: Result<Map<String, Value>, TokenFault>,
    separator: &str,
    key: Option<&Arc<ProofKey>>,
) -> Result<Tokens, TokenFault> {
    let mut fields = fields?;
    if let Some(error) = fields.get("error").filter(|e| !e.is_null()) {
        return Err(refusal(error.as_str()));
    }
    if fields.get("ok") == Some(&Value::Bool(false)) {
        return Err(TokenFault::Dead);
    }
    let access = match fields.remove("access_token") {
        Some(Value::String(token)) if !token.is_empty() => Secret::new(token),
        _ => return Err(TokenFault::Dead),
    };
    // A header must be able to carry it, or every later use would fail with a worse reason.
    if !access.reveal().bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Err(TokenFault::Broken("its token is none"));
    }
    let key = match fields.get("token_type") {
        None | Some(Value::Null) => None,
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => None,
        Some(Value::String(kind)) if key.is_some() && kind.eq_ignore_ascii_case("dpop") => {
            key.cloned()
        }
        Some(_) => return Err(TokenFault::Broken("its kind of token is not known")),
    };
    let refresh = match fields.remove("refresh_token") {
        Some(Value::String(token)) if !token.is_empty() => Some(Secret::new(token)),
        None | Some(Value::Null | Value::String(_)) => None,
        Some(_) => return Err(TokenFault::Broken("its refresh token is none")),
    };
    fields.remove("id_token");
    Ok(Tokens {
        access,
        key,
        refresh,
        expires_in: fields.get("expires_in").and_then(lifetime),
        scopes: fields
            .get("scope")
            .and_then(|scope| scopes(scope, separator)),
        rest: Value::Object(fields),
    })
}

/// A refusal in one of its many faces; without a word it counts as one of the grant.
fn refusal(error: Option<&str>) -> TokenFault {
    match error {
        Some("invalid_client" | "unauthorized_client") => TokenFault::Client,
        // About the proof of the request, not about the grant.
        Some("use_dpop_nonce" | "invalid_dpop_proof") => {
            TokenFault::Broken("it does not take the proof of the key")
        }
        Some("temporarily_unavailable" | "server_error" | "slow_down" | "ratelimited") => {
            TokenFault::Away { after: None }
        }
        _ => TokenFault::Dead,
    }
}

/// A number or a text of one; what is not positive or not believable counts as not said.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    (seconds >= 1.0 && seconds <= LONGEST.as_secs_f64())
        .then(|| Duration::from_secs_f64(seconds.floor()))
}

fn scopes(value: &Value, separator: &str) -> Option<Vec<String>> {
    let mut scopes: Vec<String> = match value {
        Value::String(text) => split(text, separator),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => return None,
    };
    scopes.sort();
    scopes.dedup();
    Some(scopes)
}

fn split(text: &str, separator: &str) -> Vec<String> {
    let separator = if separator.is_empty() { " " } else { separator };
    text.split(separator)
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

/// `Retry-After` in seconds; a date is not worth the trouble.
fn retry_after(response: &http::Response<Vec<u8>>) -> Option<Duration> {
    let value = response.headers().get(http::header::RETRY_AFTER)?;
    let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// A JSON object whose keys come once each: of two tokens under one name nobody can say which counts.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, TokenFault> {
    struct Once;

    impl<'de> Visitor<'de> for Once {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut fields = Map::new();
            while let Some((key, value)) = access.next_entry::<String, Value>()? {
                if fields.insert(key, value).is_some() {
                    return Err(serde::de::Error::custom("a key comes twice"));
                }
            }
            Ok(fields)
        }
    }

    let mut reader = serde_json::Deserializer::from_slice(body);
    let fields = reader.deserialize_map(Once);
    match fields {
        Ok(fields) if reader.end().is_ok() => Ok(fields),
        _ => Err(TokenFault::Broken("it is not one JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(status: u16, body: &str, expect: &Expect) {
        let response = http::Response::builder()
            .status(status)
            .header("retry-after", "7")
            .body(body.as_bytes().to_vec())
            .expect("a response");
        let text = match read(&response, " ", None) {
            Ok(t) => format!(
                "{} refresh={} expires={:?} scopes={:?} rest={}",
                t.access.reveal(),
                t.refresh.map_or("none".to_owned(), |r| r.reveal().clone()),
                t.expires_in.map(|d| d.as_secs()),
                t.scopes,
                t.rest
            ),
            Err(fault) => format!("{fault:?}"),
        };
        expect.assert_eq(&text);
    }

    #[test]
    fn a_plain_answer_is_read() {
        check(
            200,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"y x","instance_url":"https://x"}"#,
            &expect![[
                r#"a refresh=r expires=Some(3600) scopes=Some(["x", "y"]) rest={"expires_in":3600,"instance_url":"https://x","scope":"y x","token_type":"Bearer"}"#
            ]],
        );
    }

    #[test]
    fn strange_lifetimes_count_as_not_said_or_are_understood() {
        for (said, meant) in [
            ("\"3599\"", Some(3599)),
            ("3600.9", Some(3600)),
            ("\" 60 \"", Some(60)),
            ("-1", None),
            ("0", None),
            ("9223372036854775808", None),
            ("1e400", None),
            ("\"soon\"", None),
            ("\"NaN\"", None),
            ("null", None),
            ("[1]", None),
        ] {
            let body = format!(r#"{{"access_token":"a","expires_in":{said}}}"#);
            let response = http::Response::builder()
                .body(body.into_bytes())
                .expect("a response");
            // JSON has no number beyond a double's range: then the whole is no JSON.
            let Ok(tokens) = read(&response, " ", None) else {
                assert_eq!(said, "1e400");
                continue;
            };
            assert_eq!(tokens.expires_in.map(|d| d.as_secs()), meant, "{said}");
        }
    }

    #[test]
    fn refusals_have_many_faces() {
        for (status, body) in [
            (400, r#"{"error":"invalid_grant"}"#),
            (400, ""),
            (403, "<html>no</html>"),
            (401, "{}"),
            (404, ""),
            (200, r#"{"ok":false,"error":"token_revoked"}"#),
            (200, r#"{"ok":false}"#),
            (200, r#"{"error":"bad_refresh_token"}"#),
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":7}"#),
        ] {
            check(status, body, &expect![["Dead"]]);
        }
        for (status, body) in [(500, ""), (503, "x"), (429, "{}"), (408, "")] {
            check(status, body, &expect![["Away { after: Some(7s) }"]]);
        }
        check(
            400,
            r#"{"error":"temporarily_unavailable"}"#,
            &expect![["Away { after: None }"]],
        );
        check(401, r#"{"error":"invalid_client"}"#, &expect![["Client"]]);
        check(302, "", &expect![[r#"Broken("neither yes nor no")"#]]);
        for body in [
            "",
            "<html>",
            "[]",
            "{",
            r#"{"access_token":"a","access_token":"b"}"#,
            "{} {}",
        ] {
            check(
                200,
                body,
                &expect![[r#"Broken("it is not one JSON object")"#]],
            );
        }
        check(
            200,
            r#"{"access_token":"a","token_type":"mac"}"#,
            &expect![[r#"Broken("its kind of token is not known")"#]],
        );
        check(
            200,
            "{\"access_token\":\"a\\r\\nx: y\"}",
            &expect![[r#"Broken("its token is none")"#]],
        );
    }
}
