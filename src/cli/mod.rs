//! The `cli` room: `server` and the client verbs.
//!
//! A client verb walks like this: [`args`] → [`settings`] → [`session`] (one connection, the same message until
//! its answer comes) → the verb's own file → [`output`], and ends with an [`Exit`], which is a contract.

pub mod access;
pub mod apply;
pub mod args;
pub mod change;
mod confirm;
pub mod dead;
pub mod exit;
pub mod follow;
pub mod graph;
mod help;
pub mod instances;
pub mod manifest;
pub mod mirror;
pub mod output;
pub mod past;
pub mod ping;
pub mod register;
pub mod report;
pub mod schema;
pub mod search;
pub mod send;
pub mod server;
pub mod session;
pub mod settings;
pub mod snapshot;
pub mod table;
pub mod tail;
pub mod tls;
mod values;
pub mod watch;
mod whole;
mod would;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use futures_util::FutureExt;

use args::{Cli, ConfigAction, Global, Verb};
use exit::{Exit, Failure};
use instances::args::SecondaryAction;
use output::Output;
use register::Register;
use session::Session;
use settings::{PATIENCE, PATIENCE_OF_MIRROR, PATIENCE_OF_SNAPSHOT};
use snapshot::args::SnapshotAction;

/// Reads the command line, does what it says, and tells how it ended.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error).into(),
    };
    let mut output = Output::new(cli.global.color);
    let exit = match dispatch(cli, &mut output) {
        Ok(exit) => exit,
        // Whoever reads has enough: that is their good right.
        Err(Failure::ClosedPipe) => Exit::Ok,
        Err(Failure::Told { exit, what, hint }) => {
            output.tell_error(&what, &hint);
            exit
        }
    };
    exit.into()
}

/// Help and version are no errors; everything else is a command line that cannot be used.
fn refuse(error: &clap::Error) -> Exit {
    // A reader who has gone is told nothing.
    drop(error.print());
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

fn dispatch(cli: Cli, output: &mut Output) -> Result<Exit, Failure> {
    let Cli { global, verb } = cli;
    match verb {
        Verb::Server(args) => server::run(&args, &global),
        Verb::Config {
            action: ConfigAction::Check { file },
        } => server::check_config(file.as_deref(), &global, output),
        Verb::Schema(args) => schema::run(&args, output),
        Verb::Completions { shell } => completions(shell, output),
        Verb::Apply(args) => apply::run(&args, &global, output),
        Verb::Remove(args) => {
            let session = open(&global, output, "remove", PATIENCE)?;
            wait(change::remove(&args, &session, output))
        }
        Verb::Restore(args) => {
            let session = open(&global, output, "restore", PATIENCE)?;
            wait(change::restore(&args, &session, output))
        }
        Verb::Search(args) => {
            let register = Register::Served(Box::new(open(&global, output, "search", PATIENCE)?));
            wait(search::run(&args, &register, output))
        }
        Verb::Graph(args) => {
            let register = Register::Served(Box::new(open(&global, output, "graph", PATIENCE)?));
            wait(graph::run(&args, &register, output))
        }
        Verb::History(args) => {
            let register = Register::Served(Box::new(open(&global, output, "history", PATIENCE)?));
            wait(past::history(&args, &register, output))
        }
        Verb::Compare(args) => {
            let register = Register::Served(Box::new(open(&global, output, "compare", PATIENCE)?));
            wait(past::compare(&args, &register, output))
        }
        Verb::Access { action } => {
            let session = open(&global, output, "access", PATIENCE)?;
            wait(access::run(&action, &session, output))
        }
        Verb::Watch(args) => {
            let session = open(&global, output, "watch", PATIENCE)?;
            wait(watch::run(&args, global.timeout, &session, output))
        }
        Verb::Dead { action } => {
            let session = open(&global, output, "dead", PATIENCE)?;
            wait(dead::run(&action, &session, output))
        }
        Verb::Mirror(args) => {
            let patience = if args.once { PATIENCE } else { PATIENCE_OF_MIRROR };
            let session = open(&global, output, "mirror", patience)?;
            wait(mirror::run(&args, &session, output))
        }
        Verb::Report(args) => {
            let session = open(&global, output, "report", PATIENCE)?;
            wait(report::run(&args, &session, output))
        }
        Verb::Snapshot { action } => snapshot(&action, &global, output),
        Verb::Open(args) => snapshot::open(&args, output),
        Verb::Tail { action } => tail::run(&action, output),
        Verb::Status(args) => {
            let session = open(&global, output, "status", PATIENCE)?;
            wait(instances::status(&args, &session, output))
        }
        Verb::Promote(args) => {
            let session = open(&global, output, "promote", PATIENCE)?;
            wait(instances::promote(&args, &session, output))
        }
        Verb::SwitchOver(args) => {
            let session = open(&global, output, "switch-over", PATIENCE)?;
            wait(instances::switch_over(&args, &session, output))
        }
        Verb::Drill(args) => {
            let session = open(&global, output, "drill", PATIENCE)?;
            wait(instances::drill(&args, &session, output))
        }
        Verb::Secondary {
            action: SecondaryAction::Reseed(args),
        } => {
            let session = open(&global, output, "secondary reseed", PATIENCE)?;
            wait(instances::reseed(&args, &session, output))
        }
        Verb::Ping(args) => {
            let session = open(&global, output, "ping", PATIENCE)?;
            wait(ping::run(&args, &session, output))
        }
        Verb::Send(args) => {
            let order = send::order(&args)?;
            let session = open(&global, output, "send", PATIENCE)?;
            wait(send::run(&args, &order, &session, output))
        }
    }
}

fn snapshot(action: &SnapshotAction, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    match action {
        SnapshotAction::Save(args) => {
            let session = open(global, output, "snapshot save", PATIENCE_OF_SNAPSHOT)?;
            wait(snapshot::save(args, &session, output))
        }
        SnapshotAction::Inspect { file, json } => snapshot::inspect(file, *json, output),
        SnapshotAction::Verify { file } => snapshot::verify(file, output),
        SnapshotAction::Restore(args) => snapshot::restore(args, output),
    }
}

fn open(global: &Global, output: &mut Output, verb: &str, patience: Duration) -> Result<Session, Failure> {
    let config = settings::broker_config(global)?;
    if let Some(warning) = config.tls.exposed_key() {
        output.tell_warning(&warning);
    }
    let name = format!("domesday {verb}");
    Session::new(config, &name, global.timeout.unwrap_or(patience))
}

/// Runs a client verb to its end, or to Ctrl-C.
fn wait(verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    runtime()?.block_on(async {
        let mut verb = std::pin::pin!(verb);
        tokio::select! {
            biased;
            done = &mut verb => return done,
            _ = tokio::signal::ctrl_c() => {}
        }
        // It may have an end of its own for Ctrl-C, and has not looked since.
        verb.now_or_never().unwrap_or(Ok(Exit::Interrupted))
    })
}

/// What a client verb's waiting runs on.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("no threads to run on: {error}")))
}

fn completions(shell: clap_complete::Shell, output: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "domesday", &mut script);
    output.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
