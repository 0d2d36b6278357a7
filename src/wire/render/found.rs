//! What a search found.

use crate::domain::{Explained, FacetCounts, Highlight, Hit, Hits};
use crate::wire::shape::{ExplainedBody, FacetBody, FacetValue, HighlightBody, HitBody, HitsBody};

use super::answer::count;

impl From<&Hits> for HitsBody {
    fn from(hits: &Hits) -> Self {
        let Hits {
            items,
            facets,
            understood,
        } = hits;
        Self {
            items: items.iter().map(HitBody::from).collect(),
            facets: facets.iter().map(FacetBody::from).collect(),
            understood: understood.clone(),
        }
    }
}

/// JSON has no word for what is not a number.
const fn number(score: f32) -> f32 {
    if score.is_finite() { score } else { 0.0 }
}

impl From<&Hit> for HitBody {
    fn from(hit: &Hit) -> Self {
        let Hit {
            key,
            kind,
            name,
            score,
            highlights,
            explanation,
        } = hit;
        Self {
            entity: key.entity.to_string(),
            id: key.id.to_string(),
            kind: kind.clone(),
            name: name.clone(),
            score: number(*score),
            highlights: highlights.iter().map(HighlightBody::from).collect(),
            explanation: explanation.iter().map(ExplainedBody::from).collect(),
        }
    }
}

impl From<&Highlight> for HighlightBody {
    fn from(highlight: &Highlight) -> Self {
        let Highlight { field, text, ranges } = highlight;
        Self {
            field: (*field).to_owned(),
            text: text.clone(),
            ranges: ranges
                .iter()
                .map(|(from, to)| [count(*from), count(*to)])
                .collect(),
        }
    }
}

impl From<&Explained> for ExplainedBody {
    fn from(explained: &Explained) -> Self {
        let Explained { term, fields, weight } = explained;
        Self {
            term: term.clone(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            weight: number(*weight),
        }
    }
}

impl From<&FacetCounts> for FacetBody {
    fn from(counts: &FacetCounts) -> Self {
        let FacetCounts {
            facet,
            values,
            others,
        } = counts;
        let value = |(value, count): &(String, u64)| FacetValue {
            value: value.clone(),
            count: *count,
        };
        Self {
            facet: facet.to_string(),
            values: values.iter().map(value).collect(),
            others: *others,
        }
    }
}
