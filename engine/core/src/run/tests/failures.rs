//! Failing as stories: handlers of steps and of the flow, what goes on, undoing, and the order of it all.

use expect_test::expect;
use serde_json::json;

use super::support::check;

fn flow(steps: &str) -> String {
    format!(
        "flow: fails\ntrigger: {{on_demand: {{}}}}\nconnections: {{team: {{app: crm, connection: team}}}}\n{steps}"
    )
}

#[test]
fn a_step_that_continues_counts_as_skipped_for_the_rest() {
    check(
        &flow(
            r"
steps:
  one: {uses: crm.add, connection: team, on_error: continue}
  two: {uses: core.set, with: {of: '{{ steps.one.id }}'}}
  three: {uses: core.set, if: steps.one is defined, with: {v: 1}}
  four: {uses: core.set, needs: [], if: failure()}
outputs: {one: '{{ steps.one.id }}', two: '{{ steps.two.of }}'}
",
        ),
        &json!({}),
        "
        bind team shared
        fail one rejected
        ",
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start one#1 {}
              wait 86400 s
              = running
            > fail one rejected
              fail one#1 rejected for good: it did not work
              skip two (Needed)
              skip three (Condition)
              skip four (Condition)
              end succeeded {"one":null,"two":null}
              = succeeded
        "#]],
    );
}

const HANDLED: &str = r"
steps:
  old:
    uses: crm.add
    connection: team
    retry: 2
    on_error:
      steps:
        keep: {uses: core.set, with: {why: '{{ error.message }}', step: '{{ error.step }}'}}
      outputs: {number: '{{ steps.keep.why }}'}
  next: {uses: core.set, with: {n: '{{ steps.old.number }}'}}
outputs: {n: '{{ steps.next.n }}'}
";

#[test]
fn a_handler_with_outputs_stands_for_the_step() {
    check(
        &flow(HANDLED),
        &json!({}),
        r#"
        bind team shared
        fail old unavailable
        after 2
        fail old unavailable
        crash
        ok old/on_error/keep {"why": "so"}
        ok next {"n": "so"}
        "#,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start old#1 {}
              wait 86400 s
              = running
            > fail old unavailable
              fail old#1 unavailable again in 0.916 s: it did not work
              wait 0.916 s
              = waiting
            > after 2
              start old#2 {}
              wait 86398 s
              = running
            > fail old unavailable
              fail old#2 unavailable for good: it did not work
              handler_began old
              start old/on_error/keep#1 {"step":"old","why":"it did not work"}
              wait 86398 s
              = running
            > crash
              start old/on_error/keep#1 {"step":"old","why":"it did not work"}
              wait 86398 s
              = running
            > ok old/on_error/keep {"why": "so"}
              frame_ended old/on_error
              start next#1 {"n":"so"}
              wait 86398 s
              = running
            > ok next {"n": "so"}
              end succeeded {"n":"so"}
              = succeeded
        "#]],
    );
}

#[test]
fn a_handler_without_outputs_runs_and_the_step_has_failed() {
    let text = flow(HANDLED).replace("      outputs: {number: '{{ steps.keep.why }}'}\n", "");
    check(
        &text,
        &json!({}),
        r#"
        bind team shared
        fail old rejected
        ok old/on_error/keep {"why": "so"}
        "#,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start old#1 {}
              wait 86400 s
              = running
            > fail old rejected
              fail old#1 rejected for good: it did not work
              handler_began old
              start old/on_error/keep#1 {"step":"old","why":"it did not work"}
              wait 86400 s
              = running
            > ok old/on_error/keep {"why": "so"}
              frame_ended old/on_error
              skip next (RunEnding)
              end failed null old: it did not work
              = failed
        "#]],
    );
}

#[test]
fn a_handler_that_fails_fails_the_step_with_its_own_error() {
    check(
        &flow(HANDLED),
        &json!({}),
        "
        bind team shared
        fail old rejected
        fail old/on_error/keep not_found
        ",
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start old#1 {}
              wait 86400 s
              = running
            > fail old rejected
              fail old#1 rejected for good: it did not work
              handler_began old
              start old/on_error/keep#1 {"step":"old","why":"it did not work"}
              wait 86400 s
              = running
            > fail old/on_error/keep not_found
              fail old/on_error/keep#1 not_found for good: it did not work
              frame_ended old/on_error
              skip next (RunEnding)
              end failed null old/on_error/keep: it did not work
              = failed
        "#]],
    );
}

#[test]
fn a_loop_and_a_switch_have_handlers_too() {
    check(
        &flow(
            r"
steps:
  lines:
    for_each: '[1, 2]'
    steps:
      add: {uses: crm.add, connection: team}
    on_error: {steps: {}, outputs: {items: '{{ error.step }}'}}
  route:
    switch: steps.lines.items
    cases: {a: {steps: {}}}
    on_error: continue
outputs: {lines: '{{ steps.lines.items }}', route: '{{ steps.route.case }}'}
",
        ),
        &json!({}),
        "
        bind team shared
        fail lines[0]/add rejected
        ",
        expect![[r#"
            > begin
              each_began lines
              resolve team
              = running
            > bind team shared
              start lines[0]/add#1 {}
              wait 86400 s
              = running
            > fail lines[0]/add rejected
              fail lines[0]/add#1 rejected for good: it did not work
              frame_ended lines[0]
              fail lines#1 rejected for good: item 0: it did not work
              handler_began lines
              frame_ended lines/on_error
              fail route#1 invalid_input for good: no case is `lines[0]/add`, and there is no `default`
              end succeeded {"lines":"lines[0]/add","route":null}
              = succeeded
        "#]],
    );
}

const UNDO: &str = r"
steps:
  a: {uses: crm.add, connection: team, with: {n: a}, undo: {uses: crm.add, connection: team, with: {back: '{{ steps.a.id }}'}}}
  lines:
    needs: [a]
    for_each: '[1, 2]'
    steps:
      b: {uses: crm.add, connection: team, with: {n: '{{ item }}'}, undo: {uses: crm.add, connection: team, with: {back: '{{ item }}', id: '{{ steps.b.id }}'}}}
  route:
    needs: [lines]
    switch: '1'
    cases: {'1': {steps: {c: {uses: crm.add, connection: team, undo: {uses: core.set, with: {c: '{{ steps.c.id }}'}}}}}}
  d: {needs: [route], uses: crm.add, connection: team, undo: {uses: core.set, with: {d: 1}}}
  watch: {uses: core.set, if: failure(), with: {bad: true}}
outputs: {a: '{{ steps.a.id }}', d: '{{ steps.d.id }}'}
on_error: {steps: {report: {uses: core.set, with: {step: '{{ error.step }}', a: '{{ steps.a.id }}'}}}}
";

#[test]
fn a_run_that_fails_undoes_what_was_done_in_reverse_order_and_then_says_so() {
    check(
        &flow(UNDO),
        &json!({}),
        r#"
        bind team shared
        ok a {"id": "a"}
        ok lines[0]/b {"id": "b0"}
        ok lines[1]/b {"id": "b1"}
        ok route/c {"id": "c"}
        fail d rejected
        ok watch {}
        ok route/c/undo {}
        crash
        ok lines[1]/b/undo {}
        ok lines[0]/b/undo {}
        ok a/undo {}
        ok on_error/report {}
        "#,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start a#1 {"n":"a"}
              wait 86400 s
              = running
            > ok a {"id": "a"}
              each_began lines
              start lines[0]/b#1 {"n":1}
              wait 86400 s
              = running
            > ok lines[0]/b {"id": "b0"}
              frame_ended lines[0]
              start lines[1]/b#1 {"n":2}
              wait 86400 s
              = running
            > ok lines[1]/b {"id": "b1"}
              frame_ended lines[1]
              step_succeeded lines
              case_chosen route
              start route/c#1 {}
              wait 86400 s
              = running
            > ok route/c {"id": "c"}
              frame_ended route
              step_succeeded route
              start d#1 {}
              wait 86400 s
              = running
            > fail d rejected
              fail d#1 rejected for good: it did not work
              start watch#1 {"bad":true}
              wait 86400 s
              = running
            > ok watch {}
              undo_began route/c
              start route/c/undo#1 {"c":"c"}
              = running
            > ok route/c/undo {}
              frame_ended route/c/undo
              undo_began lines[1]/b
              start lines[1]/b/undo#1 {"back":2,"id":"b1"}
              = running
            > crash
              start lines[1]/b/undo#1 {"back":2,"id":"b1"}
              = running
            > ok lines[1]/b/undo {}
              frame_ended lines[1]/b/undo
              undo_began lines[0]/b
              start lines[0]/b/undo#1 {"back":1,"id":"b0"}
              = running
            > ok lines[0]/b/undo {}
              frame_ended lines[0]/b/undo
              undo_began a
              start a/undo#1 {"back":"a"}
              = running
            > ok a/undo {}
              frame_ended a/undo
              handler_began
              start on_error/report#1 {"a":"a","step":"d"}
              = running
            > ok on_error/report {}
              frame_ended on_error
              end failed null d: it did not work
              = failed
        "#]],
    );
}

#[test]
fn undo_follows_cancelling_and_the_end_of_time_too() {
    check(
        &flow(UNDO),
        &json!({}),
        r#"
        bind team shared
        ok a {"id": "a"}
        cancel
        ok lines[0]/b {"id": "b0"}
        ok lines[0]/b/undo {}
        ok a/undo {}
        "#,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start a#1 {"n":"a"}
              wait 86400 s
              = running
            > ok a {"id": "a"}
              each_began lines
              start lines[0]/b#1 {"n":1}
              wait 86400 s
              = running
            > cancel
              skip route (RunEnding)
              skip d (RunEnding)
              skip watch (RunEnding)
              = running
            > ok lines[0]/b {"id": "b0"}
              frame_ended lines[0]
              fail lines#1 rejected for good: it was broken off because the run was ending
              undo_began lines[0]/b
              start lines[0]/b/undo#1 {"back":1,"id":"b0"}
              = running
            > ok lines[0]/b/undo {}
              frame_ended lines[0]/b/undo
              undo_began a
              start a/undo#1 {"back":"a"}
              = running
            > ok a/undo {}
              frame_ended a/undo
              end cancelled null
              = cancelled
        "#]],
    );
    check(
        &flow(UNDO),
        &json!({}),
        r#"
        bind team shared
        ok a {"id": "a"}
        after 100000
        ok lines[0]/b {"id": "b0"}
        after 100000
        ok lines[0]/b/undo {}
        crash
        ok a/undo {}
        ok on_error/report {}
        "#,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start a#1 {"n":"a"}
              wait 86400 s
              = running
            > ok a {"id": "a"}
              each_began lines
              start lines[0]/b#1 {"n":1}
              wait 86400 s
              = running
            > after 100000
              skip route (RunEnding)
              skip d (RunEnding)
              skip watch (RunEnding)
              = running
            > ok lines[0]/b {"id": "b0"}
              frame_ended lines[0]
              fail lines#1 rejected for good: it was broken off because the run was ending
              undo_began lines[0]/b
              start lines[0]/b/undo#1 {"back":1,"id":"b0"}
              = running
            > after 100000
              = running
            > ok lines[0]/b/undo {}
              frame_ended lines[0]/b/undo
              undo_began a
              start a/undo#1 {"back":"a"}
              = running
            > crash
              start a/undo#1 {"back":"a"}
              = running
            > ok a/undo {}
              frame_ended a/undo
              handler_began
              start on_error/report#1 {"a":"a","step":"lines"}
              = running
            > ok on_error/report {}
              frame_ended on_error
              end failed null lines: it was broken off because the run was ending
              = failed
        "#]],
    );
}

#[test]
fn a_flow_may_make_its_failure_good() {
    let text = flow(UNDO);
    let (steps, _) = text.split_once("on_error: {steps").unwrap();
    let script = r#"
        bind team shared
        fail a rejected
        ok watch {}
    "#;
    check(
        &format!("{steps}on_error: continue\n"),
        &json!({}),
        script,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start a#1 {"n":"a"}
              wait 86400 s
              = running
            > fail a rejected
              fail a#1 rejected for good: it did not work
              skip lines (RunEnding)
              skip route (RunEnding)
              skip d (RunEnding)
              start watch#1 {"bad":true}
              wait 86400 s
              = running
            > ok watch {}
              end succeeded {"a":null,"d":null}
              = succeeded
        "#]],
    );
    check(
        &format!(
            "{steps}on_error: {{steps: {{}}, outputs: {{sorry: '{{{{ error.message }}}}'}}}}\n"
        ),
        &json!({}),
        script,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start a#1 {"n":"a"}
              wait 86400 s
              = running
            > fail a rejected
              fail a#1 rejected for good: it did not work
              skip lines (RunEnding)
              skip route (RunEnding)
              skip d (RunEnding)
              start watch#1 {"bad":true}
              wait 86400 s
              = running
            > ok watch {}
              handler_began
              frame_ended on_error
              end succeeded {"sorry":"it did not work"}
              = succeeded
        "#]],
    );
}

#[test]
fn a_flow_that_waited_too_long_for_an_account_still_says_so() {
    let flow = r"
flow: late
trigger: {on_demand: {}}
connections: {mine: {app: crm, dynamic: {}}, team: {app: crm, connection: team}}
steps:
  one: {uses: crm.add, connection: mine}
on_error: {steps: {report: {uses: crm.add, connection: team, with: {why: '{{ error.code }}'}}}}
";
    check(
        flow,
        &json!({}),
        "
        ask mine
        after 700000
        bind team shared
        ok on_error/report
        ",
        expect![[r#"
            > begin
              resolve mine
              = running
            > ask mine
              wait 604800 s
              = paused (a person is needed)
            > after 700000
              slot_expired mine
              fail one#0 sign_in_needed for good: nobody signed in to crm for `mine` before the deadline
              handler_began
              resolve team
              = running
            > bind team shared
              start on_error/report#1 {"why":"sign_in_expired"}
              = running
            > ok on_error/report
              frame_ended on_error
              end failed null one: nobody signed in to crm for `mine` before the deadline
              = failed
        "#]],
    );
    // The run's own time can pass before the account was looked up.
    check(
        flow,
        &json!({}),
        "
        after 100000
        bind team shared
        ok on_error/report
        ",
        expect![[r#"
            > begin
              resolve mine
              = running
            > after 100000
              skip one (RunEnding)
              handler_began
              resolve team
              = running
            > bind team shared
              start on_error/report#1 {"why":"run_timeout"}
              = running
            > ok on_error/report
              frame_ended on_error
              end failed null : the run took longer than its limit of 86400 s
              = failed
        "#]],
    );
}

#[test]
fn an_undo_that_fails_is_put_to_a_person_and_the_others_go_on() {
    check(
        &flow(
            r"
steps:
  a: {uses: crm.add, connection: team, undo: {uses: crm.add, connection: team, with: {back: a}, retry: 2}}
  b: {uses: crm.add, connection: team, needs: [a], undo: {uses: crm.add, connection: team, with: {back: b}}}
  c: {uses: crm.add, connection: team, needs: [b]}
",
        ),
        &json!({}),
        r#"
        bind team shared
        ok a
        ok b
        fail c rejected
        fail b/undo rejected
        crash
        after 700000
        fail a/undo unavailable
        after 2
        ok a/undo
        "#,
        expect![[r#"
            > begin
              resolve team
              = running
            > bind team shared
              start a#1 {}
              wait 86400 s
              = running
            > ok a
              start b#1 {}
              wait 86400 s
              = running
            > ok b
              start c#1 {}
              wait 86400 s
              = running
            > fail c rejected
              fail c#1 rejected for good: it did not work
              undo_began b
              start b/undo#1 {"back":"b"}
              = running
            > fail b/undo rejected
              fail b/undo#1 rejected for good: it did not work
              ask Some(usr_00000000000000000000000001) about b/undo#1: it did not work
              wait 604802 s
              = paused (a person is needed)
            > crash
              wait 604802 s
              = paused (a person is needed)
            > after 700000
              decided b/undo
              frame_ended b/undo
              undo_began a
              start a/undo#1 {"back":"a"}
              = running
            > fail a/undo unavailable
              fail a/undo#1 unavailable again in 0.638 s: it did not work
              wait 0.638 s
              = waiting
            > after 2
              start a/undo#2 {"back":"a"}
              = running
            > ok a/undo
              frame_ended a/undo
              end failed null c: it did not work
              = failed
        "#]],
    );
}
