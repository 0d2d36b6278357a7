//! The `api` room: what we say over AMQP. Commands come in (`intake`), questions are answered (`answers`), and the
//! change log goes out as events (`relay`).
//!
//! They live as long as one session with the broker. When it breaks they end, and start again with the next: what
//! was not acknowledged is delivered again, and the inbox recognises what was done already.

mod answers;
mod envelope;
mod intake;
mod relay;
mod standing;
mod subscriptions;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::broker::{self, Consumer, Delivery, Lease, PublishFault, Session};
use crate::domain::{Problem, Reach, Role, Warrant};
use crate::engine::{self, AccessOfNow, Acknowledge, Clock, Engine, FailAt, Point};
use crate::wire;
use crate::wire::shape::DrilledBody;

/// How messages are taken and answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The largest body of a command or question, in bytes.
    pub body_bytes_max: usize,
    /// How long a question waits for the sequence that it asked for, in milliseconds, where it has no deadline.
    pub question_wait_ms: u64,
    /// Events that are on their way to the broker without its confirm.
    pub events_in_flight_max: usize,
    /// Readers that may get a copy at the same time; more are asked to come again.
    pub syncs_max: usize,
    /// Questions that may stand at the same time.
    pub subscriptions_max: usize,
    /// Questions that may stand for one queue.
    pub subscriptions_per_queue_max: usize,
    /// Time between two bookmarks, in milliseconds.
    pub bookmark_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 * 1024 * 1024,
            question_wait_ms: 5_000,
            events_in_flight_max: 2_000,
            syncs_max: 4,
            subscriptions_max: 1_000,
            subscriptions_per_queue_max: 20,
            bookmark_interval_ms: 10_000,
        }
    }
}

/// Why a session's work ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The broker or the way to it failed: open another session.
    #[error("the session with the broker failed")]
    Broker(#[from] broker::Fault),
    /// A message was not taken by the broker.
    #[error("the broker did not take a message")]
    Publish(#[from] PublishFault),
    /// The engine could not be read: the process must stop.
    #[error("the engine failed")]
    Engine(#[from] engine::Fault),
    /// The engine takes no commands: the process is about to stop.
    #[error(transparent)]
    Stopped(#[from] engine::Stopped),
    /// A task was ended from outside or panicked.
    #[error("a task of the session was lost")]
    Task(#[from] tokio::task::JoinError),
}

/// What an instance tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Its copy is another than the original, and how.
    Diverged(String),
    /// It has proved that it could take over, or could not.
    Drilled(DrilledBody),
}

/// Who answers, and with what.
#[derive(Clone)]
pub struct Api {
    /// The engine.
    pub engine: Engine,
    /// The room's settings.
    pub config: Config,
    /// What a message may be.
    pub bounds: wire::Bounds,
    /// When a reply leaves.
    pub acknowledge: Acknowledge,
    /// The name of the instance.
    pub instance: String,
    /// Whether it serves, or follows one that does.
    pub role: Role,
    /// Events that it has heard of and not applied.
    pub behind: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The namespace of the broker's objects.
    pub namespace: String,
    /// Commands that may be in flight.
    pub prefetch_commands: u16,
    /// Questions that may be in flight.
    pub prefetch_questions: u16,
    /// Who may do what, as of now.
    pub access: AccessOfNow,
    /// What tells the time.
    pub clock: Clock,
    /// Where a test lets the process end.
    pub fail_at: FailAt,
}

impl Api {
    /// Works on one session until it breaks or the lease is lost, or until `draining` turns true: then no more is taken, what is in flight is
    /// answered, and the change log is published to its end, all within `drain`.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed.
    pub async fn run(
        &self,
        session: &Session,
        lease: &mut Lease,
        draining: watch::Receiver<bool>,
        drain: Duration,
    ) -> Result<(), Fault> {
        let api = Arc::new(self.clone());
        let (draining_commands, draining_questions) = (draining.clone(), draining.clone());
        let relay = relay::run(&api, session);
        let requests = async {
            let taken = tokio::try_join!(
                intake::run(&api, session, draining_commands),
                answers::run(&api, session, draining_questions)
            );
            taken.map(|_| ())
        };
        tokio::pin!(relay, requests);
        tokio::select! {
            ended = &mut relay => return ended,
            done = &mut requests => done?,
            fault = session.broken() => return Err(fault.into()),
            fault = lease.lost() => return Err(fault.into()),
            () = too_late(draining, drain) => {
                tracing::warn!("draining took too long; what is left is delivered again to the next instance");
                return Ok(());
            }
        }
        self.fail_at.pass(Point::Answered);
        // Every command that was taken has its receipt, so nothing is committed any more. The engine itself is stopped by
        // its owner, after this: the relay needs it for as long as it publishes.
        tokio::select! {
            ended = &mut relay => ended,
            () = self.published_all() => Ok(()),
            () = tokio::time::sleep(drain) => {
                tracing::warn!("the broker did not confirm the last events in time; they are published at the next start");
                Ok(())
            }
        }
    }

    /// Answers questions on one session until it breaks, or until `draining` turns true and the last one in flight is
    /// answered: what an instance does that does not serve.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed.
    pub async fn answer(&self, session: &Session, draining: watch::Receiver<bool>) -> Result<(), Fault> {
        answers::run(&Arc::new(self.clone()), session, draining).await
    }

    /// How far somebody may go with messages of a type, as of now.
    fn reach(&self, actor: &str, kind: &str) -> Result<Reach, Box<Problem>> {
        Warrant::new(&self.access.borrow(), actor).reach(kind)
    }

    /// Fails where somebody may not go everywhere with messages of a type.
    fn everywhere(&self, actor: &str, kind: &str) -> Result<(), Box<Problem>> {
        let access = self.access.borrow();
        let warrant = Warrant::new(&access, actor);
        if warrant.reach(kind)? == Reach::Everything {
            return Ok(());
        }
        let problem = warrant.refuse(kind, None);
        Err(Box::new(problem.hint(
            "it is about all of the register, and the rules allow it for a part only",
        )))
    }

    /// Publishes a notice of this instance, which has no sequence of its own.
    ///
    /// # Errors
    /// [`Fault`] where the session failed.
    pub async fn announce(&self, session: &Session, notice: &Notice) -> Result<(), Fault> {
        let (now, position) = ((self.clock)(), *self.engine.committed().borrow());
        let cluster = self.engine.reads().cluster();
        let outgoing = match notice {
            Notice::Diverged(detail) => {
                wire::render_diverged(position, &self.instance, detail, now, cluster, &self.namespace)
            }
            Notice::Drilled(drilled) => wire::render_drilled(drilled, now, cluster, &self.namespace),
        };
        let routing_key = outgoing.routing_key.clone();
        let message = envelope::event(outgoing, now);
        let (publisher, events) = (session.publisher().await?, session.names().events());
        let sent = publisher.send(&events, &routing_key, &message, false).await?;
        Ok(sent.wait().await?)
    }

    async fn published_all(&self) {
        let last = self.engine.committed().borrow().sequence;
        for mut mark in [self.engine.published(), self.engine.shipped()] {
            // An error means that the engine is gone; then there is nothing to wait for.
            let _ = mark.wait_for(|sequence| *sequence >= last).await;
        }
    }
}

/// Ends a while after draining began.
async fn too_late(mut draining: watch::Receiver<bool>, drain: Duration) {
    if draining.wait_for(|draining| *draining).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(drain).await;
}

/// Takes deliveries until there are no more, or until draining begins and the last answer in flight is given. `take` is
/// called in the order of delivery, and leaves its answer to a task.
async fn until_drained(
    consumer: &mut Consumer,
    mut draining: watch::Receiver<bool>,
    mut take: impl AsyncFnMut(Delivery, &mut JoinSet<Result<(), Fault>>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut answering = JoinSet::new();
    let mut cancelled = false;
    loop {
        tokio::select! {
            delivery = consumer.next() => match delivery {
                Some(delivery) => take(delivery?, &mut answering).await?,
                None => break,
            },
            Some(answered) = answering.join_next(), if !answering.is_empty() => answered??,
            drain = draining.wait_for(|draining| *draining), if !cancelled => {
                if drain.is_err() {
                    break;
                }
                drop(drain);
                cancelled = true;
                consumer.cancel().await;
            }
        }
    }
    while let Some(answered) = answering.join_next().await {
        answered??;
    }
    Ok(())
}
