//! kill -9 at every durable commit of the story, start again: every run ends, and the CRM has each record exactly once. The product knows
//! nothing of being tested: strace kills it inside its Nth flush to disk, a proxy on its way to PostgreSQL kills it before or after its Nth
//! commit passes, and the sandbox holds a request before or after performing it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use actas_test_support::browser::Browser;
use actas_test_support::pgproxy::{PgProxy, Side};
use actas_test_support::postgres;
use actas_test_support::strace::Traced;
use reqwest::Method;
use serde_json::{Value, json};

use crate::flows::WIN;
use crate::world::{Kind, World, is_over, link, sign_in};

/// More commits than the story can have: a story that never survives is a fault too.
const TOO_MANY: usize = 40;

/// Ana, who does not give up: sends her request again with the same key, signs in again, until her run has ended. When nobody answers she
/// has somebody start the program again. Answers the run.
async fn insist(world: &mut World) -> Value {
    for _ in 0..600 {
        let wish = json!({"customer": "Northwind"});
        let Some(answer) = world.run("ana", "win", &wish, Some("anas-one-wish")).await else {
            if world.is_dead() {
                world.serve();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        if answer.status >= 500 {
            continue;
        }
        let id = answer.expect_ok()["run"].as_str().unwrap().to_owned();
        while let Some(seen) = world
            .try_send(
                Method::GET,
                &format!("/api/v1/runs/{id}"),
                Some("ana"),
                &[],
                None,
            )
            .await
        {
            let run = seen.expect_ok();
            if is_over(&run) {
                return run;
            }
            if run["paused"].is_object() {
                let link = link(&run);
                // A browser that finds nobody gives up in its own way; Ana looks again.
                let _ = tokio::spawn(async move {
                    sign_in(&mut Browser::new(), &link, "ana", "ana")
                        .await
                        .status
                })
                .await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    }
    panic!("the run never ends");
}

/// What must be true after any crash.
async fn check(world: &mut World, run: &Value, when: &str) {
    assert_eq!(run["state"], "succeeded", "{when}: {run:#}");
    for object in ["Opportunity", "Note"] {
        let records = world.records(object).await;
        assert_eq!(records.len(), 1, "{when}: {object} {records:#?}");
        assert_eq!(records[0]["author"], "ana", "{when}");
    }
    let runs = world
        .ask(Method::GET, "/api/v1/runs", Some("ana"), None)
        .await
        .expect_ok();
    assert_eq!(
        runs["runs"].as_array().unwrap().len(),
        1,
        "{when}: one wish, one run: {runs:#}"
    );
    // That somebody verified the log is in the log: this too may be the commit at which it dies.
    let verify = "/api/v1/audit/verify";
    let verdict = loop {
        match world.try_send(Method::GET, verify, None, &[], None).await {
            Some(answer) => break answer.expect_ok(),
            None if world.is_dead() => world.serve(),
            None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    assert_eq!(verdict["ok"], true, "{when}: {verdict:#}");
}

#[tokio::test]
async fn on_sqlite_every_flush_to_disk_may_be_the_last() {
    let mut survived = None;
    for nth in 1..TOO_MANY {
        let mut world = World::start(Kind::Sqlite).await;
        world.publish(WIN).await;
        world.server().terminate();
        world
            .server()
            .wait(crate::world::LONG)
            .expect("it stops when asked");
        let Some(traced) = Traced::new(
            Path::new(env!("CARGO_BIN_EXE_actas")),
            world.home.path(),
            Some(nth),
        ) else {
            return;
        };
        let (command, flushes) = traced.split();
        let command = world.dress(command);
        world.serve_traced(command);
        let run = insist(&mut world).await;
        check(&mut world, &run, &format!("killed at flush {nth}")).await;
        if world.is_first_server_alive() {
            assert!(nth > 3, "a story with a pause has more commits than {nth}");
            survived = Some(nth);
            break;
        }
        let flushes = flushes();
        assert!(
            flushes.count() >= nth,
            "killed at flush {nth}, but only {flushes:?} were seen"
        );
    }
    assert!(survived.is_some(), "no story survived");
}

async fn on_postgres(side: Side) {
    let Some(server) = postgres::server() else {
        return;
    };
    let mut survived = None;
    for nth in 1..TOO_MANY {
        let url = server.database();
        let mut world = World::start(Kind::Postgres(url.clone())).await;
        world.publish(WIN).await;
        world.server().terminate();
        world
            .server()
            .wait(crate::world::LONG)
            .expect("it stops when asked");
        let proxy = PgProxy::start(server);
        world.reach_through(proxy.url(&url));
        world.serve();
        world.until_ready().await;
        proxy.kill_at(side, u64::try_from(nth).unwrap());
        let pid = world.server().pid();
        proxy.victim(pid);
        let run = insist(&mut world).await;
        let sprung = proxy.has_sprung();
        proxy.disarm();
        check(&mut world, &run, &format!("killed {side:?} commit {nth}")).await;
        if !sprung {
            assert!(nth > 3, "a story with a pause has more commits than {nth}");
            survived = Some(nth);
            break;
        }
    }
    assert!(survived.is_some(), "no story survived");
}

#[tokio::test]
async fn on_postgres_it_may_die_before_any_commit() {
    on_postgres(Side::Before).await;
}

#[tokio::test]
async fn on_postgres_it_may_die_after_any_commit_before_it_is_told() {
    on_postgres(Side::After).await;
}

#[tokio::test]
async fn it_may_die_before_the_app_performs_and_after_it_performed() {
    for hold in ["hold_before", "hold_after"] {
        for path in ["/api/v1/records/Opportunity", "/api/v1/records/Note"] {
            let mut world = World::start(Kind::Sqlite).await;
            world.publish(WIN).await;
            let first = world
                .run(
                    "ana",
                    "win",
                    &json!({"customer": "Northwind"}),
                    Some("anas-one-wish"),
                )
                .await
                .unwrap()
                .expect_ok();
            world
                .crm
                .tell(
                    "faults",
                    &json!({"path": path, "method": "POST", "times": 1, "do": hold}),
                )
                .await;
            sign_in(&mut Browser::new(), &link(&first), "ana", "ana").await;
            world.until_held().await;
            world.kill();
            world.release().await;
            world.serve();
            world.until_ready().await;
            let run = insist(&mut world).await;
            check(&mut world, &run, &format!("{hold} {path}")).await;
        }
    }
}
