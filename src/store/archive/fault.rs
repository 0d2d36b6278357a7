//! Why an archive could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

use super::VERSION;
use crate::store::Fault;

/// Why an archive could not be written, read or installed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// The file system does not let us.
    #[error("{} cannot be {doing}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What was tried, as in "cannot be read".
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a snapshot of a domesday register", .0.display())]
    Foreign(PathBuf),
    /// A newer program wrote the file.
    #[error(
        "the snapshot {} has version {found}, this program knows up to {VERSION}: use the program that wrote it, or a newer one",
        file.display()
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A newer program wrote the data that is in the file.
    #[error(
        "the snapshot {} holds data of format {found}, this program knows up to {known}: use the program that wrote it, or a newer one",
        file.display()
    )]
    NewerData {
        /// Which file.
        file: PathBuf,
        /// The format of the data.
        found: u64,
        /// The newest that this program knows.
        known: u64,
    },
    /// The end is missing.
    #[error("the snapshot {} is cut short: its end is missing", .0.display())]
    Cut(PathBuf),
    /// The list of contents is damaged.
    #[error("the snapshot {} is damaged in its {part}", file.display())]
    Contents {
        /// Which file.
        file: PathBuf,
        /// Which part of the frame around the chunks.
        part: &'static str,
    },
    /// A chunk is damaged.
    #[error("the snapshot {} is damaged: chunk {index} of {chunks} (bytes {offset} to {end}) {what}", file.display())]
    Chunk {
        /// Which file.
        file: PathBuf,
        /// Which chunk, the first is 0.
        index: usize,
        /// How many there are.
        chunks: usize,
        /// Where it begins in the file.
        offset: u64,
        /// Where it ends.
        end: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The chunks are whole, and what is in them is not what the manifest says.
    #[error("the snapshot {} contradicts itself: {what}", file.display())]
    Content {
        /// Which file.
        file: PathBuf,
        /// In what.
        what: String,
    },
    /// A record is too large for an archive.
    #[error("a record of table {table} has {bytes} bytes, which is more than a snapshot can hold")]
    Oversized {
        /// The table.
        table: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// A piece came damaged on its way, or is another than was asked for.
    #[error("piece {0} of the snapshot came damaged")]
    Piece(u64),
    /// It was told to stop.
    #[error("the snapshot was not finished: the server stops")]
    Stopped,
    /// There is a register in the directory, and it was not said that it may be replaced.
    #[error("there is a register in {} already", .0.display())]
    Occupied(PathBuf),
    /// The data file failed, or is in use.
    #[error(transparent)]
    Store(#[from] Fault),
}

macro_rules! through_the_store {
    ($($error:ty),*) => {$(
        impl From<$error> for ArchiveFault {
            fn from(error: $error) -> Self {
                Self::Store(Fault::from(error))
            }
        }
    )*};
}

through_the_store!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError
);

impl ArchiveFault {
    /// Whether the file that was read is to blame, and not the disk or the way there.
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Foreign(_)
                | Self::Newer { .. }
                | Self::NewerData { .. }
                | Self::Cut(_)
                | Self::Contents { .. }
                | Self::Chunk { .. }
                | Self::Content { .. }
        )
    }
}

/// A failure of the file system, as a function for `map_err`.
pub(super) fn io_fault<'a>(
    file: &'a Path,
    doing: &'static str,
) -> impl FnOnce(io::Error) -> ArchiveFault + 'a {
    move |source| ArchiveFault::Io {
        file: file.to_owned(),
        doing,
        source,
    }
}
