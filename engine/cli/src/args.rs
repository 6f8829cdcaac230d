//! The command line as clap sees it. What each command does stands in its own file under [`crate::commands`].

mod audit;
mod operator;
mod people;
mod runs;
mod typed;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use audit::{AuditCommand, AuditFilters, ExportFormat, VerifyArgs};
pub use operator::{KeyCommand, WorkspacesCommand};
pub use people::{
    HostsCommand, OidcCommand, PoliciesCommand, RolesCommand, TokensCommand, UsersCommand,
};
pub use runs::{Answer, RunsCommand};
pub use typed::{Secrets, Typed};
pub use values::{SecretsCommand, VarsCommand};

/// Runs action flows as the person who runs them.
#[derive(Debug, Parser)]
#[command(
    name = "actas",
    version,
    about = "Runs action flows as the person who runs them",
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Where to run.
    #[command(flatten, next_help_heading = "Everywhere")]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// PostgreSQL database, `postgres://…`; without it an embedded SQLite file in the data directory.
    #[arg(
        long,
        global = true,
        env = "ACTAS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<String>,
    /// Data directory: embedded database, vault key, socket. Default `./.actas`.
    #[arg(
        long,
        global = true,
        env = "ACTAS_DATA",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub data: Option<PathBuf>,
    /// Speak to a running server instead; needs a token in `ACTAS_TOKEN`.
    #[arg(
        long,
        global = true,
        env = "ACTAS_SERVER",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub server: Option<String>,
    /// The API token for `--server`.
    #[arg(
        long = "token-from-environment",
        global = true,
        env = "ACTAS_TOKEN",
        hide = true,
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Act as this user, who must be marked local (embedded store or the server's own machine only).
    #[arg(
        long = "as",
        global = true,
        env = "ACTAS_AS",
        hide_env_values = true,
        value_name = "USER"
    )]
    pub user: Option<String>,
    /// Act in this workspace (embedded store or the server's own machine only). Default: the first.
    #[arg(
        long,
        global = true,
        env = "ACTAS_WORKSPACE",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub workspace: Option<String>,
    /// Print one JSON document on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing on standard error but errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// A folder with more apps (manifests only); may be given several times.
    #[arg(
        long,
        global = true,
        env = "ACTAS_APPS",
        hide_env_values = true,
        value_name = "DIR",
        value_delimiter = ':'
    )]
    pub apps: Vec<PathBuf>,
    /// Allow outgoing plain HTTP to exactly this address, private or not; may be given several times.
    #[arg(
        long = "egress-allow",
        global = true,
        env = "ACTAS_EGRESS_ALLOW",
        hide_env_values = true,
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub egress_allow: Vec<String>,
    /// Where signed checkpoints of the audit log are taken to: a file that is only added to, or an `https://` address.
    #[arg(
        long,
        global = true,
        env = "ACTAS_AUDIT_CHECKPOINTS",
        hide_env_values = true,
        value_name = "FILE|URL"
    )]
    pub audit_checkpoints: Option<String>,
    /// The mail server by which people are told that something waits for them; only in the environment, because a password is part of it.
    #[arg(
        long = "smtp-url-from-environment",
        global = true,
        env = "ACTAS_SMTP_URL",
        hide = true,
        hide_env_values = true
    )]
    pub smtp_url: Option<String>,
    /// Who mail comes from: `Actas <actas@example.com>`; the server is `ACTAS_SMTP_URL` (`smtps://user:password@host`).
    #[arg(
        long,
        global = true,
        env = "ACTAS_MAIL_FROM",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    pub mail_from: Option<String>,
    /// Address of the pages: of `serve`, and of commands that start the engine themselves. Default `127.0.0.1:8080`.
    #[arg(
        long,
        global = true,
        env = "ACTAS_LISTEN",
        hide_env_values = true,
        value_name = "ADDR"
    )]
    pub listen: Option<std::net::SocketAddr>,
    /// The address people's browsers use, if another.
    #[arg(
        long,
        global = true,
        env = "ACTAS_PUBLIC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub public_url: Option<url::Url>,
    /// File with the vault's key (64 hex digits). Embedded: made on first start in the data directory.
    #[arg(
        long,
        global = true,
        env = "ACTAS_KEY_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub key_file: Option<PathBuf>,
    /// Command that prints the vault's key, run once at the start by `sh -c`.
    #[arg(
        long,
        global = true,
        env = "ACTAS_KEY_COMMAND",
        hide_env_values = true,
        value_name = "COMMAND",
        conflicts_with = "key_file"
    )]
    pub key_command: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell the whole story in one command: build, publish, run, pause, sign in, resume, review.
    Demo(DemoArgs),
    /// Find all faults of flow files at once.
    Validate(FilesArgs),
    /// Print the JSON Schema of flows or app manifests, for editors.
    Schema {
        /// Of which language.
        #[arg(value_enum)]
        of: SchemaOf,
    },
    /// Run a draft as its author, with build-time values.
    Build(BuildArgs),
    /// Freeze the next version of a flow.
    Publish(PublishArgs),
    /// Run a published flow as yourself and wait, through sign-ins too.
    Run(RunArgs),
    /// Show which accounts a flow would act through, without running anything.
    Accounts {
        /// The flow's name.
        flow: String,
    },
    /// Show what waits for you: sign-ins, approvals and decisions, with links.
    Requests,
    /// Runs: list, show, watch, cancel, retry, replay, approve, decide, callback.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Flows: list, show, new, save, versions, diff, rollback, export, stop, start, delete, allow, deny.
    #[command(subcommand)]
    Flows(FlowsCommand),
    /// Connections: list, show, add, connect, reconnect, switch, disconnect, delete, where-used, adopt, purge, grants.
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Apps: list, configure.
    #[command(subcommand)]
    Apps(AppsCommand),
    /// Values of the workspace that flows read: list, set, delete.
    #[command(subcommand)]
    Vars(VarsCommand),
    /// Secrets of the workspace, such as webhook keys: list, add, rotate, delete.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// The audit log: list, show, verify.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// People: list, add, invite, set, disable, erase, link.
    #[command(subcommand)]
    Users(UsersCommand),
    /// API tokens: add, list, revoke.
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Roles: list, set, delete.
    #[command(subcommand)]
    Roles(RolesCommand),
    /// Where people log in, if not here (OpenID Connect): show, set, delete.
    #[command(subcommand)]
    Oidc(OidcCommand),
    /// Applications whose word for who somebody is counts: list, set, delete.
    #[command(subcommand)]
    Hosts(HostsCommand),
    /// What the workspace has decided for everybody: list, set.
    #[command(subcommand)]
    Policies(PoliciesCommand),
    /// Workspaces of this server: list, add. On the server's own machine only.
    #[command(subcommand)]
    Workspaces(WorkspacesCommand),
    /// The vault's keys: rotate. On the server's own machine only.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Run the server: API, pages, and a worker inside.
    Serve,
    /// Print the effective settings, secrets hidden.
    Settings,
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave it running afterwards, with links to click.
    #[arg(long)]
    pub interactive: bool,
}

/// `validate`
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// Flow files or app manifests.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// The languages there are schemas of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Flows.
    Flow,
    /// App manifests.
    App,
}

/// Inputs of a run.
#[derive(Debug, Clone, Args)]
pub struct Inputs {
    /// One input, `-i name=value`; the value is read by the input's type.
    #[arg(short = 'i', long = "input", value_name = "KEY=VALUE")]
    pub input: Vec<String>,
    /// All inputs as a JSON object, from a file or `-`.
    #[arg(long, value_name = "FILE|-")]
    pub inputs: Option<PathBuf>,
}

/// `build`
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The flow file.
    pub file: PathBuf,
    /// What the run is given.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How it waits.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `publish`
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The flow file.
    pub file: PathBuf,
    /// Check and show, but freeze nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A published flow's name, or a flow file.
    pub flow: String,
    /// What the run is given.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How it waits.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Print the run's id and leave it running; needs a server.
    #[arg(long)]
    pub detach: bool,
}

/// How a command waits for a run.
#[derive(Debug, Clone, Args)]
pub struct Waiting {
    /// Do not open a browser when the run pauses for a sign-in.
    #[arg(long)]
    pub no_browser: bool,
    /// Without a terminal: how long to wait at a pause, such as `10m`. Without it exit 3 at once.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
}

/// `500ms`, `30s`, `10m`, `2h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let wrong = "write a number and ms, s, m, h or d, such as `10m`";
    let number: u64 = number.parse().map_err(|_| wrong)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong.into()),
    };
    Ok(Duration::from_millis(number.saturating_mul(millis)))
}

/// `flows`
#[derive(Debug, Subcommand)]
pub enum FlowsCommand {
    /// All flows.
    List,
    /// One flow.
    Show {
        /// Its name.
        flow: String,
    },
    /// The published versions of a flow.
    Versions {
        /// Its name.
        flow: String,
    },
    /// What is different between two versions: steps, connections, inputs, outputs, by name and key.
    Diff {
        /// Its name.
        flow: String,
        /// The older version; the one before the newer if left out.
        from: Option<u32>,
        /// The newer version; the last one if left out.
        to: Option<u32>,
    },
    /// Make a new version that is equal to an older one.
    Rollback {
        /// Its name.
        flow: String,
        /// The older version.
        version: u32,
        /// Check and show, but make nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the file of a new flow, to begin with.
    New {
        /// Its name; the file becomes NAME.yaml.
        flow: String,
        /// The file, if another.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Save a file as the draft of its flow.
    Save {
        /// The flow file.
        file: PathBuf,
    },
    /// A version's document as YAML.
    Export {
        /// Its name.
        flow: String,
        /// The version's number; the last one if left out.
        #[arg(long)]
        version: Option<u32>,
    },
    /// Refuse new runs of a flow.
    Stop {
        /// Its name.
        flow: String,
        /// Why, for those who try.
        #[arg(long, default_value = "stopped by hand")]
        reason: String,
    },
    /// Let a stopped flow run again.
    Start {
        /// Its name.
        flow: String,
    },
    /// Delete a flow that no run of is left: its name is free then, and its versions stay for the audit.
    Delete {
        /// Its name.
        flow: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Let somebody run a flow.
    Allow {
        /// Its name.
        flow: String,
        /// A login, `role:NAME` or `everyone`.
        who: String,
    },
    /// Take that back.
    Deny {
        /// Its name.
        flow: String,
        /// A login, `role:NAME` or `everyone`.
        who: String,
    },
}

/// `connections`
#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// Your own connections, and with the privilege the shared ones.
    List {
        /// Only your own.
        #[arg(long, conflicts_with = "all")]
        mine: bool,
        /// Also those of other people, which needs the privilege to see them; nobody but they can use them.
        #[arg(long)]
        all: bool,
    },
    /// One of your connections, or a shared one with the flows that use it.
    Show {
        /// Its id, or its name.
        connection: String,
    },
    /// Add a shared connection: prints the page to sign in at.
    Add {
        /// Its name.
        name: String,
        /// The app.
        #[arg(long)]
        app: String,
        /// The app client, if not the default one.
        #[arg(long)]
        client: Option<String>,
        /// Make only a parent: slots that name it use its app and client, and nobody can act through it.
        #[arg(long)]
        no_account: bool,
        #[command(flatten)]
        /// What is typed, if not on a page.
        typed: Typed,
    },
    /// Connect your own accounts for a flow ahead of its runs: prints the pages to open.
    Connect {
        /// The flow.
        flow: String,
        /// Only this slot.
        slot: Option<String>,
        #[command(flatten)]
        /// What is typed, if not on a page.
        typed: Typed,
    },
    /// Give a connection the password, key or PIN that the app knows now. It is tried once, and nothing changes if it is refused.
    SetPassword {
        /// Its id, or a shared one's name.
        connection: String,
        #[command(flatten)]
        /// The new values.
        typed: Secrets,
    },
    /// Sign in again with the same account: prints the page to open.
    Reconnect {
        /// Its id, or a shared one's name.
        connection: String,
    },
    /// Sign in with another account of yours, in the place of this one: prints the page to open.
    Switch {
        /// The connection's id.
        connection: String,
    },
    /// Keep the row, drop the credentials, revoke at the app.
    Disconnect {
        /// Its id, or a shared one's name.
        connection: String,
    },
    /// Remove it and revoke at the app; a shared one stops the flows that use it.
    Delete {
        /// Its id, or a shared one's name.
        connection: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Where a connection is used, and what would stop without it.
    WhereUsed {
        /// Its id, or a shared one's name.
        connection: String,
    },
    /// Take what people made under a deleted connection in under another one of the same app and client.
    Adopt {
        /// The new parent: its id or name.
        parent: String,
        /// The id of the connection that was deleted: all that was made under it.
        #[arg(long, value_name = "ID", required_unless_present = "connections")]
        from: Option<String>,
        /// Only these.
        #[arg(value_name = "CONNECTION", conflicts_with = "from")]
        connections: Vec<String>,
    },
    /// Delete what people made under connections that were deleted since, and revoke it at the app.
    Purge {
        /// Only what was made under this one, by its id.
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// What you agreed to: which flow acts through which account of yours.
    Grants,
    /// Have a flow act through another account of yours; what you agreed to stays.
    Choose {
        /// The flow.
        flow: String,
        /// Its slot.
        slot: String,
        /// The connection's id.
        connection: String,
    },
    /// Take back what you agreed to: the flow asks you again at its next run.
    Withdraw {
        /// The flow.
        flow: String,
        /// Its slot.
        slot: String,
    },
}

/// `apps`
#[derive(Debug, Subcommand)]
pub enum AppsCommand {
    /// The apps there are, with their modules.
    List,
    /// Make or change how this workspace is known to an app; prints the redirect URI to register there.
    Configure {
        /// The app.
        app: String,
        /// The app client's name.
        #[arg(long, default_value = "default")]
        name: String,
        /// The OAuth client id; an app without OAuth has none.
        #[arg(long)]
        client_id: Option<String>,
        /// Read the OAuth client secret from standard input; without it, a hidden prompt.
        #[arg(long)]
        secret_stdin: bool,
        /// A public client, without a secret.
        #[arg(long, conflicts_with = "secret_stdin")]
        no_secret: bool,
        /// A setting of the app, `--set instance_url=https://…`.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use clap::CommandFactory;
    use expect_test::expect_file;

    use super::*;

    fn helps(mut command: clap::Command, path: &str, text: &mut String) {
        let help = command.render_help().to_string();
        let _ = writeln!(text, "== {path}\n{}\n", help.trim_end());
        for sub in command.get_subcommands() {
            // What every command takes is said once, at the top.
            let own = sub.clone().term_width(100).mut_args(|arg| {
                if arg.is_global_set() {
                    arg.hide(true)
                } else {
                    arg
                }
            });
            helps(own, &format!("{path} {}", sub.get_name()), text);
        }
    }

    #[test]
    fn durations_are_written_with_a_unit() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "10", "m", "10 m", "1w"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_help_texts_are_these() {
        let mut text = String::new();
        let mut command = Cli::command().term_width(100);
        command.build();
        helps(command, "actas", &mut text);
        expect_file!["../help.txt"].assert_eq(&text);
    }
}
