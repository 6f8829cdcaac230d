//! `actas audit …` as clap sees it. What it does stands in [`crate::commands::audit`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `audit`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// The latest records.
    List {
        /// Which.
        #[command(flatten)]
        filters: AuditFilters,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One record, in plain words.
    Show {
        /// Its sequence number.
        seq: i64,
    },
    /// Check the whole log; exits 1 and names the first bad record.
    Verify(VerifyArgs),
    /// Take records out: JSON Lines that prove themselves, or CSV for a spreadsheet.
    Export {
        /// Which; without any, the whole log.
        #[command(flatten)]
        filters: AuditFilters,
        /// How they are written.
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// The file to make; without it, standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Leave your own record that you have reviewed the log up to a record; without `--to`, how far it was reviewed.
    Review {
        /// The last record you have seen.
        #[arg(long, value_name = "SEQ")]
        to: Option<u64>,
        /// What you want to be kept with it.
        #[arg(long, requires = "to", default_value = "", hide_default_value = true)]
        note: String,
    },
    /// The public key that exports and checkpoints are checked with.
    Key,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A record a line, with what proves it.
    Jsonl,
    /// For a spreadsheet; proves nothing.
    Csv,
}

/// What to check, and against what.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Check this export instead; needs nothing but the file and the key.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub export: Option<PathBuf>,
    /// Check the log, read anew and checked here, against the checkpoints in this file.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// The public key, as `actas audit key` prints it, or a file with it.
    #[arg(long, value_name = "KEY|FILE")]
    pub key: Option<String>,
}

/// Which records.
#[derive(Debug, Clone, Args)]
pub struct AuditFilters {
    /// Acted or was acted for (login; the id of somebody who was erased).
    #[arg(long)]
    pub person: Option<String>,
    /// In this flow.
    #[arg(long)]
    pub flow: Option<String>,
    /// In this run.
    #[arg(long)]
    pub run: Option<String>,
    /// Through this connection.
    #[arg(long)]
    pub connection: Option<String>,
    /// As this external account.
    #[arg(long)]
    pub account: Option<String>,
    /// On this record of an app, `TYPE/ID`.
    #[arg(long)]
    pub record: Option<String>,
    /// This action, such as `run.created`.
    #[arg(long)]
    pub action: Option<String>,
    /// This entry point, such as `cli`.
    #[arg(long)]
    pub entry: Option<String>,
    /// This outcome, such as `refused`.
    #[arg(long)]
    pub outcome: Option<String>,
    /// Not before this RFC 3339 time.
    #[arg(long)]
    pub since: Option<String>,
    /// Before this RFC 3339 time.
    #[arg(long)]
    pub until: Option<String>,
    /// Only what nobody has reviewed.
    #[arg(long)]
    pub unreviewed: bool,
    /// Only what a reviewer should look at first: the first use of an account, the owner rule, private data shown, hooks without a signature,
    /// people who run what they published, refused links, what was taken out of the log.
    #[arg(long)]
    pub notable: bool,
}
