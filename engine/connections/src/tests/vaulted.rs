//! The vault over a store: a key for each workspace, rotations that go on while everything is used and wherever they are broken off, rows that
//! were moved, addresses that were changed.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use super::*;
use crate::errors::RotateError;
use crate::rotate::Rotated;
use crate::secrets::SecretError;

/// Connections of one person, with two secrets each that say whose they are.
async fn many(bench: &Bench, count: usize) -> Vec<ConnectionId> {
    let mut ops = Vec::new();
    let mut ids = Vec::new();
    for number in 0..count {
        let row = super::storm::row(bench, &format!("account-{number:04}"));
        let given = ["access_token", "refresh_token"].map(|field| {
            (
                field.to_owned(),
                Secret::new(format!("{field} of {}", row.id)),
            )
        });
        let secrets = bench
            .connections
            .put_secrets(&bench.workspace, &row, &given);
        ids.push(row.id.clone());
        ops.push(Op::AddConnection {
            workspace: bench.workspace.clone(),
            connection: row,
        });
        ops.extend(
            secrets
                .into_iter()
                .filter(|op| matches!(op, Op::PutSecret { .. })),
        );
    }
    bench.commit(ops).await;
    ids
}

/// Reads all secrets of these connections, as they were sealed.
async fn read_all(connections: &Connections, bench: &Bench, ids: &[ConnectionId]) -> usize {
    let mut good = 0;
    for id in ids {
        for field in ["access_token", "refresh_token"] {
            let row = bench.connection(id).await;
            let found = connections.secret(&bench.reader(), row, field).await;
            let secret = found.unwrap().1.unwrap();
            assert_eq!(*secret.reveal(), format!("{field} of {id}"));
            good += 1;
        }
    }
    good
}

/// The keys that wrap the workspace's secrets.
async fn wrapped_by(bench: &Bench) -> BTreeSet<String> {
    let start = (String::new(), String::new());
    let all = bench.reader().secrets_not_under("", &start, 10_000).await;
    all.unwrap().into_iter().map(|row| row.kek_id).collect()
}

/// Runs a future until it is done or was polled so many times: then it is broken off there, as if its process had been killed.
async fn broken_off<F: Future>(future: F, after: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = after;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

#[tokio::test]
async fn each_workspace_has_a_key_of_its_own_and_secrets_are_wrapped_by_it() {
    for bench in Bench::everywhere().await {
        let other = bits(WorkspaceId::from_bits);
        bench
            .commit(vec![Op::AddWorkspace {
                workspace: other.clone(),
                name: "other".to_owned(),
                at: Time(2),
            }])
            .await;
        bench.connections.ready(&other).await.unwrap();
        let ids = many(&bench, 2).await;
        let here = bench.reader().workspace_keys().await.unwrap();
        let there = bench.store.reader(&other).workspace_keys().await.unwrap();
        assert_eq!((here.len(), there.len()), (1, 1));
        assert_ne!(
            (&here[0].id, &here[0].wrapped),
            (&there[0].id, &there[0].wrapped)
        );
        let keys = wrapped_by(&bench).await;
        assert_eq!(keys, BTreeSet::from([here[0].id.clone()]));
        // Two at once make one key; another process finds it.
        let second = bench.another_process().await;
        second.ready(&bench.workspace).await.unwrap();
        assert_eq!(bench.reader().workspace_keys().await.unwrap().len(), 1);
        assert_eq!(read_all(&second, &bench, &ids).await, 4);
        // A key that was put in another workspace's place opens nothing there.
        let moved = actas_store::WorkspaceKeyRow {
            workspace: other.clone(),
            state: actas_store::KeyState::Old,
            ..here[0].clone()
        };
        let vault = &second.inner.vault;
        vault.load(std::slice::from_ref(&moved));
        assert!(!vault.knows(&other, &moved.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_fails_no_read_in_any_process() {
    for bench in Bench::everywhere().await {
        let bench = Arc::new(bench);
        let ids = Arc::new(many(&bench, 150).await);
        let second = bench.another_process().await;
        let (stop, reads) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let readers: Vec<_> = [bench.connections.clone(), second.clone()]
            .into_iter()
            .map(|connections| {
                let (bench, ids) = (bench.clone(), ids.clone());
                let (stop, reads) = (stop.clone(), reads.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let good = read_all(&connections, &bench, &ids).await;
                        reads.fetch_add(good, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let who = bench.who(&bench.ana);
        let mut keys = BTreeSet::new();
        for _ in 0..3 {
            let done = bench.connections.rotate_key(&bench.workspace, &who).await;
            let done = done.unwrap();
            assert_eq!((done.new, done.broken), (true, 0));
            assert!(done.wrapped >= 300, "{done:?}");
            assert_eq!(wrapped_by(&bench).await, BTreeSet::from([done.key.clone()]));
            keys.insert(done.key);
            // Both have read everything since.
            let before = reads.load(Ordering::Relaxed);
            while reads.load(Ordering::Relaxed) < before + 900 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(keys.len(), 3);
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.await.unwrap();
        }
        // What a process seals that has not heard of the new key opens too, and the next rotation takes it along.
        let stale = many(&bench, 1).await;
        assert_eq!(read_all(&second, &bench, &stale).await, 2);
        assert!(bench.audited("vault_key.rotated", None).await);
        assert!(!bench.audited("vault_integrity", None).await);
    }
}

#[tokio::test]
async fn wherever_a_rotation_is_broken_off_everything_opens_and_the_next_one_finishes_it() {
    for bench in Bench::everywhere().await {
        let ids = many(&bench, 150).await;
        let who = bench.who(&bench.ana);
        let (mut step, mut finished) = (0, 0);
        let done: Rotated = loop {
            step += 1;
            let process = bench.another_process().await;
            let rotation = process.rotate_key(&bench.workspace, &who);
            if let Some(done) = broken_off(rotation, step).await {
                break done.unwrap();
            }
            assert_eq!(read_all(&process, &bench, &ids).await, 300, "step {step}");
            // The process is started again.
            let again = bench.another_process().await;
            assert_eq!(read_all(&again, &bench, &ids).await, 300, "step {step}");
            if step % 2 == 0 {
                let done = again.rotate_key(&bench.workspace, &who).await.unwrap();
                finished += usize::from(!done.new);
                assert_eq!(wrapped_by(&bench).await, BTreeSet::from([done.key]));
            }
        };
        assert!(step > 3, "{step} steps");
        assert!(
            finished > 0,
            "no rotation was found unfinished in {step} steps"
        );
        let active: Vec<_> = bench.reader().workspace_keys().await.unwrap();
        let active: Vec<_> = active
            .iter()
            .filter(|row| row.state == actas_store::KeyState::Active)
            .collect();
        assert_eq!(active.len(), 1);
        assert_eq!(wrapped_by(&bench).await, BTreeSet::from([done.key]));
        assert_eq!(read_all(&bench.connections, &bench, &ids).await, 300);
    }
}

#[tokio::test]
async fn wherever_a_change_of_the_operators_key_is_broken_off_one_of_the_two_opens_everything() {
    for mut bench in Bench::everywhere().await {
        let ids = many(&bench, 2).await;
        let who = bench.who(&bench.ana);
        let (run, path) = (bits(RunId::from_bits), "wait".parse().unwrap());
        let token = bench
            .connections
            .callback_token(&bench.workspace, &run, &path);
        let first = std::fs::read(bench.folder.path().join("vault.key")).unwrap();
        let file = bench.folder.path().join("new.key");
        let mut step = 0;
        let id = loop {
            step += 1;
            let _ = std::fs::remove_file(&file);
            let key = Secret::new(system::random::<32>());
            crate::key::write_next(&bench.folder.path().join("new"), &key).unwrap();
            std::fs::rename(bench.folder.path().join("new.next"), &file).unwrap();
            let done = broken_off(bench.connections.rotate_master(&file, &who), step).await;
            if let Some(done) = done {
                break done.unwrap();
            }
            // Whatever was on its way to the store is there now, or never comes.
            bench.commit(Vec::new()).await;
            bench.connections = bench.another_process().await;
            assert_eq!(
                read_all(&bench.connections, &bench, &ids).await,
                4,
                "step {step}"
            );
            assert!(
                bench
                    .connections
                    .verify_callback(&bench.workspace, &run, &path, token.reveal()),
                "step {step}"
            );
        };
        assert!(step > 1, "{step} steps");
        assert_eq!(bench.store.key_check().await.unwrap().unwrap().0, id);
        assert_eq!(read_all(&bench.connections, &bench, &ids).await, 4);
        assert!(!bench.folder.path().join("vault.key.next").exists());
        let again = bench.connections.rotate_master(&file, &who).await;
        assert!(matches!(again, Err(RotateError::SameKey)), "{again:?}");
        let restarted = bench.another_process().await;
        assert_eq!(read_all(&restarted, &bench, &ids).await, 4);
        assert!(restarted.verify_callback(&bench.workspace, &run, &path, token.reveal()));
        // The first key opens nothing any more.
        std::fs::write(bench.folder.path().join("vault.key"), first).unwrap();
        let old = open(
            &bench.store,
            &bench.provider,
            &bench.manifest,
            &bench.folder,
        )
        .await;
        assert!(matches!(old, Err(OpenError::KeyWrong { .. })), "{old:?}");
    }
}

#[tokio::test]
async fn of_a_thousand_rows_each_that_lies_in_anothers_place_is_found_and_audited() {
    let bench = Bench::new().await;
    let ids = many(&bench, 500).await;
    let start = (String::new(), String::new());
    let rows = bench.reader().secrets_not_under("", &start, 10_000).await;
    let rows: Vec<_> = rows
        .unwrap()
        .into_iter()
        .filter(|row| row.owner.starts_with("con_"))
        .collect();
    assert_eq!(rows.len(), 1000);
    // In pairs, over fields and over connections.
    let between: Vec<(usize, usize)> = (0..500).map(|n| (n, n + 500)).collect();
    let within: Vec<(usize, usize)> = (0..500).map(|n| (2 * n, 2 * n + 1)).collect();
    for pairs in [between, within] {
        let before = bench.audit().await.len();
        let both = pairs.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]);
        let swapped = both.map(|(a, b)| {
            let (place, from): (&SecretRow, &SecretRow) = (&rows[a], &rows[b]);
            Op::PutSecret {
                workspace: bench.workspace.clone(),
                secret: SecretRow {
                    owner: place.owner.clone(),
                    field: place.field.clone(),
                    version: place.version,
                    ..from.clone()
                },
            }
        });
        bench.commit(swapped.collect()).await;
        for id in &ids {
            for field in ["access_token", "refresh_token"] {
                let row = bench.connection(id).await;
                let found = bench.connections.secret(&bench.reader(), row, field).await;
                assert!(matches!(found, Err(SecretError::Integrity)), "{id} {field}");
            }
        }
        let audit = bench.audit().await;
        let found = audit[before..]
            .iter()
            .filter(|(action, _)| action == "vault_integrity");
        assert_eq!(found.count(), 1000);
    }
}

#[tokio::test]
async fn an_address_changed_in_the_database_is_found_before_anything_is_sent_there() {
    for bench in Bench::everywhere().await {
        let (run, done) = bench.sign_in(&bench.ana, "ana@crm").await;
        let using = bench.using(&run, &done.connection, &bench.ana);
        bench.connections.credential(&using).await.unwrap();
        let asked = bench.provider.token_requests();

        // What the connection says of itself: where its calls go hangs on it.
        let row = bench.connection(&done.connection).await;
        for changed in [
            ConnectionRow {
                facts: json_of(&["instance_url", "https://evil.example"]),
                ..row.clone()
            },
            ConnectionRow {
                client: bits(ClientId::from_bits),
                ..row.clone()
            },
        ] {
            put(&bench, changed).await;
            let used = bench.connections.credential(&using).await;
            assert!(
                matches!(&used, Err(UseError::Unavailable(e)) if e.code.as_deref() == Some("vault_integrity")),
                "{used:?}"
            );
        }
        put(&bench, row.clone()).await;
        bench.connections.credential(&using).await.unwrap();
        assert!(bench.audited("vault_integrity", Some("access_token")).await);

        // What the app client is set to: where tokens are fetched hangs on it. A process that has seen the true one notices too.
        let fresh = bench.another_process().await;
        for changed in [
            ClientRow {
                settings: json_of(&["instance_url", "https://evil.example"]),
                ..bench.client.clone()
            },
            ClientRow {
                oauth_client_id: "another".to_owned(),
                ..bench.client.clone()
            },
        ] {
            bench
                .commit(vec![Op::ChangeClient {
                    workspace: bench.workspace.clone(),
                    client: changed,
                }])
                .await;
            bench.expire(&done.connection).await;
            for process in [&bench.connections, &fresh] {
                let used = process.credential(&using).await;
                assert!(matches!(&used, Err(UseError::Unavailable(_))), "{used:?}");
            }
        }
        assert_eq!(bench.provider.token_requests(), asked, "nobody was asked");
        assert!(bench.audited("vault_integrity", Some("settings")).await);

        // A seal that is gone is as bad as a wrong one.
        bench
            .commit(vec![Op::DropSecrets {
                workspace: bench.workspace.clone(),
                owner: bench.client.id.to_string(),
            }])
            .await;
        assert!(fresh.credential(&using).await.is_err());
        assert_eq!(bench.provider.token_requests(), asked);
    }
}

fn json_of(pair: &[&str; 2]) -> String {
    serde_json::json!({pair[0]: pair[1]}).to_string()
}

/// Writes a connection's row as somebody would who can write into the database.
async fn put(bench: &Bench, connection: ConnectionRow) {
    let expect = connection.token_version;
    bench
        .commit(vec![Op::ChangeConnection {
            workspace: bench.workspace.clone(),
            connection,
            expect,
        }])
        .await;
}
