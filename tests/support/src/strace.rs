//! Kills a program at the moment it makes something durable, without the program knowing: `strace` puts a SIGKILL into its
//! Nth flush to disk.
//!
//! The kernel's order makes this the hardest moment: what was to be committed is written, and nobody has been told. The count
//! is for each thread by itself, so a test that counts to the end must make sure that one thread does all the flushing
//! ([`Flushes::threads`]): let the program make its files first, in a run that is not killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::children::bound_to_us;
use crate::need;
use crate::process::clean;

/// SQLite uses the one or the other, depending on how it was built.
const FLUSHES: &str = "fdatasync,fsync";

/// A program about to be run under `strace`.
#[derive(Debug)]
pub struct Traced {
    /// To be completed with arguments and started as any other ([`crate::process::Running::start`]).
    pub command: Command,
    log: PathBuf,
}

/// The flushes that a program made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flushes {
    /// How many each thread made, by thread id; the one that was killed counts.
    pub threads: BTreeMap<u32, usize>,
}

impl Flushes {
    /// How many there were in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.threads.values().sum()
    }
}

impl Traced {
    /// A program with a clean environment in `home`, killed at the `nth` flush (from 1) of one of its threads; `None`: only
    /// watched. `None` is answered, reported, where strace is missing.
    #[must_use]
    pub fn new(program: &Path, home: &Path, nth: Option<usize>) -> Option<Self> {
        if need::program("strace", &[]).is_none() {
            return need::missing("strace", "apt-get install strace");
        }
        let log = home.join(format!(
            "flushes-{}.strace",
            nth.map_or_else(|| "all".into(), |nth| nth.to_string())
        ));
        let mut command = bound_to_us("strace");
        command.args([
            "-f",
            "-qq",
            "-e",
            "signal=none",
            "-e",
            &format!("trace={FLUSHES}"),
        ]);
        if let Some(nth) = nth {
            command.args(["-e", &format!("inject={FLUSHES}:signal=SIGKILL:when={nth}")]);
        }
        command.arg("-o").arg(&log).arg("--").arg(program);
        Some(Self {
            command: clean(command, home),
            log,
        })
    }

    /// Splits into the command and what reads its flushes afterwards.
    pub fn split(self) -> (Command, impl Fn() -> Flushes) {
        let log = self.log;
        (self.command, move || read(&log))
    }
}

/// Whether it was killed at a flush; strace ends the way its program ended.
#[must_use]
pub fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9) || status.code() == Some(128 + 9)
}

fn read(log: &Path) -> Flushes {
    let mut flushes = Flushes::default();
    for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        // A call that another thread interrupted in the log has a second line, "<... resumed>".
        if FLUSHES
            .split(',')
            .any(|name| call.starts_with(&format!("{name}(")))
        {
            *flushes
                .threads
                .entry(thread.parse().unwrap_or_default())
                .or_default() += 1;
        }
    }
    flushes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::time::Duration;

    use super::*;
    use crate::process::Running;

    const LONG: Duration = Duration::from_secs(60);

    /// `dd` flushes once for each file it writes.
    const THREE_FLUSHES: &str = "for i in 1 2 3; do echo $i | dd of=file conv=fdatasync status=none oflag=append; echo $i >> done; done";

    #[test]
    fn a_program_is_killed_at_the_flush_that_was_asked_for_and_survives_the_next() {
        for (nth, survives) in [(Some(1), false), (Some(2), true), (None, true)] {
            let home = tempfile::tempdir().unwrap();
            let Some(traced) = Traced::new(Path::new("/bin/dd"), home.path(), nth) else {
                return;
            };
            let (mut command, flushes) = traced.split();
            command.args([
                "if=/proc/self/status",
                "of=file",
                "conv=fdatasync",
                "status=none",
            ]);
            let status = Running::start(command).wait(LONG).unwrap();
            assert_eq!(was_killed(status), !survives, "{status}");
            assert_eq!((flushes().count(), flushes().threads.len()), (1, 1));
            // Written it was: the kernel had it before it was asked to flush.
            assert!(home.path().join("file").metadata().unwrap().len() > 100);
        }
    }

    #[test]
    fn each_process_counts_for_itself() {
        let home = tempfile::tempdir().unwrap();
        let Some(traced) = Traced::new(Path::new("/bin/sh"), home.path(), None) else {
            return;
        };
        let (mut command, flushes) = traced.split();
        command.args(["-c", THREE_FLUSHES]);
        assert!(Running::start(command).wait(LONG).unwrap().success());
        assert_eq!(
            flushes().threads.values().copied().collect::<Vec<_>>(),
            [1, 1, 1]
        );
    }
}
