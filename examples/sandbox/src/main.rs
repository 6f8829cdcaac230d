//! The sandbox as a process of its own: reads the arguments, starts it, waits for Ctrl-C. The library does the rest.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use actas_sandbox::{Client, Config, Sandbox};

const USAGE: &str = "\
A small CRM with its own OAuth 2 server, to try things with.

usage: actas-sandbox [--listen ADDRESS:PORT] [--public-url URL] [--client ID,SECRET,REDIRECT_URI]...
                     [--access-token-ttl SECONDS] [--state FILE] [--admin]

  --listen            where to listen (default 127.0.0.1:9400; port 0 takes a free one)
  --public-url        the address others reach it at (default http:// and the address above)
  --client            a program that may ask for access; an empty SECRET makes it a public client
  --access-token-ttl  how long access tokens live (default 300)
  --state             keep the state in this file
  --admin             answer under /_sandbox, to programs on this machine only

It prints its address as the first line of standard output. People: ana, ben, carla, dora; password: NAME-crm.
";

#[tokio::main]
async fn main() -> ExitCode {
    let config = match config(std::env::args().skip(1)) {
        Ok(Some(config)) => config,
        Ok(None) => return say(USAGE),
        Err(wrong) => return complain(&format!("{wrong}\n\n{USAGE}"), 2),
    };
    let sandbox = match Sandbox::start(config).await {
        Ok(sandbox) => sandbox,
        Err(error) => return complain(&format!("the sandbox could not start: {error}\n"), 1),
    };
    // Whoever started this may be waiting for the line; nobody may be reading at all.
    say(&format!("{}\n", sandbox.url()));
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    sandbox.stop().await;
    ExitCode::SUCCESS
}

fn say(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

fn complain(text: &str, code: u8) -> ExitCode {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(code)
}

/// The configuration, `None` where help is wanted, or what is wrong with the arguments.
fn config(mut args: impl Iterator<Item = String>) -> Result<Option<Config>, String> {
    let mut config = Config {
        listen: ([127, 0, 0, 1], 9400).into(),
        ..Config::default()
    };
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "--admin" => config.admin = true,
            "--listen" => config.listen = value()?.parse().map_err(|e| format!("--listen: {e}"))?,
            "--public-url" => config.public_url = Some(value()?),
            "--state" => config.state_file = Some(value()?.into()),
            "--access-token-ttl" => {
                let seconds = value()?
                    .parse()
                    .map_err(|e| format!("--access-token-ttl: {e}"))?;
                config.access_token_ttl = Duration::from_secs(seconds);
            }
            "--client" => config.clients.push(client(&value()?)?),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(Some(config))
}

fn client(text: &str) -> Result<Client, String> {
    let mut parts = text.splitn(3, ',');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(id), Some(secret), Some(uri)) if !id.is_empty() && !uri.is_empty() => {
            let client = Client::new(id, secret, [uri]);
            Ok(if secret.is_empty() {
                Client {
                    secret: None,
                    ..client
                }
            } else {
                client
            })
        }
        _ => Err(format!("--client {text}: expected ID,SECRET,REDIRECT_URI")),
    }
}
