//! Between the areas: people whom other systems vouch for, and what whoever administers them must not come to by it.

use actas_store::{Commit, IdentityRow, Op, UserRow};
use actas_test_support::browser::Browser;
use serde_json::{Value, json};

use super::Site;
use super::site::NOTE;
use crate::context::Visitor;
use crate::newcomers::{self, Vouched};

/// Ed25519, of a test vector that anybody may know.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----";

async fn user(site: &Site, login: &str) -> UserRow {
    let app = site.server.app();
    let reader = app.store.reader(&app.workspace);
    reader.user_by_login(login).await.unwrap().unwrap()
}

async fn write(site: &Site, op: Op) {
    let commit = Commit {
        ops: vec![op],
        audit: Vec::new(),
    };
    site.server.app().store.commit(commit).await.unwrap();
}

/// A person with an account at the CRM, which they connected for a run.
async fn connected(site: &Site) -> Browser {
    site.configure_crm().await;
    site.publish("note", NOTE).await;
    let mut ana = site.person("ana", &["runner"]).await;
    let run = site.run("ana", "note", json!({})).await;
    let link = run["paused"]["connections"][0]["url"].as_str().unwrap();
    let page = ana.open(link).await;
    site.sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    site.until("ana", run["run"].as_str().unwrap(), "succeeded")
        .await;
    ana
}

async fn connections(site: &Site, login: &str) -> Value {
    let mine = site.get(login, "/me/connections").await.ok();
    mine["connections"].clone()
}

#[tokio::test]
async fn a_link_for_somebody_without_a_password_does_not_lend_their_accounts_either() {
    let site = Site::start().await;
    connected(&site).await;
    // As somebody is who logs in at the workspace's provider.
    let ana = UserRow {
        password_hash: None,
        ..user(&site, "ana").await
    };
    let workspace = site.server.app().workspace.clone();
    write(
        &site,
        Op::ChangeUser {
            workspace,
            user: ana,
        },
    )
    .await;
    assert_eq!(connections(&site, "ana").await[0]["state"], "connected");
    let made = site.put("olga", "POST", "/users/ana/link", json!({})).await;
    let mut browser = Browser::new();
    let page = browser.open(made.ok()["link"].as_str().unwrap()).await;
    let form = page
        .form("/link/")
        .with("password", "chosen by somebody else")
        .with("again", "chosen by somebody else");
    let home = browser.submit(&page, &form).await;
    assert_eq!((home.status, home.url.path()), (200, "/"), "{home}");
    assert_eq!(connections(&site, "ana").await[0]["state"], "disconnected");
    site.server.stop().await;
}

#[tokio::test]
async fn a_key_for_an_applications_people_is_set_only_by_who_could_be_given_their_roles() {
    let site = Site::start().await;
    site.person("adam", &["admin"]).await;
    site.person("otto", &["owner"]).await;
    let app = site.server.app();
    let add = Op::AddIdentity {
        workspace: app.workspace.clone(),
        identity: IdentityRow {
            issuer: "host:https://host.example".into(),
            subject: "u-1".into(),
            user: user(&site, "otto").await.id,
            created_at: actas_store::system::now(),
        },
    };
    write(&site, add).await;
    let host = json!({"issuer": "https://host.example", "public_key": KEY, "roles": ["runner"]});
    let set = site.put("adam", "PUT", "/hosts/crm", host.clone()).await;
    assert_eq!(set.refused(403), "forbidden");
    site.put("olga", "PUT", "/hosts/crm", host).await.ok();
    site.server.stop().await;
}

#[tokio::test]
async fn the_page_of_all_accounts_agrees_to_what_it_showed_and_to_nothing_wider() {
    let site = Site::start().await;
    let mut ana = connected(&site).await;
    site.put("ana", "DELETE", "/me/grants/note/crm", json!({}))
        .await
        .ok();
    let page = ana.open(&site.url("/connect/flow/note")).await;
    let use_it = page.form_with_button("Use ana@");
    // Between looking and answering the flow comes to reach further.
    let wider = NOTE.replace(
        "outputs:",
        "  more: {uses: sandbox_crm.update_record, connection: crm, with: {object: Note, id: \"{{ steps.note.id }}\", fields: {Text: x}}}\noutputs:",
    );
    site.publish("note", &wider).await;
    let again = ana.submit(&page, &use_it).await;
    assert_eq!(again.url.path(), "/connect/flow/note", "{again}");
    let grants = site.get("ana", "/me/grants").await.ok();
    assert_eq!(grants["grants"], json!([]), "{grants:#}");
    let use_it = again.form_with_button("Use ana@");
    ana.submit(&again, &use_it).await;
    let grants = site.get("ana", "/me/grants").await.ok();
    let modules = grants["grants"][0]["modules"].to_string();
    assert!(modules.contains("update_record"), "{grants:#}");
    site.server.stop().await;
}

#[tokio::test]
async fn a_secret_goes_to_a_login_provider_only_by_who_put_it_in() {
    let site = Site::start().await;
    site.person("adam", &["admin"]).await;
    let secret = json!({"name": "hook", "value": "what a webhook is signed with"});
    site.put("olga", "POST", "/secrets", secret).await.ok();
    let oidc =
        |issuer: &str, secret: &str| json!({"issuer": issuer, "client_id": "c", "secret": secret});
    let elsewhere = oidc("https://login.adam.example", "hook");
    let set = site.put("adam", "PUT", "/oidc", elsewhere).await;
    assert_eq!(set.refused(403), "forbidden");
    let ours = oidc("https://login.example", "hook");
    site.put("olga", "PUT", "/oidc", ours.clone()).await.ok();
    // Where it goes already it goes on; nowhere else.
    site.put("adam", "PUT", "/oidc", ours).await.ok();
    let moved = oidc("https://login.adam.example", "hook");
    let set = site.put("adam", "PUT", "/oidc", moved).await;
    assert_eq!(set.refused(403), "forbidden");
    let own = json!({"name": "own", "value": "what adam knows"});
    site.put("adam", "POST", "/secrets", own).await.ok();
    let own = oidc("https://login.adam.example", "own");
    site.put("adam", "PUT", "/oidc", own).await.ok();
    site.server.stop().await;
}

#[tokio::test]
async fn a_role_that_people_get_elsewhere_is_not_deleted_and_what_they_become_is_recorded() {
    let site = Site::start().await;
    let role = json!({"privileges": ["flows.run"]});
    site.put("olga", "PUT", "/roles/desk", role).await.ok();
    let oidc = json!({"issuer": "https://login.example", "client_id": "c", "groups": {"g": ["desk"]}, "groups_claim": "groups"});
    site.put("olga", "PUT", "/oidc", oidc).await.ok();
    let gone = site.put("olga", "DELETE", "/roles/desk", json!({})).await;
    assert_eq!(gone.refused(409), "role_in_use");

    let app = site.server.app();
    let home = app.first_workspace();
    let visitor = Visitor {
        app: app.clone(),
        ip: None,
        agent: None,
        now: actas_store::system::now(),
        workspace: home.clone(),
        session: None,
    };
    for roles in ["runner", "desk"] {
        let vouched = Vouched {
            issuer: "https://login.example".into(),
            subject: "u-1".into(),
            logins: vec!["una".into()],
            roles: Some(vec![roles.into()]),
            first: Some(Vec::new()),
            ..Vouched::default()
        };
        let found = newcomers::find(&visitor, &home, vouched).await.unwrap();
        app.store.commit(found.unwrap().1).await.unwrap();
    }
    for (action, reason) in [
        ("user.added", "roles runner, by https://login.example"),
        (
            "user.changed",
            "roles desk (were runner), by https://login.example",
        ),
    ] {
        let path = format!("/audit?action={action}&person=una");
        let found = site.get("olga", &path).await.ok();
        assert_eq!(found["records"][0]["reason"], reason, "{found:#}");
    }
    site.server.stop().await;
}
