//! Runs over HTTP: started once, acknowledged when durable, seen by who may.

use futures::StreamExt;
use serde_json::{Value, json};

use super::Site;
use super::site::{Answer, HELLO};

#[tokio::test]
async fn a_run_that_is_waited_for_comes_back_with_its_outputs() {
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let run = site.run("olga", "hello", json!({"name": "world"})).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(
        (run["outputs"]["text"].as_str(), run["entry"].as_str()),
        (Some("hello world"), Some("cli"))
    );
    let token = site.token("olga").await;
    let request = site
        .net("POST", "/api/v1/flows/hello/runs")
        .bearer_auth(&token)
        .json(&json!({"inputs": {"name": "x"}}));
    let accepted = Answer::of(request).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.body["entry"], "api");
    let place = accepted.headers["location"].to_str().unwrap().to_owned();
    let again = Answer::of(site.net("GET", &place).bearer_auth(&token))
        .await
        .ok();
    assert_eq!(again["run"], accepted.body["run"]);
    site.server.stop().await;
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_all_named_and_nothing_runs() {
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let body = json!({"inputs": {"times": 0, "nmae": "x"}});
    let answer = site.put("olga", "POST", "/flows/hello/runs", body).await;
    assert_eq!(answer.refused(422), "invalid_inputs");
    assert_eq!(
        answer.body["errors"].as_array().unwrap().len(),
        3,
        "{}",
        answer.text
    );
    assert_eq!(site.get("olga", "/runs").await.ok()["runs"], json!([]));
    site.server.stop().await;
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_the_same_run_and_another_body_is_refused() {
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let send = |key: &str, body: &str| {
        site.cli("olga", "POST", "/flows/hello/runs")
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    let first = Answer::of(send("k1", r#"{"inputs": {"name": "a"}}"#))
        .await
        .ok();
    let second = Answer::of(send("k1", r#"{"inputs": {"name": "a"}}"#)).await;
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(second.ok()["run"], first["run"]);
    assert_eq!(
        Answer::of(send("k1", r#"{"inputs": {"name": "b"}}"#))
            .await
            .refused(422),
        "idempotency_key_reused"
    );
    let other = Answer::of(send("k2", r#"{"inputs": {"name": "a"}}"#))
        .await
        .ok();
    assert_ne!(other["run"], first["run"]);
    site.server.stop().await;
}

#[tokio::test]
async fn who_is_not_on_the_run_list_or_meets_a_stopped_flow_runs_nothing() {
    let site = Site::start().await;
    site.person("ana", &["runner"]).await;
    site.publish("hello", HELLO).await;
    site.put(
        "olga",
        "PUT",
        "/flows/hello/runners",
        json!({"runners": ["olga"]}),
    )
    .await
    .ok();
    let body = json!({"inputs": {"name": "x"}});
    assert_eq!(
        site.put("ana", "POST", "/flows/hello/runs", body.clone())
            .await
            .refused(404),
        "not_found"
    );
    assert_eq!(site.get("ana", "/flows").await.ok()["flows"], json!([]));
    site.put(
        "olga",
        "POST",
        "/flows/hello/stop",
        json!({"reason": "being repaired"}),
    )
    .await
    .ok();
    let stopped = site
        .put("olga", "POST", "/flows/hello/runs", body.clone())
        .await;
    assert_eq!(stopped.refused(409), "flow_stopped");
    assert!(stopped.text.contains("being repaired"));
    site.put("olga", "POST", "/flows/hello/start", json!({}))
        .await
        .ok();
    site.put("olga", "POST", "/flows/hello/runs", body)
        .await
        .ok();
    assert_eq!(
        site.put(
            "olga",
            "PUT",
            "/flows/hello/runners",
            json!({"runners": ["role:king"]})
        )
        .await
        .refused(422),
        "unknown_runner"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn another_persons_run_is_not_there_for_who_may_not_see_it() {
    let site = Site::start().await;
    site.person("ana", &["runner"]).await;
    site.person("ben", &["runner"]).await;
    site.publish("hello", HELLO).await;
    let run = site.run("ana", "hello", json!({"name": "x"})).await;
    let id = run["run"].as_str().unwrap();
    for path in ["", "/journal", "/events"] {
        assert_eq!(
            site.get("ben", &format!("/runs/{id}{path}"))
                .await
                .refused(404),
            "not_found"
        );
    }
    assert_eq!(
        site.put("ben", "POST", &format!("/runs/{id}/cancel"), json!({}))
            .await
            .refused(404),
        "not_found"
    );
    assert_eq!(
        site.get("ben", "/runs?all=true").await.refused(403),
        "forbidden"
    );
    assert_eq!(
        site.get("ben", "/runs?person=ana").await.refused(403),
        "forbidden"
    );
    assert_eq!(
        site.get("olga", "/runs?person=ana").await.ok()["runs"][0]["run"],
        id
    );
    assert_eq!(
        site.get("ana", &format!("/runs/{id}/journal")).await.ok()["journal"][0]["events"][0]["event"],
        "run_created"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn an_entry_point_that_the_flow_does_not_name_is_refused() {
    let site = Site::start().await;
    site.publish(
        "hello",
        &HELLO.replace("on_demand: {}", "on_demand: {from: [api]}"),
    )
    .await;
    let body = json!({"inputs": {"name": "x"}});
    assert_eq!(
        site.put("olga", "POST", "/flows/hello/runs", body.clone())
            .await
            .refused(403),
        "entry_not_allowed"
    );
    let token = site.token("olga").await;
    Answer::of(
        site.net("POST", "/api/v1/flows/hello/runs")
            .bearer_auth(token)
            .json(&body),
    )
    .await
    .ok();
    site.server.stop().await;
}

#[tokio::test]
async fn events_show_the_run_to_its_end_and_then_stop() {
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let run = Answer::of(
        site.cli("olga", "POST", "/flows/hello/runs")
            .json(&json!({"inputs": {"name": "x"}})),
    )
    .await
    .ok();
    let path = format!("/runs/{}/events", run["run"].as_str().unwrap());
    let mut stream = site
        .cli("olga", "GET", &path)
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let last = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .next_back()
        .unwrap();
    let document: Value = serde_json::from_str(last).unwrap();
    assert_eq!(document["state"], "succeeded", "{text}");
    site.server.stop().await;
}

#[tokio::test]
async fn whoever_loses_the_right_to_see_a_run_is_told_no_more_of_it() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", super::site::NOTE).await;
    site.person("ana", &["runner"]).await;
    site.person("ada", &["auditor"]).await;
    let run = site.run("ana", "note", json!({})).await;
    let run = run["run"].as_str().unwrap();
    let mut stream = site
        .net("GET", &format!("/api/v1/runs/{run}/events"))
        .bearer_auth(site.token("ada").await)
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert!(std::str::from_utf8(&first).unwrap().contains("paused"));
    site.put("olga", "PUT", "/users/ada", json!({"disabled": true}))
        .await
        .ok();
    site.put("ana", "POST", &format!("/runs/{run}/cancel"), json!({}))
        .await
        .ok();
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    assert!(!text.contains("data:"), "{text}");
    site.server.stop().await;
}

#[tokio::test]
async fn the_audit_log_names_who_did_it_and_verifies() {
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let run = site.run("olga", "hello", json!({"name": "x"})).await;
    let records = site
        .get(
            "olga",
            &format!("/audit?run={}", run["run"].as_str().unwrap()),
        )
        .await
        .ok();
    let actions: Vec<&str> = records["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["action"].as_str())
        .collect();
    assert!(actions.contains(&"run.created"), "{actions:?}");
    let first = site.get("olga", "/audit/1").await.ok();
    assert_eq!(
        (first["seq"].as_u64(), first["action"].as_str()),
        (Some(1), Some("workspace.added"))
    );
    for gone in ["/audit/0", "/audit/999999", "/audit/first"] {
        assert_eq!(site.get("olga", gone).await.refused(404), "not_found");
    }
    let verified = site.get("olga", "/audit/verify").await.ok();
    assert_eq!(verified["ok"], true, "{verified}");
    assert!(verified["records"].as_u64() > Some(4));
    assert_eq!(
        site.get("olga", "/audit?since=yesterday")
            .await
            .refused(400),
        "bad_query"
    );
    assert_eq!(
        site.get("olga", "/audit?person=nobody").await.ok()["records"],
        json!([])
    );
    site.server.stop().await;
}
