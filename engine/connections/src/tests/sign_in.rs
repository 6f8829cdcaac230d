//! Who may open, begin, answer and bring back a sign-in, and what comes of it.

use super::*;

#[tokio::test]
async fn a_sign_in_ends_in_a_connection_a_grant_and_a_word_to_the_run() {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let ask = bench.ask(&run, &bench.ana);
    let id = bench.pause(&ask).await;
    let view = bench
        .connections
        .view(&bench.workspace, &id, &bench.ana.id, &bench.who(&bench.ana))
        .await
        .unwrap();
    assert_eq!(
        (
            view.app.as_str(),
            view.flow.as_str(),
            view.steps,
            view.reason,
            view.candidates
        ),
        (
            "Test CRM",
            "new-opportunity",
            vec!["Look who I am".to_owned()],
            AskReason::Missing,
            vec![]
        )
    );
    assert_eq!(view.scopes[0].words.as_deref(), Some("Read your records"));
    let url = bench
        .connections
        .begin(
            &bench.workspace,
            &id,
            &bench.ana.id,
            "session-of-ana",
            &bench.who(&bench.ana),
        )
        .await
        .unwrap();
    assert!(
        url.as_str()
            .starts_with(&format!("{}/authorize?", bench.provider.url()))
    );
    let parameter = |name: &str| {
        url.query_pairs()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.into_owned())
    };
    assert_eq!(parameter("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(parameter("scope").as_deref(), Some("read"));
    assert_eq!(
        parameter("redirect_uri"),
        Some(format!(
            "https://actas.example/oauth/callback/{}",
            bench.client.id
        ))
    );
    let finished = bench
        .come_back(&bench.ana, &state_of(&url), &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    assert_eq!(
        (finished.account.as_str(), finished.run),
        ("ana@crm", Some(run.clone()))
    );
    let redeemed = bench.provider.book().token_requests[0].clone();
    assert_eq!(redeemed["client_secret"], "client-secret-of-actas");

    let slot = InboxMessage::SignedIn {
        slot: SLOT.parse().unwrap(),
    };
    assert_eq!(bench.inbox(&run).await, [slot]);
    let Resolution::Bound(bound) = bench.connections.resolve(&ask).await.unwrap() else {
        panic!("it is not bound");
    };
    assert_eq!(
        (bound.connection.clone(), bound.rule),
        (finished.connection.clone(), Rule::Invoker)
    );
    let usable = bench
        .connections
        .credential(&bench.using(&run, &bound.connection, &bench.ana))
        .await
        .unwrap();
    assert_eq!(
        (usable.account.as_str(), usable.token_version),
        ("ana@crm", 1)
    );
    // The next run of hers does not pause, Ben's does.
    let next = bench.run(&bench.ana).await;
    assert!(matches!(
        bench
            .connections
            .resolve(&bench.ask(&next, &bench.ana))
            .await
            .unwrap(),
        Resolution::Bound(_)
    ));
    let bens = bench.run(&bench.ben).await;
    assert_eq!(
        bench
            .connections
            .resolve(&bench.ask(&bens, &bench.ben))
            .await
            .unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            connection: None
        }
    );
    for action in [
        "sign_in.opened",
        "sign_in.begun",
        "connection.created",
        "sign_in.done",
    ] {
        assert!(bench.audited(action, None).await, "{action}");
    }
}

#[tokio::test]
async fn whoever_is_not_the_slots_person_gets_nowhere_before_or_at_the_callback_and_no_token_is_asked_for()
 {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let (ben, who) = (&bench.ben.id, bench.who(&bench.ben));
    let c = &bench.connections;
    let ws = &bench.workspace;
    assert!(matches!(
        c.view(ws, &id, ben, &who).await,
        Err(SignInError::NotYours)
    ));
    assert!(matches!(
        c.begin(ws, &id, ben, "session-of-ben", &who).await,
        Err(SignInError::NotYours)
    ));
    assert!(matches!(
        c.decline(ws, &id, ben, &who).await,
        Err(SignInError::NotYours)
    ));
    let none = bits(ConnectionId::from_bits);
    assert!(matches!(
        c.agree(ws, &id, ben, &none, &who).await,
        Err(SignInError::NotYours)
    ));

    let state = bench.begin(&id, &bench.ana).await;
    let code = bench.provider.code("ben@crm");
    // Ben brings Ana's state; nobody brings it; Ana brings it in another browser.
    assert!(matches!(
        bench.come_back(&bench.ben, &state, &code).await,
        Err(CallbackError::WrongPerson)
    ));
    let query = [("state", &state), ("code", &code)].map(|(k, v)| (k.to_owned(), v.clone()));
    assert!(matches!(
        c.callback(&bench.client.id, &query, None, &who).await,
        Err(CallbackError::NoSession)
    ));
    let other = SessionRow {
        hash: "another".to_owned(),
        ..bench.session(&bench.ana)
    };
    assert!(matches!(
        c.callback(&bench.client.id, &query, Some(&other), &who)
            .await,
        Err(CallbackError::WrongSession)
    ));
    let mut disabled = bench.ana.clone();
    disabled.disabled = true;
    let change = |user: &UserRow| {
        vec![Op::ChangeUser {
            workspace: bench.workspace.clone(),
            user: user.clone(),
        }]
    };
    bench.commit(change(&disabled)).await;
    assert!(matches!(
        bench.come_back(&bench.ana, &state, &code).await,
        Err(CallbackError::WrongPerson)
    ));
    bench.commit(change(&bench.ana)).await;

    assert_eq!(bench.provider.token_requests(), 0);
    assert!(
        bench
            .reader()
            .personal_connections(None)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(bench.inbox(&run).await.is_empty());
    assert!(bench.audited("sign_in.refused", Some("wrong_person")).await);
    assert!(
        bench
            .audited("sign_in.refused", Some("wrong_browser"))
            .await
    );
    // None of it spoiled Ana's own way.
    bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_callbacks_with_one_state_one_succeeds() {
    let bench = Arc::new(Bench::new().await);
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
async fn saying_no_here_or_at_the_provider_asks_for_no_token_and_can_be_taken_back() {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    bench
        .connections
        .decline(&bench.workspace, &id, &bench.ana.id, &bench.who(&bench.ana))
        .await
        .unwrap();
    let declined = InboxMessage::Declined {
        slot: SLOT.parse().unwrap(),
    };
    assert_eq!(bench.inbox(&run).await, [declined.clone()]);
    let other = bench.run(&bench.ana).await;
    let second = bench.pause(&bench.ask(&other, &bench.ana)).await;
    let state = bench.begin(&second, &bench.ana).await;
    let query = [
        ("state", state.as_str()),
        ("error", "access_denied"),
        ("iss", ISSUER),
    ];
    assert_eq!(
        bench
            .come_with(&bench.ana, &query)
            .await
            .unwrap_err()
            .code(),
        "denied"
    );
    assert_eq!(bench.inbox(&other).await, [declined]);
    assert_eq!(bench.provider.token_requests(), 0);
    assert!(
        bench
            .audited("sign_in.declined", Some("access_denied"))
            .await
    );

    let state = bench.begin(&id, &bench.ana).await;
    bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    // Both of her runs hear of it: the same slot of the same flow.
    assert_eq!(
        (
            bench.inbox(&run).await.len(),
            bench.inbox(&other).await.len()
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn one_sign_in_wakes_all_waiting_runs_of_that_person_and_nobody_elses() {
    let bench = Bench::new().await;
    let mut anas = Vec::new();
    for _ in 0..4 {
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        anas.push((run, id));
    }
    // This one of hers reaches further than what she is about to agree to.
    let wider = bench.run(&bench.ana).await;
    let mut ask = bench.ask(&wider, &bench.ana);
    ask.surface.modules.insert("crm.delete_all".to_owned());
    bench.pause(&ask).await;
    let bens = bench.run(&bench.ben).await;
    bench.pause(&bench.ask(&bens, &bench.ben)).await;

    let ended = anas[3].0.clone();
    bench.end(&ended).await;
    let state = bench.begin(&anas[1].1, &bench.ana).await;
    let waiting = bench
        .reader()
        .waiting_sign_ins(&bench.ana.id, &bench.client.id)
        .await
        .unwrap();
    let stale: Vec<_> = waiting.iter().filter(|row| row.run == ended).collect();
    // What an ended run left open is closed by its last commit; here it is done by hand.
    if !stale.is_empty() {
        bench
            .commit(vec![Op::CloseSignIns {
                workspace: bench.workspace.clone(),
                run: ended.clone(),
                slot: None,
            }])
            .await;
    }
    bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    for (run, _) in &anas[..3] {
        assert_eq!(bench.inbox(run).await.len(), 1);
    }
    assert!(bench.inbox(&ended).await.is_empty());
    assert!(bench.inbox(&wider).await.is_empty());
    assert!(bench.inbox(&bens).await.is_empty());
    assert_eq!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Consent,
            connection: Some(
                bench.reader().personal_connections(None).await.unwrap()[0]
                    .id
                    .clone()
            )
        }
    );
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

#[tokio::test]
async fn a_shared_connection_is_made_from_the_list_and_serves_whoever_runs() {
    let bench = Bench::new().await;
    let target = ConnectTarget {
        app: "crm".parse().unwrap(),
        client: bench.client.id.clone(),
        kind: ConnectKind::Shared {
            name: "sales".parse().unwrap(),
        },
        scopes: Vec::new(),
    };
    let (ws, who) = (&bench.workspace, bench.who(&bench.ana));
    let url = bench
        .connections
        .begin_connect(ws, &target, &bench.ana.id, "session-of-ana", &who)
        .await
        .unwrap();
    let done = bench
        .come_back(
            &bench.ana,
            &state_of(&url),
            &bench.provider.code("service@crm"),
        )
        .await
        .unwrap();
    let taken = bench
        .connections
        .begin_connect(ws, &target, &bench.ana.id, "session-of-ana", &who)
        .await;
    assert!(matches!(taken, Err(SignInError::Taken(_))));
    let run = bench.run(&bench.ben).await;
    let mut ask = bench.ask(&run, &bench.ben);
    ask.binding = Binding::Shared {
        connection: done.connection.clone(),
        client: bench.client.id.clone(),
    };
    ask.dynamic = None;
    let Resolution::Bound(bound) = bench.connections.resolve(&ask).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(
        (bound.rule, bound.account.as_str()),
        (Rule::Shared, "service@crm")
    );
    let mut using = bench.using(&run, &done.connection, &bench.ben);
    // As if it were Ben's own: refused.
    assert!(matches!(
        bench.connections.credential(&using).await,
        Err(UseError::NotTheirs)
    ));
    using.rule = Rule::Shared;
    bench.connections.credential(&using).await.unwrap();
    // It never fills a dynamic slot.
    assert!(matches!(
        bench
            .connections
            .resolve(&bench.ask(&run, &bench.ben))
            .await
            .unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            ..
        }
    ));
    bench
        .connections
        .disconnect(ws, &done.connection, &bench.ana.id, &who)
        .await
        .unwrap();
    assert!(matches!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Disconnected,
            ..
        }
    ));
}
