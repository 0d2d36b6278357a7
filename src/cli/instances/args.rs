//! The command line of the verbs about instances.

use clap::{Args, Subcommand};

/// Of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Print one JSON object on each line
    #[arg(long)]
    pub json: bool,
}

/// Which instance, and whether to ask.
#[derive(Debug, Clone, Args)]
pub struct WhichArgs {
    /// The name of the instance, or of its copy [default: the only secondary that there is]
    #[arg(value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Of `promote`.
#[derive(Debug, Clone, Args)]
pub struct PromoteArgs {
    /// Which.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Even though the instance that serves was heard a moment ago; needs --reason
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// Of `drill`.
#[derive(Debug, Clone, Args)]
pub struct DrillArgs {
    /// The name of the instance, or of its copy [default: the only secondary that there is]
    #[arg(value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `secondary`.
#[derive(Debug, Subcommand)]
pub enum SecondaryAction {
    /// Replace the copy of a secondary by another from the instance that it follows
    Reseed(WhichArgs),
}
