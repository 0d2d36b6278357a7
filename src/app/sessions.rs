//! One session after the other: after one that broke, and after files that hold something else.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::instance::Instance;
use super::{Ended, Fault, now};
use crate::api;
use crate::broker::{Purpose, Session};
use crate::config::Config;
use crate::replica::{self, Turn};

/// A session that lasted this long was a good one: the waits between sessions start small again.
const GOOD_SESSION: Duration = Duration::from_secs(30);

/// What a session is told to end for, by a flag that turns true.
type Ends = watch::Receiver<bool>;

impl Instance<'_> {
    /// One session after the other, until draining is done or there is no use in going on. `work` is to end soon, with
    /// nothing left undone, when the flag that it is given turns true: for a drain, or for another session that is ready
    /// to take the place of this one.
    pub(super) async fn sessions(
        &self,
        purpose: Purpose,
        mut draining: watch::Receiver<bool>,
        work: impl AsyncFn(&Session, Ends) -> Result<Turn, Ended>,
    ) -> Result<Turn, Fault> {
        let Config { broker, instance, .. } = self.config;
        let mut backoff = broker.backoff();
        let mut successor = None;
        loop {
            let session = if let Some(session) = successor.take() {
                session
            } else {
                tokio::select! {
                    session = Session::open_with_retry(purpose, broker, &instance.name) => session?,
                    _ = draining.wait_for(|draining| *draining) => return Ok(Turn::Done),
                }
            };
            let began = tokio::time::Instant::now();
            let ended = self
                .session(purpose, &session, &mut draining, &work, &mut successor)
                .await;
            session.close().await;
            let fault = match ended {
                Ok(Turn::Done) if successor.is_some() && !*draining.borrow() => continue,
                Ok(turn) => return Ok(turn),
                Err(fault) => fault,
            };
            let fault = self.curable(fault).await?;
            if began.elapsed() >= GOOD_SESSION {
                backoff.reset();
            }
            let Some(wait) = backoff.next() else {
                return Err(match fault {
                    Ended::Api(api::Fault::Broker(fault)) | Ended::Broker(fault) => fault.into(),
                    other => std::io::Error::other(other).into(),
                });
            };
            tracing::warn!(
                fault = &fault as &dyn std::error::Error,
                wait_ms = wait.as_millis(),
                "the session ended"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = draining.wait_for(|draining| *draining) => return Ok(Turn::Done),
            }
        }
    }

    /// Works on one session, and waits beside it for its successor.
    async fn session(
        &self,
        purpose: Purpose,
        session: &Session,
        draining: &mut watch::Receiver<bool>,
        work: &impl AsyncFn(&Session, Ends) -> Result<Turn, Ended>,
        successor: &mut Option<Session>,
    ) -> Result<Turn, Ended> {
        let Config { broker, instance, .. } = self.config;
        if let Some(warning) = broker.tls.exposed_key() {
            tracing::warn!("{warning}");
        }
        let (end, ends) = watch::channel(false);
        let mut working = pin!(work(session, ends));
        let mut waiting = pin!(session.successor(purpose, broker, &instance.name));
        let mut expiring = pin!(
            session
                .certificates()
                .warn_of_expiry(broker.section, || now().0 / 1_000_000)
        );
        loop {
            let is_ending = *end.borrow();
            tokio::select! {
                ended = &mut working => return ended,
                never = &mut expiring => match never {},
                ready = &mut waiting, if !is_ending => {
                    *successor = Some(ready);
                    end.send_replace(true);
                }
                _ = draining.wait_for(|draining| *draining), if !is_ending => {
                    end.send_replace(true);
                }
            }
        }
    }

    /// Gives back what another session may heal.
    async fn curable(&self, fault: Ended) -> Result<Ended, Fault> {
        let engine = &self.replica.engine;
        match fault {
            Ended::Api(api::Fault::Engine(fault)) | Ended::Replica(replica::Fault::Engine(fault)) => {
                Err(Fault::Engine(Arc::new(fault)))
            }
            Ended::Api(api::Fault::Stopped(_)) | Ended::Replica(replica::Fault::Stopped(_)) => {
                Err(Fault::Engine(engine.failed().await))
            }
            // Somebody took a permission away, or changed an object of ours: trying again is of no use.
            Ended::Api(api::Fault::Broker(fault))
            | Ended::Replica(replica::Fault::Broker(fault))
            | Ended::Broker(fault)
                if fault.is_permanent() =>
            {
                Err(fault.into())
            }
            Ended::Replica(fault) if fault.is_permanent() => Err(Fault::Replica(fault)),
            fault => Ok(fault),
        }
    }
}
