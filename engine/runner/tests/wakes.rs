//! No wake-up is lost: a pause and a sign-in that cross, in both orders, forced on PostgreSQL by a lock that another session holds. The runs are
//! driven by the real runner; the sign-in is what its commit is, written by another process's store.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use actas_connections::{Connections, ConnectionsConfig, KeySource, Surface};
use actas_core::app::{self, Apps, Manifest, Natives};
use actas_core::audit::Actor;
use actas_core::flow::{Entry, Flow, Plan, canonical, parse};
use actas_core::ids::{
    ClientId, ConnectionId, FlowId, RunId, UserId, VersionId, WorkerId, WorkspaceId,
};
use actas_core::run::{ConnectionKind, LEVEL, Person};
use actas_egress::{Egress, EgressConfig};
use actas_runner::{NewRun, Runner, RunnerConfig};
use actas_store::{
    Binding, Bindings, ClientRow, Commit, ConnectionRow, ConnectionState, FlowRow, GrantRow,
    ManifestRow, Op, Store, StoreConfig, UserRow, VersionRow, system,
};
use actas_test_support::postgres::{self, Server};
use serde_json::json;

const APP: &str = r#"
app: toy
title: Toy
version: 1
base_url: "https://toy.example/api"
hosts: [toy.example]
auth:
  oauth2:
    authorize: "https://toy.example/authorize"
    token: "https://toy.example/token"
    scopes: {play: Play}
  account: {request: {get: /me}, subject: "{{ response.body.id }}", name: "{{ response.body.name }}"}
modules:
  touch:
    title: Touch
    effect: idempotent
    scopes: [play]
    request: {post: /touch}
    output: "{{ response.body }}"
"#;

const FLOW: &str = "
flow: touch-it
trigger: {on_demand: {}}
connections:
  toy: {app: toy, dynamic: {ask: when_needed}}
steps:
  touch: {uses: toy.touch, connection: toy}
";

/// One workspace with a version, on a database of its own.
struct Place {
    server: &'static Server,
    database: String,
    home: tempfile::TempDir,
    store: Store,
    runner: Runner,
    workspace: WorkspaceId,
    ana: UserRow,
    version: VersionId,
    flow: FlowId,
    client: ClientId,
    surface: Surface,
}

async fn open(url: &str, home: &std::path::Path) -> Store {
    Store::open(&StoreConfig {
        url: Some(url.to_owned()),
        data: home.to_owned(),
    })
    .await
    .unwrap()
}

async fn place() -> Option<Place> {
    let server = postgres::server()?;
    // The second test of this process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = server.database();
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    std::fs::write(&key, "7e0123456789abcd".repeat(4)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let store = open(&url, home.path()).await;
    let manifest: Arc<Manifest> = Arc::new(app::parse(APP).manifest.unwrap());
    let apps = Apps::new([manifest.clone()]);
    let flow: Flow = parse(FLOW, &apps).draft.unwrap().flow;
    let plan = Plan::compile(&flow, &apps).unwrap();
    let now = system::now();
    let workspace = WorkspaceId::from_bits(system::new_bits());
    let ana = UserRow {
        id: UserId::from_bits(system::new_bits()),
        login: "ana".into(),
        name: "Ana".into(),
        email: None,
        manager: None,
        password_hash: None,
        local: true,
        roles: vec!["owner".into()],
        disabled: false,
        created_at: now,
    };
    let client = ClientRow {
        id: ClientId::from_bits(system::new_bits()),
        app: manifest.app.clone(),
        name: "default".parse().unwrap(),
        oauth_client_id: "actas".into(),
        settings: "{}".into(),
        is_default: true,
        created_at: now,
    };
    let flow_row = FlowRow {
        id: FlowId::from_bits(system::new_bits()),
        name: flow.flow.clone(),
        title: None,
        stopped: None,
        last_version: 0,
        runners: vec!["everyone".into()],
        created_by: ana.id.clone(),
        created_at: now,
    };
    let binding = Binding::Dynamic {
        client: client.id.clone(),
        parent: None,
    };
    let bindings = Bindings {
        slots: BTreeMap::from([("toy".parse().unwrap(), binding)]),
    };
    let version = VersionRow {
        id: VersionId::from_bits(system::new_bits()),
        flow: flow_row.id.clone(),
        number: 1,
        document: canonical(&flow),
        digest: "sha256:test".into(),
        bindings: serde_json::to_string(&bindings).unwrap(),
        manifests: json!({"toy": manifest.digest}).to_string(),
        level: LEVEL,
        created_by: ana.id.clone(),
        created_at: now,
    };
    let kept = ManifestRow {
        digest: manifest.digest.clone(),
        app: manifest.app.clone(),
        document: manifest.document.clone(),
    };
    let surface = Surface::of(&plan, 0, client.id.clone());
    let ops = vec![
        Op::AddWorkspace {
            workspace: workspace.clone(),
            name: "main".into(),
            at: now,
        },
        Op::AddUser {
            workspace: workspace.clone(),
            user: ana.clone(),
        },
        Op::AddClient {
            workspace: workspace.clone(),
            client: client.clone(),
        },
        Op::AddFlow {
            workspace: workspace.clone(),
            flow: flow_row.clone(),
        },
        Op::KeepManifest {
            workspace: workspace.clone(),
            manifest: kept,
        },
        Op::AddVersion {
            workspace: workspace.clone(),
            version: version.clone(),
        },
    ];
    store
        .commit(Commit {
            ops,
            audit: Vec::new(),
        })
        .await
        .unwrap();
    let egress = Egress::new(EgressConfig::default()).unwrap();
    let worker = WorkerId::from_bits(system::new_bits());
    let config = ConnectionsConfig {
        key: KeySource::File(key),
        public_url: "http://localhost:1".parse().unwrap(),
        worker: worker.clone(),
        apps,
    };
    let connections = Connections::open(store.clone(), egress.clone(), config)
        .await
        .unwrap();
    let config = RunnerConfig {
        worker,
        lease: Duration::from_secs(10),
        woken_at_once: 100,
        mail: None,
    };
    let runner = Runner::start(
        store.clone(),
        connections,
        egress,
        Natives::default(),
        config,
    );
    let database = url
        .split('?')
        .next()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    Some(Place {
        server,
        database,
        home,
        store,
        runner,
        workspace,
        ana,
        version: version.id,
        flow: flow_row.id,
        client: client.id,
        surface,
    })
}

impl Place {
    async fn start(&self) -> RunId {
        let new = NewRun {
            workspace: self.workspace.clone(),
            version: self.version.clone(),
            invoker: Some(Person {
                id: self.ana.id.clone(),
                login: "ana".into(),
                name: "Ana".into(),
                email: None,
                manager: None,
                roles: Vec::new(),
            }),
            actor: Actor::Engine,
            entry: Entry::Cli,
            inputs: json!({}),
            idempotency: None,
            ip: None,
            agent: None,
        };
        self.runner.create(new).await.unwrap().run
    }

    /// What a sign-in commits when it saw nobody waiting: connection and grant, no word to any run.
    async fn sign_in_that_saw_nobody(&self) {
        let url = self.server.url(&self.database);
        let home = self.home.path().join("another-process");
        let store = open(&url, &home).await;
        let now = system::now();
        let connection = ConnectionRow {
            id: ConnectionId::from_bits(system::new_bits()),
            kind: ConnectionKind::Personal,
            owner: self.ana.id.clone(),
            name: None,
            app: "toy".parse().unwrap(),
            client: self.client.clone(),
            parent: None,
            made_for: Some((self.flow.clone(), "toy".parse().unwrap())),
            subject: "42".into(),
            account: "ana@toy".into(),
            scopes: vec!["play".into()],
            facts: "{}".into(),
            state: ConnectionState::Connected,
            token_version: 1,
            expires_at: None,
            refreshing: None,
            only_run: None,
            created_at: now,
            last_used_at: None,
            scheme: actas_core::run::Scheme::Oauth2,
        };
        let grant = GrantRow {
            user: self.ana.id.clone(),
            flow: self.flow.clone(),
            slot: "toy".parse().unwrap(),
            connection: connection.id.clone(),
            surface: serde_json::to_string(&self.surface).unwrap(),
            at: now,
        };
        let ops = vec![
            Op::AddConnection {
                workspace: self.workspace.clone(),
                connection,
            },
            Op::PutGrant {
                workspace: self.workspace.clone(),
                grant,
            },
        ];
        store
            .commit(Commit {
                ops,
                audit: Vec::new(),
            })
            .await
            .unwrap();
    }

    async fn journal_has(&self, run: &RunId, kind: &str) -> bool {
        let rows = self
            .store
            .reader(&self.workspace)
            .journal(run)
            .await
            .unwrap();
        rows.iter()
            .any(|row| row.body.contains(&format!("\"event\":\"{kind}\"")))
    }

    async fn until_journal_has(&self, run: &RunId, kind: &str) {
        let found = tokio::time::timeout(Duration::from_secs(30), async {
            while !self.journal_has(run, kind).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        found
            .await
            .unwrap_or_else(|_| panic!("the journal never has {kind}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_lands_between_the_look_up_and_the_pause_wakes_the_run() {
    let Some(place) = place().await else { return };
    // The pause cannot be written while another session holds its table; the look-up before it finds nothing.
    let (server, database) = (place.server, place.database.clone());
    let lock = tokio::task::spawn_blocking(move || {
        server
            .statement_in(
                &database,
                "BEGIN; LOCK TABLE sign_ins IN EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT;",
            )
            .unwrap();
    });
    while place.server.statement_in(&place.database, "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'sign_ins' AND l.mode = 'ExclusiveLock'").unwrap().trim() == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let run = place.start().await;
    while place
        .server
        .statement_in(
            &place.database,
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        )
        .unwrap()
        .trim()
        == "0"
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    place.sign_in_that_saw_nobody().await;
    assert!(
        !place.journal_has(&run, "slot_asked").await,
        "the pause is not written yet"
    );
    lock.await.unwrap();
    place.until_journal_has(&run, "slot_asked").await;
    place.until_journal_has(&run, "slot_bound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_looked_for_waiters_before_the_pause_and_lands_after_it_wakes_the_run() {
    let Some(place) = place().await else { return };
    let run = place.start().await;
    place.until_journal_has(&run, "slot_asked").await;
    // The pause has looked again and found nothing; the sign-in had seen nobody.
    place.sign_in_that_saw_nobody().await;
    place.until_journal_has(&run, "slot_bound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_was_refused_is_refused_also_for_who_asks_after_the_run_was_let_go() {
    let Some(place) = place().await else { return };
    let hidden = "ALTER TABLE runs RENAME TO runs_away";
    place.server.statement_in(&place.database, hidden).unwrap();
    let run = place.start().await;
    for _ in 0..3 {
        assert!(place.runner.durable(&run).await.is_err());
        // Ends when no run is held.
        place.runner.drain(Duration::from_secs(10)).await;
    }
}
