//! The `engine` room: the only writer, and the read side beside it.
//!
//! Commands come in through a bounded channel. One thread takes what is waiting, decides each against the state and what
//! the batch has decided so far, and commits the batch in one transaction. Only then is it applied to the [`Model`],
//! handed to the index's thread, announced to the relay, and answered.

mod another;
mod as_of;
mod batch;
mod canary;
mod drill;
mod fail_at;
mod follow;
mod graph_answers;
mod inbox;
mod indexer;
mod items;
mod ladder;
mod model;
mod news;
mod past;
mod reads;
mod recover;
mod schedule;
mod searches;
mod shelf;
mod sight;
#[cfg(test)]
mod tests;
mod what_if;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::graph::GraphFull;
use crate::domain::{Access, Envelope, Limits, Position, Receipt, Standing, Timestamp, ViewFault};
use crate::store::archive::ArchiveFault;
pub use crate::store::archive::{Part, Place};
use crate::{search, store};

pub use another::{another_copy, install_another};
pub use as_of::AsOf;
pub use drill::{DrillCopy, Drilled};
pub use fail_at::{FailAt, Point, UnknownPoint};
pub use follow::Unfollowable;
pub use items::{Before, Renewed};
pub use model::Model;
pub use news::News;
pub use reads::{Reads, Totals};
pub use recover::{Setup, is_new, read_only, start};
pub use schedule::{Looked, Schedule, SnapshotConfig};
pub use shelf::Shelf;

/// How the engine works.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Commands that may wait for the engine; more wait at the broker.
    pub queue_commands_max: usize,
    /// Commands that share one commit at most; the commands of a batch command count one by one, and 100 links as one.
    pub commit_commands_max: usize,
    /// Receipts that are kept to recognise repeated commands.
    pub receipts_max: usize,
    /// How long a receipt is kept, in hours.
    pub receipts_keep_hours: u64,
    /// Events that the change log keeps.
    pub changes_max: u64,
    /// How long a removal can be undone, in days.
    pub tombstones_keep_days: u64,
    /// When a reply leaves.
    pub acknowledge: Acknowledge,
}

/// When a reply leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// When the change is on disk, and the broker has confirmed its events in the change log.
    Confirmed,
    /// When the change is on disk.
    Committed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_commands_max: 1_000,
            commit_commands_max: 1_000,
            receipts_max: 100_000,
            receipts_keep_hours: 24,
            changes_max: 1_000_000,
            tombstones_keep_days: 30,
            acknowledge: Acknowledge::Confirmed,
        }
    }
}

/// What stops the engine. It is never answered to a client: the process stops, and recovers when it starts again.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Fault),
    /// The state could not be read for a decision.
    #[error(transparent)]
    View(#[from] ViewFault),
    /// The graph is full.
    #[error(transparent)]
    Graph(#[from] GraphFull),
    /// The index failed.
    #[error("the index failed")]
    Index(#[from] search::Fault),
    /// The index could not be rebuilt.
    #[error("the index could not be rebuilt")]
    Rebuild(#[from] search::RebuildFault<store::Fault>),
    /// A snapshot could not be written.
    #[error("the snapshot could not be written")]
    Archive(#[from] ArchiveFault),
    /// A thread of the engine could not be started.
    #[error("a thread of the engine could not be started")]
    Thread(#[source] std::io::Error),
    /// A thread of the engine is gone without a word.
    #[error("the {0} thread stopped")]
    Gone(&'static str),
}

impl Fault {
    /// Whether starting again is useless until a person has changed something.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Store(fault) if fault.is_permanent())
    }

    /// Whether somebody still has the data directory open.
    pub const fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::Store(store::Fault::InUse(_)) | Self::Archive(ArchiveFault::Store(store::Fault::InUse(_)))
        )
    }

    /// Whether only one piece of a snapshot is to blame, which can be fetched again.
    pub const fn is_of_a_piece(&self) -> bool {
        matches!(self, Self::Archive(ArchiveFault::Piece(_)))
    }
}

/// The engine does not take commands any more; the process is about to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine has stopped")]
pub struct Stopped;

/// A clock: the engine reads it once per batch. It is a parameter so that tests can tell the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Who may do what: it can change while the engine runs, and counts for each message from then on.
pub type AccessOfNow = watch::Receiver<Arc<Access>>;

/// What the engine's thread is told.
enum Job {
    /// Decide this, and answer there.
    Decide(Box<Envelope>, oneshot::Sender<Receipt>),
    /// Take in what another instance has committed.
    Follow(Parcels),
    /// Take this place among the copies of the register.
    Enter(Entry, oneshot::Sender<Position>),
    /// Some time has passed: write down what waits, forget what is too old.
    Tick,
    /// Finish what is waiting, and stop.
    Drain,
}

/// A place among the copies of the register, as it is to be written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    /// The epoch to begin; one that has begun already changes nothing.
    pub epoch: u64,
    /// The sequence after which that epoch began, where it began elsewhere; otherwise it begins here.
    pub began: Option<u64>,
    /// The standing, where that changes.
    pub standing: Option<Standing>,
}

/// Parcels that are taken in together, and where the position after them is told.
struct Parcels {
    bodies: Vec<Vec<u8>>,
    answer: oneshot::Sender<Result<Position, Unfollowable>>,
}

/// The way to a running engine. Clones lead to the same one.
#[derive(Clone)]
pub struct Engine {
    jobs: mpsc::Sender<Job>,
    reads: Arc<Reads>,
    shelf: Arc<Shelf>,
    published: Arc<Mark>,
    shipped: Arc<Mark>,
    standing: watch::Receiver<Standing>,
    threads: watch::Receiver<Threads>,
}

/// What became of the engine's threads.
struct Threads {
    running: usize,
    /// How the first of them that failed did.
    fault: Option<Arc<Fault>>,
}

/// How far the broker has confirmed the change log: one as events, one for other instances.
struct Mark {
    sequence: AtomicU64,
    announce: watch::Sender<u64>,
}

impl Mark {
    fn new(sequence: u64) -> Self {
        Self {
            sequence: AtomicU64::new(sequence),
            announce: watch::Sender::new(sequence),
        }
    }

    fn get(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    fn raise(&self, sequence: u64) {
        self.sequence.fetch_max(sequence, Ordering::AcqRel);
        self.announce.send_if_modified(|known| {
            let later = sequence > *known;
            *known = sequence.max(*known);
            later
        });
    }
}

impl Engine {
    /// Hands a command over. Waits while the queue is full: then the caller stops consuming, and the broker holds the
    /// rest. The receipt comes once the command is decided and its batch is on disk.
    ///
    /// # Errors
    /// [`Stopped`] where the engine takes no commands any more.
    pub async fn submit(&self, envelope: Envelope) -> Result<oneshot::Receiver<Receipt>, Stopped> {
        let (sender, receipt) = oneshot::channel();
        self.jobs
            .send(Job::Decide(Box::new(envelope), sender))
            .await
            .map_err(|_| Stopped)?;
        Ok(receipt)
    }

    /// Says that some time has passed. Call it about once a second; one that comes while the queue is full is lost,
    /// and does not matter: the next one does its work.
    pub fn tick(&self) {
        let _ = self.jobs.try_send(Job::Tick);
    }

    /// Lets the engine finish what is waiting, and waits until its threads are done and have let go of the store.
    pub async fn drain(&self) {
        self.reads.stop_archives();
        // An error means that the engine takes no jobs any more, and is finishing already.
        let _ = self.jobs.send(Job::Drain).await;
        let mut threads = self.threads.clone();
        let _ = threads.wait_for(|threads| threads.running == 0).await;
    }

    /// Waits until the engine stops at a fault, and says at which; after a drain it waits for ever.
    pub async fn failed(&self) -> Arc<Fault> {
        let mut threads = self.threads.clone();
        loop {
            if let Some(fault) = threads.borrow_and_update().fault.clone() {
                return fault;
            }
            if threads.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The read side.
    pub const fn reads(&self) -> &Arc<Reads> {
        &self.reads
    }

    /// The snapshots that are handed out.
    pub const fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Follows the position that is on disk and applied to the graph.
    pub fn committed(&self) -> watch::Receiver<Position> {
        self.reads.committed()
    }

    /// Takes down that the broker has confirmed every event up to this sequence.
    pub fn confirm(&self, sequence: u64) {
        self.published.raise(sequence);
    }

    /// Follows the sequence up to which the broker has confirmed every event.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.announce.subscribe()
    }

    /// Takes down that the broker has every change up to this sequence for other instances.
    pub fn confirm_shipped(&self, sequence: u64) {
        self.shipped.raise(sequence);
    }

    /// Follows the sequence up to which the broker has every change for other instances.
    pub fn shipped(&self) -> watch::Receiver<u64> {
        self.shipped.announce.subscribe()
    }

    /// Takes in parcels that another instance packed, all or none; gives the position after them. Those that are held
    /// already change nothing.
    ///
    /// # Errors
    /// [`Stopped`] where the engine takes nothing any more; within, [`Unfollowable`] where they do not go on from here.
    pub async fn follow(&self, bodies: Vec<Vec<u8>>) -> Result<Result<Position, Unfollowable>, Stopped> {
        let (answer, followed) = oneshot::channel();
        let job = Job::Follow(Parcels { bodies, answer });
        self.jobs.send(job).await.map_err(|_| Stopped)?;
        followed.await.map_err(|_| Stopped)
    }

    /// Begins an epoch, if it has not begun, and takes a standing; gives the position once both are on disk. From one on
    /// that forbids writing, commands that wait are dropped without an answer.
    ///
    /// # Errors
    /// [`Stopped`] where the engine takes nothing any more.
    pub async fn enter(&self, entry: Entry) -> Result<Position, Stopped> {
        let (answer, entered) = oneshot::channel();
        self.jobs
            .send(Job::Enter(entry, answer))
            .await
            .map_err(|_| Stopped)?;
        entered.await.map_err(|_| Stopped)
    }

    /// Follows the place of this register among its copies.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }
}

/// The rules that decisions go by, from two rooms' settings.
fn rules(config: &Config, limits: Limits) -> crate::domain::Rules {
    crate::domain::Rules {
        limits,
        tombstone_ms: config.tombstones_keep_days.saturating_mul(86_400_000),
    }
}
