//! What the operator of a sandbox decides before it starts. No defaults are hidden elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a sandbox is to be started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address people and programs reach it at, without a slash at the end. None: `http://` and the bound address.
    pub public_url: Option<String>,
    /// The OAuth clients it knows from the start; more can be registered while it runs.
    pub clients: Vec<Client>,
    /// How long an access token lives. The token answer tells whole seconds.
    pub access_token_ttl: Duration,
    /// Where to keep the state between starts. None: in memory only.
    pub state_file: Option<PathBuf>,
    /// Whether `/_sandbox` answers, to callers on this machine only.
    pub admin: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            clients: Vec::new(),
            access_token_ttl: Duration::from_secs(300),
            state_file: None,
            admin: false,
        }
    }
}

/// A program that may ask people for access: an OAuth 2 client (RFC 6749, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its secret; none makes it a public client, which is known by its id and PKCE alone.
    pub secret: Option<String>,
    /// Its name on the consent page.
    #[serde(default)]
    pub name: String,
    /// The only addresses that codes are sent to, compared character by character.
    pub redirect_uris: Vec<String>,
}

impl Client {
    /// A confidential client that is shown under the name "Actas".
    pub fn new<U: Into<String>>(
        id: impl Into<String>,
        secret: impl Into<String>,
        redirect_uris: impl IntoIterator<Item = U>,
    ) -> Self {
        Self {
            id: id.into(),
            secret: Some(secret.into()),
            name: "Actas".into(),
            redirect_uris: redirect_uris.into_iter().map(Into::into).collect(),
        }
    }

    /// The name for people: the id where no name was given.
    pub(crate) fn shown_name(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }
}
