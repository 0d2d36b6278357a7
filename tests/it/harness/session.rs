//! What the tests of the `broker` room share: messages, a session, the next delivery.

use std::time::Duration;

use domesday::broker::{Consumer, Delivery, Message, Session};

use super::broker::TestBroker;

/// Longer than anything takes that works.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A message id out of a number or a text.
pub(crate) struct Id(String);

impl From<u32> for Id {
    fn from(id: u32) -> Self {
        Self(id.to_string())
    }
}

impl From<&str> for Id {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

pub(crate) fn message(id: impl Into<Id>, body: &str) -> Message {
    Message {
        body: body.as_bytes().to_vec(),
        kind: Some("test".to_owned()),
        message_id: Some(id.into().0),
        persistent: true,
        ..Message::default()
    }
}

pub(crate) async fn open(broker: &TestBroker) -> Session {
    Session::open(&broker.config(), "test").await.expect("a session")
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(SOON, consumer.next())
        .await
        .expect("a delivery in time")
        .expect("an open consumer")
        .expect("a delivery")
}
