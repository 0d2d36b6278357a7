//! The relay: publishes the change log as events, in order, and takes down how far the broker has confirmed it.
//!
//! Every event is published `mandatory`: the stream of changes, or the queues that stand in for it, are bound to the
//! exchange, so an event that comes back means that they are gone. After a crash or a nack it starts again after the last
//! confirmed event; an event that goes out twice has the same message id and the same sequence.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::envelope::event;
use super::{Api, Fault};
use crate::broker::{Confirmation, PublishFault, Publisher, Session, confirmed_in_order};
use crate::domain::{Bookmark, Change, Position, Timestamp};
use crate::engine::{News, Point};
use crate::wire;

/// Changes that are read from the log at once.
const READ_MAX: usize = 500;
/// How often in a row the broker may refuse events before the session is given up.
const NACKS_MAX: usize = 5;
/// The epoch of a new register, which nobody needs to be told of.
const FIRST_EPOCH: u64 = 1;

/// Publishes until the session breaks.
pub(super) async fn run(api: &Arc<Api>, session: &Session) -> Result<(), Fault> {
    let publisher = session.publisher().await?;
    let events = session.names().events();
    let namespace = session.names().namespace().to_owned();
    let mut nacks = 0;
    loop {
        let before = *api.engine.published().borrow();
        let (sender, receiver) = mpsc::channel(api.config.events_in_flight_max.max(1));
        let relay = Relay {
            api,
            publisher: &publisher,
            exchange: &events,
            namespace: &namespace,
            sender,
        };
        let ended = tokio::select! {
            ended = relay.publish() => ended,
            ended = confirmed_in_order(receiver, |sequence| {
                if let Some(sequence) = sequence {
                    api.fail_at.pass(Point::EventConfirmed);
                    api.engine.confirm(sequence);
                }
            }) => ended.map_err(Fault::from),
        };
        let nacked = matches!(ended, Err(Fault::Publish(PublishFault::Nacked)));
        let progress = *api.engine.published().borrow() > before;
        nacks = if progress { 1 } else { nacks + 1 };
        if !nacked || nacks > NACKS_MAX {
            return ended;
        }
        tracing::warn!(
            published = before,
            "the broker refused an event; publishing starts again after the last confirmed"
        );
    }
}

struct Relay<'a> {
    api: &'a Arc<Api>,
    publisher: &'a Publisher,
    exchange: &'a str,
    namespace: &'a str,
    /// What is on its way, and the sequence that is published once the broker has it; none for a message in between.
    sender: mpsc::Sender<(Confirmation, Option<u64>)>,
}

impl Relay<'_> {
    async fn publish(&self) -> Result<(), Fault> {
        let mut committed = self.api.engine.committed();
        let mut next = self.start().await?;
        let mut counts: Vec<(String, u64)> = Vec::new();
        let pause = Duration::from_millis(self.api.config.bookmark_interval_ms);
        let mut due = Instant::now();
        // Taken of the state in memory, and published once the events have come as far as that.
        let mut bookmark: Option<Bookmark> = None;
        // Told after the last event of the epoch before.
        let mut begun = self.begun().await?;
        let mut news = News::default();
        loop {
            self.send_due(next, &mut begun, &mut bookmark).await?;
            let mut changes = self.read(next, READ_MAX).await?;
            // What is on disk a moment earlier than in memory has no news yet.
            let known = committed.borrow_and_update().sequence;
            changes.retain(|change| change.sequence <= known);
            if changes.is_empty() {
                tokio::select! {
                    more = committed.wait_for(|position| position.sequence >= next) => {
                        if more.is_err() {
                            // The engine is done, so there will be no more; the last confirms are still to come.
                            std::future::pending::<()>().await;
                        }
                    }
                    () = tokio::time::sleep_until(due) => {
                        bookmark = Some(self.bookmark().await?);
                        due = Instant::now() + pause;
                    }
                }
                continue;
            }
            if let Some(last) = changes.iter().rfind(|change| change.transaction.is_last())
                && !news.covers(last.sequence)
            {
                news = self.news(next).await?;
                changes.retain(|change| change.sequence <= news.until());
            }
            for change in &changes {
                self.send_event(change, &mut counts, &news).await?;
                next = change.sequence + 1;
                self.send_due(next, &mut begun, &mut bookmark).await?;
            }
            // Under load there is never nothing to read.
            if bookmark.is_none() && Instant::now() >= due {
                bookmark = Some(self.bookmark().await?);
                due = Instant::now() + pause;
            }
        }
    }

    /// Where the epoch of now began, as long as nothing of it was published.
    async fn begun(&self) -> Result<Option<Position>, Fault> {
        let reads = Arc::clone(self.api.engine.reads());
        let sequence = tokio::task::spawn_blocking(move || reads.epoch_began()).await??;
        let Position { epoch, .. } = *self.api.engine.committed().borrow();
        let is_news = epoch > FIRST_EPOCH && *self.api.engine.published().borrow() <= sequence;
        Ok(is_news.then_some(Position { epoch, sequence }))
    }

    /// Sends what waits for the events to have come as far as `next`.
    async fn send_due(
        &self,
        next: u64,
        begun: &mut Option<Position>,
        bookmark: &mut Option<Bookmark>,
    ) -> Result<(), Fault> {
        if let Some(position) = begun.take_if(|position| position.sequence < next) {
            let (now, cluster) = ((self.api.clock)(), self.api.engine.reads().cluster());
            let event =
                wire::render_epoch_started(position, &self.api.instance, now, cluster, self.namespace);
            self.send(event, now, None).await?;
        }
        if let Some(ready) = bookmark.take_if(|bookmark| bookmark.position.sequence < next) {
            self.send_bookmark(&ready).await?;
        }
        Ok(())
    }

    async fn bookmark(&self) -> Result<Bookmark, Fault> {
        let reads = Arc::clone(self.api.engine.reads());
        Ok(tokio::task::spawn_blocking(move || reads.bookmark()).await??)
    }

    async fn send_bookmark(&self, bookmark: &Bookmark) -> Result<(), Fault> {
        let now = (self.api.clock)();
        let cluster = self.api.engine.reads().cluster();
        self.send(
            wire::render_bookmark(bookmark, now, cluster, self.namespace),
            now,
            None,
        )
        .await
    }

    /// Where to start: after what is confirmed, but at the beginning of a transaction, so that its counts are whole.
    async fn start(&self) -> Result<u64, Fault> {
        let next = *self.api.engine.published().borrow() + 1;
        let first = self.read(next, 1).await?.pop();
        Ok(first.map_or(next, |change| change.transaction.first.min(next)))
    }

    async fn read(&self, from: u64, most: usize) -> Result<Vec<Change>, Fault> {
        let reads = Arc::clone(self.api.engine.reads());
        Ok(tokio::task::spawn_blocking(move || reads.changes(from, most)).await??)
    }

    /// What transactions did to the graph as a whole, those that end from here on.
    async fn news(&self, first: u64) -> Result<News, Fault> {
        let reads = Arc::clone(self.api.engine.reads());
        Ok(tokio::task::spawn_blocking(move || reads.news(first)).await??)
    }

    async fn send_event(
        &self,
        change: &Change,
        counts: &mut Vec<(String, u64)>,
        news: &News,
    ) -> Result<(), Fault> {
        let cluster = self.api.engine.reads().cluster();
        if change.transaction.index == 0 {
            counts.clear();
        }
        let kind = change.event.kind();
        match counts.iter_mut().find(|(known, _)| known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind.to_owned(), 1)),
        }
        let last = change.transaction.is_last();
        let sequence = change.sequence;
        self.send(
            wire::render_event(change, cluster, self.namespace),
            change.time,
            (!last).then_some(sequence),
        )
        .await?;
        self.api.fail_at.pass(Point::EventSent);
        if last {
            // The last event counts as published only with the message that closes its transaction.
            let closing = wire::render_transaction(change, counts, cluster, self.namespace);
            let news = news
                .of(sequence)
                .map(|news| wire::render_news(change, news, cluster, self.namespace));
            for outgoing in news.into_iter().flatten() {
                self.send(outgoing, change.time, None).await?;
            }
            self.send(closing, change.time, Some(sequence)).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        outgoing: wire::Outgoing,
        time: Timestamp,
        confirms: Option<u64>,
    ) -> Result<(), Fault> {
        let routing_key = outgoing.routing_key.clone();
        let message = event(outgoing, time);
        let confirmation = self
            .publisher
            .send(self.exchange, &routing_key, &message, true)
            .await?;
        // The other side ends only together with us.
        let _ = self.sender.send((confirmation, confirms)).await;
        Ok(())
    }
}
