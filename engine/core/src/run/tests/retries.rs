//! Keys and delays: the same for the same attempt, wherever and whenever it is made.

use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

use super::support::{START, created, kind, plan};
use crate::error::StepError;
use crate::ids::{RunId, StepPath};
use crate::run::{Event, Run};
use crate::time::Time;

const FLOW: &str = r#"
flow: one
trigger: {on_demand: {}}
connections: {crm: {app: crm, connection: team}}
steps:
  add: {uses: crm.add, connection: crm, retry: {attempts: 100, first_delay: 2s, max_delay: 1m}, with: {q: x}}
"#;

fn add() -> StepPath {
    serde_json::from_value(json!("add")).unwrap()
}

fn run(number: u128, first: u128) -> Run {
    let mut created = created(&plan(FLOW), json!({}));
    created.run = RunId::from_bits(number);
    created.first_run = RunId::from_bits(first);
    let mut run = Run::new(plan(FLOW));
    run.apply(&Event::RunCreated(Box::new(created))).unwrap();
    run
}

fn delay(run: &Run, attempt: u32, after_ms: Option<u64>) -> Option<Duration> {
    let mut error = StepError::new(kind("unavailable"), "away");
    error.after_ms = after_ms;
    let now = Time(START.0 + 5);
    match run.failed_attempt(&add(), attempt, error, None, None, START, now) {
        Event::StepFailed { retry_at, .. } => retry_at.map(|due| due.since(now)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_step_keeps_its_key_through_a_chain_of_retried_runs_and_shares_it_with_no_other() {
    let key = run(1, 1).idempotency_key(&add());
    expect!["164de110791cb1cdc2dcff95423cec15fb57f2ff2181b37390937dacc541afff"].assert_eq(&key);
    assert_eq!(run(2, 1).idempotency_key(&add()), key);
    assert_ne!(run(2, 2).idempotency_key(&add()), key);
    let other = serde_json::from_value(json!("add2")).unwrap();
    assert_ne!(run(1, 1).idempotency_key(&other), key);
}

#[test]
fn what_the_app_asks_to_wait_wins_when_it_is_longer() {
    let own = delay(&run(1, 1), 1, None).unwrap();
    assert_eq!(delay(&run(1, 1), 1, Some(1)), Some(own));
    assert_eq!(
        delay(&run(1, 1), 1, Some(90_000)),
        Some(Duration::from_secs(90))
    );
}

#[test]
fn the_last_attempt_is_the_last() {
    assert!(delay(&run(1, 1), 99, None).is_some());
    assert_eq!(delay(&run(1, 1), 100, None), None);
}

proptest! {
    #[test]
    fn a_delay_doubles_up_to_the_longest_and_is_spread_the_same_each_time(number in any::<u128>(), attempt in 1u32..100) {
        let run = run(number, 1);
        let whole = 2_000_u64.saturating_mul(1 << (attempt - 1).min(20)).min(60_000);
        let found = delay(&run, attempt, None).unwrap();
        prop_assert!(found >= Duration::from_millis(whole / 2) && found <= Duration::from_millis(whole));
        prop_assert_eq!(delay(&run, attempt, None), Some(found));
    }
}
