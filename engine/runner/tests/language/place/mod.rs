//! A place to run flows in: a store on either database, a real runner, an app that counts what it is asked, and a way to end a run's task at any
//! of its commits. Knows nothing of what a flow means.

pub mod app;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actas_connections::{Connections, ConnectionsConfig, KeySource};
use actas_core::StepError;
use actas_core::app::{self as manifests, Apps, Manifest, Native, NativeStep, Natives};
use actas_core::audit::Actor;
use actas_core::flow::{Entry, Flow, canonical, parse};
use actas_core::ids::{FlowId, InboxId, RunId, StepPath, UserId, VersionId, WorkerId, WorkspaceId};
use actas_core::run::{LEVEL, Person, Phase, Run};
use actas_egress::{Egress, EgressConfig};
use actas_runner::{CreateError, NewRun, Runner, RunnerConfig};
use actas_store::{
    Commit, FlowRow, InboxMessage, InboxRow, ManifestRow, Op, RequestKind, Store, StoreConfig,
    UserRow, VersionRow, system,
};
use actas_test_support::postgres;
use serde_json::{Value, json};

use self::app::FakeApp;

/// Gives back its input.
struct Set;

impl Native for Set {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        Ok(NativeStep::Output(input.clone()))
    }
}

/// Fails with the word it is given.
struct Fail;

impl Native for Fail {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        let message = input["message"].as_str().unwrap_or("failed");
        Err(StepError::new(actas_core::ErrorKind::Rejected, message))
    }
}

/// One workspace on one database, with one runner.
pub struct Place {
    pub home: tempfile::TempDir,
    pub database: Option<String>,
    pub store: Store,
    pub runner: Runner,
    pub app: FakeApp,
    pub apps: Apps,
    pub workspace: WorkspaceId,
    pub people: BTreeMap<&'static str, UserRow>,
}

impl Place {
    /// On a database; none is SQLite.
    pub async fn on(url: Option<String>, lease: Duration) -> Self {
        // The second test of this process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = tempfile::tempdir().unwrap();
        let app = FakeApp::start().await;
        let toy: Arc<Manifest> = read_manifest(&app.manifest());
        let slow = read_manifest(&app.limited());
        let core = read_manifest(include_str!("../../../../../modules/core/app.yaml"));
        let apps = Apps::new([toy.clone(), slow.clone(), core.clone()]);
        let store = Store::open(&StoreConfig {
            url: url.clone(),
            data: home.path().join("data"),
        })
        .await
        .unwrap();
        let key = home.path().join("key");
        write_key(&key);
        let egress = Egress::new(EgressConfig {
            exceptions: vec![app.address().parse().unwrap()],
            ..EgressConfig::default()
        })
        .unwrap();
        let worker = WorkerId::from_bits(system::new_bits());
        let connections = Connections::open(
            store.clone(),
            egress.clone(),
            ConnectionsConfig {
                key: KeySource::File(key),
                public_url: format!("http://{}", app.address()).parse().unwrap(),
                worker: worker.clone(),
                apps: apps.clone(),
            },
        )
        .await
        .unwrap();
        let natives = Natives::new([
            ("toy/set/1", Arc::new(Set) as Arc<dyn Native>),
            ("toy/fail/1", Arc::new(Fail) as Arc<dyn Native>),
        ]);
        let config = RunnerConfig {
            worker,
            lease,
            woken_at_once: 100,
            mail: None,
        };
        let runner = Runner::start(store.clone(), connections, egress, natives, config);
        let workspace = WorkspaceId::from_bits(system::new_bits());
        let now = system::now();
        let mut ops = vec![Op::AddWorkspace {
            workspace: workspace.clone(),
            name: workspace.to_string(),
            at: now,
        }];
        let mut people = BTreeMap::new();
        for login in ["ana", "ben"] {
            let user = UserRow {
                id: UserId::from_bits(system::new_bits()),
                login: login.into(),
                name: login.to_uppercase(),
                email: None,
                manager: (login == "ana").then(|| "ben".into()),
                password_hash: None,
                local: true,
                roles: vec!["owner".into()],
                disabled: false,
                created_at: now,
            };
            ops.push(Op::AddUser {
                workspace: workspace.clone(),
                user: user.clone(),
            });
            people.insert(login, user);
        }
        for manifest in [&toy, &slow, &core] {
            ops.push(Op::KeepManifest {
                workspace: workspace.clone(),
                manifest: ManifestRow {
                    digest: manifest.digest.clone(),
                    app: manifest.app.clone(),
                    document: manifest.document.clone(),
                },
            });
        }
        let place = Self {
            home,
            database: url,
            store,
            runner,
            app,
            apps,
            workspace,
            people,
        };
        place.commit(ops).await;
        place
    }

    pub async fn commit(&self, ops: Vec<Op>) {
        let audit = Vec::new();
        self.store.commit(Commit { ops, audit }).await.unwrap();
    }

    /// Publishes a flow as its first version.
    pub async fn publish(&self, text: &str) -> VersionId {
        let parsed = parse(text, &self.apps);
        let flow: Flow = match parsed.draft {
            Some(draft) => draft.flow,
            None => panic!("{text}\n{:#?}", parsed.diagnostics),
        };
        let now = system::now();
        let ana = &self.people["ana"].id;
        let row = FlowRow {
            id: FlowId::from_bits(system::new_bits()),
            name: flow.flow.clone(),
            title: None,
            stopped: None,
            last_version: 0,
            runners: vec!["everyone".into()],
            created_by: ana.clone(),
            created_at: now,
        };
        let digests: BTreeMap<String, String> = ["toy", "slow", "core"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.apps.get(name)?.digest.clone())))
            .collect();
        let version = VersionRow {
            id: VersionId::from_bits(system::new_bits()),
            flow: row.id.clone(),
            number: 1,
            document: canonical(&flow),
            digest: "sha256:test".into(),
            bindings: json!({"slots": {}}).to_string(),
            manifests: json!(digests).to_string(),
            level: LEVEL,
            created_by: ana.clone(),
            created_at: now,
        };
        let id = version.id.clone();
        self.commit(vec![
            Op::AddFlow {
                workspace: self.workspace.clone(),
                flow: row,
            },
            Op::AddVersion {
                workspace: self.workspace.clone(),
                version,
            },
        ])
        .await;
        id
    }

    pub fn person(&self, login: &str) -> Person {
        let row = &self.people[login];
        Person {
            id: row.id.clone(),
            login: row.login.clone(),
            name: row.name.clone(),
            email: None,
            manager: row.manager.clone(),
            roles: row.roles.clone(),
        }
    }

    /// Starts a run for Ana; none if it could not be recorded.
    pub async fn start(&self, version: &VersionId, inputs: Value) -> Option<RunId> {
        let run = self.create(version, inputs).await.unwrap();
        self.runner.durable(&run).await.ok().map(|()| run)
    }

    /// Starts a run for Ana, or says why not.
    pub async fn create(&self, version: &VersionId, inputs: Value) -> Result<RunId, CreateError> {
        let new = NewRun {
            workspace: self.workspace.clone(),
            version: version.clone(),
            invoker: Some(self.person("ana")),
            actor: Actor::Engine,
            entry: Entry::Cli,
            inputs,
            idempotency: None,
            ip: None,
            agent: None,
        };
        Ok(self.runner.create(new).await?.run)
    }

    /// Does what people and other systems do: approves and answers what is asked, and calls back at the addresses that the app was given.
    pub async fn be_outside(&self) {
        let reader = self.store.reader(&self.workspace);
        let now = system::now();
        for request in reader.open_requests(100, None).await.unwrap().items {
            let by = self.person("ben");
            let message = match request.kind {
                RequestKind::Approval => InboxMessage::Decided {
                    step: request.step.clone(),
                    request: request.id.clone(),
                    decision: json!({
                        "approved": true,
                        "by": {"id": by.id, "login": by.login, "name": by.name},
                        "form": {},
                    }),
                },
                RequestKind::Decision => InboxMessage::Answered {
                    step: request.step.clone(),
                    request: request.id.clone(),
                    answer: json!({"answer": "happened", "output": {"did": "hit", "word": "told"}}),
                    by: by.clone(),
                },
            };
            let ops = vec![
                Op::DecideRequest {
                    workspace: self.workspace.clone(),
                    request: request.id,
                    by: by.id,
                    now,
                },
                self.message(&request.run, message),
            ];
            let audit = Vec::new();
            // Refused: the run has closed it meanwhile.
            let _ = self.store.commit(Commit { ops, audit }).await;
        }
        for call in self.app.calls() {
            let Some(address) = call.body["call_back"].as_str() else {
                continue;
            };
            let path = address.split("/hooks/callback/").nth(1).unwrap();
            let path = path.split('?').next().unwrap();
            let (run, step) = path.split_once('/').unwrap();
            let (run, step) = (run.parse().unwrap(), StepPath::from_address(step).unwrap());
            let message = InboxMessage::CalledBack {
                step: step.clone(),
                payload: json!({"answer": 42}),
            };
            let ops = vec![
                Op::UseCallback {
                    workspace: self.workspace.clone(),
                    run: RunId::clone(&run),
                    step,
                },
                self.message(&run, message),
            ];
            let audit = Vec::new();
            // Refused: it was called back before.
            let _ = self.store.commit(Commit { ops, audit }).await;
        }
    }

    fn message(&self, run: &RunId, message: InboxMessage) -> Op {
        Op::PutInbox {
            workspace: self.workspace.clone(),
            inbox: InboxRow {
                id: InboxId::from_bits(system::new_bits()),
                run: run.clone(),
                message,
                at: system::now(),
            },
        }
    }

    /// The run as its journal has it.
    pub async fn load(&self, run: &RunId) -> Run {
        let loaded = self.runner.load(&self.workspace, run).await.unwrap();
        loaded.expect("the run is there")
    }

    /// The run once it has ended; whoever is outside does what is asked of them meanwhile.
    pub async fn until_ended(&self, run: &RunId) -> Run {
        let ended = tokio::time::timeout(Duration::from_secs(120), async {
            loop {
                let loaded = self.load(run).await;
                if matches!(loaded.phase, Phase::Ended { .. }) {
                    return loaded;
                }
                self.be_outside().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        ended.await.unwrap_or_else(|_| panic!("{run} never ends"))
    }

    /// The rows of a run's journal, as text.
    pub async fn journal(&self, run: &RunId) -> Vec<String> {
        let reader = self.store.reader(&self.workspace);
        let rows = reader.journal(run).await.unwrap();
        rows.into_iter().map(|row| row.body).collect()
    }

    /// Waits for an event.
    pub async fn until_journal_has(&self, run: &RunId, kind: &str) {
        let event = format!("\"event\":\"{kind}\"");
        let found = tokio::time::timeout(Duration::from_secs(60), async {
            while !self
                .journal(run)
                .await
                .iter()
                .any(|row| row.contains(&event))
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        found
            .await
            .unwrap_or_else(|_| panic!("{run} never has {kind}"));
    }

    /// A statement of the test's own on the database: what no program of ours would do.
    pub async fn statement(&self, sql: &str) -> String {
        let sql = sql.to_owned();
        match &self.database {
            None => {
                let file = self.sqlite();
                tokio::task::spawn_blocking(move || {
                    let database = rusqlite::Connection::open(file).unwrap();
                    database.busy_timeout(Duration::from_secs(20)).unwrap();
                    if sql.starts_with("SELECT") {
                        let answer = database.query_row(&sql, [], |row| row.get::<_, i64>(0));
                        answer.unwrap().to_string()
                    } else {
                        database.execute_batch(&sql).unwrap();
                        String::new()
                    }
                })
                .await
                .unwrap()
            }
            Some(url) => {
                let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
                let name = name.to_owned();
                tokio::task::spawn_blocking(move || {
                    let server = postgres::server().unwrap();
                    server.statement_in(&name, &sql).unwrap().trim().to_owned()
                })
                .await
                .unwrap()
            }
        }
    }

    fn sqlite(&self) -> PathBuf {
        self.home.path().join("data/actas.db")
    }

    /// From now on the journals of all runs together take no more than this many rows: whoever drives a run past that loses it, as if its
    /// process had died after its last commit.
    pub async fn stop_after(&self, rows: u64) {
        self.statement(&match &self.database {
            None => format!(
                "CREATE TRIGGER stop_here BEFORE INSERT ON journal WHEN (SELECT count(*) FROM journal) >= {rows} \
                 BEGIN SELECT RAISE(ABORT, 'stopped here'); END;"
            ),
            Some(_) => format!(
                "CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF (SELECT count(*) FROM journal) >= {rows} THEN RAISE EXCEPTION 'stopped here' USING ERRCODE = '23514'; END IF; \
                 RETURN NEW; END $$; \
                 CREATE TRIGGER stop_here BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION stop_here();"
            ),
        })
        .await;
    }

    /// Takes [`Self::stop_after`] back.
    pub async fn go_on(&self) {
        let table = if self.database.is_none() {
            ""
        } else {
            " ON journal"
        };
        self.statement(&format!("DROP TRIGGER stop_here{table};"))
            .await;
    }

    /// How many rows the journals have.
    pub async fn journal_rows(&self) -> u64 {
        let count = self.statement("SELECT count(*) FROM journal").await;
        count.parse().unwrap()
    }
}

fn read_manifest(text: &str) -> Arc<Manifest> {
    let parsed = manifests::parse(text);
    Arc::new(
        parsed
            .manifest
            .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics)),
    )
}

fn write_key(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, "7e0123456789abcd".repeat(4)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
