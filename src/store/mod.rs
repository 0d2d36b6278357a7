//! The `store` room: durable truth, in one redb file.
//!
//! One write transaction holds all that a batch of commands changes: entities, tombstones, memberships, the change log
//! (which is the outbox too: the relay publishes it in order), and the receipts of the inbox. Only its commit makes a
//! [`Committed`], and only a committed thing is applied, published or answered.

pub mod archive;
mod chain;
mod history;
mod parcel;
mod record;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, TableError};
use serde::Deserialize;

use crate::domain::{Position, Standing};

pub use parcel::Unpacked;
pub use record::RecordFault;
pub use snapshot::{ReceiptMark, Snapshot};
pub use transaction::{Answered, Transaction};

/// The file in the data directory that holds everything.
const FILE: &str = "domesday.redb";
/// A file of that sort in the making. A crash leaves it behind, and it is made anew.
const FILE_NEW: &str = "domesday.redb.new";
/// The folder of the index in the data directory; it can be deleted while nobody has the directory open.
pub const INDEX_FOLDER: &str = "index";
/// What this program writes. Rises when older programs must not open the file any more.
const FORMAT: u64 = 1;

/// Where and how the store keeps its data.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data directory; made when it is missing.
    pub directory: PathBuf,
    /// Memory for pages of the file, in bytes.
    pub cache_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("domesday-data"),
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// How to get another data file in the place of one that is damaged.
const ANOTHER: &str = "move the data directory away, and restore a snapshot (`domesday snapshot restore`), or begin \
                       with an empty directory, beside another instance of the namespace or as its secondary, and get \
                       a copy from that";

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Another process has the data directory open.
    #[error(
        "the data directory {0} is in use by another process: stop that one first, or give this one a directory of its own (store.directory)"
    )]
    InUse(PathBuf),
    /// A newer program wrote the data directory.
    #[error(
        "the data directory {directory} has format {found}, this program knows up to {FORMAT}: use the program that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The data directory.
        directory: PathBuf,
        /// Its format.
        found: u64,
    },
    /// The file is not a database of ours.
    #[error("{0} is not a domesday data file: move it away, or choose another directory (store.directory)")]
    Foreign(PathBuf),
    /// The directory cannot be made.
    #[error("the data directory {directory} cannot be made")]
    Directory {
        /// The data directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record cannot be read or written.
    #[error("the {what} {key} cannot be read or written")]
    Record {
        /// What sort of record.
        what: &'static str,
        /// Which.
        key: String,
        /// Why.
        source: RecordFault,
    },
    /// The data file is not as it was written.
    #[error("the data file is damaged: {ANOTHER}")]
    Damaged(#[source] redb::Error),
    /// The data file is so far from what was written that reading it panicked.
    #[error("the data file is damaged, or reading it met a defect of ours: {ANOTHER}")]
    Unreadable,
    /// The database failed.
    #[error("the data file failed")]
    Database(#[source] redb::Error),
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Corrupted(_) => Self::Damaged(error),
            error => Self::Database(error),
        }
    }
}

impl Fault {
    /// Whether starting again is useless until a person has changed a setting or moved a file.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::InUse(_)
            | Self::NewerFormat { .. }
            | Self::Foreign(_)
            | Self::Directory { .. }
            | Self::Damaged(_)
            | Self::Unreadable => true,
            Self::Record { .. } | Self::Database(_) => false,
        }
    }
}

macro_rules! database_faults {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

database_faults!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SetDurabilityError
);

/// The durable truth of one instance.
pub struct Store {
    database: Database,
}

/// What a transaction gave, once it is on disk. Nothing but a commit makes one.
#[derive(Debug)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    /// What is on disk now.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// What the store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The cluster that the data belongs to.
    pub cluster: String,
    /// The name of this copy of the register, which no other has; none before it is given.
    pub instance: Option<String>,
    /// The last event.
    pub position: Position,
    /// The sequence after which its epoch began; zero where that was not written down.
    pub began: u64,
    /// Its place among the copies of the register.
    pub standing: Standing,
    /// The sequence of the last event that the broker has confirmed, as far as it was written down.
    pub published: u64,
    /// The sequence of the last event that other instances can have, as far as it was written down.
    pub shipped: u64,
}

impl Store {
    /// Opens the data directory, or makes it as that of a new cluster.
    ///
    /// # Errors
    /// [`Fault::InUse`] where another process has it open, [`Fault::NewerFormat`] where a newer program wrote it,
    /// [`Fault::Foreign`] where the file is something else, [`Fault::Directory`] and [`Fault::Database`] where the disk
    /// does not let us.
    pub fn open(config: &Config, new_cluster: &str) -> Result<Self, Fault> {
        let directory = &config.directory;
        let file = directory.join(FILE);
        if !file.exists() {
            make_file(config, &file, new_cluster)?;
        }
        Self::over(open_database(config, &file)?, directory, new_cluster)
    }

    /// Whether the data directory holds a register.
    pub fn is_there(config: &Config) -> bool {
        config.directory.join(FILE).exists()
    }

    /// Takes a database as ours, once its format is one that we know.
    fn over(database: Database, directory: &Path, new_cluster: &str) -> Result<Self, Fault> {
        let store = Self { database };
        store.check_format(directory, new_cluster)?;
        Ok(store)
    }

    /// Looks before it writes: what is not ours, or is a newer program's, stays as it is.
    fn check_format(&self, directory: &Path, new_cluster: &str) -> Result<(), Fault> {
        let foreign = || Fault::Foreign(directory.join(FILE));
        let reading = self.database.begin_read()?;
        let format = match Snapshot::format(&reading) {
            Ok(format) => format,
            Err(TableError::TableTypeMismatch { .. }) => return Err(foreign()),
            Err(error) => return Err(error.into()),
        };
        let is_empty = reading.list_tables()?.next().is_none();
        let is_whole = Snapshot::open(&reading).is_ok();
        drop(reading);
        match format {
            Some(found) if found > FORMAT => Err(Fault::NewerFormat {
                directory: directory.to_owned(),
                found,
            }),
            Some(_) if is_whole => Ok(()),
            // An older program wrote it, which knew fewer tables. To open them for writing makes them.
            Some(_) => {
                let noted = self.transact::<_, Fault>(|disk| {
                    disk.note_all_history()?;
                    Ok(())
                });
                noted.map(Committed::into_inner)
            }
            None if is_empty => {
                let made = self.transact(|transaction| transaction.initialise(FORMAT, new_cluster));
                made.map(Committed::into_inner)
            }
            None => Err(foreign()),
        }
    }

    /// Runs one write transaction. What `work` gives counts only once it is on disk; where it fails, nothing of it is.
    ///
    /// # Errors
    /// What `work` failed with, or [`Fault::Database`] where the transaction could not begin or commit.
    pub fn transact<T, E: From<Fault>>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<Committed<T>, E> {
        let mut writing = self.database.begin_write().map_err(Fault::from)?;
        // Costs nothing in batches, and makes opening after a crash a matter of milliseconds.
        writing.set_two_phase_commit(true);
        writing.set_quick_repair(true);
        let given = work(&mut Transaction::open(&writing)?)?;
        writing.commit().map_err(Fault::from)?;
        Ok(Committed(given))
    }

    /// The state as of the last commit, to read from while others write.
    ///
    /// # Errors
    /// [`Fault::Database`] where the file cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, Fault> {
        Snapshot::open(&self.database.begin_read()?)
    }
}

/// Makes the file beside its place, and moves it there once it is whole: one that a crash left half made could not be
/// told from something that is not ours.
fn make_file(config: &Config, file: &Path, new_cluster: &str) -> Result<(), Fault> {
    let directory = &config.directory;
    let unable = |source| Fault::Directory {
        directory: directory.clone(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(unable)?;
    let new = directory.join(FILE_NEW);
    let database = match open_database(config, &new) {
        Err(Fault::Foreign(_)) => {
            std::fs::remove_file(&new).map_err(unable)?;
            open_database(config, &new)
        }
        opened => opened,
    };
    // Held until the end: whoever else is here waits for its lock in vain, or finds the file in its place.
    let _store = Store::over(database?, directory, new_cluster)?;
    if file.exists() {
        return std::fs::remove_file(&new).map_err(unable);
    }
    std::fs::rename(&new, file).map_err(unable)?;
    if cfg!(unix) {
        let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(unable)?;
    }
    Ok(())
}

fn open_database(config: &Config, file: &Path) -> Result<Database, Fault> {
    Database::builder()
        .set_cache_size(config.cache_bytes)
        .create(file)
        .map_err(|error| open_fault(error, &config.directory, file))
}

fn open_fault(error: redb::DatabaseError, directory: &Path, file: &Path) -> Fault {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => Fault::InUse(directory.to_owned()),
        redb::DatabaseError::Storage(redb::StorageError::Io(ref io))
            if io.kind() == std::io::ErrorKind::InvalidData =>
        {
            Fault::Foreign(file.to_owned())
        }
        other => redb::Error::from(other).into(),
    }
}
