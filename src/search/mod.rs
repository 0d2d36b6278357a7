//! The `search` room: the text index: schema, apply, query language, and the position that it has reached.
//!
//! ```text
//! text ─ lex ─ parse ─ Query ─ lower ─ collect ─ Found ─ complete
//!                        └─ graph terms ─ (the caller) ─ Sets ─┘
//! document ─ fields ─ Writer ─ commit ─ snapshot
//! ```
//!
//! The index holds what finds an entity, never the record, and it is disposable: the store can rebuild all
//! of it. That is why a commit costs no fsync, and why an index that cannot be trusted is refused when it is
//! opened instead of being mended.

mod ast;
mod budget;
mod collect;
mod directory;
mod exclude;
mod explain;
mod facets;
mod fault;
mod fields;
mod find;
mod fragment;
mod highlight;
mod index;
mod lex;
mod lower;
mod parse;
mod rebuild;
mod refuse;
mod segments;
mod sets;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use ast::{Field, GraphSet, GraphTerm, Matcher, Place, Query, Term};
pub use budget::Budget;
pub use fault::{Fault, RebuildFault, SearchError};
pub use find::{Ask, Found};
pub use highlight::complete;
pub use index::Index;
pub use parse::parse;
pub use rebuild::rebuild;
pub use refuse::unknown_resource;
pub use sets::Sets;
pub use writer::Writer;

/// Settings of this room.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much memory the writer may fill before it flushes a segment, in bytes; at least 15 MB are used.
    pub writer_memory_bytes: usize,
    /// The longest query, in bytes.
    pub query_bytes_max: usize,
    /// How deep parentheses and negations may nest; more than 256 is taken as 256.
    pub query_depth_max: usize,
    /// How many terms a query may have.
    pub query_terms_max: usize,
    /// How many prefixes, fuzzy words and sets of the graph a query may have: each walks the dictionary of the index, or
    /// the graph.
    pub query_expansions_max: usize,
    /// How long a search may take, in milliseconds. One that would take longer answers with what it has found so far.
    pub search_ms_max: u64,
    /// How many documents a search may look at, and how many nodes of the graph it may reach.
    pub search_visits_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            writer_memory_bytes: 15_000_000,
            query_bytes_max: 2_000,
            query_depth_max: 32,
            query_terms_max: 200,
            query_expansions_max: 16,
            search_ms_max: 1_000,
            search_visits_max: 2_000_000,
        }
    }
}
