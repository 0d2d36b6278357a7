//! The `search` room: the text index: schema, apply, query language, and the position that it has reached.
//!
//! ```text
//! text ─ lex ─ parse ─ Query ─ lower ─ collect ─ Found
//! document ─ fields ─ Writer ─ commit ─ snapshot
//! ```
//!
//! The index holds what finds an entity, never the record, and it is disposable: the store can rebuild all
//! of it. That is why a commit costs no fsync, and why an index that cannot be trusted is refused when it is
//! opened instead of being mended.

mod ast;
mod collect;
mod directory;
mod fault;
mod fields;
mod index;
mod lex;
mod lower;
mod parse;
mod rebuild;
mod refuse;
mod segments;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use ast::{Field, Matcher, Place, Query, Term};
pub use fault::{Fault, RebuildFault, SearchError};
pub use index::{Found, Index};
pub use parse::parse;
pub use rebuild::rebuild;
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
    /// How many prefixes and fuzzy words a query may have: each walks the dictionary of the index.
    pub query_expansions_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            writer_memory_bytes: 15_000_000,
            query_bytes_max: 2_000,
            query_depth_max: 32,
            query_terms_max: 200,
            query_expansions_max: 16,
        }
    }
}
