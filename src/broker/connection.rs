//! One plain connection to the broker, watched: why it failed, and whether the broker blocks it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::{Channel, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::access::Access;
use super::certificate::{Certificate, Certificates};
use super::dial::dial;
use super::fault::{Fault, FaultKind};

/// How often the watcher looks at the state itself, in case an event was missed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The limit of a clean close. A blocked connection cannot be closed cleanly: its writes stand still.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How a session fares: the first thing that failed, and what the broker says while it blocks us.
#[derive(Debug)]
pub(super) struct Health {
    failure: watch::Sender<Option<Fault>>,
    blocked: watch::Sender<Option<String>>,
    closing: AtomicBool,
}

impl Health {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            failure: watch::Sender::new(None),
            blocked: watch::Sender::new(None),
            closing: AtomicBool::new(false),
        })
    }

    /// Remembers `fault` if it is the first. What fails while we close is no news.
    pub(super) fn report(&self, fault: &Fault) {
        if self.closing.load(Ordering::Acquire) {
            return;
        }
        self.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(fault.clone());
            }
            is_first
        });
    }

    pub(super) async fn failed(&self) -> Fault {
        let mut failure = self.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        failed.ok().and_then(|fault| fault.clone()).unwrap_or_else(closed)
    }

    pub(super) fn failure(&self) -> Option<Fault> {
        self.failure.borrow().clone()
    }

    pub(super) fn blocked(&self) -> watch::Receiver<Option<String>> {
        self.blocked.subscribe()
    }

    fn set_blocked(&self, reason: Option<String>) {
        if let Some(reason) = &reason {
            tracing::warn!(
                reason,
                "the broker has blocked publishing: it is short of memory or disk"
            );
        } else {
            tracing::info!("the broker takes messages again");
        }
        self.blocked.send_replace(reason);
    }

    /// Waits for `future`, at most `limit`; but time during which the broker blocks us does not count.
    pub(super) async fn patiently<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut blocked = self.blocked.subscribe();
        loop {
            let is_blocked = blocked.borrow_and_update().is_some();
            tokio::select! {
                biased;
                output = &mut future => return Some(output),
                // The limit starts anew when the block ends. A block's own end is the broker's matter; if
                // the broker dies meanwhile, the heartbeat ends the connection and with it the future.
                changed = blocked.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep(limit), if !is_blocked => return None,
            }
        }
    }
}

/// One connection, with the task that watches it.
#[derive(Debug)]
pub(super) struct Link {
    connection: lapin::Connection,
    health: Arc<Health>,
    watcher: JoinHandle<()>,
    limit: Duration,
    theirs: Option<Certificate>,
}

impl Link {
    /// Connects. The caller sets the deadline of it all; `limit` is that of each later call.
    pub(super) async fn open(
        access: &Access,
        name: &str,
        health: &Arc<Health>,
        limit: Duration,
    ) -> Result<Self, Fault> {
        let properties = ConnectionProperties::default()
            .with_connection_name(name.into())
            .with_client_property("product".into(), "domesday".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
        let (connection, theirs) = dial(access, properties).await?;
        let watcher = tokio::spawn(watch(
            Arc::clone(health),
            connection.events_listener(),
            connection.status().clone(),
        ));
        Ok(Self {
            connection,
            health: Arc::clone(health),
            watcher,
            limit,
            theirs,
        })
    }

    /// The certificates of this connection, which was made with `access`.
    pub(super) fn certificates(&self, access: &Access) -> Certificates {
        Certificates {
            ours: access.secured.as_ref().and_then(|secured| secured.ours.clone()),
            theirs: self.theirs.clone(),
        }
    }

    /// A new channel. Opening one writes to the socket, so it waits while the broker blocks this connection.
    pub(super) async fn channel(&self) -> Result<Channel, Fault> {
        let doing = "opening a channel";
        self.health
            .patiently(self.limit, self.connection.create_channel())
            .await
            .ok_or_else(|| Fault::deadline(doing, self.limit, "is the broker overloaded?"))?
            .map_err(|error| Fault::from_lapin(doing, error))
    }

    /// Says goodbye; what fails now is no failure of the session any more.
    pub(super) async fn close(&self) {
        self.health.closing.store(true, Ordering::Release);
        let goodbye = self.connection.close(200, "OK".into());
        match tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection was gone before its close"),
            Err(_) => tracing::debug!("the broker did not answer the close in time"),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch(
    health: Arc<Health>,
    events: impl futures_util::Stream<Item = Event>,
    status: lapin::ConnectionStatus,
) {
    let mut events = pin!(events);
    loop {
        match tokio::time::timeout(LOOK_EVERY, events.next()).await {
            Ok(Some(Event::ConnectionBlocked(reason))) => health.set_blocked(Some(reason)),
            Ok(Some(Event::ConnectionUnblocked)) => health.set_blocked(None),
            Ok(Some(Event::Error(error))) => {
                let fault = Fault::from_lapin("the connection", error);
                // The lease was not to be had: that ended a channel, and was the answer to a question of ours.
                if fault.kind() != FaultKind::Locked {
                    health.report(&fault);
                    return;
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) if status.connected() => {}
            Ok(None) | Err(_) => {
                health.report(&Fault::new(
                    FaultKind::Connection,
                    "the connection to the broker has ended",
                ));
                return;
            }
        }
    }
}

/// Waits for one of lapin's calls, at most `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(|error| Fault::from_lapin(doing, error)),
        Err(_) => Err(Fault::deadline(doing, limit, "is the broker overloaded?")),
    }
}

pub(super) fn closed() -> Fault {
    Fault::new(FaultKind::Closed, "the session with the broker is closed")
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::{Duration, Fault, FaultKind, Health, pin};

    #[tokio::test]
    async fn only_the_first_failure_counts() {
        let health = Health::new();
        health.report(&Fault::new(FaultKind::Missing, "first"));
        health.report(&Fault::new(FaultKind::Missing, "second"));
        assert_eq!(health.failed().await.to_string(), "first");
    }

    #[tokio::test]
    async fn a_block_suspends_the_deadline() {
        let health = Health::new();
        let limit = Duration::from_millis(20);
        health.set_blocked(Some("low on memory".to_owned()));
        let waiting = health.patiently(limit, std::future::pending::<()>());
        let mut waiting = pin!(waiting);
        let early = tokio::time::timeout(limit * 5, &mut waiting).await;
        assert!(early.is_err(), "no deadline while blocked");
        health.set_blocked(None);
        assert_eq!(waiting.await, None, "but one afterwards");
    }
}
