//! The changes that a register has and the one that took its place has not: written to a file, so that a person can see
//! what was lost and do it again.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Fault;
use crate::engine::Reads;
use crate::wire;

/// Changes that are read at once.
const READ_MAX: usize = 500;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unshipped {
    /// The sequence of the first change that could be written; that of the next one where there is none.
    pub first: u64,
    /// The sequence of the last change.
    pub last: u64,
    /// How many there are.
    pub changes: u64,
}

/// Writes the changes above a sequence to a file of JSON Lines, each as its event was published or would have been. The file
/// takes its name once it is whole and on disk.
///
/// # Errors
/// [`Fault::Engine`] where the store cannot be read, [`Fault::File`] where the file cannot be written.
pub fn export(reads: &Reads, above: u64, file: &Path) -> Result<Unshipped, Fault> {
    let unfinished = unfinished(file);
    let failed = |source| Fault::File {
        file: file.to_owned(),
        source,
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut output = BufWriter::new(File::create(&unfinished).map_err(failed)?);
    let mut written = Unshipped {
        first: above + 1,
        last: above,
        changes: 0,
    };
    loop {
        let changes = reads.changes(written.last + 1, READ_MAX)?;
        for change in &changes {
            if written.changes == 0 {
                written.first = change.sequence;
            }
            // The namespace is part of its headers only.
            let event = wire::render_event(change, reads.cluster(), "");
            output.write_all(&event.body).map_err(failed)?;
            output.write_all(b"\n").map_err(failed)?;
            written.last = change.sequence;
            written.changes += 1;
        }
        if changes.is_empty() {
            break;
        }
    }
    let output = output.into_inner().map_err(|error| failed(error.into_error()))?;
    output.sync_all().map_err(failed)?;
    fs::rename(&unfinished, file).map_err(failed)?;
    Ok(written)
}

fn unfinished(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
