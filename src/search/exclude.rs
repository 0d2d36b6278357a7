//! What must not match.
//!
//! The index asks what is excluded for documents that may lie before the one where it stands, and the scorer of a phrase
//! takes that for a mistake: between them stands one that knows where it is.

use tantivy::query::{EnableScoring, Explanation, Query as IndexQuery, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader};

/// A query that may be asked for documents that it has passed.
#[derive(Debug)]
pub(super) struct Excluded(Box<dyn IndexQuery>);

impl Excluded {
    /// Around a query.
    pub(super) fn around(query: Box<dyn IndexQuery>) -> Box<dyn IndexQuery> {
        Box::new(Self(query))
    }
}

impl Clone for Excluded {
    fn clone(&self) -> Self {
        Self(self.0.box_clone())
    }
}

impl IndexQuery for Excluded {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(ExcludedWeight(self.0.weight(scoring)?)))
    }
}

struct ExcludedWeight(Box<dyn Weight>);

impl Weight for ExcludedWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(ExcludedScorer(self.0.scorer(reader, boost)?)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, doc)
    }

    fn count(&self, reader: &SegmentReader) -> tantivy::Result<u32> {
        self.0.count(reader)
    }
}

/// Has the default of `seek_danger`, which looks where it stands before it moves.
struct ExcludedScorer(Box<dyn Scorer>);

impl DocSet for ExcludedScorer {
    fn advance(&mut self) -> DocId {
        self.0.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.0.doc() >= target {
            return self.0.doc();
        }
        self.0.seek(target)
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }

    fn cost(&self) -> u64 {
        self.0.cost()
    }
}

impl Scorer for ExcludedScorer {
    fn score(&mut self) -> Score {
        self.0.score()
    }
}
