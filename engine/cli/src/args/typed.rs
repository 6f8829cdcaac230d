//! What is typed to sign in. Secrets come from a hidden prompt or from standard input, never from an argument: those are seen by everybody on
//! the machine.

use clap::Args;

/// A kind of sign-in that is typed; without it a page is printed.
#[derive(Debug, Args)]
pub struct Typed {
    /// `password`, `api_key` or `custom`: sign in here instead of on a page. A shared connection may also be `client_credentials`.
    #[arg(long)]
    pub kind: Option<String>,
    /// Its values.
    #[command(flatten)]
    pub secrets: Secrets,
}

/// Where the values come from.
#[derive(Debug, Args)]
pub struct Secrets {
    /// A value that is no secret, such as `--field username=ana`.
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub fields: Vec<String>,
    /// The name of the secret that is given, if the app asks for several: `password`, `key`, or as the app calls it.
    #[arg(long = "secret", value_name = "NAME")]
    pub names: Vec<String>,
    /// Read the secrets from standard input, a line each; without it, a hidden prompt.
    #[arg(long)]
    pub password_stdin: bool,
}
