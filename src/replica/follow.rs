//! Following: an instance that does not serve takes in what the one that serves has shipped.
//!
//! It reads the stream from a little before the last change that it has. What it has it passes over; where something is
//! missing it asks the instance that serves, and where that is silent it reads the stream from its beginning. At each
//! heartbeat that is of its own sequence it compares digests.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::letter::{Heartbeat, Letter, changes_get, heartbeat_get};
use super::tail::PREFETCH;
use super::{Fault, PRIMARY_KEY, Replica};
use crate::broker::{self, Client, Consumer, Delivery, FaultKind, StreamOffset};
use crate::domain::{Parcel, Position, Standing};
use crate::engine::{Entry, Unfollowable};

/// How far before its last change an instance begins to read: clocks differ, and the stream is stored in pieces.
const MARGIN_S: u64 = 60;
/// How long the instance that serves has for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Parcels, in bytes, that are taken in together, and that wait for the end of their transaction at most.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;
const WAITING_BYTES_MAX: usize = 512 * 1024 * 1024;

/// An instance that follows.
pub struct Follower {
    replica: Replica,
    source: broker::Config,
    is_secondary: bool,
}

/// What was read and is not taken in yet.
#[derive(Default)]
struct Basket {
    parcels: Vec<Parcel>,
    bytes: usize,
}

impl Basket {
    fn add(&mut self, parcel: Parcel) {
        // An instance that was replaced in the middle of a transaction never ends it, and its successor begins it anew.
        while let Some(last) = self.parcels.last()
            && last.epoch < parcel.epoch
            && !last.complete
        {
            self.bytes -= last.body.len();
            self.parcels.pop();
        }
        self.bytes += parcel.body.len();
        self.parcels.push(parcel);
    }

    fn is_whole(&self) -> bool {
        self.parcels.last().is_some_and(|parcel| parcel.complete)
    }
}

impl Follower {
    /// One that reads from the broker of `source`.
    pub fn new(replica: Replica, source: broker::Config) -> Self {
        Self {
            replica,
            source,
            is_secondary: false,
        }
    }

    /// The same, for a copy that serves only once it is promoted: from the first proof on it says so on disk.
    #[must_use]
    pub fn as_secondary(mut self) -> Self {
        self.is_secondary = true;
        self
    }

    pub(super) const fn replica(&self) -> &Replica {
        &self.replica
    }

    pub(super) const fn source(&self) -> &broker::Config {
        &self.source
    }

    /// Follows until something fails. Of a broker that fails it makes nothing: it waits and tries again.
    ///
    /// # Errors
    /// [`Fault`] where following is of no use any more; see [`Fault::is_permanent`].
    pub async fn run(&self) -> Result<(), Fault> {
        let mut backoff = self.source.backoff();
        let mut from = self.since_last().await?;
        loop {
            let fault = match self.session(&mut from).await {
                Ok(()) => {
                    backoff.reset();
                    continue;
                }
                Err(Fault::Broker(fault)) if !fault.is_permanent() => fault,
                Err(fault) => return Err(fault),
            };
            let Some(wait) = backoff.next() else {
                return Err(fault.into());
            };
            tracing::warn!(
                fault = &fault as &dyn std::error::Error,
                wait_ms = wait.as_millis(),
                "the changes of the instance that serves do not come"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes in all that is in the stream now, and ends.
    ///
    /// # Errors
    /// As for [`Follower::run`], and where the broker fails.
    pub async fn catch_up_to(&self, goal: Position) -> Result<(), Fault> {
        let mut from = self.since_last().await?;
        let mut committed = self.replica.engine.committed();
        loop {
            tokio::select! {
                reached = committed.wait_for(|position| position.sequence >= goal.sequence) => {
                    return reached.map(|_| ()).map_err(|_| crate::engine::Stopped.into());
                }
                // It ends where it has to begin further back.
                ended = self.session(&mut from) => ended?,
            }
        }
    }

    /// One connection. Ends where it is to begin anew at `from`.
    async fn session(&self, from: &mut StreamOffset) -> Result<(), Fault> {
        let name = format!("{}/follow", self.replica.instance);
        let client = Client::connect(&self.source, &name).await?;
        let ended = tokio::select! {
            ended = self.read(&client, from) => ended.map(|()| None),
            fault = client.broken() => Err(fault.into()),
            // It was to show that there can be another.
            successor = client.successor(&self.source, &name) => Ok(Some(successor)),
            never = client.certificates().warn_of_expiry(self.source.section, || self.now_s()) => match never {},
        };
        client.close().await;
        if let Some(successor) = ended? {
            successor.close().await;
            *from = self.since_last().await?;
        }
        Ok(())
    }

    fn now_s(&self) -> i64 {
        (self.replica.clock)().0 / 1_000_000
    }

    async fn read(&self, client: &Client, from: &mut StreamOffset) -> Result<(), Fault> {
        self.ask_for_more(client).await?;
        let queue = self.source.names()?.replica();
        let mut stream = client.consume_stream(&queue, PREFETCH, *from).await?;
        let mut basket = Basket::default();
        while let Some(delivery) = stream.next().await {
            let heartbeat = self.gather(delivery?, &mut stream, &mut basket).await?;
            if basket.bytes > WAITING_BYTES_MAX {
                let first = basket.parcels.first().map_or(0, |parcel| parcel.first);
                return Err(Fault::Lost {
                    from: first,
                    to: first,
                });
            }
            if basket.is_whole() && !self.take_in(client, &mut basket, from).await? {
                return Ok(());
            }
            if let Some(heartbeat) = heartbeat
                && !self.compare(client, &heartbeat, from).await?
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes what has come, up to a heartbeat.
    async fn gather(
        &self,
        first: Delivery,
        stream: &mut Consumer,
        basket: &mut Basket,
    ) -> Result<Option<Box<Heartbeat>>, Fault> {
        let mut delivery = first;
        loop {
            let letter = Letter::read(&delivery.message);
            delivery.ack().await?;
            match letter {
                Some(Letter::Changes(parcel)) if self.is_news(&parcel) => {
                    self.hear(parcel.epoch, parcel.last);
                    basket.add(parcel);
                }
                Some(Letter::Heartbeat(heartbeat)) => return Ok(Some(heartbeat)),
                _ => {}
            }
            if basket.bytes >= TOGETHER_BYTES && basket.is_whole() {
                return Ok(None);
            }
            // Only what is here already: a parcel that is alone is taken in alone.
            delivery = match tokio::time::timeout(Duration::ZERO, stream.next()).await {
                Ok(Some(next)) => next?,
                Ok(None) | Err(_) => return Ok(None),
            };
        }
    }

    /// Whether a parcel has something that is not held. Those of another cluster, and of an instance that was replaced,
    /// have not: its successor has said what counts.
    fn is_news(&self, parcel: &Parcel) -> bool {
        let held = *self.replica.engine.committed().borrow();
        parcel.cluster == self.replica.engine.reads().cluster()
            && parcel.epoch >= held.epoch
            && parcel.last > held.sequence
    }

    /// Takes the basket in; false where the stream is to be read from `from`.
    async fn take_in(
        &self,
        client: &Client,
        basket: &mut Basket,
        from: &mut StreamOffset,
    ) -> Result<bool, Fault> {
        let Basket { parcels, .. } = std::mem::take(basket);
        let first = parcels.first().map_or(0, |parcel| parcel.first);
        let held = self.replica.engine.committed().borrow().sequence;
        if first > held + 1 {
            self.ask_for_more(client).await?;
            let held = self.replica.engine.committed().borrow().sequence;
            if first > held + 1 {
                return further_back(from, held + 1, first - 1);
            }
        }
        let bodies = parcels.into_iter().map(|parcel| parcel.body).collect();
        match self.replica.engine.follow(bodies).await? {
            // One that was replaced meanwhile: what came of it does not count.
            Ok(_) | Err(Unfollowable::Replaced { .. }) => Ok(true),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Asks the instance that serves for all that it has and we have not. Says whether it has answered to the end; nothing
    /// comes where it is silent.
    async fn ask_for_more(&self, client: &Client) -> Result<bool, Fault> {
        let control = self.source.names()?.control();
        let mut basket = Basket::default();
        loop {
            let held = self.replica.engine.committed().borrow().sequence;
            let from = basket.parcels.last().map_or(held, |parcel| parcel.last) + 1;
            let request = changes_get(from, PATIENCE);
            let answer = match client.request(&control, PRIMARY_KEY, request, PATIENCE).await {
                Ok(answer) => answer,
                Err(fault) if fault.kind() == FaultKind::Connection => return Err(fault.into()),
                // Nobody serves, or whoever does is busy: the stream may have it.
                Err(_) => return Ok(false),
            };
            match Letter::read(&answer) {
                Some(Letter::Changes(parcel)) if self.is_news(&parcel) && parcel.first <= from => {
                    self.hear(parcel.epoch, parcel.last);
                    basket.add(parcel);
                }
                Some(Letter::Heartbeat(heartbeat)) => {
                    self.hear_heartbeat(&heartbeat);
                    return Ok(true);
                }
                _ => return Ok(false),
            }
            if basket.is_whole() {
                let Basket { parcels, .. } = std::mem::take(&mut basket);
                let bodies = parcels.into_iter().map(|parcel| parcel.body).collect();
                self.replica.engine.follow(bodies).await??;
            }
        }
    }

    /// Compares the copy with what a heartbeat says of the original; false where the stream is to be read from `from`.
    async fn compare(
        &self,
        client: &Client,
        heartbeat: &Heartbeat,
        from: &mut StreamOffset,
    ) -> Result<bool, Fault> {
        let body = &heartbeat.body;
        let engine = &self.replica.engine;
        if body.cluster != engine.reads().cluster() {
            return Ok(true);
        }
        let held = *engine.committed().borrow();
        if body.epoch < held.epoch {
            return Ok(true);
        }
        self.hear_heartbeat(heartbeat);
        if body.sequence > held.sequence {
            // What came before it in the stream was not all: a parcel was lost, or was of another epoch.
            let answered = self.ask_for_more(client).await?;
            let held = engine.committed().borrow().sequence;
            if answered && held < body.sequence {
                return further_back(from, held + 1, body.sequence);
            }
            return Ok(true);
        }
        self.replica.agrees(body.sequence, &body.link).await?;
        if body.sequence < held.sequence {
            return Ok(true);
        }
        engine.confirm(body.published);
        let reads = Arc::clone(engine.reads());
        let ours = tokio::task::spawn_blocking(move || reads.bookmark()).await??;
        if ours.position.sequence != body.sequence {
            return Ok(true);
        }
        let digest = ours.digest.to_string();
        if digest != body.digest {
            return Err(Fault::Diverged {
                sequence: body.sequence,
                ours: digest,
                theirs: body.digest.clone(),
            });
        }
        self.replica.lookout.prove(body.sequence);
        let settles = self.is_secondary && *engine.standing().borrow() != Standing::Secondary;
        if body.epoch > held.epoch || settles {
            let entry = Entry {
                epoch: body.epoch,
                began: Some(body.began),
                standing: settles.then_some(Standing::Secondary),
            };
            engine.enter(entry).await?;
        }
        self.catch(heartbeat).await?;
        Ok(true)
    }

    fn hear(&self, epoch: u64, sequence: u64) {
        self.replica.lookout.hear(Position { epoch, sequence });
    }

    fn hear_heartbeat(&self, heartbeat: &Heartbeat) {
        self.replica.lookout.hear_heartbeat(heartbeat, Instant::now());
    }

    /// Where in the stream the changes begin that we may lack.
    async fn since_last(&self) -> Result<StreamOffset, Fault> {
        let held = self.replica.engine.committed().borrow().sequence;
        let reads = Arc::clone(self.replica.engine.reads());
        let last = tokio::task::spawn_blocking(move || reads.changes(held, 1))
            .await??
            .pop();
        // That of whoever served may have been ahead of ours; the broker's own time is what counts.
        let time = last.map(|change| change.time.min((self.replica.clock)()));
        let seconds = time.and_then(|time| u64::try_from(time.0 / 1_000_000).ok());
        Ok(seconds.map_or(StreamOffset::First, |seconds| {
            StreamOffset::Timestamp(seconds.saturating_sub(MARGIN_S))
        }))
    }
}

/// Where changes are missing that the instance that serves has not: the stream may have them, further back. Gives false,
/// for that.
fn further_back(from: &mut StreamOffset, first: u64, last: u64) -> Result<bool, Fault> {
    if *from == StreamOffset::First {
        return Err(Fault::Lost {
            from: first,
            to: last,
        });
    }
    *from = StreamOffset::First;
    Ok(false)
}

/// Asks the instance that serves who it is; `None` where nobody does.
///
/// # Errors
/// [`Fault::Broker`] where the broker cannot be reached.
pub(super) async fn who_serves(source: &broker::Config, name: &str) -> Result<Option<Heartbeat>, Fault> {
    let client = Client::connect(source, name).await?;
    let request = heartbeat_get(PATIENCE);
    let control = source.names()?.control();
    let answer = client.request(&control, PRIMARY_KEY, request, PATIENCE).await;
    client.close().await;
    match answer.map(|message| Letter::read(&message)) {
        Ok(Some(Letter::Heartbeat(heartbeat))) => Ok(Some(*heartbeat)),
        Err(fault) if fault.kind() == FaultKind::Connection => Err(fault.into()),
        Ok(_) | Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::Basket;
    use crate::domain::Parcel;

    fn parcel(epoch: u64, first: u64, last: u64, complete: bool) -> Parcel {
        Parcel {
            cluster: String::new(),
            epoch,
            first,
            last,
            complete,
            body: vec![0; 10],
        }
    }

    #[test]
    fn half_a_transaction_of_an_instance_that_was_replaced_is_dropped() {
        let mut basket = Basket::default();
        basket.add(parcel(1, 1, 3, true));
        basket.add(parcel(1, 4, 6, false));
        basket.add(parcel(1, 7, 8, false));
        assert!(!basket.is_whole());
        basket.add(parcel(2, 4, 5, true));
        let places: Vec<(u64, u64)> = basket
            .parcels
            .iter()
            .map(|parcel| (parcel.first, parcel.last))
            .collect();
        assert_eq!((places, basket.bytes), (vec![(1, 3), (4, 5)], 20));
        assert!(basket.is_whole());
    }
}
