//! What a delivery brings along, and what may be brought.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::{Problem, ProblemKind, Timestamp, Trace};
use crate::wire::CONTENT_TYPE;

use super::json::parse_bounded;
use super::text::{is_traceparent, is_tracestate, parse_time, quote};

/// Headers that replace a missing property `type`: `CloudEvents` in the binding for AMQP, and as over HTTP.
const TYPE_HEADERS: [&str; 4] = ["cloudEvents_type", "cloudEvents:type", "ce-type", "ce_type"];
/// Headers that replace a missing property `message_id`.
const ID_HEADERS: [&str; 4] = ["cloudEvents_id", "cloudEvents:id", "ce-id", "ce_id"];
/// The longest message id, in bytes: what the AMQP property can hold.
const MESSAGE_ID_BYTES_MAX: usize = 255;

/// A request as it was delivered: the properties that matter, and the body.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The property `type`.
    pub kind: Option<&'a str>,
    /// The routing key that it was published with.
    pub routing_key: &'a str,
    /// The property `message_id`.
    pub message_id: Option<&'a str>,
    /// The property `content_type`.
    pub content_type: Option<&'a str>,
    /// The property `user_id`, which the broker has validated.
    pub user_id: Option<&'a str>,
    /// The property `expiration`: milliseconds, as text.
    pub expiration: Option<&'a str>,
    /// The headers that are texts.
    pub headers: &'a BTreeMap<String, String>,
    /// The body.
    pub body: &'a [u8],
    /// When it arrived.
    pub received: Timestamp,
}

/// What a request may be, before its meaning is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The body, in bytes.
    pub body_bytes_max: usize,
    /// Levels of objects and arrays in the body.
    pub json_depth_max: usize,
    /// Commands in one batch.
    pub batch_commands_max: usize,
    /// The highest `limit` of a question.
    pub question_limit_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 * 1024 * 1024,
            json_depth_max: 64,
            batch_commands_max: 10_000,
            question_limit_max: 100_000,
        }
    }
}

impl<'a> Incoming<'a> {
    /// The type of the message: the property, or else a `CloudEvents` header, or else the routing key.
    pub fn message_type(&self) -> Option<&'a str> {
        self.property_or_header(self.kind, &TYPE_HEADERS)
            .or(Some(self.routing_key).filter(|key| !key.is_empty()))
    }

    /// The message id: the property, or else a `CloudEvents` header.
    ///
    /// # Errors
    /// A [`Problem`] where a header holds an id that no property could.
    pub fn message_key(&self) -> Result<Option<&'a str>, Box<Problem>> {
        let id = self.property_or_header(self.message_id, &ID_HEADERS);
        if let Some(id) = id.filter(|id| id.len() > MESSAGE_ID_BYTES_MAX) {
            let detail = format!(
                "the message id has {} bytes, the limit is {MESSAGE_ID_BYTES_MAX}",
                id.len()
            );
            return Err(Problem::new(ProblemKind::LimitExceeded, detail).into());
        }
        Ok(id)
    }

    /// From when on nobody waits for it any more: the header `deadline`, or else the property `expiration`.
    ///
    /// # Errors
    /// A [`Problem`] where the header is not a moment, or the property not a number.
    pub fn deadline(&self) -> Result<Option<Timestamp>, Box<Problem>> {
        if let Some(text) = self.headers.get("deadline") {
            let deadline = parse_time(text).ok_or_else(|| {
                let detail = format!("the header `deadline` is {}, which is not a moment", quote(text));
                Problem::new(ProblemKind::Invalid, detail)
                    .hint("write it in RFC 3339, such as 2026-01-31T12:00:00Z")
            })?;
            return Ok(Some(deadline));
        }
        let Some(text) = self.expiration else {
            return Ok(None);
        };
        let ms: u64 = text.parse().map_err(|_| {
            let detail = format!(
                "the property `expiration` is {}, which is not a number",
                quote(text)
            );
            Problem::new(ProblemKind::Invalid, detail).hint("write milliseconds, such as 5000")
        })?;
        Ok(Some(self.received.plus_ms(ms)))
    }

    /// The W3C Trace Context, as far as it may be passed on; a state without a parent means nothing.
    pub fn trace(&self) -> Trace {
        let header = |name: &str| self.headers.get(name).map(|text| text.trim());
        let Some(parent) = header("traceparent").filter(|text| is_traceparent(text)) else {
            return Trace::default();
        };
        let state = header("tracestate")
            .filter(|text| is_tracestate(text))
            .unwrap_or_default();
        Trace {
            parent: parent.to_owned(),
            state: state.to_owned(),
        }
    }

    /// The body as JSON, once the content type says that it is.
    pub(super) fn json(&self, bounds: &Bounds) -> Result<Value, Box<Problem>> {
        self.require_json()?;
        let (bytes, max) = (self.body.len(), bounds.body_bytes_max);
        if bytes > max {
            let detail = format!("the body has {bytes} bytes, the limit is {max}");
            let problem = Problem::new(ProblemKind::LimitExceeded, detail).fact("limit", max);
            return Err(problem.hint("send several smaller messages").into());
        }
        parse_bounded(self.body, bounds.json_depth_max)
    }

    fn require_json(&self) -> Result<(), Box<Problem>> {
        let detail = match self.content_type {
            None | Some("") => "the message has no content type".to_owned(),
            Some(text) => {
                let mut parts = text.split(';').map(str::trim_ascii);
                let known = parts
                    .next()
                    .is_some_and(|name| name.eq_ignore_ascii_case(CONTENT_TYPE));
                // JSON is UTF-8 (RFC 8259); a parameter may say so, not otherwise.
                let utf_8 = parts
                    .filter_map(|part| part.split_once('='))
                    .all(|(name, value)| {
                        !name.eq_ignore_ascii_case("charset")
                            || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
                    });
                if known && utf_8 {
                    return Ok(());
                }
                format!("the content type is {}", quote(text))
            }
        };
        let problem = Problem::new(ProblemKind::UnsupportedContentType, detail);
        Err(problem
            .hint("set the property `content_type` to application/json")
            .into())
    }

    fn property_or_header(&self, property: Option<&'a str>, names: &[&str]) -> Option<&'a str> {
        let header = || names.iter().find_map(|name| self.headers.get(*name));
        property
            .filter(|text| !text.is_empty())
            .or_else(|| header().map(String::as_str).filter(|text| !text.is_empty()))
    }
}
