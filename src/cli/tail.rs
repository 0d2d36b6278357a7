//! `tail export`: the changes that only this register has, out of a data directory that no server has open.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::app::chain;
use crate::engine;
use crate::replica::{self, Unshipped};
use crate::store;

use super::exit::{Exit, Failure};
use super::output::Output;

/// Of `tail`.
#[derive(Debug, Subcommand)]
pub enum TailAction {
    /// Write them to a file of JSON Lines, each as its event
    Export(ExportArgs),
}

/// Of `tail export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The data directory (store.directory of the server, which must not run)
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Changes above this sequence [default: what the instance that took its place has not]
    #[arg(long, value_name = "SEQUENCE")]
    pub above: Option<u64>,
}

/// Writes the file, and says what is in it.
///
/// # Errors
/// There is no register, a server has it open, or the file cannot be written.
pub fn run(action: &TailAction, output: &mut Output) -> Result<Exit, Failure> {
    let TailAction::Export(args) = action;
    let config = store::Config {
        directory: args.data.clone(),
        ..store::Config::default()
    };
    if engine::is_new(&config) {
        return Err(Failure::usage(format!(
            "{} holds no register",
            args.data.display()
        )));
    }
    let unreadable = |fault: engine::Fault| {
        let exit = if fault.is_permanent() {
            Exit::Usage
        } else {
            Exit::Data
        };
        Failure::new(exit, chain(&fault)).hint("stop the server first, where it runs")
    };
    let reads = engine::read_only(&config).map_err(unreadable)?;
    let above = match args.above {
        Some(above) => above,
        None => reads.unshared_above().map_err(unreadable)?,
    };
    let written = replica::export(&reads, above, &args.file);
    let Unshipped { first, last, changes } =
        written.map_err(|fault| Failure::new(Exit::Data, chain(&fault)))?;
    let file = args.file.display();
    output.print(&match changes {
        0 => format!("{file}: nothing; there is no change above sequence {above}\n"),
        _ => format!("{file}: {changes} changes, from sequence {first} to {last}\n"),
    })?;
    if changes > 0 && first > above + 1 {
        output.tell(&format!(
            "changes {} to {} are not kept any more",
            above + 1,
            first - 1
        ));
    }
    Ok(Exit::Ok)
}
