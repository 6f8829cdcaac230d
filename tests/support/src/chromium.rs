//! A real browser, driven by scripts in `tests/node` through playwright-core. For what only a browser shows: cookies as it
//! keeps them, content security policy, scripts, two people side by side. Everything else is faster with [`crate::browser`].

use std::process::Stdio;

use crate::children::spawn;
use crate::{need, node};

const HINT: &str = "apt-get install chromium";

/// Runs a script with `args` as JSON in its first argument and the browser in `CHROMIUM`, and gives what it printed as JSON.
/// `None`, reported, where Chromium or Node.js is missing.
///
/// # Panics
/// When the script fails: with its words.
#[must_use]
pub fn run(script: &str, args: &serde_json::Value) -> Option<serde_json::Value> {
    let Some(chromium) =
        need::program("chromium", &[]).or_else(|| need::program("chromium-browser", &[]))
    else {
        return need::missing("chromium", HINT);
    };
    let mut command = node::script(script)?;
    command
        .arg(args.to_string())
        .env("CHROMIUM", chromium)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = spawn(command)
        .and_then(std::process::Child::wait_with_output)
        .expect("Node.js runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{script} failed: {}\n{said}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(
        serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{script} printed no JSON: {error}\n{said}")),
    )
}
