//! Faults of steps that wait, of accounts of approvers, and of triggers without a person.

use expect_test::expect;

use super::{check, steps};

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
        expect![[r#"
            f.yaml:5:13: error[bad_field]: `core.wait` needs `for` or `until`
              5 |   a: {uses: core.wait}
                |             ^^^^^^^^^
                = help: `with: {for: 1h30m}`, or `with: {until: "2026-11-20T13:00:00Z"}`

            f.yaml:6:30: error[bad_field]: `core.wait` takes either `for` or `until`
              6 |   b: {uses: core.wait, with: {for: 1h, until: "2026-01-01T00:00:00Z"}}
                |                              ^
                = help: `with: {for: 1h30m}`, or `with: {until: "2026-11-20T13:00:00Z"}`

            f.yaml:7:36: error[bad_duration]: `for` is not a duration
              7 |   c: {uses: core.wait, with: {for: soon}, timeout: 5s}
                |                                    ^^^^
                = help: such as `90s`, `1h30m`, `7d` or a number of seconds, at most ten years

            f.yaml:7:43: error[needless_key]: `core.wait` only waits: it makes no attempt that could take too long
              7 |   c: {uses: core.wait, with: {for: soon}, timeout: 5s}
                |                                           ^^^^^^^
                = help: how long it waits at most is said in `with`, where the module has `expires`, or by the flow's `limits`

            f.yaml:8:38: error[bad_field]: this is not a time
              8 |   d: {uses: core.wait, with: {until: tomorrow}}
                |                                      ^^^^^^^^
                = help: write it as `2026-11-20T13:00:00Z`

            f.yaml:9:53: error[bad_schema]: `payload` is not a JSON Schema: "objekt" is not valid under any of the schemas listed in the 'anyOf' keyword
              9 |   e: {uses: core.wait_for_callback, with: {payload: {type: objekt}, expires: 1x}}
                |                                                     ^
                = help: for instance `{type: object, required: [id], properties: {id: {type: string}}}`

            f.yaml:9:78: error[bad_duration]: `expires` is not a duration
              9 |   e: {uses: core.wait_for_callback, with: {payload: {type: objekt}, expires: 1x}}
                |                                                                              ^^
                = help: such as `90s`, `1h30m`, `7d` or a number of seconds, at most ten years

            f.yaml:10:50: error[bad_field]: `who` is empty: nobody could decide
              10 |   f: {uses: core.approve, needs: [], with: {who: [], form: {x: 5}, on_reject: maybe}}
                 |                                                  ^
                 = help: a login, `role:NAME`, a list of these, or an expression such as `"{{ run.user.manager }}"`

            f.yaml:10:60: error[bad_schema]: the form's field `x` is not a JSON Schema, such as `{type: number}`
              10 |   f: {uses: core.approve, needs: [], with: {who: [], form: {x: 5}, on_reject: maybe}}
                 |                                                            ^
                 = help: for instance `form: {discount: {type: number, title: Discount}}`

            f.yaml:10:79: error[bad_field]: `on_reject` of `core.approve` must be one of `fail`, `continue`
              10 |   f: {uses: core.approve, needs: [], with: {who: [], form: {x: 5}, on_reject: maybe}}
                 |                                                                               ^^^^^

            f.yaml:11:13: error[missing_field]: `core.approve` needs `who` in `with`
              11 |   g: {uses: core.approve, needs: []}
                 |             ^^^^^^^^^^^^
                 = help: Who may decide: a login, `role:NAME`, or a list of these: a text or a list or null

            f.yaml:12:52: error[flow_not_literal]: `flow` is the name of a flow, written out: who may run what is known when this flow is published
              12 |   h: {uses: core.run_flow, needs: [], with: {flow: "{{ inputs.x }}", connections: {a: crn, b: "{{ 1 }}", c: crm}}}
                 |                                                    ^^^^^^^^^^^^^^^^
                 = help: choose between flows with a `switch`

            f.yaml:12:56: error[unknown_input]: there is no input `x`
              12 |   h: {uses: core.run_flow, needs: [], with: {flow: "{{ inputs.x }}", connections: {a: crn, b: "{{ 1 }}", c: crm}}}
                 |                                                        ^^^^^^^^
                 = help: declare it under `inputs`

            f.yaml:12:87: error[unknown_connection]: there is no connection `crn`
              12 |   h: {uses: core.run_flow, needs: [], with: {flow: "{{ inputs.x }}", connections: {a: crn, b: "{{ 1 }}", c: crm}}}
                 |                                                                                       ^^^
                 = help: did you mean `crm`?

            f.yaml:12:95: error[flow_not_literal]: a connection that is handed down is named, not computed
              12 |   h: {uses: core.run_flow, needs: [], with: {flow: "{{ inputs.x }}", connections: {a: crn, b: "{{ 1 }}", c: crm}}}
                 |                                                                                               ^^^^^^^^^
                 = help: write the name of one of this flow's `connections`

            f.yaml:13:52: error[bad_name]: `Not A Name` is not a flow name: 1 to 63 of a-z, 0-9 and -
              13 |   i: {uses: core.run_flow, needs: [], with: {flow: Not A Name}}
                 |                                                    ^^^^^^^^^^

            f.yaml:14:61: error[unknown_callback]: `a` does not wait for a call
              14 |   j: {uses: core.log, with: {message: "{{ callbacks.e }} {{ callbacks.a }} {{ callbacks.ee }} {{ callbacks }}"}}
                 |                                                             ^^^^^^^^^^^
                 = help: there is only `e`

            f.yaml:14:79: error[unknown_callback]: there is no step `ee` that waits for a call
              14 |   j: {uses: core.log, with: {message: "{{ callbacks.e }} {{ callbacks.a }} {{ callbacks.ee }} {{ callbacks }}"}}
                 |                                                                               ^^^^^^^^^^^^
                 = help: there is only `e`

            f.yaml:14:98: error[unknown_callback]: `callbacks` alone is nothing; name the step: `callbacks.<id>`
              14 |   j: {uses: core.log, with: {message: "{{ callbacks.e }} {{ callbacks.a }} {{ callbacks.ee }} {{ callbacks }}"}}
                 |                                                                                                  ^^^^^^^^^
                 = help: there is only `e`
        "#]],
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
        expect![[r#"
            f.yaml:6:3: warning[unused_step]: nothing uses what `route` finds out, and it does nothing else
              6 |   route:
                |   ^^^^^
                = help: use it: `steps.route`, or remove the step

            f.yaml:8:36: warning[unreachable]: the case `rejected` of `route` is never chosen
              8 |     cases: {approved: {steps: {}}, rejected: {steps: {}}}
                |                                    ^^^^^^^^
                = help: it is always `approved`

            f.yaml:9:18: error[unknown_output]: `steps.ask.form` has no `discont`
              9 | outputs: {a: "{{ steps.ask.form.discont }}", b: "{{ steps.ask.by.login }} {{ steps.ask.by.mail }}", c: "{{ steps.wait.payload.idd }}"}
                |                  ^^^^^^^^^^^^^^^^^^^^^^
                = help: did you mean `discount`?

            f.yaml:9:78: error[unknown_output]: `steps.ask.by` has no `mail`
              9 | outputs: {a: "{{ steps.ask.form.discont }}", b: "{{ steps.ask.by.login }} {{ steps.ask.by.mail }}", c: "{{ steps.wait.payload.idd }}"}
                |                                                                              ^^^^^^^^^^^^^^^^^
                = help: there are `id`, `login`, `name`

            f.yaml:9:108: error[unknown_output]: `steps.wait.payload` has no `idd`
              9 | outputs: {a: "{{ steps.ask.form.discont }}", b: "{{ steps.ask.by.login }} {{ steps.ask.by.mail }}", c: "{{ steps.wait.payload.idd }}"}
                |                                                                                                            ^^^^^^^^^^^^^^^^^^^^^^
                = help: did you mean `id`?
        "#]],
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
        expect![[r#"
            f.yaml:4:39: error[not_an_approval]: `create` is no approval
               4 |   a: {app: sandbox_crm, dynamic: {of: create}}
                 |                                       ^^^^^^
              10 |   create: {uses: sandbox_crm.get_me, connection: a}
                 |   ------ `create` is here
                 = help: it names a step of the flow itself with `uses: core.approve`; the account is that of whoever decides it

            f.yaml:5:39: error[not_an_approval]: there is no step `aprove`
              5 |   b: {app: sandbox_crm, dynamic: {of: aprove}}
                |                                       ^^^^^^
                = help: did you mean `approve`?

            f.yaml:6:39: error[not_an_approval]: `loop/inner` stands inside another step
              6 |   c: {app: sandbox_crm, dynamic: {of: inner}}
                |                                       ^^^^^
                = help: there is only `approve`

            f.yaml:7:35: error[missing_key]: `d` is switched off and does not say through what it acts instead
              7 |   d: {app: sandbox_crm, dynamic: {enabled: false}}
                |                                   ^^^^^^^
                = help: name a shared connection: `parent: NAME`

            f.yaml:11:3: error[cycle]: steps wait for one another: `approve` → `me` → `approve`
              11 |   approve: {uses: core.approve, with: {who: "{{ steps.me.name }}"}}
                 |   ^^^^^^^
                 = help: an arrow reads *needs*: by `needs`, or because an expression names the other's output
        "#]],
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
        expect![[r#"
            f.yaml:2:28: error[bad_cron]: `FRY` is not among the days of the week: they are 0 to 7
              2 | trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
                |                            ^^^^^^^^^^^^^^^^^
                = help: or SUN to SAT

            f.yaml:2:57: error[bad_timezone]: `Europe/Berlim` is not a time zone
              2 | trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
                |                                                         ^^^^^^^^^^^^^
                = help: did you mean `Europe/Berlin`?

            f.yaml:2:81: error[unknown_word]: `some` is not one of the words that may stand here
              2 | trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
                |                                                                                 ^^^^
                = help: there are `none`, `last`, `all`

            f.yaml:2:113: error[unknown_word]: `never` is not one of the words that may stand here
              2 | trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
                |                                                                                                                 ^^^^^
                = help: there are `first`, `both`

            f.yaml:4:3: error[dynamic_without_person]: the connection `crm` is dynamic, but the trigger `schedule` has no person whose account it could be
              2 | trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
                |           -------- `schedule` is here
              4 |   crm: {app: sandbox_crm, dynamic: {}}
                |   ^^^
                = help: make the flow on-demand, or name a shared connection: `connection: NAME`

            f.yaml:9:18: error[no_person]: nobody runs a flow that `schedule` starts, so there is no `run.user`
              2 | trigger: {schedule: {cron: "0 9 * * MON-FRY", timezone: Europe/Berlim, catchup: some, dst: {gap: skip, overlap: never}}}
                |           -------- `schedule` is here
              9 | outputs: {x: "{{ run.user.name }} {{ steps.a.id }} {{ steps.b.id }}"}
                |                  ^^^^^^^^^^^^^
                = help: take it from `inputs` or `vars`, or make the flow on-demand
        "#]],
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
        expect![[r#"
            f.yaml:4:42: error[bad_name]: `Two` is not a name: 1 to 63 of a-z, 0-9 and -
              4 |     verify: {hmac_sha256: {secret: [one, Two], header: X Signature, encoding: base32, timestamp: {tolerance: 5}, signed: "{time}.{body}"}}
                |                                          ^^^
                = help: for instance `two`

            f.yaml:4:56: error[bad_webhook]: `X Signature` is not the name of a header
              4 |     verify: {hmac_sha256: {secret: [one, Two], header: X Signature, encoding: base32, timestamp: {tolerance: 5}, signed: "{time}.{body}"}}
                |                                                        ^^^^^^^^^^^
                = help: such as `X-Signature`

            f.yaml:4:79: error[unknown_word]: `base32` is not one of the words that may stand here
              4 |     verify: {hmac_sha256: {secret: [one, Two], header: X Signature, encoding: base32, timestamp: {tolerance: 5}, signed: "{time}.{body}"}}
                |                                                                               ^^^^^^
                = help: did you mean `base64`?

            f.yaml:4:98: error[missing_key]: a time of signing needs `header`
              4 |     verify: {hmac_sha256: {secret: [one, Two], header: X Signature, encoding: base32, timestamp: {tolerance: 5}, signed: "{time}.{body}"}}
                |                                                                                                  ^
                = help: the header that holds it

            f.yaml:4:110: error[bad_duration]: `5` is not a duration
              4 |     verify: {hmac_sha256: {secret: [one, Two], header: X Signature, encoding: base32, timestamp: {tolerance: 5}, signed: "{time}.{body}"}}
                |                                                                                                              ^
                = help: say the unit: `5s` or `5ms`

            f.yaml:6:49: error[no_person]: nobody runs a flow that `webhook` starts, so there is no `run.user`
              3 |   webhook:
                |   ------- `webhook` is here
              6 | steps: {a: {uses: core.log, with: {message: "{{ run.user.id }}"}}}
                |                                                 ^^^^^^^^^^^
                = help: take it from `inputs` or `vars`, or make the flow on-demand
        "#]],
    );
    check(
        r#"flow: a
trigger: {webhook: {verify: {hmac_sha256: {secret: hub, header: Authorization, timestamp: {header: X-Time}, signed: "{timestamp}"}}}}
steps: {a: {uses: core.log, with: {message: x}}}
"#,
        expect![[r#"
            f.yaml:2:117: error[bad_webhook]: what is signed does not contain the body
              2 | trigger: {webhook: {verify: {hmac_sha256: {secret: hub, header: Authorization, timestamp: {header: X-Time}, signed: "{timestamp}"}}}}
                |                                                                                                                     ^^^^^^^^^^^^^
                = help: write `{body}` into it, or anybody could change the body
        "#]],
    );
    check(
        "flow: a\ntrigger: {webhook: {verify: nothing}}\nsteps: {a: {uses: core.log, with: {message: x}}}\n",
        expect![[r#"
            f.yaml:2:29: error[unknown_word]: `nothing` is not one of the words that may stand here
              2 | trigger: {webhook: {verify: nothing}}
                |                             ^^^^^^^
                = help: there is only `none`
        "#]],
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
        expect![[r#"
            f.yaml:3:10: warning[unused_input]: nothing uses the input `customer`
              3 | inputs: {customer: {type: string}}
                |          ^^^^^^^^
                = help: remove it, or use it: `inputs.customer`

            f.yaml:5:22: error[wrong_type]: expected a whole number from 1 to 100000, found the number `0`
              5 | concurrency: {limit: 0, key: "{{ inputs.custmer }} {{ steps.a.x }} {{ run.user.id }}", when_full: drop}
                |                      ^

            f.yaml:5:34: error[unknown_input]: there is no input `custmer`
              5 | concurrency: {limit: 0, key: "{{ inputs.custmer }} {{ steps.a.x }} {{ run.user.id }}", when_full: drop}
                |                                  ^^^^^^^^^^^^^^
                = help: did you mean `customer`?

            f.yaml:5:55: error[too_early]: no step has run yet where `steps.a.x` is looked at
              5 | concurrency: {limit: 0, key: "{{ inputs.custmer }} {{ steps.a.x }} {{ run.user.id }}", when_full: drop}
                |                                                       ^^^^^^^^^
                = help: there are `inputs`, `vars` and `run`

            f.yaml:5:99: error[unknown_word]: `drop` is not one of the words that may stand here
              5 | concurrency: {limit: 0, key: "{{ inputs.custmer }} {{ steps.a.x }} {{ run.user.id }}", when_full: drop}
                |                                                                                                   ^^^^
                = help: there are `queue`, `refuse`

            f.yaml:6:17: error[wrong_type]: expected a whole number from 1 to 1000000, found the number `0`
              6 | limits: {items: 0}
                |                 ^
        "#]],
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
        expect![[r#"
            f.yaml:7:41: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              7 |       a: {uses: core.set, with: {token: ******************************************}}
                |                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file

            f.yaml:8:42: warning[unused_step]: nothing uses what `b` finds out, and it does nothing else
              8 |   s: {switch: "'a'", cases: {a: {steps: {b: {uses: core.set, with: {password: ********}}}, outputs: {x: ******************************}}}}
                |                                          ^
                = help: use it: `steps.b`, or remove the step

            f.yaml:8:79: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              8 |   s: {switch: "'a'", cases: {a: {steps: {b: {uses: core.set, with: {password: ********}}}, outputs: {x: ******************************}}}}
                |                                                                               ^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file

            f.yaml:8:105: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              8 |   s: {switch: "'a'", cases: {a: {steps: {b: {uses: core.set, with: {password: ********}}}, outputs: {x: ******************************}}}}
                |                                                                                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file

            f.yaml:9:56: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              9 | on_error: {steps: {r: {uses: core.log, with: {message: **********************}}}}
                |                                                        ^^^^^^^^^^^^^^^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file
        "#]],
    );
}
