//! The server that is measured: the real one, with an app of the benchmark's own, so that what is measured is the engine and not somebody
//! else's answers. Its own process; it says on standard output where it is, and ends when its standard input does.

use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actas_connections::KeySource;
use actas_core::StepError;
use actas_core::app::{Native, NativeStep, Natives, parse};
use actas_server::gate::hash_of;
use actas_server::secrets::new_token;
use actas_server::{Server, ServerConfig};
use actas_store::{Commit, Op, StoreConfig, TokenRow, system};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::flows;

/// What the server is told, on its command line as JSON.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Orders {
    /// Its data directory.
    pub data: PathBuf,
    /// The database, if it is not the embedded one.
    pub url: Option<String>,
}

/// Where it is.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// `127.0.0.1:PORT`
    pub address: String,
    /// An API token of the owner.
    pub token: String,
}

/// What its writer did so far: the answer to a line on standard input.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Written {
    /// Promises kept: what callers of the store asked for as one.
    pub commits: u64,
    /// Batches they went in, a transaction and a flush each.
    pub batches: u64,
}

/// `set` is what `core.set` is; `touch` does as much, but calls itself an effect, so that what it is based on must be durable first.
const APP: &str = "
app: bench
title: Benchmark
version: 1
modules:
  set: {title: Set, effect: pure, native: bench/set/1, input: {type: object}}
  touch: {title: Touch, effect: idempotent, native: bench/set/1, input: {type: object}}
";

struct Set;

impl Native for Set {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        Ok(NativeStep::Output(input.clone()))
    }
}

/// Serves until standard input ends.
///
/// # Errors
/// If it does not start, or the flows cannot be published.
pub async fn serve(orders: Orders) -> io::Result<()> {
    let parsed = parse(APP);
    let manifest = parsed
        .manifest
        .ok_or_else(|| io::Error::other(format!("{:?}", parsed.diagnostics)))?;
    let key = orders.data.join("vault.key");
    let key = if orders.url.is_some() {
        // A given key: PostgreSQL takes no other.
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.create_new(true).write(true).mode(0o600).open(&key)?;
        file.write_all("7e0123456789abcd".repeat(4).as_bytes())?;
        KeySource::File(key)
    } else {
        KeySource::EmbeddedFile(key)
    };
    let server = Server::start(ServerConfig {
        store: StoreConfig {
            url: orders.url,
            data: orders.data,
        },
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        socket: None,
        key,
        exceptions: Vec::new(),
        apps: vec![Arc::new(manifest)],
        natives: Natives::new([("bench/set/1", Arc::new(Set) as Arc<dyn Native>)]),
        lease: Duration::from_secs(30),
        woken_at_once: 100,
        owner: ("owner".into(), "Owner".into()),
        checkpoints: None,
        terminal_login: false,
        mail: None,
    })
    .await
    .map_err(io::Error::other)?;
    let place = Place {
        address: server.address().to_string(),
        token: token(&server).await.map_err(io::Error::other)?,
    };
    for (name, text) in flows::all() {
        publish(&place, &name, &text).await?;
    }
    say(&json!(place))?;
    let (asked, mut questions) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || asked.blocking_send(()).is_err() {
                break;
            }
        }
    });
    while questions.recv().await.is_some() {
        let done = server.app().store.written();
        say(&json!(Written {
            commits: done.commits,
            batches: done.batches,
        }))?;
    }
    server.stop().await;
    Ok(())
}

fn say(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

/// An API token of the owner. People make theirs in a browser; this is what the store keeps of one.
async fn token(server: &Server) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let app = server.app();
    let owner = app
        .store
        .reader(&app.workspace)
        .user_by_login("owner")
        .await?
        .ok_or("the first start made no owner")?;
    let (token, now) = (new_token("act_"), system::now());
    let row = TokenRow {
        hash: hash_of(&token),
        workspace: app.workspace.clone(),
        user: owner.id,
        name: "load".into(),
        scopes: vec!["read".into(), "runs".into()],
        created_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
    };
    app.store
        .commit(Commit {
            ops: vec![Op::AddToken(row)],
            audit: Vec::new(),
        })
        .await?;
    Ok(token)
}

async fn publish(place: &Place, name: &str, text: &str) -> io::Result<()> {
    let draft = format!("/api/v1/flows/{name}/draft");
    request(
        place,
        "PUT",
        &draft,
        "content-type: application/yaml\r\n",
        text,
    )
    .await?;
    let versions = format!("/api/v1/flows/{name}/versions");
    request(place, "POST", &versions, "if-match: \"1\"\r\n", "").await
}

/// One request on a connection of its own; refused unless it is answered with 2xx.
async fn request(
    place: &Place,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(&place.address).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        place.address,
        place.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.starts_with("HTTP/1.1 2") {
        return Ok(());
    }
    Err(io::Error::other(format!("{method} {path}: {answer}")))
}
