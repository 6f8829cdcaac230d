//! Everybody who asks, and everything that is asked for. Rows are copies of ones that came about by themselves, so that they stay whole
//! when rows grow.

use std::collections::BTreeSet;
use std::fmt;

use actas_core::ids::{ConnectionId, RequestId, UserId, WorkspaceId};
use actas_core::run::ConnectionKind;
use actas_sandbox::{Act, Fault};
use actas_store::{Commit, ConnectionRow, Op, RoleRow, SessionRow, TokenRow, UserRow, system};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::Site;
use super::super::site::{Answer, HELLO, NOTE};
use crate::access::{Privilege as P, ROLES, privileges};
use crate::gate::{csrf_of, hash_of};
use crate::routes::{Kind, Reach, Route};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// What is not there.
    None,
    /// The asker's.
    Own,
    /// Another person's.
    Other,
}

/// Somebody with a session.
pub struct Asker {
    user: UserRow,
    what: String,
    rights: BTreeSet<P>,
    cookie: String,
    /// Whether their session counts.
    pub admitted: bool,
    /// Whether they belong to another workspace.
    pub foreign: bool,
    run: String,
    /// A run that asks its person for an approval, and one that asks what became of a step.
    asks: String,
    doubts: String,
    /// What the second one asks.
    request: String,
    sign_in: String,
}

impl Asker {
    pub fn may(&self, privilege: P) -> bool {
        self.rights.contains(&privilege)
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// The world of the matrix.
pub struct Things {
    pub site: Site,
    pub askers: Vec<Asker>,
    other: Asker,
    connection: ConnectionRow,
    made: Mutex<u32>,
}

/// Whoever starts it is asked for an approval, and so could decide.
const ASK: &str = "flow: ask\ntrigger: {on_demand: {}}\ninputs: {who: {type: string}}\nsteps:\n  ask: {uses: core.approve, with: {who: \"{{ inputs.who }}\", title: A title, self: true}}\n";

/// Nobody knows whether the message was posted: the CRM's answer is lost.
const TELL: &str = "flow: tell\ntrigger: {on_demand: {}}\nconnections:\n  bot: {app: sandbox_crm, connection: bot}\nsteps:\n  tell: {uses: sandbox_crm.post_message, connection: bot, with: {channel: all, text: hello}}\n";

const NOTHING: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

impl Things {
    pub async fn make() -> Self {
        let site = Site::start().await;
        site.configure_crm().await;
        site.publish("hello", HELLO).await;
        site.publish("note", NOTE).await;
        site.publish("ask", ASK).await;
        site.publish("hidden", &NOTE.replace("flow: note", "flow: hidden"))
            .await;
        let nobody = json!({"runners": []});
        site.put("olga", "PUT", "/flows/hidden/runners", nobody)
            .await
            .ok();
        let template = Template::of(&site).await;
        template.share(&site).await;
        site.publish("tell", TELL).await;
        let lost = Fault::new("/api/v1/messages", 1_000, Act::LoseAnswer);
        site.crm.inject(lost);

        let mut askers = Vec::new();
        for role in ROLES {
            let rights = privileges(role).iter().copied().collect();
            askers.push(template.asker(&site, role, &[role], rights).await);
        }
        // One who may do everything and see nothing, one who may see everything and do nothing.
        let sees = |p: &P| p.as_str().ends_with(".view");
        let (views, acts): (BTreeSet<P>, BTreeSet<P>) = P::ALL.into_iter().partition(sees);
        for (role, rights) in [("sees", views), ("acts", acts)] {
            template.role(&site, role, &rights).await;
            askers.push(template.asker(&site, role, &[role], rights).await);
        }
        askers.push(template.asker(&site, "none", &[], BTreeSet::new()).await);
        let mut off = template
            .asker(&site, "off", &["owner"], BTreeSet::new())
            .await;
        off.user.disabled = true;
        off.admitted = false;
        template.change(&site, &off.user).await;
        askers.push(off);
        let other = template
            .asker(&site, "other", &["runner"], BTreeSet::from([P::FlowsRun]))
            .await;
        askers.push(template.stranger(&site, &other).await);
        Self {
            site,
            askers,
            other,
            connection: template.connection,
            made: Mutex::new(0),
        }
    }

    /// Whether there is no such thing, because it would have to be made first.
    pub fn cannot(&self, route: &Route, relation: Relation) -> bool {
        // What a workspace has by name is somebody's in no way.
        relation != Relation::None
            && route.reach == Reach::Workspace
            && !route.path.contains("{connection}")
    }

    /// Asks for a route's thing as somebody.
    pub async fn ask(&self, asker: &Asker, route: &Route, relation: Relation) -> Answer {
        let whose = match relation {
            Relation::Own => asker,
            Relation::None | Relation::Other => &self.other,
        };
        let mut path = String::new();
        for part in route.path.split('/').skip(1) {
            path.push('/');
            match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some(part) => path.push_str(&self.thing(part, whose, route, relation).await),
                None => path.push_str(part),
            }
        }
        let (body, kind) = self.body(route, whose, relation, asker);
        let mut request = self
            .site
            .net(route.method.as_str(), &path)
            .header("cookie", format!("actas={}", asker.cookie))
            .header("sec-fetch-site", "same-origin")
            .header("x-actas-csrf", csrf_of(&asker.cookie));
        if route.path.ends_with("/versions") {
            request = request.header("if-match", "\"1\"");
        }
        if route.method != reqwest::Method::GET && route.method != reqwest::Method::DELETE {
            request = request.header("content-type", kind).body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream does not end by itself.
        let streams = status == 200 && route.path.ends_with("/events");
        let text = match streams {
            true => String::new(),
            false => response.text().await.unwrap(),
        };
        let body = serde_json::from_str(&text).unwrap_or_default();
        Answer {
            status,
            headers,
            body,
            text,
        }
    }

    /// Asks for something that is named in a query or a body, as the first asker: once as `other`'s, once as nobody's.
    pub async fn named(
        &self,
        method: &str,
        path: &str,
        body: &str,
        names: [&str; 2],
    ) -> [Answer; 2] {
        let asker = &self.askers[0];
        let mut answers = Vec::new();
        for name in names {
            let request = self
                .site
                .net(method, &path.replace("NAME", name))
                .header("cookie", format!("actas={}", asker.cookie))
                .header("sec-fetch-site", "same-origin")
                .header("x-actas-csrf", csrf_of(&asker.cookie));
            let csrf = csrf_of(&asker.cookie);
            let body = body.replace("NAME", name).replace("CSRF", &csrf);
            let kind = match body.starts_with('{') {
                true => "application/json",
                false => "application/x-www-form-urlencoded",
            };
            let request = match method {
                "GET" => request,
                _ => request.header("content-type", kind).body(body),
            };
            answers.push(Answer::of(request).await);
        }
        answers.try_into().unwrap()
    }

    /// A connection, a run and an open sign-in: the first two another's, the last the first asker's.
    pub async fn some(&self) -> (String, &str, &str) {
        let mut row = self.connection.clone();
        row.id = ConnectionId::from_bits(system::new_bits());
        row.owner = self.other.user.id.clone();
        row.subject = "another-subject".into();
        let op = Op::AddConnection {
            workspace: self.site.server.app().workspace.clone(),
            connection: row.clone(),
        };
        commit(&self.site, vec![op]).await;
        (row.id.to_string(), &self.other.run, &self.askers[0].sign_in)
    }

    /// What stands in a path for one of its parts.
    async fn thing(&self, part: &str, whose: &Asker, route: &Route, relation: Relation) -> String {
        let none = relation == Relation::None;
        let id =
            |prefix: &str| format!("{prefix}_{}", &RequestId::from_bits(NOTHING).as_str()[3..]);
        match part {
            "run" if none => id("run"),
            "run" if route.path.ends_with("/approve") => whose.asks.clone(),
            "run" if route.path.ends_with("/decide") => whose.doubts.clone(),
            "run" => whose.run.clone(),
            "request" if none => id("rq"),
            "request" => whose.request.clone(),
            "sign_in" if none => id("si"),
            "sign_in" => whose.sign_in.clone(),
            "flow" | "slot" if route.path.starts_with("/api/v1/me/grants/") => {
                self.grant(part, whose, relation).await
            }
            "flow" if none => "nothere".to_owned(),
            // The route takes it away: one made for this.
            "flow" if route.method == reqwest::Method::DELETE => self.flow(relation).await,
            "flow" if relation == Relation::Own => "hello".to_owned(),
            "flow" => "hidden".to_owned(),
            "connection" if none => id("con"),
            "connection" => self.connection(whose, route).await,
            "token" if none => "0123456789abcdef".to_owned(),
            "token" => self.token(whose).await,
            // The pages of links: again/{connection}, slot/{flow}/{slot}.
            "what" if route.path.contains("{second}") => "slot".to_owned(),
            "what" => "again".to_owned(),
            "first" if route.path.contains("{second}") => match relation {
                Relation::None => id("flw"),
                Relation::Own => self.flow_id("note").await,
                Relation::Other => self.flow_id("hidden").await,
            },
            "first" if none => id("con"),
            "first" => self.connection(whose, route).await,
            "second" => "crm".to_owned(),
            "number" => "1".to_owned(),
            "seq" => "1000000".to_owned(),
            "login" | "name" | "role" | "host" | "app" => "nothere".to_owned(),
            other => panic!(
                "{route:?}: the matrix does not know what `{{{other}}}` is: add one's own, another's and one that is not there to `thing` in {}",
                file!()
            ),
        }
    }

    async fn flow_id(&self, name: &str) -> String {
        let app = self.site.server.app();
        let reader = app.store.reader(&app.workspace);
        let flow = reader.flow_by_name(&name.parse().unwrap()).await.unwrap();
        flow.unwrap().id.to_string()
    }

    /// A flow that was never published and that nobody misses.
    async fn flow(&self, relation: Relation) -> String {
        let mut made = self.made.lock().await;
        *made += 1;
        let app = self.site.server.app();
        let reader = app.store.reader(&app.workspace);
        let like = reader.flow_by_name(&"note".parse().unwrap()).await;
        let mut flow = like.unwrap().unwrap();
        flow.id = actas_core::ids::FlowId::from_bits(system::new_bits());
        flow.name = format!("made-{made}").parse().unwrap();
        flow.last_version = 0;
        if relation == Relation::Other {
            flow.runners = Vec::new();
        }
        let name = flow.name.to_string();
        let workspace = app.workspace.clone();
        commit(&self.site, vec![Op::AddFlow { workspace, flow }]).await;
        name
    }

    /// What somebody agreed to: for one flow whoever asks, for the other the other person alone.
    async fn grant(&self, part: &str, whose: &Asker, relation: Relation) -> String {
        let name = match relation {
            Relation::None => "nothere",
            Relation::Own => "note",
            Relation::Other => "hidden",
        };
        if part == "slot" {
            return "crm".to_owned();
        }
        if relation != Relation::None {
            let flow = self.flow_id(name).await;
            let grant = actas_store::GrantRow {
                user: whose.user.id.clone(),
                flow: flow.parse().unwrap(),
                slot: "crm".parse().unwrap(),
                connection: self.connection.id.clone(),
                surface: "{}".to_owned(),
                at: system::now(),
            };
            let workspace = self.site.server.app().workspace.clone();
            commit(&self.site, vec![Op::PutGrant { workspace, grant }]).await;
        }
        name.to_owned()
    }

    /// A connection of somebody's own, made anew because the route may take it away; a shared one where it is about those.
    async fn connection(&self, whose: &Asker, route: &Route) -> String {
        let mut made = self.made.lock().await;
        *made += 1;
        let mut row = self.connection.clone();
        row.id = ConnectionId::from_bits(system::new_bits());
        row.owner = whose.user.id.clone();
        row.subject = format!("subject-{made}");
        if route.path.starts_with("/api/v1/connections/") {
            row.kind = ConnectionKind::Shared;
            row.name = Some(format!("shared-{made}").parse().unwrap());
            row.made_for = None;
        }
        let op = Op::AddConnection {
            workspace: self.site.server.app().workspace.clone(),
            connection: row.clone(),
        };
        commit(&self.site, vec![op]).await;
        row.id.to_string()
    }

    /// A token of somebody's, made anew because the route takes it away.
    async fn token(&self, whose: &Asker) -> String {
        let row = TokenRow {
            hash: hash_of(&UserId::from_bits(system::new_bits()).to_string()),
            workspace: self.site.server.app().workspace.clone(),
            user: whose.user.id.clone(),
            name: "made".into(),
            scopes: vec!["read".into()],
            created_at: system::now(),
            expires_at: system::now().after(std::time::Duration::from_secs(600)),
        };
        let id = row.hash[..16].to_owned();
        commit(&self.site, vec![Op::AddToken(row)]).await;
        id
    }

    /// A body that a route understands, so that it comes to look for the thing.
    fn body(
        &self,
        route: &Route,
        _whose: &Asker,
        relation: Relation,
        asker: &Asker,
    ) -> (String, &'static str) {
        let json = |value: Value| (value.to_string(), "application/json");
        if route.kind == Kind::Page {
            let mut form = format!("csrf={}", csrf_of(&asker.cookie));
            if route.path == "/connect/{sign_in}" {
                form.push_str("&answer=decline");
            }
            if route.path == "/approvals/{request}" {
                form.push_str("&answer=give_up");
            }
            return (form, "application/x-www-form-urlencoded");
        }
        let path = route.path.strip_prefix("/api/v1").unwrap_or_default();
        match path {
            "/flows/{flow}/draft" => ("nonsense: true".to_owned(), "application/yaml"),
            "/flows/{flow}/versions" => (String::new(), "application/yaml"),
            "/flows/{flow}/rollback" => json(json!({"version": 1})),
            "/flows/{flow}/runners" if relation == Relation::Own => {
                json(json!({"runners": ["everyone"]}))
            }
            "/flows/{flow}/runners" => json(json!({"runners": []})),
            "/runs/{run}/approve" => json(json!({"step": "ask", "decision": "approved"})),
            "/runs/{run}/decide" => json(json!({"step": "tell", "answer": "give_up"})),
            "/runs/{run}/callback" => json(json!({"step": "note"})),
            // Of a connection made for this very cell nothing else depends.
            "/connections/{connection}/disconnect" | "/connections/{connection}/reconnect" => {
                json(json!({}))
            }
            // What is the workspace's must not change on the way.
            _ if matches!(route.reach, Reach::Nothing | Reach::Workspace) => {
                json(json!({"nonsense": true}))
            }
            _ => json(json!({})),
        }
    }
}

/// Rows that came about by themselves.
struct Template {
    user: UserRow,
    session: SessionRow,
    connection: ConnectionRow,
}

impl Template {
    async fn of(site: &Site) -> Self {
        let mut browser = site.person("ana", &["runner"]).await;
        let run = site.run("ana", "note", json!({})).await;
        let page = browser
            .open(run["paused"]["connections"][0]["url"].as_str().unwrap())
            .await;
        site.sign_in(&mut browser, &page, "Sign in with Sandbox CRM", "ana")
            .await;
        let app = site.server.app();
        let reader = app.store.reader(&app.workspace);
        let user = reader.user_by_login("ana").await.unwrap().unwrap();
        let own = reader.personal_connections(Some(&user.id)).await.unwrap();
        let cookie = browser.cookie(&site.url("/"), "actas").unwrap().to_owned();
        let session = app.store.session(&hash_of(&cookie), system::now()).await;
        Self {
            session: session.unwrap().unwrap(),
            connection: own[0].clone(),
            user,
        }
    }

    /// The shared connection of the workspace.
    async fn share(&self, site: &Site) {
        let mut browser = site.person("bob", &["builder"]).await;
        let body = json!({"name": "bot", "app": "sandbox_crm"});
        let page = site.put("bob", "POST", "/connections", body).await.ok();
        let page = browser.open(page["url"].as_str().unwrap()).await;
        let button = "Sign in with Sandbox CRM";
        site.sign_in(&mut browser, &page, button, "carla").await;
    }

    async fn role(&self, site: &Site, name: &str, rights: &BTreeSet<P>) {
        let role = RoleRow {
            name: name.parse().unwrap(),
            privileges: rights.iter().map(|p| p.as_str().to_owned()).collect(),
            updated_by: self.user.id.clone(),
            updated_at: system::now(),
        };
        let workspace = site.server.app().workspace.clone();
        commit(site, vec![Op::PutRole { workspace, role }]).await;
    }

    async fn change(&self, site: &Site, user: &UserRow) {
        let op = Op::ChangeUser {
            workspace: site.server.app().workspace.clone(),
            user: user.clone(),
        };
        commit(site, vec![op]).await;
    }

    /// Somebody with everything of their own, who then gets the roles.
    async fn asker(&self, site: &Site, what: &str, roles: &[&str], rights: BTreeSet<P>) -> Asker {
        let workspace = site.server.app().workspace.clone();
        let login = format!("a-{what}");
        let mut user = UserRow {
            id: UserId::from_bits(system::new_bits()),
            login: login.clone(),
            name: login.clone(),
            email: None,
            roles: vec!["runner".into()],
            ..self.user.clone()
        };
        let cookie = format!("a-cookie-of-{what}-that-nobody-guesses");
        let session = SessionRow {
            hash: hash_of(&cookie),
            user: user.id.clone(),
            ..self.session.clone()
        };
        let add = Op::AddUser {
            workspace: workspace.clone(),
            user: user.clone(),
        };
        commit(site, vec![add, Op::AddSession(session)]).await;

        let paused = site.run(&login, "note", json!({})).await;
        let url = paused["paused"]["connections"][0]["url"].as_str().unwrap();
        let asked = site.run(&login, "ask", json!({"who": login})).await;
        let doubts = site.run(&login, "tell", json!({})).await;
        let request = doubts["paused"]["decisions"][0]["request"].as_str();
        let request = request.unwrap_or_else(|| panic!("{doubts:#}")).to_owned();
        user.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self.change(site, &user).await;
        Asker {
            user,
            what: what.to_owned(),
            rights,
            cookie,
            admitted: true,
            foreign: false,
            run: paused["run"].as_str().unwrap().to_owned(),
            asks: asked["run"].as_str().unwrap().to_owned(),
            doubts: doubts["run"].as_str().unwrap().to_owned(),
            request,
            sign_in: url.rsplit('/').next().unwrap().to_owned(),
        }
    }
}

impl Template {
    /// The owner of another workspace, who has nothing of what there is in this one.
    async fn stranger(&self, site: &Site, other: &Asker) -> Asker {
        let workspace = WorkspaceId::from_bits(system::new_bits());
        let user = UserRow {
            id: UserId::from_bits(system::new_bits()),
            login: "a-stranger".into(),
            roles: vec!["owner".into()],
            ..self.user.clone()
        };
        let cookie = "a-cookie-of-the-stranger-that-nobody-guesses".to_owned();
        let session = SessionRow {
            hash: hash_of(&cookie),
            workspace: workspace.clone(),
            user: user.id.clone(),
            ..self.session.clone()
        };
        let ops = vec![
            Op::AddWorkspace {
                workspace: workspace.clone(),
                name: "elsewhere".into(),
                at: system::now(),
            },
            Op::AddUser {
                workspace,
                user: user.clone(),
            },
            Op::AddSession(session),
        ];
        commit(site, ops).await;
        let me = site
            .net("GET", "/api/v1/me")
            .header("cookie", format!("actas={cookie}"));
        Asker {
            user,
            what: "stranger".into(),
            rights: P::ALL.into_iter().collect(),
            cookie,
            // They are somebody where they belong.
            admitted: Answer::of(me).await.ok()["login"] == "a-stranger",
            foreign: true,
            run: other.run.clone(),
            asks: other.asks.clone(),
            doubts: other.doubts.clone(),
            request: other.request.clone(),
            sign_in: other.sign_in.clone(),
        }
    }
}

async fn commit(site: &Site, ops: Vec<Op>) {
    let commit = Commit {
        ops,
        audit: Vec::new(),
    };
    site.server.app().store.commit(commit).await.unwrap();
}

/// All that an answer tells: status, headers, body; but for the time and for the names that were asked for.
pub fn outside(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text.clone())
}
