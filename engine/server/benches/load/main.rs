//! The load benchmark: what a run costs over real HTTP, from the request to the answer that says it is durable. Prints a table and judges
//! nothing. See [`HELP`].

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod flows;
mod generator;
mod long;
mod machine;
mod measure;
mod product;

use std::process::ExitCode;

/// The product's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
cargo bench -p actas-server --bench load [-- OPTIONS]

Starts the real server on a fresh store and loads it over loopback HTTP with another process: each client posts a run with
about 90 bytes of inputs and `Prefer: wait=10`, waits for the answer, checks that the run succeeded, and posts the next.

  P  five pure steps, a -> (b, c) -> d -> e, two expressions each: one commit a run
  J  five idempotent steps in a row, each committed before the next begins: six commits a run
  CP, CJ  forty steps in a row, pure or idempotent
  FP, FJ  one step and thirty-nine side by side after it, pure or idempotent

Then one run whose loop has 100,000 items of a pure step each, in batches: its time, and the server's largest memory.

Stores: SQLite (WAL, synchronous=FULL) and a PostgreSQL server of the benchmark's own (fsync, synchronous_commit on).
Then, of the product's own binary: the time from its start on an existing data directory to the first answer, and its
memory when idle.

  --quick           one short round instead of three
  --store NAME      only `sqlite` or `postgresql`
  --load NAME       only that one
  --clients N       only with that many, instead of 1 and 64
  --seconds S       measured time of a round (2)
  --rounds N        rounds, of which the median counts (3)
  --no-long         leave the long loop out
  --no-binary       leave the product's own binary out (it is built first if need be)

Processor time is that of the server, of PostgreSQL and of the generator, each for itself, user and system, in
milliseconds a run. All share this machine's cores. A flush of the disk decides the rest: its median stands in every line,
measured just before it.";

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let done = match given
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["role:product", orders] => product(orders),
        ["role:generator", orders] => generator(orders),
        // `cargo test --benches` starts this too.
        given if !given.contains(&"--bench") || given.contains(&"--help") => {
            println!("{HELP}");
            Ok(())
        }
        given => measure::Options::of(given)
            .map_err(std::io::Error::other)
            .and_then(|options| measure::measure(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn product(orders: &str) -> std::io::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let orders = serde_json::from_str(orders)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(product::serve(orders))
}

fn generator(orders: &str) -> std::io::Result<()> {
    let orders = serde_json::from_str(orders)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, generator::load(orders))
}
