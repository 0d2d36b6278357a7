//! What stands around the chunks of an archive: the header, the manifest, the trailer.

use std::fmt;

use minicbor::{CborLen, Decode, Encode};

use super::VERSION;
use crate::domain::{Position, Timestamp};

/// What a file begins with.
const MAGIC: &[u8; 12] = b"domesdaysnap";
/// What a whole file ends with.
const MAGIC_END: &[u8; 8] = b"snapends";
/// The bytes of a header.
pub(super) const HEADER_BYTES: usize = 40;
/// The bytes of a trailer.
pub(super) const TRAILER_BYTES: usize = 48;

/// What is known of an archive from its first bytes. It tells one archive from every other of the same cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the archive is true as of.
    pub position: Position,
    /// When it was made.
    pub time: Timestamp,
}

/// Why bytes are no header of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Foreign,
    Newer(u32),
}

impl Header {
    /// How many bytes it takes to read it.
    pub const BYTES: usize = HEADER_BYTES;

    /// Reads the first bytes of a file, which may be one that is not finished; `None` where they are not ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(HeaderFault::Foreign)?;
        let (version, rest) = rest.split_first_chunk().ok_or(HeaderFault::Foreign)?;
        let version = u32::from_le_bytes(*version);
        if version > VERSION {
            return Err(HeaderFault::Newer(version));
        }
        let (epoch, rest) = rest.split_first_chunk().ok_or(HeaderFault::Foreign)?;
        let (sequence, rest) = rest.split_first_chunk().ok_or(HeaderFault::Foreign)?;
        let (time, _) = rest.split_first_chunk().ok_or(HeaderFault::Foreign)?;
        Ok(Self {
            position: Position {
                epoch: u64::from_le_bytes(*epoch),
                sequence: u64::from_le_bytes(*sequence),
            },
            time: Timestamp(i64::from_le_bytes(*time)),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let Self {
            position: Position { epoch, sequence },
            time,
        } = self;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(epoch.to_le_bytes());
        bytes.extend(sequence.to_le_bytes());
        bytes.extend(time.0.to_le_bytes());
        bytes
    }

    /// Reads what [`Header`] writes of itself: `1-22-1760000000000000`.
    pub fn parse_id(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let position = Position {
            epoch: parts.next()?.parse().ok()?,
            sequence: parts.next()?.parse().ok()?,
        };
        let time = Timestamp(parts.next()?.parse().ok()?);
        let header = Self { position, time };
        // One archive has one name.
        (header.to_string() == text).then_some(header)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { epoch, sequence } = self.position;
        write!(f, "{epoch}-{sequence}-{}", self.time.0)
    }
}

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Manifest {
    /// The identity of the cluster.
    #[n(0)]
    pub cluster: String,
    /// The epoch that it is true as of.
    #[n(1)]
    pub epoch: u64,
    /// The sequence that it is true as of.
    #[n(2)]
    pub sequence: u64,
    /// The digest of all live entities, as 64 hexadecimal digits.
    #[n(3)]
    pub digest: String,
    /// When it was made, in microseconds since 1970.
    #[n(4)]
    pub time_us: i64,
    /// The version of the program that made it.
    #[n(5)]
    pub program: String,
    /// The format of the data file that it was made of.
    #[n(6)]
    pub format: u64,
    /// How many records each table has, in the order of the stream.
    #[n(7)]
    pub tables: Vec<TableCount>,
    /// The chunks, in the order of the file.
    #[n(8)]
    pub chunks: Vec<Chunk>,
}

/// How many records a table has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct TableCount {
    /// The table.
    #[n(0)]
    pub name: String,
    /// Its records.
    #[n(1)]
    pub records: u64,
}

/// Where a chunk is, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Chunk {
    /// Where it begins in the file.
    #[n(0)]
    pub offset: u64,
    /// Its bytes in the file.
    #[n(1)]
    pub length: u64,
    /// Its bytes unpacked.
    #[n(2)]
    pub raw_length: u64,
    /// BLAKE3 of its bytes in the file.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub checksum: [u8; 32],
}

impl Manifest {
    /// The archive as its header has it.
    pub const fn header(&self) -> Header {
        Header {
            position: Position {
                epoch: self.epoch,
                sequence: self.sequence,
            },
            time: Timestamp(self.time_us),
        }
    }

    /// The records of one table.
    pub fn records(&self, table: &str) -> u64 {
        let found = self.tables.iter().find(|count| count.name == table);
        found.map_or(0, |count| count.records)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }
}

/// The end of a file whose manifest is this.
pub(super) fn write_trailer(manifest: &[u8]) -> Vec<u8> {
    let mut bytes = u64::try_from(manifest.len())
        .unwrap_or(u64::MAX)
        .to_le_bytes()
        .to_vec();
    bytes.extend(blake3::hash(manifest).as_bytes());
    bytes.extend(MAGIC_END);
    bytes
}

/// The length of the manifest and its checksum; `None` where these are not the last bytes of a whole file.
pub(super) fn read_trailer(bytes: &[u8]) -> Option<(u64, [u8; 32])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, end) = rest.split_first_chunk()?;
    (end == MAGIC_END).then(|| (u64::from_le_bytes(*length), *checksum))
}
