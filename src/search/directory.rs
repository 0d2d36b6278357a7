//! The directory of an index that is not synced: a commit does not wait for the disk.
//!
//! Safe, because the index is disposable. What a killed process wrote is in the page cache and survives it.
//! What a power failure tore is found when the index is opened, by the checksums of its files, and then the
//! index is rebuilt from the store.
//!
//! The library also keeps a list of the files that it has made, to know later what it may delete, and writes
//! that list anew for each file: eight times for a commit. Everything in the directory is its own here, so the
//! list is read off the directory when it is opened and never written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

/// The list of files that were made.
const MADE: &str = ".managed.json";

/// Every file that is mapped ends with how long its footer is, and a number that says so: the library takes it for granted
/// that there is at least that much, and panics where there is less.
const FOOTER_BYTES_MIN: usize = 8;

/// A memory-mapped directory whose writes are not synced.
#[derive(Debug, Clone)]
pub(super) struct Unsynced {
    mapped: MmapDirectory,
    root: Arc<PathBuf>,
}

impl Unsynced {
    /// Opens a directory that exists.
    pub(super) fn open(root: &Path) -> Result<Self, OpenDirectoryError> {
        Ok(Self {
            mapped: MmapDirectory::open(root)?,
            root: Arc::new(root.to_owned()),
        })
    }

    /// The list of files that were made, in the library's form. Hidden files, such as locks, are none of them.
    fn made(&self) -> io::Result<Vec<u8>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.root.as_path())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        Ok(serde_json::to_vec(&names)?)
    }
}

/// A file that is handed to the operating system, and no further.
struct Handed(File);

impl Write for Handed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for Handed {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.flush()
    }
}

impl Directory for Unsynced {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let handle = self.mapped.get_file_handle(path)?;
        if handle.len() < FOOTER_BYTES_MIN {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the file is cut off");
            return Err(OpenReadError::wrap_io_error(error, path.to_owned()));
        }
        Ok(handle)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.mapped.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.mapped.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.root.join(path))
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
                _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
            })?;
        Ok(BufWriter::new(Box::new(Handed(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path == Path::new(MADE) {
            return self
                .made()
                .map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()));
        }
        self.mapped.atomic_read(path)
    }

    /// Writes beside and renames. The only writer of an index holds its lock, so that one name beside is enough.
    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path == Path::new(MADE) {
            return Ok(());
        }
        let target = self.root.join(path);
        let mut beside = target.clone().into_os_string();
        beside.push(".part");
        std::fs::write(&beside, data)?;
        std::fs::rename(&beside, &target)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.mapped.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.mapped.watch(callback)
    }
}
