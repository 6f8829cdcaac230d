//! Opening a store: who may, what is made, what stays.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::*;
use actas_store::*;
use support::*;

#[tokio::test]
async fn an_embedded_store_is_for_one_process_and_its_owner_alone() {
    let place = Place::sqlite();
    let store = place.open().await;
    let again = Store::open(&place.config).await;
    assert!(matches!(again, Err(StoreError::InUse(_))), "{again:?}");
    let mode = |name: &str| {
        let path = place.config.data.join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    store.commit(ops(vec![])).await.unwrap();
    assert_eq!(mode(""), 0o700);
    for name in ["actas.db", "actas.db-wal", "actas.db-shm", "actas.lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    drop(store);
    place.open().await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_start_and_leases_of_the_dead_end() {
    for place in places() {
        let (store, ws, worker) = (place.open().await, ws(), id(WorkerId::from_bits));
        let row = run(&ws, &worker);
        let workspace = Op::AddWorkspace {
            workspace: ws.clone(),
            name: "home".to_owned(),
            at: Time(1),
        };
        let key = Op::SetKeyCheck {
            kek_id: "kek 1".to_owned(),
            check: vec![7, 255],
        };
        store
            .commit(ops(vec![workspace, add_run(&row), key.clone()]))
            .await
            .unwrap();
        assert!(is_conflict(
            store.commit(ops(vec![key])).await,
            "set_key_check"
        ));
        drop(store);
        let store = place.open().await;
        assert_eq!(
            store.workspaces().await.unwrap(),
            [(ws.clone(), "home".to_owned())]
        );
        assert_eq!(
            store.key_check().await.unwrap(),
            Some(("kek 1".to_owned(), vec![7, 255]))
        );
        let hour = Duration::from_secs(3600);
        let claimed = store.claim(&worker, 1, hour, 10).await.unwrap();
        if place.kind == "sqlite" {
            // Nobody else can hold the directory, so whoever held the run is dead.
            assert_eq!(claimed[0].run.epoch, 2);
        } else {
            assert!(claimed.is_empty(), "its holder may live elsewhere");
        }
        assert!(store.now().await.unwrap() >= row.created_at);
    }
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_left_alone_and_a_row_that_makes_no_sense_is_named() {
    let change = |place: &Place, sql: &'static str| match place.config.url.clone() {
        None => {
            let file = place.config.data.join("actas.db");
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.execute(sql, []).unwrap();
        }
        Some(url) => {
            let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
            let server = actas_test_support::postgres::server().unwrap();
            server.statement_in(&name, sql).unwrap();
        }
    };
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let user = user("ana");
        let add = Op::AddUser {
            workspace: ws.clone(),
            user: user.clone(),
        };
        store.commit(ops(vec![add])).await.unwrap();
        change(&place, "UPDATE users SET roles = 'nonsense'");
        let error = store.reader(&ws).users().await.unwrap_err().to_string();
        assert!(error.contains(user.id.as_str()), "{error}");
        drop(store);
        change(
            &place,
            "UPDATE store_facts SET value = '1000' WHERE name = 'min_reader'",
        );
        let opened = Store::open(&place.config).await;
        assert!(
            matches!(opened, Err(StoreError::TooNew { needs: 1000, .. })),
            "{opened:?}"
        );
    }
}

#[tokio::test]
async fn sessions_tokens_and_links_end() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let user = id(UserId::from_bits);
        let (session, token, link) = (
            SessionRow {
                hash: "s".to_owned(),
                workspace: ws.clone(),
                user: user.clone(),
                created_at: Time(1),
                expires_at: Time(10),
            },
            TokenRow {
                hash: "t".to_owned(),
                workspace: ws.clone(),
                user: user.clone(),
                name: "ci".to_owned(),
                scopes: Vec::new(),
                created_at: Time(1),
                expires_at: Time(10),
            },
            LoginLinkRow {
                hash: "l".to_owned(),
                workspace: ws.clone(),
                user,
                expires_at: Time(10),
            },
        );
        let add = vec![
            Op::AddSession(session.clone()),
            Op::AddToken(token.clone()),
            Op::AddLoginLink(link.clone()),
        ];
        store.commit(ops(add)).await.unwrap();
        assert_eq!(store.session("s", Time(9)).await.unwrap(), Some(session));
        assert_eq!(store.session("s", Time(10)).await.unwrap(), None);
        assert_eq!(store.token("t", Time(9)).await.unwrap(), Some(token));
        assert_eq!(store.token("t", Time(10)).await.unwrap(), None);
        assert_eq!(store.login_link("l", Time(9)).await.unwrap(), Some(link));
        let use_link = |now| {
            ops(vec![Op::UseLoginLink {
                hash: "l".to_owned(),
                now: Time(now),
            }])
        };
        assert!(is_conflict(
            store.commit(use_link(10)).await,
            "use_login_link"
        ));
        store.commit(use_link(9)).await.unwrap();
        assert!(is_conflict(
            store.commit(use_link(9)).await,
            "use_login_link"
        ));
        let end = || {
            ops(vec![Op::EndSession {
                hash: "s".to_owned(),
            }])
        };
        store.commit(end()).await.unwrap();
        store.commit(end()).await.unwrap();
        assert_eq!(store.session("s", Time(2)).await.unwrap(), None);
        let revoke = |ws: &WorkspaceId| {
            ops(vec![Op::RevokeToken {
                workspace: ws.clone(),
                hash: "t".to_owned(),
            }])
        };
        assert!(is_conflict(
            store.commit(revoke(&support::ws())).await,
            "revoke_token"
        ));
        store.commit(revoke(&ws)).await.unwrap();
        assert_eq!(store.token("t", Time(2)).await.unwrap(), None);
    }
}
