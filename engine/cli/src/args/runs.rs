//! `actas runs …` as clap sees it. What it does stands in [`crate::commands::runs`].

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::Waiting;

/// `runs`
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// The latest runs of your own.
    List {
        /// Those of everybody; needs the privilege.
        #[arg(long)]
        all: bool,
        /// Those of one person (login).
        #[arg(long)]
        person: Option<String>,
        /// Only of this flow.
        #[arg(long)]
        flow: Option<String>,
        /// Only in this state.
        #[arg(long)]
        state: Option<String>,
        /// Only those that this run called.
        #[arg(long, value_name = "RUN")]
        parent: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One run: its steps, attempts, times, and the account each acted as.
    Show {
        /// The run.
        run: String,
        /// Show what is private to its person too; needs the privilege `runs.reveal`, and leaves a record.
        #[arg(long)]
        reveal: bool,
    },
    /// Follow a run until it ends.
    Watch {
        /// The run.
        run: String,
        /// How it waits.
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Stop a run: nothing new starts, what is under way finishes.
    Cancel {
        /// The run.
        run: String,
    },
    /// Go on from where a run of yours failed, in a new run: what was done is not done again.
    Retry {
        /// The run.
        run: String,
        /// How it waits.
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Run the same version with the same inputs again, from its beginning, as yourself.
    Replay {
        /// The run.
        run: String,
        /// How it waits.
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Approve what a run asks you to, or reject it.
    Approve {
        /// The run.
        run: String,
        /// The step that asks, such as `approve` or `lines[37]/approve`.
        step: String,
        /// Reject it.
        #[arg(long)]
        reject: bool,
        /// What you want to say about it.
        #[arg(long)]
        comment: Option<String>,
        /// A field of its form, `-i discount=5`.
        #[arg(short = 'i', long = "input", value_name = "KEY=VALUE")]
        form: Vec<String>,
    },
    /// Say what is true of a step that nobody knows the outcome of.
    Decide {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// It happened, do it again, or give up.
        #[arg(value_enum)]
        answer: Answer,
        /// What it gave, as JSON, if it happened.
        #[arg(long, value_name = "FILE|-")]
        output: Option<PathBuf>,
    },
    /// Bring a waiting step the call it waits for.
    Callback {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// What is brought, as JSON; nothing if left out.
        #[arg(long, value_name = "FILE|-")]
        payload: Option<PathBuf>,
    },
}

/// What a person may say about a step whose outcome nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Answer {
    /// It did happen.
    Happened,
    /// Do it again.
    Again,
    /// Leave it undone.
    GiveUp,
}

impl Answer {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Happened => "happened",
            Self::Again => "again",
            Self::GiveUp => "give_up",
        }
    }
}
