//! An archive in the coming: fetched piece by piece into a file, and gone on with where it was left.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::fault::{ArchiveFault, io_fault};
use super::manifest::Header;
use crate::domain::{PIECE_BYTES, Piece};

/// What has come of an archive so far. Its first bytes say which one it is.
pub struct Part {
    path: PathBuf,
    file: File,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Of which archive.
    pub id: String,
    /// Which piece is next; the first is 0.
    pub index: u64,
}

impl Part {
    /// Takes up what an earlier run left, or begins.
    ///
    /// # Errors
    /// [`ArchiveFault::Io`] where the file cannot be opened.
    pub fn open(path: PathBuf) -> Result<Self, ArchiveFault> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = opened.map_err(io_fault(&path, "written"))?;
        Ok(Self { path, file })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where to go on; `None` where there is too little to tell. The last piece that is there may be half of one, so it
    /// is fetched again.
    ///
    /// # Errors
    /// [`ArchiveFault::Io`] where the file cannot be read.
    pub fn place(&mut self) -> Result<Option<Place>, ArchiveFault> {
        let mut look = || -> io::Result<Option<Place>> {
            let bytes = self.file.metadata()?.len();
            let mut head = Vec::new();
            self.file.seek(SeekFrom::Start(0))?;
            Read::by_ref(&mut self.file)
                .take(Header::BYTES as u64)
                .read_to_end(&mut head)?;
            Ok(Header::parse(&head).map(|header| Place {
                id: header.to_string(),
                index: bytes.saturating_sub(1) / PIECE_BYTES,
            }))
        };
        look().map_err(io_fault(&self.path, "read"))
    }

    /// Throws away what is there.
    ///
    /// # Errors
    /// [`ArchiveFault::Io`] where the file cannot be written.
    pub fn clear(&mut self) -> Result<(), ArchiveFault> {
        self.file.set_len(0).map_err(io_fault(&self.path, "written"))
    }

    /// Holds a piece against its checksum, and writes it to its place. Says whether it was the last.
    ///
    /// # Errors
    /// [`ArchiveFault::Piece`] where it is not the one that is next, or came damaged; [`ArchiveFault::Io`] where the file
    /// cannot be written.
    pub fn put(&mut self, place: &Place, piece: &Piece) -> Result<bool, ArchiveFault> {
        let is_last = piece.index.saturating_add(1) == piece.chunks;
        let length = u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX);
        let begin = piece.index.saturating_mul(PIECE_BYTES);
        let is_right = piece.id == place.id
            && piece.index == place.index
            && blake3::hash(&piece.bytes).to_hex().as_str() == piece.checksum
            && (is_last || length == PIECE_BYTES)
            && begin.saturating_add(length) <= piece.total_bytes;
        if !is_right {
            return Err(ArchiveFault::Piece(place.index));
        }
        let mut write = || {
            self.file.seek(SeekFrom::Start(begin))?;
            self.file.write_all(&piece.bytes)?;
            // All of it is on disk, and nothing else.
            if is_last {
                self.file.set_len(piece.total_bytes)?;
                self.file.sync_all()?;
            }
            Ok(is_last)
        };
        write().map_err(io_fault(&self.path, "written"))
    }
}
