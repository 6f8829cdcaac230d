//! A proxy in front of PostgreSQL that knows which message commits, and can kill a process at the Nth commit: before the
//! server hears of it, or after it is durable and before anybody is told. Between the two lies every mistake that a program
//! can make about what is done.
//!
//! It reads just enough of the wire protocol (version 3): the text of simple queries, and which prepared statement an
//! `Execute` runs. A commit is a `COMMIT` that is not of a failed transaction, or a statement that writes outside one.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

mod wire;

use wire::{Answer, Conversation, Request};

/// When the victim dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The commit never reaches the server: nothing of it may be there afterwards.
    Before,
    /// The commit is durable, and its answer is lost: all of it must be there afterwards.
    After,
}

/// A running proxy. It listens until the test process ends.
#[derive(Debug)]
pub struct PgProxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Commits that passed by on their way to the server, since the trap was set or the start.
    asked: u64,
    /// Commits that the server confirmed.
    confirmed: u64,
    trap: Option<(Side, u64)>,
    victim: Option<u32>,
    sprung: bool,
}

impl PgProxy {
    /// A proxy in front of this server, on a free loopback port.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start(server: &crate::postgres::Server) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port can be bound");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let shared = Arc::new(Shared {
            upstream: server.socket(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let proxy = Self {
            port,
            shared: Arc::clone(&shared),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A connection that ends early is no news: programs are killed here.
                std::thread::spawn(move || {
                    let _ = serve(client, &shared);
                });
            }
        });
        proxy
    }

    /// The same database as `url` (of [`crate::postgres::database`]), through the proxy.
    ///
    /// # Panics
    /// When it is no URL of a database.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let name = url
            .split('?')
            .next()
            .and_then(|url| url.rsplit('/').next())
            .expect("a URL names its database");
        format!("postgres://actas@127.0.0.1:{}/{name}", self.port)
    }

    /// Sets a trap: the victim dies at the `nth` commit (from 1) from now on. Counting starts again.
    pub fn kill_at(&self, side: Side, nth: u64) {
        *self.state() = State {
            trap: Some((side, nth)),
            ..State::default()
        };
    }

    /// Names the process that dies; the trap waits for it if it springs before.
    pub fn victim(&self, pid: u32) {
        self.state().victim = Some(pid);
        self.shared.changed.notify_all();
    }

    /// Whether the trap has sprung; without it, the victim survived all its commits.
    #[must_use]
    pub fn has_sprung(&self) -> bool {
        self.state().sprung
    }

    /// Takes the trap away: whatever comes next survives. Counting starts again.
    pub fn disarm(&self) {
        *self.state() = State::default();
    }

    /// Commits that were asked for, since the start or the last change of the trap.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.state().asked
    }

    /// Commits that the server confirmed since then, whether or not anybody was told.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.state().confirmed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with this lock")
    }

    /// Counts a commit that is asked for; answers when the victim must die of it.
    fn ask(&self) -> Option<Side> {
        let mut state = self.lock();
        state.asked += 1;
        let (side, nth) = state.trap?;
        (nth == state.asked).then_some(side)
    }

    /// Kills the victim, waiting until it is named.
    fn spring(&self) {
        let state = self.lock();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, Duration::from_secs(30), |state| {
                state.victim.is_none()
            })
            .expect("nobody panics with this lock");
        state.sprung = true;
        if let Some(pid) = state.victim {
            crate::process::signal(&pid.to_string(), "KILL");
        }
    }
}

/// One connection, until either side ends it.
fn serve(mut client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = UnixStream::connect(&shared.upstream)?;
    // Encryption is declined, as a server without it does: what follows must be readable here.
    let start = loop {
        let start = wire::read_start(&mut client)?;
        if !start.asks_for_encryption() {
            break start;
        }
        client.write_all(b"N")?;
    };
    server.write_all(&start.bytes)?;

    let talk = Arc::new(Mutex::new(Conversation::default()));
    let answers = {
        let (mut server, mut client, talk, shared) = (
            server.try_clone()?,
            client.try_clone()?,
            Arc::clone(&talk),
            Arc::clone(shared),
        );
        std::thread::spawn(move || {
            let _ = pass_answers(&mut server, &mut client, &talk, &shared);
            hang_up(&client, &server);
        })
    };
    let result = pass_requests(&mut client, &mut server, &talk, shared);
    if result.is_ok() {
        // A commit may still be on its way back; the other thread ends when the server does.
        let _ = answers.join();
    }
    hang_up(&client, &server);
    result
}

fn pass_requests(
    client: &mut TcpStream,
    server: &mut UnixStream,
    talk: &Mutex<Conversation>,
    shared: &Shared,
) -> io::Result<()> {
    while let Some(message) = wire::read_message(client)? {
        let request = lock(talk).read_request(&message);
        if let Request::Commits = request {
            let side = shared.ask();
            if side == Some(Side::Before) {
                shared.spring();
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            lock(talk).ask(true, side.is_some());
        } else if let Request::Ends = request {
            lock(talk).ask(false, false);
        }
        server.write_all(&message)?;
    }
    // The client went without a word; the server is told the same way.
    server.shutdown(std::net::Shutdown::Write)
}

fn pass_answers(
    server: &mut UnixStream,
    client: &mut TcpStream,
    talk: &Mutex<Conversation>,
    shared: &Shared,
) -> io::Result<()> {
    while let Some(message) = wire::read_message(server)? {
        let answer = lock(talk).read_answer(&message);
        match answer {
            Answer::Pass => client.write_all(&message)?,
            Answer::Hold => {}
            Answer::Committed { told } => {
                shared.lock().confirmed += 1;
                if !told {
                    shared.spring();
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                client.write_all(&message)?;
            }
        }
    }
    Ok(())
}

fn lock(talk: &Mutex<Conversation>) -> MutexGuard<'_, Conversation> {
    talk.lock().expect("nobody panics with this lock")
}

fn hang_up(client: &TcpStream, server: &UnixStream) {
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = server.shutdown(std::net::Shutdown::Both);
}

#[cfg(test)]
#[path = "pgproxy/tests.rs"]
mod tests;
