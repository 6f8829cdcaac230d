//! What an authorisation server says about itself (RFC 8414, OpenID Connect Discovery 1.0), and how far it is believed: it must name the
//! issuer that was asked, and its endpoints must stand where the app's own do. Fetching it is not done here.

use serde_json::Value;
use url::Url;

use crate::app::address;

/// A document larger than this is none.
pub const MOST_METADATA: usize = 256 * 1024;

/// What is used of a server's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Its issuer, as it was asked for.
    pub issuer: String,
    /// Where the person is sent.
    pub authorize: Option<Url>,
    /// Where codes and refresh tokens are redeemed.
    pub token: Option<Url>,
    /// RFC 7009.
    pub revoke: Option<Url>,
    /// RFC 9126: where requests are pushed to.
    pub push: Option<Url>,
    /// RFC 9449: tokens can be bound to a key, with ES256.
    pub dpop: bool,
    /// RFC 9207: its answers always carry the issuer.
    pub says_issuer: bool,
}

/// Why metadata is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// It is no object with the fields it must have.
    #[error("the provider's description of itself cannot be read")]
    Unreadable,
    /// It is about somebody else.
    #[error("the provider's description of itself names another issuer")]
    OtherIssuer,
    /// An endpoint is not at the issuer's host and at none of the app's.
    #[error(
        "the provider's description of itself names `{0}` at a foreign host: list the host under `hosts` if it is the app's own"
    )]
    Foreign(&'static str),
    /// An endpoint is no address, or a plain one.
    #[error("the provider's description of itself names a `{0}` that is no https address")]
    NoAddress(&'static str),
}

impl Metadata {
    /// Reads a document that was found for an issuer, for an app whose credentials may go to `hosts`.
    ///
    /// # Errors
    /// See [`MetadataFault`].
    pub fn read(issuer: &str, hosts: &[String], document: &Value) -> Result<Self, MetadataFault> {
        let asked = Url::parse(issuer).map_err(|_| MetadataFault::Unreadable)?;
        if !document.is_object() {
            return Err(MetadataFault::Unreadable);
        }
        // RFC 8414, 3.3: identical, as texts.
        if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(MetadataFault::OtherIssuer);
        }
        let endpoint = |name: &'static str| -> Result<Option<Url>, MetadataFault> {
            let Some(value) = document.get(name).filter(|v| !v.is_null()) else {
                return Ok(None);
            };
            let url = address::whole(value).map_err(|_| MetadataFault::NoAddress(name))?;
            let host = address::host(&url);
            let at_home = host == address::host(&asked);
            // Plain only where the issuer itself is: whether that may be asked, the way out decides.
            if url.scheme() != "https" && !(at_home && url.scheme() == asked.scheme()) {
                return Err(MetadataFault::NoAddress(name));
            }
            if !at_home && !hosts.contains(&host) {
                return Err(MetadataFault::Foreign(name));
            }
            Ok(Some(url))
        };
        let lists = |name: &str, word: &str| {
            document
                .get(name)
                .and_then(Value::as_array)
                .is_some_and(|items| items.iter().any(|item| item.as_str() == Some(word)))
        };
        let says = |name: &str| document.get(name) == Some(&Value::Bool(true));
        Ok(Self {
            issuer: issuer.to_owned(),
            authorize: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            revoke: endpoint("revocation_endpoint")?,
            push: endpoint("pushed_authorization_request_endpoint")?,
            dpop: lists("dpop_signing_alg_values_supported", "ES256"),
            says_issuer: says("authorization_response_iss_parameter_supported"),
        })
    }
}

/// Where an issuer's metadata may stand, in the order to look: RFC 8414, 3.1 puts the well-known part before the issuer's path, OpenID Connect
/// puts it behind.
pub fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ]
    .iter()
    .map(|path| {
        let mut place = issuer.clone();
        place.set_path(path);
        place
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://as.example/t1";

    fn read(changes: &[(&str, Value)]) -> Result<Metadata, MetadataFault> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "pushed_authorization_request_endpoint": "https://tokens.example/par",
            "dpop_signing_alg_values_supported": ["EdDSA", "ES256"],
            "authorization_response_iss_parameter_supported": true,
        });
        for (name, value) in changes {
            document[name] = value.clone();
        }
        Metadata::read(ISSUER, &["tokens.example".to_owned()], &document)
    }

    #[test]
    fn metadata_is_believed_about_its_own_hosts_alone() {
        let good = read(&[]).expect("believed");
        assert_eq!(
            (good.dpop, good.says_issuer, good.revoke.is_some()),
            (true, true, false)
        );
        assert_eq!(
            good.push.map(String::from),
            Some("https://tokens.example/par".to_owned())
        );
        for (name, value, fault) in [
            (
                "issuer",
                json!("https://as.example/t2"),
                MetadataFault::OtherIssuer,
            ),
            (
                "issuer",
                json!("https://as.example/t1/"),
                MetadataFault::OtherIssuer,
            ),
            ("issuer", json!(null), MetadataFault::OtherIssuer),
            (
                "token_endpoint",
                json!("https://evil.example/token"),
                MetadataFault::Foreign("token_endpoint"),
            ),
            (
                "authorization_endpoint",
                json!("https://as.example:8443/authorize"),
                MetadataFault::Foreign("authorization_endpoint"),
            ),
            (
                "token_endpoint",
                json!("http://as.example/token"),
                MetadataFault::NoAddress("token_endpoint"),
            ),
            (
                "authorization_endpoint",
                json!("javascript:alert(1)"),
                MetadataFault::NoAddress("authorization_endpoint"),
            ),
            (
                "revocation_endpoint",
                json!("https://u:p@as.example/revoke"),
                MetadataFault::NoAddress("revocation_endpoint"),
            ),
            (
                "token_endpoint",
                json!(["https://as.example/token"]),
                MetadataFault::NoAddress("token_endpoint"),
            ),
        ] {
            assert_eq!(read(&[(name, value.clone())]), Err(fault), "{name} {value}");
        }
        assert_eq!(
            Metadata::read(ISSUER, &[], &json!([])),
            Err(MetadataFault::Unreadable)
        );
    }

    #[test]
    fn metadata_is_looked_for_in_both_places() {
        let places = |issuer: &str| -> Vec<String> {
            super::places(&Url::parse(issuer).expect("an address"))
                .into_iter()
                .map(String::from)
                .collect()
        };
        assert_eq!(
            places("https://as.example"),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            places(ISSUER),
            [
                "https://as.example/.well-known/oauth-authorization-server/t1",
                "https://as.example/t1/.well-known/openid-configuration"
            ]
        );
    }
}
