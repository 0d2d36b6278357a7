//! Events: one message for each change, and one for each transaction.

use serde_json::{Map, Value};

use crate::domain::{Bookmark, Change, Event, Fact, Id, Position, Timestamp, Trace};
use crate::wire::shape::{
    BookmarkBody, DivergedBody, DrillEventBody, DrilledBody, EpochStartedBody, EventBody, LinksBody,
    TransactionBody, TransactionEventBody, TransactionRef,
};
use crate::wire::to_bytes;

use super::document::{changed_pointers, document_to_json, patch_to_json};
use super::text::format_time;

/// The most environments that an event is routed for beside its type.
pub const CC_ENVIRONMENTS_MAX: usize = 256;

/// The type of the event that says that all events of a command are out.
const TRANSACTION_COMMITTED: &str = "transaction.committed";
/// The type of the event that proves a copy.
const BOOKMARK: &str = "bookmark";
/// The type of the event that says that an epoch has begun.
const EPOCH_STARTED: &str = "epoch.started";
/// The type of the event that says that a copy differs.
const DIVERGED: &str = "secondary.diverged";
/// The types of the event that a drill ends with.
const DRILL_PASSED: &str = "drill.passed";
const DRILL_FAILED: &str = "drill.failed";

/// A message to publish to the events exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The property `type`.
    pub kind: String,
    /// The routing key.
    pub routing_key: String,
    /// The property `message_id`; the same on every publication of the event.
    pub message_id: String,
    /// The property `correlation_id`: the message id of the command; empty where it had none.
    pub correlation_id: String,
    /// Headers: the `CloudEvents` attributes, and the trace.
    pub headers: Vec<(String, String)>,
    /// Further routing keys, for the header `CC`.
    pub cc: Vec<String>,
    /// The body: JSON.
    pub body: Vec<u8>,
}

/// The message of one change. `namespace` is the broker's, and part of the `CloudEvents` source.
pub fn render_event(change: &Change, cluster: &str, namespace: &str) -> Outgoing {
    let kind = change.event.kind();
    let FactParts {
        changed,
        before,
        data,
    } = FactParts::of(&change.event);
    let body = EventBody {
        cluster: cluster.to_owned(),
        epoch: change.epoch,
        sequence: change.sequence,
        time: format_time(change.time),
        kind: kind.to_owned(),
        id: change.event.key.id.to_string(),
        revision: change.event.revision,
        actor: change.actor.clone(),
        cause: change.cause.clone(),
        transaction: TransactionBody {
            id: transaction_id(change),
            index: change.transaction.index,
            count: change.transaction.count,
        },
        changed,
        before,
        data,
    };
    let environments = change.event.environments.iter().take(CC_ENVIRONMENTS_MAX);
    let message_id = format!("{}-{}", change.epoch, change.sequence);
    let subject = change.event.key.to_string();
    Outgoing {
        kind: kind.to_owned(),
        routing_key: kind.to_owned(),
        correlation_id: change.cause.clone(),
        headers: change_headers(change, kind, &message_id, &subject, &source(namespace, cluster)),
        message_id,
        cc: environments
            .map(|id| format!("{kind}.environment.{id}"))
            .collect(),
        body: to_bytes(&body),
    }
}

/// The message that all events of a command are out; `last` is the last of them, and `counts` how many there are
/// of each type.
pub fn render_transaction(
    last: &Change,
    counts: &[(String, u64)],
    cluster: &str,
    namespace: &str,
) -> Outgoing {
    let transaction = transaction_id(last);
    let body = TransactionEventBody {
        cluster: cluster.to_owned(),
        epoch: last.epoch,
        sequence: last.sequence,
        time: format_time(last.time),
        kind: TRANSACTION_COMMITTED.to_owned(),
        actor: last.actor.clone(),
        cause: last.cause.clone(),
        transaction: TransactionRef {
            id: transaction.clone(),
            count: last.transaction.count,
        },
        counts: counts.iter().cloned().collect(),
    };
    let message_id = format!("{}-{}-transaction", last.epoch, last.sequence);
    let source = source(namespace, cluster);
    Outgoing {
        kind: TRANSACTION_COMMITTED.to_owned(),
        routing_key: TRANSACTION_COMMITTED.to_owned(),
        correlation_id: last.cause.clone(),
        headers: change_headers(last, TRANSACTION_COMMITTED, &message_id, &transaction, &source),
        message_id,
        cc: Vec::new(),
        body: to_bytes(&body),
    }
}

/// The message that says where the register is, and proves a whole copy.
pub fn render_bookmark(bookmark: &Bookmark, time: Timestamp, cluster: &str, namespace: &str) -> Outgoing {
    let Bookmark {
        position: Position { epoch, sequence },
        digest,
        floor,
    } = *bookmark;
    let body = BookmarkBody {
        cluster: cluster.to_owned(),
        epoch,
        sequence,
        time: format_time(time),
        kind: BOOKMARK.to_owned(),
        digest: digest.to_string(),
        tombstone_floor: floor,
    };
    notice(
        BOOKMARK,
        bookmark.position,
        time,
        cluster,
        namespace,
        to_bytes(&body),
    )
}

/// The message that an epoch has begun, after the sequence of `position`.
pub fn render_epoch_started(
    position: Position,
    instance: &str,
    time: Timestamp,
    cluster: &str,
    namespace: &str,
) -> Outgoing {
    let body = EpochStartedBody {
        cluster: cluster.to_owned(),
        epoch: position.epoch,
        sequence: position.sequence,
        time: format_time(time),
        kind: EPOCH_STARTED.to_owned(),
        instance: instance.to_owned(),
    };
    notice(EPOCH_STARTED, position, time, cluster, namespace, to_bytes(&body))
}

/// The message that the copy of an instance differs from the original, and how.
pub fn render_diverged(
    position: Position,
    instance: &str,
    detail: &str,
    time: Timestamp,
    cluster: &str,
    namespace: &str,
) -> Outgoing {
    let body = DivergedBody {
        cluster: cluster.to_owned(),
        epoch: position.epoch,
        sequence: position.sequence,
        time: format_time(time),
        kind: DIVERGED.to_owned(),
        instance: instance.to_owned(),
        detail: detail.to_owned(),
    };
    notice(DIVERGED, position, time, cluster, namespace, to_bytes(&body))
}

/// The message that a drill has passed or failed.
pub fn render_drilled(drilled: &DrilledBody, time: Timestamp, cluster: &str, namespace: &str) -> Outgoing {
    let kind = if drilled.passed {
        DRILL_PASSED
    } else {
        DRILL_FAILED
    };
    let body = DrillEventBody {
        cluster: cluster.to_owned(),
        time: format_time(time),
        kind: kind.to_owned(),
        drilled: drilled.clone(),
    };
    let position = Position {
        epoch: drilled.epoch,
        sequence: drilled.sequence,
    };
    notice(kind, position, time, cluster, namespace, to_bytes(&body))
}

/// A message about the register as a whole. Each is published once, so the time makes its id.
fn notice(
    kind: &str,
    Position { epoch, sequence }: Position,
    time: Timestamp,
    cluster: &str,
    namespace: &str,
    body: Vec<u8>,
) -> Outgoing {
    let message_id = format!("{epoch}-{sequence}-{kind}-{}", time.0);
    let source = source(namespace, cluster);
    Outgoing {
        kind: kind.to_owned(),
        routing_key: kind.to_owned(),
        correlation_id: String::new(),
        headers: headers(time, sequence, kind, &message_id, cluster, &source),
        message_id,
        cc: Vec::new(),
        body,
    }
}

/// What an event says beside which entity it is about.
pub(super) struct FactParts {
    pub(super) changed: Vec<String>,
    pub(super) before: Option<Map<String, Value>>,
    pub(super) data: Value,
}

impl FactParts {
    pub(super) fn of(event: &Event) -> Self {
        match &event.fact {
            Fact::Created { after } | Fact::Restored { after } => Self::data(document_to_json(after)),
            Fact::Updated { after, before } => {
                let before = patch_to_json(before);
                let data = document_to_json(after);
                Self {
                    changed: changed_pointers(&before, &data),
                    before: Some(before),
                    data,
                }
            }
            // Links are let go of by events of their own, before this one.
            Fact::Removed { last, links: _ } => Self::data(document_to_json(last)),
            Fact::Linked { resources } | Fact::Unlinked { resources } => {
                let resources = resources.iter().map(Id::to_string).collect();
                Self::data(serde_json::to_value(LinksBody { resources }).unwrap_or_default())
            }
        }
    }

    const fn data(data: Value) -> Self {
        Self {
            changed: Vec::new(),
            before: None,
            data,
        }
    }
}

/// A transaction is named by its first event.
pub(super) fn transaction_id(change: &Change) -> String {
    format!("{}-{}", change.epoch, change.transaction.first)
}

/// The `CloudEvents` source: which cluster, behind which namespace.
pub(super) fn source(namespace: &str, cluster: &str) -> String {
    format!("/{namespace}/{cluster}")
}

/// `CloudEvents` 1.0 in the binary mode of its AMQP binding, and the trace of the command.
pub(super) fn change_headers(
    change: &Change,
    kind: &str,
    id: &str,
    subject: &str,
    source: &str,
) -> Vec<(String, String)> {
    let mut headers = headers(change.time, change.sequence, kind, id, subject, source);
    let Trace { parent, state } = &change.trace;
    for (name, text) in [("traceparent", parent), ("tracestate", state)] {
        if !text.is_empty() {
            headers.push((name.to_owned(), text.clone()));
        }
    }
    headers
}

fn headers(
    time: Timestamp,
    sequence: u64,
    kind: &str,
    id: &str,
    subject: &str,
    source: &str,
) -> Vec<(String, String)> {
    [
        ("specversion", "1.0"),
        ("id", id),
        ("source", source),
        ("type", kind),
        ("subject", subject),
        ("time", &format_time(time)),
        // Padded, since the extension compares it as text.
        ("sequence", &format!("{sequence:020}")),
    ]
    .into_iter()
    .map(|(name, value)| (format!("cloudEvents_{name}"), value.to_owned()))
    .collect()
}
