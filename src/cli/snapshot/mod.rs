//! `snapshot` and `open`: the whole register in a file, and what can be done with one.

pub mod args;
mod fetch;
mod inspect;
mod open;
mod restore;
mod save;

use std::path::Path;

use crate::store::Fault;
use crate::store::archive::{Archive, ArchiveFault};

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::app::chain;

pub use inspect::inspect;
pub use open::open;
pub use restore::restore;
pub use save::save;

/// Reads all of a snapshot, and says whether it is whole.
///
/// # Errors
/// It is not, or it cannot be read.
pub fn verify(file: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let archive = Archive::open(file).map_err(|fault| failure(&fault))?;
    archive.verify().map_err(|fault| failure(&fault))?;
    output.print(&format!("{}: whole; {}\n", file.display(), what(&archive)))?;
    Ok(Exit::Ok)
}

/// A snapshot in half a line.
fn what(archive: &Archive) -> String {
    let manifest = archive.manifest();
    format!(
        "{} entities as of sequence {} (epoch {}), {}",
        manifest.records("live"),
        manifest.sequence,
        manifest.epoch,
        size(archive.bytes()),
    )
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Data,
        format!("{} cannot be written: {error}", path.display()),
    )
}

/// A fault of a snapshot as the end of a run.
fn failure(fault: &ArchiveFault) -> Failure {
    let (exit, hint) = match fault {
        ArchiveFault::Occupied(_) => (
            Exit::Refused,
            "--replace puts the snapshot in its place, and keeps the old data file beside it",
        ),
        ArchiveFault::Store(Fault::InUse(_)) => (Exit::Usage, "stop the server first"),
        ArchiveFault::Newer { .. } | ArchiveFault::NewerData { .. } | ArchiveFault::Foreign(_) => {
            (Exit::Data, "")
        }
        ArchiveFault::Cut(_) => (
            Exit::Data,
            "where it was being saved: `domesday snapshot save` goes on with its FILE.part",
        ),
        fault if fault.is_damage() => (Exit::Data, "take another one; this one cannot be trusted"),
        ArchiveFault::Io { .. } => (
            Exit::Data,
            "where it was being saved: make room, or name another FILE; what has come stays in FILE.part",
        ),
        ArchiveFault::Piece(_) => (Exit::TryAgain, "the same again goes on where this ended"),
        _ => (Exit::Internal, ""),
    };
    Failure::new(exit, chain(fault)).hint(hint)
}
