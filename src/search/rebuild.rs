//! A new index in place of the old one, such that a crash at any point leaves one or the other.
//!
//! ```text
//! 1. build in DIR.new, synced      crash: DIR is untouched, DIR.new is thrown away
//! 2. rename DIR to DIR.old         crash: DIR is missing, DIR.new is complete and takes its place
//! 3. rename DIR.new to DIR         crash: DIR is new, DIR.old is thrown away
//! 4. remove DIR.old
//! ```
//!
//! [`settle`] undoes or completes what a crash left, and every open begins with it.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tantivy::directory::MmapDirectory;

use super::Config;
use super::fault::{Fault, RebuildFault};
use super::index::Index;
use crate::domain::{Document, Id, Position};

/// Builds the index anew from all documents, each with the environments that it is in, and puts it in place.
/// Answers how many documents it took. No writer may be at work on the directory; readers that have the old
/// index open keep it, and the caller opens the new one afterwards.
///
/// The documents must have different keys.
///
/// # Errors
/// Whatever the documents fail with, or a fault of the new index. The old one is in its place then.
pub fn rebuild<E: Error + 'static>(
    dir: &Path,
    config: &Config,
    documents: impl IntoIterator<Item = Result<(Document, Vec<Id>), E>>,
    position: Position,
) -> Result<u64, RebuildFault<E>> {
    settle(dir)?;
    let new = beside(dir, "new");
    fs::create_dir_all(&new).map_err(Fault::files("create", &new))?;
    let directory = MmapDirectory::open(&new).map_err(|error| Fault::Index {
        doing: "open its directory",
        source: Box::new(error),
    })?;
    let mut count = 0;
    {
        let index = Index::over(directory)?;
        let mut writer = index.writer(config)?;
        for document in documents {
            let (document, within) = document.map_err(RebuildFault::Documents)?;
            writer.add(&document.key(), &document, &within)?;
            count += 1;
        }
        writer.commit(position)?;
        writer.finish()?;
    }
    swap(dir)?;
    Ok(count)
}

/// Puts the complete new index in place.
fn swap(dir: &Path) -> Result<(), Fault> {
    let (new, old) = (beside(dir, "new"), beside(dir, "old"));
    sync_parent(dir)?;
    if exists(dir)? {
        fs::rename(dir, &old).map_err(Fault::files("rename", dir))?;
    }
    fs::rename(&new, dir).map_err(Fault::files("rename", &new))?;
    sync_parent(dir)?;
    remove(&old)
}

/// Puts right what a crash during a rebuild left behind.
pub(super) fn settle(dir: &Path) -> Result<(), Fault> {
    let (new, old) = (beside(dir, "new"), beside(dir, "old"));
    if exists(&old)? {
        if exists(dir)? {
            // The swap was done, only the clearing up was not.
        } else if exists(&new)? {
            // The old one only moves away once the new one is complete.
            fs::rename(&new, dir).map_err(Fault::files("rename", &new))?;
        } else {
            fs::rename(&old, dir).map_err(Fault::files("rename", &old))?;
        }
        sync_parent(dir)?;
    }
    remove(&new)?;
    remove(&old)
}

/// A directory beside another.
fn beside(dir: &Path, ending: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Whether something is there.
fn exists(path: &Path) -> Result<bool, Fault> {
    path.try_exists().map_err(Fault::files("look at", path))
}

/// Removes a directory if it is there.
fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::files("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes renames in the directory that holds another durable.
fn sync_parent(dir: &Path) -> Result<(), Fault> {
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(parent)
            .and_then(|file| file.sync_all())
            .map_err(Fault::files("sync", parent))?;
    }
    Ok(())
}
