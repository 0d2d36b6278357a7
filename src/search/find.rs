//! Answering a query: what matches in one state of the index, best first.

use std::collections::BTreeSet;

use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocAddress, Score};

use super::ast::Query;
use super::budget::Budget;
use super::collect::{Best, Resume, Visit, best, merge};
use super::explain::{self, Explainer};
use super::facets::Tally;
use super::fault::{Fault, SearchError};
use super::fields::read_key;
use super::index::{Shared, Snapshot};
use super::lower::{Lower, Plan, plan};
use super::sets::Sets;
use crate::domain::{EntityKey, Facet, FacetCounts, Hit, Id, Position, Problem, ProblemKind};

/// What is asked of the index.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What is looked for.
    pub query: &'a Query,
    /// What is in the sets of the graph that the query names.
    pub sets: &'a Sets,
    /// Only resources of this environment.
    pub within: Option<&'a Id>,
    /// Only these environments and what is in them, as if there were no others; `None` for all.
    pub in_sight: Option<&'a BTreeSet<Id>>,
    /// How many hits.
    pub limit: usize,
    /// The `next` of the page before.
    pub after: Option<&'a str>,
    /// What to count over all that matches.
    pub facets: &'a [Facet],
    /// Say what each hit has its score of.
    pub explain: bool,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Best first; the same score in the order environments, resources, and then by id.
    pub hits: Vec<Hit>,
    /// How many match in all.
    pub total: usize,
    /// Where the next page goes on, if there is one.
    pub next: Option<String>,
    /// What the answer is true as of.
    pub as_of: Position,
    /// One for each facet that was asked for.
    pub facets: Vec<FacetCounts>,
    /// Why the search ended before it had seen all, if it did: hits, total and counts are then of what it has seen.
    pub stopped: Option<String>,
}

impl Found {
    /// The first page of it, as if no more had been asked for.
    #[must_use]
    pub fn first_page(mut self, limit: usize) -> Self {
        if self.hits.len() > limit {
            self.hits.truncate(limit);
            self.next = self.hits.last().map(write_cursor);
        }
        self
    }
}

impl Shared {
    /// Finds what matches in the state of now.
    pub(super) fn ask(&self, ask: &Ask<'_>, budget: &mut Budget) -> Result<Found, SearchError> {
        let after = ask.after.map(read_cursor).transpose()?;
        let snapshot = self.snapshot();
        Ok(self.find(&snapshot, ask, after.as_ref(), budget)?)
    }

    fn find(
        &self,
        snapshot: &Snapshot,
        ask: &Ask<'_>,
        after: Option<&Resume>,
        budget: &mut Budget,
    ) -> Result<Found, Fault> {
        let searcher = &snapshot.searcher;
        let lower = Lower {
            fields: &self.fields,
            searcher,
            sets: ask.sets.documents(searcher, &snapshot.segments)?,
            in_sight: ask.in_sight,
        };
        let Plan { query, count } = plan(ask.query, ask.within, &lower);
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher))?;
        let mut tally = Tally::new(ask.facets);
        let count = match &count {
            // What counts by facets looks at all documents, and counts them too.
            Some(count) if tally.is_empty() => {
                Some(count.weight(EnableScoring::disabled_from_searcher(searcher))?)
            }
            _ => None,
        };
        let mut total = 0;
        let mut bests = Vec::with_capacity(searcher.segment_readers().len());
        let readers = searcher.segment_readers().iter().zip(snapshot.segments.iter());
        for (place, (reader, segment)) in (0..).zip(readers) {
            if !budget.look() {
                break;
            }
            if let Some(counted) = counted(count.as_deref(), reader)? {
                total += counted;
                if counted == 0 {
                    continue;
                }
            }
            let mut counters = tally.open(reader)?;
            let visit = Visit {
                limit: ask.limit,
                after,
                prune: count.is_some(),
                counters: &mut counters,
                budget: &mut *budget,
            };
            let found = best(weight.as_ref(), (place, reader, segment), visit)?;
            tally.take(counters)?;
            total += found.seen;
            bests.push(found);
        }
        let stopped = budget.spent().map(str::to_owned);
        let mut found = self.found(
            snapshot,
            bests,
            ask.limit,
            ask.explain.then_some((ask.query, &lower)),
            budget,
        )?;
        if stopped.is_some() {
            // What was not seen may be better than the last hit, so no page can go on from there.
            found.next = None;
        }
        Ok(Found {
            // Where the search stopped, some may have been found in a segment that was not counted whole.
            total: total.max(found.hits.len()),
            facets: tally.finish(ask.in_sight),
            stopped,
            ..found
        })
    }

    /// The hits, with what their scores are made of as far as the budget reaches.
    fn found(
        &self,
        snapshot: &Snapshot,
        bests: Vec<Best>,
        limit: usize,
        explain: Option<(&Query, &Lower<'_>)>,
        budget: &mut Budget,
    ) -> Result<Found, Fault> {
        let more = bests.iter().map(Best::len).sum::<usize>() > limit;
        let Snapshot {
            searcher, segments, ..
        } = snapshot;
        let card = |address| segments.card(searcher, &self.fields, address);
        let ranked = merge(bests, limit, |address| Ok::<&EntityKey, _>(&card(address)?.key))?;
        let full = limit > 0 && ranked.len() == limit;
        let explainer = explain
            .filter(|_| budget.look())
            .map(|(query, lower)| Explainer::new(query, lower, searcher))
            .transpose()?;
        let mut hits = Vec::with_capacity(ranked.len());
        for (score, address) in ranked {
            let card = card(address)?;
            let explainer = explainer.as_ref().filter(|_| hits.len() < explain::HITS_MAX);
            let explanation = match explainer {
                Some(explainer) => {
                    let DocAddress { segment_ord, doc_id } = address;
                    explainer.explain(searcher.segment_reader(segment_ord), doc_id, budget)?
                }
                None => Vec::new(),
            };
            hits.push(Hit {
                key: card.key.clone(),
                kind: card.kind.clone(),
                name: card.name.clone(),
                score,
                highlights: Vec::new(),
                explanation,
            });
        }
        let next = match hits.last() {
            // One more than the limit is kept of each segment, so that a full last page has no next.
            Some(last) if full && more => Some(write_cursor(last)),
            _ => None,
        };
        Ok(Found {
            total: hits.len(),
            hits,
            next,
            as_of: snapshot.reached,
            facets: Vec::new(),
            stopped: None,
        })
    }
}

/// How many match in a segment, where that can be told without looking at each.
fn counted(count: Option<&dyn Weight>, reader: &tantivy::SegmentReader) -> Result<Option<usize>, Fault> {
    let Some(count) = count else {
        return Ok(None);
    };
    Ok(Some(usize::try_from(count.count(reader)?).unwrap_or(usize::MAX)))
}

/// Where a page ends: the bits of the score, and the key.
fn write_cursor(last: &Hit) -> String {
    format!("{:08x}.{}", last.score.to_bits(), last.key)
}

/// Reads where a page ended.
fn read_cursor(text: &str) -> Result<Resume, SearchError> {
    let parsed = text.split_once('.').and_then(|(bits, key)| {
        let score = Score::from_bits(u32::from_str_radix(bits, 16).ok()?);
        read_key(key).filter(|_| score.is_finite())?;
        Some(Resume {
            score,
            key: key.to_owned(),
        })
    });
    parsed.ok_or_else(|| {
        let problem = Problem::new(ProblemKind::Invalid, "this is not a cursor of a search")
            .at("/cursor")
            .hint("send the `next` of the page before as it is, or no cursor for the first page");
        SearchError::Problem(Box::new(problem))
    })
}
