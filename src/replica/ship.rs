//! Shipping: what is committed goes to the stream, in order, with a heartbeat now and then.
//!
//! A heartbeat goes out after the parcel that ends where it was taken, so that whoever reads the stream in order can
//! compare its digest there. After a nack everything after the last confirmed change is shipped again; who follows
//! passes over what it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::letter::{Heartbeat, changes};
use super::{Fault, Replica};
use crate::broker::{
    CHANGES_KEY, Confirmation, Message, PublishFault, Publisher, Session, confirmed_in_order,
};
use crate::domain::{Parcel, Position};
use crate::wire;
use crate::wire::shape::{CanaryBody, HeartbeatBody};

/// How often in a row the broker may refuse parcels before the session is given up.
const NACKS_MAX: usize = 5;
/// Time between two heartbeats with canaries.
const CANARIES_EVERY: Duration = Duration::from_secs(10);

/// Ships until the session breaks.
pub(super) async fn run(replica: &Arc<Replica>, session: &Session) -> Result<(), Fault> {
    let publisher = session.publisher().await?;
    let control = session.names().control();
    let mut nacks = 0;
    loop {
        let before = *replica.engine.shipped().borrow();
        let (sender, receiver) = mpsc::channel(replica.config.parcels_in_flight_max.max(1));
        let shipper = Shipper {
            replica,
            publisher: &publisher,
            control: &control,
            sender,
        };
        let ended = tokio::select! {
            ended = shipper.ship(before + 1) => ended,
            ended = confirmed_in_order(receiver, |sequence| {
                if let Some(sequence) = sequence {
                    replica.engine.confirm_shipped(sequence);
                }
            }) => ended.map_err(Fault::from),
        };
        let progress = *replica.engine.shipped().borrow() > before;
        nacks = if progress { 1 } else { nacks + 1 };
        match ended {
            Err(Fault::Publish(PublishFault::Nacked)) if nacks <= NACKS_MAX => tracing::warn!(
                shipped = before,
                "the broker refused changes for other instances; shipping starts again after the last confirmed"
            ),
            ended => return ended,
        }
    }
}

struct Shipper<'a> {
    replica: &'a Arc<Replica>,
    publisher: &'a Publisher,
    control: &'a str,
    /// What is on its way, and the sequence that is shipped once the broker has it; none for what is not the end of a
    /// transaction.
    sender: mpsc::Sender<(Confirmation, Option<u64>)>,
}

impl Shipper<'_> {
    async fn ship(&self, first: u64) -> Result<(), Fault> {
        let mut committed = self.replica.engine.committed();
        let mut next = first;
        let mut due = Instant::now();
        // Taken of the state in memory, and sent once the changes have come as far as that.
        let mut heartbeat: Option<Heartbeat> = None;
        let mut canaries_due = Instant::now();
        loop {
            if let Some(ready) = heartbeat.take_if(|beat| beat.body.sequence < next) {
                self.send(ready.message(), None).await?;
            }
            if heartbeat.is_none() && Instant::now() >= due {
                let with_canaries = Instant::now() >= canaries_due;
                heartbeat = Some(self.replica.heartbeat_with(with_canaries).await?);
                if with_canaries {
                    canaries_due = Instant::now() + CANARIES_EVERY;
                }
                due = Instant::now() + self.replica.config.heartbeat();
                continue;
            }
            let last = committed.borrow_and_update().sequence;
            if next <= last {
                let until = heartbeat.as_ref().map_or(last, |beat| beat.body.sequence);
                next = self.send_changes(next, until).await? + 1;
                continue;
            }
            tokio::select! {
                moved = committed.changed() => if moved.is_err() {
                    // The engine is done, so there will be no more; the last confirms are still to come.
                    std::future::pending::<()>().await;
                },
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    /// Ships one parcel, and gives the sequence of its last change.
    async fn send_changes(&self, first: u64, until: u64) -> Result<u64, Fault> {
        let Some(parcel) = self.replica.parcel(first, until).await? else {
            // A register from before there were parcels: who follows begins with a copy of all of it.
            tracing::warn!(first, until, "old changes cannot be shipped, and are left out");
            self.replica.engine.confirm_shipped(until);
            return Ok(until);
        };
        let (last, complete) = (parcel.last, parcel.complete);
        self.send(changes(parcel), complete.then_some(last)).await?;
        Ok(last)
    }

    async fn send(&self, message: Message, shipped: Option<u64>) -> Result<(), Fault> {
        let sent = self
            .publisher
            .send(self.control, CHANGES_KEY, &message, true)
            .await?;
        // The other side ends only together with us.
        let _ = self.sender.send((sent, shipped)).await;
        Ok(())
    }
}

impl Replica {
    /// Where this instance is.
    pub(super) async fn heartbeat(&self) -> Result<Heartbeat, Fault> {
        self.heartbeat_with(false).await
    }

    async fn heartbeat_with(&self, canaries: bool) -> Result<Heartbeat, Fault> {
        let reads = Arc::clone(self.engine.reads());
        let (bookmark, canaries, link, began) = tokio::task::spawn_blocking(move || {
            let (bookmark, canaries) = if canaries {
                reads.bookmark_with_canaries()?
            } else {
                (reads.bookmark()?, Vec::new())
            };
            let link = reads.link(bookmark.position.sequence)?;
            Ok::<_, crate::engine::Fault>((bookmark, canaries, link, reads.epoch_began()?))
        })
        .await??;
        let Position { epoch, sequence } = bookmark.position;
        let published = *self.engine.published().borrow();
        Ok(Heartbeat {
            body: HeartbeatBody {
                cluster: self.engine.reads().cluster().to_owned(),
                epoch,
                sequence,
                began,
                digest: bookmark.digest.to_string(),
                link: link.unwrap_or_default(),
                published,
                instance: self.instance.clone(),
                writer: self.engine.reads().instance().to_owned(),
                time: wire::format_time((self.clock)()),
                canaries: canaries.iter().map(CanaryBody::from).collect(),
            },
        })
    }

    /// Changes from one sequence to another, as many as go into one parcel.
    pub(super) async fn parcel(&self, first: u64, until: u64) -> Result<Option<Parcel>, Fault> {
        let (reads, most) = (Arc::clone(self.engine.reads()), self.config.parcel_bytes_max);
        Ok(tokio::task::spawn_blocking(move || reads.parcel(first, until, most)).await??)
    }
}
