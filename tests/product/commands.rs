//! What the command line promises: which commands there are, and what their exit codes mean.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::actas::run;

/// The commands that users and scripts rely on.
const COMMANDS: &[&str] = &[
    "accounts",
    "audit",
    "build",
    "connections",
    "demo",
    "flows",
    "publish",
    "run",
    "runs",
    "schema",
    "serve",
    "settings",
    "validate",
];

#[test]
fn help_names_every_command_on_standard_output() {
    let home = tempfile::tempdir().unwrap();
    let finished = run(home.path(), &["--help"]).expect(0);
    for command in COMMANDS {
        let named = finished
            .stdout
            .lines()
            .any(|line| line.split_whitespace().next() == Some(command));
        assert!(named, "no command `{command}`: {finished}");
    }
}

#[test]
fn what_is_not_a_command_is_a_fault_of_usage() {
    let home = tempfile::tempdir().unwrap();
    let finished = run(home.path(), &["no-such-command"]).expect(2);
    assert!(
        finished.stdout.is_empty() && finished.stderr.contains("no-such-command"),
        "{finished}"
    );
}
