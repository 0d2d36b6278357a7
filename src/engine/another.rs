//! Another copy of the register: fetched as an archive, and put in the place of the one that is there.

use std::fs;

use super::Fault;
use super::shelf::{io_fault, remove};
use crate::domain::{Position, Standing};
use crate::store;
use crate::store::archive::{Archive, ArchiveFault, Order, Part, install};

/// What has come of the archive so far, beside the data file.
const FILE: &str = "domesday.copy.part";

/// Takes up what has come of another copy, or begins.
///
/// # Errors
/// [`Fault::Archive`] where the data directory cannot be written.
pub fn another_copy(config: &store::Config) -> Result<Part, Fault> {
    let directory = &config.directory;
    fs::create_dir_all(directory).map_err(|source| io_fault(directory, "made", source))?;
    Ok(Part::open(directory.join(FILE))?)
}

/// Puts the copy that was fetched in the place of the register that is there, which no engine has open; in the same epoch.
/// The old data file stays beside it where `keep_old` says so. What fails leaves the old register as it was; a copy that
/// turns out to be damaged is thrown away.
///
/// # Errors
/// [`Fault::Archive`] where the copy is damaged or of another cluster, somebody has the data directory open, or the disk
/// does not let us.
pub fn install_another(
    config: &store::Config,
    cluster: &str,
    standing: Standing,
    keep_old: bool,
) -> Result<Position, Fault> {
    let file = config.directory.join(FILE);
    let order = Order {
        replace: true,
        raise_epoch: false,
        standing,
    };
    let installed = Archive::open(&file).and_then(|archive| {
        if archive.manifest().cluster != cluster {
            let what = format!(
                "it is of cluster {}, and not of {cluster}",
                archive.manifest().cluster
            );
            return Err(ArchiveFault::Content {
                file: file.clone(),
                what,
            });
        }
        install(&archive, config, order)
    });
    match installed {
        Ok(installed) => {
            remove(&file)?;
            if let Some(old) = installed.kept.filter(|_| !keep_old) {
                remove(&old)?;
            }
            Ok(installed.position)
        }
        Err(fault) => {
            if fault.is_damage() {
                remove(&file)?;
            }
            Err(fault.into())
        }
    }
}
