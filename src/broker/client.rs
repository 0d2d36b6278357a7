//! A client's side: requests with direct reply-to, many in flight, and subscriptions, over one connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::access::{Access, Seen};
use super::certificate::Certificates;
use super::config::Config;
use super::connection::{Health, Link, closed};
use super::consumer::{Consumer, Delivery, StreamOffset, Subscription};
use super::dial::address;
use super::fault::{Fault, FaultKind, PublishFault};
use super::message::{Message, short};
use super::park::Origin;
use super::publisher::{Limits, Publisher};
use super::subscribe::{count, inbox, missing_exchange, subscribe};

/// The queue that is none: the broker routes a reply straight to the channel that asked.
const REPLIES: &str = "amq.rabbitmq.reply-to";

/// A connection for requests. It declares nothing but the queues of its own subscriptions, so that its user
/// needs only the permission to write to the exchanges, and to read events.
pub struct Client {
    link: Link,
    user: Option<String>,
    seen: Seen,
    certificates: Certificates,
    publisher: Publisher,
    health: Arc<Health>,
    waiting: Arc<Waiting>,
    replies: JoinHandle<()>,
    limit: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("waiting", &self.waiting.lock().len())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects, within `connect_timeout_ms`. The broker shows the connection as `name`.
    ///
    /// # Errors
    ///
    /// [`Fault::is_permanent`] tells whether trying again can help.
    pub async fn connect(config: &Config, name: &str) -> Result<Self, Fault> {
        config.validate()?;
        let access = Access::read(config).await?;
        let limit = config.connect_timeout();
        let opening = async {
            let health = Health::new();
            let link = Link::open(&access, name, &health, limit).await?;
            let channel = link.channel().await?;
            let subscription = Subscription {
                queue: REPLIES,
                tag: "",
                prefetch: 0,
                from: None,
                no_ack: true,
            };
            // The broker sends replies to the channel that published the request: the two share one.
            let consumer = Consumer::start(channel.clone(), &health, limit, &subscription).await?;
            let limits = Limits::of(config);
            let dead = config.names()?.dead();
            let publisher = Publisher::start(channel, &health, limits, &dead).await?;
            let waiting = Arc::new(Waiting::default());
            let replies = tokio::spawn(hand_out(consumer, Arc::clone(&waiting)));
            Ok(Self {
                seen: access.seen,
                certificates: link.certificates(&access),
                user: access.user.clone(),
                link,
                publisher,
                health,
                waiting,
                replies,
                limit,
            })
        };
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| {
            let doing = format!("connecting to the broker at {}", address(&access.uri));
            Err(Fault::deadline(&doing, limit, "is it a broker, and is it up?"))
        })
    }

    /// The certificates of the connection.
    pub const fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    pub(super) const fn seen(&self) -> Seen {
        self.seen
    }

    /// Sends `message` and waits for its reply, at most `timeout` in all. It gets a `message_id` if it has none,
    /// a `correlation_id` if it has none, our user, where we know it, as `user_id` if it has none (which the broker checks),
    /// and always our `reply_to`.
    ///
    /// # Errors
    ///
    /// The exchange is missing, no queue is bound for the message, the broker would not take it, no reply
    /// came in time (the request may yet be carried out), or the connection failed.
    pub async fn request(
        &self,
        exchange: &str,
        routing_key: &str,
        mut message: Message,
        timeout: Duration,
    ) -> Result<Message, Fault> {
        let id = message
            .message_id
            .get_or_insert_with(|| Uuid::now_v7().to_string())
            .clone();
        let correlation = message.correlation_id.get_or_insert(id).clone();
        message.reply_to = Some(REPLIES.to_owned());
        message.user_id = message.user_id.or_else(|| self.user.clone());
        let waiting = self.waiting.enter(&correlation)?;
        let asking = self.ask(exchange, routing_key, &message, timeout, waiting);
        match tokio::time::timeout(timeout, asking).await {
            Ok(reply) => reply,
            Err(_) => Err(self.overdue(exchange, timeout)),
        }
    }

    async fn ask(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &Message,
        timeout: Duration,
        mut waiting: Entry,
    ) -> Result<Message, Fault> {
        let confirmation = self
            .publisher
            .with_confirm(timeout)
            .send(exchange, routing_key, message, true)
            .await
            .map_err(|fault| missing_exchange(fault, exchange))?;
        let mut confirmed = std::pin::pin!(confirmation.wait());
        // The reply may overtake the confirm, and then it is all the confirm one needs.
        tokio::select! {
            biased;
            reply = &mut waiting.reply => return self.replied(reply, exchange),
            confirmed = &mut confirmed => {
                confirmed.map_err(|fault| self.not_sent(exchange, fault, timeout))?;
            }
        }
        let reply = (&mut waiting.reply).await;
        self.replied(reply, exchange)
    }

    /// The end of the replies may be noticed before the end of the publishing that brought it about.
    fn replied(
        &self,
        reply: Result<Message, oneshot::error::RecvError>,
        exchange: &str,
    ) -> Result<Message, Fault> {
        reply.map_err(|_| missing_exchange(self.health.failure().unwrap_or_else(closed), exchange))
    }

    fn not_sent(&self, exchange: &str, fault: PublishFault, timeout: Duration) -> Fault {
        match fault {
            PublishFault::Nacked => Fault::new(
                FaultKind::Refused,
                format!(
                    "the broker would not take a message for exchange `{exchange}`: its queue is full or changes its leader: try again later"
                ),
            ),
            PublishFault::Returned { code, text } => Fault::new(
                FaultKind::Unroutable,
                format!(
                    "the broker returned a message for exchange `{exchange}` ({code} {text}): no queue is bound there: is a domesday server running on this broker and namespace?"
                ),
            ),
            PublishFault::TimedOut(_) => self.overdue(exchange, timeout),
            PublishFault::Lost(fault) => missing_exchange(fault, exchange),
        }
    }

    fn overdue(&self, exchange: &str, timeout: Duration) -> Fault {
        let doing = format!("the reply to a message for exchange `{exchange}`");
        let blocked = self.health.blocked().borrow().clone();
        match blocked {
            Some(reason) => {
                let hint = format!("the broker blocks publishing ({reason})");
                Fault::deadline(&doing, timeout, &hint)
            }
            None => Fault::deadline(&doing, timeout, "is a domesday server consuming?"),
        }
    }

    /// Consumes what `exchange` gets under the routing keys of `bindings`, through a queue of our own that goes
    /// with the consumer. It keeps 10,000 messages for a slow reader; beyond that the oldest go.
    ///
    /// # Errors
    ///
    /// The exchange is missing or not for us, or the broker does not answer in time.
    pub async fn subscribe(&self, exchange: &str, bindings: &[String]) -> Result<Consumer, Fault> {
        let channel = self.link.channel().await?;
        subscribe(channel, &self.health, self.limit, exchange, bindings).await
    }

    /// Consumes from a queue of our own, gone with the consumer, that senders address by [`Consumer::queue`]. When it
    /// holds as many as we can take for now it refuses more, so that a sender waits and nothing is lost.
    ///
    /// # Errors
    ///
    /// The broker does not answer in time, or we may not make queues.
    pub async fn inbox(&self) -> Result<Consumer, Fault> {
        let channel = self.link.channel().await?;
        inbox(channel, &self.health, self.limit).await
    }

    /// Consumes from `queue` with at most `prefetch` deliveries unsettled. What is not settled when the consumer and
    /// its deliveries are gone goes back to the queue.
    ///
    /// # Errors
    ///
    /// The queue is missing, not for us, or the broker does not answer in time.
    pub async fn consume(&self, queue: &str, prefetch: u16) -> Result<Consumer, Fault> {
        let channel = self.link.channel().await?;
        let subscription = Subscription {
            queue,
            tag: "",
            prefetch,
            from: None,
            no_ack: false,
        };
        Consumer::start(channel, &self.health, self.limit, &subscription).await
    }

    /// Consumes from the stream `queue`, from `from` on. Deliveries must be acknowledged, which here only makes room for
    /// more; nothing is taken out of a stream.
    ///
    /// # Errors
    ///
    /// As for [`Client::consume`].
    pub async fn consume_stream(
        &self,
        queue: &str,
        prefetch: u16,
        from: StreamOffset,
    ) -> Result<Consumer, Fault> {
        let channel = self.link.channel().await?;
        let subscription = Subscription {
            queue,
            tag: "",
            prefetch,
            from: Some(from),
            no_ack: false,
        };
        Consumer::start(channel, &self.health, self.limit, &subscription).await
    }

    /// How many messages wait in `queue` and are with nobody.
    ///
    /// # Errors
    ///
    /// The queue is missing, not for us, or the broker does not answer in time.
    pub async fn waiting(&self, queue: &str) -> Result<u32, Fault> {
        let channel = self.link.channel().await?;
        count(&channel, self.limit, queue).await
    }

    /// Publishes a dead letter once more, as it was before it was one, waits until the broker has it, and only then
    /// takes it out of the dead letters. With `message_id` it gets another identity than it had.
    ///
    /// # Errors
    ///
    /// Nothing says where it came from, no queue is bound for it any more, or the broker would not take it; it stays
    /// where it is then. Or it was sent, and could not be taken out: it is there twice.
    pub async fn revive(
        &self,
        letter: Delivery,
        message_id: Option<&str>,
        timeout: Duration,
    ) -> Result<(), Fault> {
        let Origin {
            exchange,
            routing_key,
            ..
        } = letter.origin();
        let Some(exchange) = exchange else {
            let what = "the message does not say which exchange it came from";
            return Err(Fault::new(FaultKind::Unroutable, what));
        };
        let (mut properties, body) = (letter.before_death(), letter.message.body.clone());
        if let Some(id) = message_id {
            properties = properties.with_message_id(short("message_id", id)?);
        }
        let publisher = self.publisher.with_confirm(timeout);
        let sent = publisher
            .send_raw(&exchange, &routing_key, properties, body, true)
            .await?;
        sent.wait()
            .await
            .map_err(|fault| self.not_sent(&exchange, fault, timeout))?;
        letter.ack().await
    }

    /// Sends `message`, and waits until the broker has it. It gets our user, where we know it, as `user_id` if it has none.
    ///
    /// # Errors
    ///
    /// The exchange is missing, no queue is bound for the message, or the broker would not take it.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &Message,
        timeout: Duration,
    ) -> Result<(), Fault> {
        let mut message = message.clone();
        message.user_id = message.user_id.or_else(|| self.user.clone());
        let sent = self
            .publisher
            .with_confirm(timeout)
            .send(exchange, routing_key, &message, true)
            .await
            .map_err(|fault| missing_exchange(fault, exchange))?;
        sent.wait()
            .await
            .map_err(|fault| self.not_sent(exchange, fault, timeout))
    }

    /// Waits until the connection or one of its channels has failed, and tells the first failure.
    pub async fn broken(&self) -> Fault {
        self.health.failed().await
    }

    /// What the broker says while it blocks our publishing, being short of memory or disk.
    pub fn blocked(&self) -> watch::Receiver<Option<String>> {
        self.health.blocked()
    }

    /// Closes the connection, within a few seconds.
    pub async fn close(self) {
        self.link.close().await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.replies.abort();
    }
}

/// Those who wait for a reply, by correlation id.
#[derive(Default)]
struct Waiting(Mutex<HashMap<String, oneshot::Sender<Message>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Message>>> {
        // No code that holds the lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, correlation: &str) -> Result<Entry, Fault> {
        let mut waiting = self.lock();
        if waiting.contains_key(correlation) {
            return Err(Fault::new(
                FaultKind::Message,
                format!(
                    "a request with correlation id `{correlation}` is in flight already: give each its own"
                ),
            ));
        }
        let (sender, reply) = oneshot::channel();
        waiting.insert(correlation.to_owned(), sender);
        Ok(Entry {
            waiting: Arc::clone(self),
            correlation: correlation.to_owned(),
            reply,
        })
    }
}

/// One who waits; leaves the list when it is dropped, however it ended.
struct Entry {
    waiting: Arc<Waiting>,
    correlation: String,
    reply: oneshot::Receiver<Message>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.correlation);
    }
}

/// Hands each reply to who waits for it. A reply that nobody waits for any more is dropped.
async fn hand_out(mut consumer: Consumer, waiting: Arc<Waiting>) {
    while let Some(Ok(delivery)) = consumer.next().await {
        let message = delivery.message;
        let Some(correlation) = &message.correlation_id else {
            continue;
        };
        let waiter = waiting.lock().remove(correlation);
        if let Some(waiter) = waiter {
            let _ = waiter.send(message);
        }
    }
    // Dropping the senders tells all who wait that no reply will come.
    waiting.lock().clear();
}
