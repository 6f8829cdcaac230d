//! A server with its store, the operator's socket, people and their browsers. Knows no test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actas_connections::KeySource;
use actas_core::StepError;
use actas_core::app::{Manifest, Native, NativeStep, Natives, parse};
use actas_sandbox::{Client, Config, Sandbox};
use actas_store::StoreConfig;
use actas_test_support::browser::{Browser, Page, client};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Server, ServerConfig};

/// `core.set` without the modules' crate, which stands on the other side of the border.
struct Set;

impl Native for Set {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        Ok(NativeStep::Output(input.clone()))
    }
}

pub const PASSWORD: &str = "a long enough password";

/// A flow without any account.
pub const HELLO: &str = "flow: hello\ntrigger: {on_demand: {}}\ninputs:\n  name: {type: string, title: Name}\n  times: {type: integer, minimum: 1, default: 1}\nsteps:\n  greet: {uses: core.set, with: {text: \"hello {{ inputs.name }}\"}}\noutputs: {text: \"{{ steps.greet.text }}\"}\n";

/// A flow that acts as whoever runs it.
pub const NOTE: &str = "flow: note\ntitle: Leave a note\ntrigger: {on_demand: {}}\nconnections:\n  crm:\n    app: sandbox_crm\n    dynamic: {ask: when_needed, scopes: [records.write], why: To write it in your name}\ninputs: {text: {type: string, default: hi}}\nsteps:\n  first: {uses: core.set, with: {text: \"{{ inputs.text }}\"}}\n  note: {uses: sandbox_crm.create_record, connection: crm, with: {object: Note, fields: {Text: \"{{ steps.first.text }}\"}}}\noutputs: {note: \"{{ steps.note.id }}\"}\n";

pub struct Site {
    pub server: Server,
    pub crm: Sandbox,
    pub dir: TempDir,
    operator: reqwest::Client,
    http: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.text
        );
        self.body
    }

    /// The code of a refusal with this status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        self.body["code"].as_str().unwrap_or_default()
    }
}

fn manifest(text: &str) -> Arc<Manifest> {
    let parsed = parse(text);
    Arc::new(
        parsed
            .manifest
            .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics)),
    )
}

pub fn config(dir: &Path, crm: &Sandbox) -> ServerConfig {
    let data = dir.join("data");
    ServerConfig {
        store: StoreConfig {
            url: None,
            data: data.clone(),
        },
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: None,
        socket: Some(data.join("actas.sock")),
        key: KeySource::EmbeddedFile(data.join("vault.key")),
        exceptions: vec![crm.address().to_string().parse().unwrap()],
        apps: vec![
            manifest(include_str!("../../../../modules/core/app.yaml")),
            manifest(include_str!("../../../../modules/sandbox_crm/app.yaml")),
        ],
        natives: Natives::new([("core/set/1", Arc::new(Set) as Arc<dyn Native>)]),
        lease: Duration::from_secs(10),
        woken_at_once: 64,
        owner: ("olga".into(), "Olga Owner".into()),
        checkpoints: None,
        terminal_login: false,
        mail: None,
    }
}

impl Site {
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let http = client();
        let crm = Sandbox::start(Config::default()).await.unwrap();
        let dir = TempDir::new().unwrap();
        let mut config = config(dir.path(), &crm);
        change(&mut config);
        let socket = config.socket.clone().unwrap();
        let server = Server::start(config).await.unwrap();
        Self {
            server,
            crm,
            dir,
            operator: operator(&socket),
            http,
        }
    }

    /// A request of the operator, as a local user.
    pub fn cli(&self, login: &str, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.operator
            .request(method, format!("http://actas/api/v1{path}"))
            .header("actas-as", login)
    }

    /// A request of the operator with a JSON body.
    pub async fn put(&self, login: &str, method: &str, path: &str, body: Value) -> Answer {
        Answer::of(self.cli(login, method, path).json(&body)).await
    }

    /// A read of the operator.
    pub async fn get(&self, login: &str, path: &str) -> Answer {
        Answer::of(self.cli(login, "GET", path)).await
    }

    /// A request from the network.
    pub fn net(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://127.0.0.1:{}{path}", self.server.address().port());
        self.http.request(method, url)
    }

    pub fn url(&self, path: &str) -> String {
        self.server.app().origin.join(path).to_string()
    }

    /// A person with roles, and their browser, logged in.
    pub async fn person(&self, login: &str, roles: &[&str]) -> Browser {
        let body = json!({"login": login, "roles": roles, "local": true, "email": format!("{login}@sandbox.example")});
        let added = self.put("olga", "POST", "/users", body).await.ok();
        let mut browser = Browser::new();
        let page = browser.open(added["link"].as_str().unwrap()).await;
        let form = page
            .form("/link/")
            .with("password", PASSWORD)
            .with("again", PASSWORD);
        let home = browser.submit(&page, &form).await;
        assert_eq!((home.status, home.url.path()), (200, "/"), "{home}");
        browser
    }

    /// An API token of a person, for everything but approving.
    pub async fn token(&self, login: &str) -> String {
        self.token_for(login, &["runs", "read", "manage"]).await
    }

    /// An API token of a person for some things.
    pub async fn token_for(&self, login: &str, scopes: &[&str]) -> String {
        let body = json!({"name": "test", "scopes": scopes});
        let made = self.put(login, "POST", "/tokens", body).await.ok();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Saves a draft; gives its ETag.
    pub async fn draft(&self, login: &str, flow: &str, text: &str) -> String {
        let request = self
            .cli(login, "PUT", &format!("/flows/{flow}/draft"))
            .header("content-type", "application/yaml")
            .body(text.to_owned());
        let saved = Answer::of(request).await;
        let tag = saved
            .headers
            .get("etag")
            .map(|tag| tag.to_str().unwrap().to_owned());
        saved.ok();
        tag.unwrap()
    }

    /// Publishes what a draft says and lets everybody run it.
    pub async fn publish(&self, flow: &str, text: &str) -> Value {
        let tag = self.draft("olga", flow, text).await;
        let request = self
            .cli("olga", "POST", &format!("/flows/{flow}/versions"))
            .header("if-match", tag);
        let published = Answer::of(request).await.ok();
        let runners = json!({"runners": ["everyone"]});
        self.put("olga", "PUT", &format!("/flows/{flow}/runners"), runners)
            .await
            .ok();
        published
    }

    /// The workspace's client at the CRM.
    pub async fn configure_crm(&self) {
        let body = json!({"client_id": "actas", "client_secret": "a secret", "settings": {"instance_url": self.crm.url()}});
        let made = self
            .put("olga", "POST", "/apps/sandbox_crm/clients", body)
            .await
            .ok();
        let uri = made["redirect_uri"].as_str().unwrap();
        self.crm
            .register_client(Client::new("actas", "a secret", [uri]));
    }

    /// Runs a flow and waits until it ends or pauses.
    pub async fn run(&self, login: &str, flow: &str, inputs: Value) -> Value {
        let request = self
            .cli(login, "POST", &format!("/flows/{flow}/runs"))
            .header("prefer", "wait=20")
            .json(&json!({"inputs": inputs}));
        Answer::of(request).await.ok()
    }

    /// The run's document once it is in a state.
    pub async fn until(&self, login: &str, run: &str, state: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..200 {
            last = self.get(login, &format!("/runs/{run}")).await.ok();
            if last["state"] == state {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the run did not become {state}: {last:#}");
    }

    /// The request by which a run asks for an approval, once it does.
    pub async fn until_asked(&self, login: &str, run: &str) -> String {
        let mut last = Value::Null;
        for _ in 0..200 {
            last = self.get(login, &format!("/runs/{run}")).await.ok();
            if let Some(id) = last["paused"]["approvals"][0]["request"].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the run asks for no approval: {last:#}");
    }

    /// Signs in at the CRM as somebody, from a page of ours whose button leads there; gives the page that the callback answers.
    pub async fn sign_in(
        &self,
        browser: &mut Browser,
        page: &Page,
        button: &str,
        as_whom: &str,
    ) -> Page {
        let there = browser
            .submit(page, &page.form_with_button(button).press(button))
            .await;
        at_the_crm(browser, there, as_whom).await
    }
}

/// Goes through the CRM's own pages.
pub async fn at_the_crm(browser: &mut Browser, mut page: Page, as_whom: &str) -> Page {
    let crm = page.url.host_str().map(str::to_owned);
    if page.body.contains("password") {
        let form = page
            .form("")
            .with("username", as_whom)
            .with("password", &actas_sandbox::password_of(as_whom));
        page = browser.submit(&page, &form).await;
    }
    if page.url.host_str().map(str::to_owned) == crm && page.body.contains("Allow") {
        let form = page.form_with_button("Allow").press("Allow");
        page = browser.submit(&page, &form).await;
    }
    page
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test stands outside, where no egress guard is"
)]
fn operator(socket: &Path) -> reqwest::Client {
    reqwest::Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .build()
        .unwrap()
}
