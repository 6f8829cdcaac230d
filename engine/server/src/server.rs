//! Starting and stopping: opens the engine's parts in order, listens, and lets go of everything in the reverse order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actas_connections::{Connections, ConnectionsConfig, KeySource, OpenError, RotateError};
use actas_core::app::{Apps, Manifest, Natives};
use actas_core::audit::Actor;
use actas_core::ids::{WorkerId, WorkspaceId};
use actas_egress::{Egress, EgressConfig, EgressError, HostPort, Mail, MailConfig, MailError};
use actas_runner::{Runner, RunnerConfig};
use actas_store::{CommitError, ReadError, Store, StoreConfig, StoreError, system};
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::app::{App, KnownVersions, Seen};
use crate::gate::Peer;
use crate::listen::{Network, bind_operator};
use crate::log::{self, BadSink, Sink};
use crate::origin::{BadOrigin, Origin};
use crate::rate::{Buckets, KnownPlaces};
use crate::routes::{router, table};
use crate::target::Target;
use crate::terminal::Terminal;
use crate::workspaces::{NewWorkspace, Workspaces};

/// How long requests under way may take when the server stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server is told at its start.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where everything lasts.
    pub store: StoreConfig,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address people open. None: `http://localhost:PORT`, which needs `listen` to be loopback.
    pub public_url: Option<Url>,
    /// The operator's socket, in the data directory.
    pub socket: Option<PathBuf>,
    /// The vault's key.
    pub key: KeySource,
    /// Private addresses that apps may have, each an exact host and port.
    pub exceptions: Vec<HostPort>,
    /// The apps there are.
    pub apps: Vec<Arc<Manifest>>,
    /// Modules that are code.
    pub natives: Natives,
    /// How long a run's lease lasts without being renewed.
    pub lease: Duration,
    /// How many claimed runs may be in flight at once.
    pub woken_at_once: u32,
    /// The login and name of the owner that a first start makes.
    pub owner: (String, String),
    /// Where checkpoints of the audit logs are taken to: a file or an address.
    pub checkpoints: Option<String>,
    /// Whether links of this terminal log in: only where every listener is loopback.
    pub terminal_login: bool,
    /// How mail is sent; none: it is not.
    pub mail: Option<MailConfig>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, the address is not this machine's …
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    /// The address people open is missing or cannot be one.
    #[error(transparent)]
    Origin(#[from] BadOrigin),
    /// It listens to the network and does not know its own name.
    #[error(
        "{0} can be reached from elsewhere: say the address people open (`--public-url https://…`)"
    )]
    NeedsPublicUrl(SocketAddr),
    /// A terminal's links are for loopback alone.
    #[error("terminal links exist only where every listener is loopback, and {0} is not")]
    NotLoopback(SocketAddr),
    /// Where checkpoints go.
    #[error(transparent)]
    Checkpoints(#[from] BadSink),
    /// The first owner's login.
    #[error("`{0}` cannot be a login: take a-z, 0-9 and - _ . @ +")]
    BadOwner(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] OpenError),
    /// The vault's keys of workspaces.
    #[error(transparent)]
    Keys(#[from] RotateError),
    /// Outgoing requests.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Mail.
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    socket: Option<PathBuf>,
    first_link: Option<Url>,
    tasks: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// Opens everything and listens.
    ///
    /// # Errors
    /// See [`StartError`]; then nothing runs.
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError::Listen(config.listen.to_string(), error))?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::Listen(config.listen.to_string(), error))?;
        let loopback = address.ip().is_loopback();
        let origin = match &config.public_url {
            Some(url) => Origin::new(url.clone())?,
            None if loopback => Origin::new(local_url(address)?)?,
            None => return Err(StartError::NeedsPublicUrl(address)),
        };
        if config.terminal_login && !loopback {
            return Err(StartError::NotLoopback(address));
        }

        let store = Store::open(&config.store).await?;
        let egress = Egress::new(EgressConfig {
            exceptions: config.exceptions.clone(),
            own_listeners: vec![address],
            ..EgressConfig::default()
        })?;
        let worker = WorkerId::from_bits(system::new_bits());
        let apps = Apps::new(config.apps.iter().cloned());
        let connections = Connections::open(
            store.clone(),
            egress.clone(),
            ConnectionsConfig {
                key: config.key.clone(),
                public_url: origin.url().clone(),
                worker: worker.clone(),
                apps: apps.clone(),
            },
        )
        .await?;
        let (workspace, name, first) = workspace(&store, &config.owner).await?;
        let mail = config.mail.as_ref().map(Mail::new).transpose()?;
        connections.ready(&workspace).await?;
        let runner = Runner::start(
            store.clone(),
            connections.clone(),
            egress.clone(),
            config.natives.clone(),
            RunnerConfig {
                worker,
                lease: config.lease,
                woken_at_once: config.woken_at_once,
                mail: mail.clone(),
            },
        );
        let socket = match &config.socket {
            None => None,
            Some(path) => Some(
                bind_operator(path)
                    .map_err(|error| StartError::Listen(path.display().to_string(), error))?,
            ),
        };
        let checkpoints = config.checkpoints.as_deref().map(Sink::parse).transpose()?;
        let app = Arc::new(App {
            checkpoints,
            settings: settings(&config, address, &origin, &name, mail.as_ref()),
            store,
            connections,
            runner,
            apps,
            workspace,
            workspace_name: name,
            workspaces: Workspaces::default(),
            origin,
            by_place: Buckets::new(10, Duration::from_secs(30)),
            by_login: Buckets::new(50, Duration::from_secs(60)),
            known_places: KnownPlaces::default(),
            by_address: Buckets::new(60, Duration::from_secs(2)),
            by_hook: Buckets::new(1_000, Duration::from_millis(5)),
            noted: Buckets::new(1, Duration::from_secs(60)),
            strangers: crate::strangers::Strangers::default(),
            terminal: config.terminal_login.then(Terminal::default),
            versions: KnownVersions::default(),
            stopping: CancellationToken::new(),
            seen: Seen::default(),
            ended: tokio::sync::watch::Sender::new(0),
        });
        app.all_workspaces().await?;
        let service = service(&app);
        let stopped = |app: &Arc<App>| app.stopping.clone().cancelled_owned();
        let mut tasks = vec![tokio::spawn(std::future::IntoFuture::into_future(
            axum::serve(Network(listener), service.clone()).with_graceful_shutdown(stopped(&app)),
        ))];
        if let Some(socket) = socket {
            tasks.push(tokio::spawn(std::future::IntoFuture::into_future(
                axum::serve(socket, service).with_graceful_shutdown(stopped(&app)),
            )));
        }
        tasks.push(tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                log::keep(app, egress).await;
                Ok(())
            }
        }));
        let first_link = first.map(|link| app.origin.join(&link));
        Ok(Self {
            app,
            address,
            socket: config.socket,
            first_link,
            tasks,
        })
    }

    /// The address people open.
    pub fn url(&self) -> &Url {
        self.app.origin.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The one-time link of the owner that this start made; none if there was one already.
    pub fn first_link(&self) -> Option<&Url> {
        self.first_link.as_ref()
    }

    /// What handlers share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// A link that logs a person in once and leads to a page of ours; none unless the server was started for it, or if there is no such
    /// local person.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn terminal_link(&self, login: &str, path: &str) -> Result<Option<Url>, ReadError> {
        let Some(terminal) = &self.app.terminal else {
            return Ok(None);
        };
        let to = Target::of_path(path);
        let home = self.app.home_of(&to).await?;
        let workspace = home.map_or_else(|| self.app.workspace.clone(), |home| home.id);
        let reader = self.app.store.reader(&workspace);
        // Whoever sits at this machine acts as its local users, and as nobody else.
        let user = reader.user_by_login(login).await?;
        let Some(user) = user.filter(|user| user.local && !user.disabled) else {
            return Ok(None);
        };
        let token = terminal.make((workspace, user.id), to, system::now());
        Ok(Some(self.app.origin.join(&format!("/terminal/{token}"))))
    }

    /// Resolves when the server stops by itself, which it does only if listening fails.
    pub async fn failed(&mut self) {
        let _ = futures::future::select_all(self.tasks.iter_mut()).await;
    }

    /// Stops: takes no more requests, lets those under way end, writes held runs down and gives them up.
    pub async fn stop(self) {
        self.app.stopping.cancel();
        let runs = self.app.runner.drain(PATIENCE);
        let requests = async {
            for mut task in self.tasks {
                if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
                    task.abort();
                }
            }
        };
        futures::join!(runs, requests);
        if let Some(path) = &self.socket {
            // A socket without a listener only says so more slowly.
            let _ = std::fs::remove_file(path);
        }
    }
}

type Service = IntoMakeServiceWithConnectInfo<axum::Router, Peer>;

/// The router with what it must know of each connection. The table lives as long as the process, as its routes are the same for all requests.
fn service(app: &Arc<App>) -> Service {
    let routes = Box::leak(table(app.terminal.is_some()).into_boxed_slice());
    router(app, routes).into_make_service_with_connect_info::<Peer>()
}

fn local_url(address: SocketAddr) -> Result<Url, BadOrigin> {
    let text = format!("http://localhost:{}", address.port());
    Url::parse(&text).map_err(|_| BadOrigin::Form(text))
}

/// The workspace, made on a first start together with its owner and their one-time link.
async fn workspace(
    store: &Store,
    owner: &(String, String),
) -> Result<(WorkspaceId, String, Option<String>), StartError> {
    let known = |all: Vec<(WorkspaceId, String)>| all.into_iter().next();
    if let Some((id, name)) = known(store.workspaces().await?) {
        return Ok((id, name, None));
    }
    if !crate::api::users::is_login(&owner.0) {
        return Err(StartError::BadOwner(owner.0.clone()));
    }
    let by = (&Actor::Engine, "engine");
    let new = NewWorkspace::new("main", owner.clone(), system::now(), by);
    match store.commit(new.commit).await {
        Ok(()) => {
            let workspace = new.workspace;
            Ok((workspace.id, workspace.name.to_string(), Some(new.link)))
        }
        // Two servers began on one new database: the other was first.
        Err(error @ CommitError::Conflict { .. }) => match known(store.workspaces().await?) {
            Some((id, name)) => Ok((id, name, None)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Effective settings, without anything secret.
fn settings(
    config: &ServerConfig,
    address: SocketAddr,
    origin: &Origin,
    name: &str,
    mail: Option<&Mail>,
) -> Value {
    let store = match &config.store.url {
        None => json!({"kind": "sqlite", "data": config.store.data}),
        Some(url) => {
            let shown = Url::parse(url).ok().map(|mut url| {
                // Fails only for addresses that have no place for one.
                let _ = url.set_password(url.password().is_some().then_some("***"));
                url.set_query(None);
                url.to_string()
            });
            json!({"kind": "postgresql", "url": shown})
        }
    };
    let key = match &config.key {
        KeySource::EmbeddedFile(path) => json!({"kind": "embedded_file", "path": path}),
        KeySource::File(path) => json!({"kind": "file", "path": path}),
        KeySource::Command(_) => json!({"kind": "command"}),
        KeySource::Env(name) => json!({"kind": "environment", "variable": name}),
    };
    json!({
        "workspace": name,
        "public_url": origin.url(),
        "listen": address.to_string(),
        "socket": config.socket,
        "store": store,
        "vault_key": key,
        "egress_exceptions": config.exceptions.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "apps": config.apps.iter().map(|app| app.app.to_string()).collect::<Vec<_>>(),
        "lease_seconds": config.lease.as_secs_f64(),
        "woken_at_once": config.woken_at_once,
        "audit_checkpoints": config.checkpoints,
        "terminal_login": config.terminal_login,
        "mail": mail.map(|mail| json!({"server": mail.server(), "from": mail.from()})),
        "version": env!("CARGO_PKG_VERSION"),
    })
}
