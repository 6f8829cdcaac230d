//! What is private to a run's person: who sees it nevertheless, and what that leaves behind.

use serde_json::{Value, json};

use super::Site;
use super::site::{Answer, NOTE};

/// A run of Ana's that read through her account, and the text that only she may see.
async fn told() -> (Site, String, String) {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", NOTE).await;
    let mut ana = site.person("ana", &["runner"]).await;
    let run = site.run("ana", "note", json!({})).await;
    let page = ana
        .open(run["paused"]["connections"][0]["url"].as_str().unwrap())
        .await;
    site.sign_in(&mut ana, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    let id = run["run"].as_str().unwrap().to_owned();
    let done = site.until("ana", &id, "succeeded").await;
    let note = done["outputs"]["note"].as_str().unwrap().to_owned();
    (site, id, note)
}

#[tokio::test]
async fn revealing_needs_the_privilege_and_a_person_and_is_on_record_before_anything_is_shown() {
    let (site, run, note) = told().await;
    for (login, role) in [("adam", "admin"), ("otto", "owner"), ("ben", "runner")] {
        let body = json!({"login": login, "roles": [role], "local": true});
        site.put("olga", "POST", "/users", body).await.ok();
    }
    let paths = [format!("/runs/{run}"), format!("/runs/{run}/journal")];
    let records = async || {
        let all = site.get("olga", "/audit?action=run.revealed").await.ok();
        all["records"].as_array().unwrap().clone()
    };
    for path in &paths {
        for login in ["adam", "otto"] {
            let seen = site.get(login, path).await;
            assert!(!seen.text.contains(&note), "{login} {path}: {}", seen.text);
            seen.ok();
        }
        let reveal = format!("{path}?reveal=true");
        let refused = site.get("adam", &reveal).await;
        assert_eq!(refused.refused(403), "forbidden");
        assert_eq!(refused.body["privilege"], "runs.reveal");
        assert_eq!(site.get("ben", &reveal).await.refused(404), "not_found");
        let token = site.token("otto").await;
        let by_token = site
            .net("GET", &format!("/api/v1{reveal}"))
            .bearer_auth(&token);
        assert_eq!(Answer::of(by_token).await.refused(403), "forbidden");
        let odd = site.get("otto", &format!("{path}?revael=true")).await;
        assert_eq!(odd.refused(400), "bad_query");
    }
    assert_eq!(records().await, Vec::<Value>::new());

    for (number, path) in paths.iter().enumerate() {
        let seen = site.get("otto", &format!("{path}?reveal=true")).await;
        assert!(seen.text.contains(&note), "{path}: {}", seen.text);
        let all = records().await;
        assert_eq!(all.len(), number + 1);
        let last = &all[0];
        assert_eq!(
            (&last["run"], &last["flow"], &last["person"]["login"]),
            (&json!(run), &json!("note"), &json!("otto"))
        );
        // Once shown is not for ever shown.
        let again = site.get("otto", path).await;
        assert!(!again.text.contains(&note), "{path}: {}", again.text);
    }
    site.server.stop().await;
}

#[tokio::test]
async fn publishing_says_what_goes_into_another_flow() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("hello", super::site::HELLO).await;
    let text = "flow: outer\ntrigger: {on_demand: {}}\nconnections:\n  crm: {app: sandbox_crm, dynamic: {scopes: [records.read]}}\nsteps:\n  \
                me: {uses: sandbox_crm.get_me, connection: crm}\n  \
                say: {uses: core.run_flow, with: {flow: hello, inputs: {name: \"{{ steps.me.name }}\"}}}\n";
    let published = site.publish("outer", text).await;
    assert_eq!(
        published["leaves"],
        json!([{"through": "flow", "name": "say", "of": ["crm"]}]),
        "{published:#}"
    );
    site.server.stop().await;
}
