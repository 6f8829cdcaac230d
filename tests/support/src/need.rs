//! What a test needs that may not be installed: left out aloud, or a failure where `ACTAS_REQUIRE` says so. A test never
//! decides this for itself, and never leaves anything out in silence.

use std::io::Write as _;

/// The environment variable that turns a missing need into a failure: `all`, or names separated by commas.
pub const REQUIRE: &str = "ACTAS_REQUIRE";

/// Reports that `name` (`postgres`, `node`, `chromium`, …) is missing and `hint` installs it. Answers `None`, so that a
/// caller can say `return missing(…)`.
///
/// # Panics
/// When [`REQUIRE`] names it.
pub fn missing<T>(name: &str, hint: &str) -> Option<T> {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test").to_owned();
    assert!(
        !is_required(name),
        "{test} needs {name}, and {REQUIRE} asks for it: {hint}"
    );
    // Straight to standard error: the test harness swallows what passing tests print through the macros.
    // In one piece: other tests write too.
    let line = format!("left out: {test} needs {name} ({hint})\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}

/// Whether [`REQUIRE`] names this need.
#[must_use]
pub fn is_required(name: &str) -> bool {
    std::env::var(REQUIRE).is_ok_and(|list| {
        list.split(',')
            .any(|item| matches!(item.trim(), "all" | "1") || item.trim() == name)
    })
}

/// The full path of a program in `PATH` or in one of the `extra` directories.
#[must_use]
pub fn program(name: &str, extra: &[&str]) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(extra.iter().map(std::path::PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
