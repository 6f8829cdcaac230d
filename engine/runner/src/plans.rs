//! Versions made ready to run, compiled once and shared: the stored document with the stored manifests, never newer ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use actas_core::app::{Apps, Manifest};
use actas_core::flow::{Flow, Plan};
use actas_core::ids::{AppName, FlowName, VersionId, WorkspaceId};
use actas_store::{Bindings, ReadError, Store, VersionRow};
use serde_json::{Map, Value};

/// How many compiled versions stay in memory; beyond that the cache starts anew, which costs a few reads.
const KEPT: usize = 2_000;

/// Why a version cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database is away or a row cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no such flow, or no version of it.
    #[error("flow `{0}` has never been published")]
    NeverPublished(FlowName),
    /// There is no such version.
    #[error("there is no version {0}")]
    NoVersion(VersionId),
    /// What is stored cannot be run by this program.
    #[error("version {version} cannot be run: {why}")]
    Unusable {
        /// Which.
        version: VersionId,
        /// Why.
        why: String,
    },
    /// A journal cannot be folded.
    #[error("run {run} cannot be read: {why}")]
    Journal {
        /// Which.
        run: actas_core::ids::RunId,
        /// Why.
        why: String,
    },
}

/// A version with all that its runs need.
#[derive(Debug)]
pub struct Version {
    /// The row.
    pub row: VersionRow,
    /// The compiled flow.
    pub plan: Arc<Plan>,
    /// The manifests it was published with.
    pub apps: Apps,
    /// What its names meant.
    pub bindings: Bindings,
}

impl Version {
    /// The values of the workspace that its flow may name, as they are now; nothing, and nothing is read, if it names none.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn vars(
        &self,
        store: &Store,
        workspace: &WorkspaceId,
    ) -> Result<Arc<Value>, ReadError> {
        // An expression that names them has this word in it, wherever it stands.
        if !self.row.document.contains("vars") {
            return Ok(Arc::default());
        }
        let mut vars = Map::new();
        for row in store.reader(workspace).vars().await? {
            let value = serde_json::from_str(&row.value).map_err(|why| ReadError::Corrupt {
                what: format!("value `{}`", row.name),
                why: why.to_string(),
            })?;
            vars.insert(row.name.to_string(), value);
        }
        Ok(Arc::new(Value::Object(vars)))
    }
}

/// The cache of compiled versions.
#[derive(Debug, Default)]
pub struct Plans {
    versions: Mutex<HashMap<VersionId, Arc<Version>>>,
    manifests: Mutex<HashMap<String, Arc<Manifest>>>,
}

impl Plans {
    /// A version, compiled now or before. Versions never change, so what is in memory is right; ids cannot be guessed into another workspace,
    /// because a version is only ever reached through a run or a flow of its own workspace.
    pub async fn version(
        &self,
        store: &Store,
        workspace: &WorkspaceId,
        id: &VersionId,
    ) -> Result<Arc<Version>, LoadError> {
        if let Some(version) = lock(&self.versions).get(id) {
            return Ok(version.clone());
        }
        let version = Arc::new(self.load(store, workspace, id).await?);
        let mut versions = lock(&self.versions);
        if versions.len() >= KEPT {
            versions.clear();
        }
        versions.insert(id.clone(), version.clone());
        Ok(version)
    }

    async fn load(
        &self,
        store: &Store,
        workspace: &WorkspaceId,
        id: &VersionId,
    ) -> Result<Version, LoadError> {
        let reader = store.reader(workspace);
        let row = reader
            .version(id)
            .await?
            .ok_or_else(|| LoadError::NoVersion(id.clone()))?;
        let unusable = |why: String| LoadError::Unusable {
            version: id.clone(),
            why,
        };
        let flow: Flow =
            serde_json::from_str(&row.document).map_err(|e| unusable(e.to_string()))?;
        let bindings: Bindings =
            serde_json::from_str(&row.bindings).map_err(|e| unusable(e.to_string()))?;
        let digests: BTreeMap<AppName, String> =
            serde_json::from_str(&row.manifests).map_err(|e| unusable(e.to_string()))?;
        let mut manifests = Vec::with_capacity(digests.len());
        for digest in digests.values() {
            manifests.push(
                self.manifest(store, workspace, digest)
                    .await?
                    .ok_or_else(|| unusable(format!("manifest {digest} is not stored")))?,
            );
        }
        let apps = Apps::new(manifests);
        let plan = Plan::compile(&flow, &apps).map_err(|faults| {
            unusable(faults.first().map_or_else(
                || "it does not compile".to_owned(),
                |fault| fault.message.clone(),
            ))
        })?;
        Ok(Version {
            row,
            plan: Arc::new(plan),
            apps,
            bindings,
        })
    }

    async fn manifest(
        &self,
        store: &Store,
        workspace: &WorkspaceId,
        digest: &str,
    ) -> Result<Option<Arc<Manifest>>, LoadError> {
        if let Some(manifest) = lock(&self.manifests).get(digest) {
            return Ok(Some(manifest.clone()));
        }
        let Some(row) = store.reader(workspace).manifest(digest).await? else {
            return Ok(None);
        };
        let manifest =
            Manifest::from_document(&row.document).map_err(|faults| ReadError::Corrupt {
                what: format!("manifest {digest}"),
                why: faults
                    .first()
                    .map_or_else(String::new, |fault| fault.message.clone()),
            })?;
        let manifest = Arc::new(manifest);
        lock(&self.manifests).insert(digest.to_owned(), manifest.clone());
        Ok(Some(manifest))
    }
}

/// A lock whose holder panicked still guards whole values here: entries are inserted in one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
