//! Faults of loops, choices, handlers, undo, waits and triggers.

use expect_test::expect;

use super::{check, steps};

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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn what_waits_says_for_what() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  a: {uses: core.wait}
  b: {uses: core.wait, with: {for: 1h, until: "2026-01-01T00:00:00Z"}}
  c: {uses: core.wait, with: {for: soon}, timeout: 5s}
  d: {uses: core.wait, with: {until: tomorrow}}
  e: {uses: core.wait_for_callback, with: {payload: {type: objekt}, expires: 1x}}
  f: {uses: core.approve, needs: [], with: {who: [], form: {x: 5}, on_reject: maybe}}
  g: {uses: core.approve, needs: []}
  h: {uses: core.run_flow, needs: [], with: {flow: "{{ inputs.x }}", connections: {a: crn, b: "{{ 1 }}", c: crm}}}
  i: {uses: core.run_flow, needs: [], with: {flow: Not A Name}}
  j: {uses: core.log, with: {message: "{{ callbacks.e }} {{ callbacks.a }} {{ callbacks.ee }} {{ callbacks }}"}}
"#,
        expect![[""]],
    );
}

#[test]
fn what_an_approval_gives_is_known() {
    steps(
        r#"steps:
  ask: {uses: core.approve, with: {who: ben, form: {discount: {type: number}}}}
  wait: {uses: core.wait_for_callback, with: {payload: {type: object, properties: {id: {type: string}}}}}
  route:
    switch: steps.ask.decision
    cases: {approved: {steps: {}}, rejected: {steps: {}}}
outputs: {a: "{{ steps.ask.form.discont }}", b: "{{ steps.ask.by.login }} {{ steps.ask.by.mail }}", c: "{{ steps.wait.payload.idd }}"}
"#,
        expect![[""]],
    );
}

#[test]
fn the_account_of_an_approver_needs_an_approval() {
    steps(
        r#"connections:
  a: {app: sandbox_crm, dynamic: {of: create}}
  b: {app: sandbox_crm, dynamic: {of: aprove}}
  c: {app: sandbox_crm, dynamic: {of: inner}}
  d: {app: sandbox_crm, dynamic: {enabled: false}}
  e: {app: sandbox_crm, dynamic: {of: approve}}
steps:
  create: {uses: sandbox_crm.get_me, connection: a}
  approve: {uses: core.approve, with: {who: "{{ steps.me.name }}"}}
  me: {uses: sandbox_crm.get_me, connection: e}
  loop: {for_each: "[1]", steps: {inner: {uses: core.approve, with: {who: ben}}, other: {uses: sandbox_crm.get_me, connection: b}, third: {uses: sandbox_crm.get_me, connection: c}, fourth: {uses: sandbox_crm.get_me, connection: d}}}
"#,
        expect![[""]],
    );
}

#[test]
fn nobody_runs_what_the_clock_starts() {
    check(
        r#"flow: a
trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
connections:
  crm: {app: sandbox_crm, dynamic: {}}
  off: {app: sandbox_crm, dynamic: {enabled: false, parent: team}}
steps:
  a: {uses: sandbox_crm.get_me, connection: crm, with: {}}
  b: {uses: sandbox_crm.get_me, connection: off}
outputs: {x: "{{ run.user.name }} {{ steps.a.id }} {{ steps.b.id }}"}
"#,
        expect![[""]],
    );
    check(
        "flow: a\ntrigger: {schedule: {cron: \"0 9 * * *\", timezone: Europe/Berlin, catchup: last}}\nsteps: {a: {uses: core.log, with: {message: hi}}}\n",
        expect![[""]],
    );
}

#[test]
fn a_webhook_says_how_its_caller_is_known() {
    check(
        r#"flow: a
trigger:
  webhook:
    verify: {hmac_sha256: {secret: [one, Two], header: X Signature, encoding: base32, timestamp: {tolerance: 5}, signed: "{time}.{body}"}}
    delivery: X-Delivery
steps: {a: {uses: core.log, with: {message: "{{ run.user.id }}"}}}
"#,
        expect![[""]],
    );
    check(
        r#"flow: a
trigger: {webhook: {verify: {hmac_sha256: {secret: hub, header: Authorization, timestamp: {header: X-Time}, signed: "{timestamp}"}}}}
steps: {a: {uses: core.log, with: {message: x}}}
"#,
        expect![[""]],
    );
    check(
        "flow: a\ntrigger: {webhook: {verify: nothing}}\nsteps: {a: {uses: core.log, with: {message: x}}}\n",
        expect![[""]],
    );
    check(
        "flow: a\ntrigger: {webhook: {verify: none}}\nsteps: {a: {uses: core.log, with: {message: x}}}\n",
        expect![[""]],
    );
}

#[test]
fn the_key_of_concurrency_is_made_before_any_step() {
    steps(
        r#"inputs: {customer: {type: string}}
steps: {a: {uses: core.log, with: {message: x}}}
concurrency: {limit: 0, key: "{{ inputs.custmer }} {{ steps.a.x }} {{ run.user.id }}", when_full: drop}
limits: {items: 0}
"#,
        expect![[""]],
    );
}

#[test]
fn secrets_are_found_wherever_they_stand() {
    steps(
        r#"steps:
  l:
    for_each: "[1]"
    steps:
      a: {uses: core.set, with: {token: "ghp_aaaaaaaaaabbbbbbbbbbccccccccccdddddd"}}
  s: {switch: "'a'", cases: {a: {steps: {b: {uses: core.set, with: {password: hunter22}}}, outputs: {x: "sk_live_aaaabbbbccccddddeeee"}}}}
on_error: {steps: {r: {uses: core.log, with: {message: "AKIAABCDEFGHIJKLMNOP"}}}}
"#,
        expect![[""]],
    );
}
