//! Refreshes, and tokens that the app refuses.

use futures::StreamExt as _;
use serde_json::{Map, Value};

use super::*;

/// A row without the wait that stands in it.
fn rests(row: &ConnectionRow) -> ConnectionRow {
    ConnectionRow {
        refreshing: None,
        ..row.clone()
    }
}

/// How a refresh ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The connection is closed and its secrets are gone; its person is asked for this reason.
    Paused(AskReason),
    /// The connection stays as it was, and is tried again later.
    Retried(&'static str),
    /// It is renewed.
    Went,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_ends_as_its_answer_deserves_and_nothing_is_hammered() {
    use End::{Paused, Retried, Went};
    let all = |rows: Vec<(&'static str, Said)>, end: End| {
        rows.into_iter().map(move |(name, said)| (name, said, end))
    };
    let rows = all(nonsense(), Retried("token_endpoint_broken"))
        .chain(all(refusals(), Paused(AskReason::Expired)))
        .chain(all(troubles(), Retried("token_endpoint_unavailable")))
        .chain([
            (
                "an unknown client",
                text(401, r#"{"error":"invalid_client"}"#),
                Retried("app_client_refused"),
            ),
            (
                "an answer that is lost",
                Said::Lost,
                Retried("token_endpoint_unavailable"),
            ),
            (
                "no new refresh token",
                text(200, r#"{"access_token":"n","expires_in":"60"}"#),
                Went,
            ),
            (
                "the old refresh token again",
                text(
                    200,
                    r#"{"access_token":"n","refresh_token":"refresh-2-secret"}"#,
                ),
                Went,
            ),
            (
                "a lifetime of 2^63",
                text(
                    200,
                    r#"{"access_token":"n","expires_in":9223372036854775808}"#,
                ),
                Went,
            ),
            (
                "narrower scopes",
                text(200, r#"{"access_token":"n","scope":"nothing"}"#),
                Went,
            ),
        ]);
    futures::stream::iter(rows)
        .for_each_concurrent(AT_ONCE, |(name, said, end)| async move {
            let bench = Bench::impatient(&|text| text).await;
            let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
            let id = &finished.connection;
            bench.expire(id).await;
            let before = bench.connection(id).await;
            let using = bench.using(&run, id, &bench.ana);
            let lost = matches!(said, Said::Lost);
            bench.provider.say_next(said);
            // Whoever comes, and however often: the provider is asked once.
            for _ in 0..20 {
                let used = bench.connections.credential(&using).await;
                match (end, used) {
                    (Went, Ok(usable)) => assert_eq!(usable.token_version, 2, "{name}"),
                    (Paused(reason), Err(UseError::SignIn(why))) => {
                        assert_eq!(why, reason, "{name}");
                    }
                    (Retried(_), Err(UseError::Unavailable(error))) => {
                        assert!(
                            error.kind.is_transient()
                                && error.after_ms.is_some_and(|ms| ms <= 3_600_000),
                            "{name}: {error:?}"
                        );
                        // No word of the provider's, and none of the person's secrets.
                        let shown = format!("{error:?}");
                        assert!(
                            !shown.contains("-secret") && !shown.contains("proxy"),
                            "{name}: {shown}"
                        );
                    }
                    (_, used) => panic!("{name}: {used:?}"),
                }
            }
            assert_eq!(bench.provider.token_requests(), 2, "{name}");
            let after = bench.connection(id).await;
            let secret = |field: &'static str| {
                let reader = bench.reader();
                let id = id.clone();
                async move { reader.secret(id.as_str(), field).await.unwrap().is_some() }
            };
            let secrets = (secret("access_token").await, secret("refresh_token").await);
            match end {
                Went => assert_eq!((after.token_version, secrets), (2, (true, true)), "{name}"),
                Paused(_) => {
                    assert_eq!(
                        (after.state, secrets),
                        (ConnectionState::Expired, (false, false)),
                        "{name}"
                    );
                    assert!(
                        bench
                            .audited("connection.refresh_failed", Some("refresh_refused"))
                            .await,
                        "{name}"
                    );
                }
                Retried(code) => {
                    assert_eq!(
                        (rests(&after) == before, secrets),
                        (true, (true, true)),
                        "{name}"
                    );
                    assert!(
                        bench.audited("connection.refresh_failed", Some(code)).await,
                        "{name}"
                    );
                    // When its time has come it is asked again; only what was lost cannot be had any more.
                    bench.elapse(id).await;
                    let used = bench.connections.credential(&using).await;
                    match used {
                        Ok(usable) => {
                            assert_eq!((usable.token_version, lost), (2, false), "{name}");
                        }
                        Err(UseError::SignIn(AskReason::Expired)) => {
                            assert!(lost, "{name}");
                            let why = Some("refresh_lost");
                            assert!(
                                bench.audited("connection.refresh_failed", why).await,
                                "{name}"
                            );
                        }
                        other => panic!("{name}: {other:?}"),
                    }
                    assert_eq!(bench.provider.token_requests(), 3, "{name}");
                }
            }
        })
        .await;
}

#[tokio::test]
async fn a_connection_without_a_refresh_token_pauses_when_its_time_is_over() {
    let bench = Bench::new().await;
    bench.provider.book().more = Map::from_iter([("refresh_token".to_owned(), Value::Null)]);
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    bench.connections.credential(&using).await.unwrap();
    bench.expire(&finished.connection).await;
    for _ in 0..3 {
        let used = bench.connections.credential(&using).await;
        assert!(
            matches!(used, Err(UseError::SignIn(AskReason::Expired))),
            "{used:?}"
        );
    }
    assert_eq!(bench.provider.token_requests(), 1);
    assert!(
        bench
            .audited("connection.refresh_failed", Some("no_refresh_token"))
            .await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_refused_tokens_makes_one_refresh_and_then_a_pause() {
    for bench in Bench::everywhere().await {
        let bench = Arc::new(bench);
        let processes = [bench.connections.clone(), bench.another_process().await];
        let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
        // Forty steps of two processes are refused at once, renew, and are refused again; some of them come late.
        let steps = (0..40).map(|n| {
            let connections = processes[n / 2 % 2].clone();
            let using = bench.using(&run, &finished.connection, &bench.ana);
            tokio::spawn(async move {
                let mut version = 1;
                if n % 2 == 0 {
                    version = connections.credential(&using).await?.token_version;
                }
                for _ in 0..10 {
                    version = connections.refused(&using, version).await?.token_version;
                }
                Ok::<_, UseError>(version)
            })
        });
        for ended in futures::future::join_all(steps).await {
            let ended = ended.unwrap();
            assert!(
                matches!(ended, Err(UseError::SignIn(AskReason::Revoked))),
                "{ended:?}"
            );
        }
        assert_eq!(bench.provider.token_requests(), 2);
        let why = Some("refused_when_fresh");
        assert!(bench.audited("connection.revoked", why).await);
        let ask = bench.ask(&run, &bench.ana);
        let asked = bench.connections.resolve(&ask).await.unwrap();
        let reason = AskReason::Revoked;
        assert!(
            matches!(asked, Resolution::Ask { reason: r, .. } if r == reason),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_token_of_a_forced_refresh_that_ends_is_renewed_like_any_other() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    bench.connections.refused(&using, 1).await.unwrap();
    // At once, although the mark of the forced one is still there; and the next refusal has a forced one of its own.
    bench.expire(&finished.connection).await;
    let usable = bench.connections.credential(&using).await.unwrap();
    assert_eq!(usable.token_version, 3);
    let usable = bench.connections.refused(&using, 3).await.unwrap();
    assert_eq!(usable.token_version, 4);
    assert_eq!(bench.provider.token_requests(), 4);
}

#[tokio::test]
async fn a_grant_that_is_taken_back_between_two_steps_pauses_the_second() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    let first = bench.connections.credential(&using).await.unwrap();
    bench.provider.book().refresh.clear();
    bench.provider.book().access.clear();
    for _ in 0..5 {
        let used = bench.connections.refused(&using, first.token_version).await;
        assert!(
            matches!(used, Err(UseError::SignIn(AskReason::Revoked))),
            "{used:?}"
        );
    }
    assert_eq!(bench.provider.token_requests(), 2);
    // One record, however many steps found out.
    let failed = bench.audit().await;
    let failed = failed
        .iter()
        .filter(|(action, _)| action == "connection.refresh_failed");
    assert_eq!(failed.count(), 1);
}

#[tokio::test]
async fn a_day_of_500s_costs_forty_requests_at_most_however_many_processes_ask() {
    for bench in Bench::everywhere().await {
        let second = bench.another_process().await;
        let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
        bench.expire(&finished.connection).await;
        let using = bench.using(&run, &finished.connection, &bench.ana);
        let (mut waited, mut times) = (Duration::ZERO, 0);
        while waited < Duration::from_secs(24 * 3600) {
            bench.provider.say_next(text(500, ""));
            // They take turns at being the first to find the wait over.
            let mut asking = [&bench.connections, &second];
            asking.rotate_left(times % 2);
            let mut told = Vec::new();
            for connections in asking {
                match connections.credential(&using).await {
                    Err(UseError::Unavailable(error)) => told.push(error.after_ms.unwrap()),
                    other => panic!("{other:?}"),
                }
            }
            // The other one is told the same, by the row, and does not ask.
            assert!(told[1] <= told[0], "{told:?}");
            times += 1;
            assert_eq!(bench.provider.token_requests(), 1 + times);
            waited += Duration::from_millis(told[0]);
            bench.elapse(&finished.connection).await;
            second.inner.flights.elapse();
        }
        assert!((20..=40).contains(&times), "{times}");
        // The day after it is as if nothing had been.
        bench.provider.book().script.clear();
        let usable = second.credential(&using).await.unwrap();
        assert_eq!(usable.token_version, 2);
        let row = bench.connection(&finished.connection).await;
        assert_eq!(row.refreshing, None);
    }
}
