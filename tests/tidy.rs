//! The repository's own rules. A failure says what to do. What is allowed stands in the tables at the top; changing a
//! table is a decision, and says so in its commit. Must not need anything but Cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// The entries of the top level, beside dot files.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "engine",
    "examples",
    "flows",
    "modules",
    "tests",
];

/// Which crate of ours imports which: the borders of the design. A crate that is not named here may not exist.
const IMPORTS: &[(&str, &[&str])] = &[
    ("actas-core", &[]),
    ("actas-store", &["actas-core"]),
    ("actas-egress", &["actas-core"]),
    (
        "actas-connections",
        &["actas-store", "actas-egress", "actas-core"],
    ),
    (
        "actas-runner",
        &[
            "actas-connections",
            "actas-store",
            "actas-egress",
            "actas-core",
        ],
    ),
    (
        "actas-server",
        &[
            "actas-runner",
            "actas-connections",
            "actas-store",
            "actas-egress",
            "actas-core",
        ],
    ),
    (
        "actas-cli",
        &[
            "actas-server",
            "actas-runner",
            "actas-connections",
            "actas-store",
            "actas-egress",
            "actas-core",
        ],
    ),
    ("actas-modules", &["actas-core"]),
    // The sandbox stands for a foreign app: it knows nothing of us.
    ("actas-sandbox", &[]),
    // People's browser, for the demo and the tests: it knows pages only.
    ("actas-scripted-browser", &[]),
    // A story told through what users have: the program, its pages, the CRM.
    ("actas-demo", &["actas-sandbox", "actas-scripted-browser"]),
    // Tests from outside: they see what a user sees.
    ("actas-test-support", &["actas-scripted-browser"]),
    // Joins the engine to the modules and to the demo.
    ("actas", &["actas-cli", "actas-modules", "actas-demo"]),
];

/// What the tests of every crate may import in addition.
const IMPORTS_OF_ALL_TESTS: &[&str] = &["actas-test-support", "actas-sandbox"];

/// What the tests of one crate may import in addition.
const IMPORTS_OF_TESTS: &[(&str, &[&str])] = &[
    ("actas", &["actas-core", "actas-store"]),
    // The simulation crashes at every commit of the flows that are there to be learned from, which use the modules that come with us.
    ("actas-runner", &["actas-modules"]),
];

/// Foreign crates that mark a border: who may use them in the product, and who in tests only.
const BORDERS: &[Border] = &[
    Border {
        foreign: "sqlx",
        product: &["actas-store"],
        tests: &["actas", "actas-test-support"],
        why: "the store alone speaks SQL",
    },
    Border {
        foreign: "rusqlite",
        product: &["actas-store"],
        // Tests of the runner stop a journal behind the store's back, as a crash would.
        tests: &["actas", "actas-runner"],
        why: "the store alone speaks SQL",
    },
    Border {
        foreign: "reqwest",
        product: &[
            "actas-egress",
            "actas-cli",
            "actas-scripted-browser",
            "actas-test-support",
        ],
        tests: &[
            "actas",
            "actas-connections",
            "actas-runner",
            "actas-server",
            "actas-sandbox",
        ],
        why: "outgoing requests pass the egress guard; the command line speaks to our own server only",
    },
    Border {
        foreign: "axum",
        product: &["actas-server", "actas-sandbox"],
        tests: &["actas", "actas-egress", "actas-connections", "actas-runner"],
        why: "the server alone knows the web framework",
    },
    Border {
        foreign: "oauth2",
        product: &["actas-connections"],
        tests: &[],
        why: "connections alone sees a secret in clear",
    },
    Border {
        foreign: "chacha20poly1305",
        product: &["actas-connections"],
        tests: &[],
        why: "the vault stands in connections",
    },
    Border {
        foreign: "argon2",
        product: &["actas-server"],
        tests: &[],
        why: "the login of people stands in the server",
    },
    Border {
        foreign: "clap",
        product: &["actas-cli"],
        tests: &[],
        why: "the commands stand in the command line",
    },
    Border {
        foreign: "uuid",
        product: &["actas-store"],
        tests: &[],
        why: "ids come from `actas_store::system`",
    },
    Border {
        foreign: "getrandom",
        product: &["actas-store", "actas-sandbox", "actas-demo"],
        tests: &[],
        why: "randomness comes from `actas_store::system`",
    },
];

/// What the core must not do: it is pure.
const NOT_IN_CORE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tokio::",
    "async fn",
];

/// Text that no source file contains, and what to write instead. The macros are put together here, or this file would
/// contain them.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        concat!("#[al", "low("),
        "use `#[expect(lint, reason = \"…\")]`: it tells when it is no longer needed",
    ),
    (
        concat!("#![al", "low("),
        "use `#![expect(lint, reason = \"…\")]`: it tells when it is no longer needed",
    ),
    (concat!("to", "do!("), "do it, or leave it out"),
    (concat!("unimple", "mented!("), "do it, or leave it out"),
    (
        concat!("#[ig", "nore"),
        "a test that does not run proves nothing: repair it or delete it",
    ),
];

/// Words of other products for what has a word here. Looked for as parts of names, in code, SQL, YAML and pages.
const VOCABULARY: &[(&str, &str)] = &[
    ("workflow", "flow"),
    ("recipe", "flow"),
    ("connector", "app"),
    ("plugin", "module"),
    ("plug-in", "module"),
];

/// Names of foreign crates that contain such a word.
const FOREIGN_NAMES: &[&str] = &["HttpConnector", "HttpsConnector", "connector_layer"];

/// Where the migrations stand, each with its SHA-256 in the file [`CHECKSUMS`] beside them: what has been released is never
/// changed, only followed by another.
const MIGRATIONS: &str = "engine/store/migrations/";
const CHECKSUMS: &str = "SHA256SUMS";

/// Lines of a source file, tests included. Past it, split by subject.
const MAX_LINES: usize = 800;

struct Border {
    foreign: &'static str,
    product: &'static [&'static str],
    tests: &'static [&'static str],
    why: &'static str,
}

#[test]
fn the_top_level_holds_nothing_else() {
    let found: BTreeSet<String> = files()
        .iter()
        .filter_map(|path| Some(path.split('/').next()?.to_owned()))
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    report(found.iter().map(|name| {
        format!("{name}: not an entry of the top level; move it under one of {TOP_LEVEL:?}")
    }));
}

#[test]
fn crates_import_only_what_the_design_allows() {
    let imports: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut faults = Vec::new();
    for package in packages() {
        let name = package.name.as_str();
        let Some(allowed) = imports.get(name) else {
            faults.push(format!("{name}: a new crate; a crate exists only if its Cargo.toml enforces a sentence, else it is a module"));
            continue;
        };
        let of_its_tests = IMPORTS_OF_TESTS
            .iter()
            .find(|(of, _)| *of == name)
            .map_or(&[][..], |(_, list)| *list);
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.ours)
        {
            let import = dependency.name.as_str();
            let in_tests = [*allowed, IMPORTS_OF_ALL_TESTS, of_its_tests]
                .iter()
                .any(|list| list.contains(&import));
            if import != name && !(allowed.contains(&import) || dependency.tests_only && in_tests) {
                let place = if dependency.tests_only {
                    "dev-dependencies"
                } else {
                    "dependencies"
                };
                faults.push(format!("{name}: {place} name {import}; allowed is {allowed:?}: move the code to the side of the border where it belongs"));
            }
        }
    }
    report(faults);
}

#[test]
fn foreign_crates_stay_behind_their_border() {
    let mut faults = Vec::new();
    for package in packages() {
        for dependency in &package.dependencies {
            let Some(border) = BORDERS
                .iter()
                .find(|border| border.foreign == dependency.name)
            else {
                continue;
            };
            let allowed = border.product.contains(&package.name.as_str())
                || dependency.tests_only && border.tests.contains(&package.name.as_str());
            if !allowed {
                faults.push(format!(
                    "{}: depends on {}, but {}",
                    package.name, border.foreign, border.why
                ));
            }
        }
    }
    report(faults);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifests = sources(&["Cargo.toml"]);
    assert!(manifests.len() > 5, "no manifests found");
    report(
        manifests
            .iter()
            .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
            .map(|(path, _)| format!("{path}: add `[lints]` with `workspace = true`")),
    );
}

#[test]
fn every_source_file_says_what_it_is_for_and_stays_short() {
    let mut faults = Vec::new();
    for (path, text) in rust() {
        if !text.starts_with("//!") {
            faults.push(format!(
                "{path}:1: open with `//!`: what the file is for, and what it must not do"
            ));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{path}: {lines} lines, allowed are {MAX_LINES}: split it by subject, or move its tests to a file"));
        }
    }
    report(faults);
}

#[test]
fn forbidden_text_is_absent() {
    let mut faults = Vec::new();
    for (path, text) in rust() {
        for (at, line) in numbered(&text) {
            for (forbidden, instead) in FORBIDDEN {
                if line.contains(forbidden) {
                    faults.push(format!("{path}:{at}: `{forbidden}`: {instead}"));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn the_core_is_pure() {
    let mut faults = Vec::new();
    for (path, text) in rust()
        .into_iter()
        .filter(|(path, _)| path.starts_with("engine/core/src/") && !path.ends_with("tests.rs"))
    {
        for (at, line) in numbered(&text).filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for impure in NOT_IN_CORE {
                if line.contains(impure) {
                    faults.push(format!("{path}:{at}: `{impure}`: the core decides, it does nothing; take the value as an argument"));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn our_words_are_used() {
    let mut faults = Vec::new();
    for (path, text) in sources(&[".rs", ".sql", ".yaml", ".yml", ".html"]) {
        if path == "tests/tidy.rs" {
            continue;
        }
        for (at, line) in numbered(&text) {
            let line = FOREIGN_NAMES
                .iter()
                .fold(line.to_owned(), |line, name| line.replace(name, ""))
                .to_lowercase();
            for (theirs, ours) in VOCABULARY {
                if line.contains(theirs) {
                    faults.push(format!("{path}:{at}: `{theirs}`: our word is `{ours}`"));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn migrations_are_what_they_were() {
    let path = format!("{MIGRATIONS}{CHECKSUMS}");
    let held = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
    let held: BTreeMap<&str, &str> = held
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name, sum))
        .collect();
    let found: BTreeMap<String, String> = sources(&[".sql"])
        .into_iter()
        .filter_map(|(path, text)| {
            Some((
                path.strip_prefix(MIGRATIONS)?.to_owned(),
                hex::encode(Sha256::digest(text)),
            ))
        })
        .collect();
    assert!(!found.is_empty(), "no migrations found in {MIGRATIONS}");
    let command = format!("cd {MIGRATIONS} && sha256sum *.sql > {CHECKSUMS}");
    let changed = found.iter().filter_map(|(name, sum)| match held.get(name.as_str()) {
        None => Some(format!("{MIGRATIONS}{name}: new; hold its checksum: {command}")),
        Some(known) if known != sum => {
            Some(format!("{MIGRATIONS}{name}: changed; databases out there have the old one: add another migration (or, if this one was never released, {command})"))
        }
        Some(_) => None,
    });
    let gone = held
        .keys()
        .filter(|name| !found.contains_key(**name))
        .map(|name| format!("{MIGRATIONS}{name}: gone; databases out there were made with it"));
    report(changed.chain(gone));
}

/// Fails with every fault, not only the first.
fn report(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(
        faults.is_empty(),
        "{} faults\n  {}\n",
        faults.len(),
        faults.join("\n  ")
    );
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

fn rust() -> Vec<(String, String)> {
    let found = sources(&[".rs"]);
    assert!(found.len() > 5, "no sources found");
    found
}

/// Path and text of the files whose names end with one of `endings`.
fn sources(endings: &[&str]) -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).ok()?;
            Some((path, text))
        })
        .collect()
}

/// The files of the repository: those that git knows, and new ones that it does not ignore. Without git, all but what is
/// built.
fn files() -> Vec<String> {
    let git = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output();
    let mut found = match git {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => {
            let mut found = Vec::new();
            walk(root(), &mut found);
            found
        }
    };
    found.retain(|path| root().join(path).is_file());
    assert!(!found.is_empty(), "no files found");
    found
}

fn walk(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory of the repository can be read") {
        let path = entry.expect("a directory entry can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), ".git" | "target" | "node_modules") {
                walk(&path, found);
            }
        } else if let Ok(relative) = path.strip_prefix(root()) {
            found.push(relative.to_string_lossy().into_owned());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    ours: bool,
    tests_only: bool,
}

/// The crates of the workspace as Cargo sees them.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let packages: Vec<Package> = list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    ours: dependency["path"].is_string(),
                    tests_only: dependency["kind"] == "dev",
                })
                .collect(),
        })
        .collect();
    assert_eq!(
        packages.len(),
        IMPORTS.len(),
        "the crates of the workspace are not those of the table IMPORTS"
    );
    packages
}
