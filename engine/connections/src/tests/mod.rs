//! Sign-ins, refresh and use against a provider that misbehaves on demand, on a real store.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod callback;
mod callback_address;
mod canaries;
mod client_grant;
mod deaths;
mod foreign;
mod keys;
mod life;
mod misbehaviour;
mod named;
mod owner;
mod proofs;
mod provider;
mod refresh;
mod schedules;
mod sign_in;
mod slots;
mod storm;
mod vaulted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actas_core::app::{Apps, Manifest};
use actas_core::audit::Actor;
use actas_core::flow::Dynamic;
use actas_core::ids::*;
use actas_core::run::{AskReason, Rule};
use actas_core::{Secret, Time};
use actas_egress::{Egress, EgressConfig};
use actas_store::*;
use tempfile::TempDir;
use url::Url;

use self::provider::Provider;
use crate::*;

pub const SLOT: &str = "crm";
pub const ISSUER: &str = "https://issuer.example";

/// A workspace with two people, an app, a client and a flow with one dynamic slot.
pub struct Bench {
    pub connections: Connections,
    pub store: Store,
    pub provider: Provider,
    pub workspace: WorkspaceId,
    pub ana: UserRow,
    pub ben: UserRow,
    pub client: ClientRow,
    pub flow: FlowId,
    pub version: VersionId,
    pub manifest: Arc<Manifest>,
    pub folder: TempDir,
    /// Of its database, if it is not the embedded one.
    pub url: Option<String>,
}

fn manifest(provider: &Provider, change: &dyn Fn(String) -> String) -> Arc<Manifest> {
    let text = format!(
        r#"
app: crm
title: Test CRM
version: 1
base_url: "{{{{ connection.instance_url }}}}"
hosts: ["{{{{ connection.instance_url | host }}}}"]
settings:
  instance_url: {{type: string, title: Address, pattern: "http://127[.]0[.]0[.]1:[0-9]+", example: "{0}"}}
auth:
  oauth2:
    authorize: "{{{{ connection.instance_url }}}}/authorize"
    token: "{{{{ connection.instance_url }}}}/token"
    revoke: "{{{{ connection.instance_url }}}}/revoke"
    issuer: "{ISSUER}"
    client_auth: post
    scopes: {{read: Read your records, write: Change them as you}}
    keep: [instance_url]
  account:
    request: {{get: /me}}
    subject: "{{{{ response.body.id }}}}"
    name: "{{{{ response.body.email }}}}"
errors:
  - {{status: 401, kind: sign_in_needed}}
  - {{status: 5xx, kind: unavailable}}
  - {{status: 4xx, kind: invalid_input}}
modules:
  get_me:
    title: Who am I
    effect: read
    scopes: [read]
    request: {{get: /me}}
    output: "{{{{ response.body }}}}"
"#,
        provider.url()
    );
    let parsed = actas_core::app::parse(&change(text));
    Arc::new(
        parsed
            .manifest
            .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics)),
    )
}

pub fn bits<T>(make: fn(u128) -> T) -> T {
    make(system::new_bits())
}

fn user(login: &str) -> UserRow {
    UserRow {
        id: bits(UserId::from_bits),
        login: login.to_owned(),
        name: login.to_owned(),
        email: None,
        manager: None,
        password_hash: None,
        local: true,
        roles: vec!["runner".to_owned()],
        disabled: false,
        created_at: Time(1),
    }
}

impl Bench {
    /// On SQLite.
    pub async fn new() -> Self {
        Self::on(None, &|text| text).await
    }

    /// On SQLite, with a manifest that is changed first.
    pub async fn with(change: &dyn Fn(String) -> String) -> Self {
        Self::on(None, change).await
    }

    /// On both databases.
    pub async fn everywhere() -> Vec<Self> {
        Self::everywhere_with(&|text| text).await
    }

    /// On both databases, with a manifest that is changed first.
    pub async fn everywhere_with(change: &dyn Fn(String) -> String) -> Vec<Self> {
        let mut all = vec![Self::with(change).await];
        if let Some(url) = actas_test_support::postgres::database() {
            all.push(Self::on(Some(url), change).await);
        }
        all
    }

    pub async fn on(url: Option<String>, change: &dyn Fn(String) -> String) -> Self {
        let _ = rustls_provider();
        Self::at(Provider::start().await, url, change).await
    }

    /// At a provider that is there already, or stands in for one at the same address.
    pub async fn at(
        provider: Provider,
        url: Option<String>,
        change: &dyn Fn(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig {
            url: url.clone(),
            data: folder.path().join("data"),
        })
        .await
        .unwrap();
        let manifest = manifest(&provider, change);
        let connections = open(&store, &provider, &manifest, &folder).await.unwrap();
        let workspace = bits(WorkspaceId::from_bits);
        let (ana, ben) = (user("ana"), user("ben"));
        let client = ClientRow {
            id: bits(ClientId::from_bits),
            app: manifest.app.clone(),
            name: "main".parse().unwrap(),
            oauth_client_id: "actas".to_owned(),
            settings: serde_json::json!({"instance_url": provider.url()}).to_string(),
            is_default: true,
            created_at: Time(1),
        };
        let (flow, version) = (bits(FlowId::from_bits), bits(VersionId::from_bits));
        let document = serde_json::json!({
            "language": 1, "flow": "new-opportunity", "title": "New opportunity", "trigger": {"on_demand": {}},
            "connections": {SLOT: {"app": "crm", "dynamic": {"why": "to write it down as you"}}},
            "steps": {"look": {"title": "Look who I am", "uses": "crm.get_me", "connection": SLOT}}
        });
        let ws = || workspace.clone();
        let ops = vec![
            Op::AddWorkspace {
                workspace: ws(),
                name: "test".to_owned(),
                at: Time(1),
            },
            Op::AddUser {
                workspace: ws(),
                user: ana.clone(),
            },
            Op::AddUser {
                workspace: ws(),
                user: ben.clone(),
            },
            Op::AddFlow {
                workspace: ws(),
                flow: FlowRow {
                    id: flow.clone(),
                    name: "new-opportunity".parse().unwrap(),
                    title: None,
                    stopped: None,
                    last_version: 0,
                    runners: vec!["everyone".to_owned()],
                    created_by: ana.id.clone(),
                    created_at: Time(1),
                },
            },
            Op::KeepManifest {
                workspace: ws(),
                manifest: ManifestRow {
                    digest: manifest.digest.clone(),
                    app: manifest.app.clone(),
                    document: manifest.document.clone(),
                },
            },
            Op::AddVersion {
                workspace: ws(),
                version: VersionRow {
                    id: version.clone(),
                    flow: flow.clone(),
                    number: 1,
                    document: document.to_string(),
                    digest: "sha256:0".to_owned(),
                    bindings: "{}".to_owned(),
                    manifests: serde_json::json!({"crm": manifest.digest}).to_string(),
                    level: 1,
                    created_by: ana.id.clone(),
                    created_at: Time(1),
                },
            },
        ];
        store
            .commit(Commit {
                ops,
                audit: Vec::new(),
            })
            .await
            .unwrap();
        let bench = Self {
            connections,
            store,
            provider,
            workspace,
            ana,
            ben,
            client,
            flow,
            version,
            manifest,
            folder,
            url,
        };
        bench
            .connections
            .put_client(
                &bench.workspace,
                bench.client.clone(),
                Some(Secret::new("client-secret-of-actas".to_owned())),
                &bench.who(&bench.ana),
            )
            .await
            .unwrap();
        bench
    }

    /// It does not wait long for answers.
    pub async fn impatient(change: &dyn Fn(String) -> String) -> Self {
        let mut bench = Self::with(change).await;
        bench.connections = open_within(
            &bench.store,
            &bench.provider,
            &bench.manifest,
            &bench.folder,
            Duration::from_millis(1500),
        )
        .await
        .unwrap();
        bench
    }

    /// The same store and key in another process.
    pub async fn another_process(&self) -> Connections {
        open(&self.store, &self.provider, &self.manifest, &self.folder)
            .await
            .unwrap()
    }

    pub fn who(&self, user: &UserRow) -> Who {
        Who {
            actor: Actor::User {
                id: user.id.clone(),
                login: user.login.clone(),
            },
            person: Some((user.id.clone(), user.login.clone())),
            entry: "page".to_owned(),
            ip: Some("192.0.2.7".to_owned()),
            agent: None,
        }
    }

    pub fn session(&self, user: &UserRow) -> SessionRow {
        SessionRow {
            hash: format!("session-of-{}", user.login),
            workspace: self.workspace.clone(),
            user: user.id.clone(),
            created_at: Time(1),
            expires_at: Time(i64::MAX),
        }
    }

    pub async fn commit(&self, ops: Vec<Op>) {
        self.store
            .commit(Commit {
                ops,
                audit: Vec::new(),
            })
            .await
            .unwrap();
    }

    pub fn reader(&self) -> Reader {
        self.store.reader(&self.workspace)
    }

    /// A run of the flow, held by nobody.
    pub async fn run(&self, user: &UserRow) -> RunId {
        let run = bits(RunId::from_bits);
        let now = system::now();
        self.commit(vec![Op::AddRun {
            run: RunRow {
                id: run.clone(),
                workspace: self.workspace.clone(),
                flow: self.flow.clone(),
                version: self.version.clone(),
                level: 1,
                invoker: Some(user.id.clone()),
                parent: None,
                retry_of: None,
                entry: "api".to_owned(),
                state: "running".to_owned(),
                created_at: now,
                ended_at: None,
                due_at: None,
                epoch: 1,
                owner: Some(bits(WorkerId::from_bits)),
                lease_until: Some(now.after(Duration::from_secs(3600))),
            },
            journal: JournalRow {
                run: run.clone(),
                seq: 1,
                kind: "run_created".to_owned(),
                v: 1,
                at: now,
                body: "{\"events\":[]}".to_owned(),
            },
            idempotency: None,
        }])
        .await;
        run
    }

    pub async fn end(&self, run: &RunId) {
        let now = system::now();
        self.commit(vec![Op::Append {
            workspace: self.workspace.clone(),
            epoch: 1,
            journal: JournalRow {
                run: run.clone(),
                seq: 2,
                kind: "run_ended".to_owned(),
                v: 1,
                at: now,
                body: "{\"events\":[]}".to_owned(),
            },
            state: "cancelled".to_owned(),
            due_at: None,
            ended_at: Some(now),
            release: true,
        }])
        .await;
    }

    pub fn ask(&self, run: &RunId, user: &UserRow) -> SlotAsk {
        SlotAsk {
            workspace: self.workspace.clone(),
            run: run.clone(),
            flow: self.flow.clone(),
            version: self.version.clone(),
            draft: false,
            slot: SLOT.parse().unwrap(),
            person: user.id.clone(),
            login: user.login.clone(),
            binding: Binding::Dynamic {
                client: self.client.id.clone(),
                parent: None,
            },
            manifest: self.manifest.clone(),
            approvers: false,
            dynamic: Some(Dynamic::default()),
            surface: self.surface(&["read"]),
        }
    }

    pub fn surface(&self, scopes: &[&str]) -> Surface {
        let set = |items: &[&str]| {
            items
                .iter()
                .map(|s| (*s).to_owned())
                .collect::<BTreeSet<_>>()
        };
        Surface {
            client: self.client.id.clone(),
            scopes: set(scopes),
            modules: set(&["crm.get_me"]),
            hosts: BTreeSet::new(),
        }
    }

    /// What the runner does at a pause: looks, and stores the sign-in.
    pub async fn pause(&self, ask: &SlotAsk) -> SignInId {
        let Resolution::Ask { reason, connection } = self.connections.resolve(ask).await.unwrap()
        else {
            panic!("there is a connection");
        };
        self.pause_for(ask, reason, connection).await
    }

    pub async fn pause_for(
        &self,
        ask: &SlotAsk,
        reason: AskReason,
        connection: Option<ConnectionId>,
    ) -> SignInId {
        let id = bits(SignInId::from_bits);
        let now = system::now();
        let until = now.after(Duration::from_secs(3600));
        let row = self
            .connections
            .sign_in_row(ask, id.clone(), reason, connection, until, now);
        self.commit(vec![Op::AddSignIn {
            workspace: self.workspace.clone(),
            sign_in: row,
        }])
        .await;
        id
    }

    /// Presses the button and comes to the provider with this state.
    pub async fn begin(&self, id: &SignInId, user: &UserRow) -> String {
        state_of(&self.depart(id, user).await.unwrap())
    }

    /// Presses the button and is sent there.
    pub async fn depart(&self, id: &SignInId, user: &UserRow) -> Result<Url, SignInError> {
        self.connections
            .begin(
                &self.workspace,
                id,
                &user.id,
                &self.session(user).hash,
                &self.who(user),
            )
            .await
    }

    /// Comes back from the provider.
    pub async fn come_back(
        &self,
        user: &UserRow,
        state: &str,
        code: &str,
    ) -> Result<Finished, CallbackError> {
        self.come_with(user, &[("state", state), ("code", code), ("iss", ISSUER)])
            .await
    }

    pub async fn come_with(
        &self,
        user: &UserRow,
        query: &[(&str, &str)],
    ) -> Result<Finished, CallbackError> {
        let query: Vec<_> = query
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        self.connections
            .callback(
                &self.client.id,
                &query,
                Some(&self.session(user)),
                &self.who(user),
            )
            .await
    }

    /// The whole way: pause, button, provider, back.
    pub async fn sign_in(&self, user: &UserRow, account: &str) -> (RunId, Finished) {
        let run = self.run(user).await;
        let id = self.pause(&self.ask(&run, user)).await;
        let state = self.begin(&id, user).await;
        let finished = self
            .come_back(user, &state, &self.provider.code(account))
            .await
            .unwrap();
        (run, finished)
    }

    pub fn using(&self, run: &RunId, connection: &ConnectionId, user: &UserRow) -> Use {
        Use {
            workspace: self.workspace.clone(),
            connection: connection.clone(),
            person: Some(user.id.clone()),
            rule: Rule::Invoker,
            manifest: self.manifest.clone(),
            run: run.clone(),
        }
    }

    pub async fn connection(&self, id: &ConnectionId) -> ConnectionRow {
        self.reader().connection(id).await.unwrap().unwrap()
    }

    /// Makes a connection's token old.
    pub async fn expire(&self, id: &ConnectionId) {
        let mut row = self.connection(id).await;
        let expect = row.token_version;
        row.expires_at = Some(Time(1));
        self.commit(vec![Op::ChangeConnection {
            workspace: self.workspace.clone(),
            connection: row,
            expect,
        }])
        .await;
    }

    /// As if every wait for the provider were over.
    pub async fn elapse(&self, id: &ConnectionId) {
        self.connections.inner.flights.elapse();
        let mut row = self.connection(id).await;
        let expect = row.token_version;
        row.refreshing = row.refreshing.map(|(by, _)| (by, Time(2)));
        self.commit(vec![Op::ChangeConnection {
            workspace: self.workspace.clone(),
            connection: row,
            expect,
        }])
        .await;
    }

    /// Actions and reasons of the audit trail, oldest first.
    pub async fn audit(&self) -> Vec<(String, Option<String>)> {
        let entries = self.reader().audit_from(0, 10_000).await.unwrap();
        entries
            .iter()
            .map(|entry| {
                let value = serde_json::to_value(&entry.record).unwrap();
                let text = |key: &str| value.get(key).and_then(|v| v.as_str()).map(str::to_owned);
                (text("action").unwrap(), text("reason"))
            })
            .collect()
    }

    pub async fn audited(&self, action: &str, reason: Option<&str>) -> bool {
        self.audit()
            .await
            .iter()
            .any(|(a, r)| a == action && (reason.is_none() || r.as_deref() == reason))
    }

    /// The words in a run's inbox.
    pub async fn inbox(&self, run: &RunId) -> Vec<InboxMessage> {
        let rows = self.store.inbox(&self.workspace, run).await.unwrap();
        rows.into_iter().map(|row| row.message).collect()
    }
}

pub async fn open(
    store: &Store,
    provider: &Provider,
    manifest: &Arc<Manifest>,
    folder: &TempDir,
) -> Result<Connections, OpenError> {
    let patience = EgressConfig::default().default_timeout;
    open_within(store, provider, manifest, folder, patience).await
}

async fn open_within(
    store: &Store,
    provider: &Provider,
    manifest: &Arc<Manifest>,
    folder: &TempDir,
    patience: Duration,
) -> Result<Connections, OpenError> {
    let key = KeySource::EmbeddedFile(folder.path().join("vault.key"));
    open_as(store, provider, manifest, key, patience).await
}

async fn open_as(
    store: &Store,
    provider: &Provider,
    manifest: &Arc<Manifest>,
    key: KeySource,
    patience: Duration,
) -> Result<Connections, OpenError> {
    let egress = Egress::new(EgressConfig {
        exceptions: vec![provider.address.to_string().parse().unwrap()],
        default_timeout: patience,
        ..EgressConfig::default()
    })
    .unwrap();
    Connections::open(
        store.clone(),
        egress,
        ConnectionsConfig {
            key,
            public_url: "https://actas.example/".parse().unwrap(),
            worker: bits(WorkerId::from_bits),
            apps: Apps::new([manifest.clone()]),
        },
    )
    .await
}

pub fn state_of(url: &Url) -> String {
    url.query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned()
}

/// A second test of this binary finds it installed.
fn rustls_provider() -> Result<(), Arc<rustls::crypto::CryptoProvider>> {
    rustls::crypto::ring::default_provider().install_default()
}
