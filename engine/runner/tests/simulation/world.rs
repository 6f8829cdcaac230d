//! A workspace, its people, the processes that share its store, and the time they are given. Everything is one thread's: a process is a runtime of
//! its own whose clock stands still while it is given none, and a crash is the end of its runtime with all its tasks wherever they stand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use actas_connections::{
    ConnectKind, ConnectTarget, Connections, ConnectionsConfig, KeySource, Who,
};
use actas_core::audit::Actor;
use actas_core::flow::{Entry, SlotKind};
use actas_core::ids::*;
use actas_core::run::{LEVEL, Person};
use actas_core::{Secret, Time};
use actas_egress::{Egress, EgressConfig};
use actas_runner::{NewRun, Runner, RunnerConfig};
use actas_store::system::simulated;
use actas_store::{
    Binding, Bindings, ClientRow, Commit, FlowRow, ManifestRow, Op, RunFilter, RunRow, SessionRow,
    Store, UserRow, VersionRow, system,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::flows;
use crate::sky::{Air, Dice, LEASE, Life, Sky};
use crate::town::{self, CRM, Net, Town};

/// The first of January 2027, ten seconds before the minute.
pub const START: i64 = 1_798_761_590_000_000;

static KEY: LazyLock<PathBuf> = LazyLock::new(|| {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join("key");
    std::fs::write(&path, "7e0123456789abcd".repeat(4)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
});

/// A process that performs.
pub struct Process {
    pub life: Arc<Life>,
    pub runner: Runner,
    pub rt: Runtime,
    /// Until when it is given no time.
    pub stopped: i64,
}

/// Where people are: their part of a server, to which nothing happens.
pub struct Office {
    pub life: Arc<Life>,
    pub store: Store,
    pub connections: Connections,
    rt: Runtime,
}

pub struct World {
    pub sky: Arc<Sky>,
    pub seed: u64,
    pub dice: Dice,
    pub base: Store,
    pub town: Arc<Mutex<Town>>,
    pub workspace: WorkspaceId,
    pub people: BTreeMap<&'static str, UserRow>,
    pub client: ClientRow,
    pub office: Office,
    pub processes: Vec<Option<Process>>,
    /// Runs whose creation was acknowledged.
    pub acknowledged: Arc<Mutex<Vec<RunId>>>,
    pub versions: BTreeMap<String, VersionId>,
    /// How often somebody said: do it again.
    pub agains: usize,
    born: u64,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

async fn connections(store: &Store, net: Net, worker: WorkerId) -> Option<(Connections, Egress)> {
    let egress = Egress::over(EgressConfig::default(), Arc::new(net));
    let config = ConnectionsConfig {
        key: KeySource::File(KEY.clone()),
        public_url: "https://actas.example".parse().unwrap(),
        worker,
        apps: town::apps().0,
    };
    let opened = Connections::open(store.clone(), egress.clone(), config).await;
    Some((opened.ok()?, egress))
}

impl World {
    pub fn new(seed: u64, storm: u64, record: bool, processes: usize) -> Self {
        let sky = Sky::new(seed ^ 0x5eed, START, storm);
        if record {
            sky.state().acts = Some(Vec::new());
        }
        let base = Store::model(sky.clock.clone());
        let life = Life::new(seed.wrapping_mul(31) ^ 0x0ff1ce, START);
        simulated::go_by(Some(life.clone()));
        let town = Arc::new(Mutex::new(Town::default()));
        town.lock().unwrap().life = if storm == 0 { 3600 } else { 60 };
        let store = base.under(Arc::new(Air {
            sky: sky.clone(),
            calm: true,
            life: life.clone(),
        }));
        let net = Net {
            sky: sky.clone(),
            life: life.clone(),
            calm: true,
            town: town.clone(),
        };
        let rt = runtime();
        let (connections, _) = rt
            .block_on(connections(
                &store,
                net,
                WorkerId::from_bits(system::new_bits()),
            ))
            .unwrap();
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
                created_at: Time(START),
            };
            people.insert(login, user);
        }
        let client = ClientRow {
            id: ClientId::from_bits(system::new_bits()),
            app: "sandbox_crm".parse().unwrap(),
            name: "main".parse().unwrap(),
            oauth_client_id: "actas".to_owned(),
            settings: json!({"instance_url": CRM}).to_string(),
            is_default: true,
            created_at: Time(START),
        };
        let world = Self {
            dice: Dice(seed ^ 0xd1ce),
            sky,
            seed,
            base,
            town,
            workspace: WorkspaceId::from_bits(system::new_bits()),
            people,
            client,
            office: Office {
                life,
                store,
                connections,
                rt,
            },
            processes: (0..processes).map(|_| None).collect(),
            acknowledged: Arc::default(),
            versions: BTreeMap::new(),
            agains: 0,
            born: 0,
        };
        world.set_up();
        world
    }

    fn set_up(&self) {
        let workspace = || self.workspace.clone();
        let mut ops = vec![Op::AddWorkspace {
            workspace: workspace(),
            name: self.workspace.to_string(),
            at: Time(START),
        }];
        for user in self.people.values() {
            ops.push(Op::AddUser {
                workspace: workspace(),
                user: user.clone(),
            });
        }
        for manifest in town::apps().1 {
            ops.push(Op::KeepManifest {
                workspace: workspace(),
                manifest: ManifestRow {
                    digest: manifest.digest.clone(),
                    app: manifest.app.clone(),
                    document: manifest.document.clone(),
                },
            });
        }
        let who = self.who("ana");
        let secret = Some(Secret::new("secret".to_owned()));
        self.at_the_office(async |office| {
            let audit = Vec::new();
            office.store.commit(Commit { ops, audit }).await.unwrap();
            let client = self.client.clone();
            office
                .connections
                .put_client(&self.workspace, client, secret, &who)
                .await
                .unwrap();
            let target = ConnectTarget {
                app: self.client.app.clone(),
                client: self.client.id.clone(),
                kind: ConnectKind::Shared {
                    name: "team-crm".parse().unwrap(),
                },
                scopes: Vec::new(),
            };
            let ana = &self.people["ana"].id;
            let session = self.session("ana");
            let url = office
                .connections
                .begin_connect(&self.workspace, &target, ana, &session.hash, &who)
                .await
                .unwrap();
            self.come_back(office, &url, "team", "ana").await.unwrap();
        });
    }

    /// Does something as people do, at the time it is.
    pub fn at_the_office<T>(&self, act: impl AsyncFnOnce(&Office) -> T) -> T {
        let office = &self.office;
        let before = simulated::go_by(Some(office.life.clone()));
        let now = self.sky.now();
        let done = office.rt.block_on(async {
            office.life.enter(now);
            let done = act(office).await;
            office.life.leave();
            done
        });
        simulated::go_by(before);
        done
    }

    pub async fn come_back(
        &self,
        office: &Office,
        url: &url::Url,
        account: &str,
        login: &str,
    ) -> Result<(), String> {
        let state = url.query_pairs().find(|(name, _)| name == "state").unwrap();
        let code = format!("code-{account}");
        let query: Vec<(String, String)> = [
            ("state", state.1.as_ref()),
            ("code", code.as_str()),
            ("iss", CRM),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let session = self.session(login);
        let who = self.who(login);
        let back = office
            .connections
            .callback(&self.client.id, &query, Some(&session), &who);
        back.await.map(|_| ()).map_err(|e| e.to_string())
    }

    pub fn session(&self, login: &str) -> SessionRow {
        SessionRow {
            hash: format!("session-of-{login}"),
            workspace: self.workspace.clone(),
            user: self.people[login].id.clone(),
            created_at: Time(1),
            expires_at: Time(i64::MAX),
        }
    }

    pub fn who(&self, login: &str) -> Who {
        let id = self.people[login].id.clone();
        Who {
            actor: Actor::User {
                id: id.clone(),
                login: login.to_owned(),
            },
            person: Some((id, login.to_owned())),
            entry: "page".to_owned(),
            ip: None,
            agent: None,
        }
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

    /// Publishes a flow as its first version, once.
    pub fn publish(&mut self, text: &str) -> VersionId {
        if let Some(version) = self.versions.get(text) {
            return version.clone();
        }
        let read = flows::read(text);
        let workspace = self.workspace.clone();
        let id = self.at_the_office(async |office| {
            let reader = office.store.reader(&workspace);
            let team = reader.shared_connection(&"team-crm".parse().unwrap()).await;
            let team = team.unwrap().unwrap().id;
            let mut bindings = Bindings::default();
            for (name, slot) in &read.flow.connections {
                let client = self.client.id.clone();
                let binding = match &slot.kind {
                    SlotKind::Dynamic(dynamic) => Binding::Dynamic {
                        client,
                        parent: dynamic.parent.as_ref().map(|_| team.clone()),
                    },
                    SlotKind::Connection(_) => Binding::Shared {
                        client,
                        connection: team.clone(),
                    },
                };
                bindings.slots.insert(name.clone(), binding);
            }
            let digests: BTreeMap<String, String> = town::apps()
                .1
                .iter()
                .map(|manifest| (manifest.app.to_string(), manifest.digest.clone()))
                .collect();
            let flow = FlowRow {
                id: FlowId::from_bits(system::new_bits()),
                name: read.flow.flow.clone(),
                title: None,
                stopped: None,
                last_version: 0,
                runners: vec!["everyone".into()],
                created_by: self.people["ana"].id.clone(),
                created_at: system::now(),
            };
            let version = VersionRow {
                id: VersionId::from_bits(system::new_bits()),
                flow: flow.id.clone(),
                number: 1,
                document: read.canonical.clone(),
                digest: "sha256:test".into(),
                bindings: serde_json::to_string(&bindings).unwrap(),
                manifests: json!(digests).to_string(),
                level: LEVEL,
                created_by: self.people["ana"].id.clone(),
                created_at: system::now(),
            };
            let id = version.id.clone();
            let ops = vec![
                Op::AddFlow {
                    workspace: workspace.clone(),
                    flow,
                },
                Op::AddVersion {
                    workspace: workspace.clone(),
                    version,
                },
            ];
            let audit = Vec::new();
            office.store.commit(Commit { ops, audit }).await.unwrap();
            id
        });
        self.versions.insert(text.to_owned(), id.clone());
        id
    }

    /// Lets a process begin, if there is none at this place; it may die of it.
    fn awaken(&mut self, place: usize) {
        self.born += 1;
        let now = self.sky.now();
        let life = Life::new(
            self.seed.wrapping_mul(977) ^ (self.born << 8) ^ place as u64,
            now,
        );
        let air = Air {
            sky: self.sky.clone(),
            calm: false,
            life: life.clone(),
        };
        let store = self.base.under(Arc::new(air));
        let net = Net {
            sky: self.sky.clone(),
            life: life.clone(),
            calm: false,
            town: self.town.clone(),
        };
        let rt = runtime();
        let before = simulated::go_by(Some(life.clone()));
        let worker = WorkerId::from_bits(system::new_bits());
        let begun = rt.block_on(async {
            life.enter(now);
            let opened = tokio::select! {
                biased;
                () = life.died.notified() => None,
                opened = connections(&store, net, worker.clone()) => opened,
            };
            let runner = opened.map(|(connections, egress)| {
                let config = RunnerConfig {
                    worker,
                    lease: LEASE,
                    woken_at_once: 20,
                    mail: None,
                };
                Runner::start(
                    store.clone(),
                    connections,
                    egress,
                    actas_modules::natives(),
                    config,
                )
            });
            life.leave();
            runner
        });
        if let Some(runner) = begun {
            self.sky.state().stores.push((place, store));
            self.processes[place] = Some(Process {
                life,
                runner,
                rt,
                stopped: 0,
            });
        }
        simulated::go_by(before);
    }

    /// Gives every process so much time.
    pub fn pass(&mut self, time: Duration) {
        let from = self.sky.now();
        let end = from + i64::try_from(time.as_micros()).unwrap();
        let late = std::mem::take(&mut self.sky.state().late);
        for (place, run) in late {
            let stores = self.sky.state().stores.clone();
            for (_, store) in stores.iter().filter(|(other, _)| *other == place) {
                store.deliver(run.clone());
            }
        }
        for place in 0..self.processes.len() {
            if self.processes[place].is_none() {
                self.awaken(place);
            }
            let Some(process) = &mut self.processes[place] else {
                continue;
            };
            if process.stopped > from {
                continue;
            }
            simulated::go_by(Some(process.life.clone()));
            let life = process.life.clone();
            process.rt.block_on(async {
                if process.stopped > 0 {
                    // It was asleep, and now everything is due at once.
                    process.stopped = 0;
                    tokio::time::advance(Duration::from_secs(8)).await;
                }
                life.enter(from);
                tokio::select! {
                    biased;
                    () = life.died.notified() => {}
                    () = tokio::time::sleep(time) => {}
                }
                life.leave();
            });
            if life.is_dead() {
                self.bury(place);
            }
            simulated::go_by(None);
        }
        self.sky.clock.fetch_max(end, Ordering::SeqCst);
    }

    fn bury(&mut self, place: usize) {
        self.processes[place] = None;
        self.sky.state().stores.retain(|(other, _)| *other != place);
    }

    /// Somebody starts a run.
    pub fn start(
        &mut self,
        place: usize,
        version: &VersionId,
        login: &str,
        inputs: Value,
        key: Option<&str>,
    ) {
        let new = NewRun {
            workspace: self.workspace.clone(),
            version: version.clone(),
            invoker: Some(self.person(login)),
            actor: Actor::Engine,
            entry: Entry::Cli,
            inputs,
            idempotency: key.map(|key| (key.to_owned(), "body".to_owned())),
            ip: None,
            agent: None,
        };
        let Some(process) = &self.processes[place] else {
            return;
        };
        let (runner, acknowledged) = (process.runner.clone(), self.acknowledged.clone());
        process.rt.spawn(async move {
            if let Ok(started) = runner.create(new).await
                && runner.durable(&started.run).await.is_ok()
            {
                acknowledged.lock().unwrap().push(started.run);
            }
        });
    }

    /// All runs there are, as their rows say.
    pub fn runs(&self) -> Vec<RunRow> {
        let filter = RunFilter {
            children: true,
            ..RunFilter::default()
        };
        let reader = self.base.reader(&self.workspace);
        let page = futures::executor::block_on(reader.runs(&filter, 1000, None));
        page.unwrap().items
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // They hold each other.
        self.processes.clear();
        let mut state = self.sky.state();
        state.stores.clear();
        simulated::go_by(None);
    }
}
