//! What every row stands on: the shared worlds, its own people, and short ways to ask as them. Asserts nothing about the product itself.

use std::sync::{Arc, OnceLock, Weak};

use actas_test_support::browser::{Browser, Page};
use actas_test_support::postgres;
use actas_test_support::process::Finished;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::world::{self, Answer, Kind, World, link, password};

/// One row in the world of one database.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The world, shared with other rows.
    pub world: Arc<World>,
    /// The row: what its names begin with.
    pub row: &'static str,
}

/// Shows a row in the shared world of each database.
pub fn show(row: &'static str, act: impl AsyncFn(&Stage)) {
    runtime().block_on(async {
        // Both are held until the end, so that rows that overlap in time hand them on.
        let worlds = [sqlite().await, postgres().await];
        for world in worlds.iter().flatten() {
            let stage = Stage {
                world: Arc::clone(world),
                row,
            };
            act(&stage).await;
        }
    });
}

/// Shows a row in a world of its own for each database: it may stop the server there.
pub fn show_alone(row: &'static str, act: impl AsyncFn(Stage)) {
    runtime().block_on(async {
        let databases = [Some(Kind::Sqlite), postgres::database().map(Kind::Postgres)];
        for kind in databases.into_iter().flatten() {
            let world = Arc::new(World::start(kind).await);
            act(Stage { world, row }).await;
        }
    });
}

/// One runtime for all rows: what one test leaves open, another goes on with.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts"))
}

async fn sqlite() -> Option<Arc<World>> {
    static SHARED: Mutex<Weak<World>> = Mutex::const_new(Weak::new());
    shared(&SHARED, || Some(Kind::Sqlite)).await
}

async fn postgres() -> Option<Arc<World>> {
    static SHARED: Mutex<Weak<World>> = Mutex::const_new(Weak::new());
    shared(&SHARED, || postgres::database().map(Kind::Postgres)).await
}

/// The world that somebody holds already, or a new one; it ends with the last row that holds it.
async fn shared(
    place: &Mutex<Weak<World>>,
    kind: impl FnOnce() -> Option<Kind>,
) -> Option<Arc<World>> {
    let mut place = place.lock().await;
    if let Some(world) = place.upgrade() {
        return Some(world);
    }
    let world = Arc::new(World::start(kind()?).await);
    *place = Arc::downgrade(&world);
    Some(world)
}

impl Stage {
    /// The world, where nobody else holds it.
    pub fn alone(&mut self) -> &mut World {
        Arc::get_mut(&mut self.world).expect("a world of its own")
    }

    /// A name of this row's own.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.row)
    }

    /// A person of this row's own, with an account of the same name at the CRM; gives the login.
    pub async fn person(&self, name: &str, role: &str) -> String {
        let login = self.name(name);
        let person = json!({"login": login, "name": login, "email": format!("{login}@actas.test"), "roles": [role], "local": true});
        let added = self.ask(Method::POST, "/users", "", Some(&person)).await;
        let mut browser = Browser::new();
        let url = added.expect_ok()["link"]
            .as_str()
            .expect("a one-time link")
            .to_owned();
        let page = browser.open(&url).await;
        let form = page
            .form_with_button("Set the password")
            .with("password", &password(&login))
            .with("again", &password(&login));
        let page = browser.submit(&page, &form).await;
        assert_eq!(page.status, 200, "{page}");
        self.account(&login).await;
        login
    }

    /// Somebody at the CRM.
    pub async fn account(&self, name: &str) {
        self.world.crm.tell("people", &json!({"user": name})).await;
    }

    /// Asks the API as a person; as nobody by name, it is the owner.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        user: &str,
        body: Option<&Value>,
    ) -> Answer {
        let user = Some(user).filter(|user| !user.is_empty());
        let path = format!("/api/v1{path}");
        self.world.ask(method, &path, user, body).await
    }

    /// Reads from the API as a person.
    pub async fn get(&self, user: &str, path: &str) -> Value {
        self.ask(Method::GET, path, user, None).await.expect_ok()
    }

    /// Asks for a change as a person.
    pub async fn post(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, user, Some(body)).await
    }

    /// Sets something as a person.
    pub async fn put(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.ask(Method::PUT, path, user, Some(body)).await
    }

    /// Deletes something as a person.
    pub async fn delete(&self, user: &str, path: &str) -> Answer {
        self.ask(Method::DELETE, path, user, None).await
    }

    /// A command as a person, who gets JSON.
    pub fn actas(&self, user: &str, args: &[&str]) -> Finished {
        let mut all = vec!["--json"];
        if !user.is_empty() {
            all.extend(["--as", user]);
        }
        all.extend(args);
        self.world.actas(&all)
    }

    /// Saves a draft as a person; gives the answer, and the tag to publish it with.
    pub async fn save(&self, user: &str, flow: &str, text: &str) -> Answer {
        let path = format!("/api/v1/flows/{flow}/draft");
        let headers = [("content-type", "application/yaml")];
        let text = Some(text.to_owned());
        self.world
            .send(Method::PUT, &path, Some(user), &headers, text)
            .await
    }

    /// A file of this row's with this text.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.world.home.path().join(self.name(name));
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// Starts a run as a person; gives its document once it has ended or needs somebody.
    pub async fn run(&self, user: &str, flow: &str, inputs: &Value) -> Value {
        let started = self.world.run(user, flow, inputs, None).await;
        let started = started.expect("the server answers").expect_ok();
        self.world.settle(user, run_of(&started)).await
    }

    /// Signs a person in for what their run waits for, with the account of their own name; gives the last page.
    pub async fn sign_in(&self, user: &str, paused: &Value) -> Page {
        let page = world::sign_in(&mut Browser::new(), &link(paused), user, user).await;
        assert_eq!(page.status, 200, "{page}");
        page
    }

    /// Runs a flow as a person who is asked once and signs in; gives the document of the end.
    pub async fn run_signing_in(&self, user: &str, flow: &str, inputs: &Value) -> Value {
        let paused = self.run(user, flow, inputs).await;
        assert_eq!(paused["state"], "paused", "{paused:#}");
        self.sign_in(user, &paused).await;
        let done = self.world.end(user, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        done
    }

    /// A shared connection of this row's, made by vera with somebody's account at the CRM; gives its id.
    pub async fn share(&self, name: &str, account: &str) -> String {
        let body = json!({"name": name, "app": "sandbox_crm"});
        let page = self.post("vera", "/connections", &body).await.expect_ok();
        let url = page["url"].as_str().expect("a page to sign in at");
        let page = world::sign_in(&mut Browser::new(), url, "vera", account).await;
        assert_eq!(page.status, 200, "{page}");
        let all = self.get("vera", "/connections").await;
        let made = rows_of(&all["connections"])
            .into_iter()
            .find(|row| row["name"] == name)
            .unwrap_or_else(|| panic!("no `{name}` in {all:#}"));
        text_of(&made["id"])
    }

    /// A person's own connections.
    pub async fn own(&self, user: &str) -> Vec<Value> {
        rows_of(&self.get(user, "/me/connections").await["connections"])
    }

    /// The audit records that a query finds, newest first.
    pub async fn audit(&self, query: &str) -> Vec<Value> {
        rows_of(&self.get("", &format!("/audit?{query}")).await["records"])
    }

    /// The kinds of a run's events in order, as somebody sees them.
    pub async fn events(&self, user: &str, run: &str) -> Vec<String> {
        let journal = self.get(user, &format!("/runs/{run}/journal")).await;
        let rows = rows_of(&journal["journal"]);
        let events = rows.iter().flat_map(|row| rows_of(&row["events"]));
        events.map(|event| text_of(&event["event"])).collect()
    }

    /// Who wrote the CRM's records of one kind.
    pub async fn authors(&self, object: &str) -> Vec<String> {
        let records = self.world.records(object).await;
        records.iter().map(|r| text_of(&r["author"])).collect()
    }
}

/// A run's id.
pub fn run_of(document: &Value) -> &str {
    document["run"]
        .as_str()
        .unwrap_or_else(|| panic!("no run: {document:#}"))
}

/// The rows of a list.
pub fn rows_of(list: &Value) -> Vec<Value> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list:#}"))
        .clone()
}

/// A text.
pub fn text_of(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value:#}"))
        .to_owned()
}

/// Why a run waits for its first account.
pub fn reason(document: &Value) -> &Value {
    &document["paused"]["connections"][0]["reason"]
}
