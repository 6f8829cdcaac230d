//! Which connection fills a slot: grants, consent, build-time values, one run only, taking back.

use actas_core::flow::Keep;

use super::*;

#[tokio::test]
async fn a_connection_without_a_grant_is_not_used_until_its_person_agrees_and_that_needs_no_trip() {
    let bench = Bench::new().await;
    let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    // A draft run of another version of the same flow does not inherit; nor does a slot of another name.
    let run = bench.run(&bench.ana).await;
    let mut ask = bench.ask(&run, &bench.ana);
    ask.slot = "other".parse().unwrap();
    assert_eq!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            connection: None
        }
    );
    // More modules than were agreed to.
    let mut wider = bench.ask(&run, &bench.ana);
    wider.surface.modules.insert("crm.write".to_owned());
    let id = bench.pause(&wider).await;
    let requests = bench.provider.token_requests();
    let view = bench
        .connections
        .view(&bench.workspace, &id, &bench.ana.id, &bench.who(&bench.ana))
        .await
        .unwrap();
    assert_eq!(
        (view.reason, view.candidates[0].account.as_str()),
        (AskReason::Consent, "ana@crm")
    );
    assert_eq!(view.new_modules, ["crm.write"]);
    bench
        .connections
        .agree(
            &bench.workspace,
            &id,
            &bench.ana.id,
            &finished.connection,
            &bench.who(&bench.ana),
        )
        .await
        .unwrap();
    assert!(matches!(
        bench.connections.resolve(&wider).await.unwrap(),
        Resolution::Bound(_)
    ));
    // Less is fine without asking.
    assert!(matches!(
        bench
            .connections
            .resolve(&bench.ask(&run, &bench.ana))
            .await
            .unwrap(),
        Resolution::Bound(_)
    ));
    assert_eq!(bench.provider.token_requests(), requests);
    assert!(matches!(
        bench
            .connections
            .agree(
                &bench.workspace,
                &id,
                &bench.ana.id,
                &finished.connection,
                &bench.who(&bench.ana)
            )
            .await,
        Err(SignInError::Done)
    ));
}

#[tokio::test]
async fn scopes_that_are_missing_are_asked_for_with_those_that_are_there() {
    let bench = Bench::new().await;
    let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let run = bench.run(&bench.ana).await;
    let mut ask = bench.ask(&run, &bench.ana);
    ask.surface = bench.surface(&["write"]);
    assert_eq!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Scopes,
            connection: Some(finished.connection.clone())
        }
    );
    let id = bench.pause(&ask).await;
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
    assert!(url.as_str().contains("scope=read+write"), "{url}");
    bench
        .come_back(&bench.ana, &state_of(&url), &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    let row = bench.connection(&finished.connection).await;
    assert_eq!(
        (row.scopes, row.token_version),
        (vec!["read".to_owned(), "write".to_owned()], 2)
    );
    assert!(matches!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Bound(_)
    ));
}

#[tokio::test]
async fn a_build_time_value_serves_its_authors_drafts_and_nothing_else() {
    let bench = Bench::new().await;
    let run = bench.run(&bench.ana).await;
    let draft = SlotAsk {
        draft: true,
        ..bench.ask(&run, &bench.ana)
    };
    let id = bench.pause(&draft).await;
    let view = bench
        .connections
        .view(&bench.workspace, &id, &bench.ana.id, &bench.who(&bench.ana))
        .await
        .unwrap();
    assert!(view.build);
    let state = bench.begin(&id, &bench.ana).await;
    let done = bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    let Resolution::Bound(bound) = bench.connections.resolve(&draft).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(
        (bound.rule, bound.connection),
        (Rule::BuildTime, done.connection.clone())
    );
    // Her production run is asked for consent; Ben's draft run finds nothing.
    assert_eq!(
        bench
            .connections
            .resolve(&bench.ask(&run, &bench.ana))
            .await
            .unwrap(),
        Resolution::Ask {
            reason: AskReason::Consent,
            connection: None
        }
    );
    let bens = bench.run(&bench.ben).await;
    let draft_of_ben = SlotAsk {
        draft: true,
        ..bench.ask(&bens, &bench.ben)
    };
    assert!(matches!(
        bench.connections.resolve(&draft_of_ben).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            ..
        }
    ));
    // Even if a row of Ben's named Ana's connection.
    let value = BuildValueRow {
        flow: bench.flow.clone(),
        slot: SLOT.parse().unwrap(),
        user: bench.ben.id.clone(),
        written: "ana@crm".to_owned(),
        connection: Some(done.connection.clone()),
    };
    bench
        .commit(vec![Op::PutBuildValue {
            workspace: bench.workspace.clone(),
            value,
        }])
        .await;
    assert!(matches!(
        bench.connections.resolve(&draft_of_ben).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            ..
        }
    ));
    bench
        .commit(vec![Op::DropBuildValues {
            workspace: bench.workspace.clone(),
            flow: bench.flow.clone(),
            user: None,
        }])
        .await;
    assert!(matches!(
        bench.connections.resolve(&draft).await.unwrap(),
        Resolution::Ask { .. }
    ));
}

#[tokio::test]
async fn what_is_kept_for_one_run_serves_that_run_and_is_revoked_and_erased_at_its_end() {
    let bench = Bench::new().await;
    // Of a version whose slot says so.
    let version = bits(VersionId::from_bits);
    let mut row = bench
        .reader()
        .version(&bench.version)
        .await
        .unwrap()
        .unwrap();
    row.id = version.clone();
    row.number = 2;
    row.document = row
        .document
        .replace("\"why\":", "\"keep\":\"run\",\"why\":");
    bench
        .commit(vec![Op::AddVersion {
            workspace: bench.workspace.clone(),
            version: row,
        }])
        .await;
    let mut asks = Vec::new();
    for _ in 0..2 {
        let run = bench.run(&bench.ana).await;
        let mut ask = bench.ask(&run, &bench.ana);
        ask.version = version.clone();
        ask.dynamic = Some(Dynamic {
            keep: Keep::Run,
            ..Dynamic::default()
        });
        let id = bench.pause(&ask).await;
        asks.push((ask, id));
    }
    let (first, id) = &asks[0];
    assert!(
        bench
            .connections
            .view(&bench.workspace, id, &bench.ana.id, &bench.who(&bench.ana))
            .await
            .unwrap()
            .this_run_only
    );
    let state = bench.begin(id, &bench.ana).await;
    let done = bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    assert!(matches!(
        bench.connections.resolve(first).await.unwrap(),
        Resolution::Bound(_)
    ));
    assert!(matches!(
        bench.connections.resolve(&asks[1].0).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            ..
        }
    ));
    assert!(bench.inbox(&asks[1].0.run).await.is_empty());
    bench
        .connections
        .credential(&bench.using(&first.run, &done.connection, &bench.ana))
        .await
        .unwrap();
    assert!(matches!(
        bench
            .connections
            .credential(&bench.using(&asks[1].0.run, &done.connection, &bench.ana))
            .await,
        Err(UseError::NotTheirs)
    ));
    bench
        .connections
        .end_of_run(&bench.workspace, &first.run)
        .await
        .unwrap();
    assert!(
        bench
            .reader()
            .connection(&done.connection)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        bench
            .reader()
            .secret(done.connection.as_str(), "access_token")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(bench.provider.book().revoked.len(), 2);
    assert!(bench.provider.book().access.is_empty());
}

#[tokio::test]
async fn disconnecting_keeps_the_row_deleting_removes_it_and_a_shared_account_is_not_revoked() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let (ws, ana) = (&bench.workspace, bench.who(&bench.ana));
    // The workspace's own connection to the same account.
    let target = ConnectTarget {
        app: "crm".parse().unwrap(),
        client: bench.client.id.clone(),
        kind: ConnectKind::Shared {
            name: "sales".parse().unwrap(),
        },
        scopes: Vec::new(),
    };
    let url = bench
        .connections
        .begin_connect(ws, &target, &bench.ana.id, "session-of-ana", &ana)
        .await
        .unwrap();
    let shared = bench
        .come_back(&bench.ana, &state_of(&url), &bench.provider.code("ana@crm"))
        .await
        .unwrap();

    let ben = bench.who(&bench.ben);
    assert!(matches!(
        bench
            .connections
            .disconnect(ws, &finished.connection, &bench.ben.id, &ben)
            .await,
        Err(ConnectionsError::NotFound)
    ));
    bench
        .connections
        .disconnect(ws, &finished.connection, &bench.ana.id, &ana)
        .await
        .unwrap();
    assert!(bench.provider.book().revoked.is_empty());
    assert!(
        bench
            .audited("connection.revocation", Some("account_in_use_elsewhere"))
            .await
    );
    assert!(matches!(
        bench
            .connections
            .credential(&bench.using(&run, &finished.connection, &bench.ana))
            .await,
        Err(UseError::SignIn(AskReason::Disconnected))
    ));
    assert!(
        bench
            .reader()
            .secret(finished.connection.as_str(), "refresh_token")
            .await
            .unwrap()
            .is_none()
    );
    bench
        .connections
        .delete(ws, &shared.connection, &bench.ana.id, &ana)
        .await
        .unwrap();
    assert_eq!(bench.provider.book().revoked.len(), 2);
    bench
        .connections
        .delete(ws, &finished.connection, &bench.ana.id, &ana)
        .await
        .unwrap();
    assert!(
        bench
            .reader()
            .connection(&finished.connection)
            .await
            .unwrap()
            .is_none()
    );
    assert!(matches!(
        bench
            .connections
            .resolve(&bench.ask(&run, &bench.ana))
            .await
            .unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            connection: None
        }
    ));
}

#[tokio::test]
async fn a_deleted_parent_ends_the_use_of_what_was_made_under_it() {
    let bench = Bench::new().await;
    let (ws, ana) = (&bench.workspace, bench.who(&bench.ana));
    let target = ConnectTarget {
        app: "crm".parse().unwrap(),
        client: bench.client.id.clone(),
        kind: ConnectKind::Shared {
            name: "sales".parse().unwrap(),
        },
        scopes: Vec::new(),
    };
    let url = bench
        .connections
        .begin_connect(ws, &target, &bench.ana.id, "session-of-ana", &ana)
        .await
        .unwrap();
    let parent = bench
        .come_back(
            &bench.ana,
            &state_of(&url),
            &bench.provider.code("service@crm"),
        )
        .await
        .unwrap();
    let run = bench.run(&bench.ana).await;
    let mut ask = bench.ask(&run, &bench.ana);
    ask.binding = Binding::Dynamic {
        client: bench.client.id.clone(),
        parent: Some(parent.connection.clone()),
    };
    let id = bench.pause(&ask).await;
    let state = bench.begin(&id, &bench.ana).await;
    let done = bench
        .come_back(&bench.ana, &state, &bench.provider.code("ana@crm"))
        .await
        .unwrap();
    assert!(matches!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Bound(_)
    ));
    // Made under the parent, so another flow's slot with that parent needs consent only.
    let mut other = ask.clone();
    other.slot = "elsewhere".parse().unwrap();
    assert!(matches!(
        bench.connections.resolve(&other).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Consent,
            ..
        }
    ));
    bench
        .connections
        .delete(ws, &parent.connection, &bench.ana.id, &ana)
        .await
        .unwrap();
    assert!(matches!(
        bench.connections.resolve(&ask).await,
        Err(ConnectionsError::ParentGone(_))
    ));
    let used = bench
        .connections
        .credential(&bench.using(&run, &done.connection, &bench.ana))
        .await;
    assert!(
        matches!(used, Err(UseError::Unavailable(e)) if e.code.as_deref() == Some("parent_deleted"))
    );
}

#[tokio::test]
async fn a_grant_that_names_the_connection_of_another_binds_nothing() {
    let bench = Bench::new().await;
    let (_, bens) = bench.sign_in(&bench.ben, "ben@crm").await;
    let run = bench.run(&bench.ana).await;
    let ask = bench.ask(&run, &bench.ana);
    // As if somebody had written it into the database.
    bench
        .commit(vec![Op::PutGrant {
            workspace: bench.workspace.clone(),
            grant: GrantRow {
                user: bench.ana.id.clone(),
                flow: bench.flow.clone(),
                slot: ask.slot.clone(),
                connection: bens.connection,
                surface: crate::ask::surface_text(&ask.surface),
                at: Time(1),
            },
        }])
        .await;
    assert_eq!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Ask {
            reason: AskReason::Missing,
            connection: None
        }
    );
}
