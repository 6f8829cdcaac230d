//! The demo tells the truth: it exits 0 only if every claim it prints was checked, and it prints all of them.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::actas::run;

#[test]
fn the_demo_holds_what_it_claims() {
    let home = tempfile::tempdir().unwrap();
    let finished = run(home.path(), &["demo"]).expect(0);
    for claim in [
        "one build-time value was dropped",
        "no file of the data directory holds it",
        "it paused (exit code 3)",
        "the steps before it were not repeated",
        "their author is Ana",
        "it succeeded at once, without a sign-in",
        "she is refused (403)",
        "the CRM saw no token request",
        "the CRM saw no call by Ben",
        "nothing was done twice",
        "verify exits 1 and names the record",
    ] {
        let printed = finished
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with('✓') && line.contains(claim));
        assert!(printed, "not claimed: {claim}\n{finished}");
    }
}
