//! The shelf: snapshots that are handed out piece by piece to whoever asks, a few at a time.
//!
//! A reader pulls: it asks for one piece after the other. So a reader that is slow, or gone, costs a file and nothing
//! else, and one whose connection broke asks for the piece that it lacks.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Clock, Fault, Reads};
use crate::domain::{Answer, Findings, Offer, PIECE_BYTES, Piece, Position, Problem, ProblemKind, Timestamp};
use crate::store::archive::{Archive, ArchiveFault, Header};

/// The folder in the data directory.
const FOLDER: &str = "snapshots";
/// The ending of the files in it.
const ENDING: &str = ".snapshot";
/// A file in the making.
const NEW: &str = "new";
/// How many are kept at most; the one that nobody has asked of for the longest time goes.
const KEPT_MAX: usize = 4;
/// How long one is kept that nobody asks of.
const UNUSED_MS: u64 = 3_600_000;

/// The snapshots that are handed out.
pub struct Shelf {
    folder: PathBuf,
    reads: Arc<Reads>,
    clock: Clock,
    /// Held by the one that makes a snapshot.
    making: Mutex<()>,
    volumes: Mutex<Vec<Volume>>,
}

/// One snapshot on the shelf.
struct Volume {
    header: Header,
    digest: String,
    bytes: u64,
    /// When somebody asked of it last.
    used: Timestamp,
}

impl Volume {
    fn offer(&self) -> Answer {
        let offer = Offer {
            id: self.header.to_string(),
            digest: self.digest.clone(),
            time: self.header.time,
            chunks: pieces(self.bytes),
            bytes: self.bytes,
        };
        answer(self.header.position, Findings::Offer(offer))
    }
}

/// In how many pieces a file is handed out.
const fn pieces(bytes: u64) -> u64 {
    bytes.div_ceil(PIECE_BYTES)
}

fn answer(as_of: Position, findings: Findings) -> Answer {
    Answer {
        as_of,
        findings,
        total: 1,
        truncated: None,
        next: None,
    }
}

impl Shelf {
    /// Takes over what an earlier run left, as far as it is of this register; half a file is not. What cannot be read or
    /// removed is no reason for a register not to start.
    pub(super) fn open(directory: &Path, reads: Arc<Reads>, clock: Clock) -> Self {
        let shelf = Self {
            folder: directory.join(FOLDER),
            reads,
            clock,
            making: Mutex::new(()),
            volumes: Mutex::default(),
        };
        if let Err(fault) = shelf.take_over() {
            let fault = &fault as &dyn std::error::Error;
            tracing::warn!(fault, "old snapshots cannot be looked through");
        }
        shelf
    }

    fn take_over(&self) -> Result<(), Fault> {
        let now = (self.clock)();
        for path in files_in(&self.folder)? {
            match volume(&path, &self.reads, now) {
                Some(volume) => self.volumes().push(volume),
                None => remove(&path)?,
            }
        }
        self.tidy(KEPT_MAX)
    }

    /// Offers a snapshot that was made after `asked`, or before it by `max_age_ms` at most; makes one where there is none.
    /// One is made at a time, and whoever waits for it gets it, too. Takes seconds for a large register.
    ///
    /// # Errors
    /// A problem where it cannot be made now.
    pub fn begin(&self, asked: Timestamp, max_age_ms: u64) -> Result<Answer, Box<Problem>> {
        // A poisoned lock guards nothing: the file of one who panicked is written over.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = asked.minus_ms(max_age_ms);
        if let Some(offer) = self.young(oldest) {
            return Ok(offer);
        }
        self.make().map_err(|fault| {
            tracing::error!(
                fault = &fault as &dyn std::error::Error,
                "a snapshot could not be made"
            );
            let problem = Problem::new(ProblemKind::Unavailable, "no snapshot could be made");
            Box::new(problem.hint("the log of the server says why; ask again once that is mended"))
        })
    }

    /// A piece of a snapshot that was offered.
    ///
    /// # Errors
    /// A problem: the snapshot is not there, or not any more; it has no such piece; or it cannot be read.
    pub fn chunk(&self, id: &str, index: u64) -> Result<Answer, Box<Problem>> {
        let now = (self.clock)();
        let found = Header::parse_id(id).and_then(|header| {
            let mut volumes = self.volumes();
            let volume = volumes.iter_mut().find(|volume| volume.header == header)?;
            volume.used = now;
            Some((header, volume.bytes))
        });
        let Some((header, total_bytes)) = found else {
            let problem = Problem::new(
                ProblemKind::NotFound,
                "there is no such snapshot, or not any more",
            );
            return Err(Box::new(
                problem
                    .at("/args/id")
                    .hint("ask `snapshot.begin` for a new one, and begin again"),
            ));
        };
        let chunks = pieces(total_bytes);
        if index >= chunks {
            let detail = format!(
                "the snapshot has {chunks} chunks, from 0 to {}",
                chunks.saturating_sub(1)
            );
            return Err(Box::new(
                Problem::new(ProblemKind::Invalid, detail).at("/args/index"),
            ));
        }
        let bytes = read_piece(&self.path(header), index).map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                id,
                "a snapshot cannot be read"
            );
            Box::new(Problem::new(
                ProblemKind::Unavailable,
                "the snapshot cannot be read",
            ))
        })?;
        let piece = Piece {
            id: id.to_owned(),
            index,
            chunks,
            total_bytes,
            checksum: blake3::hash(&bytes).to_hex().to_string(),
            bytes,
        };
        Ok(answer(header.position, Findings::Piece(piece)))
    }

    /// Removes what nobody has asked of for an hour.
    ///
    /// # Errors
    /// [`Fault`] where a file cannot be removed.
    pub fn sweep(&self) -> Result<(), Fault> {
        self.tidy(KEPT_MAX)
    }

    fn young(&self, oldest: Timestamp) -> Option<Answer> {
        let now = (self.clock)();
        let mut volumes = self.volumes();
        let young = volumes.iter_mut().filter(|volume| volume.header.time >= oldest);
        let volume = young.max_by_key(|volume| volume.header.time)?;
        volume.used = now;
        Some(volume.offer())
    }

    fn make(&self) -> Result<Answer, Fault> {
        fs::create_dir_all(&self.folder).map_err(|source| io_fault(&self.folder, "made", source))?;
        // First, so that there are never more than so many, and there is room for the next.
        self.tidy(KEPT_MAX - 1)?;
        let now = (self.clock)();
        let new = self.folder.join(NEW);
        let manifest = self.reads.write_archive(&new, now)?;
        let header = manifest.header();
        let path = self.path(header);
        fs::rename(&new, &path).map_err(|source| io_fault(&path, "written", source))?;
        let bytes = fs::metadata(&path)
            .map_err(|source| io_fault(&path, "read", source))?
            .len();
        tracing::info!(
            sequence = manifest.sequence,
            bytes,
            "a snapshot is made, to be fetched"
        );
        let volume = Volume {
            header,
            digest: manifest.digest,
            bytes,
            used: now,
        };
        let offer = volume.offer();
        self.volumes().push(volume);
        Ok(offer)
    }

    /// Removes what is not used, and so many of the rest that `most` stay.
    fn tidy(&self, most: usize) -> Result<(), Fault> {
        let oldest = (self.clock)().minus_ms(UNUSED_MS);
        let gone = {
            let mut volumes = self.volumes();
            volumes.sort_by_key(|volume| std::cmp::Reverse(volume.used));
            let used = volumes.iter().take_while(|volume| volume.used >= oldest).count();
            volumes.split_off(used.min(most))
        };
        gone.iter()
            .try_for_each(|volume| remove(&self.path(volume.header)))
    }

    fn path(&self, header: Header) -> PathBuf {
        self.folder.join(format!("{header}{ENDING}"))
    }

    fn volumes(&self) -> MutexGuard<'_, Vec<Volume>> {
        // A poisoned lock guards a whole list: it is changed in one step.
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file in the folder is; `None` where it is of no use.
fn volume(path: &Path, reads: &Reads, now: Timestamp) -> Option<Volume> {
    let name = path.file_name()?.to_str()?;
    let named = Header::parse_id(name.strip_suffix(ENDING)?)?;
    let archive = Archive::open(path).ok()?;
    let manifest = archive.manifest();
    let ours = reads.totals().position;
    let is_ours = manifest.cluster == reads.cluster()
        && manifest.epoch == ours.epoch
        && manifest.sequence <= ours.sequence;
    (is_ours && manifest.header() == named).then(|| Volume {
        header: named,
        digest: manifest.digest.clone(),
        bytes: archive.bytes(),
        used: now,
    })
}

/// The files in a folder, if it is there.
pub(super) fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let unable = |source| io_fault(folder, "read", source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unable)?,
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    Ok(paths
        .map_err(unable)?
        .into_iter()
        .filter(|path| path.is_file())
        .collect())
}

pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(path, "removed", error)),
        _ => Ok(()),
    }
}

pub(super) fn io_fault(file: &Path, doing: &'static str, source: io::Error) -> Fault {
    Fault::Archive(ArchiveFault::Io {
        file: file.to_owned(),
        doing,
        source,
    })
}

fn read_piece(path: &Path, index: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(index.saturating_mul(PIECE_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(PIECE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
