//! `actas vars …` and `actas secrets …` as clap sees them. What they do stands in [`crate::commands::values`].

use clap::Subcommand;

/// `vars`
#[derive(Debug, Subcommand)]
pub enum VarsCommand {
    /// All values, with who set them.
    List,
    /// Set a value; flows read it as `vars.NAME`. Not for secrets.
    Set {
        /// Its name.
        name: String,
        /// The value: JSON if it reads as such, else text.
        value: String,
        /// It is text, however it reads.
        #[arg(long)]
        text: bool,
    },
    /// Remove a value.
    Delete {
        /// Its name.
        name: String,
    },
}

/// `secrets`
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// The names of all secrets; what they hold is never shown.
    List,
    /// Add a secret, such as the key that a webhook's calls are signed with.
    Add {
        /// Its name.
        name: String,
        /// Read it from standard input; without it, a hidden prompt.
        #[arg(long)]
        secret_stdin: bool,
    },
    /// Give a secret another value; the one before counts as well until the next rotation.
    Rotate {
        /// Its name.
        name: String,
        /// Read it from standard input; without it, a hidden prompt.
        #[arg(long)]
        secret_stdin: bool,
    },
    /// Remove a secret: what is signed with it is refused from then on.
    Delete {
        /// Its name.
        name: String,
    },
}
