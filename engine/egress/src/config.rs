//! What the operator says about outgoing requests: the only place where the guard can be opened, entry by entry.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

/// An exact `host:port`; the host as the URL standard writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Lower case, punycode, or an address in its one normal form (IPv6 in brackets).
    pub host: String,
    /// Always said.
    pub port: u16,
}

/// Why a text is not an exact `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an exact host and port: write it as `crm.internal:8443`")]
pub struct BadHostPort(String);

impl HostPort {
    /// Where a URL leads; none if it has no host or no port is known for its scheme.
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self {
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

impl FromStr for HostPort {
    type Err = BadHostPort;

    fn from_str(text: &str) -> Result<Self, BadHostPort> {
        let bad = || BadHostPort(text.chars().take(80).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        // The special scheme makes the URL crate normalise the host exactly as it will in requests.
        let url = Url::parse(&format!("http://{host}:{port}/")).map_err(|_| bad())?;
        match url.host() {
            Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_))
                if url.username().is_empty() && url.path() == "/" && url.query().is_none() =>
            {
                Ok(Self {
                    host: url.host_str().unwrap_or_default().to_owned(),
                    port,
                })
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The bounds of all outgoing requests.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Where private addresses and plain HTTP are allowed.
    pub exceptions: Vec<HostPort>,
    /// Where this program itself listens: never reached, not even by an exception.
    pub own_listeners: Vec<SocketAddr>,
    /// For one connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// For a whole request with its redirects, where the caller has no limit of its own. Default 30 s.
    pub default_timeout: Duration,
    /// Bytes of a body after decompression. Default 10 MB.
    pub max_body: usize,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            exceptions: Vec::new(),
            own_listeners: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            default_timeout: Duration::from_secs(30),
            max_body: 10_000_000,
        }
    }
}

/// The bounds of one call. They can tighten those of [`EgressConfig`]; a larger body than there is never read.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// For the whole call with its redirects.
    pub timeout: Duration,
    /// Bytes of the body after decompression.
    pub max_body: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        let config = EgressConfig::default();
        Self {
            timeout: config.default_timeout,
            max_body: config.max_body,
        }
    }
}
