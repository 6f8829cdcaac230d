//! What a commit may not find: names taken, tokens used, versions gone by. And that nobody else suffers for it.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::time::Duration;

use actas_core::Time;
use actas_core::ids::*;
use actas_core::run::ConnectionKind;
use actas_store::*;
use support::*;

#[tokio::test]
async fn sixty_four_at_once_use_an_attempt_and_one_succeeds() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let add = Op::AddAttempt {
            workspace: ws.clone(),
            attempt: attempt("h"),
        };
        store.commit(ops(vec![add])).await.unwrap();
        let use_it = |now| Op::UseAttempt {
            workspace: ws.clone(),
            state_hash: "h".to_owned(),
            now: Time(now),
        };
        let late = store.commit(ops(vec![use_it(1000)])).await;
        assert!(is_conflict(late, "use_attempt"), "it ends at its time");
        let all = (0..64).map(|_| store.commit(ops(vec![use_it(500)])));
        let done = futures::future::join_all(all).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
        assert!(
            done.into_iter()
                .all(|done| done.is_ok() || is_conflict(done, "use_attempt"))
        );
        let kept = store.reader(&ws).attempt("h").await.unwrap().unwrap();
        assert_eq!(kept.used_at, Some(Time(500)));
    }
}

#[tokio::test]
async fn a_failing_commit_does_not_fail_its_neighbours() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let rows: Vec<RunRow> = (0..60).map(|_| run(&ws, &worker)).collect();
        let all = rows.iter().enumerate().map(|(n, row)| {
            let mut commit = ops(vec![add_run(row)]);
            match n % 6 {
                // A second operation that is refused undoes the first.
                2 => commit.ops.push(append(row, 7, 2, "running", false)),
                // One of the same run in the same commit.
                4 => commit.ops.push(append(row, 1, 2, "succeeded", false)),
                _ => {}
            }
            store.commit(commit)
        });
        let done = futures::future::join_all(all).await;
        let reader = store.reader(&ws);
        for (n, (done, row)) in done.into_iter().zip(&rows).enumerate() {
            let journal = reader.journal(&row.id).await.unwrap().len();
            let stored = reader.run(&row.id).await.unwrap();
            match n % 6 {
                2 => {
                    assert!(is_conflict(done, "append"));
                    assert_eq!((stored, journal), (None, 0), "nothing of it is there");
                }
                4 => assert_eq!((stored.unwrap().state.as_str(), journal), ("succeeded", 2)),
                _ => assert_eq!((stored, journal), (Some(row.clone()), 1)),
            }
        }
    }
}

#[tokio::test]
async fn names_are_unique_where_they_must_be() {
    for place in places() {
        let (store, ws, other) = (place.open().await, ws(), ws());
        for (op, name, free) in [
            (
                Op::AddUser {
                    workspace: ws.clone(),
                    user: user("ana"),
                },
                "add_user",
                Op::AddUser {
                    workspace: other.clone(),
                    user: user("ana"),
                },
            ),
            (
                Op::AddFlow {
                    workspace: ws.clone(),
                    flow: flow("add-customer"),
                },
                "add_flow",
                Op::AddFlow {
                    workspace: other.clone(),
                    flow: flow("add-customer"),
                },
            ),
            (
                Op::AddConnection {
                    workspace: ws.clone(),
                    connection: connection(ConnectionKind::Shared, Some("crm")),
                },
                "add_connection",
                Op::AddConnection {
                    workspace: ws.clone(),
                    connection: connection(ConnectionKind::Personal, None),
                },
            ),
        ] {
            let again = match op.clone() {
                Op::AddUser { workspace, .. } => Op::AddUser {
                    workspace,
                    user: user("ana"),
                },
                Op::AddFlow { workspace, .. } => Op::AddFlow {
                    workspace,
                    flow: flow("add-customer"),
                },
                _ => Op::AddConnection {
                    workspace: ws.clone(),
                    connection: connection(ConnectionKind::Shared, Some("crm")),
                },
            };
            store.commit(ops(vec![op])).await.unwrap();
            assert!(is_conflict(store.commit(ops(vec![again])).await, name));
            store.commit(ops(vec![free])).await.unwrap();
        }
    }
}

#[tokio::test]
async fn secrets_are_changed_and_refreshed_by_one_at_a_time() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let mut row = connection(ConnectionKind::Personal, None);
        store
            .commit(ops(vec![Op::AddConnection {
                workspace: ws.clone(),
                connection: row.clone(),
            }]))
            .await
            .unwrap();
        let (one, two) = (id(WorkerId::from_bits), id(WorkerId::from_bits));
        let lease = |worker: &WorkerId, now: i64, expect| Op::LeaseRefresh {
            workspace: ws.clone(),
            connection: row.id.clone(),
            worker: worker.clone(),
            until: Time(now).after(Duration::from_micros(10)),
            now: Time(now),
            expect,
        };
        let all = (0..64).map(|n| {
            let worker = if n % 2 == 0 { &one } else { &two };
            store.commit(ops(vec![lease(worker, 100, 1)]))
        });
        let done = futures::future::join_all(all).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
        let wrong = store.commit(ops(vec![lease(&two, 200, 2)])).await;
        assert!(is_conflict(wrong, "lease_refresh"));
        store.commit(ops(vec![lease(&two, 110, 1)])).await.unwrap();
        // Giving back what somebody else took changes nothing.
        for (worker, held) in [(&one, true), (&two, false)] {
            let release = Op::ReleaseRefresh {
                workspace: ws.clone(),
                connection: row.id.clone(),
                worker: worker.clone(),
            };
            store.commit(ops(vec![release])).await.unwrap();
            let now = store
                .reader(&ws)
                .connection(&row.id)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(now.refreshing.is_some(), held);
        }
        row.token_version = 2;
        row.state = ConnectionState::Revoked;
        let change = |expect| Op::ChangeConnection {
            workspace: ws.clone(),
            connection: row.clone(),
            expect,
        };
        store.commit(ops(vec![change(1)])).await.unwrap();
        let stale = store.commit(ops(vec![change(1)])).await;
        assert!(is_conflict(stale, "change_connection"));
        let kept = store.reader(&ws).connection(&row.id).await.unwrap();
        assert_eq!(kept, Some(row.clone()));

        let secret = |version| SecretRow {
            owner: row.id.to_string(),
            field: "access_token".to_owned(),
            version,
            kek_id: "kek".to_owned(),
            wrapped: vec![1],
            sealed: vec![2, u8::try_from(version).unwrap()],
        };
        let put = |version| Op::PutSecret {
            workspace: ws.clone(),
            secret: secret(version),
        };
        store.commit(ops(vec![put(1)])).await.unwrap();
        store.commit(ops(vec![put(3)])).await.unwrap();
        assert!(is_conflict(
            store.commit(ops(vec![put(2)])).await,
            "put_secret"
        ));
        let read = || async {
            store
                .reader(&ws)
                .secret(row.id.as_str(), "access_token")
                .await
                .unwrap()
        };
        assert_eq!(read().await, Some(secret(3)));
        let delete = Op::DeleteConnection {
            workspace: ws.clone(),
            connection: row.id.clone(),
        };
        store.commit(ops(vec![delete.clone()])).await.unwrap();
        assert_eq!(read().await, None, "its secrets go with it");
        assert!(is_conflict(
            store.commit(ops(vec![delete])).await,
            "delete_connection"
        ));
    }
}

#[tokio::test]
async fn drafts_and_versions_follow_one_another() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let flow = flow("f");
        store
            .commit(ops(vec![Op::AddFlow {
                workspace: ws.clone(),
                flow: flow.clone(),
            }]))
            .await
            .unwrap();
        let draft = |revision| Op::PutDraft {
            workspace: ws.clone(),
            draft: DraftRow {
                flow: flow.id.clone(),
                text: format!("text {revision}"),
                revision,
                updated_by: flow.created_by.clone(),
                updated_at: Time(1),
            },
        };
        for (revision, fits) in [(2, false), (1, true), (1, false), (3, false), (2, true)] {
            let done = store.commit(ops(vec![draft(revision)])).await;
            assert_eq!(done.is_ok(), fits, "{revision}: {done:?}");
        }
        let version = |number| VersionRow {
            id: id(VersionId::from_bits),
            flow: flow.id.clone(),
            number,
            document: "{}".to_owned(),
            digest: "sha256:0".to_owned(),
            bindings: "{}".to_owned(),
            manifests: "{}".to_owned(),
            level: 1,
            created_by: flow.created_by.clone(),
            created_at: Time(1),
        };
        for (number, fits) in [
            (2, false),
            (1, true),
            (1, false),
            (0, true),
            (0, true),
            (2, true),
        ] {
            let add = Op::AddVersion {
                workspace: ws.clone(),
                version: version(number),
            };
            let done = store.commit(ops(vec![add])).await;
            assert_eq!(done.is_ok(), fits, "{number}: {done:?}");
        }
        let reader = store.reader(&ws);
        let numbers = reader.versions(&flow.id).await.unwrap();
        assert_eq!(numbers.iter().map(|v| v.number).collect::<Vec<_>>(), [2, 1]);
        let last = reader.flow(&flow.id).await.unwrap().unwrap().last_version;
        assert_eq!(last, 2);
        assert_eq!(reader.draft(&flow.id).await.unwrap().unwrap().revision, 2);
    }
}

#[tokio::test]
async fn another_workspaces_id_finds_nothing() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let (run, user, flow) = (run(&ws, &worker), user("ana"), flow("f"));
        let connection = connection(ConnectionKind::Shared, Some("crm"));
        store
            .commit(ops(vec![
                add_run(&run),
                Op::AddUser {
                    workspace: ws.clone(),
                    user: user.clone(),
                },
                Op::AddFlow {
                    workspace: ws.clone(),
                    flow: flow.clone(),
                },
                Op::AddConnection {
                    workspace: ws.clone(),
                    connection: connection.clone(),
                },
                Op::AddAttempt {
                    workspace: ws.clone(),
                    attempt: attempt("h"),
                },
            ]))
            .await
            .unwrap();
        let other = support::ws();
        let reader = store.reader(&other);
        assert_eq!(reader.run(&run.id).await.unwrap(), None);
        assert_eq!(reader.journal(&run.id).await.unwrap(), vec![]);
        assert_eq!(reader.user(&user.id).await.unwrap(), None);
        assert_eq!(reader.user_by_login("ana").await.unwrap(), None);
        assert_eq!(reader.flow(&flow.id).await.unwrap(), None);
        assert_eq!(reader.connection(&connection.id).await.unwrap(), None);
        assert_eq!(reader.shared_connections().await.unwrap(), vec![]);
        assert_eq!(reader.attempt("h").await.unwrap(), None);
        assert!(
            reader
                .runs(&RunFilter::default(), 10, None)
                .await
                .unwrap()
                .items
                .is_empty()
        );
        assert_eq!(store.inbox(&other, &run.id).await.unwrap(), vec![]);
        // Nor can anything be done to it.
        for op in [
            Op::Append {
                workspace: other.clone(),
                epoch: 1,
                journal: journal(&run.id, 2),
                state: "running".to_owned(),
                due_at: None,
                ended_at: None,
                release: false,
            },
            Op::PutInbox {
                workspace: other.clone(),
                inbox: message(&run),
            },
            Op::ChangeUser {
                workspace: other.clone(),
                user: user.clone(),
            },
            Op::ChangeFlow {
                workspace: other.clone(),
                flow: flow.clone(),
            },
            Op::DeleteConnection {
                workspace: other.clone(),
                connection: connection.id.clone(),
            },
            Op::UseAttempt {
                workspace: other.clone(),
                state_hash: "h".to_owned(),
                now: Time(1),
            },
        ] {
            let name = op.name();
            assert!(
                is_conflict(store.commit(ops(vec![op])).await, name),
                "{name}"
            );
        }
        assert_eq!(store.reader(&ws).run(&run.id).await.unwrap(), Some(run));
    }
}

#[tokio::test]
async fn what_no_database_takes_is_refused_before_it_is_asked() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let nul = Op::AddUser {
            workspace: ws.clone(),
            user: UserRow {
                name: "a\0b".to_owned(),
                ..user("ana")
            },
        };
        assert!(is_conflict(store.commit(ops(vec![nul])).await, "add_user"));
        let row = RunRow {
            state: "succeeded".to_owned(),
            ..run(&ws, &worker)
        };
        assert!(is_conflict(
            store.commit(ops(vec![add_run(&row)])).await,
            "add_run"
        ));
    }
}
