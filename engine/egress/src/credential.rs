//! A credential on its way out: what it is and where it may go. Who it belongs to, other crates know.

use std::sync::Arc;

use actas_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use url::Url;

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
        /// What stands before the secret.
        prefix: String,
        /// The secret.
        value: Secret<String>,
    },
    /// A parameter of the address.
    Query {
        /// Its name.
        name: String,
        /// The secret.
        value: Secret<String>,
    },
    /// A header that goes wherever the credential goes and is no secret by itself.
    Public {
        /// In lower case.
        name: String,
        /// The whole value.
        value: String,
    },
    /// Several of these at once.
    Several(Vec<Scheme>),
}

impl Scheme {
    /// The schemes it consists of.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Several(parts) => parts.iter().flat_map(Self::parts).collect(),
            one => vec![one],
        }
    }

    /// The header that shows it, if it is shown in one.
    fn header(&self) -> Option<(&str, Secret<String>)> {
        let authorization = http::header::AUTHORIZATION.as_str();
        match self {
            Self::Bearer(token) => Some((
                authorization,
                Secret::new(format!("Bearer {}", token.reveal())),
            )),
            Self::Dpop { token, .. } => Some((
                authorization,
                Secret::new(format!("DPoP {}", token.reveal())),
            )),
            Self::Basic { user, password } => {
                let pair = Secret::new(format!("{user}:{}", password.reveal()));
                let encoded = Secret::new(STANDARD.encode(pair.reveal()));
                Some((
                    authorization,
                    Secret::new(format!("Basic {}", encoded.reveal())),
                ))
            }
            Self::Header {
                name,
                prefix,
                value,
            } => Some((name, Secret::new(format!("{prefix}{}", value.reveal())))),
            Self::Public { name, value } => Some((name, Secret::new(value.clone()))),
            Self::Query { .. } | Self::Several(_) => None,
        }
    }
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
    pub(crate) fn may_go_to(&self, url: &Url) -> bool {
        let Some(target) = HostPort::of(url) else {
            return false;
        };
        self.hosts.iter().any(|allowed| {
            *allowed == target.to_string() || (*allowed == target.host && url.port().is_none())
        })
    }

    /// The headers that show it, marked sensitive so that nothing prints them.
    pub(crate) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, EgressError> {
        let shown = self.scheme.parts().into_iter().filter_map(Scheme::header);
        shown
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| EgressError::Invalid("credential's header name".to_owned()))?;
                // As bytes: a key may hold letters beyond ASCII.
                let mut value =
                    HeaderValue::from_bytes(value.reveal().as_bytes()).map_err(|_| {
                        EgressError::Invalid(
                            "credential holds characters a header cannot carry".to_owned(),
                        )
                    })?;
                value.set_sensitive(true);
                Ok((name, value))
            })
            .collect()
    }

    /// The address with the credential in it, if it is shown there. It is made for this one request and kept nowhere.
    pub(crate) fn address(&self, url: &Url) -> Result<Url, EgressError> {
        let mut url = url.clone();
        for part in self.scheme.parts() {
            let Scheme::Query { name, value } = part else {
                continue;
            };
            let given: Vec<_> = url
                .query_pairs()
                .filter(|(given, _)| given == name.as_str())
                .map(|(_, given)| given == value.reveal().as_str())
                .collect();
            match given.as_slice() {
                [] => {}
                // The app redirected to an address that it repeats the credential in.
                [true] => continue,
                _ => {
                    return Err(EgressError::Invalid(format!(
                        "parameter `{name}` of the address is the credential's own"
                    )));
                }
            }
            url.query_pairs_mut().append_pair(name, value.reveal());
        }
        Ok(url)
    }

    /// Whoever proves each request, if it is of that kind.
    pub(crate) fn prover(&self) -> Option<&dyn Prover> {
        self.scheme.parts().into_iter().find_map(|part| match part {
            Scheme::Dpop { prover, .. } => Some(&**prover),
            _ => None,
        })
    }

    /// The secret values that must not come back in an answer.
    pub(crate) fn secrets(&self) -> Vec<Secret<String>> {
        let of = |part: &Scheme| match part {
            Scheme::Bearer(token) | Scheme::Dpop { token, .. } => vec![token.clone()],
            Scheme::Basic { user, password } => vec![
                password.clone(),
                Secret::new(format!("{user}:{}", password.reveal())),
            ],
            Scheme::Header { value, .. } | Scheme::Query { value, .. } => vec![value.clone()],
            Scheme::Public { .. } | Scheme::Several(_) => Vec::new(),
        };
        self.scheme.parts().into_iter().flat_map(of).collect()
    }
}
