//! The admin API and the process that has it: what a test in another process sees and does.

use std::process::Stdio;

use actas_sandbox::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::browser::{
    BOTH, call, connect, create, http, json as answer, sandbox, sandbox_with, status,
};

#[tokio::test]
async fn without_being_asked_for_there_is_no_admin_api() {
    let sandbox = sandbox().await;
    assert_eq!(
        status(http().get(format!("{}/_sandbox/log", sandbox.url()))).await,
        404
    );
}

#[tokio::test]
async fn pages_of_other_sites_can_t_use_it() {
    let sandbox = sandbox_with(Config {
        admin: true,
        ..Config::default()
    })
    .await;
    let log = || http().get(format!("{}/_sandbox/log", sandbox.url()));
    assert_eq!(status(log()).await, 200);
    assert_eq!(
        status(log().header("Origin", "http://evil.example")).await,
        403
    );
    assert_eq!(
        status(log().header("Host", "rebound.example:80")).await,
        403
    );
}

#[tokio::test]
async fn all_that_the_handle_can_do_can_be_done_over_http() {
    let sandbox = sandbox_with(Config {
        admin: true,
        ..Config::default()
    })
    .await;
    let at = |path: &str| format!("{}/_sandbox/{path}", sandbox.url());
    let get = async |path: &str| -> Value { answer(http().get(at(path))).await };
    let post =
        async |path: &str, body: Value| -> u16 { status(http().post(at(path)).json(&body)).await };
    let delete = async |path: &str| -> u16 { status(http().delete(at(path))).await };

    let ana = connect(&sandbox, "ana", BOTH).await.access;
    create(&sandbox, &ana, "k1").await;
    assert_eq!(get("records").await[0]["author"], "ana");
    assert_eq!(get("messages").await, json!([]));
    assert_eq!(get("grants").await[0]["user"], "ana");
    assert_eq!(
        get("counts").await["token_requests"]["authorization_code"],
        1
    );
    assert_eq!(get("held").await, json!({"held": 0}));

    assert_eq!(
        post(
            "faults",
            json!({"path": "/api/v1/me", "times": 2, "do": {"answer": {"status": 503}}})
        )
        .await,
        204
    );
    assert_eq!(status(call(&sandbox, "GET", "/me", &ana)).await, 503);
    assert_eq!(delete("faults").await, 204);
    assert_eq!(status(call(&sandbox, "GET", "/me", &ana)).await, 200);
    assert_eq!(
        post("faults", json!({"path": "/x", "do": "lose_answer"})).await,
        204
    );
    assert_eq!(
        post("faults", json!({"path": "/x", "do": "explode"})).await,
        422
    );

    let rights = json!({"allowed": ["READ on *"], "refused": []});
    assert_eq!(
        post("rights", json!({"user": "ana", "rights": rights})).await,
        204
    );
    assert_eq!(create(&sandbox, &ana, "k2").await.0, 403);
    assert_eq!(
        post("rights", json!({"user": "nobody", "rights": rights})).await,
        404
    );
    assert_eq!(
        post("access_token_ttl", json!({"milliseconds": 0})).await,
        204
    );
    assert_eq!(post("expire", json!({"user": "ana"})).await, 200);
    assert_eq!(status(call(&sandbox, "GET", "/me", &ana)).await, 401);
    assert_eq!(post("revoke", json!({"user": "ana"})).await, 200);
    assert_eq!(get("grants").await[0]["ended"], "taken_away");
    assert_eq!(post("people", json!({"user": "eve"})).await, 204);
    let client =
        json!({"id": "second", "secret": null, "redirect_uris": ["http://localhost:2/back"]});
    assert_eq!(post("clients", client).await, 204);
    connect(&sandbox, "eve", BOTH).await;

    assert_eq!(delete("held").await, 204);
    assert_eq!(delete("log").await, 204);
    assert_eq!(get("log").await, json!([]));
    assert_eq!(post("reset", json!({})).await, 204);
    assert_eq!(get("records").await, json!([]));
}

#[tokio::test]
async fn the_process_prints_its_address_and_keeps_its_state_when_killed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let start = async |listen: &str| -> (tokio::process::Child, String) {
        let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_actas-sandbox"));
        process
            .args(["--listen", listen, "--admin", "--state"])
            .arg(&file)
            .stdout(Stdio::piped());
        process
            .args(["--client", "actas,s3cret,http://localhost:1/back"])
            .kill_on_drop(true);
        let mut process = process.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        (process, lines.next_line().await.unwrap().unwrap())
    };
    let (mut first, url) = start("127.0.0.1:0").await;
    assert_eq!(
        status(
            http()
                .post(format!("{url}/_sandbox/people"))
                .json(&json!({"user": "eve"}))
        )
        .await,
        204
    );
    first.kill().await.unwrap();

    let (mut second, again) = start(url.trim_start_matches("http://")).await;
    assert_eq!(url, again);
    let rights = json!({"user": "eve", "rights": {"allowed": [], "refused": []}});
    assert_eq!(
        status(http().post(format!("{url}/_sandbox/rights")).json(&rights)).await,
        204
    );
    second.kill().await.unwrap();
}
