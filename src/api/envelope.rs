//! Between a delivery and what the wire reads and writes: properties in, properties out.

use std::collections::BTreeMap;

use crate::broker::{Delivery, Header, Message};
use crate::domain::{Timestamp, Trace};
use crate::wire::{self, Outgoing};

/// The texts among the headers of a delivery.
pub(super) fn text_headers(message: &Message) -> BTreeMap<String, String> {
    let text = |(name, value): (&String, &Header)| match value {
        Header::Text(text) => Some((name.clone(), text.clone())),
        _ => None,
    };
    message.headers.iter().filter_map(text).collect()
}

/// A delivery as the wire reads it.
pub(super) fn incoming<'a>(
    delivery: &'a Delivery,
    headers: &'a BTreeMap<String, String>,
    received: Timestamp,
) -> wire::Incoming<'a> {
    let message = &delivery.message;
    wire::Incoming {
        kind: message.kind.as_deref(),
        routing_key: &delivery.routing_key,
        message_id: message.message_id.as_deref(),
        content_type: message.content_type.as_deref(),
        user_id: message.user_id.as_deref(),
        expiration: message.expiration.as_deref(),
        headers,
        body: &message.body,
        received,
    }
}

/// Where a reply goes, and what it carries of the request.
#[derive(Debug, Clone)]
pub(super) struct ReturnAddress {
    pub(super) queue: Option<String>,
    correlation_id: Option<String>,
    trace: Trace,
}

impl ReturnAddress {
    /// Where the sender of a message waits; the trace is what the wire read of its headers.
    pub(super) fn of(message: &Message, trace: Trace) -> Self {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            queue: text(&message.reply_to),
            correlation_id: text(&message.correlation_id).or_else(|| text(&message.message_id)),
            trace,
        }
    }

    /// A reply with this body.
    pub(super) fn reply(&self, body: Vec<u8>, now: Timestamp) -> Message {
        let trace = [
            ("traceparent", &self.trace.parent),
            ("tracestate", &self.trace.state),
        ];
        let headers = trace
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), Header::Text(text.clone())));
        Message {
            body,
            kind: Some("reply".to_owned()),
            message_id: Some(uuid::Uuid::now_v7().to_string()),
            correlation_id: self.correlation_id.clone(),
            content_type: Some(wire::CONTENT_TYPE.to_owned()),
            app_id: Some("domesday".to_owned()),
            timestamp: seconds(now),
            headers: headers.collect(),
            ..Message::default()
        }
    }
}

/// An event as the broker takes it.
pub(super) fn event(outgoing: Outgoing, time: Timestamp) -> Message {
    let Outgoing {
        kind,
        routing_key: _,
        message_id,
        correlation_id,
        headers,
        cc,
        body,
    } = outgoing;
    let mut headers: BTreeMap<String, Header> = headers
        .into_iter()
        .map(|(name, value)| (name, Header::Text(value)))
        .collect();
    if !cc.is_empty() {
        headers.insert(
            "CC".to_owned(),
            Header::List(cc.into_iter().map(Header::Text).collect()),
        );
    }
    Message {
        body,
        kind: Some(kind),
        message_id: Some(message_id),
        correlation_id: Some(correlation_id).filter(|text| !text.is_empty()),
        content_type: Some(wire::CONTENT_TYPE.to_owned()),
        app_id: Some("domesday".to_owned()),
        timestamp: seconds(time),
        persistent: true,
        headers,
        ..Message::default()
    }
}

fn seconds(time: Timestamp) -> Option<u64> {
    u64::try_from(time.0 / 1_000_000).ok()
}
