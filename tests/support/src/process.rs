//! Programs under test as processes: started with a clean environment, watched, killed without warning. Nothing here knows
//! what they do; the product has no switch that tells it that it is tested.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::children::{bound_to_us, spawn, wait_for};

/// A program with nothing of our environment but the path; its home is `home`. The kernel kills it when this process dies.
#[must_use]
pub fn command(program: impl AsRef<OsStr>, home: &Path) -> Command {
    clean(bound_to_us(program), home)
}

pub(crate) fn clean(mut command: Command, home: &Path) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .env("NO_COLOR", "1")
        .env("RUST_BACKTRACE", "1")
        .current_dir(home);
    command
}

/// The path of the sandbox, built if it is missing or older than its sources.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn sandbox() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sandbox");
    // Tests run in `target/<profile>/deps`, programs stand above it.
    let test = std::env::current_exe().expect("a test knows where it is");
    let program = test
        .parent()
        .and_then(Path::parent)
        .expect("a test stands in the target folder")
        .join("actas-sandbox");
    let built = program.metadata().and_then(|file| file.modified()).ok();
    if built.is_none_or(|built| newest(&sources).is_some_and(|source| source > built)) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "-p", "actas-sandbox"])
            .current_dir(sources)
            .status();
        assert!(
            status.expect("cargo runs").success(),
            "the sandbox cannot be built"
        );
    }
    program
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    entries
        .filter_map(|path| {
            if path.is_dir() {
                newest(&path)
            } else {
                path.metadata().ok()?.modified().ok()
            }
        })
        .max()
}

/// A program that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// Itself, if the exit code is this one.
    ///
    /// # Panics
    /// When it is another, with everything that the program said.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code {:?}\n-- standard output\n{}\n-- standard error\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it does not end within `limit`.
#[must_use]
pub fn run(command: Command, limit: Duration) -> Finished {
    let mut running = Running::start(command);
    // A program that asks finds nobody there.
    drop(running.child.stdin.take());
    let status = running.wait(limit).unwrap_or_else(|| {
        panic!(
            "still running after {limit:?}; it said: {}",
            running.stderr()
        )
    });
    running.finished(status)
}

/// A running program; dropping it kills it and everything it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What a program has written so far, and whether there may be more.
#[derive(Debug, Clone, Default)]
struct Stream(Arc<Mutex<(Vec<u8>, bool)>>);

impl Running {
    /// Starts a program and collects what it writes.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = spawn(command).expect("the program starts");
        let stdout = Stream::collect(child.stdout.take());
        let stderr = Stream::collect(child.stderr.take());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Its process id, which is that of its group too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Types a line.
    ///
    /// # Panics
    /// When the program does not listen any more.
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("standard input is a pipe");
        writeln!(stdin, "{line}").expect("the program reads");
    }

    /// The first line of either stream that contains `text`, waiting for it.
    ///
    /// # Panics
    /// When it does not come within `limit`, or the program ends without it.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> String {
        let find = |all: &str| {
            all.split_inclusive('\n')
                .find(|line| line.contains(text) && line.ends_with('\n'))
                .map(|line| line.trim_end().to_owned())
        };
        let found = wait_for(limit, || {
            let ended = self.ended();
            let line = find(&self.stdout()).or_else(|| find(&self.stderr()));
            line.map(Some).or(if ended { Some(None) } else { None })
        });
        found.flatten().unwrap_or_else(|| {
            panic!(
                "no line with `{text}`\n-- standard output\n{}\n-- standard error\n{}",
                self.stdout(),
                self.stderr()
            )
        })
    }

    /// Waits until something listens on this loopback port.
    ///
    /// # Panics
    /// When the program ends before, or nothing listens within `limit`.
    pub fn wait_until_listening(&mut self, port: u16, limit: Duration) {
        let listens = wait_for(limit, || {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(true);
            }
            self.ended().then_some(false)
        });
        assert!(
            listens == Some(true),
            "nothing listens on port {port}; the program said: {}",
            self.stderr()
        );
    }

    /// How it ended, if it does within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let status = wait_for(limit, || self.child.try_wait().ok().flatten())?;
        // The last words arrive after the end; something it started may hold the pipes longer.
        wait_for(Duration::from_secs(2), || {
            (self.stdout.ended() && self.stderr.ended()).then_some(())
        });
        Some(status)
    }

    /// kill -9, without a chance to say anything: it and everything it started.
    pub fn kill(&mut self) {
        signal(&format!("-{}", self.pid()), "KILL");
        let _ = self.child.wait();
    }

    /// Asks it to end, as a service manager does.
    pub fn terminate(&mut self) {
        signal(&self.pid().to_string(), "TERM");
    }

    /// The signal of Ctrl-C.
    pub fn interrupt(&mut self) {
        signal(&self.pid().to_string(), "INT");
    }

    fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
            && self.stdout.ended()
            && self.stderr.ended()
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        Finished {
            code: status.code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!(
                "-- the program said before the test failed\n{}",
                self.stderr()
            );
        }
    }
}

impl Stream {
    fn collect(pipe: Option<impl Read + Send + 'static>) -> Self {
        let stream = Self::default();
        let (mut pipe, into) = (pipe.expect("the stream is a pipe"), stream.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                into.lock().0.extend_from_slice(&buffer[..count]);
            }
            into.lock().1 = true;
        });
        stream
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<u8>, bool)> {
        self.0.lock().expect("nobody panics with this lock")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().0).into_owned()
    }

    fn ended(&self) -> bool {
        self.lock().1
    }
}

/// Sends a signal to a process, or to a group if `target` begins with a minus sign.
pub fn signal(target: &str, name: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, "--", target])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> (tempfile::TempDir, Command) {
        let home = tempfile::tempdir().unwrap();
        let mut command = command("sh", home.path());
        command.args(["-c", script]);
        (home, command)
    }

    #[test]
    fn a_program_is_run_to_its_end_with_a_clean_environment() {
        let (home, command) = shell(
            "echo \"{\\\"home\\\": \\\"$HOME\\\", \\\"cargo\\\": \\\"$CARGO\\\"}\"; echo no >&2; exit 3",
        );
        let finished = run(command, LONG).expect(3);
        assert_eq!(
            finished.json(),
            serde_json::json!({"home": home.path(), "cargo": ""})
        );
        assert_eq!(finished.stderr, "no\n");
    }

    #[test]
    fn a_program_is_killed_with_everything_it_started() {
        let (_home, command) = shell("sleep 77 & echo child $!; wait");
        let mut running = Running::start(command);
        let line = running.wait_for_line("child ", LONG);
        let status = format!("/proc/{}/status", line.trim_start_matches("child "));
        let alive =
            || std::fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ"));
        assert!(alive());
        running.kill();
        assert!(wait_for(LONG, || (!alive()).then_some(())).is_some());
    }
}
