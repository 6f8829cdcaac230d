//! What a browser may bring back from the provider, and what a provider may say.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_callbacks_with_one_state_one_succeeds() {
    for bench in Bench::everywhere().await {
        let bench = Arc::new(bench);
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@crm");
        let tries = (0..64).map(|_| {
            let (bench, state, code) = (bench.clone(), state.clone(), code.clone());
            tokio::spawn(async move { bench.come_back(&bench.ana, &state, &code).await })
        });
        let mut done = 0;
        for result in futures::future::join_all(tries).await {
            match result.unwrap() {
                Ok(_) => done += 1,
                Err(CallbackError::Used) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((done, bench.provider.token_requests()), (1, 1));
        assert_eq!(
            bench
                .reader()
                .personal_connections(None)
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(bench.inbox(&run).await.len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_forged_reused_late_or_crooked_is_refused_before_any_token_request() {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let state = bench.begin(&id, &bench.ana).await;
    let cut = &state[..state.len() - 1];
    for (query, code) in [
        (
            vec![("state", "forged"), ("code", "c"), ("iss", ISSUER)],
            "state_unknown",
        ),
        (
            vec![("state", cut), ("code", "c"), ("iss", ISSUER)],
            "state_unknown",
        ),
        (vec![("code", "c"), ("iss", ISSUER)], "callback_malformed"),
        (
            vec![("state", ""), ("code", "c"), ("iss", ISSUER)],
            "callback_malformed",
        ),
        (
            vec![("state", &state), ("iss", ISSUER)],
            "callback_malformed",
        ),
        (
            vec![
                ("state", &state),
                ("code", "c"),
                ("error", "access_denied"),
                ("iss", ISSUER),
            ],
            "callback_malformed",
        ),
        (
            vec![
                ("state", &state),
                ("code", "c"),
                ("code", "d"),
                ("iss", ISSUER),
            ],
            "callback_malformed",
        ),
        (
            vec![
                ("state", &state),
                ("state", &state),
                ("code", "c"),
                ("iss", ISSUER),
            ],
            "callback_malformed",
        ),
        (vec![("state", &state), ("code", "c")], "wrong_issuer"),
        (
            vec![
                ("state", &state),
                ("code", "c"),
                ("iss", "https://evil.example"),
            ],
            "wrong_issuer",
        ),
        (
            vec![
                ("state", &state),
                ("code", "c"),
                ("iss", "https://issuer.example/"),
            ],
            "wrong_issuer",
        ),
    ] {
        let error = bench.come_with(&bench.ana, &query).await.unwrap_err();
        assert_eq!(error.code(), code, "{query:?}");
    }
    // The callback of another app client does not take it.
    let mut other = bench.client.clone();
    other.id = bits(ClientId::from_bits);
    other.name = "other".parse().unwrap();
    other.is_default = false;
    bench
        .connections
        .put_client(
            &bench.workspace,
            other.clone(),
            None,
            &bench.who(&bench.ana),
        )
        .await
        .unwrap();
    let query = [("state", state.as_str()), ("code", "c"), ("iss", ISSUER)]
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
    let error = bench
        .connections
        .callback(
            &other.id,
            &query,
            Some(&bench.session(&bench.ana)),
            &bench.who(&bench.ana),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "state_unknown");
    assert_eq!(bench.provider.token_requests(), 0);

    // An old one: as if ten minutes had gone by.
    let hash = crate::pending::state_hash(&state);
    let mut attempt = bench.reader().attempt(&hash).await.unwrap().unwrap();
    attempt.state_hash = crate::pending::state_hash("old");
    attempt.expires_at = Time(5);
    bench
        .commit(vec![Op::AddAttempt {
            workspace: bench.workspace.clone(),
            attempt,
        }])
        .await;
    let error = bench.come_back(&bench.ana, "old", "c").await.unwrap_err();
    assert_eq!(error.code(), "state_expired");
    assert_eq!(bench.provider.token_requests(), 0);

    bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    let again = bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap_err();
    assert_eq!(again.code(), "state_used");
    assert_eq!(bench.provider.token_requests(), 1);
    assert!(bench.audited("sign_in.refused", Some("wrong_issuer")).await);
}

#[tokio::test]
async fn a_run_that_ended_meanwhile_gets_nothing_and_nothing_is_stored() {
    let bench = Bench::new().await;
    for before_callback in [true, false] {
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@crm");
        let asked = bench.provider.token_requests();
        let error = if before_callback {
            bench.end(&run).await;
            bench
                .come_back(&bench.ana, &state, &code)
                .await
                .unwrap_err()
        } else {
            // It ends while the provider thinks.
            bench.provider.book().slow = Duration::from_millis(300);
            let (ended, result) = tokio::join!(
                async {
                    while bench.provider.token_requests() == asked {
                        tokio::task::yield_now().await;
                    }
                    bench.end(&run).await;
                },
                bench.come_back(&bench.ana, &state, &code)
            );
            let () = ended;
            assert_eq!(bench.provider.book().revoked.len(), 2);
            result.unwrap_err()
        };
        assert_eq!(error.code(), "sign_in_over");
        assert_eq!(
            bench.provider.token_requests() - asked,
            usize::from(!before_callback)
        );
        assert!(
            bench
                .reader()
                .personal_connections(None)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            bench
                .reader()
                .grant(&bench.ana.id, &bench.flow, &SLOT.parse().unwrap())
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_person_switched_off_while_the_provider_thinks_gets_no_connection() {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let state = bench.begin(&id, &bench.ana).await;
    let code = bench.provider.code("ana@crm");
    let asked = bench.provider.token_requests();
    bench.provider.book().slow = Duration::from_millis(300);
    let ((), result) = tokio::join!(
        async {
            while bench.provider.token_requests() == asked {
                tokio::task::yield_now().await;
            }
            let mut disabled = bench.ana.clone();
            disabled.disabled = true;
            let workspace = bench.workspace.clone();
            let change = Op::ChangeUser {
                workspace,
                user: disabled,
            };
            bench.commit(vec![change]).await;
        },
        bench.come_back(&bench.ana, &state, &code)
    );
    assert_eq!(result.unwrap_err().code(), "wrong_person");
    assert_eq!(bench.provider.book().revoked.len(), 2);
    let stored = bench.reader().personal_connections(None).await.unwrap();
    assert!(stored.is_empty(), "{stored:?}");
    assert!(bench.inbox(&run).await.is_empty());
}

#[tokio::test]
async fn signing_in_again_as_another_account_is_refused_and_the_old_connection_stays() {
    let bench = Bench::new().await;
    let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let (ws, who) = (&bench.workspace, bench.who(&bench.ana));
    bench
        .connections
        .disconnect(ws, &finished.connection, &bench.ana.id, &who)
        .await
        .unwrap();
    let before = bench.connection(&finished.connection).await;
    let run = bench.run(&bench.ana).await;
    let ask = bench.ask(&run, &bench.ana);
    assert_eq!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Disconnected,
            connection: Some(finished.connection.clone())
        }
    );
    let id = bench.pause(&ask).await;
    let state = bench.begin(&id, &bench.ana).await;
    bench.provider.book().revoked.clear();
    let error = bench
        .come_back(&bench.ana, &state, &bench.provider.code("boss@crm"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "other_account");
    assert_eq!(bench.connection(&finished.connection).await, before);
    assert_eq!(bench.provider.book().revoked.len(), 2);
    assert!(bench.inbox(&run).await.is_empty());
    assert!(
        bench
            .audited("identity_mismatch", Some("other_account"))
            .await
    );
    // The right one, from the list.
    let url = bench
        .connections
        .begin_reconnect(
            ws,
            &finished.connection,
            &bench.ana.id,
            "session-of-ana",
            &who,
        )
        .await
        .unwrap();
    let done = bench
        .come_back(&bench.ana, &state_of(&url), &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    assert_eq!(done.connection, finished.connection);
    assert_eq!(
        bench.connection(&finished.connection).await.state,
        ConnectionState::Connected
    );
    // It was what the paused run waited for too.
    assert_eq!(bench.inbox(&run).await.len(), 1);
    assert!(matches!(
        bench
            .connections
            .begin_reconnect(
                ws,
                &finished.connection,
                &bench.ben.id,
                "s",
                &bench.who(&bench.ben)
            )
            .await,
        Err(SignInError::NotFound)
    ));
}

#[tokio::test]
async fn a_provider_that_points_elsewhere_or_gives_less_is_not_believed() {
    let bench = Bench::new().await;
    for (key, value, code) in [
        ("instance_url", "https://evil.example", "provider_refused"),
        ("scope", "write", "scopes_missing"),
        ("token_type", "mac", "provider_refused"),
    ] {
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        bench.provider.book().more = serde_json::Map::from_iter([(key.to_owned(), value.into())]);
        let error = bench
            .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{key}");
        assert!(
            bench
                .reader()
                .personal_connections(None)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(bench.inbox(&run).await.is_empty());
    }
    for (status, body, code) in [
        (500, "", "provider_unavailable"),
        (200, "<html>", "provider_refused"),
        (400, "{\"error\":\"invalid_grant\"}", "provider_refused"),
        (200, "{}", "provider_refused"),
    ] {
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        bench.provider.answer_next(status, body);
        let error = bench
            .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}");
    }
}

#[tokio::test]
async fn a_client_that_changes_under_a_sign_in_ends_it_and_one_with_connections_cannot_be_moved() {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let state = bench.begin(&id, &bench.ana).await;
    let elsewhere = Provider::start().await;
    let mut moved = bench.client.clone();
    moved.settings = serde_json::json!({"instance_url": elsewhere.url()}).to_string();
    let who = bench.who(&bench.ana);
    bench
        .connections
        .put_client(&bench.workspace, moved.clone(), None, &who)
        .await
        .unwrap();
    let error = bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "app_client_changed");
    assert_eq!(
        elsewhere.token_requests() + bench.provider.token_requests(),
        0
    );
    bench
        .connections
        .put_client(&bench.workspace, bench.client.clone(), None, &who)
        .await
        .unwrap();

    bench.sign_in(&bench.ana, "ana@crm").await;
    let refused = bench
        .connections
        .put_client(&bench.workspace, moved, None, &who)
        .await;
    assert!(
        matches!(refused, Err(ConnectionsError::Client(_))),
        "{refused:?}"
    );
    let secret = Some(Secret::new("a-new-client-secret".to_owned()));
    bench
        .connections
        .put_client(&bench.workspace, bench.client.clone(), secret, &who)
        .await
        .unwrap();
    let mut bad = bench.client.clone();
    bad.id = bits(ClientId::from_bits);
    bad.name = "bad".parse().unwrap();
    bad.settings = "{\"instance_url\":\"https://evil.example\"}".to_owned();
    assert!(
        bench
            .connections
            .put_client(&bench.workspace, bad, None, &who)
            .await
            .is_err()
    );
}
