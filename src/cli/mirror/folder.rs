//! The copy on disk: one file for each entity, a cursor, and a lock.
//!
//! Files are replaced by renaming, and none is forced to the disk: each says by a check of its own whether it is whole,
//! and the digest over all revisions says whether one is missing or old. What a crash of the machine leaves behind is
//! therefore noticed at the next start, and repaired.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::{EntityKey, EntityType};
use crate::wire::shape::CursorBody;

use super::copy::{Deed, Step};
use super::names::{key_of, path_of};

const OURS: &str = ".domesday";

/// The copy on disk.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    temporary: PathBuf,
    cursor: PathBuf,
    _lock: File,
}

/// What was found in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The revision of each entity; zero where its file was changed by others.
    pub(super) held: Vec<(EntityKey, u64)>,
    /// How far the copy had come.
    pub(super) cursor: Option<CursorBody>,
}

/// What can be wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Another mirror is at work in it.
    #[error("another mirror is at work in {0}")]
    InUse(PathBuf),
    /// The system said no.
    #[error("{path} cannot be used")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not as it was left.
    #[error("the file of {0} was changed by others")]
    Damaged(EntityKey),
}

/// An entity as a file holds it. The order of the fields is that in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    revision: u64,
    document: Value,
    /// Of an environment: the ids of its resources, sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<BTreeSet<String>>,
    /// SHA-256 over the other fields as compact JSON: tells a changed file from a whole one.
    #[serde(default)]
    check: String,
}

impl Page {
    fn new(revision: u64, mut document: Value, resources: Option<BTreeSet<String>>) -> Self {
        document.sort_all_objects();
        let mut page = Self {
            revision,
            document,
            resources,
            check: String::new(),
        };
        page.check = page.sum();
        page
    }

    fn sum(&self) -> String {
        let content = (&self.revision, &self.document, &self.resources);
        let sum = Sha256::digest(serde_json::to_vec(&content).unwrap_or_default());
        format!("{sum:x}")
    }

    /// Reads a file; none where it is not as it was written.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let page: Self = serde_json::from_slice(bytes).ok()?;
        (page.check == page.sum()).then_some(page)
    }

    fn render(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl Folder {
    /// Takes hold of a folder, which is made where there is none, and reads what is in it.
    ///
    /// # Errors
    /// Another mirror has it, or the system said no.
    pub(super) fn open(root: &Path) -> Result<(Self, Found), Fault> {
        let ours = root.join(OURS);
        make(&ours)?;
        let path = ours.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let lock = lock.map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Fault::InUse(root.to_owned())),
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        let folder = Self {
            temporary: ours.join("new"),
            cursor: ours.join("cursor.json"),
            root: root.to_owned(),
            _lock: lock,
        };
        let mut found = Found::default();
        for entity in EntityType::ALL {
            let path = Path::new(entity.as_str());
            make(&root.join(path))?;
            folder.look(path, &mut found)?;
        }
        found.cursor = read(&folder.cursor)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok((folder, found))
    }

    fn look(&self, folder: &Path, found: &mut Found) -> Result<(), Fault> {
        let path = self.root.join(folder);
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?;
            let name = folder.join(entry.file_name());
            if entry.file_type().map_err(at(&path))?.is_dir() {
                self.look(&name, found)?;
            } else if let Some(key) = key_of(&name) {
                let page = self.page(&key)?;
                found.held.push((key, page.map_or(0, |page| page.revision)));
            }
        }
        Ok(())
    }

    /// The path of the file of an entity.
    pub(super) fn path(&self, key: &EntityKey) -> PathBuf {
        self.root.join(path_of(key))
    }

    fn page(&self, key: &EntityKey) -> Result<Option<Page>, Fault> {
        Ok(read(&self.path(key))?.and_then(|bytes| Page::parse(&bytes)))
    }

    fn whole(&self, key: &EntityKey) -> Result<Page, Fault> {
        self.page(key)?.ok_or_else(|| Fault::Damaged(key.clone()))
    }

    /// Does one step, and says whether a file is different now.
    ///
    /// # Errors
    /// [`Fault::Damaged`] where a file that was to be changed is not as it was left; or the system said no.
    pub(super) fn apply(&self, step: &Step) -> Result<bool, Fault> {
        let key = &step.key;
        let page = match &step.deed {
            Deed::Delete => return self.delete(key),
            Deed::Write {
                revision,
                document,
                members,
            } => {
                let members = match (key.entity, members) {
                    (EntityType::Resource, _) => None,
                    (EntityType::Environment, Some(members)) => Some(members.clone()),
                    (EntityType::Environment, None) => self.whole(key)?.resources,
                };
                Page::new(*revision, document.clone(), members)
            }
            Deed::Link {
                revision,
                resources,
                linked,
            } => {
                let page = self.whole(key)?;
                let mut members = page.resources.unwrap_or_default();
                for resource in resources {
                    if *linked {
                        members.insert(resource.clone());
                    } else {
                        members.remove(resource);
                    }
                }
                Page::new(*revision, page.document, Some(members))
            }
        };
        let (path, bytes) = (self.path(key), page.render());
        if read(&path)?.is_some_and(|before| before == bytes) {
            return Ok(false);
        }
        self.replace(&path, &bytes)?;
        Ok(true)
    }

    fn delete(&self, key: &EntityKey) -> Result<bool, Fault> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(at(&path)(error)),
        }
        // The folders of a long name go with the last file in them; one that others still need is not empty.
        let parts = path_of(key).iter().count();
        for folder in path.ancestors().skip(1).take(parts.saturating_sub(2)) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// Writes down how far the copy has come, after all files up to there; none says that only the whole state helps.
    ///
    /// # Errors
    /// The system said no.
    pub(super) fn save(&self, cursor: Option<&CursorBody>) -> Result<(), Fault> {
        let Some(cursor) = cursor else {
            return match fs::remove_file(&self.cursor) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&self.cursor)(error)),
                _ => Ok(()),
            };
        };
        let mut bytes = serde_json::to_vec_pretty(cursor).unwrap_or_default();
        bytes.push(b'\n');
        self.replace(&self.cursor, &bytes)
    }

    /// Nobody sees half a file.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
        fs::write(&self.temporary, bytes).map_err(at(&self.temporary))?;
        match fs::rename(&self.temporary, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The first file below the folder of a long name.
                if let Some(folder) = path.parent() {
                    make(folder)?;
                }
                fs::rename(&self.temporary, path).map_err(at(path))
            }
            Err(error) => Err(at(path)(error)),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Fault {
    let path = path.to_owned();
    |source| Fault::Io { path, source }
}

fn make(path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(path).map_err(at(path))
}

/// The bytes of a file; none where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}
