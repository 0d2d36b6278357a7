//! Standing by: one instance serves a namespace at a time, and another waits until the lease is free.
//!
//! The lease alone says that another serves, and not what. So the one that waits asks: a register that differs from its
//! own, or that has gone further, must not be replaced by its own the moment the other's connection breaks.

use std::time::Duration;

use super::{Api, Fault};
use crate::broker::{self, Client, Lease, Message, Session};
use crate::domain::Position;
use crate::wire::shape::{AnswerBody, PingArgs, PongBody, QuestionBody};
use crate::wire::{self, CONTENT_TYPE};

/// Between two looks at the lease.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the other instance has for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who serves the namespace, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Served {
    instance: String,
    cluster: String,
    position: Position,
}

impl Api {
    /// Waits until this instance may serve the namespace, as long as that takes, and says why it waits.
    ///
    /// # Errors
    /// [`Fault`] where the session failed.
    pub async fn stand_by(&self, session: &Session, config: &broker::Config) -> Result<Lease, Fault> {
        let mut heard: Option<Served> = None;
        let mut told: Option<Waiting> = None;
        loop {
            let may_serve = heard.as_ref().is_none_or(|served| self.goes_on_from(served));
            if may_serve && let Some(lease) = session.lease().await? {
                return Ok(lease);
            }
            let answer = self.who_serves(session, config).await;
            let waiting = match (&answer, may_serve) {
                (None, true) => Waiting::Unknown,
                (Some(_), _) => Waiting::Served,
                (None, false) => Waiting::Contradicted,
            };
            heard = answer.or(heard);
            if told != Some(waiting) {
                self.tell(waiting, heard.as_ref());
                told = Some(waiting);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether our register holds all that was served.
    fn goes_on_from(&self, served: &Served) -> bool {
        let ours = *self.engine.committed().borrow();
        served.cluster == self.engine.reads().cluster() && served.position <= ours
    }

    fn tell(&self, waiting: Waiting, heard: Option<&Served>) {
        let (instance, cluster, sequence) = heard.map_or(("", "", 0), |served| {
            (&*served.instance, &*served.cluster, served.position.sequence)
        });
        match waiting {
            Waiting::Unknown => tracing::warn!(
                namespace = self.namespace,
                "another connection has the lease of the namespace; standing by"
            ),
            Waiting::Served => tracing::warn!(
                namespace = self.namespace,
                instance,
                cluster,
                sequence,
                "another instance serves the namespace; standing by"
            ),
            Waiting::Contradicted => tracing::error!(
                namespace = self.namespace,
                instance,
                cluster,
                sequence,
                ours = self.engine.reads().cluster(),
                "the instance that served the namespace answers no more, and this one has another register or an \
                 older one, so it does not take over; start the other again, or restart this one if it is to serve"
            ),
        }
    }

    /// Asks whoever answers questions; none if nobody does in time.
    async fn who_serves(&self, session: &Session, config: &broker::Config) -> Option<Served> {
        let name = format!("{}/stand-by", self.instance);
        let client = Client::connect(config, &name).await.ok()?;
        let message = Message {
            body: wire::to_bytes(&QuestionBody::new(PingArgs {})),
            kind: Some("ping".to_owned()),
            content_type: Some(CONTENT_TYPE.to_owned()),
            expiration: Some(PATIENCE.as_millis().to_string()),
            ..Message::default()
        };
        let exchange = session.names().questions();
        let reply = client.request(&exchange, "ping", message, PATIENCE).await;
        client.close().await;
        let pong: AnswerBody<PongBody> = wire::from_bytes(&reply.ok()?.body).ok()?;
        Some(Served {
            instance: pong.findings.instance,
            cluster: pong.as_of.cluster,
            position: Position {
                epoch: pong.as_of.epoch,
                sequence: pong.as_of.sequence,
            },
        })
    }
}

/// Why an instance waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For whoever has the lease: it may be a connection of our own that the broker has not given up yet.
    Unknown,
    /// For an instance that answers.
    Served,
    /// For a person: the other is gone, and ours is not what it served.
    Contradicted,
}
