//! Sets of ids that the caller knows and the index does not: what a walk over the graph reached.
//!
//! A set has a table of hashes, and each segment keeps the hash of each of its ids, so that a document that is not
//! in a set costs the look at a number. Ids are compared as text where hashes are equal: it is exact.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use tantivy::index::SegmentId;
use tantivy::query::{
    BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query as IndexQuery, Scorer, Weight,
};
use tantivy::{BitSet, DocId, Score, Searcher, SegmentReader, TantivyError};

use super::ast::GraphSet;
use super::fault::Fault;
use super::segments::{Segment, Segments};
use crate::domain::Id;

/// The hash function of this process.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The hash of an id.
pub(super) fn hash(id: &str) -> u64 {
    HASHER.hash_one(id)
}

/// What is in each set that a query names. A set that is not here is empty.
#[derive(Debug, Default)]
pub struct Sets(BTreeMap<GraphSet, IdSet>);

impl Sets {
    /// Says what is in a set: ids of resources.
    pub fn insert(&mut self, set: GraphSet, ids: Vec<Id>) {
        self.0.insert(set, IdSet::new(ids));
    }

    /// The documents of each set.
    pub(super) fn documents(
        &self,
        searcher: &Searcher,
        segments: &Segments,
    ) -> Result<BTreeMap<&GraphSet, Among>, Fault> {
        let among = |(set, ids): (_, &IdSet)| {
            let mut documents = HashMap::new();
            for (reader, segment) in searcher.segment_readers().iter().zip(segments.iter()) {
                documents.insert(reader.segment_id(), ids.documents(segment, reader.max_doc())?);
            }
            Ok((set, Among(Arc::new(documents))))
        };
        self.0.iter().map(among).collect()
    }
}

/// A set of ids.
struct IdSet {
    ids: Vec<(u64, Id)>,
    /// For each place of the table, one more than the place of an id, or zero. Never more than half full.
    table: Vec<u32>,
}

impl fmt::Debug for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ids", self.ids.len())
    }
}

impl IdSet {
    fn new(ids: Vec<Id>) -> Self {
        let ids: Vec<(u64, Id)> = ids.into_iter().map(|id| (hash(id.as_str()), id)).collect();
        let mut set = Self {
            table: vec![0; (ids.len() * 2).next_power_of_two()],
            ids,
        };
        for (number, (hash, _)) in (1_u32..).zip(&set.ids) {
            let mut place = set.place(*hash);
            while set.table.get(place).is_some_and(|taken| *taken != 0) {
                place = set.after(place);
            }
            if let Some(free) = set.table.get_mut(place) {
                *free = number;
            }
        }
        set
    }

    /// Where an id of this hash is, or further on.
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash & (self.table.len() as u64 - 1)).unwrap_or_default()
    }

    /// The next place of the table.
    const fn after(&self, place: usize) -> usize {
        (place + 1) & (self.table.len() - 1)
    }

    fn contains(&self, hash: u64, id: &[u8]) -> bool {
        let mut place = self.place(hash);
        while let Some(number) = self.table.get(place).filter(|number| **number != 0) {
            let found = self.ids.get(*number as usize - 1);
            if found.is_some_and(|(other, own)| *other == hash && own.as_str().as_bytes() == id) {
                return true;
            }
            place = self.after(place);
        }
        false
    }

    /// The documents of a segment that are in it.
    fn documents(&self, segment: &Segment, count: DocId) -> Result<BitSet, Fault> {
        let mut documents = BitSet::with_max_value(count);
        if self.ids.is_empty() {
            return Ok(documents);
        }
        let names = segment.names()?;
        for doc in 0..count {
            if let Some((hash, id)) = names.resource(segment.ordinal(doc))
                && self.contains(hash, id)
            {
                documents.insert(doc);
            }
        }
        Ok(documents)
    }
}

/// Finds these documents, with the same score for each.
#[derive(Clone)]
pub(super) struct Among(Arc<HashMap<SegmentId, BitSet>>);

impl fmt::Debug for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Among").finish_non_exhaustive()
    }
}

impl IndexQuery for Among {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Among {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(match self.0.get(&reader.segment_id()) {
            Some(documents) => Box::new(ConstScorer::new(BitSetDocSet::from(documents.clone()), boost)),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let documents = self.0.get(&reader.segment_id());
        if documents.is_some_and(|documents| doc < documents.max_value() && documents.contains(doc)) {
            Ok(Explanation::new("is in a set", 1.0))
        } else {
            Err(TantivyError::InvalidArgument(format!(
                "document {doc} is not in the set"
            )))
        }
    }
}
