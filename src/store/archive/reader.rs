//! Reading an archive: its manifest, its chunks, its records, and the proof that it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ruzstd::decoding::StreamingDecoder;

use super::fault::{ArchiveFault, io_fault};
use super::manifest::{HEADER_BYTES, Header, HeaderFault, Manifest, TRAILER_BYTES, read_trailer};
use super::rows::{Run, TABLES};
use super::stream::{Head, Kind, RECORD_HEAD};
use super::{CHUNK_MAX, CHUNK_RAW_MAX, MANIFEST_MAX};
use crate::domain::Digest;
use crate::store::snapshot::read_live;
use crate::store::tables::{self, entity_key};
use crate::store::{FORMAT, Fault};

/// An archive that is open to be read. Its manifest is whole; of its chunks that is known only once they are read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Mutex<File>,
    bytes: u64,
    manifest: Manifest,
}

impl Archive {
    /// Opens a file and reads its manifest.
    ///
    /// # Errors
    /// [`ArchiveFault`] where it cannot be read, is something else, is cut short, is of a newer program, or is damaged around
    /// its chunks.
    pub fn open(path: &Path) -> Result<Self, ArchiveFault> {
        let unable = || io_fault(path, "read");
        let mut file = File::open(path).map_err(unable())?;
        let bytes = file.metadata().map_err(unable())?.len();
        let mut head = Vec::with_capacity(HEADER_BYTES);
        file.by_ref()
            .take(HEADER_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(unable())?;
        let header = Header::read(&head).map_err(|fault| match fault {
            HeaderFault::Foreign => ArchiveFault::Foreign(path.to_owned()),
            HeaderFault::Newer(found) => ArchiveFault::Newer {
                file: path.to_owned(),
                found,
            },
        })?;
        let cut = || ArchiveFault::Cut(path.to_owned());
        let damaged = |part| ArchiveFault::Contents {
            file: path.to_owned(),
            part,
        };
        let trailer_at = bytes.checked_sub(TRAILER_BYTES as u64).ok_or_else(cut)?;
        let trailer = read_at(&mut file, trailer_at, TRAILER_BYTES).map_err(unable())?;
        let (length, checksum) = read_trailer(&trailer).ok_or_else(cut)?;
        let manifest_at = trailer_at
            .checked_sub(length)
            .filter(|at| *at >= HEADER_BYTES as u64 && length <= MANIFEST_MAX)
            .ok_or_else(|| damaged("trailer"))?;
        let length = usize::try_from(length).map_err(|_| damaged("trailer"))?;
        let manifest = read_at(&mut file, manifest_at, length).map_err(unable())?;
        if *blake3::hash(&manifest).as_bytes() != checksum {
            return Err(damaged("list of contents"));
        }
        let manifest = Manifest::decode(&manifest).ok_or_else(|| damaged("list of contents"))?;
        if manifest.format > FORMAT {
            return Err(ArchiveFault::NewerData {
                file: path.to_owned(),
                found: manifest.format,
                known: FORMAT,
            });
        }
        if manifest.header() != header {
            return Err(damaged("header"));
        }
        if !is_sound(&manifest, manifest_at) {
            return Err(damaged("list of contents"));
        }
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            bytes,
            manifest,
        })
    }

    /// What it says of itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of the file.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One chunk, checked and unpacked; the first is 0, and there is none after the last.
    ///
    /// # Errors
    /// [`ArchiveFault`] where the file cannot be read, or the chunk is damaged.
    pub fn chunk(&self, index: usize) -> Result<Option<Vec<u8>>, ArchiveFault> {
        let Some(chunk) = self.manifest.chunks.get(index) else {
            return Ok(None);
        };
        let damaged = |what| ArchiveFault::Chunk {
            file: self.path.clone(),
            index,
            chunks: self.manifest.chunks.len(),
            offset: chunk.offset,
            end: chunk.offset + chunk.length,
            what,
        };
        let length = usize::try_from(chunk.length).map_err(|_| damaged("is too long"))?;
        let packed = {
            // A poisoned lock guards a file whose place is set anew by each that reads.
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            read_at(&mut file, chunk.offset, length).map_err(io_fault(&self.path, "read"))?
        };
        if *blake3::hash(&packed).as_bytes() != chunk.checksum {
            return Err(damaged("is not what its checksum says"));
        }
        let mut raw = Vec::with_capacity(CHUNK_RAW_MAX);
        let unpacked = StreamingDecoder::new(packed.as_slice())
            .map_err(io::Error::other)
            .and_then(|unpacking| unpacking.take(chunk.raw_length + 1).read_to_end(&mut raw));
        match unpacked {
            Ok(length) if length as u64 == chunk.raw_length => Ok(Some(raw)),
            _ => Err(damaged("cannot be unpacked")),
        }
    }

    /// Reads all of it, and holds it against what it says of itself: checksums, counts, the digest of the live entities,
    /// whose it is and as of when.
    ///
    /// # Errors
    /// [`ArchiveFault`] with the first thing that is wrong, and where.
    pub fn verify(&self) -> Result<(), ArchiveFault> {
        self.each_run(&mut |_, _| Ok(()))
    }

    /// Shows all records in runs of one table, each of a few megabytes, and proves the whole at the end: what was shown
    /// counts only then.
    pub(super) fn each_run(
        &self,
        visit: &mut dyn FnMut(usize, Run) -> Result<(), ArchiveFault>,
    ) -> Result<(), ArchiveFault> {
        let mut proof = Proof::default();
        let mut records = Records {
            archive: self,
            next_chunk: 0,
            buffer: Vec::new(),
            at: 0,
        };
        let mut table = None;
        let mut run = Run::new();
        let mut run_bytes = 0;
        loop {
            let (head, key, value) = records.next()?;
            if head.kind != Kind::Record || run_bytes > CHUNK_RAW_MAX {
                if let Some(table) = table.filter(|_| !run.is_empty()) {
                    visit(table, std::mem::take(&mut run))?;
                }
                run_bytes = 0;
            }
            match head.kind {
                Kind::Table => {
                    let place = TABLES.iter().position(|rows| rows.table().as_bytes() == key);
                    let Some(place) = place else {
                        let name = String::from_utf8_lossy(&key).into_owned();
                        return Err(
                            self.contradiction(format!("it has a table `{name}`, which nobody knows"))
                        );
                    };
                    table = Some(place);
                }
                Kind::Record => {
                    let Some(rows) = table.and_then(|place| TABLES.get(place)) else {
                        return Err(self.contradiction("it has a record before its first table"));
                    };
                    proof.take(rows.table(), &key, &value)?;
                    run_bytes += key.len() + value.len();
                    run.push((key, value));
                }
                Kind::End => break,
            }
        }
        if !records.is_at_end()? {
            return Err(self.contradiction("it goes on after its end"));
        }
        proof.hold(self)
    }

    pub(super) fn contradiction(&self, what: impl Into<String>) -> ArchiveFault {
        ArchiveFault::Content {
            file: self.path.clone(),
            what: what.into(),
        }
    }
}

/// Whether the chunks fill the file from the header to the manifest, and none is too large.
fn is_sound(manifest: &Manifest, manifest_at: u64) -> bool {
    let mut at = HEADER_BYTES as u64;
    for chunk in &manifest.chunks {
        let fits = chunk.length <= CHUNK_MAX && chunk.raw_length <= CHUNK_RAW_MAX as u64;
        if chunk.offset != at || !fits {
            return false;
        }
        at += chunk.length;
    }
    at == manifest_at
}

fn read_at(file: &mut File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The records of an archive, one after the other. It holds one chunk and the record at its end.
struct Records<'a> {
    archive: &'a Archive,
    next_chunk: usize,
    buffer: Vec<u8>,
    /// What of the buffer is used up.
    at: usize,
}

impl Records<'_> {
    fn next(&mut self) -> Result<(Head, Vec<u8>, Vec<u8>), ArchiveFault> {
        let head = Head::read(self.take(RECORD_HEAD)?);
        let head = head.ok_or_else(|| self.archive.contradiction("it has a record that is none"))?;
        let key = self.take(head.key)?.to_vec();
        let value = self.take(head.value)?.to_vec();
        Ok((head, key, value))
    }

    fn take(&mut self, length: usize) -> Result<&[u8], ArchiveFault> {
        while self.buffer.len() - self.at < length {
            if !self.load()? {
                return Err(self.archive.contradiction("it ends within a record"));
            }
        }
        let from = self.at;
        self.at += length;
        Ok(self.buffer.get(from..self.at).unwrap_or_default())
    }

    fn load(&mut self) -> Result<bool, ArchiveFault> {
        let Some(chunk) = self.archive.chunk(self.next_chunk)? else {
            return Ok(false);
        };
        self.next_chunk += 1;
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend(chunk);
        Ok(true)
    }

    fn is_at_end(&mut self) -> Result<bool, ArchiveFault> {
        Ok(self.at == self.buffer.len() && !self.load()?)
    }
}

/// What is found in the records, to be held against the manifest.
#[derive(Default)]
struct Proof {
    counts: BTreeMap<String, u64>,
    digest: Digest,
    numbers: BTreeMap<Vec<u8>, u64>,
    cluster: Vec<u8>,
}

impl Proof {
    fn take(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        match self.counts.get_mut(table) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(table.to_owned(), 1)),
        }
        match table {
            tables::LIVE_NAME => {
                let named = String::from_utf8_lossy(key);
                let live = read_live(value, &named)?;
                let place = live.document.key();
                if entity_key(&place) != key {
                    return Err(Fault::Record {
                        what: "entity",
                        key: named.into_owned(),
                        source: crate::store::RecordFault::Meaning("it is kept under the key of another"),
                    });
                }
                self.digest.add(&place, live.revision);
            }
            tables::NUMBERS_NAME => {
                if let Ok(bytes) = value.try_into() {
                    self.numbers.insert(key.to_vec(), u64::from_le_bytes(bytes));
                }
            }
            tables::TEXTS_NAME if key == tables::CLUSTER_KEY.as_bytes() => {
                value.clone_into(&mut self.cluster);
            }
            _ => {}
        }
        Ok(())
    }

    fn hold(&self, archive: &Archive) -> Result<(), ArchiveFault> {
        let manifest = archive.manifest();
        for count in &manifest.tables {
            let found = self.counts.get(&count.name).copied().unwrap_or_default();
            if found != count.records {
                let what = format!("table {} has {found} records of {}", count.name, count.records);
                return Err(archive.contradiction(what));
            }
        }
        if let Some(name) = self.counts.keys().find(|name| manifest.records(name) == 0) {
            return Err(archive.contradiction(format!("table {name} is not in its list")));
        }
        let number = |key: &str| self.numbers.get(key.as_bytes()).copied().unwrap_or_default();
        let position = (number(tables::EPOCH_KEY), number(tables::SEQUENCE_KEY));
        if position != (manifest.epoch, manifest.sequence) || number(tables::FORMAT_KEY) != manifest.format {
            return Err(archive.contradiction("its records are as of another moment than it says"));
        }
        if self.cluster != manifest.cluster.as_bytes() {
            return Err(archive.contradiction("its records are of another cluster than it says"));
        }
        let digest = self.digest.to_string();
        if digest != manifest.digest {
            let what = format!(
                "the digest of its live entities is {digest}, and should be {}",
                manifest.digest
            );
            return Err(archive.contradiction(what));
        }
        Ok(())
    }
}
