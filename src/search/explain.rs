//! What a score is made of: each term of the query is asked alone for what it gives to a document.
//!
//! It adds up, since all parts of a query are summed; what must not match gives nothing.

use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocId, Score, Searcher, SegmentReader};

use super::ast::Query;
use super::budget::Budget;
use super::fault::Fault;
use super::lower::Lower;
use crate::domain::Explained;

/// How many hits are explained.
pub(super) const HITS_MAX: usize = 100;
/// How many parts of a score are told.
const PARTS_MAX: usize = 12;
/// The longest term that is told whole, in characters.
const TERM_CHARS_MAX: usize = 80;

/// The parts of a query's score.
pub(super) struct Explainer {
    parts: Vec<(String, Box<dyn Weight>)>,
}

impl Explainer {
    /// Of a query.
    pub(super) fn new(query: &Query, lower: &Lower<'_>, searcher: &Searcher) -> Result<Self, Fault> {
        let scoring = EnableScoring::enabled_from_searcher(searcher);
        let parts = lower.parts(query).into_iter().map(|(term, found)| {
            let weight = found.weight(scoring)?;
            Ok((clipped(&term), weight))
        });
        Ok(Self {
            parts: parts.collect::<Result<_, Fault>>()?,
        })
    }

    /// What each part gives to a document, most first; nothing where the budget does not reach for all of them, since
    /// they are to add up.
    pub(super) fn explain(
        &self,
        reader: &SegmentReader,
        doc: DocId,
        budget: &mut Budget,
    ) -> Result<Vec<Explained>, Fault> {
        let mut all = Vec::new();
        for (term, weight) in &self.parts {
            if !budget.reach(1) {
                return Ok(Vec::new());
            }
            let weight = score(weight.as_ref(), reader, doc)?;
            if weight > 0.0 {
                all.push(Explained {
                    term: term.clone(),
                    fields: Vec::new(),
                    weight,
                });
            }
        }
        all.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        if all.len() > PARTS_MAX {
            let rest = all.split_off(PARTS_MAX - 1);
            all.push(Explained {
                term: format!("{} more", rest.len()),
                fields: Vec::new(),
                weight: rest.iter().map(|part| part.weight).sum(),
            });
        }
        Ok(all)
    }
}

/// What a query gives to one document; zero where it does not match.
fn score(weight: &dyn Weight, reader: &SegmentReader, doc: DocId) -> Result<Score, Fault> {
    let mut scorer = weight.scorer(reader, 1.0)?;
    let found = scorer.doc() == doc || (scorer.doc() < doc && scorer.seek(doc) == doc);
    Ok(if found { scorer.score() } else { 0.0 })
}

/// A term that is short enough to be told.
pub(super) fn clipped(term: &str) -> String {
    if term.chars().count() <= TERM_CHARS_MAX {
        return term.to_owned();
    }
    let mut short: String = term.chars().take(TERM_CHARS_MAX - 1).collect();
    short.push('…');
    short
}
