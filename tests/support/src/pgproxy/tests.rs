//! The proxy against a real server and the client library that the product uses.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::{Child, Command};

use sqlx::{Connection as _, PgConnection};

use super::*;
use crate::postgres;

struct Scene {
    server: &'static postgres::Server,
    proxy: PgProxy,
    database: String,
    client: PgConnection,
}

async fn scene() -> Option<Scene> {
    let server = postgres::server()?;
    let database = server.database();
    let proxy = PgProxy::start(server);
    let mut client = PgConnection::connect(&proxy.url(&database)).await.unwrap();
    sqlx::raw_sql("create table t (id bigint primary key)")
        .execute(&mut client)
        .await
        .unwrap();
    assert_eq!((proxy.asked(), proxy.confirmed()), (1, 1));
    proxy.disarm();
    Some(Scene {
        server,
        proxy,
        database,
        client,
    })
}

impl Scene {
    fn rows(&self) -> String {
        let name = self
            .database
            .split('?')
            .next()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        self.server
            .statement_in(name, "select string_agg(id::text, ' ' order by id) from t")
            .unwrap()
    }

    async fn insert_in_a_transaction(&mut self, id: i64) -> sqlx::Result<()> {
        let mut transaction = self.client.begin().await?;
        sqlx::query("insert into t values ($1)")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    fn counted(&self) -> (u64, u64) {
        (self.proxy.asked(), self.proxy.confirmed())
    }
}

/// A process that does nothing until it is killed.
fn victim() -> Child {
    Command::new("sleep").arg("77").spawn().unwrap()
}

fn was_killed(mut victim: Child) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    victim.wait().unwrap().signal() == Some(9)
}

#[tokio::test]
async fn every_way_to_commit_is_counted_and_nothing_else() {
    let Some(mut scene) = scene().await else {
        return;
    };
    // Reads, and a transaction that is dropped.
    let _: i64 = sqlx::query_scalar("select count(*) from t")
        .fetch_one(&mut scene.client)
        .await
        .unwrap();
    let transaction = scene.client.begin().await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(scene.counted(), (0, 0));
    // A transaction: one commit, whatever is in it.
    scene.insert_in_a_transaction(1).await.unwrap();
    assert_eq!(scene.counted(), (1, 1));
    // A statement by itself, with and without parameters, prepared the first and the second time.
    for id in [2_i64, 3] {
        sqlx::query("insert into t values ($1)")
            .bind(id)
            .execute(&mut scene.client)
            .await
            .unwrap();
    }
    sqlx::raw_sql("insert into t values (4)")
        .execute(&mut scene.client)
        .await
        .unwrap();
    assert_eq!(scene.counted(), (4, 4));
    // One that writes inside a common table expression.
    let added: i64 = sqlx::query_scalar("with added as (insert into t select x from unnest($1::bigint[]) x returning 1) select count(*) from added")
        .bind(vec![5_i64, 6])
        .fetch_one(&mut scene.client)
        .await
        .unwrap();
    assert_eq!((added, scene.counted()), (2, (5, 5)));
    // A transaction in several texts.
    sqlx::raw_sql("begin; insert into t values (7); commit")
        .execute(&mut scene.client)
        .await
        .unwrap();
    assert_eq!(scene.counted(), (6, 6));
    assert_eq!(scene.rows(), "1 2 3 4 5 6 7");
}

#[tokio::test]
async fn a_commit_that_fails_is_asked_for_and_not_confirmed() {
    let Some(mut scene) = scene().await else {
        return;
    };
    scene.insert_in_a_transaction(1).await.unwrap();
    sqlx::query("insert into t values (1)")
        .execute(&mut scene.client)
        .await
        .unwrap_err();
    assert_eq!(scene.counted(), (2, 1));
    // COMMIT after an error in the transaction: the server rolls back.
    let mut transaction = scene.client.begin().await.unwrap();
    sqlx::query("insert into t values (1)")
        .execute(&mut *transaction)
        .await
        .unwrap_err();
    transaction.commit().await.unwrap();
    assert_eq!(scene.counted(), (3, 1));
    scene.insert_in_a_transaction(2).await.unwrap();
    assert_eq!(scene.counted(), (4, 2));
}

#[tokio::test]
async fn before_the_nth_commit_the_victim_dies_and_nothing_of_it_is_there() {
    let Some(mut scene) = scene().await else {
        return;
    };
    let victim = victim();
    scene.proxy.kill_at(Side::Before, 2);
    scene.proxy.victim(victim.id());
    scene.insert_in_a_transaction(1).await.unwrap();
    assert!(!scene.proxy.has_sprung());
    scene.insert_in_a_transaction(2).await.unwrap_err();
    assert!(was_killed(victim) && scene.proxy.has_sprung());
    assert_eq!((scene.rows().as_str(), scene.counted()), ("1", (2, 1)));
}

#[tokio::test]
async fn after_the_nth_commit_the_victim_dies_and_all_of_it_is_there() {
    let Some(mut scene) = scene().await else {
        return;
    };
    let victim = victim();
    scene.proxy.kill_at(Side::After, 2);
    scene.proxy.victim(victim.id());
    scene.insert_in_a_transaction(1).await.unwrap();
    // A statement by itself, whose answer is lost.
    sqlx::query("insert into t values (2)")
        .execute(&mut scene.client)
        .await
        .unwrap_err();
    assert!(was_killed(victim) && scene.proxy.has_sprung());
    assert_eq!((scene.rows().as_str(), scene.counted()), ("1 2", (2, 2)));
}

#[tokio::test]
async fn connections_side_by_side_are_counted_together() {
    let Some(mut scene) = scene().await else {
        return;
    };
    let mut other = PgConnection::connect(&scene.proxy.url(&scene.database))
        .await
        .unwrap();
    for id in 0..10 {
        scene.insert_in_a_transaction(id * 2).await.unwrap();
        sqlx::query("insert into t values ($1)")
            .bind(id * 2 + 1)
            .execute(&mut other)
            .await
            .unwrap();
    }
    assert_eq!(scene.counted(), (20, 20));
    other.close().await.unwrap();
    scene.insert_in_a_transaction(100).await.unwrap();
    assert_eq!(scene.counted(), (21, 21));
}
