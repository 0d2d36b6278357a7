//! The `wire` room: the public messages: parse to the domain, render from it.
//!
//! A request comes in as [`Incoming`], the properties and the body of one delivery, and leaves as an envelope or an
//! inquiry of the domain, or as a problem that lists every mistake with its place (`read`). Replies, answers and
//! events leave as JSON (`render`) in the shapes of [`shape`], which `schemas/` is generated from too.

mod asyncapi;
mod catalogue;
#[cfg(test)]
mod evolution;
mod read;
mod render;
mod schema;
pub mod shape;
mod yaml;

pub use asyncapi::asyncapi_text;
pub use catalogue::{ENTRIES, Entry, Group, schema_text};
pub use read::{
    Bounds, COMMAND_TYPES, Incoming, LIMIT_GRAPH, LIMIT_PATHS, LIMIT_SEARCH, ORDER_TYPES, QUESTION_TYPES,
    access_types, document_from_json, nearest, parse_command, parse_json, parse_question,
};
pub use render::{
    CC_ENVIRONMENTS_MAX, Outgoing, QueueMessage, Subscription, SyncOf, document_to_json, format_duration,
    format_time, render_answer, render_bookmark, render_diverged, render_drilled, render_epoch_started,
    render_event, render_news, render_problem_reply, render_question_problem, render_reply,
    render_subscribed, render_transaction,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only content type that messages have.
pub const CONTENT_TYPE: &str = "application/json";

/// Why a message from the register cannot be read by a client.
#[derive(Debug, thiserror::Error)]
#[error("the message is not of the expected shape")]
pub struct ShapeFault(#[from] serde_json::Error);

/// Reads a message in one of the shapes, as a client does: fields that it does not know are passed over.
///
/// # Errors
/// [`ShapeFault`] where the body is not JSON, or not of that shape.
pub fn from_bytes<T: DeserializeOwned>(body: &[u8]) -> Result<T, ShapeFault> {
    Ok(serde_json::from_slice(body)?)
}

/// Writes a message in one of the shapes.
pub fn to_bytes<T: Serialize>(shape: &T) -> Vec<u8> {
    // Text keys and plain values only: there is nothing in a shape that JSON cannot hold.
    serde_json::to_vec(shape).unwrap_or_default()
}
