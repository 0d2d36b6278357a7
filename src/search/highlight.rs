//! Where a document matches a query: found anew in its fields, for the hits that are shown.

use std::collections::BTreeMap;

use super::ast::{Field, Matcher, Query, Term};
use super::explain::clipped;
use super::fragment::fragment;
use super::lower::FUZZY_CHARS_MIN;
use super::text::{Spot, spots, whole, words};
use crate::domain::{Document, Hit, Tags};

/// How many tags of a hit are told.
const TAGS_MAX: usize = 4;

/// A text of a document.
struct Part<'a> {
    field: &'static str,
    /// Of a tag.
    key: Option<&'a str>,
    /// The value of a tag, or the text itself.
    value: &'a str,
    text: String,
    spots: Vec<Spot>,
}

/// Fills in where a hit matches, if that is wanted, and which fields each part of its explanation is about.
pub fn complete(hit: &mut Hit, query: &Query, document: &Document, highlights: bool) {
    let parts = parts(document);
    let mut terms = Vec::new();
    wanted(query, &mut terms);
    // By the place of a part, which is the order in which they are told.
    let mut marks: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for term in terms {
        let name = clipped(&term.to_string());
        let needle = Needle::of(term);
        for (place, part) in parts.iter().enumerate() {
            let found = needle.marks(term, part);
            if found.is_empty() {
                continue;
            }
            let explained = hit
                .explanation
                .iter_mut()
                .filter(|explained| explained.term == name);
            for explained in explained.filter(|explained| !explained.fields.contains(&part.field)) {
                explained.fields.push(part.field);
            }
            marks.entry(place).or_default().extend(found);
        }
    }
    if highlights {
        let mut tags = 0;
        for (place, ranges) in marks {
            let Some(part) = parts.get(place) else {
                continue;
            };
            tags += usize::from(part.key.is_some());
            if part.key.is_none() || tags <= TAGS_MAX {
                hit.highlights.extend(fragment(part.field, &part.text, ranges));
            }
        }
    }
}

/// The terms that a document may match; not those that it must not.
fn wanted<'a>(query: &'a Query, terms: &mut Vec<&'a Term>) {
    match query {
        Query::Term(term) => terms.push(term),
        Query::And(children) | Query::Or(children) => {
            for child in children {
                wanted(child, terms);
            }
        }
        Query::All | Query::Graph(_) | Query::Not(_) => {}
    }
}

/// The texts of a document that are searched.
fn parts(document: &Document) -> Vec<Part<'_>> {
    let (kind, name, description, tags): (&str, _, _, &Tags) = match document {
        Document::Environment(environment) => {
            ("", &environment.name, &environment.description, &environment.tags)
        }
        Document::Resource(resource) => (
            &resource.kind,
            &resource.name,
            &resource.description,
            &resource.tags,
        ),
    };
    let mut parts = Vec::new();
    let mut add = |field, value| {
        parts.push(Part {
            field,
            key: None,
            value,
            text: String::from(value),
            spots: spots(value),
        });
    };
    add("id", document.id().as_str());
    add("name", name);
    add("kind", kind);
    for (key, value) in tags {
        let text = if value.is_empty() {
            key.clone()
        } else {
            format!("{key}={value}")
        };
        parts.push(Part {
            field: "tags",
            key: Some(key),
            value,
            spots: spots(&text),
            text,
        });
    }
    parts.push(Part {
        field: "description",
        key: None,
        value: description,
        text: description.clone(),
        spots: spots(description),
    });
    parts
}

/// What a term looks for, made ready once for all parts.
struct Needle {
    words: Vec<String>,
    whole: String,
}

impl Needle {
    fn of(term: &Term) -> Self {
        let text = match &term.matcher {
            Matcher::Word(text)
            | Matcher::Phrase(text)
            | Matcher::Prefix(text)
            | Matcher::Fuzzy { text, .. } => text,
            Matcher::Present => "",
        };
        Self {
            words: words(text).into_iter().map(|(_, word)| word).collect(),
            whole: whole(text),
        }
    }

    /// Where a term matches a part.
    fn marks(&self, term: &Term, part: &Part<'_>) -> Vec<(usize, usize)> {
        let field = part.field;
        let looks_here = match &term.field {
            Field::Any => true,
            Field::Name => field == "name",
            Field::Description => field == "description",
            Field::Id => field == "id",
            Field::Kind => field == "kind",
            Field::Tag => field == "tags",
            Field::TagKey(key) => part.key.is_some_and(|own| whole(own) == whole(key)),
            Field::Type | Field::Environment => false,
        };
        if !looks_here {
            return Vec::new();
        }
        match &term.field {
            Field::Kind | Field::TagKey(_) => self.as_a_whole(&term.matcher, part),
            _ => self.by_words(&term.matcher, part),
        }
    }

    /// In a field that is matched as a whole.
    fn as_a_whole(&self, matcher: &Matcher, part: &Part<'_>) -> Vec<(usize, usize)> {
        let value = whole(part.value);
        let found = match matcher {
            Matcher::Word(_) | Matcher::Phrase(_) => value == self.whole,
            Matcher::Prefix(_) => value.starts_with(&self.whole),
            Matcher::Fuzzy { distance, .. } => is_near(&self.whole, &value, *distance),
            Matcher::Present => true,
        };
        let end = part.text.chars().count();
        if !found || end == 0 {
            return Vec::new();
        }
        let is_key_only = part.value.is_empty() || *matcher == Matcher::Present;
        let start = match part.key {
            Some(key) if !is_key_only => key.chars().count() + 1,
            _ => 0,
        };
        vec![(start, end)]
    }

    /// In a field of words.
    fn by_words(&self, matcher: &Matcher, part: &Part<'_>) -> Vec<(usize, usize)> {
        let spots = part.spots.as_slice();
        if let Matcher::Fuzzy { distance, .. } = matcher
            && *distance > 0
        {
            let near = |spot: &&Spot| {
                self.words.iter().any(|word| {
                    let is_short = word.chars().count() < FUZZY_CHARS_MIN;
                    is_near(word, &spot.word, if is_short { 0 } else { *distance })
                })
            };
            return spots
                .iter()
                .filter(near)
                .map(|spot| (spot.start, spot.end))
                .collect();
        }
        let Some((last, before)) = self.words.split_last() else {
            return Vec::new();
        };
        let is_prefix = matches!(matcher, Matcher::Prefix(_));
        let matches = |run: &[Spot]| {
            let (end, start) = run.split_last()?;
            let ends = if is_prefix {
                end.word.starts_with(last)
            } else {
                end.word == *last
            };
            let fits = ends && start.iter().zip(before).all(|(spot, word)| spot.word == *word);
            fits.then_some((run.first()?.start, end.end))
        };
        spots.windows(self.words.len()).filter_map(matches).collect()
    }
}

/// Whether a word is at most some edits away from another.
fn is_near(word: &str, other: &str, distance: u8) -> bool {
    let distance = usize::from(distance);
    if word.chars().count().abs_diff(other.chars().count()) > distance {
        return false;
    }
    word == other || (distance > 0 && strsim::osa_distance(word, other) <= distance)
}
