//! Child processes that end when the test process ends, however that ends. Nothing here knows what the children do.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

type Request = (Command, SyncSender<io::Result<Child>>);

/// Starts `command` from a thread that lives as long as the process. "Kill me when my parent dies" on Linux means the
/// parent *thread*, and the threads of tests are short-lived.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<SyncSender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = sync_channel::<Request>(16);
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                for (mut command, answer) in receiver {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        sender
    });
    let (answer, result) = sync_channel(1);
    spawner.send((command, answer)).map_err(io::Error::other)?;
    result.recv().map_err(io::Error::other)?
}

/// A command that the kernel kills when this process dies.
#[must_use]
pub fn bound_to_us(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Tries `attempt` until it gives a value; `None` after `limit`.
#[expect(
    clippy::disallowed_methods,
    reason = "waits for another process; there is nothing to await, and no test clock"
)]
pub fn wait_for<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// A loopback port that was free a moment ago.
///
/// # Panics
/// When the machine has no loopback interface.
#[must_use]
pub fn free_port() -> u16 {
    let socket =
        std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port can be bound");
    socket
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
