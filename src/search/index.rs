//! The index as readers see it: open, ask, and the position that the answer is true as of.

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tantivy::Directory as _;
use tantivy::index::SegmentComponent;
use tantivy::store::Compressor;
use tantivy::{IndexReader, IndexSettings, ReloadPolicy, Searcher};

use super::ast::Query;
use super::budget::Budget;
use super::directory::Unsynced;
use super::fault::{Fault, SearchError};
use super::fields::{FORMAT, Fields};
use super::find::{Ask, Found};
use super::segments::Segments;
use super::sets::Sets;
use super::writer::Writer;
use super::{Config, rebuild, text};
use crate::domain::{Id, Position};

/// The file that says what an index consists of.
const META: &str = "meta.json";
/// The files of each segment.
const PARTS: [SegmentComponent; 6] = [
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Terms,
    SegmentComponent::Store,
];
/// Small blocks, because a page of hits reads one entry of each of many.
const STORE_BLOCK_BYTES: usize = 4_096;

/// The text index. A clone is another handle of the same index.
#[derive(Clone)]
pub struct Index {
    shared: Arc<Shared>,
}

/// What all handles and the writer share.
pub(super) struct Shared {
    pub(super) index: tantivy::Index,
    pub(super) fields: Fields,
    reader: IndexReader,
    current: RwLock<Arc<Snapshot>>,
}

/// One state of the index, and the position that it is true as of.
pub(super) struct Snapshot {
    pub(super) searcher: Searcher,
    pub(super) segments: Segments,
    pub(super) reached: Position,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("reached", &self.reached())
            .finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in a directory, and makes an empty one where there is none. What a crash during a
    /// rebuild left behind is put right first. Reads the checksums of all files: see `directory`.
    ///
    /// # Errors
    /// [`Fault::Unusable`] where the index is damaged or of another format: the caller rebuilds it with
    /// [`super::rebuild()`]. Anything else is a failure of the file system.
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        rebuild::settle(dir)?;
        fs::create_dir_all(dir).map_err(Fault::files("create", dir))?;
        if !dir.join(META).exists() && !is_empty(dir)? {
            return Err(Fault::unusable(format!("{META} is missing")));
        }
        let directory = Unsynced::open(dir).map_err(|error| Fault::Index {
            doing: "open its directory",
            source: Box::new(error),
        })?;
        Self::over(directory)
    }

    /// The index over a directory; an empty one is made where there is none.
    pub(super) fn over(directory: impl tantivy::Directory) -> Result<Self, Fault> {
        let (schema, fields) = Fields::schema();
        let exists = tantivy::Index::exists(&directory).map_err(damaged)?;
        let index = if exists {
            let index = tantivy::Index::open(directory).map_err(damaged)?;
            if index.schema() != schema {
                return Err(Fault::unusable("it has another schema"));
            }
            check(&index)?;
            index
        } else {
            let settings = IndexSettings {
                docstore_compression: Compressor::None,
                docstore_blocksize: STORE_BLOCK_BYTES,
                docstore_compress_dedicated_thread: false,
                ..IndexSettings::default()
            };
            tantivy::Index::create(directory, schema, settings).map_err(Fault::of("be created"))?
        };
        text::register(index.tokenizers());
        let reached = match index.load_metas().map_err(damaged)?.payload {
            Some(payload) => read_payload(&payload)?,
            None => Position::default(),
        };
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(damaged)?;
        let searcher = reader.searcher();
        let segments = Segments::new(&searcher, None)?;
        let snapshot = Snapshot {
            searcher,
            segments,
            reached,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                index,
                fields,
                reader,
                current: RwLock::new(Arc::new(snapshot)),
            }),
        })
    }

    /// The position of the last commit that searches see.
    pub fn reached(&self) -> Position {
        self.shared.snapshot().reached
    }

    /// How many documents searches see.
    pub fn documents(&self) -> u64 {
        self.shared.snapshot().searcher.num_docs()
    }

    /// How many segments searches visit; a measure of how well merging keeps up.
    pub fn segments(&self) -> usize {
        self.shared.snapshot().searcher.segment_readers().len()
    }

    /// The one writer.
    ///
    /// # Errors
    /// [`Fault::Locked`] where there is another, in this process or elsewhere.
    pub fn writer(&self, config: &Config) -> Result<Writer, Fault> {
        Writer::new(Arc::clone(&self.shared), config)
    }

    /// Finds what matches a query without graph terms, within the usual budget.
    ///
    /// `after` is the `next` of the page before. Pages are consistent while the index stays as it is; once it
    /// has moved on, an entity whose score changed may come twice or not at all.
    ///
    /// # Errors
    /// A problem where `after` is no cursor; a fault where the index fails.
    pub fn search(
        &self,
        query: &Query,
        within: Option<&Id>,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Found, SearchError> {
        let ask = Ask {
            query,
            sets: &Sets::default(),
            within,
            in_sight: None,
            limit,
            after,
            facets: &[],
            explain: false,
        };
        self.ask(&ask, &mut Budget::new(&Config::default()))
    }

    /// Finds what matches, and says of it what is asked for, within a budget.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn ask(&self, ask: &Ask<'_>, budget: &mut Budget) -> Result<Found, SearchError> {
        self.shared.ask(ask, budget)
    }
}

impl Shared {
    /// The state that searches see now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows the last commit to searches.
    pub(super) fn show(&self, reached: Position) -> Result<(), Fault> {
        self.reader.reload().map_err(Fault::of("show a commit"))?;
        let searcher = self.reader.searcher();
        let segments = Segments::new(&searcher, Some(&self.snapshot().segments))?;
        let next = Arc::new(Snapshot {
            searcher,
            segments,
            reached,
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

/// Whether nothing is in a directory.
fn is_empty(dir: &Path) -> Result<bool, Fault> {
    let mut entries = fs::read_dir(dir).map_err(Fault::files("list", dir))?;
    Ok(entries.next().is_none())
}

/// Refuses an index of which a file is missing or has another checksum than when it was written.
fn check(index: &tantivy::Index) -> Result<(), Fault> {
    let damaged_file = |path: &Path| Fault::unusable(format!("{} is damaged", path.display()));
    for segment in index.searchable_segment_metas().map_err(damaged)? {
        let removed = segment.has_deletes().then_some(SegmentComponent::Delete);
        for part in PARTS.into_iter().chain(removed) {
            let path = segment.relative_path(part);
            if !index.directory().exists(&path).map_err(damaged)? {
                return Err(damaged_file(&path));
            }
        }
    }
    match index.validate_checksum().map_err(damaged)?.iter().next() {
        Some(path) => Err(damaged_file(path)),
        None => Ok(()),
    }
}

/// A fault at opening: whatever it is, it is the index and not the caller. Only the file system is no fault of it.
fn damaged(error: impl Into<tantivy::TantivyError>) -> Fault {
    match error.into() {
        tantivy::TantivyError::IoError(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Fault::Index {
                doing: "be read",
                source: Box::new(source),
            }
        }
        other => Fault::unusable(other.to_string()),
    }
}

/// The position of a commit, as its payload.
pub(super) fn write_payload(position: Position) -> String {
    let Position { epoch, sequence } = position;
    format!("format={FORMAT} epoch={epoch} sequence={sequence}")
}

/// Reads the payload of a commit.
fn read_payload(payload: &str) -> Result<Position, Fault> {
    let number = |name: &str| {
        payload
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse::<u64>().ok())
    };
    match (number("format"), number("epoch"), number("sequence")) {
        (Some(format), Some(epoch), Some(sequence)) if format == u64::from(FORMAT) => {
            Ok(Position { epoch, sequence })
        }
        (Some(format), _, _) if format != u64::from(FORMAT) => {
            Err(Fault::unusable(format!("it has format {format}, not {FORMAT}")))
        }
        _ => Err(Fault::unusable("it does not say which position it has reached")),
    }
}
