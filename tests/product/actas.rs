//! The program under test, as a user starts it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use actas_test_support::process::{self, Finished};

/// Longer than any command takes on a loaded machine.
pub const LONG: Duration = Duration::from_secs(120);

/// `actas` with its data in `home`/data and nothing of our environment.
pub fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_actas"), home);
    command.env("ACTAS_DATA", home.join("data")).args(args);
    command
}

/// Runs a command to its end.
pub fn run(home: &Path, args: &[&str]) -> Finished {
    process::run(command(home, args), LONG)
}
