//! Connections as which the app client itself acts.

use actas_core::run::{ConnectionKind, Scheme};

use super::provider::Said;
use super::*;

fn target(bench: &Bench, name: &str) -> ConnectTarget {
    ConnectTarget {
        app: bench.manifest.app.clone(),
        client: bench.client.id.clone(),
        kind: ConnectKind::Shared {
            name: name.parse().unwrap(),
        },
        scopes: vec!["read".to_owned()],
    }
}

/// The manifest of an app that lets its clients act as themselves.
fn lets(text: String) -> String {
    text.replace(
        "    client_auth: post\n",
        "    client_auth: post\n    client_credentials: true\n",
    )
}

async fn connect(bench: &Bench, target: &ConnectTarget) -> Result<Finished, SignInError> {
    let who = bench.who(&bench.ana);
    bench
        .connections
        .connect_as_client(&bench.workspace, target, &bench.ana.id, &who)
        .await
}

fn shared(bench: &Bench, connection: &ConnectionId) -> Use {
    Use {
        person: None,
        rule: Rule::Shared,
        ..bench.using(&bits(RunId::from_bits), connection, &bench.ana)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_client_acts_as_itself_and_is_renewed_by_asking_again() {
    for bench in Bench::everywhere_with(&lets).await {
        let bench = Arc::new(bench);
        let finished = connect(&bench, &target(&bench, "robot")).await.unwrap();
        let row = bench.connection(&finished.connection).await;
        assert_eq!(
            (row.kind, row.scheme, row.account.as_str(), &row.scopes[..]),
            (
                ConnectionKind::Shared,
                Scheme::ClientCredentials,
                "actas",
                &["read".to_owned()][..]
            )
        );
        let using = shared(&bench, &finished.connection);
        assert_eq!(
            bench
                .connections
                .credential(&using)
                .await
                .unwrap()
                .token_version,
            1
        );
        // Wanted by many when its time is over: asked once, in the same words.
        bench.expire(&finished.connection).await;
        let uses = (0..32).map(|_| {
            let (bench, using) = (bench.clone(), using.clone());
            tokio::spawn(async move { bench.connections.credential(&using).await })
        });
        for usable in futures::future::join_all(uses).await {
            assert_eq!(usable.unwrap().unwrap().token_version, 2);
        }
        {
            let book = bench.provider.book();
            assert_eq!(book.token_requests.len(), 2);
            for request in &book.token_requests {
                let said = ["grant_type", "scope", "client_id", "client_secret"]
                    .map(|name| request[name].as_str());
                let secret = "client-secret-of-actas";
                assert_eq!(said, ["client_credentials", "read", "actas", secret]);
            }
        }
        // Refused although its time is not over: asked once more, and then it is over.
        let fresh = bench.connections.refused(&using, 2).await.unwrap();
        assert_eq!(fresh.token_version, 3);
        let end = bench.connections.refused(&using, 3).await;
        assert!(
            matches!(end, Err(UseError::SignIn(AskReason::Revoked))),
            "{end:?}"
        );
        assert_eq!(bench.provider.token_requests(), 3);
        // Until somebody who may has it asked again.
        let who = bench.who(&bench.ana);
        let renewed = bench
            .connections
            .reconnect_as_client(&bench.workspace, &finished.connection, &bench.ana.id, &who)
            .await
            .unwrap();
        assert_eq!(renewed.connection, finished.connection);
        bench.connections.credential(&using).await.unwrap();
        assert!(bench.audited("connection.created", None).await);
        assert!(bench.audited("connection.reconnected", None).await);
    }
}

#[tokio::test]
async fn nothing_is_made_of_a_refusal_and_never_something_of_a_persons_own() {
    let bench = Bench::with(&lets).await;
    for (said, code) in [
        (
            Said::Text(401, r#"{"error":"invalid_client"}"#.to_owned()),
            "app_client_unusable",
        ),
        (
            Said::Text(400, r#"{"error":"unauthorized_client"}"#.to_owned()),
            "app_client_unusable",
        ),
        (
            Said::Text(400, r#"{"error":"invalid_scope"}"#.to_owned()),
            "app_client_unusable",
        ),
        (Said::Text(200, "[]".to_owned()), "app_client_unusable"),
        (Said::Text(503, String::new()), "provider_unavailable"),
    ] {
        bench.provider.say_next(said.clone());
        let error = connect(&bench, &target(&bench, "robot")).await.unwrap_err();
        assert_eq!(error.code(), code, "{said:?}");
        let shared = bench.reader().shared_connections().await.unwrap();
        assert!(shared.is_empty(), "{said:?}");
    }
    let personal = ConnectTarget {
        kind: ConnectKind::Personal {
            parent: None,
            made_for: Some((bench.flow.clone(), SLOT.parse().unwrap())),
        },
        ..target(&bench, "robot")
    };
    let asked = bench.provider.token_requests();
    let error = connect(&bench, &personal).await.unwrap_err();
    assert_eq!(error.code(), "connection_not_usable");
    assert_eq!(bench.provider.token_requests(), asked);

    connect(&bench, &target(&bench, "robot")).await.unwrap();
    let error = connect(&bench, &target(&bench, "robot")).await.unwrap_err();
    assert_eq!(error.code(), "name_taken");

    // Nor where the app does not offer it.
    let bench = Bench::new().await;
    let error = connect(&bench, &target(&bench, "robot")).await.unwrap_err();
    assert_eq!(error.code(), "app_client_unusable");
    assert_eq!(bench.provider.token_requests(), 0);
}

#[tokio::test]
async fn a_provider_that_is_down_leaves_it_alone_and_one_that_refuses_ends_it() {
    let bench = Bench::with(&lets).await;
    let finished = connect(&bench, &target(&bench, "robot")).await.unwrap();
    let using = shared(&bench, &finished.connection);
    bench.expire(&finished.connection).await;
    let before = bench.connection(&finished.connection).await;
    bench.provider.say_next(Said::Text(500, String::new()));
    for _ in 0..5 {
        let used = bench.connections.credential(&using).await;
        assert!(matches!(used, Err(UseError::Unavailable(_))), "{used:?}");
    }
    assert_eq!(bench.provider.token_requests(), 2);
    let after = ConnectionRow {
        refreshing: None,
        ..bench.connection(&finished.connection).await
    };
    assert_eq!(after, before);
    bench.elapse(&finished.connection).await;
    bench
        .provider
        .say_next(Said::Text(400, r#"{"error":"invalid_grant"}"#.to_owned()));
    for _ in 0..5 {
        let used = bench.connections.credential(&using).await;
        assert!(
            matches!(used, Err(UseError::SignIn(AskReason::Expired))),
            "{used:?}"
        );
    }
    assert_eq!(bench.provider.token_requests(), 3);
    // Nothing was lost that could not be asked for again.
    let reason = Some("refresh_refused");
    assert!(bench.audited("connection.refresh_failed", reason).await);
}
