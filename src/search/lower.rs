//! A query as the index understands it.
//!
//! Scores are made so that an exact id comes first, then an exact name, then words of the id, the name, tags,
//! the kind and the description: see the weights in `fields`. Terms that are matched as a whole, and
//! walks over the dictionary, score the same for every document that they find.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, FuzzyTermQuery, InvertedIndexRangeQuery,
    Occur, PhrasePrefixQuery, PhraseQuery, Query as IndexQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field as IndexField, IndexRecordOption};
use tantivy::{Searcher, Term as IndexTerm};

use super::ast::{Field, GraphSet, Matcher, Query, Term};
use super::exclude::Excluded;
use super::fields::{Fields, tag_term};
use super::sets::Among;
use super::text::{whole, words};
use crate::domain::Id;

/// Puts an exact id or name above all else: no other score of a word is more than a few times that of another.
const EXACT_BOOST: f32 = 10.0;
/// How many endings the last part of a prefix with punctuation inside may have.
const PHRASE_EXPANSIONS_MAX: u32 = 200;
/// Words shorter than this are not fuzzy where they are only a part of one.
pub(super) const FUZZY_CHARS_MIN: usize = 3;

/// A fuzzy word stands for at most so many words; if there are more, they all score the same.
const NEAR_MAX: usize = 64;

type Found = Box<dyn IndexQuery>;

/// How a query is answered.
pub(super) struct Plan {
    /// What matches, and its score.
    pub(super) query: Found,
    /// What matches exactly the same, and is counted without looking at each; only for queries whose best can
    /// be found without visiting all.
    pub(super) count: Option<Found>,
}

/// Makes a plan.
pub(super) fn plan(query: &Query, within: Option<&Id>, lower: &Lower<'_>) -> Plan {
    let fields = lower.fields;
    if let Some(in_sight) = lower.in_sight {
        let found = match within {
            Some(environment) if !in_sight.contains(environment) => Box::new(EmptyQuery),
            Some(environment) => inside(environment, query, lower),
            None => lower.query(query, true),
        };
        // It hides what is elsewhere, and leaves the scores of what it shows as they are.
        let terms = in_sight
            .iter()
            .map(|id| IndexTerm::from_field_text(fields.environment, id.as_str()));
        let seen = constant(Box::new(TermSetQuery::new(terms)), 0.0);
        return Plan {
            query: Box::new(BooleanQuery::intersection(vec![found, seen])),
            count: None,
        };
    }
    let Some(environment) = within else {
        return Plan {
            query: lower.query(query, true),
            count: lower.single_word(query),
        };
    };
    Plan {
        query: inside(environment, query, lower),
        count: None,
    }
}

/// What matches in an environment.
fn inside(environment: &Id, query: &Query, lower: &Lower<'_>) -> Found {
    let fields = lower.fields;
    let inside = whole_term(fields.environment, environment.as_str());
    // An environment is in itself, but here only what is in it is wanted.
    let itself = whole_term(fields.entity, "environment");
    Box::new(BooleanQuery::new(vec![
        (Occur::Must, lower.query(query, true)),
        (Occur::Must, inside),
        (Occur::MustNot, itself),
    ]))
}

/// Lowers a tree over these fields.
pub(super) struct Lower<'a> {
    pub(super) fields: &'a Fields,
    pub(super) searcher: &'a Searcher,
    /// What is in the sets of the graph.
    pub(super) sets: BTreeMap<&'a GraphSet, Among>,
    /// The only environments that whoever asks knows of; `None` for all.
    pub(super) in_sight: Option<&'a BTreeSet<Id>>,
}

/// A union.
fn any(children: Vec<Found>) -> Found {
    Box::new(BooleanQuery::union(children))
}

/// A query with its score multiplied.
fn boosted(query: Found, boost: f32) -> Found {
    Box::new(BoostQuery::new(query, boost))
}

/// A query that scores the same for all that it finds.
fn constant(query: Found, score: f32) -> Found {
    Box::new(ConstScoreQuery::new(query, score))
}

impl Lower<'_> {
    /// Any tree. `alone` says that no other words must match too, so that an exact id or name is meant.
    fn query(&self, query: &Query, alone: bool) -> Found {
        match query {
            Query::All => Box::new(AllQuery),
            Query::Term(term) => self.one(term, alone),
            Query::Graph(term) => match self.sets.get(&term.set) {
                Some(among) => Box::new(among.clone()),
                None => Box::new(EmptyQuery),
            },
            Query::Or(children) => any(children.iter().map(|child| self.query(child, alone)).collect()),
            Query::And(children) => self.and(children),
            Query::Not(inner) => Box::new(BooleanQuery::new(vec![
                (Occur::Must, Box::new(AllQuery)),
                (Occur::MustNot, Excluded::around(self.query(inner, false))),
            ])),
        }
    }

    /// The parts that a score is summed of, each with its name.
    pub(super) fn parts(&self, query: &Query) -> Vec<(String, Found)> {
        let mut parts = Vec::new();
        self.parts_of(query, true, &mut parts);
        parts
    }

    fn parts_of(&self, query: &Query, alone: bool, parts: &mut Vec<(String, Found)>) {
        match query {
            // What does not match a `NOT` scores one, where the `NOT` stands alone.
            Query::All | Query::Graph(_) | Query::Not(_) => {
                parts.push((query.to_string(), self.query(query, alone)));
            }
            Query::Term(term) => {
                parts.push((term.to_string(), self.one(term, false)));
                if alone && let Some(text) = exact_text(term) {
                    parts.push((exact_name(text), self.exactly(text)));
                }
            }
            Query::Or(children) => {
                for child in children {
                    self.parts_of(child, alone, parts);
                }
            }
            Query::And(children) => {
                let texts: Vec<&str> = children.iter().filter_map(text_of).collect();
                let alone = texts.len() < 2;
                for child in children.iter().filter(|child| !matches!(child, Query::Not(_))) {
                    self.parts_of(child, alone, parts);
                }
                if !alone {
                    let text = texts.join(" ");
                    parts.push((exact_name(&text), self.exactly(&text)));
                }
            }
        }
    }

    /// All of these. Words that stand alone beside filters are still an exact id or name, taken together.
    fn and(&self, children: &[Query]) -> Found {
        let texts: Vec<&str> = children.iter().filter_map(text_of).collect();
        let alone = texts.len() < 2;
        let mut clauses = Vec::with_capacity(children.len() + 2);
        for child in children {
            clauses.push(match child {
                Query::Not(inner) => (Occur::MustNot, Excluded::around(self.query(inner, false))),
                other => (Occur::Must, self.query(other, alone)),
            });
        }
        if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            clauses.push((Occur::Must, Box::new(AllQuery)));
        }
        if !alone {
            clauses.push((Occur::Should, self.exactly(&texts.join(" "))));
        }
        Box::new(BooleanQuery::new(clauses))
    }

    /// One term.
    fn one(&self, term: &Term, alone: bool) -> Found {
        match &term.field {
            Field::Any | Field::Name | Field::Description | Field::Id | Field::Tag => self.words(term, alone),
            Field::Kind => match &term.matcher {
                Matcher::Present => self.present("kind"),
                matcher => as_whole(self.fields.kind, matcher, whole),
            },
            Field::Environment => match &term.matcher {
                Matcher::Present => self.present("environment"),
                matcher => match self.in_sight {
                    None => as_whole(self.fields.environment, matcher, str::to_owned),
                    Some(in_sight) => any(in_sight
                        .iter()
                        .filter(|id| is_meant(matcher, id.as_str()))
                        .map(|id| whole_term(self.fields.environment, id.as_str()))
                        .collect()),
                },
            },
            Field::Type => match &term.matcher {
                Matcher::Present => Box::new(AllQuery),
                matcher => as_whole(self.fields.entity, matcher, str::to_owned),
            },
            Field::TagKey(key) => match &term.matcher {
                Matcher::Present => whole_term(self.fields.tag, &whole(key)),
                matcher => as_whole(self.fields.tag, matcher, |value| whole(&tag_term(key, value))),
            },
        }
    }

    /// A term over fields of words.
    fn words(&self, term: &Term, alone: bool) -> Found {
        match &term.matcher {
            Matcher::Word(text) | Matcher::Phrase(text) | Matcher::Fuzzy { text, distance: 0 } => {
                self.next_to_each_other(&term.field, text, alone)
            }
            Matcher::Prefix(text) => self.prefix(&term.field, text),
            Matcher::Fuzzy { text, distance } => self.fuzzy(&term.field, text, *distance),
            Matcher::Present => match term.field {
                Field::Name => self.present("name"),
                Field::Description => self.present("description"),
                Field::Tag => self.present("tag"),
                // Everything has an id, and so something.
                _ => Box::new(AllQuery),
            },
        }
    }

    /// Words next to each other in one field; most often a single word.
    fn next_to_each_other(&self, field: &Field, text: &str, alone: bool) -> Found {
        let words = words(text);
        let found = match words.as_slice() {
            [] => return Box::new(EmptyQuery),
            [(_, word)] => scored(self.field_of_words(field), word),
            _ => any(self
                .fields_with_positions(field)
                .into_iter()
                .map(|(field, boost)| {
                    let terms = at_positions(field, &words);
                    boosted(Box::new(PhraseQuery::new_with_offset(terms)), boost)
                })
                .collect()),
        };
        if alone && matches!(field, Field::Any | Field::Id | Field::Name) {
            // The exact values do not say whether they are an id or a name: for one field they only raise a score.
            let occur = match field {
                Field::Any => Occur::Should,
                _ => Occur::Must,
            };
            return Box::new(BooleanQuery::new(vec![
                (occur, found),
                (Occur::Should, self.exactly(text)),
            ]));
        }
        found
    }

    /// A prefix. What has it in its id comes first, then its name, then the rest.
    fn prefix(&self, field: &Field, text: &str) -> Found {
        let words = words(text);
        match words.as_slice() {
            [] => Box::new(EmptyQuery),
            [(_, word)] => match field {
                Field::Any => any(vec![
                    starts(self.fields.id, word, 3.0),
                    starts(self.fields.name, word, 2.0),
                    starts(self.fields.words, word, 1.0),
                ]),
                _ => starts(self.field_of_words(field), word, 1.0),
            },
            _ => any(self
                .fields_with_positions(field)
                .into_iter()
                .map(|(field, boost)| {
                    let mut query = PhrasePrefixQuery::new_with_offset(at_positions(field, &words));
                    query.set_max_expansions(PHRASE_EXPANSIONS_MAX);
                    boosted(Box::new(query), boost)
                })
                .collect()),
        }
    }

    /// A fuzzy word. Of a word with punctuation inside, each part is fuzzy that is long enough.
    fn fuzzy(&self, field: &Field, text: &str, distance: u8) -> Found {
        let target = self.field_of_words(field);
        let mut parts: Vec<Found> = words(text)
            .iter()
            .map(|(_, word)| {
                if word.chars().count() < FUZZY_CHARS_MIN {
                    return scored(target, word);
                }
                match self.near(target, word, distance) {
                    Some(near) => near,
                    // Too many to rank each: all of them, the word itself first.
                    None => any(vec![scored(target, word), fuzzy(target, word, distance, 1.0)]),
                }
            })
            .collect();
        match parts.len() {
            0 | 1 => parts.pop().unwrap_or_else(|| Box::new(EmptyQuery)),
            _ => Box::new(BooleanQuery::intersection(parts)),
        }
    }

    /// The words of the index that are near a word, each scored as itself, and less the farther it is; nothing
    /// where there are too many.
    fn near(&self, field: IndexField, word: &str, distance: u8) -> Option<Found> {
        let query = FuzzyTermQuery::new(IndexTerm::from_field_text(field, word), distance, true);
        let automaton = query.automaton().ok()?;
        let mut near = BTreeSet::new();
        for reader in self.searcher.segment_readers() {
            // What cannot be read here is reported by the search itself.
            let index = reader.inverted_index(field).ok()?;
            let mut stream = index.terms().search(&automaton).into_stream().ok()?;
            while stream.advance() {
                near.insert(String::from_utf8_lossy(stream.key()).into_owned());
                if near.len() > NEAR_MAX {
                    return None;
                }
            }
        }
        let scored = near.iter().map(|found| {
            let edits = strsim::osa_distance(word, found);
            let edits = u8::try_from(edits).unwrap_or(u8::MAX);
            boosted(scored(field, found), 1.0 / (1.0 + f32::from(edits)))
        });
        Some(any(scored.collect()))
    }

    /// What counts the same documents as a query of one word, in a number that the index keeps.
    fn single_word(&self, query: &Query) -> Option<Found> {
        let Query::Term(term) = query else {
            return None;
        };
        let (Field::Any, Matcher::Word(text) | Matcher::Phrase(text)) = (&term.field, &term.matcher) else {
            return None;
        };
        match words(text).as_slice() {
            [(_, word)] => Some(whole_term(self.fields.words, word)),
            _ => None,
        }
    }

    /// An id or a name that is exactly this.
    fn exactly(&self, text: &str) -> Found {
        boosted(scored(self.fields.exact, &whole(text.trim())), EXACT_BOOST)
    }

    /// What has a value in a field.
    fn present(&self, field: &str) -> Found {
        whole_term(self.fields.present, field)
    }

    /// Where single words of a field are.
    const fn field_of_words(&self, field: &Field) -> IndexField {
        match field {
            Field::Name => self.fields.name,
            Field::Description => self.fields.description,
            Field::Id => self.fields.id,
            Field::Tag => self.fields.tag_words,
            _ => self.fields.words,
        }
    }

    /// Where words next to each other are, and what they count.
    fn fields_with_positions(&self, field: &Field) -> Vec<(IndexField, f32)> {
        match field {
            Field::Any => vec![
                (self.fields.id, 3.0),
                (self.fields.name, 2.5),
                (self.fields.tag_words, 1.5),
                (self.fields.description, 1.0),
            ],
            other => vec![(self.field_of_words(other), 1.0)],
        }
    }
}

/// The text of a term that may be an exact id or name.
const fn exact_text(term: &Term) -> Option<&String> {
    match (&term.field, &term.matcher) {
        (
            Field::Any | Field::Id | Field::Name,
            Matcher::Word(text) | Matcher::Phrase(text) | Matcher::Fuzzy { text, distance: 0 },
        ) => Some(text),
        _ => None,
    }
}

/// What the part of a score is called that an exact id or name gives.
fn exact_name(text: &str) -> String {
    format!("the whole id or name is {text}")
}

/// The text of a term that is looked for among names and ids.
fn text_of(query: &Query) -> Option<&str> {
    let Query::Term(term) = query else {
        return None;
    };
    match (&term.field, &term.matcher) {
        (Field::Any, Matcher::Word(text) | Matcher::Phrase(text)) => Some(text),
        _ => None,
    }
}

/// A term over a field that is matched as a whole.
fn as_whole(field: IndexField, matcher: &Matcher, fold: impl Fn(&str) -> String) -> Found {
    match matcher {
        Matcher::Word(text) | Matcher::Phrase(text) => whole_term(field, &fold(text)),
        Matcher::Prefix(text) => starts(field, &fold(text), 1.0),
        Matcher::Fuzzy { text, distance } => fuzzy(field, &fold(text), *distance, 1.0),
        Matcher::Present => Box::new(AllQuery),
    }
}

/// Whether a whole value is one that a matcher looks for.
fn is_meant(matcher: &Matcher, value: &str) -> bool {
    match matcher {
        Matcher::Word(text) | Matcher::Phrase(text) => text == value,
        Matcher::Prefix(text) => value.starts_with(text),
        Matcher::Fuzzy { text, distance } => strsim::osa_distance(text, value) <= usize::from(*distance),
        Matcher::Present => true,
    }
}

/// A term that is matched as a whole.
fn whole_term(field: IndexField, text: &str) -> Found {
    let term = IndexTerm::from_field_text(field, text);
    constant(Box::new(TermQuery::new(term, IndexRecordOption::Basic)), 1.0)
}

/// A word with its score.
fn scored(field: IndexField, word: &str) -> Found {
    let term = IndexTerm::from_field_text(field, word);
    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
}

/// Words with their positions.
fn at_positions(field: IndexField, words: &[(usize, String)]) -> Vec<(usize, IndexTerm)> {
    words
        .iter()
        .map(|(position, word)| (*position, IndexTerm::from_field_text(field, word)))
        .collect()
}

/// What starts with a text.
fn starts(field: IndexField, text: &str, score: f32) -> Found {
    let mut end = text.to_owned();
    // Above every text that goes on in any way, and it is one itself only for text that no document has.
    end.push(char::MAX);
    let query = InvertedIndexRangeQuery::new(
        Bound::Included(IndexTerm::from_field_text(field, text)),
        Bound::Excluded(IndexTerm::from_field_text(field, &end)),
    );
    constant(Box::new(query), score)
}

/// What is near a word.
fn fuzzy(field: IndexField, word: &str, distance: u8, score: f32) -> Found {
    let term = IndexTerm::from_field_text(field, word);
    constant(Box::new(FuzzyTermQuery::new(term, distance, true)), score)
}
