//! Sync: a copy of the register, or the events that a reader missed, sent to the queue that asked.
//!
//! The state is read from one snapshot of the store, in pieces, while others write; so a sync holds neither the state nor
//! the engine. What is on its way is bounded, and a queue that refuses more (`x-max-length` with `reject-publish`) slows
//! the sync down; one that is gone ends it.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::envelope::{ReturnAddress, event};
use super::{Api, Fault};
use crate::broker::{Confirmation, Message, PublishFault, Publisher};
use crate::domain::{
    Change, Cursor, Digest, Document, EntityKey, Filter, Id, LINKS_PER_EVENT, Reach, SyncRequest, Verdict,
};
use crate::engine::{self, AsOf};
use crate::wire::{self, QueueMessage, SyncOf};

/// Entities or changes that are read at once.
const READ_MAX: usize = 500;
/// Messages of one sync that are on their way without the broker's confirm.
const IN_FLIGHT_MAX: usize = 256;
/// The waits after the queue refused a message: the first, and the longest.
const REFUSED_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often in a row the queue may refuse the same message; with the waits, about a minute.
const REFUSALS_MAX: u32 = 36;

/// Where a sync goes, and what is on its way there.
struct Reader<'a> {
    api: &'a Arc<Api>,
    publisher: &'a Publisher,
    address: &'a ReturnAddress,
    queue: &'a str,
    in_flight: VecDeque<(Message, Confirmation)>,
    refusals: u32,
}

/// Why a sync ended early; neither is a fault of ours.
enum Lost {
    /// The queue is gone, or has no room for too long.
    Reader(PublishFault),
    /// We failed.
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Lost {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Sends the reader what it asked for, unless draining begins.
pub(super) async fn run(
    api: &Arc<Api>,
    publisher: &Publisher,
    address: &ReturnAddress,
    queue: &str,
    (request, reach): (SyncRequest, &Reach),
    mut draining: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let mut reader = Reader {
        api,
        publisher,
        address,
        queue,
        in_flight: VecDeque::new(),
        refusals: 0,
    };
    let ended = tokio::select! {
        ended = reader.sync(request, reach) => ended,
        _ = draining.wait_for(|draining| *draining) => return Ok(()),
    };
    match ended {
        Ok(()) => Ok(()),
        Err(Lost::Reader(fault)) => {
            tracing::info!(
                queue,
                fault = &fault as &dyn std::error::Error,
                "a sync ended: its reader is gone or too slow"
            );
            Ok(())
        }
        Err(Lost::Fault(fault)) => Err(fault),
    }
}

impl Reader<'_> {
    async fn sync(&mut self, request: SyncRequest, reach: &Reach) -> Result<(), Lost> {
        let reads = Arc::clone(self.api.engine.reads());
        let (register, first) = blocking(move || {
            let register = reads.as_of_now()?;
            let first = register.first_change()?;
            Ok((Arc::new(register), first))
        })
        .await?;
        let position = register.position();
        let cluster = self.api.engine.reads().cluster();
        let in_sight = self.api.engine.reads().in_sight(reach);
        let verdict = match request.verdict(cluster, position, first) {
            // What is in sight can change without an event of the entity itself.
            Verdict::Ok if in_sight.is_some() => Verdict::Behind,
            verdict => verdict,
        };
        tracing::info!(
            queue = self.queue,
            verdict = verdict.as_str(),
            sequence = position.sequence,
            "sync"
        );
        let of = SyncOf { cluster, position };
        let part = Arc::new(Part::of(&register, &request, in_sight).await?);
        let (count, digest) = part.survey(&register).await?;
        if let (Some(cursor), Verdict::Ok) = (&request.cursor, verdict) {
            self.missed(&register, &part, cursor, of).await?;
        } else {
            self.send(self.message(of.begin(verdict, count))).await?;
            self.state(&register, &part, of).await?;
        }
        // The end says that all of it is there: a queue that refuses a message may take those after it.
        self.settle_all().await?;
        self.send(self.message(of.end(digest))).await?;
        self.settle_all().await
    }

    /// The events after the cursor, as they were published.
    async fn missed(
        &mut self,
        register: &Arc<AsOf>,
        part: &Part,
        cursor: &Cursor,
        of: SyncOf<'_>,
    ) -> Result<(), Lost> {
        let last = of.position.sequence;
        let mut next = cursor.position.sequence + 1;
        self.send(self.message(of.begin(Verdict::Ok, last - cursor.position.sequence)))
            .await?;
        while next <= last {
            let register = Arc::clone(register);
            let changes = blocking(move || register.changes(next, READ_MAX)).await?;
            let Some(end) = changes.last() else { break };
            next = end.sequence + 1;
            for change in changes
                .iter()
                .filter(|change| part.filter.takes(change.event.key.entity))
            {
                self.send(self.event(change, of.cluster)).await?;
            }
        }
        Ok(())
    }

    /// The whole state, environments with their members first.
    async fn state(&mut self, register: &Arc<AsOf>, part: &Part, of: SyncOf<'_>) -> Result<(), Lost> {
        let mut after: Option<EntityKey> = None;
        loop {
            let (from, reading) = (after.clone(), Arc::clone(register));
            let some = blocking(move || reading.live_after(from.as_ref(), READ_MAX)).await?;
            let Some(last) = some.last() else { return Ok(()) };
            after = Some(last.document.key());
            for live in some.iter().filter(|live| part.has(&live.document)) {
                self.send(self.message(of.state(&live.document, live.revision)))
                    .await?;
                if let Document::Environment(environment) = &*live.document {
                    self.members(register, &environment.id, live.revision, of).await?;
                }
            }
        }
    }

    async fn members(
        &mut self,
        register: &Arc<AsOf>,
        environment: &Id,
        revision: u64,
        of: SyncOf<'_>,
    ) -> Result<(), Lost> {
        let (register, id) = (Arc::clone(register), environment.clone());
        let members = blocking(move || register.members(&id)).await?;
        for some in members.chunks(LINKS_PER_EVENT) {
            self.send(self.message(of.members(environment, revision, some)))
                .await?;
        }
        Ok(())
    }

    fn message(&self, QueueMessage { kind, body }: QueueMessage) -> Message {
        Message {
            kind: Some(kind.to_owned()),
            ..self.address.reply(body, (self.api.clock)())
        }
    }

    fn event(&self, change: &Change, cluster: &str) -> Message {
        // The namespace is part of the CloudEvents source, so that a missed event is the same as a live one.
        let outgoing = wire::render_event(change, cluster, &self.api.namespace);
        let mut message = event(outgoing, change.time);
        // The queue is addressed itself: nothing is to be routed.
        message.headers.remove("CC");
        message
    }

    async fn send(&mut self, message: Message) -> Result<(), Lost> {
        while self.in_flight.len() >= IN_FLIGHT_MAX {
            self.settle().await?;
        }
        let confirmation = self.publisher.send("", self.queue, &message, true).await?;
        self.in_flight.push_back((message, confirmation));
        Ok(())
    }

    async fn settle_all(&mut self) -> Result<(), Lost> {
        while !self.in_flight.is_empty() {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits for the oldest message on its way. Where the queue refused it, it and all after it go again, so that the
    /// order is kept.
    async fn settle(&mut self) -> Result<(), Lost> {
        let Some((message, confirmation)) = self.in_flight.pop_front() else {
            return Ok(());
        };
        match confirmation.wait().await {
            Ok(()) => {
                self.refusals = 0;
                Ok(())
            }
            Err(PublishFault::Nacked) if self.refusals < REFUSALS_MAX => {
                let (first, longest) = REFUSED_WAIT;
                tokio::time::sleep(first.saturating_mul(1 << self.refusals.min(10)).min(longest)).await;
                self.refusals += 1;
                let again: Vec<Message> = self.in_flight.drain(..).map(|(message, _)| message).collect();
                for message in std::iter::once(message).chain(again) {
                    let confirmation = self.publisher.send("", self.queue, &message, true).await?;
                    self.in_flight.push_back((message, confirmation));
                }
                Ok(())
            }
            Err(fault) => Err(Lost::Reader(fault)),
        }
    }
}

/// The part of the register that a filter says, as of one commit.
struct Part {
    filter: Filter,
    /// The resources in the filter's environments.
    placed: HashSet<Id>,
    /// What the reader may see: environments, and the resources in them; `None` for all.
    in_sight: Option<(BTreeSet<Id>, HashSet<Id>)>,
}

impl Part {
    async fn of(
        register: &Arc<AsOf>,
        request: &SyncRequest,
        in_sight: Option<BTreeSet<Id>>,
    ) -> Result<Self, Fault> {
        let (register, filter) = (Arc::clone(register), request.filter.clone());
        blocking(move || {
            let members = |environments: &mut dyn Iterator<Item = &Id>| {
                let mut members = HashSet::new();
                for environment in environments {
                    members.extend(register.members(environment)?);
                }
                Ok::<_, engine::Fault>(members)
            };
            let seen = |id: &&Id| in_sight.as_ref().is_none_or(|in_sight| in_sight.contains(*id));
            Ok(Self {
                // What is in an environment out of sight is not told apart from what is not.
                placed: members(&mut filter.environments.iter().filter(seen))?,
                in_sight: match in_sight {
                    Some(environments) => Some((environments.clone(), members(&mut environments.iter())?)),
                    None => None,
                },
                filter,
            })
        })
        .await
    }

    fn has(&self, document: &Document) -> bool {
        let seen = self
            .in_sight
            .as_ref()
            .is_none_or(|(environments, resources)| match document {
                Document::Environment(environment) => environments.contains(&environment.id),
                Document::Resource(resource) => resources.contains(&resource.id),
            });
        seen && self.filter.matches(document, |id| self.placed.contains(id))
    }

    /// How many entities it has, and their digest.
    async fn survey(self: &Arc<Self>, register: &Arc<AsOf>) -> Result<(u64, Digest), Fault> {
        let (part, register) = (Arc::clone(self), Arc::clone(register));
        blocking(move || register.survey(|live| part.has(&live.document))).await
    }
}

/// Reads from the disk without holding up the tasks beside.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, engine::Fault> + Send + 'static,
) -> Result<T, Fault> {
    Ok(tokio::task::spawn_blocking(read).await??)
}
