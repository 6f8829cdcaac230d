//! `actas workspaces …` as clap sees it: what the operator of the machine does. What it does stands in [`crate::commands::operator`].

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
