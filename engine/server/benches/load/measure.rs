//! Starts servers and generators, reads off what they used, prints the table. Must not be busy itself while something is measured.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use actas_test_support::children::{bound_to_us, free_port, spawn};
use actas_test_support::postgres;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::flows;
use crate::generator::{self, Findings};
use crate::long;
use crate::machine::{cpu, fdatasync, load, median, memory, now, sleep};
use crate::product::{self, Place, Written};

/// What to measure.
#[derive(Debug)]
pub struct Options {
    stores: Vec<&'static str>,
    loads: Vec<(&'static str, usize)>,
    clients: Vec<usize>,
    seconds: f64,
    warm_up: f64,
    rounds: usize,
    binary: bool,
    long: bool,
}

impl Options {
    /// From the command line.
    ///
    /// # Errors
    /// With what is not understood.
    pub fn of(given: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            stores: vec!["sqlite", "postgresql"],
            loads: flows::LOADS.to_vec(),
            clients: vec![1, 64],
            seconds: 2.0,
            warm_up: 0.5,
            rounds: 3,
            binary: true,
            long: true,
        };
        let mut given = given.iter().copied().filter(|word| *word != "--bench");
        while let Some(name) = given.next() {
            match name {
                "--quick" => {
                    (options.seconds, options.warm_up, options.rounds) = (0.7, 0.3, 1);
                    continue;
                }
                "--no-long" => {
                    options.long = false;
                    continue;
                }
                "--no-binary" => {
                    options.binary = false;
                    continue;
                }
                _ => {}
            }
            let value = given.next().ok_or_else(|| format!("{name}: see --help"))?;
            let bad = || format!("{name} {value}: see --help");
            match name {
                "--store" => options.stores.retain(|store| *store == value),
                "--load" => options.loads.retain(|(load, _)| *load == value),
                "--clients" => options.clients = vec![value.parse().map_err(|_| bad())?],
                "--seconds" => options.seconds = value.parse().map_err(|_| bad())?,
                "--rounds" => options.rounds = value.parse().map_err(|_| bad())?,
                _ => return Err(bad()),
            }
            if options.stores.is_empty() || options.loads.is_empty() || options.rounds == 0 {
                return Err(bad());
            }
        }
        Ok(options)
    }
}

/// One round of one line.
#[derive(Debug)]
struct Round {
    findings: Findings,
    /// Processor time of server, database and generator.
    cpu: [Duration; 3],
    written: Written,
    /// Of the server, after the round.
    resident: f64,
    flush: f64,
}

/// Measures and prints.
///
/// # Errors
/// If something does not start, or a run does not succeed.
pub fn measure(options: &Options) -> io::Result<()> {
    let began = now();
    println!(
        "{} cores, load average {} before; {} round(s) of {} s after {} s to warm up, medians\n",
        std::thread::available_parallelism()?,
        load(),
        options.rounds,
        options.seconds,
        options.warm_up
    );
    let postgres = options
        .stores
        .contains(&"postgresql")
        .then(|| postgres::Server::start(postgres::Options { fsync: true }))
        .flatten();
    println!(
        "load store      clients   runs/s (min-max)        p50 ms   p99 ms   max ms   CPU ms/run: server  database  generator   \
         commits/run  commits/flush   RSS MiB   fdatasync p50 ms"
    );
    for store in &options.stores {
        if *store == "postgresql" && postgres.is_none() {
            continue;
        }
        let mut lines: Vec<((&str, usize), usize, Vec<Round>)> = options
            .clients
            .iter()
            .flat_map(|clients| options.loads.iter().map(|load| (*load, *clients)))
            .map(|(load, clients)| (load, clients, Vec::new()))
            .collect();
        // A fresh store for each round; the lines of a round share it.
        for _ in 0..options.rounds {
            let folder = tempfile::tempdir()?;
            let database = postgres.as_ref().filter(|_| *store == "postgresql");
            let mut server = Product::start(folder.path(), database)?;
            for (load, clients, rounds) in &mut lines {
                rounds.push(server.round(options, *load, *clients, folder.path())?);
            }
            server.stop();
        }
        for (load, clients, rounds) in &lines {
            print_line(load.0, store, *clients, rounds);
        }
    }
    if options.long {
        println!();
        for store in &options.stores {
            if *store != "postgresql" || postgres.is_some() {
                let folder = tempfile::tempdir()?;
                let database = postgres.as_ref().filter(|_| *store == "postgresql");
                let server = Product::start(folder.path(), database)?;
                long::measure(store, &server.place, server.process.child.id())?;
                server.stop();
            }
        }
    }
    if options.binary {
        println!();
        binary()?;
    }
    println!(
        "\nload average {} after; took {:.0} s",
        load(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
fn print_line(load: &str, store: &str, clients: usize, rounds: &[Round]) {
    let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let rate = |round: &Round| round.findings.runs as f64 / round.findings.seconds;
    let rates = rounds.iter().map(rate);
    let (least, most) = rates.fold((f64::MAX, 0.0_f64), |(a, b), r| (a.min(r), b.max(r)));
    let per_run = |place: usize| {
        of(&|r| r.cpu[place].as_secs_f64() * 1e3 / (r.findings.runs as f64).max(1.0))
    };
    println!(
        "{load:<4} {store:<10} {clients:>7} {:>8.0} {:<13} {:>8.2} {:>8.2} {:>8.1} {:>19.3} {:>9.3} {:>10.3} {:>13.2} {:>11.1} {:>9.0} {:>18.2}",
        of(&rate),
        format!("({least:.0}-{most:.0})"),
        of(&|r| r.findings.p50),
        of(&|r| r.findings.p99),
        of(&|r| r.findings.max),
        per_run(0),
        per_run(1),
        per_run(2),
        of(&|r| r.written.commits as f64 / r.findings.runs as f64),
        of(&|r| r.written.commits as f64 / r.written.batches as f64),
        of(&|r| r.resident),
        of(&|r| r.flush),
    );
}

/// A process that answers line by line.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program once more, in another role.
    fn start(role: &str, orders: &serde_json::Value) -> io::Result<Self> {
        let mut command = bound_to_us(std::env::current_exe()?);
        command
            .args([format!("role:{role}"), orders.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = spawn(command)?;
        let nothing = || io::Error::other("a pipe is missing");
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().ok_or_else(nothing)?),
            child,
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::Error::other("it ended early; its reason stands above"));
        }
        Ok(line)
    }

    fn json<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn ask<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        if let Some(input) = &mut self.input {
            input.write_all(b"\n")?;
        }
        self.json()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// A server under load.
struct Product {
    process: Process,
    place: Place,
    /// The process whose children are the database.
    database: Option<u32>,
}

impl Product {
    fn start(data: &Path, database: Option<&postgres::Server>) -> io::Result<Self> {
        let orders = product::Orders {
            data: data.to_owned(),
            url: database.map(postgres::Server::database),
        };
        let mut process = Process::start("product", &json!(orders))?;
        Ok(Self {
            place: process.json()?,
            process,
            database: database.map(postmaster).transpose()?,
        })
    }

    fn used(&self) -> [Duration; 2] {
        [
            cpu(self.process.child.id(), false),
            self.database.map_or(Duration::ZERO, |pid| cpu(pid, true)),
        ]
    }

    fn round(
        &mut self,
        options: &Options,
        (load, steps): (&str, usize),
        clients: usize,
        folder: &Path,
    ) -> io::Result<Round> {
        let flush = fdatasync(folder)?;
        let millis = |seconds: f64| u64::try_from(Duration::from_secs_f64(seconds).as_millis());
        let orders = generator::Orders {
            address: self.place.address.clone(),
            token: self.place.token.clone(),
            flow: flows::name(load),
            steps,
            clients,
            warm_up: millis(options.warm_up).map_err(io::Error::other)?,
            measured: millis(options.seconds).map_err(io::Error::other)?,
        };
        let mut generator = Process::start("generator", &json!(orders))?;
        let own = generator.child.id();
        generator.line()?;
        let (used, busy) = (self.used(), cpu(own, false));
        let before: Written = self.process.ask()?;
        generator.line()?;
        let (used_then, busy_then) = (self.used(), cpu(own, false));
        let after: Written = self.process.ask()?;
        Ok(Round {
            findings: generator.json()?,
            cpu: [
                used_then[0].saturating_sub(used[0]),
                used_then[1].saturating_sub(used[1]),
                busy_then.saturating_sub(busy),
            ],
            written: Written {
                commits: after.commits - before.commits,
                batches: after.batches - before.batches,
            },
            resident: memory(self.process.child.id()).map_or(f64::NAN, |(resident, _)| resident),
            flush,
        })
    }

    fn stop(self) {
        drop(self.process);
    }
}

/// The first process of a PostgreSQL server: all others are its children.
fn postmaster(server: &postgres::Server) -> io::Result<u32> {
    let file = server.socket().with_file_name("data/postmaster.pid");
    let text = fs::read_to_string(&file)?;
    text.lines()
        .next()
        .and_then(|pid| pid.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("{} has no process id", file.display())))
}

/// How long the product's own binary takes to its first answer, and its memory when idle.
fn binary() -> io::Result<()> {
    let Some(binary) = build() else {
        println!("the product's own binary cannot be built: its start is left out");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    // The first start makes the store, the key and the owner; those after it find them.
    let (first, _) = started(&binary, folder.path(), Duration::ZERO)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(started(&binary, folder.path(), Duration::ZERO)?.0);
    }
    let (_, idle) = started(&binary, folder.path(), Duration::from_secs(2))?;
    let (resident, own) = idle.unwrap_or((f64::NAN, f64::NAN));
    println!(
        "actas serve, SQLite: first answer of /healthz after {:.0} ms (median of 5 starts on an existing data directory; {first:.0} ms \
         on an empty one)\nidle for 2 s: {resident:.1} MiB resident (RSS), {own:.1} MiB of it its own share (PSS); binary {:.1} MiB; \
         fdatasync p50 {:.2} ms",
        median(times),
        mib(&binary),
        fdatasync(folder.path())?
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "the size of a file")]
fn mib(file: &Path) -> f64 {
    fs::metadata(file).map_or(f64::NAN, |meta| meta.len() as f64 / f64::from(1 << 20))
}

/// The product's binary, built with the profile of releases.
fn build() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--bin",
            "actas",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&built.stdout);
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "actas")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Milliseconds from the start of `actas serve` to its first good answer; its memory after some time of rest.
fn started(binary: &Path, data: &Path, rest: Duration) -> io::Result<(f64, Option<(f64, f64)>)> {
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = bound_to_us(binary);
    command
        .arg("serve")
        .env("ACTAS_DATA", data.join("data"))
        .env("ACTAS_LISTEN", &address)
        .env_remove("ACTAS_DATABASE_URL")
        .env_remove("ACTAS_SERVER")
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = now();
    let mut child = spawn(command)?;
    let answered = loop {
        if is_alive(&address) {
            break Some(began.elapsed().as_secs_f64() * 1e3);
        }
        if child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(20) {
            break None;
        }
        sleep(Duration::from_micros(500));
    };
    if answered.is_some() && !rest.is_zero() {
        sleep(rest);
    }
    let memory = memory(child.id());
    // It is told to stop as an operator would; a server that does not hear that is killed.
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let asked = now();
    while child.try_wait()?.is_none() {
        if asked.elapsed() > Duration::from_secs(5) {
            child.kill()?;
        }
        sleep(Duration::from_millis(5));
    }
    let answered = answered.ok_or_else(|| {
        io::Error::other("`actas serve` gave no answer within 20 s, or ended by itself")
    })?;
    Ok((answered, memory))
}

fn is_alive(address: &str) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
