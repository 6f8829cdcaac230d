//! Triggers as their authors write them, and what is said about those that would not do what they seem to.

use expect_test::expect;

use super::check;

fn flow(trigger: &str, more: &str) -> String {
    format!(
        "flow: a\ntrigger:\n{trigger}\n{more}steps:\n  a: {{uses: core.set, with: {{v: 1}}}}\noutputs: {{v: \"{{{{ steps.a.v }}}}\"}}\n"
    )
}

#[test]
fn good_triggers_have_no_faults() {
    for trigger in [
        "  schedule: {cron: \"0 9 * * MON-FRI\", timezone: Europe/Berlin, catchup: last}",
        "  schedule: {cron: \"*/10 * * * * *\", dst: {gap: skip, overlap: both}}",
        "  webhook: {verify: none}",
        "  webhook: {verify: {hmac_sha256: {secret: github, header: X-Hub-Signature-256, prefix: \"sha256=\"}}, delivery: X-GitHub-Delivery}",
        "  webhook: {verify: {hmac_sha256: {secret: [a, b], header: X-S, signed: \"{timestamp}.{body}\", timestamp: {header: X-T, tolerance: 10m}}}}",
    ] {
        check(&flow(trigger, ""), expect![[""]]);
    }
}

#[test]
fn a_schedule_that_never_runs_or_has_no_zone_is_refused_at_its_place() {
    check(
        &flow(
            "  schedule:\n    cron: \"0 0 30 2 *\"\n    timezone: Berlin",
            "inputs:\n  slot: {type: string}\n  who: {type: string}\n",
        ),
        expect![[r#"
            f.yaml:4:11: error[bad_cron]: `0 0 30 2 *` matches no day: no such month has it
              4 |     cron: "0 0 30 2 *"
                |           ^^^^^^^^^^^^
                = help: to run at the end of a month write `L` as the day

            f.yaml:5:15: error[bad_timezone]: `Berlin` is not a time zone
              5 |     timezone: Berlin
                |               ^^^^^^
                = help: did you mean `Europe/Berlin`?

            f.yaml:7:3: warning[unused_input]: nothing uses the input `slot`
              7 |   slot: {type: string}
                |   ^^^^
                = help: remove it, or use it: `inputs.slot`

            f.yaml:8:3: error[input_never_given]: nobody gives `who` where a schedule starts the flow
              8 |   who: {type: string}
                |   ^^^
                = help: give it a default, say `required: false`, or call it `slot` to be given the time the run is for

            f.yaml:8:3: warning[unused_input]: nothing uses the input `who`
              8 |   who: {type: string}
                |   ^^^
                = help: remove it, or use it: `inputs.who`
        "#]],
    );
}

#[test]
fn a_webhook_that_protects_nothing_is_refused_at_its_place() {
    check(
        &flow(
            "  webhook:\n    verify:\n      hmac_sha256:\n        secret: a\n        header: X-S\n        timestamp: {header: X-T}\n        signed: \"{body}\"",
            "",
        ),
        expect![[r#"
            f.yaml:9:17: error[bad_webhook]: the timestamp is not part of what is signed
              9 |         signed: "{body}"
                |                 ^^^^^^^^
                = help: write `signed: "{timestamp}.{body}"`, or whatever its sender signs: a time that is not signed protects nothing
        "#]],
    );
    check(
        &flow(
            "  webhook:\n    verify: {hmac_sha256: {secret: a, header: X-S, signed: \"{delivery}.{body}\"}}",
            "",
        ),
        expect![[r#"
            f.yaml:4:60: error[bad_webhook]: the delivery id is signed, but no header gives it
              4 |     verify: {hmac_sha256: {secret: a, header: X-S, signed: "{delivery}.{body}"}}
                |                                                            ^^^^^^^^^^^^^^^^^^^
                = help: add `delivery: NAME` beside `verify`
        "#]],
    );
    check(
        &flow("  webhook: {delivery: X-Id}", ""),
        expect![[r#"
        f.yaml:3:12: error[missing_key]: a webhook needs `verify`
          3 |   webhook: {delivery: X-Id}
            |            ^
            = help: how the caller is known: `{hmac_sha256: {secret: NAME, header: X-Signature}}`, or `none`, written out, for anybody who knows the address
    "#]],
    );
}

#[test]
fn nobody_runs_it_so_nobodys_account_and_name_are_there() {
    check(
        "flow: a\ntrigger: {schedule: {cron: \"@daily\"}}\nconnections:\n  crm: {app: sandbox_crm, dynamic: {}}\nsteps:\n  me: {uses: sandbox_crm.get_me, connection: crm}\noutputs: {v: \"{{ steps.me.id }} {{ run.user.name }}\"}\n",
        expect![[r#"
            f.yaml:4:3: error[dynamic_without_person]: the connection `crm` is dynamic, but the trigger `schedule` has no person whose account it could be
              2 | trigger: {schedule: {cron: "@daily"}}
                |           -------- `schedule` is here
              4 |   crm: {app: sandbox_crm, dynamic: {}}
                |   ^^^
                = help: make the flow on-demand, or name a shared connection: `connection: NAME`

            f.yaml:7:36: error[no_person]: nobody runs a flow that `schedule` starts, so there is no `run.user`
              2 | trigger: {schedule: {cron: "@daily"}}
                |           -------- `schedule` is here
              7 | outputs: {v: "{{ steps.me.id }} {{ run.user.name }}"}
                |                                    ^^^^^^^^^^^^^
                = help: take it from `inputs` or `vars`, or make the flow on-demand
        "#]],
    );
}
