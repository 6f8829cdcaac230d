//! What people are asked, what starts flows by itself, and runs that other runs made, on both databases.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use actas_core::Time;
use actas_core::ids::*;
use actas_store::*;
use support::*;

fn path(text: &str) -> StepPath {
    text.parse().unwrap()
}

fn request(run: &RunRow, step: &str) -> RequestRow {
    RequestRow {
        id: id(RequestId::from_bits),
        run: run.id.clone(),
        flow: run.flow.clone(),
        step: path(step),
        kind: RequestKind::Approval,
        who: vec!["ana".to_owned(), "role:admin".to_owned()],
        not_by: run.invoker.clone(),
        title: "Approve 17".to_owned(),
        detail: "{\"amount\":17}".to_owned(),
        state: RequestState::Open,
        created_at: Time(1),
        until: Time(100),
        decided_by: None,
        decided_at: None,
    }
}

#[tokio::test]
async fn many_decide_a_request_at_once_and_one_of_them_does() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let run = run(&ws, &worker);
        let asked = request(&run, "approve");
        let add = Op::AddRequest {
            workspace: ws.clone(),
            request: asked.clone(),
        };
        store.commit(ops(vec![add_run(&run), add])).await.unwrap();
        let decide = |now, by: &UserId| {
            ops(vec![Op::DecideRequest {
                workspace: ws.clone(),
                request: asked.id.clone(),
                by: by.clone(),
                now: Time(now),
            }])
        };
        let people: Vec<UserId> = (0..64).map(|_| id(UserId::from_bits)).collect();
        let late = store.commit(decide(100, &people[0])).await;
        assert!(is_conflict(late, "decide_request"), "its time is over");
        let all = people.iter().map(|by| store.commit(decide(99, by)));
        let done = futures::future::join_all(all).await;
        let winners: Vec<_> = people
            .iter()
            .zip(&done)
            .filter(|(_, done)| done.is_ok())
            .map(|(by, _)| by.clone())
            .collect();
        assert_eq!(winners.len(), 1, "{}", place.kind);
        let expected = RequestRow {
            state: RequestState::Decided,
            decided_by: Some(winners[0].clone()),
            decided_at: Some(Time(99)),
            ..asked.clone()
        };
        let reader = store.reader(&ws);
        assert_eq!(reader.request(&asked.id).await.unwrap(), Some(expected));
        let open = reader.open_requests(10, None).await.unwrap();
        assert_eq!(open.items, vec![]);
    }
}

#[tokio::test]
async fn requests_are_listed_page_by_page_until_their_run_closes_them() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let (one, other) = (run(&ws, &worker), run(&ws, &worker));
        let rows = [
            request(&one, "a"),
            request(&one, "lines[1]/a"),
            request(&one, "b"),
            request(&other, "a"),
        ];
        let mut first = vec![add_run(&one), add_run(&other)];
        first.extend(rows.iter().map(|row| Op::AddRequest {
            workspace: ws.clone(),
            request: row.clone(),
        }));
        store.commit(ops(first)).await.unwrap();
        let reader = store.reader(&ws);
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = reader.open_requests(3, cursor.as_deref()).await.unwrap();
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let newest_first: Vec<_> = rows.iter().rev().cloned().collect();
        assert_eq!(seen, newest_first);
        let wrong = reader.open_requests(3, Some("x")).await;
        assert!(matches!(wrong, Err(ReadError::Cursor(_))));

        for (step, left) in [(Some("lines[1]/a"), 2), (None, 0)] {
            let close = Op::CloseRequests {
                workspace: ws.clone(),
                run: one.id.clone(),
                step: step.map(path),
            };
            store.commit(ops(vec![close])).await.unwrap();
            let of_run = reader.requests_of_run(&one.id).await.unwrap();
            assert_eq!(of_run.len(), 3);
            let open = |row: &&RequestRow| row.state == RequestState::Open;
            assert_eq!(of_run.iter().filter(open).count(), left, "{}", place.kind);
        }
        let open = reader.open_requests(10, None).await.unwrap().items;
        assert_eq!(open, [rows[3].clone()]);
        let elsewhere = store.reader(&support::ws());
        assert_eq!(elsewhere.request(&rows[3].id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_instant_of_a_schedule_makes_one_run_however_many_processes_look() {
    for place in places() {
        let ws = ws();
        // Only PostgreSQL lets several processes in.
        let mut stores = vec![place.open().await];
        if place.kind == "postgres" {
            for _ in 0..3 {
                stores.push(place.open().await);
            }
        }
        let trigger = TriggerRow {
            flow: id(FlowId::from_bits),
            workspace: ws.clone(),
            version: id(VersionId::from_bits),
            kind: TriggerKind::Schedule,
            hook: None,
            spec: "{\"cron\":\"* * * * *\"}".to_owned(),
            next_at: Some(Time(0)),
            last_at: None,
        };
        let flow = FlowRow {
            id: trigger.flow.clone(),
            ..flow("clockwork")
        };
        let add = Op::AddFlow {
            workspace: ws.clone(),
            flow: flow.clone(),
        };
        let put = Op::PutTrigger(trigger.clone());
        stores[0].commit(ops(vec![add, put])).await.unwrap();
        for slot in 0..10 {
            let tries = (0..8).map(|n| {
                let worker = id(WorkerId::from_bits);
                let row = RunRow {
                    flow: trigger.flow.clone(),
                    invoker: None,
                    entry: "schedule".to_owned(),
                    ..run(&ws, &worker)
                };
                let fire = Op::FireTrigger {
                    workspace: ws.clone(),
                    flow: trigger.flow.clone(),
                    slot: Time(slot),
                    next_at: Some(Time(slot + 1)),
                    fired: true,
                };
                let store = &stores[n % stores.len()];
                store.commit(ops(vec![fire, add_run(&row)]))
            });
            let done = futures::future::join_all(tries).await;
            assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
            assert!(
                done.into_iter()
                    .all(|done| done.is_ok() || is_conflict(done, "fire_trigger"))
            );
        }
        let filter = RunFilter {
            flow: Some(trigger.flow.clone()),
            ..RunFilter::default()
        };
        let runs = stores[0].reader(&ws).runs(&filter, 50, None).await.unwrap();
        assert_eq!(runs.items.len(), 10, "{}", place.kind);
        assert!(runs.items.iter().all(|run| run.invoker.is_none()));
        let stands = stores[0].reader(&ws).trigger(&trigger.flow).await.unwrap();
        let stands = stands.unwrap();
        assert_eq!(
            (stands.next_at, stands.last_at),
            (Some(Time(10)), Some(Time(9)))
        );
        assert_eq!(stores[0].due_triggers(Time(9), 5).await.unwrap(), vec![]);
        let due = stores[0].due_triggers(Time(10), 5).await.unwrap();
        assert_eq!(due, std::slice::from_ref(&stands));

        // A stopped flow keeps its instant and is not due; started again it is.
        for (stopped, waiting) in [(Some("for the holidays".to_owned()), 0), (None, 1)] {
            let change = Op::ChangeFlow {
                workspace: ws.clone(),
                flow: FlowRow {
                    stopped,
                    ..flow.clone()
                },
            };
            stores[0].commit(ops(vec![change])).await.unwrap();
            let due = stores[0].due_triggers(Time(10), 5).await.unwrap();
            assert_eq!(due.len(), waiting);
        }

        // What was read before an instant was fired does not bring that instant back.
        let put = Op::PutTrigger(trigger);
        assert!(is_conflict(
            stores[0].commit(ops(vec![put])).await,
            "put_trigger"
        ));
        // An instant that is let go was not fired.
        let missed = Op::FireTrigger {
            workspace: ws.clone(),
            flow: stands.flow.clone(),
            slot: Time(10),
            next_at: None,
            fired: false,
        };
        stores[0].commit(ops(vec![missed])).await.unwrap();
        let left = stores[0].reader(&ws).trigger(&stands.flow).await.unwrap();
        let expected = TriggerRow {
            next_at: None,
            ..stands
        };
        assert_eq!(left, Some(expected));
    }
}

#[tokio::test]
async fn a_hook_belongs_to_one_flow_and_is_found_without_a_workspace() {
    for place in places() {
        let store = place.open().await;
        let hook = HookId::from_bits(u128::from_be_bytes(system::random()));
        let trigger = |workspace: &WorkspaceId| TriggerRow {
            flow: id(FlowId::from_bits),
            workspace: workspace.clone(),
            version: id(VersionId::from_bits),
            kind: TriggerKind::Webhook,
            hook: Some(hook.clone()),
            spec: "{}".to_owned(),
            next_at: None,
            last_at: None,
        };
        let first = trigger(&ws());
        let put = |row: &TriggerRow| store.commit(ops(vec![Op::PutTrigger(row.clone())]));
        put(&first).await.unwrap();
        assert!(is_conflict(put(&trigger(&ws())).await, "put_trigger"));
        let later = TriggerRow {
            version: id(VersionId::from_bits),
            ..first.clone()
        };
        put(&later).await.unwrap();
        let found = store.trigger_of_hook(&hook).await.unwrap();
        assert_eq!(found, Some(later), "{}", place.kind);
        let drop = Op::DropTrigger {
            workspace: first.workspace.clone(),
            flow: first.flow.clone(),
        };
        store.commit(ops(vec![drop])).await.unwrap();
        assert_eq!(store.trigger_of_hook(&hook).await.unwrap(), None);
        put(&trigger(&ws())).await.unwrap();
    }
}

#[tokio::test]
async fn a_run_knows_its_children_and_hears_of_them_only_while_it_lives() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let parent = run(&ws, &worker);
        let child = |retry_of: Option<&RunRow>| RunRow {
            parent: Some((parent.id.clone(), path("lines[37]/order"))),
            retry_of: retry_of.map(|run| run.id.clone()),
            state: "queued".to_owned(),
            owner: None,
            lease_until: None,
            ..run(&ws, &worker)
        };
        let first = child(None);
        let second = child(Some(&first));
        store.commit(ops(vec![add_run(&parent)])).await.unwrap();
        // A child is made by the commit of its parent.
        store
            .commit(ops(vec![
                append(&parent, 1, 2, "running", false),
                add_run(&first),
                add_run(&second),
            ]))
            .await
            .unwrap();
        let reader = store.reader(&ws);
        let both = vec![first.clone(), second.clone()];
        assert_eq!(reader.children(&parent.id).await.unwrap(), both);
        assert_eq!(reader.living_children(&parent.id).await.unwrap(), both);
        let listed = reader.runs(&RunFilter::default(), 10, None).await.unwrap();
        let own = std::slice::from_ref(&parent);
        assert_eq!(listed.items, own, "children are not listed");
        // What is queued is there for nobody.
        let hour = std::time::Duration::from_secs(3600);
        assert!(store.claim(&worker, 1, hour, 10).await.unwrap().is_empty());

        let ended = Op::TellRun {
            workspace: ws.clone(),
            inbox: InboxRow {
                message: InboxMessage::ChildEnded {
                    step: path("lines[37]/order"),
                    child: first.id.clone(),
                },
                ..message(&parent)
            },
        };
        store.commit(ops(vec![ended.clone()])).await.unwrap();
        assert_eq!(store.inbox(&ws, &parent.id).await.unwrap().len(), 1);
        let end = append(&parent, 1, 3, "succeeded", false);
        store.commit(ops(vec![end])).await.unwrap();
        let Op::TellRun {
            workspace,
            mut inbox,
        } = ended
        else {
            unreachable!()
        };
        inbox.id = id(InboxId::from_bits);
        let late = Op::TellRun { workspace, inbox };
        store.commit(ops(vec![late])).await.unwrap();
        assert_eq!(
            store.inbox(&ws, &parent.id).await.unwrap().len(),
            1,
            "an ended run hears nothing: {}",
            place.kind
        );
    }
}

#[tokio::test]
async fn a_callback_counts_once_and_a_named_secret_goes_with_what_it_holds() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let run = run(&ws, &worker);
        let used = || {
            store.commit(ops(vec![Op::UseCallback {
                workspace: ws.clone(),
                run: run.id.clone(),
                step: path("wait"),
            }]))
        };
        let done = futures::future::join_all((0..16).map(|_| used())).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
        let reader = store.reader(&ws);
        assert!(reader.callback_used(&run.id, &path("wait")).await.unwrap());
        assert!(!reader.callback_used(&run.id, &path("other")).await.unwrap());

        let name: Name = "hook-key".parse().unwrap();
        let owner = NamedSecretRow::owner(&name);
        let put = |rotated_at: Option<Time>, version: i64| {
            let row = NamedSecretRow {
                name: name.clone(),
                created_by: id(UserId::from_bits),
                created_at: Time(version),
                rotated_at,
            };
            let sealed = SecretRow {
                owner: owner.clone(),
                field: "current".to_owned(),
                version,
                kek_id: "kek".to_owned(),
                wrapped: vec![1],
                sealed: vec![2],
            };
            let workspace = ws.clone();
            let named = Op::PutNamedSecret {
                workspace: workspace.clone(),
                secret: row.clone(),
                new: rotated_at.is_none(),
            };
            let secret = Op::PutSecret {
                workspace,
                secret: sealed,
            };
            (row, ops(vec![named, secret]))
        };
        let (first, commit) = put(None, 1);
        store.commit(commit).await.unwrap();
        let (_, commit) = put(Some(Time(9)), 2);
        store.commit(commit).await.unwrap();
        let rotated = NamedSecretRow {
            rotated_at: Some(Time(9)),
            ..first
        };
        assert_eq!(reader.named_secrets().await.unwrap(), [rotated]);
        let delete = || {
            store.commit(ops(vec![Op::DeleteNamedSecret {
                workspace: ws.clone(),
                name: name.clone(),
            }]))
        };
        delete().await.unwrap();
        assert_eq!(reader.secret(&owner, "current").await.unwrap(), None);
        assert!(is_conflict(delete().await, "delete_named_secret"));
        // Whoever read it before it was deleted and rotates it now does not bring it back.
        let (_, late) = put(Some(Time(9)), 3);
        assert!(is_conflict(store.commit(late).await, "put_named_secret"));
        assert_eq!(reader.secret(&owner, "current").await.unwrap(), None);
        let (_, again) = put(None, 4);
        store.commit(again.clone()).await.unwrap();
        assert!(is_conflict(store.commit(again).await, "put_named_secret"));
    }
}
