//! Faults against the rules of the language: connections, triggers, effects, secrets.

use expect_test::expect;

use super::{check, steps};
use crate::flow::{TriggerKind, dynamic_slots_need_on_demand};

#[test]
fn each_step_acts_through_one_connection_of_its_app() {
    steps(
        r#"connections:
  one: {app: sandbox_crm, dynamic: {}}
  two: {app: sandbox_crm, connection: team, build_time: x}
  both: {app: sandbox_crm, connection: team, dynamic: {}}
  web: {app: http, dynamic: {}}
steps:
  a: {uses: sandbox_crm.get_me}
  b: {uses: sandbox_crm.get_me, connection: on}
  c: {uses: sandbox_crm.get_me, connection: web}
  d: {uses: core.set, connection: one}
  e: {uses: core.set, connection: web}
  f: {uses: slack.post_message}
"#,
        expect![[r#"
            f.yaml:5:45: error[needless_build_time]: `two` is shared: it needs no build-time value
              5 |   two: {app: sandbox_crm, connection: team, build_time: x}
                |                                             ^^^^^^^^^^
                = help: remove `build_time`

            f.yaml:6:28: error[two_kinds]: `both` is dynamic and shared at once
              6 |   both: {app: sandbox_crm, connection: team, dynamic: {}}
                |                            ^^^^^^^^^^
                |                                              ------- `dynamic` is here
                = help: keep one: `dynamic` for the account of whoever runs it, `connection` for a shared one

            f.yaml:7:3: error[needless_connection]: the app `http` needs no account
              7 |   web: {app: http, dynamic: {}}
                |   ^^^

            f.yaml:9:13: error[ambiguous_connection]: `a` could act through `one` or `two` or `both`
              9 |   a: {uses: sandbox_crm.get_me}
                |             ^^^^^^^^^^^^^^^^^^
                = help: say which: `connection: NAME`

            f.yaml:10:45: error[unknown_connection]: there is no connection `on`
              10 |   b: {uses: sandbox_crm.get_me, connection: on}
                 |                                             ^^
                 = help: there are `one`, `two`, `both`, `web`

            f.yaml:11:45: error[wrong_app]: `web` is a connection to `http`, but `c` uses `sandbox_crm.get_me`
              11 |   c: {uses: sandbox_crm.get_me, connection: web}
                 |                                             ^^^
                 = help: `one` is a connection to `sandbox_crm`

            f.yaml:12:35: error[wrong_app]: `one` is a connection to `sandbox_crm`, but `d` uses `core.set`
              12 |   d: {uses: core.set, connection: one}
                 |                                   ^^^

            f.yaml:13:35: error[wrong_app]: `web` is a connection to `http`, but `e` uses `core.set`
              13 |   e: {uses: core.set, connection: web}
                 |                                   ^^^

            f.yaml:14:13: error[unknown_app]: there is no app `slack`
              14 |   f: {uses: slack.post_message}
                 |             ^^^^^^^^^^^^^^^^^^
                 = help: there are `core`, `http`, `sandbox_crm`
        "#]],
    );
    steps(
        "steps: {a: {uses: sandbox_crm.get_me}}\n",
        expect![[r#"
        f.yaml:3:19: error[missing_connection]: `a` needs a connection to `sandbox_crm`, and there is none
          3 | steps: {a: {uses: sandbox_crm.get_me}}
            |                   ^^^^^^^^^^^^^^^^^^
            = help: declare one: `connections: {sandbox_crm: {app: sandbox_crm, dynamic: {}}}`
    "#]],
    );
}

#[test]
fn scopes_are_the_apps_and_enough() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {scopes: [record.read]}}}
steps: {a: {uses: sandbox_crm.create_record, with: {object: Task}}}
"#,
        expect![[r#"
            f.yaml:3:57: error[missing_scope]: `crm` leaves out the scope `records.write`, which `a` needs (`sandbox_crm.create_record`)
              3 | connections: {crm: {app: sandbox_crm, dynamic: {scopes: [record.read]}}}
                |                                                         ^
                = help: add it, or leave `scopes` out to ask for what the steps need

            f.yaml:3:58: error[unknown_scope]: the app `sandbox_crm` has no scope `record.read`
              3 | connections: {crm: {app: sandbox_crm, dynamic: {scopes: [record.read]}}}
                |                                                          ^^^^^^^^^^^
                = help: did you mean `records.read`?
        "#]],
    );
}

#[test]
fn effects_whose_order_nobody_chose_are_warned_of() {
    steps(
        r#"connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps:
  create: {uses: sandbox_crm.create_record, with: {object: Task}}
  read: {uses: sandbox_crm.get_me}
  lines: {uses: sandbox_crm.create_record, with: {object: Task}}
  third: {uses: sandbox_crm.create_record, with: {object: Task}}
  meant: {uses: sandbox_crm.create_record, with: {object: Task}, needs: []}
  after: {uses: sandbox_crm.create_record, with: {object: "{{ steps.create.id }}"}, if: "steps.lines.id != '' and steps.third.id != ''"}
"#,
        expect![[r#"
            f.yaml:7:3: warning[unordered_effects]: `lines` runs at the same time as `create`: add `needs: [create]`, or `needs: []` if meant
              5 |   create: {uses: sandbox_crm.create_record, with: {object: Task}}
                |   ------ `create` is here
              7 |   lines: {uses: sandbox_crm.create_record, with: {object: Task}}
                |   ^^^^^

            f.yaml:8:3: warning[unordered_effects]: `third` runs at the same time as `create` and `lines`: add `needs: [create, lines]`, or `needs: []` if meant
              5 |   create: {uses: sandbox_crm.create_record, with: {object: Task}}
                |   ------ `create` is here
              8 |   third: {uses: sandbox_crm.create_record, with: {object: Task}}
                |   ^^^^^
        "#]],
    );
}

#[test]
fn what_is_declared_and_not_used_is_warned_of() {
    steps(
        r#"inputs: {used: {type: string}, idle: {type: string}}
connections: {crm: {app: sandbox_crm, dynamic: {}}}
steps: {a: {uses: core.set, with: {x: "{{ inputs.used }}"}}}
"#,
        expect![[r#"
            f.yaml:3:32: warning[unused_input]: nothing uses the input `idle`
              3 | inputs: {used: {type: string}, idle: {type: string}}
                |                                ^^^^
                = help: remove it, or use it: `inputs.idle`

            f.yaml:4:15: warning[unused_connection]: no step acts through `crm`
              4 | connections: {crm: {app: sandbox_crm, dynamic: {}}}
                |               ^^^
                = help: remove it, so that nobody is asked for it
        "#]],
    );
}

#[test]
fn a_dynamic_connection_needs_a_person() {
    check(
        "flow: a\ntrigger: {schedule: {cron: \"0 9 * * *\"}}\nconnections: {crm: {app: sandbox_crm, dynamic: {}}}\nsteps: {a: {uses: sandbox_crm.get_me}}\n",
        expect![[r#"
            f.yaml:3:15: error[dynamic_without_person]: the connection `crm` is dynamic, but the trigger `schedule` has no person whose account it could be
              2 | trigger: {schedule: {cron: "0 9 * * *"}}
                |           -------- `schedule` is here
              3 | connections: {crm: {app: sandbox_crm, dynamic: {}}}
                |               ^^^
                = help: make the flow on-demand, or name a shared connection: `connection: NAME`
        "#]],
    );
    check(
        "flow: a\ntrigger: {on_demand: {}, webhook: {}}\nsteps: {a: {uses: core.set}}\n",
        expect![[r#"
            f.yaml:2:26: error[two_triggers]: a flow has one trigger
              2 | trigger: {on_demand: {}, webhook: {}}
                |           --------- the first is here
                |                          ^^^^^^^

            f.yaml:2:35: error[missing_key]: a webhook needs `verify`
              2 | trigger: {on_demand: {}, webhook: {}}
                |                                   ^
                = help: how the caller is known: `{hmac_sha256: {secret: NAME, header: X-Signature}}`, or `none`, written out, for anybody who knows the address
        "#]],
    );
    assert!(
        dynamic_slots_need_on_demand(
            TriggerKind::OnDemand,
            Default::default(),
            [("crm", Default::default())]
        )
        .is_empty()
    );
    assert_eq!(
        dynamic_slots_need_on_demand(
            TriggerKind::Webhook,
            Default::default(),
            [("crm", Default::default())]
        )
        .len(),
        1
    );
}

#[test]
fn a_pasted_secret_is_refused_and_not_shown() {
    steps(
        r#"steps:
  a: {uses: core.set, with: {token: ghp_0123456789abcdefghijABCDEFGHIJ012345, password: hunter22, header: "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop"}}
  b: {uses: core.set, with: {password: "{{ run.id }}", text: "the password: is not here", secret: ""}}
"#,
        expect![[r#"
            f.yaml:4:37: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              4 |   a: {uses: core.set, with: {token: ****************************************, password: ********, header: **********************************…
                |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file

            f.yaml:4:89: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              4 | …**********************************, password: ********, header: ******************************************************************}}
                |                                                ^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file

            f.yaml:4:107: error[pasted_secret]: this looks like a secret, and flows are stored and shown
              4 | …****************, password: ********, header: ******************************************************************}}
                |                                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                = help: take it out and withdraw it where it came from; credentials come in through `connections`, never through the file
        "#]],
    );
}

#[test]
fn effects_are_the_modules_to_say() {
    steps(
        r#"steps:
  get: {uses: http.request, with: {url: "https://a.example"}}
  post: {uses: http.request, with: {url: "https://a.example", method: POST}}
  said: {uses: http.request, with: {url: "https://a.example", method: POST}, effect: at_most_once, needs: []}
  fixed: {uses: core.set, effect: read}
"#,
        expect![[r#"
            f.yaml:5:3: error[missing_effect]: `post` must say its `effect`: `http.request` leaves it open
              5 |   post: {uses: http.request, with: {url: "https://a.example", method: POST}}
                |   ^^^^
                = help: `read` if it changes nothing, `idempotent` if doing it twice with the same key is doing it once, else `at_most_once`

            f.yaml:7:35: error[fixed_effect]: `core.set` is `pure` by its manifest; a step cannot say otherwise
              7 |   fixed: {uses: core.set, effect: read}
                |                                   ^^^^
                = help: remove `effect`
        "#]],
    );
}
