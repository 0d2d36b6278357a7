//! A server's session: two connections, so that deliveries and their settlement go on while publishing is
//! blocked, and the topology, declared and checked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::access::{Access, Seen};
use super::certificate::Certificates;
use super::config::{Config, Names};
use super::connection::{Health, Link};
use super::consumer::{Consumer, StreamOffset, Subscription};
use super::dial::address;
use super::fault::{Fault, PublishFault};
use super::lease::Lease;
use super::message::Message;
use super::publisher::{Limits, Publisher};
use super::subscribe::{count, subscribe};
use super::topology::{self, Purpose};

/// Publishers that are there from the beginning; more are opened when they are asked for.
const PUBLISHERS: usize = 6;
/// How long the trial of a reply is waited for.
const TRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Two plain connections to the broker. Nothing recovers by itself: when [`Session::broken`] resolves, the
/// owner drops the session and opens another.
#[derive(Debug)]
pub struct Session {
    publishing: Link,
    consuming: Link,
    health: Arc<Health>,
    names: Names,
    limits: Limits,
    /// Opened before the first message: a broker that is short of memory blocks a connection at its first message, and
    /// opens no channel on it from then on.
    publishers: Mutex<Vec<Publisher>>,
    /// The lease, where it was to be had at the opening and nobody has asked for it yet: for the same reason.
    lease: Mutex<Option<Lease>>,
    seen: Seen,
    certificates: Certificates,
}

impl Session {
    /// Connects, then declares and checks the topology, all within `connect_timeout_ms`. The broker shows the
    /// connections as `connection_name` with `/publish` and `/consume`.
    ///
    /// # Errors
    ///
    /// [`Fault::is_permanent`] tells whether trying again can help.
    pub async fn open(config: &Config, connection_name: &str) -> Result<Self, Fault> {
        Self::open_to(Purpose::Serve, false, config, connection_name).await
    }

    /// With `contending`, tries for the lease before the first message.
    pub(super) async fn open_to(
        purpose: Purpose,
        contending: bool,
        config: &Config,
        connection_name: &str,
    ) -> Result<Self, Fault> {
        config.validate()?;
        let access = Access::read(config).await?;
        let limit = config.connect_timeout();
        let opening = async {
            let health = Health::new();
            let name = format!("{connection_name}/consume");
            let consuming = Link::open(&access, &name, &health, limit).await?;
            let channel = consuming.channel().await?;
            topology::declare(&channel, config, purpose).await?;
            let name = format!("{connection_name}/publish");
            let publishing = Link::open(&access, &name, &health, limit).await?;
            let session = Self {
                seen: access.seen,
                certificates: publishing.certificates(&access),
                publishing,
                consuming,
                health,
                names: config.names()?,
                limits: Limits::of(config),
                publishers: Mutex::default(),
                lease: Mutex::default(),
            };
            let mut publishers = Vec::with_capacity(PUBLISHERS);
            for _ in 0..PUBLISHERS {
                publishers.push(session.new_publisher().await?);
            }
            if contending {
                let lease = session.try_for_lease().await?;
                *session.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
            }
            if let Some(publisher) = publishers.first() {
                session.try_to_reply(publisher).await?;
            }
            *session.publishers.lock().unwrap_or_else(PoisonError::into_inner) = publishers;
            Ok(session)
        };
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| {
            let doing = format!("opening a session with the broker at {}", address(&access.uri));
            Err(Fault::deadline(&doing, limit, "is it a broker, and is it up?"))
        })
    }

    /// Replies go through the default exchange. Whether we may write to it is better learnt now than with the first
    /// reply, when its command is done already. The message goes to a queue that nobody has, and vanishes.
    async fn try_to_reply(&self, publisher: &Publisher) -> Result<(), Fault> {
        let nobody = format!("{}.nobody", self.names.namespace());
        let sent = publisher.send("", &nobody, &Message::default(), false).await?;
        // No answer in time is no refusal: a broker that is short of memory takes nothing for a while.
        match tokio::time::timeout(TRY_TIMEOUT, sent.wait()).await {
            Ok(Err(PublishFault::Lost(fault))) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Opens a session for a purpose, again and again with the waits of `reconnect_*`, until it works, a fault is permanent,
    /// or `reconnect_give_up_s` has passed. Each failed try is logged. To end it early, drop the future.
    ///
    /// # Errors
    ///
    /// The last fault.
    pub async fn open_with_retry(
        purpose: Purpose,
        config: &Config,
        connection_name: &str,
    ) -> Result<Self, Fault> {
        let mut backoff = config.backoff();
        loop {
            let fault = match Self::open_to(purpose, purpose == Purpose::Serve, config, connection_name).await
            {
                Ok(session) => return Ok(session),
                Err(fault) if fault.is_permanent() => return Err(fault),
                Err(fault) => fault,
            };
            let Some(wait) = backoff.next() else {
                return Err(fault);
            };
            tracing::warn!(
                fault = &fault as &dyn std::error::Error,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "no session with the broker yet"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// The certificates of its connections.
    pub const fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    pub(super) const fn seen(&self) -> Seen {
        self.seen
    }

    /// The names of the exchanges and queues.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Takes the lease of the namespace; none while another connection has it. The connection that publishes holds it, so
    /// that the broker takes nothing more from us once another can have it.
    ///
    /// # Errors
    ///
    /// The broker does not answer in time, or we may not make the queue.
    pub async fn lease(&self) -> Result<Option<Lease>, Fault> {
        let ready = self.lease.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ready {
            Some(lease) => Ok(Some(lease)),
            None => self.try_for_lease().await,
        }
    }

    async fn try_for_lease(&self) -> Result<Option<Lease>, Fault> {
        Lease::take(&self.publishing, &self.health, self.limits, &self.names.lease()).await
    }

    /// Consumes from `queue` with at most `prefetch` deliveries unsettled. `tag` names the consumer at the
    /// broker; it must differ between consumers of one channel only, and each consumer has its own.
    ///
    /// # Errors
    ///
    /// The queue is missing, not for us, or the broker does not answer in time.
    pub async fn consume(&self, queue: &str, prefetch: u16, tag: &str) -> Result<Consumer, Fault> {
        self.consume_from(queue, prefetch, tag, None).await
    }

    /// Consumes from the stream `queue`, from `from` on. Deliveries must be acknowledged, which here only
    /// makes room for more; nothing is taken out of a stream.
    ///
    /// # Errors
    ///
    /// As for [`Session::consume`].
    pub async fn consume_stream(
        &self,
        queue: &str,
        prefetch: u16,
        tag: &str,
        from: StreamOffset,
    ) -> Result<Consumer, Fault> {
        self.consume_from(queue, prefetch, tag, Some(from)).await
    }

    async fn consume_from(
        &self,
        queue: &str,
        prefetch: u16,
        tag: &str,
        from: Option<StreamOffset>,
    ) -> Result<Consumer, Fault> {
        let channel = self.consuming.channel().await?;
        let subscription = Subscription {
            queue,
            tag,
            prefetch,
            from,
            no_ack: false,
        };
        Consumer::start(channel, &self.health, self.limits.call, &subscription).await
    }

    /// Consumes what `exchange` gets under the routing keys of `bindings`, through a queue of our own that
    /// goes with the consumer: see [`super::Client::subscribe`].
    ///
    /// # Errors
    ///
    /// As for [`Session::consume`].
    pub async fn subscribe(&self, exchange: &str, bindings: &[String]) -> Result<Consumer, Fault> {
        let channel = self.consuming.channel().await?;
        subscribe(channel, &self.health, self.limits.call, exchange, bindings).await
    }

    /// Sees to it that no command is routed to this namespace any more, until an instance serves it again: whoever sends
    /// one is told at once. Those that wait in the queue already stay there.
    ///
    /// # Errors
    ///
    /// The broker does not answer in time, or we may not change the binding.
    pub async fn refuse_commands(&self) -> Result<(), Fault> {
        let channel = self.consuming.channel().await?;
        topology::unbind_commands(&channel, &self.names, self.limits.call).await
    }

    /// How many commands wait in the queue and are with nobody.
    ///
    /// # Errors
    ///
    /// The queue is missing, or the broker does not answer in time.
    pub async fn commands_waiting(&self) -> Result<u32, Fault> {
        let channel = self.consuming.channel().await?;
        count(&channel, self.limits.call, &self.names.commands()).await
    }

    /// A publisher with a channel of its own.
    ///
    /// # Errors
    ///
    /// The connection has ended, or the broker does not answer in time.
    pub async fn publisher(&self) -> Result<Publisher, Fault> {
        let ready = self
            .publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match ready {
            Some(publisher) => Ok(publisher),
            None => self.new_publisher().await,
        }
    }

    async fn new_publisher(&self) -> Result<Publisher, Fault> {
        let channel = self.publishing.channel().await?;
        Publisher::start(channel, &self.health, self.limits, &self.names.dead()).await
    }

    /// Waits until a connection or one of its channels has failed, and tells the first failure.
    pub async fn broken(&self) -> Fault {
        self.health.failed().await
    }

    /// What the broker says while it blocks our publishing, being short of memory or disk. The beginning and
    /// the end of it are logged here.
    pub fn blocked(&self) -> watch::Receiver<Option<String>> {
        self.health.blocked()
    }

    /// Closes both connections, within a few seconds. Unsettled deliveries go back to their queues.
    pub async fn close(self) {
        futures_util::future::join(self.publishing.close(), self.consuming.close()).await;
    }
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            confirm: config.confirm_timeout(),
            call: config.connect_timeout(),
            body_bytes: config.message_bytes_max,
        }
    }
}
