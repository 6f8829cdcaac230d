//! Steps that run another flow: what its end means, what it is handed, and what a cancelled run waits for.

use expect_test::expect;
use serde_json::json;

use super::support::check;

const CALLS: &str = "
flow: calls
trigger: {on_demand: {}}
steps:
  order: {uses: core.run_flow, with: {flow: order-hardware, inputs: {n: 1}}, retry: {attempts: 2, first_delay: 1s, max_delay: 1s}}
outputs: {number: '{{ steps.order.number }}'}
limits: {run: 1h}
";

#[test]
fn a_run_of_another_flow_gives_its_outputs_and_time_stands_still_while_it_needs_somebody() {
    check(
        CALLS,
        &json!({}),
        r#"
        child_paused order
        after 86400
        crash
        child_goes_on order
        child order succeeded {"number": 7}
        child order succeeded {"number": 8}
        "#,
        expect![[r#"
            > begin
              hold order#1 {"flow":"order-hardware","inputs":{"n":1}}
              wait 3600 s
              = waiting
            > child_paused order
              = paused (a person is needed)
            > after 86400
              = paused (a person is needed)
            > crash
              = paused (a person is needed)
            > child_goes_on order
              wait 3600 s
              = waiting
            > child order succeeded {"number": 7}
              step_succeeded order
              end succeeded {"number":7}
              = succeeded
            > child order succeeded {"number": 8}
              nobody waits for it
              = succeeded
        "#]],
    );
}

#[test]
fn a_run_of_another_flow_that_fails_is_tried_again_if_it_may_help() {
    check(
        CALLS,
        &json!({}),
        "
        child order unavailable
        after 1
        child order rejected
        ",
        expect![[r#"
            > begin
              hold order#1 {"flow":"order-hardware","inputs":{"n":1}}
              wait 3600 s
              = waiting
            > child order unavailable
              fail order#1 unavailable again in 0.783 s: order-hardware: `inside`: it did not work
              wait 0.783 s
              = waiting
            > after 1
              hold order#2 {"flow":"order-hardware","inputs":{"n":1}}
              wait 3599 s
              = waiting
            > child order rejected
              fail order#2 rejected for good: order-hardware: `inside`: it did not work
              end failed null order: order-hardware: `inside`: it did not work
              = failed
        "#]],
    );
}

#[test]
fn a_cancelled_run_waits_for_the_end_of_its_children() {
    check(
        CALLS,
        &json!({}),
        "
        cancel
        crash
        child order cancelled
        ",
        expect![[r#"
            > begin
              hold order#1 {"flow":"order-hardware","inputs":{"n":1}}
              wait 3600 s
              = waiting
            > cancel
              = waiting
            > crash
              = waiting
            > child order cancelled
              fail order#1 rejected for good: the run of `order-hardware` was cancelled
              end cancelled null
              = cancelled
        "#]],
    );
}

#[test]
fn what_is_handed_down_is_asked_for_before_and_its_person_is_awaited() {
    check(
        "
flow: hands
trigger: {on_demand: {}}
connections: {crm: {app: crm, dynamic: {ask: when_needed}}}
steps:
  order: {uses: core.run_flow, with: {flow: other, connections: {theirs: crm}}}
",
        &json!({}),
        "
        ask crm
        crash
        bind crm
        ",
        expect![[r#"
            > begin
              resolve crm
              = running
            > ask crm
              wait 604800 s
              = paused (a person is needed)
            > crash
              wait 604800 s
              = paused (a person is needed)
            > bind crm
              hold order#1 {"connections":{"theirs":"crm"},"flow":"other"}
              wait 86400 s
              = waiting
        "#]],
    );
}
