//! Codes: what the token endpoint and the app say while somebody connects.

use futures::StreamExt as _;
use serde_json::{Map, Value, json};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_answered_with_nonsense_gives_nothing_and_can_be_asked_for_again() {
    let rows = nonsense()
        .into_iter()
        .map(|(name, said)| (name, said, "provider_refused"))
        .chain(
            refusals()
                .into_iter()
                .map(|(name, said)| (name, said, "provider_refused")),
        )
        .chain([(
            "an unknown client",
            text(401, r#"{"error":"invalid_client"}"#),
            "provider_refused",
        )])
        .chain(
            troubles()
                .into_iter()
                .map(|(name, said)| (name, said, "provider_unavailable")),
        )
        // The code is used up at the provider, and nobody here knows what for.
        .chain([("an answer that is lost", Said::Lost, "provider_unavailable")]);
    futures::stream::iter(rows)
        .for_each_concurrent(AT_ONCE, |(name, said, end)| async move {
            let bench = Bench::impatient(&|text| text).await;
            let (run, id, state) = begun(&bench).await;
            bench.provider.say_next(said);
            let code = bench.provider.code("ana@crm");
            let error = bench
                .come_back(&bench.ana, &state, &code)
                .await
                .unwrap_err();
            assert_eq!(error.code(), end, "{name}");
            // The same answer a second time finds the attempt used up, and the provider is not asked again.
            let error = bench
                .come_back(&bench.ana, &state, &code)
                .await
                .unwrap_err();
            assert_eq!(
                (error.code(), bench.provider.token_requests()),
                ("state_used", 1),
                "{name}"
            );
            assert!(bench.audited("sign_in.failed", Some(end)).await, "{name}");
            nothing_stored_and_open(&bench, name, &run, &id).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_come_with_too_little_or_of_nobody_are_given_back() {
    let more = |key: &str, value: Value| Map::from_iter([(key.to_owned(), value)]);
    let evil = || more("instance_url", json!("https://evil.example"));
    let nowhere = || more("instance_url", json!("http://127.0.0.1:1@evil.example"));
    let nothing = Map::new;
    type Fields = Map<String, Value>;
    type Row = (
        &'static str,
        Option<&'static str>,
        Fields,
        Option<Said>,
        &'static str,
    );
    let rows: Vec<Row> = vec![
        (
            "fewer scopes than were asked for",
            Some("write"),
            nothing(),
            None,
            "scopes_missing",
        ),
        (
            "no scopes at all",
            Some(""),
            nothing(),
            None,
            "scopes_missing",
        ),
        (
            "a kept value that points elsewhere",
            None,
            evil(),
            None,
            "provider_refused",
        ),
        (
            "a kept value that looks like home",
            None,
            nowhere(),
            None,
            "provider_refused",
        ),
        (
            "an account that is HTML",
            None,
            nothing(),
            Some(html(200)),
            "provider_refused",
        ),
        (
            "an account without an id",
            None,
            nothing(),
            Some(text(200, r#"{"email":"a"}"#)),
            "provider_refused",
        ),
        (
            "an account with an empty id",
            None,
            nothing(),
            Some(text(200, r#"{"id":" "}"#)),
            "provider_refused",
        ),
        (
            "an account of thirty megabytes",
            None,
            nothing(),
            Some(Said::Bytes(30_000_000)),
            "provider_refused",
        ),
        (
            "an app that refuses the fresh token",
            None,
            nothing(),
            Some(text(401, "{}")),
            "provider_refused",
        ),
        (
            "an app that is down",
            None,
            nothing(),
            Some(text(503, "")),
            "provider_unavailable",
        ),
    ];
    futures::stream::iter(rows)
        .for_each_concurrent(AT_ONCE, |(name, scope, more, app, end)| async move {
            let bench = Bench::impatient(&|text| text).await;
            let (run, id, state) = begun(&bench).await;
            {
                let mut book = bench.provider.book();
                book.scope = scope.map(str::to_owned);
                book.more = more;
                // Once for the connection, once for whose it is that is given back.
                book.app_script
                    .extend(app.iter().cloned().chain(app.clone()));
            }
            let code = bench.provider.code("ana@crm");
            let error = bench
                .come_back(&bench.ana, &state, &code)
                .await
                .unwrap_err();
            assert_eq!(
                (error.code(), bench.provider.token_requests()),
                (end, 1),
                "{name}"
            );
            assert_eq!(bench.provider.book().revoked.len(), 2, "{name}");
            assert!(bench.provider.book().access.is_empty(), "{name}");
            nothing_stored_and_open(&bench, name, &run, &id).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_odd_but_clear_are_understood() {
    let rows: Vec<(&str, Value, Map<String, Value>, bool)> = vec![
        ("a lifetime that is negative", json!(-5), Map::new(), false),
        ("a lifetime of nothing", json!(0), Map::new(), false),
        ("a lifetime as text", json!("1800"), Map::new(), true),
        (
            "a lifetime that is a word",
            json!("soon"),
            Map::new(),
            false,
        ),
        (
            "a lifetime of 2^63",
            json!(9_223_372_036_854_775_808_u64),
            Map::new(),
            false,
        ),
        ("a lifetime that is a list", json!([60]), Map::new(), false),
        ("no lifetime", json!(null), Map::new(), false),
        (
            "no kind of token",
            json!(60),
            Map::from_iter([("token_type".to_owned(), Value::Null)]),
            true,
        ),
        (
            "a kind in capitals",
            json!(60),
            Map::from_iter([("token_type".to_owned(), json!("BEARER"))]),
            true,
        ),
        (
            "more scopes than were asked for",
            json!(60),
            Map::from_iter([("scope".to_owned(), json!("write read"))]),
            true,
        ),
        (
            "scopes as a list",
            json!(60),
            Map::from_iter([("scope".to_owned(), json!(["read"]))]),
            true,
        ),
    ];
    futures::stream::iter(rows)
        .for_each_concurrent(AT_ONCE, |(name, life, more, ends)| async move {
            let bench = Bench::new().await;
            let (run, _, state) = begun(&bench).await;
            bench.provider.book().expires_in = life;
            bench.provider.book().more = more;
            let code = bench.provider.code("ana@crm");
            let finished = bench.come_back(&bench.ana, &state, &code).await.unwrap();
            let row = bench.connection(&finished.connection).await;
            assert_eq!(
                (row.expires_at.is_some(), row.state),
                (ends, ConnectionState::Connected),
                "{name}"
            );
            let using = bench.using(&run, &finished.connection, &bench.ana);
            bench.connections.credential(&using).await.unwrap();
            assert_eq!(bench.provider.token_requests(), 1, "{name}");
        })
        .await;
}
