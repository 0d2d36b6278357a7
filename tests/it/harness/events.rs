//! Events, gathered as they come, each held against its schema.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use domesday::broker::{Client, Consumer, Message, Session, StreamOffset};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::broker::{TestBroker, eventually};
use super::{SOON, schemas};

const BOOKMARK: &str = "bookmark";

/// One event as it came.
#[derive(Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) routing_key: String,
    pub(crate) message: Message,
    pub(crate) body: Value,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.message_id(), self.kind(), self.id())
    }
}

impl Event {
    pub(crate) fn read(routing_key: String, message: Message) -> Self {
        let body: Value = serde_json::from_slice(&message.body).expect("JSON");
        let kind = message.kind.as_deref().expect("a type");
        schemas::check(kind, &body);
        assert_eq!(body["type"], kind, "the body says the type too");
        assert!(message.persistent, "an event survives a restart of the broker");
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        Self {
            routing_key,
            message,
            body,
        }
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().expect("a text")
    }

    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap_or_default()
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.body["sequence"].as_u64().expect("a number")
    }

    pub(crate) fn message_id(&self) -> &str {
        self.message.message_id.as_deref().expect("an id")
    }

    /// Whether it has a sequence of its own.
    pub(crate) fn counts(&self) -> bool {
        self.body.get("revision").is_some()
    }

    /// Whether it is the last message of a transaction.
    pub(crate) fn closes(&self) -> bool {
        self.kind() == "transaction.committed"
    }
}

/// A queue of the test's own, bound to events before anything happens.
pub(crate) struct Events {
    seen: Arc<Mutex<Vec<Event>>>,
    gathering: JoinHandle<()>,
    _client: Client,
}

impl Events {
    /// Gathers all events from now on.
    pub(crate) async fn all(broker: &TestBroker) -> Self {
        Self::of(broker, &["#"]).await
    }

    /// Gathers the events of these binding keys from now on.
    pub(crate) async fn of(broker: &TestBroker, keys: &[&str]) -> Self {
        let config = broker.config();
        let client = Client::connect(&config, "test events").await.expect("a client");
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let exchange = config.names().unwrap().events();
        let consumer = client.subscribe(&exchange, &keys).await.expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        // Bookmarks come when their time comes; only those who ask for them want them among what they count.
        let bookmarks = keys.iter().any(|key| key == BOOKMARK);
        let gathering = tokio::spawn(gather(consumer, bookmarks, Arc::clone(&seen)));
        Self {
            seen,
            gathering,
            _client: client,
        }
    }

    /// What has come so far.
    pub(crate) fn so_far(&self) -> Vec<Event> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the events that have come are enough; gives them.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        eventually(what, SOON, async || {
            assert!(!self.gathering.is_finished(), "an event was not as it should be");
            enough(&self.seen.lock().unwrap())
        })
        .await;
        self.so_far()
    }

    /// Waits for the end of the transaction that reaches this sequence; gives all events up to it.
    pub(crate) async fn up_to(&self, sequence: u64) -> Vec<Event> {
        let reached = |event: &Event| event.closes() && event.sequence() >= sequence;
        let what = format!("the events up to {sequence}");
        self.until(&what, |events| events.last().is_some_and(reached))
            .await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.gathering.abort();
    }
}

async fn gather(mut consumer: Consumer, bookmarks: bool, seen: Arc<Mutex<Vec<Event>>>) {
    while let Some(delivery) = consumer.next().await {
        let Ok(delivery) = delivery else {
            // The broker went away, as some tests want it to.
            break;
        };
        let event = Event::read(delivery.routing_key.clone(), delivery.message.clone());
        if bookmarks || event.kind() != BOOKMARK {
            seen.lock().unwrap().push(event);
        }
        // What the broker does not hear of comes again to nobody: the queue is ours alone.
        let _ = delivery.ack().await;
    }
    std::future::pending::<()>().await;
}

/// The change log as the broker keeps it, from its beginning up to the end of the transaction that reaches `sequence`.
pub(crate) async fn change_log(broker: &TestBroker, sequence: u64) -> Vec<Event> {
    change_log_until(broker, |event| event.closes() && event.sequence() >= sequence).await
}

/// The change log as the broker keeps it, from its beginning up to the first event that is the last to be read.
pub(crate) async fn change_log_until(broker: &TestBroker, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let session = Session::open(&broker.config(), "test change log")
        .await
        .expect("a session");
    let queue = session.names().changes();
    let mut changes = session
        .consume_stream(&queue, 1000, "log", StreamOffset::First)
        .await
        .expect("the stream");
    let mut log: Vec<Event> = Vec::new();
    while !log.last().is_some_and(&is_last) {
        let delivery = tokio::time::timeout(SOON, changes.next())
            .await
            .unwrap_or_else(|_| panic!("the change log ends with {:?}", log.last()))
            .expect("an open stream")
            .expect("a delivery");
        let mut message = delivery.message.clone();
        // The stream's own, and no part of what was published.
        message.headers.remove("x-stream-offset");
        let event = Event::read(delivery.routing_key.clone(), message);
        if event.kind() != BOOKMARK {
            log.push(event);
        }
        delivery.ack().await.expect("acknowledged");
    }
    session.close().await;
    log
}

/// Drops what came twice, and sees to it that this was all: the sequences have no hole, and one sequence has one
/// message id and one body. Gives the events that have a sequence of their own, in order.
pub(crate) fn distinct(events: &[Event]) -> Vec<Event> {
    let mut first: BTreeMap<u64, &Event> = BTreeMap::new();
    let mut closings: BTreeMap<&str, &Event> = BTreeMap::new();
    let mut last = 0;
    for event in events {
        if event.counts() {
            assert!(
                event.sequence() <= last + 1,
                "a hole: {} after {last}",
                event.sequence()
            );
            last = event.sequence().max(last);
            let known = first.entry(event.sequence()).or_insert(event);
            same(known, event);
        } else {
            let known = closings.entry(event.message_id()).or_insert(event);
            same(known, event);
        }
    }
    let distinct: Vec<Event> = first.into_values().cloned().collect();
    for (expected, event) in (1..).zip(&distinct) {
        assert_eq!(event.sequence(), expected, "the sequences have no hole");
    }
    distinct
}

/// A publication again is the same in every property and byte.
fn same(known: &Event, again: &Event) {
    assert_eq!(known.message, again.message);
    assert_eq!(known.routing_key, again.routing_key);
}
