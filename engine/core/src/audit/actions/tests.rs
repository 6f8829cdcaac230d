//! The list against the sources of the whole program, and the manual that is made of it.

#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn the_list_is_in_order_and_every_action_is_found() {
    assert!(ACTIONS.windows(2).all(|two| two[0].0 < two[1].0));
    assert!(
        ACTIONS
            .iter()
            .all(|(name, says)| meaning(name) == Some(says))
    );
    assert_eq!(meaning("run.creates"), None);
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, files);
        } else if name.ends_with(".rs")
            && !["tests.rs", "access.rs", "actions.rs"].contains(&name.as_str())
        {
            files.push(path);
        }
    }
}

#[test]
fn the_list_names_every_action_that_the_sources_record_and_no_other() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in [
        "core/src/audit",
        "connections/src",
        "runner/src",
        "server/src",
    ] {
        sources(&engine.join(folder), &mut files);
    }
    let kinds: BTreeSet<&str> = ACTIONS
        .iter()
        .filter_map(|(name, _)| name.split('.').next())
        .collect();
    let literal = regex::Regex::new(r#""([a-z_]+)\.([a-z_]+)""#).unwrap();
    let files_of_ours = ["html", "js", "css", "csv", "jsonl", "key", "db", "sock"];
    let (mut unnamed, mut text) = (BTreeSet::new(), String::new());
    for file in &files {
        let source = std::fs::read_to_string(file).unwrap();
        let source = source.split("#[cfg(test)]\nmod ").next().unwrap();
        for found in literal.captures_iter(source) {
            let name = format!("{}.{}", &found[1], &found[2]);
            if kinds.contains(&found[1])
                && !files_of_ours.contains(&&found[2])
                && meaning(&name).is_none()
            {
                unnamed.insert(name);
            }
        }
        text.push_str(source);
    }
    assert_eq!(
        unnamed,
        BTreeSet::new(),
        "an action that is recorded and not in the list"
    );
    // The name of a request's kind is put before this one.
    let told = |name: &str| text.contains(&format!("\"{name}\"")) || name.ends_with(".decided");
    let never: Vec<&str> = ACTIONS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !told(name))
        .collect();
    assert_eq!(never, [""; 0], "an action in the list that nothing records");
}

#[test]
fn the_manual_of_the_log_has_the_list() {
    let mut text = include_str!("../manual.md").to_owned();
    for (name, says) in ACTIONS {
        let _ = writeln!(text, "| `{name}` | {says} |");
    }
    expect_test::expect_file!["../../../../AUDIT.md"].assert_eq(&text);
}
