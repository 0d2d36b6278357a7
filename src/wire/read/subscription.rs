//! Which question is to stand, and which no longer.

use serde_json::{Map, Value};

use crate::domain::{Question, Subscribe};

use super::question::{Topic, limit, question};
use super::spot::Spot;
use super::text::quote;

/// The questions whose answer is a set, so that it can be said what came and what went.
const STANDING_TYPES: [&str; 6] = [
    "search",
    "graph.dependencies",
    "graph.dependents",
    "graph.impact",
    "graph.cycles",
    "graph.dangling",
];

/// The longest name of a queue, in bytes, as AMQP has it.
const QUEUE_BYTES_MAX: usize = 255;

pub(in crate::wire) const SUBSCRIBE_BODY_FIELDS: [&str; 2] = ["args", "at_least"];
pub(in crate::wire) const SUBSCRIBE_FIELDS: [&str; 2] = ["question", "queue"];
pub(in crate::wire) const STANDING_FIELDS: [&str; 3] = ["type", "args", "limit"];
pub(in crate::wire) const UNSUBSCRIBE_FIELDS: [&str; 1] = ["subscription"];

/// A question that is to stand, and how many items the answer of now may hold.
pub(super) fn subscribe(args: &Spot<'_>, limit_max: usize) -> Option<(Subscribe, usize)> {
    let fields = args.fields(&SUBSCRIBE_FIELDS)?;
    let queue = match fields.optional("queue") {
        Some(field) => queue(&field).map(Some),
        None => Some(None),
    };
    let hint = "write it as {\"type\": \"search\", \"args\": {\"query\": \"kind:postgres\"}}";
    let standing = fields
        .required("question", hint)
        .and_then(|field| standing(&field, limit_max));
    let (question, limit) = standing?;
    let subscribe = Subscribe {
        question: Box::new(question),
        queue: queue?,
    };
    Some((subscribe, limit))
}

fn standing(spot: &Spot<'_>, limit_max: usize) -> Option<(Question, usize)> {
    let hint = |key: &str| match key {
        "as_of" => Some("a standing question is about now: leave `as_of` out"),
        "cursor" => Some("all of the answer stands, not a page of it: leave `cursor` out"),
        "at_least" => Some("put it beside `args`"),
        _ => None,
    };
    let fields = spot.fields_with(&STANDING_FIELDS, hint)?;
    let kind = fields.required("type", "say which question, such as \"search\"");
    let topic = kind.and_then(|field| topic(&field));
    let count = match fields.optional("limit") {
        Some(field) => limit(&field, limit_max).map(Some),
        None => Some(None),
    };
    let topic = topic?;
    let none = Value::Object(Map::new());
    let question = match fields.optional("args") {
        Some(args) => question(topic, &args),
        None if topic.needs_no_args() => question(topic, &spot.at_key("args", &none)),
        None => fields
            .required("args", "put what is asked about into `args`")
            .and(None),
    };
    let count = count?.unwrap_or_else(|| topic.limit_default().min(limit_max));
    Some((question?, count))
}

fn topic(spot: &Spot<'_>) -> Option<Topic> {
    let text = spot.text()?;
    let topic = Topic::parse(text).filter(|_| STANDING_TYPES.contains(&text));
    if topic.is_none() {
        let known = STANDING_TYPES.join(", ");
        let detail = format!("{} cannot stand: only {known} can", quote(text));
        spot.note(detail, "those are the questions whose answer is a set");
    }
    topic
}

fn queue(spot: &Spot<'_>) -> Option<String> {
    let text = spot.text()?;
    if text.is_empty() || text.len() > QUEUE_BYTES_MAX {
        let detail = format!("the name of a queue has 1 to {QUEUE_BYTES_MAX} bytes");
        spot.note(detail, "leave it out for the queue of `reply_to`");
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn unsubscribe(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&UNSUBSCRIBE_FIELDS)?;
    let hint = "take the `subscription` of the answer to `subscribe`";
    let subscription = fields.required("subscription", hint)?.text()?;
    Some(Question::Unsubscribe {
        subscription: subscription.to_owned(),
    })
}
