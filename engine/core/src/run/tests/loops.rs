//! Loops and switches as stories: items, rounds, cases, what they see and what they give.

use expect_test::expect;
use serde_json::json;

use super::support::check;

const EACH: &str = r"
flow: each
trigger: {on_demand: {}}
inputs: {names: {type: array, items: {type: string}}}
connections: {team: {app: crm, connection: team}}
steps:
  first: {uses: core.set, with: {of: all}}
  lines:
    for_each: inputs.names
    parallel: 2
    steps:
      add: {uses: crm.add, connection: team, with: {name: '{{ item }}', number: '{{ index }}', of: '{{ steps.first.of }}'}}
      tell: {uses: core.set, with: {id: '{{ steps.add.id }}'}}
outputs: {lines: '{{ steps.lines }}'}
";

#[test]
fn a_loop_runs_its_steps_for_each_item_and_gives_them_in_order() {
    check(
        EACH,
        &json!({"names": ["a", "b", "c"]}),
        r#"
        ok first {"of": "all"}
        bind team shared
        ok lines[1]/add {"id": 2}
        ok lines[1]/tell {"id": 2}
        ok lines[0]/add {"id": 1}
        crash
        ok lines[0]/tell {"id": 1}
        ok lines[2]/add {"id": 3}
        ok lines[2]/tell {"id": 3}
        "#,
        expect![[r#"
            > begin
              start first#1 {"of":"all"}
              wait 86400 s
              = running
            > ok first {"of": "all"}
              each_began lines
              resolve team
              = running
            > bind team shared
              start lines[0]/add#1 {"name":"a","number":0,"of":"all"}
              start lines[1]/add#1 {"name":"b","number":1,"of":"all"}
              wait 86400 s
              = running
            > ok lines[1]/add {"id": 2}
              start lines[1]/tell#1 {"id":2}
              wait 86400 s
              = running
            > ok lines[1]/tell {"id": 2}
              frame_ended lines[1]
              start lines[2]/add#1 {"name":"c","number":2,"of":"all"}
              wait 86400 s
              = running
            > ok lines[0]/add {"id": 1}
              start lines[0]/tell#1 {"id":1}
              wait 86400 s
              = running
            > crash
              start lines[0]/tell#1 {"id":1}
              start lines[2]/add#1 {"name":"c","number":2,"of":"all"}
              wait 86400 s
              = running
            > ok lines[0]/tell {"id": 1}
              frame_ended lines[0]
              wait 86400 s
              = running
            > ok lines[2]/add {"id": 3}
              start lines[2]/tell#1 {"id":3}
              wait 86400 s
              = running
            > ok lines[2]/tell {"id": 3}
              frame_ended lines[2]
              step_succeeded lines
              end succeeded {"lines":{"count":3,"failed":[],"items":[{"add":{"id":1},"tell":{"id":1}},{"add":{"id":2},"tell":{"id":2}},{"add":{"id":3},"tell":{"id":3}}]}}
              = succeeded
        "#]],
    );
}

#[test]
fn a_loop_without_items_gives_an_empty_list() {
    check(
        EACH,
        &json!({"names": []}),
        r#"ok first {"of": "all"}"#,
        expect![[r#"
            > begin
              start first#1 {"of":"all"}
              wait 86400 s
              = running
            > ok first {"of": "all"}
              each_began lines
              step_succeeded lines
              end succeeded {"lines":{"count":0,"failed":[],"items":[]}}
              = succeeded
        "#]],
    );
}

#[test]
fn the_first_item_that_fails_stops_new_ones_and_fails_the_loop() {
    check(
        EACH,
        &json!({"names": ["a", "b", "c", "d"]}),
        r#"
        ok first {"of": "all"}
        bind team shared
        fail lines[0]/add rejected
        ok lines[1]/add {"id": 2}
        ok lines[1]/tell {"id": 2}
        "#,
        expect![[r#"
            > begin
              start first#1 {"of":"all"}
              wait 86400 s
              = running
            > ok first {"of": "all"}
              each_began lines
              resolve team
              = running
            > bind team shared
              start lines[0]/add#1 {"name":"a","number":0,"of":"all"}
              start lines[1]/add#1 {"name":"b","number":1,"of":"all"}
              wait 86400 s
              = running
            > fail lines[0]/add rejected
              fail lines[0]/add#1 rejected for good: it did not work
              skip lines[0]/tell (RunEnding)
              frame_ended lines[0]
              wait 86400 s
              = running
            > ok lines[1]/add {"id": 2}
              start lines[1]/tell#1 {"id":2}
              wait 86400 s
              = running
            > ok lines[1]/tell {"id": 2}
              frame_ended lines[1]
              fail lines#1 rejected for good: item 0: it did not work
              end failed null lines[0]/add: item 0: it did not work
              = failed
        "#]],
    );
}

#[test]
fn a_loop_that_continues_gives_what_went_well_and_says_what_did_not() {
    let flow = EACH.replace("parallel: 2", "on_item_error: continue");
    check(
        &flow,
        &json!({"names": ["a", "b"]}),
        r#"
        ok first {"of": "all"}
        bind team shared
        fail lines[0]/add rejected
        ok lines[1]/add {"id": 2}
        ok lines[1]/tell {"id": 2}
        "#,
        expect![[r#"
            > begin
              start first#1 {"of":"all"}
              wait 86400 s
              = running
            > ok first {"of": "all"}
              each_began lines
              resolve team
              = running
            > bind team shared
              start lines[0]/add#1 {"name":"a","number":0,"of":"all"}
              wait 86400 s
              = running
            > fail lines[0]/add rejected
              fail lines[0]/add#1 rejected for good: it did not work
              skip lines[0]/tell (RunEnding)
              frame_ended lines[0]
              start lines[1]/add#1 {"name":"b","number":1,"of":"all"}
              wait 86400 s
              = running
            > ok lines[1]/add {"id": 2}
              start lines[1]/tell#1 {"id":2}
              wait 86400 s
              = running
            > ok lines[1]/tell {"id": 2}
              frame_ended lines[1]
              step_succeeded lines
              end succeeded {"lines":{"count":2,"failed":[{"error":{"kind":"rejected","message":"it did not work","step":"lines[0]/add"},"index":0}],"items":[null,{"add":{"id":2},"tell":{"id":2}}]}}
              = succeeded
        "#]],
    );
}

#[test]
fn what_is_no_list_or_too_long_fails_the_loop() {
    let flow = r"
flow: each
trigger: {on_demand: {}}
inputs: {of: {}}
limits: {items: 2}
steps:
  lines: {for_each: inputs.of, uses: core.set, with: {it: '{{ item }}'}}
outputs: {lines: '{{ steps.lines.items }}'}
";
    check(
        flow,
        &json!({"of": {"a": 1}}),
        "",
        expect![[r#"
        > begin
          fail lines#1 invalid_input for good: `for_each` of `lines` is a map, not a list
          end failed null lines: `for_each` of `lines` is a map, not a list
          = failed
    "#]],
    );
    check(
        flow,
        &json!({"of": [1, 2, 3]}),
        "",
        expect![[r#"
        > begin
          fail lines#1 invalid_input for good: 3 items are more than the 2 that may be
          end failed null lines: 3 items are more than the 2 that may be
          = failed
    "#]],
    );
    check(
        flow,
        &json!({"of": [1]}),
        r#"ok lines[0]/do {"it": 1}"#,
        expect![[r#"
            > begin
              each_began lines
              start lines[0]/do#1 {"it":1}
              wait 86400 s
              = running
            > ok lines[0]/do {"it": 1}
              frame_ended lines[0]
              step_succeeded lines
              end succeeded {"lines":[{"it":1}]}
              = succeeded
        "#]],
    );
}

#[test]
fn items_of_a_run_that_fails_are_broken_off_and_cancelling_stops_them() {
    let flow = r"
flow: each
trigger: {on_demand: {}}
connections: {team: {app: crm, connection: team}}
steps:
  lines: {for_each: '[1, 2, 3]', uses: crm.add, connection: team, with: {it: '{{ item }}'}}
  other: {uses: crm.find, connection: team, needs: []}
";
    check(
        flow,
        &json!({}),
        "
        bind team shared
        fail other rejected
        ok lines[0]/do
        ",
        expect![[r#"
            > begin
              each_began lines
              resolve team
              resolve team
              = running
            > bind team shared
              start other#1 {}
              start lines[0]/do#1 {"it":1}
              wait 86400 s
              = running
            > fail other rejected
              fail other#1 rejected for good: it did not work
              wait 86400 s
              = running
            > ok lines[0]/do
              frame_ended lines[0]
              fail lines#1 rejected for good: it was broken off because the run was ending
              end failed null other: it did not work
              = failed
        "#]],
    );
    check(
        flow,
        &json!({}),
        "
        bind team shared
        cancel
        ok lines[0]/do
        ok other
        ",
        expect![[r#"
            > begin
              each_began lines
              resolve team
              resolve team
              = running
            > bind team shared
              start other#1 {}
              start lines[0]/do#1 {"it":1}
              wait 86400 s
              = running
            > cancel
              = running
            > ok lines[0]/do
              frame_ended lines[0]
              fail lines#1 rejected for good: it was broken off because the run was ending
              = running
            > ok other
              end cancelled null
              = cancelled
        "#]],
    );
}

const POLL: &str = r"
flow: poll
trigger: {on_demand: {}}
connections: {team: {app: crm, connection: team}}
steps:
  poll:
    until: steps.get.done
    every: 10s
    max_rounds: 3
    steps:
      get: {uses: crm.find, connection: team, with: {round: '{{ index }}'}}
outputs: {poll: '{{ steps.poll }}'}
";

#[test]
fn rounds_come_until_the_test_holds_and_the_clock_lies_between_them() {
    check(
        POLL,
        &json!({}),
        r#"
        bind team shared
        ok poll[0]/get {"done": false}
        after 4
        crash
        after 6
        ok poll[1]/get {"done": true}
        "#,
        expect![[r#"
            > begin
              round_began poll
              resolve team
              = running
            > bind team shared
              start poll[0]/get#1 {"round":0}
              wait 86400 s
              = running
            > ok poll[0]/get {"done": false}
              frame_ended poll[0]
              wait 10 s
              = waiting
            > after 4
              wait 6 s
              = waiting
            > crash
              wait 6 s
              = waiting
            > after 6
              round_began poll
              start poll[1]/get#1 {"round":1}
              wait 86390 s
              = running
            > ok poll[1]/get {"done": true}
              frame_ended poll[1]
              step_succeeded poll
              end succeeded {"poll":{"get":{"done":true},"rounds":2}}
              = succeeded
        "#]],
    );
}

#[test]
fn a_loop_that_does_not_come_to_its_end_fails_after_its_most_rounds() {
    let flow = POLL.replace("    every: 10s\n", "");
    check(
        &flow,
        &json!({}),
        r#"
        bind team shared
        ok poll[0]/get {"done": false}
        ok poll[1]/get {"done": false}
        ok poll[2]/get {"done": false}
        "#,
        expect![[r#"
            > begin
              round_began poll
              resolve team
              = running
            > bind team shared
              start poll[0]/get#1 {"round":0}
              wait 86400 s
              = running
            > ok poll[0]/get {"done": false}
              frame_ended poll[0]
              round_began poll
              start poll[1]/get#1 {"round":1}
              wait 86400 s
              = running
            > ok poll[1]/get {"done": false}
              frame_ended poll[1]
              round_began poll
              start poll[2]/get#1 {"round":2}
              wait 86400 s
              = running
            > ok poll[2]/get {"done": false}
              frame_ended poll[2]
              fail poll#1 timeout for good: `poll` has not come to its end after 3 rounds
              end failed null poll: `poll` has not come to its end after 3 rounds
              = failed
        "#]],
    );
    check(
        &flow,
        &json!({}),
        r#"
        bind team shared
        ok poll[0]/get {"done": "no"}
        "#,
        expect![[r#"
            > begin
              round_began poll
              resolve team
              = running
            > bind team shared
              start poll[0]/get#1 {"round":0}
              wait 86400 s
              = running
            > ok poll[0]/get {"done": "no"}
              frame_ended poll[0]
              fail poll#1 invalid_input for good: the condition `steps.get.done` gives a text, not true or false
              end failed null poll: the condition `steps.get.done` gives a text, not true or false
              = failed
        "#]],
    );
}

#[test]
fn while_asks_before_each_round() {
    let flow = r"
flow: count
trigger: {on_demand: {}}
inputs: {most: {type: integer}}
steps:
  count:
    while: index < inputs.most
    max_rounds: 10
    steps:
      set: {uses: core.set, with: {n: '{{ index }}'}}
    outputs: {last: '{{ steps.set.n }}'}
outputs: {count: '{{ steps.count }}'}
";
    check(
        flow,
        &json!({"most": 0}),
        "",
        expect![[r#"
        > begin
          step_succeeded count
          end succeeded {"count":{"rounds":0}}
          = succeeded
    "#]],
    );
    check(
        flow,
        &json!({"most": 2}),
        r#"
        ok count[0]/set {"n": 0}
        ok count[1]/set {"n": 1}
        "#,
        expect![[r#"
            > begin
              round_began count
              start count[0]/set#1 {"n":0}
              wait 86400 s
              = running
            > ok count[0]/set {"n": 0}
              frame_ended count[0]
              round_began count
              start count[1]/set#1 {"n":1}
              wait 86400 s
              = running
            > ok count[1]/set {"n": 1}
              frame_ended count[1]
              step_succeeded count
              end succeeded {"count":{"last":1,"rounds":2}}
              = succeeded
        "#]],
    );
}

const ROUTE: &str = r"
flow: route
trigger: {on_demand: {}}
inputs: {to: {}}
steps:
  route:
    switch: inputs.to
    cases:
      yes: {steps: {tell: {uses: core.set, with: {v: 1}}}}
      '2': {steps: {tell: {uses: core.set, with: {v: 2}}, also: {uses: core.set, if: inputs.to == 3, with: {x: 1}}}, outputs: {told: '{{ steps.tell.v }}', also: '{{ steps.also.x }}'}}
outputs: {route: '{{ steps.route }}'}
";

#[test]
fn a_switch_goes_one_way_and_gives_what_that_gave() {
    check(
        ROUTE,
        &json!({"to": "yes"}),
        r#"ok route/tell {"v": 1}"#,
        expect![[r#"
            > begin
              case_chosen route
              start route/tell#1 {"v":1}
              wait 86400 s
              = running
            > ok route/tell {"v": 1}
              frame_ended route
              step_succeeded route
              end succeeded {"route":{"case":"yes","tell":{"v":1}}}
              = succeeded
        "#]],
    );
    check(
        ROUTE,
        &json!({"to": 2}),
        r#"
        crash
        ok route/tell {"v": 2}
        "#,
        expect![[r#"
            > begin
              case_chosen route
              start route/tell#1 {"v":2}
              skip route/also (Condition)
              wait 86400 s
              = running
            > crash
              start route/tell#1 {"v":2}
              wait 86400 s
              = running
            > ok route/tell {"v": 2}
              frame_ended route
              step_succeeded route
              end succeeded {"route":{"also":null,"case":"2","told":2}}
              = succeeded
        "#]],
    );
    check(
        ROUTE,
        &json!({"to": "no"}),
        "",
        expect![[r#"
        > begin
          fail route#1 invalid_input for good: no case is `no`, and there is no `default`
          end failed null route: no case is `no`, and there is no `default`
          = failed
    "#]],
    );
    let flow = ROUTE.replace("    cases:", "    default: {steps: {}}\n    cases:");
    check(
        &flow,
        &json!({"to": [1]}),
        "",
        expect![[r#"
        > begin
          case_chosen route
          frame_ended route
          step_succeeded route
          end succeeded {"route":{"case":null}}
          = succeeded
    "#]],
    );
}

#[test]
fn loops_stand_in_loops_and_see_the_nearest_item() {
    let flow = r"
flow: nested
trigger: {on_demand: {}}
inputs: {rows: {type: array}}
steps:
  rows:
    for_each: inputs.rows
    steps:
      base: {uses: core.set, with: {of: '{{ index }}'}}
      cells:
        for_each: item
        steps:
          cell: {uses: core.set, with: {it: '{{ item }}', at: '{{ index }}', row: '{{ steps.base.of }}'}}
        outputs: {it: '{{ steps.cell.it }}'}
      last:
        if: steps.cells.count > 1
        while: index < 1
        max_rounds: 2
        steps:
          say: {uses: core.set, with: {it: '{{ item }}', round: '{{ index }}'}}
outputs: {rows: '{{ steps.rows.items }}'}
";
    check(
        flow,
        &json!({"rows": [["a", "b"], ["c"]]}),
        r#"
        ok rows[0]/base {"of": 0}
        ok rows[0]/cells[0]/cell {"it": "a"}
        ok rows[0]/cells[1]/cell {"it": "b"}
        ok rows[0]/last[0]/say {}
        crash
        ok rows[1]/base {"of": 1}
        ok rows[1]/cells[0]/cell {"it": "c"}
        "#,
        expect![[r#"
            > begin
              each_began rows
              start rows[0]/base#1 {"of":0}
              wait 86400 s
              = running
            > ok rows[0]/base {"of": 0}
              each_began rows[0]/cells
              start rows[0]/cells[0]/cell#1 {"at":0,"it":"a","row":0}
              wait 86400 s
              = running
            > ok rows[0]/cells[0]/cell {"it": "a"}
              frame_ended rows[0]/cells[0]
              start rows[0]/cells[1]/cell#1 {"at":1,"it":"b","row":0}
              wait 86400 s
              = running
            > ok rows[0]/cells[1]/cell {"it": "b"}
              frame_ended rows[0]/cells[1]
              step_succeeded rows[0]/cells
              round_began rows[0]/last
              start rows[0]/last[0]/say#1 {"it":["a","b"],"round":0}
              wait 86400 s
              = running
            > ok rows[0]/last[0]/say {}
              frame_ended rows[0]/last[0]
              step_succeeded rows[0]/last
              frame_ended rows[0]
              start rows[1]/base#1 {"of":1}
              wait 86400 s
              = running
            > crash
              start rows[1]/base#1 {"of":1}
              wait 86400 s
              = running
            > ok rows[1]/base {"of": 1}
              each_began rows[1]/cells
              start rows[1]/cells[0]/cell#1 {"at":0,"it":"c","row":1}
              wait 86400 s
              = running
            > ok rows[1]/cells[0]/cell {"it": "c"}
              frame_ended rows[1]/cells[0]
              step_succeeded rows[1]/cells
              skip rows[1]/last (Condition)
              frame_ended rows[1]
              step_succeeded rows
              end succeeded {"rows":[{"base":{"of":0},"cells":{"count":2,"failed":[],"items":[{"it":"a"},{"it":"b"}]},"last":{"rounds":1,"say":{}}},{"base":{"of":1},"cells":{"count":1,"failed":[],"items":[{"it":"c"}]}}]}
              = succeeded
        "#]],
    );
}
