//! A query as a tree: what the query language says, before anything knows how to find it.

use std::fmt;

use crate::domain::Id;

/// Where something stands in the text of a query: in characters, from zero.
///
/// Two places are always equal: a place is for messages, and the same query written with other spaces is the
/// same query.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(pub usize);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

/// A query.
///
/// The tree is canonical: `And` and `Or` have at least two children and never one of their own sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Everything.
    All,
    /// One term.
    Term(Term),
    /// A set of resources that the graph knows.
    Graph(GraphTerm),
    /// All of them.
    And(Vec<Self>),
    /// At least one of them.
    Or(Vec<Self>),
    /// What does not match.
    Not(Box<Self>),
}

/// One term of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where it starts.
    pub place: Place,
    /// Where it looks.
    pub field: Field,
    /// What it looks for.
    pub matcher: Matcher,
}

/// A term that stands for a set of resources. The index does not know it: whoever asks says what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphTerm {
    /// Where it starts.
    pub place: Place,
    /// Which set.
    pub set: GraphSet,
}

/// A set of resources that the graph knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GraphSet {
    /// What needs a resource, directly and through others, without the resource itself.
    Dependents {
        /// The resource.
        id: Id,
        /// Within so many steps; `None` for all.
        depth: Option<u32>,
    },
    /// What a resource needs, directly and through others, without the resource itself.
    Dependencies {
        /// The resource.
        id: Id,
        /// Within so many steps; `None` for all.
        depth: Option<u32>,
    },
    /// What fails if a resource fails.
    Impact {
        /// The resource.
        id: Id,
    },
    /// Resources with a dependency on an id that is not registered.
    Dangling,
    /// Resources that need themselves, through others or directly.
    Cycle,
    /// Resources with a dependency on something outside.
    External,
}

/// Where a term looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Name, description, id, kind and tags.
    Any,
    /// The name.
    Name,
    /// The description.
    Description,
    /// The id.
    Id,
    /// The kind, as a whole.
    Kind,
    /// `environment` or `resource`.
    Type,
    /// The keys and values of all tags.
    Tag,
    /// The value of the tag with this key, as a whole.
    TagKey(String),
    /// The environments that the entity is in, or is.
    Environment,
}

/// What a term looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matcher {
    /// A word. One with punctuation inside, such as `web-0`, is its parts next to each other.
    Word(String),
    /// Quoted text: its words next to each other; the whole value where the field is matched as a whole.
    Phrase(String),
    /// What starts with this.
    Prefix(String),
    /// What is at most some edits away from this: an edit inserts, removes or replaces a character, or swaps
    /// two neighbours.
    Fuzzy {
        /// The word.
        text: String,
        /// How many edits, from 0 to 2.
        distance: u8,
    },
    /// Anything at all.
    Present,
}

impl Query {
    /// Every term that stands for a set of the graph.
    #[must_use]
    pub fn graph_terms(&self) -> Vec<&GraphTerm> {
        match self {
            Self::All | Self::Term(_) => Vec::new(),
            Self::Graph(term) => vec![term],
            Self::Not(inner) => inner.graph_terms(),
            Self::And(children) | Self::Or(children) => children.iter().flat_map(Self::graph_terms).collect(),
        }
    }

    /// All of these; of one, that one; of none, everything.
    #[must_use]
    pub fn and(children: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(children.len());
        for child in children {
            match child {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 {
            Self::And(flat)
        } else {
            flat.pop().unwrap_or(Self::All)
        }
    }

    /// At least one of these; of one, that one; of none, everything.
    #[must_use]
    pub fn or(children: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(children.len());
        for child in children {
            match child {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 {
            Self::Or(flat)
        } else {
            flat.pop().unwrap_or(Self::All)
        }
    }
}

/// Whether a character ends a word that is not quoted.
pub(super) fn ends_word(character: char) -> bool {
    character.is_whitespace() || matches!(character, '(' | ')' | '"')
}

/// Writes a text in quotes, so that it reads back as the same text.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{character}")?;
    }
    f.write_str("\"")
}

/// Writes a child of an operator, in parentheses where it would read as another tree without.
fn child(f: &mut fmt::Formatter<'_>, query: &Query) -> fmt::Result {
    match query {
        Query::And(_) | Query::Or(_) => write!(f, "({query})"),
        Query::All | Query::Term(_) | Query::Graph(_) | Query::Not(_) => write!(f, "{query}"),
    }
}

impl fmt::Display for Query {
    /// The query in the query language; it reads back as the same query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (children, between) = match self {
            Self::All => return f.write_str("*"),
            Self::Term(term) => return write!(f, "{term}"),
            Self::Graph(term) => return write!(f, "{}", term.set),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                return child(f, inner);
            }
            Self::And(children) => (children, " AND "),
            Self::Or(children) => (children, " OR "),
        };
        for (position, inner) in children.iter().enumerate() {
            if position > 0 {
                f.write_str(between)?;
            }
            child(f, inner)?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)?;
        if let (Field::TagKey(_), Matcher::Present) = (&self.field, &self.matcher) {
            return Ok(());
        }
        if self.field != Field::Any {
            f.write_str(":")?;
        }
        match &self.matcher {
            Matcher::Word(text) => f.write_str(text),
            Matcher::Phrase(text) => quoted(f, text),
            Matcher::Prefix(text) => write!(f, "{text}*"),
            Matcher::Fuzzy { text, distance } => write!(f, "{text}~{distance}"),
            Matcher::Present => f.write_str("*"),
        }
    }
}

impl fmt::Display for GraphSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, id, depth) = match self {
            Self::Dependents { id, depth } => ("dependents-of", id, depth),
            Self::Dependencies { id, depth } => ("dependencies-of", id, depth),
            Self::Impact { id } => ("impact-of", id, &None),
            Self::Dangling => return f.write_str("has:dangling"),
            Self::Cycle => return f.write_str("has:cycle"),
            Self::External => return f.write_str("has:external"),
        };
        write!(f, "{name}:{id}")?;
        match depth {
            Some(depth) => write!(f, "~{depth}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Name => f.write_str("name"),
            Self::Description => f.write_str("description"),
            Self::Id => f.write_str("id"),
            Self::Kind => f.write_str("kind"),
            Self::Type => f.write_str("type"),
            Self::Tag => f.write_str("tag"),
            Self::Environment => f.write_str("environment"),
            Self::TagKey(key) => {
                f.write_str("tag.")?;
                let plain = |c: char| !ends_word(c) && !matches!(c, ':' | '*');
                if !key.is_empty() && key.chars().all(plain) {
                    f.write_str(key)
                } else {
                    quoted(f, key)
                }
            }
        }
    }
}
