//! Queues of our own for a while: named by the broker, gone with us.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::connection::{Health, within};
use super::consumer::{Consumer, Subscription};
use super::fault::{Fault, FaultKind};
use super::message::short;

/// Messages that may wait for us. When we are slower than that the oldest go, and a reader sees the gap in
/// their sequence.
const WAITING_MAX: i64 = 10_000;
const PREFETCH: u16 = 256;

/// Messages that may wait in an inbox before it refuses more.
const INBOX_MAX: i64 = 1_000;

/// A queue that is addressed by its name. Here the newest are refused, so that the sender waits.
pub(super) async fn inbox(
    channel: Channel,
    health: &Arc<Health>,
    limit: Duration,
) -> Result<Consumer, Fault> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(INBOX_MAX));
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    let queue = declare(&channel, limit, "making an inbox", arguments).await?;
    let subscription = Subscription {
        queue: queue.as_str(),
        tag: "",
        prefetch: PREFETCH,
        from: None,
        no_ack: false,
    };
    Consumer::start(channel, health, limit, &subscription).await
}

/// How many messages wait in a queue of others.
pub(super) async fn count(channel: &Channel, limit: Duration, queue: &str) -> Result<u32, Fault> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let called = short("a queue's name", queue)?;
    let declared = channel.queue_declare(called, options, FieldTable::default());
    let doing = format!("looking at queue `{queue}`");
    Ok(within(limit, &doing, declared).await?.message_count())
}

async fn declare(
    channel: &Channel,
    limit: Duration,
    doing: &str,
    arguments: FieldTable,
) -> Result<ShortString, Fault> {
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare("".into(), options, arguments);
    Ok(within(limit, doing, declared).await?.name().clone())
}

pub(super) async fn subscribe(
    channel: Channel,
    health: &Arc<Health>,
    limit: Duration,
    exchange: &str,
    bindings: &[String],
) -> Result<Consumer, Fault> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(WAITING_MAX));
    let doing = format!("subscribing to exchange `{exchange}`");
    let queue = declare(&channel, limit, &doing, arguments).await?;
    for key in bindings {
        let bound = channel.queue_bind(
            queue.clone(),
            short("an exchange's name", exchange)?,
            short("a binding's routing key", key)?,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        within(limit, &doing, bound)
            .await
            .map_err(|fault| missing_exchange(fault, exchange))?;
    }
    let subscription = Subscription {
        queue: queue.as_str(),
        tag: "",
        prefetch: PREFETCH,
        from: None,
        no_ack: false,
    };
    Consumer::start(channel, health, limit, &subscription).await
}

/// Says more of a fault that comes from there being no such exchange.
pub(super) fn missing_exchange(fault: Fault, exchange: &str) -> Fault {
    if fault.kind() != FaultKind::Missing {
        return fault;
    }
    Fault::new(
        FaultKind::Missing,
        format!(
            "exchange `{exchange}` is missing: is a domesday server running on this broker and namespace?"
        ),
    )
}
