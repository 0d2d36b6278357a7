//! The one writer of an index: puts and removes are seen once they are committed, together with a position.

use std::sync::Arc;

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{IndexWriter, TantivyError, Term};

use super::Config;
use super::fault::Fault;
use super::index::{Shared, write_payload};
use crate::domain::{Document, EntityKey, Id, Position};

/// What the index library refuses to go below, in bytes.
const MEMORY_BYTES_MIN: usize = 15_000_000;
/// What the index library refuses to go above, in bytes.
const MEMORY_BYTES_MAX: usize = 4_000_000_000;

/// Segments of at most this many documents are of the smallest size class.
const SMALLEST_CLASS_DOCUMENTS: u32 = 500;
/// Each size class reaches four times as far as the one before, as a power of two.
const CLASS_LOG_SIZE: f64 = 2.0;
/// So many segments of a size class become one of the next.
const MERGED_SEGMENTS: usize = 6;
/// A segment with a larger part of removed documents is written anew.
const REMOVED_RATIO_MAX: f32 = 0.4;

/// Writes to an index. There is one at a time; it holds the index's lock until it is dropped.
pub struct Writer {
    shared: Arc<Shared>,
    inner: IndexWriter,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Takes the lock and starts one thread that indexes and one that merges.
    pub(super) fn new(shared: Arc<Shared>, config: &Config) -> Result<Self, Fault> {
        let memory = config
            .writer_memory_bytes
            .clamp(MEMORY_BYTES_MIN, MEMORY_BYTES_MAX);
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(memory)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let inner: IndexWriter = shared
            .index
            .writer_with_options(options)
            .map_err(|error| match error {
                TantivyError::LockFailure(..) => Fault::Locked,
                other => Fault::of("start its writer")(other),
            })?;
        inner.set_merge_policy(Box::new(merge_policy()));
        Ok(Self { shared, inner })
    }

    /// Puts a document in place of what its key had, in the environments that it is in.
    ///
    /// # Errors
    /// A fault where the writer's thread has stopped; drop the writer and make another.
    pub fn put(&mut self, document: &Document, environments: &[Id]) -> Result<(), Fault> {
        let key = document.key();
        self.remove(&key);
        self.add(&key, document, environments)
    }

    /// Adds a document whose key the index does not have.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn add(&mut self, key: &EntityKey, document: &Document, within: &[Id]) -> Result<(), Fault> {
        let document = self.shared.fields.document(key, document, within);
        self.inner
            .add_document(document)
            .map_err(Fault::of("take a document"))?;
        Ok(())
    }

    /// Removes what a key has, if anything.
    pub fn remove(&mut self, key: &EntityKey) {
        let term = Term::from_field_text(self.shared.fields.key, &key.to_string());
        self.inner.delete_term(term);
    }

    /// Commits what was put and removed, and shows it to searches, as of a position.
    ///
    /// # Errors
    /// A fault where the commit fails; what was put since the last one is not seen then, and may be lost.
    pub fn commit(&mut self, position: Position) -> Result<(), Fault> {
        self.write_down(position)?;
        self.shared.show(position)
    }

    /// Commits a part of what belongs together, so that it is not all in memory at once. Searches do not see it yet, and
    /// the index is still as of the position before: whoever opens it puts what comes after that once more.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn write_down(&mut self, position: Position) -> Result<(), Fault> {
        let mut prepared = self.inner.prepare_commit().map_err(Fault::of("commit"))?;
        prepared.set_payload(&write_payload(position));
        prepared.commit().map_err(Fault::of("commit"))?;
        Ok(())
    }

    /// Waits until no segments are being merged, and ends.
    ///
    /// # Errors
    /// A fault where merging failed.
    pub fn finish(self) -> Result<(), Fault> {
        self.inner.wait_merging_threads().map_err(Fault::of("merge"))
    }
}

/// Many commits of few documents must not become many segments, and the large segments must not be written
/// again for each of them: sizes fall into classes, and only neighbours in size are merged.
fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_layer_size(SMALLEST_CLASS_DOCUMENTS);
    policy.set_level_log_size(CLASS_LOG_SIZE);
    policy.set_min_num_segments(MERGED_SEGMENTS);
    policy.set_del_docs_ratio_before_merge(REMOVED_RATIO_MAX);
    policy
}
