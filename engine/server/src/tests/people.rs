//! People and what they may give each other.

use serde_json::json;

use super::Site;
use super::site::Answer;

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let site = Site::start().await;
    site.person("adam", &["admin"]).await;
    let add = |roles: &[&str]| json!({"login": format!("x-{}", roles.join("-")), "roles": roles});
    assert_eq!(
        site.put("adam", "POST", "/users", add(&["owner"]))
            .await
            .refused(403),
        "forbidden"
    );
    assert_eq!(
        site.put("adam", "POST", "/users", add(&["auditor"]))
            .await
            .refused(403),
        "forbidden"
    );
    site.put("adam", "POST", "/users", add(&["builder"]))
        .await
        .ok();
    assert_eq!(
        site.put("adam", "PUT", "/users/adam", json!({"roles": ["owner"]}))
            .await
            .refused(403),
        "forbidden"
    );
    assert_eq!(
        site.put("adam", "PUT", "/users/olga", json!({"disabled": true}))
            .await
            .refused(403),
        "forbidden"
    );
    assert_eq!(
        site.put("adam", "POST", "/users/olga/link", json!({}))
            .await
            .refused(403),
        "forbidden"
    );
    assert_eq!(
        site.put("olga", "PUT", "/users/olga", json!({"roles": ["admin"]}))
            .await
            .refused(409),
        "last_owner"
    );
    assert_eq!(
        site.put(
            "olga",
            "POST",
            "/users",
            json!({"login": "y", "roles": ["king"]})
        )
        .await
        .refused(422),
        "unknown_role"
    );
    assert_eq!(
        site.put("olga", "POST", "/users", json!({"login": "everyone"}))
            .await
            .refused(422),
        "bad_login"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn an_unknown_field_is_refused_wherever_something_is_written() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    let bodies = [
        (
            "POST",
            "/users",
            json!({"login": "z", "password_hash": "x"}),
        ),
        (
            "POST",
            "/users",
            json!({"login": "z", "id": "usr_01jd0000000000000000000000"}),
        ),
        ("PUT", "/users/olga", json!({"login": "z"})),
        ("POST", "/tokens", json!({"name": "z", "user": "ana"})),
        (
            "POST",
            "/flows/hello/runs",
            json!({"inputs": {}, "invoker": "ana"}),
        ),
        (
            "POST",
            "/flows/hello/runs",
            json!({"inputs": {}, "entry": "button"}),
        ),
        (
            "PUT",
            "/flows/hello/runners",
            json!({"runners": [], "owner": "ana"}),
        ),
        ("POST", "/flows/hello/stop", json!({"workspace": "other"})),
        (
            "POST",
            "/apps/sandbox_crm/clients",
            json!({"client_id": "x", "id": "cli_01jd0000000000000000000000"}),
        ),
        (
            "POST",
            "/connections",
            json!({"name": "n", "app": "sandbox_crm", "owner": "ana"}),
        ),
        (
            "POST",
            "/me/connections",
            json!({"flow": "hello", "slot": "crm", "user": "ana"}),
        ),
    ];
    for (method, path, body) in bodies {
        let answer = site.put("olga", method, path, body.clone()).await;
        assert_eq!(answer.refused(400), "bad_body", "{method} {path} {body}");
    }
    let odd = site.get("olga", "/runs?everything=true").await;
    assert_eq!(odd.refused(400), "bad_query");
    let form = site.cli("olga", "POST", "/tokens").form(&[("name", "x")]);
    assert_eq!(Answer::of(form).await.refused(415), "not_json");
    site.server.stop().await;
}

#[tokio::test]
async fn a_program_that_adds_a_person_gets_no_link_to_log_in_with() {
    let site = Site::start().await;
    let token = site.token("olga").await;
    let add = site
        .net("POST", "/api/v1/users")
        .bearer_auth(&token)
        .json(&json!({"login": "mole", "roles": ["owner"]}));
    let added = Answer::of(add).await.ok();
    assert_eq!(added["login"], "mole");
    assert!(added["link"].is_null(), "{added}");
    let link = site
        .net("POST", "/api/v1/users/mole/link")
        .bearer_auth(&token)
        .json(&json!({}));
    Answer::of(link).await.refused(403);
    site.put("olga", "POST", "/users/mole/link", json!({}))
        .await
        .ok();
    site.server.stop().await;
}

#[tokio::test]
async fn values_are_read_and_secrets_go_in_and_never_come_out() {
    let site = Site::start().await;
    site.person("vera", &["builder"]).await;
    let put = async |path: &str, body: serde_json::Value| site.put("olga", "PUT", path, body).await;
    put("/vars/region", json!({"value": {"code": "eu"}}))
        .await
        .ok();
    put("/vars/region", json!({"value": "eu"})).await.ok();
    let vars = site.get("vera", "/vars").await.ok();
    assert_eq!(
        (&vars["vars"][0]["name"], &vars["vars"][0]["value"]),
        (&json!("region"), &json!("eu"))
    );
    let refused = site
        .put("vera", "PUT", "/vars/region", json!({"value": 1}))
        .await;
    assert_eq!(refused.refused(403), "forbidden");
    assert_eq!(
        put("/vars/Region", json!({"value": 1})).await.refused(400),
        "bad_name"
    );

    let secret = "a-secret-of-the-test-0123456789";
    let add = json!({"name": "crm-hook", "value": secret});
    assert_eq!(
        site.put("vera", "POST", "/secrets", add.clone())
            .await
            .refused(403),
        "forbidden"
    );
    site.put("olga", "POST", "/secrets", add.clone()).await.ok();
    assert_eq!(
        site.put("olga", "POST", "/secrets", add).await.refused(409),
        "secret_exists"
    );
    put("/secrets/crm-hook", json!({"value": format!("{secret}-2")}))
        .await
        .ok();
    assert_eq!(
        put("/secrets/other", json!({"value": "x"}))
            .await
            .refused(404),
        "not_found"
    );
    assert_eq!(
        put("/secrets/crm-hook", json!({"value": ""}))
            .await
            .refused(422),
        "empty_secret"
    );
    let listed = site.get("vera", "/secrets").await.ok();
    assert_eq!(listed["secrets"][0]["name"], "crm-hook");
    let audit = site.get("olga", "/audit").await.ok();
    for (what, shown) in [("list", &listed), ("audit", &audit)] {
        assert!(!shown.to_string().contains(secret), "{what}: {shown:#}");
    }
    let actions: Vec<&str> = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|record| record["action"].as_str())
        .collect();
    for action in ["var.set", "secret.added", "secret.rotated"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    for path in ["/vars/region", "/secrets/crm-hook"] {
        Answer::of(site.cli("olga", "DELETE", path)).await.ok();
        assert_eq!(
            Answer::of(site.cli("olga", "DELETE", path))
                .await
                .refused(404),
            "not_found"
        );
    }
    site.server.stop().await;
}

#[tokio::test]
async fn a_role_of_the_workspaces_own_counts_everywhere_and_is_given_by_who_has_it_all() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    site.person("adam", &["admin"]).await;
    let role = |login: &'static str, name: &'static str, privileges: &'static [&'static str]| {
        let body = json!({"privileges": privileges});
        let (site, path) = (&site, format!("/roles/{name}"));
        async move { site.put(login, "PUT", &path, body).await }
    };
    let refused = role("adam", "desk", &["flows.run", "runs.reveal"]).await;
    assert_eq!(refused.refused(403), "forbidden");
    let unknown = role("olga", "desk", &["flows.fly"]).await;
    assert_eq!(unknown.refused(422), "unknown_privilege");
    let fixed = role("olga", "runner", &["flows.run", "users.view"]).await;
    assert_eq!(fixed.refused(422), "built_in_role");
    role("adam", "desk", &["flows.run", "users.view"])
        .await
        .ok();

    site.person("dora", &["desk"]).await;
    let me = site.get("dora", "/me").await.ok();
    assert_eq!(me["privileges"], json!(["flows.run", "users.view"]));
    site.get("dora", "/users").await.ok();
    assert_eq!(site.get("dora", "/audit").await.refused(403), "forbidden");
    // On a run list it is a role like any other.
    let allow = json!({"runners": ["role:desk"]});
    site.put("olga", "PUT", "/flows/hello/runners", allow)
        .await
        .ok();
    let run = json!({"inputs": {"name": "d"}});
    site.put("dora", "POST", "/flows/hello/runs", run)
        .await
        .ok();

    // It grows only by who has what it grows by; then whoever has less cannot give it, change it or take it away.
    role("olga", "desk", &["flows.run", "runs.reveal"])
        .await
        .ok();
    let give = json!({"login": "eve", "roles": ["desk"]});
    assert_eq!(
        site.put("adam", "POST", "/users", give).await.refused(403),
        "forbidden"
    );
    assert_eq!(role("adam", "desk", &[]).await.refused(403), "forbidden");
    assert_eq!(
        Answer::of(site.cli("adam", "DELETE", "/roles/desk"))
            .await
            .refused(403),
        "forbidden"
    );
    assert_eq!(
        site.get("dora", "/users").await.refused(403),
        "forbidden",
        "what it no longer allows ends at once"
    );
    let used = Answer::of(site.cli("olga", "DELETE", "/roles/desk")).await;
    assert_eq!(used.refused(409), "role_in_use");
    assert_eq!(
        (&used.body["people"], &used.body["flows"]),
        (&json!(["dora"]), &json!(["hello"]))
    );
    site.put("olga", "PUT", "/users/dora", json!({"roles": ["runner"]}))
        .await
        .ok();
    site.put(
        "olga",
        "PUT",
        "/flows/hello/runners",
        json!({"runners": []}),
    )
    .await
    .ok();
    Answer::of(site.cli("olga", "DELETE", "/roles/desk"))
        .await
        .ok();
    site.server.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_changed_leaves_the_others_and_the_record_says_which() {
    let site = Site::start().await;
    site.person("adam", &["admin"]).await;
    site.person("bea", &["builder"]).await;
    let set = async |login: &str, body: serde_json::Value| {
        site.put(login, "PUT", "/policies", body).await
    };
    assert_eq!(
        set("bea", json!({"publish_by_another": true}))
            .await
            .refused(403),
        "forbidden"
    );
    let first = set("adam", json!({"account_guard": {"same_email": true}}));
    assert_eq!(first.await.ok()["revision"], 1);
    let second = set("olga", json!({"account_guard": {"domains": ["a.example"]}}));
    let second = second.await.ok();
    assert_eq!(
        second["policies"]["account_guard"],
        json!({"same_email": true, "domains": ["a.example"]})
    );
    assert_eq!(
        set("olga", json!({"no_such": 1})).await.refused(400),
        "bad_body"
    );
    assert_eq!(
        set("olga", json!({"unused_after": 0})).await.refused(422),
        "bad_policy"
    );
    let stale = site
        .cli("olga", "PUT", "/policies")
        .header("if-match", "\"1\"")
        .json(&json!({"unused_after": 3}));
    assert_eq!(Answer::of(stale).await.refused(412), "policies_changed");
    let audit = site
        .get("olga", "/audit?action=policies.changed")
        .await
        .ok();
    let records = audit["records"].as_array().unwrap().iter();
    let reasons: Vec<_> = records.map(|record| &record["reason"]).collect();
    assert_eq!(
        reasons,
        [
            "account_guard.domains=[\"a.example\"]",
            "account_guard.same_email=true"
        ]
    );
    let program = site.token("olga").await;
    let by_token = site
        .net("PUT", "/api/v1/policies")
        .bearer_auth(&program)
        .json(&json!({"owner_uses_parent": true}));
    Answer::of(by_token).await.refused(403);
    site.server.stop().await;
}

#[tokio::test]
async fn who_is_switched_off_is_out_everywhere_and_what_runs_for_them_stops() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", super::site::NOTE).await;
    let all = json!({"runners": ["everyone"]});
    site.put("olga", "PUT", "/flows/note/runners", all)
        .await
        .ok();
    let mut browser = site.person("ana", &["runner"]).await;
    let token = site.token("ana").await;
    // An account of hers, a run that used it, and one of another connection's that waits for her.
    let first = site.run("ana", "note", json!({})).await;
    let url = first["paused"]["connections"][0]["url"].as_str().unwrap();
    let page = browser.open(url).await;
    site.sign_in(&mut browser, &page, "Sign in with Sandbox CRM", "ana")
        .await;
    site.until("ana", first["run"].as_str().unwrap(), "succeeded")
        .await;
    let own = site.get("ana", "/me/connections").await.ok();
    let id = own["connections"][0]["id"].as_str().unwrap();
    Answer::of(site.cli("ana", "DELETE", &format!("/me/connections/{id}")))
        .await
        .ok();
    let waits = site.run("ana", "note", json!({})).await;
    assert_eq!(waits["state"], "paused", "{waits:#}");
    let url = waits["paused"]["connections"][0]["url"].as_str().unwrap();

    site.person("adam", &["admin"]).await;
    let off = site.put("adam", "POST", "/users/ana/disable", json!({}));
    assert_eq!(off.await.ok()["disabled"], true);
    let me = site.net("GET", "/api/v1/me").bearer_auth(&token);
    assert_eq!(Answer::of(me).await.refused(401), "not_logged_in");
    assert!(browser.open(url).await.url.path().ends_with("/login"));
    let run = site
        .until("olga", waits["run"].as_str().unwrap(), "failed")
        .await;
    assert_eq!(run["error"]["code"], "person_disabled", "{run:#}");
    let again = site.put("adam", "POST", "/users/ana/disable", json!({}));
    assert_eq!(again.await.ok()["connections"], 0);
    // Who comes back starts anew: nothing that was made before counts.
    let back = json!({"disabled": false, "local": true});
    site.put("olga", "PUT", "/users/ana", back).await.ok();
    let me = site.net("GET", "/api/v1/me").bearer_auth(&token);
    assert_eq!(Answer::of(me).await.refused(401), "not_logged_in");
    site.server.stop().await;
}

#[tokio::test]
async fn a_run_that_is_under_way_stops_at_its_next_use_of_an_account_of_whoever_left() {
    let site = Site::start().await;
    site.configure_crm().await;
    let text = super::site::NOTE.replacen("flow: note", "flow: twice", 1);
    let text = text.replacen(
        "outputs:",
        "  ask: {uses: core.approve, needs: [note], with: {who: \"olga\", title: Go on}}\n  more: {uses: sandbox_crm.create_record, connection: crm, needs: [ask], with: {object: Note, fields: {Text: more}}}\noutputs:",
        1,
    );
    site.publish("twice", &text).await;
    let all = json!({"runners": ["everyone"]});
    site.put("olga", "PUT", "/flows/twice/runners", all)
        .await
        .ok();
    let mut browser = site.person("ben", &["runner"]).await;
    let first = site.run("ben", "twice", json!({})).await;
    let run = first["run"].as_str().unwrap();
    let url = first["paused"]["connections"][0]["url"].as_str().unwrap();
    let page = browser.open(url).await;
    site.sign_in(&mut browser, &page, "Sign in with Sandbox CRM", "ben")
        .await;
    // The approval is asked for once the note is there.
    let id = site.until_asked("ben", run).await;
    assert!(id.starts_with("rq_"), "{id}");
    let before = site.crm.records().len();

    let off = site.put("olga", "POST", "/users/ben/disable", json!({}));
    assert_eq!(off.await.ok()["connections"], 1);
    let yes = json!({"step": "ask", "decision": "approved"});
    site.put("olga", "POST", &format!("/runs/{run}/approve"), yes)
        .await
        .ok();
    let done = site.until("olga", run, "failed").await;
    assert_eq!(done["error"]["code"], "person_disabled", "{done:#}");
    assert_eq!(site.crm.records().len(), before, "nothing was done as them");
    site.server.stop().await;
}

#[tokio::test]
async fn a_person_who_is_erased_leaves_a_log_that_verifies_and_a_login_that_inherits_nothing() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    site.person("ana", &["runner"]).await;
    site.person("adam", &["admin"]).await;
    let named = json!({"runners": ["ana", "role:builder"]});
    site.put("olga", "PUT", "/flows/hello/runners", named)
        .await
        .ok();
    let managed = json!({"login": "ben", "roles": ["runner"], "manager": "ana"});
    site.put("olga", "POST", "/users", managed).await.ok();
    let refused = site.put("adam", "POST", "/users/ana/erase", json!({}));
    assert_eq!(refused.await.body["privilege"], "users.erase");
    let own = site.put("olga", "POST", "/users/olga/erase", json!({}));
    assert_eq!(own.await.refused(409), "last_owner");

    let gone = site.put("olga", "POST", "/users/ana/erase", json!({}));
    assert_eq!(gone.await.ok()["erased"], true);
    let users = site.get("olga", "/users").await.ok().to_string();
    let audit = site.get("olga", "/audit?limit=500").await.ok().to_string();
    for shown in [&users, &audit] {
        assert!(!shown.contains("\"ana\""), "{shown}");
        assert!(!shown.contains("ana@sandbox.example"), "{shown}");
    }
    let verified = site.get("olga", "/audit/verify").await.ok();
    assert_eq!(verified["ok"], true, "{verified:#}");
    let runners = site.get("olga", "/flows/hello/runners").await.ok();
    assert_eq!(runners["runners"], json!(["role:builder"]));
    site.person("ana", &["runner"]).await;
    let run = site.put("ana", "POST", "/flows/hello/runs", json!({}));
    assert_eq!(run.await.status, 404);
    site.server.stop().await;
}

#[tokio::test]
async fn an_access_review_says_what_each_person_can_reach() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    let runners = json!({"runners": ["role:runner"]});
    site.put("olga", "PUT", "/flows/hello/runners", runners)
        .await
        .ok();
    let mut browser = site.person("ana", &["runner"]).await;
    site.person("ina", &["auditor"]).await;
    site.token("ana").await;
    browser.open(&site.url("/")).await;
    let of = |list: &serde_json::Value, login: &str| {
        let all = list["users"].as_array().unwrap();
        let one = all.iter().find(|user| user["login"] == login).unwrap();
        one["access"].clone()
    };
    assert_eq!(
        site.get("ana", "/users?access=true").await.refused(403),
        "forbidden"
    );
    let mut ana = serde_json::Value::Null;
    for _ in 0..200 {
        let list = site.get("ina", "/users?access=true").await.ok();
        ana = of(&list, "ana");
        assert_eq!(of(&list, "ina")["runs"], json!([]));
        // It is noted beside the request.
        if !ana["last_seen"].is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(ana["privileges"], json!(["flows.run"]));
    assert_eq!(ana["runs"], json!(["hello"]));
    assert_eq!(ana["tokens"][0]["name"], "test");
    assert!(ana["last_seen"].is_string(), "{ana:#}");
    site.server.stop().await;
}
