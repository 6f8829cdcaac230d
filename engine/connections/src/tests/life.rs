//! The life of connections: letting go of them where the provider is away, and people who leave.

use super::*;

/// What is still to be taken back.
async fn waiting(bench: &Bench) -> Vec<RevocationRow> {
    bench
        .reader()
        .due_revocations(Time(i64::MAX))
        .await
        .unwrap()
}

/// How many secrets there are of it.
async fn sealed(bench: &Bench, revocation: &RevocationRow) -> usize {
    let mut found = 0;
    for field in ["access_token", "refresh_token", "subject"] {
        let secret = bench.reader().secret(revocation.id.as_str(), field).await;
        found += usize::from(secret.unwrap().is_some());
    }
    found
}

/// So much later.
fn later(seconds: u64) -> Time {
    system::now().after(Duration::from_secs(seconds))
}

#[tokio::test]
async fn what_a_provider_that_is_away_could_not_be_told_it_is_told_later_by_any_process() {
    for bench in Bench::everywhere().await {
        let (ws, ana) = (&bench.workspace, bench.who(&bench.ana));
        let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
        bench.provider.book().revocation_down = true;
        let came = bench
            .connections
            .delete(ws, &finished.connection, &bench.ana.id, &ana)
            .await
            .unwrap();
        assert_eq!(came, AtProvider::Later);
        let gone = bench.reader().connection(&finished.connection).await;
        assert!(gone.unwrap().is_none(), "here it is gone at once");
        let (action, reason) = ("connection.revocation", Some("revoked_later"));
        assert!(bench.audited(action, reason).await);
        let left = waiting(&bench).await.remove(0);
        let secrets = sealed(&bench, &left).await;
        assert_eq!(secrets, 3, "two tokens and whose they are");

        let other = bench.another_process().await;
        // Not before its time.
        assert_eq!(other.take_back(ws, system::now()).await.unwrap(), 0);
        assert_eq!(other.take_back(ws, later(300)).await.unwrap(), 1);
        assert_eq!(sealed(&bench, &left).await, 3, "it is still away");
        bench.provider.book().revocation_down = false;
        // Two at once: one does it.
        let (one, two) = tokio::join!(
            other.take_back(ws, later(600)),
            bench.connections.take_back(ws, later(600))
        );
        assert_eq!(one.unwrap() + two.unwrap(), 1);
        assert_eq!(bench.provider.book().revoked.len(), 2);
        assert!(bench.provider.book().refresh.is_empty());
        let (action, reason) = ("connection.revocation", Some("revoked_at_provider"));
        assert!(bench.audited(action, reason).await);
        assert_eq!(sealed(&bench, &left).await, 0);
        assert_eq!(other.take_back(ws, later(9000)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_provider_that_stays_away_for_a_week_is_given_up_and_the_tokens_are_forgotten() {
    let bench = Bench::new().await;
    let (ws, ana) = (&bench.workspace, bench.who(&bench.ana));
    let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    bench.provider.book().revocation_down = true;
    bench
        .connections
        .disconnect(ws, &finished.connection, &bench.ana.id, &ana)
        .await
        .unwrap();
    let left = waiting(&bench).await.remove(0);
    let mut tries = 0;
    for hour in 0..24 * 8 {
        let at = later(3600 * hour);
        tries += bench.connections.take_back(ws, at).await.unwrap();
    }
    // Every six hours at most, and not for ever.
    assert!((25..40).contains(&tries), "{tries}");
    assert_eq!(sealed(&bench, &left).await, 0);
    let records = bench.audit().await;
    let said: Vec<_> = records
        .iter()
        .filter(|(action, _)| action == "connection.revocation")
        .filter_map(|(_, reason)| reason.as_deref())
        .collect();
    let last = said.iter().filter(|why| **why == "not_revoked_at_provider");
    assert_eq!(last.count(), 1, "{said:?}");
    assert!(said.len() < 5, "not a record for each try: {said:?}");
}

#[tokio::test]
async fn tokens_of_an_account_that_signed_in_again_meanwhile_are_forgotten_and_not_taken_back() {
    let bench = Bench::new().await;
    let (ws, ana) = (&bench.workspace, bench.who(&bench.ana));
    let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    bench.provider.book().revocation_down = true;
    bench
        .connections
        .disconnect(ws, &finished.connection, &bench.ana.id, &ana)
        .await
        .unwrap();
    bench.provider.book().revocation_down = false;
    bench.sign_in(&bench.ana, "ana@crm").await;
    assert_eq!(
        bench.connections.take_back(ws, later(300)).await.unwrap(),
        1
    );
    assert!(bench.provider.book().revoked.is_empty());
    let (action, reason) = ("connection.revocation", Some("account_in_use_elsewhere"));
    assert!(bench.audited(action, reason).await);
    assert!(waiting(&bench).await.is_empty());
}

#[tokio::test]
async fn of_a_person_who_leaves_nothing_is_left_but_the_shared_connections_they_hold() {
    for bench in Bench::everywhere().await {
        let (ws, ben) = (&bench.workspace, bench.who(&bench.ben));
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
            .begin_connect(
                ws,
                &target,
                &bench.ana.id,
                "session-of-ana",
                &bench.who(&bench.ana),
            )
            .await
            .unwrap();
        let code = bench.provider.code("service@crm");
        bench
            .come_back(&bench.ana, &state_of(&url), &code)
            .await
            .unwrap();
        let (_, own) = bench.sign_in(&bench.ana, "ana@crm").await;
        let (_, bens) = bench.sign_in(&bench.ben, "ben@crm").await;
        // A sign-in that waits, and one that has begun.
        let run = bench.run(&bench.ana).await;
        let mut ask = bench.ask(&run, &bench.ana);
        ask.slot = "other".parse().unwrap();
        let waiting = bench.pause(&ask).await;
        let begun = bench.begin(&waiting, &bench.ana).await;

        let left = bench
            .connections
            .forget_person(ws, &bench.ana.id, &ben)
            .await
            .unwrap();
        assert_eq!(
            left,
            Forgotten {
                connections: 1,
                revoked: 1,
                later: 0,
                holds: vec!["sales".parse().unwrap()],
            }
        );
        let reader = bench.reader();
        let theirs = reader.personal_connections(Some(&bench.ana.id)).await;
        assert!(theirs.unwrap().is_empty());
        assert!(reader.grants_by(&bench.ana.id).await.unwrap().is_empty());
        assert!(
            reader
                .open_sign_ins(&bench.ana.id)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(reader.attempt(&begun).await.unwrap().is_none());
        assert_eq!(bench.provider.book().revoked.len(), 2);
        let secret = reader.secret(own.connection.as_str(), "access_token").await;
        assert!(secret.unwrap().is_none());
        // What came back now finds nothing.
        let late = bench
            .come_back(&bench.ana, &begun, &bench.provider.code("ana@crm"))
            .await;
        assert!(late.is_err());
        // Nobody else lost anything.
        assert!(reader.connection(&bens.connection).await.unwrap().is_some());
        assert_eq!(reader.grants_by(&bench.ben.id).await.unwrap().len(), 1);
        assert_eq!(reader.shared_connections().await.unwrap().len(), 1);
        assert!(bench.audited("connection.holder_left", None).await);
        // Once more is fine.
        let again = bench
            .connections
            .forget_person(ws, &bench.ana.id, &ben)
            .await
            .unwrap();
        assert_eq!(again.connections, 0);
    }
}
