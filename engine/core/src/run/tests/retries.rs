//! Keys and delays: the same for the same attempt, wherever and whenever it is made.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

use super::support::{START, bound, created, kind, plan};
use crate::error::StepError;
use crate::ids::{RunId, StepPath};
use crate::run::{ConnectionKind, Event, Run};
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
fn an_attempt_that_could_not_begin_is_put_off_whatever_its_effect_but_not_for_ever() {
    let flow = plan(
        "
flow: once
trigger: {on_demand: {}}
connections: {crm: {app: crm, connection: team}}
steps:
  add: {uses: crm.pay, connection: crm, with: {q: x}}
",
    );
    let mut run = Run::new(flow.clone());
    run.apply(&Event::RunCreated(Box::new(created(&flow, json!({})))))
        .unwrap();
    let put_off = |attempt: u32, after_ms: Option<u64>| {
        let mut error = StepError::new(kind("unavailable"), "not renewed");
        error.after_ms = after_ms;
        let failed = run.failed_attempt(&add(), attempt, error, None, None, START, START);
        match run.put_off(failed) {
            Event::StepFailed { retry_at, .. } => retry_at.map(|due| due.since(START)),
            other => panic!("{other}"),
        }
    };
    assert_eq!(put_off(1, Some(1500)), Some(Duration::from_millis(1500)));
    assert_eq!(put_off(15, Some(7000)), Some(Duration::from_secs(7)));
    assert_eq!(put_off(16, Some(7000)), None);
    // Nobody says when: then it is no matter of waiting.
    assert_eq!(put_off(1, None), None);
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

#[test]
fn what_was_based_on_what_was_undone_is_done_anew_and_so_is_what_only_failures_begin() {
    let flow = plan(
        "
flow: chain
trigger: {on_demand: {}}
connections: {crm: {app: crm, connection: team}}
steps:
  find: {uses: core.set, with: {v: 1}}
  create: {uses: crm.add, connection: crm, with: {of: '{{ steps.find.v }}'}, undo: {uses: crm.add, connection: crm, with: {not: 1}}}
  lines:
    for_each: '{{ [1, 2] }}'
    steps:
      add: {uses: crm.add, connection: crm, with: {of: '{{ steps.create.id }}'}}
      other: {uses: crm.add, connection: crm, with: {of: x}, needs: []}
  tell: {uses: crm.add, connection: crm, needs: [lines]}
  apart: {uses: crm.add, connection: crm, needs: [], on_error: {steps: {keep: {uses: core.set}}}}
  clean: {uses: core.set, if: failure(), needs: [apart]}
",
    );
    let mut imports = crate::run::import::Imports::of(flow);
    let succeeded = |step: &str| Event::StepSucceeded {
        step: step.parse().unwrap(),
        attempt: 1,
        output: Arc::default(),
        acted_as: None,
        started_at: START,
        at: START,
    };
    let all = [
        "find",
        "create",
        "lines[0]/add",
        "lines[1]/other",
        "tell",
        "apart",
    ];
    for step in all {
        imports.take(&succeeded(step));
    }
    for step in ["clean", "apart/on_error/keep", "create/undo"] {
        imports.take(&succeeded(step));
    }
    let kept = |imports: &crate::run::import::Imports| {
        let mut told = String::new();
        for step in all.into_iter().chain(["clean", "apart/on_error/keep"]) {
            let path = step.parse().unwrap();
            let done = imports.done(&path).is_some();
            let times = imports.times_undone(&path);
            writeln!(told, "{step}: {done}, undone {times} times").unwrap();
        }
        told
    };
    expect![[r#"
        find: true, undone 0 times
        create: false, undone 1 times
        lines[0]/add: false, undone 1 times
        lines[1]/other: false, undone 1 times
        tell: false, undone 1 times
        apart: true, undone 0 times
        clean: false, undone 0 times
        apart/on_error/keep: false, undone 0 times
    "#]]
    .assert_eq(&kept(&imports));
    // Done again by the next run, it stands.
    imports.take(&succeeded("create"));
    imports.take(&succeeded("tell"));
    expect![[r#"
        find: true, undone 0 times
        create: true, undone 1 times
        lines[0]/add: false, undone 1 times
        lines[1]/other: false, undone 1 times
        tell: true, undone 1 times
        apart: true, undone 0 times
        clean: false, undone 0 times
        apart/on_error/keep: false, undone 0 times
    "#]]
    .assert_eq(&kept(&imports));
}

#[test]
fn a_step_that_waits_for_its_apps_pace_has_had_no_attempt_and_comes_to_none_if_the_run_is_cancelled()
 {
    let until = Time(START.0 + 60_000_000);
    let paced = |attempts| Event::StepPaced {
        step: add(),
        attempts,
        until,
        at: START,
    };
    let mut run = run(1, 1);
    assert!(run.apply(&paced(1)).is_err(), "it has had none");
    run.apply(&Event::SlotBound {
        slot: "crm".parse().unwrap(),
        bound: bound("crm", ConnectionKind::Shared),
        at: START,
    })
    .unwrap();
    run.apply(&paced(0)).unwrap();
    assert_eq!(run.next_due(START), Some(until));
    assert_eq!(run.state_name(START), "waiting");
    let started = Event::StepStarted {
        step: add(),
        attempt: 1,
        at: until,
    };
    let mut begun = run.clone();
    begun.apply(&started).unwrap();
    assert!(begun.apply(&paced(1)).is_err(), "it is under way");
    let cancelled = Event::CancelAsked {
        by: None,
        at: START,
    };
    run.apply(&cancelled).unwrap();
    let commands = crate::run::decide(&run, START);
    let [crate::run::Command::Record(skipped)] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(skipped.to_string(), "step_skipped add");
    run.apply(skipped).unwrap();
}
