//! What is refused before anything runs: every fault with its place, and hostile files at once.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use actas_test_support::process;

/// Longer than a refusal takes on a loaded machine, and much shorter than reading what expands without end.
const QUICK: Duration = Duration::from_secs(10);

const SCHEDULED: &str = "flow: nightly
trigger: {schedule: {every: 1d}}
connections:
  crm: {app: sandbox_crm, dynamic: {}}
steps:
  me: {uses: sandbox_crm.get_me, connection: crm}
";

#[test]
fn a_dynamic_slot_is_refused_in_a_flow_that_is_not_on_demand() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("nightly.yaml"), SCHEDULED).unwrap();
    let said = crate::actas::run(home.path(), &["validate", "nightly.yaml"]).expect(1);
    let said = format!("{}{}", said.stdout, said.stderr);
    for place in ["nightly.yaml:2:", "nightly.yaml:4:"] {
        assert!(
            said.contains(place),
            "the line {place} is not named: {said}"
        );
    }
    let said = crate::actas::run(home.path(), &["publish", "nightly.yaml"]).expect(1);
    for line in [2, 4] {
        assert!(
            said.stderr.contains(&format!("nightly.yaml:{line}:")),
            "{said}"
        );
    }
}

#[test]
fn all_faults_of_a_file_are_listed_with_their_places() {
    let home = tempfile::tempdir().unwrap();
    let text = "flow: Bad Name\ntrigger: {on_demand: {}}\nsteps:\n  a: {uses: core.sett}\n  b: {uses: core.set, nees: [a]}\n  c: {uses: core.set, needs: [nobody]}\n";
    std::fs::write(home.path().join("bad.yaml"), text).unwrap();
    let said = crate::actas::run(home.path(), &["validate", "bad.yaml"]).expect(1);
    let said = format!("{}{}", said.stdout, said.stderr);
    for line in [1, 4, 5, 6] {
        assert!(
            said.contains(&format!("bad.yaml:{line}:")),
            "line {line}: {said}"
        );
    }
}

#[test]
fn a_megabyte_of_hostile_yaml_is_refused_quickly() {
    let home = tempfile::tempdir().unwrap();
    let aliases: String = (1..40)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 9].join(", ")
            )
        })
        .collect();
    let texts = [
        "[".repeat(1_000_000),
        format!("a0: &a0 [x]\n{aliases}"),
        format!(
            "flow: x\nsteps: {{{}}}",
            "a: {uses: core.set}, ".repeat(50_000)
        ),
        "- ".repeat(500_000),
        format!("flow: {}", "x".repeat(1_000_000)),
    ];
    for (number, text) in texts.iter().enumerate() {
        std::fs::write(home.path().join("hostile.yaml"), text).unwrap();
        let command = crate::actas::command(home.path(), &["validate", "hostile.yaml"]);
        let said = process::run(command, QUICK);
        assert_eq!(
            said.code,
            Some(1),
            "text {number}: {:.2000}",
            said.to_string()
        );
    }
}
