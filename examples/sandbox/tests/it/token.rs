//! The token and revocation endpoints: what is given once, what ends a family, who is known.

use std::time::Duration;

use actas_sandbox::{Client, Config, Ended};
use serde_json::json;

use crate::browser::{
    BOTH, Browser, CALLBACK, VERIFIER, authorize, call, connect, http, location, query, redeem,
    refresh, sandbox, sandbox_with, status, token_request, tokens,
};

#[tokio::test]
async fn the_answer_names_scope_lifetime_and_instance() {
    let sandbox = sandbox().await;
    let given = connect(&sandbox, "ana", BOTH).await;
    assert_eq!(given.answer["token_type"], "Bearer");
    assert_eq!(given.answer["expires_in"], 300);
    assert_eq!(given.answer["scope"], BOTH);
    assert_eq!(given.answer["instance_url"], sandbox.url());
    let me = crate::browser::json(call(&sandbox, "GET", "/me", &given.access)).await;
    assert_eq!(
        me,
        json!({"id": "u_1", "email": "ana@sandbox", "name": "Ana Alvarez"})
    );
}

#[tokio::test]
async fn a_wrong_verifier_gives_nothing_and_spoils_the_code() {
    let sandbox = sandbox().await;
    let code = query(&Browser::new(&sandbox).agree("ana", BOTH).await)["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        (
            "code_verifier",
            "another-verifier-that-is-long-enough-for-the-rfc",
        ),
    ];
    let (status, answer) = token_request(&sandbox, &form).await;
    assert_eq!(
        (status.as_u16(), &answer["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_eq!(redeem(&sandbox, &code).await.0.as_u16(), 400);
    assert!(sandbox.grants().is_empty());
}

#[tokio::test]
async fn a_code_is_bound_to_its_redirect_uri_and_its_client() {
    let sandbox = sandbox().await;
    sandbox.register_client(Client::new(
        "other",
        "o",
        [CALLBACK, "http://localhost:1/second"],
    ));
    sandbox.register_client(Client::new(
        "actas",
        "s3cret",
        [CALLBACK, "http://localhost:1/second"],
    ));
    let code = query(&Browser::new(&sandbox).agree("ana", BOTH).await)["code"].clone();
    let form = |uri| {
        [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ]
    };
    let stranger = http()
        .post(format!("{}/oauth/token", sandbox.url()))
        .basic_auth("other", Some("o"));
    assert_eq!(status(stranger.form(&form(CALLBACK))).await, 400);
    // The stranger's try did not spoil it; the wrong address does.
    assert_eq!(
        token_request(&sandbox, &form("http://localhost:1/second"))
            .await
            .1["error"],
        "invalid_grant"
    );
    assert_eq!(redeem(&sandbox, &code).await.0.as_u16(), 400);
}

#[tokio::test]
async fn a_code_used_twice_revokes_what_it_gave() {
    let sandbox = sandbox().await;
    let code = query(&Browser::new(&sandbox).agree("ana", BOTH).await)["code"].clone();
    let given = tokens(redeem(&sandbox, &code).await);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &given.access)).await,
        200
    );
    assert_eq!(redeem(&sandbox, &code).await.1["error"], "invalid_grant");
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &given.access)).await,
        401
    );
    assert_eq!(
        refresh(&sandbox, &given.refresh).await.1["error"],
        "invalid_grant"
    );
    assert_eq!(sandbox.grants()[0].ended, Some(Ended::CodeReused));
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_ends_the_whole_family() {
    let sandbox = sandbox().await;
    let first = connect(&sandbox, "ana", BOTH).await;
    let other_device = connect(&sandbox, "ana", BOTH).await;
    let second = tokens(refresh(&sandbox, &first.refresh).await);
    assert_ne!(first.refresh, second.refresh);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &second.access)).await,
        200
    );
    // Somebody presents the old one: neither they nor the owner keep anything.
    assert_eq!(
        refresh(&sandbox, &first.refresh).await.1["error"],
        "invalid_grant"
    );
    assert_eq!(
        refresh(&sandbox, &second.refresh).await.1["error"],
        "invalid_grant"
    );
    for dead in [&first.access, &second.access] {
        assert_eq!(status(call(&sandbox, "GET", "/me", dead)).await, 401);
    }
    assert_eq!(sandbox.grants()[0].ended, Some(Ended::RefreshTokenReused));
    // What was agreed to another time is another family.
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &other_device.access)).await,
        200
    );
}

#[tokio::test]
async fn of_many_refreshes_at_once_only_one_is_served_and_then_the_family_is_dead() {
    let sandbox = sandbox().await;
    let given = connect(&sandbox, "ana", BOTH).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (url, token) = (
            format!("{}/oauth/token", sandbox.url()),
            given.refresh.clone(),
        );
        tries.spawn(async move {
            let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
            status(
                http()
                    .post(url)
                    .basic_auth("actas", Some("s3cret"))
                    .form(&form),
            )
            .await
        });
    }
    let answers = tries.join_all().await;
    assert_eq!(
        answers.iter().filter(|status| **status == 200).count(),
        1,
        "{answers:?}"
    );
    assert_eq!(sandbox.grants()[0].ended, Some(Ended::RefreshTokenReused));
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_but_not_for_more() {
    let sandbox = sandbox().await;
    let given = connect(&sandbox, "ana", "records.read").await;
    let form = |scope| {
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*given.refresh),
            ("scope", scope),
        ]
    };
    assert_eq!(
        token_request(&sandbox, &form(BOTH)).await.1["error"],
        "invalid_scope"
    );
    assert_eq!(
        tokens(token_request(&sandbox, &form("records.read")).await).answer["scope"],
        "records.read"
    );
}

#[tokio::test]
async fn an_expired_access_token_is_refused_and_a_refresh_helps() {
    let sandbox = sandbox_with(Config {
        access_token_ttl: Duration::ZERO,
        ..Config::default()
    })
    .await;
    let given = connect(&sandbox, "ana", BOTH).await;
    let response = call(&sandbox, "GET", "/me", &given.access)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        "Bearer realm=\"sandbox\", error=\"invalid_token\""
    );
    sandbox.set_access_token_ttl(Duration::from_secs(60));
    let again = tokens(refresh(&sandbox, &given.refresh).await);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &again.access)).await,
        200
    );
    assert_eq!(sandbox.expire_access_tokens("ana"), 2);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &again.access)).await,
        401
    );
    assert_eq!(refresh(&sandbox, &again.refresh).await.0, 200);
}

#[tokio::test]
async fn clients_prove_themselves_by_header_or_form_but_not_by_both() {
    let sandbox = sandbox().await;
    sandbox.register_client(Client {
        secret: None,
        ..Client::new("public", "", [CALLBACK])
    });
    sandbox.register_client(Client::new("o d:d", "p&ss=w+rd %", [CALLBACK]));
    let ask = || http().post(format!("{}/oauth/token", sandbox.url()));
    let unknown = ("grant_type", "refresh_token");
    let form = |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        [&[unknown, ("refresh_token", "x")], more].concat()
    };
    let coded: Vec<_> = ["o d:d", "p&ss=w+rd %"]
        .iter()
        .map(|text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
        .collect();
    for (request, expected) in [
        (
            ask().form(&form(&[
                ("client_id", "actas"),
                ("client_secret", "s3cret"),
            ])),
            400,
        ),
        (ask().form(&form(&[("client_id", "public")])), 400),
        (
            ask()
                .basic_auth(&coded[0], Some(&coded[1]))
                .form(&form(&[])),
            400,
        ),
        (
            ask().form(&form(&[("client_id", "actas"), ("client_secret", "wrong")])),
            401,
        ),
        (ask().form(&form(&[("client_id", "actas")])), 401),
        (
            ask().form(&form(&[
                ("client_id", "nobody"),
                ("client_secret", "s3cret"),
            ])),
            401,
        ),
        (ask().form(&form(&[])), 401),
    ] {
        // 400 is `invalid_grant`: the client is known, its token is not.
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        let error = response.json::<serde_json::Value>().await.unwrap()["error"].clone();
        assert_eq!(
            error,
            if expected == 400 {
                "invalid_grant"
            } else {
                "invalid_client"
            }
        );
    }
    let wrong = ask()
        .basic_auth("actas", Some("wrong"))
        .form(&form(&[]))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            wrong.status().as_u16(),
            &wrong.headers()["www-authenticate"] == "Basic realm=\"sandbox\""
        ),
        (401, true)
    );
    let both = ask()
        .basic_auth("actas", Some("s3cret"))
        .form(&form(&[("client_secret", "s3cret")]))
        .send()
        .await
        .unwrap();
    assert_eq!(
        both.json::<serde_json::Value>().await.unwrap()["error"],
        "invalid_request"
    );
}

#[tokio::test]
async fn faults_of_a_token_request_have_the_codes_of_the_rfc() {
    let sandbox = sandbox().await;
    for (form, error) in [
        (&[("grant_type", "password")][..], "unsupported_grant_type"),
        (&[("code", "x")], "invalid_request"),
        (
            &[("grant_type", "authorization_code"), ("code", "x")],
            "invalid_request",
        ),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (
            &[
                ("grant_type", "refresh_token"),
                ("grant_type", "refresh_token"),
            ],
            "invalid_request",
        ),
        (
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
                ("scope", "all"),
            ],
            "invalid_scope",
        ),
    ] {
        let (status, answer) = token_request(&sandbox, form).await;
        assert_eq!(
            (status.as_u16(), answer["error"].as_str()),
            (400, Some(error)),
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_client_gives_tokens_back() {
    let sandbox = sandbox().await;
    sandbox.register_client(Client::new("other", "o", [CALLBACK]));
    let given = connect(&sandbox, "ana", BOTH).await;
    let give_back = |client: &'static str, secret: &'static str, token: &str| {
        let form = [("token", token.to_owned())];
        status(
            http()
                .post(format!("{}/oauth/revoke", sandbox.url()))
                .basic_auth(client, Some(secret))
                .form(&form),
        )
    };
    // Nobody can do it for another client, or without being known; and a token nobody knows is no fault.
    assert_eq!(give_back("other", "o", &given.refresh).await, 200);
    assert_eq!(give_back("actas", "wrong", &given.refresh).await, 401);
    assert_eq!(give_back("actas", "s3cret", "unknown").await, 200);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &given.access)).await,
        200
    );

    assert_eq!(give_back("actas", "s3cret", &given.access).await, 200);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &given.access)).await,
        401
    );
    let again = tokens(refresh(&sandbox, &given.refresh).await);
    assert_eq!(give_back("actas", "s3cret", &again.refresh).await, 200);
    assert_eq!(
        status(call(&sandbox, "GET", "/me", &again.access)).await,
        401
    );
    assert_eq!(
        refresh(&sandbox, &again.refresh).await.1["error"],
        "invalid_grant"
    );
    assert_eq!(sandbox.grants()[0].ended, Some(Ended::GivenBack));
}

#[tokio::test]
async fn what_the_metadata_names_is_there() {
    let sandbox = sandbox().await;
    let url = format!("{}/.well-known/oauth-authorization-server", sandbox.url());
    let metadata = crate::browser::json(http().get(url)).await;
    assert_eq!(metadata["issuer"], sandbox.url());
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    for endpoint in [
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "userinfo_endpoint",
    ] {
        let found = status(http().post(metadata[endpoint].as_str().unwrap())).await;
        assert_ne!(found, 404, "{endpoint}");
    }
}

#[tokio::test]
async fn without_a_scope_only_reading_is_granted() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let page = browser
        .get(&authorize(&[("scope", "")]))
        .await
        .text()
        .await
        .unwrap();
    let next = location(&browser.log_in(&page, "ana").await);
    let page = browser.get(&next).await.text().await.unwrap();
    assert!(!page.contains("Create, change"), "{page}");
    let back = url::Url::parse(&location(&browser.decide(&page, "allow").await)).unwrap();
    assert_eq!(
        tokens(redeem(&sandbox, &query(&back)["code"]).await).answer["scope"],
        "records.read"
    );
}
