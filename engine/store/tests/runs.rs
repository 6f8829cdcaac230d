//! Runs, journals, inboxes, claims and leases, on both databases.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::time::Duration;

use actas_core::Time;
use actas_core::ids::*;
use actas_store::*;
use support::*;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_run_lives_from_its_first_commit_to_its_end() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let reader = store.reader(&ws);
        let row = run(&ws, &worker);
        store.commit(ops(vec![add_run(&row)])).await.unwrap();
        assert_eq!(reader.run(&row.id).await.unwrap(), Some(row.clone()));
        // Held: nobody else can take it.
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());
        store
            .commit(ops(vec![append(&row, 1, 2, "paused", true)]))
            .await
            .unwrap();
        // Paused without a deadline: nothing to do for anybody.
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());

        let (mut told, told_run) = (store.subscribe(), message(&row));
        let put = Op::PutInbox {
            workspace: ws.clone(),
            inbox: told_run.clone(),
        };
        store.commit(ops(vec![put])).await.unwrap();
        store.hint().await;
        assert_eq!(told.recv().await.unwrap(), row.id);
        let other = id(WorkerId::from_bits);
        let claimed = store.claim(&other, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed.len(), 1, "{}", place.kind);
        assert_eq!(claimed[0].run.epoch, 2);
        assert_eq!(claimed[0].run.owner, Some(other));
        assert_eq!(
            claimed[0].journal,
            vec![journal(&row.id, 1), journal(&row.id, 2)]
        );
        assert_eq!(claimed[0].inbox, vec![told_run.clone()]);
        assert_eq!(
            store.inbox(&ws, &row.id).await.unwrap(),
            vec![told_run.clone()]
        );

        let take = Op::TakeInbox {
            workspace: ws.clone(),
            inbox: told_run.id.clone(),
        };
        store
            .commit(ops(vec![
                take.clone(),
                append(&row, 2, 3, "cancelled", false),
            ]))
            .await
            .unwrap();
        assert!(is_conflict(
            store.commit(ops(vec![take])).await,
            "take_inbox"
        ));
        let ended = reader.run(&row.id).await.unwrap().unwrap();
        assert_eq!((ended.state.as_str(), ended.owner), ("cancelled", None));
        assert_eq!(ended.ended_at, Some(Time(77)));
    }
}

#[tokio::test]
async fn a_terminal_run_cannot_be_appended_to() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        for state in ["succeeded", "failed", "cancelled"] {
            let row = run(&ws, &worker);
            store.commit(ops(vec![add_run(&row)])).await.unwrap();
            store
                .commit(ops(vec![append(&row, 1, 2, state, false)]))
                .await
                .unwrap();
            for (seq, next) in [(3, "running"), (3, "succeeded"), (2, "failed")] {
                let again = store
                    .commit(ops(vec![append(&row, 1, seq, next, false)]))
                    .await;
                assert!(is_conflict(again, "append"));
            }
            let put = Op::PutInbox {
                workspace: ws.clone(),
                inbox: message(&row),
            };
            assert!(is_conflict(store.commit(ops(vec![put])).await, "put_inbox"));
            let journal = store.reader(&ws).journal(&row.id).await.unwrap();
            assert_eq!(journal.len(), 2);
        }
    }
}

#[tokio::test]
async fn a_stale_epoch_cannot_append_and_seq_has_no_gap() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let row = run(&ws, &worker);
        store.commit(ops(vec![add_run(&row)])).await.unwrap();
        for (epoch, seq) in [(1, 1), (1, 3), (0, 2), (2, 2)] {
            let wrong = store
                .commit(ops(vec![append(&row, epoch, seq, "running", false)]))
                .await;
            assert!(is_conflict(wrong, "append"), "{epoch} {seq}");
        }
        // Its lease runs out, somebody else takes it: from then on the first holder's writes fail.
        store
            .renew(&worker, std::slice::from_ref(&row.id), Duration::ZERO)
            .await
            .unwrap();
        let other = id(WorkerId::from_bits);
        let claimed = store.claim(&other, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let late = store
            .commit(ops(vec![append(&row, 1, 2, "running", false)]))
            .await;
        assert!(is_conflict(late, "append"));
        store
            .commit(ops(vec![append(&row, 2, 2, "waiting", true)]))
            .await
            .unwrap();
        // Given up: the epoch alone is not enough.
        let after = store
            .commit(ops(vec![append(&row, 2, 3, "running", false)]))
            .await;
        assert!(is_conflict(after, "append"));
    }
}

#[tokio::test]
async fn a_run_that_its_owner_drives_no_longer_is_taken_again_although_the_owner_lives() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let (driven, dropped) = (run(&ws, &worker), run(&ws, &worker));
        for row in [&driven, &dropped] {
            store.commit(ops(vec![add_run(row)])).await.unwrap();
        }
        let both = [driven.id.clone(), dropped.id.clone()];
        store.renew(&worker, &both, Duration::ZERO).await.unwrap();
        store.renew(&worker, &both[..1], HOUR).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|claimed| &claimed.run.id).collect();
        assert_eq!(ids, [&dropped.id]);
    }
}

#[tokio::test]
async fn only_runs_with_something_to_do_are_claimed() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let mut rows = Vec::new();
        for (level, state, due) in [
            (1, "running", None),
            (1, "waiting", Some(Time(1))),
            (1, "waiting", Some(Time(i64::MAX))),
            (1, "paused", None),
            (9, "running", None),
        ] {
            let row = RunRow {
                level,
                ..run(&ws, &worker)
            };
            let Op::Append {
                workspace,
                epoch,
                journal,
                ended_at,
                release,
                ..
            } = append(&row, 1, 2, state, true)
            else {
                unreachable!()
            };
            let release = Op::Append {
                workspace,
                epoch,
                journal,
                state: state.to_owned(),
                due_at: due,
                ended_at,
                release,
            };
            store
                .commit(ops(vec![add_run(&row), release]))
                .await
                .unwrap();
            rows.push(row);
        }
        let other = id(WorkerId::from_bits);
        let first = store.claim(&other, 1, HOUR, 1).await.unwrap();
        assert_eq!(first.len(), 1, "no more than asked for");
        let second = store.claim(&other, 1, HOUR, 10).await.unwrap();
        let mut taken: Vec<RunId> = first
            .into_iter()
            .chain(second)
            .map(|claimed| claimed.run.id)
            .collect();
        taken.sort();
        assert_eq!(taken, [rows[0].id.clone(), rows[1].id.clone()]);
        // A worker that knows the level takes the fifth, one that gave a run up leaves it to others.
        let newer = store.claim(&worker, 9, HOUR, 10).await.unwrap();
        assert_eq!(newer.len(), 1);
        let give_up = Op::Release {
            workspace: ws.clone(),
            run: rows[0].id.clone(),
            epoch: 2,
        };
        store.commit(ops(vec![give_up.clone()])).await.unwrap();
        assert_eq!(store.claim(&worker, 9, HOUR, 10).await.unwrap().len(), 1);
        // By now it is held under another epoch: that is fine, and changes nothing.
        store.commit(ops(vec![give_up])).await.unwrap();
        let held = store.reader(&ws).run(&rows[0].id).await.unwrap().unwrap();
        assert_eq!((held.owner, held.epoch), (Some(worker.clone()), 3));
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_one_run_until_it_is_forgotten() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let make = |user: &UserId, flow: &FlowId, at: Time| {
            let row = RunRow {
                created_at: at,
                ..run(&ws, &worker)
            };
            let kept = IdempotencyRow {
                user: user.clone(),
                flow: flow.clone(),
                key: "k".to_owned(),
                body_digest: "d".to_owned(),
                run: row.id.clone(),
                expires_at: Time(at.micros() + 100),
            };
            let add = Op::AddRun {
                journal: journal(&row.id, 1),
                run: row,
                idempotency: Some(kept.clone()),
            };
            (add, kept)
        };
        let (user, flow) = (id(UserId::from_bits), id(FlowId::from_bits));
        let (first, kept) = make(&user, &flow, Time(1000));
        store.commit(ops(vec![first])).await.unwrap();
        let (second, unkept) = make(&user, &flow, Time(1099));
        assert!(is_conflict(
            store.commit(ops(vec![second])).await,
            "add_run"
        ));
        let reader = store.reader(&ws);
        assert_eq!(reader.run(&unkept.run).await.unwrap(), None);
        let read = |now| reader.idempotency(&user, &flow, "k", Time(now));
        assert_eq!(read(1099).await.unwrap(), Some(kept));
        assert_eq!(read(1100).await.unwrap(), None);
        let (third, _) = make(&user, &flow, Time(1100));
        store.commit(ops(vec![third])).await.unwrap();
        let (other, _) = make(&id(UserId::from_bits), &flow, Time(1100));
        store.commit(ops(vec![other])).await.unwrap();
    }
}

#[tokio::test]
async fn a_long_body_is_kept_once_and_read_back() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let body = format!("{{\"events\":[],\"long\":\"{}\"}}", "x".repeat(40_000));
        for _ in 0..2 {
            let row = run(&ws, &worker);
            let first = JournalRow {
                body: body.clone(),
                ..journal(&row.id, 1)
            };
            let add = Op::AddRun {
                run: row.clone(),
                journal: first.clone(),
                idempotency: None,
            };
            store.commit(ops(vec![add])).await.unwrap();
            let read = store.reader(&ws).journal(&row.id).await.unwrap();
            assert_eq!(read, vec![first]);
        }
    }
}

#[tokio::test]
async fn runs_are_listed_page_by_page_newest_first() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let mut rows = Vec::new();
        for state in ["running", "paused", "succeeded", "paused", "failed"] {
            let mut row = run(&ws, &worker);
            row.state = state.to_owned();
            if matches!(state, "succeeded" | "failed") {
                row.ended_at = Some(Time(5));
                (row.owner, row.lease_until) = (None, None);
            }
            store.commit(ops(vec![add_run(&row)])).await.unwrap();
            rows.insert(0, row);
        }
        let reader = store.reader(&ws);
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = reader
                .runs(&RunFilter::default(), 2, cursor.as_deref())
                .await
                .unwrap();
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, rows);
        for (filter, expected) in [
            (
                RunFilter {
                    state: Some("paused".to_owned()),
                    ..RunFilter::default()
                },
                vec![rows[1].clone(), rows[3].clone()],
            ),
            (
                RunFilter {
                    state: Some("succeeded".to_owned()),
                    ..RunFilter::default()
                },
                vec![rows[2].clone()],
            ),
            (
                RunFilter {
                    flow: Some(rows[0].flow.clone()),
                    ..RunFilter::default()
                },
                vec![rows[0].clone()],
            ),
            (
                RunFilter {
                    invoker: rows[4].invoker.clone(),
                    ..RunFilter::default()
                },
                vec![rows[4].clone()],
            ),
        ] {
            assert_eq!(
                reader.runs(&filter, 10, None).await.unwrap().items,
                expected
            );
        }
        let wrong = reader
            .runs(&RunFilter::default(), 2, Some("' OR 1=1"))
            .await;
        assert!(matches!(wrong, Err(ReadError::Cursor(_))));
    }
}
