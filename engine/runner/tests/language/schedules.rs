//! Schedules on both databases: each slot becomes one run however many processes look, and what nobody was there for is made up for or let go.

use std::time::Duration;

use actas_core::Time;
use actas_core::ids::VersionId;
use actas_core::run::Phase;
use actas_store::{AuditFilter, Op, RunFilter, TriggerKind, TriggerRow};
use actas_test_support::postgres;

use serde_json::json;

use crate::place::Place;

const FLOW: &str = "
flow: clockwork
trigger: {on_demand: {}}
inputs: {slot: {type: string}}
steps: {say: {uses: toy.set, with: {slot: \"{{ inputs.slot }}\"}}}
outputs: {slot: \"{{ steps.say.slot }}\"}
";

const SECOND: i64 = 1_000_000;
const LEASE: Duration = Duration::from_secs(30);

/// On SQLite, and on PostgreSQL where it is installed.
async fn everywhere() -> Vec<Place> {
    let mut all = vec![Place::on(None, LEASE).await];
    if let Some(url) = postgres::database() {
        all.push(Place::on(Some(url), LEASE).await);
    }
    all
}

/// Lets a version be started by a schedule whose first slot is `first`.
async fn schedule(place: &Place, version: &VersionId, catchup: &str, first: Time) {
    let row = place.store.reader(&place.workspace).version(version).await;
    let trigger = TriggerRow {
        flow: row.unwrap().unwrap().flow,
        workspace: place.workspace.clone(),
        version: version.clone(),
        kind: TriggerKind::Schedule,
        hook: None,
        spec: json!({"cron": "* * * * * *", "timezone": "UTC", "catchup": catchup}).to_string(),
        next_at: Some(first),
        last_at: None,
    };
    place.commit(vec![Op::PutTrigger(trigger)]).await;
}

/// A whole second, so many seconds from now.
async fn second_from_now(place: &Place, seconds: i64) -> Time {
    let now = place.store.now().await.unwrap().micros();
    Time((now / SECOND + seconds) * SECOND)
}

/// The slots of all ended runs, in order.
async fn slots(place: &Place) -> Vec<Time> {
    let reader = place.store.reader(&place.workspace);
    let mut slots = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = reader
            .runs(&RunFilter::default(), 100, cursor.as_deref())
            .await
            .unwrap();
        for row in &page.items {
            assert_eq!((row.entry.as_str(), &row.invoker), ("schedule", &None));
            let run = place.load(&row.id).await;
            if let Phase::Ended { outputs, error, .. } = &run.phase {
                assert_eq!(*error, None);
                let slot = outputs["slot"].as_str().unwrap();
                slots.push(Time::parse(slot).unwrap());
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            slots.sort();
            return slots;
        }
    }
}

/// Waits until at least so many slots have become runs that ended.
async fn until(place: &Place, count: usize) -> Vec<Time> {
    for _ in 0..600 {
        let found = slots(place).await;
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("too few slots: {:?}", slots(place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_slot_becomes_one_run_however_many_processes_look() {
    let mut places = everywhere().await;
    // On PostgreSQL three more processes look at the same schedules.
    let mut others = Vec::new();
    if let Some(url) = places.last().and_then(|place| place.database.clone()) {
        for _ in 0..3 {
            others.push(Place::on(Some(url.clone()), LEASE).await);
        }
    }
    for place in &mut places {
        let version = place.publish(FLOW).await;
        let first = second_from_now(place, -40).await;
        schedule(place, &version, "all", first).await;
        let found = until(place, 44).await;
        let expected: Vec<Time> = (0..)
            .map(|n| Time(first.micros() + n * SECOND))
            .take(found.len())
            .collect();
        assert_eq!(found, expected, "each slot once, none left out");
    }
    drop(others);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_let_go_and_the_log_says_so() {
    for place in everywhere().await {
        let version = place.publish(FLOW).await;
        let first = second_from_now(&place, -3600).await;
        schedule(&place, &version, "none", first).await;
        let found = until(&place, 1).await;
        let oldest = second_from_now(&place, -40).await;
        assert!(found[0] > oldest, "{found:?}");
        let filter = AuditFilter {
            action: Some("schedule.slot_let_go".into()),
            ..AuditFilter::default()
        };
        let reader = place.store.reader(&place.workspace);
        let told = reader.audit(&filter, 10, None).await.unwrap().items;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].record.object.id, first.to_string());
        assert_eq!(told[0].record.reason.as_deref(), Some("missed"));
        let stands = reader.trigger(&told_flow(&place, &version).await).await;
        assert!(stands.unwrap().unwrap().last_at.unwrap() > oldest);
    }
}

async fn told_flow(place: &Place, version: &VersionId) -> actas_core::ids::FlowId {
    let row = place.store.reader(&place.workspace).version(version).await;
    row.unwrap().unwrap().flow
}

/// What is in the log of slots that were let go, once there are so many; the oldest first.
async fn let_go(place: &Place, count: usize) -> Vec<(String, Option<String>)> {
    let filter = AuditFilter {
        action: Some("schedule.slot_let_go".into()),
        ..AuditFilter::default()
    };
    let reader = place.store.reader(&place.workspace);
    for _ in 0..200 {
        let told = reader.audit(&filter, 10, None).await.unwrap().items;
        if told.len() >= count {
            let told = told.into_iter().rev().map(|entry| entry.record);
            return told
                .map(|record| (record.object.id, record.reason))
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("too few were let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_flow_is_full_and_lets_nobody_wait_is_let_go() {
    for place in everywhere().await {
        let version = place
            .publish("flow: alone\ntrigger: {on_demand: {}}\nconcurrency: {key: \"{{ run.flow }}\", when_full: refuse}\nsteps: {hold: {uses: core.wait, with: {for: 1h}}}\n")
            .await;
        let first = second_from_now(&place, 0).await;
        schedule(&place, &version, "all", first).await;
        let told = let_go(&place, 2).await;
        for (n, (slot, reason)) in (1..).zip(&told) {
            assert_eq!(*slot, Time(first.micros() + n * SECOND).to_string());
            assert_eq!(reason.as_deref(), Some("flow_full"));
        }
        let reader = place.store.reader(&place.workspace);
        let runs = reader.runs(&RunFilter::default(), 10, None).await.unwrap();
        assert_eq!(runs.items.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_cannot_be_given_its_inputs_is_let_go_and_the_next_one_comes() {
    let place = Place::on(postgres::database(), LEASE).await;
    let version = place
        .publish(&FLOW.replace(
            "slot: {type: string}",
            "slot: {type: string}, who: {type: string}",
        ))
        .await;
    let first = second_from_now(&place, 0).await;
    schedule(&place, &version, "all", first).await;
    let told = let_go(&place, 2).await;
    for (n, (slot, reason)) in (0..).zip(&told) {
        assert_eq!(*slot, Time(first.micros() + n * SECOND).to_string());
        assert_eq!(reason.as_deref(), Some("invalid_inputs"));
    }
    assert_eq!(slots(&place).await, []);
}
