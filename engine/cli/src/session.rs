//! Where a command speaks to: a server elsewhere, the one that serves the data directory, or, if nobody does, one that this process
//! starts for as long as the command lasts.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actas_connections::KeySource;
use actas_core::Secret;
use actas_core::app::{self, Apps, Manifest};
use actas_core::diagnostic::render;
use actas_egress::{HostPort, MailConfig};
use actas_server::{Server, ServerConfig, StartError};
use actas_store::{StoreConfig, StoreError};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::Parts;
use crate::args::Global;
use crate::client::Client;
use crate::commands::local::read;
use crate::exit::Failed;
use crate::output::{Output, cell, colour, texts};

/// Where the pages are if nobody says otherwise. Fixed, because apps know us by the redirect URI that contains it.
const PAGES: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// How long a run's lease lasts without being renewed: after a crash its runs go on that much later.
const LEASE: Duration = Duration::from_secs(5);

/// Claimed runs in flight at once.
const WOKEN_AT_ONCE: u32 = 256;

/// The longest path that a socket can have everywhere.
const LONGEST_SOCKET: usize = 100;

/// A server to speak to.
#[derive(Debug)]
pub struct Session {
    /// The way there.
    pub client: Client,
    /// The apps that files are checked against here.
    pub apps: Apps,
    own: Option<Own>,
}

/// A server of this process.
#[derive(Debug)]
struct Own {
    server: Server,
    /// Links that log this terminal's person in, by the page they lead to.
    links: Mutex<HashMap<String, String>>,
}

impl Session {
    /// Finds a server, or starts one.
    ///
    /// # Errors
    /// If none can be reached or started.
    pub async fn open(global: &Global, parts: Parts, output: Output) -> Result<Self, Failed> {
        let apps = apps(global, parts)?;
        if let Some(server) = &global.server {
            if global.user.is_some() {
                return Err(Failed::Usage("--as is for the machine of the data directory; with --server the token says who you are".into()));
            }
            if global.workspace.is_some() {
                return Err(Failed::Usage("--workspace is for the machine of the data directory; with --server the token says which workspace it is".into()));
            }
            return Ok(Self {
                client: Client::over_http(server, global.token.clone())?,
                apps,
                own: None,
            });
        }
        let data = data(global);
        if let Some(client) = live(&data, global).await? {
            return Ok(Self {
                client,
                apps,
                own: None,
            });
        }
        match start_nearby(global, parts, output).await {
            Ok(server) => Ok(Self {
                client: local(global)?,
                apps,
                own: Some(Own {
                    server,
                    links: Mutex::default(),
                }),
            }),
            // Somebody else has begun to serve it meanwhile.
            Err(error) => match live(&data, global).await? {
                Some(client) => Ok(Self {
                    client,
                    apps,
                    own: None,
                }),
                None => Err(error),
            },
        }
    }

    /// Whether the server ends with this command.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Exchanges the addresses that the invoker is to open for links of this terminal, where this process serves them: whoever sits here
    /// started it, so nobody needs to log in.
    pub async fn open_to_terminal(&self, document: &mut Value) {
        let Some(own) = &self.own else { return };
        let invoker = cell(document, "invoker");
        let is_asked =
            |one: &Value| cell(one, "person") == invoker || texts(one, "who").contains(&invoker);
        let asked = ["connections", "approvals", "decisions"];
        let page = document["paused"]["url"].as_str().map(str::to_owned);
        let mut lists = document.get_mut("paused").and_then(Value::as_object_mut);
        let all = lists
            .iter_mut()
            .flat_map(|paused| paused.iter_mut())
            .filter(|(key, _)| asked.contains(&key.as_str()))
            .filter_map(|(_, list)| list.as_array_mut());
        let mut found: Vec<&mut Value> = all.flatten().filter(|one| is_asked(one)).collect();
        let mut whole = Value::Null;
        if let Some(page) = &page {
            whole = json!({"url": page});
            found.push(&mut whole);
        }
        for one in found {
            let address = cell(one, "url");
            let Ok(url) = url::Url::parse(&address) else {
                continue;
            };
            let mut links = own.links.lock().await;
            if !links.contains_key(&address) {
                // Without a link the address itself still works, after a login.
                let Ok(Some(link)) = own.server.terminal_link(&invoker, url.path()).await else {
                    continue;
                };
                links.insert(address.clone(), link.into());
            }
            one["url"] = links.get(&address).map(String::as_str).into();
        }
        // The page of all accounts is the invoker's too.
        if page.is_some() {
            document["paused"]["url"] = whole["url"].take();
        }
    }

    /// Stops a server of our own; what is under way is written down.
    pub async fn close(self) {
        if let Some(own) = self.own {
            own.server.stop().await;
        }
    }
}

/// The way to the server that serves the data directory, as the operator of this machine.
///
/// # Errors
/// If there can be none.
pub fn local(global: &Global) -> Result<Client, Failed> {
    let client = Client::over_socket(&socket(&data(global))?, global.user.clone())?;
    Ok(client.in_workspace(global.workspace.clone()))
}

/// The server that serves a data directory, if it answers.
async fn live(data: &Path, global: &Global) -> Result<Option<Client>, Failed> {
    let socket = socket(data)?;
    if !socket.exists() {
        return Ok(None);
    }
    let client = Client::over_socket(&socket, global.user.clone())?;
    let client = client.in_workspace(global.workspace.clone());
    Ok(client.is_alive().await.then_some(client))
}

/// Starts a server for one command; on a free port if the usual one is taken.
async fn start_nearby(global: &Global, parts: Parts, output: Output) -> Result<Server, Failed> {
    let usual = config(global, parts, true)?;
    let address = usual.listen;
    match Server::start(usual).await {
        Err(StartError::Listen(_, error)) if error.kind() == ErrorKind::AddrInUse => {
            let free = ServerConfig {
                listen: SocketAddr::new(address.ip(), 0),
                ..config(global, parts, true)?
            };
            let server = Server::start(free).await.map_err(failed)?;
            output.say(&format!(
                "{address} is taken, so the pages are at {}; an app that knows the other address will not send people back here (ACTAS_LISTEN says which to take)",
                server.url().as_str().trim_end_matches('/')
            ));
            Ok(server)
        }
        done => done.map_err(failed),
    }
}

/// Starts a server that stays.
///
/// # Errors
/// If it cannot start.
pub async fn start(global: &Global, parts: Parts) -> Result<Server, Failed> {
    Server::start(config(global, parts, false)?)
        .await
        .map_err(failed)
}

fn failed(error: StartError) -> Failed {
    match error {
        StartError::BadOwner(_)
        | StartError::Origin(_)
        | StartError::NeedsPublicUrl(_)
        | StartError::Checkpoints(_)
        | StartError::NotLoopback(_) => Failed::Usage(error.to_string()),
        StartError::Store(StoreError::InUse(data)) => Failed::Unavailable(format!(
            "{} is in use by a process that does not answer: wait until it has started, or stop it",
            data.display()
        )),
        other => Failed::Unavailable(other.to_string()),
    }
}

fn config(global: &Global, parts: Parts, terminal: bool) -> Result<ServerConfig, Failed> {
    let data = data(global);
    make_private(&data)?;
    let listen = global.listen.unwrap_or(PAGES);
    let exceptions = global
        .egress_allow
        .iter()
        .map(|text| text.parse::<HostPort>());
    Ok(ServerConfig {
        socket: Some(socket(&data)?),
        key: key(global, &data)?,
        store: StoreConfig {
            url: global.database.clone(),
            data,
        },
        listen,
        public_url: global.public_url.clone(),
        exceptions: exceptions
            .collect::<Result<_, _>>()
            .map_err(|e| Failed::Usage(format!("--egress-allow: {e}")))?,
        apps: manifests(global, parts)?,
        natives: (parts.natives)(),
        lease: LEASE,
        woken_at_once: WOKEN_AT_ONCE,
        owner: owner(),
        checkpoints: global.audit_checkpoints.clone(),
        terminal_login: terminal && listen.ip().is_loopback(),
        mail: mail(global)?,
    })
}

/// How mail is sent: both settings or neither.
fn mail(global: &Global) -> Result<Option<MailConfig>, Failed> {
    match (&global.smtp_url, &global.mail_from) {
        (Some(url), Some(from)) => Ok(Some(MailConfig {
            url: Secret::new(url.clone()),
            from: from.clone(),
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Failed::Usage(
            "ACTAS_SMTP_URL says where mail is sent: say who it comes from as well, ACTAS_MAIL_FROM".into(),
        )),
        (None, Some(_)) => Err(Failed::Usage(
            "ACTAS_MAIL_FROM says who mail comes from: say where it is sent as well, ACTAS_SMTP_URL".into(),
        )),
    }
}

fn key(global: &Global, data: &Path) -> Result<KeySource, Failed> {
    const VARIABLE: &str = "ACTAS_KEY";
    if let Some(command) = &global.key_command {
        return Ok(KeySource::Command(command.clone()));
    }
    match (&global.key_file, &global.database) {
        (Some(file), _) => Ok(KeySource::File(file.clone())),
        (None, _) if std::env::var_os(VARIABLE).is_some() => Ok(KeySource::Env(VARIABLE.into())),
        (None, None) => Ok(KeySource::EmbeddedFile(data.join("key"))),
        (None, Some(_)) => Err(Failed::Usage(
            "a PostgreSQL store needs the vault's key from outside: --key-file FILE, --key-command COMMAND or ACTAS_KEY, 64 hex digits (openssl rand -hex 32)".into(),
        )),
    }
}

/// The data directory.
pub fn data(global: &Global) -> PathBuf {
    global
        .data
        .clone()
        .unwrap_or_else(|| PathBuf::from(".actas"))
}

/// Makes the data directory, closed to others: whoever can open the socket in it is this machine's operator. A PostgreSQL store needs it
/// for that alone.
fn make_private(data: &Path) -> Result<(), Failed> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data);
    made.map_err(|e| {
        Failed::Unavailable(format!(
            "data directory {} cannot be made: {e}",
            data.display()
        ))
    })
}

fn socket(data: &Path) -> Result<PathBuf, Failed> {
    let path = data.join("socket");
    if path.as_os_str().len() > LONGEST_SOCKET {
        return Err(Failed::Usage(format!(
            "the path of data directory {} is too long for a socket: choose a shorter one with --data, or a path relative to here",
            data.display()
        )));
    }
    Ok(path)
}

/// Who owns a new workspace: whoever starts it, by their name on this machine.
fn owner() -> (String, String) {
    let name = ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|key| std::env::var(key).ok())
        .unwrap_or_default();
    let login: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .collect();
    let login = login.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let login = if login.is_empty() || login == "everyone" {
        "owner"
    } else {
        login
    };
    (
        login.to_owned(),
        if name.is_empty() {
            login.to_owned()
        } else {
            name
        },
    )
}

/// The apps that files are checked against: those that come along, and those of `--apps`.
///
/// # Errors
/// If a manifest has faults; they have been said.
pub fn apps(global: &Global, parts: Parts) -> Result<Apps, Failed> {
    Ok(Apps::new(manifests(global, parts)?))
}

fn manifests(global: &Global, parts: Parts) -> Result<Vec<Arc<Manifest>>, Failed> {
    let mut all = (parts.apps)();
    for folder in &global.apps {
        let unreadable = |e: std::io::Error| {
            Failed::Usage(format!(
                "apps folder {} cannot be read: {e}",
                folder.display()
            ))
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let inside = path.join("app.yaml");
            if inside.is_file() {
                files.push(inside);
            } else if path.file_name().is_some_and(|name| name == "app.yaml") {
                files.push(path);
            }
        }
        files.sort();
        for file in files {
            all.push(manifest(&file)?);
        }
    }
    Ok(all)
}

fn manifest(file: &Path) -> Result<Arc<Manifest>, Failed> {
    let text = read(file)?;
    let parsed = app::parse(&text);
    let name = file.display().to_string();
    match parsed.manifest {
        Some(manifest) => Ok(Arc::new(manifest)),
        None => {
            let picture = render(
                &name,
                &text,
                &parsed.diagnostics,
                colour(&std::io::stderr()),
            );
            Output {
                json: false,
                quiet: false,
            }
            .say(picture.trim_end());
            Err(Failed::Fault(format!(
                "app manifest {name} has errors: nothing was started"
            )))
        }
    }
}
