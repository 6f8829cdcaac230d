//! What a browser brings back.

use super::*;

#[tokio::test]
async fn a_browser_that_brings_something_crooked_is_refused_and_the_provider_is_not_asked() {
    let long = "x".repeat(5000);
    type Query<'a> = Vec<(&'a str, &'a str)>;
    let rows: Vec<(&str, Query<'_>, &str)> = vec![
        (
            "no state",
            vec![("code", "c"), ("iss", ISSUER)],
            "callback_malformed",
        ),
        (
            "an empty state",
            vec![("state", ""), ("code", "c"), ("iss", ISSUER)],
            "callback_malformed",
        ),
        (
            "a forged state",
            vec![("state", "forged"), ("code", "c"), ("iss", ISSUER)],
            "state_unknown",
        ),
        (
            "a truncated state",
            vec![("state", "$cut"), ("code", "c"), ("iss", ISSUER)],
            "state_unknown",
        ),
        (
            "a state with a tail",
            vec![("state", "$longer"), ("code", "c"), ("iss", ISSUER)],
            "state_unknown",
        ),
        (
            "a state twice",
            vec![
                ("state", "$"),
                ("state", "$"),
                ("code", "c"),
                ("iss", ISSUER),
            ],
            "callback_malformed",
        ),
        (
            "two codes",
            vec![
                ("state", "$"),
                ("code", "c"),
                ("code", "d"),
                ("iss", ISSUER),
            ],
            "callback_malformed",
        ),
        (
            "the issuer twice",
            vec![
                ("state", "$"),
                ("code", "c"),
                ("iss", ISSUER),
                ("iss", "https://evil.example"),
            ],
            "callback_malformed",
        ),
        (
            "code and error together",
            vec![
                ("state", "$"),
                ("code", "c"),
                ("error", "access_denied"),
                ("iss", ISSUER),
            ],
            "callback_malformed",
        ),
        (
            "neither code nor error",
            vec![("state", "$"), ("iss", ISSUER)],
            "callback_malformed",
        ),
        (
            "a code of five thousand characters",
            vec![("state", "$"), ("code", &long), ("iss", ISSUER)],
            "callback_malformed",
        ),
        (
            "no issuer",
            vec![("state", "$"), ("code", "c")],
            "wrong_issuer",
        ),
        (
            "another issuer",
            vec![
                ("state", "$"),
                ("code", "c"),
                ("iss", "https://evil.example"),
            ],
            "wrong_issuer",
        ),
        (
            "nearly the issuer",
            vec![
                ("state", "$"),
                ("code", "c"),
                ("iss", "https://issuer.example/"),
            ],
            "wrong_issuer",
        ),
        (
            "a no of another issuer",
            vec![
                ("state", "$"),
                ("error", "access_denied"),
                ("iss", "https://evil.example"),
            ],
            "wrong_issuer",
        ),
    ];
    let bench = Bench::new().await;
    let (run, id, state) = begun(&bench).await;
    let (cut, longer) = (&state[..state.len() - 1], format!("{state}A"));
    for (name, query, end) in rows {
        let query: Vec<_> = query
            .into_iter()
            .map(|(key, value)| match value {
                "$" => (key, state.as_str()),
                "$cut" => (key, cut),
                "$longer" => (key, longer.as_str()),
                value => (key, value),
            })
            .collect();
        let error = bench.come_with(&bench.ana, &query).await.unwrap_err();
        assert_eq!(error.code(), end, "{name}");
        // What the person is told repeats nothing of what came.
        assert!(
            !error.to_string().contains("evil") && !error.to_string().contains(&state),
            "{name}"
        );
    }
    assert_eq!(bench.provider.token_requests(), 0);
    // None of it used the attempt up: the true answer still counts, once.
    let code = bench.provider.code("ana@crm");
    bench.come_back(&bench.ana, &state, &code).await.unwrap();
    let again = bench
        .come_back(&bench.ana, &state, &code)
        .await
        .unwrap_err();
    assert_eq!(
        (again.code(), bench.provider.token_requests()),
        ("state_used", 1)
    );
    assert_eq!(
        (stored(&bench).await, bench.inbox(&run).await.len()),
        (1, 1)
    );
    let row = bench.reader().sign_in(&id).await.unwrap().unwrap();
    assert_eq!(row.state, SignInState::Done);
}

#[tokio::test]
async fn a_provider_that_says_no_ends_as_declined_or_as_a_failure_that_can_be_repeated() {
    for (error, end, state) in [
        ("access_denied", "denied", SignInState::Declined),
        ("server_error", "provider_unavailable", SignInState::Open),
        (
            "temporarily_unavailable",
            "provider_unavailable",
            SignInState::Open,
        ),
        ("invalid_scope", "provider_refused", SignInState::Open),
        ("something_new", "provider_refused", SignInState::Open),
    ] {
        let bench = Bench::new().await;
        let (run, id, begun) = begun(&bench).await;
        let query = [("state", begun.as_str()), ("error", error), ("iss", ISSUER)];
        let came = bench.come_with(&bench.ana, &query).await.unwrap_err();
        assert_eq!(
            (came.code(), bench.provider.token_requests()),
            (end, 0),
            "{error}"
        );
        let row = bench.reader().sign_in(&id).await.unwrap().unwrap();
        assert_eq!((row.state, stored(&bench).await), (state, 0), "{error}");
        // The run is told of a no, and of nothing else.
        let told = bench.inbox(&run).await.len();
        assert_eq!(told, usize::from(state == SignInState::Declined), "{error}");
    }
}
