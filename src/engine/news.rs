//! What transactions did to the graph as a whole, from where it is committed until it is told.
//!
//! The last of it is kept in memory. What is older is found again by taking back the changes since, and taking them in
//! once more: so it is the same after a crash, and nothing of it needs a place on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Fault;
use super::model::read_model;
use super::reads::Reads;
use crate::domain::{Change, GraphNews, Position};
use crate::store::Snapshot;

/// Transactions with news that are kept in memory.
pub(super) const KEPT_MAX: usize = 10_000;
/// Changes that are read at once while news are found again.
const CHUNK: u64 = 1_000;

/// The news of some transactions, each by the sequence of its last event.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// All after this sequence are here.
    after: u64,
    /// All up to this sequence are here.
    until: u64,
    items: BTreeMap<u64, Arc<GraphNews>>,
}

impl News {
    /// None yet, and all from this sequence on.
    pub(super) const fn after(sequence: u64) -> Self {
        Self {
            after: sequence,
            until: sequence,
            items: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, sequence: u64, news: GraphNews) {
        self.until = sequence;
        if !news.is_empty() {
            self.items.insert(sequence, Arc::new(news));
        }
        while self.items.len() > KEPT_MAX
            && let Some((oldest, _)) = self.items.pop_first()
        {
            self.after = oldest;
        }
    }

    /// Forgets those that end at a sequence or before it: they are told.
    pub(super) fn forget(&mut self, sequence: u64) {
        self.items = self.items.split_off(&(sequence + 1));
        self.after = self.after.max(sequence.min(self.until));
    }

    /// The news of the transaction that ends with this sequence; `None` where it has none, or is not among these.
    pub fn of(&self, sequence: u64) -> Option<&Arc<GraphNews>> {
        self.items.get(&sequence)
    }

    /// The sequence up to which all are here.
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// Whether one more would cost the oldest.
    fn is_full(&self) -> bool {
        self.items.len() >= KEPT_MAX
    }

    /// Whether the news of the transaction that ends with this sequence would be here.
    pub const fn covers(&self, sequence: u64) -> bool {
        self.after < sequence && sequence <= self.until
    }

    /// Those from a sequence on, where all of them are here.
    fn from(&self, first: u64) -> Option<Self> {
        (self.after < first).then(|| Self {
            after: first - 1,
            until: self.until,
            items: self
                .items
                .range(first..)
                .map(|(at, news)| (*at, Arc::clone(news)))
                .collect(),
        })
    }
}

impl Reads {
    /// The news of the transactions that end at a sequence, or after it: of all that there are or, where they are found
    /// again and are very many, of the first. What is found again takes up to some seconds, and as much memory as the
    /// model has.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn news(&self, first: u64) -> Result<News, Fault> {
        if let Some(news) = read_model(&self.model).news.from(first) {
            return Ok(news);
        }
        let mut model = read_model(&self.model).clone();
        let snapshot = self.store.snapshot()?;
        let last = model.position.sequence;
        // What a transaction did is told from before its beginning.
        let begins = read(&snapshot, first, first)?
            .pop()
            .map(|change| change.transaction.first);
        let first = begins.unwrap_or(first).min(first).max(1);
        let mut next = last;
        while next >= first {
            let from = next.saturating_sub(CHUNK - 1).max(first);
            let changes = read(&snapshot, from, next)?;
            for change in changes.iter().rev() {
                model.take_back(change, before(change))?;
            }
            next = from - 1;
        }
        model.graph.watch();
        model.news = News::after(next);
        while next < last {
            let changes = read(&snapshot, next + 1, (next + CHUNK).min(last))?;
            for change in &changes {
                model.apply(change)?;
                if model.news.is_full() {
                    return Ok(model.news);
                }
            }
            next = (next + CHUNK).min(last);
        }
        Ok(model.news)
    }
}

/// Where the register was before a change, as far as it matters here.
const fn before(change: &Change) -> Position {
    Position {
        epoch: change.epoch,
        sequence: change.sequence.saturating_sub(1),
    }
}

fn read(snapshot: &Snapshot, from: u64, until: u64) -> Result<Vec<Change>, Fault> {
    let most = usize::try_from(until - from + 1).unwrap_or_default();
    let mut changes = snapshot.changes(from, most)?;
    // Where the log begins later, it is asked for more than there is.
    changes.retain(|change| change.sequence <= until);
    Ok(changes)
}
