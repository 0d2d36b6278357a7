//! The stream of records, and its way into chunks: gathered, packed, counted, written.

use std::io::{self, Write};

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::manifest::Chunk;
use super::{CHUNK_RAW_MAX, RECORD_MAX};

/// What stands before a key and its value: what it is, and how long both are.
pub(super) const RECORD_HEAD: usize = 9;

/// What a record of the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The end: there are no more.
    End,
    /// A table begins; the key is its name.
    Table,
    /// A record of that table.
    Record,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::End => 0,
            Self::Table => 1,
            Self::Record => 2,
        }
    }
}

/// The head of a record: its kind, and the lengths of its key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) key: usize,
    pub(super) value: usize,
}

impl Head {
    /// Reads one; `None` where it cannot be one of ours.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (value, _) = rest.split_first_chunk()?;
        let kind = [Kind::End, Kind::Table, Kind::Record]
            .into_iter()
            .find(|kind| kind.code() == *code)?;
        let length = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
        let (key, value) = (length(key)?, length(value)?);
        (key.saturating_add(value) <= RECORD_MAX).then_some(Self { kind, key, value })
    }
}

/// Gathers the stream, and writes each chunk of it once it is full. It holds one chunk and its packed form.
pub(super) struct Packer<W> {
    out: W,
    offset: u64,
    raw: Vec<u8>,
    chunks: Vec<Chunk>,
}

impl<W: Write> Packer<W> {
    /// What is written to `out` begins at this offset of the file.
    pub(super) fn new(out: W, offset: u64) -> Self {
        Self {
            out,
            offset,
            raw: Vec::with_capacity(CHUNK_RAW_MAX),
            chunks: Vec::new(),
        }
    }

    /// How many chunks are written.
    pub(super) const fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Adds a record. What is too large was refused by whoever knows its table.
    pub(super) fn put(&mut self, kind: Kind, key: &[u8], value: &[u8]) -> io::Result<()> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        self.add(&[kind.code()])?;
        self.add(&length(key)?.to_le_bytes())?;
        self.add(&length(value)?.to_le_bytes())?;
        self.add(key)?;
        self.add(value)
    }

    fn add(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = CHUNK_RAW_MAX - self.raw.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.raw.extend_from_slice(now);
            bytes = later;
            if self.raw.len() >= CHUNK_RAW_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let packed = compress_to_vec(self.raw.as_slice(), CompressionLevel::Fastest);
        self.out.write_all(&packed)?;
        let length = u64::try_from(packed.len()).map_err(io::Error::other)?;
        self.chunks.push(Chunk {
            offset: self.offset,
            length,
            raw_length: u64::try_from(self.raw.len()).map_err(io::Error::other)?,
            checksum: *blake3::hash(&packed).as_bytes(),
        });
        self.offset += length;
        self.raw.clear();
        Ok(())
    }

    /// Ends the stream; gives the list of chunks, and what is written to.
    pub(super) fn finish(mut self) -> io::Result<(Vec<Chunk>, W)> {
        self.put(Kind::End, &[], &[])?;
        if !self.raw.is_empty() {
            self.flush()?;
        }
        Ok((self.chunks, self.out))
    }
}
