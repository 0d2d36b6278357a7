//! The index's thread: takes what was committed, and makes it findable.
//!
//! It is apart from the engine's thread because making a change visible costs milliseconds, whether there is one or a
//! thousand of them. What waits is taken together; the channel is bounded, so an index that falls behind slows the
//! engine instead of filling the memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Fault;
use super::model::Model;
use crate::domain::{Change, Document, EntityKey, Event, Fact, Id, Position};
use crate::search::Writer;
use crate::store::Store;

/// Batches that may wait for the index.
pub(super) const WAITING_MAX: usize = 64;
/// Entities that are taken together at most, but for those of the last batch; and that one commit of the index takes.
const ENTITIES_MAX: usize = 10_000;

/// The least time between the beginnings of two commits of the index, while there is something to commit all the time.
/// A commit costs some milliseconds of a processor however little is in it, which are better spent on commands; after
/// a pause the first is made at once.
const COMMIT_EVERY_MIN: Duration = Duration::from_millis(25);
/// The most, where commits are slow because everything is.
const COMMIT_EVERY_MAX: Duration = Duration::from_millis(250);
/// In between it is so many times what the last commit took, so that commits never take more than a part of the time.
const COMMIT_EVERY_TIMES: u32 = 4;

/// What one committed batch changes in the index.
pub(super) struct IndexJob {
    changes: HashMap<EntityKey, Finding>,
    /// What has its first revision, which the index has never had, so that nothing is to be removed first. A removal is looked for in all of the
    /// index, and kept in memory for as long as an older merge runs, which is very long while very much is loaded.
    new: HashSet<EntityKey>,
    position: Position,
}

/// How an entity is to be found.
enum Finding {
    /// Not any more.
    Gone,
    /// By this document, in these environments.
    Document(Arc<Document>, Vec<Id>),
    /// By the document that the store has, in these environments: only the environments changed.
    Stored(Vec<Id>),
}

impl IndexJob {
    /// What these changes mean for the index; the model has taken them in already.
    pub(super) fn of(changes: &[Change], model: &Model) -> Self {
        let mut findings: HashMap<EntityKey, Finding> = HashMap::new();
        let mut new = HashSet::new();
        let mut position = model.position;
        for Change {
            sequence,
            event: Event {
                key, fact, revision, ..
            },
            ..
        } in changes
        {
            position.sequence = *sequence;
            if *revision == 1 && matches!(fact, Fact::Created { .. }) {
                new.insert(key.clone());
            }
            match fact {
                Fact::Created { after } | Fact::Updated { after, .. } | Fact::Restored { after } => {
                    let finding = Finding::Document(Arc::clone(after), model.found_by(key));
                    findings.insert(key.clone(), finding);
                }
                Fact::Removed { .. } => {
                    findings.insert(key.clone(), Finding::Gone);
                }
                Fact::Linked { resources } | Fact::Unlinked { resources } => {
                    for resource in resources {
                        let key = EntityKey::resource(resource.clone());
                        let environments = model.found_by(&key);
                        findings
                            .entry(key)
                            .and_modify(|finding| finding.move_to(&environments))
                            .or_insert(Finding::Stored(environments));
                    }
                }
            }
        }
        Self {
            changes: findings,
            new,
            position,
        }
    }

    /// What it takes to bring an index from an older state to the one on disk: every entity that these changes touch,
    /// as the store has it.
    pub(super) fn catch_up(changes: &[Change], model: &Model) -> Self {
        let mut job = Self::of(changes, model);
        job.new.clear();
        for (key, finding) in &mut job.changes {
            *finding = if model.contains(key) {
                Finding::Stored(model.found_by(key))
            } else {
                Finding::Gone
            };
        }
        job
    }

    fn absorb(&mut self, later: Self) {
        self.new.extend(later.new);
        for (key, finding) in later.changes {
            match (self.changes.get_mut(&key), finding) {
                (Some(known), Finding::Stored(environments)) => known.move_to(&environments),
                (_, finding) => {
                    self.changes.insert(key, finding);
                }
            }
        }
        self.position = later.position;
    }
}

impl Finding {
    fn move_to(&mut self, new: &[Id]) {
        match self {
            Self::Gone => {}
            Self::Document(_, environments) | Self::Stored(environments) => new.clone_into(environments),
        }
    }
}

/// The one that writes the index.
pub(super) struct Indexer {
    pub(super) writer: Writer,
    pub(super) store: Arc<Store>,
    pub(super) reached: watch::Sender<Position>,
}

impl Indexer {
    /// Works until nobody sends any more.
    pub(super) fn run(mut self, jobs: &Receiver<IndexJob>) -> Result<(), Fault> {
        let mut next_commit = Instant::now();
        while let Ok(mut job) = jobs.recv() {
            while job.changes.len() < ENTITIES_MAX
                && let Ok(later) = jobs.recv_timeout(next_commit.saturating_duration_since(Instant::now()))
            {
                job.absorb(later);
            }
            let began = Instant::now();
            self.apply(job)?;
            let wait = began.elapsed() * COMMIT_EVERY_TIMES;
            next_commit = began + wait.clamp(COMMIT_EVERY_MIN, COMMIT_EVERY_MAX);
        }
        // A merge that outlives its writer would meet the next one in the same files.
        Ok(self.writer.finish()?)
    }

    /// Puts one job into the index, and makes it visible.
    pub(super) fn apply(&mut self, job: IndexJob) -> Result<(), Fault> {
        let snapshot = self.store.snapshot()?;
        let reached = *self.reached.borrow();
        for (place, (key, finding)) in (1_usize..).zip(job.changes) {
            if place.is_multiple_of(ENTITIES_MAX) {
                self.writer.write_down(reached)?;
            }
            match finding {
                Finding::Gone => self.writer.remove(&key),
                Finding::Document(document, environments) if job.new.contains(&key) => {
                    self.writer.add(&key, &document, &environments)?;
                }
                Finding::Document(document, environments) => self.writer.put(&document, &environments)?,
                Finding::Stored(environments) => match snapshot.live(&key)? {
                    Some(live) => self.writer.put(&live.document, &environments)?,
                    // Removed since; the job that says so is on its way.
                    None => self.writer.remove(&key),
                },
            }
        }
        self.writer.commit(job.position)?;
        self.reached.send_replace(job.position);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
