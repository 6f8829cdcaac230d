//! `actas users …`, `tokens …`, `roles …` and `policies …` as clap sees them. What they do stands in [`crate::commands::people`] and beside it.

use std::path::PathBuf;

use clap::Subcommand;

/// `users`
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// All people.
    List {
        /// What each has access to: privileges, flows, connections, tokens, and when they were last here.
        #[arg(long)]
        access: bool,
    },
    /// Add a person by their e-mail address; prints a one-time link to send them.
    Invite {
        /// The address; what they log in with, unless another login is given.
        email: String,
        /// What they log in with.
        #[arg(long)]
        login: Option<String>,
        /// A role; may be given several times.
        #[arg(long = "role", default_value = "runner")]
        roles: Vec<String>,
    },
    /// Add a person; prints a one-time link with which they choose a password.
    Add {
        /// What they log in with.
        login: String,
        /// What people call them.
        #[arg(long)]
        name: Option<String>,
        /// Where mail reaches them.
        #[arg(long)]
        email: Option<String>,
        /// The login of whoever decides for them.
        #[arg(long)]
        manager: Option<String>,
        /// A role: runner, builder, auditor, admin or owner; may be given several times.
        #[arg(long = "role", default_value = "runner")]
        roles: Vec<String>,
        /// The command line on this machine may act as them.
        #[arg(long)]
        local: bool,
    },
    /// Change a person; what is left out stays as it is.
    Set {
        /// Their login.
        login: String,
        /// What people call them.
        #[arg(long)]
        name: Option<String>,
        /// Where mail reaches them.
        #[arg(long)]
        email: Option<String>,
        /// The login of whoever decides for them.
        #[arg(long)]
        manager: Option<String>,
        /// Exactly these roles; may be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
        /// Whether the command line on this machine may act as them.
        #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
        local: Option<bool>,
        /// Whether they are shut out.
        #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
        disabled: Option<bool>,
    },
    /// Switch a person off who left: their access ends, their own connections are erased and revoked, their runs stop.
    Disable {
        /// Their login.
        login: String,
    },
    /// Switch a person off and erase what is known of them, in the audit log too. Cannot be undone.
    Erase {
        /// Their login.
        login: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Print a new one-time link for a person, with which they choose a password.
    Link {
        /// Their login.
        login: String,
    },
}

/// `tokens`
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// Make an API token for yourself; it is shown once.
    Add {
        /// What it is for.
        name: String,
        /// How many days it lasts.
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// What it may be used for: `runs`, `read`, `manage` (change what you may change), `approvals` (approve and decide in your name); may be
        /// given several times. Without it, or with `approvals` alone: `runs` and `read`.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// Your tokens.
    List {
        /// Those of everybody.
        #[arg(long, conflicts_with = "of")]
        all: bool,
        /// Those of somebody else, by login.
        #[arg(long, value_name = "LOGIN")]
        of: Option<String>,
    },
    /// Revoke a token; what it has open ends.
    Revoke {
        /// Its id, as the list has it.
        token: String,
    },
}

/// `roles`
#[derive(Debug, Subcommand)]
pub enum RolesCommand {
    /// All roles with their privileges: those that come with Actas and your own.
    List,
    /// Make or change a role: exactly these privileges, each of which you must have.
    Set {
        /// Its name.
        role: String,
        /// The privileges, such as `flows.run`.
        #[arg(value_name = "PRIVILEGE")]
        privileges: Vec<String>,
    },
    /// Delete a role that nobody has.
    Delete {
        /// Its name.
        role: String,
    },
}

/// `policies`
#[derive(Debug, Subcommand)]
pub enum PoliciesCommand {
    /// All policies as they stand.
    List,
    /// Decide one; what is inside another is named with a point, as in `account_guard.same_email`.
    Set {
        /// Its name.
        name: String,
        /// Its value: JSON if it reads as such, else text.
        value: String,
    },
}

/// `oidc`
#[derive(Debug, Subcommand)]
pub enum OidcCommand {
    /// What is set, and the address to register at the provider.
    Show,
    /// Set it from a JSON file: issuer, client_id, secret (the name of a workspace secret), title, scopes, groups_claim, groups (which roles a
    /// group gives), create (whether somebody new becomes a user), roles (theirs), domains (only theirs).
    Set {
        /// The file, or `-`.
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    /// People log in here alone.
    Delete,
}

/// `hosts`
#[derive(Debug, Subcommand)]
pub enum HostsCommand {
    /// All of them, with the audience that their tokens name.
    List,
    /// Trust an application, or change what is said of it.
    Set {
        /// Its name here.
        name: String,
        /// How it names itself in what it signs.
        #[arg(long)]
        issuer: String,
        /// Its public key, a PEM file: Ed25519 or RSA.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// A role that its people may have; may be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
    },
    /// Trust it no more.
    Delete {
        /// Its name.
        name: String,
    },
}
