//! A whole world for one test: the real program serving a data directory, the sandbox CRM, people with scripted browsers. It speaks to the
//! program only as users and their tools do.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use actas_test_support::browser::{Browser, Page};
use actas_test_support::children::free_port;
use actas_test_support::process::{self, Running};
use actas_test_support::sandbox::{self, Decision, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes on a loaded machine.
pub const LONG: Duration = Duration::from_secs(60);

/// The client the workspace is known as at the sandbox.
const CLIENT: (&str, &str) = ("actas-test", "a-client-secret-of-the-test");

/// Where everything lasts.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The embedded file.
    Sqlite,
    /// This database.
    Postgres(String),
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// Everything on disk.
    pub home: TempDir,
    /// The CRM.
    pub crm: Sandbox,
    /// Where the program listens.
    pub port: u16,
    kind: Kind,
    egress: Vec<String>,
    apps: Option<PathBuf>,
    /// The mail server, if there is one.
    pub mail: Option<String>,
    server: Option<Running>,
    first: Option<u32>,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// The `ETag`.
    pub etag: Option<String>,
}

impl World {
    /// A served data directory with a builder (vera) and two runners (ana, ben), known at the CRM.
    pub async fn start(kind: Kind) -> Self {
        let mut world = Self::prepare(kind);
        world.serve();
        world.until_ready().await;
        world.furnish().await;
        world
    }

    /// The same before its first start.
    pub fn prepare(kind: Kind) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let crm = Sandbox::start(home.path(), &[], &[]);
        let egress = vec![authority(&crm.url)];
        if matches!(kind, Kind::Postgres(_)) {
            let key = home.path().join("key");
            std::fs::write(&key, format!("{}\n", "5a0123456789abcd".repeat(4)))
                .expect("a key file");
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))
                .expect("its mode");
        }
        Self {
            home,
            crm,
            port: free_port(),
            kind,
            egress,
            apps: None,
            mail: None,
            server: None,
            first: None,
        }
    }

    /// Allows plain HTTP to one more address.
    pub fn allow(&mut self, url: &str) {
        self.egress.push(authority(url));
    }

    /// Adds a folder of apps.
    pub fn add_apps(&mut self, folder: &Path) {
        self.apps = Some(folder.to_owned());
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Where browsers find it.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// All that lasts, as bytes: the files of the data directory without the vault's key, or every row of every table.
    pub fn dump(&self) -> Vec<u8> {
        let Kind::Postgres(url) = &self.kind else {
            let files = std::fs::read_dir(self.data()).expect("a data directory");
            let files = files.flatten().map(|entry| entry.path());
            let files = files.filter(|path| path.is_file() && !path.ends_with("key"));
            return files
                .flat_map(|path| std::fs::read(path).unwrap_or_default())
                .collect();
        };
        let name = url.split('?').next().and_then(|url| url.rsplit('/').next());
        let name = name.expect("a database").to_owned();
        let server = actas_test_support::postgres::server().expect("PostgreSQL");
        let sql = |text: &str| server.statement_in(&name, text).expect("an answer");
        let tables =
            sql("select table_name from information_schema.tables where table_schema = 'public'");
        let all = tables
            .lines()
            .map(|table| sql(&format!("select t::text from \"{table}\" t")));
        all.collect::<Vec<_>>().join("\n").into_bytes()
    }

    /// The command that serves this world, to be started or traced.
    pub fn dress(&self, mut command: Command) -> Command {
        self.environment(&mut command);
        command.args([
            "serve",
            "--listen",
            &format!("127.0.0.1:{}", self.port),
            "--public-url",
            &self.url(),
        ]);
        command
    }

    /// What the server has written so far: its log.
    pub fn said(&self) -> String {
        let said = |server: &Running| format!("{}{}", server.stdout(), server.stderr());
        self.server.as_ref().map(said).unwrap_or_default()
    }

    /// Lets a command find this world.
    pub fn environment(&self, command: &mut Command) {
        command
            .env("ACTAS_DATA", self.data())
            .env("ACTAS_EGRESS_ALLOW", self.egress.join(","));
        if let Some(apps) = &self.apps {
            command.env("ACTAS_APPS", apps);
        }
        if let Some(url) = &self.mail {
            command
                .env("ACTAS_SMTP_URL", url)
                .env("ACTAS_MAIL_FROM", "Actas <actas@actas.test>");
        }
        if let Kind::Postgres(url) = &self.kind {
            command
                .env("ACTAS_DATABASE_URL", url)
                .env("ACTAS_KEY_FILE", self.home.path().join("key"));
        }
    }

    /// Another address of the same database, such as a proxy's.
    pub fn reach_through(&mut self, url: String) {
        self.kind = Kind::Postgres(url);
    }

    /// Serves, and waits until it listens.
    pub fn serve(&mut self) {
        let command = self.dress(process::command(
            env!("CARGO_BIN_EXE_actas"),
            self.home.path(),
        ));
        self.serve_as(command);
    }

    /// Serves with a command made by [`World::dress`].
    pub fn serve_as(&mut self, command: Command) {
        let mut server = Running::start(command);
        server.wait_until_listening(self.port, LONG);
        self.server = Some(server);
    }

    /// Serves with a command that may die at any moment, even before it listens.
    pub fn serve_traced(&mut self, command: Command) {
        let mut server = Running::start(command);
        let port = self.port;
        let listening = actas_test_support::children::wait_for(LONG, || {
            let dead = server.wait(Duration::ZERO).is_some();
            (dead || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(())
        });
        listening.expect("it listens or dies");
        self.first = Some(server.pid());
        self.server = Some(server);
    }

    /// Whether the process that [`World::serve_traced`] started is still the one that serves.
    pub fn is_first_server_alive(&mut self) -> bool {
        let first = self.first;
        self.server.as_mut().is_some_and(|server| {
            Some(server.pid()) == first && server.wait(Duration::ZERO).is_none()
        })
    }

    /// Whether nobody serves.
    pub fn is_dead(&mut self) -> bool {
        self.server
            .as_mut()
            .is_none_or(|server| server.wait(Duration::ZERO).is_some())
    }

    /// Waits until the CRM holds a request.
    pub async fn until_held(&self) {
        let deadline = tokio::time::Instant::now() + LONG;
        while self.crm.ask("held").await["held"] != 1 {
            assert!(tokio::time::Instant::now() < deadline, "no request is held");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets the held request go.
    pub async fn release(&self) {
        let answer = actas_test_support::browser::client()
            .delete(format!("{}/_sandbox/held", self.crm.url))
            .send()
            .await;
        answer
            .expect("the CRM answers")
            .error_for_status()
            .expect("it lets go");
    }

    /// The serving process.
    pub fn server(&mut self) -> &mut Running {
        self.server.as_mut().expect("it is served")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Runs a command of the program in this world.
    pub fn actas(&self, args: &[&str]) -> process::Finished {
        let mut command = process::command(env!("CARGO_BIN_EXE_actas"), self.home.path());
        self.environment(&mut command);
        command.args(args);
        process::run(command, LONG)
    }

    /// Waits until it answers on its socket.
    pub async fn until_ready(&self) {
        let deadline = tokio::time::Instant::now() + LONG;
        while self
            .try_send(Method::GET, "/readyz", None, &[], None)
            .await
            .is_none_or(|answer| answer.status != 200)
        {
            assert!(
                tokio::time::Instant::now() < deadline,
                "it does not become ready"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// People, the app client, the redirect URI at the CRM.
    pub async fn furnish(&self) {
        for (login, role) in [("vera", "builder"), ("ana", "runner"), ("ben", "runner")] {
            let person = json!({"login": login, "name": login, "email": format!("{login}@actas.test"), "roles": [role], "manager": "ben", "local": true});
            let added = self
                .ask(Method::POST, "/api/v1/users", None, Some(&person))
                .await
                .expect_ok();
            let mut browser = Browser::new();
            let page = browser
                .open(added["link"].as_str().expect("a one-time link"))
                .await;
            let form = page
                .form_with_button("Set the password")
                .with("password", &password(login))
                .with("again", &password(login));
            let page = browser.submit(&page, &form).await;
            assert_eq!(page.status, 200, "{page}");
        }
        let url = self.crm.url.clone();
        let redirect = self
            .configure("sandbox_crm", &json!({"instance_url": url}), CLIENT)
            .await;
        let client = json!({"id": CLIENT.0, "secret": CLIENT.1, "name": "Actas", "redirect_uris": [redirect]});
        self.crm.tell("clients", &client).await;
    }

    /// Makes an app client; gives its redirect URI.
    pub async fn configure(
        &self,
        app: &str,
        settings: &Value,
        (id, secret): (&str, &str),
    ) -> String {
        let body = json!({"name": "default", "client_id": id, "client_secret": secret, "settings": settings});
        let answer = self
            .ask(
                Method::POST,
                &format!("/api/v1/apps/{app}/clients"),
                None,
                Some(&body),
            )
            .await
            .expect_ok();
        answer["redirect_uri"]
            .as_str()
            .expect("a redirect URI")
            .to_owned()
    }

    /// Publishes a flow as vera and lets everybody run it.
    pub async fn publish(&self, text: &str) -> Value {
        let flow = text
            .lines()
            .find_map(|line| line.strip_prefix("flow:"))
            .expect("a flow's name")
            .trim()
            .to_owned();
        let draft = self
            .send(
                Method::PUT,
                &format!("/api/v1/flows/{flow}/draft"),
                Some("vera"),
                &[("content-type", "application/yaml")],
                Some(text.to_owned()),
            )
            .await;
        let etag = draft.etag.clone();
        draft.expect_ok();
        let etag = etag.expect("a draft has an ETag");
        let published = self
            .send(
                Method::POST,
                &format!("/api/v1/flows/{flow}/versions"),
                Some("vera"),
                &[("if-match", &etag)],
                None,
            )
            .await
            .expect_ok();
        let body = json!({"runners": ["everyone"]});
        self.ask(
            Method::PUT,
            &format!("/api/v1/flows/{flow}/runners"),
            Some("vera"),
            Some(&body),
        )
        .await
        .expect_ok();
        published
    }

    /// Starts a run as somebody, and waits a moment for it to end or pause.
    pub async fn run(
        &self,
        user: &str,
        flow: &str,
        inputs: &Value,
        key: Option<&str>,
    ) -> Option<Answer> {
        let mut headers = vec![("prefer", "wait=5"), ("content-type", "application/json")];
        if let Some(key) = key {
            headers.push(("idempotency-key", key));
        }
        let body = json!({"inputs": inputs}).to_string();
        self.try_send(
            Method::POST,
            &format!("/api/v1/flows/{flow}/runs"),
            Some(user),
            &headers,
            Some(body),
        )
        .await
    }

    /// A run's document as somebody sees it.
    pub async fn see(&self, user: &str, run: &str) -> Value {
        self.ask(
            Method::GET,
            &format!("/api/v1/runs/{run}"),
            Some(user),
            None,
        )
        .await
        .expect_ok()
    }

    /// A run's document once it has ended or needs a person.
    pub async fn settle(&self, user: &str, run: &str) -> Value {
        self.until(user, run, |document| {
            is_over(document) || document["paused"].is_object()
        })
        .await
    }

    /// A run's document once it has ended.
    pub async fn end(&self, user: &str, run: &str) -> Value {
        self.until(user, run, is_over).await
    }

    /// A run's document once it is as awaited.
    pub async fn until(&self, user: &str, run: &str, awaited: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let document = self.see(user, run).await;
            if awaited(&document) {
                return document;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "run does not become what is awaited: {document:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many requests of this kind the CRM saw by somebody.
    pub async fn calls(&self, user: &str) -> u64 {
        let counts = self.crm.ask("counts").await;
        let calls = counts["api_calls"]
            .as_object()
            .expect("counts of calls")
            .clone();
        calls
            .iter()
            .filter(|(call, _)| call.starts_with(&format!("{user} ")))
            .filter_map(|(_, n)| n.as_u64())
            .sum()
    }

    /// The CRM's records of one kind, of everybody.
    pub async fn records(&self, object: &str) -> Vec<Value> {
        let records = self.crm.ask("records").await;
        let all = records
            .as_array()
            .or_else(|| records["items"].as_array())
            .expect("records")
            .clone();
        all.into_iter()
            .filter(|record| record["object"] == object)
            .collect()
    }

    /// Asks the API as somebody over the data directory's socket.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        user: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        self.send(
            method,
            path,
            user,
            &[("content-type", "application/json")],
            body.map(Value::to_string),
        )
        .await
    }

    /// The same with headers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        user: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        self.try_send(method.clone(), path, user, headers, body)
            .await
            .unwrap_or_else(|| panic!("{method} {path}: nobody answers"))
    }

    /// The same, where nobody may answer because the program was killed.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        user: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Option<Answer> {
        let client = client(&self.data());
        let mut request = client
            .request(method, format!("http://localhost{path}"))
            .timeout(LONG);
        if let Some(user) = user {
            request = request.header("actas-as", user);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let etag = answer
            .headers()
            .get("etag")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let text = answer.text().await.ok()?;
        Some(Answer {
            status,
            etag,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is a user of the socket")]
fn client(data: &Path) -> reqwest::Client {
    let _ = actas_test_support::browser::client();
    reqwest::Client::builder()
        .unix_socket(data.join("socket"))
        .build()
        .expect("a client")
}

impl Answer {
    /// The body of a success.
    pub fn expect_ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "refused with {}: {:#}",
            self.status,
            self.body
        );
        self.body
    }
}

/// Somebody's password for Actas.
pub fn password(login: &str) -> String {
    format!("{login}-has-a-long-password")
}

/// Whether a run has ended.
pub fn is_over(document: &Value) -> bool {
    ["succeeded", "failed", "cancelled"]
        .iter()
        .any(|state| document["state"] == *state)
}

/// The link of the first account a paused run needs.
pub fn link(document: &Value) -> String {
    document["paused"]["connections"][0]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("no link: {document:#}"))
        .to_owned()
}

/// Opens a page as somebody, logging in to Actas where it asks.
pub async fn open(browser: &mut Browser, url: &str, login: &str) -> Page {
    let page = browser.open(url).await;
    if page.body.contains("name=\"password\"") && page.url.path().contains("/login") {
        let form = page
            .form("/login")
            .with("login", login)
            .with("password", &password(login));
        return browser.submit(&page, &form).await;
    }
    page
}

/// The whole sign-in, as the person: opens the link, logs in, goes to the CRM, allows, comes back.
pub async fn sign_in(browser: &mut Browser, link: &str, login: &str, at_the_crm: &str) -> Page {
    let page = open(browser, link, login).await;
    let form = page.form_with_button("Sign in");
    let page = browser.submit(&page, &form).await;
    sandbox::sign_in(browser, page, at_the_crm, Decision::Allow).await
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}
