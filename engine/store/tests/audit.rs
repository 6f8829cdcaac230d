//! The audit log as the store keeps it: gapless, unforked, verifiable, and found by every filter.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use actas_core::Time;
use actas_core::audit::{Actor, Draft, ERASED, Verifier};
use actas_core::ids::*;
use actas_core::run::Rule;
use actas_store::*;
use support::*;

/// Every record of a chain, verified.
async fn chain(store: &Store, ws: &WorkspaceId) -> Vec<AuditEntry> {
    let (reader, mut entries) = (store.reader(ws), Vec::new());
    loop {
        let next = i64::try_from(entries.len()).unwrap() + 1;
        let more = reader.audit_from(next, 100).await.unwrap();
        if more.is_empty() {
            break;
        }
        entries.extend(more);
    }
    let mut verifier = Verifier::new(ws.clone());
    for entry in &entries {
        verifier.push(&entry.record, &entry.personal).unwrap();
    }
    let (seq, hash) = store.reader(ws).audit_head().await.unwrap();
    verifier.check_head(seq, hash).unwrap();
    entries
}

#[tokio::test]
async fn records_are_linked_as_they_are_committed_and_verify() {
    for place in places() {
        let (store, ws, other) = (place.open().await, ws(), ws());
        for round in 0..3 {
            let commits = (0..20).map(|n| {
                let mine = if n % 5 == 0 { &other } else { &ws };
                let audit = vec![
                    draft(mine, &format!("act.{round}.{n}")),
                    draft(mine, "second"),
                ];
                store.commit(Commit {
                    ops: Vec::new(),
                    audit,
                })
            });
            for done in futures::future::join_all(commits).await {
                done.unwrap();
            }
        }
        assert_eq!(chain(&store, &ws).await.len(), 96, "{}", place.kind);
        assert_eq!(chain(&store, &other).await.len(), 24);
        drop(store);
        // After a start the chain goes on where it ended.
        let store = place.open().await;
        let audit = vec![draft(&ws, "after")];
        store
            .commit(Commit {
                ops: Vec::new(),
                audit,
            })
            .await
            .unwrap();
        assert_eq!(chain(&store, &ws).await.len(), 97);
    }
}

#[tokio::test]
async fn a_refused_commit_leaves_no_record() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let take = Op::TakeInbox {
            workspace: ws.clone(),
            inbox: id(InboxId::from_bits),
        };
        let commits = (0..30).map(|n| {
            let ops = if n % 3 == 0 {
                vec![take.clone()]
            } else {
                Vec::new()
            };
            let audit = vec![draft(&ws, &format!("act.{n}"))];
            store.commit(Commit { ops, audit })
        });
        let done = futures::future::join_all(commits).await;
        for (n, done) in done.into_iter().enumerate() {
            assert_eq!(done.is_err(), n % 3 == 0);
        }
        let entries = chain(&store, &ws).await;
        assert_eq!(entries.len(), 20, "{}", place.kind);
        assert!(entries.iter().all(|e| e.record.action != "act.0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_writers_on_postgres_leave_no_gap_and_no_fork() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let ws = ws();
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(place.open().await);
    }
    let all = stores.iter().flat_map(|store| {
        let ws = ws.clone();
        (0..8).map(move |writer| {
            let (store, ws) = (store.clone(), ws.clone());
            tokio::spawn(async move {
                for n in 0..25 {
                    // Some of them are refused, so that savepoints take part too.
                    let mut ops = Vec::new();
                    if n % 10 == 9 {
                        ops.push(Op::TakeInbox {
                            workspace: ws.clone(),
                            inbox: id(InboxId::from_bits),
                        });
                    }
                    let audit = vec![draft(&ws, &format!("act.{writer}.{n}"))];
                    let done = store.commit(Commit { ops, audit }).await;
                    assert_eq!(done.is_err(), n % 10 == 9, "{done:?}");
                }
            })
        })
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(chain(&stores[0], &ws).await.len(), 4 * 8 * 23);
}

#[tokio::test]
async fn a_person_is_erased_from_every_record_with_a_record_of_it_and_the_chain_still_verifies() {
    for place in places() {
        let (store, ws, other) = (place.open().await, ws(), ws());
        let (ana, ben) = (id(UserId::from_bits), id(UserId::from_bits));
        let by = |who: &UserId, login: &str| Actor::User {
            id: who.clone(),
            login: login.to_owned(),
        };
        let alone = Draft {
            person: None,
            ..full(&ws, &ana, &ben)
        };
        let refused = Draft {
            actor: Actor::Anonymous,
            ..full(&ws, &ana, &ben)
        };
        // Ana for Ben, Ben for Ana, Ana alone, somebody unknown for Ben, and Ana in another workspace.
        let audit = vec![
            full(&ws, &ana, &ben),
            full(&ws, &ben, &ana),
            alone,
            refused,
            full(&other, &ana, &ana),
        ];
        let ops = Vec::new();
        store.commit(Commit { ops, audit }).await.unwrap();
        let erase = |user: &UserId| Op::ErasePersonal {
            workspace: ws.clone(),
            user: user.clone(),
        };
        let record = |user: &UserId, by: Actor| {
            let mut draft = draft(&ws, ERASED);
            (draft.object.kind, draft.object.id) = ("user".to_owned(), user.to_string());
            Draft { actor: by, ..draft }
        };
        // Neither without the other, nor of oneself, nor of somebody else.
        for (ops, audit) in [
            (vec![erase(&ana)], Vec::new()),
            (Vec::new(), vec![record(&ana, by(&ben, "ben"))]),
            (vec![erase(&ana)], vec![record(&ana, by(&ana, "ana"))]),
            (vec![erase(&ana)], vec![record(&ben, by(&ben, "ben"))]),
        ] {
            let done = store.commit(Commit { ops, audit }).await;
            assert!(is_conflict(done, "erase_personal"), "{}", place.kind);
        }
        let audit = vec![record(&ana, by(&ben, "ben"))];
        let ops = vec![erase(&ana)];
        store.commit(Commit { ops, audit }).await.unwrap();
        let left: Vec<String> = chain(&store, &ws)
            .await
            .iter()
            .map(|entry| {
                let fields = entry.personal.iter().map(|kept| kept.field.as_str());
                fields.collect::<Vec<_>>().join(" ")
            })
            .collect();
        expect_test::expect![[r#"
            [
                "person account",
                "actor ip agent",
                "",
                "person account ip agent",
                "actor ip",
            ]
        "#]]
        .assert_debug_eq(&left);
        assert_eq!(chain(&store, &other).await[0].personal.len(), 5);
        // What is hers is still found by her id.
        let filter = AuditFilter {
            person: Some(ana),
            ..AuditFilter::default()
        };
        let found = store.reader(&ws).audit(&filter, 10, None).await.unwrap();
        assert_eq!(found.items.len(), 3);
    }
}

/// What each of the processes does: appends from four tasks at once.
async fn append_to(url: String, data: std::path::PathBuf) {
    let config = StoreConfig {
        url: Some(url),
        data,
    };
    let store = Store::open(&config).await.unwrap();
    let tasks = (0..4).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..50 {
                let audit = vec![draft(
                    &WorkspaceId::from_bits(1),
                    &format!("act.{task}.{n}"),
                )];
                let ops = Vec::new();
                store.commit(Commit { ops, audit }).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_append_to_one_chain_on_postgres() {
    // Each process is this test once more.
    if let (Ok(url), Some(data)) = (
        std::env::var("STORE_TEST_URL"),
        std::env::var_os("STORE_TEST_DATA"),
    ) {
        return append_to(url, data.into()).await;
    }
    let Some(place) = Place::postgres() else {
        return;
    };
    // The schema is made once, by whoever is first.
    let store = place.open().await;
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4)
        .map(|n| {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "four_processes_append_to_one_chain_on_postgres"])
                .env("STORE_TEST_URL", place.config.url.as_ref().unwrap())
                .env("STORE_TEST_DATA", dir.path().join(n.to_string()))
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let entries = chain(&store, &WorkspaceId::from_bits(1)).await;
    assert_eq!(entries.len(), 4 * 4 * 50);
    let mut acts: Vec<_> = entries.iter().map(|entry| &entry.record.action).collect();
    acts.sort();
    acts.dedup();
    assert_eq!(acts.len(), 4 * 50, "each four times");
}

fn full(ws: &WorkspaceId, ana: &UserId, ben: &UserId) -> Draft {
    Draft {
        at: Time(500),
        actor: Actor::User {
            id: ana.clone(),
            login: "ana".to_owned(),
        },
        person: Some((ben.clone(), "ben".to_owned())),
        connection: Some(id(ConnectionId::from_bits)),
        account: Some("ana@crm".to_owned()),
        rule: Some(Rule::Invoker),
        record: Some(("Account".to_owned(), "17".to_owned())),
        flow: Some("add-customer".to_owned()),
        run: Some(id(RunId::from_bits)),
        step: Some("add".to_owned()),
        reason: Some("why".to_owned()),
        agent: Some("browser\0".to_owned()),
        outcome: "failed".to_owned(),
        ..draft(ws, "step.failed")
    }
}

#[tokio::test]
async fn records_are_found_by_every_filter() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let (ana, ben) = (id(UserId::from_bits), id(UserId::from_bits));
        let wanted = full(&ws, &ana, &ben);
        let audit = vec![draft(&ws, "a"), wanted.clone(), draft(&ws, "b")];
        store
            .commit(Commit {
                ops: Vec::new(),
                audit,
            })
            .await
            .unwrap();
        chain(&store, &ws).await;
        let reader = store.reader(&ws);
        let none = AuditFilter::default;
        let text = |text: &str| Some(text.to_owned());
        let filters = [
            AuditFilter {
                person: Some(ana.clone()),
                ..none()
            },
            AuditFilter {
                person: Some(ben.clone()),
                ..none()
            },
            AuditFilter {
                flow: text("add-customer"),
                ..none()
            },
            AuditFilter {
                run: wanted.run.clone(),
                ..none()
            },
            AuditFilter {
                connection: wanted.connection.clone(),
                ..none()
            },
            AuditFilter {
                account: text("ana@crm"),
                ..none()
            },
            AuditFilter {
                record: text("17"),
                ..none()
            },
            AuditFilter {
                record: text("Account/17"),
                ..none()
            },
            AuditFilter {
                action: text("step.failed"),
                ..none()
            },
            AuditFilter {
                outcome: text("failed"),
                ..none()
            },
            AuditFilter {
                since: Some(Time(500)),
                ..none()
            },
            AuditFilter {
                run: wanted.run.clone(),
                person: Some(ana.clone()),
                until: Some(Time(501)),
                ..none()
            },
        ];
        for filter in filters {
            let page = reader.audit(&filter, 10, None).await.unwrap();
            assert_eq!(page.items.len(), 1, "{} {filter:?}", place.kind);
            let entry = &page.items[0];
            assert_eq!(entry.record.seq, 2);
            assert_eq!(entry.record.record, wanted.record);
            assert_eq!(entry.personal.len(), 5);
        }
        let absent = [
            AuditFilter {
                until: Some(Time(8)),
                ..none()
            },
            AuditFilter {
                record: text("Account"),
                ..none()
            },
            AuditFilter {
                entry: text("cli"),
                ..none()
            },
            AuditFilter {
                account: text("%"),
                ..none()
            },
        ];
        for filter in absent {
            assert!(
                reader
                    .audit(&filter, 10, None)
                    .await
                    .unwrap()
                    .items
                    .is_empty()
            );
        }
        // Newest first, page by page; nothing of it in another workspace.
        let first = reader.audit(&none(), 2, None).await.unwrap();
        let seqs =
            |page: &Page<AuditEntry>| page.items.iter().map(|e| e.record.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&first), [3, 2]);
        let second = reader
            .audit(&none(), 2, first.next.as_deref())
            .await
            .unwrap();
        assert_eq!((seqs(&second), second.next), (vec![1], None));
        let elsewhere = store.reader(&support::ws());
        assert!(
            elsewhere
                .audit(&none(), 2, None)
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_full_queue_turns_commits_away_before_anything_of_them_is_written() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let commits = (0..12_000).map(|_| {
            store.commit(Commit {
                ops: Vec::new(),
                audit: vec![draft(&ws, "act")],
            })
        });
        let done = futures::future::join_all(commits).await;
        let fits = done.iter().filter(|done| done.is_ok()).count();
        let busy = |done: &Result<(), CommitError>| matches!(done, Err(CommitError::Busy));
        assert!(done.iter().any(busy), "{}: nobody had to wait", place.kind);
        assert!(done.iter().all(|done| done.is_ok() || busy(done)));
        let (seq, _) = store.reader(&ws).audit_head().await.unwrap();
        assert_eq!(usize::try_from(seq).unwrap(), fits, "{}", place.kind);
    }
}
