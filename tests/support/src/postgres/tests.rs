//! The server of the tests, tested.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sqlx::Connection as _;

use super::*;

#[tokio::test]
async fn each_database_is_fresh_and_reached_by_its_url() {
    let (Some(one), Some(two)) = (database(), database()) else {
        return;
    };
    assert_ne!(one, two);
    for url in [one, two] {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("create table only_here (id text)")
            .execute(&mut connection)
            .await
            .unwrap();
        let commits: String = sqlx::query_scalar("show synchronous_commit")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(commits, "on");
    }
}

#[test]
fn a_dropped_server_is_gone_with_its_directory() {
    let Some(server) = Server::start(Options { fsync: true }) else {
        return;
    };
    assert_eq!(server.statement("show fsync").unwrap(), "on");
    let dir = server.dir.clone();
    assert!(dir.exists());
    drop(server);
    assert!(!dir.exists());
}
