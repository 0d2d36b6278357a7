//! The command line of `graph`, as far as it is about more than one resource, or about the past.

use clap::Args;

use crate::domain::{Id, Moment, Purpose};

use super::super::args::GraphQuestion;
use super::super::follow::FollowArgs;
use super::super::values::{id, moment, purpose};

/// Of `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// As of a moment in the past: a sequence, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, global = true, value_name = "MOMENT", value_parser = moment)]
    pub as_of: Option<Moment>,
    /// What to ask.
    #[command(subcommand)]
    pub question: GraphQuestion,
}

/// Of `graph impact`.
#[derive(Debug, Clone, Args)]
pub struct ImpactArgs {
    /// What stops: ids of resources, or URIs of things outside
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Say what works on with less, too
    #[arg(long)]
    pub soft: bool,
    /// Say what runs on and could not be started again, too
    #[arg(long)]
    pub startup: bool,
    /// The most affected resources to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `graph order`.
#[derive(Debug, Clone, Args)]
pub struct OrderArgs {
    /// start: what is needed comes first; stop: what needs others comes first
    #[arg(value_name = "DIRECTION", value_parser = purpose)]
    pub purpose: Purpose,
    /// Resources
    #[arg(value_name = "ID", value_parser = id, required_unless_present = "environment")]
    pub ids: Vec<Id>,
    /// Those of this environment
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "ids")]
    pub environment: Option<Id>,
    /// The most resources to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}
