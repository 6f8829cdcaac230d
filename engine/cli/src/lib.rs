//! The commands. Each is a client of the HTTP API, over the data directory's socket, over the network, or of a server it starts itself;
//! what a command may do is decided there. Nothing here opens a store or performs a step.
//!
//! [`main`] is the whole program but for what [`Parts`] brings along.

pub mod args;
pub mod client;
pub mod commands;
pub mod exit;
pub mod output;
pub mod session;
pub mod view;

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actas_core::app::{Manifest, Natives};
use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use crate::args::{AuditCommand, Cli, Command, Global};
use crate::commands::{
    audit, connections, flows, lists, local, operator, people, proof, run, runs, serve, values,
    workspace,
};
use crate::exit::{Done, Failed};
use crate::output::{Output, clean, colour};
use crate::session::Session;

/// What the program is made of beside the engine: the apps that come with it, their native modules, and the demo.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The manifests of the apps that come with Actas.
    pub apps: fn() -> Vec<Arc<Manifest>>,
    /// Their native modules.
    pub natives: fn() -> Natives,
    /// `actas demo`; told whether to leave it running.
    pub demo: fn(bool) -> ExitCode,
}

/// The program: reads the arguments, does what they say, and says how it ended.
pub fn main(parts: Parts) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            return usage(&said);
        }
    };
    if let Command::Demo(demo) = &cli.command {
        return (parts.demo)(demo.interactive);
    }
    trace(&cli);
    let output = Output {
        json: cli.global.json,
        quiet: cli.global.quiet,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(Err(Failed::Unavailable(format!(
                "no runtime can be started: {error}"
            ))));
        }
    };
    let done = runtime.block_on(perform(&cli, parts, output));
    // What still runs lets go of the store, which then closes; a prompt that still reads is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(2));
    end(done)
}

async fn perform(cli: &Cli, parts: Parts, output: Output) -> Done {
    let global = &cli.global;
    match &cli.command {
        Command::Demo(_) => Ok(()),
        Command::Validate(args) => {
            local::validate(&args.files, &session::apps(global, parts)?, output)
        }
        Command::Schema { of } => local::schema(*of, output),
        Command::Completions { shell } => completions(*shell, output),
        Command::Serve => serve::serve(global, parts, output).await,
        Command::Audit(AuditCommand::Verify(args)) if args.export.is_some() => {
            proof::of_export(args, output)
        }
        command => {
            let session = Session::open(global, parts, output).await?;
            let done = with_session(&session, command, output).await;
            session.close().await;
            done
        }
    }
}

async fn with_session(session: &Session, command: &Command, output: Output) -> Done {
    let client = &session.client;
    match command {
        Command::Build(args) => run::build(session, args, output).await,
        Command::Publish(args) => flows::publish(session, args, output).await,
        Command::Run(args) => run::run(session, args, output).await,
        Command::Accounts { flow } => lists::accounts(client, flow, output).await,
        Command::Requests => runs::requests(client, output).await,
        Command::Runs(command) => runs::runs(session, command, output).await,
        Command::Flows(command) => flows::flows(session, command, output).await,
        Command::Connections(command) => connections::connections(client, command, output).await,
        Command::Apps(command) => lists::apps(client, command, output).await,
        Command::Vars(command) => values::vars(client, command, output).await,
        Command::Secrets(command) => values::secrets(client, command, output).await,
        Command::Audit(command) => audit::audit(client, command, output).await,
        Command::Users(command) => people::users(client, command, output).await,
        Command::Tokens(command) => people::tokens(client, command, output).await,
        Command::Roles(command) => workspace::roles(client, command, output).await,
        Command::Oidc(command) => workspace::oidc(client, command, output).await,
        Command::Hosts(command) => workspace::hosts(client, command, output).await,
        Command::Policies(command) => workspace::policies(client, command, output).await,
        Command::Key(command) => operator::key(client, command, output).await,
        Command::Workspaces(command) => operator::workspaces(client, command, output).await,
        Command::Settings => lists::settings(client, output).await,
        Command::Demo(_)
        | Command::Validate(_)
        | Command::Schema { .. }
        | Command::Completions { .. }
        | Command::Serve => Ok(()),
    }
}

fn completions(shell: clap_complete::Shell, output: Output) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "actas", &mut script);
    output.text(&String::from_utf8_lossy(&script))
}

/// Help and version are data, faults of usage are not.
fn usage(said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        let text = said.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        Output {
            json: false,
            quiet: false,
        }
        .say(&format!("actas: {text}"));
    } else {
        // Nobody may be reading.
        let _ = said.print();
    }
    ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2))
}

/// Says what went wrong, once, and ends.
fn end(done: Done) -> ExitCode {
    let Err(failed) = done else {
        return ExitCode::SUCCESS;
    };
    let text = failed.to_string();
    if !text.is_empty() {
        let mut to = stderr().lock();
        let name = if colour(&stderr()) {
            "\x1b[1;31mactas:\x1b[0m"
        } else {
            "actas:"
        };
        let lines: Vec<String> = text.lines().map(clean).collect();
        let _ = writeln!(to, "{name} {}", lines.join("\n"));
    }
    failed.code()
}

/// The log goes to standard error. `ACTAS_LOG` says what of it, as `RUST_LOG` does elsewhere.
fn trace(cli: &Cli) {
    let Global { verbose, quiet, .. } = cli.global;
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) if matches!(cli.command, Command::Serve) => "info,sqlx=warn",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug,hyper=info,sqlx=info,rustls=info,h2=info",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("ACTAS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_target(verbose > 1);
    // A second set-up in one process finds the first.
    let _ = if stderr().is_terminal() {
        log.with_ansi(colour(&stderr())).compact().try_init()
    } else {
        log.with_ansi(false).json().flatten_event(true).try_init()
    };
}
