//! Processes that die at the worst moment: when the provider has given something that is not stored yet.

use tokio::runtime::Runtime;

use super::provider::Said;
use super::*;

/// A process that does something until the provider has given and kept its answer, and then is no more: its tasks end where they stand, and so do
/// its connections to the database.
async fn dies_at<F>(bench: &Bench, act: impl FnOnce(Connections) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let before = bench.provider.book().granted;
    bench.provider.say_next(Said::Kept);
    let (embedded, url) = (bench.store.clone(), bench.url.clone());
    let (provider, manifest) = (bench.provider.clone(), bench.manifest.clone());
    let data = bench.folder.path().join("data");
    let key = KeySource::File(bench.folder.path().join("vault.key"));
    let process = Runtime::new().unwrap();
    process.spawn(async move {
        let store = match url {
            Some(url) => {
                let url = Some(url);
                Store::open(&StoreConfig { url, data }).await.unwrap()
            }
            None => embedded,
        };
        let patience = Duration::from_secs(30);
        let connections = open_as(&store, &provider, &manifest, key, patience).await;
        act(connections.unwrap()).await;
    });
    while bench.provider.book().granted == before {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    process.shutdown_background();
}

#[tokio::test]
async fn a_process_that_dies_with_a_renewed_token_leaves_a_pause_and_a_record_and_no_loop() {
    for bench in Bench::everywhere().await {
        let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
        bench.expire(&finished.connection).await;
        let using = bench.using(&run, &finished.connection, &bench.ana);
        let theirs = using.clone();
        dies_at(&bench, async move |other: Connections| {
            let _ = other.credential(&theirs).await;
        })
        .await;
        // Its lease holds the others off until it has run out; here it has.
        let mut row = bench.connection(&finished.connection).await;
        let (worker, until) = row.refreshing.clone().unwrap();
        assert!(until > system::now(), "nobody else asks meanwhile");
        row.refreshing = Some((worker, Time(2)));
        let expect = row.token_version;
        let connection = row;
        let workspace = bench.workspace.clone();
        bench
            .commit(vec![Op::ChangeConnection {
                workspace,
                connection,
                expect,
            }])
            .await;
        // The token of before was used up: the provider says no, once, and its person is asked.
        for _ in 0..10 {
            let used = bench.connections.credential(&using).await;
            assert!(
                matches!(used, Err(UseError::SignIn(AskReason::Expired))),
                "{used:?}"
            );
        }
        assert_eq!(bench.provider.token_requests(), 3);
        assert!(
            bench
                .audited("connection.refresh_failed", Some("refresh_lost"))
                .await
        );
        // And the same account brings it back to life.
        let again = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&again, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@crm");
        let renewed = bench.come_back(&bench.ana, &state, &code).await.unwrap();
        assert_eq!(renewed.connection, finished.connection);
        bench.connections.credential(&using).await.unwrap();
    }
}

#[tokio::test]
async fn a_process_that_dies_with_a_redeemed_code_leaves_nothing_but_the_way_to_begin_again() {
    for bench in Bench::everywhere().await {
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@crm");
        let query: Vec<(String, String)> = [("state", &*state), ("code", &*code), ("iss", ISSUER)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let (client, session, who) = (
            bench.client.id.clone(),
            bench.session(&bench.ana),
            bench.who(&bench.ana),
        );
        let brought = query.clone();
        dies_at(&bench, async move |other: Connections| {
            let _ = other
                .callback(&client, &brought, Some(&session), &who)
                .await;
        })
        .await;
        // The browser tries once more: the attempt is used up, and the code goes nowhere a second time.
        let again = bench
            .come_back(&bench.ana, &state, &code)
            .await
            .unwrap_err();
        assert_eq!(again.code(), "state_used");
        assert_eq!(bench.provider.token_requests(), 1);
        // No half connection, and the run still waits for the same sign-in.
        let reader = bench.reader();
        assert!(reader.personal_connections(None).await.unwrap().is_empty());
        let row = reader.sign_in(&id).await.unwrap().unwrap();
        assert_eq!(row.state, SignInState::Open);
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@crm");
        bench.come_back(&bench.ana, &state, &code).await.unwrap();
        assert_eq!(bench.inbox(&run).await.len(), 1);
    }
}
