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
