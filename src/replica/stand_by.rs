//! Standing by: one instance serves a namespace at a time. Another follows it, and waits until the lease is free.

use std::time::Duration;

use super::follow::{Follower, who_serves};
use super::tail::Tail;
use super::{Fault, Replica, Stage};
use crate::broker::{self, Lease, Session};
use crate::domain::Position;
use crate::engine::Entry;

/// Between two looks at the lease.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an instance that is to serve may take for what it lacks.
const CATCH_UP: Duration = Duration::from_mins(10);

/// Why an instance waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For whoever has the lease: it may be a connection of our own that the broker has not given up yet.
    Unknown,
    /// For an instance that answers.
    Served,
    /// For a person: another register is served, and ours must not take its place.
    Contradicted,
}

impl Follower {
    /// For an instance that did not get the lease: waits until it may serve the namespace, as long as that takes, and
    /// follows meanwhile. With `may_stray`, it may hold changes that nobody was told of.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed, or where another copy is needed: since changes are missing that
    /// nobody has any more, or where it may stray, and does.
    pub async fn stand_by(&self, session: &Session, may_stray: bool) -> Result<Lease, Fault> {
        let ours = self.replica().engine.reads().cluster().to_owned();
        let mut told = None;
        let mut followed = Box::pin(self.run());
        let mut broken_off = false;
        let ask = || Box::pin(who_serves(self.source(), &self.replica().instance));
        // Beside the looks at the lease: whoever is asked may be gone, and gives no answer.
        let mut asking = ask();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                // Whom it follows it hears anyway.
                served = &mut asking, if told != Some(Waiting::Served) => {
                    let served = served?;
                    let waiting = match &served {
                        None => Waiting::Unknown,
                        Some(heartbeat) if heartbeat.body.cluster == ours => Waiting::Served,
                        Some(_) => Waiting::Contradicted,
                    };
                    if told != Some(waiting) && (waiting != Waiting::Unknown || told.is_none()) {
                        self.tell(waiting, served.as_ref());
                        told = Some(waiting);
                    }
                    asking = ask();
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                ended = &mut followed, if !broken_off => match ended {
                    Err(fault @ Fault::Lost { .. }) => return Err(fault),
                    Err(fault) if may_stray && fault.is_difference() => return Err(fault),
                    Err(fault) if fault.is_permanent() => {
                        tracing::error!(
                            fault = &fault as &dyn std::error::Error,
                            "this instance does not follow any more, and does not take over"
                        );
                        self.replica().lookout.enter(Stage::after(&fault));
                        broken_off = true;
                    }
                    ended => ended?,
                },
            }
            let may_serve = !broken_off && told != Some(Waiting::Contradicted);
            if may_serve && let Some(lease) = session.lease().await? {
                return Ok(lease);
            }
        }
    }

    fn tell(&self, waiting: Waiting, served: Option<&super::letter::Heartbeat>) {
        let (instance, cluster) = served.map_or(("", ""), |heartbeat| {
            (&*heartbeat.body.instance, &*heartbeat.body.cluster)
        });
        match waiting {
            Waiting::Unknown => {
                tracing::warn!("another connection has the lease of the namespace; standing by");
            }
            Waiting::Served => tracing::warn!(
                instance,
                cluster,
                "another instance serves the namespace; standing by, and following it"
            ),
            Waiting::Contradicted => tracing::error!(
                instance,
                cluster,
                ours = self.replica().engine.reads().cluster(),
                "another instance serves another register in the namespace, so this one does not follow and does not \
                 take over; stop it, or give it a namespace of its own (broker.namespace)"
            ),
        }
    }
}

impl Replica {
    /// With the lease in hand: takes in what was promised to clients and is not here yet, and begins an epoch where
    /// another copy of the register was served before.
    ///
    /// # Errors
    /// [`Fault`] where this register cannot go on from what was served.
    pub async fn take_over(&self, source: &broker::Config, followed: bool) -> Result<(), Fault> {
        let Some(tail) = Tail::read(source, &format!("{}/tail", self.instance)).await? else {
            return Ok(());
        };
        let reads = self.engine.reads();
        if tail.cluster != reads.cluster() {
            return Err(Fault::OtherRegister {
                ours: reads.cluster().to_owned(),
                theirs: tail.cluster,
                sequence: tail.position.sequence,
            });
        }
        let held = *self.engine.committed().borrow();
        // One that was restored has begun an epoch of its own, and what was served before does not count.
        if tail.position.epoch < held.epoch {
            return Ok(());
        }
        if let Some((sequence, link)) = &tail.link {
            self.agrees(*sequence, link).await?;
        }
        let lacked = tail.position.sequence > held.sequence;
        if lacked {
            tracing::info!(
                from = held.sequence + 1,
                to = tail.position.sequence,
                "taking in what was served before"
            );
            let follower = Follower::new(self.clone(), source.clone());
            let caught_up = tokio::time::timeout(CATCH_UP, follower.catch_up_to(tail.position)).await;
            caught_up.unwrap_or(Err(Fault::Lost {
                from: self.engine.committed().borrow().sequence + 1,
                to: tail.position.sequence,
            }))?;
        }
        let Position { epoch, .. } = *self.engine.committed().borrow();
        let by_another = tail
            .writer
            .is_some_and(|writer| writer != self.engine.reads().instance());
        if followed || lacked || by_another || tail.position.epoch > epoch {
            let position = self.engine.enter(Entry {
                epoch: epoch.max(tail.position.epoch) + 1,
                ..Entry::default()
            });
            let position = position.await?;
            tracing::warn!(
                epoch = position.epoch,
                sequence = position.sequence,
                "this instance has taken over"
            );
        }
        Ok(())
    }
}
