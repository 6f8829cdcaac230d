//! The checks that keep one person's account out of another's hands, each taken out once: without any of them some test must fail. What the
//! table says of the sources is compared with them in every run; taking the checks out builds a copy for each and is a command of its own:
//! `cargo test --test mutants -- take-out` (about a minute for each check, after the first build).

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]
#![expect(
    clippy::print_stdout,
    reason = "the command says which test found which check missing"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A check, how it looks in the sources, and how it looks without it.
struct Mutant {
    /// The check, in words.
    check: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// What has the checks taken out.
const TAKE_OUT: &str = "take-out";

/// All tests but those that take long and look at something else; the schedules are played where these notice nothing.
const QUICK: [&str; 8] = [
    "--skip",
    "schedules",
    "--skip",
    "storm",
    "--skip",
    "vaulted",
    "--skip",
    "misbehaviour",
];

const CONNECTIONS: &str = "engine/connections/src/";

const MUTANTS: &[Mutant] = &[
    Mutant {
        check: "a sign-in is seen, begun, agreed to and declined by its own person only",
        file: "page.rs",
        from: "if row.person != *user || !self.is_active(reader, user).await? {",
        to: "if !self.is_active(reader, user).await? {",
    },
    Mutant {
        check: "whoever was switched off answers no sign-in",
        file: "page.rs",
        from: "if row.person != *user || !self.is_active(reader, user).await? {",
        to: "if row.person != *user {",
    },
    Mutant {
        check: "only one's own connections can be agreed with",
        file: "ask.rs",
        from: "            && row.owner == *self.person\n",
        to: "",
    },
    Mutant {
        check: "a connection made through another app client does not fit",
        file: "ask.rs",
        from: "            && row.client == *self.client\n",
        to: "",
    },
    Mutant {
        check: "an attempt belongs to its app client's own callback address",
        file: "callback.rs",
        from: "            .filter(|attempt| attempt.client == *client)\n",
        to: "            .filter(|_| !client.as_str().is_empty())\n",
    },
    Mutant {
        check: "an answer is brought by the person who began",
        file: "callback.rs",
        from: "if attempt.user != session.user || !self.is_active(reader, &session.user).await? {",
        to: "if !self.is_active(reader, &session.user).await? {",
    },
    Mutant {
        check: "an answer is brought in the browser session that began",
        file: "callback.rs",
        from: "        if !same {\n",
        to: "        if !same && session.hash.is_empty() {\n",
    },
    Mutant {
        check: "an answer names the provider that was asked",
        file: "callback.rs",
        from: "        if wrong {\n",
        to: "        if wrong && params.state.is_empty() {\n",
    },
    Mutant {
        check: "no parameter comes twice",
        file: "callback.rs",
        from: "if value.len() > 4096 || query[..at].iter().any(|(earlier, _)| earlier == name) {",
        to: "if value.len() > 4096 + at + name.len() {",
    },
    Mutant {
        check: "an attempt is used up before its code is redeemed",
        file: "callback.rs",
        from: "        self.use_up(&reader, &hash).await?;\n",
        to: "        let _ = self.use_up(&reader, &hash).await;\n",
    },
    Mutant {
        check: "an attempt lives ten minutes",
        file: "callback.rs",
        from: "        if attempt.expires_at <= now() {\n",
        to: "        if attempt.expires_at <= now() && attempt.used_at.is_some() {\n",
    },
    Mutant {
        check: "the same account renews a connection",
        file: "settle.rs",
        from: "            && renew.subject != given.account.subject\n",
        to: "            && renew.subject.is_empty()\n",
    },
    Mutant {
        check: "what is asked is looked at again before anything is stored",
        file: "settle.rs",
        from: "            self.still_asked(reader, wanted).await?;\n",
        to: "",
    },
    Mutant {
        check: "a connection is renewed by its owner only",
        file: "pending.rs",
        from: "            .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)\n",
        to: "",
    },
    Mutant {
        check: "a connection is disconnected by its owner only",
        file: "forget.rs",
        from: "                .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)\n",
        to: "",
    },
    Mutant {
        check: "a password is changed by the connection's owner only",
        file: "typed.rs",
        from: "            .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)\n",
        to: "",
    },
    Mutant {
        check: "whoever left acts no more, at the very moment of use",
        file: "usage.rs",
        from: "            && !self.is_active(reader, person).await?\n",
        to: "            && person.as_str().is_empty()\n",
    },
    Mutant {
        check: "a connection is used for its owner only, at the very moment of use",
        file: "usage.rs",
        from: "                u.person.as_ref() == Some(&row.owner)\n",
        to: "                u.person.is_some()\n",
    },
    Mutant {
        check: "a sign-in of one person wakes that person's runs only",
        file: "wake.rs",
        from: "        if row.person != connection.owner\n            ||",
        to: "        if",
    },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(mutant: &Mutant) -> String {
    let path = root().join(CONNECTIONS).join(mutant.file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn main() {
    let faults = faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!(
        "each of {} checks stands in the sources exactly once",
        MUTANTS.len()
    );
    if std::env::args().any(|argument| argument == TAKE_OUT) {
        take_each_out();
    } else {
        println!(
            "to see that some test fails without each: cargo test --test mutants -- {TAKE_OUT}"
        );
    }
}

/// Where the table and the sources differ.
fn faults() -> Vec<String> {
    let times = |mutant: &Mutant| source(mutant).matches(mutant.from).count();
    let faulty = MUTANTS.iter().filter(|mutant| times(mutant) != 1);
    faulty
        .map(|mutant| {
            format!(
                "{CONNECTIONS}{}: `{}` stands there {} times: bring the table up to date ({})",
                mutant.file,
                mutant.from.trim(),
                times(mutant),
                mutant.check
            )
        })
        .collect()
}

fn take_each_out() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let tests = |what: &str, which: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .current_dir(folder.path())
            .env("CARGO_TARGET_DIR", &target)
            .args([
                "test",
                "--offline",
                "--locked",
                "--package",
                "actas-connections",
                "--lib",
                "--",
            ])
            .args(which)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let built = text.contains("test result:");
        assert!(
            built,
            "{what}: does not compile\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let failed: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
            .map(str::to_owned)
            .collect();
        failed
    };
    assert_eq!(tests("as it is", &QUICK), Vec::<String>::new());
    let mut alive = Vec::new();
    for mutant in MUTANTS {
        let path = folder.path().join(CONNECTIONS).join(mutant.file);
        let whole = source(mutant);
        std::fs::write(&path, whole.replacen(mutant.from, mutant.to, 1)).unwrap();
        let mut failed = tests(mutant.check, &QUICK);
        if failed.is_empty() {
            failed = tests(mutant.check, &["schedules"]);
        }
        std::fs::write(&path, whole).unwrap();
        println!("without \"{}\": {failed:?}", mutant.check);
        if failed.is_empty() {
            alive.push(mutant.check);
        }
    }
    assert!(
        alive.is_empty(),
        "nothing noticed that these were gone: {alive:#?}"
    );
}

/// Copies what Git knows of.
fn copy(to: &Path) {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z"])
        .output()
        .unwrap();
    for name in String::from_utf8(listed.stdout).unwrap().split('\0') {
        let from = root().join(name);
        if !name.is_empty() && from.is_file() {
            let to = to.join(name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
    }
}
