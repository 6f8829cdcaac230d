//! What a good compiler would say: values of another type than is wanted, results nobody uses, branches nobody takes.

use expect_test::expect;

use super::steps;

#[test]
fn types_are_known_through_steps_and_loops() {
    steps(
        r##"inputs:
  lines: {type: array, items: {type: object, properties: {price: {type: number}, tags: {type: array, items: {type: string}}}}}
connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  set: {uses: core.set, with: {n: 5, text: "x {{ 1 }}", map: {inner: "{{ inputs.lines }}"}, many: [1]}}
  post: {uses: sandbox_crm.post_message, needs: [], with: {channel: "{{ steps.set.n }}", text: "{{ steps.set.map.inner }}"}}
  each:
    for_each: inputs.lines
    needs: []
    steps:
      one: {uses: sandbox_crm.create_record, needs: [], with: {object: "{{ item.price }}", fields: "{{ item.tags }}"}}
      two: {uses: core.set, with: {p: "{{ item.prise }}", i: "{{ index }}", t: "{{ item.tags.x }}"}}
  tags:
    for_each: steps.each.items
    needs: []
    uses: core.check
    with: {that: "{{ item.two.i }}", message: "{{ item.one.idd }}"}
  found: {uses: sandbox_crm.list_accounts}
  accounts: {for_each: steps.found.items, needs: [], uses: sandbox_crm.get_account, with: {id: "{{ item.id }}"}}
  names: {for_each: steps.accounts, uses: core.log, with: {message: x}}
  cond: {uses: core.log, if: steps.set.text, with: {message: "{{ steps.set.many.first }} {{ steps.set.map.iner }}"}}
outputs: {x: "{{ steps.accounts.items }}", y: "{{ steps.tags.item }}"}
"##,
        expect![[r#"
            f.yaml:8:73: error[bad_field]: `channel` of `sandbox_crm.post_message` must be a text, but `steps.set.n` is a whole number
              8 |   post: {uses: sandbox_crm.post_message, needs: [], with: {channel: "{{ steps.set.n }}", text: "{{ steps.set.map.inner }}"}}
                |                                                                         ^^^^^^^^^^^
                = help: convert it: `steps.set.n | string`

            f.yaml:8:100: error[bad_field]: `text` of `sandbox_crm.post_message` must be a text, but `steps.set.map.inner` is a list
              8 |   post: {uses: sandbox_crm.post_message, needs: [], with: {channel: "{{ steps.set.n }}", text: "{{ steps.set.map.inner }}"}}
                |                                                                                                    ^^^^^^^^^^^^^^^^^^^

            f.yaml:13:76: error[bad_field]: `object` of `sandbox_crm.create_record` must be a text, but `item.price` is a number
              13 |       one: {uses: sandbox_crm.create_record, needs: [], with: {object: "{{ item.price }}", fields: "{{ item.tags }}"}}
                 |                                                                            ^^^^^^^^^^
                 = help: convert it: `item.price | string`

            f.yaml:13:104: error[bad_field]: `fields` of `sandbox_crm.create_record` must be a map, but `item.tags` is a list
              13 |       one: {uses: sandbox_crm.create_record, needs: [], with: {object: "{{ item.price }}", fields: "{{ item.tags }}"}}
                 |                                                                                                        ^^^^^^^^^

            f.yaml:14:43: error[unknown_output]: an item gives no `prise`
              14 |       two: {uses: core.set, with: {p: "{{ item.prise }}", i: "{{ index }}", t: "{{ item.tags.x }}"}}
                 |                                           ^^^^^^^^^^
                 = help: did you mean `price`?

            f.yaml:14:84: error[unknown_output]: `item.tags` is a list and has no `x`
              14 |       two: {uses: core.set, with: {p: "{{ item.prise }}", i: "{{ index }}", t: "{{ item.tags.x }}"}}
                 |                                                                                    ^^^^^^^^^^^
                 = help: take one item: `item.tags[0].x`; or of each: `item.tags | map(attribute='x')`

            f.yaml:19:22: error[bad_field]: `that` of `core.check` must be true or false, but `item.two.i` is a whole number
              19 |     with: {that: "{{ item.two.i }}", message: "{{ item.one.idd }}"}
                 |                      ^^^^^^^^^^

            f.yaml:19:51: error[unknown_output]: `item.one` has no `idd`
              19 |     with: {that: "{{ item.two.i }}", message: "{{ item.one.idd }}"}
                 |                                                   ^^^^^^^^^^^^
                 = help: did you mean `id`?

            f.yaml:22:21: error[not_a_list]: `for_each` needs a list; `steps.accounts` is a map
              22 |   names: {for_each: steps.accounts, uses: core.log, with: {message: x}}
                 |                     ^^^^^^^^^^^^^^
                 = help: of a map there are `steps.accounts | items` (pairs), and lists inside it

            f.yaml:23:30: error[condition_type]: a condition must be true or false; `steps.set.text` is a text
              23 |   cond: {uses: core.log, if: steps.set.text, with: {message: "{{ steps.set.many.first }} {{ steps.set.map.iner }}"}}
                 |                              ^^^^^^^^^^^^^^
                 = help: compare it: `steps.set.text == …`, `steps.set.text > 0`, `steps.set.text is not none`

            f.yaml:23:66: error[unknown_output]: `steps.set.many` is a list and has no `first`
              23 |   cond: {uses: core.log, if: steps.set.text, with: {message: "{{ steps.set.many.first }} {{ steps.set.map.iner }}"}}
                 |                                                                  ^^^^^^^^^^^^^^^^^^^^
                 = help: take one item: `steps.set.many[0].first`; or of each: `steps.set.many | map(attribute='first')`

            f.yaml:23:93: error[unknown_output]: `steps.set.map` has no `iner`
              23 |   cond: {uses: core.log, if: steps.set.text, with: {message: "{{ steps.set.many.first }} {{ steps.set.map.iner }}"}}
                 |                                                                                             ^^^^^^^^^^^^^^^^^^
                 = help: did you mean `inner`?

            f.yaml:24:51: error[unknown_output]: `tags` gives no `item`
              24 | outputs: {x: "{{ steps.accounts.items }}", y: "{{ steps.tags.item }}"}
                 |                                                   ^^^^^^^^^^^^^^^
                 = help: did you mean `items`?
        "#]],
    );
}

#[test]
fn what_nothing_uses_is_told_but_not_what_acts() {
    steps(
        r##"connections: {crm: {app: sandbox_crm, dynamic: {}}}
inputs: {a: {}, b: {}, c: {}}
steps:
  used: {uses: core.set, with: {x: "{{ inputs.a }}"}}
  useless: {uses: core.set, with: {x: "{{ inputs.b }}"}}
  read: {uses: sandbox_crm.get_me}
  gate: {uses: core.set, if: inputs.a == 1}
  check: {uses: core.check, needs: [gate], with: {that: true}}
  act: {uses: sandbox_crm.create_record, with: {object: Task}}
  call: {uses: http.request, with: {url: "https://example.org", method: POST}, effect: at_most_once, needs: []}
  loop:
    for_each: "[1, 2]"
    steps:
      given: {uses: core.set, with: {x: "{{ item }}"}}
  named:
    for_each: "[1, 2]"
    steps:
      lost: {uses: core.set, with: {x: "{{ item }}"}}
      kept: {uses: core.set, with: {x: "{{ item }}"}}
    outputs: {x: "{{ steps.kept.x }}"}
  acting: {for_each: "[1]", steps: {a: {uses: core.log, with: {message: x}}}}
outputs: {x: "{{ steps.used.x }}", y: "{{ steps.named.items }}"}
"##,
        expect![[r#"
            f.yaml:4:24: warning[unused_input]: nothing uses the input `c`
              4 | inputs: {a: {}, b: {}, c: {}}
                |                        ^
                = help: remove it, or use it: `inputs.c`

            f.yaml:7:3: warning[unused_step]: nothing uses what `useless` finds out, and it does nothing else
              7 |   useless: {uses: core.set, with: {x: "{{ inputs.b }}"}}
                |   ^^^^^^^
                = help: use it: `steps.useless`, or remove the step

            f.yaml:8:3: warning[unused_step]: nothing uses what `read` finds out, and it does nothing else
              8 |   read: {uses: sandbox_crm.get_me}
                |   ^^^^
                = help: use it: `steps.read`, or remove the step

            f.yaml:13:3: warning[unused_step]: nothing uses what `loop` finds out, and it does nothing else
              13 |   loop:
                 |   ^^^^
                 = help: use it: `steps.loop`, or remove the step

            f.yaml:20:7: warning[unused_step]: nothing uses what `lost` finds out, and it does nothing else
              20 |       lost: {uses: core.set, with: {x: "{{ item }}"}}
                 |       ^^^^
                 = help: use it: `steps.lost`, or remove the step
        "#]],
    );
    // A flow that gives nothing back shows what its last steps found.
    steps(
        "steps:\n  a: {uses: core.set, with: {x: 1}}\n",
        expect![[""]],
    );
}

#[test]
fn branches_that_no_run_takes_are_told() {
    steps(
        r##"inputs: {kind: {enum: [small, large]}, on: {type: boolean}, free: {type: string}}
steps:
  never: {uses: core.log, if: false, with: {message: x}}
  always: {uses: core.log, if: "1 + 1 == 2", with: {message: x}}
  asks: {uses: core.log, if: always(), with: {message: x}}
  literal: {switch: "'b'", cases: {a: {steps: {}}, b: {steps: {l: {uses: core.log, with: {message: x}}}}}}
  kinds:
    switch: inputs.kind
    cases: {small: {steps: {k: {uses: core.log, with: {message: x}}}}, larg: {steps: {}}}
  all:
    switch: inputs.kind
    cases: {small: {steps: {a1: {uses: core.log, with: {message: x}}}}, large: {steps: {}}}
    default: {steps: {}}
  bool: {switch: inputs.on, cases: {"true": {steps: {b1: {uses: core.log, with: {message: x}}}}, "no": {steps: {}}}}
  free: {switch: inputs.free, cases: {x: {steps: {f: {uses: core.log, with: {message: x}}}}}}
  none: {for_each: "[]", uses: core.log, with: {message: x}}
  stuck: {until: "false", max_rounds: 3, steps: {s: {uses: core.log, with: {message: x}}}}
  fail: {uses: core.fail, with: {message: x}}
  after: {uses: core.log, needs: [fail], with: {message: x}}
  tidy: {uses: core.log, needs: [fail], if: failure(), with: {message: x}}
  dead: {while: "1 > 2", max_rounds: 3, steps: {w: {uses: core.log, with: {message: x}}}}
"##,
        expect![[r#"
            f.yaml:5:31: warning[unreachable]: the `if` of `never` is always false: it never runs
              5 |   never: {uses: core.log, if: false, with: {message: x}}
                |                               ^^^^^
                = help: remove the step, or the `if`

            f.yaml:6:32: warning[constant_condition]: the `if` of `always` is always true
              6 |   always: {uses: core.log, if: "1 + 1 == 2", with: {message: x}}
                |                                ^^^^^^^^^^^^
                = help: remove it

            f.yaml:8:36: warning[unreachable]: the case `a` of `literal` is never chosen
              8 |   literal: {switch: "'b'", cases: {a: {steps: {}}, b: {steps: {l: {uses: core.log, with: {message: x}}}}}}
                |                                    ^
                = help: it is always `b`

            f.yaml:10:5: warning[missing_case]: `kinds` fails for `large`: no case fits
              10 |     switch: inputs.kind
                 |     ^^^^^^
                 = help: add a case for each, or `default: {steps: {}}` to do nothing then

            f.yaml:11:72: warning[unreachable]: the case `larg` of `kinds` is never chosen
              11 |     cases: {small: {steps: {k: {uses: core.log, with: {message: x}}}}, larg: {steps: {}}}
                 |                                                                        ^^^^
                 = help: did you mean `large`?

            f.yaml:15:5: warning[unreachable]: the `default` of `all` is never chosen: every value has a case
              15 |     default: {steps: {}}
                 |     ^^^^^^^
                 = help: it is one of `small`, `large`

            f.yaml:16:10: warning[missing_case]: `bool` fails for `false`: no case fits
              16 |   bool: {switch: inputs.on, cases: {"true": {steps: {b1: {uses: core.log, with: {message: x}}}}, "no": {steps: {}}}}
                 |          ^^^^^^
                 = help: add a case for each, or `default: {steps: {}}` to do nothing then

            f.yaml:16:98: warning[unreachable]: the case `no` of `bool` is never chosen
              16 |   bool: {switch: inputs.on, cases: {"true": {steps: {b1: {uses: core.log, with: {message: x}}}}, "no": {steps: {}}}}
                 |                                                                                                  ^^^^
                 = help: it is one of `true`, `false`

            f.yaml:18:20: warning[unreachable]: the list is empty, so what is inside `none` never runs
              18 |   none: {for_each: "[]", uses: core.log, with: {message: x}}
                 |                    ^^^^

            f.yaml:19:18: warning[constant_condition]: `until` is never true: `stuck` always fails after `max_rounds`
              19 |   stuck: {until: "false", max_rounds: 3, steps: {s: {uses: core.log, with: {message: x}}}}
                 |                  ^^^^^^^

            f.yaml:21:3: warning[unreachable]: `after` never runs: it needs `fail`, which always fails
              20 |   fail: {uses: core.fail, with: {message: x}}
                 |   ---- `fail` is here
              21 |   after: {uses: core.log, needs: [fail], with: {message: x}}
                 |   ^^^^^
                 = help: give the failing step an `if`, or this one `if: failure()`

            f.yaml:23:17: warning[constant_condition]: `while` is never true: what is inside `dead` never runs
              23 |   dead: {while: "1 > 2", max_rounds: 3, steps: {w: {uses: core.log, with: {message: x}}}}
                 |                 ^^^^^^^
        "#]],
    );
}

#[test]
fn effects_without_an_order_are_told_at_every_level() {
    steps(
        r##"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  first: {uses: sandbox_crm.create_record, with: {object: Task}}
  lines:
    for_each: "[1, 2]"
    steps:
      a: {uses: sandbox_crm.create_record, with: {object: Task}}
      b: {uses: sandbox_crm.create_record, with: {object: Task}}
      c: {uses: sandbox_crm.get_me}
  route:
    switch: steps.lines.count
    cases:
      1: {steps: {x: {uses: sandbox_crm.create_record, with: {object: Task}}}}
      2: {steps: {y: {uses: sandbox_crm.create_record, with: {object: Task}}}}
    default: {steps: {}}
  meant: {uses: sandbox_crm.create_record, needs: [], with: {object: Task}}
  asks: {uses: core.approve, with: {who: "{{ run.user.manager }}"}}
  quiet: {for_each: "[1]", steps: {q: {uses: core.log, with: {message: "{{ steps.lines.count }}"}}}}
"##,
        expect![[r#"
            f.yaml:6:3: warning[unordered_effects]: `lines` runs at the same time as `first`: add `needs: [first]`, or `needs: []` if meant
              5 |   first: {uses: sandbox_crm.create_record, with: {object: Task}}
                |   ----- `first` is here
              6 |   lines:
                |   ^^^^^

            f.yaml:10:7: warning[unordered_effects]: `b` runs at the same time as `a`: add `needs: [a]`, or `needs: []` if meant
               9 |       a: {uses: sandbox_crm.create_record, with: {object: Task}}
                 |       - `a` is here
              10 |       b: {uses: sandbox_crm.create_record, with: {object: Task}}
                 |       ^

            f.yaml:12:3: warning[unordered_effects]: `route` runs at the same time as `first`: add `needs: [first]`, or `needs: []` if meant
               5 |   first: {uses: sandbox_crm.create_record, with: {object: Task}}
                 |   ----- `first` is here
              12 |   route:
                 |   ^^^^^

            f.yaml:19:3: warning[unordered_effects]: `asks` runs at the same time as `first` and `lines` and `route`: add `needs: [first, lines, route]`, or `needs: []` if meant
               5 |   first: {uses: sandbox_crm.create_record, with: {object: Task}}
                 |   ----- `first` is here
              19 |   asks: {uses: core.approve, with: {who: "{{ run.user.manager }}"}}
                 |   ^^^^

            f.yaml:20:76: error[bad_field]: `message` of `core.log` must be a text, but `steps.lines.count` is a whole number
              20 |   quiet: {for_each: "[1]", steps: {q: {uses: core.log, with: {message: "{{ steps.lines.count }}"}}}}
                 |                                                                            ^^^^^^^^^^^^^^^^^
                 = help: convert it: `steps.lines.count | string`
        "#]],
    );
}

#[test]
fn unknown_names_are_suggested_wherever_they_stand() {
    steps(
        r##"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  a:
    for_eech: "[1]"
    steps: {x: {uses: core.sett}}
  b: {swich: "1"}
  c:
    for_each: "[1]"
    paralel: 4
    steps:
      d: {uses: sandbox_crm.get_mee, conection: crm}
      e: {uses: sandbox.get_me, conection: crm}
      f: {uses: sandbox_crm.create_record, connection: crn, with: {objekt: Task}, retry: {atempts: 3, backof: constant}}
  g: {switch: "'a'", cases: {a: {step: {}}}}
  h: {uses: core.log, with: {message: "{{ itm }} {{ var.x }} {{ eror.kind }} {{ callback.x }}"}, on_error: {step: {}}}
on_eror: {steps: {}}
concurency: {limit: 1}
"##,
        expect![[r#"
            f.yaml:6:5: error[unknown_key]: `for_eech` is not a key of a step
              6 |     for_eech: "[1]"
                |     ^^^^^^^^
                = help: did you mean `for_each`?

            f.yaml:7:23: error[unknown_module]: the app `core` has no module `sett`
              7 |     steps: {x: {uses: core.sett}}
                |                       ^^^^^^^^^
                = help: did you mean `set`?

            f.yaml:8:7: error[unknown_key]: `swich` is not a key of a step
              8 |   b: {swich: "1"}
                |       ^^^^^
                = help: did you mean `switch`?

            f.yaml:11:5: error[unknown_key]: `paralel` is not a key of a step
              11 |     paralel: 4
                 |     ^^^^^^^
                 = help: did you mean `parallel`?

            f.yaml:13:17: error[unknown_module]: the app `sandbox_crm` has no module `get_mee`
              13 |       d: {uses: sandbox_crm.get_mee, conection: crm}
                 |                 ^^^^^^^^^^^^^^^^^^^
                 = help: did you mean `get_me`?

            f.yaml:13:38: error[unknown_key]: `conection` is not a key of a step
              13 |       d: {uses: sandbox_crm.get_mee, conection: crm}
                 |                                      ^^^^^^^^^
                 = help: did you mean `connection`?

            f.yaml:14:17: error[unknown_app]: there is no app `sandbox`
              14 |       e: {uses: sandbox.get_me, conection: crm}
                 |                 ^^^^^^^^^^^^^^
                 = help: there are `core`, `http`, `sandbox_crm`

            f.yaml:14:33: error[unknown_key]: `conection` is not a key of a step
              14 |       e: {uses: sandbox.get_me, conection: crm}
                 |                                 ^^^^^^^^^
                 = help: did you mean `connection`?

            f.yaml:15:17: error[missing_field]: `sandbox_crm.create_record` needs `object` in `with`
              15 |       f: {uses: sandbox_crm.create_record, connection: crn, with: {objekt: Task}, retry: {atempts: 3, backof: constant}}
                 |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
                 = help: Kind of record: a text

            f.yaml:15:56: error[unknown_connection]: there is no connection `crn`
              15 |       f: {uses: sandbox_crm.create_record, connection: crn, with: {objekt: Task}, retry: {atempts: 3, backof: constant}}
                 |                                                        ^^^
                 = help: did you mean `crm`?

            f.yaml:15:68: error[unknown_field]: `sandbox_crm.create_record` takes no `objekt`
              15 |       f: {uses: sandbox_crm.create_record, connection: crn, with: {objekt: Task}, retry: {atempts: 3, backof: constant}}
                 |                                                                    ^^^^^^
                 = help: did you mean `object`?

            f.yaml:15:91: error[unknown_key]: `atempts` is not a key of a retry rule
              15 |       f: {uses: sandbox_crm.create_record, connection: crn, with: {objekt: Task}, retry: {atempts: 3, backof: constant}}
                 |                                                                                           ^^^^^^^
                 = help: did you mean `attempts`?

            f.yaml:15:103: error[unknown_key]: `backof` is not a key of a retry rule
              15 |       f: {uses: sandbox_crm.create_record, connection: crn, with: {objekt: Task}, retry: {atempts: 3, backof: constant}}
                 |                                                                                                       ^^^^^^
                 = help: did you mean `backoff`?

            f.yaml:16:34: error[unknown_key]: `step` is not a key of a map of `steps` and `outputs`
              16 |   g: {switch: "'a'", cases: {a: {step: {}}}}
                 |                                  ^^^^
                 = help: did you mean `steps`?

            f.yaml:17:43: error[unknown_name]: there is no `itm`
              17 |   h: {uses: core.log, with: {message: "{{ itm }} {{ var.x }} {{ eror.kind }} {{ callback.x }}"}, on_error: {step: {}}}
                 |                                           ^^^
                 = help: did you mean `item`?

            f.yaml:17:53: error[unknown_name]: there is no `var`
              17 |   h: {uses: core.log, with: {message: "{{ itm }} {{ var.x }} {{ eror.kind }} {{ callback.x }}"}, on_error: {step: {}}}
                 |                                                     ^^^^^
                 = help: did you mean `vars`?

            f.yaml:17:65: error[unknown_name]: there is no `eror`
              17 |   h: {uses: core.log, with: {message: "{{ itm }} {{ var.x }} {{ eror.kind }} {{ callback.x }}"}, on_error: {step: {}}}
                 |                                                                 ^^^^^^^^^
                 = help: did you mean `error`?

            f.yaml:17:81: error[unknown_name]: there is no `callback`
              17 |   h: {uses: core.log, with: {message: "{{ itm }} {{ var.x }} {{ eror.kind }} {{ callback.x }}"}, on_error: {step: {}}}
                 |                                                                                 ^^^^^^^^^^
                 = help: did you mean `callbacks`?

            f.yaml:17:109: error[unknown_key]: `step` is not a key of a map of `steps` and `outputs`
              17 |   h: {uses: core.log, with: {message: "{{ itm }} {{ var.x }} {{ eror.kind }} {{ callback.x }}"}, on_error: {step: {}}}
                 |                                                                                                             ^^^^
                 = help: did you mean `steps`?

            f.yaml:18:1: error[unknown_key]: `on_eror` is not a key of a flow
              18 | on_eror: {steps: {}}
                 | ^^^^^^^
                 = help: did you mean `on_error`?

            f.yaml:19:1: error[unknown_key]: `concurency` is not a key of a flow
              19 | concurency: {limit: 1}
                 | ^^^^^^^^^^
                 = help: did you mean `concurrency`?
        "#]],
    );
}
