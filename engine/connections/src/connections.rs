//! The handle all else hangs on: the store, the way out, the vault, and what several parts of this crate look up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actas_core::app::Manifest;
use actas_core::audit::Draft;
use actas_core::ids::{AppName, ClientId, UserId, VersionId, WorkspaceId};
use actas_core::{Secret, Time};
use actas_egress::Egress;
use actas_store::{
    ClientRow, Commit, CommitError, Op, ReadError, Reader, Store, VersionRow, system,
};
use serde_json::Value;
use url::Url;

use crate::bound::Proven;
use crate::config::ConnectionsConfig;
use crate::discovery::Found;
use crate::dpop::Nonces;
use crate::errors::{ConnectionsError, OpenError, RotateError};
use crate::flights::Flights;
use crate::key;
use crate::provider::Provider;
use crate::secrets::{self, SecretError};
use crate::vault::Vault;
use crate::who::Who;

/// Connections, sign-ins and the vault. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) egress: Egress,
    pub(crate) config: ConnectionsConfig,
    pub(crate) vault: Vault,
    pub(crate) flights: Flights,
    /// Held while keys are rotated: one rotation at a time.
    pub(crate) rotating: tokio::sync::Mutex<()>,
    pub(crate) proven: Proven,
    pub(crate) found: Found,
    pub(crate) nonces: Arc<Nonces>,
    /// Manifests of versions, by digest: they never change.
    manifests: Mutex<HashMap<String, Arc<Manifest>>>,
}

/// Why an app cannot be signed in to as it is set up; for an operator.
#[derive(Debug)]
pub(crate) enum SetupError {
    Wrong(String),
    /// The provider does not say just now how it is to be asked.
    Away,
    Read(ReadError),
}

impl From<ReadError> for SetupError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Connections {
    /// Takes the key, proves it against the store, and is ready.
    ///
    /// # Errors
    /// If the key is missing or wrong: then nothing may start.
    pub async fn open(
        store: Store,
        egress: Egress,
        config: ConnectionsConfig,
    ) -> Result<Self, OpenError> {
        let url = &config.public_url;
        if !matches!(url.scheme(), "https" | "http")
            || url.cannot_be_a_base()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(OpenError::PublicUrl(
                "it must be an origin such as https://actas.example".to_owned(),
            ));
        }
        let vault = key::open(&store, &config.key).await?;
        let this = Self {
            inner: Arc::new(Inner {
                store,
                egress,
                config,
                vault,
                flights: Flights::default(),
                rotating: tokio::sync::Mutex::default(),
                proven: Proven::default(),
                found: Found::default(),
                nonces: Arc::default(),
                manifests: Mutex::default(),
            }),
        };
        for (workspace, _) in this.inner.store.workspaces().await? {
            match this.ready(&workspace).await {
                Ok(()) => {}
                Err(RotateError::Read(error)) => return Err(error.into()),
                Err(RotateError::Commit(error)) => return Err(error.into()),
                Err(error) => return Err(OpenError::KeyBad(error.to_string())),
            }
        }
        Ok(this)
    }

    /// Makes or changes an app client; a secret that is not given stays what it is. What connections were made with (client id, settings)
    /// cannot be changed under them: their tokens would be sent to another place than their people agreed to.
    ///
    /// # Errors
    /// If its settings do not fit the app's patterns, the name is taken, or connections hang on what would change.
    pub async fn put_client(
        &self,
        workspace: &WorkspaceId,
        client: ClientRow,
        secret: Option<Secret<String>>,
        who: &Who,
    ) -> Result<(), ConnectionsError> {
        let reader = self.reader(workspace);
        let settings = settings(&client).map_err(ConnectionsError::Client)?;
        let manifest = self
            .installed(&client.app)
            .ok_or_else(|| ConnectionsError::Client(format!("there is no app `{}`", client.app)))?;
        manifest
            .check_settings(&settings)
            .map_err(|faults| ConnectionsError::Client(faults.join("; ")))?;
        let old = reader.client(&client.id).await?;
        if let Some(old) = &old {
            let moves = old.oauth_client_id != client.oauth_client_id
                || old.settings != client.settings
                || old.app != client.app;
            if moves && self.has_connections(&reader, &client.id).await? {
                return Err(ConnectionsError::Client(format!(
                    "there are connections made with `{}`: add another app client instead",
                    client.name
                )));
            }
        }
        let now = system::now();
        let mut ops = vec![if old.is_some() {
            Op::ChangeClient {
                workspace: workspace.clone(),
                client: client.clone(),
            }
        } else {
            Op::AddClient {
                workspace: workspace.clone(),
                client: client.clone(),
            }
        }];
        self.ready(workspace).await.map_err(not_ready)?;
        ops.push(self.seal_client(workspace, &client));
        if let Some(secret) = &secret {
            let place = secrets::client_place(workspace, &client.id);
            ops.push(Op::PutSecret {
                workspace: workspace.clone(),
                secret: self.inner.vault.seal(&place, secret.reveal().as_bytes()),
            });
        }
        let mut draft = who.draft(
            workspace,
            now,
            "app_client.changed",
            ("app_client", client.id.as_str()),
            "ok",
        );
        draft.reason = secret.is_some().then(|| "secret_set".to_owned());
        self.commit(ops, vec![draft]).await?;
        Ok(())
    }

    /// The address a provider sends people back to, to be registered there.
    pub fn redirect_uri(&self, client: &ClientId) -> Url {
        self.page(&["oauth", "callback", client.as_str()])
    }

    /// The address of one of our own pages, as people open it.
    pub fn address(&self, path: &[&str]) -> Url {
        self.page(path)
    }

    /// One of our own pages.
    pub(crate) fn page(&self, path: &[&str]) -> Url {
        let mut url = self.inner.config.public_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    pub(crate) fn reader(&self, workspace: &WorkspaceId) -> Reader {
        self.inner.store.reader(workspace)
    }

    pub(crate) async fn commit(&self, ops: Vec<Op>, audit: Vec<Draft>) -> Result<(), CommitError> {
        self.inner.store.commit(Commit { ops, audit }).await
    }

    /// An app as it is installed now.
    pub(crate) fn installed(&self, app: &AppName) -> Option<Arc<Manifest>> {
        self.inner.config.apps.get(app.as_str()).cloned()
    }

    /// An app as a version has it, with that version.
    pub(crate) async fn manifest_of(
        &self,
        reader: &Reader,
        version: &VersionId,
        app: &AppName,
    ) -> Result<(VersionRow, Arc<Manifest>), SetupError> {
        let wrong = |what: &str| SetupError::Wrong(format!("{what} of `{app}` is not stored"));
        let version = reader
            .version(version)
            .await?
            .ok_or_else(|| wrong("version"))?;
        let digests: HashMap<String, String> =
            serde_json::from_str(&version.manifests).map_err(|_| wrong("list of manifests"))?;
        let digest = digests.get(app.as_str()).ok_or_else(|| wrong("manifest"))?;
        if let Some(known) = self.known(digest) {
            return Ok((version, known));
        }
        let row = reader
            .manifest(digest)
            .await?
            .ok_or_else(|| wrong("manifest"))?;
        let manifest = Arc::new(
            Manifest::from_document(&row.document).map_err(|_| wrong("a readable manifest"))?,
        );
        self.inner
            .manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(digest.clone(), manifest.clone());
        Ok((version, manifest))
    }

    fn known(&self, digest: &str) -> Option<Arc<Manifest>> {
        self.inner
            .manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .cloned()
    }

    /// The provider of an app client. Its endpoints come from the client's settings and the issuer they name, never from what a token answer
    /// said.
    pub(crate) async fn provider<'a>(
        &'a self,
        reader: &Reader,
        client: &'a ClientRow,
        manifest: &'a Manifest,
    ) -> Result<Provider<'a>, SetupError> {
        if client.app != manifest.app {
            return Err(SetupError::Wrong(format!(
                "app client `{}` belongs to another app",
                client.name
            )));
        }
        match self.prove_client(reader, client).await {
            Ok(()) => {}
            Err(SecretError::Read(error)) => return Err(error.into()),
            Err(SecretError::Integrity) => {
                return Err(SetupError::Wrong(format!(
                    "app client `{}` is not set to what was sealed: whoever runs this server should look who changed the database",
                    client.name
                )));
            }
        }
        let settings = settings(client).map_err(SetupError::Wrong)?;
        let metadata = self.metadata(manifest, &settings).await?;
        let endpoints = manifest
            .oauth_endpoints(&settings, metadata.as_ref())
            .map_err(|e| SetupError::Wrong(e.message))?;
        let place = secrets::client_place(reader.workspace(), &client.id);
        let secret = match reader.secret(place.of, place.field).await? {
            Some(row) => match self.unseal(&place, &[], &row).await {
                Ok(secret) => Some(secret),
                Err(SecretError::Read(error)) => return Err(error.into()),
                Err(SecretError::Integrity) => {
                    return Err(SetupError::Wrong(format!(
                        "the secret of app client `{}` does not open",
                        client.name
                    )));
                }
            },
            None => None,
        };
        Ok(Provider {
            egress: &self.inner.egress,
            manifest,
            client,
            secret,
            endpoints,
            redirect: self.redirect_uri(&client.id),
            nonces: &self.inner.nonces,
        })
    }

    async fn has_connections(&self, reader: &Reader, client: &ClientId) -> Result<bool, ReadError> {
        Ok(reader
            .personal_connections(None)
            .await?
            .iter()
            .chain(&reader.shared_connections().await?)
            .any(|connection| connection.client == *client))
    }

    /// A person and their login, for the audit trail.
    pub(crate) async fn person(
        &self,
        reader: &Reader,
        user: &UserId,
    ) -> Result<Option<(UserId, String)>, ReadError> {
        Ok(reader.user(user).await?.map(|row| (row.id, row.login)))
    }

    /// Whether somebody may still act.
    pub(crate) async fn is_active(
        &self,
        reader: &Reader,
        user: &UserId,
    ) -> Result<bool, ReadError> {
        Ok(reader.user(user).await?.is_some_and(|row| !row.disabled))
    }
}

/// A client's settings as a value.
pub(crate) fn settings(client: &ClientRow) -> Result<Value, String> {
    let text = if client.settings.is_empty() {
        "{}"
    } else {
        &client.settings
    };
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(format!(
            "settings of app client `{}` are no object",
            client.name
        )),
    }
}

/// Now, for whoever needs no fence by the database's clock.
pub(crate) fn now() -> Time {
    system::now()
}

fn not_ready(error: RotateError) -> ConnectionsError {
    match error {
        RotateError::Read(error) => error.into(),
        RotateError::Commit(error) => error.into(),
        other => ConnectionsError::Client(other.to_string()),
    }
}
