//! A credential on its way out: what it is and where it may go. Who it belongs to, other crates know.

use std::sync::Arc;

use actas_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

use crate::config::HostPort;
use crate::error::EgressError;
use crate::prover::Prover;

/// How a credential is shown to the app.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer(Secret<String>),
    /// `Authorization: DPoP …` with a proof for each request (RFC 9449).
    Dpop {
        /// The secret.
        token: Secret<String>,
        /// Holds the key that it is bound to.
        prover: Arc<dyn Prover>,
    },
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// Not a secret by itself.
        user: String,
        /// The secret.
        password: Secret<String>,
    },
    /// A header of the app's own.
    Header {
        /// In lower case.
        name: String,
        /// The secret.
        value: Secret<String>,
    },
}

/// A credential and the hosts it may go to. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Credential {
    scheme: Scheme,
    hosts: Vec<String>,
}

impl Credential {
    /// A credential for some hosts: `host` means that host at its scheme's own port, `host:port` exactly that.
    pub fn new(scheme: Scheme, hosts: Vec<String>) -> Self {
        let hosts = hosts
            .into_iter()
            .map(|host| host.to_ascii_lowercase())
            .collect();
        Self { scheme, hosts }
    }

    /// Whether it may go along to this address.
    pub(crate) fn may_go_to(&self, url: &url::Url) -> bool {
        let Some(target) = HostPort::of(url) else {
            return false;
        };
        self.hosts.iter().any(|allowed| {
            *allowed == target.to_string() || (*allowed == target.host && url.port().is_none())
        })
    }

    /// The header that shows it, marked sensitive so that nothing prints it.
    pub(crate) fn header(&self) -> Result<(HeaderName, HeaderValue), EgressError> {
        let (name, value) = match &self.scheme {
            Scheme::Bearer(token) => (
                http::header::AUTHORIZATION,
                Secret::new(format!("Bearer {}", token.reveal())),
            ),
            Scheme::Dpop { token, .. } => (
                http::header::AUTHORIZATION,
                Secret::new(format!("DPoP {}", token.reveal())),
            ),
            Scheme::Basic { user, password } => {
                let pair = Secret::new(format!("{user}:{}", password.reveal()));
                let encoded = Secret::new(STANDARD.encode(pair.reveal()));
                (
                    http::header::AUTHORIZATION,
                    Secret::new(format!("Basic {}", encoded.reveal())),
                )
            }
            Scheme::Header { name, value } => (
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| EgressError::Invalid("credential's header name".to_owned()))?,
                value.clone(),
            ),
        };
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| {
            EgressError::Invalid("credential holds characters a header cannot carry".to_owned())
        })?;
        value.set_sensitive(true);
        Ok((name, value))
    }

    /// Whoever proves each request, if it is of that kind.
    pub(crate) fn prover(&self) -> Option<&dyn Prover> {
        match &self.scheme {
            Scheme::Dpop { prover, .. } => Some(&**prover),
            _ => None,
        }
    }

    /// The secret values that must not come back in an answer.
    pub(crate) fn secrets(&self) -> Vec<Secret<String>> {
        match &self.scheme {
            Scheme::Bearer(token) | Scheme::Dpop { token, .. } => vec![token.clone()],
            Scheme::Basic { user, password } => vec![
                password.clone(),
                Secret::new(format!("{user}:{}", password.reveal())),
            ],
            Scheme::Header { value, .. } => vec![value.clone()],
        }
    }
}
