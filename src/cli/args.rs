//! The command line, as a person types it.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of --help, where backticks would show"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::domain::{EntityType, Id, ImpactHash, Moment, Nature};

use super::access::AccessAction;
use super::dead::DeadAction;
use super::follow::FollowArgs;
use super::graph::args::{GraphArgs, ImpactArgs, OrderArgs};
use super::graph::form::FormArgs;
use super::help::{
    ACCESS_HELP, AFTER_HELP, APPLY_HELP, COMPARE_HELP, COMPLETIONS_HELP, DEAD_HELP, DRILL_HELP, GRAPH_HELP,
    HISTORY_HELP, MIRROR_HELP, OPEN_HELP, PROMOTE_HELP, REMOVE_HELP, REPORT_HELP, SCHEMA_HELP, SEARCH_HELP,
    SEND_HELP, SNAPSHOT_HELP, STATUS_HELP, SWITCH_OVER_HELP, TAIL_HELP, WATCH_HELP,
};
use super::instances;
use super::instances::args::{DrillArgs, PromoteArgs, SecondaryAction, StatusArgs};
use super::past::{CompareArgs, HistoryArgs};
use super::report::ReportArgs;
use super::schema::SchemaArgs;
use super::snapshot::args::{OpenArgs, SnapshotAction};
use super::tail::TailAction;
use super::tls::TlsArgs;
use super::values::{duration, entity, facet, id, impact_hash, moment, nature};

/// The register of environments and resources, and of what depends on what.
#[derive(Debug, Parser)]
#[command(name = "domesday", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(disable_help_subcommand = true, propagate_version = false)]
pub struct Cli {
    /// What all verbs share.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What all verbs share.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The broker; better set DOMESDAY_BROKER_URL, which keeps a password out of the process list
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DOMESDAY_BROKER_URL",
        hide_env_values = true,
        hide_env = true
    )]
    pub broker: Option<String>,
    /// Certificates.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// The namespace of the instance [default: domesday]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "DOMESDAY_NAMESPACE",
        hide_env = true
    )]
    pub namespace: Option<String>,
    /// A configuration file; client verbs read its section `broker`
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DOMESDAY_CONFIG",
        hide_env = true
    )]
    pub config: Option<PathBuf>,
    /// How long to wait, such as 500ms or 2m [default: 30s; apply: 60s, snapshot: 5m, mirror: 1h]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Colours: auto, always or never; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run an instance
    Server(ServerArgs),
    /// Look at a configuration file
    Config {
        /// What to do with it.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Make the register say what files say
    #[command(after_help = APPLY_HELP)]
    Apply(ApplyArgs),
    /// Remove environments or resources
    #[command(after_help = REMOVE_HELP)]
    Remove(RemoveArgs),
    /// Undo removals
    Restore(RestoreArgs),
    /// Find environments and resources by words
    #[command(after_help = SEARCH_HELP)]
    Search(SearchArgs),
    /// Ask the dependency graph
    #[command(after_help = GRAPH_HELP)]
    Graph(GraphArgs),
    /// What happened to an environment or a resource
    #[command(after_help = HISTORY_HELP)]
    History(HistoryArgs),
    /// In what two environments differ
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Look at who may do what
    #[command(after_help = ACCESS_HELP)]
    Access {
        /// What to do.
        #[command(subcommand)]
        action: AccessAction,
    },
    /// Follow events as they happen
    #[command(after_help = WATCH_HELP)]
    Watch(WatchArgs),
    /// Keep a copy of the register on disk, one file each, and prove it
    #[command(after_help = MIRROR_HELP)]
    Mirror(MirrorArgs),
    /// Write the register as one page that opens in a browser, without a server
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Look after the dead letters: messages that nobody could be answered for
    #[command(after_help = DEAD_HELP)]
    Dead {
        /// What to do.
        #[command(subcommand)]
        action: DeadAction,
    },
    /// Save, look at and restore snapshots: the whole register in one file
    #[command(after_help = SNAPSHOT_HELP)]
    Snapshot {
        /// What to do.
        #[command(subcommand)]
        action: SnapshotAction,
    },
    /// Ask a snapshot, without a server and without a broker
    #[command(after_help = OPEN_HELP)]
    Open(OpenArgs),
    /// List the instances: who serves, who follows, and how far each has come
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Let a secondary take the place of a primary that is gone
    #[command(after_help = PROMOTE_HELP)]
    Promote(PromoteArgs),
    /// Let a secondary take the place of the primary, which stops first: nothing is lost
    #[command(after_help = SWITCH_OVER_HELP)]
    SwitchOver(instances::args::WhichArgs),
    /// Let a secondary prove, without taking over, that it could
    #[command(after_help = DRILL_HELP)]
    Drill(DrillArgs),
    /// Look after a secondary
    Secondary {
        /// What to do.
        #[command(subcommand)]
        action: SecondaryAction,
    },
    /// Get out what only a replaced primary has
    #[command(after_help = TAIL_HELP)]
    Tail {
        /// What to do.
        #[command(subcommand)]
        action: TailAction,
    },
    /// Ask whether an instance is there
    Ping(PingArgs),
    /// Send one message as it is and print the reply
    #[command(after_help = SEND_HELP)]
    Send(SendArgs),
    /// Print the JSON Schema of a message, or list them
    #[command(after_help = SCHEMA_HELP)]
    Schema(SchemaArgs),
    /// Print completions for a shell
    #[command(
        after_help = COMPLETIONS_HELP
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Of `server`.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Take commands; without it the instance is a secondary, which follows a primary
    #[arg(long)]
    pub primary: bool,
    /// Let everybody do everything whom the broker lets in, as access.open does
    #[arg(long)]
    pub open: bool,
}

/// Of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Read a configuration file and say what is wrong with it
    Check {
        /// The file; else that of --config or DOMESDAY_CONFIG
        file: Option<PathBuf>,
    },
}

/// Of `apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// Files or directories; - is standard input
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        required = true,
        num_args = 1..,
        action = ArgAction::Append
    )]
    pub files: Vec<PathBuf>,
    /// Change nothing; print the events that this would cause
    #[arg(long)]
    pub dry_run: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Documents per transaction
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    pub batch: u16,
    /// Transactions that may be on their way at the same time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    pub in_flight: u16,
}

/// Of `remove`.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// environment or resource
    #[arg(value_name = "TYPE", value_parser = entity)]
    pub entity: EntityType,
    /// Which
    #[arg(value_name = "ID", required = true, value_parser = id)]
    pub ids: Vec<Id>,
    /// Remove it even if others depend on it or are in it
    #[arg(long)]
    pub detach: bool,
    /// Only if what would stop is what `graph impact` said: its hash; for a single resource
    #[arg(long, value_name = "HASH", value_parser = impact_hash)]
    pub expect_impact: Option<ImpactHash>,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Print the replies as JSON, one on each line
    #[arg(long)]
    pub json: bool,
}

/// Of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// environment or resource
    #[arg(value_name = "TYPE", value_parser = entity)]
    pub entity: EntityType,
    /// Which
    #[arg(value_name = "ID", required = true, value_parser = id)]
    pub ids: Vec<Id>,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Print the replies as JSON, one on each line
    #[arg(long)]
    pub json: bool,
}

/// Of `search`.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// In the query language
    #[arg(value_name = "QUERY", required = true, num_args = 1..)]
    pub query: Vec<String>,
    /// Only in this environment
    #[arg(long, value_name = "ENVIRONMENT", value_parser = id)]
    pub within: Option<Id>,
    /// The most hits to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub limit: u32,
    /// Count all that matches by this, not only what is shown: kind, type, environment or tag:KEY
    #[arg(long = "facet", value_name = "FACET", value_parser = facet, conflicts_with = "follow")]
    pub facets: Vec<String>,
    /// Say how the query is understood, and what the score of each hit is made of
    #[arg(long, conflicts_with = "follow")]
    pub explain: bool,
    /// As of a moment in the past, which is found by id only: a sequence, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with_all = ["facets", "explain"])]
    pub as_of: Option<Moment>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `graph`.
#[derive(Debug, Subcommand)]
pub enum GraphQuestion {
    /// What a resource needs, directly and through others
    Dependencies(ReachArgs),
    /// What needs a resource, directly and through others
    Dependents(ReachArgs),
    /// How one resource comes to need another
    Path(PathArgs),
    /// What stops if these stop, and which environments that hits
    Impact(ImpactArgs),
    /// In which order to start or to stop resources
    Order(OrderArgs),
    /// Which resources need themselves through others
    Cycles(CyclesArgs),
    /// Dependencies on resources that are not registered
    Dangling(DanglingArgs),
}

/// Of `graph dependencies` and `graph dependents`.
#[derive(Debug, Clone, Args)]
pub struct ReachArgs {
    /// The resource to start from
    #[arg(value_name = "ID", value_parser = id)]
    pub id: Id,
    /// How many steps far [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,
    /// Which dependencies to follow: hard, soft, startup [default: all]
    #[arg(long, value_name = "NATURE", value_delimiter = ',', value_parser = nature)]
    pub natures: Vec<Nature>,
    /// The most nodes to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
    /// How to show it
    #[command(flatten)]
    pub form: FormArgs,
    /// Whether to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `graph path`.
#[derive(Debug, Clone, Args)]
pub struct PathArgs {
    /// The resource that needs the other
    #[arg(value_name = "FROM", value_parser = id)]
    pub from: Id,
    /// The other
    #[arg(value_name = "TO", value_parser = id)]
    pub to: Id,
    /// All paths, not only a shortest
    #[arg(long)]
    pub all: bool,
    /// Which dependencies to follow: hard, soft, startup [default: all]
    #[arg(long, value_name = "NATURE", value_delimiter = ',', value_parser = nature)]
    pub natures: Vec<Nature>,
    /// The most paths to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `graph cycles`.
#[derive(Debug, Clone, Args)]
pub struct CyclesArgs {
    /// Only cycles that touch this environment
    #[arg(long, value_name = "ID", value_parser = id)]
    pub environment: Option<Id>,
    /// Which dependencies to follow: hard, soft, startup [default: all]
    #[arg(long, value_name = "NATURE", value_delimiter = ',', value_parser = nature)]
    pub natures: Vec<Nature>,
    /// The most cycles to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `graph dangling`.
#[derive(Debug, Clone, Args)]
pub struct DanglingArgs {
    /// Only dependencies of resources in this environment
    #[arg(long, value_name = "ID", value_parser = id)]
    pub environment: Option<Id>,
    /// The most ids to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `watch`.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Types of events, such as resource.updated, 'resource.*' or '*.removed' [default: all]
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// Only events of this environment and of what is in it
    #[arg(long, value_name = "ID", value_parser = id)]
    pub environment: Option<Id>,
    /// Print each event as JSON, one on each line
    #[arg(long)]
    pub json: bool,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// Of `mirror`.
#[derive(Debug, Clone, Args)]
pub struct MirrorArgs {
    /// Where; it is made where there is none
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// End when the copy is complete and proved
    #[arg(long)]
    pub once: bool,
    /// Run this in a shell for each file that changes
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// How long one such run may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub exec_timeout: Duration,
}

/// Of `ping`.
#[derive(Debug, Clone, Args)]
pub struct PingArgs {
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `send`.
#[derive(Debug, Clone, Args)]
pub struct SendArgs {
    /// The type of the message, such as resource.put
    #[arg(value_name = "TYPE")]
    pub kind: String,
    /// A file with the body; - is standard input [default: {"args":{}}]
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// It is a question, not a command
    #[arg(long)]
    pub question: bool,
    /// The message id, by which the server recognises a repetition [default: a new one]
    #[arg(long, value_name = "ID")]
    pub message_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_eighty_columns() {
        let mut all = vec![Cli::command()];
        while let Some(command) = all.pop() {
            all.extend(command.get_subcommands().cloned());
            let help = command.term_width(80).render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
