//! What a workspace has decided about accounts: whose may be connected, and that whoever owns a parent acts with the parent.

use actas_core::policies::{AccountGuard, Policies};
use actas_core::run::{Bound, ConnectionKind};

use super::*;

async fn decide(bench: &Bench, policies: Policies) {
    let stands = bench.reader().policies().await.unwrap();
    bench
        .commit(vec![Op::PutPolicies {
            workspace: bench.workspace.clone(),
            policies,
            expect: stands.revision,
            by: bench.ana.id.clone(),
            at: system::now(),
        }])
        .await;
}

/// A shared connection of Ana's.
async fn shared(bench: &Bench, name: &str, account: &str) -> ConnectionId {
    let target = ConnectTarget {
        app: "crm".parse().unwrap(),
        client: bench.client.id.clone(),
        kind: ConnectKind::Shared {
            name: name.parse().unwrap(),
        },
        scopes: Vec::new(),
    };
    let who = bench.who(&bench.ana);
    let url = bench
        .connections
        .begin_connect(
            &bench.workspace,
            &target,
            &bench.ana.id,
            "session-of-ana",
            &who,
        )
        .await
        .unwrap();
    let code = bench.provider.code(account);
    let done = bench.come_back(&bench.ana, &state_of(&url), &code).await;
    done.unwrap().connection
}

#[tokio::test]
async fn an_account_that_the_workspace_does_not_take_is_refused_with_the_reason_and_nothing_is_stored()
 {
    for bench in Bench::everywhere().await {
        let guard = AccountGuard {
            same_email: false,
            domains: vec!["crm".to_owned()],
        };
        let policies = Policies {
            account_guard: guard,
            ..Policies::default()
        };
        decide(&bench, policies).await;
        let run = bench.run(&bench.ana).await;
        let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@elsewhere");
        let refused = bench.come_back(&bench.ana, &state, &code).await;
        assert!(
            matches!(refused, Err(CallbackError::Guarded(Guarded::OtherDomain))),
            "{refused:?}"
        );
        let reason = Some("account_guard_domain");
        assert!(bench.audited("account.refused", reason).await);
        let own = bench
            .reader()
            .personal_connections(Some(&bench.ana.id))
            .await;
        assert!(own.unwrap().is_empty());
        assert!(
            bench
                .reader()
                .grants_by(&bench.ana.id)
                .await
                .unwrap()
                .is_empty()
        );
        // What the provider gave for nothing is taken back.
        assert_eq!(bench.provider.book().revoked.len(), 2);
        // The sign-in is still open, and the right account answers it.
        let state = bench.begin(&id, &bench.ana).await;
        let code = bench.provider.code("ana@crm");
        bench.come_back(&bench.ana, &state, &code).await.unwrap();
        // What the workspace shares is its own affair.
        shared(&bench, "sales", "service@elsewhere").await;
    }
}

#[tokio::test]
async fn agreeing_with_an_account_that_is_not_taken_any_more_is_refused() {
    let bench = Bench::new().await;
    let (_, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let guard = AccountGuard {
        same_email: true,
        domains: Vec::new(),
    };
    let policies = Policies {
        account_guard: guard,
        ..Policies::default()
    };
    decide(&bench, policies).await;
    let run = bench.run(&bench.ana).await;
    let mut wider = bench.ask(&run, &bench.ana);
    wider.surface.modules.insert("crm.write".to_owned());
    let id = bench.pause(&wider).await;
    let agreed = bench
        .connections
        .agree(
            &bench.workspace,
            &id,
            &bench.ana.id,
            &finished.connection,
            &bench.who(&bench.ana),
        )
        .await;
    assert!(matches!(agreed, Err(SignInError::Guarded(_))), "{agreed:?}");
    assert!(bench.inbox(&run).await.is_empty());
}

#[tokio::test]
async fn whoever_owns_a_parent_acts_with_it_only_while_the_workspace_says_so_and_nobody_else_ever()
{
    for bench in Bench::everywhere().await {
        let parent = shared(&bench, "sales", "service@crm").await;
        let under = |ask: SlotAsk| SlotAsk {
            binding: Binding::Dynamic {
                client: bench.client.id.clone(),
                parent: Some(parent.clone()),
            },
            ..ask
        };
        let run = bench.run(&bench.ana).await;
        let ask = under(bench.ask(&run, &bench.ana));
        let missing = Resolution::Ask {
            reason: AskReason::Missing,
            connection: None,
        };
        let now = bench.connections.resolve(&ask).await.unwrap();
        assert_eq!(now, missing, "off: the owner is asked like everybody");
        let on = |on| Policies {
            owner_uses_parent: on,
            ..Policies::default()
        };
        decide(&bench, on(true)).await;
        let now = bench.connections.resolve(&ask).await.unwrap();
        let bound = Bound {
            connection: parent.clone(),
            kind: ConnectionKind::Shared,
            rule: Rule::Owner,
            account: "service@crm".to_owned(),
        };
        assert_eq!(now, Resolution::Bound(bound));
        let mut used = bench.using(&run, &parent, &bench.ana);
        used.rule = Rule::Owner;
        bench.connections.credential(&used).await.unwrap();
        let own = bench
            .reader()
            .personal_connections(Some(&bench.ana.id))
            .await;
        assert!(own.unwrap().is_empty(), "nothing of their own is made");
        // Ben is asked, and cannot use it by saying that he may.
        let bens = bench.run(&bench.ben).await;
        let now = bench
            .connections
            .resolve(&under(bench.ask(&bens, &bench.ben)))
            .await;
        assert_eq!(now.unwrap(), missing);
        let mut stolen = bench.using(&bens, &parent, &bench.ben);
        stolen.rule = Rule::Owner;
        let refused = bench.connections.credential(&stolen).await;
        assert!(matches!(refused, Err(UseError::NotTheirs)));
        // A decision taken back counts for what was bound before.
        decide(&bench, on(false)).await;
        let refused = bench.connections.credential(&used).await;
        assert!(matches!(refused, Err(UseError::NotTheirs)));
        assert_eq!(bench.connections.resolve(&ask).await.unwrap(), missing);
    }
}

#[tokio::test]
async fn a_parent_without_an_account_is_nobodys_account_and_still_a_parent() {
    let bench = Bench::new().await;
    let (ws, who) = (&bench.workspace, bench.who(&bench.ana));
    decide(
        &bench,
        Policies {
            owner_uses_parent: true,
            ..Policies::default()
        },
    )
    .await;
    let name = "address".parse().unwrap();
    let parent = bench
        .connections
        .add_parent(ws, &name, &bench.client.id, &bench.ana.id, &who)
        .await
        .unwrap();
    let again = bench
        .connections
        .add_parent(ws, &name, &bench.client.id, &bench.ana.id, &who)
        .await;
    assert!(matches!(again, Err(ConnectionsError::Taken(_))));
    let shared = bench
        .connections
        .resolve_shared(ws, &parent.id, &"crm".parse().unwrap())
        .await;
    assert!(matches!(shared, Ok(Resolution::Ask { .. })));
    let run = bench.run(&bench.ana).await;
    let ask = SlotAsk {
        binding: Binding::Dynamic {
            client: bench.client.id.clone(),
            parent: Some(parent.id.clone()),
        },
        ..bench.ask(&run, &bench.ana)
    };
    // Its owner has nothing to act with there.
    let now = bench.connections.resolve(&ask).await.unwrap();
    assert!(matches!(
        now,
        Resolution::Ask {
            reason: AskReason::Missing,
            ..
        }
    ));
    let id = bench.pause(&ask).await;
    let state = bench.begin(&id, &bench.ana).await;
    let code = bench.provider.code("ana@crm");
    let done = bench.come_back(&bench.ana, &state, &code).await.unwrap();
    let row = bench.connection(&done.connection).await;
    assert_eq!(row.parent, Some(parent.id.clone()));
    assert!(matches!(
        bench.connections.resolve(&ask).await.unwrap(),
        Resolution::Bound(_)
    ));
}
