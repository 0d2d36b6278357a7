//! The read side: questions answered from memory and the index, each as of one position.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use tokio::sync::watch;

use super::graph_answers::graph_answer;
use super::model::{Model, read_model};
use super::past::found_by_id;
use super::sight::{Parts, part_of};
use super::{AsOf, Fault};
use crate::domain::{
    Answer, Bookmark, Change, EntityKey, Inquiry, Parcel, Position, Problem, Question, Reach, Standing,
    Timestamp,
};
use crate::search::{self, Index};
use crate::store::Store;
use crate::store::archive::{Manifest, Stamp};

/// Answers questions while the engine writes.
pub struct Reads {
    pub(super) cluster: String,
    /// Of the data.
    pub(super) directory: PathBuf,
    pub(super) instance: String,
    pub(super) model: Arc<RwLock<Model>>,
    pub(super) index: Index,
    pub(super) search: search::Config,
    pub(super) store: Arc<Store>,
    pub(super) committed: watch::Receiver<Position>,
    pub(super) indexed: watch::Receiver<Position>,
    /// What some may see of it, as it was looked at last.
    pub(super) parts: Parts,
    /// Snapshots that are being written are to end.
    pub(super) stopping: AtomicBool,
}

/// What a ping tells of the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Live environments.
    pub environments: usize,
    /// Live resources.
    pub resources: usize,
    /// Edges of the graph.
    pub dependencies: usize,
    /// The last event that is applied.
    pub position: Position,
}

impl Totals {
    fn of(model: &Model) -> Self {
        Self {
            environments: model.environment_count(),
            resources: model.graph.resource_count(),
            dependencies: model.graph.edge_count(),
            position: model.position,
        }
    }
}

impl Reads {
    /// The identity of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The name of this copy of the register, which no other has, however often it is started.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Follows the position that graph questions are answered as of.
    pub fn committed(&self) -> watch::Receiver<Position> {
        self.committed.clone()
    }

    /// Follows the position that searches are answered as of.
    pub fn indexed(&self) -> watch::Receiver<Position> {
        self.indexed.clone()
    }

    /// How much there is.
    pub fn totals(&self) -> Totals {
        Totals::of(&read_model(&self.model))
    }

    /// How much there is in sight.
    ///
    /// # Errors
    /// A problem where that is more than can be looked at by itself.
    pub fn totals_within(&self, reach: &Reach) -> Result<Totals, Box<Problem>> {
        self.look(reach, |part| Ok(Totals::of(part)))
    }

    /// The changes from a sequence on, in order, at most so many.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn changes(&self, from: u64, most: usize) -> Result<Vec<Change>, Fault> {
        Ok(self.store.snapshot()?.changes(from, most)?)
    }

    /// The changes from one sequence to another for another instance, as many as `bytes_max` allows; `None` where the
    /// first of them is not there, or no more.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn parcel(&self, first: u64, until: u64, bytes_max: usize) -> Result<Option<Parcel>, Fault> {
        Ok(self.store.snapshot()?.parcel(first, until, bytes_max)?)
    }

    /// The link of the chain of changes at a sequence, as 64 hex digits; `None` where it is not kept. Two registers with
    /// the same link there have the same history up to there.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn link(&self, sequence: u64) -> Result<Option<String>, Fault> {
        Ok(self.store.snapshot()?.link(sequence)?)
    }

    /// The sequence after which the epoch of now began; zero where nobody wrote it down.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn epoch_began(&self) -> Result<u64, Fault> {
        Ok(self.store.snapshot()?.identity()?.began)
    }

    /// The sequence above which no other register is known to have the changes of this one.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn unshared_above(&self) -> Result<u64, Fault> {
        let identity = self.store.snapshot()?.identity()?;
        Ok(match identity.standing {
            Standing::Fenced { sequence, .. } => sequence,
            _ => identity.shipped,
        })
    }

    /// Where the register is, with the proof of a whole copy.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn bookmark(&self) -> Result<Bookmark, Fault> {
        let first = self.changes(0, 1)?.pop();
        Ok(bookmark(&read_model(&self.model), first.as_ref()))
    }

    /// The register as of the last commit, to read at leisure while others write.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn as_of_now(&self) -> Result<AsOf, Fault> {
        AsOf::of(self.store.snapshot()?)
    }

    /// Writes a snapshot of the last commit to a file, which appears under its name once it is whole. It takes about a
    /// second for a hundred thousand entities, and nobody waits for it meanwhile: call it where that may be.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read or the file cannot be written, or where the engine stops.
    pub fn write_archive(&self, file: &Path, time: Timestamp) -> Result<Manifest, Fault> {
        let stamp = Stamp {
            time,
            program: env!("CARGO_PKG_VERSION"),
        };
        let go_on = || !self.stopping.load(Ordering::Relaxed);
        Ok(self.store.archive(file, stamp, &go_on)?)
    }

    /// Has snapshots that are being written end unfinished: the process is about to stop.
    pub(super) fn stop_archives(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Answers a question, of what is within reach; `None` for those that no single answer has (a sync, a subscription) or that are not about the
    /// register (a ping, a snapshot). Takes up to some milliseconds of processor time, and longer about the past.
    ///
    /// # Errors
    /// A problem: a query that cannot be read, an id that nobody knows, or an index that fails.
    pub fn answer(&self, inquiry: &Inquiry, reach: &Reach) -> Result<Option<Answer>, Box<Problem>> {
        match &inquiry.question {
            Question::Search(search) if inquiry.moment.is_none() => self
                .search(search, inquiry.limit, inquiry.cursor.as_deref(), reach)
                .map(Some),
            Question::History { key, before } => {
                self.must_see(reach, key, "/args/id")?;
                self.history(inquiry, key, *before).map(Some)
            }
            Question::Compare { left, right } => {
                for (id, place) in [(left, "/args/left"), (right, "/args/right")] {
                    self.must_see(reach, &EntityKey::environment(id.clone()), place)?;
                }
                self.compare(left, right, inquiry.limit).map(Some)
            }
            Question::Sync(_)
            | Question::Subscribe(_)
            | Question::Unsubscribe { .. }
            | Question::SnapshotBegin { .. }
            | Question::SnapshotChunk { .. }
            | Question::Explain(_)
            | Question::Ping => Ok(None),
            _ => match inquiry.moment {
                None => self.look(reach, |model| graph_answer(model, inquiry).map(Some)),
                Some(moment) => {
                    let past = part_of(self.past(moment)?, reach)?;
                    match &inquiry.question {
                        Question::Search(search) => {
                            let query = search::parse(&search.query, &self.search)?;
                            found_by_id(&past, &query, search.within.as_ref(), inquiry.limit).map(Some)
                        }
                        _ => graph_answer(&past, inquiry).map(Some),
                    }
                }
            },
        }
    }
}

/// Where a model is, whose change log begins with `first`.
pub(super) fn bookmark(model: &Model, first: Option<&Change>) -> Bookmark {
    Bookmark {
        position: model.position,
        digest: model.digest,
        floor: first.map_or(model.position.sequence, |change| change.sequence - 1),
    }
}
