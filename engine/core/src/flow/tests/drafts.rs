//! A draft's text without its build-time values.
#![expect(
    clippy::needless_pass_by_value,
    reason = "`expect!` reads best by value"
)]

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::flow::{canonical, parse, without_build_time};
use crate::yaml;

fn check(connections: &str, expected: Expect) {
    let text = format!("flow: a # why\nconnections:\n{connections}\nsteps: {{}}\n");
    let left = without_build_time(&text).unwrap();
    expected.assert_eq(&left);
    assert!(
        !left.contains("build_time") && !left.contains("ana"),
        "{left}"
    );
}

#[test]
fn lines_of_their_own_go_with_their_comments() {
    check(
        "  # mine\n  crm:\n    app: x # stays\n    build_time: ana-sandbox   # ana's own\n    dynamic: {}\n  two:\n    build_time: 'ana'\n    app: y",
        expect![[r#"
            flow: a # why
            connections:
              # mine
              crm:
                app: x # stays
                dynamic: {}
              two:
                app: y
            steps: {}
        "#]],
    );
    check(
        "  crm:\n    app: x\n    build_time: >\n      ana\n      sandbox\n    dynamic: {}",
        expect![[r#"
        flow: a # why
        connections:
          crm:
            app: x
            dynamic: {}
        steps: {}
    "#]],
    );
    check(
        "  crm:\n    app: x\n    \"build_time\": \"ana # no comment\"",
        expect![[r#"
        flow: a # why
        connections:
          crm:
            app: x
        steps: {}
    "#]],
    );
    check(
        "  crm:\n    build_time: ana",
        expect![[r#"
        flow: a # why
        connections:
          crm:
        steps: {}
    "#]],
    );
}

#[test]
fn entries_of_a_line_go_with_one_comma() {
    check(
        "  crm: {app: x, build_time: ana, dynamic: {}}",
        expect![[r#"
        flow: a # why
        connections:
          crm: {app: x, dynamic: {}}
        steps: {}
    "#]],
    );
    check(
        "  crm: {build_time: ana, app: x}",
        expect![[r#"
        flow: a # why
        connections:
          crm: {app: x}
        steps: {}
    "#]],
    );
    check(
        "  crm: {app: x, build_time: ana}   # ana's own\n  two: {app: y} # stays",
        expect![[r#"
        flow: a # why
        connections:
          crm: {app: x}
          two: {app: y} # stays
        steps: {}
    "#]],
    );
    check(
        "  crm: {build_time: ana}",
        expect![[r#"
        flow: a # why
        connections:
          crm: {}
        steps: {}
    "#]],
    );
    check(
        "  crm: {app: \"a # b\", build_time: ana, why: \"c # d\"} # ana",
        expect![[r#"
        flow: a # why
        connections:
          crm: {app: "a # b", why: "c # d"}
        steps: {}
    "#]],
    );
}

#[test]
fn maps_over_several_lines_stay_well_formed() {
    check(
        "  crm: {\n    app: x,\n    build_time: ana, # ana's\n    dynamic: {}\n  }",
        expect![[r#"
        flow: a # why
        connections:
          crm: {
            app: x,
            dynamic: {}
          }
        steps: {}
    "#]],
    );
    check(
        "  crm: {\n    app: x, # an app\n    build_time: ana # ana's\n  }",
        expect![[r#"
        flow: a # why
        connections:
          crm: {
            app: x # an app
          }
        steps: {}
    "#]],
    );
    check(
        "  crm: {\n    app: x\n    , build_time: ana\n  }",
        expect![[r#"
            flow: a # why
            connections:
              crm: {
                app: x
              }
            steps: {}
        "#]],
    );
    check(
        "  crm: {app: x,\n    build_time:\n      ana,\n    dynamic: {}}",
        expect![[r#"
        flow: a # why
        connections:
          crm: {app: x,
            dynamic: {}}
        steps: {}
    "#]],
    );
}

#[test]
fn a_key_of_that_name_elsewhere_is_nobodys_connection() {
    let text = "flow: a\nsteps: {s: {uses: core.set, with: {build_time: 5}}}\n";
    assert_eq!(without_build_time(text).unwrap(), text);
}

#[test]
fn what_is_no_yaml_cannot_be_cleaned() {
    assert!(without_build_time("connections: {crm: {build_time: x\n").is_err());
    assert!(without_build_time("a: &x 1\nconnections: {crm: {build_time: x}}\n").is_err());
}

#[test]
fn a_version_has_no_place_for_a_build_time_value() {
    let text = "flow: a\ntrigger: {on_demand: {}}\nconnections: {crm: {app: sandbox_crm, dynamic: {}, build_time: k3f9x0}}\nsteps: {a: {uses: sandbox_crm.get_me}}\n";
    let draft = parse(text, &super::apps()).draft.unwrap();
    assert_eq!(draft.build_time.values().collect::<Vec<_>>(), ["k3f9x0"]);
    let document = canonical(&draft.flow);
    assert!(
        !document.contains("k3f9x0") && !document.contains("build_time"),
        "{document}"
    );
}

/// Ways to write a slot, with `build_time` somewhere in it.
fn slot() -> impl Strategy<Value = String> {
    let entry = prop_oneof![
        Just("app: x".to_owned()),
        Just("dynamic: {}".to_owned()),
        Just("connection: 'a, b # c'".to_owned()),
        Just("why: \"x: {y}\"".to_owned()),
        Just("list: [1, 2]".to_owned()),
    ];
    let value = prop_oneof![
        Just("ana"),
        Just("'ana'"),
        Just("\"an\\u0061\""),
        Just("~"),
        Just(""),
        Just("[ana]"),
        Just("{a: ana}")
    ];
    let comment = prop_oneof![Just(""), Just(" # ana"), Just("   # x, } \" '")];
    let style = prop_oneof![Just("block"), Just("flow"), Just("lines")];
    (
        proptest::sample::subsequence(vec![0_usize, 1, 2, 3, 4], 0..4),
        proptest::collection::vec(entry, 5),
        value,
        comment,
        style,
        0..5_usize,
    )
        .prop_map(|(picked, _, value, comment, style, place)| {
            let all = [
                "app: x",
                "dynamic: {}",
                "connection: 'a, b # c'",
                "why: \"x: {y}\"",
                "list: [1, 2]",
            ];
            let mut entries: Vec<String> = picked.into_iter().map(|n| all[n].to_owned()).collect();
            let place = place.min(entries.len());
            entries.insert(place, format!("build_time: {value}"));
            match style {
                "block" => {
                    let lines: Vec<String> = entries
                        .iter()
                        .map(|entry| format!("    {entry}{comment}"))
                        .collect();
                    format!("  s:{comment}\n{}\n", lines.join("\n"))
                }
                "flow" => format!("  s: {{{}}}{comment}\n", entries.join(", ")),
                _ => {
                    let lines: Vec<String> = entries
                        .iter()
                        .map(|entry| format!("    {entry},{comment}"))
                        .collect();
                    format!("  s: {{\n{}\n  }}\n", lines.join("\n"))
                }
            }
        })
}

proptest! {
    #[test]
    fn however_it_is_written_it_goes_and_the_rest_stays(slots in slot()) {
        let text = format!("flow: a\nconnections:\n{slots}other: 1\n");
        if let Ok(before) = yaml::parse(&text) {
            let left = without_build_time(&text).unwrap();
            let after = yaml::parse(&left).unwrap();
            prop_assert!(!left.contains("build_time"), "{left}");
            prop_assert_eq!(after.get("other").map(yaml::Node::to_json), before.get("other").map(yaml::Node::to_json));
        }
    }
}
