//! Processes that are killed, connections that are lost, several processes at once: what was acknowledged is there, and nothing by halves.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use actas_core::audit::Verifier;
use actas_core::ids::*;
use actas_store::*;
use support::*;

const HOUR: Duration = Duration::from_secs(3600);

fn workspace() -> WorkspaceId {
    WorkspaceId::from_bits(1)
}

/// What the killed process does: commits runs with two journal rows and a record each, from eight tasks, and says which are acknowledged.
async fn commit_until_killed(data: PathBuf) {
    let config = StoreConfig {
        url: std::env::var("STORE_TEST_URL").ok(),
        data,
    };
    let store = Store::open(&config).await.unwrap();
    let worker = id(WorkerId::from_bits);
    let tasks = (0..8).map(|_| {
        let (store, worker) = (store.clone(), worker.clone());
        tokio::spawn(async move {
            loop {
                let row = run(&workspace(), &worker);
                let mut record = draft(&workspace(), "run.created");
                record.run = Some(row.id.clone());
                let commit = Commit {
                    ops: vec![add_run(&row), append(&row, 1, 2, "paused", true)],
                    audit: vec![record],
                };
                store.commit(commit).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "durable {}", row.id).unwrap();
                out.flush().unwrap();
            }
        })
    });
    futures::future::join_all(tasks.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_all_it_acknowledged_and_nothing_by_halves() {
    // The process that is killed is this test once more.
    if let Some(data) = std::env::var_os("STORE_TEST_DATA") {
        return commit_until_killed(data.into()).await;
    }
    for place in places() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "a_killed_process_leaves_all_it_acknowledged_and_nothing_by_halves",
                "--nocapture",
            ])
            .env("STORE_TEST_DATA", &place.config.data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(url) = &place.config.url {
            child.env("STORE_TEST_URL", url);
        }
        let mut child = child.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut acknowledged, mut killed) = (Vec::new(), false);
        // It is killed in full course, and what it had said by then is read to the end.
        for line in lines.map_while(Result::ok) {
            if let Some(run) = line.split("durable ").nth(1).and_then(|id| id.parse().ok()) {
                acknowledged.push(run);
            }
            if acknowledged.len() >= 200 && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "it ended by itself");

        let store = place.open().await;
        let reader = store.reader(&workspace());
        let (mut stored, mut cursor) = (BTreeSet::new(), None);
        loop {
            let filter = RunFilter::default();
            let page = reader.runs(&filter, 100, cursor.as_deref()).await.unwrap();
            for run in page.items {
                assert_eq!(run.state, "paused", "half of a commit");
                assert_eq!(reader.journal(&run.id).await.unwrap().len(), 2);
                stored.insert(run.id);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let (mut verifier, mut recorded) = (Verifier::new(workspace()), BTreeSet::new());
        loop {
            let next = i64::try_from(verifier.head().0).unwrap() + 1;
            let entries = reader.audit_from(next, 100).await.unwrap();
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                verifier.push(&entry.record, &entry.personal).unwrap();
                recorded.extend(entry.record.run);
            }
        }
        assert_eq!(
            stored, recorded,
            "a run for each record, a record for each run"
        );
        for run in &acknowledged {
            assert!(
                stored.contains(run),
                "{}: {run} was acknowledged",
                place.kind
            );
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let (store, ws) = (place.open().await, ws());
    let commit = || Commit {
        ops: Vec::new(),
        audit: vec![draft(&ws, "act")],
    };
    store.commit(commit()).await.unwrap();
    let server = actas_test_support::postgres::server().unwrap();
    let url = place.config.url.as_deref().unwrap();
    let name = url.split(['/', '?']).nth(3).unwrap();
    let gone = server
        .statement(&format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{name}'"
        ))
        .unwrap();
    assert!(
        gone.parse::<u32>().unwrap() >= 2,
        "{gone} connections ended"
    );
    store.commit(commit()).await.unwrap();
    assert_eq!(store.reader(&ws).audit_from(1, 10).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_never_claim_the_same_run_twice() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        // On PostgreSQL each worker is a process of its own.
        let others = if place.kind == "postgres" {
            vec![place.open().await, place.open().await, place.open().await]
        } else {
            vec![store.clone(), store.clone(), store.clone()]
        };
        let rows: Vec<RunRow> = (0..120).map(|_| run(&ws, &worker)).collect();
        let all = rows
            .iter()
            .map(|row| store.commit(ops(vec![add_run(row), append(row, 1, 2, "running", true)])));
        for done in futures::future::join_all(all).await {
            done.unwrap();
        }
        let claiming = others.into_iter().map(|store| {
            tokio::spawn(async move {
                let (worker, mut mine) = (id(WorkerId::from_bits), Vec::new());
                // Nothing twice means also that it comes to an end.
                for _ in 0..200 {
                    let claimed = store.claim(&worker, 1, HOUR, 7).await.unwrap();
                    mine.extend(claimed.into_iter().map(|claimed| claimed.run.id));
                }
                mine
            })
        });
        let mut taken = Vec::new();
        for one in futures::future::join_all(claiming.collect::<Vec<_>>()).await {
            taken.extend(one.unwrap());
        }
        taken.sort();
        let mut wanted: Vec<RunId> = rows.into_iter().map(|row| row.id).collect();
        wanted.sort();
        assert_eq!(taken, wanted, "{}", place.kind);
    }
}

#[tokio::test]
async fn a_message_is_heard_in_another_process() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let (here, there, ws) = (place.open().await, place.open().await, ws());
    let row = run(&ws, &id(WorkerId::from_bits));
    here.commit(ops(vec![add_run(&row)])).await.unwrap();
    let mut heard = there.subscribe();
    let put = || {
        ops(vec![Op::PutInbox {
            workspace: ws.clone(),
            inbox: message(&row),
        }])
    };
    // A listener may just be starting: a hint that is not heard is no fault, hearing none of many is.
    let mut run = None;
    for _ in 0..50 {
        here.commit(put()).await.unwrap();
        if let Ok(told) = tokio::time::timeout(Duration::from_millis(200), heard.recv()).await {
            run = told.ok();
            break;
        }
    }
    assert_eq!(run, Some(row.id));
    there.hint().await;
}
