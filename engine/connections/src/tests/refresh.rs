//! Tokens that run out, are refused, are fought over, or were tampered with.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_uses_of_one_expired_token_make_one_refresh_also_across_processes() {
    for bench in Bench::everywhere().await {
        let bench = Arc::new(bench);
        let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
        let second = bench.another_process().await;
        for round in 1..=3 {
            bench.expire(&finished.connection).await;
            bench.provider.book().slow = Duration::from_millis(30);
            let before = bench.provider.token_requests();
            let uses = (0..64).map(|n| {
                let connections = if n % 2 == 0 {
                    bench.connections.clone()
                } else {
                    second.clone()
                };
                let using = bench.using(&run, &finished.connection, &bench.ana);
                tokio::spawn(async move { connections.credential(&using).await })
            });
            for usable in futures::future::join_all(uses).await {
                assert_eq!(usable.unwrap().unwrap().token_version, 1 + round);
            }
            assert_eq!(bench.provider.token_requests() - before, 1);
        }
        assert_eq!(bench.provider.book().killed, 0);
    }
}

#[tokio::test]
async fn a_refusal_makes_one_forced_refresh_and_a_second_one_ends_the_connection() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    let first = bench.connections.credential(&using).await.unwrap();
    let fresh = bench
        .connections
        .refused(&using, first.token_version)
        .await
        .unwrap();
    assert_eq!(
        (fresh.token_version, bench.provider.token_requests()),
        (2, 2)
    );
    // A straggler with the old token adopts the new one.
    assert_eq!(
        bench
            .connections
            .refused(&using, 1)
            .await
            .unwrap()
            .token_version,
        2
    );
    assert_eq!(bench.provider.token_requests(), 2);
    let end = bench.connections.refused(&using, fresh.token_version).await;
    assert!(
        matches!(end, Err(UseError::SignIn(AskReason::Revoked))),
        "{end:?}"
    );
    assert!(matches!(
        bench.connections.credential(&using).await,
        Err(UseError::SignIn(AskReason::Revoked))
    ));
    assert_eq!(bench.provider.token_requests(), 2);
    assert!(
        bench
            .audited("connection.revoked", Some("refused_when_fresh"))
            .await
    );
    assert_eq!(
        bench
            .connections
            .resolve(&bench.ask(&run, &bench.ana))
            .await
            .unwrap(),
        Resolution::Ask {
            reason: AskReason::Revoked,
            connection: Some(finished.connection)
        }
    );
}

#[tokio::test]
async fn a_dead_grant_pauses_and_a_provider_that_is_down_leaves_the_connection_alone() {
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (403, ""),
        (400, ""),
        (200, r#"{"ok":false}"#),
        (200, "{}"),
    ] {
        let bench = Bench::new().await;
        let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
        bench.expire(&finished.connection).await;
        bench.provider.answer_next(status, body);
        let using = bench.using(&run, &finished.connection, &bench.ana);
        let used = bench.connections.credential(&using).await;
        assert!(
            matches!(used, Err(UseError::SignIn(AskReason::Expired))),
            "{status} {body}: {used:?}"
        );
        // It is not asked again.
        let requests = bench.provider.token_requests();
        assert!(matches!(
            bench.connections.credential(&using).await,
            Err(UseError::SignIn(AskReason::Expired))
        ));
        assert_eq!(bench.provider.token_requests(), requests);
        assert!(
            bench
                .audited("connection.refresh_failed", Some("refresh_refused"))
                .await
        );
    }
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    bench.expire(&finished.connection).await;
    let before = bench.connection(&finished.connection).await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    bench.provider.answer_next(503, "");
    let used = bench.connections.credential(&using).await;
    assert!(
        matches!(&used, Err(UseError::Unavailable(e)) if e.kind.is_transient() && e.after_ms.is_some()),
        "{used:?}"
    );
    let after = ConnectionRow {
        refreshing: None,
        ..bench.connection(&finished.connection).await
    };
    assert_eq!(after, before);
    // Not asked again before its time, then renewed as if nothing had been.
    let requests = bench.provider.token_requests();
    assert!(matches!(
        bench.connections.credential(&using).await,
        Err(UseError::Unavailable(_))
    ));
    assert_eq!(bench.provider.token_requests(), requests);
    bench.elapse(&finished.connection).await;
    assert_eq!(
        bench
            .connections
            .credential(&using)
            .await
            .unwrap()
            .token_version,
        2
    );
}

#[tokio::test]
async fn a_refused_token_whose_refresh_is_dead_was_taken_back() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    bench.provider.book().refresh.clear();
    let used = bench.connections.refused(&using, 1).await;
    assert!(
        matches!(used, Err(UseError::SignIn(AskReason::Revoked))),
        "{used:?}"
    );
}

#[tokio::test]
async fn an_answer_without_refresh_token_keeps_the_old_and_an_odd_lifetime_harms_nothing() {
    let bench = Bench::new().await;
    bench.provider.book().rotates = false;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    for (round, life) in [
        serde_json::json!("1800"),
        serde_json::json!(-5),
        serde_json::json!(9_223_372_036_854_775_808_u64),
    ]
    .into_iter()
    .enumerate()
    {
        bench.expire(&finished.connection).await;
        bench.provider.book().expires_in = life;
        let usable = bench.connections.credential(&using).await.unwrap();
        assert_eq!(usable.token_version, 2 + i64::try_from(round).unwrap());
        assert_eq!(
            bench
                .connection(&finished.connection)
                .await
                .expires_at
                .is_some(),
            round == 0
        );
    }
    assert_eq!(bench.provider.token_requests(), 4);
}

#[tokio::test]
async fn a_refresh_that_narrows_the_scopes_or_points_elsewhere_is_noticed() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    bench.expire(&finished.connection).await;
    bench.provider.book().scope = Some("nothing".to_owned());
    bench.provider.book().more =
        serde_json::Map::from_iter([("instance_url".to_owned(), "https://evil.example".into())]);
    let usable = bench
        .connections
        .credential(&bench.using(&run, &finished.connection, &bench.ana))
        .await
        .unwrap();
    assert_eq!(usable.facts["instance_url"], bench.provider.url());
    assert_eq!(
        bench
            .connections
            .resolve(&bench.ask(&run, &bench.ana))
            .await
            .unwrap(),
        Resolution::Ask {
            reason: AskReason::Scopes,
            connection: Some(finished.connection)
        }
    );
}

#[tokio::test]
async fn a_refresher_that_died_is_followed_and_what_it_lost_is_named() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    bench.expire(&finished.connection).await;
    // Another worker took the lease, redeemed the refresh token and died before it could store what it got.
    let mut row = bench.connection(&finished.connection).await;
    row.refreshing = Some((bits(WorkerId::from_bits), Time(2)));
    let expect = row.token_version;
    bench
        .commit(vec![Op::ChangeConnection {
            workspace: bench.workspace.clone(),
            connection: row,
            expect,
        }])
        .await;
    bench.provider.book().refresh.clear();
    let used = bench
        .connections
        .credential(&bench.using(&run, &finished.connection, &bench.ana))
        .await;
    assert!(
        matches!(used, Err(UseError::SignIn(AskReason::Expired))),
        "{used:?}"
    );
    assert!(
        bench
            .audited("connection.refresh_failed", Some("refresh_lost"))
            .await
    );
}

#[tokio::test]
async fn a_personal_connection_is_checked_at_the_point_of_use() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let mut using = bench.using(&run, &finished.connection, &bench.ben);
    for rule in Rule::ALL {
        using.rule = rule;
        let used = bench.connections.credential(&using).await;
        assert!(
            matches!(used, Err(UseError::NotTheirs)),
            "{rule:?}: {used:?}"
        );
    }
    using.person = Some(bench.ana.id.clone());
    using.rule = Rule::Shared;
    assert!(matches!(
        bench.connections.credential(&using).await,
        Err(UseError::NotTheirs)
    ));
    using.rule = Rule::Invoker;
    bench.connections.credential(&using).await.unwrap();
    let mut disabled = bench.ana.clone();
    disabled.disabled = true;
    bench
        .commit(vec![Op::ChangeUser {
            workspace: bench.workspace.clone(),
            user: disabled,
        }])
        .await;
    let left = bench.connections.credential(&using).await;
    assert!(
        matches!(&left, Err(UseError::Unavailable(error)) if error.code.as_deref() == Some("person_disabled")),
        "{left:?}"
    );
    assert!(
        bench
            .audited("connection.refused", Some("not_theirs"))
            .await
    );
    // In another workspace there is neither such a person nor such a connection.
    using.workspace = bits(WorkspaceId::from_bits);
    let nobody = bench.connections.credential(&using).await;
    assert!(
        matches!(&nobody, Err(UseError::Unavailable(error)) if error.code.as_deref() == Some("person_disabled")),
        "{nobody:?}"
    );
    using.person = None;
    assert!(matches!(
        bench.connections.credential(&using).await,
        Err(UseError::SignIn(AskReason::Missing))
    ));
}

#[tokio::test]
async fn swapped_vault_rows_are_detected_and_audited() {
    let bench = Bench::new().await;
    let (run, anas) = bench.sign_in(&bench.ana, "ana@crm").await;
    let (_, bens) = bench.sign_in(&bench.ben, "ben@crm").await;
    let reader = bench.reader();
    let secret = |id: &ConnectionId, field: &str| {
        let (reader, id, field) = (reader.clone(), id.clone(), field.to_owned());
        async move { reader.secret(id.as_str(), &field).await.unwrap().unwrap() }
    };
    let own = secret(&anas.connection, "access_token").await;
    let others = [
        secret(&bens.connection, "access_token").await,
        secret(&anas.connection, "refresh_token").await,
        secret(bens_id(&bens), "refresh_token").await,
        reader
            .secret(bench.client.id.as_str(), "client_secret")
            .await
            .unwrap()
            .unwrap(),
    ];
    let using = bench.using(&run, &anas.connection, &bench.ana);
    for other in others {
        let swapped = SecretRow {
            owner: own.owner.clone(),
            field: own.field.clone(),
            version: own.version,
            ..other
        };
        let put = |secret: &SecretRow| {
            vec![Op::PutSecret {
                workspace: bench.workspace.clone(),
                secret: secret.clone(),
            }]
        };
        bench.commit(put(&swapped)).await;
        let used = bench.connections.credential(&using).await;
        assert!(
            matches!(&used, Err(UseError::Unavailable(e)) if e.code.as_deref() == Some("vault_integrity")),
            "{used:?}"
        );
        bench.commit(put(&own)).await;
        bench.connections.credential(&using).await.unwrap();
    }
    // An older version of the same secret does not come back either.
    bench.expire(&anas.connection).await;
    bench.connections.credential(&using).await.unwrap();
    let old = SecretRow { version: 2, ..own };
    bench
        .commit(vec![Op::PutSecret {
            workspace: bench.workspace.clone(),
            secret: old,
        }])
        .await;
    assert!(bench.connections.credential(&using).await.is_err());
    assert!(bench.audited("vault_integrity", Some("access_token")).await);
}

fn bens_id(finished: &Finished) -> &ConnectionId {
    &finished.connection
}

#[tokio::test]
async fn a_store_does_not_open_under_another_key_or_without_its_own() {
    let bench = Bench::new().await;
    let key = bench.folder.path().join("vault.key");
    bench.another_process().await;
    let old = std::fs::read(&key).unwrap();
    std::fs::write(&key, "ab".repeat(31) + "cd").unwrap();
    let wrong = open(
        &bench.store,
        &bench.provider,
        &bench.manifest,
        &bench.folder,
    )
    .await;
    assert!(
        matches!(wrong, Err(OpenError::KeyWrong { .. })),
        "{wrong:?}"
    );
    std::fs::remove_file(&key).unwrap();
    let missing = open(
        &bench.store,
        &bench.provider,
        &bench.manifest,
        &bench.folder,
    )
    .await;
    assert!(
        matches!(missing, Err(OpenError::KeyMissing(_))),
        "{missing:?}"
    );
    assert!(!key.exists());
    std::fs::write(&key, old).unwrap();
}
