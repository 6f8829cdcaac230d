//! Faults of form, names and schemas as their author reads them.

use expect_test::expect;

use super::{check, steps};

#[test]
fn all_faults_come_at_once_in_the_order_of_the_file() {
    check(
        r#"flow: New Opportunity
titel: A
trigger: {on_demand: {from: [buton, cli]}}
inputs:
  customer: {type: strin}
  amount: {type: number, default: much}
connections:
  crm: {app: sandbox_crn, dynamic: {}}
  other: {app: sandbox_crm}
steps:
  find:
    uses: sandbox_crm.find_acount
    with: {name: "{{ inputs.custmer }}"}
  Create:
    uses: core.set
  go:
    uses: core.set
    with: {a: "{{ steps.fnd.id }}"}
    timeout: 30
    retry: {attempts: 0}
    needs: [finde]
"#,
        expect![[r#"
            f.yaml:1:7: error[bad_name]: `New Opportunity` is not a flow name: 1 to 63 of a-z, 0-9 and -
              1 | flow: New Opportunity
                |       ^^^^^^^^^^^^^^^
                = help: for instance `new-opportunity`

            f.yaml:2:1: error[unknown_key]: `titel` is not a key of a flow
              2 | titel: A
                | ^^^^^
                = help: did you mean `title`?

            f.yaml:3:30: error[unknown_word]: `buton` is not one of the words that may stand here
              3 | trigger: {on_demand: {from: [buton, cli]}}
                |                              ^^^^^
                = help: did you mean `button`?

            f.yaml:5:20: error[bad_schema]: there is no type `strin`
              5 |   customer: {type: strin}
                |                    ^^^^^
                = help: did you mean `string`?

            f.yaml:6:35: error[bad_default]: the default of `amount` does not fit its schema: must be a number, not a text
              6 |   amount: {type: number, default: much}
                |                                   ^^^^

            f.yaml:8:14: error[unknown_app]: there is no app `sandbox_crn`
              8 |   crm: {app: sandbox_crn, dynamic: {}}
                |              ^^^^^^^^^^^
                = help: did you mean `sandbox_crm`?

            f.yaml:9:3: error[missing_key]: the connection `other` does not say whose account it is
              9 |   other: {app: sandbox_crm}
                |   ^^^^^
                = help: `dynamic: {}` for the account of whoever runs the flow, or `connection: NAME` for a shared one

            f.yaml:12:11: error[unknown_module]: the app `sandbox_crm` has no module `find_acount`
              12 |     uses: sandbox_crm.find_acount
                 |           ^^^^^^^^^^^^^^^^^^^^^^^
                 = help: did you mean `find_account`?

            f.yaml:13:22: error[unknown_input]: there is no input `custmer`
              13 |     with: {name: "{{ inputs.custmer }}"}
                 |                      ^^^^^^^^^^^^^^
                 = help: did you mean `customer`?

            f.yaml:14:3: error[bad_name]: `Create` is not a step id: 1 to 63 of a-z, 0-9 and _, not beginning with a digit
              14 |   Create:
                 |   ^^^^^^
                 = help: for instance `create`

            f.yaml:18:19: error[unknown_step]: there is no step `fnd`
              18 |     with: {a: "{{ steps.fnd.id }}"}
                 |                   ^^^^^^^^^^^^
                 = help: did you mean `find`?

            f.yaml:19:14: error[bad_duration]: `30` is not a duration
              19 |     timeout: 30
                 |              ^^
                 = help: say the unit: `30s` or `30ms`

            f.yaml:20:23: error[wrong_type]: expected a whole number from 1 to 100, found the number `0`
              20 |     retry: {attempts: 0}
                 |                       ^

            f.yaml:21:13: error[unknown_step]: there is no step `finde`
              21 |     needs: [finde]
                 |             ^^^^^
                 = help: did you mean `find`?
        "#]],
    );
}

#[test]
fn an_empty_flow_says_what_is_missing() {
    check(
        "title: A\n",
        expect![[r#"
        f.yaml:1:1: error[missing_key]: a flow needs `flow`
          1 | title: A
            | ^
            = help: the flow's name, unique in its workspace: a-z, 0-9 and -

        f.yaml:1:1: error[missing_key]: a flow needs `trigger`
          1 | title: A
            | ^
            = help: what starts it, such as `{on_demand: {}}`

        f.yaml:1:1: error[missing_key]: a flow needs `steps`
          1 | title: A
            | ^
            = help: what it does, step by step
    "#]],
    );
    check(
        "- 1\n",
        expect![[r#"
        f.yaml:1:1: error[wrong_type]: expected a flow, which is a map, found a list
          1 | - 1
            | ^
    "#]],
    );
    check(
        "flow: a\ntrigger:\nsteps: {}\n",
        expect![[r#"
            f.yaml:2:1: error[missing_key]: `trigger` is empty
              2 | trigger:
                | ^^^^^^^

            f.yaml:3:1: error[no_steps]: a flow needs at least one step
              3 | steps: {}
                | ^^^^^
        "#]],
    );
}

#[test]
fn what_a_module_takes_is_checked() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {}}}
inputs: {n: {type: number}, o: {type: object}, any: {}}
steps:
  unknown:
    uses: sandbox_crm.create_record
    with: {objct: Task, object: "Ta sk", fields: []}
  missing:
    needs: []
    uses: sandbox_crm.create_record
    with: {fields: "{{ inputs.any }}"}
  types:
    needs: []
    uses: sandbox_crm.create_record
    with: {object: "{{ inputs.n }}", fields: "{{ inputs.n }}"}
  fine:
    needs: []
    uses: sandbox_crm.create_record
    with: {object: "{{ inputs.any }}", fields: "{{ inputs.o }}"}
  mixed:
    needs: []
    uses: sandbox_crm.create_record
    with: {object: Task, fields: "a {{ inputs.o }}"}
  nothing:
    needs: []
    uses: sandbox_crm.create_record
"#,
        expect![[r#"
            f.yaml:8:12: error[unknown_field]: `sandbox_crm.create_record` takes no `objct`
              8 |     with: {objct: Task, object: "Ta sk", fields: []}
                |            ^^^^^
                = help: did you mean `object`?

            f.yaml:8:33: error[bad_field]: `object` of `sandbox_crm.create_record` must match `^[A-Za-z][A-Za-z0-9_]{0,39}$`
              8 |     with: {objct: Task, object: "Ta sk", fields: []}
                |                                 ^^^^^^^

            f.yaml:8:50: error[bad_field]: `fields` of `sandbox_crm.create_record` must be a map, not a list
              8 |     with: {objct: Task, object: "Ta sk", fields: []}
                |                                                  ^

            f.yaml:11:11: error[missing_field]: `sandbox_crm.create_record` needs `object` in `with`
              11 |     uses: sandbox_crm.create_record
                 |           ^^^^^^^^^^^^^^^^^^^^^^^^^
                 = help: Kind of record: a text

            f.yaml:16:24: error[bad_field]: `object` of `sandbox_crm.create_record` must be a text, but `inputs.n` is a number
              16 |     with: {object: "{{ inputs.n }}", fields: "{{ inputs.n }}"}
                 |                        ^^^^^^^^
                 = help: convert it: `inputs.n | string`

            f.yaml:16:50: error[bad_field]: `fields` of `sandbox_crm.create_record` must be a map, but `inputs.n` is a number
              16 |     with: {object: "{{ inputs.n }}", fields: "{{ inputs.n }}"}
                 |                                                  ^^^^^^^^

            f.yaml:24:34: error[bad_field]: `fields` of `sandbox_crm.create_record` must be a map, not a text
              24 |     with: {object: Task, fields: "a {{ inputs.o }}"}
                 |                                  ^^^^^^^^^^^^^^^^^^

            f.yaml:27:11: error[missing_field]: `sandbox_crm.create_record` needs `object` in `with`
              27 |     uses: sandbox_crm.create_record
                 |           ^^^^^^^^^^^^^^^^^^^^^^^^^
                 = help: Kind of record: a text
        "#]],
    );
}

#[test]
fn outputs_that_a_module_does_not_have_are_told() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  find: {uses: sandbox_crm.find_account, with: {name: A}}
  list: {uses: sandbox_crm.list_accounts}
  use:
    uses: core.set
    with:
      a: "{{ steps.find.nam }}"
      b: "{{ steps.list.items.name }}"
      c: "{{ steps.find.name.first }}"
      d: "{{ steps.find.nope | default(1) }}"
      e: "{{ steps.list.items[0].anything }}"
      f: "{{ steps.use.x }}"
outputs: {x: "{{ steps.find.idd }}", y: "{{ steps.gone }}"}
"#,
        expect![[r#"
            f.yaml:10:14: error[unknown_output]: `sandbox_crm.find_account` gives no `nam`
              10 |       a: "{{ steps.find.nam }}"
                 |              ^^^^^^^^^^^^^^
                 = help: did you mean `name`?

            f.yaml:11:14: error[unknown_output]: `steps.list.items` is a list and has no `name`
              11 |       b: "{{ steps.list.items.name }}"
                 |              ^^^^^^^^^^^^^^^^^^^^^
                 = help: take one item: `steps.list.items[0].name`; or of each: `steps.list.items | map(attribute='name')`

            f.yaml:12:14: error[unknown_output]: `steps.find.name` is a text and has no `first`
              12 |       c: "{{ steps.find.name.first }}"
                 |              ^^^^^^^^^^^^^^^^^^^^^

            f.yaml:15:14: error[own_output]: `use` cannot use its own output
              15 |       f: "{{ steps.use.x }}"
                 |              ^^^^^^^^^^^

            f.yaml:16:18: error[unknown_output]: `sandbox_crm.find_account` gives no `idd`
              16 | outputs: {x: "{{ steps.find.idd }}", y: "{{ steps.gone }}"}
                 |                  ^^^^^^^^^^^^^^
                 = help: did you mean `id`?

            f.yaml:16:45: error[unknown_step]: there is no step `gone`
              16 | outputs: {x: "{{ steps.find.idd }}", y: "{{ steps.gone }}"}
                 |                                             ^^^^^^^^^^
                 = help: there are `find`, `list`, `use`
        "#]],
    );
}

#[test]
fn names_in_expressions_are_known_or_suggested() {
    steps(
        r#"inputs: {customer: {type: string}}
steps:
  one:
    uses: core.set
    with:
      a: "{{ customer }} {{ two.x }} {{ input.customer }}"
      b: "{{ run.user.mail }} {{ run.now }} {{ run.user.email }}"
      c: "{{ vars.x }} {{ item }}"
      d: "{{ inputs }} {{ 1 +* 2 }}"
    if: inputs.customer
  two: {uses: core.set, if: "{{ inputs.customer == 'x' }} yes"}
  three: {uses: core.set, with: {"{{ key }}": 1}, if: [1]}
"#,
        expect![[r#"
            f.yaml:8:14: error[unknown_name]: there is no `customer`
              8 |       a: "{{ customer }} {{ two.x }} {{ input.customer }}"
                |              ^^^^^^^^
                = help: an input is `inputs.customer`

            f.yaml:8:29: error[unknown_name]: there is no `two`
              8 |       a: "{{ customer }} {{ two.x }} {{ input.customer }}"
                |                             ^^^^^
                = help: a step's output is `steps.two`

            f.yaml:8:41: error[unknown_name]: there is no `input`
              8 |       a: "{{ customer }} {{ two.x }} {{ input.customer }}"
                |                                         ^^^^^^^^^^^^^^
                = help: did you mean `inputs`?

            f.yaml:9:14: error[unknown_name]: a run has no `run.user.mail`
              9 |       b: "{{ run.user.mail }} {{ run.now }} {{ run.user.email }}"
                |              ^^^^^^^^^^^^^
                = help: did you mean `run.user.email`?

            f.yaml:9:34: error[unknown_name]: a run has no `run.now`
              9 |       b: "{{ run.user.mail }} {{ run.now }} {{ run.user.email }}"
                |                                  ^^^^^^^
                = help: did you mean `run.flow`?

            f.yaml:10:27: error[unknown_name]: `item` is there only inside a loop
              10 |       c: "{{ vars.x }} {{ item }}"
                 |                           ^^^^
                 = help: it can be named in the `steps` of a `for_each`

            f.yaml:11:30: error[bad_expression]: unexpected `*`
              11 |       d: "{{ inputs }} {{ 1 +* 2 }}"
                 |                              ^
                 = help: expressions are those of Jinja: `inputs.amount * 2`, `steps.find.id`, `a if b else c`, `x | default(1)`

            f.yaml:12:9: error[condition_type]: a condition must be true or false; `inputs.customer` is a text
              12 |     if: inputs.customer
                 |         ^^^^^^^^^^^^^^^
                 = help: compare it: `inputs.customer == …`, `inputs.customer > 0`, `inputs.customer is not none`

            f.yaml:13:30: error[bad_expression]: text and braces are mixed where one expression must stand
              13 |   two: {uses: core.set, if: "{{ inputs.customer == 'x' }} yes"}
                 |                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                 = help: write one expression without braces, such as `inputs.amount > 1000 and inputs.urgent`

            f.yaml:14:47: error[bad_expression]: the key `{{ key }}` holds an expression; only values can
              14 |   three: {uses: core.set, with: {"{{ key }}": 1}, if: [1]}
                 |                                               ^
                 = help: make the map in an expression: {{ dict([[key, value]]) }}

            f.yaml:14:55: error[wrong_type]: expected one expression, such as `inputs.amount > 1000`, found a list
              14 |   three: {uses: core.set, with: {"{{ key }}": 1}, if: [1]}
                 |                                                       ^
        "#]],
    );
}

#[test]
fn a_cycle_is_named_as_a_path() {
    steps(
        r#"steps:
  a: {uses: core.set, with: {x: "{{ steps.b }}"}}
  b: {uses: core.set, needs: [c]}
  c: {uses: core.set, if: steps.a.x == 1}
  d: {uses: core.set, needs: d}
"#,
        expect![[r#"
            f.yaml:4:3: error[cycle]: steps wait for one another: `a` → `b` → `c` → `a`
              4 |   a: {uses: core.set, with: {x: "{{ steps.b }}"}}
                |   ^
                = help: an arrow reads *needs*: by `needs`, or because an expression names the other's output

            f.yaml:7:30: error[cycle]: `d` cannot need itself
              7 |   d: {uses: core.set, needs: d}
                |                              ^
        "#]],
    );
}

#[test]
fn half_a_construct_is_told_what_it_lacks() {
    steps(
        r#"connections: {boss: {app: sandbox_crm, dynamic: {of: approve}}}
steps:
  approve: {uses: core.approve, with: {who: "{{ run.user.manager }}"}}
  lines: {for_each: inputs.lines, parallel: 8, steps: {}}
  route: {switch: steps.approve.decision, cases: {}, default: {}}
  poll: {until: x, every: 10s, max_rounds: 60}
  act: {uses: sandbox_crm.get_me, undo: {}, on_error: fail}
on_error: {}
concurrency: {}
limits: {items: 5}
"#,
        expect![[r#"
            f.yaml:6:21: error[unknown_input]: there is no input `lines`
              6 |   lines: {for_each: inputs.lines, parallel: 8, steps: {}}
                |                     ^^^^^^^^^^^^
                = help: declare it under `inputs`

            f.yaml:6:48: error[no_steps]: `lines` needs at least one step inside it
              6 |   lines: {for_each: inputs.lines, parallel: 8, steps: {}}
                |                                                ^^^^^

            f.yaml:7:63: error[missing_key]: a map of `steps` and `outputs` needs `steps`, or `outputs`
              7 |   route: {switch: steps.approve.decision, cases: {}, default: {}}
                |                                                               ^
                = help: the steps. They see each other and the steps around

            f.yaml:8:10: error[missing_key]: `until` needs `steps` beside it
              8 |   poll: {until: x, every: 10s, max_rounds: 60}
                |          ^^^^^
                = help: what is done in each round: `steps: {…}`

            f.yaml:9:35: warning[needless_undo]: `sandbox_crm.get_me` changes nothing, so there is nothing to take back
              9 |   act: {uses: sandbox_crm.get_me, undo: {}, on_error: fail}
                |                                   ^^^^
                = help: put `undo` on the step that changed something

            f.yaml:9:41: error[missing_key]: an undo needs `uses`
              9 |   act: {uses: sandbox_crm.get_me, undo: {}, on_error: fail}
                |                                         ^
                = help: the module that takes the step back

            f.yaml:10:11: error[missing_key]: a map of `steps` and `outputs` needs `steps`, or `outputs`
              10 | on_error: {}
                 |           ^
                 = help: the steps. They see each other and the steps around

            f.yaml:11:14: error[missing_key]: a rule of concurrency needs `limit`, or `key`
              11 | concurrency: {}
                 |              ^
                 = help: at most so many runs active at once. One that waits or is paused gives its place back
        "#]],
    );
}

#[test]
fn durations_and_numbers_have_their_form() {
    steps(
        r#"limits: {run: 2 days, pause: 7d}
steps:
  a: {uses: core.set, timeout: 1.5h, retry: 101}
  b: {uses: core.set, retry: {first_delay: 1s}, effect: sometimes, connection: [x], title: 5}
"#,
        expect![[r#"
            f.yaml:3:15: error[bad_duration]: `2 days` is not a duration
              3 | limits: {run: 2 days, pause: 7d}
                |               ^^^^^^
                = help: a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`

            f.yaml:5:32: error[bad_duration]: `1.5h` is not a duration
              5 |   a: {uses: core.set, timeout: 1.5h, retry: 101}
                |                                ^^^^
                = help: a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`

            f.yaml:5:45: error[wrong_type]: expected a whole number from 1 to 100, found the number `101`
              5 |   a: {uses: core.set, timeout: 1.5h, retry: 101}
                |                                             ^^^

            f.yaml:6:30: error[missing_key]: a retry rule needs `attempts`
              6 |   b: {uses: core.set, retry: {first_delay: 1s}, effect: sometimes, connection: [x], title: 5}
                |                              ^
                = help: attempts in all, the first included

            f.yaml:6:57: error[unknown_word]: `sometimes` is not one of the words that may stand here
              6 |   b: {uses: core.set, retry: {first_delay: 1s}, effect: sometimes, connection: [x], title: 5}
                |                                                         ^^^^^^^^^
                = help: there are `read`, `idempotent`, `at_most_once`

            f.yaml:6:80: error[wrong_type]: expected a text, found a list
              6 |   b: {uses: core.set, retry: {first_delay: 1s}, effect: sometimes, connection: [x], title: 5}
                |                                                                                ^

            f.yaml:6:92: error[wrong_type]: expected a text, found the number `5`
              6 |   b: {uses: core.set, retry: {first_delay: 1s}, effect: sometimes, connection: [x], title: 5}
                |                                                                                            ^
        "#]],
    );
}
