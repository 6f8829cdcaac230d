//! Conditions, skipping, and what asks of failure, told as stories.

use expect_test::expect;
use serde_json::json;

use super::support::check;

const CONDITIONS: &str = r#"
flow: conditions
trigger: {on_demand: {}}
inputs: {big: {type: boolean}}
steps:
  choose: {uses: core.set, if: inputs.big, with: {a: 1}}
  after: {uses: core.set, with: {a: "{{ steps.choose.a }}"}}
  asks: {uses: core.set, if: "{{ steps.choose is defined or true }}", with: {a: 2}}
  always: {uses: core.set, needs: [after], if: always(), with: {a: 3}}
  last: {uses: core.set, if: failure(), with: {a: 4}}
outputs: {a: "{{ steps.choose.a }}", b: "{{ steps.asks.a }}", c: "{{ steps.choose.a | default(5) }}"}
"#;

#[test]
fn a_false_condition_skips_a_step_and_those_that_cannot_do_without_it() {
    check(
        CONDITIONS,
        &json!({"big": false}),
        r#"
        ok asks {"a": 2}
        ok always {"a": 3}
        "#,
        expect![[r#"
            > begin
              skip choose (Condition)
              skip after (Needed)
              start asks#1 {"a":2}
              start always#1 {"a":3}
              wait 86400 s
              = running
            > ok asks {"a": 2}
              wait 86400 s
              = running
            > ok always {"a": 3}
              skip last (Condition)
              end succeeded {"a":null,"b":2,"c":5}
              = succeeded
        "#]],
    );
    check(
        CONDITIONS,
        &json!({"big": true}),
        r#"
        ok choose {"a": 1}
        ok after {"a": 1}
        ok asks {"a": 2}
        ok always {"a": 3}
        "#,
        expect![[r#"
            > begin
              start choose#1 {"a":1}
              wait 86400 s
              = running
            > ok choose {"a": 1}
              start after#1 {"a":1}
              start asks#1 {"a":2}
              wait 86400 s
              = running
            > ok after {"a": 1}
              start always#1 {"a":3}
              wait 86400 s
              = running
            > ok asks {"a": 2}
              wait 86400 s
              = running
            > ok always {"a": 3}
              skip last (Condition)
              end succeeded {"a":1,"b":2,"c":1}
              = succeeded
        "#]],
    );
}

#[test]
fn steps_that_ask_of_failure_run_when_the_run_fails() {
    check(
        CONDITIONS,
        &json!({"big": true}),
        r#"
        fail choose rejected
        ok always
        ok last
        "#,
        expect![[r#"
            > begin
              start choose#1 {"a":1}
              wait 86400 s
              = running
            > fail choose rejected
              fail choose#1 rejected for good: it did not work
              skip after (RunEnding)
              skip asks (RunEnding)
              start always#1 {"a":3}
              wait 86400 s
              = running
            > ok always
              start last#1 {"a":4}
              wait 86400 s
              = running
            > ok last
              end failed null choose: it did not work
              = failed
        "#]],
    );
}

#[test]
fn a_condition_that_cannot_be_evaluated_fails_its_step() {
    check(
        CONDITIONS,
        &json!({}),
        "",
        expect![[r#"
        > begin
          fail choose#1 invalid_input for good: `inputs.big` is missing
          skip after (RunEnding)
          skip asks (RunEnding)
          start always#1 {"a":3}
          wait 86400 s
          = running
    "#]],
    );
}
