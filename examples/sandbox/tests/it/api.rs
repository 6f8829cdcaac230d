//! The API: whose records are whose, what is refused to whom, and what a repeat does.

use actas_sandbox::{Rights, Sandbox};
use serde_json::{Value, json};

use crate::browser::{BOTH, call, connect, create, http, json as answer, sandbox, status};

#[tokio::test]
async fn the_author_of_a_record_is_whose_token_made_it() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    let (status, record) = create(&sandbox, &ana, "k1").await;
    assert_eq!(status, 201);
    assert_eq!(
        (&record["id"], &record["object"], &record["author"]),
        (&json!("op_1"), &json!("Opportunity"), &json!("ana"))
    );
    assert_eq!(record["fields"], json!({"Name": "Northwind"}));
    assert!(record["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        answer(call(&sandbox, "GET", "/records/Opportunity/op_1", &ana)).await,
        record
    );
}

/// The same call many times at once.
async fn at_once(sandbox: &Sandbox, token: &str, times: usize) -> Vec<Value> {
    let url = format!("{}/api/v1/records/Opportunity", sandbox.url());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..times {
        let call = http()
            .post(&url)
            .bearer_auth(token)
            .header("Idempotency-Key", "k1");
        calls.spawn(answer(call.json(&json!({"Name": "Northwind"}))));
    }
    calls.join_all().await
}

#[tokio::test]
async fn the_same_key_of_the_same_person_makes_one_record_however_often_and_at_once() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    let ben = connect(&sandbox, "ben", BOTH).await.access;
    let answers = at_once(&sandbox, &ana, 16).await;
    assert!(answers.iter().all(|record| record["id"] == "op_1"));
    assert_eq!(create(&sandbox, &ben, "k1").await.1["id"], "op_2");
    assert_eq!(sandbox.records().len(), 2);
    // A deleted record is not made again by a repeat that comes late.
    assert_eq!(
        status(call(&sandbox, "DELETE", "/records/Opportunity/op_1", &ana)).await,
        204
    );
    assert_eq!(
        create(&sandbox, &ana, "k1").await,
        (200, answers[0].clone())
    );
    assert_eq!(sandbox.records().len(), 1);
    // Something else under the same key is a mistake of the caller.
    let other =
        call(&sandbox, "POST", "/records/Opportunity", &ana).header("Idempotency-Key", "k1");
    assert_eq!(status(other.json(&json!({"Name": "Contoso"}))).await, 422);
}

#[tokio::test]
async fn nobody_sees_changes_or_deletes_the_records_of_another() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    let ben = connect(&sandbox, "ben", BOTH).await.access;
    create(&sandbox, &ana, "k1").await;
    let path = "/records/Opportunity/op_1";
    assert_eq!(
        answer(call(&sandbox, "GET", "/records/Opportunity", &ben)).await["items"],
        json!([])
    );
    for method in ["GET", "DELETE"] {
        assert_eq!(
            status(call(&sandbox, method, path, &ben)).await,
            404,
            "{method}"
        );
    }
    assert_eq!(
        status(call(&sandbox, "PATCH", path, &ben).json(&json!({"Name": "Mine"}))).await,
        404
    );
    assert_eq!(
        answer(call(&sandbox, "GET", path, &ana)).await["fields"]["Name"],
        "Northwind"
    );
}

#[tokio::test]
async fn changing_merges_and_deleting_twice_is_deleting_once() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    create(&sandbox, &ana, "k1").await;
    let path = "/records/Opportunity/op_1";
    let changed = answer(call(&sandbox, "PATCH", path, &ana).json(&json!({"Amount": 5}))).await;
    assert_eq!(changed["fields"], json!({"Name": "Northwind", "Amount": 5}));
    assert_eq!(status(call(&sandbox, "DELETE", path, &ana)).await, 204);
    assert_eq!(status(call(&sandbox, "DELETE", path, &ana)).await, 204);
    assert_eq!(status(call(&sandbox, "GET", path, &ana)).await, 404);
    assert_eq!(
        status(call(&sandbox, "DELETE", "/records/Opportunity/op_9", &ana)).await,
        404
    );
}

#[tokio::test]
async fn scopes_are_checked_before_rights_and_both_before_anything_is_done() {
    let sandbox = sandbox().await;
    let reader = connect(&sandbox, "ana", "records.read").await.access;
    let post = call(&sandbox, "POST", "/records/Opportunity", &reader).json(&json!({}));
    let refused = post.send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(
        refused.headers()["www-authenticate"],
        "Bearer realm=\"sandbox\", error=\"insufficient_scope\", scope=\"records.write\""
    );
    assert_eq!(
        refused.json::<Value>().await.unwrap()["code"],
        "insufficient_scope"
    );

    let dora = connect(&sandbox, "dora", BOTH).await.access;
    let (status_, refusal) = create(&sandbox, &dora, "k1").await;
    let words = json!({"code": "missing_right", "message": "dora@sandbox lacks the right CREATE on Opportunity"});
    assert_eq!((status_, refusal), (403, words));
    let note = call(&sandbox, "POST", "/records/Note", &dora).json(&json!({"Text": "hello"}));
    assert_eq!(status(note).await, 201);

    sandbox.set_rights("dora", Rights::default());
    assert_eq!(create(&sandbox, &dora, "k1").await.0, 201);
    assert_eq!(sandbox.records().len(), 2);
}

#[tokio::test]
async fn calls_without_a_live_token_are_refused() {
    let sandbox = sandbox().await;
    let url = format!("{}/api/v1/me", sandbox.url());
    let bare = http().get(&url).send().await.unwrap();
    assert_eq!(
        (
            bare.status().as_u16(),
            bare.headers()["www-authenticate"].to_str().unwrap()
        ),
        (401, "Bearer realm=\"sandbox\"")
    );
    assert_eq!(status(http().get(&url).bearer_auth("invented")).await, 401);
    let ana = connect(&sandbox, "ana", BOTH).await;
    assert_eq!(sandbox.revoke_user("ana"), 1);
    assert_eq!(status(http().get(&url).bearer_auth(&ana.access)).await, 401);
}

#[tokio::test]
async fn accounts_are_found_by_name_and_listed_page_by_page() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", "records.read").await.access;
    let found = answer(call(&sandbox, "GET", "/accounts?name=northwind", &ana)).await;
    assert_eq!(
        (
            found["items"].as_array().unwrap().len(),
            &found["items"][0]["id"]
        ),
        (1, &json!("acc_1"))
    );
    assert_eq!(
        answer(call(&sandbox, "GET", "/accounts?name=Nobody", &ana)).await,
        json!({"items": [], "next": null})
    );
    let (mut names, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = answer(call(
            &sandbox,
            "GET",
            &format!("/accounts?cursor={cursor}"),
            &ana,
        ))
        .await;
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((names.len(), pages), (12, 3));
    assert!(names.contains(&"Contoso".to_owned()) && names.contains(&"Aurora Coffee".to_owned()));
    assert_eq!(
        answer(call(&sandbox, "GET", "/accounts/acc_2", &ana)).await["name"],
        "Contoso"
    );
    assert_eq!(
        status(call(&sandbox, "GET", "/accounts/acc_99", &ana)).await,
        404
    );
    assert_eq!(
        status(call(&sandbox, "GET", "/accounts?cursor=x", &ana)).await,
        400
    );
}

#[tokio::test]
async fn every_message_is_one_more() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    for _ in 0..2 {
        let post = call(&sandbox, "POST", "/messages", &ana).header("Idempotency-Key", "k1");
        assert_eq!(
            status(post.json(&json!({"channel": "#sales", "text": "won"}))).await,
            201
        );
    }
    assert_eq!(sandbox.messages().len(), 2);
    let listed = answer(call(&sandbox, "GET", "/messages?channel=%23sales", &ana)).await;
    assert_eq!(listed["items"][1]["author"], "ana");
    let wrong = call(&sandbox, "POST", "/messages", &ana).json(&json!({"channel": "#sales"}));
    assert_eq!(status(wrong).await, 400);
}

#[tokio::test]
async fn what_can_t_be_understood_is_refused_with_a_reason() {
    let sandbox = sandbox().await;
    let ana = connect(&sandbox, "ana", BOTH).await.access;
    let refused = call(&sandbox, "POST", "/records/Opportunity", &ana)
        .body("[1]")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.json::<Value>().await.unwrap()["code"].clone()
        ),
        (400, json!("invalid_body"))
    );
    assert_eq!(
        status(call(&sandbox, "POST", "/records/bad-name!", &ana).json(&json!({}))).await,
        404
    );
    assert_eq!(
        answer(call(&sandbox, "GET", "/nothing", &ana)).await["code"],
        "not_found"
    );
    assert!(sandbox.records().is_empty());
}
