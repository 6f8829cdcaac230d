//! What is asked for often is kept in memory where that is safe: nobody may notice.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use actas_core::Time;
use actas_store::*;
use support::*;

#[tokio::test]
async fn a_change_of_a_user_or_a_flow_is_seen_by_the_next_read() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let reader = store.reader(&ws);
        let (mut user, mut flow) = (user("ana"), flow("hello"));
        assert_eq!(reader.user(&user.id).await.unwrap(), None);
        assert_eq!(reader.flow_by_name(&flow.name).await.unwrap(), None);
        let add = vec![
            Op::AddUser {
                workspace: ws.clone(),
                user: user.clone(),
            },
            Op::AddFlow {
                workspace: ws.clone(),
                flow: flow.clone(),
            },
        ];
        store.commit(ops(add)).await.unwrap();
        for _ in 0..2 {
            let read = reader.user(&user.id).await.unwrap();
            assert_eq!(read.as_ref(), Some(&user), "{}", place.kind);
            let read = reader.flow_by_name(&flow.name).await.unwrap();
            assert_eq!(read, Some(flow.clone()), "{}", place.kind);
            let elsewhere = store.reader(&support::ws());
            assert_eq!(elsewhere.user(&user.id).await.unwrap(), None);
            assert_eq!(elsewhere.flow_by_name(&flow.name).await.unwrap(), None);
        }
        user.disabled = true;
        flow.stopped = Some("broken".to_owned());
        let change = vec![
            Op::ChangeUser {
                workspace: ws.clone(),
                user: user.clone(),
            },
            Op::ChangeFlow {
                workspace: ws.clone(),
                flow: flow.clone(),
            },
        ];
        store.commit(ops(change)).await.unwrap();
        assert_eq!(reader.user(&user.id).await.unwrap(), Some(user));
        let read = reader.flow_by_name(&flow.name).await.unwrap();
        assert_eq!(read, Some(flow), "{}", place.kind);
    }
}

#[tokio::test]
async fn a_token_comes_with_its_user_as_they_are_now() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let mut ana = user("ana");
        let token = TokenRow {
            hash: "t".to_owned(),
            workspace: ws.clone(),
            user: ana.id.clone(),
            name: "ci".to_owned(),
            scopes: Vec::new(),
            created_at: Time(1),
            expires_at: Time(10),
        };
        let add = Op::AddUser {
            workspace: ws.clone(),
            user: ana.clone(),
        };
        let commit = ops(vec![add, Op::AddToken(token.clone())]);
        store.commit(commit).await.unwrap();
        for _ in 0..2 {
            let read = store.bearer("t", Time(9)).await.unwrap();
            assert_eq!(read, Some((token.clone(), ana.clone())), "{}", place.kind);
            assert_eq!(store.bearer("t", Time(10)).await.unwrap(), None);
            assert_eq!(store.bearer("u", Time(9)).await.unwrap(), None);
        }
        ana.disabled = true;
        let change = vec![Op::ChangeUser {
            workspace: ws.clone(),
            user: ana.clone(),
        }];
        store.commit(ops(change)).await.unwrap();
        let read = store.bearer("t", Time(9)).await.unwrap();
        assert_eq!(read, Some((token, ana)), "{}", place.kind);
        let revoke = vec![Op::RevokeToken {
            workspace: ws,
            hash: "t".to_owned(),
        }];
        store.commit(ops(revoke)).await.unwrap();
        let read = store.bearer("t", Time(9)).await.unwrap();
        assert_eq!(read, None, "{}", place.kind);
    }
}

#[tokio::test]
async fn a_token_that_was_just_good_is_refused_after_it_was_revoked() {
    for place in places() {
        let (store, ws) = (place.open().await, ws());
        let token = TokenRow {
            hash: "t".to_owned(),
            workspace: ws.clone(),
            user: user("ana").id,
            name: "ci".to_owned(),
            scopes: Vec::new(),
            created_at: Time(1),
            expires_at: Time(10),
        };
        let add = vec![Op::AddToken(token.clone())];
        store.commit(ops(add)).await.unwrap();
        for _ in 0..2 {
            let read = store.token("t", Time(9)).await.unwrap();
            assert_eq!(read.as_ref(), Some(&token), "{}", place.kind);
        }
        let revoke = vec![Op::RevokeToken {
            workspace: ws,
            hash: "t".to_owned(),
        }];
        store.commit(ops(revoke)).await.unwrap();
        let read = store.token("t", Time(9)).await.unwrap();
        assert_eq!(read, None, "{}", place.kind);
    }
}
