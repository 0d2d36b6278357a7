//! Deliveries: one consumer on one channel, and what can be done with each message that it gets.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, BasicProperties, Channel};

use super::connection::{Health, within};
use super::fault::{Fault, FaultKind};
use super::message::{Header, Message, short};

const DELIVERY_COUNT: &str = "x-delivery-count";
const STREAM_OFFSET: &str = "x-stream-offset";

/// Where to begin in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOffset {
    /// With the oldest message that is kept.
    First,
    /// With the last messages: those that were stored together, of which the last one is the newest.
    Last,
    /// With what is published from now on.
    Next,
    /// With the message of this offset.
    Offset(u64),
    /// With the messages of this time, in seconds since 1970, or some older ones.
    Timestamp(u64),
}

/// What a channel of deliveries needs to be settled and reported on.
struct Line {
    channel: Channel,
    health: Arc<Health>,
    queue: String,
    limit: Duration,
    cancelled: AtomicBool,
}

/// Deliveries from one queue. Dropped, it stops, and what was not settled goes back to its queue once the
/// last [`Delivery`] is dropped too.
pub struct Consumer {
    inner: lapin::Consumer,
    line: Arc<Line>,
    ended: bool,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("queue", &self.line.queue)
            .finish_non_exhaustive()
    }
}

/// What to consume, and how.
pub(super) struct Subscription<'a> {
    pub(super) queue: &'a str,
    pub(super) tag: &'a str,
    pub(super) prefetch: u16,
    pub(super) from: Option<StreamOffset>,
    /// Direct reply-to knows no acknowledgements.
    pub(super) no_ack: bool,
}

impl Consumer {
    /// Starts to consume on `channel`, which becomes this consumer's own.
    pub(super) async fn start(
        channel: Channel,
        health: &Arc<Health>,
        limit: Duration,
        subscription: &Subscription<'_>,
    ) -> Result<Self, Fault> {
        let queue = subscription.queue;
        let doing = format!("consuming from queue `{queue}`");
        let qos = channel.basic_qos(subscription.prefetch, BasicQosOptions::default());
        within(limit, &doing, qos).await?;
        let mut arguments = FieldTable::default();
        if let Some(offset) = subscription.from {
            let offset = match offset {
                StreamOffset::First => AMQPValue::LongString("first".into()),
                StreamOffset::Last => AMQPValue::LongString("last".into()),
                StreamOffset::Next => AMQPValue::LongString("next".into()),
                StreamOffset::Offset(offset) => {
                    AMQPValue::LongLongInt(i64::try_from(offset).unwrap_or(i64::MAX))
                }
                StreamOffset::Timestamp(seconds) => AMQPValue::Timestamp(seconds),
            };
            arguments.insert(STREAM_OFFSET.into(), offset);
        }
        let options = BasicConsumeOptions {
            no_ack: subscription.no_ack,
            ..BasicConsumeOptions::default()
        };
        let consume = channel.basic_consume(
            short("a queue's name", queue)?,
            short("a consumer's tag", subscription.tag)?,
            options,
            arguments,
        );
        let inner = within(limit, &doing, consume).await.map_err(|fault| {
            if fault.kind() == FaultKind::Missing {
                let what = format!("queue `{queue}` is missing: was it deleted?");
                return Fault::new(FaultKind::Missing, what);
            }
            fault
        })?;
        let line = Line {
            channel,
            health: Arc::clone(health),
            queue: queue.to_owned(),
            limit,
            cancelled: AtomicBool::new(false),
        };
        Ok(Self {
            inner,
            line: Arc::new(line),
            ended: false,
        })
    }

    /// The next delivery. None after [`Consumer::cancel`], once what was on its way has been handed over,
    /// and after an error.
    ///
    /// # Errors
    ///
    /// The channel or its connection failed, or the broker cancelled us because the queue is gone.
    pub async fn next(&mut self) -> Option<Result<Delivery, Fault>> {
        if self.ended {
            return None;
        }
        let line = &self.line;
        let queue = &line.queue;
        let fault = match self.inner.next().await {
            Some(Ok(delivery)) => return Some(Ok(Delivery::new(delivery, Arc::clone(line)))),
            Some(Err(error)) => Fault::from_lapin(&format!("consuming from queue `{queue}`"), error),
            None if line.cancelled.load(Ordering::Acquire) => {
                self.ended = true;
                return None;
            }
            None => Fault::new(
                FaultKind::Connection,
                format!(
                    "the broker ended consuming from queue `{queue}`: the queue was deleted, or the connection closed"
                ),
            ),
        };
        self.ended = true;
        line.health.report(&fault);
        Some(Err(fault))
    }

    /// Stops new deliveries, for draining: those that are on their way still come, then there are none.
    pub async fn cancel(&self) {
        self.line.cancelled.store(true, Ordering::Release);
        let cancel = self
            .line
            .channel
            .basic_cancel(self.inner.tag(), BasicCancelOptions::default());
        let doing = format!("the end of consuming from queue `{}`", self.line.queue);
        if let Err(fault) = within(self.line.limit, &doing, cancel).await {
            // The channel is then of no use, and its deliveries go back to the queue.
            self.line.health.report(&fault);
        }
    }

    /// The queue that it consumes from.
    pub fn queue(&self) -> &str {
        &self.line.queue
    }
}

/// A message that the broker keeps for us until it is acknowledged or rejected. Dropped, it is neither: the
/// broker delivers it again once the channel has ended.
pub struct Delivery {
    /// The message, whatever its size.
    pub message: Message,
    /// The exchange that it was published to.
    pub exchange: String,
    /// The routing key that it was published with.
    pub routing_key: String,
    /// Whether the broker has delivered it before, to us or another.
    pub redelivered: bool,
    /// How often it was delivered before and came back; only quorum queues count it.
    pub deliveries: u64,
    /// Its place, if it comes from a stream.
    pub stream_offset: Option<u64>,
    properties: BasicProperties,
    acker: Acker,
    line: Arc<Line>,
}

impl fmt::Debug for Delivery {
    /// Leaves out the body: it may be large, or secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.line.queue)
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("redelivered", &self.redelivered)
            .field("deliveries", &self.deliveries)
            .field("stream_offset", &self.stream_offset)
            .field("kind", &self.message.kind)
            .field("message_id", &self.message.message_id)
            .field("body_bytes", &self.message.body.len())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    fn new(delivery: lapin::message::Delivery, line: Arc<Line>) -> Self {
        let message = Message::from_amqp(&delivery.properties, delivery.data);
        let number = |name: &str| match message.headers.get(name) {
            Some(Header::Integer(value)) => u64::try_from(*value).ok(),
            _ => None,
        };
        Self {
            deliveries: number(DELIVERY_COUNT).unwrap_or(0),
            stream_offset: number(STREAM_OFFSET),
            message,
            exchange: delivery.exchange.into(),
            routing_key: delivery.routing_key.into(),
            redelivered: delivery.redelivered,
            properties: delivery.properties,
            acker: delivery.acker,
            line,
        }
    }

    /// The queue that it came from.
    pub fn queue(&self) -> &str {
        &self.line.queue
    }

    /// Done: the broker forgets the message. The acknowledgement is handed to the connection in the order of
    /// the calls and not waited for, since AMQP confirms none; if it gets lost, the message comes again.
    ///
    /// # Errors
    ///
    /// The channel is gone already: the broker delivers the message again.
    pub async fn ack(self) -> Result<(), Fault> {
        let sent = poll_once(self.acker.ack(BasicAckOptions::default())).await;
        self.settled(sent)
    }

    /// Refuses the message for good: the broker moves it to the dead letters, if its queue has such, or drops
    /// it. Sent like [`Delivery::ack`].
    ///
    /// # Errors
    ///
    /// The channel is gone already: the broker delivers the message again.
    pub async fn reject(self) -> Result<(), Fault> {
        let options = BasicRejectOptions { requeue: false };
        let sent = poll_once(self.acker.reject(options)).await;
        self.settled(sent)
    }

    fn settled(&self, sent: Option<lapin::Result<bool>>) -> Result<(), Fault> {
        let doing = || format!("settling a delivery of queue `{}`", self.line.queue);
        let fault = match sent {
            None | Some(Ok(true)) => return Ok(()),
            Some(Ok(false)) => Fault::new(
                FaultKind::Connection,
                format!(
                    "{} came too late: its channel has ended, and the broker delivers it again",
                    doing()
                ),
            ),
            Some(Err(error)) => Fault::from_lapin(&doing(), error),
        };
        self.line.health.report(&fault);
        Err(fault)
    }

    /// The properties as they came, for publishing the message again unharmed.
    pub(super) fn properties(&self) -> &BasicProperties {
        &self.properties
    }
}

/// Polls `future` once. Lapin hands an acknowledgement over in the first poll; the rest of its future waits
/// for the socket, which would cost a trip to another thread for each message.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
