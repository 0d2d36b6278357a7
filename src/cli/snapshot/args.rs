//! The command line of `snapshot` and `open`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::super::args::SearchArgs;
use super::super::graph::args::GraphArgs;
use super::super::past::{CompareArgs, HistoryArgs};
use super::super::values::duration;

/// Of `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotAction {
    /// Save a snapshot of a running server to a file
    Save(SaveArgs),
    /// Say whose snapshot it is, as of when, and what is in it
    Inspect {
        /// The snapshot
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read all of it, and prove that it is whole
    Verify {
        /// The snapshot
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a data directory of it, for a server that does not run
    Restore(RestoreArgs),
}

/// Of `snapshot save`.
#[derive(Debug, Clone, Args)]
pub struct SaveArgs {
    /// Where to; FILE.part beside it holds what has come so far
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Take one that is there already, if it is not older [default: as of now]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_age: Option<Duration>,
}

/// Of `snapshot restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The data directory (store.directory of the server); made when it is missing
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Replace the register that is there; its data file is kept beside
    #[arg(long)]
    pub replace: bool,
    /// Make a copy that follows the instance which serves, for a secondary: the epoch stays
    #[arg(long)]
    pub secondary: bool,
}

/// Of `open`.
#[derive(Debug, Clone, Args)]
pub struct OpenArgs {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to ask: search or graph, with what they take elsewhere
    #[arg(
        value_name = "QUESTION",
        required = true,
        num_args = 1..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub question: Vec<String>,
}

/// The question of `open`, by itself.
#[derive(Debug, Parser)]
#[command(
    name = "domesday open FILE",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Opened {
    /// What to ask.
    #[command(subcommand)]
    pub question: Question,
}

/// What can be asked of a snapshot.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Find environments and resources by words
    Search(SearchArgs),
    /// Ask the dependency graph
    Graph(GraphArgs),
    /// What happened to an environment or a resource
    History(HistoryArgs),
    /// In what two environments differ
    Compare(CompareArgs),
}
