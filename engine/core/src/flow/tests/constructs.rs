//! Faults of steps that hold others: loops, choices, handlers, undo.

use expect_test::expect;

use super::steps;

#[test]
fn a_step_is_one_thing_and_its_keys_belong_to_it() {
    steps(
        r#"steps:
  both: {for_each: "[1]", while: "true", steps: {a: {uses: core.log, with: {message: x}}}}
  lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
  grouped: {uses: core.set, steps: {a: {uses: core.set}}, outputs: {x: 1}}
  container: {for_each: "[1]", steps: {b: {uses: core.log, with: {message: x}}}, with: {x: 1}, retry: 2, timeout: 1s, undo: {uses: core.set}}
  beside: {for_each: "[1]", uses: core.set, steps: {c: {uses: core.set}}, outputs: {x: 1}}
  endless: {until: "true", steps: {d: {uses: core.set}}}
  choice: {switch: "1", uses: core.set, connection: crm}
  nothing: {title: x}
  empty: {for_each: "[1]", steps: {}}
  bare: {while: "false", max_rounds: 1}
  wide: {for_each: "[1]", parallel: 300, uses: core.set, undo: {uses: core.set, for_each: "[1]"}}
"#,
        expect![[r#"
            f.yaml:4:27: error[two_kinds]: `both` has `for_each` and `while`: a step is one of them
              4 |   both: {for_each: "[1]", while: "true", steps: {a: {uses: core.log, with: {message: x}}}}
                |          -------- `for_each` is here
                |                           ^^^^^
                = help: put one inside the other: as a step of its `steps`

            f.yaml:5:28: error[lonely_key]: `parallel` means something only beside `for_each`
              5 |   lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
                |                            ^^^^^^^^
                = help: say what is gone through: `for_each: inputs.lines`

            f.yaml:5:41: error[lonely_key]: `on_item_error` means something only beside `for_each`
              5 |   lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
                |                                         ^^^^^^^^^^^^^
                = help: say what is gone through: `for_each: inputs.lines`

            f.yaml:5:62: error[lonely_key]: `every` means something only beside `while` or `until`
              5 |   lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
                |                                                              ^^^^^
                = help: say when it ends: `until: steps.get.done`

            f.yaml:5:73: error[lonely_key]: `max_rounds` means something only beside `while` or `until`
              5 |   lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
                |                                                                         ^^^^^^^^^^
                = help: say when it ends: `until: steps.get.done`

            f.yaml:5:88: error[lonely_key]: `cases` means something only beside `switch`
              5 |   lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
                |                                                                                        ^^^^^
                = help: say what chooses: `switch: steps.find.kind`

            f.yaml:5:99: error[lonely_key]: `default` means something only beside `switch`
              5 |   lonely: {uses: core.set, parallel: 4, on_item_error: fail, every: 1s, max_rounds: 3, cases: {}, default: {steps: {}}}
                |                                                                                                   ^^^^^^^
                = help: say what chooses: `switch: steps.find.kind`

            f.yaml:6:29: error[lonely_key]: `steps` means something only beside `for_each` or `while` or `until`
              6 |   grouped: {uses: core.set, steps: {a: {uses: core.set}}, outputs: {x: 1}}
                |                             ^^^^^
                = help: say how they run: `for_each: LIST`, `until: CONDITION`, `while: CONDITION`; steps that run once stand beside this one

            f.yaml:6:59: error[lonely_key]: `outputs` means something only beside `for_each` or `while` or `until`
              6 |   grouped: {uses: core.set, steps: {a: {uses: core.set}}, outputs: {x: 1}}
                |                                                           ^^^^^^^
                = help: a module's output is its own; `core.set` gives others

            f.yaml:7:82: error[needless_key]: `with` belongs to a use of a module, and `container` has a `for_each`
              7 | …s: {b: {uses: core.log, with: {message: x}}}, with: {x: 1}, retry: 2, timeout: 1s, undo: {uses: core.set}}
                |                                                ^^^^
                = help: put it on a step inside `steps`

            f.yaml:7:96: error[needless_key]: `retry` belongs to a use of a module, and `container` has a `for_each`
              7 | …core.log, with: {message: x}}}, with: {x: 1}, retry: 2, timeout: 1s, undo: {uses: core.set}}
                |                                                ^^^^^
                = help: put it on a step inside `steps`

            f.yaml:7:106: error[needless_key]: `timeout` belongs to a use of a module, and `container` has a `for_each`
              7 | …with: {message: x}}}, with: {x: 1}, retry: 2, timeout: 1s, undo: {uses: core.set}}
                |                                                ^^^^^^^
                = help: put it on a step inside `steps`

            f.yaml:7:119: error[needless_key]: `container` only holds other steps, so there is nothing of its own to take back
              7 | …e: x}}}, with: {x: 1}, retry: 2, timeout: 1s, undo: {uses: core.set}}
                |                                                ^^^^
                = help: put `undo` on the steps inside it

            f.yaml:8:45: error[two_kinds]: `beside` has `uses` and `steps`: one of them runs for each item
              8 |   beside: {for_each: "[1]", uses: core.set, steps: {c: {uses: core.set}}, outputs: {x: 1}}
                |                             ---- `uses` is here
                |                                             ^^^^^

            f.yaml:8:75: error[lonely_key]: beside `uses` each item gives what the module gives
              8 |   beside: {for_each: "[1]", uses: core.set, steps: {c: {uses: core.set}}, outputs: {x: 1}}
                |                                                                           ^^^^^^^
                = help: for other outputs put the module into `steps`

            f.yaml:9:13: error[missing_key]: `until` needs `max_rounds` beside it
              9 |   endless: {until: "true", steps: {d: {uses: core.set}}}
                |             ^^^^^
                = help: say how many rounds it may take at most: `max_rounds: 60`

            f.yaml:10:12: error[missing_key]: `switch` needs `cases` beside it
              10 |   choice: {switch: "1", uses: core.set, connection: crm}
                 |            ^^^^^^
                 = help: `cases: {approved: {steps: {…}}}`, and perhaps `default: {steps: {}}`

            f.yaml:10:25: error[needless_key]: `uses` belongs to a use of a module, and `choice` has a `switch`
              10 |   choice: {switch: "1", uses: core.set, connection: crm}
                 |                         ^^^^
                 = help: put it on a step of one of the `cases`

            f.yaml:10:41: error[needless_key]: `connection` belongs to a use of a module, and `choice` has a `switch`
              10 |   choice: {switch: "1", uses: core.set, connection: crm}
                 |                                         ^^^^^^^^^^
                 = help: put it on a step of one of the `cases`

            f.yaml:11:12: error[missing_key]: a step needs `uses`, or `for_each`, `while`, `until`, `switch`
              11 |   nothing: {title: x}
                 |            ^
                 = help: the module: app and module joined by a point, such as `core.set`

            f.yaml:12:28: error[no_steps]: `empty` needs at least one step inside it
              12 |   empty: {for_each: "[1]", steps: {}}
                 |                            ^^^^^

            f.yaml:13:10: error[missing_key]: `while` needs `steps` beside it
              13 |   bare: {while: "false", max_rounds: 1}
                 |          ^^^^^
                 = help: what is done in each round: `steps: {…}`

            f.yaml:14:37: error[wrong_type]: expected a whole number from 1 to 256, found the number `300`
              14 |   wide: {for_each: "[1]", parallel: 300, uses: core.set, undo: {uses: core.set, for_each: "[1]"}}
                 |                                     ^^^

            f.yaml:14:58: error[needless_key]: `wide` only holds other steps, so there is nothing of its own to take back
              14 |   wide: {for_each: "[1]", parallel: 300, uses: core.set, undo: {uses: core.set, for_each: "[1]"}}
                 |                                                          ^^^^
                 = help: put `undo` on the steps inside it

            f.yaml:14:81: error[unknown_key]: `for_each` is not a key of an undo
              14 |   wide: {for_each: "[1]", parallel: 300, uses: core.set, undo: {uses: core.set, for_each: "[1]"}}
                 |                                                                                 ^^^^^^^^
                 = help: there are `title`, `uses`, `connection`, `with`, `if`, `retry`, `timeout`, `effect`
        "#]],
    );
}

#[test]
fn what_stands_inside_a_step_is_seen_only_inside() {
    steps(
        r#"steps:
  lines:
    for_each: "[1]"
    steps:
      add: {uses: core.set, with: {x: "{{ steps.lines.items }}", y: "{{ steps.later.x }}", z: "{{ steps.ad.x }}"}}
      again: {uses: core.set, needs: [before, lines, nowhere, add]}
      before: {uses: core.set}
  before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
  later: {uses: core.set, with: {x: 1, y: "{{ steps.lines.items[0].add.x }}", z: "{{ steps.lines.count }}"}}
  do: {uses: core.set}
  rounds: {until: "true", max_rounds: 2, steps: {one: {uses: core.set, with: {x: "{{ item }} {{ index }}"}}}}
outputs: {a: "{{ steps.one.x }}", b: "{{ steps.rounds.one.y }}", c: "{{ steps.rounds.rounds }}"}
"#,
        expect![[r#"
            f.yaml:4:3: error[cycle]: steps wait for one another: `lines` (by `lines/add`) → `later` → `lines`
              4 |   lines:
                |   ^^^^^
                = help: an arrow reads *needs*: by `needs`, or because an expression names the other's output

            f.yaml:7:43: error[own_output]: this stands inside `lines`, whose output is there only when it has ended
              7 |       add: {uses: core.set, with: {x: "{{ steps.lines.items }}", y: "{{ steps.later.x }}", z: "{{ steps.ad.x }}"}}
                |                                           ^^^^^^^^^^^^^^^^^
                = help: name a step beside this one, or one around it

            f.yaml:7:99: error[unknown_step]: there is no step `ad`
              7 |       add: {uses: core.set, with: {x: "{{ steps.lines.items }}", y: "{{ steps.later.x }}", z: "{{ steps.ad.x }}"}}
                |                                                                                                   ^^^^^^^^^^
                = help: there are `add`, `again`, `before`, `lines`, `later`, `do`, `rounds`

            f.yaml:8:47: error[needs_elsewhere]: `needs` names steps beside this one; `lines` stands further out
              4 |   lines:
                |   ----- `lines` is here
              8 |       again: {uses: core.set, needs: [before, lines, nowhere, add]}
                |                                               ^^^^^
                = help: this step stands inside `lines`

            f.yaml:8:54: error[unknown_step]: there is no step `nowhere`
              8 |       again: {uses: core.set, needs: [before, lines, nowhere, add]}
                |                                                      ^^^^^^^
                = help: there are `add`, `again`, `before`, `lines`, `later`, `do`, `rounds`

            f.yaml:9:7: error[step_twice]: `before` stands around this step already, so the name would mean two steps
               9 |       before: {uses: core.set}
                 |       ^^^^^^
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |   ------ `before` is here
                 = help: give one of them another id

            f.yaml:10:3: warning[unused_step]: nothing uses what `before` finds out, and it does nothing else
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |   ^^^^^^
                 = help: use it: `steps.before`, or remove the step

            f.yaml:10:42: error[unknown_step]: there is no step `add`
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |                                          ^^^^^^^^^^^
                 = help: it stands inside `lines`, which gives `steps.lines.items`

            f.yaml:10:66: error[unknown_name]: `item` is there only inside a loop
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |                                                                  ^^^^
                 = help: it can be named in the `steps` of a `for_each`

            f.yaml:10:77: error[unknown_name]: `index` is there only inside a loop
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |                                                                             ^^^^^
                 = help: it can be named in the `steps` of a `for_each`, `while` or `until`

            f.yaml:10:89: error[unknown_name]: `error` is there only where one is handled
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |                                                                                         ^^^^^
                 = help: it can be named in the `steps` of an `on_error`

            f.yaml:10:107: error[unknown_output]: `lines` gives no `itms`
              10 |   before: {uses: core.set, with: {x: "{{ steps.add.x }}", y: "{{ item }} {{ index }} {{ error }}", z: "{{ steps.lines.itms }}"}}
                 |                                                                                                           ^^^^^^^^^^^^^^^^
                 = help: did you mean `items`?

            f.yaml:12:3: error[reserved_id]: `do` means something of its own in the path of a step
              12 |   do: {uses: core.set}
                 |   ^^
                 = help: give the step another id

            f.yaml:12:3: warning[unused_step]: nothing uses what `do` finds out, and it does nothing else
              12 |   do: {uses: core.set}
                 |   ^^
                 = help: use it: `steps.do`, or remove the step

            f.yaml:13:19: warning[constant_condition]: `until` is always true: `rounds` is not repeated
              13 |   rounds: {until: "true", max_rounds: 2, steps: {one: {uses: core.set, with: {x: "{{ item }} {{ index }}"}}}}
                 |                   ^^^^^^

            f.yaml:13:86: error[unknown_name]: `item` is there only inside a loop
              13 |   rounds: {until: "true", max_rounds: 2, steps: {one: {uses: core.set, with: {x: "{{ item }} {{ index }}"}}}}
                 |                                                                                      ^^^^
                 = help: it can be named in the `steps` of a `for_each`

            f.yaml:14:18: error[unknown_step]: there is no step `one`
              14 | outputs: {a: "{{ steps.one.x }}", b: "{{ steps.rounds.one.y }}", c: "{{ steps.rounds.rounds }}"}
                 |                  ^^^^^^^^^^^
                 = help: it stands inside `rounds`, which gives its outputs: `steps.rounds.…`

            f.yaml:14:42: error[unknown_output]: `steps.rounds.one` has no `y`
              14 | outputs: {a: "{{ steps.one.x }}", b: "{{ steps.rounds.one.y }}", c: "{{ steps.rounds.rounds }}"}
                 |                                          ^^^^^^^^^^^^^^^^^^
                 = help: there is only `x`
        "#]],
    );
}

#[test]
fn a_cycle_through_a_loop_names_who_looks_out_of_it() {
    steps(
        r#"steps:
  a:
    for_each: "[1]"
    steps:
      deep: {switch: "'x'", cases: {x: {steps: {x: {uses: core.log, with: {message: "{{ steps.b.v }}"}}}}}}
  b: {uses: core.set, with: {v: "{{ steps.a.items }}"}}
  c:
    until: "true"
    max_rounds: 2
    steps:
      d: {uses: core.set, needs: [e]}
      e: {uses: core.set, needs: [d]}
"#,
        expect![[r#"
            f.yaml:4:3: error[cycle]: steps wait for one another: `a` (by `a/deep/x`) → `b` → `a`
              4 |   a:
                |   ^
                = help: an arrow reads *needs*: by `needs`, or because an expression names the other's output

            f.yaml:7:89: error[bad_field]: `message` of `core.log` must be a text, but `steps.b.v` is a list
              7 |       deep: {switch: "'x'", cases: {x: {steps: {x: {uses: core.log, with: {message: "{{ steps.b.v }}"}}}}}}
                |                                                                                         ^^^^^^^^^

            f.yaml:10:12: warning[constant_condition]: `until` is always true: `c` is not repeated
              10 |     until: "true"
                 |            ^^^^^^

            f.yaml:13:7: error[cycle]: steps wait for one another: `d` → `e` → `d`
              13 |       d: {uses: core.set, needs: [e]}
                 |       ^
                 = help: an arrow reads *needs*: by `needs`, or because an expression names the other's output
        "#]],
    );
}

#[test]
fn one_expression_stands_where_one_must() {
    steps(
        r#"inputs: {name: {type: string}, lines: {type: array}, map: {type: object}, on: {type: boolean}}
steps:
  a: {for_each: "x {{ inputs.lines }}", uses: core.log, with: {message: x}}
  b: {for_each: "{{ inputs.name }}", uses: core.log, with: {message: x}}
  c: {for_each: inputs.map, uses: core.log, with: {message: x}}
  d: {for_each: 5, uses: core.log, with: {message: x}}
  e: {for_each: [1, 2], uses: core.log, with: {message: x}}
  f: {switch: inputs.lines, cases: {x: {steps: {}}}}
  g: {while: inputs.name, max_rounds: 2, steps: {ga: {uses: core.log, with: {message: x}}}}
  h: {while: steps.ha.more, max_rounds: 2, steps: {ha: {uses: core.set, with: {more: true}}}}
  i: {while: index == 0 or steps.ia.more, max_rounds: 2, steps: {ia: {uses: core.set, with: {more: true}}}}
  j: {until: inputs.on and, max_rounds: 2, steps: {ja: {uses: core.log, with: {message: x}}}}
  k: {for_each: "{{ inputs.lines }}", uses: core.log, with: {message: "{{ item }}"}}
"#,
        expect![[r#"
            f.yaml:5:20: error[bad_expression]: text and braces are mixed where one expression must stand
              5 |   a: {for_each: "x {{ inputs.lines }}", uses: core.log, with: {message: x}}
                |                    ^^^^^^^^^^^^^^^^^^
                = help: write one expression without braces, such as `inputs.amount > 1000 and inputs.urgent`

            f.yaml:6:21: error[not_a_list]: `for_each` needs a list; `inputs.name` is a text
              6 |   b: {for_each: "{{ inputs.name }}", uses: core.log, with: {message: x}}
                |                     ^^^^^^^^^^^

            f.yaml:7:17: error[not_a_list]: `for_each` needs a list; `inputs.map` is a map
              7 |   c: {for_each: inputs.map, uses: core.log, with: {message: x}}
                |                 ^^^^^^^^^^
                = help: of a map there are `inputs.map | items` (pairs), and lists inside it

            f.yaml:8:17: error[not_a_list]: `for_each` needs a list
              8 |   d: {for_each: 5, uses: core.log, with: {message: x}}
                |                 ^
                = help: name one, such as `inputs.lines`, or write it: `[1, 2, 3]` in quotes

            f.yaml:9:17: error[wrong_type]: expected one expression, such as `inputs.lines`, found a list
              9 |   e: {for_each: [1, 2], uses: core.log, with: {message: x}}
                |                 ^

            f.yaml:10:15: error[switch_type]: a `switch` compares texts, numbers and booleans; `inputs.lines` is a list
              10 |   f: {switch: inputs.lines, cases: {x: {steps: {}}}}
                 |               ^^^^^^^^^^^^
                 = help: name a field inside it, or its length: `… | length`

            f.yaml:11:14: error[condition_type]: a condition must be true or false; `inputs.name` is a text
              11 |   g: {while: inputs.name, max_rounds: 2, steps: {ga: {uses: core.log, with: {message: x}}}}
                 |              ^^^^^^^^^^^
                 = help: compare it: `inputs.name == …`, `inputs.name > 0`, `inputs.name is not none`

            f.yaml:12:14: error[before_first_round]: `while` is tested before the first round, when there is no `steps.ha.more` yet
              12 |   h: {while: steps.ha.more, max_rounds: 2, steps: {ha: {uses: core.set, with: {more: true}}}}
                 |              ^^^^^^^^^^^^^
                 = help: say what counts then, `steps.ha.more | default(true)`, or test after each round with `until`

            f.yaml:14:24: error[bad_expression]: unexpected end of input, expected expression
              14 |   j: {until: inputs.on and, max_rounds: 2, steps: {ja: {uses: core.log, with: {message: x}}}}
                 |                        ^^^
                 = help: expressions are those of Jinja: `inputs.amount * 2`, `steps.find.id`, `a if b else c`, `x | default(1)`
        "#]],
    );
}

#[test]
fn handlers_see_the_error_and_not_what_failed() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  old:
    uses: sandbox_crm.get_me
    on_error:
      steps:
        keep: {uses: core.set, with: {k: "{{ error.kind }}", m: "{{ error.mesage }}", own: "{{ steps.old.id }}"}}
      outputs: {id: "{{ steps.keep.k }}", x: "{{ steps.keep.q }}"}
  half: {uses: sandbox_crm.get_me, needs: [old], on_error: {outputs: {id: none}}}
  wrong: {uses: sandbox_crm.get_me, needs: [half], on_error: ignore}
outputs: {a: "{{ steps.old.id }} {{ steps.old.x }} {{ steps.half.idd }}", b: "{{ steps.wrong.id }}", c: "{{ error.kind }}"}
on_error: {steps: {report: {uses: core.log, needs: [old], with: {message: "{{ error.message }} {{ steps.old.id }}"}}}}
"#,
        expect![[r#"
            f.yaml:9:69: error[unknown_output]: an error gives no `mesage`
              9 |         keep: {uses: core.set, with: {k: "{{ error.kind }}", m: "{{ error.mesage }}", own: "{{ steps.old.id }}"}}
                |                                                                     ^^^^^^^^^^^^
                = help: did you mean `message`?

            f.yaml:9:96: error[own_output]: `old` has failed here, so it has no output
              9 |         keep: {uses: core.set, with: {k: "{{ error.kind }}", m: "{{ error.mesage }}", own: "{{ steps.old.id }}"}}
                |                                                                                                ^^^^^^^^^^^^
                = help: what went wrong is `error`: `error.kind`, `error.code`, `error.message`, `error.step`, `error.help`

            f.yaml:10:50: error[unknown_output]: `core.set` gives no `q`
              10 |       outputs: {id: "{{ steps.keep.k }}", x: "{{ steps.keep.q }}"}
                 |                                                  ^^^^^^^^^^^^
                 = help: there are `k`, `m`, `own`

            f.yaml:12:62: error[unknown_word]: `ignore` is not one of the words that may stand here
              12 |   wrong: {uses: sandbox_crm.get_me, needs: [half], on_error: ignore}
                 |                                                              ^^^^^^
                 = help: there are `fail`, `continue`

            f.yaml:13:55: error[unknown_output]: `sandbox_crm.get_me` gives no `idd`
              13 | outputs: {a: "{{ steps.old.id }} {{ steps.old.x }} {{ steps.half.idd }}", b: "{{ steps.wrong.id }}", c: "{{ error.kind }}"}
                 |                                                       ^^^^^^^^^^^^^^
                 = help: did you mean `id`?

            f.yaml:13:109: error[unknown_name]: `error` is there only where one is handled
              13 | outputs: {a: "{{ steps.old.id }} {{ steps.old.x }} {{ steps.half.idd }}", b: "{{ steps.wrong.id }}", c: "{{ error.kind }}"}
                 |                                                                                                             ^^^^^^^^^^
                 = help: it can be named in the `steps` of an `on_error`

            f.yaml:14:53: error[needs_elsewhere]: `needs` names steps beside this one; `old` stands further out
               5 |   old:
                 |   --- `old` is here
              14 | on_error: {steps: {report: {uses: core.log, needs: [old], with: {message: "{{ error.message }} {{ steps.old.id }}"}}}}
                 |                                                     ^^^
                 = help: it has ended before the flow's `on_error` begins
        "#]],
    );
}

#[test]
fn an_undo_is_one_call_that_may_name_its_step() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  create:
    uses: sandbox_crm.create_record
    with: {object: Task}
    undo: {uses: sandbox_crm.delete_record, with: {object: Task, id: "{{ steps.create.idd }}", why: x}, needs: [a]}
  wait:
    uses: core.run_flow
    needs: [create]
    with: {flow: other}
    undo: {uses: core.wait, with: {for: 1h}}
  read: {uses: sandbox_crm.get_me, undo: {uses: sandbox_crm.get_me}}
outputs: {x: "{{ steps.read.id }}"}
"#,
        expect![[r#"
            f.yaml:8:74: error[unknown_output]: `sandbox_crm.create_record` gives no `idd`
              8 |     undo: {uses: sandbox_crm.delete_record, with: {object: Task, id: "{{ steps.create.idd }}", why: x}, needs: [a]}
                |                                                                          ^^^^^^^^^^^^^^^^
                = help: did you mean `id`?

            f.yaml:8:96: error[unknown_field]: `sandbox_crm.delete_record` takes no `why`
              8 |     undo: {uses: sandbox_crm.delete_record, with: {object: Task, id: "{{ steps.create.idd }}", why: x}, needs: [a]}
                |                                                                                                ^^^
                = help: there are `id`, `object`

            f.yaml:8:105: error[unknown_key]: `needs` is not a key of an undo
              8 |     undo: {uses: sandbox_crm.delete_record, with: {object: Task, id: "{{ steps.create.idd }}", why: x}, needs: [a]}
                |                                                                                                         ^^^^^
                = help: there are `title`, `uses`, `connection`, `with`, `if`, `retry`, `timeout`, `effect`

            f.yaml:13:18: error[waiting_undo]: an undo is one call and cannot wait
              13 |     undo: {uses: core.wait, with: {for: 1h}}
                 |                  ^^^^^^^^^
                 = help: use a module that takes the step back at once

            f.yaml:14:36: warning[needless_undo]: `sandbox_crm.get_me` changes nothing, so there is nothing to take back
              14 |   read: {uses: sandbox_crm.get_me, undo: {uses: sandbox_crm.get_me}}
                 |                                    ^^^^
                 = help: put `undo` on the step that changed something
        "#]],
    );
}
