//! `snapshot restore`: a data directory out of a snapshot.

use crate::domain::Standing;
use crate::store;
use crate::store::archive::{Archive, Order, install};

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::args::RestoreArgs;
use super::failure;

/// Makes a data directory out of a snapshot, as the next epoch of its cluster, and says what to do next.
///
/// # Errors
/// The snapshot is damaged, a server has the directory open, or there is a register that may not be replaced.
pub fn restore(args: &RestoreArgs, output: &mut Output) -> Result<Exit, Failure> {
    let archive = Archive::open(&args.file).map_err(|fault| failure(&fault))?;
    let config = store::Config {
        directory: args.data.clone(),
        ..store::Config::default()
    };
    let order = Order {
        replace: args.replace,
        raise_epoch: !args.secondary,
        standing: Standing::Undecided,
    };
    let installed = install(&archive, &config, order).map_err(|fault| failure(&fault))?;
    let data = args.data.display();
    let epoch = if args.secondary {
        "of epoch"
    } else {
        "which is now of epoch"
    };
    output.print(&format!(
        "{data}: {} entities as of sequence {}, {epoch} {}\n",
        archive.manifest().records("live"),
        installed.position.sequence,
        installed.position.epoch,
    ))?;
    if let Some(kept) = installed.kept {
        output.tell(&format!("the data file that was there is {} now", kept.display()));
    }
    let next = if args.secondary {
        format!("start `domesday server` with store.directory = \"{data}\"; it follows from there.")
    } else {
        format!(
            "start `domesday server --primary` with store.directory = \"{data}\". Its readers begin anew, by \
             themselves; what happened after the snapshot is to be said again."
        )
    };
    output.tell(&format!("next: {next}"));
    Ok(Exit::Ok)
}
