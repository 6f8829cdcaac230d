//! The main story through real pages: a run pauses, its person signs in, it goes on; nobody else can.

use actas_test_support::browser::Browser;
use serde_json::json;

use super::Site;
use super::site::{Answer, NOTE, at_the_crm};

async fn ready() -> Site {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", NOTE).await;
    site
}

fn link(run: &serde_json::Value) -> String {
    run["paused"]["connections"][0]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("{run:#}"))
        .to_owned()
}

#[tokio::test]
async fn a_run_pauses_for_its_person_goes_on_after_the_sign_in_and_does_not_pause_again() {
    let site = ready().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let run = site.run("ana", "note", json!({})).await;
    assert_eq!(run["state"], "paused", "{run:#}");
    let id = run["run"].as_str().unwrap();
    assert_eq!(
        site.get("ana", "/me/requests").await.ok()["requests"][0]["run"],
        id
    );
    let shown = ana.open(&site.url(&format!("/runs/{id}"))).await;
    assert!(shown.text().contains("This run waits for you"), "{shown}");

    let page = ana.click(&shown, "Sign in with Sandbox CRM").await;
    assert!(page.text().contains("To write it in your name"), "{page}");
    let done = site
        .sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    assert!(
        done.text().contains("Connected as ana@") && done.text().contains("Your run goes on"),
        "{done}"
    );
    let run = site.until("ana", id, "succeeded").await;
    assert!(
        run["steps"]["note"]["acted_as"]["account"]
            .as_str()
            .unwrap()
            .starts_with("ana@")
    );
    assert_eq!(site.crm.records().len(), 1);
    let again = ana.open(page.url.as_str()).await;
    assert_eq!(again.status, 410, "{again}");

    let second = site.run("ana", "note", json!({})).await;
    assert_eq!(second["state"], "succeeded", "{second:#}");
    let home = ana.open(&site.url("/")).await;
    assert!(
        home.text().contains("ana@") && home.text().contains("connected"),
        "{home}"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn somebody_elses_link_is_refused_before_anything_is_asked_of_the_provider() {
    let site = ready().await;
    site.person("ben", &["runner"]).await;
    let mut ana = site.person("ana", &["owner"]).await;
    let run = site
        .run("ben", "note", json!({"text": "a secret of ben's"}))
        .await;
    let link = link(&run);
    let page = ana.open(&link).await;
    assert_eq!(page.status, 403, "{page}");
    for word in ["ben", "note", "Sandbox", "a secret"] {
        assert!(
            !page.text().to_lowercase().contains(&word.to_lowercase()),
            "the page tells `{word}`: {page}"
        );
    }
    // Nor by sending the form that the page would have had.
    let me = Answer::of(site.net("GET", "/api/v1/me").header(
        "cookie",
        format!("actas={}", ana.cookie(&site.url("/"), "actas").unwrap()),
    ))
    .await
    .ok();
    let path = url::Url::parse(&link).unwrap().path().to_owned();
    for answer in ["sign_in", "decline"] {
        let request = site
            .net("POST", &path)
            .header(
                "cookie",
                format!("actas={}", ana.cookie(&site.url("/"), "actas").unwrap()),
            )
            .header("sec-fetch-site", "same-origin")
            .form(&[("csrf", me["csrf"].as_str().unwrap()), ("answer", answer)]);
        assert_eq!(Answer::of(request).await.status, 403, "{answer}");
    }
    let stranger = Browser::new().open(&link).await;
    assert_eq!(stranger.url.path(), "/w/main/login");
    assert_eq!(site.crm.token_requests().count(), 0);
    let refused = site
        .get("olga", "/audit?outcome=refused&person=ana")
        .await
        .ok();
    assert!(!refused["records"].as_array().unwrap().is_empty());
    site.server.stop().await;
}

#[tokio::test]
async fn a_callback_in_another_persons_browser_redeems_nothing() {
    let site = ready().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let mut ben = site.person("ben", &["runner"]).await;
    let run = site.run("ben", "note", json!({})).await;
    let page = ben.open(&link(&run)).await;
    let form = page.form_with_button("Sign in with Sandbox CRM");
    let to_crm = ben.submit_without_redirects(&page, &form).await;
    let authorize = to_crm.headers["location"].to_str().unwrap().to_owned();
    assert!(authorize.starts_with(site.crm.url()), "{authorize}");
    // Ben's address at the provider, opened by Ana.
    let there = ana.open(&authorize).await;
    let back = at_the_crm(&mut ana, there, "ana").await;
    assert_eq!(back.status, 403, "{back}");
    assert_eq!(site.crm.token_requests().count(), 0);
    assert_eq!(
        site.until("ben", run["run"].as_str().unwrap(), "paused")
            .await["state"],
        "paused"
    );
    assert_eq!(site.crm.records().len(), 0);
    site.server.stop().await;
}

#[tokio::test]
async fn declining_makes_no_call_and_can_be_taken_back() {
    let site = ready().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let run = site.run("ana", "note", json!({})).await;
    let page = ana.open(&link(&run)).await;
    let page = ana.submit(&page, &page.form_with_button("Decline")).await;
    assert!(
        page.text().contains("You can still change your mind"),
        "{page}"
    );
    assert_eq!(site.crm.calls().count(), 0);
    let done = site
        .sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    assert!(done.text().contains("Your run goes on"), "{done}");
    site.until("ana", run["run"].as_str().unwrap(), "succeeded")
        .await;
    site.server.stop().await;
}

#[tokio::test]
async fn whoever_replaces_a_password_by_a_link_does_not_come_to_act_with_that_persons_account() {
    let site = ready().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let run = site.run("ana", "note", json!({})).await;
    let page = ana.open(&link(&run)).await;
    site.sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    site.until("ana", run["run"].as_str().unwrap(), "succeeded")
        .await;
    // An owner makes a link for Ana, opens it in their own browser and chooses a password.
    let made = site.put("olga", "POST", "/users/ana/link", json!({})).await;
    let address = made.ok()["link"].as_str().unwrap().to_owned();
    let mut thief = Browser::new();
    let page = thief.open(&address).await;
    let form = page
        .form("/link/")
        .with("password", "chosen by somebody else")
        .with("again", "chosen by somebody else");
    thief.submit(&page, &form).await;

    let own = site.get("ana", "/me/connections").await.ok();
    assert_eq!(own["connections"][0]["state"], "disconnected", "{own:#}");
    let before = site.crm.records().len();
    let run = site.run("ana", "note", json!({})).await;
    assert_eq!(run["state"], "paused", "{run:#}");
    assert_eq!(site.crm.records().len(), before);
    site.server.stop().await;
}

#[tokio::test]
async fn a_connection_can_be_disconnected_and_renewed_from_the_list() {
    let site = ready().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let run = site.run("ana", "note", json!({})).await;
    let page = ana.open(&link(&run)).await;
    site.sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    site.until("ana", run["run"].as_str().unwrap(), "succeeded")
        .await;
    let home = ana.open(&site.url("/")).await;
    let home = ana.submit(&home, &home.form("/disconnect")).await;
    assert!(home.text().contains("disconnected"), "{home}");
    let page = ana.click(&home, "Reconnect").await;
    let done = site
        .sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    assert!(done.text().contains("is connected"), "{done}");
    let own = site.get("ana", "/me/connections").await.ok();
    assert_eq!(own["connections"][0]["state"], "connected");
    let id = own["connections"][0]["id"].as_str().unwrap();
    assert_eq!(
        site.put(
            "olga",
            "POST",
            &format!("/me/connections/{id}/disconnect"),
            json!({})
        )
        .await
        .refused(404),
        "not_found"
    );
    assert_eq!(
        Answer::of(site.cli("olga", "DELETE", &format!("/me/connections/{id}")))
            .await
            .refused(404),
        "not_found"
    );
    assert_eq!(
        site.get("olga", &format!("/connections/{id}"))
            .await
            .refused(404),
        "not_found"
    );
    let accounts = site.get("ana", "/flows/note/accounts").await.ok();
    assert_eq!(
        accounts["accounts"][0]["state"], "connected",
        "{accounts:#}"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn a_flows_form_runs_it_and_names_what_does_not_fit() {
    let site = ready().await;
    site.publish("hello", super::site::HELLO).await;
    let mut ana = site.person("ana", &["runner"]).await;
    let home = ana.open(&site.url("/")).await;
    assert!(home.text().contains("Leave a note"), "{home}");
    let page = ana.open(&site.url("/flows/hello")).await;
    let bad = page
        .form("/flows/hello")
        .with("in.name", "x")
        .with("in.times", "0");
    let again = ana.submit(&page, &bad).await;
    assert_eq!(again.status, 422, "{again}");
    let good = page
        .form("/flows/hello")
        .with("in.name", "<b>world</b>")
        .with("in.times", "2");
    let run = ana.submit(&page, &good).await;
    assert!(run.url.path().starts_with("/runs/run_"), "{run}");
    let id = run.url.path().trim_start_matches("/runs/").to_owned();
    assert_eq!(
        site.until("ana", &id, "succeeded").await["entry"],
        "run_once"
    );
    let shown = ana.open(run.url.as_str()).await;
    assert!(
        shown.body.contains("&#60;b&#62;world") || shown.body.contains("&lt;b&gt;world"),
        "{}",
        shown.body
    );
    site.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_the_pages_lead_through_and_follow_the_run_by_themselves() {
    let site = ready().await;
    site.person("ana", &["runner"]).await;
    let args = json!({
        "url": site.url("/").trim_end_matches('/'), "flow": "note", "login": "ana", "password": super::site::PASSWORD,
        "crm_login": "ana", "crm_password": actas_sandbox::password_of("ana"),
    });
    let seen =
        tokio::task::spawn_blocking(move || actas_test_support::chromium::run("story.mjs", &args))
            .await
            .unwrap();
    // Without a browser on this machine it was reported, or refused where everything is required.
    let Some(seen) = seen else { return };
    assert_eq!(seen["connected"], "Connected as ana@sandbox", "{seen:#}");
    assert!(
        seen["text"].as_str().unwrap().contains("as ana@sandbox"),
        "{seen:#}"
    );
    assert_eq!(
        seen["complaints"],
        json!([]),
        "nothing breaks the content security policy"
    );
    assert_eq!(
        seen["cookies"],
        json!([{"name": "actas", "httpOnly": true, "sameSite": "Lax", "secure": false, "path": "/"}])
    );
    site.server.stop().await;
}
