//! Several workspaces in one server: each has its own people, pages and rows, and whoever is in one finds nothing of another.

use actas_test_support::browser::Browser;
use serde_json::{Value, json};

use super::site::{Answer, HELLO, PASSWORD, Site};

impl Site {
    /// A second workspace; gives the path of its owner's one-time link.
    async fn second(&self, name: &str) -> Value {
        let body = json!({"name": name, "owner": "olga", "owner_name": "Another Olga"});
        self.put("olga", "POST", "/workspaces", body).await.ok()
    }

    /// A request of the operator in a workspace.
    async fn in_workspace(&self, workspace: &str, method: &str, path: &str, body: Value) -> Answer {
        let request = self.cli("olga", method, path);
        Answer::of(request.header("actas-workspace", workspace).json(&body)).await
    }
}

async fn enter(link: &Value) -> Browser {
    let mut browser = Browser::new();
    let page = browser.open(link.as_str().unwrap()).await;
    let form = page.form("/link/");
    let form = form.with("password", PASSWORD).with("again", PASSWORD);
    let home = browser.submit(&page, &form).await;
    assert_eq!((home.status, home.url.path()), (200, "/"), "{home}");
    browser
}

async fn me(site: &Site, browser: &Browser) -> Value {
    let cookie = format!("actas={}", browser.cookie(&site.url("/"), "actas").unwrap());
    Answer::of(site.net("GET", "/api/v1/me").header("cookie", cookie))
        .await
        .ok()
}

#[tokio::test]
async fn the_operator_adds_workspaces_and_nobody_else_does() {
    let site = Site::start().await;
    let made = site.second("acme").await;
    assert!(
        made["link"].as_str().unwrap().contains("/w/acme/link/"),
        "{made}"
    );
    let again = json!({"name": "acme", "owner": "olga"});
    let again = site.put("olga", "POST", "/workspaces", again).await;
    assert_eq!(again.refused(409), "workspace_taken");
    for bad in ["", "Acme", "../etc", "a b"] {
        let body = json!({"name": bad, "owner": "olga"});
        let refused = site.put("olga", "POST", "/workspaces", body).await;
        assert!([400, 422].contains(&refused.status), "{bad}");
    }
    let list = site.get("olga", "/workspaces").await.ok();
    let names: Vec<_> = list["workspaces"].as_array().unwrap().iter().collect();
    assert_eq!(
        names.iter().map(|one| &one["name"]).collect::<Vec<_>>(),
        ["main", "acme"]
    );

    // An owner of a workspace is not the operator of the machine, by whatever way they come.
    let token = site.token("olga").await;
    let owner = enter(&made["link"]).await;
    let cookie = format!("actas={}", owner.cookie(&site.url("/"), "actas").unwrap());
    for request in [
        site.net("GET", "/api/v1/workspaces").bearer_auth(&token),
        site.net("GET", "/api/v1/workspaces")
            .header("cookie", &cookie),
    ] {
        assert_eq!(Answer::of(request).await.refused(403), "forbidden");
    }

    // Its beginning stands in its own audit log, and in no other.
    let own = site
        .in_workspace("acme", "GET", "/audit?action=workspace.added", json!(null))
        .await
        .ok();
    assert_eq!(own["records"][0]["actor"]["type"], "local_operator");
    assert_eq!(own["records"][0]["seq"], 1);
    let verified = site
        .in_workspace("acme", "GET", "/audit/verify", json!(null))
        .await;
    assert_eq!(verified.status, 200, "{}", verified.text);
    let main = site.get("olga", "/audit?action=workspace.added").await.ok();
    assert_eq!(main["records"].as_array().unwrap().len(), 1);
    site.server.stop().await;
}

#[tokio::test]
async fn a_session_a_token_and_the_socket_are_of_one_workspace_each() {
    let site = Site::start().await;
    let made = site.second("acme").await;
    let there = enter(&made["link"]).await;
    let mine = me(&site, &there).await;
    assert_eq!(
        (&mine["workspace"], &mine["name"]),
        (&json!("acme"), &json!("Another Olga"))
    );
    let here = site.get("olga", "/me").await.ok();
    assert_eq!(
        (&here["workspace"], &here["name"]),
        (&json!("main"), &json!("Olga Owner"))
    );
    assert_ne!(here["id"], mine["id"]);

    let body = json!({"name": "test", "scopes": ["read"]});
    let token = site.in_workspace("acme", "POST", "/tokens", body).await;
    let token = token.ok()["token"].as_str().unwrap().to_owned();
    let by_token = site.net("GET", "/api/v1/me").bearer_auth(token);
    assert_eq!(Answer::of(by_token).await.ok()["workspace"], "acme");

    // The header is for the socket alone, and names only what there is.
    let named = site
        .net("GET", "/api/v1/me")
        .header("actas-workspace", "acme");
    assert_eq!(Answer::of(named).await.refused(401), "not_logged_in");
    let unknown = site
        .in_workspace("elsewhere", "GET", "/me", json!(null))
        .await;
    assert_eq!(unknown.refused(404), "not_found");

    // One person's password in one workspace is nothing in another.
    let mut browser = Browser::new();
    let page = browser.open(&site.url("/w/main/login")).await;
    let form = page.form("/login").with("login", "olga");
    let refused = browser
        .submit(&page, &form.with("password", PASSWORD))
        .await;
    assert_eq!(refused.status, 401, "{refused}");
    let page = browser.open(&site.url("/w/acme/login")).await;
    let form = page.form("/login").with("login", "olga");
    let home = browser
        .submit(&page, &form.with("password", PASSWORD))
        .await;
    assert_eq!((home.status, home.url.path()), (200, "/"), "{home}");
    assert_eq!(
        browser.open(&site.url("/w/nowhere/login")).await.status,
        404
    );
    site.server.stop().await;
}

#[tokio::test]
async fn whoever_opens_a_page_of_another_workspace_is_asked_to_log_in_there_and_sees_nothing_of_it()
{
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let run = site.run("olga", "hello", json!({"name": "x"})).await;
    let page = format!("/runs/{}", run["run"].as_str().unwrap());
    let made = site.second("acme").await;
    let mut there = enter(&made["link"]).await;

    let asked = there.open(&site.url(&page)).await;
    assert_eq!(asked.url.path(), "/w/main/login", "{asked}");
    assert!(!asked.text().contains("hello"), "{asked}");
    // What is nobody's is nowhere.
    let unknown = there
        .open(&site.url("/runs/run_01jd0000000000000000000000"))
        .await;
    assert_eq!(unknown.status, 404);
    // The API says the same of both.
    let cookie = format!("actas={}", there.cookie(&site.url("/"), "actas").unwrap());
    let ask = async |path: &str| {
        let request = site.net("GET", &format!("/api/v1{path}"));
        Answer::of(request.header("cookie", &cookie)).await
    };
    let theirs = ask(&page).await;
    let nobodys = ask("/runs/run_01jd0000000000000000000000").await;
    assert_eq!((theirs.status, &theirs.body), (404, &nobodys.body));
    assert_eq!(ask("/flows/hello").await.status, 404);

    // The login page of the other workspace does not take the session for a login there; after the login this is the session, and the old
    // one has ended.
    let login = there.open(&site.url("/w/main/login")).await;
    assert_eq!((login.status, login.url.path()), (200, "/w/main/login"));
    let link = site
        .cli("olga", "POST", "/users/olga/link")
        .json(&json!({}));
    let link = Answer::of(link).await.ok();
    let opened = there.open(link["link"].as_str().unwrap()).await;
    let form = opened.form("/link/");
    let form = form.with("password", PASSWORD).with("again", PASSWORD);
    let home = there.submit(&opened, &form).await;
    assert_eq!(home.url.path(), "/");
    assert_eq!(me(&site, &there).await["workspace"], "main");
    assert_eq!(ask("/me").await.refused(401), "not_logged_in");
    site.server.stop().await;
}
