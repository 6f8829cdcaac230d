//! Whoever is waited for is told, by mail and by a flow: at the pause and once more before the time is over, once each, also where the program is
//! killed in between.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::postgres;
use actas_test_support::smtp::{Letter, Mood, Smtp};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::world::{Kind, LONG, World};

/// The flow that tells people; it takes what it wants to know.
const TELL: &str = "
flow: tell
trigger: {on_demand: {}}
inputs: {person: {type: string}, kind: {type: string}, link: {type: string}, reminder: {type: boolean}, flow: {type: string}}
steps:
  say: {uses: core.set, with: {all: '{{ inputs.person }} {{ inputs.flow }} {{ inputs.kind }} {{ inputs.reminder }} {{ inputs.link }}'}}
outputs: {all: '{{ steps.say.all }}'}
";

/// Two accounts at once, and then a decision; the amount is nobody's business but theirs.
const PAY: &str = "
flow: pay
title: Pay a bill
trigger: {on_demand: {}}
inputs: {amount: {type: number}}
connections:
  from: {app: sandbox_crm, dynamic: {scopes: [records.write]}}
  to: {app: sandbox_crm, dynamic: {scopes: [records.write]}}
steps:
  one: {uses: sandbox_crm.create_record, connection: from, with: {object: Bill}}
  two: {uses: sandbox_crm.create_record, connection: to, needs: [one], with: {object: Bill}}
";

/// A decision alone.
const ASK: &str = "
flow: ask
title: Ask for it
trigger: {on_demand: {}}
inputs: {amount: {type: number}}
steps:
  decide: {uses: core.approve, with: {who: ben, title: 'May {{ inputs.amount }} be paid?'}}
";

async fn world(kind: Kind, smtp: &Smtp) -> World {
    let mut world = World::prepare(kind);
    world.mail = Some(smtp.url.clone());
    world.serve();
    world.until_ready().await;
    world.furnish().await;
    for flow in [TELL, PAY, ASK] {
        world.publish(flow).await;
    }
    let policies = json!({"notify": {"email": true, "flow": "tell"}});
    world
        .ask(Method::PUT, "/api/v1/policies", None, Some(&policies))
        .await
        .expect_ok();
    world
}

async fn paused(world: &World, user: &str, flow: &str) -> String {
    let inputs = json!({"amount": 4711});
    let run = world.run(user, flow, &inputs, None).await.unwrap();
    let run = run.expect_ok();
    assert!(run["paused"].is_object(), "{run:#}");
    run["run"].as_str().unwrap().to_owned()
}

/// What the flow was started with so far, each once it has ended.
async fn told(world: &World, count: usize) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + LONG;
    loop {
        let list = world
            .ask(
                Method::GET,
                "/api/v1/runs?flow=tell&state=succeeded&all=true&limit=50",
                None,
                None,
            )
            .await
            .expect_ok();
        let runs = list["runs"].as_array().unwrap().clone();
        if runs.len() >= count {
            let mut all = Vec::new();
            for run in runs {
                let seen = world
                    .ask(
                        Method::GET,
                        &format!("/api/v1/runs/{}", run["run"].as_str().unwrap()),
                        None,
                        None,
                    )
                    .await
                    .expect_ok();
                assert_eq!(seen["entry"], "notice", "{seen:#}");
                all.push(seen["outputs"]["all"].as_str().unwrap().to_owned());
            }
            return all;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "nobody is told {count} times: {list:#}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Lets all that waits for the clock be due, where the program does not run.
async fn move_the_clock(world: &World) {
    let file = world.data().join("actas.db");
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    let moved = sqlx::query("UPDATE notices SET due_at = 0")
        .execute(&mut database)
        .await
        .unwrap();
    assert!(moved.rows_affected() > 0, "something was to be said");
    database.close().await.unwrap();
}

fn by_mail<'l>(letters: &'l [Letter], to: &str) -> Vec<&'l Letter> {
    letters.iter().filter(|letter| letter.to == [to]).collect()
}

/// What ana and ben are told at the pause.
async fn at_the_pause(world: &World, smtp: &Smtp) -> String {
    let run = paused(world, "ana", "pay").await;
    paused(world, "ana", "ask").await;
    let letters = smtp.wait_for(2, LONG);
    let anas = by_mail(&letters, "ana@actas.test");
    let bens = by_mail(&letters, "ben@actas.test");
    // Two accounts are one letter; whoever asks for a decision is not told of it.
    assert_eq!((letters.len(), anas.len(), bens.len()), (2, 1, 1));
    assert_eq!(
        anas[0].header("subject").as_deref(),
        Some("Pay a bill: an account of yours is needed")
    );
    let link = format!("{}/connect/run/{run}", world.url());
    assert!(anas[0].body().contains(&link), "{}", anas[0].body());
    assert!(
        bens[0].body().contains("/approvals/rq_") && bens[0].body().contains("by ana"),
        "{}",
        bens[0].body()
    );
    for letter in &letters {
        assert!(!letter.text.contains("4711"), "no data: {}", letter.text);
        assert_eq!(
            letter.header("from").as_deref(),
            Some("Actas <actas@actas.test>")
        );
    }
    let mut flows = told(world, 2).await;
    flows.sort();
    assert_eq!(flows.len(), 2);
    assert_eq!(flows[0], format!("ana pay sign_in false {link}"));
    assert!(flows[1].starts_with("ben ask approval false "), "{flows:?}");
    link
}

#[tokio::test]
async fn people_are_told_at_the_pause_and_before_its_end_once_each_also_under_kill_9() {
    let smtp = Smtp::start();
    let mut world = world(Kind::Sqlite, &smtp).await;
    let link = at_the_pause(&world, &smtp).await;

    // Nearly over: they are reminded once, whatever happens to the program.
    world.kill();
    move_the_clock(&world).await;
    smtp.be(Mood::Silent);
    world.serve();
    world.until_ready().await;
    let letters = smtp.wait_for(3, LONG);
    world.kill();
    smtp.be(Mood::Takes);
    move_the_clock(&world).await;
    world.serve();
    world.until_ready().await;
    let all = smtp.wait_for(5, LONG);
    let interrupted = &letters[2];
    let again: Vec<_> = all[3..]
        .iter()
        .filter(|letter| letter.header("message-id") == interrupted.header("message-id"))
        .collect();
    assert_eq!(
        again.len(),
        1,
        "what nobody acknowledged comes again under its own id"
    );
    let reminders: Vec<_> = all[3..]
        .iter()
        .map(|l| l.header("subject").unwrap())
        .collect();
    assert!(
        reminders
            .iter()
            .all(|subject| subject.starts_with("Reminder: "))
            && all.len() == 5,
        "{reminders:?}"
    );
    let flows = told(&world, 4).await;
    let ana = flows
        .iter()
        .filter(|all| **all == format!("ana pay sign_in true {link}"))
        .count();
    assert_eq!((flows.len(), ana), (4, 1), "{flows:?}");
    let audit = world
        .ask(
            Method::GET,
            "/api/v1/audit?action=notice.reminded",
            None,
            None,
        )
        .await
        .expect_ok();
    assert_eq!(audit["records"].as_array().map(Vec::len), Some(4));

    // A server that will not take it now is asked again later; what nobody waits for any more is not said.
    smtp.be(Mood::Refuses);
    let run = paused(&world, "ben", "pay").await;
    told(&world, 5).await;
    assert_eq!(smtp.letters().len(), 5);
    world
        .ask(
            Method::POST,
            &format!("/api/v1/runs/{run}/cancel"),
            Some("ben"),
            Some(&json!({})),
        )
        .await
        .expect_ok();
    world.end("ben", &run).await;
    world.kill();
    smtp.be(Mood::Takes);
    move_the_clock(&world).await;
    world.serve();
    world.until_ready().await;
    let gone = |seen: &Value| {
        seen["records"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    };
    let deadline = tokio::time::Instant::now() + LONG;
    loop {
        let failed = world
            .ask(
                Method::GET,
                "/api/v1/audit?action=notice.failed",
                None,
                None,
            )
            .await
            .expect_ok();
        if gone(&failed) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is not dropped");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(smtp.letters().len(), 5, "{:#?}", smtp.letters());
    let settings = world.actas(&["settings"]).expect(0);
    assert!(settings.stdout.contains("actas@actas.test"), "{settings}");
}

#[tokio::test]
async fn people_are_told_where_the_store_is_postgresql_too() {
    let Some(url) = postgres::database() else {
        return;
    };
    let smtp = Smtp::start();
    let world = world(Kind::Postgres(url), &smtp).await;
    at_the_pause(&world, &smtp).await;
}
