//! What this crate must be told at start.

use std::path::PathBuf;

use actas_core::app::Apps;
use actas_core::ids::WorkerId;

/// Where the key-encryption key comes from: 32 bytes, as 64 hexadecimal digits.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file in the data directory of an embedded store. It is made, with mode 0600, only if the store is new and holds no secret yet.
    EmbeddedFile(PathBuf),
    /// A file that must be there.
    File(PathBuf),
    /// What a command prints; it is run once, by the shell.
    Command(String),
    /// The value of this environment variable.
    Env(String),
}

/// The configuration of [`crate::Connections`].
#[derive(Debug, Clone)]
pub struct ConnectionsConfig {
    /// The vault's key.
    pub key: KeySource,
    /// Our own origin, which sign-in pages and redirect URIs stand under.
    pub public_url: url::Url,
    /// This process, which holds leases for refreshing.
    pub worker: WorkerId,
    /// The apps as installed: what connections made from the list and revocations go by. Sign-ins of a run go by its version's manifests.
    pub apps: Apps,
}
