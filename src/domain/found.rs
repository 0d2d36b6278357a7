//! Searches and what they find.

use super::id::{EntityKey, Id};

/// What is looked for, and what the answer shall say of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// In the query language.
    pub query: String,
    /// Only resources of this environment.
    pub within: Option<Id>,
    /// What to count over all that matches.
    pub facets: Vec<Facet>,
    /// Say how the query was understood, and what each hit has its score of.
    pub explain: bool,
    /// Say where each hit matches.
    pub highlights: bool,
}

/// Something that entities are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facet {
    /// The kinds of resources.
    Kind,
    /// Environments and resources.
    Type,
    /// The environments that entities are in, or are.
    Environment,
    /// The values of the tag with this key.
    Tag(String),
}

impl Facet {
    /// Reads `kind`, `type`, `environment` or `tag:KEY`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "kind" => Some(Self::Kind),
            "type" => Some(Self::Type),
            "environment" => Some(Self::Environment),
            _ => {
                let key = text.strip_prefix("tag:").filter(|key| !key.is_empty())?;
                Some(Self::Tag(key.to_owned()))
            }
        }
    }
}

impl std::fmt::Display for Facet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind => f.write_str("kind"),
            Self::Type => f.write_str("type"),
            Self::Environment => f.write_str("environment"),
            Self::Tag(key) => write!(f, "tag:{key}"),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hits {
    /// Best first.
    pub items: Vec<Hit>,
    /// One for each that was asked for.
    pub facets: Vec<FacetCounts>,
    /// The query as it was understood, where that was asked for.
    pub understood: Option<String>,
}

/// How often each value is there, over all that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetCounts {
    /// What was counted.
    pub facet: Facet,
    /// The most frequent first; as often, in the order of the values.
    pub values: Vec<(String, u64)>,
    /// How many other values there are.
    pub others: u64,
}

/// One entity that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Which.
    pub key: EntityKey,
    /// Its kind; empty for an environment.
    pub kind: String,
    /// Its name; may be empty.
    pub name: String,
    /// How well it matches; only comparable within one answer.
    pub score: f32,
    /// Where it matches; may be empty.
    pub highlights: Vec<Highlight>,
    /// What its score is made of, most first; may be empty.
    pub explanation: Vec<Explained>,
}

/// A field of a hit that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highlight {
    /// `id`, `name`, `kind`, `tags` or `description`.
    pub field: &'static str,
    /// Its text, or a part of it; a tag is `key=value`.
    pub text: String,
    /// What matches: from one character to before another, counted from zero.
    pub ranges: Vec<(usize, usize)>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// A term of the query, or what else counts.
    pub term: String,
    /// The fields that match it, where that is known.
    pub fields: Vec<&'static str>,
    /// What it adds to the score.
    pub weight: f32,
}
