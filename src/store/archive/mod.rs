//! Archives: the whole register in one file, as of one commit. People call them snapshots; here that word is taken by
//! the read view.
//!
//! ```text
//! header    magic, version, epoch, sequence, time                  40 bytes
//! chunk     a zstd frame of at most 1 MiB                          as often as it takes
//! manifest  CBOR: whose, as of when, what, and the list of chunks
//! trailer   length and BLAKE3 of the manifest, magic               48 bytes
//! ```
//!
//! The chunks, unpacked and put together, are one stream of records: every table of the data file, raw, read in one
//! transaction. A record may go over the end of a chunk, so that none is too large. Each chunk has its checksum in the
//! manifest, so damage has a place; the manifest is written last and the file is named last, so what is whole is known
//! to be.

mod fault;
mod install;
mod manifest;
mod part;
mod reader;
mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub use fault::ArchiveFault;
pub use install::{Installed, Order, install};
pub use manifest::{Chunk, Header, Manifest, TableCount};
pub use part::{Part, Place};
pub use reader::Archive;
pub use writer::Stamp;

/// What an unfinished file ends with, after its name.
pub const UNFINISHED: &str = ".part";
/// What this program writes. Rises when older programs must not read the file.
const VERSION: u32 = 1;
/// The most bytes of the stream in one chunk. A chunk that does not shrink grows by some dozens of bytes, and must not
/// be more than [`CHUNK_MAX`] even so.
const CHUNK_RAW_MAX: usize = 1024 * 1024 - 4096;
/// The most bytes of a chunk in the file.
const CHUNK_MAX: u64 = 1024 * 1024;
/// The most bytes of a manifest: what would be of some hundred gigabytes.
const MANIFEST_MAX: u64 = 32 * 1024 * 1024;
/// The most bytes of one record, key and value together: what is read is not believed to be longer.
const RECORD_MAX: usize = 256 * 1024 * 1024;
