//! Faults on purpose, the log that proves what was called, and the state that survives a restart.

use std::time::Duration;

use actas_sandbox::{Act, Answer, Config, Fault};
use serde_json::json;

use crate::browser::{BOTH, call, connect, create, refresh, sandbox, sandbox_with, status};

#[tokio::test]
async fn the_next_calls_answer_what_was_asked_for_and_then_no_more() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await;
    sandbox.inject(Fault::new("/api/v1/records/*", 2, Act::status(503)));
    sandbox.inject(Fault::new("/api/v1/records/*", 1, Act::status(429)));
    for expected in [503, 503, 429, 201] {
        assert_eq!(create(&sandbox, &ana.access, "k1").await.0, expected);
    }
    assert_eq!(sandbox.records().len(), 1);
    sandbox.inject(Fault::new("/api/v1/me", 1, Act::status(429)));
    let slow = call(&sandbox, "GET", "/me", &ana.access)
        .send()
        .await
        .unwrap();
    assert_eq!(slow.headers()["retry-after"], "1");
    let odd = Answer {
        status: 200,
        retry_after: None,
        body: Some(json!({"ok": false})),
    };
    sandbox.inject(Fault::new("/oauth/token", 1, Act::Answer(odd)));
    assert_eq!(
        refresh(&sandbox, &ana.refresh).await.1,
        json!({"ok": false})
    );
    sandbox.inject(Fault::new("/oauth/token", 1, Act::status(400)));
    assert_eq!(
        refresh(&sandbox, &ana.refresh).await.1["error"],
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_fault_befalls_only_the_calls_it_names() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    let ben = connect(&sandbox, "ben", BOTH).await.access;
    let fault = Fault::new("/api/v1/me", 1, Act::status(503));
    sandbox.inject(Fault {
        user: Some("ben".into()),
        method: Some("GET".into()),
        ..fault
    });
    assert_eq!(status(call(&sandbox, "GET", "/me", &ana)).await, 200);
    assert_eq!(status(call(&sandbox, "GET", "/me", &ben)).await, 503);
    assert_eq!(status(call(&sandbox, "GET", "/me", &ben)).await, 200);
}

#[tokio::test]
async fn a_lost_answer_was_performed_and_a_dropped_call_was_not() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    let post = |key: &str| {
        let request =
            call(&sandbox, "POST", "/records/Opportunity", &ana).header("Idempotency-Key", key);
        request.json(&json!({"Name": "Northwind"})).send()
    };
    sandbox.inject(Fault::new(
        "/api/v1/records/Opportunity",
        1,
        Act::DropBefore,
    ));
    assert!(post("k1").await.is_err());
    assert_eq!(sandbox.records().len(), 0);
    sandbox.inject(Fault::new(
        "/api/v1/records/Opportunity",
        1,
        Act::LoseAnswer,
    ));
    assert!(post("k1").await.is_err());
    assert_eq!(sandbox.records().len(), 1);
    assert_eq!(post("k1").await.unwrap().status(), 200);
    assert_eq!(sandbox.records().len(), 1);
    let calls = sandbox.calls().by("ana").to("POST", "/api/v1/records/*").0;
    let seen: Vec<_> = calls
        .iter()
        .map(|entry| (entry.fault.as_deref(), entry.status))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("drop_before"), None),
            (Some("lose_answer"), None),
            (None, Some(200))
        ]
    );
}

#[tokio::test]
async fn held_calls_wait_until_they_are_released() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    for (act, performed) in [(Act::HoldBefore, 0), (Act::HoldAfter, 2)] {
        sandbox.inject(Fault::new("/api/v1/records/Opportunity", 1, act));
        let key = format!("k{performed}");
        let test = async {
            while sandbox.held() == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(sandbox.records().len(), performed);
            sandbox.release();
        };
        let ((status, _), ()) = tokio::join!(create(&sandbox, &ana, &key), test);
        assert_eq!((status, sandbox.held()), (201, 0));
    }
    let slow = Fault {
        delay_ms: 30,
        ..Fault::new("/api/v1/me", 1, Act::status(503))
    };
    sandbox.inject(slow);
    let started = tokio::time::Instant::now();
    assert_eq!(status(call(&sandbox, "GET", "/me", &ana)).await, 503);
    assert!(started.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn the_log_knows_who_called_what_and_keeps_no_secret() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await;
    create(&sandbox, &ana.access, "the-key").await;
    sandbox.revoke_user("ana");
    assert_eq!(create(&sandbox, &ana.access, "the-key").await.0, 401);
    let calls = sandbox
        .calls()
        .by("ana")
        .to("POST", "/api/v1/records/Opportunity");
    let seen: Vec<_> = calls
        .0
        .iter()
        .map(|entry| (entry.idempotency_key.as_deref(), entry.status))
        .collect();
    assert_eq!(
        seen,
        [(Some("the-key"), Some(201)), (Some("the-key"), Some(401))]
    );
    assert_eq!(sandbox.calls().by("ben").count(), 0);
    assert_eq!(
        sandbox
            .token_requests()
            .of_grant_type("authorization_code")
            .by("ana")
            .count(),
        1
    );
    let counts = sandbox.counts();
    assert_eq!(counts.token_requests["authorization_code"], 1);
    assert_eq!(counts.api_calls["ana POST /api/v1/records/Opportunity"], 2);
    let text = serde_json::to_string(&sandbox.log()).unwrap();
    for secret in [
        &*ana.access,
        &ana.refresh,
        "ana-crm",
        "s3cret",
        crate::browser::VERIFIER,
    ] {
        assert!(!text.contains(secret));
    }
}

#[tokio::test]
async fn the_state_survives_a_restart_and_its_file_has_no_token_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.json");
    let config = |listen| Config {
        state_file: Some(file.clone()),
        listen,
        ..Config::default()
    };
    let first = sandbox_with(config(([127, 0, 0, 1], 0).into())).await;
    let ana = connect(&first, "ana", BOTH).await;
    create(&first, &ana.access, "k1").await;
    let (address, url) = (first.address(), first.url().to_owned());
    first.stop().await;

    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&ana.access) && !text.contains(&ana.refresh));
    let second = sandbox_with(config(address)).await;
    assert_eq!(second.url(), url);
    assert_eq!(create(&second, &ana.access, "k1").await.0, 200);
    assert_eq!(second.records().len(), 1);
    assert_eq!(refresh(&second, &ana.refresh).await.0, 200);
    second.reset();
    assert_eq!((second.records().len(), second.grants().len()), (0, 0));
    assert_eq!(status(call(&second, "GET", "/me", &ana.access)).await, 401);
    connect(&second, "ana", BOTH).await;
}

#[tokio::test]
async fn a_file_that_is_no_saved_sandbox_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious.txt");
    std::fs::write(&file, "something else").unwrap();
    let started = actas_sandbox::Sandbox::start(Config {
        state_file: Some(file.clone()),
        ..Config::default()
    })
    .await;
    assert!(
        started
            .unwrap_err()
            .to_string()
            .contains("is not a saved sandbox")
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "something else");
}
