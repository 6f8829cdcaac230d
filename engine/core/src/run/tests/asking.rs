//! Steps that wait: for the clock, for a call, for a person, for another run; and steps of which nobody knows whether they happened.

use expect_test::expect;
use serde_json::json;

use super::support::check;

#[test]
fn a_wait_ends_by_the_clock_and_a_crash_changes_nothing() {
    check(
        "
flow: waits
trigger: {on_demand: {}}
steps:
  nap: {uses: core.wait, with: {for: 1h30m}}
  then: {uses: core.set, with: {v: '{{ steps.nap.until }}'}}
",
        &json!({}),
        "
        crash
        after 5399
        after 1
        ",
        expect![[r#"
            > begin
              hold nap#1 {"for":"1h30m"}
              wait 5400 s
              = waiting
            > crash
              wait 5400 s
              = waiting
            > after 5399
              wait 1 s
              = waiting
            > after 1
              step_succeeded nap
              start then#1 {"v":"2026-11-20T14:36:40.000000Z"}
              wait 81000 s
              = running
        "#]],
    );
}

#[test]
fn a_callback_is_taken_once_and_only_if_it_fits() {
    check(
        "
flow: called
trigger: {on_demand: {}}
steps:
  wait: {uses: core.wait_for_callback, with: {expires: 1h, payload: {type: object, required: [id]}}}
outputs: {id: '{{ steps.wait.payload.id }}'}
",
        &json!({}),
        r#"
        call wait {"no": 1}
        call other {"id": 1}
        crash
        call wait {"id": 7}
        call wait {"id": 8}
        "#,
        expect![[r#"
            > begin
              hold wait#1 {"expires":"1h","payload":{"required":["id"],"type":"object"}}
              wait 3602 s
              = waiting
            > call wait {"no": 1}
              ILLEGAL callback_came wait is not legal: `payload`: `id` is missing
              wait 3602 s
              = waiting
            > call other {"id": 1}
              ILLEGAL callback_came other is not legal: nothing in this run waits for that
              wait 3602 s
              = waiting
            > crash
              wait 3602 s
              = waiting
            > call wait {"id": 7}
              step_succeeded wait
              end succeeded {"id":7}
              = succeeded
            > call wait {"id": 8}
              ILLEGAL callback_came wait is not legal: the run has ended (succeeded)
              = succeeded
        "#]],
    );
}

#[test]
fn a_callback_may_come_before_its_step_is_reached_and_counts_once_too() {
    let flow = "
flow: called
trigger: {on_demand: {}}
steps:
  first: {uses: core.set, with: {v: 1}}
  wait: {needs: [first], uses: core.wait_for_callback, with: {payload: {type: integer}}}
outputs: {id: '{{ steps.wait.payload }}'}
";
    check(
        flow,
        &json!({}),
        "
        call wait 7
        call wait 8
        crash
        ok first
        ",
        expect![[r#"
            > begin
              start first#1 {"v":1}
              wait 86400 s
              = running
            > call wait 7
              wait 86400 s
              = running
            > call wait 8
              ILLEGAL callback_came wait is not legal: this callback was used before
              wait 86400 s
              = running
            > crash
              start first#1 {"v":1}
              wait 86400 s
              = running
            > ok first
              hold wait#1 {"payload":{"type":"integer"}}
              step_succeeded wait
              end succeeded {"id":7}
              = succeeded
        "#]],
    );
    check(
        flow,
        &json!({}),
        r#"
        call wait "seven"
        ok first
        "#,
        expect![[r#"
            > begin
              start first#1 {"v":1}
              wait 86400 s
              = running
            > call wait "seven"
              wait 86400 s
              = running
            > ok first
              hold wait#1 {"payload":{"type":"integer"}}
              fail wait#1 invalid_input for good: the callback that came does not fit: `payload`: must be a whole number, not a text
              end failed null wait: the callback that came does not fit: `payload`: must be a whole number, not a text
              = failed
        "#]],
    );
}

#[test]
fn a_callback_that_does_not_come_fails_the_step_or_is_waited_for_again() {
    check(
        "
flow: called
trigger: {on_demand: {}}
steps:
  wait: {uses: core.wait_for_callback, with: {expires: 1h}, retry: {attempts: 2, first_delay: 1s, max_delay: 1s}}
",
        &json!({}),
        "
        after 3602
        after 1
        crash
        after 3602
        ",
        expect![[r#"
            > begin
              hold wait#1 {"expires":"1h"}
              wait 3602 s
              = waiting
            > after 3602
              fail wait#1 timeout again in 0.664 s: no callback came before 2026-11-20T14:06:40.000000Z
              wait 0.664 s
              = waiting
            > after 1
              hold wait#2 {"expires":"1h"}
              wait 3602 s
              = waiting
            > crash
              wait 3602 s
              = waiting
            > after 3602
              fail wait#2 timeout for good: no callback came before 2026-11-20T15:06:43.000000Z
              end failed null wait: no callback came before 2026-11-20T15:06:43.000000Z
              = failed
        "#]],
    );
}

const APPROVAL: &str = "
flow: approved
trigger: {on_demand: {}}
steps:
  ask: {uses: core.approve, with: {who: [ben, ana], title: Pay, form: {discount: {type: number}}, expires: 2d}}
  then: {uses: core.set, with: {v: '{{ steps.ask.form.discount }}'}}
outputs: {decision: '{{ steps.ask.decision }}', by: '{{ steps.ask.by }}'}
";

#[test]
fn an_approval_goes_on_when_somebody_else_says_yes_and_is_decided_once() {
    check(
        APPROVAL,
        &json!({}),
        r#"
        after 3600
        ok then
        ok ask {"decision": "approved"}
        approve ask 1 {"discount": 5}
        approve ask 2 {"discount": "five"}
        approve ask 2
        crash
        approve ask 2 {"discount": 5}
        reject ask 3
        ok then
        approve ask 2 {"discount": 5}
        "#,
        expect![[r#"
            > begin
              hold ask#1 {"expires":"2d","form":{"discount":{"type":"number"}},"title":"Pay","who":["ben","ana"]}
              wait 172802 s
              = paused (a person is needed)
            > after 3600
              wait 169202 s
              = paused (a person is needed)
            > ok then
              ILLEGAL step_succeeded then is not legal: 1 of the steps it needs have not ended
              wait 169202 s
              = paused (a person is needed)
            > ok ask {"decision": "approved"}
              ILLEGAL step_succeeded ask is not legal: what it waits for has not come
              wait 169202 s
              = paused (a person is needed)
            > approve ask 1 {"discount": 5}
              ILLEGAL approval_decided ask is not legal: whoever runs the flow may not decide this themselves (`self: true` in the flow would allow it)
              wait 169202 s
              = paused (a person is needed)
            > approve ask 2 {"discount": "five"}
              ILLEGAL approval_decided ask is not legal: the field `discount`: must be a number, not a text
              wait 169202 s
              = paused (a person is needed)
            > approve ask 2
              ILLEGAL approval_decided ask is not legal: the field `discount` is missing
              wait 169202 s
              = paused (a person is needed)
            > crash
              wait 169202 s
              = paused (a person is needed)
            > approve ask 2 {"discount": 5}
              step_succeeded ask
              start then#1 {"v":5}
              wait 86400 s
              = running
            > reject ask 3
              ILLEGAL approval_decided ask is not legal: it has been decided before
              wait 86400 s
              = running
            > ok then
              end succeeded {"by":{"id":"usr_00000000000000000000000002","name":"User 2"},"decision":"approved"}
              = succeeded
            > approve ask 2 {"discount": 5}
              ILLEGAL approval_decided ask is not legal: the run has ended (succeeded)
              = succeeded
        "#]],
    );
}

#[test]
fn a_rejection_fails_the_step_and_so_does_nobody_s_answer() {
    check(
        APPROVAL,
        &json!({}),
        "reject ask 2",
        expect![[r#"
        > begin
          hold ask#1 {"expires":"2d","form":{"discount":{"type":"number"}},"title":"Pay","who":["ben","ana"]}
          wait 172802 s
          = paused (a person is needed)
        > reject ask 2
          fail ask#1 rejected for good: User 2 rejected it: too much
          skip then (RunEnding)
          end failed null ask: User 2 rejected it: too much
          = failed
    "#]],
    );
    check(
        APPROVAL,
        &json!({}),
        "
        after 172801
        after 1
        approve ask 2
        ",
        expect![[r#"
            > begin
              hold ask#1 {"expires":"2d","form":{"discount":{"type":"number"}},"title":"Pay","who":["ben","ana"]}
              wait 172802 s
              = paused (a person is needed)
            > after 172801
              wait 1 s
              = paused (a person is needed)
            > after 1
              fail ask#1 rejected for good: nobody decided before 2026-11-22T13:06:40.000000Z
              skip then (RunEnding)
              end failed null ask: nobody decided before 2026-11-22T13:06:40.000000Z
              = failed
            > approve ask 2
              ILLEGAL approval_decided ask is not legal: the run has ended (failed)
              = failed
        "#]],
    );
}

#[test]
fn with_continue_a_rejection_and_an_expiry_are_answers() {
    let flow = "
flow: approved
trigger: {on_demand: {}}
steps:
  ask: {uses: core.approve, with: {who: ben, expires: 2d, on_reject: continue}}
outputs: {ask: '{{ steps.ask }}'}
";
    check(
        flow,
        &json!({}),
        "reject ask 2",
        expect![[r#"
            > begin
              hold ask#1 {"expires":"2d","on_reject":"continue","who":"ben"}
              wait 172802 s
              = paused (a person is needed)
            > reject ask 2
              step_succeeded ask
              end succeeded {"ask":{"at":"2026-11-20T13:06:40.000000Z","by":{"id":"usr_00000000000000000000000002","name":"User 2"},"comment":"too much","decision":"rejected","form":{}}}
              = succeeded
        "#]],
    );
    check(
        flow,
        &json!({}),
        "after 172802",
        expect![[r#"
        > begin
          hold ask#1 {"expires":"2d","on_reject":"continue","who":"ben"}
          wait 172802 s
          = paused (a person is needed)
        > after 172802
          step_succeeded ask
          end succeeded {"ask":{"at":"2026-11-22T13:06:42.000000Z","by":null,"comment":null,"decision":"expired","form":{}}}
          = succeeded
    "#]],
    );
}

#[test]
fn an_approval_that_nobody_could_give_fails_at_once() {
    check(
        "
flow: approved
trigger: {on_demand: {}}
steps:
  ask: {uses: core.approve, with: {who: '{{ run.user.email }}'}}
",
        &json!({}),
        "",
        expect![[r#"
            > begin
              hold ask#1 {"who":null}
              fail ask#1 invalid_input for good: `who` is empty: nobody could decide
              end failed null ask: `who` is empty: nobody could decide
              = failed
        "#]],
    );
}

#[test]
fn a_cancelled_run_waits_for_nothing_and_takes_nothing() {
    check(
        "
flow: approved
trigger: {on_demand: {}}
steps:
  ask: {uses: core.approve, with: {who: ben}}
  call: {uses: core.wait_for_callback}
  nap: {uses: core.wait, with: {for: 1d}}
  after: {needs: [ask], uses: core.set}
",
        &json!({}),
        "
        cancel
        approve ask 2
        call call 1
        ",
        expect![[r#"
            > begin
              hold ask#1 {"who":"ben"}
              hold call#1 {}
              hold nap#1 {"for":"1d"}
              wait 86400 s
              = waiting (a person is needed)
            > cancel
              skip after (RunEnding)
              fail ask#1 rejected for good: the run was ending and waited for it no longer
              fail call#1 rejected for good: the run was ending and waited for it no longer
              fail nap#1 rejected for good: the run was ending and waited for it no longer
              end cancelled null
              = cancelled
            > approve ask 2
              ILLEGAL approval_decided ask is not legal: the run has ended (cancelled)
              = cancelled
            > call call 1
              ILLEGAL callback_came call is not legal: the run has ended (cancelled)
              = cancelled
        "#]],
    );
}

#[test]
fn a_failing_run_gives_up_what_it_waits_for() {
    check(
        "
flow: approved
trigger: {on_demand: {}}
steps:
  ask: {uses: core.approve, with: {who: ben}}
  go: {uses: core.set}
  last: {needs: [ask], if: failure(), uses: core.set}
",
        &json!({}),
        "
        fail go rejected
        approve ask 2
        ok last
        ",
        expect![[r#"
            > begin
              hold ask#1 {"who":"ben"}
              start go#1 {}
              wait 86400 s
              = running (a person is needed)
            > fail go rejected
              fail go#1 rejected for good: it did not work
              fail ask#1 rejected for good: the run was ending and waited for it no longer
              start last#1 {}
              wait 86400 s
              = running
            > approve ask 2
              ILLEGAL approval_decided ask is not legal: it has been decided before
              wait 86400 s
              = running
            > ok last
              end failed null go: it did not work
              = failed
        "#]],
    );
}

#[test]
fn the_run_s_time_stands_still_for_people_and_not_for_machines() {
    let flow = |more: &str| {
        format!(
            "
flow: timed
trigger: {{on_demand: {{}}}}
steps:
  ask: {{uses: core.approve, with: {{who: ben}}}}
{more}
limits: {{run: 1h}}
"
        )
    };
    check(
        &flow(""),
        &json!({}),
        "
        after 86400
        approve ask 2
        ",
        expect![[r#"
            > begin
              hold ask#1 {"who":"ben"}
              wait 604802 s
              = paused (a person is needed)
            > after 86400
              wait 518402 s
              = paused (a person is needed)
            > approve ask 2
              step_succeeded ask
              end succeeded {}
              = succeeded
        "#]],
    );
    check(
        &flow("  call: {uses: core.wait_for_callback}"),
        &json!({}),
        "
        after 3600
        ",
        expect![[r#"
            > begin
              hold ask#1 {"who":"ben"}
              hold call#1 {}
              wait 3600 s
              = waiting (a person is needed)
            > after 3600
              fail ask#1 timeout for good: the run took longer than its limit of 3600 s
              fail call#1 timeout for good: the run took longer than its limit of 3600 s
              end failed null ask: the run took longer than its limit of 3600 s
              = failed
        "#]],
    );
}

const PAYS: &str = "
flow: pays
trigger: {on_demand: {}}
connections: {crm: {app: crm, connection: team}}
steps:
  pay: {uses: crm.bill, connection: crm, with: {amount: 5}}
outputs: {id: '{{ steps.pay.id }}'}
";

#[test]
fn of_an_interrupted_step_a_person_says_that_it_happened() {
    check(
        PAYS,
        &json!({}),
        r#"
        bind crm shared
        crash
        happened other {}
        happened pay {"id": "seven"}
        crash
        happened pay {"id": 7}
        again pay
        "#,
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm shared
              start pay#1 {"amount":5}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#1 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              ask Some(usr_00000000000000000000000001) about pay#1: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              wait 604802 s
              = paused (a person is needed)
            > happened other {}
              ILLEGAL decided other is not legal: nothing in this run waits for that
              wait 604802 s
              = paused (a person is needed)
            > happened pay {"id": "seven"}
              ILLEGAL decided pay is not legal: `output.id`: must be a whole number, not a text
              wait 604802 s
              = paused (a person is needed)
            > crash
              wait 604802 s
              = paused (a person is needed)
            > happened pay {"id": 7}
              end succeeded {"id":7}
              = succeeded
            > again pay
              ILLEGAL decided pay is not legal: the run has ended (succeeded)
              = succeeded
        "#]],
    );
}

#[test]
fn or_that_it_is_to_be_done_again_or_given_up_and_nobody_s_answer_gives_it_up_too() {
    check(
        PAYS,
        &json!({}),
        r#"
        bind crm shared
        crash
        again pay
        crash
        give_up pay
        "#,
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm shared
              start pay#1 {"amount":5}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#1 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              ask Some(usr_00000000000000000000000001) about pay#1: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              wait 604802 s
              = paused (a person is needed)
            > again pay
              start pay#2 {"amount":5}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#2 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              ask Some(usr_00000000000000000000000001) about pay#2: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              wait 604802 s
              = paused (a person is needed)
            > give_up pay
              end failed null pay: `pay` was interrupted: it may or may not have happened, and nothing repeats it (User 1 gave it up)
              = failed
        "#]],
    );
    check(
        PAYS,
        &json!({}),
        r#"
        bind crm shared
        crash
        after 604802
        happened pay {"id": 7}
        "#,
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm shared
              start pay#1 {"amount":5}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#1 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              ask Some(usr_00000000000000000000000001) about pay#1: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              wait 604802 s
              = paused (a person is needed)
            > after 604802
              decided pay
              end failed null pay: `pay` was interrupted: it may or may not have happened, and nothing repeats it (nobody decided in time)
              = failed
            > happened pay {"id": 7}
              ILLEGAL decided pay is not legal: the run has ended (failed)
              = failed
        "#]],
    );
    check(
        PAYS,
        &json!({}),
        r#"
        bind crm shared
        crash
        cancel
        "#,
        expect![[r#"
            > begin
              resolve crm
              = running
            > bind crm shared
              start pay#1 {"amount":5}
              wait 86400 s
              = running
            > crash
              interrupted: fail pay#1 internal for good: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              ask Some(usr_00000000000000000000000001) about pay#1: `pay` was interrupted: it may or may not have happened, and nothing repeats it
              wait 604802 s
              = paused (a person is needed)
            > cancel
              decided pay
              end cancelled null
              = cancelled
        "#]],
    );
}

#[test]
fn nothing_ends_an_approval_well_before_it_was_asked() {
    check(
        "
flow: early
trigger: {on_demand: {}}
connections: {crm: {app: crm, dynamic: {}}}
steps:
  find: {uses: crm.find, connection: crm}
  ask: {uses: core.approve, with: {who: ben}}
",
        &json!({}),
        r#"
        ok ask {"decision": "approved"}
        approve ask 2
        "#,
        expect![[r#"
            > begin
              resolve crm
              = running
            > ok ask {"decision": "approved"}
              ILLEGAL step_succeeded ask is not legal: the step has not begun to wait
              resolve crm
              = running
            > approve ask 2
              ILLEGAL approval_decided ask is not legal: nothing in this run waits for that
              resolve crm
              = running
        "#]],
    );
}
