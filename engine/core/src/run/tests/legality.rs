//! Which event is legal in which state: every pair stated. What is refused changes nothing.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::support::{START, Story, bound, created, facts, plan, user};
use crate::error::{ErrorKind, StepError};
use crate::ids::SignInId;
use crate::run::*;

const FLOW: &str = r#"
flow: two
trigger: {on_demand: {}}
connections: {crm: {app: crm, dynamic: {ask: when_needed}}}
steps:
  one: {uses: crm.add, connection: crm, retry: 3, with: {q: x}}
  two: {uses: crm.add, connection: crm, needs: [one], with: {q: x}}
"#;

fn events() -> Vec<(&'static str, Event)> {
    let two = || serde_json::from_value(json!("two")).unwrap();
    let slot = || "crm".parse().unwrap();
    let at = START;
    let failed = |attempt, retry_at| Event::StepFailed {
        step: two(),
        attempt,
        error: StepError::new(ErrorKind::Unavailable, "away"),
        retry_at,
        acted_as: None,
        started_at: at,
        at,
    };
    let skipped = |because| Event::StepSkipped {
        step: two(),
        because,
        at,
    };
    let ended = |ending, error| Event::RunEnded {
        ending,
        outputs: Value::Null.into(),
        error,
        at,
    };
    vec![
        (
            "run created",
            Event::RunCreated(Box::new(created(&plan(FLOW), json!({})))),
        ),
        (
            "start 1",
            Event::StepStarted {
                step: two(),
                attempt: 1,
                at,
            },
        ),
        (
            "start 2",
            Event::StepStarted {
                step: two(),
                attempt: 2,
                at,
            },
        ),
        (
            "success 1",
            Event::StepSucceeded {
                step: two(),
                attempt: 1,
                output: Value::Null.into(),
                acted_as: None,
                started_at: at,
                at,
            },
        ),
        ("failure 0", failed(0, None)),
        ("failure 1", failed(1, None)),
        ("failure 1, to retry", failed(1, Some(at))),
        ("failure 2", failed(2, None)),
        ("skip, condition", skipped(SkipReason::Condition)),
        ("skip, run ending", skipped(SkipReason::RunEnding)),
        (
            "slot bound",
            Event::SlotBound {
                slot: slot(),
                bound: bound("crm", ConnectionKind::Personal),
                at,
            },
        ),
        (
            "slot asked",
            Event::SlotAsked {
                slot: slot(),
                sign_in: SignInId::from_bits(9),
                person: user(1),
                reason: AskReason::Missing,
                until: at,
                at,
            },
        ),
        ("slot declined", Event::SlotDeclined { slot: slot(), at }),
        (
            "slot lost",
            Event::SlotLost {
                slot: slot(),
                step: two(),
                reason: AskReason::Revoked,
                at,
            },
        ),
        ("slot expired", Event::SlotExpired { slot: slot(), at }),
        (
            "cancel asked",
            Event::CancelAsked {
                by: Some(user(1)),
                at,
            },
        ),
        ("ended succeeded", ended(Ending::Succeeded, None)),
        (
            "ended failed",
            ended(
                Ending::Failed,
                Some(StepError::new(ErrorKind::Internal, "no")),
            ),
        ),
        ("ended failed, no error", ended(Ending::Failed, None)),
        ("ended cancelled", ended(Ending::Cancelled, None)),
    ]
}

/// What every kind of event meets in the state that a script leads to.
fn check(script: &[&str], expect: Expect) {
    let mut story = Story::new(plan(FLOW), json!({}));
    for line in script {
        story.happen(line);
    }
    assert!(!story.trace.contains("ILLEGAL"), "{}", story.trace);
    check_run(&story.run, expect);
}

fn check_run(run: &Run, expect: Expect) {
    let mut table = String::new();
    for (name, event) in events() {
        let mut after = run.clone();
        let verdict = match after.apply(&event) {
            Ok(()) => "legal".to_owned(),
            Err(illegal) => {
                assert_eq!(
                    facts(run),
                    facts(&after),
                    "{name} was refused and changed something"
                );
                illegal.why
            }
        };
        writeln!(table, "{name:>22} : {verdict}").unwrap();
    }
    expect.assert_eq(&table);
}

#[test]
fn before_the_run_has_begun() {
    check_run(
        &Run::new(plan(FLOW)),
        expect![[r#"
                   run created : legal
                       start 1 : the run has not begun
                       start 2 : the run has not begun
                     success 1 : the run has not begun
                     failure 0 : the run has not begun
                     failure 1 : the run has not begun
           failure 1, to retry : the run has not begun
                     failure 2 : the run has not begun
               skip, condition : the run has not begun
              skip, run ending : the run has not begun
                    slot bound : the run has not begun
                    slot asked : the run has not begun
                 slot declined : the run has not begun
                     slot lost : the run has not begun
                  slot expired : the run has not begun
                  cancel asked : the run has not begun
               ended succeeded : the run has not begun
                  ended failed : the run has not begun
        ended failed, no error : the run has not begun
               ended cancelled : the run has not begun
    "#]],
    );
}

#[test]
fn while_the_steps_before_have_not_ended() {
    check(
        &[],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : its slot has no connection
                       start 2 : its slot has no connection
                     success 1 : 1 of the steps it needs have not ended
                     failure 0 : legal
                     failure 1 : 1 of the steps it needs have not ended
           failure 1, to retry : 1 of the steps it needs have not ended
                     failure 2 : attempts so far: 0
               skip, condition : 1 of the steps it needs have not ended
              skip, run ending : the run is not ending
                    slot bound : legal
                    slot asked : legal
                 slot declined : nobody is asked
                     slot lost : 1 of the steps it needs have not ended
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_a_step_is_ready_and_its_slot_unresolved() {
    check(
        &["ok one"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : its slot has no connection
                       start 2 : its slot has no connection
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : the run is not ending
                    slot bound : legal
                    slot asked : legal
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_a_step_is_ready_and_its_slot_bound() {
    check(
        &["bind crm", "ok one"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : legal
                       start 2 : attempts so far: 0
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : the run is not ending
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_a_step_is_ready_and_its_slot_asked_for() {
    check(
        &["ok one", "ask crm"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : its slot has no connection
                       start 2 : its slot has no connection
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : the run is not ending
                    slot bound : legal
                    slot asked : legal
                 slot declined : legal
                     slot lost : legal
                  slot expired : legal
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_a_step_is_ready_and_its_slot_declined() {
    check(
        &["ok one", "ask crm", "decline crm"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : its slot has no connection
                       start 2 : its slot has no connection
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : the run is not ending
                    slot bound : legal
                    slot asked : legal
                 slot declined : legal
                     slot lost : legal
                  slot expired : legal
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_a_step_is_ready_and_its_slot_expired() {
    check(
        &["ok one", "ask crm", "expire crm"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : its slot has no connection
                       start 2 : its slot has no connection
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : the run is not ending
                    slot bound : the slot's deadline has passed
                    slot asked : the slot's deadline has passed
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_an_attempt_is_under_way() {
    check(
        &["bind crm", "ok one", "start two"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : an attempt is under way
                       start 2 : an attempt is under way
                     success 1 : legal
                     failure 0 : attempt 1 is under way
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempt 1 is under way
               skip, condition : an attempt is under way
              skip, run ending : an attempt is under way
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : an attempt is under way
                  ended failed : an attempt is under way
        ended failed, no error : an attempt is under way
               ended cancelled : an attempt is under way
    "#]],
    );
}

#[test]
fn while_a_step_is_to_be_tried_again() {
    check(
        &["bind crm", "ok one", "retry two"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : attempts so far: 1
                       start 2 : legal
                     success 1 : attempts so far: 1
                     failure 0 : attempts so far: 1
                     failure 1 : legal
           failure 1, to retry : attempts so far: 1
                     failure 2 : legal
               skip, condition : the step is to be tried again
              skip, run ending : the step is to be tried again
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn after_a_step_has_succeeded() {
    check(
        &["bind crm", "ok one", "ok two"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : the step has succeeded
                       start 2 : the step has succeeded
                     success 1 : the step has succeeded
                     failure 0 : the step has succeeded
                     failure 1 : the step has succeeded
           failure 1, to retry : the step has succeeded
                     failure 2 : the step has succeeded
               skip, condition : the step has succeeded
              skip, run ending : the step has succeeded
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : the step has succeeded
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : legal
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn after_a_step_has_failed() {
    check(
        &["bind crm", "ok one", "fail two not_found"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : the step has failed
                       start 2 : the step has failed
                     success 1 : the step has failed
                     failure 0 : the step has failed
                     failure 1 : the step has failed
           failure 1, to retry : the step has failed
                     failure 2 : the step has failed
               skip, condition : the step has failed
              skip, run ending : the step has failed
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : the step has failed
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : a step has failed
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn after_a_step_was_skipped() {
    check(
        &["ok one", "skip two"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : its slot has no connection
                       start 2 : its slot has no connection
                     success 1 : the step was skipped
                     failure 0 : the step was skipped
                     failure 1 : the step was skipped
           failure 1, to retry : the step was skipped
                     failure 2 : the step was skipped
               skip, condition : the step was skipped
              skip, run ending : the step was skipped
                    slot bound : legal
                    slot asked : legal
                 slot declined : nobody is asked
                     slot lost : the step was skipped
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : legal
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_a_step_before_has_failed() {
    check(
        &["bind crm", "fail one not_found"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : legal
                       start 2 : attempts so far: 0
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : legal
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : not every step has ended
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : nobody cancelled it
    "#]],
    );
}

#[test]
fn while_the_run_is_being_cancelled() {
    check(
        &["bind crm", "ok one", "cancel"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : the run is being cancelled
                       start 2 : the run is being cancelled
                     success 1 : legal
                     failure 0 : legal
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempts so far: 0
               skip, condition : legal
              skip, run ending : legal
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : the run is being cancelled
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : not every step has ended
    "#]],
    );
}

#[test]
fn while_the_run_is_being_cancelled_and_an_attempt_is_under_way() {
    check(
        &["bind crm", "ok one", "start two", "cancel"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : the run is being cancelled
                       start 2 : the run is being cancelled
                     success 1 : legal
                     failure 0 : attempt 1 is under way
                     failure 1 : legal
           failure 1, to retry : legal
                     failure 2 : attempt 1 is under way
               skip, condition : an attempt is under way
              skip, run ending : an attempt is under way
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : legal
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : an attempt is under way
                  ended failed : an attempt is under way
        ended failed, no error : an attempt is under way
               ended cancelled : an attempt is under way
    "#]],
    );
}

#[test]
fn while_the_run_is_being_cancelled_and_every_step_has_ended() {
    check(
        &["bind crm", "ok one", "ok two", "cancel"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : the run is being cancelled
                       start 2 : the run is being cancelled
                     success 1 : the step has succeeded
                     failure 0 : the step has succeeded
                     failure 1 : the step has succeeded
           failure 1, to retry : the step has succeeded
                     failure 2 : the step has succeeded
               skip, condition : the step has succeeded
              skip, run ending : the step has succeeded
                    slot bound : the slot has its connection
                    slot asked : the slot has its connection
                 slot declined : nobody is asked
                     slot lost : the step has succeeded
                  slot expired : nobody is asked
                  cancel asked : legal
               ended succeeded : the run is being cancelled
                  ended failed : legal
        ended failed, no error : it does not say why
               ended cancelled : legal
    "#]],
    );
}

#[test]
fn after_the_run_has_ended() {
    check(
        &["bind crm", "ok one", "ok two", "end"],
        expect![[r#"
                   run created : the run has begun before
                       start 1 : the run has ended (succeeded)
                       start 2 : the run has ended (succeeded)
                     success 1 : the run has ended (succeeded)
                     failure 0 : the run has ended (succeeded)
                     failure 1 : the run has ended (succeeded)
           failure 1, to retry : the run has ended (succeeded)
                     failure 2 : the run has ended (succeeded)
               skip, condition : the run has ended (succeeded)
              skip, run ending : the run has ended (succeeded)
                    slot bound : the run has ended (succeeded)
                    slot asked : the run has ended (succeeded)
                 slot declined : the run has ended (succeeded)
                     slot lost : the run has ended (succeeded)
                  slot expired : the run has ended (succeeded)
                  cancel asked : the run has ended (succeeded)
               ended succeeded : the run has ended (succeeded)
                  ended failed : the run has ended (succeeded)
        ended failed, no error : the run has ended (succeeded)
               ended cancelled : the run has ended (succeeded)
    "#]],
    );
}

#[test]
fn unknown_steps_slots_and_levels_are_refused() {
    let plan = plan(FLOW);
    let mut run = Run::new(plan.clone());
    let mut newer = created(&plan, json!({}));
    newer.level = LEVEL + 1;
    let refuse = |run: &mut Run, event: &Event| run.apply(event).unwrap_err().to_string();
    expect!["run_created is not legal: its level is 3, and this program knows levels up to 2; run it with a newer one"]
        .assert_eq(&refuse(&mut run, &Event::RunCreated(Box::new(newer))));
    run.apply(&Event::RunCreated(Box::new(created(&plan, json!({})))))
        .unwrap();
    let step = serde_json::from_value(json!("three")).unwrap();
    let unknown = Event::StepSkipped {
        step,
        because: SkipReason::Needed,
        at: START,
    };
    expect!["step_skipped three is not legal: the flow has no such step"]
        .assert_eq(&refuse(&mut run, &unknown));
    let unknown = Event::SlotExpired {
        slot: "erp".parse().unwrap(),
        at: START,
    };
    expect!["slot_expired erp is not legal: the flow has no such slot"]
        .assert_eq(&refuse(&mut run, &unknown));
}
