//! How many runs of a flow there are at once, and how often something is called, whatever many processes do at once, on both databases.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::*;
use actas_store::*;
use support::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Several processes where the database lets them in.
async fn stores(place: &Place, many: usize) -> Vec<Store> {
    let mut stores = vec![place.open().await];
    if place.kind == "postgres" {
        for _ in 1..many {
            stores.push(place.open().await);
        }
    }
    stores
}

/// A flow with `concurrency`.
#[derive(Clone)]
struct Line {
    workspace: WorkspaceId,
    flow: FlowId,
    limit: Option<u32>,
}

impl Line {
    fn new(limit: Option<u32>) -> Self {
        Self {
            workspace: ws(),
            flow: id(FlowId::from_bits),
            limit,
        }
    }

    fn run(&self, worker: &WorkerId) -> RunRow {
        RunRow {
            flow: self.flow.clone(),
            ..run(&self.workspace, worker)
        }
    }

    fn admission(&self, run: &RunId, key: Option<&str>) -> Admission {
        Admission {
            workspace: self.workspace.clone(),
            flow: self.flow.clone(),
            run: run.clone(),
            limit: self.limit,
            key: key.map(str::to_owned),
            at: Time(7),
        }
    }

    fn enter(&self, run: &RunId, key: Option<&str>) -> Op {
        Op::Enter(self.admission(run, key))
    }

    fn queue(&self, run: &RunId, key: Option<&str>, epoch: i64) -> Op {
        Op::Queue {
            admission: self.admission(run, key),
            epoch,
        }
    }

    fn aside(&self, run: &RunId, epoch: i64) -> Op {
        Op::StepAside {
            workspace: self.workspace.clone(),
            flow: self.flow.clone(),
            run: run.clone(),
            epoch,
        }
    }

    fn leave(&self, run: &RunId) -> Op {
        Op::Leave {
            workspace: self.workspace.clone(),
            flow: self.flow.clone(),
            run: run.clone(),
        }
    }

    /// Creates a run as whoever holds it, or in the line if there is no place. True: it has one.
    async fn create(&self, store: &Store, row: &RunRow, key: Option<&str>) -> bool {
        let at_once = ops(vec![add_run(row), self.enter(&row.id, key)]);
        match store.commit(at_once).await {
            Ok(()) => true,
            Err(CommitError::Conflict { op: "enter", .. }) => {
                let queued = RunRow {
                    state: "queued".to_owned(),
                    owner: None,
                    lease_until: None,
                    ..row.clone()
                };
                let line_up = ops(vec![add_run(&queued), self.queue(&row.id, key, 1)]);
                store.commit(line_up).await.unwrap();
                false
            }
            Err(other) => panic!("{other}"),
        }
    }

    async fn states(
        &self,
        store: &Store,
        runs: &[RunRow],
    ) -> Vec<(String, Option<AdmissionState>)> {
        let reader = store.reader(&self.workspace);
        let mut all = Vec::new();
        for run in runs {
            let row = reader.run(&run.id).await.unwrap().unwrap();
            let admission = reader.admission(&run.id).await.unwrap();
            all.push((row.state, admission.map(|row| row.state)));
        }
        all
    }
}

fn end(run: &RunRow, epoch: i64, seq: i64) -> Op {
    append(run, epoch, seq, "succeeded", false)
}

#[tokio::test]
async fn runs_beyond_the_limit_wait_in_the_order_of_their_creation() {
    for place in places() {
        let (store, worker) = (place.open().await, id(WorkerId::from_bits));
        let line = Line::new(Some(2));
        let runs: Vec<RunRow> = (0..5).map(|_| line.run(&worker)).collect();
        let mut at_once = Vec::new();
        for run in &runs {
            at_once.push(line.create(&store, run, None).await);
        }
        assert_eq!(at_once, [true, true, false, false, false], "{}", place.kind);
        // What is queued is there for nobody, also when the others are let go.
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());
        let refused = ops(vec![
            add_run(&line.run(&worker)),
            line.enter(&id(RunId::from_bits), None),
        ]);
        assert!(is_conflict(store.commit(refused).await, "enter"));

        let done = ops(vec![end(&runs[1], 1, 2), line.leave(&runs[1].id)]);
        store.commit(done).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|one| one.run.id.clone()).collect();
        assert_eq!(ids, [runs[2].id.clone()], "the first in the line");
        assert_eq!(claimed[0].run.epoch, 2);
        // It has its place already.
        let enter = ops(vec![line.enter(&runs[2].id, None)]);
        store.commit(enter).await.unwrap();
        let states = line.states(&store, &runs[2..]).await;
        let state = |text: &str, state| (text.to_owned(), Some(state));
        assert_eq!(
            states,
            [
                state("running", AdmissionState::Active),
                state("queued", AdmissionState::Queued),
                state("queued", AdmissionState::Queued)
            ]
        );
        // A higher limit lets more in, whoever says so.
        let wider = Line {
            limit: Some(3),
            ..line.clone()
        };
        let enter = ops(vec![wider.enter(&runs[2].id, None)]);
        store.commit(enter).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].run.id, runs[3].id);
    }
}

#[tokio::test]
async fn a_run_that_waits_gives_its_place_back_and_lines_up_again_before_it_goes_on() {
    for place in places() {
        let (store, worker) = (place.open().await, id(WorkerId::from_bits));
        let line = Line::new(Some(1));
        let (one, two) = (line.run(&worker), line.run(&worker));
        assert!(line.create(&store, &one, None).await);
        assert!(!line.create(&store, &two, None).await);
        let wait = ops(vec![
            append(&one, 1, 2, "waiting", true),
            line.aside(&one.id, 1),
        ]);
        store.commit(wait).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed[0].run.id, two.id, "{}", place.kind);
        // What the first waited for comes: it is claimed, has no place, and lines up.
        let put = Op::PutInbox {
            workspace: line.workspace.clone(),
            inbox: InboxRow {
                message: InboxMessage::CalledBack {
                    step: "wait".parse().unwrap(),
                    payload: serde_json::json!(1),
                },
                ..message(&one)
            },
        };
        store.commit(ops(vec![put])).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!((&claimed[0].run.id, claimed[0].run.epoch), (&one.id, 2));
        let enter = store.commit(ops(vec![line.enter(&one.id, None)])).await;
        assert!(is_conflict(enter, "enter"));
        let stale = store.commit(ops(vec![line.queue(&one.id, None, 1)])).await;
        assert!(is_conflict(stale, "queue"), "only its holder puts it there");
        store
            .commit(ops(vec![line.queue(&one.id, None, 2)]))
            .await
            .unwrap();
        // Its message does not bring it out of the line.
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());
        let done = ops(vec![end(&two, 2, 2), line.leave(&two.id)]);
        store.commit(done).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!((&claimed[0].run.id, claimed[0].run.epoch), (&one.id, 3));
        assert_eq!(claimed[0].inbox.len(), 1, "the message is still there");
        // Whoever is fenced off does not give a place back that another works with.
        let late = ops(vec![line.aside(&one.id, 2)]);
        store.commit(late).await.unwrap();
        let states = line.states(&store, std::slice::from_ref(&one)).await;
        assert_eq!(
            states,
            [("running".to_owned(), Some(AdmissionState::Active))]
        );
    }
}

#[tokio::test]
async fn a_key_is_held_from_creation_to_end_also_while_its_run_is_paused() {
    for place in places() {
        let (store, worker) = (place.open().await, id(WorkerId::from_bits));
        let line = Line::new(None);
        let [a, b, c, other] = [(); 4].map(|()| line.run(&worker));
        assert!(line.create(&store, &a, Some("k")).await);
        assert!(!line.create(&store, &b, Some("k")).await);
        assert!(!line.create(&store, &c, Some("k")).await);
        assert!(line.create(&store, &other, Some("l")).await, "another key");
        let pause = ops(vec![append(&a, 1, 2, "paused", true), line.aside(&a.id, 1)]);
        store.commit(pause).await.unwrap();
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());
        let put = Op::PutInbox {
            workspace: line.workspace.clone(),
            inbox: InboxRow {
                message: InboxMessage::SignedIn {
                    slot: "crm".parse().unwrap(),
                },
                ..message(&a)
            },
        };
        store.commit(ops(vec![put])).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed[0].run.id, a.id);
        let enter = ops(vec![line.enter(&a.id, Some("k"))]);
        store.commit(enter).await.unwrap();
        let done = ops(vec![end(&a, 2, 3), line.leave(&a.id)]);
        store.commit(done).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|one| one.run.id.clone()).collect();
        assert_eq!(ids, [b.id], "{}: one of them, the first", place.kind);
    }
}

#[tokio::test]
async fn whoever_is_cancelled_in_the_line_before_it_began_ends_without_a_turn() {
    for place in places() {
        let (store, worker) = (place.open().await, id(WorkerId::from_bits));
        let line = Line::new(Some(1));
        let runs: Vec<RunRow> = (0..3).map(|_| line.run(&worker)).collect();
        for run in &runs {
            line.create(&store, run, None).await;
        }
        let cancel = |run: &RunRow| Op::PutInbox {
            workspace: line.workspace.clone(),
            inbox: message(run),
        };
        store.commit(ops(vec![cancel(&runs[1])])).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed[0].run.id, runs[1].id, "{}", place.kind);
        let ended = ops(vec![
            append(&runs[1], 2, 2, "cancelled", false),
            line.leave(&runs[1].id),
        ]);
        store.commit(ended).await.unwrap();
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());
        // One that has begun keeps its turn: what it has done may have to be undone, which needs a place.
        let wait = ops(vec![
            append(&runs[0], 1, 2, "waiting", true),
            line.aside(&runs[0].id, 1),
        ]);
        store.commit(wait).await.unwrap();
        let third = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!(third[0].run.id, runs[2].id);
        store.commit(ops(vec![cancel(&runs[0])])).await.unwrap();
        let claimed = store.claim(&worker, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed[0].run.epoch, 2);
        let line_up = ops(vec![line.queue(&runs[0].id, None, 2)]);
        store.commit(line_up).await.unwrap();
        store.commit(ops(vec![cancel(&runs[0])])).await.unwrap();
        assert!(store.claim(&worker, 1, HOUR, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn many_processes_never_go_above_the_limit_and_nobody_is_forgotten() {
    const RUNS: usize = 48;
    const LIMIT: usize = 3;
    for place in places() {
        let stores = stores(&place, 4).await;
        let line = Line::new(Some(3));
        let keys = ["a", "b", "c", "d", "e"];
        // Who is at work, and the key each works with: what the limit and the keys are for, seen from outside.
        let working: Mutex<BTreeMap<RunId, &str>> = Mutex::default();
        let ended: Mutex<BTreeSet<RunId>> = Mutex::default();
        let busiest = Mutex::new(0);
        let key_of: Mutex<BTreeMap<RunId, &str>> = Mutex::default();
        let begin = |run: &RunId| {
            let key = key_of.lock().unwrap()[run];
            let mut working = working.lock().unwrap();
            assert!(
                !working.values().any(|other| *other == key),
                "one key twice"
            );
            working.insert(run.clone(), key);
            assert!(working.len() <= LIMIT, "above the limit: {working:?}");
            let mut busiest = busiest.lock().unwrap();
            *busiest = (*busiest).max(working.len());
        };
        let stop = |run: &RunId| working.lock().unwrap().remove(run);
        let finish = async |store: &Store, row: &RunRow, epoch: i64, seq: i64| {
            begin(&row.id);
            let reader = store.reader(&line.workspace);
            let stands = reader.admission(&row.id).await.unwrap().unwrap();
            assert_eq!(stands.state, AdmissionState::Active);
            // Its work, which that of others overlaps.
            tokio::time::sleep(Duration::from_millis(10)).await;
            if seq == 2 {
                // Once each waits for something, and goes on by a message.
                stop(&row.id);
                let put = Op::PutInbox {
                    workspace: line.workspace.clone(),
                    inbox: InboxRow {
                        message: InboxMessage::SignedIn {
                            slot: "crm".parse().unwrap(),
                        },
                        ..message(row)
                    },
                };
                let wait = append(row, epoch, seq, "waiting", true);
                let aside = line.aside(&row.id, epoch);
                store.commit(ops(vec![wait, aside])).await.unwrap();
                store.commit(ops(vec![put])).await.unwrap();
                return;
            }
            stop(&row.id);
            let inbox = store.inbox(&line.workspace, &row.id).await.unwrap();
            let mut all = vec![end(row, epoch, seq), line.leave(&row.id)];
            all.extend(inbox.into_iter().map(|row| Op::TakeInbox {
                workspace: line.workspace.clone(),
                inbox: row.id,
            }));
            store.commit(ops(all)).await.unwrap();
            ended.lock().unwrap().insert(row.id.clone());
        };
        let create = async |n: usize| {
            let (store, worker) = (&stores[n % stores.len()], id(WorkerId::from_bits));
            let (row, key) = (line.run(&worker), keys[n % keys.len()]);
            key_of.lock().unwrap().insert(row.id.clone(), key);
            if line.create(store, &row, Some(key)).await {
                finish(store, &row, 1, 2).await;
            }
        };
        let work = async |n: usize| {
            let (store, worker) = (&stores[n % stores.len()], id(WorkerId::from_bits));
            while ended.lock().unwrap().len() < RUNS {
                for claimed in store.claim(&worker, 1, HOUR, 2).await.unwrap() {
                    let (row, seq) = (&claimed.run, claimed.journal.len());
                    let key = key_of.lock().unwrap()[&row.id];
                    let enter = ops(vec![line.enter(&row.id, Some(key))]);
                    match store.commit(enter).await {
                        Ok(()) => {
                            let next = i64::try_from(seq).unwrap() + 1;
                            finish(store, row, row.epoch, next).await;
                        }
                        Err(CommitError::Conflict { op: "enter", .. }) => {
                            let line_up = ops(vec![line.queue(&row.id, Some(key), row.epoch)]);
                            store.commit(line_up).await.unwrap();
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let creators = futures::future::join_all((0..RUNS).map(create));
        let workers = futures::future::join_all((0..8).map(work));
        let all = futures::future::join(creators, workers);
        tokio::time::timeout(Duration::from_secs(120), all)
            .await
            .unwrap_or_else(|_| {
                let ended = ended.lock().unwrap();
                panic!(
                    "{}: {} of {RUNS} ended: a wake-up was lost",
                    place.kind,
                    ended.len()
                )
            });
        assert_eq!(*busiest.lock().unwrap(), LIMIT, "{}", place.kind);
        let reader = stores[0].reader(&line.workspace);
        let all: Vec<RunId> = key_of.lock().unwrap().keys().cloned().collect();
        for run in all {
            assert_eq!(reader.admission(&run).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn the_place_of_a_dead_holder_goes_with_the_run_to_whoever_takes_it_over() {
    for place in places() {
        let (store, dead) = (place.open().await, id(WorkerId::from_bits));
        let line = Line::new(Some(1));
        let (one, two) = (line.run(&dead), line.run(&dead));
        assert!(line.create(&store, &one, None).await);
        assert!(!line.create(&store, &two, None).await);
        store
            .renew(&dead, std::slice::from_ref(&one.id), Duration::ZERO)
            .await
            .unwrap();
        let heir = id(WorkerId::from_bits);
        let claimed = store.claim(&heir, 1, HOUR, 10).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|one| one.run.id.clone()).collect();
        assert_eq!(ids, std::slice::from_ref(&one.id), "{}", place.kind);
        store
            .commit(ops(vec![line.enter(&one.id, None)]))
            .await
            .unwrap();
        let late = ops(vec![end(&one, 1, 2), line.leave(&one.id)]);
        assert!(is_conflict(store.commit(late).await, "append"));
        assert!(store.claim(&heir, 1, HOUR, 10).await.unwrap().is_empty());
        let done = ops(vec![end(&one, 2, 2), line.leave(&one.id)]);
        store.commit(done).await.unwrap();
        let claimed = store.claim(&heir, 1, HOUR, 10).await.unwrap();
        assert_eq!(claimed[0].run.id, two.id);
    }
}

#[tokio::test]
async fn a_bucket_promises_calls_at_its_pace_to_all_processes_together() {
    for place in places() {
        let (stores, ws) = (stores(&place, 3).await, ws());
        let rate = Rate {
            times: 5,
            per: Duration::from_secs(500),
        };
        let all = (0..12).map(|n| stores[n % stores.len()].take(&ws, "con_1", rate));
        let mut ahead: Vec<u64> = futures::future::join_all(all)
            .await
            .into_iter()
            .map(|ahead| ahead.unwrap().as_secs_f64().round())
            .map(|seconds| seconds.to_string().parse().unwrap())
            .collect();
        ahead.sort_unstable();
        // Five at once, then one in every hundred seconds; the test itself takes a few.
        let expected = [0, 0, 0, 0, 0, 100, 200, 300, 400, 500, 600, 700];
        for (is, should) in ahead.iter().zip(expected) {
            assert!(is.abs_diff(should) <= 20, "{}: {ahead:?}", place.kind);
        }
        let other = stores[0].take(&ws, "con_2", rate).await.unwrap();
        assert_eq!(other, Duration::ZERO, "another bucket");
        let elsewhere = stores[0].take(&support::ws(), "con_1", rate).await.unwrap();
        assert_eq!(elsewhere, Duration::ZERO, "another workspace");
    }
}
