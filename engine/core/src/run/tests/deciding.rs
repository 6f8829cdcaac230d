//! What the engine decides, told as stories.

use expect_test::expect;
use serde_json::json;

use super::support::{check, check_at};

const STRAIGHT: &str = r#"
flow: straight
trigger: {on_demand: {}}
inputs: {name: {type: string}}
connections: {crm: {app: crm, dynamic: {ask: when_needed}}}
steps:
  words: {uses: core.set, with: {greeting: "Hello {{ inputs.name }}"}}
  find: {uses: crm.find, connection: crm, with: {q: "{{ steps.words.greeting }}"}}
  add: {uses: crm.add, connection: crm, retry: {attempts: 3, first_delay: 2s, max_delay: 1m}, with: {of: "{{ steps.find.id }}"}}
outputs: {id: "{{ steps.add.id }}"}
"#;

#[test]
fn a_run_asks_for_the_account_at_the_step_that_needs_it_and_goes_on_there() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        ask crm
        after 3600
        bind crm
        ok find {"id": 7}
        ok add {"id": 8}
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > ask crm
              wait 604800 s
              = paused (a person is needed)
            > after 3600
              wait 601200 s
              = paused (a person is needed)
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > ok find {"id": 7}
              start add#1 {"of":7}
              wait 86400 s
              = running
            > ok add {"id": 8}
              end succeeded {"id":8}
              = succeeded
        "#]],
    );
}

#[test]
fn a_transient_failure_is_tried_again_and_a_crash_changes_nothing() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        bind crm
        ok find {"id": 7}
        fail add unavailable
        crash
        after 2
        fail add rate_limited 60000
        after 59
        after 1
        crash
        fail add timeout
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > ok find {"id": 7}
              start add#1 {"of":7}
              wait 86400 s
              = running
            > fail add unavailable
              fail add#1 unavailable again in 1.9689999999999999 s: it did not work
              wait 1.9689999999999999 s
              = waiting
            > crash
              wait 1.9689999999999999 s
              = waiting
            > after 2
              start add#2 {"of":7}
              wait 86398 s
              = running
            > fail add rate_limited 60000
              fail add#2 rate_limited again in 60 s: it did not work
              wait 60 s
              = waiting
            > after 59
              wait 1 s
              = waiting
            > after 1
              start add#3 {"of":7}
              wait 86338 s
              = running
            > crash
              start add#3 {"of":7}
              wait 86338 s
              = running
            > fail add timeout
              fail add#3 timeout for good: it did not work
              end failed null add: it did not work
              = failed
        "#]],
    );
}

#[test]
fn an_account_that_dies_in_mid_run_pauses_it_at_that_step() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        bind crm
        ok find {"id": 7}
        fail add sign_in_needed
        ask crm revoked
        crash
        decline crm
        bind crm
        ok add {"id": 8}
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > ok find {"id": 7}
              start add#1 {"of":7}
              wait 86400 s
              = running
            > fail add sign_in_needed
              lost crm at add (expired)
              resolve crm
              = running
            > ask crm revoked
              wait 604800 s
              = paused (a person is needed)
            > crash
              wait 604800 s
              = paused (a person is needed)
            > decline crm
              wait 604800 s
              = paused (a person is needed)
            > bind crm
              start add#1 {"of":7}
              wait 86400 s
              = running
            > ok add {"id": 8}
              end succeeded {"id":8}
              = succeeded
        "#]],
    );
}

#[test]
fn an_account_that_is_lost_again_and_again_fails_the_step() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        bind crm
        fail find sign_in_needed
        bind crm
        fail find sign_in_needed
        bind crm
        fail find sign_in_needed
        bind crm
        fail find sign_in_needed
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > fail find sign_in_needed
              lost crm at find (expired)
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > fail find sign_in_needed
              lost crm at find (expired)
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > fail find sign_in_needed
              lost crm at find (expired)
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > fail find sign_in_needed
              fail find#1 sign_in_needed for good: it did not work
              skip add (RunEnding)
              end failed null find: it did not work
              = failed
        "#]],
    );
}

#[test]
fn a_declined_sign_in_stays_until_the_deadline_and_then_fails_its_steps() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        ask crm
        decline crm
        after 604799
        after 1
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > ask crm
              wait 604800 s
              = paused (a person is needed)
            > decline crm
              wait 604800 s
              = paused (a person is needed)
            > after 604799
              wait 1 s
              = paused (a person is needed)
            > after 1
              slot_expired crm
              fail find#0 sign_in_needed for good: nobody signed in to crm for `crm` before the deadline
              skip add (RunEnding)
              end failed null find: nobody signed in to crm for `crm` before the deadline
              = failed
        "#]],
    );
}

#[test]
fn a_permanent_failure_ends_the_run_with_its_error() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        bind crm
        fail find permission_denied
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > fail find permission_denied
              fail find#1 permission_denied for good: it did not work
              skip add (RunEnding)
              end failed null find: it did not work
              = failed
        "#]],
    );
}

#[test]
fn what_an_expression_lacks_fails_the_step_and_is_not_tried_again() {
    check(
        STRAIGHT,
        &json!({"name": "Ana"}),
        r#"
        ok words {"greeting": "Hello Ana"}
        bind crm
        ok find {}
        "#,
        expect![[r#"
            > begin
              start words#1 {"greeting":"Hello Ana"}
              wait 86400 s
              = running
            > ok words {"greeting": "Hello Ana"}
              resolve crm
              = running
            > bind crm
              start find#1 {"q":"Hello Ana"}
              wait 86400 s
              = running
            > ok find {}
              fail add#1 invalid_input for good: `steps.find.id` is missing
              end failed null add: `steps.find.id` is missing
              = failed
        "#]],
    );
}

const UP_FRONT: &str = r#"
flow: up-front
trigger: {on_demand: {}}
inputs: {big: {type: boolean}}
connections:
  crm: {app: crm, dynamic: {}}
  second: {app: crm, dynamic: {}}
  maybe: {app: crm, dynamic: {}}
steps:
  words: {uses: core.set, with: {a: 1}}
  find: {uses: crm.find, connection: crm, needs: [words], with: {q: x}}
  other: {uses: crm.find, connection: second, needs: [], with: {q: x}}
  rare: {uses: crm.find, connection: maybe, if: inputs.big, needs: [find], with: {q: x}}
"#;

#[test]
fn accounts_are_asked_for_up_front_together_and_what_may_be_needed_is_put_off() {
    check(
        UP_FRONT,
        &json!({"big": true}),
        r"
        ask crm
        ask second
        bind second
        bind crm
        ok words
        ok find
        ok other
        ask maybe
        ",
        expect![[r#"
            > begin
              resolve crm
              resolve second
              = running
            > ask crm
              resolve second
              = running (a person is needed)
            > ask second
              wait 604800 s
              = paused (a person is needed)
            > bind second
              wait 604800 s
              = paused (a person is needed)
            > bind crm
              start words#1 {"a":1}
              start other#1 {"q":"x"}
              wait 86400 s
              = running
            > ok words
              start find#1 {"q":"x"}
              wait 86400 s
              = running
            > ok find
              resolve maybe
              = running
            > ok other
              resolve maybe
              = running
            > ask maybe
              wait 604800 s
              = paused (a person is needed)
        "#]],
    );
}

#[test]
fn no_step_has_begun_when_an_account_asked_for_up_front_never_comes() {
    check(
        UP_FRONT,
        &json!({"big": true}),
        r"
        ask crm
        bind second
        after 604800
        ",
        expect![[r#"
            > begin
              resolve crm
              resolve second
              = running
            > ask crm
              resolve second
              = running (a person is needed)
            > bind second
              wait 604800 s
              = paused (a person is needed)
            > after 604800
              slot_expired crm
              fail find#0 sign_in_needed for good: nobody signed in to crm for `crm` before the deadline
              skip words (RunEnding)
              skip other (RunEnding)
              skip rare (RunEnding)
              end failed null find: nobody signed in to crm for `crm` before the deadline
              = failed
        "#]],
    );
}

const BRANCHES: &str = r#"
flow: branches
trigger: {on_demand: {}}
connections:
  mine: {app: crm, dynamic: {ask: when_needed}}
  team: {app: crm, connection: team}
steps:
  left: {uses: crm.add, connection: mine, needs: [], with: {q: x}}
  right: {uses: crm.add, connection: team, needs: [], retry: 2, with: {q: x}}
  after_right: {uses: crm.add, connection: team, needs: [right], with: {q: x}}
  both: {uses: core.set, needs: [left, after_right], with: {a: 1}}
limits: {run: 1h}
"#;

#[test]
fn an_awaited_person_stops_only_the_steps_that_need_them() {
    check(
        BRANCHES,
        &json!({}),
        r"
        ask mine
        bind team shared
        fail right unavailable
        after 10
        ok right
        ok after_right
        after 86400
        bind mine
        ok left
        ok both
        ",
        expect![[r#"
            > begin
              resolve mine
              resolve team
              = running
            > ask mine
              resolve team
              = running (a person is needed)
            > bind team shared
              start right#1 {"q":"x"}
              wait 3600 s
              = running (a person is needed)
            > fail right unavailable
              fail right#1 unavailable again in 0.998 s: it did not work
              wait 0.998 s
              = waiting (a person is needed)
            > after 10
              start right#2 {"q":"x"}
              wait 3590 s
              = running (a person is needed)
            > ok right
              start after_right#1 {"q":"x"}
              wait 3590 s
              = running (a person is needed)
            > ok after_right
              wait 604790 s
              = paused (a person is needed)
            > after 86400
              wait 518390 s
              = paused (a person is needed)
            > bind mine
              start left#1 {"q":"x"}
              wait 3590 s
              = running
            > ok left
              start both#1 {"a":1}
              wait 3590 s
              = running
            > ok both
              end succeeded {}
              = succeeded
        "#]],
    );
}

#[test]
fn the_run_has_a_time_limit_that_stands_still_while_only_people_are_awaited() {
    check(
        BRANCHES,
        &json!({}),
        r"
        ask mine
        bind team shared
        ok right
        ok after_right
        after 86400
        bind mine
        after 3600
        ok left
        ",
        expect![[r#"
            > begin
              resolve mine
              resolve team
              = running
            > ask mine
              resolve team
              = running (a person is needed)
            > bind team shared
              start right#1 {"q":"x"}
              wait 3600 s
              = running (a person is needed)
            > ok right
              start after_right#1 {"q":"x"}
              wait 3600 s
              = running (a person is needed)
            > ok after_right
              wait 604800 s
              = paused (a person is needed)
            > after 86400
              wait 518400 s
              = paused (a person is needed)
            > bind mine
              start left#1 {"q":"x"}
              wait 3600 s
              = running
            > after 3600
              skip both (RunEnding)
              = running
            > ok left
              end failed null : the run took longer than its limit of 3600 s
              = failed
        "#]],
    );
}

#[test]
fn a_cancelled_run_starts_nothing_and_lets_finish_what_is_under_way() {
    check(
        BRANCHES,
        &json!({}),
        r"
        ask mine
        bind team shared
        cancel
        cancel
        ok right
        ",
        expect![[r#"
            > begin
              resolve mine
              resolve team
              = running
            > ask mine
              resolve team
              = running (a person is needed)
            > bind team shared
              start right#1 {"q":"x"}
              wait 3600 s
              = running (a person is needed)
            > cancel
              skip left (RunEnding)
              skip after_right (RunEnding)
              skip both (RunEnding)
              = running
            > cancel
              = running
            > ok right
              end cancelled null
              = cancelled
        "#]],
    );
    check(
        BRANCHES,
        &json!({}),
        "ask mine\nbind team shared\nfail right unavailable\ncancel",
        expect![[r#"
        > begin
          resolve mine
          resolve team
          = running
        > ask mine
          resolve team
          = running (a person is needed)
        > bind team shared
          start right#1 {"q":"x"}
          wait 3600 s
          = running (a person is needed)
        > fail right unavailable
          fail right#1 unavailable again in 0.998 s: it did not work
          wait 0.998 s
          = waiting (a person is needed)
        > cancel
          skip left (RunEnding)
          skip after_right (RunEnding)
          skip both (RunEnding)
          fail right#1 unavailable for good: it did not work
          end cancelled null
          = cancelled
    "#]],
    );
}

#[test]
fn a_failing_run_lets_finish_what_is_under_way_and_ends_with_the_first_error() {
    check(
        BRANCHES,
        &json!({}),
        r"
        bind mine
        bind team shared
        fail left invalid_input
        fail right sign_in_needed
        ",
        expect![[r#"
            > begin
              resolve mine
              resolve team
              = running
            > bind mine
              start left#1 {"q":"x"}
              resolve team
              resolve team
              = running
            > bind team shared
              start right#1 {"q":"x"}
              wait 3600 s
              = running
            > fail left invalid_input
              fail left#1 invalid_input for good: it did not work
              skip after_right (RunEnding)
              skip both (RunEnding)
              wait 3600 s
              = running
            > fail right sign_in_needed
              fail right#1 sign_in_needed for good: it did not work
              end failed null left: it did not work
              = failed
        "#]],
    );
}

const ONCE: &str = r#"
flow: once
trigger: {on_demand: {}}
connections: {crm: {app: crm, dynamic: {ask: when_needed}}}
steps:
  pay: {uses: crm.pay, connection: crm, retry: 3, with: {q: x}}
  find: {uses: crm.find, connection: crm, needs: [], with: {q: x}}
"#;

#[test]
fn of_an_interrupted_step_that_must_not_be_repeated_a_person_is_asked_and_others_begin_again() {
    check(
        ONCE,
        &json!({}),
        r"
        bind crm
        crash
        ",
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm
              start pay#1 {"q":"x"}
              start find#1 {"q":"x"}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#1 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              ask Some(usr_00000000000000000000000001) about pay#1: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              start find#1 {"q":"x"}
              wait 86400 s
              = running (a person is needed)
        "#]],
    );
}

#[test]
fn under_the_first_level_such_a_step_fails() {
    check_at(
        1,
        ONCE,
        &json!({}),
        r"
        bind crm
        crash
        ",
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm
              start pay#1 {"q":"x"}
              start find#1 {"q":"x"}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#1 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              skip find (RunEnding)
              end failed null pay: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              = failed
        "#]],
    );
}

#[test]
fn a_step_that_must_not_be_repeated_is_tried_again_only_when_it_surely_did_not_happen() {
    check(
        ONCE,
        &json!({}),
        r"
        bind crm
        ok find
        fail pay rate_limited
        after 100
        fail pay timeout
        ",
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm
              start pay#1 {"q":"x"}
              start find#1 {"q":"x"}
              wait 86400 s
              = running
            > ok find
              wait 86400 s
              = running
            > fail pay rate_limited
              fail pay#1 rate_limited again in 0.603 s: it did not work
              wait 0.603 s
              = waiting
            > after 100
              start pay#2 {"q":"x"}
              wait 86300 s
              = running
            > fail pay timeout
              fail pay#2 timeout for good: it did not work
              end failed null pay: it did not work
              = failed
        "#]],
    );
}
