//! `actas workspaces …` and `key …` as clap sees it: what the operator of the machine does. What it does stands in [`crate::commands::operator`].

use clap::Subcommand;

/// `workspaces`
#[derive(Debug, Subcommand)]
pub enum WorkspacesCommand {
    /// All workspaces, with the addresses of their login pages.
    List,
    /// Add a workspace; prints a one-time link with which its first owner chooses a password.
    Add {
        /// Its name in addresses: a-z, 0-9 and -.
        name: String,
        /// The login of its first owner.
        #[arg(long)]
        owner: String,
        /// What people call them.
        #[arg(long)]
        owner_name: Option<String>,
    },
}

/// `key`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Give every workspace a new key and wrap its secrets with it, while everything goes on; broken off, it is finished by the next one.
    Rotate {
        /// Put the key of this file on the server's machine in the place of the vault's own key; no secret is touched.
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<std::path::PathBuf>,
    },
}
