//! Facets: how often each value is there, over all documents that match, counted by columns of the index.

use std::collections::{BTreeSet, HashMap};
use std::io;

use tantivy::columnar::{StrColumn, TermOrdHit};
use tantivy::{DocId, SegmentReader};

use super::fault::Fault;
use super::fields::{ENTITY, ENVIRONMENT, KIND, TAG, TAG_SEPARATOR};
use super::text::plain;
use crate::domain::{Facet, FacetCounts, Id};

/// How many values of a facet are told.
const VALUES_MAX: usize = 20;

/// What is counted over all segments.
pub(super) struct Tally<'a> {
    facets: Vec<(&'a Facet, HashMap<String, u64>)>,
}

/// What is counted in one segment.
pub(super) struct Counters {
    counters: Vec<Option<Counter>>,
}

/// One facet in one segment: how often each value of a column is there, from one place of its dictionary on.
struct Counter {
    column: StrColumn,
    first: u64,
    counts: Vec<u64>,
    /// Where the key of a tag is, and how many have it.
    key: Option<(u64, u64)>,
    /// What the values begin with, which is not told.
    prefix: String,
}

/// A fault of the dictionary of a column.
fn unreadable(error: io::Error) -> Fault {
    Fault::of("count by a column")(error.into())
}

impl<'a> Tally<'a> {
    /// Of these.
    pub(super) fn new(facets: &'a [Facet]) -> Self {
        Self {
            facets: facets.iter().map(|facet| (facet, HashMap::new())).collect(),
        }
    }

    /// Whether nothing is counted.
    pub(super) const fn is_empty(&self) -> bool {
        self.facets.is_empty()
    }

    /// Begins with a segment.
    pub(super) fn open(&self, reader: &SegmentReader) -> Result<Counters, Fault> {
        let counters = self.facets.iter().map(|(facet, _)| Counter::open(facet, reader));
        Ok(Counters {
            counters: counters.collect::<Result<_, _>>()?,
        })
    }

    /// Takes in what was counted in a segment.
    pub(super) fn take(&mut self, segment: Counters) -> Result<(), Fault> {
        for ((_, totals), counter) in self.facets.iter_mut().zip(segment.counters) {
            if let Some(counter) = counter {
                counter.add_to(totals).map_err(unreadable)?;
            }
        }
        Ok(())
    }

    /// The most frequent of each; of environments, those in sight.
    pub(super) fn finish(self, in_sight: Option<&BTreeSet<Id>>) -> Vec<FacetCounts> {
        let finish = |(facet, totals): (&Facet, HashMap<String, u64>)| {
            let mut values: Vec<(String, u64)> = totals.into_iter().collect();
            if let (Facet::Environment, Some(in_sight)) = (facet, in_sight) {
                values.retain(|(environment, _)| in_sight.contains(environment.as_str()));
            }
            values.sort_unstable_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
            let others = values.len().saturating_sub(VALUES_MAX);
            values.truncate(VALUES_MAX);
            FacetCounts {
                facet: facet.clone(),
                values,
                others: u64::try_from(others).unwrap_or(u64::MAX),
            }
        };
        self.facets.into_iter().map(finish).collect()
    }
}

impl Counters {
    /// Counts a document.
    #[inline]
    pub(super) fn count(&mut self, doc: DocId) {
        for counter in self.counters.iter_mut().flatten() {
            for ordinal in counter.column.ords().values_for_doc(doc) {
                let place = ordinal
                    .checked_sub(counter.first)
                    .and_then(|n| usize::try_from(n).ok());
                if let Some(count) = place.and_then(|place| counter.counts.get_mut(place)) {
                    *count += 1;
                } else if let Some((_, many)) = counter.key.as_mut().filter(|(key, _)| *key == ordinal) {
                    *many += 1;
                }
            }
        }
    }
}

impl Counter {
    /// None where no document of the segment has a value.
    fn open(facet: &Facet, reader: &SegmentReader) -> Result<Option<Self>, Fault> {
        let name = match facet {
            Facet::Kind => KIND,
            Facet::Type => ENTITY,
            Facet::Environment => ENVIRONMENT,
            Facet::Tag(_) => TAG,
        };
        let Some(column) = reader.fast_fields().str(name)? else {
            return Ok(None);
        };
        let terms = u64::try_from(column.num_terms()).unwrap_or(u64::MAX);
        let (mut first, mut end, mut key) = (0, terms, None);
        let mut prefix = String::new();
        if let Facet::Tag(tag) = facet {
            let tag = plain(tag);
            prefix = format!("{tag}{TAG_SEPARATOR}");
            let dictionary = column.dictionary();
            key = dictionary
                .term_ord(tag.as_bytes())
                .map_err(unreadable)?
                .map(|ord| (ord, 0));
            let place = |text: &str| {
                let (TermOrdHit::Exact(ordinal) | TermOrdHit::Next(ordinal)) =
                    dictionary.term_ord_or_next(text).map_err(unreadable)?;
                Ok::<u64, Fault>(ordinal.min(terms))
            };
            first = place(&prefix)?;
            end = place(&format!("{tag}\u{1}"))?;
        }
        let many = usize::try_from(end.saturating_sub(first)).unwrap_or_default();
        Ok(Some(Self {
            column,
            first,
            counts: vec![0; many],
            key,
            prefix,
        }))
    }

    /// Adds what it counted, value by value.
    fn add_to(self, totals: &mut HashMap<String, u64>) -> io::Result<()> {
        let mut told = 0;
        if self.counts.iter().any(|count| *count > 0) {
            let mut values = self
                .column
                .dictionary()
                .range()
                .ge(self.prefix.as_bytes())
                .into_stream()?;
            for count in &self.counts {
                if !values.advance() {
                    break;
                }
                if *count > 0 {
                    let value = values.key().get(self.prefix.len()..).unwrap_or_default();
                    *totals
                        .entry(String::from_utf8_lossy(value).into_owned())
                        .or_default() += count;
                    told += count;
                }
            }
        }
        // Whoever has the key has a value, which the index only keeps where it is not empty.
        if let Some((_, many)) = self.key
            && many > told
        {
            *totals.entry(String::new()).or_default() += many - told;
        }
        Ok(())
    }
}
