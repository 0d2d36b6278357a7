//! Reading requests: every mistake at once, each with its place and how to mend it.

mod access;
mod command;
mod document;
mod graph;
mod history;
mod incoming;
mod json;
mod patch;
mod question;
mod spot;
mod subscription;
mod text;

pub use access::{ORDER_TYPES, access_types};
pub use command::{COMMAND_TYPES, parse_command};
pub use document::document_from_json;
pub use incoming::{Bounds, Incoming};
pub use json::parse_json;
pub use question::{LIMIT_GRAPH, LIMIT_PATHS, LIMIT_SEARCH, QUESTION_TYPES, parse_question};
pub(super) use spot::COUNT_MAX;
pub use spot::nearest;

#[cfg(test)]
mod tests;
