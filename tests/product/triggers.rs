//! Flows that the clock or another system starts, under kill -9 at random moments: no slot of a schedule makes two runs and none is lost; no
//! call that was answered with a 2xx is lost, and no delivery makes two runs.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::time::Duration;

use actas_test_support::browser;
use actas_test_support::postgres;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{Kind, LONG, World, is_over};

const CLOCKWORK: &str = "flow: clockwork
trigger: {schedule: {cron: \"* * * * * *\", catchup: all}}
inputs: {slot: {type: string, default: none}}
steps: {say: {uses: core.set, with: {slot: \"{{ inputs.slot }}\"}}}
outputs: {slot: \"{{ steps.say.slot }}\"}
";

const SECRET: &str = "the shop's own secret";

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }

    /// A moment at which a process may die.
    async fn moment(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.roll(1_500))).await;
    }
}

/// All runs of a flow, whoever started them, once each of them has ended.
async fn ended(world: &World, flow: &str) -> Vec<Value> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/runs?all=true&flow={flow}&limit=100{cursor}");
        let page = world.ask(Method::GET, &path, None, None).await.expect_ok();
        for run in page["runs"].as_array().unwrap() {
            ids.push(run["run"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut runs = Vec::new();
    for id in ids {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let path = format!("/api/v1/runs/{id}");
            let run = world.ask(Method::GET, &path, None, None).await.expect_ok();
            if is_over(&run) {
                assert_eq!(run["state"], "succeeded", "{run:#}");
                assert_eq!(run["invoker"], Value::Null, "{run:#}");
                runs.push(run);
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{run:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    runs
}

async fn verified(world: &World) {
    let path = "/api/v1/audit/verify";
    let verdict = world.ask(Method::GET, path, None, None).await.expect_ok();
    assert_eq!(verdict["ok"], true, "{verdict:#}");
}

/// Each second from the first to the last became one run.
async fn check_slots(world: &World) {
    // A quick machine is through with the kills before there were enough seconds.
    let deadline = tokio::time::Instant::now() + LONG;
    while ended(world, "clockwork").await.len() <= 12 {
        assert!(tokio::time::Instant::now() < deadline, "no slot comes");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let stop = json!({"reason": "the test has seen enough"});
    let path = "/api/v1/flows/clockwork/stop";
    world
        .ask(Method::POST, path, None, Some(&stop))
        .await
        .expect_ok();
    let runs = ended(world, "clockwork").await;
    let slot = |run: &Value| {
        assert_eq!(run["entry"], "schedule", "{run:#}");
        let slot = run["outputs"]["slot"].as_str().unwrap();
        actas_core::Time::parse(slot).unwrap().micros() / 1_000_000
    };
    let mut slots: Vec<i64> = runs.iter().map(slot).collect();
    slots.sort_unstable();
    assert!(slots.len() > 12, "{slots:?}");
    let expected: Vec<i64> = (slots[0]..).take(slots.len()).collect();
    assert_eq!(slots, expected, "each second once");
    let path = "/api/v1/audit?action=schedule.slot_let_go";
    let let_go = world.ask(Method::GET, path, None, None).await.expect_ok();
    assert_eq!(let_go["records"], json!([]));
    verified(world).await;
}

#[tokio::test]
async fn on_sqlite_each_second_becomes_one_run_whenever_the_process_dies() {
    let mut world = World::start(Kind::Sqlite).await;
    world.publish(CLOCKWORK).await;
    let mut dice = Dice(20_261_120);
    for _ in 0..12 {
        dice.moment().await;
        world.kill();
        world.serve();
        world.until_ready().await;
    }
    dice.moment().await;
    check_slots(&world).await;
}

#[tokio::test]
async fn on_postgres_each_second_becomes_one_run_whichever_of_two_processes_dies() {
    let Some(server) = postgres::server() else {
        return;
    };
    let kind = Kind::Postgres(server.database());
    let first = World::start(kind.clone()).await;
    first.publish(CLOCKWORK).await;
    let mut second = World::prepare(kind);
    second.serve();
    second.until_ready().await;
    let mut worlds = [first, second];
    let mut dice = Dice(7);
    for _ in 0..12 {
        dice.moment().await;
        let victim = &mut worlds[usize::try_from(dice.roll(2)).unwrap()];
        victim.kill();
        dice.moment().await;
        victim.serve();
        victim.until_ready().await;
    }
    check_slots(&worlds[0]).await;
}

/// A call as the web shop sends it. None if nobody answers.
async fn deliver(address: &str, delivery: u64) -> Option<(u16, Value)> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = json!({"order": delivery, "total": 7, "customer": format!("customer {delivery}")})
        .to_string();
    let mut keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    keyed.update(format!("{now}.{body}").as_bytes());
    let signature = hex::encode(keyed.finalize().into_bytes());
    let sent = browser::client()
        .post(address)
        .header("content-type", "application/json")
        .header("x-delivery-id", delivery.to_string())
        .header("x-timestamp", now.to_string())
        .header("x-signature", format!("sha256={signature}"))
        .body(body)
        .send()
        .await
        .ok()?;
    let status = sent.status().as_u16();
    Some((status, sent.json().await.ok()?))
}

async fn no_call_is_lost(kind: Kind) {
    let mut world = World::start(kind).await;
    crate::examples::share_team_crm(&world).await;
    let secret = json!({"name": "web-shop", "value": SECRET});
    let path = "/api/v1/secrets";
    world
        .ask(Method::POST, path, None, Some(&secret))
        .await
        .expect_ok();
    let published = world
        .publish(include_str!("../../examples/order-arrives.yaml"))
        .await;
    let address = published["trigger"]["address"].as_str().unwrap().to_owned();

    let mut dice = Dice(3);
    // Delivery to the run that its first answer named.
    let mut taken: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..8 {
        // New ones, those that nobody has taken, and some that were: senders do all of that.
        let calls: Vec<u64> = (0..(round + 1) * 12).collect();
        let sent: Vec<_> = calls
            .into_iter()
            .map(|delivery| {
                let address = address.clone();
                let later = Duration::from_millis(dice.roll(1_200));
                tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    (delivery, deliver(&address, delivery).await)
                })
            })
            .collect();
        dice.moment().await;
        world.kill();
        for one in sent {
            let (delivery, answer) = one.await.unwrap();
            note(&mut taken, delivery, answer);
        }
        world.serve();
        world.until_ready().await;
    }
    // Alive at last: whatever was not taken is sent once more.
    for delivery in 0..96 {
        let answer = deliver(&address, delivery).await;
        assert!(answer.is_some(), "{delivery}");
        note(&mut taken, delivery, answer);
    }
    let mut runs: BTreeMap<u64, String> = BTreeMap::new();
    for run in ended(&world, "order-arrives").await {
        let path = format!("/api/v1/runs/{}", run["run"].as_str().unwrap());
        assert_eq!(run["entry"], "webhook", "{run:#}");
        let customer = run["outputs"]["customer"].as_str().unwrap();
        let delivery = customer.strip_prefix("customer ").unwrap().parse().unwrap();
        let id = path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(
            runs.insert(delivery, id),
            None,
            "delivery {delivery} has two runs"
        );
    }
    assert_eq!(runs, taken, "each delivery that was taken has its run");
    assert_eq!(runs.len(), 96);
    verified(&world).await;
}

/// What a sender makes of an answer: 2xx is taken, and the same run each time.
fn note(taken: &mut BTreeMap<u64, String>, delivery: u64, answer: Option<(u16, Value)>) {
    let Some((status, body)) = answer else {
        return;
    };
    if !(200..300).contains(&status) {
        assert_eq!(status, 503, "{body:#}");
        return;
    }
    let run = body["run"].as_str().unwrap().to_owned();
    let known = taken.entry(delivery).or_insert_with(|| run.clone());
    assert_eq!(*known, run, "delivery {delivery}");
}

#[tokio::test]
async fn on_sqlite_a_call_that_was_taken_is_not_lost_and_not_done_twice() {
    no_call_is_lost(Kind::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_a_call_that_was_taken_is_not_lost_and_not_done_twice() {
    if let Some(server) = postgres::server() {
        no_call_is_lost(Kind::Postgres(server.database())).await;
    }
}
