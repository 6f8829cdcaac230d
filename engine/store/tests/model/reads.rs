//! Every read there is.

use super::*;

/// Every read there is, over all the ids that were used.
pub async fn reads(store: &Store) -> Vec<String> {
    reads_in(store, &[(0, 0), (1, 1)]).await
}

/// The same as somebody of a workspace that holds nothing, with the ids of the two others.
pub async fn reads_across(store: &Store) -> Vec<String> {
    let all = reads_in(store, &[(7, 0), (7, 1)]).await;
    // What comes before a workspace is known is asked of the store.
    all.into_iter()
        .filter(|read| !read.starts_with("store.") || read.starts_with("store.inbox"))
        .collect()
}

/// Every read, as a reader of each of these workspaces, with the ids of another.
async fn reads_in(store: &Store, workspaces: &[(u128, u128)]) -> Vec<String> {
    let mut all = Vec::new();
    macro_rules! read {
        ($($call:expr),* $(,)?) => {$( all.push(format!("{} {:?}", stringify!($call), $call.await.unwrap())); )*};
    }
    for n in 1..4 {
        read!(
            store.due_triggers(Time(10 * n), 2),
            store.due_notices(Time(10 * n), 2),
            store.trigger_of_hook(&HookId::from_bits(u128::try_from(n).unwrap()))
        );
    }
    read!(store.all_workspace_keys(), store.derived_key("codes"));
    for (of, ws) in workspaces.iter().copied() {
        let r = store.reader(&WorkspaceId::from_bits(of));
        let start = (String::new(), String::new());
        read!(r.workspace_keys(), r.secrets_not_under("", &start, 3));
        read!(
            r.users(),
            r.flows(),
            r.clients(None),
            r.shared_connections()
        );
        read!(r.vars(), r.named_secrets(), r.triggers());
        read!(r.overlooked_sign_ins(Time(0)));
        read!(r.policies(), r.roles(), r.oidc(), r.hosts());
        read!(r.seen(), r.identities(), r.tokens(None, Time(10)));
        read!(
            r.personal_connections(None),
            r.clients(Some(&"crm".parse().unwrap()))
        );
        for word in ["one", "two", "three"] {
            let (name, slot) = (word.parse().unwrap(), word.parse().unwrap());
            read!(
                r.user_by_login(word),
                r.flow_by_name(&word.parse().unwrap())
            );
            read!(
                r.manifest(word),
                r.attempt(word),
                r.shared_connection(&name)
            );
            read!(r.secret(ConnectionId::from_bits(1).as_str(), word));
            read!(r.var(&word.parse().unwrap()), r.named_secret(&name));
            read!(r.secret(&NamedSecretRow::owner(&name), word));
            read!(r.grant(&UserId::from_bits(1), &FlowId::from_bits(1), &slot));
            read!(store.session(word, Time(10)), store.token(word, Time(10)));
            read!(store.login_link(word, Time(10)));
            read!(r.role(&name), r.identity("one", word));
            read!(r.login_attempt(word, Time(10)));
        }
        for n in 1..4 {
            let (user, flow, run) = (
                UserId::from_bits(n),
                FlowId::from_bits(n),
                RunId::from_bits(n + 10 * ws),
            );
            let (connection, client) = (ConnectionId::from_bits(n), ClientId::from_bits(n));
            read!(
                r.user(&user),
                r.tokens(Some(&user), Time(0)),
                r.flow(&flow),
                r.draft(&flow),
                r.versions(&flow)
            );
            read!(r.build_values(&flow, &user), r.build_value_count(&flow));
            read!(
                r.version(&VersionId::from_bits(n)),
                r.version_by_number(&flow, 1)
            );
            read!(r.client(&client), r.connection(&connection));
            read!(
                r.personal_connections(Some(&user)),
                r.grants_of(&connection)
            );
            read!(
                r.connections_of_subject(&client, "sub-1"),
                r.connections_of_run(&run)
            );
            read!(
                r.deleted_parent(&connection),
                r.deleted_flow(&flow),
                r.connections_under(&connection),
                r.grants_by(&user),
                r.living_runs(),
                r.revocation(&RevocationId::from_bits(n)),
                r.due_revocations(Time(10 * i64::try_from(n).unwrap()))
            );
            read!(r.connections_left_over());
            read!(r.sign_in(&SignInId::from_bits(n)), r.sign_ins_of_run(&run));
            read!(r.open_sign_ins(&user), r.waiting_sign_ins(&user, &client));
            read!(r.journal(&run), r.journal_end(&run));
            read!(store.inbox(r.workspace(), &run));
            // Without its lease, as below.
            let found = r.run(&run).await.unwrap();
            all.push(format!("run {:?}", found.map(|run| (run.id, run.state))));
            for children in [r.children(&run).await, r.living_children(&run).await] {
                // Not the leases: they differ by the clocks.
                let ids = children.unwrap().into_iter().map(|run| run.id);
                all.push(format!("children {:?}", ids.collect::<Vec<_>>()));
            }
            read!(
                r.request(&RequestId::from_bits(n)),
                r.requests_of_run(&run),
                r.trigger(&flow)
            );
            read!(r.admission(&run));
            for (limit, key) in [(Some(1), None), (Some(2), Some("one")), (None, Some("two"))] {
                let asked = Admission {
                    workspace: r.workspace().clone(),
                    flow: flow.clone(),
                    run: run.clone(),
                    limit,
                    key: key.map(str::to_owned),
                    at: Time(1),
                };
                read!(r.is_full(&asked));
            }
            for path in ["one", "two", "lines[37]/add"] {
                read!(r.callback_used(&run, &path.parse().unwrap()));
            }
            let mut cursor = None;
            loop {
                let page = r.open_requests(1, cursor.as_deref()).await.unwrap();
                all.push(format!("{:?}", page.items));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            read!(r.idempotency(&user, &flow, "key", Time(5)));
            for filter in [
                RunFilter::default(),
                RunFilter {
                    children: true,
                    ..RunFilter::default()
                },
                RunFilter {
                    flow: Some(flow.clone()),
                    ..RunFilter::default()
                },
                RunFilter {
                    invoker: Some(user.clone()),
                    ..RunFilter::default()
                },
                RunFilter {
                    state: Some("paused".to_owned()),
                    ..RunFilter::default()
                },
            ] {
                let page = r.runs(&filter, 2, None).await.unwrap();
                let ids: Vec<_> = page.items.into_iter().map(|run| run.id).collect();
                all.push(format!("{filter:?} {ids:?} {:?}", page.next));
            }
            for filter in [
                AuditFilter {
                    person: Some(user.clone()),
                    ..AuditFilter::default()
                },
                AuditFilter {
                    run: Some(run.clone()),
                    ..AuditFilter::default()
                },
                AuditFilter {
                    account: Some("ana".to_owned()),
                    ..AuditFilter::default()
                },
                AuditFilter {
                    notable: true,
                    ..AuditFilter::default()
                },
                AuditFilter {
                    after: Some(2),
                    upto: Some(9),
                    not_action: Some("act".to_owned()),
                    ..AuditFilter::default()
                },
                AuditFilter::default(),
            ] {
                let forward = r.audit_forward(&filter, 1, 3).await.unwrap();
                let notes = r.audit_notable(&forward).await.unwrap();
                let forward: Vec<_> = forward.iter().map(|e| e.record.seq).collect();
                let count = r.audit_count(&filter).await.unwrap();
                all.push(format!("{count} {forward:?} {notes:?}"));
                let page = r.audit(&filter, 3, None).await.unwrap();
                let seqs: Vec<_> = page.items.into_iter().map(|e| e.record.seq).collect();
                all.push(format!("{filter:?} {seqs:?} {:?}", page.next));
            }
        }
        for before in [Time(1), Time(i64::MAX)] {
            let last = r.audit_checkpoint(before).await.unwrap();
            all.push(format!("{last:?}"));
        }
        let start = r.audit_start().await.unwrap();
        let (unsent, reviews) = (r.unsent_checkpoints(2).await, r.audit_reviews(2).await);
        let sent = r.sent_checkpoint(4).await.unwrap();
        all.push(format!("{start:?} {unsent:?} {reviews:?} {sent:?}"));
        let hashes = r.audit_hashes(1, 9, 3).await.unwrap();
        let entries = r.audit_from(1, 10_000).await.unwrap();
        let kept = entries.iter().map(|entry| &entry.record);
        let kept = kept.filter(|r| r.seq > 1 && r.seq <= 9).map(|r| r.hash);
        assert_eq!(hashes, kept.take(3).collect::<Vec<_>>());
        // What was let go is not there to be checked; here nobody signed it either.
        let mut verifier = match entries.first() {
            Some(first) => Verifier::after(
                r.workspace().clone(),
                first.record.seq - 1,
                first.record.prev,
            ),
            None => Verifier::new(r.workspace().clone()),
        };
        for entry in entries {
            verifier.push(&entry.record, &entry.personal).unwrap();
        }
        let (seq, hash) = r.audit_head().await.unwrap();
        verifier.check_head(seq, hash).unwrap();
    }
    all
}
