//! The best of what matches: by score, then environments before resources, then by id.
//!
//! Within a segment a key is the number of its place among the sorted keys, so that ties cost two comparisons
//! of numbers; only between segments are keys compared as text, and only where scores are equal.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::columnar::{StrColumn, TermOrdHit};
use tantivy::query::Weight;
use tantivy::{DocAddress, DocId, Score, SegmentReader, TERMINATED};

use super::budget::Budget;
use super::facets::Counters;
use super::fault::Fault;
use super::segments::Segment;
use crate::domain::EntityKey;

/// Where a page ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resume {
    /// The score of the last hit.
    pub(super) score: Score,
    /// Its key.
    pub(super) key: String,
}

/// What one segment has.
pub(super) struct Best {
    /// Best first.
    ranked: Vec<Ranked>,
    /// How many match; zero where they were not all visited.
    pub(super) seen: usize,
    segment: u32,
}

impl Best {
    /// How many it holds.
    pub(super) fn len(&self) -> usize {
        self.ranked.len()
    }
}

/// One document of a segment: greater is better.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    score: Score,
    /// The place of its key among the sorted keys of the segment.
    ordinal: u32,
    doc: DocId,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.ordinal.cmp(&self.ordinal))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// What a visit of a segment is for.
pub(super) struct Visit<'a> {
    pub(super) limit: usize,
    pub(super) after: Option<&'a Resume>,
    /// Skip what cannot be among the best, and count nothing.
    pub(super) prune: bool,
    pub(super) counters: &'a mut Counters,
    pub(super) budget: &'a mut Budget,
}

/// The best of one segment, or of what the budget allows to see of it.
pub(super) fn best(
    weight: &dyn Weight,
    (place, reader, segment): (u32, &SegmentReader, &Segment),
    visit: Visit<'_>,
) -> Result<Best, Fault> {
    let Visit {
        limit,
        after,
        prune,
        counters,
        budget,
    } = visit;
    let mut top = Top {
        // One more, to know whether there is a next page.
        limit: limit.saturating_add(1),
        heap: BinaryHeap::new(),
        bound: after.map(|resume| bound(&segment.keys, resume)).transpose()?,
        segment,
    };
    let alive = reader.alive_bitset();
    let lives = |doc: DocId| alive.is_none_or(|alive| alive.is_alive(doc));
    let mut seen = 0;
    if prune {
        let mut goes_on = true;
        weight.for_each_pruning(Score::MIN, reader, &mut |doc, score| {
            goes_on = goes_on && budget.visit();
            if !goes_on {
                return Score::MAX;
            }
            if lives(doc) {
                top.offer(doc, score);
            }
            top.floor()
        })?;
    } else {
        let mut scorer = weight.scorer(reader, 1.0)?;
        let mut doc = scorer.doc();
        while doc != TERMINATED && budget.visit() {
            if lives(doc) {
                seen += 1;
                top.offer(doc, scorer.score());
                counters.count(doc);
            }
            doc = scorer.advance();
        }
    }
    let mut ranked: Vec<Ranked> = top.heap.into_iter().map(|Reverse(ranked)| ranked).collect();
    ranked.sort_unstable_by(|one, other| other.cmp(one));
    Ok(Best {
        ranked,
        seen,
        segment: place,
    })
}

/// The score, and the first place among the sorted keys, from which a page goes on.
fn bound(keys: &StrColumn, resume: &Resume) -> Result<(Score, u32), Fault> {
    let hit = keys
        .dictionary()
        .term_ord_or_next(&resume.key)
        .map_err(|error| Fault::of("read its keys")(error.into()))?;
    let first = match hit {
        TermOrdHit::Exact(last) => last + 1,
        TermOrdHit::Next(next) => next,
    };
    Ok((resume.score, u32::try_from(first).unwrap_or(u32::MAX)))
}

/// The best so far, the worst of them on top.
struct Top<'a> {
    limit: usize,
    heap: BinaryHeap<Reverse<Ranked>>,
    bound: Option<(Score, u32)>,
    segment: &'a Segment,
}

impl Top<'_> {
    /// Takes a document if it is among the best so far.
    fn offer(&mut self, doc: DocId, score: Score) {
        let full = self.heap.len() >= self.limit;
        if full && self.heap.peek().is_none_or(|Reverse(worst)| score < worst.score) {
            return;
        }
        if self.bound.is_some_and(|(bound, _)| score > bound) {
            return;
        }
        let ordinal = self.segment.ordinal(doc);
        #[expect(clippy::float_cmp, reason = "a tie is the very same score")]
        if self
            .bound
            .is_some_and(|(bound, first)| score == bound && ordinal < first)
        {
            return;
        }
        let ranked = Ranked { score, ordinal, doc };
        if full {
            if let Some(mut worst) = self.heap.peek_mut()
                && ranked > worst.0
            {
                *worst = Reverse(ranked);
            }
        } else {
            self.heap.push(Reverse(ranked));
        }
    }

    /// The score that a document must exceed to be worth a look: just below the worst, because of ties.
    fn floor(&self) -> Score {
        if self.heap.len() < self.limit {
            return Score::MIN;
        }
        self.heap
            .peek()
            .map_or(Score::MAX, |Reverse(worst)| worst.score.next_down())
    }
}

/// The best of all segments. `key` finds the key of a document; it is asked only between equal scores.
pub(super) fn merge<'a>(
    segments: Vec<Best>,
    limit: usize,
    key: impl Fn(DocAddress) -> Result<&'a EntityKey, Fault>,
) -> Result<Vec<(Score, DocAddress)>, Fault> {
    let mut heads: Vec<Head> = segments.into_iter().filter_map(Head::new).collect();
    let mut merged = Vec::with_capacity(limit.min(heads.iter().map(Head::len).sum()));
    while merged.len() < limit && !heads.is_empty() {
        let winner = winner(&heads, &key)?;
        let Some(head) = heads.get_mut(winner) else {
            break;
        };
        merged.push((head.first.score, head.address()));
        match head.rest.next() {
            Some(next) => head.first = next,
            None => {
                heads.swap_remove(winner);
            }
        }
    }
    Ok(merged)
}

/// What is left of a segment, its best in front.
struct Head {
    first: Ranked,
    rest: std::vec::IntoIter<Ranked>,
    segment: u32,
}

impl Head {
    /// Of a segment that has something.
    fn new(best: Best) -> Option<Self> {
        let mut rest = best.ranked.into_iter();
        Some(Self {
            first: rest.next()?,
            rest,
            segment: best.segment,
        })
    }

    /// How many are left.
    fn len(&self) -> usize {
        self.rest.len() + 1
    }

    /// Where the first is.
    const fn address(&self) -> DocAddress {
        DocAddress {
            segment_ord: self.segment,
            doc_id: self.first.doc,
        }
    }
}

/// Which head is next.
fn winner<'a>(
    heads: &[Head],
    key: &impl Fn(DocAddress) -> Result<&'a EntityKey, Fault>,
) -> Result<usize, Fault> {
    let mut winner = 0;
    let mut best: Option<&Head> = None;
    for (position, head) in heads.iter().enumerate() {
        let better = match best.map(|best| (head.first.score.total_cmp(&best.first.score), best)) {
            None | Some((Ordering::Greater, _)) => true,
            Some((Ordering::Less, _)) => false,
            Some((Ordering::Equal, best)) => key(head.address())? < key(best.address())?,
        };
        if better {
            best = Some(head);
            winner = position;
        }
    }
    Ok(winner)
}
