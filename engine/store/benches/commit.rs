//! How many commits a second the one writer makes durable, and how long one takes, at 1 and 64 waiters. `P` is a run done in one go (run, journal,
//! two audit records), `J` one more row of a run that goes on (journal, run, one record). For comparing on one machine: a disk decides the rest.
//!
//! `cargo bench -p actas-store --bench commit [-- sqlite|postgres]`; PostgreSQL is one of our own, if it is installed.
#![expect(clippy::unwrap_used, reason = "a measurement may stop where it fails")]
#![expect(clippy::print_stdout, reason = "the figures are its output")]
#![expect(
    clippy::disallowed_methods,
    reason = "measuring needs the clock of the machine"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use actas_core::ids::{RunId, UserId, WorkerId, WorkspaceId};
use actas_store::{Commit, RunRow, Store, StoreConfig};
use support::{add_run, append, draft, id, run};

const SECONDS: u64 = 2;

fn done_at_once(workspace: &WorkspaceId, worker: &WorkerId, user: &UserId) -> Commit {
    let mut row = run(workspace, worker);
    row.invoker = Some(user.clone());
    row.state = "succeeded".to_owned();
    row.ended_at = Some(row.created_at);
    let records = ["run.created", "run.ended"].map(|action| record(&row, action));
    Commit {
        ops: vec![add_run(&row)],
        audit: records.to_vec(),
    }
}

fn record(row: &RunRow, action: &str) -> actas_core::audit::Draft {
    let mut draft = draft(&row.workspace, action);
    draft.actor = actas_core::audit::Actor::User {
        id: row.invoker.clone().unwrap(),
        login: "ana".to_owned(),
    };
    draft.run = Some(row.id.clone());
    draft.flow = Some("add-customer".to_owned());
    draft
}

async fn wait_in_turn(store: Store, kind: char, end: Instant) -> Vec<Duration> {
    let (workspace, worker, user) = (
        WorkspaceId::from_bits(1),
        id(WorkerId::from_bits),
        id(UserId::from_bits),
    );
    let mut taken = Vec::new();
    let mut row = run(&workspace, &worker);
    store
        .commit(support::ops(vec![add_run(&row)]))
        .await
        .unwrap();
    let mut seq = 1;
    while Instant::now() < end {
        let commit = if kind == 'P' {
            done_at_once(&workspace, &worker, &user)
        } else {
            seq += 1;
            if seq > 20 {
                row.id = id(RunId::from_bits);
                seq = 1;
            }
            let op = if seq == 1 {
                add_run(&row)
            } else {
                append(&row, 1, seq, "running", false)
            };
            Commit {
                ops: vec![op],
                audit: vec![record(&row, "step.succeeded")],
            }
        };
        let begun = Instant::now();
        store.commit(commit).await.unwrap();
        taken.push(begun.elapsed());
    }
    taken
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // One that reaches the disk: the server of the tests does not.
    let server =
        actas_test_support::postgres::Server::start(actas_test_support::postgres::Options {
            fsync: true,
        });
    println!(
        "{:<10}{:<6}{:>8}{:>12}{:>10}{:>10}",
        "", "", "waiters", "commits/s", "p50 ms", "p99 ms"
    );
    let only = std::env::args()
        .skip(1)
        .find(|given| !given.starts_with('-'));
    for database in ["sqlite", "postgres"] {
        if only.as_ref().is_some_and(|only| only != database) {
            continue;
        }
        for kind in ['P', 'J'] {
            for waiters in [1, 64] {
                let dir = tempfile::tempdir().unwrap();
                let url = match (database, &server) {
                    ("sqlite", _) => None,
                    (_, Some(server)) => Some(server.database()),
                    (_, None) => continue,
                };
                let config = StoreConfig {
                    url,
                    data: dir.path().join("data"),
                };
                let mut taken = runtime.block_on(async {
                    let store = Store::open(&config).await.unwrap();
                    let end = Instant::now() + Duration::from_secs(SECONDS);
                    let all = (0..waiters)
                        .map(|_| tokio::spawn(wait_in_turn(store.clone(), kind, end)))
                        .collect::<Vec<_>>();
                    let mut taken = Vec::new();
                    for one in all {
                        taken.extend(one.await.unwrap());
                    }
                    taken
                });
                taken.sort();
                let at = |share: usize| taken[(taken.len() * share / 100).min(taken.len() - 1)];
                println!(
                    "{database:<10}{kind:<6}{waiters:>8}{:>12}{:>10.2}{:>10.2}",
                    taken.len() as u64 / SECONDS,
                    at(50).as_secs_f64() * 1000.0,
                    at(99).as_secs_f64() * 1000.0
                );
            }
        }
    }
}
