//! Publishing with confirms: many messages in flight, each with an answer of its own.
//!
//! One task, the courier, owns the channel. It must be the only one that publishes there: lapin counts
//! confirms in the order of its calls and writes frames in the order of a queue, and two tasks at once could
//! make these orders differ. It also sees all answers before any caller does, which it needs to be right
//! about returned messages; see [`Returns`].

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::connection::{Health, closed, within};
use super::fault::{Fault, FaultKind, PublishFault};
use super::message::{HEADERS_BYTES_MAX, Message, headers_bytes, short};

/// Messages that may be with the broker unconfirmed; beyond it [`Publisher::send`] waits.
const IN_FLIGHT_MAX: usize = 8192;
/// How the routing key of a direct reply begins.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to.";
/// Orders that the courier takes at a time.
const ORDERS_AT_ONCE: usize = 256;

/// What bounds a publisher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) confirm: Duration,
    pub(super) call: Duration,
    pub(super) body_bytes: usize,
}

/// Publishes on a channel of its own, in confirm mode. Clones share the channel.
#[derive(Clone)]
pub struct Publisher {
    orders: mpsc::UnboundedSender<Order>,
    permits: Arc<Semaphore>,
    health: Arc<Health>,
    limits: Limits,
    dead: Arc<str>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_flight = IN_FLIGHT_MAX.saturating_sub(self.permits.available_permits());
        f.debug_struct("Publisher")
            .field("in_flight", &in_flight)
            .finish_non_exhaustive()
    }
}

/// One message on its way to the courier.
pub(super) struct Order {
    exchange: ShortString,
    routing_key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
    mandatory: bool,
    permit: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<(), PublishFault>>,
}

impl Publisher {
    /// Puts `channel` in confirm mode and starts its courier. `dead` is where [`Publisher::park`] publishes.
    pub(super) async fn start(
        channel: Channel,
        health: &Arc<Health>,
        limits: Limits,
        dead: &str,
    ) -> Result<Self, Fault> {
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        within(limits.call, "the switch to confirm mode", select).await?;
        let (orders, taken) = mpsc::unbounded_channel();
        tokio::spawn(deliver(channel, taken, Arc::clone(health)));
        Ok(Self {
            orders,
            permits: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            health: Arc::clone(health),
            limits,
            dead: dead.into(),
        })
    }

    /// Sends `message`; the order of calls is the order on the wire. The [`Confirmation`] tells whether the
    /// broker has it. With `mandatory` a message that no queue is bound for is [`PublishFault::Returned`];
    /// without, it vanishes. For a direct reply it has no effect: the broker counts none of these as routed.
    ///
    /// Waits while 8192 messages of this channel are unconfirmed, at most `confirm_timeout_ms`.
    ///
    /// # Errors
    ///
    /// The body is larger than `message_bytes_max`, a property is too long, too many messages stay
    /// unconfirmed, or the session has ended. The message was not sent then.
    pub async fn send(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &Message,
        mandatory: bool,
    ) -> Result<Confirmation, Fault> {
        let size = message.body.len();
        if size > self.limits.body_bytes {
            return Err(Fault::new(
                FaultKind::Message,
                format!(
                    "a body of {size} bytes for exchange `{exchange}` is over the limit of {}: raise broker.message_bytes_max, or send less at once",
                    self.limits.body_bytes
                ),
            ));
        }
        let (properties, body) = (message.properties()?, message.body.clone());
        self.send_raw(exchange, routing_key, properties, body, mandatory)
            .await
    }

    /// The largest body that [`Publisher::send`] takes, in bytes.
    pub const fn body_bytes_max(&self) -> usize {
        self.limits.body_bytes
    }

    pub(super) async fn send_raw(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: Vec<u8>,
        mandatory: bool,
    ) -> Result<Confirmation, Fault> {
        let headers = properties.headers().as_ref().map_or(0, headers_bytes);
        if headers > HEADERS_BYTES_MAX {
            // They must fit in one frame, or the broker ends the whole connection.
            return Err(Fault::new(
                FaultKind::Message,
                format!(
                    "headers of {headers} bytes for exchange `{exchange}` are over the limit of {HEADERS_BYTES_MAX}"
                ),
            ));
        }
        let permit = Arc::clone(&self.permits).acquire_owned();
        let limit = self.limits.confirm;
        let Some(permit) = self.health.patiently(limit, permit).await else {
            let doing = format!("waiting to publish to exchange `{exchange}`");
            let hint = "the broker leaves too many messages unconfirmed";
            return Err(Fault::deadline(&doing, limit, hint));
        };
        let (answer, answered) = oneshot::channel();
        let order = Order {
            exchange: short("an exchange's name", exchange)?,
            routing_key: short("a routing key", routing_key)?,
            properties,
            body,
            mandatory: mandatory && !routing_key.starts_with(DIRECT_REPLY),
            permit: permit.map_err(|_| closed())?,
            answer,
        };
        self.orders
            .send(order)
            .map_err(|_| self.health.failure().unwrap_or_else(closed))?;
        Ok(Confirmation {
            answered,
            health: Arc::clone(&self.health),
            limit,
        })
    }

    /// The same channel, with another limit for confirms.
    pub(super) fn with_confirm(&self, confirm: Duration) -> Self {
        let mut other = self.clone();
        other.limits.confirm = confirm;
        other
    }

    /// The name of the exchange of dead letters.
    pub(super) fn dead(&self) -> &str {
        &self.dead
    }
}

/// The broker's answer to one message, still to come. Dropped, nobody learns it.
#[must_use = "without the confirm nobody knows whether the broker has the message"]
pub struct Confirmation {
    answered: oneshot::Receiver<Result<(), PublishFault>>,
    health: Arc<Health>,
    limit: Duration,
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}

impl Confirmation {
    /// Waits for the broker's answer, at most `confirm_timeout_ms`; time during which the broker blocks us does
    /// not count.
    ///
    /// # Errors
    ///
    /// The message is not known to be safe: see each [`PublishFault`] for what to do.
    pub async fn wait(self) -> Result<(), PublishFault> {
        match self.health.patiently(self.limit, self.answered).await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err(PublishFault::Lost(self.health.failure().unwrap_or_else(closed))),
            None => Err(PublishFault::TimedOut(self.limit)),
        }
    }
}

/// Takes the broker's answers in the order of publication, and hands over what each of them makes true. Ends when there
/// will be no more.
///
/// # Errors
///
/// The first message that is not known to be safe.
pub async fn confirmed_in_order<T>(
    mut on_their_way: mpsc::Receiver<(Confirmation, T)>,
    mut confirmed: impl FnMut(T),
) -> Result<(), PublishFault> {
    while let Some((confirmation, what)) = on_their_way.recv().await {
        confirmation.wait().await?;
        confirmed(what);
    }
    Ok(())
}

/// One message that the broker has answered, or never will.
struct Settled {
    outcome: lapin::Result<lapin::Confirmation>,
    /// By what a returned message is known again; none if it was not mandatory.
    mark: Option<u64>,
    answer: oneshot::Sender<Result<(), PublishFault>>,
    /// Let go only when all is known, so that what is in flight stays bounded.
    _permit: OwnedSemaphorePermit,
}

/// The courier: publishes what is ordered, in order, and hands the answers out.
async fn deliver(channel: Channel, mut orders: mpsc::UnboundedReceiver<Order>, health: Arc<Health>) {
    let mut in_flight = FuturesUnordered::new();
    let mut returns = Returns::default();
    let mut taken = Vec::with_capacity(ORDERS_AT_ONCE);
    loop {
        tokio::select! {
            biased;
            Some(first) = in_flight.next() => {
                settle_with(first, &channel, &mut in_flight, &mut returns, &health);
            }
            count = orders.recv_many(&mut taken, ORDERS_AT_ONCE) => {
                if count == 0 {
                    break;
                }
                for order in taken.drain(..) {
                    let mut publishing = Box::pin(publish(&channel, order));
                    // The first poll queues the frames: poll here, in order. Where it is ready at once, it
                    // failed, and the next poll would be one too many.
                    match futures_util::poll!(&mut publishing) {
                        std::task::Poll::Ready(settled) => settle(vec![settled], &mut returns, &health),
                        std::task::Poll::Pending => in_flight.push(publishing),
                    }
                }
            }
        }
    }
    // No publisher is left, but confirmations may still be waited for.
    while let Some(first) = in_flight.next().await {
        settle_with(first, &channel, &mut in_flight, &mut returns, &health);
    }
}

/// Settles `first` together with all that lapin has resolved up to now.
fn settle_with<F: Future<Output = Settled> + Unpin>(
    first: Settled,
    channel: &Channel,
    in_flight: &mut FuturesUnordered<F>,
    returns: &mut Returns,
    health: &Health,
) {
    let mut batch = vec![first];
    // Lapin may be in the midst of one acknowledgement for many. It holds a lock meanwhile that this call
    // takes too: after it, all of them are resolved. What the call itself returns is of no interest.
    let _ = channel.wait_for_confirms().now_or_never();
    while let Some(Some(settled)) = in_flight.next().now_or_never() {
        batch.push(settled);
    }
    settle(batch, returns, health);
    if in_flight.is_empty() {
        returns.forget();
    }
}

async fn publish(channel: &Channel, order: Order) -> Settled {
    let mark = order.mandatory.then(|| {
        let place = (order.exchange.as_str(), order.routing_key.as_str());
        mark(place, &order.properties, order.body.len())
    });
    let options = BasicPublishOptions {
        mandatory: order.mandatory,
        ..BasicPublishOptions::default()
    };
    let sent = channel
        .basic_publish(
            order.exchange,
            order.routing_key,
            options,
            &order.body,
            order.properties,
        )
        .await;
    drop(order.body);
    let outcome = match sent {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    Settled {
        outcome,
        mark,
        answer: order.answer,
        _permit: order.permit,
    }
}

/// Tells each caller of `batch` what became of its message.
fn settle(mut batch: Vec<Settled>, returns: &mut Returns, health: &Health) {
    for settled in &mut batch {
        if let Ok(confirmation) = &mut settled.outcome {
            returns.note(confirmation);
        }
    }
    for settled in batch {
        let returned = settled.mark.and_then(|mark| returns.take(mark));
        let answer = match (settled.outcome, returned) {
            (Ok(_), Some((code, text))) => Err(PublishFault::Returned { code, text }),
            (Ok(lapin::Confirmation::Ack(_)), None) => Ok(()),
            (Ok(lapin::Confirmation::Nack(_)), None) => Err(PublishFault::Nacked),
            (Ok(lapin::Confirmation::NotRequested), None) => Err(PublishFault::Lost(closed())),
            (Err(error), _) => {
                let fault = Fault::from_lapin("publishing", error);
                health.report(&fault);
                Err(PublishFault::Lost(fault))
            }
        };
        // Nobody may be waiting any more, which is theirs to decide.
        let _ = settled.answer.send(answer);
    }
}

/// Returned messages, until it is known whose they are.
///
/// The broker returns a message before it acknowledges it. Lapin hands a returned message out with the *next*
/// acknowledgement on the channel, whichever message that is for, and takes those of one "all up to here" in
/// no order. So the answer that carries a returned message may be another's, but it never comes later than
/// the right one, and both are seen by the courier before a caller learns anything.
#[derive(Default)]
struct Returns(HashMap<u64, Vec<(u16, String)>>);

impl Returns {
    fn note(&mut self, confirmation: &mut lapin::Confirmation) {
        let (lapin::Confirmation::Ack(returned) | lapin::Confirmation::Nack(returned)) = confirmation else {
            return;
        };
        let Some(returned) = returned.take() else {
            return;
        };
        let delivery = &returned.delivery;
        let place = (delivery.exchange.as_str(), delivery.routing_key.as_str());
        let mark = mark(place, &delivery.properties, delivery.data.len());
        let said = (returned.reply_code, returned.reply_text.to_string());
        self.0.entry(mark).or_default().push(said);
    }

    fn take(&mut self, mark: u64) -> Option<(u16, String)> {
        let said = self.0.get_mut(&mark)?;
        let taken = said.pop();
        if said.is_empty() {
            self.0.remove(&mark);
        }
        taken
    }

    /// With nothing in flight there is nobody whose they could be.
    fn forget(&mut self) {
        for (code, text) in self.0.drain().flat_map(|(_, said)| said) {
            tracing::error!(code, text, "the broker returned a message that we never sent");
        }
    }
}

/// What tells one message from another on its way out and back. Two messages that agree in all of this go
/// to the same place, so that mistaking one for the other does no harm.
fn mark(place: (&str, &str), properties: &BasicProperties, body_bytes: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    body_bytes.hash(&mut hasher);
    // Not the `reply_to`: the broker replaces that of direct reply-to.
    for property in [
        properties.message_id(),
        properties.correlation_id(),
        properties.kind(),
    ] {
        property.as_ref().map(ShortString::as_str).hash(&mut hasher);
    }
    hasher.finish()
}
