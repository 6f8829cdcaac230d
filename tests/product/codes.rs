//! The exit codes that scripts rely on, how errors are said, and that a reader who goes away is no fault.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::Read as _;
use std::process::Stdio;

use actas_test_support::process::Finished;

use crate::actas::{command, run};

/// An address where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

fn check(args: &[&str], code: i32, says: &str) -> Finished {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("bad.yaml"),
        "flow: bad\nsteps: {a: {uses: core.sett}}\n",
    )
    .unwrap();
    let mut command = command(home.path(), args);
    // A free port: other tests run beside this one.
    command
        .env("ACTAS_LISTEN", "127.0.0.1:0")
        .env("ACTAS_TOKEN", "act_none");
    let finished = actas_test_support::process::run(command, crate::actas::LONG).expect(code);
    assert!(finished.stderr.contains(says), "{finished}");
    finished
}

#[test]
fn done_is_0() {
    check(&["settings"], 0, "");
    check(&["audit", "verify"], 0, "");
}

#[test]
fn a_fault_is_1() {
    check(&["validate", "bad.yaml"], 1, "core.sett");
    check(&["publish", "bad.yaml"], 1, "nothing was saved");
    check(&["run", "no-such-flow"], 1, "no such flow");
}

#[test]
fn wrong_usage_is_2() {
    check(&["run"], 2, "actas: ");
    check(&["validate", "no-such-file.yaml"], 2, "no-such-file.yaml");
    check(&["run", "x", "--wait", "soon"], 2, "");
    check(
        &["--server", NOBODY, "--as", "ana", "runs", "list"],
        2,
        "--as",
    );
}

#[test]
fn a_refusal_is_4() {
    check(&["--as", "nobody", "runs", "list"], 4, "nobody");
}

#[test]
fn what_cannot_be_reached_is_5() {
    check(&["--server", NOBODY, "runs", "list"], 5, NOBODY);
}

#[test]
fn an_error_is_said_once_with_our_name_before_it() {
    let finished = check(&["run", "no-such-flow"], 1, "actas: there is no such flow");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished}");
    assert!(finished.stdout.is_empty(), "{finished}");
}

#[test]
fn a_reader_who_goes_away_is_no_fault() {
    let home = tempfile::tempdir().unwrap();
    let mut child = command(home.path(), &["schema", "flow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success() && said.is_empty(), "{said}");
}

#[test]
fn json_is_one_document_on_standard_output() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["apps", "list", "--json"][..],
        &["users", "list", "--json"],
        &["audit", "verify", "--json"],
        &["settings", "--json"],
    ] {
        let mut command = command(home.path(), args);
        command.env("ACTAS_LISTEN", "127.0.0.1:0");
        let finished = actas_test_support::process::run(command, crate::actas::LONG).expect(0);
        serde_json::from_str::<serde_json::Value>(&finished.stdout)
            .unwrap_or_else(|error| panic!("{error}: {finished}"));
    }
    let finished = run(home.path(), &["validate", "--json", "no-such-file.yaml"]).expect(2);
    assert!(finished.stdout.is_empty(), "{finished}");
}
