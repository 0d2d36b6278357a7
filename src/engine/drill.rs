//! A drill: a copy of the copy, opened as after a promotion, and asked what the original was asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::recover::read_only;
use super::shelf::io_fault;
use super::{Fault, Reads};
use crate::domain::{Canary, Position, Standing, Timestamp};
use crate::store::archive::{Archive, Order, install};
use crate::store::{self, Config};

/// Where it takes place, in the data directory.
pub(super) const FOLDER: &str = "drill";
const FILE: &str = "copy.snapshot";
const DATA: &str = "data";

/// A copy of the register for a drill. Its folder goes with it.
pub struct DrillCopy {
    folder: PathBuf,
    position: Position,
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drilled {
    /// The time from opening the copy, with its graph and its index built anew, to the first answer.
    pub ready_after: Duration,
    /// Which answers differ.
    pub differences: Vec<String>,
}

impl Reads {
    /// Writes the last commit to a folder of its own in the data directory. Only one is there at a time. It takes about a
    /// second for a hundred thousand entities.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read, or the folder cannot be written.
    pub fn copy_for_drill(&self, time: Timestamp) -> Result<DrillCopy, Fault> {
        let folder = self.directory.join(FOLDER);
        clear(&folder)?;
        fs::create_dir_all(&folder).map_err(|source| io_fault(&folder, "made", source))?;
        let mut copy = DrillCopy {
            folder,
            position: Position::default(),
        };
        let manifest = self.write_archive(&copy.folder.join(FILE), time)?;
        copy.position = manifest.header().position;
        Ok(copy)
    }
}

impl DrillCopy {
    /// What it is true as of.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Proves the copy, opens it as after a promotion, and asks it; `digest` is that of the original.
    ///
    /// # Errors
    /// [`Fault`] where the copy is damaged, or cannot be opened.
    pub fn try_out(&self, canaries: &[Canary], digest: &str) -> Result<Drilled, Fault> {
        let archive = Archive::open(&self.folder.join(FILE))?;
        let config = Config {
            directory: self.folder.join(DATA),
            ..store::Config::default()
        };
        let order = Order {
            replace: false,
            raise_epoch: false,
            standing: Standing::Undecided,
        };
        install(&archive, &config, order)?;
        let began = Instant::now();
        let reads = read_only(&config)?;
        let mut differences = reads.compare_canaries(canaries)?;
        let ready_after = began.elapsed();
        if reads.bookmark()?.digest.to_string() != digest {
            differences.push("the digests differ".to_owned());
        }
        Ok(Drilled {
            ready_after,
            differences,
        })
    }
}

impl Drop for DrillCopy {
    fn drop(&mut self) {
        // What is left goes before the next one, or at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what a crash left.
pub(super) fn clear(folder: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_fault(folder, "removed", error)),
        _ => Ok(()),
    }
}
